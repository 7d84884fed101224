//! How models answer: beams, lengths, stop texts, random draws, and how answers are read; for the whole experiment, and for a model what differs.

use eframe::egui::{self, TextEdit, Ui, WidgetInfo};

use crate::gui::command::Command;
use crate::gui::kit;
use crate::gui::kit::fields::{Field, Fields, said};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::metrics::Parsing;
use crate::model::{EarlyStopping, GenerationConfig, ModelError};
use crate::run::Experiment;
use crate::run::experiment::{GenerationSettings, SamplingSettings};

/// The form's own state.
#[derive(Debug, Default)]
pub(super) struct GenerationForm {
    fields: Fields,
    stop: String,
}

/// Whose settings are shown.
pub(super) struct Of<'a> {
    /// The model's place in the draft; `None` for the experiment.
    pub model: Option<usize>,
    /// The model's name.
    pub name: &'a str,
    /// Whether the model follows one hypothesis only.
    pub greedy: bool,
}

const WHOLE: &str = "A whole number is needed here.";
const NUMBER: &str = "A number is needed here.";

impl GenerationForm {
    /// Draws the form.
    pub fn show(&mut self, ui: &mut Ui, of: &Of<'_>, shared: &Shared, commands: &mut Vec<Command>) {
        let experiment = shared.experiment();
        let general = &experiment.generation;
        let none = GenerationSettings::default();
        let (own, base) = match of.model.and_then(|index| experiment.models.get(index)) {
            Some(model) => (&model.generation, general),
            None => (general, &none),
        };
        let defaults = base.config(of.greedy, 0);
        let whole = own.over(base);
        let wrong = wrong(&whole, of.greedy);
        let mut edit = Edit { of, shared, commands, own, base };
        let field = |fields: &mut Fields, ui: &mut Ui, edit: &mut Edit<'_>, which: Whole| {
            let (id, words, value, hint) = which.parts(own, &defaults);
            let hint = hint.to_string();
            let field = Field {
                of: of.model,
                id,
                words,
                hint: &hint,
                empty: "",
                form: WHOLE,
                wrong: said_of(wrong.as_ref(), id),
            };
            if let Some(value) =
                fields.number(ui, &field, value, |value| edit.check(id, |own| which.set(own, *value)))
            {
                edit.put(id, |own| which.set(own, value));
            }
        };
        field(&mut self.fields, ui, &mut edit, Whole::Beams);
        if of.greedy && whole.config(true, 0).beams > 1 {
            let words = format!("{} follows one beam. Set 1 here, for this model alone.", of.name);
            said(ui, &words);
        }
        field(&mut self.fields, ui, &mut edit, Whole::MaxNew);
        field(&mut self.fields, ui, &mut edit, Whole::MinNew);
        let beams = whole.config(of.greedy, 0).beams > 1;
        if beams {
            let hint = defaults.length_penalty.to_string();
            let field = Field {
                of: of.model,
                id: "length_penalty",
                words: "Length penalty",
                hint: &hint,
                empty: "",
                form: NUMBER,
                wrong: said_of(wrong.as_ref(), "length_penalty"),
            };
            let check = |value: &Option<f32>| edit.check("length_penalty", |own| own.length_penalty = *value);
            if let Some(value) = self.fields.number(ui, &field, own.length_penalty, check) {
                edit.put("length penalty", |own| own.length_penalty = value);
            }
            early_stopping(ui, &mut edit, defaults.early_stopping);
        }
        ui.add_space(4.0);
        self.sampling(ui, &mut edit, wrong.as_ref());
        ui.add_space(4.0);
        self.stops(ui, &mut edit, &defaults, wrong.as_ref());
        ui.add_space(4.0);
        reading(ui, &mut edit);
        if !own.is_empty() {
            ui.add_space(4.0);
            let words =
                if of.model.is_some() { "Answer as all models do" } else { "Back to the benchmark\u{2019}s" };
            if kit::quiet(ui, icons::ARROW_COUNTER_CLOCKWISE, words).clicked() {
                edit.put("generation settings", |own| *own = GenerationSettings::default());
                self.fields.clear();
            }
        }
    }

    fn sampling(&mut self, ui: &mut Ui, edit: &mut Edit<'_>, wrong: Option<&Wrong>) {
        let whole = edit.own.over(edit.base);
        let mut on = whole.sampling.is_some();
        let inherited = edit.base.sampling.is_some() && edit.own.sampling.is_none();
        let box_ = ui.add_enabled(!inherited, egui::Checkbox::new(&mut on, "Draw tokens at random"));
        if inherited {
            ui.label(theme::caption(ui, "As for all models; change it there."));
            return;
        }
        if box_.changed() {
            // One hypothesis is what random draws follow.
            edit.put("sampling", |own| {
                own.sampling = on.then(SamplingSettings::default);
                if on && own.beams.is_some_and(|beams| beams > 1) {
                    own.beams = None;
                }
            });
        }
        let Some(sampling) = edit.own.sampling else { return };
        let of = edit.of.model;
        let field = |id, words, hint, empty, form| Field {
            of,
            id,
            words,
            hint,
            empty,
            form,
            wrong: said_of(wrong, id),
        };
        if let Some(error) = said_of(wrong, "sampling") {
            said(ui, error);
        }
        let with = |change: &dyn Fn(&mut SamplingSettings)| {
            let mut changed = sampling;
            change(&mut changed);
            Some(changed)
        };
        let field_of = field("temperature", "Temperature", "1", "1", NUMBER);
        let set = |value: Option<f32>| with(&|s| s.temperature = value.unwrap_or(1.0));
        let check = |value: &Option<f32>| edit.check("temperature", |own| own.sampling = set(*value));
        if let Some(value) = self.fields.number(ui, &field_of, Some(sampling.temperature), check) {
            edit.put("temperature", |own| own.sampling = set(value));
        }
        let field_of = field("top_k", "Top-k", "0, all tokens", "0", WHOLE);
        let set = |value: Option<usize>| with(&|s| s.top_k = value.unwrap_or(0));
        let check = |value: &Option<usize>| edit.check("top_k", |own| own.sampling = set(*value));
        if let Some(value) = self.fields.number(ui, &field_of, Some(sampling.top_k), check) {
            edit.put("top-k", |own| own.sampling = set(value));
        }
        let field_of = field("top_p", "Top-p", "1, all tokens", "1", NUMBER);
        let set = |value: Option<f32>| with(&|s| s.top_p = value.unwrap_or(1.0));
        let check = |value: &Option<f32>| edit.check("top_p", |own| own.sampling = set(*value));
        if let Some(value) = self.fields.number(ui, &field_of, Some(sampling.top_p), check) {
            edit.put("top-p", |own| own.sampling = set(value));
        }
        let seeds = &edit.shared.experiment().seeds;
        let hint = if seeds.is_empty() { "0".to_owned() } else { "the experiment\u{2019}s".to_owned() };
        let field_of = field("seed", "Seed", &hint, "", WHOLE);
        let set = |value: Option<u64>| with(&|s| s.seed = value);
        // TOML has no larger numbers.
        let check = |value: &Option<u64>| match value {
            Some(seed) if i64::try_from(*seed).is_err() => Err("This seed is too large.".to_owned()),
            _ => edit.check("seed", |own| own.sampling = set(*value)),
        };
        if let Some(value) = self.fields.number(ui, &field_of, sampling.seed, check) {
            edit.put("seed", |own| own.sampling = set(value));
        }
    }

    fn stops(
        &mut self,
        ui: &mut Ui,
        edit: &mut Edit<'_>,
        defaults: &GenerationConfig,
        wrong: Option<&Wrong>,
    ) {
        let stops = edit.own.stop.clone().unwrap_or_else(|| defaults.stop.clone());
        let mut removed = None;
        kit::field(ui, "Stop texts", |ui, _| {
            let width = (ui.available_width() - 84.0).clamp(60.0, 150.0);
            let response = ui.add(
                TextEdit::singleline(&mut self.stop).hint_text("\\n for a new line").desired_width(width),
            );
            let text = self.stop.clone();
            response.widget_info(|| {
                let mut info = WidgetInfo::text_edit(true, "", &text, "");
                info.label = Some("Stop text".to_owned());
                info
            });
            let entered = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            let good = !self.stop.is_empty() && stops.len() < GenerationConfig::MAX_STOPS;
            let add = kit::button_if(ui, good, icons::PLUS, "Add").clicked();
            if (add || entered) && good {
                let stop = unescaped(&self.stop);
                self.stop.clear();
                if !stops.contains(&stop) {
                    let mut with = stops.clone();
                    with.push(stop);
                    edit.put("stop texts", |own| own.stop = Some(with));
                }
            }
        });
        if let Some(error) = said_of(wrong, "stop") {
            said(ui, error);
        }
        ui.horizontal_wrapped(|ui| {
            for (number, stop) in stops.iter().enumerate() {
                let shown = escaped(stop);
                ui.label(egui::RichText::new(shown.as_str()).monospace());
                if kit::icon_button(ui, icons::X, &format!("Remove the stop text {shown}")).clicked() {
                    removed = Some(number);
                }
            }
        });
        if let Some(number) = removed {
            let mut left = stops.clone();
            left.remove(number);
            let settled = Some(left).filter(|left| !left.is_empty() || edit.of.model.is_some());
            edit.put("stop texts", |own| own.stop = settled);
        }
    }
}

