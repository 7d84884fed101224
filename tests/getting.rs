//! `lamplight get` against a loopback server in the place of the official one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests assert as tests do")]

#[path = "support/fault_server.rs"]
mod fault_server;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fault_server::{FaultServer, send, serve};
use lamplight::dataset::download::{self, FileKind, GetError, Got, Manifest, OfficialFile, Source};
use lamplight::fetch::{FetchError, Patience};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::{Setting, Split, Task};
use serde_json::{Value, json};

/// A small invented file of a task, in the official shape.
fn content(file: &OfficialFile, records: usize) -> String {
    if file.kind == FileKind::Outputs {
        let golds: Vec<Value> = (0..records).map(|n| json!({"id": format!("{n}0"), "output": "x"})).collect();
        return json!({"task": file.task.official_id(), "golds": golds}).to_string();
    }
    let opening = match file.task {
        Task::Lamp1 => r#"For an author who has written the paper with the title "A", which"#,
        Task::Lamp2N => "Which category does this article relate to among",
        Task::Lamp2M => "Which tag does this movie relate to among",
        Task::Lamp3 => "What is the score of the following review on a scale",
        Task::Lamp4 => "Generate a headline for the following article: A",
        Task::Lamp5 => "Generate a title for the following abstract of a paper: A",
        Task::Lamp6 => "001-000001-EM.txt",
        Task::Lamp7 => "Paraphrase the following tweet without any explanation before or after it: A",
    };
    let mut entry = json!({"id": "1", file.task.text_field(): "text } ] \" \\"});
    if let Some(title) = file.task.title_field().filter(|_| file.task != Task::Lamp6) {
        entry[title] = "title".into();
    }
    if let Some(label) = file.task.label_field() {
        entry[label] = "1".into();
    }
    if file.setting == Setting::Time {
        entry["date"] = "2012-01-01".into();
    }
    let record = |n: usize| json!({"id": format!("{n}0"), "input": opening, "profile": [entry]});
    Value::Array((0..records).map(record).collect()).to_string()
}

fn all_files() -> Vec<OfficialFile> {
    let mut files = Vec::new();
    for setting in Setting::ALL {
        for task in Task::ALL {
            for split in Split::ALL {
                files.extend(OfficialFile::of(task, setting, split).into_iter().flatten());
            }
        }
    }
    files
}

/// Has every official file, and answers as the official server does for others: 200 and a page.
fn official() -> FaultServer {
    FaultServer::new(|_, asked, stream| {
        let found = all_files().into_iter().find(|file| asked.path == format!("/LaMP/{}", file.path()));
        match found {
            Some(file) => serve(stream, asked, content(&file, 30).as_bytes(), "\"a\"", usize::MAX),
            None => {
                send(stream, &["HTTP/1.1 200 OK", "Content-Type: text/html"], b"<!DOCTYPE html><html></html>")
            }
        }
    })
}

fn source(server: &FaultServer, folder: &Path) -> Source {
    let patience = Patience { first_pause: Duration::from_millis(1), attempts: 2, ..Patience::default() };
    Source { base: server.url("/LaMP/"), folder: folder.to_owned(), force: false, patience }
}

fn get(source: &Source, file: &OfficialFile) -> Result<Got, GetError> {
    download::get(source, file, &CancelToken::new(), &Progress::new())
}

