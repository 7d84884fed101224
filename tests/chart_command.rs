//! `lamplight chart` as a user meets it: the program itself on a store of known runs, its pictures opened by other programs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod support;

use std::path::Path;
use std::process::{Command, ExitCode, Output};

use lamplight::lamp::{Setting, Split, Task};
use lamplight::metrics::{Bootstrap, MeteorStages, ScoreSet, Scorer};
use lamplight::record::{
    Column, DatasetSpec, ModelSpec, Prediction, PromptSpec, RetrieverSpec, RunId, RunSpec, Training, Tuning,
    TuningCell,
};
use lamplight::store::Store;
use libtest_mimic::{Failed, Trial};

struct Place {
    folder: tempfile::TempDir,
}

fn spec(task: Task, retriever: &str, k: usize) -> RunSpec {
    RunSpec {
        program: "0.1.0".into(),
        dataset: DatasetSpec {
            task,
            setting: Setting::User,
            split: Split::Dev,
            fingerprint: "d1".into(),
            limit: None,
            sample_seed: None,
            skip_broken: false,
        },
        model: ModelSpec {
            name: "tiny <t5> & co".into(),
            fingerprint: "f00d".into(),
            training: Training::FineTuned,
            device: "cpu".into(),
            precision: "f32".into(),
            options: serde_json::Map::new(),
        },
        retriever: RetrieverSpec { config: retriever.into(), k, use_date: false, encoders: Vec::new() },
        prompt: Some(PromptSpec {
            template: "official".into(),
            template_toml: String::new(),
            mode: "official".into(),
            max_length: 512,
        }),
        generation: Some(serde_json::json!({"beams": 4})),
        parsing: "official".into(),
    }
}

/// A finished run over 40 samples whose references and answers are given by position.
fn add(store: &mut Store, spec: &RunSpec, of: impl Fn(u32) -> (&'static str, &'static str)) -> RunId {
    let task = spec.dataset.task;
    let run = store.plan(spec, 40).unwrap();
    let mut scorer = Scorer::new(task, None);
    let predictions: Vec<Prediction> = (0..40)
        .map(|position| {
            let (reference, answer) = of(position);
            let score = scorer.score(answer, reference).unwrap();
            Prediction {
                raw: answer.into(),
                answer: answer.into(),
                reference: Some(reference.into()),
                score: Some(score),
                parsed: score.parsed(),
                prompt_tokens: 1,
                new_tokens: 1,
                ..Prediction::unanswered(position, position.to_string(), 1 + position * 3)
            }
        })
        .collect();
    store.save(run.id, &predictions, &[], 10).unwrap();
    let scores: Vec<_> = predictions.iter().filter_map(|prediction| prediction.score).collect();
    let set = ScoreSet::new(task, scores.clone(), MeteorStages::ExactStem).unwrap();
    let columns: Vec<Column> = ScoreSet::all_metrics(task)
        .iter()
        .map(|&metric| Column {
            metric,
            positions: (0..40).collect(),
            values: scores.iter().filter_map(|score| score.value(metric)).collect(),
        })
        .collect();
    let bootstrap = Bootstrap { resamples: 50, ..Bootstrap::default() };
    store.finish(run.id, &set.aggregate(ScoreSet::all_metrics(task), Some(&bootstrap)), &columns).unwrap();
    run.id
}

const STARS: [&str; 5] = ["1", "2", "3", "4", "5"];

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("lamplight.db")).unwrap();
    let mut grid = Vec::new();
    for (at, (retriever, k)) in
        [("none", 0), ("bm25", 1), ("bm25", 4), ("random:7", 4)].into_iter().enumerate()
    {
        let right = 10 + at as u32 * 8;
        let run = spec(Task::Lamp1, retriever, k);
        add(&mut store, &run, |position| ("[1]", if position < right { "[1]" } else { "[2]" }));
        grid.push(TuningCell {
            retriever: retriever.into(),
            k,
            run: run.key(),
            value: f64::from(right) / 40.0,
        });
        add(&mut store, &spec(Task::Lamp3, retriever, k), |position| {
            let star = position as usize % 5;
            (STARS[star], if position % 9 == 0 { "very good" } else { STARS[(star + at) / (at + 1)] })
        });
    }
    let applied = grid[2].run.clone();
    let tuning = Tuning {
        task: Task::Lamp1,
        setting: Setting::User,
        model: "tiny".into(),
        metric: Task::Lamp1.primary_metric(),
        tuned_on: Split::Dev,
        grid,
        winner: 2,
        applied,
        same_data: true,
    };
    store.save_tuning(&tuning).unwrap();
    store.plan(&spec(Task::Lamp7, "none", 0), 40).unwrap();
    Place { folder }
}

