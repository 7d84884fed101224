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
use lamplight::lamp::{Setting, Task};
use lamplight::record::RunStatus;
use lamplight::run::Experiment;
use lamplight::run::experiment::{DataSettings, ModelSettings};
use lamplight::train::{CurvePoint, DevScore, Evaluation, JobRecord, Preset};
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
    // A chart is drawn anew once its place has kept its size for a moment.
    window.until("rest", |window| !window.shows("Drawing the chart") && !window.shows("Making the chart"));
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
    window.wait("Notes (17)"); // each finished run has added its own
    window.click("Close the message");
    compare(&mut window, "results_light");
    window.click("Charts");
    window.wait_for("Scores by method");
    compare(&mut window, "charts_light");
}

/// A training that was broken off in its fourth epoch.
fn broken_off(models: &std::path::Path) {
    let job = models.join("training").join("stars");
    std::fs::create_dir_all(job.join("state-0000000350")).unwrap();
    let mut recipe = Preset::Official.recipe();
    recipe.model = "flan-t5-small".to_owned();
    (recipe.data.tasks, recipe.data.settings) = (vec![Task::Lamp3], vec![Setting::User]);
    (recipe.retrieval.retriever, recipe.retrieval.k) = ("bm25".to_owned(), 4);
    let record = JobRecord {
        version: 1,
        program: "test".to_owned(),
        name: Some("stars".to_owned()),
        recipe,
        model_fingerprint: String::new(),
        examples: String::new(),
        train_examples: 1600,
        dev_samples: 200,
        steps: 1000,
    };
    std::fs::write(job.join("job.json"), serde_json::to_vec(&record).unwrap()).unwrap();
    let mut lines = Vec::new();
    for step in 1..=360_u64 {
        let point = CurvePoint::Step {
            step,
            epoch: step as f64 / 100.0,
            loss: 0.6 + 3.0 * (-(step as f64) / 60.0).exp() + (step * 7 % 13) as f64 * 0.03,
            rate: 4e-5,
            gradient_norm: 1.5,
            tokens: 4_000,
            seconds: 2.0,
        };
        lines.push(serde_json::to_string(&point).unwrap());
        if step % 100 == 0 {
            let (task, setting, metric) = (Task::Lamp3, Setting::User, Task::Lamp3.primary_metric());
            let value = [0.61, 0.42, 0.45][step as usize / 100 - 1];
            let scores = vec![DevScore { task, setting, metric, value, samples: 200 }];
            let dev = Evaluation { step, epoch: step / 100, scores, value: 1.0 - value / 4.0 };
            lines.push(serde_json::to_string(&CurvePoint::Dev(dev)).unwrap());
        }
    }
    let path = job.join("curve.jsonl");
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    // So that the picture tells the same day whenever it is drawn.
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_780_000_000);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
}

#[test]
fn a_training_and_its_curves() {
    for (theme, name) in [(Theme::Dark, "train_dark"), (Theme::Light, "train_light")] {
        let (_folder, mut window) = opened(theme);
        broken_off(&window.places().models.clone());
        window.push(Command::Go(Screen::Train));
        window.wait_for("No T5 model is installed");
        window.wait("LaMP-7");
        window.wait_for("Loss over 360 steps");
        window.wait_for("After epoch 2, step 200: MAE 0.420 (best)");
        compare(&mut window, name);
    }
}
