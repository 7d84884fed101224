//! The draft as a file: opened, saved, made anew from the sample. Reading and writing are jobs.

use std::path::PathBuf;

use eframe::egui::{self, Ui};

use super::survey::Told;
use crate::gui::command::{Command, Screen, Toast, Weight};
use crate::gui::kit::{self, Notice, PathField, PathKind};
use crate::gui::loadable::Trouble;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::jobs::Job;
use crate::run::experiment::{EXTENSIONS, Experiment, ProblemKind};
use crate::run::{sample_experiment, sample_set};
use crate::whole_file::WholeFile;

/// How experiments' files are called.
const FILTER: Option<(&str, &[&str])> = Some(("Experiment", EXTENSIONS));

/// What is being done with files.
#[derive(Debug, Default)]
pub(super) struct Files {
    open: Option<PathField>,
    save: Option<PathField>,
    job: Option<Job<Result<Done, Trouble>>>,
    trouble: Option<Trouble>,
    /// What was read with problems, to be opened all the same.
    damaged: Option<(PathBuf, Box<Experiment>, Vec<String>)>,
    /// What is to be done once the present draft may be given up.
    asked: Option<Wish>,
    /// What was asked for from elsewhere.
    asked_for: Option<PathBuf>,
}

#[derive(Debug, Clone)]
enum Wish {
    Open(PathBuf),
    Sample,
    Blank,
}

#[derive(Debug)]
enum Done {
    Read { path: PathBuf, experiment: Box<Experiment>, problems: Vec<String>, unreadable: bool },
    Sample { folder: PathBuf, experiment: Box<Experiment> },
    Saved(PathBuf),
}

impl Files {
    /// A file that is to be opened when nothing else is being done.
    pub fn ask_for(&mut self, path: PathBuf) {
        self.asked_for = Some(path);
    }

    /// Takes what was read or written.
    pub fn logic(&mut self, ctx: &egui::Context, shared: &Shared, commands: &mut Vec<Command>) {
        if self.job.is_none()
            && let Some(path) = self.asked_for.take()
        {
            self.wish(ctx, Wish::Open(path), shared, commands);
        }
        let Some(outcome) = self.job.as_mut().and_then(Job::poll) else { return };
        self.job = None;
        match outcome.map_err(Trouble::from).and_then(|done| done) {
            Err(trouble) => self.trouble = Some(trouble),
            Ok(Done::Saved(path)) => {
                self.save = None;
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                commands.push(Command::Toast(Toast::new(Weight::Success, format!("Saved as {name}."))));
                commands.push(Command::SavedDraft(path));
            }
            Ok(Done::Sample { folder, experiment }) => {
                commands.push(Command::OpenDraft { experiment, file: None });
                commands.push(Command::OpenData(vec![folder]));
                commands.push(Command::Go(Screen::Experiment));
            }
            Ok(Done::Read { path, problems, unreadable: true, .. }) => {
                let name = path.display();
                self.trouble = Some(Trouble(format!("{name} cannot be opened.\n{}", problems.join("\n"))));
            }
            Ok(Done::Read { path, experiment, problems, .. }) if problems.is_empty() => {
                self.opened(path, experiment, commands);
            }
            Ok(Done::Read { path, experiment, problems, .. }) => {
                self.damaged = Some((path, experiment, problems));
            }
        }
    }

    fn opened(&mut self, path: PathBuf, experiment: Box<Experiment>, commands: &mut Vec<Command>) {
        self.open = None;
        self.damaged = None;
        let mut paths: Vec<PathBuf> = experiment.data.iter().flat_map(|data| data.paths.clone()).collect();
        paths.retain(|path| path.exists());
        commands.push(Command::OpenDraft { experiment, file: Some(path) });
        if !paths.is_empty() {
            // Previews on other screens are of the data of this experiment.
            commands.push(Command::OpenData(paths));
            commands.push(Command::Go(Screen::Experiment));
        }
    }

