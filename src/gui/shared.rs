//! What every screen sees. Screens read it; commands alone change it.

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui;

use super::command::{ChosenSample, ThemeChoice, Toast};
use super::draft::Draft;
use super::loadable::Loadable;
use super::runner::Runner;
use super::store_watch::StoreWatch;
use super::trainings::Trainings;
use crate::dataset::{Catalog, Dataset, DatasetId, OpenOptions};
use crate::model::registry::Entry;
use crate::record::{RunId, RunRecord, RunStatus};
use crate::run::{Experiment, Places, Workplace};
use crate::store::StoredExperiment;

pub use super::store_watch::Snapshot;

/// The state that screens share.
pub struct Shared {
    /// Where files lie.
    pub places: Places,
    /// How light the window is.
    pub theme: ThemeChoice,
    /// How large everything is.
    pub zoom: f32,
    /// Threads to compute with; 0 for all.
    pub threads: usize,
    /// Models, caches and encoders, for previews. Runs have one of their own that shares the encoders' files.
    pub workplace: Arc<Workplace>,
    /// Files and folders of the data, as they were opened.
    pub data_paths: Vec<PathBuf>,
    /// How often the data are to be read anew.
    pub data_version: u64,
    /// What is under them.
    pub catalog: Loadable<Vec<PathBuf>, Catalog>,
    /// How often the list of models is to be read anew.
    pub models_version: u64,
    /// The installed models.
    pub models: Loadable<PathBuf, Vec<Entry>>,
    /// The names of saved endpoints, with what such names begin with.
    pub endpoints: Loadable<PathBuf, Vec<String>>,
    /// The sample that previews show.
    pub sample: Option<ChosenSample>,
    /// The experiment being written.
    pub draft: Draft,
    /// What is being run.
    pub runner: Runner,
    /// What is being trained.
    pub trainings: Trainings,
    /// What the store holds.
    pub store: Arc<Snapshot>,
    /// Messages of this session, oldest first.
    pub messages: Vec<Toast>,
}

impl Shared {
    /// What is known when the window opens.
    pub fn new(places: Places, draft: Draft) -> Self {
        Self {
            workplace: Arc::new(places.workplace()),
            places,
            theme: ThemeChoice::default(),
            zoom: 1.0,
            threads: 0,
            data_paths: Vec::new(),
            data_version: 0,
            catalog: Loadable::default(),
            models_version: 0,
            models: Loadable::default(),
            endpoints: Loadable::default(),
            sample: None,
            draft,
            runner: Runner::default(),
            trainings: Trainings::default(),
            store: Arc::default(),
            messages: Vec::new(),
        }
    }

    /// The draft of the experiment.
    pub const fn experiment(&self) -> &Experiment {
        self.draft.experiment()
    }

    /// The datasets that are open, once they are read.
    pub fn catalog(&self) -> Option<&Arc<Catalog>> {
        self.catalog.value()
    }

    /// Which datasets are open below some paths, each once.
    pub fn datasets_under<'p>(&self, paths: impl IntoIterator<Item = &'p PathBuf>) -> Vec<DatasetId> {
        let Some(catalog) = self.catalog() else { return Vec::new() };
        let paths: Vec<&PathBuf> = paths.into_iter().collect();
        let below = |dataset: &&Dataset| {
            let files = dataset.files();
            files.first().is_some_and(|file| paths.iter().any(|path| file.location.file.starts_with(path)))
        };
        let mut all: Vec<DatasetId> = catalog.datasets.iter().filter(below).map(Dataset::id).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Stored experiments of which runs were broken off, and are nobody's work now.
    pub fn broken_off(&self) -> impl Iterator<Item = &StoredExperiment> {
        let store = &self.store;
        let open = |run: &&RunRecord| {
            matches!(run.status, RunStatus::Planned | RunStatus::Running | RunStatus::Interrupted)
                && !store.claimed.contains(&run.id)
        };
        let open: Vec<RunId> = store.runs.iter().filter(open).map(|run| run.id).collect();
        store.experiments.iter().filter(move |stored| stored.runs.iter().any(|run| open.contains(run)))
    }

    /// A copy of the draft to be changed and sent back with [`super::command::Command::Edit`].
    pub fn edited(&self, change: impl FnOnce(&mut Experiment)) -> Box<Experiment> {
        let mut experiment = Box::new(self.experiment().clone());
        change(&mut experiment);
        experiment
    }

    /// Takes what has arrived and asks for what is wanted.
    pub(super) fn logic(&mut self, ctx: &egui::Context, watch: &StoreWatch) {
        self.store = watch.snapshot();
        if self.data_paths.is_empty() {
            if self.catalog.value().is_some() {
                self.catalog.clear();
            }
        } else {
            let (paths, cache) = (self.data_paths.clone(), self.places.cache.clone());
            self.catalog.want(ctx, "datasets", paths.clone(), self.data_version, move |cancel, progress| {
                let options = OpenOptions { cache, skip_broken: true, ..OpenOptions::default() };
                Ok(crate::dataset::open(&paths, &options, cancel, progress)?)
            });
        }
        let registry = self.workplace.registry().clone();
        let folder = registry.folder().to_owned();
        let saved = registry.endpoints();
        self.models.want(
            ctx,
            "models",
            folder.clone(),
            self.models_version,
            move |_, _| Ok(registry.list()?),
        );
        self.endpoints.want(ctx, "endpoints", folder, self.models_version, move |_, _| {
            let names = saved.names()?;
            Ok(names.into_iter().map(|name| format!("{}{name}", crate::model::endpoint::PREFIX)).collect())
        });
        self.keep_sample();
    }

    /// The chosen sample follows its dataset when the data are read anew; without one, the first there is.
    fn keep_sample(&mut self) {
        let Some(catalog) = self.catalog.value() else {
            if self.data_paths.is_empty() {
                self.sample = None;
            }
            return;
        };
        if let Some(chosen) = &mut self.sample {
            let same = catalog.datasets.iter().find(|dataset| same_questions(dataset, &chosen.dataset));
            if let Some(same) = same.filter(|same| chosen.index < same.len()) {
                // The file as it was opened last, which may have changed.
                chosen.dataset = same.clone();
                return;
            }
            self.sample = None;
        }
        let first = catalog.datasets.iter().find(|dataset| !dataset.is_empty());
        self.sample = first.map(|dataset| ChosenSample { dataset: dataset.clone(), index: 0 });
    }
}

/// Whether two opened datasets are of the same questions file.
pub fn same_questions(one: &Dataset, other: &Dataset) -> bool {
    one.id() == other.id()
        && one.files().first().map(|file| &file.location) == other.files().first().map(|file| &file.location)
}
