//! The curves of a job: the loss by step with its evaluations as marks, and what each dataset of the dev split scored by epoch.

use eframe::egui::{self, Align2, FontId, Response, Stroke, Ui, pos2};

use super::curves::{Curve, Piece};
use super::plot::Plot;
use crate::gui::kit;
use crate::gui::theme::{self, colors};
use crate::train::{DevScore, Evaluation};

/// Marks on a curve at most; the best is always one.
const MARKS: usize = 120;

/// The loss by step.
pub(super) fn loss(ui: &mut Ui, curve: &Curve, log: &mut bool, height: f32) {
    kit::section_small(ui, "Loss by step", |ui| {
        // From right to left.
        ui.scope(|ui| {
            ui.spacing_mut().interact_size.y = 22.0;
            kit::segmented(ui, log, &[(true, "Logarithmic", None), (false, "Linear", None)]);
        });
    });
    let (Some(first), Some(last)) = (curve.pieces.first(), curve.pieces.last()) else {
        ui.label(theme::weak(ui, "The curve begins with the first step."));
        return;
    };
    let bounds = |piece: &Piece| (piece.low.min(piece.smooth), piece.high.max(piece.smooth));
    let (low, high) = curve
        .pieces
        .iter()
        .map(bounds)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), (c, d)| (a.min(c), b.max(d)));
    // With room above and beneath, so that nothing lies on the edge.
    let room = if *log { 0.0 } else { (high - low) * 0.06 };
    let range =
        if *log && low > 0.0 { (low * 0.93, high * 1.07) } else { ((low - room).max(0.0), high + room) };
    let words = format!(
        "Loss over {} steps: {:.3} at first, {:.3} at last",
        kit::count(last.step),
        first.mean,
        last.smooth
    );
    let (plot, response) = Plot::new(ui, height, (0.0, last.step as f64), range, *log, &words);
    let colors = colors(ui);
    let raw = colors.weak.gamma_multiply(0.55);
    if curve.each > 1 {
        plot.band(ui, curve.pieces.iter().map(|piece| (middle(curve, piece), piece.low, piece.high)), raw);
    } else {
        plot.line(
            ui,
            curve.pieces.iter().map(|piece| (piece.step as f64, piece.mean)),
            Stroke::new(1.0, raw),
        );
    }
    let smooth = curve.pieces.iter().map(|piece| (piece.step as f64, piece.smooth));
    plot.line(ui, smooth, Stroke::new(1.8, colors.text));
    if curve.saved > 0 {
        saved(ui, &plot, curve.saved);
    }
    hover(ui, &plot, &response, curve);
    for number in marked(curve) {
        let Some(evaluation) = curve.evaluations.get(number) else { continue };
        let place = curve.pieces.partition_point(|piece| piece.step < evaluation.step);
        let Some(piece) = curve.pieces.get(place).or(curve.pieces.last()) else { continue };
        let best = curve.best == Some(number);
        let words = told(evaluation, best, "step");
        plot.mark(ui, number, (evaluation.step as f64, piece.smooth), best, &words);
    }
}

/// The step in the middle of a piece.
fn middle(curve: &Curve, piece: &Piece) -> f64 {
    piece.step as f64 - (curve.each as f64 - 1.0) / 2.0
}

/// The evaluations that are marked: all, or every so-manieth, the best and the last among them.
fn marked(curve: &Curve) -> Vec<usize> {
    let count = curve.evaluations.len();
    let each = count.div_ceil(MARKS).max(1);
    let best = curve.best;
    (0..count).filter(|number| number % each == 0 || Some(*number) == best || number + 1 == count).collect()
}

/// The newest checkpoint, on the axis.
fn saved(ui: &mut Ui, plot: &Plot, step: u64) {
    let at = plot.at(step as f64, f64::NEG_INFINITY);
    let colors = colors(ui);
    let at = pos2(at.x, plot.rect().bottom());
    let corners = [at, at + egui::vec2(-4.0, 7.0), at + egui::vec2(4.0, 7.0)];
    ui.painter().add(egui::Shape::convex_polygon(corners.to_vec(), colors.weak, Stroke::NONE));
    let place = egui::Rect::from_center_size(at + egui::vec2(0.0, 4.0), egui::vec2(12.0, 12.0));
    let words = format!("Newest checkpoint, after step {}: it goes on from here", kit::count(step));
    let response = ui.interact(place, ui.scope_id().with("checkpoint"), egui::Sense::hover());
    kit::described(&response, &words);
    response.on_hover_text(words);
}

