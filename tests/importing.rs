//! `lamplight import-avocado` on a collection made here in the layout of the real one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests assert as tests do")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const OPENING: &str = "Generate a subject for the following email: ";

fn archive(path: &Path, mails: &[(&str, &[u8])]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, mail) in mails {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(mail).unwrap();
    }
    zip.finish().unwrap();
}

/// Two custodians' archives, one deeper than the other, and one that is no mail archive at all.
fn collection(folder: &Path) -> PathBuf {
    let text = folder.join("avocado-1.0.2").join("data").join("text");
    archive(
        &text.join("001.zip"),
        &[
            ("001/001-000001-EM.txt", b"From: a@b.c\nSubject: Plain\n\nFirst mail.\n"),
            (
                "001/001-000002-EM.txt",
                b"From: a@b.c\r\nSubject: =?utf-8?Q?Caf=C3=A9?=\r\n\r\nSecond\r\nmail.\r\n",
            ),
            ("001/001-000003-EM.txt", b"Subject: a very\n long one\n\nna\xefve"),
            ("001/001-000004-EM.txt", b"Subject:\n\nNo subject."),
            ("001/readme.txt", b"no mail"),
            ("001/001-000009-EM.txt", b"Subject: twice\n\nof the first archive"),
        ],
    );
    archive(
        &text.join("002.zip"),
        &[
            (
                "x/y/z/002-000001-AT.txt",
                b"Subject: q\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nA =E2=82=AC sign",
            ),
            ("x/001-000009-EM.txt", b"Subject: twice\n\nof the second archive"),
            ("x/002-000002-EM.txt", &vec![b' '; 17 << 20]), // packs to a few kilobytes
        ],
    );
    fs::write(folder.join("avocado-1.0.2").join("other.zip"), "no archive").unwrap();
    folder.to_owned()
}

fn entry(id: &str, mail: &str) -> Value {
    json!({"id": id, "text": mail, "date": "2001-02-03", "more": [1.5, null]})
}

fn questions() -> Value {
    json!([
        {"id": "010", "user_id": 7, "input": "001-000001-EM.txt", "zeta": {"b": 1, "a": 2}, "profile": [
            entry("0", "001-000002-EM.txt"), entry("1", "001-000003-EM.txt"), entry("2", "001-000004-EM.txt")]},
        {"id": "011", "input": "002-000001-AT.txt", "profile": [entry("0", "001-000009-EM.txt"), entry("1", "009-000009-EM.txt")]},
        {"id": "012", "input": "009-000001-EM.txt", "profile": []},
        {"id": "013", "input": "001-000001-EM.txt", "profile": [entry("0", "002-000002-EM.txt")]},
    ])
}

fn outputs() -> Value {
    json!({"task": "LaMP_6", "golds": [
        {"id": "010", "output": "001-000001-EM.txt"}, {"id": "011", "output": "002-000001-AT.txt"},
        {"id": "012", "output": "009-000001-EM.txt"}, {"id": "013", "output": "001-000001-EM.txt"}]})
}

fn write(path: &Path, value: &Value) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut bytes = value.to_string().into_bytes();
    if path.extension().unwrap() == "gz" {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&bytes).unwrap();
        bytes = encoder.finish().unwrap();
    }
    fs::write(path, bytes).unwrap();
    path.to_owned()
}

fn read(path: &Path) -> Value {
    let mut bytes = fs::read(path).unwrap();
    if path.extension().unwrap() == "gz" {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
        bytes = text;
    }
    serde_json::from_slice(&bytes).unwrap()
}

fn run(mails: &Path, out: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lamplight"))
        .args(["import-avocado", "--json", "--mails"])
        .arg(mails)
        .arg("--out")
        .arg(out)
        .args(arguments)
        .output()
        .unwrap()
}

struct Place {
    folder: tempfile::TempDir,
    mails: PathBuf,
    questions: PathBuf,
    outputs: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let mails = collection(&folder.path().join("ldc"));
    let split = folder.path().join("in").join("time").join("LaMP_6").join("dev");
    let questions = write(&split.join("dev_questions.json.gz"), &questions());
    let outputs = write(&split.join("dev_outputs.json"), &outputs());
    Place { folder, mails, questions, outputs }
}

