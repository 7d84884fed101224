//! `lamplight score` as a user meets it: the program itself, on files that are right, wrong and hostile.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn score(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_lamplight");
    Command::new(program).current_dir(folder).arg("score").args(arguments).output().unwrap()
}

fn write(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path
}

fn outputs(task: &str, answers: &[(&str, &str)]) -> String {
    let golds: Vec<Value> =
        answers.iter().map(|(id, output)| json!({ "id": id, "output": output })).collect();
    json!({ "task": task, "golds": golds }).to_string()
}

fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The error that scoring two files ends with.
fn error(golds: &str, preds: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "golds.json", golds);
    write(folder.path(), "preds.json", preds);
    let mut all = vec!["--golds", "golds.json", "--preds", "preds.json"];
    all.extend(arguments);
    let output = score(folder.path(), &all);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn one_task_with_intervals() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "g.json", &outputs("LaMP_3", &[("01", "5"), ("1", "2"), ("2", "3")]));
    write(folder.path(), "p.json", &outputs("LaMP_3", &[("2", "3"), ("1", "no idea"), ("01", " 4\n")]));
    let arguments = ["--golds", "g.json", "--preds", "p.json", "--json", "--bootstrap", "200", "--seed", "3"];
    let first = score(folder.path(), &arguments);
    let result = &json_of(&first)["results"][0];
    assert_eq!(result["task"], "LaMP-3");
    assert_eq!((&result["samples"], &result["parse_failures"]), (&json!(3), &json!(1)));
    let mae = &result["figures"][0];
    assert_eq!(mae["metric"], "mae");
    assert!((mae["value"].as_f64().unwrap() - 4.0 / 3.0).abs() < 1e-12);
    assert!(mae["interval"]["low"].as_f64().unwrap() < mae["interval"]["high"].as_f64().unwrap());
    assert_eq!(first.stdout, score(folder.path(), &arguments).stdout);
}

#[test]
fn labels_tell_the_two_tasks_named_lamp_2_apart() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "golds/LaMP_2/outputs.json", &outputs("LaMP_2", &[("1", "sports")]));
    write(
        folder.path(),
        "golds/LaMP_2/new/outputs.json",
        &outputs("LaMP_2", &[("1", "comedy"), ("2", "action")]),
    );
    write(folder.path(), "golds/LaMP_2/questions.json", "not read");
    write(folder.path(), "preds/a.json", &outputs("LaMP_2", &[("1", "sports")]));
    write(folder.path(), "preds/b.json", &outputs("LaMP_2", &[("1", "comedy"), ("2", "comedy")]));
    let results = json_of(&score(folder.path(), &["--golds", "golds", "--preds", "preds", "--json"]));
    let tasks: Vec<(&str, f64)> = results["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["task"].as_str().unwrap(), r["figures"][0]["value"].as_f64().unwrap()))
        .collect();
    assert_eq!(tasks, [("LaMP-2N", 1.0), ("LaMP-2M", 0.5)]);
}

