//! Horizontal bars with whiskers and marks.

use super::super::font::Weight;
use super::super::scale::{Scale, ticks};
use super::super::scene::{Anchor, Form, Stroke};
use super::super::spec::{About, BarPlot, BarRow};
use super::{Area, BASE, LINE, Pen, SMALL, Type, axis_lines};

/// The narrowest panel without its labels.
pub(super) const NARROWEST: f64 = 74.0;
/// Between labels and bars.
pub(super) const LABEL_GAP: f64 = 5.0;
/// From a row to the next.
const PITCH: f64 = 10.0;
const BAR: f64 = 6.4;
/// Half a diamond.
const DIAMOND: f64 = 2.7;

/// How wide the labels are.
pub(super) fn label_width(pen: &Pen, plot: &BarPlot) -> f64 {
    let widths = plot.rows.iter().map(|row| pen.faces.width(&row.label, Weight::Regular, BASE));
    widths.fold(0.0, f64::max)
}

/// How high the plot is, its axis included.
pub(super) fn height(pen: &Pen, plot: &BarPlot, width: f64) -> f64 {
    let (_, bottom) = rows(plot);
    bottom + 3.0 + LINE * (1.0 + axis_lines(pen, &plot.axis, false, width).len() as f64)
}

/// Each row with its top below the plot's, and where the rows end.
fn rows(plot: &BarPlot) -> (Vec<(&BarRow, f64)>, f64) {
    let mut y = 0.0;
    let mut group = "";
    let mut rows = Vec::with_capacity(plot.rows.len());
    for row in &plot.rows {
        if row.group != group {
            y += if rows.is_empty() { PITCH } else { PITCH + 3.0 };
            group = &row.group;
        }
        rows.push((row, y));
        y += PITCH;
    }
    (rows, y)
}

/// Writes the rows' labels, and their groups' names across the whole room, where no bars are.
pub(super) fn draw_labels(pen: &mut Pen, plot: &BarPlot, x: f64, y: f64, width: f64, room: f64) {
    let label = Type { size: BASE, weight: Weight::Regular, anchor: Anchor::Start, color: pen.theme.ink() };
    let heading = Type { size: SMALL, weight: Weight::SemiBold, ..label };
    let mut group = "";
    for (row, top) in rows(plot).0 {
        if row.group != group {
            group = &row.group;
            let text = pen.faces.shorten(group, Weight::SemiBold, SMALL, room);
            pen.text(x, y + top - PITCH + 7.2, &text, heading);
        }
        let text = pen.faces.shorten(&row.label, Weight::Regular, BASE, width);
        pen.text(x, y + top + PITCH / 2.0 + 2.5, &text, label);
    }
}

