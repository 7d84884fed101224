//! `lamplight check` and `lamplight show` as a user meets them: the program itself.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const GOOD: &str = r#"{"id": "010", "input": "Paraphrase the following tweet without any explanation before or after it: hi", "profile": [{"id": "0101", "text": "one &amp; two"}]}"#;
const NASTY: &str = r#"{"id": "01\u001b[31m", "input": "Paraphrase the following tweet without any explanation before or after it: \u001b]0;owned\u0007 \u202e", "profile": [{"id": "1", "text": "\u001b[2Jgone\nline"}, {"id": "2", "text": "b"}]}"#;

fn write(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path
}

fn lamplight(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
    command.current_dir(folder).env("LAMPLIGHT_CACHE_DIR", folder.join("cache")).args(arguments);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn ends_with(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}{}", text(&output.stdout), text(&output.stderr));
}

fn whole(folder: &Path) {
    write(folder, "LaMP_7/dev/dev_questions.json", &format!("[{GOOD}]"));
    write(folder, "LaMP_7/dev/dev_outputs.json", r#"[{"id": "010", "output": "hello"}]"#);
}

#[test]
fn a_good_folder_is_listed_and_ends_with_0() {
    let folder = tempfile::tempdir().unwrap();
    whole(folder.path());
    let output = lamplight(folder.path(), &["check", "LaMP_7"]);
    ends_with(&output, 0);
    let said = text(&output.stdout);
    assert!(said.starts_with("Task"), "{said}");
    assert!(
        said.contains(
            "\n  note     1 record with HTML entities, such as `&amp;`, in its texts\n           record 010\n"
        ),
        "{said}"
    );

    let output = lamplight(folder.path(), &["check", "LaMP_7", "--json"]);
    ends_with(&output, 0);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let dataset = &report["datasets"][0];
    assert_eq!(dataset["task"], "LaMP-7");
    assert_eq!(dataset["records"], 1);
    assert_eq!(dataset["golds"], 1);
    assert_eq!(dataset["findings"][0]["kind"], "html_entities");
    assert_eq!(dataset["findings"][0]["severity"], "note");
    assert_eq!(dataset["findings"][0]["records"][0], "010");
}

#[test]
fn errors_in_the_data_end_with_3_and_other_troubles_with_1_or_2() {
    let folder = tempfile::tempdir().unwrap();
    whole(folder.path());
    write(folder.path(), "LaMP_7/dev/dev_outputs.json", r#"[{"id": "011", "output": "hello"}]"#);
    let output = lamplight(folder.path(), &["check", "LaMP_7"]);
    ends_with(&output, 3);
    let output = lamplight(folder.path(), &["check", "LaMP_7/dev"]);
    ends_with(&output, 3);

    write(folder.path(), "page.json", "<html>");
    let output = lamplight(folder.path(), &["check", "page.json"]);
    ends_with(&output, 3);
    assert!(text(&output.stdout).contains("a web page instead of data"));

    ends_with(&lamplight(folder.path(), &["check", "nowhere"]), 1);
    ends_with(&lamplight(folder.path(), &["check"]), 2);
    ends_with(&lamplight(folder.path(), &["check", "LaMP_7", "--task", "LaMP-9"]), 2);
    ends_with(&lamplight(folder.path(), &["show", "LaMP_7", "--id", "010", "--index", "0"]), 2);
    ends_with(&lamplight(folder.path(), &["show", "LaMP_7"]), 2);
}

#[test]
fn a_sample_is_shown_by_id_and_by_place() {
    let folder = tempfile::tempdir().unwrap();
    whole(folder.path());
    for chosen in [["--id", "010"], ["--index", "0"]] {
        let output = lamplight(folder.path(), &["show", "LaMP_7", chosen[0], chosen[1]]);
        ends_with(&output, 0);
        let said = text(&output.stdout);
        assert!(said.starts_with("LaMP-7 user dev, sample 010 (index 0 of 1)\n"), "{said}");
        assert!(said.contains("Reference\n    hello\n") && said.contains("Profile, 1 entry\n"), "{said}");
    }
    let output = lamplight(folder.path(), &["show", "LaMP_7", "--id", "010", "--json"]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&shown["id"], &shown["output"], &shown["query"]),
        (&"010".into(), &"hello".into(), &"hi".into())
    );
    assert_eq!(shown["profile"][0]["text"], "one &amp; two");

    let output = lamplight(folder.path(), &["show", "LaMP_7", "--id", "10"]);
    ends_with(&output, 1);
    assert!(text(&output.stderr).contains("its first ids are 010"));
    ends_with(&lamplight(folder.path(), &["show", "LaMP_7", "--index", "1"]), 1);
}

#[test]
fn several_datasets_are_told_apart_and_one_is_what_the_user_says() {
    let folder = tempfile::tempdir().unwrap();
    whole(folder.path());
    let output =
        lamplight(folder.path(), &["show", ".", "--index", "0", "--split", "train", "--task", "lamp-6"]);
    ends_with(&output, 0);
    assert!(text(&output.stdout).starts_with("LaMP-6 user train"), "{}", text(&output.stdout));
    let output = lamplight(folder.path(), &["check", ".", "--split", "test"]);
    assert!(text(&output.stdout).contains("test"));

    write(folder.path(), "LaMP_7/test/test_questions.json", &format!("[{GOOD}]"));
    let output = lamplight(folder.path(), &["show", ".", "--index", "0"]);
    ends_with(&output, 1);
    let said = text(&output.stderr);
    assert!(
        said.contains("LaMP-7 user dev") && said.contains("LaMP-7 user test") && said.contains("--split"),
        "{said}"
    );
    ends_with(&lamplight(folder.path(), &["show", ".", "--index", "0", "--split", "test"]), 0);
    let output = lamplight(folder.path(), &["show", ".", "--index", "0", "--split", "train"]);
    ends_with(&output, 1);
    assert!(text(&output.stderr).contains("no dataset is the one asked for"));
}

#[test]
fn broken_records_stop_show_unless_they_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "test_questions.json", &format!(r#"[{{"id": "1"}}, {GOOD}, {{"id": "2", "#));
    let output = lamplight(folder.path(), &["show", "test_questions.json", "--index", "0"]);
    ends_with(&output, 1);
    assert!(text(&output.stderr).contains("broken record"), "{}", text(&output.stderr));
    let output = lamplight(folder.path(), &["show", "test_questions.json", "--index", "0", "--skip-broken"]);
    ends_with(&output, 0);
    assert!(text(&output.stdout).contains("sample 010"));
    ends_with(&lamplight(folder.path(), &["check", "test_questions.json", "--skip-broken"]), 3);
}

#[test]
fn data_cannot_steer_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "dev_questions.json", &format!("[{NASTY}, {NASTY}]"));
    let runs: [&[&str]; 3] = [
        &["check", "dev_questions.json"],
        &["show", "dev_questions.json", "--index", "0"],
        &["show", "dev_questions.json", "--id", "\u{1b}[2J"],
    ];
    for arguments in runs {
        let output = lamplight(folder.path(), arguments);
        for stream in [&output.stdout, &output.stderr] {
            let said = text(stream);
            assert!(!said.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said:?}");
        }
        assert!(
            text(&output.stdout).contains("01\\u{1b}[31m") || text(&output.stderr).contains("\\u{1b}[2J")
        );
    }
    // Machines get the text as it is, escaped as JSON asks.
    let output = lamplight(folder.path(), &["show", "dev_questions.json", "--index", "0", "--json"]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["profile"][0]["text"], "\u{1b}[2Jgone\nline");
}
