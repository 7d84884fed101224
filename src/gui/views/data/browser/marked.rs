//! Texts with the words that a search found.

use std::ops::Range;

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{Color32, FontId, TextStyle, Ui};

use crate::gui::theme::colors;

/// A text of one font and color with the found words lit. Ranges that do not fit the text are left out.
pub(super) fn text(
    ui: &Ui,
    text: &str,
    marks: impl IntoIterator<Item = Range<usize>>,
    style: TextStyle,
    color: Color32,
) -> LayoutJob {
    let font = ui.style().text_styles.get(&style).cloned().unwrap_or_else(|| FontId::proportional(13.0));
    let plain = TextFormat::simple(font, color);
    let lit = TextFormat { background: colors(ui).mark, color: colors(ui).text, ..plain.clone() };
    let mut job = LayoutJob::default();
    let mut at = 0;
    for mark in marks {
        if mark.start < at {
            continue;
        }
        let (Some(before), Some(found)) = (text.get(at..mark.start), text.get(mark.clone())) else {
            continue;
        };
        job.append(before, 0.0, plain.clone());
        job.append(found, 0.0, lit.clone());
        at = mark.end;
    }
    job.append(text.get(at..).unwrap_or_default(), 0.0, plain);
    job
}

/// A part of a text on few lines: its beginning, or where the first found word stands; with the marks moved along.
/// Tells whether something is left out.
pub(super) fn part(text: &str, marks: &[Range<usize>], most: usize) -> (String, Vec<Range<usize>>, bool) {
    let first = marks.first().map_or(0, |mark| mark.start);
    // Found further down than is shown anyway.
    let start = if first > most * 2 / 3 { text.floor_char_boundary(first - (most / 3).min(80)) } else { 0 };
    let rest = text.get(start..).unwrap_or_default();
    let (shown, more) = super::super::words::beginning(rest, most);
    let lead = if start > 0 { "\u{2026} " } else { "" };
    let one_line = format!("{lead}{}", shown.replace(['\n', '\r', '\t'], " "));
    let moved = marks
        .iter()
        .filter(|mark| mark.start >= start && mark.end <= start + shown.len())
        .map(|mark| mark.start - start + lead.len()..mark.end - start + lead.len())
        .collect();
    (one_line, moved, start > 0 || more)
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one place where something was found")]
mod tests {
    use super::*;

    #[test]
    fn a_part_shows_where_something_was_found() {
        let text = format!("{}caf\u{e9} needle\nend", "word ".repeat(100));
        let at = text.find("needle").unwrap();
        let (part, marks, cut) = part(&text, &[at..at + 6], 120);
        assert!(cut && part.starts_with("\u{2026} "), "{part}");
        assert_eq!(&part[marks[0].clone()], "needle");
        assert!(!part.contains('\n'));
    }

    #[test]
    fn a_short_text_is_whole() {
        assert_eq!(part("a b", &[0..1], 10), ("a b".to_owned(), vec![0..1], false));
        assert!(part("abcdef", &[], 3).2);
    }
}
