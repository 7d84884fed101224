//! `lamplight table`, `compare` and `export` as a user meets them: the program itself on a store of known runs, and what it
//! writes opened by other programs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod support;

use std::path::Path;
use std::process::{Command, ExitCode, Output};

use lamplight::lamp::{Metric, Setting, Split, Task};
use lamplight::metrics::{Bootstrap, MeteorStages, ScoreSet, Scorer};
use lamplight::record::{
    Column, DatasetSpec, Finish, ModelSpec, Prediction, PromptSpec, Retrieved, RetrieverSpec, RunId, RunSpec,
    Training, Tuning, TuningCell,
};
use lamplight::store::Store;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

/// Texts that break careless formats.
const NASTY: [&str; 8] = [
    "plain",
    "a \"quoted\", line\r\nand\nanother",
    "=cmd|' /C calc'!A0",
    "-1",
    "emoji 🎉 and \u{202e}right to left\u{202c} שלום",
    "nul \0 and \u{1b}[2J escape",
    "@home, +1; \t",
    "",
];

struct Place {
    folder: tempfile::TempDir,
    runs: Vec<RunId>,
}

fn spec(task: Task, retriever: &str, k: usize) -> RunSpec {
    RunSpec {
        program: "0.1.0".into(),
        dataset: DatasetSpec {
            task,
            setting: Setting::User,
            split: Split::Dev,
            fingerprint: format!("{:0>64}", task as u8),
            limit: None,
            sample_seed: None,
            skip_broken: false,
        },
        model: ModelSpec {
            name: "tiny_model & co".into(),
            fingerprint: "f00d".into(),
            training: Training::ZeroShot,
            device: "cpu".into(),
            precision: "f32".into(),
            options: serde_json::Map::new(),
        },
        retriever: RetrieverSpec { config: retriever.into(), k, use_date: false, encoders: Vec::new() },
        prompt: Some(PromptSpec {
            template: "official".into(),
            template_toml: format!("name = \"{task}\""),
            mode: "official".into(),
            max_length: 512,
        }),
        generation: Some(serde_json::json!({"beams": 4})),
        parsing: "official".into(),
    }
}