/// Draws the bars, their axis and their values.
pub(super) fn draw(pen: &mut Pen, plot: &BarPlot, area: Area) {
    let (rows, bottom) = rows(plot);
    let values = rows.iter().filter_map(|(row, _)| row.bar.as_ref());
    let texts = values.clone().map(|bar| pen.small_width(&bar.text));
    let column = texts.fold(pen.small_width("–"), f64::max);
    let width = (area.width - column - 5.0).max(10.0);
    let ends = values.flat_map(|bar| {
        let interval = bar.interval.map(|(_, high)| high);
        [bar.value].into_iter().chain(interval).chain(bar.published.iter().map(|mark| mark.value))
    });
    let references = rows.iter().filter_map(|(row, _)| row.reference);
    let most = ends.chain(references).fold(0.0, f64::max);
    let most = if most > 0.0 { most } else { 1.0 };
    let scale = Scale::new((0.0, most), area.x, area.x + width);
    let ticks = ticks(0.0, most, ((width / 20.0) as usize).clamp(3, 6));

    for (from, to) in blocks(&rows) {
        let (top, end) = (area.y + from, area.y + to);
        for &(value, _) in ticks.iter().filter(|tick| tick.0 > 0.0) {
            pen.scene.line(
                "grid",
                (scale.at(value), top),
                (scale.at(value), end),
                Stroke::new(pen.theme.grid(), 0.5),
            );
        }
    }
    for (row, top) in &rows {
        let y = area.y + top;
        let middle = y + PITCH / 2.0;
        let Some(bar) = &row.bar else {
            pen.text(area.x + area.width, middle + 2.3, "–", pen.small(Anchor::End));
            continue;
        };
        let length = scale.at(bar.value) - area.x;
        if length > 0.0 {
            pen.bar((area.x, middle - BAR / 2.0, length, BAR), row.paint);
        }
        let value = Type { color: pen.theme.ink(), ..pen.small(Anchor::End) };
        pen.text(area.x + area.width, middle + 2.3, &bar.text, value);
        // The whole row, so that a short bar is found as easily as a long one.
        pen.scene.hit((area.x, y, area.width, PITCH), &bar.about);
    }
    for (from, to) in blocks(&rows) {
        let axis = Stroke::new(pen.theme.axis(), 0.6);
        pen.scene.line("axis", (area.x, area.y + from), (area.x, area.y + to), axis);
    }
    draw_references(pen, &rows, scale, area.y);
    for (row, top) in &rows {
        let middle = area.y + top + PITCH / 2.0;
        let Some(bar) = &row.bar else { continue };
        let ink = pen.theme.ink();
        if let Some((low, high)) = bar.interval {
            let (low, high) = (scale.at(low), scale.at(high));
            pen.scene.line("whisker", (low, middle), (high, middle), Stroke::new(ink, 0.7));
            for end in [low, high] {
                pen.scene.line("cap", (end, middle - 1.5), (end, middle + 1.5), Stroke::new(ink, 0.7));
            }
        }
        for mark in &bar.published {
            let x = scale.at(mark.value);
            let about = About { words: mark.words.clone(), ..About::default() };
            let (left, top, side) = (x - DIAMOND, middle - DIAMOND, 2.0 * DIAMOND);
            pen.scene.hit((left, top, side, side), &about);
            let points = vec![
                (x, middle - DIAMOND),
                (x + DIAMOND, middle),
                (x, middle + DIAMOND),
                (x - DIAMOND, middle),
            ];
            let form = Form::Path { points, closed: true };
            pen.scene.shape("published", form, Some(pen.theme.ground()), Some(Stroke::new(ink, 0.8)));
        }
    }

    let mut baseline = area.y + bottom + 1.5 + 6.5;
    let mut free_from = f64::NEG_INFINITY;
    for (value, text) in &ticks {
        let text = if *value == 0.0 { "0" } else { text };
        let (at, half) = (scale.at(*value), pen.small_width(text) / 2.0);
        // The label at zero begins there, so that nothing hangs out on the left.
        let (x, anchor) = if *value == 0.0 { (area.x, Anchor::Start) } else { (at, Anchor::Middle) };
        let (from, to) = if *value == 0.0 { (x, x + 2.0 * half) } else { (x - half, x + half) };
        if from >= free_from && to <= area.x + area.width {
            pen.text(x, baseline, text, pen.small(anchor));
            free_from = to + 3.0;
        }
    }
    for line in axis_lines(pen, &plot.axis, false, area.width) {
        baseline += LINE;
        pen.text(area.x, baseline, &line, pen.small(Anchor::Start));
    }
}

/// Where unbroken rows begin and end.
fn blocks(rows: &[(&BarRow, f64)]) -> Vec<(f64, f64)> {
    let mut blocks: Vec<(f64, f64)> = Vec::new();
    for &(_, top) in rows {
        match blocks.last_mut() {
            Some(block) if block.1 == top => block.1 += PITCH,
            _ => blocks.push((top, top + PITCH)),
        }
    }
    blocks
}

/// Draws the values to compare with, each along the rows that have it.
fn draw_references(pen: &mut Pen, rows: &[(&BarRow, f64)], scale: Scale, y: f64) {
    let mut runs: Vec<(f64, f64, f64)> = Vec::new();
    for (row, top) in rows {
        let Some(value) = row.reference else { continue };
        match runs.last_mut() {
            Some(run) if run.0 == value && run.2 == *top => run.2 += PITCH,
            _ => runs.push((value, *top, top + PITCH)),
        }
    }
    for (value, from, to) in runs {
        let dashed = Stroke { dash: Some((2.2, 1.6)), ..Stroke::new(pen.theme.muted(), 0.7) };
        pen.scene.line("reference", (scale.at(value), y + from), (scale.at(value), y + to), dashed);
    }
}
