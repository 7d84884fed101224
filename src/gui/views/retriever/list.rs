//! Ranked entries, one row each; only rows that are seen are drawn.

use eframe::egui::text::{LayoutJob, TextFormat, TextWrapping};
use eframe::egui::{
    Align2, Color32, FontFamily, FontId, Pos2, Rect, Role, ScrollArea, Sense, Stroke, Ui, WidgetInfo, pos2,
    vec2,
};

use crate::gui::preview::Ranked;
use crate::gui::theme::{self, colors, icons};
use crate::lamp::ProfileEntry;
use crate::report::Method;

/// Points that a row is high.
const ROW: f32 = 48.0;
/// Rows narrower than this put their words beneath their figures.
const NARROW: f32 = 460.0;
/// Characters of an entry that a row looks at.
const GLANCE: usize = 300;

/// What a list shows.
pub(super) struct List<'a> {
    /// The ranking.
    pub ranked: &'a Ranked,
    /// Its color.
    pub method: Method,
    /// The ranking beside it, with its name.
    pub other: Option<(&'a Ranked, &'a str)>,
    /// Tells lists and their rows apart.
    pub id: &'a str,
}

/// Where the retrieved entries that are seen stand: entry and middle of the row.
pub(super) type Seen = Vec<(usize, f32)>;

