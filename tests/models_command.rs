//! `lamplight models` and `lamplight devices`, the real program, killed in the middle too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests assert as tests do")]

#[path = "support/fake_hub.rs"]
mod fake_hub;
#[path = "support/fault_server.rs"]
mod fault_server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fake_hub::{FakeHub, hash, small_bert, small_t5};
use fault_server::serve;
use serde_json::Value;

const ID: &str = "someone/small-t5";

/// The program with an environment of its own, so that nothing of this machine's is read.
fn program(place: &Path, endpoint: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("HF_")
            || name.starts_with("HUGGING")
            || name.starts_with("XDG_")
            || name.starts_with("LAMPLIGHT")
        {
            command.env_remove(&*name);
        }
    }
    command.env("HOME", place.join("home")).env("USERPROFILE", place.join("home"));
    command.env("HF_HOME", place.join("home").join("hf")).env("HF_ENDPOINT", endpoint);
    command.env("HF_TOKEN", "hf_hush").env("LAMPLIGHT_MODELS", place.join("models"));
    command.env("COLUMNS", "200").stdin(Stdio::null());
    command
}

fn run(place: &Path, endpoint: &str, arguments: &[&str]) -> Output {
    program(place, endpoint).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

fn names(listed: &Value) -> Vec<&str> {
    listed.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

fn row<'a>(listed: &'a Value, name: &str) -> &'a Value {
    listed.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()
}