/// What lies under the pointer.
fn hover(ui: &Ui, plot: &Plot, response: &Response, curve: &Curve) {
    let Some(at) = response.hover_pos().filter(|at| plot.rect().x_range().contains(at.x)) else { return };
    let step = plot.x_of(at.x);
    let place = curve.pieces.partition_point(|piece| (piece.step as f64) < step);
    let Some(piece) = curve.pieces.get(place).or(curve.pieces.last()) else { return };
    let colors = colors(ui);
    let point = plot.at(piece.step as f64, piece.smooth);
    ui.painter().vline(point.x, plot.rect().y_range(), Stroke::new(1.0, colors.line));
    ui.painter().circle_filled(point, 3.0, colors.text);
    response.clone().on_hover_ui_at_pointer(|ui| {
        let steps = match curve.each {
            1 => format!("Step {}", kit::count(piece.step)),
            each => {
                let first = (piece.step + 1).saturating_sub(each as u64);
                format!("Steps {} to {}", kit::count(first), kit::count(piece.step))
            }
        };
        ui.label(theme::strong(format!("{steps}, epoch {:.2}", piece.epoch)));
        let loss = match curve.each {
            1 => format!("Loss {:.4}, smoothed {:.4}", piece.mean, piece.smooth),
            _ => format!("Loss {:.4} to {:.4}, smoothed {:.4}", piece.low, piece.high, piece.smooth),
        };
        ui.label(loss);
        ui.label(format!("Rate {:.2e}, gradient {:.2}", piece.rate, piece.norm));
        ui.label(format!("{} tokens/s", kit::count(piece.tokens_per_s.round() as u64)));
    });
}

/// What each dataset scored by epoch, a chart each.
pub(super) fn dev(ui: &mut Ui, curve: &Curve, height: f32) {
    let Some(last) = curve.evaluations.last() else { return };
    let count = last.scores.len();
    for number in 0..count {
        let Some(score) = last.scores.get(number) else { continue };
        let direction = if score.metric.higher_is_better() { "higher is better" } else { "lower is better" };
        let title = format!("{} {}: {} by epoch", score.task, score.setting, score.metric.name());
        kit::section_small(ui, &title, |ui| {
            let samples = kit::counted(score.samples, "sample", "samples");
            ui.label(theme::caption(ui, format!("{direction}, {samples}")));
        });
        ui.push_id(("dev", number), |ui| {
            panel(ui, curve, number, score, if count == 1 { height } else { height * 0.8 })
        });
    }
}

fn panel(ui: &mut Ui, curve: &Curve, number: usize, last: &DevScore, height: f32) {
    let of = |evaluation: &Evaluation| Some((evaluation.epoch as f64, evaluation.scores.get(number)?.value));
    let points: Vec<(f64, f64)> = curve.evaluations.iter().filter_map(of).collect();
    let (low, high) = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, value)| {
        (low.min(*value), high.max(*value))
    });
    let room = ((high - low) * 0.12).max(0.005);
    let epochs = points.last().map_or(1.0, |point| point.0);
    let words = format!("{} over {epochs} epochs, {:.3} at last", last.metric.name(), last.value);
    let (plot, _) = Plot::new(ui, height, (0.0, epochs), ((low - room).max(0.0), high + room), false, &words);
    let colors = colors(ui);
    let each = points.len().div_ceil(400).max(1);
    let drawn = points.iter().enumerate().filter(|(at, _)| at % each == 0 || at + 1 == points.len());
    plot.line(ui, drawn.map(|(_, point)| *point), Stroke::new(1.5, colors.text));
    for place in marked(curve) {
        let (Some(evaluation), best) = (curve.evaluations.get(place), curve.best == Some(place)) else {
            continue;
        };
        let Some(point) = of(evaluation) else { continue };
        plot.mark(ui, place, point, best, &told(evaluation, best, "epoch"));
        if best {
            let at = plot.at(point.0, point.1);
            // Where no line is: over the lowest, under the highest.
            let (down, align) = match last.metric.higher_is_better() {
                true => (9.0, Align2::CENTER_TOP),
                false => (-9.0, Align2::CENTER_BOTTOM),
            };
            let room = plot.rect().x_range().shrink(34.0);
            let place = pos2(room.clamp(at.x), at.y + down);
            let text = format!("best {:.3}", point.1);
            ui.painter().text(place, align, text, FontId::proportional(11.0), colors.text);
        }
    }
}

/// An evaluation in words.
pub(super) fn told(evaluation: &Evaluation, best: bool, first: &str) -> String {
    let (step, epoch) = (kit::count(evaluation.step), evaluation.epoch);
    let mut text = match first {
        "step" => format!("After step {step}, epoch {epoch}"),
        _ => format!("After epoch {epoch}, step {step}"),
    };
    let scores = scores(evaluation);
    if !scores.is_empty() {
        text.push_str(&format!(": {scores}"));
    }
    if best {
        text.push_str(" (best)");
    }
    text
}

/// The figures of an evaluation: those of one dataset by their metric alone.
pub(super) fn scores(evaluation: &Evaluation) -> String {
    match evaluation.scores.as_slice() {
        [] => String::new(),
        [one] => format!("{} {:.3}", one.metric.name(), one.value),
        many => {
            let each: Vec<String> = many
                .iter()
                .map(|score| {
                    format!("{} {} {} {:.3}", score.task, score.setting, score.metric.name(), score.value)
                })
                .collect();
            format!("{}; mean {:.3}", each.join(", "), evaluation.value)
        }
    }
}