fn early_stopping(ui: &mut Ui, edit: &mut Edit<'_>, default: EarlyStopping) {
    let now = edit.own.early_stopping.unwrap_or(default);
    let mut chosen = now;
    kit::field(ui, "Stop searching", |ui, _| {
        kit::segmented(
            ui,
            &mut chosen,
            &[
                (EarlyStopping::Heuristic, "Usual", None),
                (EarlyStopping::WhenFull, "Early", None),
                (EarlyStopping::Never, "Late", None),
            ],
        );
    });
    ui.horizontal_top(|ui| {
        ui.add_space(158.0);
        let words = match now {
            EarlyStopping::Heuristic => "When the best that runs scores below the worst that ended.",
            EarlyStopping::WhenFull => "As soon as as many ended as there are beams.",
            EarlyStopping::Never => "When nothing that runs could still win.",
        };
        ui.add(egui::Label::new(theme::caption(ui, words)).wrap());
    });
    if chosen != now {
        edit.put("early stopping", |own| {
            own.early_stopping = Some(chosen).filter(|&chosen| chosen != default)
        });
    }
}

/// How text becomes an answer.
fn reading(ui: &mut Ui, edit: &mut Edit<'_>) {
    let inherited = edit.base.answers.unwrap_or_default();
    let now = edit.own.answers.unwrap_or(inherited);
    let mut chosen = now;
    let choice = ui.scope(|ui| {
        kit::field(ui, "Answers are read", |ui, _| {
            let choices = [(Parsing::Official, "Official", None), (Parsing::Chatty, "Chatty", None)];
            kit::segmented(ui, &mut chosen, &choices);
        });
    });
    choice.response.on_hover_text(
        "Official is the benchmark\u{2019}s own way, by which published figures are made. Chatty is for models that talk around \
         their answers. It is off unless it is chosen here, and a run that uses it says so.",
    );
    ui.horizontal_top(|ui| {
        ui.add_space(158.0);
        let words = match now {
            Parsing::Official => "The whole text is the answer, or it is none.",
            Parsing::Chatty => {
                "The first label, the first number from 1 to 5, the first line; without reasoning, quotes and \u{201c}Answer:\u{201d}."
            }
        };
        ui.add(egui::Label::new(theme::caption(ui, words)).wrap());
    });
    if chosen != now {
        edit.put("reading of answers", |own| {
            own.answers = Some(chosen).filter(|&chosen| chosen != inherited)
        });
    }
}

