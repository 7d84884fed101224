//! The page that downloads the benchmark: what, where to, under which terms, and how far it is.

mod work;

use std::path::PathBuf;

use eframe::egui::{self, RichText, ScrollArea, TextEdit, Ui, WidgetInfo, vec2};
use serde::{Deserialize, Serialize};

use super::{Ask, about};
use crate::dataset::download::{OFFICIAL, OfficialFile, Source, TERMS, TERMS_LAMP_6};
use crate::fetch::Patience;
use crate::gui::command::{Command, Toast, Weight};
use crate::gui::kit::{self, PathField, PathKind};
use crate::gui::theme::{self, FORM, colors, icons};
use crate::gui::views::Cx;
use crate::lamp::{Setting, Split, Task};
use work::{Download, FileState};

/// The names of choices, points wide.
const NAME: f32 = 84.0;

/// What is asked for, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    tasks: Vec<String>,
    settings: Vec<String>,
    splits: Vec<String>,
    folder: String,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            tasks: Vec::new(),
            settings: vec![Setting::User.id().to_owned()],
            splits: vec![Split::Dev.id().to_owned()],
            folder: String::new(),
        }
    }
}

/// The page.
pub(super) struct DownloadPage {
    tasks: Vec<Task>,
    settings: Vec<Setting>,
    splits: Vec<Split>,
    folder: PathField,
    /// Another address than the official one.
    address: String,
    more_open: bool,
    force: bool,
    accepted: bool,
    /// Asked for; the next `logic` begins it.
    asked: bool,
    /// Whether it has just begun, and the page goes up to where it is told of.
    begun: bool,
    download: Option<Download>,
}

impl Default for DownloadPage {
    fn default() -> Self {
        Self::new(Choice::default())
    }
}

impl DownloadPage {
    /// The page as it was left.
    pub fn new(choice: Choice) -> Self {
        let folder = match choice.folder.is_empty() {
            false => choice.folder,
            true => own_folder().map(|folder| folder.display().to_string()).unwrap_or_default(),
        };
        let address = std::env::var("LAMPLIGHT_LAMP_URL").ok().filter(|address| !address.is_empty());
        Self {
            tasks: choice.tasks.iter().filter_map(|name| name.parse().ok()).collect(),
            settings: choice.settings.iter().filter_map(|name| name.parse().ok()).collect(),
            splits: choice.splits.iter().filter_map(|name| name.parse().ok()).collect(),
            folder: PathField::with(folder),
            address: address.unwrap_or_else(|| OFFICIAL.to_owned()),
            more_open: false,
            force: false,
            accepted: false,
            asked: false,
            begun: false,
            download: None,
        }
    }

    /// What is to be remembered.
    pub fn choice(&self) -> Choice {
        Choice {
            tasks: self.tasks.iter().map(|task| task.id().to_owned()).collect(),
            settings: self.settings.iter().map(|setting| setting.id().to_owned()).collect(),
            splits: self.splits.iter().map(|split| split.id().to_owned()).collect(),
            folder: self.folder.text.trim().to_owned(),
        }
    }

    /// A few words while something is on its way.
    pub fn in_short(&self) -> Option<String> {
        let download = self.download.as_ref().filter(|download| download.is_running())?;
        let there = download.states().iter().filter(|state| state.is_there()).count();
        Some(format!("Downloading LaMP: {there} of {} files", download.files.len()))
    }

    /// How much of it is done, by files.
    pub fn part(&self) -> Option<f32> {
        let download = self.download.as_ref()?;
        let ended = download.states().iter().filter(|state| **state != FileState::Waiting).count();
        Some(ended.saturating_sub(1) as f32 / download.files.len().max(1) as f32)
    }

    fn files(&self) -> Vec<OfficialFile> {
        let mut files = Vec::new();
        for setting in Setting::ALL.into_iter().filter(|setting| self.settings.contains(setting)) {
            for task in Task::ALL.into_iter().filter(|task| self.tasks.contains(task)) {
                for split in Split::ALL.into_iter().filter(|split| self.splits.contains(split)) {
                    files.extend(OfficialFile::of(task, setting, split).into_iter().flatten());
                }
            }
        }
        files
    }

