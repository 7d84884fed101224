//! The window's screen Data: opening, checking, choosing, browsing, searching and downloading, by what a person reads and clicks.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up must fail")]

#[path = "support/fault_server.rs"]
mod fault_server;
#[path = "support/window.rs"]
mod window;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eframe::egui::Key;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use fault_server::{FaultServer, send, serve};
use lamplight::gui::command::{Command, Screen};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::{Setting, Split, Task};
use lamplight::run::experiment::{DataSettings, ModelSettings};
use lamplight::run::plan;
use window::Window;

/// A record of LaMP-7.
fn record(id: &str, text: &str) -> String {
    format!(
        r#"{{"id": "{id}", "input": "Paraphrase the following tweet without any explanation before or after it: {text}", "profile": [{{"text": "one {text}", "id": "{id}0"}}, {{"text": "two", "id": "{id}1"}}]}}"#
    )
}

fn questions(count: usize) -> String {
    let records: Vec<String> = (0..count).map(|number| record(&format!("{number:03}"), "hello")).collect();
    format!("[{}]", records.join(", "))
}

fn outputs(count: usize) -> String {
    let mut golds = String::new();
    for number in 0..count {
        let comma = if number > 0 { ", " } else { "" };
        let _ = write!(golds, r#"{comma}{{"id": "{number:03}", "output": "hi"}}"#);
    }
    format!(r#"{{"task": "LaMP_7", "golds": [{golds}]}}"#)
}

/// A window that shows data, once they are read.
fn opened(paths: &[PathBuf]) -> Window {
    let mut window = Window::new();
    window.push(Command::OpenData(paths.to_vec()));
    window.until("the data", |window| {
        let shared = window.harness.state().shared();
        shared.data_paths.len() == paths.len() && !shared.catalog.is_pending()
    });
    window.harness.step();
    window
}

fn data(window: &Window) -> Vec<DataSettings> {
    window.harness.state().shared().experiment().data.clone()
}

/// The datasets that the draft answers, as the engine understands it.
fn planned(window: &Window) -> Vec<String> {
    let mut experiment = window.harness.state().shared().experiment().clone();
    experiment.models = vec![ModelSettings { name: "scripted:echo".to_owned(), ..ModelSettings::default() }];
    experiment.retrieval.retrievers = vec!["none".to_owned()];
    let workplace = window.harness.state().shared().workplace.clone();
    let plan = plan(&experiment, &workplace, &CancelToken::new(), &Progress::new()).unwrap();
    plan.cells.iter().map(|cell| cell.dataset.id().to_string()).collect()
}

#[test]
fn the_empty_screen_leads_to_the_sample_set() {
    let mut window = Window::new();
    window.push(Command::Go(Screen::Data));
    window.wait("Open some data");
    assert!(window.has("Download LaMP\u{2026}") && window.has("Path of the data"));
    window.click("Open the sample set");
    window.wait("16 of 48 in the experiment");
    window.wait("Use LaMP-1 user dev");
    let planned = planned(&window);
    assert_eq!(planned.len(), 16);
    assert!(planned.iter().all(|name| name.ends_with("dev")), "{planned:?}");
}

#[test]
fn a_typed_path_opens() {
    let mut window = Window::new();
    window.push(Command::Go(Screen::Data));
    let path = window::sample_set().join("LaMP_4").join("dev");
    window.type_into("Path of the data", &path.display().to_string());
    window.click("Open");
    window.wait("1 of 1 in the experiment");
    assert_eq!(data(&window)[0].paths, [path]);
}

#[test]
fn what_is_ticked_is_what_the_engine_plans() {
    let mut window = opened(&[window::sample_set()]);
    window.wait("16 of 48 in the experiment");
    window.click("Use LaMP-1 user dev");
    window.wait("15 of 48 in the experiment");
    let now = planned(&window);
    assert_eq!(now.len(), 15);
    assert!(!now.contains(&"LaMP-1 user dev".to_owned()));
    window.click("Use none");
    window.wait("0 of 48 in the experiment");
    assert_eq!(data(&window), []);
    window.click("Use LaMP-1 user dev");
    window.wait("1 of 48 in the experiment");
    std::thread::sleep(Duration::from_secs(1)); // what follows closely is undone together
    window.click("Use LaMP-1 time dev");
    window.wait("2 of 48 in the experiment");
    assert_eq!(planned(&window), ["LaMP-1 user dev", "LaMP-1 time dev"]);
    window.push(Command::Undo);
    window.wait("1 of 48 in the experiment");
    window.click("Use all dev");
    window.wait("16 of 48 in the experiment");
    window.click("The first");
    window.harness.step();
    assert!(data(&window).iter().all(|table| table.limit == Some(100) && table.seed.is_none()));
    window.click("Drawn at random");
    window.harness.step();
    assert!(data(&window).iter().all(|table| table.limit == Some(100) && table.seed.is_some()));
    window.click("All");
    window.harness.step();
    assert!(data(&window).iter().all(|table| table.limit.is_none() && table.seed.is_none()));
}

#[test]
fn an_experiment_with_data_keeps_them_when_more_is_opened() {
    let sample = window::sample_set();
    let mut window = opened(&[sample.join("LaMP_4")]);
    window.wait("1 of 3 in the experiment");
    window.push(Command::OpenData(vec![sample.join("LaMP_5")]));
    window.wait("1 of 6 in the experiment");
    window.click("Use LaMP-5 user dev");
    window.wait("2 of 6 in the experiment");
    assert_eq!(planned(&window), ["LaMP-4 user dev", "LaMP-5 user dev"]);
    window.click(&format!("Close {}", sample.join("LaMP_4").display()));
    window.wait("1 of 3 in the experiment");
    assert_eq!(planned(&window), ["LaMP-5 user dev"]);
}

#[test]
fn the_browser_finds_and_marks_and_chooses() {
    let mut window = opened(&[window::sample_set().join("LaMP_4").join("dev")]);
    window.click("Browse LaMP-4 user dev");
    window.wait_for("1 of 60");
    let catalog = window.harness.state().shared().catalog().unwrap().clone();
    let dataset = &catalog.datasets[0];
    let (first, third) = (dataset.sample(0).unwrap(), dataset.sample(2).unwrap());
    window.wait(&first.input);
    window.wait(&format!("Profile, {} entries", first.profile.len()));
    window.press(Key::J);
    window.press(Key::J);
    window.wait_for("3 of 60");
    window.wait(&third.input);
    window.press(Key::K);
    window.wait_for("2 of 60");

    // A word that stands in few places.
    let word = third.profile[0].text.split(' ').find(|word| word.len() > 6).unwrap().to_owned();
    window.type_into("Search samples and profiles", &word);
    window.wait_for("Hit 1: ");
    window.press(Key::Enter);
    window.wait_for("Sample ");
    let text = word.trim_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase();
    let shown = window.screen().to_lowercase();
    assert!(shown.contains(&text[..text.len() - 2]), "{text} is nowhere in\n{shown}");

    window.click("Clear the search");
    window.type_into("Go to id", &third.id);
    window.press(Key::Enter);
    window.wait_for("3 of 60");
    window.click("Use for previews");
    window.wait_for("Shown in previews");
    assert_eq!(window.harness.state().shared().sample.as_ref().unwrap().index, 2);
    window.type_into("Go to id", "no such");
    window.press(Key::Enter);
    window.wait("No sample has the id no such.");
    window.click("All datasets");
    window.wait("Browse LaMP-4 user dev");
}

#[test]
fn a_search_for_nothing_says_so_and_can_be_narrowed() {
    let mut window = opened(&[window::sample_set().join("LaMP_4").join("dev")]);
    window.click("Browse LaMP-4 user dev");
    window.type_into("Search samples and profiles", "zzzzzz");
    window.wait_for("Nothing found.");
    window.click("Clear the search");
    window.type_into("Search samples and profiles", "headline");
    window.wait_for("Hit 1: ");
    window.wait("60 hits");
    window.click("Profiles");
    window.wait_for("Nothing found.");
}

#[test]
fn broken_files_are_found_and_can_be_used_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev_questions.json");
    let text = questions(6).replacen(r#""id": "003", "input""#, r#""id": "003", "inputs""#, 1);
    fs::write(&path, text).unwrap();
    fs::write(folder.path().join("dev_outputs.json"), outputs(6)).unwrap();
    fs::write(folder.path().join("page.json"), "<!DOCTYPE html><html></html>").unwrap();
    fs::write(folder.path().join("notes.txt"), "x").unwrap();
    let mut window = opened(&[folder.path().to_owned()]);
    window.wait("1 of 1 in the experiment");
    window.wait_for("Findings of LaMP-7 user dev: 1 error");
    window.wait("1 file that cannot be used");
    assert!(window.shows("a web page instead of data"), "{}", window.screen());
    window.wait("1 other file beside the data");
    window.click("1 other file beside the data");
    window.wait("not a .json, .json.gz or .zip file");
    window.click_first("Findings of LaMP-7 user dev: 1 error");
    window.wait_for("1 record that cannot be used in");
    assert!(window.shows("Download the file again, or skip broken records"), "{}", window.screen());
    window.click("Use the good records");
    window.until("the good records", |window| data(window)[0].skip_broken);
    assert_eq!(planned(&window), ["LaMP-7 user dev"]);
}

#[test]
fn samples_without_references_are_offered_without_a_score() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("test_questions.json"), questions(3)).unwrap();
    let mut window = opened(&[folder.path().to_owned()]);
    window.wait("1 of 1 in the experiment");
    window.click("Answer them without a score");
    window.until("unscored", |window| data(window)[0].unscored);
    assert_eq!(planned(&window), ["LaMP-7 user test"]);
}

