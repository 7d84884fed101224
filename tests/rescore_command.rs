//! `lamplight rescore` by the real program on a store that it made itself.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const EXPERIMENT: &str = r#"
name = "rescored"
[data]
paths = ["SAMPLE"]
tasks = ["LaMP-3", "LaMP-4"]
settings = ["user"]
split = "dev"
[[models]]
name = "scripted:word=-1"
[retrieval]
retrievers = ["none"]
"#;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample");
        // Forward slashes are read everywhere, and a backslash would have to be escaped.
        let sample = sample.to_str().unwrap().replace('\\', "/");
        std::fs::write(folder.path().join("e.toml"), EXPERIMENT.replace("SAMPLE", &sample)).unwrap();
        let place = Self { folder };
        let run = place.call(&["run", "e.toml", "--quiet"]);
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        place
    }

    fn call(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
        command.current_dir(self.folder.path()).args(arguments);
        command.env("LAMPLIGHT_STORE", self.folder.path().join("runs.db"));
        command.env("LAMPLIGHT_CACHE_DIR", self.folder.path().join("cache"));
        command.env("LAMPLIGHT_MODELS", self.folder.path().join("models"));
        command.output().unwrap()
    }
}

#[test]
fn what_was_scored_is_scored_the_same_again() {
    let place = Place::new();
    let output = place.call(&["rescore", "--all", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 2);
    for run in all.as_array().unwrap() {
        assert_eq!(run["rows"], 60);
        assert_eq!((&run["answers_changed"], &run["scores_changed"]), (&0.into(), &0.into()));
        assert_eq!(run["before"], run["after"]);
        assert!(!run["after"]["figures"].as_array().unwrap().is_empty());
    }
    let words = place.call(&["rescore", "1", "2"]);
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(words.contains("60 answers scored anew; 0 answers and 0 scores changed"), "{words}");
    assert!(words.contains("MAE") && words.contains("ROUGE-L") && !words.contains("was"), "{words}");
}

#[test]
fn a_run_that_is_not_there_is_an_error_with_a_way_on() {
    let place = Place::new();
    let output = place.call(&["rescore", "999"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("999") && said.contains("lamplight list"), "{said}");
    assert_eq!(place.call(&["rescore"]).status.code(), Some(2));
}
