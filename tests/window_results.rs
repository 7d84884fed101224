//! The screen Results: the table that fills, its figures and what they tell, charts and what lies under the pointer, two runs
//! compared, files equal to the command line's, and what stands where there is nothing to show.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set up must fail")]

#[path = "support/window.rs"]
mod window;

use std::fs;
use std::path::Path;
use std::process::Command as Process;

use egui_kittest::kittest::Queryable as _;
use lamplight::gui::command::{Command, Screen};
use lamplight::lamp::{Setting, Task};
use lamplight::record::{RunId, RunStatus};
use lamplight::report::{MetricChoice, ResultTable, TableOptions, words};
use lamplight::run::Experiment;
use lamplight::run::experiment::{DataSettings, ModelSettings};
use lamplight::store::Reader;
use window::Window;

/// Two tasks of both settings by a rule, without a profile and with two k.
fn experiment() -> Box<Experiment> {
    let mut experiment = Experiment { name: "Small".to_owned(), ..Experiment::default() };
    experiment.data = vec![DataSettings {
        paths: vec![window::sample_set()],
        tasks: vec![Task::Lamp1, Task::Lamp3],
        limit: Some(20),
        ..DataSettings::default()
    }];
    experiment.models =
        vec![ModelSettings { name: "baseline:nearest".to_owned(), ..ModelSettings::default() }];
    experiment.retrieval.retrievers = vec!["none".to_owned(), "bm25".to_owned()];
    experiment.retrieval.k = vec![1, 4];
    Box::new(experiment)
}

/// A window over a store with the experiment's runs, on the screen Results.
fn filled() -> Window {
    let mut window = Window::new();
    window.push(Command::Start(experiment()));
    window.push(Command::Go(Screen::Results));
    window.until("the end of the runs", |window| {
        let shared = window.harness.state().shared();
        let runs = &shared.store.runs;
        shared.runner.is_idle() && runs.len() == 12 && runs.iter().all(|run| run.status == RunStatus::Done)
    });
    window
}

/// Every figure of a table as the screen names it.
fn named(table: &ResultTable) -> Vec<String> {
    let mut names = Vec::new();
    for section in &table.sections {
        for block in &section.blocks {
            for row in &block.rows {
                for (column, cell) in block.columns.iter().zip(&row.cells) {
                    let Some(cell) = cell else { continue };
                    names.push(format!(
                        "{} {}, {}, {}: {} {}; n {}",
                        row.task_label(),
                        section.setting,
                        block.model.label(),
                        column.label(),
                        row.metric.name(),
                        words::figure(&row.metric, cell.value),
                        cell.n
                    ));
                }
            }
        }
    }
    names
}

fn stored_table(window: &Window) -> ResultTable {
    let reader = Reader::open(&window.places().store).unwrap();
    let options =
        TableOptions { metrics: MetricChoice::Benchmark, published: true, ..TableOptions::default() };
    ResultTable::build(&reader.runs().unwrap(), &reader.tunings().unwrap(), &options, |run, metric| {
        reader.column(run, metric)
    })
    .unwrap()
}

#[test]
fn the_table_fills_while_runs_end_and_shows_the_stores_figures() {
    let mut window = Window::new();
    window.wait("Run the sample benchmark");
    window.push(Command::Start(experiment()));
    window.push(Command::Go(Screen::Results));
    // Places are there before their figures are.
    window.wait_for("Dev split \u{b7} baseline:nearest");
    window.until("the end of the runs", |window| window.harness.state().shared().runner.is_idle());
    let names = named(&stored_table(&window));
    assert_eq!(names.len(), 2 * 2 * 2 * 3, "{names:#?}");
    for name in &names {
        window.wait_for(name);
    }
    assert!(window.shows("95 % interval [") && window.shows("paired t(") && window.shows("Holm"));
    window.wait_for("higher is better");
}

#[test]
fn a_setting_can_be_seen_alone_and_is_remembered() {
    let mut window = filled();
    window.wait_for("LaMP-3 time, baseline:nearest, BM25, k 4: MAE");
    window.click("User");
    window.until("the user setting alone", |window| {
        !window.shows("LaMP-3 time, ") && window.shows("LaMP-3 user, baseline:nearest, BM25, k 4: MAE")
    });
    window.click("Charts");
    window.harness.step();
    window.harness.state_mut().close();
    let mut again = Window::over(window.places().clone());
    again.push(Command::Go(Screen::Results));
    again.wait("Over k");
    again.wait_for("user setting, dev split");
    assert!(!again.shows("LaMP-3 time, "));
}

#[test]
fn a_figure_leads_to_its_samples() {
    let mut window = filled();
    let name = "LaMP-3 user, baseline:nearest, BM25, k 4: MAE";
    window.wait_for(name);
    window.harness.query_all_by_label_contains(name).next().unwrap().click();
    window.harness.step();
    window.until("the samples", |window| window.harness.state().screen() == Screen::Inspect);
}