/// Answers with `output` for the samples 0 to 29; `None` is a failed sample.
fn add(store: &mut Store, spec: &RunSpec, reference: &str, output: impl Fn(u32) -> Option<String>) -> RunId {
    let task = spec.dataset.task;
    let run = store.plan(spec, 30).unwrap();
    let mut scorer = Scorer::new(task, None);
    let predictions: Vec<Prediction> = (0..30)
        .map(|position| {
            let output = output(position);
            let score = output.as_ref().map(|output| scorer.score(output, reference).unwrap());
            Prediction {
                position,
                sample_id: format!("{position:03}"),
                profile_entries: 12,
                retrieved: vec![Retrieved { index: 3, id: "0,3".into(), score: Some(-0.5) }],
                prompt: None,
                raw: output.clone().unwrap_or_default(),
                answer: output.clone().unwrap_or_default(),
                reference: Some(reference.into()),
                score,
                parsed: score.is_some_and(|score| score.parsed()),
                finish: Finish::End,
                prompt_tokens: 10,
                new_tokens: 2,
                model_ms: 0.25,
                cached: false,
                fell_back: false,
                input_cut: false,
                estimated: false,
                error: output.is_none().then(|| "the model ran out of memory".to_owned()),
            }
        })
        .collect();
    store.save(run.id, &predictions, &[], 10).unwrap();
    let scored =
        || predictions.iter().filter_map(|prediction| Some((prediction.position, prediction.score?)));
    let set =
        ScoreSet::new(task, scored().map(|(_, score)| score).collect(), MeteorStages::ExactStem).unwrap();
    let bootstrap = Bootstrap { resamples: 100, ..Bootstrap::default() };
    let columns: Vec<Column> = ScoreSet::all_metrics(task)
        .iter()
        .map(|&metric| Column {
            metric,
            positions: scored().map(|(position, _)| position).collect(),
            values: scored().filter_map(|(_, score)| score.value(metric)).collect(),
        })
        .collect();
    store.finish(run.id, &set.aggregate(ScoreSet::all_metrics(task), Some(&bootstrap)), &columns).unwrap();
    run.id
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("lamplight.db")).unwrap();
    let label = |right: u32| move |at: u32| Some(if at < right { "[1]" } else { "[2]" }.to_owned());
    let mut runs = vec![
        add(&mut store, &spec(Task::Lamp1, "none", 0), "[1]", label(12)),
        add(&mut store, &spec(Task::Lamp1, "bm25", 4), "[1]", label(27)),
        add(&mut store, &spec(Task::Lamp1, "random:1", 4), "[1]", label(15)),
        add(&mut store, &spec(Task::Lamp1, "random:2", 4), "[1]", label(18)),
        add(
            &mut store,
            &spec(Task::Lamp1, "dense:sentence-transformers/all-MiniLM-L6-v2", 4),
            "[1]",
            label(20),
        ),
        add(&mut store, &spec(Task::Lamp1, "rrf(bm25,recency)", 4), "[1]", label(21)),
        add(&mut store, &spec(Task::Lamp1, "fulltext", 4), "[1]", label(19)),
        add(&mut store, &spec(Task::Lamp3, "none", 0), "5", |at| {
            Some(if at == 7 { "no idea" } else { "3" }.to_owned())
        }),
        add(&mut store, &spec(Task::Lamp3, "bm25", 4), "5", |at| {
            (at != 9).then(|| if at % 4 == 0 { "4" } else { "5" }.to_owned())
        }),
    ];
    let reference = "the \"plain\" title, a line and another";
    runs.push(add(&mut store, &spec(Task::Lamp4, "none", 0), reference, |at| {
        Some(NASTY[at as usize % NASTY.len()].to_owned())
    }));
    runs.push(add(&mut store, &spec(Task::Lamp4, "bm25", 4), reference, |at| {
        Some(if at % 3 == 0 { "the plain title" } else { NASTY[1] }.to_owned())
    }));
    for (retriever, k) in [("none", 0), ("bm25", 4)] {
        let mut time = spec(Task::Lamp1, retriever, k);
        (time.dataset.setting, time.dataset.split) = (Setting::Time, Split::Test);
        runs.push(add(&mut store, &time, "[1]", label(14)));
    }
    store.plan(&spec(Task::Lamp7, "none", 0), 30).unwrap();
    let key = spec(Task::Lamp1, "bm25", 4).key();
    store
        .save_tuning(&Tuning {
            task: Task::Lamp1,
            setting: Setting::User,
            model: "tiny_model & co".into(),
            metric: Metric::Accuracy,
            tuned_on: Split::Dev,
            grid: vec![TuningCell { retriever: "bm25".into(), k: 4, run: key.clone(), value: 0.9 }],
            winner: 0,
            applied: key,
            same_data: true,
        })
        .unwrap();
    let experiment = store.add_experiment("first tries", "name = \"first tries\"").unwrap();
    runs[..2].iter().for_each(|run| store.link(experiment, *run).unwrap());
    let questions: Vec<Value> = (0..30)
        .map(|at| {
            let entry = serde_json::json!({"id": format!("{at}1"), "title": "T", "abstract": "A"});
            serde_json::json!({"id": format!("{at:03}"), "profile": [entry], "input": "For an author who has written the \
                paper with the title \"T\", which reference is related? Just answer with [1] or [2] without explanation. \
                [1]: \"A\" [2]: \"B\""})
        })
        .collect();
    let of_task = folder.path().join("data/LaMP_1/dev");
    std::fs::create_dir_all(&of_task).unwrap();
    std::fs::write(of_task.join("dev_questions.json"), Value::from(questions).to_string()).unwrap();
    Place { folder, runs }
}

