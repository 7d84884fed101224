//! What stands beneath a table, and what is to be cited.

use eframe::egui::{self, Frame, ScrollArea, Ui};

use super::sheet::Sheet;
use crate::gui::command::Command;
use crate::gui::kit;
use crate::gui::theme::{self, colors, icons};
use crate::report::cite;

/// How the table is to be read, and what is to be known of it.
pub fn notes(ui: &mut Ui, sheet: &Sheet, open: &mut bool) {
    ui.add_space(4.0);
    let count = sheet.notes.len() + sheet.published.len();
    ui.horizontal(|ui| {
        let icon = if *open { icons::CARET_DOWN } else { icons::CARET_RIGHT };
        if kit::quiet(ui, icon, &format!("Notes ({count})")).clicked() {
            *open = !*open;
        }
    });
    if !*open {
        return;
    }
    ScrollArea::vertical().id_salt("notes").auto_shrink([false, true]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.set_max_width(ui.available_width().min(960.0));
        for note in &sheet.notes {
            ui.label(theme::caption(ui, note));
        }
        if !sheet.published.is_empty() {
            ui.label(theme::caption(
                ui,
                "\u{25c7} Published figures of the same task, setting, split and metric:",
            ));
            for line in &sheet.published {
                ui.label(theme::caption(ui, line));
            }
        }
    });
}

/// What to cite.
pub fn cited(ui: &mut Ui, commands: &mut Vec<Command>) {
    ScrollArea::vertical().id_salt("cite").auto_shrink(false).show(ui, |ui| {
        let text = cite::bibtex();
        if kit::button(ui, icons::COPY, "Copy the BibTeX").clicked() {
            let said = "Copied the BibTeX of LaMP and Lamplight.".to_owned();
            commands.push(Command::Copy { text: text.clone(), said });
        }
        Frame::new().fill(colors(ui).raised).corner_radius(theme::CORNER).inner_margin(8).show(ui, |ui| {
            let code = egui::RichText::new(text).text_style(egui::TextStyle::Monospace).size(11.0);
            ui.add(egui::Label::new(code).wrap().selectable(true));
        });
        ui.add_space(8.0);
        ui.label(theme::strong("Published figures are from"));
        for (source, tables, count) in cite::sources() {
            ui.add(egui::Label::new(source).wrap());
            let figures = if count == 1 { "1 figure".to_owned() } else { format!("{count} figures") };
            ui.label(theme::caption(ui, format!("{figures}: {}", tables.join("; "))));
        }
    });
}
