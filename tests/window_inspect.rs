//! The screen Inspect: single samples of real runs, found by filters, looked at whole, and compared between two runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up must fail")]

#[path = "support/window.rs"]
mod window;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use eframe::egui::Key;
use egui_kittest::kittest::Queryable as _;
use lamplight::dataset::sample_set::{Options, write};
use lamplight::gui::command::{Command, Inspection, Screen};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::{Setting, Split, Task};
use lamplight::record::{Prediction, RunId, RunRecord, Shard};
use lamplight::retrieval::NoEncoders;
use lamplight::run::experiment::{DataSettings, ModelSettings, Source};
use lamplight::run::{Control, Executor, Experiment, Places, Settings, keep, plan, run_series};
use lamplight::store::{Reader, Store};
use window::{Window, places, sample_set};

/// An experiment over the sample set's dev split.
fn experiment(data: &Path, tasks: &[Task], models: &[&str], limit: usize) -> Experiment {
    let mut experiment = Experiment { name: "Inspected".to_owned(), ..Experiment::default() };
    experiment.data = vec![DataSettings {
        paths: vec![data.to_owned()],
        tasks: tasks.to_vec(),
        settings: vec![Setting::User],
        split: Some(Split::Dev),
        limit: Some(limit),
        ..DataSettings::default()
    }];
    experiment.models = models
        .iter()
        .map(|name| ModelSettings { name: (*name).to_owned(), ..ModelSettings::default() })
        .collect();
    experiment.retrieval.retrievers = vec!["none".to_owned(), "bm25".to_owned()];
    experiment.retrieval.k = vec![4];
    experiment.prompt.max_length = 700;
    experiment.source = Source::default();
    experiment
}

/// Runs it into the places' store.
fn run(places: &Places, experiment: &Experiment) -> Vec<RunRecord> {
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let plan = plan(experiment, &places.workplace(), &cancel, &progress).unwrap();
    let mut store = Store::open(&places.store).unwrap();
    let number = keep(&mut store, experiment, &plan).unwrap();
    let mut executor = Executor::new(&NoEncoders, store, Settings::default());
    let control = Control::new(cancel);
    let outcome = run_series(&plan, number, &mut executor, Shard::WHOLE, &control, &mut |_| {}).unwrap();
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    outcome.runs
}

fn predictions(places: &Places, run: RunId) -> Vec<Prediction> {
    let mut all = Vec::new();
    let reader = Reader::open(&places.store).unwrap();
    reader
        .predictions(run, true, &mut |prediction| {
            all.push(prediction);
            ControlFlow::Continue(())
        })
        .unwrap();
    all
}

/// A folder with the runs of an experiment, and a window over it.
struct Place {
    window: Window,
    runs: Vec<RunRecord>,
    _folder: tempfile::TempDir,
}

fn place(tasks: &[Task], models: &[&str], limit: usize) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let runs = run(&places, &experiment(&sample_set(), tasks, models, limit));
    let mut window = Window::over(places);
    window.until("the store", |window| !window.harness.state().shared().store.runs.is_empty());
    Place { window, runs, _folder: folder }
}

impl Place {
    fn run(&self, model: &str, retriever: &str) -> &RunRecord {
        let fits = |run: &&RunRecord| run.spec.model.name == model && run.spec.retriever.config == retriever;
        self.runs.iter().find(fits).unwrap()
    }

    fn inspect(&mut self, run: RunId, position: Option<u32>, against: Option<RunId>) {
        self.window.push(Command::Inspect(Inspection { run, position, against }));
        self.window.until("the screen", |window| window.harness.state().screen() == Screen::Inspect);
    }
}

/// Folds a section.
fn fold(window: &mut Window, title: &str) {
    let role = eframe::egui::Role::DisclosureTriangle;
    window.harness.get_by_role_and_label(role, title).click();
    // What stands beneath has moved only when the next click looks for it.
    window.harness.run_steps(3);
}

