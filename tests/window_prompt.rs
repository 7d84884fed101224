//! The screen Prompt: the template with its faults, the final prompt with its cuts, tokens, and files of one's own.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up must fail")]

#[path = "support/window.rs"]
mod window;

use eframe::egui::{Key, Modifiers, OutputCommand};
use egui_kittest::kittest::Queryable as _;
use lamplight::gui::command::{ChosenSample, Command, Screen};
use lamplight::gui::preview::WordTokenizer;
use lamplight::jobs::CancelToken;
use lamplight::lamp::{Sample, Setting, Split, Task};
use lamplight::model::TextTokenizer;
use lamplight::model::scripted::CharacterTokenizer;
use lamplight::prompt::{Preset, Prompt, PromptBuilder, PromptMode, PromptOptions, Template};
use lamplight::retrieval::{NoEncoders, Problem, RetrieverConfig};
use lamplight::run::experiment::{ModelSettings, Templates};
use window::{Window, sample_set};

/// The screen with a sample of the sample set.
fn with_sample(task: Task, index: usize, change: impl Fn(&mut lamplight::run::Experiment)) -> Window {
    let mut window = Window::new();
    window.push(Command::OpenData(vec![sample_set()]));
    window.push(Command::Go(Screen::Prompt));
    edit(&mut window, change);
    window.until("the data", |window| window.harness.state().shared().catalog().is_some());
    choose(&mut window, task, index);
    window
}

fn edit(window: &mut Window, change: impl Fn(&mut lamplight::run::Experiment)) {
    let experiment = window.harness.state().shared().edited(change);
    window.push(Command::Edit { what: "test", experiment });
}

fn choose(window: &mut Window, task: Task, index: usize) {
    let catalog = window.harness.state().shared().catalog().unwrap().clone();
    let wanted = |id: lamplight::dataset::DatasetId| {
        (id.task, id.setting, id.split) == (task, Setting::User, Split::Dev)
    };
    let dataset = catalog.datasets.iter().find(|dataset| wanted(dataset.id())).unwrap().clone();
    window.push(Command::ChooseSample(ChosenSample { dataset, index }));
}

fn sample(window: &Window) -> Sample {
    let chosen = window.harness.state().shared().sample.clone().unwrap();
    chosen.dataset.sample(chosen.index).unwrap()
}

/// The prompt of the chosen sample as the engine makes it.
fn built(
    window: &Window,
    template: &Template,
    mode: PromptMode,
    max_length: usize,
    tokenizer: &dyn TextTokenizer,
    k: usize,
) -> Prompt {
    let (sample, task) = (sample(window), template.task());
    let problem = Problem::of(task, &sample, false);
    let retriever = "bm25".parse::<RetrieverConfig>().unwrap().build(&NoEncoders).unwrap();
    let ranking = retriever.rank(&CancelToken::new(), &problem.query, &problem.documents, k).unwrap();
    let indices: Vec<usize> = ranking.indices().collect();
    let options = PromptOptions { mode, max_length };
    PromptBuilder::new(task, template, options, tokenizer).unwrap().build(&sample, &indices).unwrap()
}

fn copied(window: &Window) -> Option<String> {
    let commands = &window.harness.output().platform_output.commands;
    commands.iter().rev().find_map(|command| match command {
        OutputCommand::CopyText(text) => Some(text.clone()),
        _ => None,
    })
}

/// Clicks *Copy prompt* and gives what is on the clipboard.
fn copy(window: &mut Window) -> String {
    window.click("Copy prompt");
    window.until("something on the clipboard", |window| copied(window).is_some());
    copied(window).unwrap()
}

