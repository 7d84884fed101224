//! Points joined by lines, with whiskers and with labels at the lines' ends.

use super::super::super::Method;
use super::super::font::Weight;
use super::super::scale::{Scale, ticks};
use super::super::scene::{Anchor, Stroke};
use super::super::spec::{About, ChartSpec, Line, LinePlot, Paint, Plot, Point};
use super::super::theme::Color;
use super::{Area, LINE, MARGIN, Pen, SMALL, Type, axis_lines, columns_for};

/// From a label to the next one above or below.
const LABEL_PITCH: f64 = 7.8;
/// Between the last point and the labels.
const LEADER: f64 = 9.0;
/// Half the place around a point that is pointed at.
const REACH: f64 = 4.0;
/// Between the frame and the first and last place.
const INSET: f64 = 5.0;

/// The narrowest panel.
pub(super) fn narrowest(pen: &Pen, plot: &LinePlot, direct: bool) -> f64 {
    let ticks: f64 = plot.ticks.iter().map(|tick| tick_width(pen, &tick.label, &tick.beneath) + 4.0).sum();
    let labels = if direct { label_room(pen, plot, f64::INFINITY) + LEADER } else { 0.0 };
    // Room for the numbers on the left, the places beneath, and the labels.
    24.0 + ticks.clamp(58.0, 140.0) + 2.0 * INSET + labels
}

/// What the lines are, where a chart says it once above its panels: if they are several and so narrow that labels at the
/// lines' ends would be cut or leave the lines no room. `None` if lines are labeled directly.
pub(super) fn key(pen: &Pen, chart: &ChartSpec, room: f64) -> Option<Vec<(String, Paint)>> {
    let plots = chart.panels.iter().filter_map(|panel| match &panel.plot {
        Plot::Lines(plot) => Some(plot),
        _ => None,
    });
    let plots: Vec<&LinePlot> = plots.collect();
    let widest = |direct| plots.iter().map(|plot| narrowest(pen, plot, direct)).fold(1.0, f64::max);
    // Labels may cost one more row of panels, not more, and never all of the room.
    let rows = |direct| chart.panels.len().div_ceil(columns_for(chart, room, widest(direct)));
    if plots.is_empty() || (widest(true) <= room && rows(true) <= rows(false) + 1) {
        return None;
    }
    let mut key: Vec<(String, Paint)> = Vec::new();
    for line in plots.iter().flat_map(|plot| &plot.lines) {
        let entry = (line.label.clone(), line.paint);
        if !key.contains(&entry) {
            key.push(entry);
        }
    }
    Some(key)
}

/// Draws the key and gives where it ends.
pub(super) fn draw_key(pen: &mut Pen, key: &[(String, Paint)], y: f64, room: f64) -> f64 {
    const SAMPLE: f64 = 15.0;
    const BETWEEN: f64 = 11.0;
    let (mut x, mut y) = (MARGIN, y);
    for (label, paint) in key {
        let text = pen.faces.shorten(label, Weight::Regular, SMALL, room - SAMPLE - 4.0);
        let width = SAMPLE + 4.0 + pen.small_width(&text);
        if x > MARGIN && x + width > MARGIN + room {
            (x, y) = (MARGIN, y + LINE + 1.0);
        }
        let middle = y + 4.7;
        pen.curve(&[(x, middle), (x + SAMPLE, middle)], *paint);
        pen.dot((x + SAMPLE / 2.0, middle), *paint);
        let style = Type { color: pen.theme.ink(), ..pen.small(Anchor::Start) };
        pen.text(x + SAMPLE + 4.0, y + 7.0, &text, style);
        x += width + BETWEEN;
    }
    y + LINE + 7.0
}

fn tick_width(pen: &Pen, label: &str, beneath: &str) -> f64 {
    pen.small_width(label).max(pen.small_width(beneath))
}

fn label_room(pen: &Pen, plot: &LinePlot, width: f64) -> f64 {
    let widths = plot.lines.iter().map(|line| pen.small_width(&line.label));
    widths.fold(0.0, f64::max).min(width * 0.5)
}

/// The plot itself, without what stands above and beneath.
fn inner_height(plot: &LinePlot, width: f64, direct: bool) -> f64 {
    let labels = if direct { plot.lines.len() as f64 * LABEL_PITCH + 4.0 } else { 0.0 };
    (width * 0.62).clamp(64.0, 130.0).max(labels)
}

/// How high the panel is beneath its header.
pub(super) fn height(pen: &Pen, plot: &LinePlot, width: f64, direct: bool) -> f64 {
    let above = axis_lines(pen, &plot.axis, true, width).len() as f64 * LINE + 4.0;
    above + inner_height(plot, width, direct) + beneath(plot)
}

fn beneath(plot: &LinePlot) -> f64 {
    let counts = plot.ticks.iter().any(|tick| !tick.beneath.is_empty());
    4.0 + LINE * if counts { 3.0 } else { 2.0 }
}

