//! `lamplight rank`, `search` and `prompt` as a user meets them: the program itself, on the sample set and on small
//! files that are right and wrong.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lamplight::retrieval::RankingFile;
use serde_json::{Value, json};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/sample");
const NEWS: [&str; 7] = [SAMPLE, "--task", "LaMP-4", "--setting", "user", "--split", "dev"];

/// The program in a folder of its own, which is also its cache.
fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
    command.current_dir(folder).args(arguments);
    command.env("LAMPLIGHT_CACHE_DIR", folder.join("cache")).env("COLUMNS", "80");
    command.env_remove("LAMPLIGHT_TOKENIZER");
    command
}

fn lamplight(folder: &Path, arguments: &[&str]) -> Output {
    program(folder, arguments).output().unwrap()
}

/// The same for a command on the news dataset of the sample set.
fn on_news(folder: &Path, command: &str, more: &[&str]) -> Output {
    lamplight(folder, &[&[command], &NEWS[..], more].concat())
}

fn text_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&text_of(output)).unwrap()
}

/// What a command that fails says, with nothing on standard output.
fn error_of(output: &Output, code: i32) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(output.stdout.is_empty());
    error
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

/// A questions file of LaMP-7 with an entry `e1` and so on for each text.
fn tweets(folder: &Path, name: &str, records: &[(&str, &str, &[&str])]) -> PathBuf {
    let record = |&(id, input, texts): &(&str, &str, &[&str])| {
        let profile: Vec<Value> =
            texts.iter().zip(1..).map(|(text, n)| json!({ "id": format!("e{n}"), "text": text })).collect();
        json!({ "id": id, "input": input, "profile": profile })
    };
    let path = folder.join(name);
    std::fs::write(&path, Value::from(records.iter().map(record).collect::<Vec<_>>()).to_string()).unwrap();
    path
}

const PARAPHRASE: &str = "Paraphrase the following tweet without any explanation before or after it: ";

fn tokenizer(folder: &Path) -> String {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/t5_tokenizer.json.gz");
    let mut json = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(packed).unwrap()).read_to_end(&mut json).unwrap();
    let path = folder.join("tokenizer.json");
    std::fs::write(&path, json).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_ranking_is_shown_with_scores_and_fits_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let shown =
        text_of(&on_news(folder.path(), "rank", &["--index", "0", "--retriever", "bm25", "--k", "3"]));
    assert!(shown.starts_with("LaMP-4 user dev, sample 310 (index 0 of 60)\n"), "{shown}");
    assert!(shown.contains(", 3 of 16 entries\n") && shown.contains("Rank  Entry"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let json = json_of(&on_news(folder.path(), "rank", &["--id", "310", "--retriever", "bm25", "--json"]));
    let ranking = json["ranking"].as_array().unwrap();
    assert_eq!(
        (ranking.len(), &json["profile_entries"], &json["marker_found"]),
        (16, &json!(16), &json!(true))
    );
    let scores: Vec<f64> = ranking.iter().map(|entry| entry["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores[0] > scores[15]);
    let first = format!("   1  {}", ranking[0]["id"].as_str().unwrap());
    assert!(shown.contains(&first), "{first} in {shown}");
}

#[test]
fn the_ranking_file_holds_the_single_rankings() {
    let folder = tempfile::tempdir().unwrap();
    for retriever in ["bm25", "rrf(random:3:distinct,fulltext)"] {
        let out = folder.path().join("rankings.json");
        let more = ["--retriever", retriever, "--k", "5", "--out", "rankings.json"];
        let said = text_of(&on_news(folder.path(), "rank", &more));
        assert!(said.contains("60 samples ranked by"), "{said}");
        let file = RankingFile::read(&out).unwrap();
        assert_eq!(file.len(), 60);
        for index in ["0", "17", "59"] {
            let more = ["--retriever", retriever, "--k", "5", "--index", index, "--json"];
            let single = json_of(&on_news(folder.path(), "rank", &more));
            assert_eq!(file.entry_ids(single["id"].as_str().unwrap()).unwrap(), names(&single["ranking"]));
        }
        // In the order of the dataset.
        let raw = std::fs::read_to_string(&out).unwrap();
        assert!(raw.starts_with("{\"310\": [") && raw.find("\"311\": [") < raw.find("\"312\": ["));
    }
}

#[test]
fn recency_needs_dates_and_dates_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    for what in [["--index", "0"], ["--out", "r.json"]] {
        let output = on_news(folder.path(), "rank", &[&["--retriever", "recency"], &what[..]].concat());
        let error = error_of(&output, 1);
        assert!(error.contains("recency is undefined there") && error.contains("`310`"), "{error}");
    }
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["cache"]);
    let rank = |more: &[&str]| {
        let reviews =
            ["rank", SAMPLE, "--task", "LaMP-3", "--setting", "time", "--split", "dev", "--index", "0"];
        json_of(&lamplight(folder.path(), &[&reviews[..], more, &["--json"]].concat()))
    };
    let newest = rank(&["--retriever", "recency"]);
    let dates: Vec<&str> =
        newest["ranking"].as_array().unwrap().iter().map(|entry| entry["date"].as_str().unwrap()).collect();
    assert!(dates.len() > 5 && dates.is_sorted_by(|a, b| a >= b), "{dates:?}");
    let text = |json: &Value| json["ranking"][0]["text"].as_str().unwrap().to_owned();
    assert!(!text(&rank(&["--retriever", "bm25"])).contains(" date: "));
    assert!(text(&rank(&["--retriever", "bm25", "--use-date"])).contains(" date: 20"));
}

#[test]
fn odd_records_are_ranked_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{PARAPHRASE}so it goes");
    let nasty: &[&str] = &["so \u{1b}[2J\u{202e}it\n goes", "no"];
    let records = [("007", long.as_str(), nasty), ("8", "no marker", &["a"]), ("9", &long, &[])];
    tweets(folder.path(), "dev_questions.json", &records);
    let rank = |more: &[&str]| {
        let all = [&["rank", "dev_questions.json", "--task", "LaMP-7", "--retriever", "bm25"], more].concat();
        lamplight(folder.path(), &all)
    };
    let said = text_of(&rank(&["--out", "r.json"]));
    assert!(said.contains("the whole input was the query: 1\n") && said.contains("is empty: 1\n"), "{said}");
    let summary = json_of(&rank(&["--out", "r.json", "--json"]));
    assert_eq!((&summary["without_marker"], &summary["without_profile"]), (&json!(1), &json!(1)));
    assert_eq!(RankingFile::read(&folder.path().join("r.json")).unwrap().entry_ids("9"), Some(&[][..]));
    let shown = text_of(&rank(&["--id", "007"]));
    assert!(
        !shown.contains('\u{1b}') && !shown.contains('\u{202e}') && shown.contains("\\u{1b}[2J"),
        "{shown}"
    );
    assert!(text_of(&rank(&["--id", "8"])).contains("lacks the task's marker"));
    assert!(text_of(&rank(&["--id", "9"])).contains("The profile has no entries."));
}

