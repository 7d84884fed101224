//! What a chart shows, without how it is drawn.

use super::super::Method;
use crate::record::{RunId, Training};

/// A chart: panels on a grid, with what a reader must know beneath.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChartSpec {
    /// What the chart is about.
    pub title: String,
    /// The panels, row by row. None: [`ChartSpec::empty`] is shown instead.
    pub panels: Vec<Panel>,
    /// Panels that belong side by side, such as the two settings of a task; the grid's columns are a multiple of it.
    pub abreast: usize,
    /// Sentences beneath: kind of the intervals, sources, what was left out.
    pub notes: Vec<String>,
    /// What to say in place of panels: why there are none, and what to do.
    pub empty: String,
}

/// One coordinate system.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// In heavy letters: the task.
    pub title: String,
    /// Beneath: the task's name.
    pub subtitle: String,
    /// In the corner: the number of samples.
    pub corner: String,
    /// What is drawn.
    pub plot: Plot,
}

/// Kinds of drawing.
#[derive(Debug, Clone, PartialEq)]
pub enum Plot {
    /// Horizontal bars from zero.
    Bars(BarPlot),
    /// Points over a number or over bins, joined by lines.
    Lines(LinePlot),
    /// A grid of shaded cells.
    Heat(HeatPlot),
}

/// What an axis measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// The metric.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Which way is better, where one is.
    pub better: Option<Better>,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More.
    Higher,
    /// Less.
    Lower,
}

/// Bars, one a row; panels side by side with equal rows share their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct BarPlot {
    /// What the bars' lengths are.
    pub axis: Axis,
    /// From the top.
    pub rows: Vec<BarRow>,
}

/// A row of a bar plot.
#[derive(Debug, Clone, PartialEq)]
pub struct BarRow {
    /// What the row belongs to, said above the first of equal groups; empty for none.
    pub group: String,
    /// What the bar is.
    pub label: String,
    /// How the bar is painted.
    pub paint: Paint,
    /// The bar; `None` where there is no run.
    pub bar: Option<Bar>,
    /// A value to compare with: the non-personalized one.
    pub reference: Option<f64>,
}

/// A bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Its length.
    pub value: f64,
    /// The value as it is written beside.
    pub text: String,
    /// Where its whisker ends.
    pub interval: Option<(f64, f64)>,
    /// Values that others published, shown as hollow diamonds.
    pub published: Vec<Mark>,
    /// What it is, for who points at it.
    pub about: About,
}

/// A value that others published.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// The value.
    pub value: f64,
    /// Whose it is, in words.
    pub words: String,
}

/// What a bar, a point or a cell is, for who points at it or does not see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// In words: `LaMP-3 user, BM25, k 4: MAE 0.214 [0.190, 0.240], n 280`.
    pub words: String,
    /// The run behind it, the first of several.
    pub run: Option<RunId>,
    /// The non-personalized run that it is compared with.
    pub against: Option<RunId>,
}

/// Points joined by lines.
#[derive(Debug, Clone, PartialEq)]
pub struct LinePlot {
    /// What the height is.
    pub axis: Axis,
    /// What lies along the bottom.
    pub across: String,
    /// Places along the bottom that have a label.
    pub ticks: Vec<Tick>,
    /// Whether zero is in the picture, with a line through it.
    pub zero: bool,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A place along the bottom.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where.
    pub at: f64,
    /// What it is called.
    pub label: String,
    /// What stands beneath, such as the number of samples; empty for nothing.
    pub beneath: String,
}

/// A line with its points.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it is, written at its end.
    pub label: String,
    /// How it is painted.
    pub paint: Paint,
    /// What it begins at without being measured there: the non-personalized value, at k = 0.
    pub from: Option<Point>,
    /// Its points, from left to right.
    pub points: Vec<Point>,
}

/// A point of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Place along the bottom.
    pub at: f64,
    /// Height.
    pub value: f64,
    /// Where its whisker ends.
    pub interval: Option<(f64, f64)>,
    /// What it is, for who points at it.
    pub about: About,
}

/// Shaded cells.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatPlot {
    /// What the rows are.
    pub down: String,
    /// What the columns are.
    pub across: String,
    /// The rows' names, from the top.
    pub rows: Vec<String>,
    /// The columns' names.
    pub columns: Vec<String>,
    /// Cells a row; `None` where nothing was measured.
    pub cells: Vec<Vec<Option<HeatCell>>>,
    /// A column that stands apart from those before it.
    pub apart: Option<usize>,
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatCell {
    /// What stands in it.
    pub text: String,
    /// How dark it is, 0 to 1.
    pub shade: f64,
    /// Whether it is the one to see.
    pub marked: bool,
    /// What it is, for who points at it.
    pub about: About,
}

/// How a series is painted: methods by their color everywhere, models by what their weights come from and by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Paint {
    /// Gives the color.
    pub method: Method,
    /// Whether the shape is filled, as for fine-tuned models, or outlined.
    pub filled: bool,
    /// The how many-th of several lines of one color, told apart by dashes; 0 for the first.
    pub dash: usize,
}

impl Paint {
    /// The first series of a method.
    pub fn of(method: Method, training: Training) -> Self {
        let filled = matches!(training, Training::FineTuned | Training::Lora | Training::PerUserLora);
        Self { method, filled, dash: 0 }
    }
}

impl ChartSpec {
    /// The chart without values that are no numbers, which no drawing could show: such bars, points and marks are left out.
    pub(super) fn finite(&self) -> Self {
        let interval = |interval: &mut Option<(f64, f64)>| {
            *interval = interval.filter(|(low, high)| low.is_finite() && high.is_finite() && low <= high);
        };
        let mut chart = self.clone();
        for panel in &mut chart.panels {
            match &mut panel.plot {
                Plot::Bars(plot) => {
                    for row in &mut plot.rows {
                        row.reference = row.reference.filter(|value| value.is_finite());
                        row.bar = row.bar.take().filter(|bar| bar.value.is_finite());
                        if let Some(bar) = &mut row.bar {
                            interval(&mut bar.interval);
                            bar.published.retain(|mark| mark.value.is_finite());
                        }
                    }
                }
                Plot::Lines(plot) => {
                    plot.ticks.retain(|tick| tick.at.is_finite());
                    for line in &mut plot.lines {
                        line.from =
                            line.from.take().filter(|point| point.at.is_finite() && point.value.is_finite());
                        line.from.iter_mut().for_each(|point| interval(&mut point.interval));
                        line.points.retain(|point| point.at.is_finite() && point.value.is_finite());
                        line.points.iter_mut().for_each(|point| interval(&mut point.interval));
                    }
                    plot.lines.retain(|line| !line.points.is_empty());
                }
                Plot::Heat(plot) => {
                    for cell in plot.cells.iter_mut().flatten() {
                        *cell = cell.take().filter(|cell| cell.shade.is_finite());
                    }
                }
            }
        }
        chart
    }
}
