//! The left side of the browser: search, and the list of samples or of what was found.

use eframe::egui::text::{LayoutJob, TextWrapping};
use eframe::egui::{
    self, Align2, CornerRadius, FontFamily, FontId, Key, Rect, Role, ScrollArea, Sense, TextStyle, Ui,
    WidgetInfo, pos2, vec2,
};

use super::hits::MOST;
use super::{Browser, marked, words};
use crate::gui::kit;
use crate::gui::shared::{Shared, same_questions};
use crate::gui::theme::{self, CORNER, colors, icons};
use crate::run::IndexNote;
use crate::search::Scope;

/// A line of the list, points high, and the space after it.
const LINE: f32 = 44.0;
const GAP: f32 = 2.0;

/// What a line says.
struct Line<'a> {
    name: String,
    head: String,
    right: String,
    body: LayoutJob,
    chosen: bool,
    pinned: bool,
    words: &'a str,
}

impl Browser {
    pub(super) fn side(&mut self, ui: &mut Ui, shared: &Shared) {
        ui.spacing_mut().item_spacing.y = 6.0;
        let width = ui.available_width();
        let hint = "Search samples and profiles";
        let before = self.query.clone();
        let response = kit::search_field(ui, &mut self.query, hint, width + 17.0);
        if std::mem::take(&mut self.focus_search) {
            response.request_focus();
        }
        if self.query != before {
            self.hit = None;
        }
        if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) && self.hit.is_none() {
            self.choose_hit(0);
        }
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            for (scope, words) in
                [(Scope::Both, "All"), (Scope::Samples, "Inputs"), (Scope::Entries, "Profiles")]
            {
                let mut on = self.scope == scope;
                if kit::chip(ui, &mut on, words) {
                    self.scope = scope;
                    self.hit = None;
                }
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| self.go_to(ui));
        });
        if let Some(id) = &self.no_such_id {
            let text = format!("No sample has the id {}.", words::beginning(id, 60).0);
            ui.label(egui::RichText::new(text).color(colors(ui).danger));
        }
        ui.scope(|ui| self.readiness(ui));
        if self.found().is_some() {
            self.found_list(ui, shared);
        } else {
            self.sample_list(ui, shared);
        }
    }

    /// How far the search is.
    fn readiness(&mut self, ui: &mut Ui) {
        if let Some(reading) = self.index.pending() {
            let words = "Making the search ready";
            ui.horizontal(|ui| {
                ui.label(theme::caption(ui, format!("{words}\u{2026}")));
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    if kit::icon_button(ui, icons::X, "Cancel making the search ready").clicked() {
                        self.index.cancel();
                    }
                });
            });
            let part = (reading.total > 0).then(|| reading.done as f32 / reading.total as f32);
            kit::progress(ui, part, ui.available_width(), words).on_hover_text(&*reading.step);
            ui.ctx().request_repaint_after(crate::gui::AT_WORK);
        } else if let Some(trouble) = self.index.trouble() {
            let canceled = trouble.0 == crate::jobs::Canceled.to_string();
            let (kind, text) = match canceled {
                true => (kit::Notice::Info, "Search was not made ready.".to_owned()),
                false => (kit::Notice::Error, trouble.0.clone()),
            };
            if kit::notice(ui, kind, &text, Some("Make search ready")) {
                self.index_version = self.index_version.max(1);
                self.index.clear();
                self.searching = true;
            }
        } else if let Some(trouble) = self.hits.trouble().filter(|_| self.found().is_none())
            && kit::notice(ui, kit::Notice::Error, &trouble.0, Some("Build the index again"))
        {
            self.index_version += 1;
            self.index.clear();
        }
        if let Some(index) = self.index.value() {
            let not_kept = index.notes().iter().any(|note| matches!(note, IndexNote::NotKept(_)));
            if not_kept {
                ui.label(theme::caption(ui, "The search index cannot be kept for next time."));
            }
        }
    }

    fn sample_list(&mut self, ui: &mut Ui, shared: &Shared) {
        let count = self.dataset.len();
        let pinned = shared
            .sample
            .as_ref()
            .filter(|chosen| same_questions(&chosen.dataset, &self.dataset))
            .map(|chosen| chosen.index);
        let area = self.area(ui, "samples list", self.sample, count);
        let mut seen = 0..0;
        let mut clicked = None;
        ui.spacing_mut().item_spacing.y = GAP;
        area.show_rows(ui, LINE, count, |ui, range| {
            seen = range.clone();
            for sample in range {
                let Some(summary) = self.dataset.summary(sample) else { continue };
                let id = words::beginning(summary.id, 60).0;
                let excerpt = self.excerpts.get(sample).unwrap_or("\u{2026}");
                let entries = kit::counted(summary.profile_entries, "entry", "entries");
                let gold = if summary.has_reference { "" } else { " \u{b7} no gold" };
                let line = Line {
                    name: format!("Sample {id}"),
                    head: id.to_owned(),
                    right: format!("{entries}{gold}"),
                    body: marked::text(ui, excerpt, [], TextStyle::Body, colors(ui).weak),
                    chosen: sample == self.sample,
                    pinned: pinned == Some(sample),
                    words: excerpt,
                };
                if draw(ui, line) {
                    clicked = Some(sample);
                }
            }
        });
        if self.excerpts.see(seen) {
            // They are asked for before the next frame.
            ui.ctx().request_repaint();
        }
        if let Some(sample) = clicked {
            self.choose(sample);
            self.reveal = false;
        }
    }

    fn found_list(&mut self, ui: &mut Ui, _shared: &Shared) {
        let Some(hits) = self.found() else { return };
        let count = hits.lines.len();
        let said = match (count, hits.more) {
            (0, _) => "Nothing found. All words must occur, whole; stop words do not count.".to_owned(),
            (_, true) => format!("The best {} hits", kit::count(MOST)),
            (count, false) => kit::counted(count, "hit", "hits"),
        };
        ui.label(theme::caption(ui, said));
        let area = self.area(ui, "hits list", self.hit.unwrap_or(0), count);
        let mut clicked = None;
        ui.spacing_mut().item_spacing.y = GAP;
        area.show_rows(ui, LINE, count, |ui, range| {
            let Some(hits) = self.found() else { return };
            for number in range {
                let Some(hit) = hits.lines.get(number) else { continue };
                let snippet = &hit.snippet;
                let marks = snippet.highlights.iter().cloned();
                // What was found is in view, be it far in.
                let (text, marks, _) = marked::part(&snippet.text, &marks.collect::<Vec<_>>(), 60);
                let line = Line {
                    name: format!("Hit {}: {}", number + 1, words::beginning(&hit.place, 80).0),
                    head: words::beginning(&hit.place, 80).0.to_owned(),
                    right: String::new(),
                    body: marked::text(ui, &text, marks, TextStyle::Body, colors(ui).weak),
                    chosen: self.hit == Some(number),
                    pinned: false,
                    words: &snippet.text,
                };
                if draw(ui, line) {
                    clicked = Some(number);
                }
            }
        });
        if let Some(hit) = clicked {
            self.choose_hit(hit);
            self.reveal = false;
        }
    }

    /// The area of a list, moved so that the chosen line is in view if that is asked for.
    fn area(&mut self, ui: &Ui, name: &'static str, chosen: usize, count: usize) -> ScrollArea {
        let area = ScrollArea::vertical().id_salt(name).auto_shrink(false);
        let height = ui.available_height();
        if !std::mem::take(&mut self.reveal) || count == 0 {
            return area;
        }
        let id = ui.make_persistent_id(egui::IdSalt::new(name));
        let offset =
            egui::scroll_area::State::load(ui.ctx(), id).map_or(0.0, |state| state.unclamped_offset().y);
        let (top, bottom) = (chosen as f32 * (LINE + GAP), (chosen + 1) as f32 * (LINE + GAP));
        if top < offset {
            area.vertical_scroll_offset(top)
        } else if bottom > offset + height {
            area.vertical_scroll_offset(bottom - height)
        } else {
            area
        }
    }
}