fn write_model(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (name, bytes) in small_t5() {
        if !name.contains('/') {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

fn part_of(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).find_map(|path| {
        if path.is_dir() { part_of(&path) } else { path.ends_with("model.safetensors.part").then_some(path) }
    })
}

#[test]
fn a_model_is_got_listed_used_and_removed() {
    let (fake, folder) = (FakeHub::new(ID, small_t5()), tempfile::tempdir().unwrap());
    let (place, endpoint) = (folder.path(), fake.endpoint());
    let run = |arguments: &[&str]| run(place, &endpoint, arguments);
    let got = json(&run(&["models", "get", ID, "--json"]));
    assert_eq!((&got["status"], &got["name"]), (&"downloaded".into(), &ID.into()));
    let listed = json(&run(&["models", "list", "--json"]));
    assert_eq!(row(&listed, ID)["fingerprint"], got["fingerprint"]);
    let table = text(&run(&["models", "list"]));
    assert!(table.contains(ID) && table.contains("apache-2.0") && table.contains("@1111111"), "{table}");

    let info = json(&run(&["models", "info", ID, "--json", "--batch", "2"]));
    assert_eq!(info["description"]["kind"], "t5");
    assert_eq!(info["description"]["vocabulary"], 384);
    assert_eq!((&info["fingerprint"], &info["tokenizer_fits"]), (&got["fingerprint"], &true.into()));
    // Two embeddings of 384 times 32 are most of it.
    assert!(info["memory"]["weight_bytes"].as_u64().unwrap() >= 4 * 2 * 384 * 32);
    assert_eq!(info["memory"]["fits"], true);
    assert_eq!(info["devices"][0], "cpu");
    let words = text(&run(&["models", "info", ID]));
    assert!(words.contains("tokenizer knows 5 and fits") && words.contains("model.safetensors"), "{words}");

    let answer =
        json(&run(&["generate", "--model", ID, "--prompt", "a b c", "--max-new-tokens", "2", "--json"]));
    assert_eq!(answer["prompt_tokens"], 3);

    let refused = run(&["models", "remove", ID]);
    assert!(!refused.status.success() && text(&refused).contains("--yes"), "{}", text(&refused));
    let removed = run(&["models", "remove", ID, "--yes"]);
    assert!(removed.status.success(), "{}", text(&removed));
    assert!(!place.join("models").join("files").join("someone--small-t5").exists());
    let left = json(&run(&["models", "list", "--json"]));
    assert_eq!(names(&left), ["sample-encoder", "sample-t5"]);
    let unknown = run(&["generate", "--model", "flan-t5-smal", "--prompt", "a"]);
    let words = text(&unknown);
    assert!(
        !unknown.status.success() && words.contains("google/flan-t5-small") && words.contains("models get"),
        "{words}"
    );
}

#[test]
fn a_model_in_place_stays_and_a_copy_is_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let model = place.join("my model");
    write_model(&model);
    let run = |arguments: &[&str]| run(place, "http://127.0.0.1:9", arguments);
    let path = model.to_str().unwrap();
    let added = json(&run(&["models", "add", path, "--json", "--query-prefix", "query: ", "--normalize"]));
    assert_eq!((&added["name"], &added["own_files"]), (&"my-model".into(), &false.into()));
    assert_eq!(added["encoder"]["prefixes"]["query"], "query: ");
    assert_eq!(added["encoder"]["normalize"], true);
    let copied = json(&run(&["models", "add", path, "--json", "--copy", "--name", "own/copy"]));
    assert_eq!(copied["fingerprint"], added["fingerprint"]);
    let taken = run(&["models", "add", place.join("elsewhere").to_str().unwrap(), "--name", "Own/Copy"]);
    assert!(text(&taken).contains("already"), "{}", text(&taken));
    let wrong = run(&["models", "add", path, "--name", "con"]);
    assert!(text(&wrong).contains("--name"), "{}", text(&wrong));

    // In place is removed without a question, as nothing is deleted.
    let removed = run(&["models", "remove", "my-model"]);
    assert!(removed.status.success() && text(&removed).contains("stay"), "{}", text(&removed));
    assert!(model.join("model.safetensors").exists());
    fs::remove_dir_all(&model).unwrap();
    assert!(
        json(&run(&["generate", "--model", "own/copy", "--prompt", "a", "--json"]))["prompt_tokens"] == 1
    );

    // What is in place may go away.
    write_model(&model);
    json(&run(&["models", "add", path, "--json"]));
    fs::remove_dir_all(&model).unwrap();
    let listed = run(&["models", "list"]);
    assert_eq!(listed.status.code(), Some(3), "{}", text(&listed));
    assert!(text(&listed).contains("gone"));
    let gone = run(&["models", "info", "my-model"]);
    assert!(text(&gone).contains("models remove my-model"), "{}", text(&gone));
    let none = run(&["models", "add", place.to_str().unwrap()]);
    assert!(!none.status.success() && text(&none).contains("holds no model"), "{}", text(&none));
}

#[test]
fn an_encoder_is_used_by_its_name_with_what_it_was_trained_with() {
    let (fake, folder) = (FakeHub::new("intfloat/e5-small-v2", small_bert()), tempfile::tempdir().unwrap());
    let (place, endpoint) = (folder.path(), fake.endpoint());
    let run = |arguments: &[&str]| run(place, &endpoint, arguments);
    let got = json(&run(&["models", "get", "intfloat/e5-small-v2", "--json"]));
    assert_eq!((&got["kind"], &got["encoder"]["prefixes"]["query"]), (&"bert".into(), &"query: ".into()));
    let info = json(&run(&["models", "info", "intfloat/e5-small-v2", "--json"]));
    assert_eq!((&info["description"]["tokenizer"], &info["tokenizer_fits"]), (&8.into(), &true.into()));

    let vector = |arguments: &[&str]| -> Vec<f64> {
        let output = run(arguments);
        assert!(output.status.success(), "{}", text(&output));
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        let row = if value.is_array() { value[0].clone() } else { value };
        row["vector"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
    };
    let length = |vector: &[f64]| vector.iter().map(|n| n * n).sum::<f64>().sqrt();
    let known = vector(&["embed", "a b", "--model", "intfloat/e5-small-v2", "--json", "--prefix", ""]);
    let bare = vector(&["embed", "a b", "--model", got["path"].as_str().unwrap(), "--json", "--prefix", ""]);
    // E5's vectors have length 1, which nothing in its folder says here.
    assert!((length(&known) - 1.0).abs() < 1e-5 && (length(&bare) - 1.0).abs() > 1e-3);
    let own = vector(&[
        "embed",
        "a b",
        "--model",
        "intfloat/e5-small-v2",
        "--json",
        "--prefix",
        "",
        "--normalize",
        "false",
    ]);
    assert_eq!(own, bare);

    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample");
    let ranked = run(&[
        "rank",
        sample.to_str().unwrap(),
        "--task",
        "LaMP-4",
        "--setting",
        "user",
        "--split",
        "dev",
        "--id",
        "310",
        "--retriever",
        "dense:intfloat/e5-small-v2",
        "--embeddings",
        place.join("vectors").to_str().unwrap(),
        "--cache-dir",
        place.join("cache").to_str().unwrap(),
    ]);
    assert!(ranked.status.success(), "{}", text(&ranked));
    let lost = run(&[
        "rank",
        sample.to_str().unwrap(),
        "--task",
        "LaMP-4",
        "--setting",
        "user",
        "--split",
        "dev",
        "--id",
        "310",
        "--retriever",
        "dense:intfloat/e5-smal-v2",
        "--cache-dir",
        place.join("cache").to_str().unwrap(),
    ]);
    assert!(!lost.status.success() && text(&lost).contains("intfloat/e5-small-v2"), "{}", text(&lost));
}

#[test]
fn a_killed_download_is_continued_to_the_same_bytes() {
    let stall = Arc::new(AtomicBool::new(true));
    let fake = FakeHub::faulty(ID, small_t5(), {
        let stall = stall.clone();
        move |_, asked, stream| {
            if !(stall.load(Ordering::Relaxed) && asked.path.starts_with("/blob/")) {
                return false;
            }
            let weights = &small_t5()["model.safetensors"];
            serve(stream, asked, weights, &format!("\"{}\"", hash(weights)), weights.len() / 2);
            std::thread::sleep(Duration::from_secs(120)); // keeps the connection open
            true
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let half = small_t5()["model.safetensors"].len() as u64 / 2;
    let mut child = program(place, &fake.endpoint())
        .args(["models", "get", ID])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let come = || part_of(&place.join("models")).and_then(|part| fs::metadata(part).ok());
    while come().is_none_or(|part| part.len() < half) {
        assert!(child.try_wait().unwrap().is_none(), "the command ended by itself");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    stall.store(false, Ordering::Relaxed);
    let listed = json(&run(place, &fake.endpoint(), &["models", "list", "--json"]));
    assert_eq!(row(&listed, ID)["status"], "unfinished");
    let got = json(&run(place, &fake.endpoint(), &["models", "get", ID, "--json"]));
    assert!(got["downloaded_bytes"].as_u64().unwrap() <= half + 10_000, "{got}");
    let model = PathBuf::from(got["path"].as_str().unwrap());
    assert!(fs::read(model.join("model.safetensors")).unwrap() == small_t5()["model.safetensors"]);
    assert_eq!(fake.cdn.asked().last().unwrap().start(), Some(half as usize));
}

#[test]
fn the_secret_is_in_nothing_that_is_printed_or_written() {
    let fake = FakeHub::faulty(ID, small_t5(), |_, asked, stream| {
        let refuse = asked.path.ends_with("tokenizer.json");
        if refuse {
            fault_server::send(stream, &["HTTP/1.1 403 No", "Content-Length: 0"], b"");
        }
        refuse
    });
    fake.repository.lock().unwrap().gated = true;
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["models", "get", ID][..], &["models", "get", ID, "--json"], &["models", "list"]] {
        let output = run(folder.path(), &fake.endpoint(), arguments);
        assert!(!text(&output).contains("hush"), "{}", text(&output));
    }
    let mut folders = vec![folder.path().to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                seen += 1;
                assert!(
                    !String::from_utf8_lossy(&fs::read(&path).unwrap()).contains("hush"),
                    "{}",
                    path.display()
                );
            }
        }
    }
    assert!(seen >= 2);
}

#[test]
fn known_models_and_devices_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| run(folder.path(), "http://127.0.0.1:9", arguments);
    let known = json(&run(&["models", "list", "--known", "--json"]));
    let e5 = known.as_array().unwrap().iter().find(|row| row["id"] == "intfloat/e5-base-v2").unwrap();
    assert_eq!(
        (&e5["license"], &e5["encoder"]["prefixes"]["document"]),
        (&"mit".into(), &"passage: ".into())
    );
    assert!(text(&run(&["models", "list", "--known"])).contains("google/flan-t5-xxl"));
    let devices = json(&run(&["devices", "--json"]));
    assert_eq!(
        (&devices["devices"][0]["device"], &devices["devices"][0]["usable"]),
        (&"cpu".into(), &true.into())
    );
    assert!(devices["devices"][0]["free_memory_bytes"].as_u64().unwrap() > 0);
    assert!(devices["threads"].as_u64().unwrap() >= 1);
    let words = text(&run(&["devices"]));
    assert!(words.contains("cpu") && words.contains("instructions"), "{words}");
}

#[test]
fn the_models_of_the_program_are_there_without_a_download_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    // No server is there to be asked.
    let run = |arguments: &[&str]| run(folder.path(), "http://127.0.0.1:9", arguments);
    let listed = json(&run(&["models", "list", "--json"]));
    assert_eq!(names(&listed), ["sample-encoder", "sample-t5"]);
    assert_eq!(
        (&row(&listed, "sample-t5")["kind"], &row(&listed, "sample-encoder")["kind"]),
        (&"t5".into(), &"bert".into())
    );
    assert!(text(&run(&["models", "list"])).contains("part of the program"));
    let refused = run(&["models", "remove", "Sample-T5", "--yes"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused).contains("sample-t5 is part of the program and cannot be removed"),
        "{}",
        text(&refused)
    );
    let own = folder.path().join("own");
    write_model(&own);
    let taken = run(&["models", "add", own.to_str().unwrap(), "--name", "sample-t5"]);
    assert!(!taken.status.success() && text(&taken).contains("--name"), "{}", text(&taken));
    let answer = json(&run(&["generate", "--model", "sample-t5", "--prompt", "what is the score", "--json"]));
    assert!(answer["prompt_tokens"].as_u64().unwrap() > 3);
    // A file that was lost or cut is put back.
    let path = PathBuf::from(row(&listed, "sample-t5")["path"].as_str().unwrap());
    fs::write(path.join("config.json"), "{").unwrap();
    assert_eq!(json(&run(&["models", "info", "sample-t5", "--json"]))["changed_since_added"], false);
}
