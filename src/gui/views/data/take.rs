//! Taking datasets into the experiment: what is chosen, and how many of their samples.

use eframe::egui::{self, DragValue, Ui};

use super::Opened;
use super::rows::Facts;
use super::taken::{Taking, tables};
use crate::gui::command::Command;
use crate::gui::kit::{self, Notice};
use crate::gui::shared::Shared;
use crate::gui::theme;
use crate::lamp::Split;

/// Writes a choice into the experiment.
pub(super) fn edit(opened: &Opened, shared: &Shared, chosen: &[Option<Taking>], commands: &mut Vec<Command>) {
    let open: Vec<_> = opened.rows.iter().map(|row| row.open.clone()).collect();
    let data = tables(&shared.experiment().data, &opened.roots, &open, chosen);
    let experiment = shared.edited(|experiment| experiment.data = data);
    commands.push(Command::Edit { what: "data", experiment });
}

/// How a dataset is taken that joins those that are.
pub(super) fn as_others(taken: &[Option<Taking>]) -> Taking {
    taken.iter().flatten().next().copied().unwrap_or_default()
}

/// What is chosen in a line, with whole splits to choose at once.
pub(super) fn choice(ui: &mut Ui, opened: &Opened, shared: &Shared, commands: &mut Vec<Command>) {
    let here = opened.taken.iter().flatten().count();
    kit::section(ui, "Datasets", |ui| {
        ui.spacing_mut().item_spacing.x = 14.0;
        let mut chosen = None;
        if here > 0 && kit::quiet(ui, "", "Use none").clicked() {
            chosen = Some(vec![None; opened.rows.len()]);
        }
        for split in Split::ALL.into_iter().rev() {
            let of = |place: &usize| opened.rows[*place].open.id.split == split;
            let places: Vec<usize> = (0..opened.rows.len()).filter(of).collect();
            let missing = places.iter().any(|&place| opened.taken.get(place) == Some(&None));
            if missing && kit::quiet(ui, "", &format!("Use all {split}")).clicked() {
                let taking = as_others(&opened.taken);
                let mut all = opened.taken.clone();
                places.iter().for_each(|&place| all[place] = Some(all[place].unwrap_or(taking)));
                chosen = Some(all);
            }
        }
        if let Some(chosen) = chosen {
            edit(opened, shared, &chosen, commands);
        }
        ui.add_space(8.0);
        let words = format!("{} of {} in the experiment", kit::count(here), kit::count(opened.rows.len()));
        ui.label(theme::weak(ui, words));
    });
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    First,
    Random,
}

/// How many samples of each dataset, and which.
pub(super) fn samples(ui: &mut Ui, opened: &Opened, shared: &Shared, commands: &mut Vec<Command>) {
    let before = as_others(&opened.taken);
    if opened.taken.iter().flatten().next().is_none() {
        return;
    }
    let mut taking = before;
    let height = ui.spacing().interact_size.y;
    // As high as the choices, so that the words stand in their middle.
    ui.spacing_mut().interact_size.y = height + 6.0;
    ui.horizontal(|ui| {
        ui.spacing_mut().interact_size.y = height;
        ui.label("Samples of each dataset");
        let mut which = match (taking.limit, taking.seed) {
            (None, _) => Which::All,
            (Some(_), None) => Which::First,
            (Some(_), Some(_)) => Which::Random,
        };
        let choices = [
            (Which::All, "All", None),
            (Which::First, "The first", None),
            (Which::Random, "Drawn at random", None),
        ];
        if kit::segmented(ui, &mut which, &choices) {
            let limit = taking.limit.or(Some(100));
            (taking.limit, taking.seed) = match which {
                Which::All => (None, None),
                Which::First => (limit, None),
                Which::Random => (limit, taking.seed.or(Some(1))),
            };
        }
        if let Some(limit) = &mut taking.limit {
            let name = ui.label("at most");
            ui.add(DragValue::new(limit).range(1..=1_000_000).speed(1.0)).labelled_by(name.id);
        }
        if let Some(seed) = &mut taking.seed {
            let name = ui.label("seed");
            ui.add(DragValue::new(seed).range(0..=1_000_000_u64).speed(0.1)).labelled_by(name.id);
        }
    });
    ui.spacing_mut().interact_size.y = height;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 16.0;
        ui.checkbox(&mut taking.skip_broken, "Skip broken records");
        ui.checkbox(&mut taking.unscored, "Answer samples without a reference");
    });
    if opened.taken.iter().flatten().any(|other| *other != before) {
        ui.label(theme::caption(ui, "Not all datasets are taken alike; a change here holds for all."));
    }
    if taking != before {
        let chosen: Vec<_> = opened.taken.iter().map(|taken| taken.map(|_| taking)).collect();
        edit(opened, shared, &chosen, commands);
    }
}