#[test]
fn wrong_arguments_and_wrong_names_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    std::fs::write(folder.path().join("bad.toml"), "name = \"x\"\ntask = \"LaMP-4\"\n").unwrap();
    std::fs::write(folder.path().join("empty.json"), "").unwrap();
    let news: &[&str] = &NEWS;
    let with: &[&str] = &["--tokenizer", &tokenizer];
    let cases: &[(i32, &str, &[&[&str]], &str)] = &[
        (2, "rank", &[news, &["--index", "0", "--retriever", "bn25"]], "`bn25` is not a retriever"),
        (2, "rank", &[news, &["--index", "0", "--retriever", "bm25:k1=x"]], "k1, b and epsilon"),
        (2, "rank", &[news, &["--retriever", "bm25"]], "--out <FILE>"),
        (2, "rank", &[news, &["--retriever", "bm25", "--id", "1", "--index", "1"]], "cannot be used with"),
        (
            1,
            "rank",
            &[news, &["--id", "0310", "--retriever", "bm25"]],
            "no sample `0310`; its first ids are 310,",
        ),
        (1, "rank", &[news, &["--index", "60", "--retriever", "bm25"]], "the dataset has 60, counted from 0"),
        (1, "rank", &[&[SAMPLE, "--index", "0", "--retriever", "bm25"]], "several datasets fit"),
        (1, "rank", &[&["empty.json", "--index", "0", "--retriever", "bm25"]], "no dataset was found"),
        (1, "rank", &[&["absent", "--index", "0", "--retriever", "bm25"]], "cannot read absent"),
        (1, "rank", &[news, &["--out", "no/r.json", "--retriever", "bm25"]], "cannot write the ranking file"),
        (
            1,
            "search",
            &[
                &[SAMPLE, "--query", "x", "--task", "LaMP-6", "--split", "dev"],
                &["--setting", "user", "empty.json", "absent"],
            ],
            "cannot read absent",
        ),
        (2, "search", &[&[SAMPLE]], "--query <TEXT>"),
        (1, "prompt", &[news, &["--index", "0"]], "--tokenizer or in LAMPLIGHT_TOKENIZER"),
        (
            1,
            "prompt",
            &[news, &["--index", "0", "--tokenizer", "absent.json"]],
            "cannot load the tokenizer absent.json",
        ),
        (
            1,
            "prompt",
            &[news, &["--index", "0", "--tokenizer", "bad.toml"]],
            "cannot load the tokenizer bad.toml",
        ),
        (1, "prompt", &[news, with, &["--index", "0", "--template", "bad.toml"]], "missing field `entry`"),
        (
            1,
            "prompt",
            &[news, with, &["--index", "0", "--template", "absent.toml"]],
            "cannot read the template absent.toml",
        ),
        (
            2,
            "prompt",
            &[news, with, &["--index", "0", "--template", "offical"]],
            "`offical` is no built-in template",
        ),
        (
            1,
            "prompt",
            &[news, with, &["--index", "0", "--template", "paper"]],
            "no built-in template `paper`",
        ),
        (1, "prompt", &[news, with, &["--index", "0", "--max-length", "1"]], "no room for text"),
        (1, "prompt", &[news, with, &["--index", "0", "--rankings", "empty.json"]], "is not a ranking file"),
        (1, "prompt", &[news, with, &["--id", "x"]], "no sample `x`"),
        (2, "prompt", &[news, with, &["--all"]], "--out <FILE>"),
        (2, "prompt", &[with, &["--index", "0"]], "<PATH>"),
        (2, "prompt", &[&["--print-template", "LaMP-2"]], "`LaMP-2` is not a task"),
        (1, "prompt", &[news, with, &["--all", "--out", "no/p.jsonl"]], "cannot write the prompts"),
    ];
    for (code, command, arguments, words) in cases {
        let arguments = [&[*command], &arguments.concat()[..]].concat();
        let error = error_of(&lamplight(folder.path(), &arguments), *code);
        assert!(error.contains(words), "`{words}` for {arguments:?}: {error}");
        if *code == 1 {
            let json = [&arguments[..], &["--json"]].concat();
            let error = error_of(&lamplight(folder.path(), &json), 1);
            assert!(
                serde_json::from_str::<Value>(&error).unwrap()["error"].as_str().unwrap().contains(words)
            );
        }
    }
    // A dataset with errors is looked at all the same, and that is said by the exit code.
    tweets(folder.path(), "dev_questions.json", &[("1", "no marker", &["a"]), ("1", "no marker", &["a"])]);
    let checked = lamplight(folder.path(), &["check", "dev_questions.json", "--task", "LaMP-7"]);
    assert_eq!(checked.status.code(), Some(3));
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_no_half_file() {
    let folder = tempfile::tempdir().unwrap();
    let made = [
        "sample-data",
        "--out",
        "data",
        "--records",
        "3000",
        "--tasks",
        "LaMP-4",
        "--settings",
        "user",
        "--splits",
        "dev",
    ];
    text_of(&lamplight(folder.path(), &made));
    std::fs::write(folder.path().join("r.json"), "before").unwrap();
    let mut running = program(folder.path(), &["rank", "data", "--retriever", "fulltext", "--out", "r.json"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = format!("r.json.partial-{}", running.id());
    let partial = || {
        let mut names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.any(|name| name.to_string_lossy().starts_with(&begun))
    };
    while !partial() {
        assert!(running.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    // SAFETY: the process is a child that has not been waited for, so its id is its own.
    assert_eq!(unsafe { libc::kill(running.id() as i32, libc::SIGINT) }, 0);
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert!(!partial());
    assert_eq!(std::fs::read_to_string(folder.path().join("r.json")).unwrap(), "before");
}

/// The files below a folder with their sizes and times.
fn files(folder: &Path) -> BTreeSet<(PathBuf, u64, std::time::SystemTime)> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let about = entry.metadata().unwrap();
        if about.is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert((entry.path(), about.len(), about.modified().unwrap()));
        }
    }
    found
}

#[test]
fn planted_words_are_found_and_the_index_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let input = format!("{PARAPHRASE}a zebra in the rain");
    tweets(
        folder.path(),
        "dev_questions.json",
        &[("007", &input, &["the zebras \u{1b}[2Jran", "no"]), ("8", &input, &["zebra crossing"])],
    );
    tweets(folder.path(), "train_questions.json", &[("007", PARAPHRASE, &["one ZEBRA more"])]);
    let search = |more: &[&str]| {
        let all =
            ["search", "dev_questions.json", "train_questions.json", "--task", "LaMP-7", "--query", "zebra"];
        lamplight(folder.path(), &[&all[..], more].concat())
    };
    let first = json_of(&search(&["--json"]));
    let built = |json: &Value| -> Vec<bool> {
        json["datasets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dataset| dataset["built"].as_bool().unwrap())
            .collect()
    };
    assert_eq!(built(&first), [true, true]);
    let index = folder.path().join("cache").join("search");
    let kept = files(&index);
    let again = json_of(&search(&["--json"]));
    assert_eq!(built(&again), [false, false]);
    assert_eq!(files(&index), kept);
    assert_eq!(again["hits"], first["hits"]);
    let hits: BTreeSet<_> = first["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| {
            let at = hit["snippet"]["highlights"][0].clone();
            let (from, to) = (at["start"].as_u64().unwrap() as usize, at["end"].as_u64().unwrap() as usize);
            assert!(hit["snippet"]["text"].as_str().unwrap()[from..to].to_lowercase().starts_with("zebra"));
            let text = |name: &str| hit[name].as_str().unwrap_or("-").to_owned();
            [text("split"), text("sample_id"), text("entry_id")].join(" ")
        })
        .collect();
    let expected = ["dev 007 -", "dev 007 e1", "dev 8 -", "dev 8 e1", "train 007 e1"];
    assert_eq!(hits, expected.map(str::to_owned).into());

    let shown = text_of(&search(&["--what", "entries", "--limit", "2", "--split", "dev"]));
    assert!(
        shown.starts_with("The best 2 hits for `zebra` among 5 samples and entries of LaMP-7 user dev\n"),
        "{shown}"
    );
    assert!(
        shown.contains("sample 8, entry e1") && !shown.contains('\u{1b}') && shown.contains("\\u{1b}[2J"),
        "{shown}"
    );
    let nothing =
        lamplight(folder.path(), &["search", "dev_questions.json", "--task", "LaMP-7", "--query", "the -x"]);
    assert!(text_of(&nothing).starts_with("Nothing found for `the -x`"));

    // Damage is noticed and repaired.
    for (path, ..) in kept.iter().filter(|(path, ..)| path.extension().is_some_and(|kind| kind == "store")) {
        std::fs::write(path, "damaged").unwrap();
    }
    let repaired = json_of(&search(&["--json"]));
    assert_eq!(built(&repaired), [true, true]);
    assert_eq!(repaired["hits"], first["hits"]);
    assert_eq!(built(&json_of(&search(&["--json"]))), [false, false]);
}

