//! A field for a path: typed, or chosen in the system's dialog where there is one.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use eframe::egui::{self, TextEdit, Ui, WidgetInfo};

use super::{button_if, icons, theme};
use crate::jobs::Job;

/// A dialog that is gone so soon was never there.
const NO_DIALOG: Duration = Duration::from_millis(250);

/// What a path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// A file that is there.
    OpenFile,
    /// A folder that is there.
    OpenFolder,
    /// A file to be written.
    SaveFile,
}

/// A text for a path with a button that opens the system's dialog. The dialog runs on a thread of its own, since it may wait
/// for ever; where the system has none, the field says so and typing goes on.
#[derive(Debug, Default)]
pub struct PathField {
    /// What is typed or was chosen.
    pub text: String,
    dialog: Option<(Job<Option<PathBuf>>, Instant)>,
    no_dialog: bool,
    /// The keys go here with the next frame.
    wants_focus: bool,
}

impl PathField {
    /// A field that begins with a path.
    pub fn with(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// The path that is meant, without spaces around and with `~` for the home folder; `None` while nothing is typed.
    pub fn path(&self) -> Option<PathBuf> {
        let text = self.text.trim();
        if text.is_empty() {
            return None;
        }
        let home = || directories::BaseDirs::new().map(|folders| folders.home_dir().to_owned());
        match text.strip_prefix('~').and_then(|rest| Some((rest.strip_prefix(['/', '\\'])?, home()?))) {
            Some((rest, home)) => Some(home.join(rest)),
            None => Some(text.into()),
        }
    }

    /// Lets what is typed go here.
    pub const fn focus(&mut self) {
        self.wants_focus = true;
    }

    /// Draws it. `words` name the field; `filter` is what files are called and how they end (`"TOML", &["toml"]`). Tells whether a
    /// path is settled: Enter was pressed, or the dialog gave one.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        kind: PathKind,
        words: &str,
        hint: &str,
        filter: Option<(&str, &[&str])>,
    ) -> bool {
        let mut settled = self.take();
        ui.horizontal(|ui| {
            let browse = 110.0;
            let width = (ui.available_width() - browse).clamp(120.0, 560.0);
            let edit = TextEdit::singleline(&mut self.text).hint_text(hint).desired_width(width);
            let response = ui.add(edit);
            if std::mem::take(&mut self.wants_focus) {
                response.request_focus();
            }
            let value = self.text.clone();
            response.widget_info(|| {
                let mut info = WidgetInfo::text_edit(true, "", &value, hint);
                info.label = Some(words.to_owned());
                info
            });
            let entered = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            settled |= entered && !self.text.trim().is_empty();
            if button_if(ui, self.dialog.is_none(), icons::FOLDER_OPEN, "Browse\u{2026}").clicked() {
                self.browse(ui.ctx(), kind, words, filter);
            }
        });
        if self.no_dialog {
            ui.label(theme::caption(ui, "No file dialog here; type the path."));
        }
        settled
    }

    fn browse(&mut self, ctx: &egui::Context, kind: PathKind, title: &str, filter: Option<(&str, &[&str])>) {
        let mut dialog = rfd::FileDialog::new().set_title(title);
        if let Some((name, ends)) = filter {
            dialog = dialog.add_filter(name, ends);
        }
        if let Some(path) = self.path() {
            if let Some(folder) = path.parent().filter(|folder| folder.is_absolute()) {
                dialog = dialog.set_directory(folder);
            }
            if let (PathKind::SaveFile, Some(name)) = (kind, path.file_name()) {
                dialog = dialog.set_file_name(name.to_string_lossy());
            }
        }
        let wake = ctx.clone();
        let ask = move || match kind {
            PathKind::OpenFile => dialog.pick_file(),
            PathKind::OpenFolder => dialog.pick_folder(),
            PathKind::SaveFile => dialog.save_file(),
        };
        self.no_dialog = false;
        let job = Job::start("dialog", move || wake.request_repaint(), move |_, _| ask());
        self.dialog = Some((job, Instant::now()));
    }

    fn take(&mut self) -> bool {
        let Some((job, began)) = &mut self.dialog else { return false };
        let Some(outcome) = job.poll() else { return false };
        let soon = began.elapsed() < NO_DIALOG;
        self.dialog = None;
        match outcome {
            Ok(Some(path)) => {
                self.text = path.display().to_string();
                true
            }
            Ok(None) => {
                self.no_dialog = soon;
                false
            }
            Err(_) => {
                self.no_dialog = true;
                false
            }
        }
    }
}
