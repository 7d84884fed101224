//! What a model takes of the memory that is free, as a bar.

use eframe::egui::{Color32, Rect, RichText, Sense, Ui, pos2, vec2};

use super::words::size;
use crate::gui::kit;
use crate::gui::theme::{self, colors};
use crate::model::MemoryEstimate;

/// Draws the bar with its figures.
pub(super) fn memory_bar(ui: &mut Ui, needs: &MemoryEstimate, free: Option<u64>) {
    let colors = colors(ui);
    let fits = free.is_none_or(|free| needs.needed() <= free);
    let activations = needs.work.saturating_sub(needs.caches);
    let parts = [
        ("weights", needs.weights, colors.text.gamma_multiply(0.75)),
        ("caches", needs.caches, colors.text.gamma_multiply(0.5)),
        ("activations", activations, colors.text.gamma_multiply(0.28)),
    ];
    let whole = free.unwrap_or(0).max(needs.needed()).max(1) as f64;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 12.0), Sense::hover());
    let painter = ui.painter().with_clip_rect(rect);
    painter.rect_filled(rect, 3.0, colors.hover);
    let at = |bytes: u64| rect.left() + (rect.width() as f64 * bytes as f64 / whole) as f32;
    let mut from = 0;
    for (_, bytes, color) in parts {
        let to = from + bytes;
        // Something that is there is seen, however little it is.
        let right = if bytes > 0 { at(to).max(at(from) + 1.0) } else { at(to) };
        let part = Rect::from_min_max(pos2(at(from), rect.top()), pos2(right, rect.bottom()));
        painter.rect_filled(part, 0.0, color);
        from = to;
    }
    if let Some(free) = free.filter(|_| !fits) {
        let over = Rect::from_min_max(pos2(at(free), rect.top()), rect.max);
        painter.rect_filled(over, 0.0, colors.danger);
    }
    let told = match free {
        Some(free) if fits => format!("{} of {} that are free", size(needs.needed()), size(free)),
        Some(free) => format!("{} are needed, and {} are free", size(needs.needed()), size(free)),
        None => format!("{}; the system does not say how much is free", size(needs.needed())),
    };
    kit::described(&response, &format!("Memory: {told}"));
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        for (name, bytes, color) in parts {
            legend(ui, color);
            ui.label(theme::caption(ui, format!("{name} {}", size(bytes))));
            ui.add_space(8.0);
        }
    });
    let color = if fits { colors.weak } else { colors.danger };
    ui.label(RichText::new(told).color(color));
}

fn legend(ui: &mut Ui, color: Color32) {
    let (rect, _) = ui.allocate_exact_size(vec2(8.0, 8.0), Sense::hover());
    ui.painter().rect_filled(rect, 2.0, color);
}
