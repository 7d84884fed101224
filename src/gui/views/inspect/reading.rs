//! What the model was given: input, prompt with its cuts, and the profile with what was retrieved.

use std::collections::{BTreeSet, HashMap};

use eframe::egui::{
    self, Align, Label, Layout, Rect, RichText, Role, Sense, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

use super::InspectView;
use super::sample::{Entry, PromptShown, Shown, Side};
use super::source::Found;
use super::text;
use crate::gui::command::{Command, Screen};
use crate::gui::kit::{self, Notice};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors, icons};
use crate::record::RunRecord;

/// Entries of the profile that are folded, points high.
const ENTRY: f32 = 46.0;

/// How far someone has read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Sections that are folded, by their titles.
    pub folded: BTreeSet<String>,
    /// The entry that is shown whole, by its place in the profile.
    pub open_entry: Option<usize>,
    /// How high it was drawn.
    open_height: f32,
    /// Texts of which more is shown, by where they stand.
    more: HashMap<&'static str, usize>,
}

impl Reading {
    /// From the beginning, with sections folded as they were.
    pub(super) fn new(folded: BTreeSet<String>) -> Self {
        Self { folded, ..Self::default() }
    }

    /// Another sample: from its beginning.
    pub(super) fn turn(&mut self) {
        self.open_entry = None;
        self.more.clear();
    }

    /// How many bytes of a text are shown.
    pub(super) fn most(&self, place: &'static str) -> usize {
        self.more.get(place).copied().unwrap_or(text::MOST)
    }

    /// Offers the rest of a text that is not shown whole.
    pub(super) fn rest(&mut self, ui: &mut Ui, place: &'static str, length: usize) {
        let most = self.most(place);
        if length <= most {
            return;
        }
        let left = kit::count((length - most) as u64);
        ui.horizontal(|ui| {
            ui.label(theme::caption(ui, format!("{left} more bytes.")));
            if kit::button(ui, icons::CARET_DOWN, "Show more").clicked() {
                self.more.insert(place, most + text::MOST);
            }
        });
    }

    /// A section's title, which folds it; tells whether it is open.
    pub(super) fn section(
        &mut self,
        ui: &mut Ui,
        title: &str,
        aside: &str,
        right: impl FnOnce(&mut Ui),
    ) -> bool {
        let open = !self.folded.contains(title);
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            let caret = if open { icons::CARET_DOWN } else { icons::CARET_RIGHT };
            let job =
                RichText::new(format!("{caret}  {title}")).text_style(egui::TextStyle::Name("strong".into()));
            let response = ui.add(egui::Button::new(job).frame(false).min_size(vec2(0.0, 24.0)));
            response.widget_info(|| WidgetInfo::selected(Role::DisclosureTriangle, true, open, title));
            if response.clicked() && !self.folded.remove(title) {
                self.folded.insert(title.to_owned());
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                right(ui);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(Label::new(theme::caption(ui, aside)).truncate());
                });
            });
        });
        open
    }
}

impl InspectView {
    /// The task's input.
    pub(super) fn input(&mut self, ui: &mut Ui, shown: &Shown, run: &RunRecord) {
        if !self.reading.section(ui, "Input", "", |_| {}) {
            return;
        }
        let Some(input) = &shown.input else {
            let words = match run.spec.prompt {
                None => "A rule reads no prompt, so that the input is in its data alone.",
                Some(_) => "The prompt could not be made, so that the input is in its data alone.",
            };
            ui.label(theme::weak(ui, words));
            self.source_state(ui);
            return;
        };
        let most = self.reading.most("input");
        let text = RichText::new(text::start(input, most)).line_height(Some(19.0));
        ui.add(Label::new(text).wrap().selectable(true));
        self.reading.rest(ui, "input", input.len());
    }

    /// The final prompt.
    pub(super) fn prompt(
        &mut self,
        ui: &mut Ui,
        shown: &Shown,
        run: &RunRecord,
        commands: &mut Vec<Command>,
    ) {
        let aside = shown.side.prompt.as_ref().map(length_words).unwrap_or_default();
        let prompt = shown.side.prediction.prompt.as_ref();
        let open = self.reading.section(ui, "Prompt", &aside, |ui| {
            if let Some(prompt) = prompt
                && kit::icon_button(ui, icons::COPY, "Copy the prompt").clicked()
            {
                let text = prompt.text.clone();
                commands.push(Command::Copy { text, said: "Copied the prompt".to_owned() });
            }
        });
        if open {
            self.prompt_text(ui, &shown.side, run, "prompt");
        }
    }

