//! The window's screen Model: choosing what answers, trying it, adding, getting and removing models, and all that can go wrong
//! on the way.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests assert as tests do")]

#[path = "support/fake_hub.rs"]
mod fake_hub;
#[path = "support/fault_server.rs"]
mod fault_server;
#[path = "support/window.rs"]
mod window;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use fake_hub::{FakeHub, hash, small_bert, small_t5};
use fault_server::{send, serve};
use lamplight::gui::command::{Command, Screen};
use lamplight::metrics::Parsing;
use lamplight::model::registry::{Entry, Registry, Source};
use lamplight::model::{DeviceChoice, Precision};
use lamplight::record::Training;
use lamplight::run::Experiment;
use lamplight::run::experiment::{ModelSettings, SamplingSettings};
use tempfile::TempDir;
use window::{Window, sample_set};

const ID: &str = "someone/small-t5";

fn opened() -> Window {
    let mut window = Window::new();
    window.push(Command::Go(Screen::Model));
    window.wait("Use baseline:copy");
    window
}

fn draft(window: &Window) -> &Experiment {
    window.harness.state().shared().experiment()
}

fn names(window: &Window) -> Vec<&str> {
    draft(window).models.iter().map(|model| model.name.as_str()).collect()
}

fn edit(window: &mut Window, change: impl FnOnce(&mut Experiment)) {
    let experiment = window.harness.state().shared().edited(change);
    window.push(Command::Edit { what: "test", experiment });
    window.harness.step();
}

/// Clicks what may lie further down in the panel.
fn click_below(window: &mut Window, label: &str) {
    window.wait(label);
    window.harness.get_by_label(label).scroll_to_me();
    // The panel takes a few frames to get there.
    for _ in 0..30 {
        window.harness.step();
    }
    window.click(label);
}

/// Types into the field of this label in the place of what is there.
fn put(window: &mut Window, label: &str, text: &str) {
    window.type_into(label, "");
    window.harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.harness.step();
    if text.is_empty() {
        window.press(Key::Delete);
    } else {
        window.harness.get_by_label(label).type_text(text);
        window.harness.step();
    }
    window.harness.step();
}

fn written(files: std::collections::BTreeMap<String, Vec<u8>>, folder: &Path) {
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A folder with a small T5 model in it.
fn t5_folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("small-t5");
    written(small_t5(), &model);
    (folder, model)
}

fn gguf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gguf/qwen2_bias.gguf")
}

fn add(window: &mut Window, path: &Path, name: &str) {
    window.click("Get more");
    window.click("From this machine");
    put(window, "Path of a model", path.to_str().unwrap());
    put(window, "Name of the model", name);
    window.click("Add the model");
}

fn registry(window: &Window) -> Registry {
    Registry::new(window.places().models.clone())
}

/// Asks the hub of a test, typed as another hub's address.
fn at(window: &mut Window, fake: &FakeHub) {
    window.click("Get more");
    window.click("Another hub");
    put(window, "Address of the hub", &fake.endpoint());
}

fn get(window: &mut Window, id: &str) {
    put(window, "Repository", id);
    window.click("Get");
}

#[test]
fn rules_are_chosen_and_left_again_and_undo_brings_them_back() {
    let mut window = opened();
    window.wait("Use sample-t5");
    assert!(!window.has("Remove sample-t5"), "what is part of the program stays");
    window.click("Use baseline:copy");
    window.click("Use baseline:majority");
    window.until("both rules", |window| names(window) == ["baseline:copy", "baseline:majority"]);
    window.wait_for("baseline:copy and 1 more");
    // What follows closely is undone together.
    std::thread::sleep(Duration::from_secs(1));
    window.click("Use baseline:copy");
    window.until("one rule", |window| names(window) == ["baseline:majority"]);
    window.push(Command::Undo);
    window.until("both rules again", |window| names(window).len() == 2);
}