#[test]
fn charts_tell_what_they_show() {
    let mut window = filled();
    window.click("User");
    window.click("Charts");
    window.wait_for("Scores by method, user setting, dev split");
    window.wait_for("LaMP-3 user, BM25, k 4: MAE");
    assert!(window.shows("LaMP-1 user, Non-personalized: Accuracy"));
    let table = stored_table(&window);
    let cell = table
        .sections
        .iter()
        .flat_map(|section| section.blocks.iter().flat_map(|block| &block.rows))
        .find(|row| row.task == Task::Lamp3)
        .and_then(|row| row.cells[2].clone())
        .unwrap();
    let interval = cell.interval.unwrap();
    let whole = format!(
        "LaMP-3 user, BM25, k 4: MAE {:.3} [{:.3}, {:.3}], n 20",
        cell.value, interval.low, interval.high
    );
    window.wait(&whole);
    window.click("Over k");
    window.wait_for("Scores over k, user setting, dev split");
    window.wait_for("LaMP-3 user, BM25, k 1: MAE");
    window.click("Profile size");
    window.wait_for("profile entries: MAE gain");
    window.click("Confusion");
    window.wait_for("reference 5, prediction 5:");
    window.click("Tuning");
    window.wait("Nothing was tuned yet");
    window.click("Tune on dev\u{2026}");
    window.wait("Start tuning");
    // A point leads to its samples.
    window.click("Over k");
    window.wait_for("LaMP-3 user, BM25, k 1: MAE");
    window.harness.query_all_by_label_contains("LaMP-3 user, BM25, k 1: MAE").next().unwrap().click();
    window.harness.step();
    window.until("the samples", |window| window.harness.state().screen() == Screen::Inspect);
}

#[test]
fn two_runs_are_compared_over_their_tasks() {
    let mut window = filled();
    window.click("Pick runs");
    window.click("LaMP-3 user, Non-personalized");
    window.click("LaMP-3 user, BM25, k 4");
    window.click("Compare");
    window.wait("Two runs compared");
    window.wait("LaMP-1, user setting, dev split");
    window.wait("LaMP-3, user setting, dev split");
    window.wait_for("retriever (retriever.config): none \u{2192} bm25");
    assert!(window.has("Holm p"));
    let reader = Reader::open(&window.places().store).unwrap();
    let runs = reader.runs().unwrap();
    let find = |config: &str, k: usize| {
        runs.iter()
            .find(|run| {
                let spec = &run.spec;
                spec.dataset.task == Task::Lamp3
                    && spec.dataset.setting == Setting::User
                    && spec.retriever.config == config
                    && spec.retriever.k == k
            })
            .unwrap()
            .key
            .clone()
    };
    let (none, bm25) = (find("none", 0), find("bm25", 4));
    let said = said(&window, &["compare", &none, &bm25, "--all-tasks"]);
    for line in said.lines().filter(|line| line.starts_with("MAE") || line.starts_with("Accuracy")) {
        for part in line.split("  ").map(str::trim).filter(|part| !part.is_empty()) {
            assert!(window.shows(part), "`{part}` of `{line}` is not on the screen:\n{}", window.screen());
        }
    }
    window.click("Back to the table");
    window.wait_for("LaMP-3 user, baseline:nearest, BM25, k 4: MAE");
    window.click("Show 2 alone");
    window.wait_for("2 chosen runs");
    window.until("two runs alone", |window| !window.shows("LaMP-1 user, baseline:nearest"));
}