/// How many samples there are of each mark, counted from the store by hand.
fn by_hand(places: &Places, run: &RunRecord, against: Option<&RunRecord>) -> BTreeMap<&'static str, usize> {
    let metric = run.spec.dataset.task.primary_metric();
    let value = |prediction: &Prediction| prediction.score.and_then(|score| score.value(metric));
    let rows = predictions(places, run.id);
    let others = against.map(|run| predictions(places, run.id)).unwrap_or_default();
    let mut counts = BTreeMap::new();
    let mut add = |words, holds: bool| *counts.entry(words).or_insert(0) += usize::from(holds);
    for row in &rows {
        let right = value(row).map(|value| value == if metric.higher_is_better() { 1.0 } else { 0.0 });
        add("Right", right == Some(true));
        add("Wrong", right == Some(false));
        add("Failed", row.error.is_some());
        add("Unparsed", row.error.is_none() && !row.parsed);
        add("Fell back", row.fell_back);
        add("Input cut", row.input_cut);
        let other = others.iter().find(|other| other.position == row.position).and_then(value);
        if let (Some(one), Some(other)) = (value(row), other) {
            let better = if metric.higher_is_better() { one > other } else { one < other };
            add("Improved", better);
            add("Worsened", !better && one != other);
            add("Unchanged", one == other);
        }
    }
    counts
}

#[test]
fn without_runs_it_leads_to_the_sample_benchmark() {
    let mut window = Window::new();
    window.push(Command::Go(Screen::Inspect));
    window.wait("No samples yet");
    window.click("Run the sample benchmark");
    window.until("the run", |window| !window.harness.state().shared().runner.is_idle());
    let active = window.harness.state().shared().runner.active().map(|active| active.id);
    window.push(Command::Cancel(active.unwrap()));
}

#[test]
fn a_cell_leads_to_its_samples_and_filters_leave_those_that_the_store_counts() {
    let mut place = place(&[Task::Lamp3], &["baseline:nearest"], 60);
    let (run, other) =
        (place.run("baseline:nearest", "bm25").clone(), place.run("baseline:nearest", "none").clone());
    place.inspect(run.id, None, Some(other.id));
    let counts = by_hand(place.window.places(), &run, Some(&other));
    let all = predictions(place.window.places(), run.id).len();
    assert!(counts["Improved"] > 0 && counts["Worsened"] > 0, "nothing to tell apart: {counts:?}");
    place.window.wait(&format!("{all} samples"));
    for (words, count) in &counts {
        let chip = format!("{words} {count}");
        place.window.click(&chip);
        let left = match *count {
            0 => format!("0 of {all} samples"),
            count if count == all => format!("{all} samples"),
            count => format!("{count} of {all} samples"),
        };
        place.window.wait(&left);
        place.window.click(&chip);
        place.window.wait(&format!("{all} samples"));
    }
    // Two of one group widen, two of different groups narrow.
    let (improved, worsened) = (counts["Improved"], counts["Worsened"]);
    place.window.click(&format!("Improved {improved}"));
    place.window.click(&format!("Worsened {worsened}"));
    place.window.wait(&format!("{} of {all} samples", improved + worsened));
    place.window.click("Clear filters");
    place.window.wait(&format!("{all} samples"));
}

