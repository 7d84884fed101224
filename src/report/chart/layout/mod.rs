//! What is shown, to where it is drawn.

mod bars;
mod heat;
mod lines;
mod paint;

use super::font::{Faces, Weight, shown};
use super::scene::{Anchor, Scene, Text};
use super::spec::{Axis, BarPlot, Better, ChartSpec, Panel, Plot};
use super::svg::POINTS_PER_MM;
use super::theme::{Color, Theme};
use super::{ChartError, Style};

/// Around everything.
const MARGIN: f64 = 7.0;
/// Between panels abreast.
const GUTTER: f64 = 13.0;
/// Between rows of panels.
const ROW_GAP: f64 = 11.0;
const TITLE: f64 = 9.0;
const PANEL_TITLE: f64 = 7.5;
const BASE: f64 = 7.0;
const SMALL: f64 = 6.5;
/// From a line of small text to the next.
const LINE: f64 = 8.5;
/// More panels abreast than this are hard to compare.
const MOST_COLUMNS: usize = 4;

/// A place on the paper.
#[derive(Debug, Clone, Copy)]
struct Area {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// Draws on a scene with the theme's colors and the shipped letters.
struct Pen {
    scene: Scene,
    faces: &'static Faces,
    theme: Theme,
}

/// Where a text stands and how.
#[derive(Debug, Clone, Copy)]
struct Type {
    size: f64,
    weight: Weight,
    anchor: Anchor,
    color: Color,
}

impl Pen {
    fn text(&mut self, x: f64, baseline: f64, text: &str, style: Type) {
        let Type { size, weight, anchor, color } = style;
        if !text.trim().is_empty() {
            let text = text.to_owned();
            self.scene.texts.push(Text { x, baseline, anchor, size, weight, color, text });
        }
    }

    fn small(&self, anchor: Anchor) -> Type {
        Type { size: SMALL, weight: Weight::Regular, anchor, color: self.theme.muted() }
    }