#[test]
fn every_official_file_is_fetched_once_and_known_afterwards() {
    let (server, folder) = (official(), tempfile::tempdir().unwrap());
    let source = source(&server, folder.path());
    let files = all_files();
    assert_eq!(files.len(), 15 * 5);
    for file in &files {
        let got = get(&source, file).unwrap();
        assert!(matches!(got, Got::Fetched { records: 30, resumed_from: 0, .. }), "{file:?}: {got:?}");
        assert_eq!(fs::read_to_string(file.target(folder.path())).unwrap(), content(file, 30));
    }
    let asked = server.asked().len();
    for file in &files {
        assert_eq!(get(&source, file).unwrap(), Got::Already);
    }
    assert_eq!(server.asked().len(), asked);
    assert_eq!(Manifest::load(folder.path()).unwrap().files.len(), files.len());

    let target = files[0].target(folder.path());
    fs::write(&target, "[mine]").unwrap();
    assert_eq!(get(&source, &files[0]).unwrap(), Got::Foreign);
    assert_eq!(fs::read_to_string(&target).unwrap(), "[mine]");
    let forced = Source { force: true, ..source };
    assert!(matches!(get(&forced, &files[0]).unwrap(), Got::Fetched { .. }));
    assert_eq!(fs::read_to_string(&target).unwrap(), content(&files[0], 30));
}

#[test]
fn another_tasks_file_is_turned_down() {
    // Every questions file is offered as every other; only the news and mails of one setting, or the same file, pass.
    let files: Vec<_> = all_files()
        .into_iter()
        .filter(|file| file.split == Split::Dev && file.kind == FileKind::Questions)
        .collect();
    for asked_for in &files {
        for given in &files {
            let body = content(given, 3);
            let server = FaultServer::new(move |_, asked, stream| {
                serve(stream, asked, body.as_bytes(), "\"a\"", usize::MAX)
            });
            let folder = tempfile::tempdir().unwrap();
            let got = get(&source(&server, folder.path()), asked_for);
            // A time file has all that a user file needs, and mails without their text say nothing of their task.
            let same = asked_for.task == given.task
                && (asked_for.setting == given.setting || asked_for.setting == Setting::User);
            let unsaid = given.task == Task::Lamp6
                && asked_for.task == Task::Lamp7
                && (asked_for.setting == Setting::User || given.setting == Setting::Time);
            assert_eq!(got.is_ok(), same || unsaid, "{given:?} for {asked_for:?}: {got:?}");
            assert_eq!(asked_for.target(folder.path()).exists(), got.is_ok());
        }
    }
}