/// The fields that hold whole numbers.
#[derive(Clone, Copy)]
enum Whole {
    Beams,
    MaxNew,
    MinNew,
}

impl Whole {
    fn parts(
        self,
        own: &GenerationSettings,
        defaults: &GenerationConfig,
    ) -> (&'static str, &'static str, Option<usize>, usize) {
        match self {
            Self::Beams => ("beams", "Beams", own.beams, defaults.beams),
            Self::MaxNew => {
                ("max_new_tokens", "Most new tokens", own.max_new_tokens, defaults.max_new_tokens)
            }
            Self::MinNew => {
                ("min_new_tokens", "Least new tokens", own.min_new_tokens, defaults.min_new_tokens)
            }
        }
    }

    fn set(self, own: &mut GenerationSettings, value: Option<usize>) {
        match self {
            Self::Beams => own.beams = value,
            Self::MaxNew => own.max_new_tokens = value,
            Self::MinNew => own.min_new_tokens = value,
        }
    }
}

/// A rule that settings break: the field, and the rule.
type Wrong = (&'static str, String);

fn wrong(settings: &GenerationSettings, greedy: bool) -> Option<Wrong> {
    match settings.config(greedy, 0).validate() {
        Err(ModelError::GenerationSetting { field, rule }) => {
            let rule = rule.replace("max_new_tokens", "the most new tokens");
            Some((field, format!("This {rule}.")))
        }
        Err(other) => Some(("", other.to_string())),
        Ok(()) => None,
    }
}

fn said_of<'a>(wrong: Option<&'a Wrong>, id: &str) -> Option<&'a str> {
    wrong.filter(|(field, _)| *field == id).map(|(_, rule)| rule.as_str())
}

