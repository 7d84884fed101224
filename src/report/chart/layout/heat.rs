//! Shaded cells with their values.

use super::super::font::Weight;
use super::super::scene::{Anchor, Form, Stroke};
use super::super::spec::HeatPlot;
use super::{Area, BASE, LINE, Pen, SMALL, Type};

/// A cell's height.
const CELL: f64 = 14.0;
/// The widest cell: wider ones are harder to compare.
const WIDEST: f64 = 40.0;
/// Before a column that stands apart.
const APART: f64 = 4.0;
/// Between the rows' names and the cells.
const GAP: f64 = 5.0;

fn cell_width(pen: &Pen, plot: &HeatPlot) -> f64 {
    let texts = plot.cells.iter().flatten().flatten().map(|cell| {
        // A mark stands before the text.
        pen.small_width(&cell.text) + if cell.marked { pen.small_width("★ ") } else { 0.0 }
    });
    let names = plot.columns.iter().map(|name| pen.small_width(name));
    texts.chain(names).fold(10.0, f64::max) + 5.0
}

fn names_width(pen: &Pen, plot: &HeatPlot) -> f64 {
    let rows = plot.rows.iter().map(|name| pen.faces.width(name, Weight::Regular, BASE));
    rows.fold(pen.small_width(&plot.down), f64::max)
}

/// The narrowest panel.
pub(super) fn narrowest(pen: &Pen, plot: &HeatPlot) -> f64 {
    names_width(pen, plot).min(80.0) + GAP + APART + plot.columns.len() as f64 * cell_width(pen, plot)
}

/// How high the panel is beneath its header.
pub(super) fn height(plot: &HeatPlot) -> f64 {
    2.0 * LINE + 2.0 + plot.rows.len() as f64 * CELL + 2.0
}

/// Draws the cells and the names around them.
pub(super) fn draw(pen: &mut Pen, plot: &HeatPlot, area: Area) {
    let columns = plot.columns.len().max(1) as f64;
    let apart = if plot.apart.is_some() { APART } else { 0.0 };
    let names = names_width(pen, plot).min(area.width * 0.45);
    let width = ((area.width - names - GAP - apart) / columns).clamp(4.0, WIDEST);
    let left = area.x + names + GAP;
    let top = area.y + 2.0 * LINE + 2.0;
    let place = |column: usize| {
        left + column as f64 * width + if plot.apart.is_some_and(|at| column >= at) { APART } else { 0.0 }
    };

    let down = pen.faces.shorten(&plot.down, Weight::Regular, SMALL, names);
    pen.text(area.x, top - 4.0, &down, pen.small(Anchor::Start));
    let cells_width = place(plot.columns.len()) - left;
    let across = pen.faces.shorten(&plot.across, Weight::Regular, SMALL, area.x + area.width - left);
    // Above the cells, beginning with them where it is wider than they are.
    if pen.small_width(&across) <= cells_width {
        pen.text(left + cells_width / 2.0, area.y + 6.0, &across, pen.small(Anchor::Middle));
    } else {
        pen.text(left, area.y + 6.0, &across, pen.small(Anchor::Start));
    }
    let ink = Type { color: pen.theme.ink(), ..pen.small(Anchor::Middle) };
    for (column, name) in plot.columns.iter().enumerate() {
        let text = pen.faces.shorten(name, Weight::Regular, SMALL, width - 1.0);
        pen.text(place(column) + width / 2.0, top - 4.0, &text, ink);
    }
    for (row, name) in plot.rows.iter().enumerate() {
        let y = top + row as f64 * CELL;
        let text = pen.faces.shorten(name, Weight::Regular, BASE, names);
        pen.text(left - GAP, y + CELL / 2.0 + 2.5, &text, Type { size: BASE, anchor: Anchor::End, ..ink });
        for (column, cell) in plot.cells.get(row).into_iter().flatten().enumerate().take(plot.columns.len()) {
            let x = place(column);
            let form = Form::Rectangle { x: x + 0.4, y: y + 0.4, width: width - 0.8, height: CELL - 0.8 };
            let Some(cell) = cell else {
                pen.scene.shape("no-cell", form, None, Some(Stroke::new(pen.theme.grid(), 0.5)));
                continue;
            };
            let (ground, dark) = (pen.theme.ground(), pen.theme.heat());
            let shade = ground.mix(dark, 0.04 + 0.96 * cell.shade.clamp(0.0, 1.0));
            pen.scene.hit((x, y, width, CELL), &cell.about);
            let edge = cell.marked.then_some(Stroke::new(pen.theme.ink(), 1.0));
            pen.scene.shape("cell", form, Some(shade), edge);
            let inks = [pen.theme.ink(), ground];
            let color = if inks[0].contrast(shade) >= inks[1].contrast(shade) { inks[0] } else { inks[1] };
            let whole = if cell.marked { format!("★ {}", cell.text) } else { cell.text.clone() };
            let weight = if cell.marked { Weight::SemiBold } else { Weight::Regular };
            let text = pen.faces.shorten(&whole, weight, SMALL, width - 2.0);
            pen.text(x + width / 2.0, y + CELL / 2.0 + 2.3, &text, Type { color, weight, ..ink });
        }
    }
}