#[test]
fn programs_that_build_one_index_at_a_time_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&["search"], &NEWS[..], &["--query", "shrine", "--json"]].concat();
    let started: Vec<_> = (0..4)
        .map(|_| program(folder.path(), &arguments).stdout(std::process::Stdio::piped()).spawn().unwrap())
        .collect();
    let hits: Vec<Value> = started
        .into_iter()
        .map(|running| json_of(&running.wait_with_output().unwrap())["hits"].clone())
        .collect();
    assert!(hits[0].as_array().is_some_and(|hits| !hits.is_empty()));
    assert!(hits.iter().all(|other| *other == hits[0]));
    assert_eq!(std::fs::read_dir(folder.path().join("cache/search")).unwrap().count(), 1);
}

#[test]
fn a_prompt_is_shown_with_its_cuts() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let prompt = |more: &[&str]| {
        let output = program(folder.path(), &[&["prompt"], &NEWS[..], &["--id", "310"], more].concat())
            .env("LAMPLIGHT_TOKENIZER", &tokenizer)
            .output()
            .unwrap();
        (text_of(&output), output.stderr)
    };
    let (whole, _) = prompt(&["--k", "2"]);
    assert!(whole.contains("Personalized with 2 entries") && !whole.contains("[cut"), "{whole}");
    assert!(whole.contains("\" is the title for \"") && whole.contains("Rank  Entry"), "{whole}");
    let (cut, _) = prompt(&["--k", "2", "--max-length", "120", "--mode", "clean"]);
    assert!(
        cut.contains("[cut: ") && cut.contains("of at most 120 tokens") && cut.contains("; clean mode"),
        "{cut}"
    );
    let (none, _) = prompt(&["--k", "0"]);
    assert!(none.contains("Not personalized, as asked") && none.contains("No entries;"), "{none}");
    let (fell, _) = prompt(&["--k", "4", "--max-length", "60"]);
    assert!(fell.contains("Fell back to the bare input: the entries do not fit"), "{fell}");
    let (lost, _) = prompt(&["--k", "0", "--max-length", "20"]);
    assert!(
        lost.contains("[cut off at the end: ") && lost.contains("among them the end of the input"),
        "{lost}"
    );
    let (long, _) = prompt(&["--k", "1", "--max-length", "20", "--mode", "clean"]);
    assert!(long.contains("tokens too long; it is left whole"), "{long}");

    let json: Value =
        serde_json::from_str(&prompt(&["--k", "2", "--max-length", "120", "--mode", "clean", "--json"]).0)
            .unwrap();
    let pieces = json["marked"].as_array().unwrap();
    let read: String = pieces
        .iter()
        .filter(|piece| piece["mark"] == "read")
        .map(|piece| piece["text"].as_str().unwrap())
        .collect();
    assert_eq!(json["prompt"]["text"], read.as_str());
    assert!(pieces.iter().any(|piece| piece["mark"] == "left-out"));
    assert!(json["tokens_read"].as_u64().unwrap() <= 120);
}

