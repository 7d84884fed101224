//! How answers are read, by the real program: exactly where nothing is said, and as models that talk need it where that is asked for.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
        command.current_dir(self.folder.path()).args(arguments).env("COLUMNS", "240");
        command.env("LAMPLIGHT_STORE", self.folder.path().join("runs.db"));
        command.env("LAMPLIGHT_CACHE_DIR", self.folder.path().join("cache"));
        command.env("LAMPLIGHT_MODELS", self.folder.path().join("models"));
        command.output().unwrap()
    }

    fn said(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}\n{error}");
        String::from_utf8(output.stdout).unwrap() + &error
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.output(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}\n{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// An experiment with a model that always says the same, over twelve samples of a task.
    fn experiment(&self, task: &str, says: &str, generation: &str) -> String {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample");
        let sample = sample.to_str().unwrap().replace('\\', "/");
        let text = format!(
            "name = 'talking'\n[data]\npaths = ['{sample}']\ntasks = ['{task}']\nsettings = ['user']\nlimit = 12\n[[models]]\n\
             name = 'scripted:answer={says}'\n[generation]\n{generation}\n[retrieval]\nretrievers = ['bm25']\nk = [2]\n"
        );
        let file = self.folder.path().join("e.toml");
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn run(&self, task: &str, says: &str, generation: &str) -> Value {
        let file = self.experiment(task, says, generation);
        self.json(&["run", &file])["runs"][0].clone()
    }

    fn number(&self, run: &Value) -> String {
        run["run"].to_string()
    }
}

const CHATTY: &str = "answers = 'chatty'";

#[test]
fn what_exact_reading_cannot_read_chatty_reading_does() {
    for (task, says, answer) in [
        ("LaMP-1", "Sure! The answer is: **[2]**.", "[2]"),
        ("LaMP-2N", "Category: Sports", "sports"),
        ("LaMP-2M", "I would say it is a Dark Comedy.", "dark comedy"),
        ("LaMP-3", "On a scale of 1 to 5 I give 4 out of 5.", "4"),
    ] {
        let place = Place::new();
        let exact = place.run(task, says, "");
        assert_eq!((&exact["done"], &exact["failed"]), (&json!(12), &json!(0)), "{exact}");
        assert_eq!(exact["parse_failure_rate"], 1.0, "{exact}");
        let chatty = place.run(task, says, CHATTY);
        assert_eq!(chatty["parse_failure_rate"], 0.0, "{chatty}");
        assert_ne!(chatty["key"], exact["key"]);
        // The model was not asked again: its answers were there.
        assert_eq!(chatty["cached"], 12);
        let shown = place.json(&["show", &place.number(&chatty)]);
        assert_eq!(shown["spec"]["parsing"], "chatty");
        let words = place.said(&["show", &place.number(&exact)]);
        let line = "official; 100.0 % of the answers are none of the task's kind (12)";
        assert!(words.contains(line), "{words}");
        let words = place.said(&["show", &place.number(&chatty)]);
        assert!(words.contains("chatty; 0.0 % of the answers are none of the task's kind (0)"), "{words}");
        // Raw texts stay what they are; tables tell both ways apart, and tell the rate of both.
        place.said(&["export", "--format", "csv", "--out", "t.csv"]);
        let table = std::fs::read_to_string(place.folder.path().join("t.csv")).unwrap();
        assert!(table.contains("parsing chatty") && table.contains("parsing official"), "{table}");
        let words = place.said(&["table"]);
        assert!(words.contains("outputs not parsed: ") && words.contains("100.0 %"), "{words}");
        assert!(words.contains("0.0 %"), "{words}");
        let file = place.folder.path().join("samples.csv");
        let file = file.to_str().unwrap();
        place.said(&["export", "--format", "samples", "--out", file]);
        let mut csv = csv::Reader::from_path(file).unwrap();
        let head = csv.headers().unwrap().clone();
        let at = |name: &str| head.iter().position(|column| column == name).unwrap();
        let key = chatty["key"].as_str().unwrap();
        let mut rows = 0;
        for row in csv.records().map(Result::unwrap) {
            let read = &row[at("run")] == key;
            assert_eq!(&row[at("output")], says);
            assert_eq!(&row[at("answer")], if read { answer } else { says });
            assert_eq!(&row[at("parsed")], if read { "true" } else { "false" });
            assert_eq!(&row[at("tokens_estimated")], "false");
            rows += 1;
        }
        assert_eq!(rows, 24);
    }
}

#[test]
fn stored_answers_are_read_in_another_way_beside_the_first() {
    let place = Place::new();
    let exact = place.run("LaMP-3", "Rating: five stars", "");
    let asked = place.run("LaMP-4", "Headline: \"Bees\"", "");
    let baseline = place.json(&[
        "run",
        "--data",
        concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/sample"),
        "--task",
        "LaMP-3",
        "--setting",
        "user",
        "--limit",
        "12",
        "--model",
        "baseline:majority",
    ]);
    let before = place.json(&["show", &place.number(&exact)]);
    let words = place.said(&["rescore", &place.number(&exact), "--answers", "chatty"]);
    assert!(words.contains("12 answers read anew, kept as run 4"), "{words}");
    assert!(words.contains("Not parsed") && words.contains("100.0 %"), "{words}");
    assert_eq!(place.json(&["show", &place.number(&exact)])["aggregate"], before["aggregate"]);
    // It is the run that the model would have made: the experiment finds it done.
    let run = place.run("LaMP-3", "Rating: five stars", CHATTY);
    assert_eq!(
        (&run["run"], &run["status"], &run["parse_failure_rate"]),
        (&json!(4), &json!("done"), &json!(0.0))
    );
    // All others that there are to read: that of the text, not the rule's, and nothing twice.
    let all = place.json(&["rescore", "--all", "--answers", "chatty"]);
    assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
    assert_eq!((&all[0]["of"], &all[0]["answers_changed"]), (&asked["run"], &json!(12)));
    assert_eq!(place.json(&["rescore", "--all", "--answers", "chatty"]), json!([]));
    // Back again is the first run, which was there.
    let back = place.json(&["rescore", "4", "--answers", "official"]);
    assert_eq!((&back[0]["run"], &back[0]["of"]), (&exact["run"], &json!(4)));
    assert_eq!(back[0]["after"]["figures"], before["aggregate"]["figures"]);
    let refused = place.output(&["rescore", &place.number(&baseline["runs"][0]), "--answers", "chatty"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("exact as they are"));
    // Scored anew it stays as it was read.
    let again = place.json(&["rescore", "4"]);
    assert_eq!((&again[0]["answers_changed"], &again[0]["scores_changed"]), (&json!(0), &json!(0)));
}

#[test]
fn where_nothing_is_said_specs_and_figures_are_what_they_were() {
    let place = Place::new();
    let silent = place.run("LaMP-3", "4", "");
    let said = place.run("LaMP-3", "4", "answers = 'official'");
    assert_eq!(silent, said);
    let spec = place.json(&["show", &place.number(&silent)])["spec"].clone();
    assert_eq!(spec["parsing"], "official");
    assert!(spec["generation"].get("answers").is_none(), "{spec}");
    // What both ways read is scored the same.
    let chatty = place.run("LaMP-3", "4", CHATTY);
    assert_eq!(chatty["figures"], silent["figures"]);
}

#[test]
fn outputs_of_others_are_scored_either_way() {
    let place = Place::new();
    let write = |name: &str, outputs: [&str; 3]| {
        let golds: Vec<Value> =
            (0..3).map(|id| json!({ "id": id.to_string(), "output": outputs[id] })).collect();
        std::fs::write(
            place.folder.path().join(name),
            json!({ "task": "LaMP_3", "golds": golds }).to_string(),
        )
        .unwrap();
    };
    write("golds.json", ["4", "5", "1"]);
    write("preds.json", ["4", "five stars", "it is a 1/5"]);
    let score = ["score", "--golds", "golds.json", "--preds", "preds.json"];
    let official = place.said(&score);
    assert!(official.contains("2 (66.7 %)"), "{official}");
    let chatty = place.json(&[&score[..], &["--answers", "chatty"]].concat());
    assert_eq!((&chatty["answers"], &chatty["results"][0]["parse_failures"]), (&json!("chatty"), &json!(0)));
    assert_eq!(chatty["results"][0]["figures"][0]["value"], 0.0);
    let csv = place.said(&[&score[..], &["--answers", "chatty", "--csv"]].concat());
    assert!(csv.lines().next().unwrap().ends_with("parse_failure_rate,answers"), "{csv}");
    let unknown = place.output(&[&score[..], &["--answers", "loose"]].concat());
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("official and chatty"));
}
