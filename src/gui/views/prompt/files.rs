//! Template files: reading one, and writing one without overwriting another unasked.

use std::path::{Path, PathBuf};

use eframe::egui::Ui;

use crate::gui::kit::{self, Notice, PathField, PathKind};
use crate::gui::loadable::Trouble;
use crate::gui::theme::icons;
use crate::jobs::Job;
use crate::lamp::Task;
use crate::whole_file::WholeFile;

/// A file larger than this is no template.
const MOST_BYTES: u64 = 1 << 18;
/// What template files are called.
pub(super) const FILES: Option<(&str, &[&str])> = Some(("Templates", &["toml"]));

/// A file to be written.
#[derive(Debug, Default)]
pub(super) struct Saving {
    field: PathField,
    job: Option<Job<Result<PathBuf, NotSaved>>>,
    /// It is there already, and may be replaced.
    exists: Option<PathBuf>,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
enum NotSaved {
    Exists(PathBuf),
    Failed(Trouble),
}

impl Saving {
    /// To a file that is known.
    pub(super) fn to(name: &str) -> Self {
        Self { field: PathField::with(name), ..Self::default() }
    }

    /// The file, once it is written.
    pub(super) fn take(&mut self) -> Option<PathBuf> {
        let outcome = self.job.as_mut().and_then(Job::poll)?;
        self.job = None;
        match outcome.map_err(|error| NotSaved::Failed(error.into())).and_then(|result| result) {
            Ok(path) => return Some(path),
            Err(NotSaved::Exists(path)) => self.exists = Some(path),
            Err(NotSaved::Failed(trouble)) => self.trouble = Some(trouble),
        }
        None
    }

    /// Draws it; tells whether it is to be closed.
    pub(super) fn ui(&mut self, ui: &mut Ui, text: &str, sound: bool, task: Task) -> bool {
        let hint = format!("/path/of/{}.toml", task.id().to_lowercase());
        let settled = self.field.show(ui, PathKind::SaveFile, "Save the template to", &hint, FILES);
        if settled || self.field.path() != self.exists {
            self.exists = self.exists.take().filter(|path| Some(path) == self.target().as_ref());
        }
        let mut close = false;
        ui.horizontal(|ui| {
            let possible = sound && self.job.is_none() && self.field.path().is_some();
            let save = kit::button_if(ui, possible, icons::FLOPPY_DISK, "Save and use").clicked();
            if (save || settled) && possible {
                self.start(ui, text.to_owned(), false);
            }
            close = kit::quiet(ui, "", "Cancel").clicked();
        });
        if let Some(path) = self.exists.clone() {
            let words = format!("{} is there already.", path.display());
            if kit::notice(ui, Notice::Warning, &words, Some("Replace it")) {
                self.start(ui, text.to_owned(), true);
            }
        }
        if let Some(trouble) = &self.trouble {
            kit::trouble(ui, trouble, None);
        }
        close
    }

    /// The file that is meant: with an ending, so that it is not taken for a preset's name.
    fn target(&self) -> Option<PathBuf> {
        let path = self.field.path()?;
        let path = std::path::absolute(&path).unwrap_or(path);
        Some(if path.extension().is_none() { path.with_extension("toml") } else { path })
    }

    pub(super) fn start(&mut self, ui: &Ui, text: String, replace: bool) {
        let Some(path) = self.target() else { return };
        (self.exists, self.trouble) = (None, None);
        let wake = ui.ctx().clone();
        self.job = Some(Job::start(
            "save template",
            move || wake.request_repaint(),
            move |_, _| {
                if !replace && path.exists() {
                    return Err(NotSaved::Exists(path));
                }
                match WholeFile::put(&path, text.as_bytes()) {
                    Ok(()) => Ok(path),
                    Err(error) => {
                        let words = format!("The template cannot be written to {}: {error}", path.display());
                        Err(NotSaved::Failed(Trouble(words)))
                    }
                }
            },
        ));
    }
}

/// Reads a template's file, if it may be one.
pub(super) fn read(path: &Path) -> Result<String, Trouble> {
    let failed = |error: std::io::Error| {
        Trouble(format!("The template {} cannot be read: {error}. Choose another file.", path.display()))
    };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MOST_BYTES {
        return Err(Trouble(format!(
            "{} has {size} bytes and is no template. Choose another file.",
            path.display()
        )));
    }
    std::fs::read_to_string(path).map_err(failed)
}