impl Place {
    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
        command.current_dir(self.path()).env("LAMPLIGHT_STORE", self.path()).env_remove("COLUMNS");
        command.env("LAMPLIGHT_CACHE_DIR", self.path().join("cache")).args(arguments);
        command.output().unwrap()
    }

    /// Standard output of a command that ends well.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a command that fails.
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8(output.stderr).unwrap()
    }

    fn id(&self, at: usize) -> String {
        self.runs[at].0.to_string()
    }
}

fn table_in_the_terminal() {
    let place = place();
    let said = place.says(&["table"]);
    for (number, line) in said.lines().enumerate() {
        assert!(console_width(line) <= 100, "line {number}: {line}");
    }
    for part in [
        "User setting, dev split",
        "Time setting, test split",
        "tiny_model & co (zero-shot)",
        "Non-personalized",
        "•0.900",
        "+125.0 %",
        "Accuracy ↑",
        "MAE ↓",
        "n 29–30",
        "1 run not done is left out",
        "LaMP-3, user setting, dev split, tiny_model & co (zero-shot), failed samples (in no figure): BM25, k 4: 1.",
        "too good",
        "McNemar's exact test",
        "standard deviation",
        "2 seeds",
        "not parsed: Non-personalized: 3.3 %; BM25, k 4: 0.0 %.",
    ] {
        let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(part) || flat.contains(part), "{part} is not in\n{said}");
    }
    assert_eq!(said, place.says(&["table"]));
    assert!(!place.says(&["table", "--task", "LaMP-3"]).contains("LaMP-1"));
    let named = place.says(&["table", "--experiment", "first tries"]);
    assert!(named.contains("BM25") && !named.contains("Random"));
    assert!(place.says(&["table", "--oracle", "--task", "LaMP-1", "--setting", "user"]).contains("Oracle"));
    assert!(place.says(&["table", "--published", "--setting", "time"]).contains("FlanT5-xxl"));
    assert!(!place.says(&["table", "--published", "--setting", "user"]).contains("FlanT5-xxl"));
    let all = place.says(&["table", "--metric", "all", "--task", "LaMP-4"]);
    assert!(all.contains("METEOR ↑") && all.contains("sacreBLEU ↑"));
    let one = place.says(&["table", "--metric", "rouge-l"]);
    assert!(one.contains("ROUGE-L") && !one.contains("ROUGE-1") && !one.contains("Accuracy"));
}

fn console_width(line: &str) -> usize {
    line.chars().count()
}

fn tables_in_other_formats() {
    let place = place();
    let json: Value = serde_json::from_str(&place.says(&["table", "--json"])).unwrap();
    assert_eq!((&json["format"], &json["version"]), (&"lamplight-results".into(), &1.into()));
    let block = &json["sections"][0]["blocks"][0];
    let names: Vec<&str> =
        block["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "Non-personalized",
            "Random",
            "BM25",
            "Full-text",
            "Dense (all-MiniLM-L6-v2)",
            "RRF (BM25, Recency)",
            "Tuned"
        ]
    );
    let cell = &block["rows"][0]["cells"][2];
    assert_eq!((&cell["value"], &cell["best"], &cell["n"]), (&0.9.into(), &true.into(), &30.into()));
    assert_eq!(cell["test"]["result"]["only_second"], 15);
    assert!(json.to_string().find("\"id\"").is_none(), "a store's own numbers are in the file");
    let markdown = place.says(&["table", "--format", "markdown"]);
    assert!(markdown.contains("| LaMP-1 | Accuracy ↑ | 30 |"), "{markdown}");
    assert!(markdown.contains("**0.900** ±") && markdown.contains("tiny\\_model &amp; co"), "{markdown}");
    let latex = place.says(&["table", "--format", "latex"]);
    assert!(latex.is_ascii() && latex.contains("\\toprule") && latex.contains("tiny\\_model \\& co"));
    assert!(latex.contains("\\textbf{0.900}$^{*}$") && !latex.contains("documentclass"));
    let csv = place.says(&["table", "--format", "csv"]);
    assert_eq!(csv.matches("\r\n").count(), csv.matches('\n').count());
    for format in ["json", "markdown", "latex", "csv"] {
        let file = place.path().join(format);
        place.says(&["export", "--format", format, "--out", file.to_str().unwrap()]);
        let shown = place.says(&["table", "--format", format]);
        assert_eq!(std::fs::read_to_string(file).unwrap(), shown, "{format}");
    }
}