#[test]
fn mails_are_put_in_and_all_else_stays() {
    let place = place();
    let (out, report) = (place.folder.path().join("out"), place.folder.path().join("missing.csv"));
    let files = [
        "--questions",
        place.questions.to_str().unwrap(),
        "--outputs",
        place.outputs.to_str().unwrap(),
        "--report",
        report.to_str().unwrap(),
    ];
    let output = run(&place.mails, &out, &files);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["archives"], &summary["mails"]), (&json!(2), &json!(7)));
    assert_eq!(summary["mails_twice_with_other_content"], 1);
    assert_eq!(summary["missing"], 4);
    assert_eq!(summary["files"][0]["filled"], 7);

    let split = out.join("time").join("LaMP_6").join("dev");
    let filled = |id: &str, subject: &str, body: &str| json!({"id": id, "text": body, "date": "2001-02-03", "more": [1.5, null], "title": subject});
    let expected = json!([
        {"id": "010", "user_id": 7, "input": format!("{OPENING}First mail."), "zeta": {"b": 1, "a": 2}, "profile": [
            filled("0", "Café", "Second\r\nmail."), filled("1", "a very long one", "naïve"), filled("2", "", "No subject.")]},
        {"id": "011", "input": format!("{OPENING}A € sign"), "profile": [
            filled("0", "twice", "of the first archive"), entry("1", "009-000009-EM.txt")]},
        {"id": "012", "input": "009-000001-EM.txt", "profile": []},
        {"id": "013", "input": format!("{OPENING}First mail."), "profile": [entry("0", "002-000002-EM.txt")]},
    ]);
    // As text, for the order of the fields counts.
    assert_eq!(read(&split.join("dev_questions.json.gz")).to_string(), expected.to_string());
    let golds = json!({"task": "LaMP_6", "golds": [
        {"id": "010", "output": "Plain"}, {"id": "011", "output": "q"},
        {"id": "012", "output": "009-000001-EM.txt"}, {"id": "013", "output": "Plain"}]});
    assert_eq!(read(&split.join("dev_outputs.json")).to_string(), golds.to_string());

    let report = fs::read_to_string(report).unwrap();
    let lines: Vec<_> = report.lines().map(|line| line.split_once(',').unwrap().1).collect();
    assert_eq!(
        lines,
        [
            "record,field,mail,reason",
            "011,profile,009-000009-EM.txt,not found",
            "012,input,009-000001-EM.txt,not found",
            "013,profile,002-000002-EM.txt,too long",
            "012,output,009-000001-EM.txt,not found",
        ]
    );
    let names: Vec<_> = fs::read_dir(&split).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn what_is_missing_can_be_left_out() {
    let place = place();
    let out = place.folder.path().join("out");
    let files =
        ["--drop-missing", "--questions", place.questions.to_str().unwrap(), place.outputs.to_str().unwrap()];
    let output = run(&place.mails, &out, &files);
    assert_eq!(output.status.code(), Some(3));
    let split = out.join("time").join("LaMP_6").join("dev");
    let ids = |records: &Value| -> Vec<String> {
        records.as_array().unwrap().iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect()
    };
    let questions = read(&split.join("dev_questions.json.gz"));
    assert_eq!(ids(&questions), ["010", "011", "013"]);
    assert_eq!(ids(&questions[1]["profile"]), ["0"]);
    assert_eq!(ids(&questions[2]["profile"]), [""; 0]);
    assert_eq!(ids(&read(&split.join("dev_outputs.json"))["golds"]), ["010", "011", "013"]);
}

