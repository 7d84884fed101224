//! The choice above table and charts: which runs, by which metrics.

use eframe::egui::{ComboBox, PopupCloseBehavior, Role, Sense, Ui, vec2};

use super::choice::{Choice, Metrics, Settings};
use crate::gui::kit;
use crate::gui::shared::Shared;
use crate::gui::theme::{CONTROL, icons};
use crate::lamp::{Setting, Split};

/// Letters of a name in a closed list.
const NAME: usize = 28;

/// Draws the choice.
pub fn show(ui: &mut Ui, choice: &mut Choice, metrics: &mut Metrics, table: bool, shared: &Shared) {
    ui.horizontal_wrapped(|ui| {
        // All of a line stand on the middle of its highest, which would else be known too late.
        ui.spacing_mut().item_spacing.x = 0.0;
        ui.allocate_exact_size(vec2(0.0, CONTROL + 6.0), Sense::hover());
        ui.spacing_mut().item_spacing.x = 8.0;
        experiments(ui, choice, shared);
        settings(ui, choice, shared);
        splits(ui, choice, shared);
        models(ui, choice, shared);
        let chosen = metrics.words();
        list(ui, "Metrics", chosen, 150.0, |ui| {
            for (one, words) in Metrics::WORDS {
                ui.selectable_value(metrics, one, words);
            }
        });
        if table {
            ui.spacing_mut().item_spacing.x = 6.0;
            kit::chip(ui, &mut choice.published, "Published");
            kit::chip(ui, &mut choice.oracle, "Oracle");
        }
        if !choice.runs.is_empty() {
            let words = match choice.runs.len() {
                1 => "One chosen run".to_owned(),
                count => format!("{count} chosen runs"),
            };
            if kit::chip(ui, &mut true, &format!("{words}  {}", icons::X)) {
                choice.runs.clear();
            }
        }
    });
}

/// A list to choose from, named for those who do not see what it stands beside.
fn list(ui: &mut Ui, name: &str, chosen: &str, width: f32, content: impl FnOnce(&mut Ui)) {
    let short = shorten(chosen);
    let combo = ComboBox::from_id_salt(name)
        .selected_text(short.as_str())
        .width(width)
        .height(360.0)
        .close_behavior(PopupCloseBehavior::CloseOnClick);
    let response = combo.show_ui(ui, content).response;
    kit::named(&response, Role::ComboBox, true, &format!("{name}: {chosen}"));
    response.on_hover_text(format!("{name}: {chosen}"));
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.to_owned(),
    }
}

fn experiments(ui: &mut Ui, choice: &mut Choice, shared: &Shared) {
    let stored = &shared.store.experiments;
    if stored.is_empty() {
        return;
    }
    let name = |id: i64| stored.iter().find(|one| one.id == id).map_or("", |one| one.name.as_str());
    let chosen = choice.experiment.map_or("All experiments", name).to_owned();
    let mut picked = choice.experiment;
    list(ui, "Experiment", &chosen, 170.0, |ui| {
        ui.selectable_value(&mut picked, None, "All experiments");
        for one in stored.iter().rev() {
            // Several may have one name: the number tells them apart.
            let twins = stored.iter().filter(|other| other.name == one.name).count() > 1;
            let words = if twins { format!("{} ({})", one.name, one.id) } else { one.name.clone() };
            ui.selectable_value(&mut picked, Some(one.id), shorten(&words)).on_hover_text(words);
        }
    });
    if picked != choice.experiment {
        choice.experiment = picked;
        choice.runs.clear();
    }
}

fn settings(ui: &mut Ui, choice: &mut Choice, shared: &Shared) {
    let has = |setting| shared.store.runs.iter().any(|run| run.spec.dataset.setting == setting);
    let refusal = |setting, words| (!has(setting)).then_some(words);
    let choices = [
        (Settings::One(Setting::User), "User", refusal(Setting::User, "No run in the user setting yet.")),
        (Settings::One(Setting::Time), "Time", refusal(Setting::Time, "No run in the time setting yet.")),
        (Settings::Both, "Both", None),
    ];
    kit::segmented(ui, &mut choice.settings, &choices);
}

fn splits(ui: &mut Ui, choice: &mut Choice, shared: &Shared) {
    let has = |split: &Split| shared.store.runs.iter().any(|run| run.spec.dataset.split == *split);
    let there: Vec<Split> = Split::ALL.into_iter().filter(has).collect();
    if there.len() < 2 && choice.split.is_none() {
        return;
    }
    let words =
        |split: Option<Split>| split.map_or("All splits".to_owned(), |split| format!("{split} split"));
    let chosen = words(choice.split);
    let split = &mut choice.split;
    list(ui, "Split", &chosen, 90.0, |ui| {
        ui.selectable_value(split, None, words(None));
        for one in there {
            ui.selectable_value(split, Some(one), words(Some(one)));
        }
    });
}

fn models(ui: &mut Ui, choice: &mut Choice, shared: &Shared) {
    let mut names: Vec<&str> = shared.store.runs.iter().map(|run| run.spec.model.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < 2 && choice.models.is_empty() {
        return;
    }
    let chosen = match &choice.models[..] {
        [] => "All models".to_owned(),
        [one] => one.clone(),
        several => format!("{} models", several.len()),
    };
    let short = shorten(&chosen);
    let models = &mut choice.models;
    let combo = ComboBox::from_id_salt("Models")
        .selected_text(short.as_str())
        .width(150.0)
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let response = combo
        .show_ui(ui, |ui| {
            let mut all = models.is_empty();
            if ui.checkbox(&mut all, "All models").clicked() {
                models.clear();
            }
            for name in names {
                let mut on = models.iter().any(|model| model == name);
                if ui.checkbox(&mut on, shorten(name)).on_hover_text(name).clicked() {
                    models.retain(|model| model != name);
                    if on {
                        models.push(name.to_owned());
                    }
                }
            }
        })
        .response;
    kit::named(&response, Role::ComboBox, true, &format!("Models: {chosen}"));
    response.on_hover_text(format!("Models: {chosen}"));
}