/// Draws axes, lines and labels.
pub(super) fn draw(pen: &mut Pen, plot: &LinePlot, area: Area, direct: bool) {
    let mut top = area.y;
    for line in axis_lines(pen, &plot.axis, true, area.width) {
        pen.text(area.x, top + 6.5, &line, pen.small(Anchor::Start));
        top += LINE;
    }
    top += 4.0;
    let bottom = area.y + area.height - beneath(plot);
    let (low, high) = heights(plot);
    let up = Scale::new((low, high), bottom, top);
    let named = ticks(low, high, (((bottom - top) / 18.0) as usize).clamp(2, 6));
    let tick_room = named.iter().map(|(_, text)| pen.small_width(text)).fold(0.0, f64::max);
    let left = area.x + tick_room + 4.0;
    let labels = label_room(pen, plot, area.width);
    let aside = if direct { labels + LEADER } else { 0.0 };
    let right = (area.x + area.width - aside).max(left + 12.0);

    for (value, text) in &named {
        let y = up.at(*value);
        pen.text(left - 4.0, y + 2.3, text, pen.small(Anchor::End));
        let color = if plot.zero && *value == 0.0 { pen.theme.axis() } else { pen.theme.grid() };
        pen.scene.line(
            "grid",
            (left, y),
            (right, y),
            Stroke::new(color, if plot.zero && *value == 0.0 { 0.7 } else { 0.5 }),
        );
    }
    let places = plot
        .ticks
        .iter()
        .map(|tick| tick.at)
        .chain(plot.lines.iter().flat_map(all_points).map(|point| point.at));
    let (first, last) =
        places.fold((f64::INFINITY, f64::NEG_INFINITY), |(first, last), at| (first.min(at), last.max(at)));
    // Points of several lines stand beside their place.
    let inset = INSET + plot.lines.len() as f64;
    let across = if last > first {
        Scale::new((first, last), left + inset, right - inset)
    } else {
        let middle = (left + right) / 2.0;
        Scale::new((first, first + 1.0), middle, middle)
    };
    draw_ticks(pen, plot, &across, bottom, (area.x, area.x + area.width));
    let middle = (left + right) / 2.0;
    let title = pen.faces.shorten(&plot.across, Weight::Regular, SMALL, area.width);
    let half = pen.small_width(&title) / 2.0;
    let middle = middle.max(area.x + half).min(area.x + area.width - half);
    pen.text(middle, area.y + area.height - 2.0, &title, pen.small(Anchor::Middle));

    let offsets = offsets(plot, &across);
    let placed: Vec<Vec<(f64, f64)>> = (plot.lines.iter().zip(&offsets))
        .map(|(line, offset)| {
            line.points.iter().map(|point| (across.at(point.at) + offset, up.at(point.value))).collect()
        })
        .collect();
    for (line, points) in plot.lines.iter().zip(&placed) {
        let color = pen.thin(line.paint.method);
        for (point, (x, _)) in line.points.iter().zip(points) {
            draw_whisker(pen, &up, *x, point.interval, color);
        }
    }
    let begin = |point: &Point| (across.at(point.at), up.at(point.value));
    for (line, points) in plot.lines.iter().zip(&placed) {
        let points: Vec<(f64, f64)> = line.from.iter().map(begin).chain(points.iter().copied()).collect();
        pen.curve(&points, line.paint);
    }
    // Lines may begin at one point, which is drawn once.
    let mut beginnings: Vec<(&Point, Paint)> = Vec::new();
    for line in &plot.lines {
        let Some(from) = &line.from else { continue };
        if !beginnings.iter().any(|(known, _)| *known == from) {
            beginnings.push((from, Paint { method: Method::NonPersonalized, dash: 0, ..line.paint }));
        }
    }
    for (point, paint) in beginnings {
        let color = pen.thin(paint.method);
        draw_whisker(pen, &up, across.at(point.at), point.interval, color);
        pen.dot(begin(point), paint);
        pen.hit_around(begin(point), &point.about);
    }
    for (line, points) in plot.lines.iter().zip(&placed) {
        for (point, &place) in line.points.iter().zip(points) {
            pen.dot(place, line.paint);
            pen.hit_around(place, &point.about);
        }
    }
    if direct {
        draw_labels(pen, &plot.lines, &placed, (right, labels), (top, bottom));
    }
}

impl Pen {
    /// Says what a point is.
    fn hit_around(&mut self, (x, y): (f64, f64), about: &About) {
        self.scene.hit((x - REACH, y - REACH, 2.0 * REACH, 2.0 * REACH), about);
    }
}

fn draw_whisker(pen: &mut Pen, up: &Scale, x: f64, interval: Option<(f64, f64)>, color: Color) {
    let Some((low, high)) = interval else { return };
    let (low, high) = (up.at(low), up.at(high));
    // Behind the lines, and lighter than they are.
    let stroke = Stroke::new(color.mix(pen.theme.ground(), 0.3), 0.7);
    pen.scene.line("whisker", (x, low), (x, high), stroke);
    for end in [low, high] {
        pen.scene.line("cap", (x - 1.2, end), (x + 1.2, end), stroke);
    }
}

fn all_points(line: &Line) -> impl Iterator<Item = &Point> {
    line.from.iter().chain(&line.points)
}