/// The settings being changed.
struct Edit<'a> {
    of: &'a Of<'a>,
    shared: &'a Shared,
    commands: &'a mut Vec<Command>,
    own: &'a GenerationSettings,
    base: &'a GenerationSettings,
}

impl Edit<'_> {
    /// Whether the settings may be so, as far as this field goes.
    fn check(&self, id: &str, change: impl FnOnce(&mut GenerationSettings)) -> Result<(), String> {
        let mut own = self.own.clone();
        change(&mut own);
        match wrong(&own.over(self.base), self.of.greedy) {
            Some((field, rule)) if field == id => Err(rule),
            _ => Ok(()),
        }
    }

    fn put(&mut self, what: &'static str, change: impl FnOnce(&mut GenerationSettings)) {
        let model = self.of.model;
        let change = |experiment: &mut Experiment| match model {
            Some(index) => {
                if let Some(model) = experiment.models.get_mut(index) {
                    change(&mut model.generation);
                }
            }
            None => change(&mut experiment.generation),
        };
        self.commands.push(Command::Edit { what, experiment: self.shared.edited(change) });
    }
}

/// A text in one line: what cannot be seen is written with a backslash.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r")
}

/// The text that was meant.
fn unescaped(text: &str) -> String {
    let (mut out, mut chars) = (String::new(), text.chars());
    while let Some(letter) = chars.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') | None => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_texts_are_read_as_they_are_shown() {
        for text in ["\n", "a\\b", "\t\r\n", "end", "\\n"] {
            assert_eq!(unescaped(&escaped(text)), text);
        }
        assert_eq!(unescaped("a\\"), "a\\");
        assert_eq!(unescaped("\\q"), "\\q");
    }

    #[test]
    fn what_is_wrong_names_its_field() {
        let settings = GenerationSettings { min_new_tokens: Some(200), ..GenerationSettings::default() };
        let (field, rule) = wrong(&settings, false).unwrap();
        assert_eq!((field, rule.as_str()), ("min_new_tokens", "This must not be above the most new tokens."));
        assert!(wrong(&GenerationSettings::default(), true).is_none());
    }
}