impl List<'_> {
    /// Draws it. `chosen` is the entry that is shown in full.
    pub(super) fn ui(&self, ui: &mut Ui, chosen: &mut Option<usize>) -> Seen {
        let mut seen = Vec::new();
        let places = &self.ranked.places;
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            let area = ScrollArea::vertical().id_salt(self.id).auto_shrink(false);
            area.show_rows(ui, ROW, places.len(), |ui, rows| {
                let clip = ui.clip_rect();
                for at in rows {
                    let y = self.row(ui, at, chosen);
                    let place = places[at];
                    let is_first = self.ranked.ranks.get(&place.index) == Some(&(at + 1));
                    if at < self.ranked.retrieved && is_first && clip.y_range().contains(y) {
                        seen.push((place.index, y));
                    }
                }
            });
        });
        seen
    }

    fn row(&self, ui: &mut Ui, at: usize, chosen: &mut Option<usize>) -> f32 {
        let place = self.ranked.places[at];
        let (rank, retrieved) = (at + 1, at < self.ranked.retrieved);
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
        let response = ui.interact(rect, ui.scope_id().with((self.id, at)), Sense::click());
        let Some(entry) = self.ranked.sample.profile.get(place.index) else { return rect.center().y };
        let (colors, is_chosen) = (colors(ui), *chosen == Some(place.index));
        let painter = ui.painter_at(rect);
        let fill = match (is_chosen, response.hovered() || response.has_focus(), retrieved) {
            (true, ..) => colors.selected,
            (_, true, _) => colors.hover,
            (_, _, true) => colors.raised,
            _ => Color32::TRANSPARENT,
        };
        painter.rect_filled(rect, 0.0, fill);
        if retrieved {
            painter.rect_filled(Rect::from_min_size(rect.min, vec2(3.0, ROW)), 0.0, colors.accent);
        }
        let last = rank == self.ranked.retrieved && rank < self.ranked.places.len();
        let line = if last { Stroke::new(1.5, colors.accent) } else { Stroke::new(1.0, colors.line) };
        painter.hline(rect.x_range(), rect.bottom() - 0.5, line);
        let ink = if retrieved { colors.text } else { colors.weak };
        let plain = |size: f32| FontId::new(size, FontFamily::Proportional);
        painter.text(
            pos2(rect.left() + 40.0, rect.top() + 15.0),
            Align2::RIGHT_CENTER,
            rank,
            plain(13.0),
            ink,
        );
        // Where two lists share the width, the words have a line of their own beneath the figures.
        let narrow = rect.width() < NARROW;
        let mut left = rect.left() + 50.0;
        if self.ranked.scores.is_some() {
            self.score(ui, place.score, pos2(left, rect.top()), ink, narrow);
            left += 76.0;
        }
        let right = self.right_end(ui, rect, entry, rank, narrow);
        if narrow {
            let room =
                Rect::from_min_max(pos2(rect.left() + 16.0, rect.top() + 27.0), rect.max - vec2(26.0, 2.0));
            one_line(
                ui,
                room,
                entry.title.as_deref().filter(|title| !title.is_empty()).unwrap_or(&entry.text),
                ink,
            );
        } else {
            let room =
                Rect::from_min_max(pos2(left, rect.top() + 6.0), pos2(right - 8.0, rect.bottom() - 4.0));
            words(ui, room, entry, ink, colors.weak);
        }
        response.widget_info(|| {
            let what = if retrieved { "retrieved" } else { "not retrieved" };
            let score = place.score.map(|score| format!(", score {score:.3}")).unwrap_or_default();
            let text = glance(entry.title.as_deref().unwrap_or(&entry.text));
            let words = format!("{}: place {rank}, entry {}{score}, {what}: {text}", self.id, entry.id);
            WidgetInfo::selected(Role::ListItem, true, is_chosen, words)
        });
        if response.clicked() {
            *chosen = if is_chosen { None } else { Some(place.index) };
        }
        rect.center().y
    }

    fn score(&self, ui: &Ui, score: Option<f64>, at: Pos2, ink: Color32, narrow: bool) {
        let painter = ui.painter();
        let Some(score) = score else { return };
        let font = FontId::new(13.0, FontFamily::Proportional);
        painter.text(pos2(at.x + 64.0, at.y + 15.0), Align2::RIGHT_CENTER, figure(score), font, ink);
        let top = at.y + if narrow { 22.0 } else { 28.0 };
        let track = Rect::from_min_size(pos2(at.x, top), vec2(64.0, if narrow { 3.0 } else { 5.0 }));
        painter.rect_filled(track, 2.5, colors(ui).hover);
        let mut bar = track;
        bar.set_width(64.0 * self.ranked.share(score));
        painter.rect_filled(bar, 2.5, theme::method(ui, self.method));
    }

    /// Label, date and shift, right-aligned; gives where they begin.
    fn right_end(&self, ui: &Ui, rect: Rect, entry: &ProfileEntry, rank: usize, narrow: bool) -> f32 {
        let colors = colors(ui);
        let (painter, mut right) = (ui.painter_at(rect), rect.right() - 8.0);
        let small = FontId::new(11.0, FontFamily::Proportional);
        if let Some((other, name)) = self.other {
            let index = self.ranked.places[rank - 1].index;
            let there = other.ranks.get(&index).copied();
            let (text, color) = match there {
                None => ("\u{2013}".to_owned(), colors.weak),
                Some(there) if there == rank => ("=".to_owned(), colors.weak),
                Some(there) if there > rank => (format!("{} {}", icons::CARET_UP, there - rank), colors.text),
                Some(there) => (format!("{} {}", icons::CARET_DOWN, rank - there), colors.weak),
            };
            let galley = painter.layout_no_wrap(text, FontId::new(12.0, FontFamily::Proportional), color);
            let spot = Rect::from_min_size(pos2(right - 36.0, rect.top()), vec2(44.0, ROW));
            painter.galley(pos2(right - galley.size().x, rect.top() + 8.0), galley, color);
            if other.retrieves(index) && self.ranked.retrieves(index) {
                painter.circle_filled(pos2(right - 5.0, rect.top() + 33.0), 4.0, colors.accent);
            }
            let words = match there {
                Some(there) => format!("Place {there} by {name}, place {rank} here."),
                None => format!("Not ranked by {name}."),
            };
            ui.interact(spot, ui.scope_id().with((self.id, rank, "shift")), Sense::hover())
                .on_hover_text(words);
            right -= 48.0;
        }
        let reference = self.ranked.sample.reference.as_deref();
        let mut begins = right;
        for (text, middle, agrees) in [
            (entry.label.as_deref(), 15.0, entry.label.as_deref() == reference),
            (entry.date.as_deref(), 33.0, false),
        ] {
            let Some(text) = text.filter(|text| !text.is_empty()) else { continue };
            // A narrow row has one line for both, the date before the label.
            let (edge, y) = if narrow { (begins, 15.0) } else { (right, middle) };
            let color = if agrees { colors.text } else { colors.weak };
            let mut job = LayoutJob::simple_singleline(glance(text), small.clone(), color);
            job.wrap = TextWrapping::truncate_at_width(if narrow { 72.0 } else { 100.0 });
            let galley = painter.layout_job(job);
            let size = galley.size();
            let corner = pos2(edge - size.x - 6.0, rect.top() + y - size.y / 2.0);
            if middle < 20.0 {
                let chip = Rect::from_min_size(corner, size).expand2(vec2(6.0, 2.0));
                let stroke = Stroke::new(1.0, if agrees { colors.accent } else { colors.line });
                painter.rect(chip, 4.0, colors.ground, stroke, eframe::egui::StrokeKind::Inside);
            }
            painter.galley(corner, galley, color);
            begins = begins.min(corner.x - 8.0);
        }
        begins
    }
}