/// The lowest and highest that is shown, with some air.
fn heights(plot: &LinePlot) -> (f64, f64) {
    let values = plot.lines.iter().flat_map(all_points).flat_map(|point| {
        let (low, high) = point.interval.unwrap_or((point.value, point.value));
        [point.value, low, high]
    });
    let zero = plot.zero.then_some(0.0);
    let (low, high) = values
        .chain(zero)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    // Equal values stand in the middle.
    let air = if high > low { (high - low) * 0.06 } else { (low.abs() * 0.1).max(0.05) };
    // What is never negative gets no negative axis.
    let floor = if low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
    ((low - air).max(floor), high + air)
}

fn draw_ticks(pen: &mut Pen, plot: &LinePlot, across: &Scale, bottom: f64, (from, to): (f64, f64)) {
    let mut free_from = from;
    for tick in &plot.ticks {
        let x = across.at(tick.at);
        let half = tick_width(pen, &tick.label, &tick.beneath) / 2.0;
        pen.scene.line("tick", (x, bottom), (x, bottom + 2.0), Stroke::new(pen.theme.axis(), 0.5));
        if x - half < free_from || x + half > to {
            continue;
        }
        pen.text(x, bottom + 9.0, &tick.label, pen.small(Anchor::Middle));
        pen.text(x, bottom + 9.0 + LINE, &tick.beneath, pen.small(Anchor::Middle));
        free_from = x + half + 3.0;
    }
}

/// How far the lines are moved aside, so that whiskers do not hide each other.
fn offsets(plot: &LinePlot, across: &Scale) -> Vec<f64> {
    let mut places: Vec<f64> = plot.ticks.iter().map(|tick| across.at(tick.at)).collect();
    places.sort_by(f64::total_cmp);
    let nearest =
        places.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0.0).fold(20.0, f64::min);
    let lines = plot.lines.len() as f64;
    let step = (nearest * 0.72 / lines.max(1.0)).min(3.2);
    let middle = (lines - 1.0) / 2.0;
    (0..plot.lines.len()).map(|number| (number as f64 - middle) * step).collect()
}

/// Writes each line's name beside its end; names that would meet are moved apart and joined to their lines.
fn draw_labels(
    pen: &mut Pen,
    lines: &[Line],
    placed: &[Vec<(f64, f64)>],
    (right, room): (f64, f64),
    (top, bottom): (f64, f64),
) {
    let mut ends: Vec<(usize, (f64, f64))> =
        placed.iter().enumerate().filter_map(|(at, points)| points.last().map(|&end| (at, end))).collect();
    ends.sort_by(|one, other| one.1.1.total_cmp(&other.1.1).then(one.0.cmp(&other.0)));
    let heights = spread(&ends.iter().map(|(_, end)| end.1).collect::<Vec<_>>(), top + 2.0, bottom - 2.0);
    for ((at, end), y) in ends.into_iter().zip(heights) {
        let line = &lines[at];
        let color = pen.thin(line.paint.method);
        let (from, to) = ((end.0 + 3.0, end.1), (right + LEADER - 2.0, y));
        if to.0 > from.0 {
            pen.scene.line("leader", from, to, Stroke::new(color, 0.4));
        }
        let text = pen.faces.shorten(&line.label, Weight::Regular, SMALL, room);
        let style = Type { color: pen.theme.ink(), ..pen.small(Anchor::Start) };
        pen.text(right + LEADER, y + 2.3, &text, style);
    }
}

/// Ascending heights, moved as little as keeps them apart and within bounds if there is room.
fn spread(heights: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    // Neighbors that meet become a block around their mean.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    let clamp = |middle: f64, count: usize| {
        let half = (count as f64 - 1.0) * LABEL_PITCH / 2.0;
        middle.min(bottom - half).max(top + half)
    };
    for &height in heights {
        let mut block = (clamp(height, 1), 1);
        while let Some(&(middle, count)) = blocks.last() {
            let reach = (count + block.1) as f64 * LABEL_PITCH / 2.0;
            if block.0 - middle >= reach {
                break;
            }
            blocks.pop();
            let both = count + block.1;
            let mean = (middle * count as f64 + block.0 * block.1 as f64) / both as f64;
            block = (clamp(mean, both), both);
        }
        blocks.push(block);
    }
    blocks
        .into_iter()
        .flat_map(|(middle, count)| {
            (0..count).map(move |at| middle + (at as f64 - (count as f64 - 1.0) / 2.0) * LABEL_PITCH)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_apart_in_their_order() {
        for heights in
            [vec![50.0; 7], vec![0.0, 1.0, 50.0, 99.0, 100.0], vec![10.0, 30.0, 31.0, 45.0], vec![]]
        {
            let out = spread(&heights, 0.0, 100.0);
            assert_eq!(out.len(), heights.len());
            assert!(out.windows(2).all(|pair| pair[1] - pair[0] >= LABEL_PITCH - 1e-9), "{out:?}");
            assert!(out.iter().all(|y| (-1e-9..=100.0 + 1e-9).contains(y)), "{out:?}");
        }
        assert_eq!(spread(&[10.0, 30.0], 0.0, 100.0), [10.0, 30.0]);
    }
}
