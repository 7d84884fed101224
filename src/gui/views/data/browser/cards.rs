//! The chosen sample whole: its input, its reference, and its profile as cards, of which only the visible ones are laid out.

use std::collections::BTreeMap;
use std::ops::Range;

use eframe::egui::{
    self, Align, Label, Layout, Rect, RichText, ScrollArea, TextStyle, Ui, UiBuilder, WidgetText, pos2, vec2,
};

use super::{Marks, marked, words};
use crate::dataset::Dataset;
use crate::gui::kit;
use crate::gui::theme::{self, colors};
use crate::lamp::{ProfileEntry, Sample};

/// A folded card, points high, and the space after it.
const CARD: f32 = 100.0;
const GAP: f32 = 8.0;
/// Lines of a folded card's text, and the characters that may be on them.
const LINES: usize = 3;
const FEW: usize = 600;
/// Characters of a long text that are shown at once; more comes by a click.
const MANY: usize = 20_000;

/// What is unfolded, of which sample.
#[derive(Debug, Default)]
pub(super) struct Cards {
    /// Unfolded entries, with how many times `MANY` characters they show and how high that is.
    open: BTreeMap<usize, (usize, f32)>,
    /// Times `MANY` characters of the input.
    input: usize,
    /// The entry to bring into view, by its id.
    wanted: Option<String>,
    /// The entry that was found.
    lit: Option<usize>,
    /// Begins at the top.
    fresh: bool,
}

impl Cards {
    /// Folds all, for another sample.
    pub fn forget(&mut self) {
        *self = Self { fresh: true, ..Self::default() };
    }

    /// Brings an entry into view; the input if `None`.
    pub fn show_entry(&mut self, entry: Option<String>) {
        self.wanted = entry;
    }

    /// Draws a sample.
    pub fn ui(&mut self, ui: &mut Ui, of: (&Dataset, usize), sample: &Sample, marks: Option<&Marks>) {
        let mut area = ScrollArea::vertical().id_salt("sample").auto_shrink(false);
        if std::mem::take(&mut self.fresh) {
            area = area.vertical_scroll_offset(0.0);
        }
        area.show(ui, |ui| {
            ui.set_max_width(ui.available_width() - 8.0);
            let none = Marks::default();
            let marks = marks.unwrap_or(&none);
            self.head(ui, sample, marks);
            let title = kit::counted(sample.profile.len(), "entry", "entries");
            ui.add_space(4.0);
            ui.label(theme::section(format!("Profile, {title}")));
            if sample.profile.is_empty() {
                ui.label(theme::weak(ui, "This user has no history; the prompt is the bare input."));
                return;
            }
            self.profile(ui, of, sample, marks);
        });
    }

    fn head(&mut self, ui: &mut Ui, sample: &Sample, marks: &Marks) {
        ui.label(theme::caption(ui, "Input"));
        kit::card(ui, |ui| {
            ui.set_width(ui.available_width());
            if sample.input.trim().is_empty() {
                ui.label(theme::weak(ui, "The input is empty."));
            }
            let most = MANY * (self.input + 1);
            let (shown, more) = words::beginning(&sample.input, most);
            let color = colors(ui).text;
            let job = marked::text(ui, shown, marks.input.iter().cloned(), TextStyle::Body, color);
            ui.add(Label::new(job).wrap().selectable(true));
            if more && kit::quiet(ui, "", "Show more of the input").clicked() {
                self.input += 1;
            }
        });
        ui.label(theme::caption(ui, "Reference"));
        match &sample.reference {
            Some(reference) => {
                let (shown, more) = words::beginning(reference, MANY);
                let color = colors(ui).text;
                let job = marked::text(
                    ui,
                    shown,
                    marks.reference.iter().cloned(),
                    TextStyle::Name("strong".into()),
                    color,
                );
                ui.add(Label::new(job).wrap().selectable(true));
                if more {
                    ui.label(theme::caption(ui, "It goes on."));
                }
            }
            None => {
                ui.label(theme::weak(ui, "not given"));
            }
        }
    }