    /// A prompt's remarks and text.
    pub(super) fn prompt_text(&mut self, ui: &mut Ui, side: &Side, run: &RunRecord, place: &'static str) {
        let Some(prompt) = &side.prompt else {
            let model = &run.spec.model.name;
            let words = match run.spec.prompt {
                None => format!("{model} is a rule and reads no prompt."),
                Some(_) => "No prompt was made.".to_owned(),
            };
            ui.label(theme::weak(ui, words));
            return;
        };
        for remark in &prompt.remarks {
            if remark.loss {
                kit::notice(ui, Notice::Warning, &remark.words, None);
            } else {
                ui.label(theme::caption(ui, &remark.words));
            }
        }
        let most = self.reading.most(place);
        let job = text::prompt(ui, &prompt.pieces, most);
        text::read(ui, job);
        let length = prompt.pieces.iter().map(|piece| piece.text.len()).sum();
        self.reading.rest(ui, place, length);
    }

    /// Where the data are looked for, or why they are not there.
    fn source_state(&mut self, ui: &mut Ui) -> bool {
        let Some(run) = self.record.clone() else { return false };
        if let Some(reading) = self.source.pending() {
            if kit::working(ui, &reading, "Looking for its data") {
                self.source.cancel();
            }
            return false;
        }
        let found = self.source.value_of(&run.spec.dataset.fingerprint).map(|found| (**found).clone());
        let words = match (found, self.source.trouble()) {
            (Some(Found::Missing(why)), _) => why,
            (_, Some(trouble)) => trouble.0.clone(),
            _ => return false,
        };
        let mut go = false;
        kit::notice(ui, Notice::Info, &words, None);
        ui.horizontal(|ui| {
            go = kit::button(ui, icons::FOLDER_OPEN, "Open data").clicked();
            if kit::button(ui, icons::ARROW_CLOCKWISE, "Look again").clicked() {
                self.source.forget();
            }
        });
        go
    }

    /// The profile: what was retrieved first, then the rest.
    pub(super) fn profile(
        &mut self,
        ui: &mut Ui,
        shown: &Shown,
        run: &RunRecord,
        shared: &Shared,
        commands: &mut Vec<Command>,
    ) {
        let retrieved = shown.side.prediction.retrieved.len();
        let all = u64::from(shown.side.prediction.profile_entries);
        let aside = format!("{retrieved} of {} retrieved by {}", kit::count(all), super::pick::method(run));
        let aside = if run.spec.retriever.is_none() {
            format!("{} entries, none retrieved", kit::count(all))
        } else {
            aside
        };
        if !self.reading.section(ui, "Profile", &aside, |_| {}) {
            return;
        }
        if let Some(trouble) = &shown.trouble {
            if kit::notice(ui, Notice::Warning, trouble, Some("Look again")) {
                self.known.clear();
                self.source.forget();
                commands.push(Command::ReloadData);
            }
        } else if !shown.whole {
            if retrieved > 0 {
                ui.label(theme::weak(
                    ui,
                    "What is stored of the retrieved entries; the whole profile is in the data.",
                ));
            }
            if self.source_state(ui) {
                commands.push(Command::Go(Screen::Data));
            }
        }
        let _ = shared;
        if shown.profile.is_empty() && shown.whole {
            ui.label(theme::weak(ui, "The profile has no entries."));
        }
        self.entries(ui, &shown.profile, self.against.is_some() && shown.other.is_some());
    }

    /// Entries, of which only those in view are drawn.
    fn entries(&mut self, ui: &mut Ui, entries: &[Entry], compared: bool) {
        let open =
            self.reading.open_entry.and_then(|index| entries.iter().position(|entry| entry.index == index));
        let extra = if open.is_some() { self.reading.open_height } else { 0.0 };
        let width = ui.available_width();
        let height = entries.len() as f32 * ENTRY + extra;
        let (area, _) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
        let view = ui.clip_rect();
        let top_of = |at: usize| {
            area.top() + at as f32 * ENTRY + if open.is_some_and(|open| at > open) { extra } else { 0.0 }
        };
        let above = (view.top() - area.top() - extra).max(0.0);
        let first = ((above / ENTRY) as usize).min(entries.len());
        for (at, entry) in entries.iter().enumerate().skip(first) {
            let top = top_of(at);
            if top > view.bottom() {
                break;
            }
            let rect = Rect::from_min_size(pos2(area.left(), top), vec2(width, ENTRY - 4.0));
            let response = ui.interact(rect, ui.scope_id().with(("entry", entry.index)), Sense::click());
            let is_open = open == Some(at);
            entry_row(ui, rect, entry, &response, is_open, compared);
            if response.clicked() {
                self.reading.open_entry = (!is_open).then_some(entry.index);
                self.reading.open_height = 0.0;
            }
            if is_open {
                let rect = Rect::from_min_size(
                    pos2(area.left() + 12.0, rect.bottom() + 4.0),
                    vec2(width - 24.0, 0.0),
                );
                let mut inner = ui.new_child(UiBuilder::new().max_rect(rect).id_salt(("whole", entry.index)));
                entry_whole(&mut inner, entry, &mut self.reading);
                let drawn = inner.min_rect().height() + 12.0;
                if (drawn - self.reading.open_height).abs() > 0.5 {
                    self.reading.open_height = drawn;
                    ui.ctx().request_discard("an entry was opened");
                }
            }
        }
    }
}

