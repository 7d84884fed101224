//! Endpoints in the window: added with a key, tested, saved, chosen, run with live figures, changed and removed; and what a broken
//! server, a missing key or a wrong passphrase says.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up must fail")]

#[path = "support/chat_server.rs"]
mod chat_server;
#[path = "support/window.rs"]
mod window;

use std::fs;
use std::path::Path;
use std::process::Command as Process;
use std::time::Duration;

use chat_server::{Act, Asked, ChatServer};
use egui_kittest::kittest::Queryable as _;
use lamplight::gui::command::{Command, Screen};
use lamplight::run::Experiment;
use serde_json::json;
use window::{Window, places, sample_set};

const KEY: &str = "sk-planted-0a1b2c3d4e5f";
const PASSPHRASE: &str = "planted open sesame";

/// Runs a test of this file in a process of its own, whose environment has a place for sealed keys and no keyring.
fn alone(test: &str) -> bool {
    if std::env::var_os("LAMPLIGHT_TEST_ALONE").is_some() {
        return false;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::new(std::env::current_exe().unwrap());
    for unwanted in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "LAMPLIGHT_PASSPHRASE"] {
        process.env_remove(unwanted);
    }
    let ended = process
        .args([test, "--exact", "--nocapture"])
        .env("LAMPLIGHT_TEST_ALONE", folder.path())
        .env("LAMPLIGHT_KEY_FILE", folder.path().join("keys.sealed"))
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    assert!(!said.contains(KEY) && !said.contains(PASSPHRASE), "{said}");
    true
}

/// A server with two models that wants the key where `keyed`, and answers ratings.
fn server(keyed: bool, answer: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> ChatServer {
    ChatServer::new(move |asked| {
        let given = asked.header("authorization");
        if keyed && given != Some(&format!("Bearer {KEY}")) {
            return Act::Json(401, json!({"error": {"message": format!("bad key {given:?}")}}));
        }
        if asked.path.ends_with("/models") {
            return Act::Json(200, json!({"data": [{"id": "small-chat"}, {"id": "large-chat"}]}));
        }
        if asked.path.ends_with("/embeddings") {
            return Act::Json(200, json!({"data": [{"index": 0, "embedding": [0.5, 0.5, 0.1]}]}));
        }
        answer(asked)
    })
}

fn opened() -> Window {
    let mut window = Window::new();
    window.push(Command::Go(Screen::Model));
    window.wait("Add endpoint\u{2026}");
    window
}

/// The form of a new endpoint with an address in it.
fn form(window: &mut Window, url: &str) {
    window.click("Add endpoint\u{2026}");
    window.wait("Add an endpoint");
    window.click("Other");
    window.replace_text("Name", "mine");
    window.replace_text("Base address", url);
}

/// An endpoint that is saved already.
fn saved(window: &mut Window, url: &str, more: &str) {
    let folder = window.places().models.join("endpoints");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("mine.toml"), format!("url = \"{url}\"\nmodel = \"small-chat\"\n{more}")).unwrap();
    window.push(Command::ReloadModels);
    window.wait("Use endpoint:mine");
}

fn draft(limit: usize) -> Box<Experiment> {
    let data = sample_set().display().to_string().replace('\\', "/");
    let text = format!(
        "name = 'Served'\n[data]\npaths = ['{data}']\ntasks = ['LaMP-3']\nsettings = ['user']\nlimit = {limit}\n\
         [retrieval]\nretrievers = ['none']\nk = [0]\n"
    );
    Box::new(Experiment::from_toml(&text, "test".as_ref()).unwrap())
}

fn names(window: &Window) -> Vec<String> {
    window.harness.state().shared().experiment().models.iter().map(|model| model.name.clone()).collect()
}

fn idle(window: &mut Window) {
    window.until("an idle queue", |window| window.harness.state().shared().runner.is_idle());
}

/// No file below a folder holds the key or the passphrase.
fn assert_clean(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_clean(&path);
        } else {
            let bytes = fs::read(&path).unwrap();
            let holds = |secret: &str| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!holds(KEY) && !holds(PASSPHRASE), "{}", path.display());
        }
    }
}

