//! Texts as this screen shows them: answers with what they do not share with the reference, prompts with what was cut.

use std::ops::Range;

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{self, Stroke, TextStyle, Ui};

use super::diff::{Stretch, WordDiff};
use super::sample::{Part, Piece};
use crate::gui::theme::colors;

/// Texts are laid out up to so many bytes; more of one is shown when asked for.
pub(super) const MOST: usize = 16 << 10;

fn format(ui: &Ui) -> TextFormat {
    TextFormat {
        font_id: TextStyle::Body.resolve(ui.style()),
        color: colors(ui).text,
        line_height: Some(19.0),
        ..TextFormat::default()
    }
}

/// The beginning of a text of at most so many bytes.
pub(super) fn start(text: &str, most: usize) -> &str {
    match text.len() <= most {
        true => text,
        false => &text[..text.floor_char_boundary(most)],
    }
}

/// The first line of a text, short enough for a row.
pub(super) fn one_line(text: &str) -> String {
    let mut line: String =
        start(text, 600).chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    line.truncate(line.trim_end().len());
    line
}

/// Which of two compared texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    /// What it has alone is struck out.
    Answer,
    /// What it has alone is underlined.
    Reference,
}

/// An answer, or its reference, with what the other does not have.
pub(super) fn compared(
    ui: &Ui,
    text: &str,
    diff: Option<&WordDiff>,
    side: Compared,
    most: usize,
) -> LayoutJob {
    let plain = format(ui);
    let color = colors(ui);
    let mut alone = plain.clone();
    match side {
        Compared::Answer => {
            alone.color = color.danger;
            alone.strikethrough = Stroke::new(1.0, color.danger);
        }
        Compared::Reference => {
            alone.color = color.good;
            alone.underline = Stroke::new(1.5, color.good);
        }
    }
    let whole = [Stretch { range: 0..text.len(), shared: true }];
    let stretches = match (diff, side) {
        (None, _) => &whole[..],
        (Some(diff), Compared::Answer) => &diff.first,
        (Some(diff), Compared::Reference) => &diff.second,
    };
    let shown = start(text, most).len();
    let mut job = LayoutJob::default();
    for Stretch { range, shared } in stretches {
        let Range { start, end } = *range;
        if let Some(part) = text.get(start..end.min(shown)) {
            let trimmed = part.trim_end();
            let format = if *shared { &plain } else { &alone };
            job.append(trimmed, 0.0, format.clone());
            // Space is neither struck out nor underlined.
            job.append(&part[trimmed.len()..], 0.0, plain.clone());
        }
    }
    job
}

/// A prompt: its entries lit and numbered by their ranks, what the model does not read struck out.
pub(super) fn prompt(ui: &Ui, pieces: &[Piece], most: usize) -> LayoutJob {
    let plain = format(ui);
    let color = colors(ui);
    let mut job = LayoutJob::default();
    let mut left = most;
    let mut before = Part::Words;
    for piece in pieces {
        if left == 0 {
            break;
        }
        let mut format = plain.clone();
        match piece.part {
            Part::Words => format.color = color.weak,
            Part::Input => {}
            Part::Entry(_) => format.background = color.mark,
        }
        if let Part::Entry(rank) = piece.part
            && rank > 0
            && before != piece.part
        {
            let font_id = TextStyle::Name("overline".into()).resolve(ui.style());
            let number = TextFormat { font_id, color: color.accent, ..plain.clone() };
            job.append(&format!("{rank}\u{2009}"), 0.0, number);
        }
        before = piece.part;
        if piece.cut {
            format.color = color.weak;
            format.background = egui::Color32::TRANSPARENT;
            format.strikethrough = Stroke::new(1.0, color.weak);
        }
        let text = start(&piece.text, left);
        left -= text.len();
        if text.len() < piece.text.len() {
            left = 0;
        }
        job.append(text, 0.0, format);
    }
    job
}

/// A text that one reads: wrapped, and it can be selected.
pub(super) fn read(ui: &mut Ui, job: LayoutJob) -> egui::Response {
    ui.add(egui::Label::new(job).wrap().selectable(true))
}