#[test]
fn the_prompt_is_the_one_that_the_engine_builds() {
    let mut window = with_sample(Task::Lamp4, 0, |_| {});
    let template = Template::preset(Task::Lamp4, Preset::Official).unwrap();
    let prompt = built(&window, &template, PromptMode::Official, 512, &WordTokenizer::default(), 4);
    window.wait(&prompt.text);
    window.wait(&format!("{} of at most 512 words", prompt.tokens));
    assert_eq!(copy(&mut window), prompt.text);
    window.wait_for("No model is chosen yet.");
    // Another mode, another model: characters, of which the prompt has more than it may.
    edit(&mut window, |experiment| {
        experiment.models =
            vec![ModelSettings { name: "scripted:echo".to_owned(), ..ModelSettings::default() }];
        experiment.prompt.mode = PromptMode::Clean;
        experiment.prompt.max_length = 4000;
    });
    let prompt = built(&window, &template, PromptMode::Clean, 4000, &CharacterTokenizer, 4);
    window.wait(&format!("{} of at most 4000 characters", prompt.tokens));
    assert_eq!(copy(&mut window), prompt.text);
}

#[test]
fn an_entry_that_is_cut_shows_as_cut() {
    let mut window = with_sample(Task::Lamp4, 0, |experiment| experiment.prompt.mode = PromptMode::Clean);
    let template = Template::preset(Task::Lamp4, Preset::Official).unwrap();
    let input = built(&window, &template, PromptMode::Clean, 512, &WordTokenizer::default(), 0).tokens;
    let length = input + 60;
    edit(&mut window, |experiment| experiment.prompt.max_length = length);
    let prompt = built(&window, &template, PromptMode::Clean, length, &WordTokenizer::default(), 4);
    let (at, cut) = prompt.entries.iter().enumerate().find(|(_, entry)| entry.cut.is_some()).unwrap();
    let sample = sample(&window);
    let left_out =
        template.cut_text(&sample.profile[cut.index]).unwrap()[cut.cut.clone().unwrap()].to_owned();
    window.wait(&format!("{} of at most {length} words", prompt.tokens));
    window.wait_for(&format!("Entry {}, ", cut.id));
    window.wait_for(&format!("Left out {} characters", left_out.chars().count()));
    // What was left out stands in the text, behind what was kept.
    let kept = &prompt.text[cut.long.clone()];
    let shown: String = left_out.chars().take(40).collect();
    window.wait_for(&format!("{kept}{shown}"));
    assert_eq!(copy(&mut window), prompt.text, "what was left out is not in the prompt; entry {at}");
}

#[test]
fn a_record_that_falls_back_is_warned_of() {
    let mut window = with_sample(Task::Lamp4, 0, |experiment| experiment.prompt.max_length = 8);
    window.wait_for("The record fell back to the bare input: the entries do not fit beside the input.");
    window.wait_for("are cut off and not read, among them the end of the input.");
    edit(&mut window, |experiment| experiment.prompt.mode = PromptMode::Clean);
    window.wait_for("The input alone is");
}

#[test]
fn a_bad_placeholder_is_named_with_its_line_while_typing() {
    let mut window = with_sample(Task::Lamp4, 0, |_| {});
    let template = Template::preset(Task::Lamp4, Preset::Official).unwrap();
    let prompt = built(&window, &template, PromptMode::Official, 512, &WordTokenizer::default(), 4);
    window.wait(&prompt.text);
    retype(
        &mut window,
        "name = \"mine\"\ntask = \"LaMP-4\"\nentry = \"{title}: {txt}\"\njoiner = \" \"\naggregate = \"{profile} {input}\"\n",
    );
    window.wait_for("Line 3: entry: {txt} is unknown here; did you mean {text}?");
    window.wait_for("This is the prompt of the last sound one.");
    retype(
        &mut window,
        "name = \"mine\"\ntask = \"LaMP-4\"\nentry = \"{title}: {text}\"\njoiner = \" \"\naggregate = \"{profile} {input}\"\n",
    );
    let own = Template::from_toml(&text_of(&window), "mine").unwrap();
    let prompt = built(&window, &own, PromptMode::Official, 512, &WordTokenizer::default(), 4);
    window.wait(&prompt.text);
    assert!(!window.shows("is unknown here"));
    window.click("Discard the changes");
    let prompt = built(&window, &template, PromptMode::Official, 512, &WordTokenizer::default(), 4);
    window.wait(&prompt.text);
}