    /// Begins what was asked for, and tells how it ended.
    pub fn logic(&mut self, cx: &mut Cx<'_>) {
        if std::mem::take(&mut self.asked)
            && let Some(folder) = self.folder.path()
        {
            let folder = std::path::absolute(&folder).unwrap_or(folder);
            let source = Source {
                base: self.address.trim().to_owned(),
                folder,
                force: self.force,
                patience: Patience::default(),
            };
            self.download = Some(Download::begin(cx.ctx, source, self.files()));
            self.begun = true;
        }
        let Some(download) = &mut self.download else { return };
        let Some(end) = download.poll() else { return };
        let end = end.clone();
        let states = download.states();
        let failed = states.iter().filter(|state| matches!(state, FileState::Failed(_))).count();
        match end {
            Ok(end) if end.canceled => {}
            Ok(end) => {
                let came = states.iter().filter(|state| state.is_there()).count();
                let toast = match failed {
                    0 => Toast::new(
                        Weight::Success,
                        format!("{} of LaMP are there.", kit::counted(came, "file", "files")),
                    ),
                    _ => Toast::new(
                        Weight::Error,
                        format!("{} of LaMP could not be downloaded.", kit::counted(failed, "file", "files")),
                    ),
                };
                if end.open.is_empty() {
                    cx.commands.push(Command::Toast(toast));
                } else if cx.shown {
                    cx.commands.push(Command::Toast(toast));
                    cx.commands.push(Command::OpenData(end.open));
                } else {
                    // Nobody is taken away from what is being read.
                    let toast = toast.with_action("Open them", Command::OpenData(end.open));
                    cx.commands.push(Command::Toast(toast));
                }
            }
            Err(trouble) => {
                let toast = Toast::new(Weight::Error, "The download broke off.").with_details(trouble.0);
                cx.commands.push(Command::Toast(toast));
            }
        }
    }

    /// Draws the page.
    pub fn ui(&mut self, ui: &mut Ui, commands: &mut Vec<Command>, asks: &mut Vec<Ask>) {
        ui.horizontal(|ui| {
            if kit::button(ui, icons::CARET_LEFT, "All datasets").clicked() {
                asks.push(Ask::List);
            }
            ui.label(theme::section("Download LaMP"));
        });
        let mut area = ScrollArea::vertical().id_salt("download").auto_shrink(false);
        if std::mem::take(&mut self.begun) {
            area = area.vertical_scroll_offset(0.0); // to where the files are told of
        }
        area.show(ui, |ui| {
            ui.set_max_width(FORM.min(ui.available_width()));
            self.outcome(ui, commands, asks);
            let running = self.download.as_ref().is_some_and(Download::is_running);
            ui.add_enabled_ui(!running, |ui| self.form(ui));
        });
    }