    /// The buttons.
    pub fn buttons(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let draft = &shared.draft;
        let idle = self.job.is_none();
        let steps = [
            (draft.undoes(), icons::ARROW_COUNTER_CLOCKWISE, "Undo", Command::Undo),
            (draft.redoes(), icons::ARROW_CLOCKWISE, "Redo", Command::Redo),
        ];
        for (what, icon, words, command) in steps {
            let response = kit::icon_button_if(ui, what.is_some(), icon, words);
            if response.clicked() {
                commands.push(command);
            }
            if let Some(what) = what {
                response.on_hover_text(format!("The change of {what}"));
            }
        }
        if kit::button_if(ui, idle, icons::FOLDER_OPEN, "Open\u{2026}").clicked() {
            self.save = None;
            self.open = match self.open.take() {
                Some(_) => None,
                None => Some(PathField::default()),
            };
        }
        if kit::button_if(ui, idle, icons::FLOPPY_DISK, "Save").clicked() {
            match draft.file() {
                Some(path) => self.write(ui.ctx(), path.clone(), shared),
                None => self.ask_path(shared),
            }
        }
        if kit::button_if(ui, idle, "", "Save as\u{2026}").clicked() {
            self.ask_path(shared);
        }
        ui.menu_button("New\u{2026}", |ui| {
            let mut wish = None;
            if kit::quiet(ui, icons::LIGHTBULB, "New from sample").clicked() {
                wish = Some(Wish::Sample);
            }
            if kit::quiet(ui, icons::FILE_TEXT, "New and empty").clicked() {
                wish = Some(Wish::Blank);
            }
            if let Some(wish) = wish {
                ui.close();
                self.wish(ui.ctx(), wish, shared, commands);
            }
        });
    }

    fn ask_path(&mut self, shared: &Shared) {
        self.open = None;
        let path = shared.draft.file().cloned().unwrap_or_else(|| {
            let name: String = shared
                .experiment()
                .name
                .chars()
                .take(80)
                .map(|letter| if letter.is_alphanumeric() { letter } else { '-' })
                .collect();
            let name = name.trim_matches('-').to_lowercase();
            let name = if name.is_empty() { "experiment".to_owned() } else { name };
            let folder = directories::UserDirs::new()
                .and_then(|folders| folders.document_dir().map(ToOwned::to_owned))
                .or_else(|| directories::BaseDirs::new().map(|folders| folders.home_dir().to_owned()));
            folder.unwrap_or_default().join(format!("{name}.lamplight.toml"))
        });
        self.save = Some(PathField::with(path.display().to_string()));
    }

    /// What stands beneath the buttons while there is something to ask or tell.
    pub fn beneath(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        if let Some(field) = &mut self.open {
            let settled = field.show(
                ui,
                PathKind::OpenFile,
                "Path of the experiment to open",
                "experiment.toml",
                FILTER,
            );
            let open = kit::button_if(ui, field.path().is_some(), icons::CHECK, "Open this file").clicked();
            if let Some(path) = field.path().filter(|_| settled || open) {
                self.wish(ui.ctx(), Wish::Open(path), shared, commands);
            }
        }
        if let Some(field) = &mut self.save {
            let settled = field.show(
                ui,
                PathKind::SaveFile,
                "Path to save the experiment to",
                "experiment.toml",
                FILTER,
            );
            let there = field.path().is_some_and(|path| Some(&path) != shared.draft.file() && path.exists());
            let words = if there { "Replace the file that is there" } else { "Save here" };
            let save = kit::button_if(ui, field.path().is_some(), icons::CHECK, words).clicked();
            // Enter alone does not write over another file.
            if let Some(path) = field.path().filter(|_| save || (settled && !there)) {
                self.write(ui.ctx(), path, shared);
            }
        }
        if let Some(wish) = self.asked.clone() {
            ui.horizontal_wrapped(|ui| {
                let name = &shared.experiment().name;
                ui.label(format!("The changes to \u{201c}{name}\u{201d} are not saved."));
                if kit::button(ui, "", "Give them up").clicked() {
                    self.asked = None;
                    self.begin(ui.ctx(), wish, shared, commands);
                }
                if kit::quiet(ui, "", "Keep them").clicked() {
                    self.asked = None;
                }
            });
        }
        let mut open = false;
        if let Some((path, _, problems)) = &self.damaged {
            let count = problems.len();
            let head = format!(
                "{} has {count} problem{}. Opened, what is wrong is left out.",
                path.file_name().unwrap_or_default().to_string_lossy(),
                if count == 1 { "" } else { "s" }
            );
            let text = format!("{head}\n{}", problems.join("\n"));
            open = kit::notice(ui, Notice::Warning, &text, Some("Open it all the same"));
            if kit::quiet(ui, icons::X, "Leave it").clicked() {
                self.damaged = None;
            }
        }
        if open && let Some((path, experiment, _)) = self.damaged.take() {
            self.opened(path, experiment, commands);
        }
        if let Some(trouble) = self.trouble.clone()
            && kit::trouble(ui, &trouble, Some("Close"))
        {
            self.trouble = None;
        }
        if let Some(job) = &self.job {
            let canceled = kit::working(ui, &job.progress().read(), "Working on the file");
            if canceled {
                job.cancel();
            }
        }
    }