/// Replaces the text of the template.
fn retype(window: &mut Window, text: &str) {
    window.wait("Template text");
    window.harness.get_by_label("Template text").focus();
    window.harness.step();
    window.harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.harness.step();
    window.harness.get_by_label("Template text").type_text(text);
    window.harness.step();
    window.harness.step();
}

fn text_of(window: &Window) -> String {
    use egui_kittest::kittest::NodeT as _;
    window.harness.get_by_label("Template text").accesskit_node().value().unwrap_or_default()
}

#[test]
fn an_own_template_is_saved_used_and_never_overwritten_unasked() {
    let mut window = with_sample(Task::Lamp4, 0, |_| {});
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, "what was here").unwrap();
    window.wait("Template text");
    retype(
        &mut window,
        "name = \"mine\"\ntask = \"LaMP-4\"\nentry = \"{title}: {text}\"\njoiner = \" \"\naggregate = \"{profile} {input}\"\n",
    );
    window.wait_for("the experiment uses it once it is saved");
    window.click("Save as\u{2026}");
    // An ending is put where none is typed.
    window.type_into("Save the template to", &folder.path().join("mine").display().to_string());
    window.click("Save and use");
    window.wait_for("is there already.");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "what was here");
    window.click("Replace it");
    window.until("the template in the experiment", |window| {
        let template = &window.harness.state().shared().experiment().prompt.template;
        matches!(template, Templates::PerTask(all) if all.get(&Task::Lamp4).is_some_and(|name| name.ends_with("mine.toml")))
    });
    assert_eq!(Template::read(&path).unwrap().file().entry, "{title}: {text}");
    window.until("no unsaved changes", |window| !window.has("Discard the changes"));
    // Another task has its own.
    choose(&mut window, Task::Lamp3, 0);
    window.wait("Template for LaMP-3");
    window.until("the official text", |window| text_of(window).contains("LaMP-3 official"));
    choose(&mut window, Task::Lamp4, 0);
    window.until("the own text", |window| text_of(window).contains("mine"));
    // A file that is gone leads back.
    std::fs::remove_file(&path).unwrap();
    window.click("Read the file again");
    window.wait_for("cannot be read");
    window.click("Use the official wording");
    window.until("the official wording", |window| {
        window.harness.state().shared().experiment().prompt.template == Templates::default()
    });
}

#[test]
fn presets_and_modes_are_written_to_the_experiment() {
    let mut window = with_sample(Task::Lamp5, 0, |_| {});
    window.click("Paper");
    window.until("the paper's wording", |window| {
        let template = &window.harness.state().shared().experiment().prompt.template;
        matches!(template, Templates::PerTask(all) if all.get(&Task::Lamp5).map(String::as_str) == Some("paper"))
    });
    window.until("its text", |window| text_of(window).contains("is the title for"));
    window.click("Clean cutting");
    window.until("clean mode", |window| {
        window.harness.state().shared().experiment().prompt.mode == PromptMode::Clean
    });
    let template = Template::preset(Task::Lamp5, Preset::Paper).unwrap();
    let prompt = built(&window, &template, PromptMode::Clean, 512, &WordTokenizer::default(), 4);
    window.wait(&format!("{} of at most 512 words", prompt.tokens));
}

#[test]
fn a_length_without_room_and_an_empty_window_say_what_to_do() {
    let mut window = with_sample(Task::Lamp4, 0, |experiment| {
        experiment.prompt.max_length = 0;
    });
    window.wait_for("has no room for text");
    let mut window = Window::new();
    window.push(Command::Go(Screen::Prompt));
    window.wait("No sample to show yet");
    window.click("Go to Data");
    window.until("the data", |window| window.harness.state().screen() == Screen::Data);
}
