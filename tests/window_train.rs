//! The screen Train: a model trained to the end, paused, ended with its best, broken off and resumed; what is wrong said where it
//! is wrong; what a first start shows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set up must fail")]

#[path = "support/tiny_t5.rs"]
mod tiny_t5;
#[path = "support/window.rs"]
mod window;

use std::path::Path;

use egui_kittest::kittest::Queryable as _;
use lamplight::gui::command::{Command, Screen};
use lamplight::gui::memory::Memory;
use lamplight::gui::trainings::End;
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::{Setting, Task};
use lamplight::model::RECIPE;
use lamplight::model::registry::{EncoderDefaults, Registry};
use lamplight::run::Places;
use lamplight::run::experiment::{DataSettings, ModelSettings};
use lamplight::train::{CurveReader, TrainRecipe, jobs_folder, kept_jobs};
use tempfile::TempDir;
use window::{Window, places, sample_set};

/// Places with a tiny model that is registered as `micro`, and the sample set open.
fn prepared() -> (TempDir, Places) {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let model = folder.path().join("base");
    tiny_t5::write_model(&model, "v11_micro");
    let registry = Registry::new(places.models.clone());
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    registry.add(&model, Some("micro"), false, EncoderDefaults::default(), &cancel, &progress).unwrap();
    let memory = Memory { data: vec![sample_set()], screen: Some(Screen::Train), ..Memory::default() };
    memory.write(places.memory.as_ref().unwrap()).unwrap();
    (folder, places)
}

/// Ratings from a few reviews: small and quick.
fn recipe(epochs: u64) -> Box<TrainRecipe> {
    let mut recipe = TrainRecipe { model: "micro".to_owned(), ..TrainRecipe::default() };
    recipe.data.paths = vec![sample_set()];
    (recipe.data.tasks, recipe.data.settings) = (vec![Task::Lamp3], vec![Setting::User]);
    (recipe.data.limit, recipe.data.dev_limit) = (Some(12), Some(4));
    (recipe.retrieval.retriever, recipe.retrieval.k) = ("bm25".to_owned(), 1);
    recipe.prompt.max_length = 48;
    recipe.optimizer.learning_rate = 2e-3;
    (recipe.training.epochs, recipe.training.batch) = (epochs, 4);
    recipe.training.dropout = Some(0.1);
    (recipe.evaluation.beams, recipe.evaluation.max_new_tokens) = (2, 3);
    Box::new(recipe)
}

/// One that would go on for ever.
fn endless() -> Box<TrainRecipe> {
    recipe(1_000_000)
}

fn train(window: &mut Window, name: &str, recipe: Box<TrainRecipe>) {
    window.push(Command::Train { recipe, name: name.to_owned() });
}

/// Steps that the job has written down.
fn steps(window: &Window, name: &str) -> u64 {
    let mut reader = CurveReader::new(&job(window.places(), name));
    reader.read_on().unwrap();
    reader.points().last().map_or(0, lamplight::train::CurvePoint::step)
}

fn job(places: &Places, name: &str) -> std::path::PathBuf {
    jobs_folder(&Registry::new(places.models.clone())).join(name)
}

fn ended(window: &mut Window) {
    window.until("the end", |window| window.harness.state().shared().trainings.at_work().is_none());
}

