//! The store and the folders: where they are, how large, and their care. All of it happens in jobs.

use std::path::PathBuf;

use eframe::egui::{Ui, WidgetText};

use crate::gui::command::{Command, Toast, Weight};
use crate::gui::kit::{self, Notice, PathField, PathKind};
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::gui::views::Cx;
use crate::jobs::{CancelToken, Job, Progress};
use crate::model::embeddings;
use crate::store::{self, Reader, Store, StoreInfo};

/// What is done to the store or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Care {
    Check,
    Repair,
    ClearAnswers,
    Shrink,
    ClearCache,
    ClearVectors,
}

impl Care {
    const fn words(self) -> &'static str {
        match self {
            Self::Check => "Checking the store",
            Self::Repair => "Repairing the store",
            Self::ClearAnswers => "Clearing kept answers",
            Self::Shrink => "Giving room back",
            Self::ClearCache => "Emptying the cache",
            Self::ClearVectors => "Removing vectors",
        }
    }
}

/// Sizes of folders, in bytes.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    cache: u64,
    vectors: u64,
    encoders: usize,
}

#[derive(Default)]
pub(super) struct Storage {
    store_path: Option<PathField>,
    models_path: Option<PathField>,
    info: Loadable<PathBuf, Option<StoreInfo>>,
    sizes: Loadable<u64, Sizes>,
    /// How often a folder was changed from here.
    changed: u64,
    care: Option<(Care, Job<Result<String, Trouble>>)>,
    /// What came of the last one.
    outcome: Option<Result<String, Trouble>>,
    /// What a second click is waited for.
    asked: Option<Care>,
}

impl Storage {
    pub(super) fn logic(&mut self, cx: &mut Cx<'_>) {
        if let Some(outcome) = self.care.as_mut().and_then(|(_, job)| job.poll()) {
            let outcome = outcome.map_err(Trouble::from).and_then(|outcome| outcome);
            if let Ok(words) = &outcome {
                cx.commands.push(Command::Toast(Toast::new(Weight::Success, words.clone())));
            }
            self.outcome = Some(outcome);
            self.care = None;
            self.changed += 1;
        }
        if !cx.shown {
            return;
        }
        let path = cx.shared.places.store.clone();
        let version = cx.shared.store.version + self.changed;
        self.info.want(cx.ctx, "store-info", path.clone(), version, move |_, _| {
            if path.exists() { Ok(Some(Reader::open(&path)?.info()?)) } else { Ok(None) }
        });
        let places = cx.shared.places.clone();
        self.sizes.want(cx.ctx, "folder-sizes", self.changed, 0, move |cancel, _| {
            let kept = match &places.embeddings {
                Some(folder) => embeddings::list(folder)?,
                None => Vec::new(),
            };
            let vectors = kept.iter().map(|kept| kept.bytes).sum();
            Ok(Sizes { cache: places.cache_size(cancel)?, vectors, encoders: kept.len() })
        });
    }

    fn start(&mut self, ui: &Ui, shared: &Shared, care: Care) {
        let places = shared.places.clone();
        let work =
            move |cancel: &CancelToken, progress: &Progress| carry_out(care, &places, cancel, progress);
        let wake = ui.ctx().clone();
        self.outcome = None;
        self.care = Some((care, Job::start("care", move || wake.request_repaint(), work)));
    }

    /// A button that does something to files; what cannot be undone asks once more.
    fn care_button(
        &mut self,
        ui: &mut Ui,
        shared: &Shared,
        care: Care,
        icon: &str,
        words: &str,
        sure: Option<&str>,
    ) {
        let free = self.care.is_none();
        let asked = self.asked == Some(care);
        let shown = match sure {
            Some(sure) if asked => sure,
            _ => words,
        };
        if kit::button_if(ui, free, icon, shown).clicked() {
            if sure.is_some() && !asked {
                self.asked = Some(care);
            } else {
                self.asked = None;
                self.start(ui, shared, care);
            }
        }
    }

    fn working(&mut self, ui: &mut Ui, of: &[Care]) {
        if let Some((care, job)) = self.care.as_ref().filter(|(care, _)| of.contains(care))
            && kit::working(ui, &job.progress().read(), care.words())
        {
            job.cancel();
        }
    }