fn length_words(prompt: &PromptShown) -> String {
    match prompt.max_length {
        0 => format!("{} tokens", prompt.tokens),
        most => format!("{} tokens of at most {most}", prompt.tokens),
    }
}

fn entry_row(ui: &mut Ui, rect: Rect, entry: &Entry, response: &egui::Response, open: bool, compared: bool) {
    let colors = colors(ui);
    let lit = entry.rank.is_some();
    let fill = match (lit, response.hovered()) {
        (true, _) => colors.mark,
        (false, true) => colors.hover,
        (false, false) => colors.raised,
    };
    ui.painter().rect_filled(rect, f32::from(theme::CORNER), fill);
    if response.hovered() || response.has_focus() {
        let stroke = egui::Stroke::new(1.0, colors.weak);
        ui.painter().rect_stroke(rect, f32::from(theme::CORNER), stroke, egui::StrokeKind::Inside);
    }
    let inner = rect.shrink2(vec2(10.0, 4.0));
    let line = |top: f32| Rect::from_min_size(pos2(inner.left(), top), vec2(inner.width(), 17.0));
    let mut upper = ui
        .new_child(UiBuilder::new().max_rect(line(inner.top())).layout(Layout::left_to_right(Align::Center)));
    upper.spacing_mut().item_spacing.x = 8.0;
    let plain = |text: RichText| {
        Label::new(text).truncate().selectable(false).sense(Sense::empty()).show_tooltip_when_elided(false)
    };
    if let Some(rank) = entry.rank {
        upper.add(plain(theme::strong(rank.to_string())));
    }
    let mut aside = Vec::new();
    if let Some(score) = entry.score {
        aside.push(format!("score {score:.3}"));
    }
    if compared {
        aside.extend(entry.other_rank.map(|rank| format!("beside: {rank}")));
    }
    aside.extend(entry.entry.label.clone().map(|label| text::one_line(text::start(&label, 40))));
    aside.extend(entry.entry.date.clone().map(|date| text::one_line(text::start(&date, 20))));
    upper.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let caret = if open { icons::CARET_UP } else { icons::CARET_DOWN };
        ui.add(plain(theme::caption(ui, caret)));
        // Words on a lit ground are as dark as the others.
        let words = RichText::new(aside.join("  \u{b7}  ")).text_style(egui::TextStyle::Small);
        ui.add(plain(words));
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let id = text::one_line(text::start(&entry.entry.id, 60));
            let name = match &entry.entry.title {
                Some(title) => text::one_line(title),
                None => format!("Entry {id}"),
            };
            ui.add(plain(theme::strong(name)));
            if let Some(note) = &entry.note {
                ui.add(plain(RichText::new(note).text_style(egui::TextStyle::Small)));
            }
        });
    });
    let mut lower = ui.new_child(
        UiBuilder::new().max_rect(line(inner.top() + 18.0)).layout(Layout::left_to_right(Align::Center)),
    );
    let words = text::one_line(text::start(&entry.entry.text, 400));
    lower.add(plain(RichText::new(if words.is_empty() {
        "Its text is in the data.".to_owned()
    } else {
        words
    })));
    let label = entry_words(entry);
    response.widget_info(|| WidgetInfo::selected(Role::DisclosureTriangle, true, open, label.clone()));
}

/// An entry as one reads it aloud.
fn entry_words(entry: &Entry) -> String {
    let id = text::start(&entry.entry.id, 60);
    let mut words = match entry.rank {
        Some(rank) => format!("Retrieved {rank}: entry {id}"),
        None => format!("Entry {id}"),
    };
    if let Some(score) = entry.score {
        words.push_str(&format!(", score {score:.3}"));
    }
    if let Some(title) = &entry.entry.title {
        words.push_str(&format!(", {}", text::one_line(text::start(title, 120))));
    }
    if let Some(note) = &entry.note {
        words.push_str(&format!(", {note}"));
    }
    words
}

fn entry_whole(ui: &mut Ui, entry: &Entry, reading: &mut Reading) {
    let source = &entry.entry;
    let field = |ui: &mut Ui, name: &str, value: Option<&str>| {
        if let Some(value) = value {
            ui.horizontal_wrapped(|ui| {
                ui.label(theme::caption(ui, name));
                ui.add(Label::new(text::start(value, 2000)).wrap().selectable(true));
            });
        }
    };
    field(ui, "Id", Some(&source.id));
    field(ui, "Title", source.title.as_deref());
    field(ui, "Label", source.label.as_deref());
    field(ui, "Date", source.date.as_deref());
    let most = reading.most("entry");
    let text = RichText::new(text::start(&source.text, most)).line_height(Some(19.0));
    ui.add(Label::new(text).wrap().selectable(true));
    reading.rest(ui, "entry", source.text.len());
}