/// Draws until what jobs deliver has found its place.
fn settle(window: &mut Window) {
    for _ in 0..30 {
        window.harness.step();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn recipe_of(model: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(model.join(RECIPE)).unwrap()).unwrap()
}

#[test]
fn a_model_is_chosen_trained_watched_and_used() {
    let (_folder, places) = prepared();
    let mut window = Window::over(places);
    // Nothing is chosen yet.
    window.wait("Nothing has been trained yet");
    window.wait("Choose a model to begin with.");
    window.click("Model to begin with");
    window.click("micro");
    // Every task but one is ticked off.
    for task in Task::ALL.into_iter().filter(|task| *task != Task::Lamp3) {
        window.click(task.id());
    }
    window.click("Time setting");
    window.replace_text("At most, samples each", "12");
    window.replace_text("Tokens a prompt", "48");
    window.replace_text("Epochs", "3");
    window.replace_text("Examples a step", "4");
    window.replace_text("Learning rate", "2e-3");
    // Beneath what is seen of the form.
    window.harness.get_by_label("More settings").click_accesskit();
    window.replace_text("Judge by at most", "4");
    window.replace_text("New tokens at most", "3");
    window.wait("12 examples to learn from, 4 to be judged by; 9 steps of 4");
    window.wait_for("numbers trained; about");
    window.click("Time a few steps");
    window.wait_for("by a few steps timed just now");
    assert!(!jobs_folder(&Registry::new(window.places().models.clone())).exists(), "timing wrote something");
    window.type_into("Name of the result", "stars");
    window.until("a look at the name", |window| {
        !window.shows("Give the result") && !window.shows("cannot be taken")
    });
    settle(&mut window);
    window.click("Start training");
    ended(&mut window);
    window.wait_for("\u{201c}stars\u{201d} is trained and registered");
    window.wait_for("Loss over 9 steps");
    window.wait_for("After step 9, epoch 3: MAE");
    window.until("the best as a mark", |window| window.shows("(best)"));
    window.wait("done");
    let manifest = Registry::new(window.places().models.clone()).find("stars").unwrap().unwrap();
    let model = Registry::new(window.places().models.clone()).path(&manifest);
    let written = recipe_of(&model);
    assert_eq!(written["job"]["recipe"]["training"]["epochs"], 3);
    assert_eq!(written["job"]["recipe"]["data"]["tasks"][0], "LaMP-3");
    assert_eq!(written["outcome"]["evaluations"].as_array().unwrap().len(), 3);
    window.click("Use in an experiment");
    window.until("the experiment", |window| window.harness.state().screen() == Screen::Experiment);
    let models = &window.harness.state().shared().experiment().models;
    assert!(models.iter().any(|model| model.name == "stars"));
    window.wait_for("It has learned from prompts of at most 48 tokens");
}

#[test]
fn a_training_is_paused_goes_on_and_is_ended_with_its_best() {
    let (_folder, places) = prepared();
    let mut window = Window::over(places);
    train(&mut window, "stars", endless());
    window.until("steps", |window| steps(window, "stars") > 8);
    window.click("Pause it");
    window.wait_for("Paused");
    let before = steps(&window, "stars");
    settle(&mut window);
    assert_eq!(steps(&window, "stars"), before, "it goes on while it is paused");
    // Reading elsewhere does not end it; the bar above leads back.
    window.push(Command::Go(Screen::Data));
    window.click("Let the training go on");
    window.until("more steps", |window| steps(window, "stars") > before);
    window.click_first("Train");
    window.wait_for("Loss over");
    window.click("End and keep the best");
    ended(&mut window);
    let end = &window.harness.state().shared().trainings.ended().last().unwrap().end;
    let End::Done(outcome) = end else { panic!("{end:?}") };
    assert_eq!(outcome.ended, lamplight::train::Ended::Finished);
    assert!(recipe_of(&outcome.model)["outcome"]["best"]["scores"][0]["samples"] == 4);
    window.wait("ended early");
    assert!(Registry::new(window.places().models.clone()).find("stars").unwrap().is_some());
}

#[test]
fn what_was_broken_off_is_offered_by_the_next_window_and_goes_on() {
    let (_folder, places) = prepared();
    let mut window = Window::over(places.clone());
    train(&mut window, "stars", recipe(12));
    window.until("steps", |window| steps(window, "stars") > 1);
    // So that however fast it is, it does not come to its end before.
    window.push(Command::PauseTraining(true));
    window.click("Save and stop");
    ended(&mut window);
    window.wait_for("What it has learned is saved.");
    let saved = steps(&window, "stars");
    window.click("Resume stars");
    window.until("more steps", |window| steps(window, "stars") > saved);
    window.push(Command::PauseTraining(true));
    // The window is closed while it is at work.
    window.push(Command::Go(Screen::Data));
    window.harness.state_mut().close();
    drop(window);
    let (jobs, _) = kept_jobs(&jobs_folder(&Registry::new(places.models.clone()))).unwrap();
    assert!(matches!(jobs[0].standing, lamplight::train::Standing::BrokenOff { step } if step >= saved));
    let mut window = Window::over(places.clone());
    window.wait_for("One training was broken off");
    window.click("Show the trainings");
    window.wait_for("broken off, saved at step");
    window.click("Resume stars");
    ended(&mut window);
    window.wait("done");
    // The same weights as those of a training that nobody disturbed.
    train(&mut window, "other", recipe(12));
    window.until("the other", |window| {
        let trainings = &window.harness.state().shared().trainings;
        trainings.ended().len() == 2
    });
    let weights =
        |name: &str| std::fs::read(job(&places, name).join("model").join("model.safetensors")).unwrap();
    assert_eq!(weights("stars"), weights("other"));
    settle(&mut window);
    window.click("Look at stars");
    settle(&mut window);
    window.click("Look at other");
    settle(&mut window);
    window.click("Delete\u{2026}");
    window.wait_for("Delete the training other with its curve and the model other?");
    window.click("Delete it");
    window.wait_for("The training \u{201c}other\u{201d} is deleted.");
    assert!(!job(&places, "other").exists());
    assert!(Registry::new(places.models.clone()).find("other").unwrap().is_none());
}

#[test]
fn what_is_wrong_is_said_at_its_field() {
    let (_folder, places) = prepared();
    let mut window = Window::over(places.clone());
    train(&mut window, "taken", recipe(1));
    ended(&mut window);
    window.click("Model to begin with");
    window.click("micro");
    window.replace_text("Epochs", "0");
    window.wait("It must be between 1 and 1000000.");
    window.replace_text("Epochs", "2");
    window.replace_text("Learning rate", "fast");
    window.wait("A number is needed here.");
    window.replace_text("Learning rate", "-1");
    window.wait("It must be a number above 0.");
    window.replace_text("Learning rate", "0.001");
    window.type_into("Name of the result", "taken");
    window.wait_for("There is a training called taken already");
    window.replace_text("Name of the result", "no/good/name/at/all");
    window.wait_for("cannot be a model\u{2019}s name");
    // The model goes away while the form names it.
    Registry::new(places.models).remove("micro").unwrap();
    window.push(Command::ReloadModels);
    window.wait_for("No model \"micro\" is installed");
    assert!(!window.shows("lamplight models get"), "advice for another program");
}

#[test]
fn a_run_and_a_training_take_turns() {
    let (_folder, places) = prepared();
    let mut window = Window::over(places);
    train(&mut window, "first", endless());
    window.until("steps", |window| steps(window, "first") > 1);
    let mut experiment = lamplight::run::Experiment { name: "After it".to_owned(), ..Default::default() };
    experiment.data = vec![DataSettings {
        paths: vec![sample_set()],
        tasks: vec![Task::Lamp3],
        limit: Some(2),
        ..DataSettings::default()
    }];
    experiment.models =
        vec![ModelSettings { name: "scripted:word=3".to_owned(), ..ModelSettings::default() }];
    experiment.retrieval.retrievers = vec!["none".to_owned()];
    window.push(Command::Start(Box::new(experiment)));
    train(&mut window, "second", recipe(1));
    window.push(Command::Go(Screen::Runs));
    window.wait_for("begins when the training of \u{201c}first\u{201d} has ended");
    window.push(Command::Go(Screen::Train));
    window.wait_for("\u{201c}second\u{201d} begins when \u{201c}first\u{201d} has ended");
    window.click("Save and stop");
    window.until("everything", |window| {
        let shared = window.harness.state().shared();
        shared.trainings.ended().len() == 2 && shared.runner.finished().len() == 1
    });
    let trainings = &window.harness.state().shared().trainings;
    assert!(matches!(trainings.ended()[0].end, End::Stopped));
    assert!(matches!(trainings.ended()[1].end, End::Done(_)));
}

#[test]
fn a_first_start_tells_what_is_needed() {
    let mut window = Window::new();
    window.push(Command::Go(Screen::Train));
    window.wait("Nothing has been trained yet");
    window.wait_for("No data are open.");
    window.click("Get flan-t5-small\u{2026}");
    window.until("the models", |window| window.harness.state().screen() == Screen::Model);
    window.push(Command::Go(Screen::Train));
    window.click("Open files or folders\u{2026}");
    window.until("the data", |window| window.harness.state().screen() == Screen::Data);
}

#[test]
fn a_recipe_is_saved_and_opened_as_the_command_line_does() {
    let (folder, places) = prepared();
    let mut window = Window::over(places);
    window.click("Paper");
    window.replace_text("Epochs", "7");
    window.click("LoRA adapter");
    window.replace_text("Rank, r", "4");
    window.click("Save\u{2026}");
    let path = folder.path().join("recipe.toml");
    window.replace_text("Path to save the recipe to", &path.display().to_string());
    window.click("Save here");
    window.wait_for("Saved as recipe.toml");
    let mut recipe = TrainRecipe::read(&path).unwrap();
    assert_eq!((recipe.training.epochs, recipe.prompt.max_length), (7, 512));
    assert_eq!(recipe.lora.as_ref().map(|lora| lora.r), Some(4));
    assert_eq!(recipe.data.paths, [sample_set()]);
    recipe.training.epochs = 9;
    std::fs::write(&path, recipe.to_toml().unwrap()).unwrap();
    window.click("Open\u{2026}");
    window.type_into("Path of the recipe to open", &path.display().to_string());
    window.click("Open this recipe");
    window.until("the recipe", |window| {
        window.harness.state().screen() == Screen::Train && window.screen().contains("Epochs = 9")
    });
    std::fs::write(&path, "[training]\nepoch = 3\n").unwrap();
    window.click("Open\u{2026}");
    window.type_into("Path of the recipe to open", &path.display().to_string());
    window.click("Open this recipe");
    window.wait_for("is no recipe");
}

#[test]
fn a_loss_that_is_no_number_is_told_with_what_to_do() {
    let (_folder, places) = prepared();
    let mut window = Window::over(places);
    let mut spoiled = recipe(4);
    (spoiled.optimizer.learning_rate, spoiled.optimizer.clip) = (1e30, 0.0);
    train(&mut window, "spoiled", spoiled);
    ended(&mut window);
    window.wait_for("is not finite, so the job stopped before it could spoil the weights");
    window.wait_for("Begin a new job with a lower learning_rate");
    window.click("Close the error");
    window.wait_for("broken off, saved at step");
}