#[test]
fn an_endpoint_is_added_with_a_sealed_key_tested_chosen_and_run() {
    if alone("an_endpoint_is_added_with_a_sealed_key_tested_chosen_and_run") {
        return;
    }
    let server = server(true, |asked| match asked.number % 5 {
        1 if asked.before == 0 => Act::Json(500, json!({"error": {"message": "at work"}})),
        _ => Act::Late(Duration::from_millis(60), "4".into()),
    });
    let mut window = opened();
    form(&mut window, &server.url());
    // Without its key the server says no, in words with advice.
    window.click("Test connection");
    window.wait_for("check the key");
    window.click("Sealed file");
    window.type_into("Key", KEY);
    window.type_into("New passphrase", PASSPHRASE);
    let seen = window.screen();
    assert!(!seen.contains(KEY) && !seen.contains(PASSPHRASE), "{seen}");
    // What is typed stays while another screen is shown.
    window.push(Command::Go(Screen::Data));
    window.push(Command::Go(Screen::Model));
    window.click("Test connection");
    window.wait_for("2 models, listed in");
    window.click("Choose large-chat");
    window.click("Test connection");
    window.wait_for("It answers in");
    window.click("Save endpoint");
    window.wait("Use endpoint:mine");
    window.wait_for("key in the sealed file as mine");
    let text = fs::read_to_string(window.places().models.join("endpoints/mine.toml")).unwrap();
    assert!(text.contains("file:mine") && text.contains("large-chat"), "{text}");
    // It is chosen as any model is, and asked for an answer to a prompt of one's own.
    window.push(Command::OpenDraft { experiment: draft(40), file: None });
    window.click("Use endpoint:mine");
    window.until("the draft", |window| names(window) == ["endpoint:mine"]);
    window.push(Command::Go(Screen::Experiment));
    window.wait_for("At most 40 requests to endpoints; about");
    window.wait_for("No price is known");
    window.click("Start 1 run");
    window.wait_for("requests in flight:");
    window.wait_for("tokens written:");
    window.wait_for("Instead of an answer:");
    let seen = window.screen();
    assert!(seen.contains("\u{d7} status 500"), "{seen}");
    idle(&mut window);
    let run = window.harness.state().shared().store.runs.first().cloned();
    assert!(run.is_some() || !window.harness.state().shared().runner.finished().is_empty());
    assert_eq!(server.again().len(), 0, "nothing is asked twice");
    let seen = window.screen();
    assert!(!seen.contains(KEY) && !seen.contains(PASSPHRASE), "{seen}");
    window.harness.state_mut().close();
    let folder = window.places().store.parent().unwrap().to_owned();
    assert_clean(&folder);
    assert_clean(Path::new(&std::env::var_os("LAMPLIGHT_TEST_ALONE").unwrap()));
}

#[test]
fn a_key_in_a_locked_file_is_asked_for_and_a_wrong_passphrase_said() {
    if alone("a_key_in_a_locked_file_is_asked_for_and_a_wrong_passphrase_said") {
        return;
    }
    // Another program run sealed the key.
    let kept = Process::new(env!("CARGO_BIN_EXE_lamplight"))
        .args(["endpoints", "key", "set", "file:mine"])
        .env("LAMPLIGHT_PASSPHRASE", PASSPHRASE)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            use std::io::Write as _;
            child.stdin.take().unwrap().write_all(KEY.as_bytes())?;
            child.wait()
        });
    assert!(kept.unwrap().success());
    let server = server(true, |_| Act::Answer("4".into()));
    let mut window = opened();
    saved(&mut window, &server.url(), "key = \"file:mine\"\n");
    window.click("Show endpoint:mine");
    window.click("Test connection");
    window.wait_for("holds keys under a passphrase");
    window.type_into("Passphrase", "open");
    window.click("Unlock and test");
    window.wait_for("does not open");
    window.type_into("Passphrase", PASSPHRASE);
    assert!(!window.screen().contains(PASSPHRASE));
    window.click("Unlock and test");
    window.wait_for("It answers in");
    window.click("Test as an encoder");
    window.wait_for("It gives vectors of 3 numbers");
}