/// What the command line says over the window's store.
fn said(window: &Window, arguments: &[&str]) -> String {
    let places = window.places();
    let output = Process::new(env!("CARGO_BIN_EXE_lamplight"))
        .args(arguments)
        .env("LAMPLIGHT_STORE", &places.store)
        .env("LAMPLIGHT_CACHE_DIR", places.cache.as_ref().unwrap())
        .env("COLUMNS", "400")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn written(window: &mut Window, kind: &str, path: &Path) -> Vec<u8> {
    window.click(kind);
    window.replace_text("File to write", path.to_str().unwrap());
    // Messages lie above the button for a while.
    window.until("the message to go", |window| !window.shows("Wrote "));
    window.click("Write the file");
    let own = path.to_owned();
    window.until("the file", move |_| own.is_file());
    fs::read(path).unwrap()
}

#[test]
fn files_equal_the_command_lines() {
    let mut window = filled();
    let folder = tempfile::tempdir().unwrap();
    window.wait_for("LaMP-3 user, baseline:nearest, BM25, k 4: MAE");
    window.click("Export\u{2026}");
    let tables: [(&str, &str, &[&str]); 5] = [
        ("Table as CSV", "csv", &["--published"]),
        ("Table as LaTeX", "latex", &["--published"]),
        ("Table as Markdown", "markdown", &["--published"]),
        ("Table as JSON", "json", &["--published"]),
        ("Samples as CSV", "samples", &[]),
    ];
    for (kind, format, more) in tables {
        let own = written(&mut window, kind, &folder.path().join(format!("window.{format}")));
        let path = folder.path().join(format!("terminal.{format}"));
        let mut arguments = vec!["export", "--format", format, "--out", path.to_str().unwrap()];
        arguments.extend(more);
        said(&window, &arguments);
        assert_eq!(own, fs::read(&path).unwrap(), "{kind}");
    }
    window.click("Close the panel");
    window.click("Charts");
    for (kind, name) in
        [("Scores", "scores"), ("Over k", "k"), ("Profile size", "profile"), ("Confusion", "confusion")]
    {
        window.click(kind);
        window.click("Export\u{2026}");
        for (file, end) in [("Chart as SVG", "svg"), ("Chart as PNG", "png")] {
            if end == "png" && name != "scores" {
                continue;
            }
            let own = written(&mut window, file, &folder.path().join(format!("window-{name}.{end}")));
            let path = folder.path().join(format!("terminal-{name}.{end}"));
            said(&window, &["chart", name, "--out", path.to_str().unwrap()]);
            assert!(own == fs::read(&path).unwrap(), "{name}.{end} differs");
        }
        window.click("Close the panel");
    }
}

#[test]
fn a_submission_is_checked_and_written() {
    let mut window = filled();
    let folder = tempfile::tempdir().unwrap();
    let mut whole = experiment();
    whole.name = "Whole".to_owned();
    whole.data[0].limit = None;
    whole.data[0].settings = vec![Setting::User];
    whole.retrieval.retrievers = vec!["none".to_owned()];
    window.push(Command::Start(whole));
    window.push(Command::Go(Screen::Results));
    window.until("the end of the runs", |window| {
        let shared = window.harness.state().shared();
        let runs = &shared.store.runs;
        shared.runner.is_idle() && runs.len() == 14 && runs.iter().all(|run| run.status == RunStatus::Done)
    });
    let of = |window: &Window, limit: Option<usize>| -> Vec<RunId> {
        let runs = &window.harness.state().shared().store.runs;
        let meant = runs.iter().filter(|run| {
            let spec = &run.spec;
            spec.retriever.is_none() && spec.dataset.setting == Setting::User && spec.dataset.limit == limit
        });
        meant.map(|run| run.id).collect()
    };
    let (part, whole) = (of(&window, Some(20)), of(&window, None));
    assert_eq!((part.len(), whole.len()), (2, 2));
    window.push(Command::ShowResults(part));
    window.wait_for("2 chosen runs");
    window.click("Export\u{2026}");
    window.click("Submission zip");
    let (own, terminal) = (folder.path().join("own.zip"), folder.path().join("terminal.zip"));
    window.replace_text("File to write", own.to_str().unwrap());
    window.replace_text("Questions of the submission", window::sample_set().to_str().unwrap());
    window.click("Write the file");
    window.wait_for("lacks outputs for");
    assert!(!own.exists());
    window.push(Command::ShowResults(whole.clone()));
    window.harness.step();
    window.click("Write the file");
    let there = own.clone();
    window.until("the zip", move |_| there.is_file());
    let ids: Vec<String> = whole.iter().map(|run| run.0.to_string()).collect();
    let set = window::sample_set();
    let mut arguments = vec!["export"];
    arguments.extend(ids.iter().map(String::as_str));
    arguments.extend(["--format", "submission", "--out", terminal.to_str().unwrap()]);
    arguments.extend(["--questions", set.to_str().unwrap()]);
    said(&window, &arguments);
    assert!(fs::read(&own).unwrap() == fs::read(&terminal).unwrap(), "the zips differ");
}

#[test]
fn a_file_that_is_there_is_replaced_only_when_told_so() {
    let mut window = filled();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.csv");
    fs::write(&path, "precious").unwrap();
    window.click("Export\u{2026}");
    window.replace_text("File to write", path.to_str().unwrap());
    window.click("Write the file");
    window.wait("Replace it");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    window.click("Replace it");
    let own = path.clone();
    window.until("the file", move |_| fs::read_to_string(&own).is_ok_and(|text| text.contains("LaMP-3")));
    let lost = folder.path().join("no folder").join("x.csv");
    window.replace_text("File to write", lost.to_str().unwrap());
    window.click("Write the file");
    window.wait_for("cannot write");
}

#[test]
fn an_empty_store_leads_on() {
    let mut window = Window::new();
    window.push(Command::Go(Screen::Results));
    window.wait("No results yet");
    assert!(window.has("Run the sample benchmark"));
    window.click("Set up an experiment of your own");
    window.until("the experiment", |window| window.harness.state().screen() == Screen::Experiment);
}

#[test]
fn an_unreadable_store_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let places = window::places(folder.path());
    fs::write(&places.store, "no store at all, but long enough to be looked at as one ".repeat(40)).unwrap();
    let mut window = Window::over(places);
    window.push(Command::Go(Screen::Results));
    window.wait("Choose another store");
    assert!(window.shows("lamplight.db"));
}

#[test]
fn what_to_cite_is_there() {
    let mut window = filled();
    window.click("Cite");
    window.wait("Copy the BibTeX");
    assert!(window.shows("@inproceedings") && window.shows("arXiv:"));
    window.click("Copy the BibTeX");
    window.wait_for("Copied the BibTeX");
}
