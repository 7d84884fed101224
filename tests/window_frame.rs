//! The window's frame: the first start, the sample benchmark, the palette, shortcuts, messages, what is remembered.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up must fail")]

#[path = "support/window.rs"]
mod window;

use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use lamplight::gui::command::{Command, Part, Screen, ThemeChoice};
use window::Window;

#[test]
fn the_first_start_offers_one_obvious_thing_and_it_works() {
    let mut window = Window::new();
    window.wait("Run the sample benchmark");
    assert_eq!(window.harness.state().screen(), Screen::Welcome);
    window.click("Run the sample benchmark");
    window.until("results of the sample benchmark", |window| {
        let shared = window.harness.state().shared();
        window.harness.state().screen() == Screen::Results
            && shared.store.runs.iter().any(|run| run.aggregate.is_some())
    });
    window.wait("Cancel the running experiment");
    window.click("Cancel the running experiment");
    window.until("the end of the run", |window| window.harness.state().shared().runner.is_idle());
    window.wait_for("was stopped");
}

#[test]
fn the_palette_finds_a_screen_by_a_few_letters() {
    let mut window = Window::new();
    window.wait("Run the sample benchmark");
    window.harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    window.harness.step();
    window.wait("Command");
    window.harness.step();
    window.type_into("Command", "sett");
    window.press(Key::Enter);
    window.until("the settings", |window| window.harness.state().screen() == Screen::Settings);
    assert!(!window.has("Command"), "the palette stays open");
}

#[test]
fn shortcuts_lead_to_every_screen() {
    let mut window = Window::new();
    window.wait("Run the sample benchmark");
    for (key, screen) in [
        (Key::Num1, Screen::Data),
        (Key::Num5, Screen::Experiment),
        (Key::Num9, Screen::Train),
        (Key::Comma, Screen::Settings),
    ] {
        window.harness.key_press_modifiers(Modifiers::COMMAND, key);
        window.until(screen.name(), |window| window.harness.state().screen() == screen);
    }
}

#[test]
fn the_window_opens_as_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = Window::over(window::places(folder.path()));
    window.wait("Run the sample benchmark");
    window.push(Command::Go(Screen::Retriever));
    window.push(Command::SetTheme(ThemeChoice::Dark));
    let edited = window.harness.state().shared().edited(|experiment| experiment.name = "Kept".to_owned());
    window.push(Command::Edit { what: "name", experiment: edited });
    window.harness.step();
    window.harness.state_mut().close();
    drop(window);
    let mut window = Window::over(window::places(folder.path()));
    window.harness.step();
    let app = window.harness.state();
    assert_eq!(app.screen(), Screen::Retriever);
    assert_eq!(app.shared().theme, ThemeChoice::Dark);
    assert_eq!(app.shared().experiment().name, "Kept");
}

#[test]
fn the_palette_leads_to_where_paths_are_typed() {
    let mut window = Window::new();
    window.wait("Run the sample benchmark");
    window.push(Command::Show(Part::OpenData));
    window.wait("Path of the data");
    window.until("the keys in the field", |window| {
        window.harness.query_all_by_label("Path of the data").any(|field| field.is_focused())
    });
}