    /// Does it, or asks first where changes would be lost.
    fn wish(&mut self, ctx: &egui::Context, wish: Wish, shared: &Shared, commands: &mut Vec<Command>) {
        self.trouble = None;
        self.damaged = None;
        if shared.draft.is_changed() {
            self.asked = Some(wish);
        } else {
            self.begin(ctx, wish, shared, commands);
        }
    }

    fn begin(&mut self, ctx: &egui::Context, wish: Wish, shared: &Shared, commands: &mut Vec<Command>) {
        let wake = ctx.clone();
        let wake = move || wake.request_repaint();
        match wish {
            Wish::Blank => {
                let mut experiment =
                    Box::new(Experiment { name: "My experiment".to_owned(), ..Experiment::default() });
                experiment.retrieval.k = vec![4];
                commands.push(Command::OpenDraft { experiment, file: None });
            }
            Wish::Open(path) => {
                self.job = Some(Job::start("open experiment", wake, move |_, _| {
                    let path = std::path::absolute(&path).unwrap_or(path);
                    let (experiment, problems) = Experiment::draft(&path);
                    let unreadable = problems
                        .iter()
                        .any(|problem| matches!(problem.kind, ProblemKind::Read(_) | ProblemKind::Syntax(_)));
                    let problems = problems.iter().map(|problem| Told::of(problem).text).collect();
                    Ok(Done::Read { path, experiment: Box::new(experiment), problems, unreadable })
                }));
            }
            Wish::Sample => {
                let workplace = shared.workplace.clone();
                self.job = Some(Job::start("sample experiment", wake, move |cancel, progress| {
                    let folder = sample_set(&workplace, cancel, progress)?;
                    let folder = std::path::absolute(&folder).unwrap_or(folder);
                    let experiment = Box::new(sample_experiment(&folder)?);
                    Ok(Done::Sample { folder, experiment })
                }));
            }
        }
    }

    fn write(&mut self, ctx: &egui::Context, path: PathBuf, shared: &Shared) {
        self.trouble = None;
        let wake = ctx.clone();
        let experiment = shared.experiment().clone();
        self.job = Some(Job::start(
            "save experiment",
            move || wake.request_repaint(),
            move |_, _| {
                let path = std::path::absolute(&path).unwrap_or(path);
                let text = experiment.to_toml()?;
                WholeFile::put(&path, text.as_bytes())
                    .map_err(|error| Trouble(format!("{} cannot be written: {error}", path.display())))?;
                Ok(Done::Saved(path))
            },
        ));
    }

    /// Where the draft is.
    pub fn whereabouts(ui: &mut Ui, shared: &Shared) {
        let words = match shared.draft.file() {
            Some(file) if shared.draft.is_changed() => {
                format!("{}, changed since it was saved", file.display())
            }
            Some(file) => file.display().to_string(),
            None => "Not saved to a file".to_owned(),
        };
        kit::cut(ui, theme::caption(ui, words));
    }
}
