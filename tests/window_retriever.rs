//! The screen Retriever: choosing retrievers and k, a live ranking, two side by side, and what stands in their way.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up must fail")]

#[path = "support/window.rs"]
mod window;

use egui_kittest::kittest::Queryable as _;
use lamplight::gui::command::{ChosenSample, Command, Screen};
use lamplight::jobs::CancelToken;
use lamplight::lamp::{Setting, Split, Task};
use lamplight::retrieval::{NoEncoders, Problem, RetrieverConfig};
use window::{Window, sample_set};

/// The screen with a sample of the sample set.
fn with_sample(task: Task, setting: Setting, index: usize) -> Window {
    let mut window = Window::new();
    window.push(Command::OpenData(vec![sample_set()]));
    window.push(Command::Go(Screen::Retriever));
    window.until("the data", |window| window.harness.state().shared().catalog().is_some());
    choose(&mut window, task, setting, index);
    window
}

fn choose(window: &mut Window, task: Task, setting: Setting, index: usize) {
    let catalog = window.harness.state().shared().catalog().unwrap().clone();
    let wanted =
        |id: lamplight::dataset::DatasetId| (id.task, id.setting, id.split) == (task, setting, Split::Dev);
    let dataset = catalog.datasets.iter().find(|dataset| wanted(dataset.id())).unwrap().clone();
    window.push(Command::ChooseSample(ChosenSample { dataset, index }));
}

/// Entry ids of the chosen sample in a retriever's own order.
fn ranked(window: &Window, retriever: &str, k: usize) -> Vec<String> {
    let shared = window.harness.state().shared();
    let chosen = shared.sample.as_ref().unwrap();
    let sample = chosen.dataset.sample(chosen.index).unwrap();
    let problem = Problem::of(chosen.dataset.id().task, &sample, shared.experiment().retrieval.use_date);
    let config: RetrieverConfig = retriever.parse().unwrap();
    let retriever = match config {
        RetrieverConfig::Dense(_) => config.build(&*shared.workplace).unwrap(),
        _ => config.build(&NoEncoders).unwrap(),
    };
    let ranking = retriever.rank(&CancelToken::new(), &problem.query, &problem.documents, k).unwrap();
    ranking.entry_ids(&problem.documents).into_iter().map(str::to_owned).collect()
}

/// Waits until a list shows these entries as retrieved, in this order, and the next as not retrieved.
fn shows(window: &mut Window, name: &str, ids: &[String]) {
    for (id, rank) in ids.iter().zip(1..) {
        window.until(&format!("{name} with {id} at {rank}"), |window| {
            let labels = window.screen();
            let row = format!("{name}: place {rank}, entry {id},");
            let score = format!("{name}: place {rank}, entry {id}");
            labels
                .lines()
                .any(|line| (line.contains(&row) || line.contains(&score)) && line.contains(", retrieved:"))
        });
    }
    let next = format!("{name}: place {}, ", ids.len() + 1);
    let not = window
        .screen()
        .lines()
        .filter(|line| line.contains(&next))
        .all(|line| line.contains("not retrieved"));
    assert!(not, "{}", window.screen());
}

#[test]
fn bm25_shows_what_a_run_would_retrieve() {
    let mut window = with_sample(Task::Lamp4, Setting::User, 0);
    let first = ranked(&window, "bm25", 4);
    shows(&mut window, "BM25", &first);
    window.click("Next sample");
    window.until("the next sample", |window| {
        window.harness.state().shared().sample.as_ref().unwrap().index == 1
    });
    let second = ranked(&window, "bm25", 4);
    assert_ne!(first, second);
    shows(&mut window, "BM25", &second);
}

#[test]
fn retrievers_and_k_are_written_to_the_experiment() {
    let mut window = with_sample(Task::Lamp4, Setting::User, 1);
    window.click("Full-text");
    window.until("full-text in the experiment", |window| {
        let retrieval = &window.harness.state().shared().experiment().retrieval;
        retrieval.retrievers == ["none", "bm25", "fulltext"]
    });
    let own = ranked(&window, "fulltext", 4);
    shows(&mut window, "Full-text", &own);
    window.type_into("Entries per prompt, k", ", 2");
    window.until("k of 2", |window| window.harness.state().shared().experiment().retrieval.k == [4, 2]);
    window.type_into("Entries per prompt, k", ", many");
    window.wait_for("`many` is not a number of entries");
    assert_eq!(window.harness.state().shared().experiment().retrieval.k, [4, 2]);
    window.click("Full-text");
    window.until("full-text out of the experiment", |window| {
        window.harness.state().shared().experiment().retrieval.retrievers == ["none", "bm25"]
    });
    window.push(Command::Undo);
    assert_eq!(window.harness.state().shared().experiment().retrieval.retrievers.len(), 3);
}

#[test]
fn options_make_another_ranking_at_once() {
    let mut window = with_sample(Task::Lamp3, Setting::User, 0);
    window.click("Options of BM25");
    window.wait("Hide the options of BM25");
    window.click("Another BM25, with other options");
    window.until("a second BM25", |window| {
        let retrievers = &window.harness.state().shared().experiment().retrieval.retrievers;
        retrievers.iter().any(|short| short.starts_with("bm25:k1=1.4"))
    });
    let short = window.harness.state().shared().experiment().retrieval.retrievers[2].clone();
    let own = ranked(&window, &short, 4);
    shows(&mut window, &lamplight::gui::preview::retriever_name(&short), &own);
}

/// Adds a retriever by its short form.
fn add(window: &mut Window, short: &str) {
    window.type_into("Or by its short form", short);
    window.press(eframe::egui::Key::Enter);
}

