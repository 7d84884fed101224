//! How screens look: pictures drawn by the processor, compared with those in `tests/snapshots`. After an intended change, run with
//! `UPDATE_SNAPSHOTS=true` and look at each new picture before keeping it.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up must fail")]

#[path = "support/window.rs"]
mod window;

use eframe::egui::Theme;
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{SnapshotOptions, image_snapshot_options};
use lamplight::gui::command::{Command, Screen};
use lamplight::gui::memory::Memory;
use lamplight::lamp::Task;
use lamplight::record::RunStatus;
use lamplight::run::Experiment;
use lamplight::run::experiment::{DataSettings, ModelSettings};
use tempfile::TempDir;
use window::Window;

/// A window with the sample set open.
fn opened(theme: Theme) -> (TempDir, Window) {
    let folder = tempfile::tempdir().unwrap();
    let places = window::places(folder.path());
    let memory = Memory { data: vec![window::sample_set()], ..Memory::default() };
    memory.write(places.memory.as_ref().unwrap()).unwrap();
    let window = Window::over(places);
    window.harness.ctx.set_theme(theme);
    (folder, window)
}

/// Compares what is shown, without the bar at the foot, which tells of this machine.
fn compare(window: &mut Window, name: &str) {
    // Until nothing moves any more, and nothing lies under the pointer.
    window.harness.remove_cursor();
    for _ in 0..8 {
        window.harness.step();
    }
    let picture = window.harness.render().unwrap();
    let height = picture.height() - 24;
    let shown = image::imageops::crop_imm(&picture, 0, 0, picture.width(), height).to_image();
    image_snapshot_options(&shown, name, &SnapshotOptions::new().threshold(0.6).max_failed_pixels(8));
}

fn experiment() -> Box<Experiment> {
    let mut experiment = Experiment { name: "Sample".to_owned(), ..Experiment::default() };
    experiment.data = vec![DataSettings {
        paths: vec![window::sample_set()],
        tasks: vec![Task::Lamp1, Task::Lamp3, Task::Lamp5],
        limit: Some(20),
        ..DataSettings::default()
    }];
    experiment.models =
        vec![ModelSettings { name: "baseline:nearest".to_owned(), ..ModelSettings::default() }];
    experiment.retrieval.retrievers = vec!["none".to_owned(), "bm25".to_owned()];
    experiment.retrieval.k = vec![1, 4];
    Box::new(experiment)
}

#[test]
fn the_welcome() {
    let mut window = Window::new();
    window.harness.ctx.set_theme(Theme::Light);
    window.wait("Run the sample benchmark");
    compare(&mut window, "welcome_light");
}

#[test]
fn the_retriever_with_what_it_retrieves() {
    let (_folder, mut window) = opened(Theme::Dark);
    window.push(Command::Go(Screen::Retriever));
    window.until("a ranking", |window| {
        window.harness.query_all_by_label_contains("Foundations of Field Surveys").next().is_some()
            && window.shows("place 9")
    });
    compare(&mut window, "retriever_dark");
}

#[test]
fn the_prompt_and_its_budget() {
    let (_folder, mut window) = opened(Theme::Light);
    window.push(Command::Go(Screen::Prompt));
    window.wait_for("of at most 512");
    compare(&mut window, "prompt_light");
}

#[test]
fn a_table_and_charts_of_results() {
    let (_folder, mut window) = opened(Theme::Light);
    window.push(Command::Start(experiment()));
    window.push(Command::Go(Screen::Results));
    window.until("the end of the runs", |window| {
        let shared = window.harness.state().shared();
        let runs = &shared.store.runs;
        shared.runner.is_idle() && runs.len() == 18 && runs.iter().all(|run| run.status == RunStatus::Done)
    });
    window.wait("Notes (15)"); // each finished run has added its own
    window.click("Close the message");
    compare(&mut window, "results_light");
    window.click("Charts");
    window.wait_for("Scores by method");
    compare(&mut window, "charts_light");
}