#[test]
fn what_is_missing_is_told_and_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let (good, lost) = (folder.path().join("dev_questions.json"), folder.path().join("lost"));
    fs::write(&good, questions(3)).unwrap();
    let mut window = opened(std::slice::from_ref(&lost));
    window.wait_for("The data could not be opened");
    fs::create_dir(&lost).unwrap();
    window.click("Try again");
    window.wait_for("There is no dataset under these paths");
    fs::remove_dir(&lost).unwrap();
    window.push(Command::OpenData(vec![good.clone()]));
    window.wait_for("The data could not be opened");
    window.click("Remove what cannot be read");
    window.wait("Use LaMP-7 user dev");
    assert_eq!(window.harness.state().shared().data_paths, [good]);
}

#[test]
fn names_of_any_length_leave_the_window_as_wide_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(200)).join("LaMP_7");
    fs::create_dir_all(&deep).unwrap();
    let name = format!("{}_dev_questions.json", "n".repeat(200));
    fs::write(deep.join(&name), questions(3)).unwrap();
    fs::write(deep.join(format!("{}.json", "w".repeat(200))), "").unwrap();
    let mut window = opened(std::slice::from_ref(&deep));
    window.wait("Use LaMP-7 user dev");
    window.wait("1 file that cannot be used");
    let widest = window
        .harness
        .query_all_by(|_| true)
        .filter_map(|node| node.accesskit_node().bounding_box())
        .map(|bounds| bounds.x1)
        .fold(0.0, f64::max);
    assert!(widest <= 1280.5, "something reaches to {widest}");
    window.click("Browse LaMP-7 user dev");
    window.wait_for("1 of 3");
}