#[test]
fn a_zip_of_some_tasks_against_a_folder_of_all() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "golds/1.json", &outputs("LaMP_1", &[("1", "[1]")]));
    write(folder.path(), "golds/7.json", &outputs("LaMP_7", &[("1", "so it goes")]));
    let mut zip = zip::ZipWriter::new(std::fs::File::create(folder.path().join("p.zip")).unwrap());
    zip.start_file("sub/x.json", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(outputs("LaMP_7", &[("1", "so it went")]).as_bytes()).unwrap();
    zip.finish().unwrap();
    let output = score(folder.path(), &["--golds", "golds", "--preds", "p.zip", "--csv", "--all-metrics"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 7, "{text}");
    assert!(text.contains("\r\nLaMP-7,rouge-1,0.66666"), "{text}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("No outputs for LaMP-1"));
}

#[test]
fn gzipped_files_score_like_plain_ones_wherever_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let (golds, preds) = (outputs("LaMP_3", &[("1", "4")]), outputs("LaMP_3", &[("1", "2")]));
    write(folder.path(), "golds/notes.txt", "not an outputs file");
    write(folder.path(), "golds/dev_questions.json", "[]");
    std::fs::write(folder.path().join("golds/dev_outputs.json.gz"), gzip(&golds)).unwrap();
    std::fs::write(folder.path().join("p.json.gz"), gzip(&preds)).unwrap();
    let mut zip = zip::ZipWriter::new(std::fs::File::create(folder.path().join("p.zip")).unwrap());
    zip.start_file("LaMP_3.json.gz", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&gzip(&preds)).unwrap();
    zip.start_file("readme.txt", zip::write::SimpleFileOptions::default()).unwrap();
    zip.finish().unwrap();
    for golds in ["golds", "golds/dev_outputs.json.gz"] {
        for preds in ["p.json.gz", "p.zip"] {
            let output = score(folder.path(), &["--golds", golds, "--preds", preds, "--json"]);
            assert_eq!(json_of(&output)["results"][0]["figures"][0]["value"], 2.0, "{golds} {preds}");
        }
    }
    let empty = tempfile::tempdir().unwrap();
    let output = score(folder.path(), &["--golds", "golds", "--preds", empty.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("holds no .json or .json.gz file of outputs"));
}

#[test]
fn ids_that_differ_are_refused_and_named() {
    let (golds, preds) =
        (outputs("LaMP_1", &[("1", "[1]"), ("2", "[1]")]), outputs("LaMP_1", &[("2", "[1]"), ("02", "[1]")]));
    let text = error(&golds, &preds, &[]);
    assert!(
        text.contains("lacks 1 ids of the golds (1)") && text.contains("has 1 that they lack (02)"),
        "{text}"
    );
    assert!(text.contains("--common-only"), "{text}");

    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "g.json", &golds);
    write(folder.path(), "p.json", &preds);
    let common = score(folder.path(), &["--golds", "g.json", "--preds", "p.json", "--common-only", "--json"]);
    let result = &json_of(&common)["results"][0];
    assert_eq!((&result["samples"], &result["missing"], &result["extra"]), (&json!(1), &json!(1), &json!(1)));
}

#[test]
fn broken_files_are_named_with_the_record() {
    let good = outputs("LaMP_1", &[("1", "[1]")]);
    for (golds, preds, words) in [
        (good.as_str(), "", ["preds.json is no JSON", "EOF"]),
        (&good, "[[[[", ["preds.json is no JSON", "line 1"]),
        (&good, "7", ["preds.json is not in the outputs format", "golds"]),
        (&good, r#"{"task":"LaMP_1"}"#, ["preds.json is not in the outputs format", "golds"]),
        (
            &good,
            r#"[{"id":"1","output":"a"},{"id":1,"output":"a"}]"#,
            ["record 2 of preds.json", "`id` must be a text"],
        ),
        (&good, r#"[{"id":"1","output":null}]"#, ["record 1 of preds.json", "`output` must be a text"]),
        (
            &good,
            r#"[{"id":"1","output":"a"},{"id":"1","output":"a"}]"#,
            ["id `1`", "preds.json more than once"],
        ),
        (&good, r#"{"task":"LaMP_4","golds":[]}"#, ["preds.json is of LaMP_4", "not of LaMP_1"]),
        (&good, r#"{"task":"LaMP_9","golds":[]}"#, ["preds.json gives its task as \"LaMP_9\"", "--task"]),
        (r#"[{"id":"1","output":"a"}]"#, r#"[{"id":"1","output":"a"}]"#, ["golds.json", "--task"]),
        (
            r#"{"task":"LaMP_3","golds":[{"id":"1","output":"x"}]}"#,
            r#"[{"id":"1","output":"3"}]"#,
            ["id `1`", "not a rating"],
        ),
        (r#"{"task":"LaMP_3","golds":[]}"#, "[]", ["LaMP-3", "no record"]),
    ] {
        let text = error(golds, preds, &[]);
        assert!(words.iter().all(|word| text.contains(word)), "{words:?} in {text}");
    }
    let deep = "[".repeat(100_000);
    assert!(error(&good, &deep, &[]).contains("is no JSON"));
}

#[test]
fn per_sample_cells_are_no_formulas() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "g.json", &outputs("LaMP_7", &[("=1", "say \"so\", now")]));
    write(folder.path(), "p.json", &outputs("LaMP_7", &[("=1", "@SUM(A1)\nagain")]));
    let run = score(folder.path(), &["--golds", "g.json", "--preds", "p.json", "--per-sample", "s.csv"]);
    assert!(run.status.success());
    let text = std::fs::read_to_string(folder.path().join("s.csv")).unwrap();
    assert_eq!(
        text,
        "task,id,parsed,rouge-1,rouge-l,output,gold\r\nLaMP-7,'=1,true,0,0,\"'@SUM(A1)\nagain\",\"say \"\"so\"\", now\"\r\n"
    );
}

#[test]
fn damaged_and_absent_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "g.json", &outputs("LaMP_7", &[("1", "a")]));
    let mut zip = zip::ZipWriter::new(std::fs::File::create(folder.path().join("p.zip")).unwrap());
    zip.start_file("p.json", zip::write::SimpleFileOptions::default()).unwrap();
    zip.finish().unwrap();
    std::fs::write(folder.path().join("cut.zip"), b"PK\x03\x04").unwrap();
    for (name, words) in [
        ("p.zip", "is no JSON"),
        ("cut.zip", "cannot read cut.zip: the archive is damaged"),
        ("absent", "cannot read absent"),
    ] {
        let output = score(folder.path(), &["--golds", "g.json", "--preds", name]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1));
        assert!(text.contains(words), "{text}");
    }
}