#[test]
fn what_is_wrong_stands_by_its_field_and_nothing_is_saved() {
    let mut window = opened();
    form(&mut window, "localhost:8000");
    window.click("Save endpoint");
    window.wait_for("This is no address");
    window.replace_text("Base address", "http://localhost:1/v1");
    window.click("Save endpoint");
    window.wait_for("Write the model\u{2019}s name at the server");
    window.type_into("Model", "m");
    window.click("Environment");
    window.type_into("Variable", KEY);
    window.click("Save endpoint");
    window.wait_for("Write the variable\u{2019}s name");
    window.click("No key");
    window.click("More");
    window.replace_text("Requests at once", "many");
    window.click("Save endpoint");
    window.wait_for("A whole number is needed here");
    window.wait("1 field is to be mended");
    window.replace_text("Requests at once", "4");
    // Nobody listens there.
    window.click("Test connection");
    window.wait_for("gives no usable answer");
    assert!(!window.places().models.join("endpoints").exists());
    window.click("Save endpoint");
    window.wait("Use endpoint:mine");
    // A name is had once.
    form(&mut window, "http://localhost:2/v1");
    window.type_into("Model", "m");
    window.click("Save endpoint");
    window.wait_for("An endpoint is called mine already");
    window.click("Close without saving");
    window.wait("Use endpoint:mine");
}

#[test]
fn a_test_of_a_silent_server_is_canceled() {
    let server = ChatServer::new(|_| Act::Silence);
    let mut window = opened();
    form(&mut window, &server.url());
    window.click("Test connection");
    window.wait("Testing the connection");
    window.click("Cancel");
    window.until("an end", |window| !window.has("Testing the connection"));
    assert!(window.has("Test connection"));
}

#[test]
fn an_endpoint_is_edited_duplicated_and_removed() {
    let server = server(false, |_| Act::Answer("4".into()));
    let mut window = opened();
    saved(&mut window, &server.url(), "identity = \"same\"\n");
    window.click("Use endpoint:mine");
    window.until("the draft", |window| names(window) == ["endpoint:mine"]);
    window.click("Edit\u{2026}");
    window.wait("Edit mine");
    window.replace_text("Name", "ours");
    window.replace_text("Model", "large-chat");
    window.click("Save endpoint");
    window.wait("Use endpoint:ours");
    // The experiment follows, and what the form does not show is kept.
    window.until("the draft", |window| names(window) == ["endpoint:ours"]);
    let folder = window.places().models.join("endpoints");
    assert!(!folder.join("mine.toml").exists());
    let text = fs::read_to_string(folder.join("ours.toml")).unwrap();
    assert!(text.contains("identity = \"same\"") && text.contains("large-chat"), "{text}");
    window.click("Duplicate\u{2026}");
    window.click("Save endpoint");
    window.wait("Use endpoint:ours-2");
    window.click("Remove endpoint:ours");
    window.wait_for("Its settings are deleted.");
    window.click("Remove it");
    window.until("one less", |window| !window.has("Remove endpoint:ours"));
    window.until("the draft", |window| names(window).is_empty());
    assert!(!folder.join("ours.toml").exists() && folder.join("ours-2.toml").exists());
    // One that cannot be read is shown with why, and can be removed.
    fs::write(folder.join("bad.toml"), "url = 3\n").unwrap();
    window.push(Command::ReloadModels);
    window.wait_for("bad.toml:1");
    window.click("Remove endpoint:bad");
    window.click("Remove it");
    window.until("one less", |window| !window.has("Remove endpoint:bad"));
}

#[test]
fn a_run_shows_what_holds_it_up_and_ends_at_its_spending_limit() {
    let server = server(false, |asked| match asked.before {
        0 => Act::Limit(Some("1")),
        _ => Act::Late(Duration::from_millis(30), "4".into()),
    });
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::over(places(folder.path()));
    window.push(Command::Go(Screen::Model));
    window.wait("Add endpoint\u{2026}");
    saved(&mut window, &server.url(), "price_in = 1000.0\nprice_out = 1000.0\nconcurrency = 2\n");
    window.push(Command::OpenDraft { experiment: draft(30), file: None });
    window.click("Use endpoint:mine");
    window.push(Command::Go(Screen::Experiment));
    window.wait_for("; cost ");
    window.harness.get_by_label("Spend at most").scroll_to_me();
    for _ in 0..10 {
        window.harness.step();
    }
    window.click("Spend at most");
    window.until("a limit", |window| {
        window.harness.state().shared().runner.settings().spending_limit == Some(1.0)
    });
    window.click("Start 1 run");
    window.wait_for("The endpoint asked for a wait");
    window.wait_for("cost of this run:");
    idle(&mut window);
    window.until("the record", |window| {
        let runs = &window.harness.state().shared().store.runs;
        runs.first()
            .is_some_and(|run| run.reason.as_deref().is_some_and(|why| why.contains("spending limit")))
    });
    let cost = window.harness.state().shared().store.runs[0].cost().unwrap();
    assert!(cost <= 1.0, "{cost}");
}