fn two_runs_compared() {
    let place = place();
    let (first, second) = (place.id(0), place.id(1));
    let said = place.says(&["compare", &first, &second]);
    assert!(said.lines().all(|line| console_width(line) <= 100), "{said}");
    for part in [
        "+0.500",
        "+125.0 %",
        "15 : 0",
        "difference from +0.333 to +0.667",
        "McNemar, right in one alone: 0 and 15",
        "retriever (retriever.config): none → bm25",
        "30 common samples",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    let json: Value =
        serde_json::from_str(&place.says(&["compare", &first, &second, "--json", "--all-tasks"])).unwrap();
    let comparisons = json["comparisons"].as_array().unwrap();
    let tasks: Vec<&Value> = comparisons.iter().map(|comparison| &comparison["first"]["task"]).collect();
    assert_eq!(tasks, ["LaMP-1", "LaMP-3", "LaMP-4"]);
    let accuracy = &comparisons[0]["metrics"][0]["paired"];
    let (p, adjusted) = (accuracy["test"]["p"].as_f64().unwrap(), accuracy["p_holm"].as_f64().unwrap());
    assert!(p <= adjusted && adjusted <= 3.0 * p);
    assert_eq!((&accuracy["improved"], &accuracy["worsened"]), (&15.into(), &0.into()));
    assert_eq!((&comparisons[1]["common"], &comparisons[1]["only_first"]), (&29.into(), &1.into()));
    assert!(comparisons[2]["metrics"][0]["paired"]["bootstrap_p"].is_number());
    // The same seed, the same words; a run with itself; other tasks.
    assert_eq!(said, place.says(&["compare", &first, &second]));
    assert!(place.says(&["compare", &first, &first]).contains("settings are the same"));
    assert!(place.fails(&["compare", &first, &place.id(7)]).contains("LaMP-3"));
    // The time run is over other data by its setting alone, yet of the same fingerprint: positions are the same samples.
    assert!(place.says(&["compare", &first, &place.id(12)]).contains("setting"));
}

fn what_cannot_be_done_says_why() {
    let place = place();
    assert!(place.fails(&["table", "--experiment", "x"]).contains("first tries"));
    assert!(place.fails(&["table", "--task", "LaMP-6"]).contains("no run"));
    assert!(place.fails(&["table", "--run", "ffffffffffff"]).contains("ffffffffffff"));
    assert!(place.fails(&["compare", "999", "1"]).contains("999"));
    let missing = place.fails(&["table", "--store", "nowhere/x.db"]);
    assert!(missing.contains("nowhere"), "{missing}");
    let folder = place.path().join("no/such/folder/t.csv");
    assert!(
        place
            .fails(&["export", "--format", "csv", "--out", folder.to_str().unwrap()])
            .contains("cannot write")
    );
    assert_eq!(place.run(&["export", "--format", "submission", "--out", "s.zip"]).status.code(), Some(2));
    assert_eq!(place.run(&["table", "--metric", "nonsense"]).status.code(), Some(2));
    let empty = place.path().join("empty.db");
    drop(Store::open(&empty).unwrap());
    assert!(place.fails(&["table", "--store", empty.to_str().unwrap()]).contains("no run yet"));
    assert!(place.says(&["table", "--task", "LaMP-7"]).contains("No finished run"));
}

fn submissions_are_checked() {
    let place = place();
    let submit = |runs: &[&str]| {
        let mut all = vec!["export", "--format", "submission", "--out", "s.zip", "--questions", "data"];
        all.extend(runs);
        all.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>()
    };
    let fails = |runs: &[&str]| place.fails(&submit(runs).iter().map(String::as_str).collect::<Vec<_>>());
    assert!(fails(&[&place.id(0), &place.id(1)]).contains("both of LaMP-1"));
    assert!(fails(&[&place.id(0), &place.id(11)]).contains("one setting and split"));
    // The questions of LaMP-3 are not there.
    assert!(fails(&[&place.id(8)]).contains("found"));
    assert!(!place.path().join("s.zip").exists());
    // Other questions than the run answered: each side's ids are named.
    let path = place.path().join("data/LaMP_1/dev/dev_questions.json");
    let questions = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, questions.replace("\"id\":\"004\"", "\"id\":\"0004\"")).unwrap();
    let said = fails(&[&place.id(1)]);
    assert!(said.contains("lacks outputs for 1 of the questions (0004)") && said.contains("(004)"), "{said}");
    std::fs::write(&path, questions).unwrap();
    let run = place.id(1);
    let arguments = submit(&[&run]);
    place.says(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let first = std::fs::read(place.path().join("s.zip")).unwrap();
    place.says(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(
        first,
        std::fs::read(place.path().join("s.zip")).unwrap(),
        "equal submissions are equal bytes"
    );
}

fn python(place: &Place, program: &str, code: &str) -> String {
    let output =
        Command::new(program).current_dir(place.path()).args(["-X", "utf8", "-c", code]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().replace("\r\n", "\n")
}

fn python_reads_the_samples(program: &str) {
    let place = place();
    let none = place.id(9);
    place.says(&["export", &none, "--format", "samples", "--out", "s.csv"]);
    let code = "import csv, json\n\
        rows = list(csv.DictReader(open('s.csv', newline='', encoding='utf-8')))\n\
        print(json.dumps([[r['sample_id'], r['output'], r['rouge-1'], r['retrieved_ids'], r['task']] for r in rows]))";
    let rows: Value = serde_json::from_str(&python(&place, program, code)).unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 30);
    for (at, row) in rows.iter().enumerate() {
        let text = NASTY[at % NASTY.len()];
        let expected = match text.chars().next() {
            Some('=' | '-' | '@') => format!("'{text}"),
            _ => text.replace('\0', "\u{2400}"),
        };
        assert_eq!(row[0], format!("{at:03}"));
        assert_eq!(row[1], expected);
        assert!(row[2].as_str().unwrap().parse::<f64>().unwrap() >= 0.0);
        assert_eq!((&row[3], &row[4]), (&"[\"0,3\"]".into(), &"LaMP-4".into()));
    }
    // All finished runs, with their failures.
    place.says(&["export", "--format", "samples", "--out", "all.csv", "--prompts", "--metric", "all"]);
    let code = "import csv\n\
        rows = list(csv.DictReader(open('all.csv', newline='', encoding='utf-8')))\n\
        print(len(rows), sum(r['error'] != '' for r in rows), len({r['run'] for r in rows}), None in rows[0])";
    assert_eq!(
        python(&place, program, code),
        format!("{} 1 {} False", 30 * place.runs.len(), place.runs.len())
    );
}

fn python_reads_the_summary(program: &str) {
    let place = place();
    place.says(&["export", "--format", "csv", "--out", "t.csv", "--published"]);
    let code = "import csv\n\
        rows = list(csv.DictReader(open('t.csv', newline='', encoding='utf-8')))\n\
        r = [r for r in rows if r['method'] == 'bm25' and r['metric'] == 'accuracy' and r['setting'] == 'user'][0]\n\
        print(float(r['value']), int(r['n']), r['best'], round(float(r['difference_percent']), 6), r['test'], r['model'])\n\
        print({r['kind'] for r in rows} == {'result', 'published'}, all(None not in r and None not in r.values() for r in rows))\n\
        print([r['deviation'] != '' for r in rows if r['method'] == 'random'])";
    assert_eq!(
        python(&place, program, code),
        "0.9 30 true 125.0 mcnemar tiny_model & co\nTrue True\n[True, True]"
    );
    place.says(&["export", "--format", "json", "--out", "t.json"]);
    let output = Command::new(program)
        .current_dir(place.path())
        .args(["-X", "utf8", "-m", "json.tool", "t.json"])
        .output()
        .unwrap();
    assert!(output.status.success());
}

fn python_reads_the_submission(program: &str) {
    let place = place();
    let run = place.id(1);
    place.says(&["export", &run, "--format", "submission", "--out", "s.zip", "--questions", "data"]);
    let code = "import json, zipfile\n\
        z = zipfile.ZipFile('s.zip')\n\
        d = json.loads(z.read('LaMP_1.json'))\n\
        print(z.testzip(), z.namelist(), z.infolist()[0].date_time[0], list(d), d['task'], len(d['golds']), d['golds'][3], d['golds'][29])";
    assert_eq!(
        python(&place, program, code),
        "None ['LaMP_1.json'] 1980 ['task', 'golds'] LaMP_1 30 {'id': '003', 'output': '[1]'} {'id': '029', 'output': '[2]'}"
    );
    // The program's own evaluation reads it, too.
    let golds: Vec<Value> =
        (0..30).map(|at| serde_json::json!({"id": format!("{at:03}"), "output": "[1]"})).collect();
    let golds = serde_json::json!({"task": "LaMP_1", "golds": golds});
    std::fs::write(place.path().join("golds.json"), golds.to_string()).unwrap();
    assert!(place.says(&["score", "--golds", "golds.json", "--preds", "s.zip"]).contains("0.9000"));
}

fn latex_is_typeset(program: &str) {
    let place = place();
    let mut store = Store::open(&place.path().join("lamplight.db")).unwrap();
    for (number, retriever) in
        ["none", "bm25", "random:1", "fulltext", "recency", "dense:x_y/[z]"].into_iter().enumerate()
    {
        let mut nasty = spec(Task::Lamp1, retriever, 2);
        nasty.model.name = "[a]_b%#$&{}~^\\ \"|<>é🎉\u{202e}\n*`' -- ".into();
        nasty.dataset.limit = (number % 2 == 0).then_some(30);
        add(&mut store, &nasty, "[1]", |at| Some(if at % 2 == 0 { "[1]" } else { "" }.to_owned()));
    }
    drop(store);
    place.says(&["export", "--format", "latex", "--standalone", "--out", "t.tex", "--published", "--oracle"]);
    place.says(&["export", "--format", "latex", "--out", "part.tex", "--metric", "all"]);
    let paper = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\nBefore.\n\\input{part}\nAfter.\n\\end{document}\n";
    std::fs::write(place.path().join("paper.tex"), paper).unwrap();
    for name in ["t", "paper"] {
        let output = Command::new(program)
            .current_dir(place.path())
            .args(["-interaction=nonstopmode", "-halt-on-error", name])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(place.path().join(name).with_extension("pdf").metadata().unwrap().len() > 1000);
    }
}

fn main() -> ExitCode {
    type Case = (&'static str, fn());
    let own: [Case; 5] = [
        ("table_in_the_terminal", table_in_the_terminal),
        ("tables_in_other_formats", tables_in_other_formats),
        ("two_runs_compared", two_runs_compared),
        ("what_cannot_be_done_says_why", what_cannot_be_done_says_why),
        ("submissions_are_checked", submissions_are_checked),
    ];
    let mut trials: Vec<Trial> = own
        .into_iter()
        .map(|(name, test)| {
            Trial::test(name, move || {
                test();
                Ok::<(), Failed>(())
            })
        })
        .collect();
    let python = ["python3", "python"];
    trials.push(support::needs_program("python_reads_the_samples", &python, python_reads_the_samples));
    trials.push(support::needs_program("python_reads_the_summary", &python, python_reads_the_summary));
    trials.push(support::needs_program("python_reads_the_submission", &python, python_reads_the_submission));
    trials.push(support::needs_program("latex_is_typeset", &["pdflatex"], latex_is_typeset));
    support::run(trials)
}
