//! Judges in the window: runs judged by points from Results, two runs compared by preference, and what was said of a sample.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set up must fail")]

#[path = "support/window.rs"]
mod window;

use lamplight::gui::command::{Command, Inspection, Screen};
use lamplight::lamp::{Setting, Task};
use lamplight::record::{RunId, RunStatus};
use lamplight::run::Experiment;
use lamplight::run::experiment::{DataSettings, ModelSettings};
use lamplight::store::Reader;
use window::Window;

/// Headlines by a model that needs no weights, without and with an entry, in a window on the screen Results.
fn filled() -> Window {
    let mut window = Window::new();
    let mut experiment = Experiment { name: "Headlines".to_owned(), ..Experiment::default() };
    experiment.data = vec![DataSettings {
        paths: vec![window::sample_set()],
        tasks: vec![Task::Lamp4],
        settings: vec![Setting::User],
        limit: Some(6),
        ..DataSettings::default()
    }];
    // The first word of the prompt: the task's where there is no entry, an entry's where there is one.
    experiment.models =
        vec![ModelSettings { name: "scripted:word=1".to_owned(), ..ModelSettings::default() }];
    experiment.retrieval.retrievers = vec!["none".to_owned(), "bm25".to_owned()];
    experiment.retrieval.k = vec![1];
    experiment.prompt.max_length = 4000;
    window.push(Command::Start(Box::new(experiment)));
    window.push(Command::Go(Screen::Results));
    window.until("the end of the runs", |window| {
        let shared = window.harness.state().shared();
        let runs = &shared.store.runs;
        shared.runner.is_idle() && runs.len() == 2 && runs.iter().all(|run| run.status == RunStatus::Done)
    });
    // What can be done stands still once there is a table to copy.
    window.wait("Copy the table");
    window
}

fn runs(window: &Window) -> Vec<RunId> {
    let reader = Reader::open(&window.places().store).unwrap();
    reader.runs().unwrap().iter().map(|run| run.id).collect()
}

#[test]
fn runs_are_judged_from_results_and_the_table_names_the_judge() {
    let mut window = filled();
    window.click("Judge");
    window.wait("Nothing was judged yet.");
    assert!(window.shows("LaMP-4 user, Non-personalized"), "{}", window.screen());
    // What is wrong with a judge is said beneath it, before anything is started.
    window.type_into("Model that judges", "scripted:shout");
    window.press(eframe::egui::Key::Enter);
    window.wait_for("cannot judge with scripted:shout");
    window.replace_text("Model that judges", "scripted:answer=Score: 4");
    window.press(eframe::egui::Key::Enter);
    window.wait_for("12 verdicts to be asked");
    window.replace_text("Samples to judge at most", "none");
    window.wait("Samples are a whole number from 1 on.");
    window.replace_text("Samples to judge at most", "6");
    window.click("Start judging");
    window.wait_for("The judge is done with 2 judgings.");
    window.wait_for("Points, 1 to 5: 4.000 [4.000, 4.000], n 6");
    window.wait_for("Judge (scripted:answer=Score: 4) 4.000");
    window.wait_for("method rubric, template built-in (");
    window.wait_for("Every verdict is stored already");
    let reader = Reader::open(&window.places().store).unwrap();
    assert_eq!(reader.judgings().unwrap().iter().map(|judging| judging.totals.done).sum::<u64>(), 12);
    // The judge's own words stand beside the sample.
    let run = runs(&window)[0];
    window.push(Command::Inspect(Inspection { run, position: None, against: None }));
    window.wait_for("scripted:answer=Score: 4, rubric: 4 of 5 points");
    assert!(window.shows("The judge\u{2019}s words"), "{}", window.screen());
}

#[test]
fn two_runs_are_judged_against_each_other_in_both_orders() {
    let mut window = filled();
    window.click("Pick runs");
    window.click("LaMP-4 user, Non-personalized");
    window.click("LaMP-4 user, BM25, k 1");
    let runs = runs(&window);
    window.click("Compare");
    window.wait("Two runs compared");
    // The panel of runs gives way to the judge's.
    window.click("Judge");
    window.type_into("Model that judges", "scripted:answer=Verdict: A");
    window.press(eframe::egui::Key::Enter);
    window.wait_for("12 verdicts to be asked");
    window.click("Start judging");
    window.wait_for("The judge is done with 1 judging.");
    window.wait_for("First preferred 0.0 % (0), tie 100.0 % (6), second preferred 0.0 % (0), n 6");
    window.wait_for("The two orders disagree on 6 samples (100.0 %), which are ties");
    // The comparison itself tells it too, with who said so.
    window
        .wait_for("Judge (scripted:answer=Verdict: A), method pairwise in both orders, template built-in (");
    window.push(Command::Inspect(Inspection { run: runs[1], position: None, against: Some(runs[0]) }));
    window.wait_for("the two orders disagree");
    assert!(window.shows("This answer shown as B"), "{}", window.screen());
}

#[test]
fn where_nothing_can_be_judged_it_is_said() {
    let mut window = Window::new();
    let mut experiment = Experiment { name: "Ratings".to_owned(), ..Experiment::default() };
    experiment.data = vec![DataSettings {
        paths: vec![window::sample_set()],
        tasks: vec![Task::Lamp3],
        settings: vec![Setting::User],
        limit: Some(4),
        ..DataSettings::default()
    }];
    experiment.models =
        vec![ModelSettings { name: "baseline:nearest".to_owned(), ..ModelSettings::default() }];
    experiment.retrieval.retrievers = vec!["bm25".to_owned()];
    window.push(Command::Start(Box::new(experiment)));
    window.push(Command::Go(Screen::Results));
    window.until("the end of the run", |window| {
        let shared = window.harness.state().shared();
        shared.runner.is_idle() && shared.store.runs.iter().any(|run| run.status == RunStatus::Done)
    });
    window.wait("Copy the table");
    window.click("Judge");
    window.wait("No finished run of LaMP-4 to LaMP-7 is shown. Choose others above.");
    assert!(!window.has("Start judging"));
}