#[test]
fn keys_lead_through_the_samples_and_the_search_finds_ids_answers_and_inputs() {
    let mut place = place(&[Task::Lamp4], &["scripted:word=3"], 12);
    let run = place.run("scripted:word=3", "bm25").clone();
    let rows = predictions(place.window.places(), run.id);
    place.inspect(run.id, Some(rows[4].position), None);
    place.window.wait(&format!("Sample {}", rows[4].sample_id));
    place.window.wait_for("5 of 12 in the list");
    place.window.press(Key::J);
    place.window.wait(&format!("Sample {}", rows[5].sample_id));
    place.window.press(Key::ArrowDown);
    place.window.wait(&format!("Sample {}", rows[6].sample_id));
    place.window.press(Key::K);
    place.window.press(Key::ArrowUp);
    place.window.wait(&format!("Sample {}", rows[4].sample_id));
    place.window.press(Key::End);
    place.window.wait(&format!("Sample {}", rows[11].sample_id));
    place.window.press(Key::J);
    place.window.wait_for("12 of 12 in the list");
    place.window.press(Key::Home);
    place.window.wait_for("1 of 12 in the list");

    // The search by its key; letters typed there move nothing.
    place.window.press(Key::F);
    place.window.harness.step();
    let input = lamplight::prompt::Prompt::from_parts(
        rows[7].prompt.clone().unwrap().text,
        &rows[7].prompt.clone().unwrap().report,
    )
    .unwrap();
    let input: String = input.input.iter().map(|range| &input.text[range.clone()]).collect();
    let words: Vec<&str> = input.split_whitespace().collect();
    let phrase = words[words.len() - 4..].join(" ").to_uppercase();
    place.window.type_into("Search ids, answers, inputs", &phrase);
    let found = rows
        .iter()
        .filter(|row| {
            let prompt = row.prompt.clone().unwrap();
            let prompt = lamplight::prompt::Prompt::from_parts(prompt.text, &prompt.report).unwrap();
            let input: String = prompt.input.iter().map(|range| &prompt.text[range.clone()]).collect();
            input.to_uppercase().contains(&phrase)
        })
        .count();
    assert!((1..12).contains(&found));
    place.window.wait(&format!("{found} of 12 samples"));
    place.window.wait(&format!("Sample {}", rows[7].sample_id));
    place.window.press(Key::Escape);
    place.window.wait("12 samples");
    place.window.type_into("Search ids, answers, inputs", "no such words anywhere");
    place.window.wait("No sample is like that.");
    place.window.click("Show all samples");
    place.window.wait("12 samples");
}

#[test]
fn one_sample_is_shown_whole() {
    let mut place = place(&[Task::Lamp4], &["scripted:word=3"], 8);
    let run = place.run("scripted:word=3", "bm25").clone();
    let rows = predictions(place.window.places(), run.id);
    // Not the first, which previews show in any case.
    let row = rows.iter().find(|row| row.position > 0 && !row.retrieved.is_empty()).unwrap();
    place.inspect(run.id, Some(row.position), None);
    place.window.wait(&format!("Sample {}", row.sample_id));
    // Prompt, answer and reference as they are stored.
    let prompt = row.prompt.as_ref().unwrap();
    let parts = lamplight::prompt::Prompt::from_parts(prompt.text.clone(), &prompt.report).unwrap();
    let input: String = parts.input.iter().map(|range| &prompt.text[range.clone()]).collect();
    place.window.wait(&input);
    place.window.wait_for(row.reference.as_ref().unwrap());
    place.window.wait_for(&format!("{} tokens of at most 700", parts.tokens));
    place.window.wait_for("Underlined: missing in the answer.");
    // The profile is read from the data, the retrieved entries first; the texts above it can be folded.
    fold(&mut place.window, "Input");
    fold(&mut place.window, "Prompt");
    for (rank, entry) in row.retrieved.iter().enumerate() {
        let score = entry.score.unwrap();
        place.window.wait_for(&format!("Retrieved {}: entry {}, score {score:.3}", rank + 1, entry.id));
    }
    let metric = run.spec.dataset.task.primary_metric();
    let value = row.score.unwrap().value(metric).unwrap();
    place.window.wait(&lamplight::report::words::figure(metric, value));
    place.window.click("Copy the prompt");
    place.window.wait("Copied the prompt");
    // The data are not open here: it offers to open them, and then to use the sample.
    place.window.click("Open its data");
    place.window.until("the data", |window| window.harness.state().shared().catalog().is_some());
    place.inspect(run.id, Some(row.position), None);
    place.window.click("Use for previews");
    let (id, position) = (row.sample_id.clone(), row.position);
    place.window.until("the chosen sample", |window| {
        window.harness.state().shared().sample.as_ref().is_some_and(|sample| {
            sample.index == position as usize && sample.dataset.sample(sample.index).unwrap().id == id
        })
    });
}