    /// Cards at fixed places but for the unfolded ones, so that thousands cost no more than those in view.
    fn profile(&mut self, ui: &mut Ui, of: (&Dataset, usize), sample: &Sample, marks: &Marks) {
        let count = sample.profile.len();
        let left = ui.cursor().left();
        let top = ui.cursor().top();
        let width = ui.available_width();
        let height = |place: usize, open: &BTreeMap<usize, (usize, f32)>| {
            open.get(&place).map_or(CARD, |(_, height)| height.max(CARD))
        };
        let extra = |before: usize, open: &BTreeMap<usize, (usize, f32)>| -> f32 {
            open.range(..before).map(|(_, (_, height))| height.max(CARD) - CARD).sum()
        };
        let start = |place: usize, open: &BTreeMap<usize, (usize, f32)>| {
            place as f32 * (CARD + GAP) + extra(place, open)
        };
        if let Some(wanted) = self.wanted.take()
            && let Some(place) = sample.profile.iter().position(|entry| entry.id == wanted)
        {
            self.lit = Some(place);
            let rect = Rect::from_min_size(pos2(left, top + start(place, &self.open)), vec2(width, CARD));
            ui.scroll_to_rect(rect, Some(Align::Center));
        }
        let all = start(count, &self.open);
        let clip = ui.clip_rect();
        // The first card that reaches into view.
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = (low + high) / 2;
            let bottom = top + start(middle, &self.open) + height(middle, &self.open);
            if bottom < clip.top() { low = middle + 1 } else { high = middle }
        }
        let mut place = low;
        while place < count {
            let from = top + start(place, &self.open);
            if from > clip.bottom() {
                break;
            }
            let rect = Rect::from_min_size(pos2(left, from), vec2(width, height(place, &self.open)));
            let empty = (Vec::new(), Vec::new());
            let entry_marks = marks.entries.get(place).unwrap_or(&empty);
            let builder = UiBuilder::new().max_rect(rect).id_salt((of.1, place));
            let mut card = ui.new_child(builder.layout(Layout::top_down(Align::Min)));
            self.card(&mut card, of.0, place, &sample.profile[place], entry_marks);
            place += 1;
        }
        let area = Rect::from_min_size(pos2(left, top), vec2(width, all));
        ui.advance_cursor_after_rect(area);
    }

    fn card(
        &mut self,
        ui: &mut Ui,
        dataset: &Dataset,
        place: usize,
        entry: &ProfileEntry,
        (title_marks, text_marks): &(Vec<Range<usize>>, Vec<Range<usize>>),
    ) {
        let open = self.open.get(&place).copied();
        let color = colors(ui).text;
        let mut unfold = None;
        let drawn = kit::card_frame(ui, self.lit == Some(place)).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = 4.0;
            if open.is_none() {
                ui.set_height(CARD - 24.0);
            }
            let folded = marked::part(&entry.text, text_marks, FEW);
            let job = match open {
                Some((times, _)) => {
                    let (shown, more) = words::beginning(&entry.text, MANY * times);
                    unfold = more.then_some(times + 1);
                    marked::text(ui, shown, text_marks.iter().cloned(), TextStyle::Body, color)
                }
                None => {
                    let (text, marks, _) = &folded;
                    let mut job = marked::text(ui, text, marks.iter().cloned(), TextStyle::Body, color);
                    job.wrap.max_width = ui.available_width();
                    job.wrap.max_rows = LINES;
                    job
                }
            };
            let galley = open.is_none().then(|| ui.painter().layout_job(job.clone()));
            let cut = galley.as_ref().is_some_and(|galley| galley.elided) || folded.2;
            let line = vec2(ui.available_width(), 20.0);
            ui.spacing_mut().button_padding.y = 0.0;
            ui.allocate_ui_with_layout(line, Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().interact_size.y = 20.0;
                let id = words::beginning(&entry.id, 24).0;
                let words = if open.is_some() { "Show less" } else { "Show all" };
                if open.is_some() || cut {
                    let response = ui.add(egui::Button::new(theme::weak(ui, words)).frame(false));
                    let name = format!("{words} of entry {id}");
                    kit::named(&response, egui::Role::Button, true, &name);
                    if response.clicked() {
                        match open {
                            Some(_) => self.open.remove(&place),
                            None => self.open.insert(place, (1, CARD)),
                        };
                    }
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    head(ui, dataset, entry, id, title_marks);
                });
            });
            match galley {
                Some(galley) => ui.add(Label::new(WidgetText::from(galley)).selectable(false)),
                None => ui.add(Label::new(job).wrap().selectable(true)),
            };
            if let Some(times) = unfold
                && kit::quiet(ui, "", "Show more").clicked()
            {
                self.open.insert(place, (times, CARD));
            }
        });
        if let Some((_, height)) = self.open.get_mut(&place).filter(|_| open.is_some()) {
            let now = drawn.response.rect.height();
            if (*height - now).abs() > 0.5 {
                *height = now;
                ui.ctx().request_discard("a card was unfolded");
            }
        }
    }
}

/// Id, date, label and title of an entry.
fn head(ui: &mut Ui, dataset: &Dataset, entry: &ProfileEntry, id: &str, marks: &[Range<usize>]) {
    ui.label(theme::caption(ui, id));
    if let Some(date) = &entry.date {
        ui.label(theme::caption(ui, words::beginning(date, 24).0));
    }
    if let Some(label) = &entry.label {
        let name = dataset.id().task.label_field().unwrap_or("label");
        let text = RichText::new(words::beginning(label, 40).0).background_color(colors(ui).hover);
        ui.label(text).on_hover_text(name);
    }
    if let Some(title) = &entry.title {
        let (shown, _) = words::beginning(title, 300);
        let color = colors(ui).text;
        let job = marked::text(ui, shown, marks.iter().cloned(), TextStyle::Name("strong".into()), color);
        ui.add(Label::new(job).truncate());
    }
}