    pub(super) fn store(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        row(ui, "File", shared.places.store.display().to_string());
        match self.info.value().map(|info| &**info) {
            Some(Some(info)) => {
                let rows = |name: &str| {
                    info.tables.iter().find(|(table, _)| table == name).map_or(0, |(_, rows)| *rows)
                };
                row(
                    ui,
                    "Size",
                    format!("{}, of which {} are free", kit::bytes(info.bytes), kit::bytes(info.free_bytes)),
                );
                let (runs, answered, kept) = (rows("runs"), rows("predictions"), rows("answers"));
                row(ui, "Holds", format!("{runs} runs, {answered} predictions, {kept} kept answers"));
            }
            Some(None) => row(ui, "Holds", "nothing yet; the file is made by the first run"),
            None => {}
        }
        if let Some(trouble) = self.info.trouble() {
            kit::trouble(ui, trouble, None);
        }
        ui.horizontal_wrapped(|ui| {
            self.care_button(ui, shared, Care::Check, icons::CHECK_CIRCLE, "Check", None);
            self.care_button(
                ui,
                shared,
                Care::Repair,
                icons::ARROW_COUNTER_CLOCKWISE,
                "Repair\u{2026}",
                Some("Repair now"),
            );
            let sure = Some("Clear the answers now");
            self.care_button(
                ui,
                shared,
                Care::ClearAnswers,
                icons::TRASH,
                "Clear kept answers\u{2026}",
                sure,
            );
            self.care_button(ui, shared, Care::Shrink, icons::HARD_DRIVES, "Give free room back", None);
            if kit::button(ui, icons::FOLDER_OPEN, "Use another store\u{2026}").clicked() {
                self.store_path = match self.store_path {
                    None => Some(PathField::with(shared.places.store.display().to_string())),
                    Some(_) => None,
                };
            }
        });
        match self.asked {
            Some(Care::Repair) => {
                hint(ui, "What can be read is saved into a fresh file; the present one is kept beside it.")
            }
            Some(Care::ClearAnswers) => hint(ui, "No run loses anything; equal prompts are asked again."),
            _ => {}
        }
        self.working(ui, &[Care::Check, Care::Repair, Care::ClearAnswers, Care::Shrink]);
        match &self.outcome {
            Some(Ok(words)) => {
                kit::notice(ui, Notice::Info, words, None);
            }
            Some(Err(trouble)) => {
                kit::trouble(ui, trouble, None);
            }
            None => {}
        }
        if let Some(field) = &mut self.store_path {
            let idle = shared.runner.is_idle();
            let filter = Some(("Lamplight store", &["db"][..]));
            let settled = field.show(ui, PathKind::SaveFile, "Path of the store", "lamplight.db", filter);
            let used = kit::button_if(ui, idle && field.path().is_some(), icons::CHECK, "Use it").clicked();
            if !idle {
                hint(ui, "While an experiment is running the store stays.");
            }
            if (settled || used)
                && idle
                && let Some(path) = field.path()
            {
                let path = if path.is_dir() { path.join("lamplight.db") } else { path };
                commands.push(Command::SetStore(path));
                self.store_path = None;
            }
        }
    }

    pub(super) fn folders(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let places = &shared.places;
        let none = || "none; nothing is kept for next time".to_owned();
        let shown =
            |path: &Option<PathBuf>| path.as_ref().map_or_else(none, |path| path.display().to_string());
        row(ui, "Models", places.models.display().to_string());
        row(ui, "Cache", shown(&places.cache));
        row(ui, "Vectors", shown(&places.embeddings));
        row(ui, "Window", shown(&places.memory));
        if let Some(sizes) = self.sizes.value() {
            let plural = if sizes.encoders == 1 { "" } else { "s" };
            let kept = format!(
                "{} of indexes and unpacked files, {} of vectors of {} encoder{plural}",
                kit::bytes(sizes.cache),
                kit::bytes(sizes.vectors),
                sizes.encoders
            );
            row(ui, "Kept", kept);
        }
        if let Some(trouble) = self.sizes.trouble() {
            kit::trouble(ui, trouble, None);
        }
        ui.horizontal_wrapped(|ui| {
            self.care_button(
                ui,
                shared,
                Care::ClearCache,
                icons::TRASH,
                "Empty the cache\u{2026}",
                Some("Empty it now"),
            );
            let sure = Some("Remove the vectors now");
            self.care_button(ui, shared, Care::ClearVectors, icons::TRASH, "Remove vectors\u{2026}", sure);
            if kit::button(ui, icons::FOLDER_OPEN, "Keep models elsewhere\u{2026}").clicked() {
                self.models_path = match self.models_path {
                    None => Some(PathField::with(places.models.display().to_string())),
                    Some(_) => None,
                };
            }
        });
        if matches!(self.asked, Some(Care::ClearCache | Care::ClearVectors)) {
            hint(ui, "What is needed again is made again, which takes time.");
        }
        self.working(ui, &[Care::ClearCache, Care::ClearVectors]);
        if let Some(field) = &mut self.models_path {
            let settled = field.show(ui, PathKind::OpenFolder, "Folder of models", "models", None);
            let used = kit::button_if(ui, field.path().is_some(), icons::CHECK, "Use this folder").clicked();
            if (settled || used)
                && let Some(path) = field.path()
            {
                commands.push(Command::SetModels(path));
                self.models_path = None;
            }
        }
    }
}

fn carry_out(
    care: Care,
    places: &crate::run::Places,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<String, Trouble> {
    Ok(match care {
        Care::Check => {
            let report = store::check(&places.store, cancel, progress)?;
            if report.is_sound() {
                "The store is sound.".to_owned()
            } else {
                let lines: Vec<String> = report.problems.iter().map(|problem| problem.text.clone()).collect();
                return Err(Trouble(format!(
                    "The store has problems. Repair saves what can be read.\n{}",
                    lines.join("\n")
                )));
            }
        }
        Care::Repair => {
            let report = store::repair(&places.store, cancel, progress)?;
            format!("The store was repaired; the file before is kept as {}.", report.kept.display())
        }
        Care::ClearAnswers => {
            let mut store = Store::open(&places.store)?;
            let count = store.clear_answers()?;
            store.give_back(cancel, progress)?;
            format!("{count} kept answers were cleared.")
        }
        Care::Shrink => {
            let given = Store::open(&places.store)?.give_back(cancel, progress)?;
            format!("{} were given back.", kit::bytes(given))
        }
        Care::ClearCache => {
            progress.start("Emptying the cache", 0);
            places.clear_cache()?;
            "The cache is empty.".to_owned()
        }
        Care::ClearVectors => {
            let removed = match &places.embeddings {
                Some(folder) => embeddings::clear(folder, "")?.len(),
                None => 0,
            };
            format!("The vectors of {removed} encoders were removed.")
        }
    })
}

fn row(ui: &mut Ui, name: &str, text: impl Into<String>) {
    kit::field(ui, name, |ui, _| {
        let text: WidgetText = text.into().into();
        ui.add(eframe::egui::Label::new(text).truncate().selectable(true));
    });
}

fn hint(ui: &mut Ui, text: &str) {
    ui.label(theme::caption(ui, text));
}