#[test]
fn a_rule_answers_the_chosen_sample_or_says_why_it_cannot() {
    let mut window = opened();
    window.click("Show baseline:nearest");
    window.click("Try it");
    window.wait_for("A rule answers samples of a dataset");
    window.push(Command::OpenData(vec![sample_set()]));
    window.until("a sample", |window| window.harness.state().shared().sample.is_some());
    window.push(Command::Go(Screen::Model));
    window.wait_for("Answers the sample");
    window.click("Run");
    window.wait("Answer");
    window.wait_for("With bm25, k 4.");
    let task = window.harness.state().shared().sample.as_ref().unwrap().dataset.id().task;
    let refused =
        lamplight::run::Baseline::ALL.into_iter().find(|rule| rule.supports(task).is_err()).unwrap();
    window.click(&format!("Show {refused}"));
    window.wait("Run");
    window.click("Run");
    window.wait_for(&format!("{refused} cannot answer {task}"));
}

#[test]
fn a_scripted_model_is_tried_and_canceled() {
    let mut window = opened();
    edit(&mut window, |experiment| {
        for name in ["scripted:echo", "scripted:answer=late,delay=600000", "scripted:wrong"] {
            experiment.models.push(ModelSettings { name: name.to_owned(), ..ModelSettings::default() });
        }
    });
    window.click("Show scripted:echo");
    window.click("Try it");
    window.type_into("Prompt to try", "hello there");
    window.click("Run");
    window.wait("hello there");
    window.wait_for("11 tokens of prompt");
    window.wait_for("loaded in");
    window.click("Run");
    window.wait_for("loaded before");
    window.click("Free its memory");
    window.until("it let go", |window| !window.has("Free its memory"));

    window.click("Show scripted:answer=late,delay=600000");
    window.click("Run");
    window.click("Cancel");
    window.wait("Run");
    assert!(!window.shows("canceled") && !window.has("late"), "{}", window.screen());

    window.click("Show scripted:wrong");
    window.click("Run");
    window.wait_for("scripted:wrong");
    window.until("what is wrong with it", |window| {
        window.harness.query_all_by_label_contains("wrong").count() > 2
    });
}

#[test]
fn a_folder_is_added_used_set_and_tried() {
    let (_folder, model) = t5_folder();
    let mut window = opened();
    add(&mut window, &model, "");
    window.wait("Use small-t5");
    window.wait_for("small-t5 is installed");
    window.click("Compute");
    window.wait_for("that are free");
    window.click("Use small-t5");
    window.until("it is in the draft", |window| names(window) == ["small-t5"]);
    // What this machine cannot do is greyed, with its reason beneath.
    #[cfg(not(feature = "cuda"))]
    window.wait_for("CUDA: this build of Lamplight has no CUDA support");
    window.wait_for("bf16: the processor computes in f32 or int8");
    window.click("int8");
    window.until("int8", |window| draft(window).models[0].precision == Some(Precision::Int8));
    window.click("Fine-tuned");
    window.until("fine-tuned", |window| draft(window).models[0].training == Some(Training::FineTuned));
    put(&mut window, "Prompts at once", "32");
    assert_eq!(draft(&window).models[0].batch, Some(32));
    put(&mut window, "Prompts at once", "0");
    window.wait("This must be between 1 and 4096.");
    assert_eq!(draft(&window).models[0].batch, Some(32), "a value that cannot be is not taken");
    put(&mut window, "Prompts at once", "");
    assert_eq!(draft(&window).models[0].batch, None);
    assert_eq!(draft(&window).models[0].device.unwrap_or_default(), DeviceChoice::Cpu);

    window.click("Try it");
    window.type_into("Prompt to try", "a b c");
    window.harness.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    window.harness.step();
    window.wait_for("loaded in");
    window.click("Run");
    window.wait_for("loaded before");
    // Other settings are another model.
    window.click("Compute");
    window.click("f32");
    window.click("Try it");
    window.click("Run");
    window.wait_for("loaded in");

    // The same model twice, with settings of its own each.
    window.click("Compute");
    window.click("Once more, with other settings");
    window.wait("Settings 2");
    window.click("int8");
    window.until("two precisions", |window| {
        let of = |index: usize| draft(window).models.get(index).and_then(|model| model.precision);
        of(0).is_none() && of(1) == Some(Precision::Int8)
    });
    window.click("Remove these settings");
    window.until("one", |window| draft(window).models.len() == 1);
}

