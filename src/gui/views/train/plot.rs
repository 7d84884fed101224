//! A chart that lives: axes, lines and marks painted anew each frame, few enough to cost nothing.

use eframe::egui::{
    self, Align2, Color32, FontId, Pos2, Rect, Response, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2,
};

use crate::gui::theme::colors;

/// The room of figures at the left.
const LEFT: f32 = 46.0;
/// The room of figures beneath.
const BENEATH: f32 = 20.0;
/// The room that a mark at the edge needs.
const EDGE: f32 = 10.0;

/// A chart's area, with what its edges stand for.
pub(super) struct Plot {
    rect: Rect,
    x: (f64, f64),
    y: (f64, f64),
    log: bool,
}

impl Plot {
    /// Takes the room and draws the axes. `words` say what it shows.
    pub fn new(
        ui: &mut Ui,
        height: f32,
        x: (f64, f64),
        y: (f64, f64),
        log: bool,
        words: &str,
    ) -> (Self, Response) {
        let size = vec2(ui.available_width(), height);
        let (whole, response) = ui.allocate_exact_size(size, Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, words));
        let rect = Rect::from_min_max(
            pos2(whole.left() + LEFT, whole.top() + 6.0),
            pos2(whole.right() - EDGE, whole.bottom() - BENEATH),
        );
        let log = log && y.0 > 0.0;
        let plot = Self { rect, x: apart(x), y: if log { y } else { apart(y) }, log };
        plot.axes(ui);
        (plot, response)
    }

    /// The area within the axes.
    pub const fn rect(&self) -> Rect {
        self.rect
    }

    /// Where a point is; what lies outside is at the edge.
    pub fn at(&self, x: f64, y: f64) -> Pos2 {
        let part = |value: f64, (low, high): (f64, f64)| {
            let part = (value - low) / (high - low);
            if part.is_finite() { part.clamp(0.0, 1.0) as f32 } else { 0.0 }
        };
        let up = match self.log {
            true => part(y.max(self.y.0).ln(), (self.y.0.ln(), self.y.1.ln())),
            false => part(y, self.y),
        };
        pos2(
            self.rect.left() + self.rect.width() * part(x, self.x),
            self.rect.bottom() - self.rect.height() * up,
        )
    }

    /// What an x of the screen stands for.
    pub fn x_of(&self, at: f32) -> f64 {
        let part = f64::from((at - self.rect.left()) / self.rect.width().max(1.0));
        self.x.0 + part * (self.x.1 - self.x.0)
    }

    fn axes(&self, ui: &Ui) {
        let (colors, painter, font) = (colors(ui), ui.painter(), FontId::proportional(11.0));
        let rows = (self.rect.height() / 20.0).clamp(2.0, 6.0);
        let marks = if self.log { log_ticks(self.y) } else { ticks(self.y, f64::from(rows)) };
        let step = marks
            .iter()
            .zip(marks.iter().skip(1))
            .map(|(one, next)| next - one)
            .fold(f64::INFINITY, f64::min);
        for value in marks {
            let at = self.at(self.x.0, value).y;
            painter.hline(self.rect.x_range(), at, Stroke::new(1.0, colors.line.gamma_multiply(0.7)));
            let text = figure(value, if self.log { value.min(step) } else { step });
            let place = pos2(self.rect.left() - 6.0, at);
            painter.text(place, Align2::RIGHT_CENTER, text, font.clone(), colors.weak);
        }
        painter.hline(self.rect.x_range(), self.rect.bottom(), Stroke::new(1.0, colors.line));
        let columns = (self.rect.width() / 90.0).clamp(2.0, 10.0);
        for value in ticks(self.x, f64::from(columns)).into_iter().filter(|value| value.fract() == 0.0) {
            let at = self.at(value, self.y.0);
            painter.vline(at.x, at.y..=at.y + 3.0, Stroke::new(1.0, colors.line));
            let text = crate::gui::kit::count(value as u64);
            painter.text(pos2(at.x, at.y + 5.0), Align2::CENTER_TOP, text, font.clone(), colors.weak);
        }
    }

    /// A line through points.
    pub fn line(&self, ui: &Ui, points: impl Iterator<Item = (f64, f64)>, stroke: Stroke) {
        let points: Vec<Pos2> = points.map(|(x, y)| self.at(x, y)).collect();
        match points.as_slice() {
            [] => {}
            [one] => {
                ui.painter().circle_filled(*one, stroke.width, stroke.color);
            }
            _ => {
                ui.painter().add(Shape::line(points, stroke));
            }
        }
    }

    /// Upright strokes from low to high, one beside the other.
    pub fn band(&self, ui: &Ui, pieces: impl Iterator<Item = (f64, f64, f64)>, color: Color32) {
        let painter = ui.painter();
        for (x, low, high) in pieces {
            let (low, high) = (self.at(x, low), self.at(x, high));
            painter.vline(low.x, (high.y - 0.5)..=(low.y + 0.5), Stroke::new(1.0, color));
        }
    }

    /// A diamond at a point, filled where it is the best; what it is shows when the pointer rests on it.
    pub fn mark(&self, ui: &mut Ui, number: usize, (x, y): (f64, f64), best: bool, words: &str) {
        let (at, colors) = (self.at(x, y), colors(ui));
        let size = if best { 5.5 } else { 4.0 };
        let corners =
            [vec2(0.0, -size), vec2(size, 0.0), vec2(0.0, size), vec2(-size, 0.0)].map(|way| at + way);
        let fill = if best { colors.good } else { colors.ground };
        let stroke = Stroke::new(1.5, if best { colors.good } else { colors.text });
        ui.painter().add(Shape::convex_polygon(corners.to_vec(), fill, stroke));
        let id = ui.scope_id().with(("mark", number, self.rect.top() as i32));
        let response = ui.interact(Rect::from_center_size(at, vec2(12.0, 12.0)), id, Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, words));
        response.on_hover_text(words);
    }
}