#[test]
fn all_prompts_are_the_single_ones() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let with = ["--tokenizer", &tokenizer, "--k", "3", "--max-length", "150"];
    let prompt = |more: &[&str]| on_news(folder.path(), "prompt", &[&with[..], more].concat());
    let said = text_of(&prompt(&["--all", "--out", "p.jsonl"]));
    assert!(
        said.starts_with("LaMP-4 user dev: 60 prompts in p.jsonl\n") && said.contains("personalized"),
        "{said}"
    );
    let text = std::fs::read_to_string(folder.path().join("p.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 60);
    for index in [0, 31, 59] {
        let single = json_of(&prompt(&["--index", &index.to_string(), "--json"]));
        let line = &lines[index];
        assert_eq!((&line["id"], &line["prompt"]), (&single["id"], &single["prompt"]["text"]));
        assert_eq!(
            (&line["tokens"], &line["status"]),
            (&single["prompt"]["tokens"], &single["prompt"]["status"])
        );
        assert_eq!(names(&line["entries"]), names(&single["prompt"]["entries"]));
        assert!(line["reference"].is_string());
    }
    let counts = json_of(&prompt(&["--all", "--out", "p.jsonl", "--json"]))["counts"].clone();
    let of = |kind: &str| lines.iter().filter(|line| line["status"]["kind"] == kind).count();
    assert_eq!(
        (&counts["personalized"], &counts["fell_back"]),
        (&json!(of("personalized")), &json!(of("fell-back")))
    );
    assert_eq!(std::fs::read_to_string(folder.path().join("p.jsonl")).unwrap(), text);

    // The same order from a ranking file gives the same prompts; a file that lacks samples is refused before it begins.
    text_of(&on_news(folder.path(), "rank", &["--retriever", "bm25", "--out", "r.json"]));
    text_of(&prompt(&["--all", "--out", "q.jsonl", "--rankings", "r.json"]));
    assert_eq!(std::fs::read_to_string(folder.path().join("q.jsonl")).unwrap(), text);
    std::fs::write(folder.path().join("few.json"), "{\"310\": [\"3100\"]}").unwrap();
    let one = json_of(&prompt(&["--id", "310", "--rankings", "few.json", "--json"]));
    assert_eq!(names(&one["prompt"]["entries"]), ["3100"]);
    let error = error_of(&prompt(&["--all", "--out", "few.jsonl", "--rankings", "few.json"]), 1);
    assert!(
        error.contains("lacks 59 of the samples") && !folder.path().join("few.jsonl").exists(),
        "{error}"
    );
}

#[test]
fn a_printed_template_is_a_template() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let toml = text_of(&lamplight(folder.path(), &["prompt", "--print-template", "LaMP-4"]));
    let longer = toml.replace("is the title for", "heads");
    assert_ne!(toml, longer);
    std::fs::write(folder.path().join("mine.toml"), longer).unwrap();
    let more = ["--index", "0", "--tokenizer", &tokenizer, "--template", "mine.toml"];
    assert!(text_of(&on_news(folder.path(), "prompt", &more)).contains("\" heads \""));
    let json = json_of(&lamplight(
        folder.path(),
        &["prompt", "--print-template", "LaMP-5", "--template", "paper", "--json"],
    ));
    assert_eq!(json["name"], "LaMP-5 paper");
}

#[test]
fn every_command_has_its_help() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["rank", "search", "prompt"] {
        let help = text_of(&lamplight(folder.path(), &[command, "--help"]));
        assert!(help.contains("Examples:\n  lamplight "), "{help}");
        assert_eq!(help.contains("rrf[:C](ONE,OTHER,...)"), command != "search");
    }
}
