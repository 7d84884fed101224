//! The screen Experiment: cells ticked and explained, undone, saved and run by the command line.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up must fail")]

#[path = "support/window.rs"]
mod window;

use std::collections::BTreeSet;
use std::process::Command as Process;

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use lamplight::gui::command::{Command, Screen};
use lamplight::run::Experiment;
use window::{Window, sample_set};

const BM25: &str = "LaMP-3 user, BM25 k 4, baseline:nearest";
const RECENCY: &str = "LaMP-3 user, Recency k 4, baseline:nearest";

/// A window with an experiment over the sample set.
fn with(text: &str) -> Window {
    let mut window = Window::new();
    let data = sample_set().display().to_string().replace('\\', "/");
    let (experiment, problems) =
        Experiment::draft_from_toml(&text.replace("SAMPLE", &data), "draft".as_ref());
    assert!(problems.is_empty(), "{problems:?}");
    window.push(Command::OpenData(vec![sample_set()]));
    window.push(Command::OpenDraft { experiment: Box::new(experiment), file: None });
    window.push(Command::Go(Screen::Experiment));
    window
}

fn small() -> Window {
    let mut window = with(
        "name = 'Small'\n[data]\npaths = ['SAMPLE']\ntasks = ['LaMP-3', 'LaMP-4']\nlimit = 5\n\
         [[models]]\nname = 'baseline:nearest'\n[retrieval]\nretrievers = ['none', 'bm25', 'recency']\nk = [4]\n",
    );
    window.wait("Start 10 runs");
    window
}

fn ticked(window: &Window, cell: &str) -> bool {
    let node = window.harness.get_by_label(cell);
    node.accesskit_node().toggled() == Some(eframe::egui::accesskit::Toggled::True)
}

#[test]
fn a_click_leaves_a_cell_out_and_undo_brings_it_back() {
    let mut window = small();
    window.wait_for("10 runs; 50 answers by rules to make");
    window.click(BM25);
    window.wait("Start 9 runs");
    let skip = &window.harness.state().shared().experiment().skip;
    assert_eq!((skip.len(), skip[0].retrievers.as_slice()), (1, &["bm25".to_owned()][..]));
    window.click("Undo");
    window.wait("Start 10 runs");
    window.click("Redo");
    window.wait("Start 9 runs");
    window.click(BM25);
    window.wait("Start 10 runs");
    assert!(window.harness.state().shared().experiment().skip.is_empty());
}

#[test]
fn heads_tick_whole_rows_and_columns() {
    let mut window = small();
    window.click("All of LaMP-3 user");
    window.wait("Start 8 runs");
    window.click("All of BM25 with baseline:nearest");
    // Not all were on, so all are now.
    window.wait("Start 9 runs");
    window.click("All of BM25 with baseline:nearest");
    window.wait("Start 5 runs");
    window.click("All of the model baseline:nearest");
    window.wait("Start 10 runs");
}

#[test]
fn what_is_impossible_says_why_and_cannot_be_ticked() {
    let mut window = small();
    window.wait_for("Impossible: Recency on LaMP-3 user, LaMP-4 user: recency is undefined");
    window.click(RECENCY);
    window.harness.step();
    assert!(window.harness.state().shared().experiment().skip.is_empty());
    window.wait("Start 10 runs");
}

#[test]
fn problems_lead_to_the_screen_that_mends_them() {
    let mut window = with(
        "name = 'Wrong'\n[data]\npaths = ['SAMPLE']\ntasks = ['LaMP-3']\nlimit = 2\n\
         [[models]]\nname = 'no/such-model'\n[[models]]\nname = 'baseline:nearest'\n\
         [retrieval]\nretrievers = ['bm25', 'bm52']\nk = [1]\n",
    );
    window.wait_for("2 things are to be mended");
    assert!(window.shows("models.name: ") && window.shows("bm52"), "{}", window.screen());
    // What is possible shows all the same.
    window.wait("LaMP-3 user, BM25 k 1, baseline:nearest");
    window.click("Go to Retriever");
    window.until("the retriever", |window| window.harness.state().screen() == Screen::Retriever);
}