/// A range with something in it.
fn apart((low, high): (f64, f64)) -> (f64, f64) {
    if !(low.is_finite() && high.is_finite()) {
        (0.0, 1.0)
    } else if high > low {
        (low, high)
    } else {
        let room = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
        (low - room, low + room)
    }
}

/// Round values in a range, about so many, and never one alone.
fn ticks(range: (f64, f64), most: f64) -> Vec<f64> {
    let some = round_values(range, most);
    if some.len() == 1 { round_values(range, 2.0 * most) } else { some }
}

fn round_values((low, high): (f64, f64), most: f64) -> Vec<f64> {
    let rough = (high - low) / most.max(1.0);
    let power = 10f64.powf(rough.log10().floor());
    let step = power * [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| power * step >= rough).unwrap_or(10.0);
    if !(step.is_finite() && step > 0.0) {
        return Vec::new();
    }
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).take(40).map(|number| number as f64 * step).collect()
}

/// Round values of a range on a logarithmic scale.
fn log_ticks((low, high): (f64, f64)) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let steps: &[f64] = if last - first > 3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let all = (first..=last).flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
    let within: Vec<f64> = all.filter(|value| (low..=high).contains(value)).collect();
    if within.len() < 2 { ticks((low, high), 3.0) } else { within }
}

/// A value with as many decimals as tell steps of a size apart.
fn figure(value: f64, step: f64) -> String {
    let decimals = (-step.abs().max(1e-12).log10() - 1e-9).ceil().clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_on_axes_are_round() {
        assert_eq!(ticks((0.0, 1.0), 4.0), [0.0, 0.5, 1.0]);
        assert_eq!(ticks((0.0, 120.0), 6.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0]);
        assert_eq!(ticks((0.31, 0.39), 3.0).len(), 4, "one of 0.05 alone tells nothing");
        assert_eq!(log_ticks((0.3, 12.0)), [0.5, 1.0, 2.0, 5.0, 10.0]);
        assert!(log_ticks((0.61, 0.73)).len() >= 2);
        assert_eq!(figure(0.5, 0.1), "0.5");
        assert_eq!(figure(20.0, 20.0), "20");
        assert_eq!(apart((2.0, 2.0)), (1.8, 2.2));
        assert!(ticks((f64::NAN, 1.0), 3.0).is_empty());
    }
}