#[test]
fn findings_lead_to_their_records() {
    let folder = tempfile::tempdir().unwrap();
    let text = questions(9).replace(r#""id": "0071""#, r#""id": "0070""#);
    fs::write(folder.path().join("dev_questions.json"), text).unwrap();
    fs::write(folder.path().join("dev_outputs.json"), outputs(9)).unwrap();
    let mut window = opened(&[folder.path().to_owned()]);
    window.wait_for("Findings of LaMP-7 user dev: 1 warning");
    window.click_first("Findings of LaMP-7 user dev: 1 warning");
    window.click("Show record 007");
    window.wait_for("8 of 9");
    window.click_first("Findings: 1 warning");
    window.wait("Show record 007");
}

/// Has the files of LaMP-7 and answers with a page for all others, as the official server does.
fn official(lost: &'static str) -> FaultServer {
    FaultServer::new(move |_, asked, stream| {
        let body = match asked.path.as_str() {
            path if path.contains(lost) => None,
            path if path.ends_with("questions.json") => Some(questions(30)),
            path if path.ends_with("outputs.json") => Some(outputs(30)),
            _ => None,
        };
        match body {
            Some(body) => serve(stream, asked, body.as_bytes(), "\"a\"", usize::MAX),
            None => {
                send(stream, &["HTTP/1.1 200 OK", "Content-Type: text/html"], b"<!DOCTYPE html><html></html>")
            }
        }
    })
}

/// The page for downloads, filled in.
fn asked_for(address: &str, folder: &Path) -> Window {
    let mut window = Window::new();
    window.push(Command::Go(Screen::Data));
    window.click("Download LaMP\u{2026}");
    window.click("LaMP-7");
    let field = "Folder for the files";
    window.wait(field);
    window.harness.get_by_label(field).focus();
    window.harness.step();
    window.harness.key_press_modifiers(eframe::egui::Modifiers::COMMAND, Key::A);
    window.harness.step();
    window.type_into(field, &folder.display().to_string());
    window.click("More");
    window.wait("Address of the files");
    window.harness.get_by_label("Address of the files").focus();
    window.harness.step();
    window.harness.key_press_modifiers(eframe::egui::Modifiers::COMMAND, Key::A);
    window.harness.step();
    window.type_into("Address of the files", address);
    window
}

#[test]
fn a_download_asks_for_the_license_and_opens_what_came() {
    let (server, folder) = (official("never"), tempfile::tempdir().unwrap());
    let mut window = asked_for(&server.url("/LaMP"), folder.path());
    window.wait("Accept the license first.");
    window.click("Download 2 files");
    window.harness.step();
    assert!(server.asked().is_empty(), "something was fetched before the license was accepted");
    window.click("I accept these terms");
    window.click("Download 2 files");
    window.wait("2 of 2 files");
    window.until("the data in the experiment", |window| !data(window).is_empty());
    assert_eq!(window.harness.state().shared().data_paths, [folder.path()]);
    assert_eq!(planned(&window), ["LaMP-7 user dev"]);
    let table = &data(&window)[0];
    assert_eq!((table.split(), table.tasks.len()), (Split::Dev, 0));
    window.click("All datasets");
    window.wait("Use LaMP-7 user dev");
}

#[test]
fn a_page_in_place_of_a_file_is_an_error_at_that_file() {
    let (server, folder) = (official("outputs"), tempfile::tempdir().unwrap());
    let mut window = asked_for(&server.url("/LaMP"), folder.path());
    window.click("I accept these terms");
    window.click("Download 2 files");
    window.wait("1 of 2 files");
    window.wait_for("HTML");
    // The message takes a line of its own, which moves what is to be clicked.
    window.wait("1 file of LaMP could not be downloaded.");
    window.click("Go on with the download");
    window.wait_for("already there");
}

#[test]
fn a_canceled_download_goes_on_where_it_was() {
    let body = questions(4000);
    let half = body.len() / 2;
    let stalls = Arc::new(AtomicBool::new(true));
    let server = FaultServer::new({
        let (body, stalls) = (body.clone(), stalls.clone());
        move |_, asked, stream| {
            if asked.path.ends_with("outputs.json") {
                serve(stream, asked, outputs(4000).as_bytes(), "\"b\"", usize::MAX);
            } else if stalls.load(Ordering::Relaxed) {
                serve(stream, asked, body.as_bytes(), "\"a\"", half);
                std::thread::sleep(Duration::from_secs(300)); // keeps the connection open
            } else {
                serve(stream, asked, body.as_bytes(), "\"a\"", usize::MAX);
            }
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut window = asked_for(&server.url("/LaMP"), folder.path());
    window.click("I accept these terms");
    window.click("Download 2 files");
    let part = folder.path().join("LaMP_7").join("dev").join("dev_questions.json.part");
    window.until("half of the file", |_| fs::metadata(&part).map_or(0, |part| part.len()) >= half as u64);
    window.click("Cancel the download");
    window.wait_for("Canceled. What has come is kept");
    stalls.store(false, Ordering::Relaxed);
    window.click("Go on with the download");
    window.wait("2 of 2 files");
    assert!(server.asked().iter().any(|asked| asked.start() == Some(half)), "it began anew");
    window.wait_for("gone on at");
}

#[test]
fn the_screen_comes_back_as_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::over(window::places(folder.path()));
    window.push(Command::OpenData(vec![window::sample_set().join("LaMP_4")]));
    window.wait("1 of 3 in the experiment");
    window.click("Use LaMP-4 user dev");
    window.wait("0 of 3 in the experiment");
    window.click("Browse LaMP-4 user test");
    window.wait_for("1 of 120");
    window.press(Key::J);
    window.wait_for("2 of 120");
    window.harness.state_mut().close();
    drop(window);
    let mut window = Window::over(window::places(folder.path()));
    window.wait_for("2 of 120");
    assert_eq!(data(&window), [], "what was taken out came back by itself");
    window.click("All datasets");
    window.wait("0 of 3 in the experiment");
    let catalog = window.harness.state().shared().catalog().unwrap().clone();
    assert!(catalog.datasets.iter().all(|dataset| dataset.id().task == Task::Lamp4));
    assert!(catalog.datasets.iter().all(|dataset| dataset.id().setting == Setting::User));
}