/// What would keep the experiment from starting, with a way out.
pub(super) fn obstacles(
    ui: &mut Ui,
    opened: &Opened,
    facts: Option<&[Facts]>,
    damaged: &[bool],
    shared: &Shared,
    commands: &mut Vec<Command>,
) {
    let mut all = opened.taken.clone();
    let taken = |place: usize| opened.taken.get(place).copied().flatten();
    let damaged: Vec<usize> = (0..opened.rows.len())
        .filter(|&place| {
            damaged.get(place) == Some(&true) && taken(place).is_some_and(|taken| !taken.skip_broken)
        })
        .collect();
    if !damaged.is_empty() {
        let text = format!(
            "{} in the experiment {} broken records, with which it will not start.",
            kit::counted(damaged.len(), "dataset", "datasets"),
            if damaged.len() == 1 { "has" } else { "have" },
        );
        if kit::notice(ui, Notice::Warning, &text, Some("Use the good records")) {
            all.iter_mut().flatten().for_each(|taking| taking.skip_broken = true);
            edit(opened, shared, &all, commands);
            return;
        }
    }
    let unscored = |place: &usize| {
        let facts = facts.and_then(|facts| facts.get(*place));
        facts.is_some_and(|facts| facts.references < opened.rows[*place].dataset.len())
            && taken(*place).is_some_and(|taken| !taken.unscored)
    };
    let without = (0..opened.rows.len()).filter(unscored).count();
    if without > 0 {
        let text = format!(
            "{} in the experiment {} samples without a reference, which get no score.",
            kit::counted(without, "dataset", "datasets"),
            if without == 1 { "has" } else { "have" },
        );
        if kit::notice(ui, Notice::Warning, &text, Some("Answer them without a score")) {
            all.iter_mut().flatten().for_each(|taking| taking.unscored = true);
            edit(opened, shared, &all, commands);
        }
    }
}

/// Paths that the experiment names and that are not open here.
pub(super) fn elsewhere(ui: &mut Ui, opened: &Opened, commands: &mut Vec<Command>) {
    if opened.elsewhere.is_empty() {
        return;
    }
    let shown: Vec<String> = opened.elsewhere.iter().take(3).map(|path| path.display().to_string()).collect();
    let more = if opened.elsewhere.len() > 3 { " and others" } else { "" };
    let text = format!("The experiment also uses data that are not open: {}{more}.", shown.join(", "));
    if kit::notice(ui, Notice::Info, &text, Some("Open them")) {
        commands.push(Command::OpenData(opened.elsewhere.clone()));
    }
}

/// A box to tick, named for those who do not see its row.
pub(super) fn tick(ui: &mut Ui, ticked: &mut bool, words: &str) -> bool {
    // The row beneath lights up in the color that boxes have elsewhere.
    let ground = theme::colors(ui).ground;
    let line = egui::Stroke::new(1.0, theme::colors(ui).weak);
    let widgets = &mut ui.visuals_mut().widgets;
    for look in [&mut widgets.inactive, &mut widgets.hovered] {
        (look.bg_fill, look.weak_bg_fill, look.bg_stroke) = (ground, ground, line);
    }
    let response = ui.add(egui::Checkbox::without_text(ticked));
    let now = *ticked;
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, now, words));
    response.changed()
}