#[test]
fn another_run_stands_beside() {
    let mut place = place(&[Task::Lamp3], &["scripted:answer=4", "scripted:answer=2"], 10);
    let run = place.run("scripted:answer=4", "bm25").clone();
    let other = place.run("scripted:answer=2", "bm25").clone();
    place.inspect(run.id, Some(3), Some(other.id));
    place.window.wait_for("This run: BM25, k 4");
    place.window.wait_for("Beside: BM25, k 4");
    place.window.wait("model (model.name): scripted:answer=2 \u{2192} scripted:answer=4");
    let at = |id| predictions(place.window.places(), id).into_iter().find(|row| row.position == 3).unwrap();
    let error = |row: Prediction| row.score.unwrap().value(lamplight::lamp::Metric::Mae).unwrap();
    let by = error(at(run.id)) - error(at(other.id));
    place.window.wait(&lamplight::report::words::difference(lamplight::lamp::Metric::Mae, by));
    // Unpinned, the figures of the other run stay.
    place.window.press(Key::P);
    place.window.wait("ANSWER OF THE OTHER RUN");
    // And without it, so do none.
    place.window.click_first(&beside_label(&place.window));
    place.window.wait("No other run beside");
    place.window.click_first("No other run beside");
    place.window.until("one run alone", |window| !window.shows("Improved"));
}

/// The label of the choice of the other run.
fn beside_label(window: &Window) -> String {
    let screen = window.screen();
    let line = screen.lines().find(|line| line.contains("Beside: LaMP")).unwrap_or_default();
    line.split_once(' ').map(|(_, label)| label.to_owned()).unwrap_or_default()
}

#[test]
fn a_run_is_found_by_a_few_words() {
    let mut place = place(&[Task::Lamp3, Task::Lamp4], &["baseline:nearest", "scripted:answer=4"], 6);
    let first = place.runs[0].id;
    place.inspect(first, None, None);
    place.window.wait("6 samples");
    let screen = place.window.screen();
    let label = screen.lines().find(|line| line.contains("Run: LaMP")).unwrap();
    let label = label.split_once(' ').unwrap().1.to_owned();
    place.window.click(&label);
    place.window.wait("Search: run");
    place.window.harness.step();
    place.window.type_into("Search: run", "lamp-4 scripted bm25");
    place.window.press(Key::Enter);
    place.window.wait_for("Run: LaMP-4 user dev, BM25, k 4, scripted:answer=4");
}

#[test]
fn a_failed_sample_tells_why() {
    let folder = tempfile::tempdir().unwrap();
    let own = places(folder.path());
    let mut experiment = experiment(&sample_set(), &[Task::Lamp3], &["scripted:answer=4,fail=3"], 6);
    // Alone in its batch, a prompt is not asked again by itself.
    experiment.models[0].batch = Some(1);
    let runs = run(&own, &experiment);
    let mut place = Place { window: Window::over(own), runs, _folder: folder };
    let run = place.runs.iter().find(|run| run.totals.failed > 0).cloned().expect("the script fails once");
    let rows = predictions(place.window.places(), run.id);
    let failed = rows.iter().find(|row| row.error.is_some()).unwrap();
    place.inspect(run.id, None, None);
    place.window.click(&format!("Failed {}", run.totals.failed));
    place.window.wait(&format!("{} of 6 samples", run.totals.failed));
    place.window.wait(&format!("Sample {}", failed.sample_id));
    place.window.wait(failed.error.as_ref().unwrap());
    place.window.wait("None: there is no answer.");
}

/// A sample set of a few records.
fn written(folder: &Path, seed: u64) -> PathBuf {
    let options = Options {
        seed,
        records: Some(6),
        tasks: vec![Task::Lamp4],
        settings: vec![Setting::User],
        splits: vec![Split::Dev],
        force: true,
        ..Options::default()
    };
    let data = folder.join("data");
    write(&data, &options, &CancelToken::new(), &Progress::new()).unwrap();
    data
}

