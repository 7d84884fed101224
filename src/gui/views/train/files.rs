//! The recipe as a file: opened and saved as the command line reads and prints it. Both are jobs.

use std::path::PathBuf;

use eframe::egui::Ui;

use crate::gui::command::{Command, Screen, Toast, Weight};
use crate::gui::kit::{self, PathField, PathKind};
use crate::gui::loadable::Trouble;
use crate::gui::theme::icons;
use crate::gui::trainings::in_words;
use crate::jobs::Job;
use crate::train::TrainRecipe;
use crate::whole_file::WholeFile;

/// How recipes' files are called.
const FILTER: Option<(&str, &[&str])> = Some(("Recipe", &["toml"]));

/// What is being done with files.
#[derive(Default)]
pub(super) struct Files {
    /// The file that the recipe was read from or saved to.
    pub file: Option<PathBuf>,
    open: Option<PathField>,
    save: Option<PathField>,
    job: Option<Job<Result<Done, Trouble>>>,
    trouble: Option<Trouble>,
}

enum Done {
    Read(PathBuf, Box<TrainRecipe>),
    Saved(PathBuf),
}

impl Files {
    /// Takes what was read or written; gives a recipe that was opened.
    pub fn logic(&mut self, commands: &mut Vec<Command>) -> Option<TrainRecipe> {
        let outcome = self.job.as_mut().and_then(Job::poll)?;
        self.job = None;
        match outcome.map_err(Trouble::from).and_then(|done| done) {
            Err(trouble) => self.trouble = Some(trouble),
            Ok(Done::Saved(path)) => {
                self.save = None;
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                commands.push(Command::Toast(Toast::new(Weight::Success, format!("Saved as {name}."))));
                self.file = Some(path);
            }
            Ok(Done::Read(path, recipe)) => {
                self.open = None;
                self.file = Some(path);
                let paths: Vec<PathBuf> =
                    recipe.data.paths.iter().filter(|path| path.exists()).cloned().collect();
                if !paths.is_empty() {
                    // So that its tasks can be chosen among.
                    commands.push(Command::OpenData(paths));
                    commands.push(Command::Go(Screen::Train));
                }
                return Some(*recipe);
            }
        }
        None
    }

    /// The buttons.
    pub fn buttons(&mut self, ui: &mut Ui) {
        let idle = self.job.is_none();
        if kit::button_if(ui, idle, icons::FOLDER_OPEN, "Open\u{2026}").clicked() {
            self.save = None;
            self.open = if self.open.is_some() { None } else { Some(PathField::default()) };
        }
        if kit::button_if(ui, idle, icons::FLOPPY_DISK, "Save\u{2026}").clicked() {
            self.open = None;
            let usual = || {
                let folder = directories::UserDirs::new()
                    .and_then(|folders| folders.document_dir().map(ToOwned::to_owned))
                    .or_else(|| directories::BaseDirs::new().map(|folders| folders.home_dir().to_owned()));
                folder.unwrap_or_default().join("recipe.toml")
            };
            let path = self.file.clone().unwrap_or_else(usual);
            self.save = match self.save.take() {
                Some(_) => None,
                None => Some(PathField::with(path.display().to_string())),
            };
        }
    }

    /// What stands beneath the buttons while there is something to ask or tell.
    pub fn beneath(&mut self, ui: &mut Ui, recipe: &TrainRecipe) {
        if let Some(field) = &mut self.open {
            let words = "Path of the recipe to open";
            let settled = field.show(ui, PathKind::OpenFile, words, "recipe.toml", FILTER);
            let open = kit::button_if(ui, field.path().is_some(), icons::CHECK, "Open this recipe").clicked();
            if let Some(path) = field.path().filter(|_| settled || open) {
                self.read(ui, path);
            }
        }
        if let Some(field) = &mut self.save {
            let words = "Path to save the recipe to";
            let settled = field.show(ui, PathKind::SaveFile, words, "recipe.toml", FILTER);
            let path = field.path();
            let there = path.as_ref().is_some_and(|path| self.file.as_ref() != Some(path) && path.exists());
            let words = if there { "Replace the file that is there" } else { "Save here" };
            let save = kit::button_if(ui, path.is_some(), icons::CHECK, words).clicked();
            // Enter alone does not write over another file.
            if let Some(path) = path.filter(|_| save || (settled && !there)) {
                self.write(ui, path, recipe.clone());
            }
        }
        if let Some(trouble) = self.trouble.clone()
            && kit::trouble(ui, &trouble, Some("Close"))
        {
            self.trouble = None;
        }
    }

    fn read(&mut self, ui: &Ui, path: PathBuf) {
        self.trouble = None;
        let wake = ui.ctx().clone();
        self.job = Some(Job::start(
            "open recipe",
            move || wake.request_repaint(),
            move |_, _| {
                let path = std::path::absolute(&path).unwrap_or(path);
                let recipe = TrainRecipe::read(&path).map_err(|error| in_words(&error))?;
                Ok(Done::Read(path, Box::new(recipe)))
            },
        ));
    }

    fn write(&mut self, ui: &Ui, path: PathBuf, recipe: TrainRecipe) {
        self.trouble = None;
        let wake = ui.ctx().clone();
        self.job = Some(Job::start(
            "save recipe",
            move || wake.request_repaint(),
            move |_, _| {
                let path = std::path::absolute(&path).unwrap_or(path);
                let text = recipe.to_toml().map_err(|error| in_words(&error))?;
                match WholeFile::put(&path, text.as_bytes()) {
                    Ok(()) => Ok(Done::Saved(path)),
                    Err(error) => {
                        Err(Trouble(format!("The recipe cannot be written to {}: {error}.", path.display())))
                    }
                }
            },
        ));
    }
}