    fn small_width(&self, text: &str) -> f64 {
        self.faces.width(text, Weight::Regular, SMALL)
    }
}

/// Lays a chart out.
pub(super) fn lay_out(chart: &ChartSpec, style: &Style) -> Result<Scene, ChartError> {
    let style = style.checked()?;
    let chart = printable(chart.finite());
    let width = style.width_mm * POINTS_PER_MM;
    let scene = Scene {
        width,
        height: 0.0,
        ground: style.theme.ground(),
        title: chart.title.clone(),
        description: chart.notes.join(" "),
        shapes: Vec::new(),
        texts: Vec::new(),
        hits: Vec::new(),
    };
    let mut pen = Pen { scene, faces: Faces::shipped()?, theme: style.theme };
    let room = width - 2.0 * MARGIN;
    let mut y = MARGIN;
    let heading =
        Type { size: TITLE, weight: Weight::SemiBold, anchor: Anchor::Start, color: style.theme.ink() };
    for line in pen.faces.wrap(&chart.title, Weight::SemiBold, TITLE, room) {
        pen.text(MARGIN, y + 8.0, &line, heading);
        y += 11.5;
    }
    if !chart.title.is_empty() {
        y += 4.0;
    }
    y = if chart.panels.is_empty() {
        empty(&mut pen, &chart.empty, y, room)
    } else {
        grid(&mut pen, &chart, y, room)
    };
    let notes = pen.small(Anchor::Start);
    y += 5.0;
    // A reader without the letters shows wider ones, which shall not be cut.
    let room = room * 0.92;
    for line in chart
        .notes
        .iter()
        .flat_map(|note| pen.faces.wrap(note, Weight::Regular, SMALL, room))
        .collect::<Vec<_>>()
    {
        y += LINE;
        pen.text(MARGIN, y, &line, notes);
    }
    pen.scene.height = y + MARGIN;
    Ok(pen.scene)
}

/// A message in place of panels.
fn empty(pen: &mut Pen, message: &str, y: f64, room: f64) -> f64 {
    let lines = pen.faces.wrap(message, Weight::Regular, BASE, room - 24.0);
    let style = Type { size: BASE, color: pen.theme.ink(), ..pen.small(Anchor::Middle) };
    let mut at = y + 22.0;
    for line in lines {
        pen.text(MARGIN + room / 2.0, at, &line, style);
        at += 10.0;
    }
    at + 12.0
}

/// Lays panels on a grid and gives where it ends.
fn grid(pen: &mut Pen, chart: &ChartSpec, mut y: f64, room: f64) -> f64 {
    let shared = shared_labels(chart);
    let keyed = lines::key(pen, chart, room);
    if let Some(key) = &keyed {
        y = lines::draw_key(pen, key, y, room);
    }
    let narrowest = chart.panels.iter().map(|panel| match &panel.plot {
        Plot::Bars(plot) if shared.is_none() => {
            bars::label_width(pen, plot).min(room * 0.36) + bars::LABEL_GAP + bars::NARROWEST
        }
        Plot::Bars(_) => bars::NARROWEST,
        Plot::Lines(plot) => lines::narrowest(pen, plot, keyed.is_none()),
        Plot::Heat(plot) => heat::narrowest(pen, plot),
    });
    let narrowest = narrowest.fold(1.0, f64::max);
    // Labels have a third of the room; where that leaves one of many panels a row, they give some away.
    let labels_within = |share: f64| {
        shared.map_or(0.0, |plot| bars::label_width(pen, plot).min(room * share) + bars::LABEL_GAP)
    };
    let mut labels = labels_within(0.36);
    let mut columns = columns_for(chart, room - labels, narrowest);
    if columns == 1 && chart.panels.len() > 2 {
        let fewer = labels_within(0.265);
        if columns_for(chart, room - fewer, narrowest) > 1 {
            (labels, columns) = (fewer, columns_for(chart, room - fewer, narrowest));
        }
    }
    let width = (room - labels - GUTTER * (columns as f64 - 1.0)) / columns as f64;
    for (number, row) in chart.panels.chunks(columns).enumerate() {
        if number > 0 {
            y += ROW_GAP;
        }
        let places: Vec<f64> =
            (0..row.len()).map(|at| MARGIN + labels + at as f64 * (width + GUTTER)).collect();
        let headers: Vec<Vec<HeaderLine>> = row.iter().map(|panel| header(pen, panel, width)).collect();
        let lines = headers.iter().map(Vec::len).max().unwrap_or(0);
        for (header, &x) in headers.iter().zip(&places) {
            draw_header(pen, header, x, y, width);
        }
        y += lines as f64 * LINE + 5.0;
        // The plots of a row end together, so that equal heights mean the same.
        let heights = row.iter().map(|panel| match &panel.plot {
            Plot::Bars(plot) => bars::height(pen, plot, width),
            Plot::Lines(plot) => lines::height(pen, plot, width, keyed.is_none()),
            Plot::Heat(plot) => heat::height(plot),
        });
        let height = heights.fold(0.0, f64::max);
        if let (Some(_), Some(Panel { plot: Plot::Bars(plot), .. })) = (shared, row.first()) {
            bars::draw_labels(pen, plot, MARGIN, y, labels - bars::LABEL_GAP, room);
        }
        for (panel, &x) in row.iter().zip(&places) {
            let area = Area { x, y, width, height };
            match &panel.plot {
                Plot::Bars(plot) if shared.is_some() => bars::draw(pen, plot, area),
                Plot::Bars(plot) => {
                    let own = bars::label_width(pen, plot).min(room * 0.36).min(width * 0.5);
                    bars::draw_labels(pen, plot, x, y, own, width);
                    let taken = own + bars::LABEL_GAP;
                    bars::draw(pen, plot, Area { x: x + taken, width: width - taken, ..area });
                }
                Plot::Lines(plot) => lines::draw(pen, plot, area, keyed.is_none()),
                Plot::Heat(plot) => heat::draw(pen, plot, area),
            }
        }
        y += height;
    }
    y
}

/// How many panels stand abreast.
fn columns_for(chart: &ChartSpec, room: f64, narrowest: f64) -> usize {
    let fit = (((room + GUTTER) / (narrowest + GUTTER)) as usize).clamp(1, MOST_COLUMNS);
    let abreast = chart.abreast.max(1);
    if fit < abreast {
        return fit;
    }
    let most = (fit / abreast * abreast).min(chart.panels.len().next_multiple_of(abreast));
    // Rows of even length, where no more rows come of it.
    let rows = chart.panels.len().div_ceil(most);
    chart.panels.len().div_ceil(rows).next_multiple_of(abreast).min(most)
}

/// The bars whose labels stand for those of all panels.
fn shared_labels(chart: &ChartSpec) -> Option<&BarPlot> {
    let plots = chart.panels.iter().map(|panel| match &panel.plot {
        Plot::Bars(plot) => Some(plot),
        _ => None,
    });
    let plots: Vec<&BarPlot> = plots.collect::<Option<_>>()?;
    let names = |plot: &BarPlot| {
        plot.rows.iter().map(|row| (row.group.clone(), row.label.clone())).collect::<Vec<_>>()
    };
    let first = *plots.first()?;
    plots.iter().all(|plot| names(plot) == names(first)).then_some(first)
}

/// A line of a panel's header: left and right.
struct HeaderLine {
    left: String,
    right: String,
    heavy: bool,
}

fn header(pen: &Pen, panel: &Panel, width: f64) -> Vec<HeaderLine> {
    let title_width = pen.faces.width(&panel.title, Weight::SemiBold, PANEL_TITLE);
    let beside = title_width + 6.0 + pen.small_width(&panel.corner) <= width;
    let title = pen.faces.shorten(&panel.title, Weight::SemiBold, PANEL_TITLE, width);
    let right = if beside { panel.corner.clone() } else { String::new() };
    let mut lines = vec![HeaderLine { left: title, right, heavy: true }];
    let small = |text: String| HeaderLine { left: text, right: String::new(), heavy: false };
    lines.extend(pen.faces.wrap(&panel.subtitle, Weight::Regular, SMALL, width).into_iter().map(small));
    if !beside && !panel.corner.is_empty() {
        lines.push(small(pen.faces.shorten(&panel.corner, Weight::Regular, SMALL, width)));
    }
    lines
}

fn draw_header(pen: &mut Pen, lines: &[HeaderLine], x: f64, y: f64, width: f64) {
    let mut baseline = y + 7.0;
    for line in lines {
        let style = if line.heavy {
            Type {
                size: PANEL_TITLE,
                weight: Weight::SemiBold,
                anchor: Anchor::Start,
                color: pen.theme.ink(),
            }
        } else {
            pen.small(Anchor::Start)
        };
        pen.text(x, baseline, &line.left, style);
        pen.text(x + width, baseline, &line.right, pen.small(Anchor::End));
        baseline += LINE;
    }
}

/// What an axis says, on one line if there is room, with an arrow that points to what is better: along the axis or up it.
fn axis_lines(pen: &Pen, axis: &Axis, upright: bool, room: f64) -> Vec<String> {
    let name =
        if axis.unit.is_empty() { axis.name.clone() } else { format!("{} ({})", axis.name, axis.unit) };
    let better = axis.better.map(|better| match (better, upright) {
        (Better::Higher, false) => "higher is better →",
        (Better::Lower, false) => "← lower is better",
        (Better::Higher, true) => "↑ higher is better",
        (Better::Lower, true) => "↓ lower is better",
    });
    let lines = match better {
        None => vec![name],
        Some(better) => {
            let line = match (better.starts_with('←'), upright) {
                (true, _) => format!("← {name}, lower is better"),
                (false, false) => format!("{name}, {better}"),
                (false, true) => {
                    let (arrow, words) = better.split_once(' ').unwrap_or(("", better));
                    format!("{arrow} {name}, {words}")
                }
            };
            if pen.small_width(&line) <= room { vec![line] } else { vec![name, better.to_owned()] }
        }
    };
    lines.into_iter().map(|line| pen.faces.shorten(&line, Weight::Regular, SMALL, room)).collect()
}

/// The chart with texts that can be shown.
fn printable(mut chart: ChartSpec) -> ChartSpec {
    let fix = |text: &mut String| *text = shown(text);
    fix(&mut chart.title);
    fix(&mut chart.empty);
    chart.notes.iter_mut().for_each(fix);
    for panel in &mut chart.panels {
        [&mut panel.title, &mut panel.subtitle, &mut panel.corner].into_iter().for_each(fix);
        match &mut panel.plot {
            Plot::Bars(plot) => {
                [&mut plot.axis.name, &mut plot.axis.unit].into_iter().for_each(fix);
                for row in &mut plot.rows {
                    [&mut row.group, &mut row.label].into_iter().for_each(fix);
                    row.bar.iter_mut().for_each(|bar| fix(&mut bar.text));
                }
            }
            Plot::Lines(plot) => {
                [&mut plot.axis.name, &mut plot.axis.unit, &mut plot.across].into_iter().for_each(fix);
                plot.ticks
                    .iter_mut()
                    .for_each(|tick| [&mut tick.label, &mut tick.beneath].into_iter().for_each(fix));
                plot.lines.iter_mut().for_each(|line| fix(&mut line.label));
            }
            Plot::Heat(plot) => {
                [&mut plot.down, &mut plot.across].into_iter().for_each(fix);
                plot.rows.iter_mut().chain(&mut plot.columns).for_each(fix);
                plot.cells.iter_mut().flatten().flatten().for_each(|cell| fix(&mut cell.text));
            }
        }
    }
    chart
}