#[test]
fn a_scripted_encoder_ranks_and_a_missing_one_leads_to_the_models() {
    let mut window = with_sample(Task::Lamp4, Setting::User, 2);
    add(&mut window, "dense:scripted:words=16");
    window.until("dense in the experiment", |window| {
        let retrievers = &window.harness.state().shared().experiment().retrieval.retrievers;
        retrievers.iter().any(|short| short == "dense:scripted:words=16")
    });
    let own = ranked(&window, "dense:scripted:words=16", 4);
    shows(&mut window, "Dense (scripted:words=16)", &own);
    add(&mut window, "dense:no/such-encoder");
    window.wait_for("no/such-encoder");
    window.wait("Go to Model");
    window.wait("Try again");
    window.click("Go to Model");
    window.until("the models", |window| window.harness.state().screen() == Screen::Model);
}

#[test]
fn a_short_form_that_names_nothing_says_what_would() {
    let mut window = with_sample(Task::Lamp4, Setting::User, 0);
    add(&mut window, "bm26");
    window.wait_for("`bm26` is not a retriever");
}

#[test]
fn two_retrievers_stand_side_by_side() {
    let mut window = with_sample(Task::Lamp5, Setting::Time, 0);
    let (bm25, recency) = (ranked(&window, "bm25", 4), ranked(&window, "recency", 4));
    shows(&mut window, "BM25", &bm25);
    window.click("Compare with");
    window.until("retrievers to compare with", |window| window.has("Recency"));
    let choices = window.harness.query_all_by_label("Recency");
    choices.last().unwrap().click();
    window.harness.step();
    shows(&mut window, "Recency", &recency);
    shows(&mut window, "BM25", &bm25);
    let common = bm25.iter().filter(|id| recency.contains(id)).count();
    window.wait(&format!("{common} of 4 in both"));
    window.click("End the comparison");
    window.until("one list", |window| !window.shows("Recency: place 1"));
}

#[test]
fn recency_without_dates_is_explained() {
    let mut window = with_sample(Task::Lamp5, Setting::User, 0);
    window.click("Recency");
    window.wait_for("recency is undefined there");
    window.wait_for("Only for the");
    choose(&mut window, Task::Lamp5, Setting::Time, 0);
    let own = ranked(&window, "recency", 4);
    shows(&mut window, "Recency", &own);
}

#[test]
fn an_entry_opens_in_full_and_samples_are_found_by_id_and_number() {
    let mut window = with_sample(Task::Lamp4, Setting::User, 0);
    let first = ranked(&window, "bm25", 4).remove(0);
    let row = format!("BM25: place 1, entry {first}");
    window.wait_for(&row);
    window.harness.get_by_label_contains(&row).click();
    window.harness.step();
    window.wait("Close the entry");
    let text = {
        let chosen = window.harness.state().shared().sample.clone().unwrap();
        let sample = chosen.dataset.sample(chosen.index).unwrap();
        sample.profile.iter().find(|entry| entry.id == first).unwrap().text.clone()
    };
    window.wait(&text);
    window.type_into("Sample by id or number", "#3");
    window.press(eframe::egui::Key::Enter);
    window.until("the third sample", |window| {
        window.harness.state().shared().sample.as_ref().unwrap().index == 2
    });
    let chosen = window.harness.state().shared().sample.clone().unwrap();
    let id = chosen.dataset.summary(4).unwrap().id.to_owned();
    window.type_into("Sample by id or number", &id);
    window.press(eframe::egui::Key::Enter);
    window.until("the sample of that id", |window| {
        window.harness.state().shared().sample.as_ref().unwrap().index == 4
    });
    window.type_into("Sample by id or number", "no such");
    window.press(eframe::egui::Key::Enter);
    window.wait_for("has no sample with the id or number no such");
}

#[test]
fn without_data_the_next_step_is_offered() {
    let mut window = Window::new();
    window.push(Command::Go(Screen::Retriever));
    window.wait("No sample to show yet");
    window.click("Open the sample set");
    window.until("the sample set", |window| window.harness.state().shared().sample.is_some());
    assert_eq!(window.harness.state().screen(), Screen::Retriever);
}

#[test]
fn the_sample_and_the_comparison_come_back_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::over(window::places(folder.path()));
    window.push(Command::OpenData(vec![sample_set()]));
    window.push(Command::Go(Screen::Retriever));
    window.until("the data", |window| window.harness.state().shared().catalog().is_some());
    choose(&mut window, Task::Lamp5, Setting::Time, 3);
    window.click("Compare with");
    window.until("retrievers to compare with", |window| window.has("Recency"));
    window.harness.query_all_by_label("Recency").last().unwrap().click();
    let own = ranked(&window, "recency", 4);
    shows(&mut window, "Recency", &own);
    window.harness.state_mut().close();
    drop(window);
    let mut window = Window::over(window::places(folder.path()));
    shows(&mut window, "Recency", &own);
    assert_eq!(window.harness.state().shared().sample.as_ref().unwrap().index, 3);
}

#[test]
fn a_fusion_takes_members_and_shows_their_ranking() {
    let mut window = with_sample(Task::Lamp5, Setting::Time, 1);
    add(&mut window, "rrf(bm25,fulltext)");
    let own = ranked(&window, "rrf(bm25,fulltext)", 4);
    shows(&mut window, "RRF (BM25, Full-text)", &own);
    add(&mut window, "rrf:10(recency,recency+bm25)");
    let own = ranked(&window, "rrf:10(recency,recency+bm25)", 4);
    shows(&mut window, "RRF (Recency, Recency + BM25; c=10)", &own);
}