#[test]
fn a_gguf_file_has_settings_of_its_own() {
    let mut window = opened();
    add(&mut window, &gguf(), "tiny-qwen");
    window.wait("Use tiny-qwen");
    window.click("Use tiny-qwen");
    window.click("Compute");
    window.wait_for("GGUF models compute on the processor");
    window.click("In its chat template");
    window.until("chat", |window| draft(window).models[0].chat);
    put(&mut window, "System prompt", "Be brief.");
    assert_eq!(draft(&window).models[0].system.as_deref(), Some("Be brief."));
    window.wait_for("512 tokens of prompt and 128 new ones are more than");
    put(&mut window, "Context, tokens", "many");
    window.wait("A whole number is needed here.");
    window.click("As it is");
    window
        .until("no chat", |window| !draft(window).models[0].chat && draft(window).models[0].system.is_none());
    click_below(&mut window, "Read the tokenizer.json beside the file");
    window.until("beside", |window| draft(window).models[0].tokenizer_beside);
    // Four beams for all are none for this one.
    edit(&mut window, |experiment| experiment.generation.beams = Some(4));
    window.click("Generate");
    window.harness.get_by_role_and_label(Role::RadioButton, "tiny-qwen").click();
    window.harness.step();
    window.wait_for("tiny-qwen follows one beam");
    put(&mut window, "Beams", "1");
    assert_eq!(draft(&window).models[0].generation.beams, Some(1));
    assert!(!window.shows("follows one beam."));
    window.click("Try it");
    window.type_into("Prompt to try", "x");
    window.click("Run");
    // There is no tokenizer beside it.
    window.wait_for("tokenizer.json");
}

#[test]
fn generation_settings_are_checked_at_their_fields() {
    let mut window = opened();
    window.click("Generate");
    put(&mut window, "Beams", "2");
    assert_eq!(draft(&window).generation.beams, Some(2));
    put(&mut window, "Beams", "65");
    window.wait("This must be between 1 and 64.");
    assert_eq!(draft(&window).generation.beams, Some(2), "a value that cannot be is not taken");
    put(&mut window, "Beams", "two");
    window.wait("A whole number is needed here.");
    put(&mut window, "Beams", "");
    assert_eq!(draft(&window).generation.beams, None);
    put(&mut window, "Most new tokens", "32");
    put(&mut window, "Least new tokens", "40");
    window.wait("This must not be above the most new tokens.");
    assert_eq!(draft(&window).generation.min_new_tokens, None);
    put(&mut window, "Length penalty", "-0.5");
    assert_eq!(draft(&window).generation.length_penalty, Some(-0.5));
    window.click("Early");
    window.type_into("Stop text", "\\n");
    window.click("Add");
    window.until("a stop text", |window| draft(window).generation.stop == Some(vec!["\n".to_owned()]));
    window.click("Draw tokens at random");
    window.until("sampling", |window| draft(window).generation.sampling == Some(SamplingSettings::default()));
    put(&mut window, "Temperature", "1.5");
    put(&mut window, "Top-p", "0.9");
    put(&mut window, "Top-k", "40");
    put(&mut window, "Seed", "7");
    let expected = SamplingSettings { temperature: 1.5, top_k: 40, top_p: 0.9, seed: Some(7) };
    assert_eq!(draft(&window).generation.sampling, Some(expected));
    put(&mut window, "Temperature", "0");
    window.wait_for("This must be above 0");
    // How answers are read: off for parity unless chosen.
    assert_eq!(draft(&window).generation.answers, None);
    window.wait("The whole text is the answer, or it is none.");
    click_below(&mut window, "Chatty");
    window.until("answers are read so", |window| draft(window).generation.answers == Some(Parsing::Chatty));
    window.wait_for("The first label, the first number from 1 to 5");
    click_below(&mut window, "Official");
    window.until("the benchmark's own", |window| draft(window).generation.answers.is_none());
    click_below(&mut window, "Chatty");
    window.until("answers are read so", |window| draft(window).generation.answers == Some(Parsing::Chatty));
    // What another change undoes is shown as it is then.
    window.push(Command::Undo);
    window.harness.step();
    click_below(&mut window, "Back to the benchmark\u{2019}s");
    window.until("nothing is said", |window| draft(window).generation.is_empty());
}

