//! The browser over one dataset: its samples or what a search found at the left, the chosen sample whole at the right.
//!
//! A sample is read when it is looked at, lines of the list in pages around what is visible; the search index is made (or opened)
//! when there is something to search for.

mod cards;
mod excerpts;
mod hits;
mod marked;
mod side;

use std::ops::Range;

use eframe::egui::{self, Key, Modifiers, RichText, TextEdit, Ui, WidgetInfo, vec2};

use super::checks::Checked;
use super::rows::Row;
use super::{Ask, about, findings, words};
use crate::dataset::Dataset;
use crate::gui::command::{ChosenSample, Command};
use crate::gui::kit;
use crate::gui::loadable::Loadable;
use crate::gui::shared::{Shared, same_questions};
use crate::gui::theme::{self, colors, icons};
use crate::gui::views::Cx;
use crate::lamp::Sample;
use crate::run::FullText;
use crate::search::{Marker, Scope};
use cards::Cards;
use excerpts::Excerpts;
use hits::Hits;

/// Datasets no larger than this are made ready for search when they are opened.
const READY_AT_ONCE: u64 = 32 << 20;

/// Words that were found in a text, as byte ranges.
type Found = Vec<Range<usize>>;

/// Words of a query, as they stand in a sample.
#[derive(Debug, Default)]
struct Marks {
    input: Vec<Range<usize>>,
    reference: Vec<Range<usize>>,
    /// In title and text of each entry.
    entries: Vec<(Found, Found)>,
}

/// The browser.
pub(in super::super) struct Browser {
    dataset: Dataset,
    title: String,
    caption: String,
    sample: usize,
    shown: Loadable<usize, Sample>,
    cards: Cards,
    excerpts: Excerpts,
    query: String,
    scope: Scope,
    index: Loadable<(), FullText>,
    index_version: u64,
    /// Whether the index is to be there.
    searching: bool,
    hits: Loadable<(String, Scope), Hits>,
    /// The hit that was chosen, by its place among them.
    hit: Option<usize>,
    marks: Loadable<(usize, String), Marks>,
    id: String,
    no_such_id: Option<String>,
    /// Brings the chosen line of the list into view.
    reveal: bool,
    findings_open: bool,
    focus_search: bool,
    /// Whether a text field had the keys in the last frame.
    typing: bool,
}

impl Browser {
    /// Over a dataset, at one of its samples.
    pub fn new(row: &Row, sample: usize) -> Self {
        let id = row.open.id;
        Self {
            title: format!("{} {}", id.task, id.task.name()),
            caption: format!(
                "{} \u{b7} {} \u{b7} {} \u{b7} {}",
                id.setting,
                id.split,
                kit::counted(row.dataset.len(), "sample", "samples"),
                row.size
            ),
            dataset: row.dataset.clone(),
            sample,
            shown: Loadable::default(),
            cards: Cards::default(),
            excerpts: Excerpts::default(),
            query: String::new(),
            scope: Scope::Both,
            index: Loadable::default(),
            index_version: 0,
            searching: row.bytes <= READY_AT_ONCE,
            hits: Loadable::default(),
            hit: None,
            marks: Loadable::default(),
            id: String::new(),
            no_such_id: None,
            reveal: true,
            findings_open: false,
            focus_search: false,
            typing: false,
        }
    }

    /// What is browsed.
    pub const fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The position of the sample that is shown.
    pub const fn sample(&self) -> usize {
        self.sample
    }

    /// Shows another sample.
    pub fn choose(&mut self, sample: usize) {
        self.sample = sample.min(self.dataset.len().saturating_sub(1));
        self.hit = None;
        self.reveal = true;
        self.cards.forget();
    }

    fn choose_hit(&mut self, hit: usize) {
        let found =
            self.found().and_then(|hits| hits.lines.get(hit)).map(|hit| (hit.sample, hit.entry.clone()));
        if let Some((Some(sample), entry)) = found {
            self.choose(sample);
            self.hit = Some(hit);
            self.cards.show_entry(entry);
        }
    }

    fn wanted(&self) -> Option<(String, Scope)> {
        let typed = self.query.trim();
        (!typed.is_empty()).then(|| (typed.to_owned(), self.scope))
    }

    /// What the search found, be it for the letters before the last one.
    fn found(&self) -> Option<&Hits> {
        self.wanted()?;
        self.hits.value().map(|hits| &**hits)
    }