#[test]
fn what_is_stored_is_shown_where_the_data_are_gone_or_changed() {
    let folder = tempfile::tempdir().unwrap();
    let data = written(folder.path(), 1);
    let places = places(folder.path());
    let runs = run(&places, &experiment(&data, &[Task::Lamp4], &["scripted:word=3"], 6));
    let run = runs.iter().find(|run| run.spec.retriever.config == "bm25").unwrap().clone();
    let rows = predictions(&places, run.id);
    let row = &rows[0];
    // Other persons with the same ids.
    written(folder.path(), 2);
    let mut window = Window::over(places.clone());
    window.push(Command::Inspect(Inspection { run: run.id, position: Some(0), against: None }));
    window.wait(&format!("Sample {}", row.sample_id));
    window.wait_for("The data have changed since the run");
    fold(&mut window, "Input");
    fold(&mut window, "Prompt");
    window.wait_for(&format!("Retrieved 1: entry {}", row.retrieved[0].id));
    window.wait_for(row.reference.as_ref().unwrap());
    drop(window);
    std::fs::remove_dir_all(&data).unwrap();
    let mut window = Window::over(places);
    window.push(Command::Inspect(Inspection { run: run.id, position: Some(0), against: None }));
    window.wait_for("The data are not where the run read them");
    window.wait(&format!("Sample {}", row.sample_id));
    fold(&mut window, "Input");
    fold(&mut window, "Prompt");
    window.click("Open data");
    window.until("the data screen", |window| window.harness.state().screen() == Screen::Data);
}

#[test]
fn samples_appear_while_a_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let experiment = experiment(&sample_set(), &[Task::Lamp3], &["scripted:answer=4,delay=40"], 30);
    let mut window = Window::over(places);
    window.push(Command::Start(Box::new(experiment)));
    window.until("the first rows", |window| {
        window.harness.state().shared().store.runs.iter().any(|run| (1..30).contains(&run.totals.done))
    });
    let run = window.harness.state().shared().store.runs.iter().find(|run| run.totals.done > 0).unwrap().id;
    window.push(Command::Inspect(Inspection { run, position: None, against: None }));
    window.wait_for(" to come");
    window.wait("30 samples");
    assert!(!window.shows(" to come"));
}

#[test]
fn a_run_without_rows_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let experiment = experiment(&sample_set(), &[Task::Lamp3], &["baseline:nearest"], 6);
    let plan = plan(&experiment, &places.workplace(), &CancelToken::new(), &Progress::new()).unwrap();
    let mut store = Store::open(&places.store).unwrap();
    keep(&mut store, &experiment, &plan).unwrap();
    drop(store);
    let mut window = Window::over(places);
    window.push(Command::Go(Screen::Inspect));
    window.wait("Nothing is answered yet");
    window.click("See the runs");
    window.until("the runs", |window| window.harness.state().screen() == Screen::Runs);
}

#[test]
fn it_opens_as_it_was_left() {
    let mut place = place(&[Task::Lamp3], &["baseline:nearest"], 20);
    let (run, other) =
        (place.run("baseline:nearest", "none").clone(), place.run("baseline:nearest", "bm25").clone());
    place.inspect(run.id, None, Some(other.id));
    let counts = by_hand(place.window.places(), &run, Some(&other));
    place.window.click(&format!("Wrong {}", counts["Wrong"]));
    let left = format!("{} of 20 samples", counts["Wrong"]);
    place.window.wait(&left);
    let own = place.window.places().clone();
    place.window.harness.state_mut().close();
    place.window = Window::over(own);
    place.window.push(Command::Go(Screen::Inspect));
    place.window.wait(&left);
    place.window.wait_for("Run: LaMP-3 user dev, Non-personalized, baseline:nearest");
    place.window.wait_for("Beside: LaMP-3 user dev, BM25, k 4, baseline:nearest");
    assert!(place.window.harness.query_by_label("Side by side").is_some());
}