#[test]
fn complete_and_merged_files_end_well() {
    let place = place();
    let mut merged = questions();
    merged.as_array_mut().unwrap().truncate(1);
    merged[0]["output"] = "001-000002-EM.txt".into();
    let file = write(&place.folder.path().join("merged.json"), &merged);
    let out = place.folder.path().join("out");
    let archive = place.mails.join("avocado-1.0.2").join("data").join("text").join("001.zip");
    let output = run(&archive, &out, &["--questions", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let result = read(&out.join("merged.json"));
    assert_eq!(
        (&result[0]["input"], &result[0]["output"]),
        (&json!(format!("{OPENING}First mail.")), &json!("Café"))
    );

    let again = |arguments: &[&str]| {
        let output = run(&archive, &out, &[&["--questions", file.to_str().unwrap()], arguments].concat());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, words) = again(&[]);
    assert!(code == Some(1) && words.contains("--force"), "{words}");
    assert_eq!(again(&["--force"]).0, Some(0));
    let (code, words) = again(&["--outputs", file.to_str().unwrap(), "--force"]);
    assert!(code == Some(1) && words.contains("would be written from"), "{words}");
    // What is filled names no mails any more.
    let filled = out.join("merged.json");
    let output = run(&archive, &place.folder.path().join("out2"), &["--questions", filled.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    // And a result is never written over its source.
    let output = run(&archive, place.folder.path(), &["--force", "--questions", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(read(&file), merged);
}

#[test]
fn bad_files_and_archives_are_named_and_leave_nothing() {
    let place = place();
    let text = questions().to_string();
    for (content, words) in [
        (text[..text.len() - 2].to_owned(), "too early"),
        (text.replacen("\"id\":", "\"id\"", 1), "record 1"),
        ("<html>".to_owned(), "HTML"),
        ("[]".to_owned(), "names no mails"),
        (format!("[{{\"id\": \"1\", \"x\": {}1{}}}]", "[".repeat(100_000), "]".repeat(100_000)), "record 1"),
    ] {
        let file = place.folder.path().join("bad.json");
        fs::write(&file, content).unwrap();
        let out = place.folder.path().join("out");
        let output = run(&place.mails, &out, &["--questions", file.to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(1) && said.contains(words) && said.contains("bad.json"),
            "{said}"
        );
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    }
    let questions = ["--questions", place.questions.to_str().unwrap()];
    let out = place.folder.path().join("out");
    for (mails, words) in [
        (place.mails.join("avocado-1.0.2").join("other.zip"), "other.zip"),
        (place.folder.path().join("in"), "no zip archives"),
        (place.folder.path().join("nowhere"), "nowhere"),
    ] {
        let output = run(&mails, &out, &questions);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(words), "{said}");
    }
}

#[test]
fn a_damaged_mail_is_reported_and_the_others_are_put_in() {
    let place = place();
    let path = place.mails.join("avocado-1.0.2").join("data").join("text").join("001.zip");
    let mut bytes = fs::read(&path).unwrap();
    let name = b"001/001-000001-EM.txt";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    bytes[at..at + 20].fill(0xaa);
    fs::write(&path, bytes).unwrap();
    let report = place.folder.path().join("missing.csv");
    let files = ["--questions", place.questions.to_str().unwrap(), "--report", report.to_str().unwrap()];
    let output = run(&place.mails, &place.folder.path().join("out"), &files);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let report = fs::read_to_string(report).unwrap();
    assert!(report.contains("010,input,001-000001-EM.txt,unreadable"), "{report}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["files"][0]["filled"], 5);
}

/// Many records over many archives come out in their order, each with its own mails.
#[test]
fn large_files_are_filled_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("data").join("text");
    for user in 0..40 {
        let mails: Vec<(String, String)> = (0..50)
            .map(|n| {
                (format!("u/{user:03}-{n:06}-EM.txt"), format!("Subject: s{user}.{n}\n\nbody {user}.{n}"))
            })
            .collect();
        let mails: Vec<(&str, &[u8])> =
            mails.iter().map(|(name, mail)| (name.as_str(), mail.as_bytes())).collect();
        archive(&text.join(format!("{user:03}.zip")), &mails);
    }
    let name = |user: usize, n: usize| format!("{user:03}-{n:06}-EM.txt");
    let place_of = |record: usize, k: usize| ((record * 7 + k) % 40, (record + k * 3) % 50);
    let records: Vec<Value> = (0..1500)
        .map(|record| {
            let profile: Vec<Value> = (1..30)
                .map(|k| {
                    let (user, n) = place_of(record, k);
                    json!({"id": k.to_string(), "text": name(user, n)})
                })
                .collect();
            let (user, n) = place_of(record, 0);
            json!({"id": format!("{record:05}"), "input": name(user, n), "profile": profile})
        })
        .collect();
    let file = write(&folder.path().join("train_questions.json"), &Value::Array(records));
    let out = folder.path().join("out");
    let output = run(folder.path(), &out, &["--questions", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let result = read(&out.join("train_questions.json"));
    assert_eq!(result.as_array().unwrap().len(), 1500);
    for (record, value) in result.as_array().unwrap().iter().enumerate() {
        assert_eq!(value["id"], format!("{record:05}"));
        let (user, n) = place_of(record, 0);
        assert_eq!(value["input"], format!("{OPENING}body {user}.{n}"));
        for k in 1..30 {
            let (user, n) = place_of(record, k);
            assert_eq!(value["profile"][k - 1]["title"], format!("s{user}.{n}"));
        }
    }
}