impl Place {
    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
        command.current_dir(self.path()).env("LAMPLIGHT_STORE", self.path()).arg("chart").args(arguments);
        command.output().unwrap()
    }

    /// What is written to a file of that name.
    fn draws(&self, name: &str, arguments: &[&str]) -> Vec<u8> {
        let output = self.run(&[arguments, &["--out", name]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(self.path().join(name)).unwrap()
    }

    fn fails(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.run(arguments);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

/// The texts of an SVG and how many shapes of a class it has.
fn read(svg: &[u8], class: &str) -> (String, usize) {
    let text = std::str::from_utf8(svg).unwrap();
    let document = roxmltree::Document::parse(text).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    let texts: Vec<&str> = texts.filter_map(|node| node.text()).collect();
    let shapes = document.descendants().filter(|node| node.attribute("class") == Some(class)).count();
    (texts.join("\n"), shapes)
}

fn every_kind_is_drawn() {
    let place = place();
    let (texts, bars) = read(&place.draws("scores.svg", &[]), "bar");
    assert_eq!(bars, 9, "four of each task, and what was tuned");
    for part in [
        "LaMP-1",
        "LaMP-3",
        "n = 40",
        "0.250",
        "BM25, k 4",
        "Random, k 4",
        "higher is better",
        "lower is better",
        "tiny <t5> & co",
    ] {
        assert!(texts.contains(part), "{part} is not in\n{texts}");
    }
    let (texts, points) = read(&place.draws("k.svg", &["k", "--task", "LaMP-1", "--width", "85"]), "point");
    assert_eq!(points, 4, "one at k = 0, two of BM25, one of random");
    assert!(texts.contains("BM25") && texts.contains("log scale") && !texts.contains("LaMP-3"), "{texts}");
    let (texts, points) = read(&place.draws("profile.svg", &["profile"]), "point");
    assert_eq!(points, 2 * 3 * 4, "two tasks, three retrievers, four bins");
    assert!(texts.contains("n\u{a0}10") && texts.contains("Reduction of MAE"), "{texts}");
    let (texts, cells) = read(&place.draws("confusion.svg", &["confusion", "--theme", "dark"]), "cell");
    assert_eq!(cells, 4 * 5 * 6);
    assert!(texts.contains("none") && texts.contains("prediction"), "{texts}");
    let (texts, cells) = read(&place.draws("tuning.svg", &["tuning", "--theme", "light"]), "cell");
    assert_eq!(cells, 4);
    assert!(texts.contains("★ 0.650") && texts.contains("too good"), "{texts}");
    let macro_f1 = place.draws("other.svg", &["--metric", "macro-f1", "--task", "LaMP-1"]);
    assert!(read(&macro_f1, "bar").0.contains("Macro-F1"));
}

fn pictures_are_the_same_every_time() {
    let place = place();
    for kind in ["scores", "profile", "confusion"] {
        assert_eq!(place.draws("a.svg", &[kind]), place.draws("b.svg", &[kind]));
    }
    let one = place.draws("a.png", &["scores", "--width", "85"]);
    assert_eq!(one, place.draws("b.png", &["scores", "--width", "85"]));
    assert_eq!(one[..8], *b"\x89PNG\r\n\x1a\n");
    let width = u32::from_be_bytes(one[16..20].try_into().unwrap());
    assert_eq!(width, (85.0_f64 / 25.4 * 192.0).round() as u32);
}

fn what_cannot_be_drawn_says_why() {
    let place = place();
    let (code, said) = place.fails(&["--out", "a.pdf"]);
    assert!(code == Some(1) && said.contains(".svg or .png"), "{said}");
    let (code, said) = place.fails(&["--out", "a.svg", "--width", "7"]);
    assert!(code == Some(1) && said.contains("60 to 1000 mm"), "{said}");
    let (code, said) = place.fails(&["--out", "a.svg", "--theme", "sepia"]);
    assert!(code == Some(2) && said.contains("paper, light or dark"), "{said}");
    let (code, said) = place.fails(&["--out", "a.svg", "--task", "LaMP-7"]);
    assert!(code == Some(1) && said.contains("no finished run"), "{said}");
    let (code, said) = place.fails(&["tuning", "--out", "a.svg", "--task", "LaMP-3"]);
    assert!(code == Some(1) && said.contains("lamplight tune"), "{said}");
    let (code, said) = place.fails(&["--out", "no/such/a.svg"]);
    assert!(code == Some(1) && said.contains("a.svg"), "{said}");
    assert!(!place.path().join("a.svg").exists());
}

fn python_reads_the_svg(program: &str) {
    let place = place();
    place.draws("a.svg", &["scores"]);
    let script = "import sys, xml.etree.ElementTree as e\n\
                  r = e.parse(sys.argv[1]).getroot()\n\
                  n = '{http://www.w3.org/2000/svg}'\n\
                  assert r.tag == n + 'svg' and r.get('width') == '175mm', r.attrib\n\
                  print(sum(1 for x in r.iter(n + 'rect') if x.get('class') == 'bar'))";
    let output =
        Command::new(program).current_dir(place.path()).args(["-c", script, "a.svg"]).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "9",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn main() -> ExitCode {
    type Case = (&'static str, fn());
    let own: [Case; 3] = [
        ("every_kind_is_drawn", every_kind_is_drawn),
        ("pictures_are_the_same_every_time", pictures_are_the_same_every_time),
        ("what_cannot_be_drawn_says_why", what_cannot_be_drawn_says_why),
    ];
    let own = own.into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    });
    let mut trials: Vec<Trial> = own.collect();
    trials.push(support::needs_program("python_reads_the_svg", &["python3", "python"], python_reads_the_svg));
    support::run(trials)
}
