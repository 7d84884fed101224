//! The screen Runs: started, paused, canceled, resumed, tried again, deleted; what a kill leaves; what another program holds.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up must fail")]

#[path = "support/window.rs"]
mod window;

use lamplight::gui::command::{Command, Screen};
use lamplight::record::{Prediction, RunId, RunRecord, RunStatus};
use lamplight::run::Experiment;
use lamplight::store::{Reader, Store};
use std::ops::ControlFlow;
use window::{Window, places, sample_set};

/// Two runs of a model that takes its time.
fn slow(delay: u32, name: &str) -> Box<Experiment> {
    let data = sample_set().display().to_string().replace('\\', "/");
    let text = format!(
        "name = '{name}'\n[data]\npaths = ['{data}']\ntasks = ['LaMP-3']\nsettings = ['user']\nlimit = 30\n\
         [[models]]\nname = 'scripted:word=-1,delay={delay}'\nbatch = 2\n\
         [retrieval]\nretrievers = ['none', 'bm25']\nk = [2]\n"
    );
    Box::new(Experiment::from_toml(&text, "test".as_ref()).unwrap())
}

fn runs(window: &Window) -> Vec<RunRecord> {
    window.harness.state().shared().store.runs.clone()
}

/// Predictions stored so far; none while the store is being made.
fn done(window: &Window) -> u64 {
    let runs = Reader::open(&window.places().store).and_then(|reader| reader.runs());
    runs.map_or(0, |runs| runs.iter().map(|run| run.totals.done).sum())
}

fn idle(window: &mut Window) {
    window.until("an idle queue", |window| window.harness.state().shared().runner.is_idle());
}

/// What was answered and how it was scored, without times.
fn answers(window: &Window, run: RunId) -> Vec<(u32, String, Option<String>)> {
    let mut all = Vec::new();
    let reader = Reader::open(&window.places().store).unwrap();
    reader
        .predictions(run, false, &mut |row: Prediction| {
            all.push((row.position, row.raw.clone(), row.score.map(|score| format!("{score:?}"))));
            ControlFlow::Continue(())
        })
        .unwrap();
    all
}

#[test]
fn a_run_is_paused_goes_on_is_canceled_and_resumed_to_the_same_results() {
    let mut window = Window::new();
    window.push(Command::Start(slow(20, "Slow")));
    window.until("answers", |window| done(window) > 2);
    assert_eq!(window.harness.state().screen(), Screen::Runs);
    window.click("Pause it");
    window.wait_for("paused at");
    // The batch at work is answered whole.
    for _ in 0..20 {
        window.harness.step();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let before = done(&window);
    for _ in 0..20 {
        window.harness.step();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(done(&window), before, "it goes on while it is paused");
    // Reading elsewhere does not end it.
    window.push(Command::Go(Screen::Data));
    window.push(Command::Go(Screen::Runs));
    window.click("Go on with it");
    window.until("more answers", |window| done(window) > before);
    window.click("Cancel the experiment");
    idle(&mut window);
    window.wait_for("stopped after");
    assert!(done(&window) < 60);
    window.click("Resume Slow");
    idle(&mut window);
    window.until("figures", |window| runs(window).iter().all(|run| run.aggregate.is_some()));
    let mut other = Window::new();
    other.push(Command::Start(slow(0, "Slow")));
    idle(&mut other);
    other.until("figures", |window| {
        runs(window).len() == 2 && runs(window).iter().all(|run| run.aggregate.is_some())
    });
    for (one, two) in runs(&window).iter().zip(&runs(&other)) {
        assert_eq!(one.status, RunStatus::Done);
        assert_eq!(answers(&window, one.id), answers(&other, two.id));
        let figures = |run: &RunRecord| format!("{:?}", run.aggregate.as_ref().unwrap().figures);
        assert_eq!(figures(one), figures(two));
    }
}

#[test]
fn a_window_that_is_gone_leaves_runs_that_the_next_one_offers() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::over(places(folder.path()));
    window.push(Command::Start(slow(30, "Broken off")));
    window.until("answers", |window| done(window) > 0);
    window.harness.state_mut().close();
    drop(window);
    let mut window = Window::over(places(folder.path()));
    window.wait_for("broken off. What was answered is stored.");
    window.click("Show");
    window.wait_for("Broken off\u{201d} are not done");
    window.click("Resume Broken off");
    idle(&mut window);
    window.until("the end", |window| runs(window).iter().all(|run| run.status == RunStatus::Done));
    assert!(!window.shows("are not done"));
}

#[test]
fn the_queue_holds_many_and_lets_one_go() {
    let mut window = Window::new();
    window.push(Command::Start(slow(50, "First")));
    for number in 0..40 {
        window.push(Command::Start(slow(1, &format!("Later {number}"))));
    }
    window.wait("40 wait");
    window.click("Take Later 0 from the queue");
    window.wait("39 wait");
    let waiting: Vec<u64> = window.harness.state().shared().runner.queue().map(|queued| queued.id).collect();
    for id in waiting {
        window.push(Command::Cancel(id));
    }
    window.click("Cancel the experiment");
    idle(&mut window);
}

#[test]
fn runs_are_deleted_after_a_question_and_claimed_ones_stay() {
    let mut window = Window::new();
    window.push(Command::Start(slow(0, "Short")));
    idle(&mut window);
    window.until("two runs", |window| {
        runs(window).len() == 2 && runs(window).iter().all(|run| run.aggregate.is_some())
    });
    window.click("Delete run 1");
    window.wait_for("Delete run 1 (LaMP-3 user dev");
    window.click("Keep");
    assert_eq!(runs(&window).len(), 2);
    // Another program begins to work on it after it was asked.
    let store = Store::open(&window.places().store).unwrap();
    window.click("Delete run 1");
    let claim = store.claim(&runs(&window)[0]).unwrap();
    window.click("Delete it");
    window.wait_for("being worked on stayed");
    drop(claim);
    window.click("Mark run 2");
    window.click("Delete 1 run\u{2026}");
    window.click("Delete it");
    window.until("one run", |window| runs(window).len() == 1);
    assert_eq!(runs(&window)[0].id, RunId(1));
}

#[test]
fn what_another_program_holds_is_shown_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::over(places(folder.path()));
    window.push(Command::Start(slow(20, "Held")));
    window.until("answers", |window| done(window) > 0);
    window.click("Cancel the experiment");
    idle(&mut window);
    window.until("a stop", |window| runs(window).iter().any(|run| run.status == RunStatus::Interrupted));
    let store = Store::open(&window.places().store).unwrap();
    let held = runs(&window).into_iter().find(|run| run.status == RunStatus::Interrupted).unwrap();
    let claim = store.claim(&held).unwrap();
    drop(window);
    let mut window = Window::over(places(folder.path()));
    window.push(Command::Go(Screen::Runs));
    window.wait("in another program");
    drop(claim);
}

