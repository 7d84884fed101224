//! The prompt's text, with what is cut struck out and each part's tokens at the margin.

use std::sync::Arc;

use eframe::egui::text::{CCursor, LayoutJob, TextFormat};
use eframe::egui::text_selection::LabelSelectionState;
use eframe::egui::{Align2, Color32, FontFamily, FontId, Galley, Label, Pos2, Stroke, Ui, UiBuilder, pos2};

use crate::gui::preview::{Made, Part};
use crate::gui::theme::colors;
use crate::prompt::Mark;

/// Points at the left for figures.
const MARGIN: f32 = 92.0;

/// A part's beginning and end in characters of what is shown.
struct Span {
    part: Part,
    from: usize,
    to: usize,
}

/// Draws it; the text can be selected.
pub(super) fn prompt_text(ui: &mut Ui, made: &Made) {
    let (job, spans) = laid(ui, made);
    let room = ui.available_rect_before_wrap();
    let mut inner = room;
    inner.min.x += MARGIN;
    inner.max.x -= 8.0;
    let mut found: Option<(Pos2, Arc<Galley>)> = None;
    ui.scope_builder(UiBuilder::new().max_rect(inner), |ui| {
        let (at, galley, response) = Label::new(job).wrap().selectable(true).layout_in_ui(ui);
        if ui.is_rect_visible(response.rect) {
            let color = colors(ui).text;
            LabelSelectionState::label_text_selection(ui, &response, at, galley.clone(), color, Stroke::NONE);
        }
        let words = galley.text().to_owned();
        response.widget_info(|| eframe::egui::WidgetInfo::labeled(eframe::egui::Role::Label, true, &words));
        found = Some((at, galley));
    });
    if let Some((at, galley)) = found {
        margin(ui, made, &spans, at, &galley, room.left());
    }
}

fn laid(ui: &Ui, made: &Made) -> (LayoutJob, Vec<Span>) {
    let colors = colors(ui);
    let font = FontId::new(13.0, FontFamily::Proportional);
    let mut job = LayoutJob::default();
    let mut spans: Vec<Span> = Vec::new();
    let mut at = 0;
    for run in &made.runs {
        let mut format = TextFormat::simple(font.clone(), colors.text);
        format.line_height = Some(20.0);
        match (run.mark, run.part) {
            (Mark::Read, Part::Template) => format.color = colors.weak,
            (Mark::Read, Part::Entry(_)) => format.background = colors.raised,
            (Mark::Read, Part::Input) => {}
            (Mark::LeftOut | Mark::CutOff, _) => {
                format.color = colors.weak;
                format.strikethrough = Stroke::new(1.0, colors.weak);
            }
        }
        job.append(&run.text, 0.0, format);
        let count = run.text.chars().count();
        match spans.last_mut() {
            Some(span) if span.part == run.part => span.to = at + count,
            _ => spans.push(Span { part: run.part, from: at, to: at + count }),
        }
        at += count;
    }
    (job, spans)
}

/// Figures at the margin: each entry's tokens, and the input's, with a line along its rows.
fn margin(ui: &Ui, made: &Made, spans: &[Span], at: Pos2, galley: &Galley, left: f32) {
    let colors = colors(ui);
    let painter = ui.painter();
    let clip = ui.clip_rect();
    let mut free = f32::NEG_INFINITY;
    let mut input = Some(made.shares.input);
    for span in spans {
        let (name, tokens, color) = match span.part {
            Part::Template => continue,
            // The input may stand in two pieces; its figure stands at the first.
            Part::Input => ("input".to_owned(), input.take(), colors.text),
            Part::Entry(entry) => {
                let tokens = made.entries.get(entry).and_then(|entry| entry.tokens);
                (format!("entry {}", entry + 1), tokens, colors.weak)
            }
        };
        let top = galley.pos_from_cursor(CCursor::new(span.from)).top() + at.y;
        let bottom = galley.pos_from_cursor(CCursor::new(span.to)).bottom() + at.y;
        if bottom < clip.top() || top > clip.bottom() {
            continue;
        }
        let x = left + MARGIN - 8.0;
        let line: Color32 = if span.part == Part::Input { colors.text } else { colors.line };
        painter.vline(x, (top + 3.0)..=(bottom - 3.0), Stroke::new(2.0, line));
        let Some(tokens) = tokens else { continue };
        let y = (top + 10.0).max(free);
        free = y + 14.0;
        let font = FontId::new(11.0, FontFamily::Proportional);
        painter.text(pos2(left, y), Align2::LEFT_CENTER, name, font.clone(), colors.weak);
        painter.text(pos2(x - 8.0, y), Align2::RIGHT_CENTER, tokens, font, color);
    }
}