#[test]
fn what_is_saved_runs_the_same_cells_from_the_command_line() {
    let mut window = small();
    window.click(BM25);
    window.click("All of LaMP-4 time");
    window.wait("Start 6 runs");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("saved.toml");
    window.click("Save as\u{2026}");
    window.wait("Path to save the experiment to");
    // What is proposed is replaced.
    let field = window.harness.get_by_label("Path to save the experiment to");
    field.focus();
    window.harness.step();
    window.harness.key_press_modifiers(eframe::egui::Modifiers::COMMAND, eframe::egui::Key::A);
    window.harness.step();
    window.type_into("Path to save the experiment to", &file.display().to_string());
    window.click("Save here");
    window.until("the file", |window| window.harness.state().shared().draft.file() == Some(&file));
    assert!(!window.harness.state().shared().draft.is_changed());
    window.click("Start 6 runs");
    window.until("its end", |window| {
        let shared = window.harness.state().shared();
        shared.runner.is_idle() && shared.store.runs.len() == 6
    });
    let runs = &window.harness.state().shared().store.runs;
    let in_window: BTreeSet<String> = runs.iter().map(|run| run.key.clone()).collect();
    let output = Process::new(env!("CARGO_BIN_EXE_lamplight"))
        .args(["run", "--dry-run", "--json"])
        .arg(&file)
        .arg("--store")
        .arg(&window.places().store)
        .env("LAMPLIGHT_MODELS", &window.places().models)
        .env("LAMPLIGHT_CACHE_DIR", folder.path().join("cache"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let cells = told["cells"].as_array().unwrap();
    let told: BTreeSet<String> = cells.iter().map(|cell| cell["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, in_window);
    assert!(cells.iter().all(|cell| cell["status"] == "done" && cell["stored"] == 5), "{cells:?}");
    window.push(Command::Go(Screen::Experiment));
    window.wait_for("6 runs; 6 stored already");
    window.wait("Show results");
    // Opened again it is the same.
    window.push(Command::Edit {
        what: "name",
        experiment: window.harness.state().shared().edited(|experiment| experiment.name = "Other".to_owned()),
    });
    window.wait_for("changed since it was saved");
    window.click("Open\u{2026}");
    window.type_into("Path of the experiment to open", &file.display().to_string());
    window.click("Open this file");
    window.click("Give them up");
    window.until("the saved one", |window| window.harness.state().shared().experiment().name == "Small");
    window.wait("Show results");
    assert!(!ticked(&window, BM25));
}

#[test]
fn a_damaged_file_is_told_with_line_and_key_and_opened_only_on_request() {
    let mut window = Window::new();
    window.push(Command::Go(Screen::Experiment));
    window.wait("No data yet");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("odd.toml");
    std::fs::write(
        &file,
        "name = 'Odd'\nbeams = 3\n[data]\npaths = 'x'\n[[models]]\nname = 'baseline:copy'\n",
    )
    .unwrap();
    window.click("Open\u{2026}");
    window.type_into("Path of the experiment to open", &file.display().to_string());
    window.click("Open this file");
    window.wait_for("odd.toml:2: beams: unknown key");
    assert_eq!(window.harness.state().shared().experiment().name, "My experiment");
    window.click("Open it all the same");
    window.until("it", |window| window.harness.state().shared().experiment().name == "Odd");
    assert_eq!(window.harness.state().shared().experiment().data[0].paths, [folder.path().join("x")]);
}

#[test]
fn a_file_named_at_the_start_is_opened_and_what_was_not_saved_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("named.lamplight");
    let text = "name = 'Named'\n[data]\npaths = 'x'\n[[models]]\nname = 'baseline:copy'\n";
    std::fs::write(&file, text).unwrap();
    let name = |window: &Window| window.harness.state().shared().experiment().name.clone();
    let mut window = Window::over(window::places(folder.path()));
    window.push(Command::OpenExperiment(file.clone()));
    window.until("the file", |window| name(window) == "Named");
    assert_eq!(window.harness.state().screen(), Screen::Experiment);
    assert_eq!(window.harness.state().shared().draft.file(), Some(&file));
    // Changed, and closed before it was saved: the next file does not take its place unasked.
    let edited = window.harness.state().shared().edited(|experiment| experiment.name = "Dear".to_owned());
    window.push(Command::Edit { what: "name", experiment: edited });
    window.harness.step();
    window.harness.state_mut().close();
    drop(window);
    let mut window = Window::over(window::places(folder.path()));
    window.push(Command::OpenExperiment(file.clone()));
    window.wait_for("are not saved");
    assert_eq!(name(&window), "Dear");
    window.click("Give them up");
    window.until("the file", |window| name(window) == "Named");
    assert!(!window.harness.state().shared().draft.is_changed());
}

#[test]
fn new_from_sample_is_ready_to_start() {
    let mut window = Window::new();
    window.push(Command::Go(Screen::Experiment));
    window.click("New\u{2026}");
    window.click("New from sample");
    window.wait_for("impossible");
    window
        .until("something to start", |window| window.shows("Start ") && window.shows("generations to make"));
    assert_eq!(window.harness.state().screen(), Screen::Experiment);
}

#[test]
fn an_unknown_model_is_measured() {
    let mut window = with(
        "name = 'Slow'\n[data]\npaths = ['SAMPLE']\ntasks = ['LaMP-3']\nlimit = 20\n\
         [[models]]\nname = 'scripted:echo,delay=2'\n[retrieval]\nretrievers = ['none']\nk = [1]\n",
    );
    window.wait_for("Time unknown for scripted:echo,delay=2 (40 answers)");
    window.click("Measure");
    window.wait_for("measured just now");
    assert!(window.harness.state().shared().store.runs.is_empty(), "a measurement is stored");
}