/// Draws a line; tells whether it was clicked.
fn draw(ui: &mut Ui, line: Line<'_>) -> bool {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::click());
    let colors = colors(ui);
    let painter = ui.painter_at(rect);
    let ground = match (line.chosen, response.hovered()) {
        (true, _) => Some(colors.selected),
        (false, true) => Some(colors.hover),
        (false, false) => None,
    };
    if let Some(ground) = ground {
        painter.rect_filled(rect, CornerRadius::same(CORNER), ground);
    }
    if response.has_focus() {
        painter.rect_stroke(rect, CornerRadius::same(CORNER), (1.0, colors.accent), egui::StrokeKind::Inside);
    }
    let small = FontId::new(11.0, FontFamily::Proportional);
    let right = if line.pinned { format!("{}  {}", icons::PUSH_PIN, line.right) } else { line.right };
    let right_width = painter
        .text(pos2(rect.right() - 8.0, rect.top() + 13.0), Align2::RIGHT_CENTER, right, small, colors.weak)
        .width();
    let room = rect.width() - 16.0;
    let strong = FontId::new(13.0, FontFamily::Name("strong".into()));
    let mut head = LayoutJob::simple_singleline(line.head, strong, colors.text);
    head.wrap = TextWrapping::truncate_at_width((room - right_width - 8.0).max(20.0));
    let head = painter.layout_job(head);
    painter.galley(pos2(rect.left() + 8.0, rect.top() + 5.0), head, colors.text);
    let mut body = line.body;
    body.wrap = TextWrapping::truncate_at_width(room);
    let body = painter.layout_job(body);
    let place = Rect::from_min_size(pos2(rect.left() + 8.0, rect.top() + 23.0), vec2(room, 18.0));
    painter.galley(place.min, body, colors.weak);
    let (name, chosen) = (line.name, line.chosen);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, chosen, &name));
    let clicked = response.clicked();
    response.on_hover_text(line.words);
    clicked
}