    /// Asks for what is shown.
    pub fn logic(&mut self, cx: &mut Cx<'_>) {
        if !self.dataset.is_empty() {
            let (dataset, sample) = (self.dataset.clone(), self.sample);
            self.shown.want(cx.ctx, "sample", sample, 0, move |_, _| Ok(dataset.sample(sample)?));
            self.excerpts.logic(cx.ctx, &self.dataset);
        }
        let wanted = self.wanted();
        self.searching |= wanted.is_some() && self.index_version == 0;
        if self.searching {
            let (dataset, renew) = (self.dataset.clone(), self.index_version > 1);
            let folder = cx.shared.places.cache.as_ref().map(|folder| folder.join("search"));
            self.index.want(
                cx.ctx,
                "search index",
                (),
                self.index_version.max(1),
                move |cancel, progress| {
                    let open = if renew { FullText::renew } else { FullText::open };
                    Ok(open(&dataset, folder.as_deref(), cancel, progress)?)
                },
            );
            self.index_version = self.index_version.max(1);
        }
        let Some((typed, scope)) = wanted else {
            self.marks.clear();
            self.hits.clear();
            return;
        };
        if let Some(index) = self.index.value() {
            let (index, dataset, typed) = (index.clone(), self.dataset.clone(), typed.clone());
            let subject = (typed.clone(), scope);
            self.hits.want(cx.ctx, "search", subject, self.index_version, move |_, _| {
                hits::find(&index, &dataset, &typed, scope)
            });
        }
        if let Some(sample) = self.shown.value_of(&self.sample) {
            let (sample, subject) = (sample.clone(), (self.sample, typed.clone()));
            self.marks.want(cx.ctx, "marks", subject, 0, move |cancel, _| {
                let mut marker = Marker::new(&typed);
                let mut entries = Vec::with_capacity(sample.profile.len());
                for entry in &sample.profile {
                    cancel.check()?;
                    let title = entry.title.as_deref().map(|title| marker.marks(title)).unwrap_or_default();
                    entries.push((title, marker.marks(&entry.text)));
                }
                let reference =
                    sample.reference.as_deref().map(|text| marker.marks(text)).unwrap_or_default();
                Ok(Marks { input: marker.marks(&sample.input), reference, entries })
            });
        }
    }

    /// Draws the page.
    pub fn ui(
        &mut self,
        ui: &mut Ui,
        shared: &Shared,
        checked: Option<&Checked>,
        commands: &mut Vec<Command>,
        asks: &mut Vec<Ask>,
    ) {
        self.keys(ui, asks);
        ui.horizontal(|ui| {
            if kit::button(ui, icons::CARET_LEFT, "All datasets").clicked() {
                asks.push(Ask::List);
            }
            kit::cut(ui, theme::section(&self.title));
            kit::cut(ui, theme::weak(ui, &self.caption));
        });
        // In a place of its own: the fields below keep the keys when a check ends meanwhile.
        ui.scope(|ui| {
            if let Some(checked) = checked.filter(|checked| !checked.findings.is_empty()) {
                let (_, _, found) = super::table::found_words(ui, checked.counts);
                if about::fold(ui, &mut self.findings_open, &format!("Findings: {found}")) {
                    let mut jump = None;
                    let height = (ui.available_height() * 0.4).max(120.0);
                    egui::ScrollArea::vertical().id_salt("findings").max_height(height).show(ui, |ui| {
                        jump = findings::list(ui, &checked.findings, |id| self.dataset.position(id));
                    });
                    if let Some(sample) = jump {
                        self.query.clear();
                        self.choose(sample);
                    }
                }
            }
        });
        if self.dataset.is_empty() {
            let text = "None of its records can be used; the findings say why.";
            kit::empty(ui, icons::FILE_TEXT, "No samples", text, None);
            return;
        }
        let width = (ui.available_width() * 0.34).clamp(230.0, 380.0);
        egui::Panel::left("samples")
            .default_size(width)
            .size_range(200.0..=520.0)
            .frame(egui::Frame::new().inner_margin(egui::Margin { right: 12, ..egui::Margin::ZERO }))
            .show(ui, |ui| {
                // Whatever stands in it, it is as wide as it was made.
                let rect = ui.max_rect();
                self.side(&mut ui.new_child(egui::UiBuilder::new().max_rect(rect)), shared);
                ui.advance_cursor_after_rect(rect);
            });
        egui::CentralPanel::default()
            .frame(egui::Frame::new().inner_margin(egui::Margin { left: 16, ..egui::Margin::ZERO }))
            .show(ui, |ui| self.whole(ui, shared, commands));
    }