    fn form(&mut self, ui: &mut Ui) {
        chips(ui, "Tasks", &Task::ALL, &mut self.tasks, |task| task.id());
        ui.horizontal(|ui| {
            ui.add_space(NAME + 8.0);
            let names: Vec<&str> =
                Task::ALL.into_iter().filter(|task| self.tasks.contains(task)).map(Task::name).collect();
            let said =
                if names.is_empty() { "Choose at least one task.".to_owned() } else { names.join(", ") };
            ui.add(egui::Label::new(theme::caption(ui, said)).wrap());
        });
        chips(ui, "Settings", &Setting::ALL, &mut self.settings, |setting| setting.id());
        chips(ui, "Splits", &Split::ALL, &mut self.splits, |split| split.id());
        if self.tasks.contains(&Task::Lamp2N) && self.settings.contains(&Setting::Time) {
            ui.label(theme::caption(ui, "LaMP-2N has no time setting and is left out there."));
        }
        if self.splits.contains(&Split::Test) {
            ui.label(theme::caption(ui, "References of test are withheld: its answers get no score here."));
        }
        ui.label(theme::weak(ui, "Folder, in which the official layout is made"));
        self.folder.show(ui, PathKind::OpenFolder, "Folder for the files", "/data/LaMP", None);
        about::fold(ui, &mut self.more_open, "More");
        if self.more_open {
            kit::field(ui, "Address", |ui, name| {
                let edit = TextEdit::singleline(&mut self.address).desired_width(420.0);
                let response = ui.add(edit).labelled_by(name);
                let value = self.address.clone();
                response.widget_info(|| {
                    let mut info = WidgetInfo::text_edit(true, "", &value, "");
                    info.label = Some("Address of the files".to_owned());
                    info
                });
                if self.address != OFFICIAL && kit::quiet(ui, "", "Official").clicked() {
                    self.address = OFFICIAL.to_owned();
                }
            });
            ui.checkbox(&mut self.force, "Download again what is there");
        }
        ui.add_space(4.0);
        kit::card(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.label(theme::strong("License"));
            let mut terms = vec![TERMS];
            if self.tasks.contains(&Task::Lamp6) {
                terms.push(TERMS_LAMP_6);
            }
            for terms in terms {
                // Their lines are broken for a terminal.
                let flowing = terms.split_whitespace().collect::<Vec<_>>().join(" ");
                ui.add(egui::Label::new(flowing).wrap().selectable(true));
            }
            ui.checkbox(&mut self.accepted, "I accept these terms");
        });
        let count = self.files().len();
        ui.horizontal(|ui| {
            let ready = self.accepted && count > 0 && self.folder.path().is_some();
            let words = match count {
                0 => "Download".to_owned(),
                count => format!("Download {}", kit::counted(count, "file", "files")),
            };
            if kit::primary_if(ui, ready, &words).clicked() {
                self.asked = true;
                ui.ctx().request_repaint();
            }
            let missing = if count == 0 {
                "Choose tasks, settings and splits first."
            } else if self.folder.path().is_none() {
                "Name a folder first."
            } else if !self.accepted {
                "Accept the license first."
            } else {
                ""
            };
            match missing {
                "" => kit::cut(ui, theme::caption(ui, format!("From {}", self.address.trim()))),
                missing => ui.label(theme::caption(ui, missing)),
            };
        });
    }

    fn outcome(&mut self, ui: &mut Ui, commands: &mut Vec<Command>, asks: &mut Vec<Ask>) {
        let Some(download) = &self.download else { return };
        let states = download.states();
        let there = states.iter().filter(|state| state.is_there()).count();
        let title = format!("{} of {} files", kit::count(there), kit::count(states.len()));
        let mut again = false;
        kit::section(ui, &title, |ui| {
            if download.is_running() {
                if kit::button(ui, icons::STOP, "Cancel the download").clicked() {
                    download.cancel();
                }
                return;
            }
            if there < states.len() {
                again = kit::button_if(ui, self.accepted, icons::ARROW_CLOCKWISE, "Go on with the download")
                    .clicked();
            }
            if let Some(Ok(end)) = &download.end
                && !end.open.is_empty()
                && kit::button(ui, icons::DATABASE, "Show the data").clicked()
            {
                commands.push(Command::OpenData(end.open.clone()));
                asks.push(Ask::List);
            }
        });
        match &download.end {
            Some(Ok(end)) if end.canceled => {
                ui.label(theme::weak(
                    ui,
                    "Canceled. What has come is kept, and the download goes on from there.",
                ));
            }
            Some(Err(trouble)) => {
                kit::trouble(ui, trouble, None);
            }
            _ => {}
        }
        let reading = download.reading();
        for (file, state) in download.files.iter().zip(states.iter()) {
            line(ui, file, state, reading.as_ref());
        }
        if download.is_running() {
            ui.ctx().request_repaint_after(std::time::Duration::from_millis(100));
        }
        ui.add_space(16.0);
        if again {
            self.asked = true;
            ui.ctx().request_repaint();
        }
    }
}

