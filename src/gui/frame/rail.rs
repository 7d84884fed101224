//! The rail: the screens in the order of the work, each set-up screen with its result as one line.

use eframe::egui::{
    self, Align2, CornerRadius, FontFamily, FontId, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2,
};

use super::Drawing;
use crate::gui::command::{Command, Screen};
use crate::gui::theme::{self, colors, icons};

const GROUPS: [(&str, &[Screen]); 4] = [
    ("Set up", &[Screen::Data, Screen::Model, Screen::Retriever, Screen::Prompt]),
    ("Measure", &[Screen::Experiment, Screen::Runs]),
    ("Read", &[Screen::Results, Screen::Inspect]),
    ("", &[Screen::Train, Screen::Settings]),
];

const fn icon(screen: Screen) -> &'static str {
    match screen {
        Screen::Welcome => icons::LAMP,
        Screen::Data => icons::DATABASE,
        Screen::Model => icons::CUBE,
        Screen::Retriever => icons::FUNNEL,
        Screen::Prompt => icons::CHAT_TEXT,
        Screen::Experiment => icons::GRID_FOUR,
        Screen::Runs => icons::PLAY,
        Screen::Results => icons::CHART_BAR,
        Screen::Inspect => icons::LIST_MAGNIFYING_GLASS,
        Screen::Train => icons::GRADUATION_CAP,
        Screen::Settings => icons::GEAR,
    }
}

/// Draws it; icons alone where there is little room.
pub(super) fn rail(ui: &mut Ui, drawing: &Drawing<'_>, narrow: bool, commands: &mut Vec<Command>) {
    ui.spacing_mut().item_spacing.y = 2.0;
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for (group, screens) in GROUPS {
            if narrow || group.is_empty() {
                ui.add_space(10.0);
            } else {
                ui.add_space(8.0);
                ui.horizontal(|ui| {
                    ui.add_space(8.0);
                    ui.label(theme::overline(ui, group));
                });
            }
            for &screen in screens {
                let summary = drawing.views.get(screen).summary(drawing.shared);
                if item(ui, screen, &summary, drawing.screen == screen, narrow) {
                    commands.push(Command::Go(screen));
                }
            }
        }
    });
}

/// One screen; tells whether it was clicked.
fn item(ui: &mut Ui, screen: Screen, summary: &str, selected: bool, narrow: bool) -> bool {
    let height = if summary.is_empty() || narrow { 32.0 } else { 42.0 };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
    let colors = colors(ui);
    let fill = match (selected, response.hovered()) {
        (true, _) => Some(colors.selected),
        (false, true) => Some(colors.hover),
        (false, false) => None,
    };
    let painter = ui.painter_at(rect.expand(2.0));
    if let Some(fill) = fill {
        painter.rect_filled(rect, CornerRadius::same(theme::CORNER), fill);
    }
    if selected {
        let mark = Rect::from_min_max(
            pos2(rect.left(), rect.top() + 8.0),
            pos2(rect.left() + 3.0, rect.bottom() - 8.0),
        );
        painter.rect_filled(mark, 1.5, colors.accent);
    }
    if response.has_focus() {
        painter.rect_stroke(
            rect,
            CornerRadius::same(theme::CORNER),
            (1.0, colors.accent),
            egui::StrokeKind::Inside,
        );
    }
    let plain = FontFamily::Proportional;
    let strong = FontFamily::Name("strong".into());
    let line = rect.top() + 16.0;
    let left = if narrow { rect.center().x - 8.0 } else { rect.left() + 12.0 };
    painter.text(
        pos2(left, line),
        Align2::LEFT_CENTER,
        icon(screen),
        FontId::new(16.0, plain.clone()),
        colors.text,
    );
    if !narrow {
        let font = FontId::new(13.0, if selected { strong } else { plain.clone() });
        painter.text(pos2(left + 26.0, line), Align2::LEFT_CENTER, screen.name(), font, colors.text);
        if !summary.is_empty() {
            let room = rect.right() - left - 32.0;
            let mut job = egui::text::LayoutJob::simple_singleline(
                summary.to_owned(),
                FontId::new(11.0, plain),
                colors.weak,
            );
            job.wrap = egui::text::TextWrapping::truncate_at_width(room);
            let galley = painter.layout_job(job);
            painter.galley(pos2(left + 26.0, rect.top() + 24.0), galley, colors.weak);
        }
    }
    response.widget_info(|| WidgetInfo::selected(Role::Tab, true, selected, screen.name()));
    let words =
        if summary.is_empty() { screen.name().to_owned() } else { format!("{}: {summary}", screen.name()) };
    let clicked = response.clicked();
    if narrow {
        response.on_hover_text(words);
    }
    clicked
}