    /// j and k, and the arrows, move; a slash searches; Escape leads back.
    fn keys(&mut self, ui: &Ui, asks: &mut Vec<Ask>) {
        let typing = ui.ctx().text_edit_focused();
        // The Escape that leaves a field leads nowhere else.
        let left_a_field = std::mem::replace(&mut self.typing, typing) && !typing;
        if typing || left_a_field || egui::Popup::is_any_open(ui.ctx()) {
            return;
        }
        let focused = ui.ctx().egui_wants_keyboard_input();
        let pressed = |key: Key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        // Arrows lead from control to control where one has the keys.
        let step = if pressed(Key::J) || (!focused && pressed(Key::ArrowDown)) {
            1
        } else if pressed(Key::K) || (!focused && pressed(Key::ArrowUp)) {
            -1
        } else if pressed(Key::PageDown) {
            10
        } else if pressed(Key::PageUp) {
            -10
        } else {
            0
        };
        if step != 0 {
            self.step(step);
        }
        if pressed(Key::Slash) {
            self.focus_search = true;
        }
        if pressed(Key::Escape) {
            asks.push(Ask::List);
        }
    }

    fn step(&mut self, by: isize) {
        match self.found().map(|hits| hits.lines.len()) {
            Some(0) => {}
            Some(count) => {
                let to = self.hit.map_or(0, |hit| hit.saturating_add_signed(by).min(count - 1));
                self.choose_hit(to);
                self.reveal = true;
            }
            None => {
                let last = self.dataset.len().saturating_sub(1);
                self.choose(self.sample.saturating_add_signed(by).min(last));
            }
        }
    }

    /// The field for an id.
    fn go_to(&mut self, ui: &mut Ui) {
        let edit = TextEdit::singleline(&mut self.id)
            .hint_text("Go to id")
            .desired_width(96.0)
            .align(egui::Align2::LEFT_CENTER);
        let response = ui.add(edit);
        let value = self.id.clone();
        response.widget_info(|| {
            let mut info = WidgetInfo::text_edit(true, "", &value, "");
            info.label = Some("Go to id".to_owned());
            info
        });
        if response.changed() {
            self.no_such_id = None;
        }
        if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
            let wanted = self.id.trim();
            if wanted.is_empty() {
                return;
            }
            match self.dataset.position(wanted) {
                Some(sample) => {
                    self.query.clear();
                    self.id.clear();
                    self.choose(sample);
                }
                None => self.no_such_id = Some(wanted.to_owned()),
            }
        }
    }

    /// The chosen sample.
    fn whole(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let Some(sample) = self.shown.value_of(&self.sample).cloned() else {
            match self.shown.trouble().filter(|_| !self.shown.is_pending()) {
                Some(trouble) => {
                    if kit::trouble(ui, trouble, Some("Read the data again")) {
                        commands.push(Command::ReloadData);
                    }
                }
                None => {
                    ui.label(theme::weak(ui, "Reading\u{2026}"));
                }
            }
            return;
        };
        ui.horizontal(|ui| {
            let id = words::beginning(&sample.id, 60).0;
            ui.label(theme::strong(format!("Sample {id}")));
            let place = format!("{} of {}", kit::count(self.sample + 1), kit::count(self.dataset.len()));
            ui.label(theme::weak(ui, place));
            if let Some(user) = sample.user_id {
                ui.label(theme::weak(ui, format!("{}  user {user}", icons::USER)));
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let chosen = shared.sample.as_ref().is_some_and(|chosen| {
                    chosen.index == self.sample && same_questions(&chosen.dataset, &self.dataset)
                });
                if chosen {
                    let text = format!("{}  Shown in previews", icons::CHECK);
                    ui.label(RichText::new(text).color(colors(ui).good));
                } else if kit::button(ui, icons::PUSH_PIN, "Use for previews").clicked() {
                    let (dataset, index) = (self.dataset.clone(), self.sample);
                    commands.push(Command::ChooseSample(ChosenSample { dataset, index }));
                }
                if kit::icon_button(ui, icons::COPY, "Copy the sample\u{2019}s id").clicked() {
                    let said = "Copied the id".to_owned();
                    commands.push(Command::Copy { text: sample.id.clone(), said });
                }
                if kit::icon_button(ui, icons::CARET_DOWN, "Next sample (j)").clicked() {
                    self.step(1);
                }
                if kit::icon_button(ui, icons::CARET_UP, "Previous sample (k)").clicked() {
                    self.step(-1);
                }
            });
        });
        let wanted = self.wanted().map(|(typed, _)| (self.sample, typed));
        let marks = wanted.and_then(|wanted| self.marks.value_of(&wanted).cloned());
        ui.spacing_mut().item_spacing = vec2(8.0, 6.0);
        self.cards.ui(ui, (&self.dataset, self.sample), &sample, marks.as_deref());
    }
}