#[test]
fn what_cannot_be_added_says_why_where_it_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = opened();
    let missing = folder.path().join("no.gguf");
    add(&mut window, &missing, "");
    window.wait_for("no.gguf");
    window.wait("Try again");
    window.click("Dismiss");
    window.until("it is gone", |window| !window.has("Try again"));

    let damaged = folder.path().join("damaged.gguf");
    fs::write(&damaged, b"GGUF but no more").unwrap();
    add(&mut window, &damaged, "");
    window.wait("Try again");
    // What was mended is taken when it is tried again.
    fs::copy(gguf(), &damaged).unwrap();
    window.click("Try again");
    window.wait("Use damaged");

    add(&mut window, &gguf(), "con");
    window.wait_for("Give another name.");
    window.click("Dismiss");
    add(&mut window, &gguf(), "damaged");
    window.wait_for("There is a model damaged already");
}

#[test]
fn a_model_is_got_though_the_hub_breaks_off() {
    let first = AtomicBool::new(true);
    let fake = FakeHub::faulty(ID, small_t5(), move |_, asked, stream| {
        if !asked.path.starts_with("/blob/") || !first.swap(false, Ordering::Relaxed) {
            return false;
        }
        let weights = &small_t5()["model.safetensors"];
        serve(stream, asked, weights, &format!("\"{}\"", hash(weights)), weights.len() / 2);
        true
    });
    let mut window = opened();
    at(&mut window, &fake);
    get(&mut window, ID);
    window.wait(&format!("Use {ID}"));
    window.wait_for("apache-2.0");
    assert!(fake.cdn.asked().iter().any(|asked| asked.start().is_some()), "began anew");
    window.click(&format!("Use {ID}"));
    window.until("it is in the draft", |window| names(window) == [ID]);
}

#[test]
fn a_canceled_download_is_continued_and_its_remains_removed() {
    let stall = Arc::new(AtomicBool::new(true));
    let fake = FakeHub::faulty(ID, small_t5(), {
        let stall = stall.clone();
        move |_, asked, stream| {
            if !(stall.load(Ordering::Relaxed) && asked.path.starts_with("/blob/")) {
                return false;
            }
            let weights = &small_t5()["model.safetensors"];
            serve(stream, asked, weights, &format!("\"{}\"", hash(weights)), weights.len() / 2 + 1);
            std::thread::sleep(Duration::from_secs(120)); // keeps the connection open
            true
        }
    });
    let mut window = opened();
    at(&mut window, &fake);
    get(&mut window, ID);
    window.wait_for("model.safetensors");
    let half = small_t5()["model.safetensors"].len() as u64 / 2;
    window.until("half of it", |window| {
        let entries = registry(window).list().unwrap();
        entries.iter().any(|entry| matches!(entry, Entry::Unfinished { bytes, .. } if *bytes > half))
    });
    assert!(!window.has(&format!("Continue {ID}")), "what is on its way counts as broken off");
    window.click("Cancel");
    window.wait(&format!("Continue {ID}"));
    stall.store(false, Ordering::Relaxed);
    window.click(&format!("Continue {ID}"));
    window.wait(&format!("Use {ID}"));
    assert!(fake.cdn.asked().last().unwrap().start().is_some_and(|start| start > 1000));

    // Removed in place, with what that frees.
    window.click(&format!("Use {ID}"));
    window.click(&format!("Remove {ID}"));
    window.wait_for("which frees");
    window.wait("It is taken out of the experiment.");
    window.click("Keep it");
    assert!(registry(&window).find(ID).unwrap().is_some());
    window.click(&format!("Remove {ID}"));
    window.wait_for("which frees");
    window.click("Remove it");
    window.until("it is gone", |window| !window.has(&format!("Use {ID}")) && names(window).is_empty());
    assert!(registry(&window).find(ID).unwrap().is_none());
}