#[test]
fn bad_content_is_named_and_not_kept() {
    let file = OfficialFile::of(Task::Lamp4, Setting::User, Split::Dev).unwrap();
    let good = content(&file[0], 40);
    let middle = good.len() / 2;
    let mut broken = good.clone().into_bytes();
    broken[middle..middle + 40].fill(0xff);
    for (which, body, words) in [
        (0, b"<html>".to_vec(), "HTML"),
        (0, b"{\"error\": \"no\"}".to_vec(), "golds"),
        (0, b"[]".to_vec(), "no records"),
        (0, Vec::new(), "empty"),
        (0, b"\x1f\x8b\x08".to_vec(), "0x1f"),
        (0, good.as_bytes()[..middle].to_vec(), "too early"),
        (0, broken, "record"),
        (0, good.replacen("\"input\":", "\"inputs\":", 1).into_bytes(), "`input`"),
        (0, good.replacen("\"title\":", "\"titles\":", 1).into_bytes(), "`title`"),
        (0, good.replacen("\"id\":\"00\"", "\"id\":0", 1).into_bytes(), "`id`"),
        (0, format!("{good}x").into_bytes(), "does not belong"),
        (1, content(&file[1], 3).replace("LaMP_4", "LaMP_5").into_bytes(), "LaMP_5"),
        (1, content(&file[0], 3).into_bytes(), "`output`"),
    ] {
        let server =
            FaultServer::new(move |_, asked, stream| serve(stream, asked, &body, "\"a\"", usize::MAX));
        let folder = tempfile::tempdir().unwrap();
        let error = get(&source(&server, folder.path()), &file[which]).unwrap_err();
        assert!(matches!(error, GetError::Fetch(FetchError::Rejected { .. })), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        let left: Vec<_> =
            fs::read_dir(file[which].target(folder.path()).parent().unwrap()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn lamplight(arguments: &[&str], server: &FaultServer, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
    command.args(arguments).arg("--out").arg(folder).stdin(Stdio::null());
    command.env("LAMPLIGHT_LAMP_URL", server.url("/LaMP"));
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn the_command_asks_for_the_license_first() {
    let (server, folder) = (official(), tempfile::tempdir().unwrap());
    let get = ["get", "--task", "1,lamp-6", "--setting", "all", "--split", "dev"];
    let refused = lamplight(&get, &server, folder.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let words = text(&refused);
    assert!(
        words.contains("CC BY-NC-SA 4.0") && words.contains("LDC2015T03") && words.contains("2304.11406"),
        "{words}"
    );
    assert!(server.asked().is_empty(), "something was fetched before the license was accepted");

    for spelling in ["--accept-license", "--accept-licence"] {
        let accepted = lamplight(&[&get[..], &[spelling]].concat(), &server, folder.path()).output().unwrap();
        assert_eq!(accepted.status.code(), Some(0), "{}", text(&accepted));
    }
    assert_eq!(server.asked().len(), 8);
    assert!(folder.path().join("time").join("LaMP_6").join("dev").join("dev_outputs.json").exists());
}

#[test]
fn the_command_says_what_cannot_be_had() {
    let (server, folder) = (official(), tempfile::tempdir().unwrap());
    let run = |arguments: &[&str]| {
        let common = ["get", "--accept-license", "--json"];
        lamplight(&[&common, arguments].concat(), &server, folder.path()).output().unwrap()
    };
    let none = run(&["--task", "2N", "--setting", "time", "--split", "dev"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none).contains("LaMP-2N has no time setting"), "{}", text(&none));
    let bare = run(&["--task", "2", "--setting", "user"]);
    assert!(text(&bare).contains("LaMP-2M"), "{}", text(&bare));
    assert!(server.asked().is_empty());

    let lost =
        run(&["--task", "1,3", "--setting", "user", "--split", "dev", "--base-url", &server.url("/lost")]);
    assert_eq!(lost.status.code(), Some(1));
    let rows: Value = serde_json::from_slice(&lost.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 4, "one failure does not end the others");
    assert!(rows[0]["error"].as_str().unwrap().contains("HTML"), "{rows}");

    let found = run(&["--task", "all", "--setting", "all", "--split", "test"]);
    let rows: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 15, "what `all` stands for leaves out what does not exist");
    assert_eq!((&rows[0]["status"], &rows[0]["records"]), (&json!("downloaded"), &json!(30)));
}

#[test]
fn a_killed_command_is_continued() {
    let file = OfficialFile::of(Task::Lamp7, Setting::User, Split::Test).unwrap()[0];
    let body = content(&file, 3000);
    let half = body.len() / 2;
    let stalls = Arc::new(AtomicBool::new(true));
    let server = FaultServer::new({
        let (body, stalls) = (body.clone(), stalls.clone());
        move |_, asked, stream| {
            if stalls.load(Ordering::Relaxed) {
                serve(stream, asked, body.as_bytes(), "\"a\"", half);
                std::thread::sleep(Duration::from_secs(300)); // keeps the connection open
            }
            serve(stream, asked, body.as_bytes(), "\"a\"", usize::MAX);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["get", "--accept-license", "--task", "7", "--setting", "user", "--split", "test"];
    let mut child = lamplight(&arguments, &server, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let part = lamplight::fetch::part_path(&file.target(folder.path()));
    while fs::metadata(&part).map_or(0, |part| part.len()) < half as u64 {
        assert!(child.try_wait().unwrap().is_none(), "the command ended by itself");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    stalls.store(false, Ordering::Relaxed);
    let output = lamplight(&arguments, &server, folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains(&format!("resumed at {half}")), "{}", text(&output));
    assert_eq!(server.asked().last().unwrap().start(), Some(half));
    assert!(fs::read_to_string(file.target(folder.path())).unwrap() == body);
}