#[test]
fn failed_samples_are_tried_again() {
    let mut window = Window::new();
    let mut experiment = slow(0, "Failing");
    experiment.models[0].name = "scripted:echo,fail=3".to_owned();
    experiment.models[0].batch = Some(1);
    experiment.retrieval.retrievers = vec!["none".to_owned()];
    window.push(Command::Start(experiment));
    idle(&mut window);
    window.until("a failure", |window| runs(window).iter().any(|run| run.totals.failed == 1));
    window.click("With failed samples");
    window.wait("1 failed");
    window.click("Try failed samples of run 1 again");
    idle(&mut window);
    window.until("no failure", |window| {
        runs(window).iter().all(|run| run.totals.failed == 0 && run.totals.done == 30)
    });
}

#[test]
fn what_has_changed_is_not_resumed_silently() {
    let mut window = Window::new();
    let data = tempfile::tempdir().unwrap();
    let copied = data.path().join("LaMP_3").join("dev");
    std::fs::create_dir_all(&copied).unwrap();
    for name in ["dev_questions.json", "dev_outputs.json"] {
        let packed = sample_set().join("LaMP_3").join("dev").join(format!("{name}.gz"));
        let mut file = std::fs::File::create(copied.join(name)).unwrap();
        let mut unpacked = flate2::read::GzDecoder::new(std::fs::File::open(packed).unwrap());
        std::io::copy(&mut unpacked, &mut file).unwrap();
    }
    let mut experiment = slow(30, "Changing");
    experiment.data[0].paths = vec![data.path().to_owned()];
    window.push(Command::Start(experiment));
    window.until("answers", |window| done(window) > 0);
    window.click("Cancel the experiment");
    idle(&mut window);
    let questions = copied.join("dev_questions.json");
    let text = std::fs::read_to_string(&questions).unwrap();
    let changed = text.replacen("\"text\": \"", "\"text\": \"Anew: ", 1);
    assert_ne!(changed, text, "the sample set is written otherwise");
    std::fs::write(&questions, changed).unwrap();
    window.until("the runs", |window| !runs(window).is_empty());
    let before = runs(&window).len();
    window.click("Resume Changing");
    idle(&mut window);
    window.wait_for("What these runs depend on has changed");
    assert_eq!(runs(&window).len(), before, "other runs were begun");
}

#[test]
fn the_log_tells_what_happened() {
    let mut window = Window::new();
    window.push(Command::Start(slow(0, "Logged")));
    idle(&mut window);
    window.click("Open the log");
    window.wait_for("Begun with 0 of 30 samples stored");
    window.click("Close the log");
}