#[test]
fn what_a_hub_refuses_is_said_with_advice() {
    let mut window = opened();
    for (status, said) in [
        ("401 Unauthorized", "its terms must be accepted there first"),
        ("404 Not Found", "has no repository someone/small-t5"),
        ("200 OK", "does not answer as a hub does"),
    ] {
        let fake = FakeHub::faulty(ID, small_t5(), move |_, _, stream| {
            let body = b"<!doctype html><html><body>Sign in to the network</body></html>";
            let length = format!("Content-Length: {}", body.len());
            send(stream, &[&format!("HTTP/1.1 {status}"), "Content-Type: text/html", &length], body);
            true
        });
        window.click("Get more");
        if !window.has("Address of the hub") {
            window.click("Another hub");
        }
        put(&mut window, "Address of the hub", &fake.endpoint());
        get(&mut window, ID);
        window.wait_for(said);
        window.wait("Try again");
        window.click("Dismiss");
    }
    get(&mut window, "no repository at all");
    window.wait_for("names no repository");
    let entries = registry(&window).list().unwrap();
    let of_program =
        |entry: &Entry| matches!(entry, Entry::Installed(manifest) if manifest.source == Source::Program);
    assert!(entries.iter().all(of_program), "{entries:?}");
}

#[test]
fn encoders_stand_apart_and_damage_can_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = folder.path().join("tiny-bert");
    written(small_bert(), &encoder);
    let mut window = opened();
    let registered = window.places().models.join("registered");
    fs::create_dir_all(&registered).unwrap();
    fs::write(registered.join("broken.json"), "{").unwrap();
    add(&mut window, &encoder, "");
    window.wait("Show tiny-bert");
    window.wait("Encoders");
    assert!(!window.has("Use tiny-bert"), "an encoder cannot answer");
    window.wait_for("broken.json is damaged");
    window.click("Remove broken");
    window.wait("It is taken from the list; nothing is deleted.");
    window.click("Remove it");
    window.until("it is gone", |window| !window.shows("broken.json"));
    click_below(&mut window, "Choose on the screen Retriever");
    window.until("the retrievers", |window| window.harness.state().screen() == Screen::Retriever);
}

#[test]
fn what_the_draft_names_and_is_not_there_can_be_got() {
    let fake = FakeHub::new(ID, small_t5());
    let mut window = opened();
    edit(&mut window, |experiment| {
        experiment.models.push(ModelSettings { name: ID.to_owned(), ..ModelSettings::default() });
    });
    window.wait_for("In the experiment, not installed");
    window.wait_for("No model \"someone/small-t5\" is installed");
    at(&mut window, &fake);
    window.click("Get it");
    window.wait_for("apache-2.0");
    window.until("it is installed", |window| !window.shows("In the experiment, not installed"));
    assert_eq!(names(&window), [ID]);
}

#[test]
fn the_palette_uses_models_and_leads_to_more() {
    let mut window = Window::new();
    window.wait("Run the sample benchmark");
    window.push(Command::GetModel("google/flan-t5-small".to_owned()));
    window.wait("Repository");
    assert_eq!(window.harness.state().screen(), Screen::Model);
    window.harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    window.harness.step();
    window.type_into("Command", "use baseline:near");
    window.press(Key::Enter);
    window.until("the rule", |window| names(window) == ["baseline:nearest"]);
}
