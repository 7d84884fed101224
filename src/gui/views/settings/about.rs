//! The keys, and what the program is made of.

use eframe::egui::{Label, ScrollArea, Ui};

use crate::gui::command::Command;
use crate::gui::frame::shortcuts;
use crate::gui::kit;
use crate::gui::theme::{self, icons};
use crate::report::cite;
use crate::version;

const PACKAGES: &str = include_str!("../../../../resources/licenses/third_party.txt");
const LETTERS: &str = include_str!("../../../../resources/fonts/OFL.txt");
const ICONS: &str = include_str!("../../../../resources/fonts/PHOSPHOR.txt");

pub(super) fn keys(ui: &mut Ui) {
    for (shortcut, _, words) in shortcuts() {
        kit::field(ui, words, |ui, _| kit::key(ui, &ui.ctx().format_shortcut(&shortcut)));
    }
}

pub(super) fn about(ui: &mut Ui, licenses_open: &mut bool, commands: &mut Vec<Command>) {
    ui.label(theme::strong(format!("Lamplight {}", version::NUMBER)));
    let build = format!(
        "Built from commit {} for {}, features: {}",
        version::COMMIT,
        version::PLATFORM,
        version::FEATURES
    );
    ui.add(Label::new(theme::caption(ui, build)).wrap().selectable(true));
    ui.label(theme::weak(
        ui,
        "Measures how well a language model uses a person\u{2019}s history, on the LaMP benchmark. Under the MIT or the Apache \
         2.0 license, as you like. The benchmark\u{2019}s records are under CC BY-NC-SA 4.0.",
    ));
    ui.horizontal(|ui| {
        if kit::button(ui, icons::COPY, "Copy what to cite").clicked() {
            let said = "Copied the citations of the benchmark and of Lamplight.".to_owned();
            commands.push(Command::Copy { text: cite::bibtex(), said });
        }
        let words = if *licenses_open { "Hide licenses" } else { "Show licenses" };
        if kit::button(ui, icons::FILE_TEXT, words).clicked() {
            *licenses_open = !*licenses_open;
        }
    });
    if !*licenses_open {
        return;
    }
    let lines: Vec<&str> = PACKAGES.lines().collect();
    ui.label(theme::weak(ui, format!("{} packages are part of the program on some platform:", lines.len())));
    ScrollArea::vertical().id_salt("packages").max_height(220.0).auto_shrink([false, true]).show_rows(
        ui,
        16.0,
        lines.len(),
        |ui, range| {
            for line in &lines[range] {
                let (name, license) = line.split_once('\t').unwrap_or((line, ""));
                ui.horizontal(|ui| {
                    ui.label(name);
                    ui.label(theme::weak(ui, license));
                });
            }
        },
    );
    for (title, text) in
        [("Letters: Inter, SIL Open Font License", LETTERS), ("Icons: Phosphor, MIT license", ICONS)]
    {
        ui.collapsing(title, |ui| {
            ui.add(Label::new(theme::caption(ui, text)).wrap().selectable(true));
        });
    }
}
