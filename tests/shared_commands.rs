//! `lamplight rank` and `prompt` on real LaMP records and a real tokenizer, which lie outside the repository.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod support;

use std::path::Path;
use std::process::{Command, ExitCode, Output};

use serde_json::Value;

fn main() -> ExitCode {
    let shared = support::shared();
    let samples = shared.join("lamp-samples");
    let tokenizer = shared.join("flan-t5-tokenizer").join("tokenizer.json");
    let mut trials = vec![
        support::needs("every_dataset_is_ranked", samples.clone(), every_dataset_is_ranked),
        support::needs("recency_works_in_time_and_is_refused_in_user", samples.clone(), recency),
    ];
    // Both are needed: where the records are, the tokenizer decides.
    let needed = if samples.exists() { tokenizer.clone() } else { samples.clone() };
    let test = move |_: &Path| every_dataset_is_prompted(&samples, &tokenizer);
    trials.push(support::needs("every_dataset_is_prompted", needed, test));
    support::run(trials)
}

/// Folder, setting, task, split and count of each.
const DATASETS: [(&str, &str, &str, usize); 5] = [
    ("user/LaMP_1/dev", "LaMP-1", "user", 3),
    ("user/LaMP_2/train", "LaMP-2N", "user", 4),
    ("user/LaMP_4/dev", "LaMP-4", "user", 1),
    ("user/LaMP_7/dev", "LaMP-7", "user", 300),
    ("time/LaMP_3/train", "LaMP-3", "time", 1),
];

fn lamplight(cache: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
    command.args(arguments).env("LAMPLIGHT_CACHE_DIR", cache).output().unwrap()
}

fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn every_dataset_is_ranked(folder: &Path) {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("r.json");
    for (path, task, setting, count) in DATASETS {
        let path = folder.join(path);
        let common = ["rank", path.to_str().unwrap(), "--retriever", "bm25", "--json"];
        let summary =
            json_of(&lamplight(work.path(), &[&common[..], &["--out", out.to_str().unwrap()]].concat()));
        assert_eq!((summary["task"].as_str(), summary["setting"].as_str()), (Some(task), Some(setting)));
        assert_eq!(
            (summary["samples"].as_u64(), summary["without_marker"].as_u64()),
            (Some(count as u64), Some(0))
        );
        let written: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
        assert_eq!(written.as_object().unwrap().len(), count);
        let one = json_of(&lamplight(work.path(), &[&common[..], &["--index", "0"]].concat()));
        let ids: Vec<&Value> = one["ranking"].as_array().unwrap().iter().map(|entry| &entry["id"]).collect();
        let in_file: Vec<&Value> = written[one["id"].as_str().unwrap()].as_array().unwrap().iter().collect();
        assert_eq!(ids, in_file);
        assert_eq!(one["profile_entries"].as_u64(), Some(ids.len() as u64));
    }
}

fn recency(folder: &Path) {
    let work = tempfile::tempdir().unwrap();
    for (path, _, setting, _) in DATASETS {
        let path = folder.join(path);
        let arguments = ["rank", path.to_str().unwrap(), "--retriever", "recency", "--index", "0", "--json"];
        let output = lamplight(work.path(), &arguments);
        if setting == "user" {
            assert_eq!(output.status.code(), Some(1));
            assert!(String::from_utf8_lossy(&output.stderr).contains("recency is undefined there"));
        } else {
            let ranked = json_of(&output);
            let dates: Vec<&str> = ranked["ranking"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|entry| entry["date"].as_str())
                .collect();
            assert!(dates.len() > 1 && dates.is_sorted_by(|a, b| a >= b), "{dates:?}");
        }
    }
}

fn every_dataset_is_prompted(folder: &Path, tokenizer: &Path) {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("p.jsonl");
    for (path, task, _, count) in DATASETS {
        let path = folder.join(path);
        let common = [
            "prompt",
            path.to_str().unwrap(),
            "--tokenizer",
            tokenizer.to_str().unwrap(),
            "--k",
            "4",
            "--json",
        ];
        let all = lamplight(work.path(), &[&common[..], &["--all", "--out", out.to_str().unwrap()]].concat());
        let counts = json_of(&all)["counts"].clone();
        assert_eq!(
            (counts["samples"].as_u64(), counts["personalized"].as_u64()),
            (Some(count as u64), Some(count as u64)),
            "{task}"
        );
        let one = json_of(&lamplight(work.path(), &[&common[..], &["--index", "0"]].concat()));
        let written = std::fs::read_to_string(&out).unwrap();
        assert_eq!(written.lines().count(), count);
        let first: Value = serde_json::from_str(written.lines().next().unwrap()).unwrap();
        assert_eq!(first["prompt"], one["prompt"]["text"]);
        assert!(
            one["tokens_read"].as_u64().unwrap() <= 512
                && !one["prompt"]["entries"].as_array().unwrap().is_empty()
        );
    }
}