/// A file, and what became of it.
fn line(ui: &mut Ui, file: &OfficialFile, state: &FileState, reading: Option<&crate::jobs::ProgressReading>) {
    let colors = colors(ui);
    let (icon, color) = match state {
        FileState::Waiting | FileState::Left => (icons::CLOCK, colors.weak),
        FileState::Running => (icons::DOWNLOAD_SIMPLE, colors.text),
        FileState::Done { .. } | FileState::Already => (icons::CHECK, colors.good),
        FileState::Foreign => (icons::WARNING, colors.warning),
        FileState::Failed(_) => (icons::WARNING_CIRCLE, colors.danger),
    };
    ui.horizontal(|ui| {
        ui.label(RichText::new(icon).color(color));
        ui.label(file.path());
        match state {
            FileState::Waiting => {
                ui.label(theme::caption(ui, "waits"));
            }
            FileState::Left => {
                ui.label(theme::caption(ui, "not tried to the end"));
            }
            FileState::Running => {
                if let Some(reading) = reading {
                    let part = (reading.total > 0).then(|| reading.done as f32 / reading.total as f32);
                    kit::progress(ui, part, 160.0, &format!("Progress of {}", file.path()));
                    let of = match reading.total {
                        0 => String::new(),
                        total => format!(" of {}", kit::bytes(total)),
                    };
                    ui.label(theme::caption(ui, format!("{}{of}", kit::bytes(reading.done))));
                }
            }
            FileState::Done { records, bytes, resumed_from } => {
                let papers = match file.published_records() {
                    Some(published) if published != *records => {
                        format!(" (the papers say {})", kit::count(published as usize))
                    }
                    _ => String::new(),
                };
                let resumed =
                    if *resumed_from > 0 { format!(", gone on at {}", kit::bytes(*resumed_from)) } else { String::new() };
                let records = kit::counted(*records as usize, "record", "records");
                ui.label(theme::caption(ui, format!("{records}{papers}, {}{resumed}", kit::bytes(*bytes))));
            }
            FileState::Already => {
                ui.label(theme::caption(ui, "already there"));
            }
            FileState::Foreign => {
                let text = "left alone: another file stands there; \u{201c}Download again what is there\u{201d} replaces it";
                ui.add(egui::Label::new(RichText::new(text).color(colors.warning)).wrap());
            }
            FileState::Failed(_) => {}
        }
    });
    if let FileState::Failed(trouble) = state {
        ui.horizontal_top(|ui| {
            ui.add_space(24.0);
            ui.add(egui::Label::new(RichText::new(&trouble.0).color(colors.danger)).wrap().selectable(true));
        });
    }
}

/// A row of choices of which any may be taken, with one for all.
fn chips<T: PartialEq + Copy>(
    ui: &mut Ui,
    name: &str,
    all: &[T],
    chosen: &mut Vec<T>,
    words: impl Fn(T) -> &'static str,
) {
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(NAME, 24.0), egui::Sense::hover());
        let align = egui::Layout::left_to_right(egui::Align::Center);
        ui.new_child(egui::UiBuilder::new().max_rect(rect).layout(align)).label(theme::weak(ui, name));
        ui.spacing_mut().item_spacing.x = 4.0;
        for &choice in all {
            let mut on = chosen.contains(&choice);
            if kit::chip(ui, &mut on, words(choice)) {
                if on {
                    chosen.push(choice);
                } else {
                    chosen.retain(|other| *other != choice);
                }
            }
        }
        if all.len() > 3 {
            let every = chosen.len() == all.len();
            if kit::quiet(ui, "", if every { "None" } else { "All" }).clicked() {
                *chosen = if every { Vec::new() } else { all.to_vec() };
            }
        }
    });
}

/// Where the benchmark is put unless something else is said.
fn own_folder() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|folders| folders.home_dir().join("LaMP"))
}