/// A score in as many figures as tell it from its neighbors.
fn figure(score: f64) -> String {
    if score.abs() < 0.1 && score != 0.0 { format!("{score:.4}") } else { format!("{score:.3}") }
}

/// The beginning of a text in one line.
pub(super) fn glance(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().take(GLANCE));
        if out.len() > GLANCE {
            break;
        }
    }
    out
}

/// A text in one line.
fn one_line(ui: &Ui, room: Rect, text: &str, ink: Color32) {
    let font = FontId::new(13.0, FontFamily::Proportional);
    let mut job = LayoutJob::simple_singleline(glance(text), font, ink);
    job.wrap = TextWrapping::truncate_at_width(room.width());
    let galley = ui.painter().layout_job(job);
    ui.painter().galley(room.min, galley, ink);
}

/// Title and text of an entry, in two lines.
fn words(ui: &Ui, room: Rect, entry: &ProfileEntry, ink: Color32, weak: Color32) {
    let plain = FontId::new(13.0, FontFamily::Proportional);
    let mut job = LayoutJob::default();
    let title = entry.title.as_deref().filter(|title| !title.is_empty());
    let mut text = glance(&entry.text);
    if let Some(title) = title {
        job.append(&glance(title), 0.0, TextFormat::simple(plain.clone(), ink));
        job.wrap = TextWrapping::truncate_at_width(room.width());
        let galley = ui.painter().layout_job(std::mem::take(&mut job));
        ui.painter().galley(room.min, galley, ink);
    }
    if text.is_empty() {
        text.push_str("(no text)");
    }
    let (top, color, font, rows) = match title {
        Some(_) => (19.0, weak, FontId::new(12.0, FontFamily::Proportional), 1),
        None => (0.0, ink, plain, 2),
    };
    job.append(&text, 0.0, TextFormat::simple(font, color));
    job.wrap = TextWrapping {
        max_width: room.width(),
        max_rows: rows,
        break_anywhere: rows == 1,
        ..TextWrapping::default()
    };
    let galley = ui.painter().layout_job(job);
    ui.painter().galley(pos2(room.left(), room.top() + top), galley, color);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glance_is_one_line_and_bounded() {
        assert_eq!(glance(" a\n b "), "a b");
        assert!(glance(&"\u{e9}".repeat(100_000)).chars().count() <= GLANCE);
        assert_eq!(
            (figure(3.21449), figure(0.016_39), figure(0.0)),
            ("3.214".into(), "0.0164".into(), "0.000".into())
        );
    }
}
