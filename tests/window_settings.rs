//! The screen Settings: appearance and threads that hold at once and at the next start, care of the store, another store, and what
//! is told about the program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set up must fail")]

#[path = "support/window.rs"]
mod window;

use std::fs;

use eframe::egui::{OutputCommand, Theme};
use egui_kittest::kittest::Queryable as _;
use lamplight::gui::command::{Command, Screen, ThemeChoice};
use lamplight::gui::memory::{self, Memory};
use lamplight::lamp::Task;
use lamplight::run::Experiment;
use lamplight::run::experiment::{DataSettings, ModelSettings};
use lamplight::store::{Reader, Store};
use window::Window;

fn settings(window: &mut Window) {
    window.push(Command::Go(Screen::Settings));
    window.wait("Appearance");
}

/// A window whose store holds a scripted model's run, with its answers kept.
fn answered() -> Window {
    let mut window = Window::new();
    let mut experiment = Experiment { name: "Small".to_owned(), ..Experiment::default() };
    experiment.data = vec![DataSettings {
        paths: vec![window::sample_set()],
        tasks: vec![Task::Lamp3],
        limit: Some(5),
        ..DataSettings::default()
    }];
    experiment.models = vec![ModelSettings { name: "scripted:echo".to_owned(), ..ModelSettings::default() }];
    experiment.retrieval.retrievers = vec!["none".to_owned()];
    window.push(Command::Start(Box::new(experiment)));
    window.until("the end of the runs", |window| {
        let shared = window.harness.state().shared();
        shared.runner.is_idle() && shared.store.runs.len() == 2
    });
    settings(&mut window);
    window
}

/// What was copied in the last frame.
fn copied(window: &Window) -> Option<String> {
    window.harness.output().platform_output.commands.iter().find_map(|command| match command {
        OutputCommand::CopyText(text) => Some(text.clone()),
        _ => None,
    })
}

#[test]
fn appearance_and_threads_hold_at_once_and_are_remembered() {
    let mut window = Window::new();
    settings(&mut window);
    for (label, theme) in [("Light", Theme::Light), ("Dark", Theme::Dark)] {
        window.click(label);
        window.until("the theme", |window| window.harness.ctx.theme() == theme);
    }
    let processors = std::thread::available_parallelism().unwrap().get();
    window.click(&format!("All {processors} processors"));
    window.until("the threads", |window| window.harness.state().shared().threads == processors);
    window.click("125 %");
    window.until("the size", |window| (window.harness.ctx.zoom_factor() - 1.25).abs() < 1e-3);
    let folder = window.places().memory.clone().unwrap();
    window.until("what is remembered", |_| {
        let kept = Memory::read(Some(&folder));
        kept.theme == ThemeChoice::Dark && (kept.zoom - 1.25).abs() < 1e-3 && kept.threads == processors
    });
    let again = Window::over(window.places().clone());
    let shared = again.harness.state().shared();
    assert_eq!((shared.theme, shared.threads), (ThemeChoice::Dark, processors));
}

#[test]
fn a_damaged_memory_is_as_good_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let places = window::places(folder.path());
    let own = places.memory.clone().unwrap();
    fs::create_dir_all(&own).unwrap();
    fs::write(memory::file(&own), b"{\"zoom\": ").unwrap();
    let mut window = Window::over(places);
    window.wait("Run the sample benchmark");
}

#[test]
fn the_store_is_checked_repaired_and_its_answers_are_cleared() {
    let mut window = answered();
    window.wait_for("2 runs, 10 predictions");
    let store = window.places().store.clone();
    let answers = || {
        let info = Reader::open(&store).unwrap().info().unwrap();
        info.tables.iter().find(|(name, _)| name == "answers").unwrap().1
    };
    assert!(answers() > 0);
    window.click("Check");
    window.wait("The store is sound.");
    window.click("Clear kept answers\u{2026}");
    window.click("Clear the answers now");
    window.wait_for("kept answers were cleared.");
    assert_eq!(answers(), 0);
    window.wait_for("2 runs, 10 predictions, 0 kept answers");
    window.click("Repair\u{2026}");
    window.click("Repair now");
    window.wait_for("The store was repaired; the file before is kept as");
    assert_eq!(Reader::open(&window.places().store).unwrap().runs().unwrap().len(), 2);
    window.click("Give free room back");
    window.until("the end of it", |window| !window.shows("Giving room back"));
}

#[test]
fn another_store_is_used_and_no_store_is_refused() {
    let mut window = answered();
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.db");
    drop(Store::open(&other).unwrap());
    window.click("Use another store\u{2026}");
    window.replace_text("Path of the store", other.to_str().unwrap());
    window.click("Use it");
    window.until("the other store", |window| {
        let shared = window.harness.state().shared();
        shared.places.store == other && shared.store.runs.is_empty()
    });
    let none = folder.path().join("notes.txt");
    fs::write(&none, "no store").unwrap();
    window.click("Use another store\u{2026}");
    window.replace_text("Path of the store", none.to_str().unwrap());
    window.click("Use it");
    window.wait_for("is no Lamplight store");
    assert_eq!(fs::read(&none).unwrap(), b"no store");
}

#[test]
fn licenses_are_listed_and_citations_copied() {
    let mut window = Window::new();
    settings(&mut window);
    let button = |window: &Window, label: &str| window.harness.get_by_label(label).scroll_to_me();
    button(&window, "Copy what to cite");
    window.harness.step();
    window.harness.step();
    window.harness.get_by_label("Copy what to cite").click_accesskit();
    window
        .until("the citations", |window| copied(window).is_some_and(|text| text.contains("@inproceedings")));
    window.harness.get_by_label("Show licenses").click_accesskit();
    window.wait_for("packages are part of the program");
}
