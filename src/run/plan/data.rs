//! The datasets of an experiment: opened, chosen by task, setting and split, drawn from, and looked at for what is missing.

use std::path::PathBuf;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Note, Planner};
use crate::dataset::{self, Catalog, Dataset, DatasetError, DatasetId, OpenOptions, UnpackLimits};
use crate::jobs::Canceled;
use crate::lamp::{Setting, Split, Task};
use crate::record::DatasetSpec;
use crate::run::experiment::{DataSettings, KeyPath, ProblemKind};

/// How many of the samples have entries without a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dates {
    /// No entry has one.
    None,
    /// So many samples have entries that lack one.
    Some(usize),
}

/// A dataset that cells answer.
#[derive(Debug, Clone)]
pub(super) struct PlannedData {
    pub(super) dataset: Dataset,
    pub(super) spec: DatasetSpec,
    pub(super) positions: Arc<[u32]>,
    pub(super) dates: Dates,
    /// Samples without a reference.
    pub(super) missing: usize,
}

impl PlannedData {
    pub(super) fn id(&self) -> DatasetId {
        self.dataset.id()
    }
}

/// What the paths of one table of data hold.
pub(super) struct Opened<'e> {
    settings: &'e DataSettings,
    path: KeyPath,
    catalog: Catalog,
}

impl<'a> Planner<'a> {
    /// Opens the paths of every table of data; those that cannot be opened are reported.
    pub(super) fn open(&self) -> Result<Vec<Opened<'a>>, Canceled> {
        let mut all = Vec::new();
        for (index, settings) in self.experiment.data.iter().enumerate() {
            let path = KeyPath::of("data").at(index);
            let paths = path.key("paths");
            let mut there = true;
            for (number, file) in settings.paths.iter().enumerate() {
                if let Err(source) = std::fs::metadata(file) {
                    self.report(&paths.at(number), DatasetError::Read { path: file.clone(), source });
                    there = false;
                }
            }
            if !there || settings.paths.is_empty() {
                continue;
            }
            let only = |count: usize| count == 1;
            let options = OpenOptions {
                cache: self.workplace.cache().map(ToOwned::to_owned),
                task: settings.tasks.first().copied().filter(|_| only(settings.tasks.len())),
                setting: settings.settings.first().copied().filter(|_| only(settings.settings.len())),
                split: settings.split,
                fill_in: true,
                skip_broken: settings.skip_broken,
                limits: UnpackLimits::default(),
            };
            let opened = dataset::open(&settings.paths, &options, self.cancel, self.progress);
            let Some(catalog) = self.told(&paths, opened)? else { continue };
            let wrong = |file: &&dataset::Unrecognized| file.is_error();
            let named =
                |file: &dataset::Unrecognized| format!("{}: {}", file.location.path().display(), file.reason);
            if catalog.datasets.is_empty() {
                let files = catalog.unrecognized.iter().take(5).map(named).collect();
                self.report(&paths, ProblemKind::NoData { files });
                continue;
            }
            for file in catalog.unrecognized.iter().filter(wrong) {
                self.note(Note::NoData { file: named(file) });
            }
            all.push(Opened { settings, path, catalog });
        }
        Ok(all)
    }

    /// The datasets that one table asks for, in its split.
    pub(super) fn choose(&self, opened: &Opened<'_>) -> Result<Vec<PlannedData>, Canceled> {
        let settings = opened.settings;
        let found = || opened.catalog.datasets.iter().map(Dataset::id);
        let mut wanted = true;
        for (number, &task) in settings.tasks.iter().enumerate() {
            if !found().any(|id| id.task == task) {
                let mut tasks: Vec<Task> = found().map(|id| id.task).collect();
                tasks.dedup();
                let kind = ProblemKind::NoSuchTask { task, found: tasks };
                self.report(&opened.path.key("tasks").at(number), kind);
                wanted = false;
            }
        }
        for (number, &setting) in settings.settings.iter().enumerate() {
            if !found().any(|id| id.setting == setting) {
                let has = |setting: &Setting| found().any(|id| id.setting == *setting);
                let has = Setting::ALL.into_iter().filter(has).collect();
                let kind = ProblemKind::NoSuchSetting { setting, found: has };
                self.report(&opened.path.key("settings").at(number), kind);
                wanted = false;
            }
        }
        if !wanted {
            return Ok(Vec::new());
        }
        let split = settings.split();
        let fits = |id: &DatasetId| {
            (settings.tasks.is_empty() || settings.tasks.contains(&id.task))
                && (settings.settings.is_empty() || settings.settings.contains(&id.setting))
        };
        let fitting: Vec<DatasetId> = found().filter(fits).collect();
        let in_split = |task: Task, setting: Option<Setting>| {
            fitting.iter().any(|id| {
                id.task == task && setting.is_none_or(|setting| setting == id.setting) && id.split == split
            })
        };
        if !fitting.iter().any(|id| id.split == split) {
            let mut found = if fitting.is_empty() { found().collect() } else { fitting };
            found.dedup();
            self.report(&opened.path.key("split"), ProblemKind::NoSuchSplit { split, found });
            return Ok(Vec::new());
        }
        for (number, &task) in settings.tasks.iter().enumerate() {
            if !in_split(task, None) {
                let found = found().filter(|id| id.task == task).collect();
                self.report(&opened.path.key("tasks").at(number), ProblemKind::NoSuchSplit { split, found });
            }
            for &setting in &settings.settings {
                if in_split(task, None) && !in_split(task, Some(setting)) {
                    self.note(Note::NotInSetting { task, setting });
                }
            }
        }
        for id in &fitting {
            if !in_split(id.task, Some(id.setting)) {
                self.note(Note::NoSplit { dataset: DatasetId { split, ..*id } });
            }
        }
        let chosen = opened.catalog.datasets.iter().filter(|dataset| {
            let id = dataset.id();
            fits(&id) && id.split == split
        });
        self.look_all(opened, chosen, &opened.path.key("split"), settings.unscored)
    }

    /// The dataset of another split that belongs to one that is reported, for tuning.
    pub(super) fn tuning_data(
        &self,
        opened: &Opened<'_>,
        reported: &PlannedData,
        on: Split,
    ) -> Result<Option<PlannedData>, Canceled> {
        let wanted = DatasetId { split: on, ..reported.id() };
        let path = KeyPath::of("tune").key("on");
        if wanted == reported.id() {
            self.refuse_unscored(reported, &path);
            return Ok(Some(reported.clone()));
        }
        let fitting: Vec<&Dataset> =
            opened.catalog.datasets.iter().filter(|dataset| dataset.id() == wanted).collect();
        if fitting.is_empty() {
            let same = |id: &DatasetId| (id.task, id.setting) == (wanted.task, wanted.setting);
            let found = opened.catalog.datasets.iter().map(Dataset::id).filter(same).collect();
            self.report(&path, ProblemKind::NoSuchSplit { split: on, found });
            return Ok(None);
        }
        Ok(self.look_all(opened, fitting.into_iter(), &path, false)?.pop())
    }

    fn refuse_unscored(&self, data: &PlannedData, path: &KeyPath) {
        if data.missing > 0 {
            let of = data.positions.len();
            self.report(path, ProblemKind::NoReferences { id: data.id(), missing: data.missing, of });
        }
    }

    /// Looks at datasets, of which each may be there once. Missing references are reported at `split`.
    fn look_all<'d>(
        &self,
        opened: &Opened<'_>,
        datasets: impl Iterator<Item = &'d Dataset>,
        split: &KeyPath,
        unscored: bool,
    ) -> Result<Vec<PlannedData>, Canceled> {
        let mut all: Vec<PlannedData> = Vec::new();
        for dataset in datasets {
            let Some(data) = self.look(opened, dataset)? else { continue };
            if let Some(other) = all.iter().find(|other| other.id() == data.id()) {
                if other.spec.fingerprint != data.spec.fingerprint {
                    self.report(
                        &opened.path.key("paths"),
                        ProblemKind::SameDataset {
                            id: data.id(),
                            first: file_of(&other.dataset),
                            second: file_of(dataset),
                        },
                    );
                }
                continue;
            }
            let of = data.positions.len();
            if data.missing > 0 && unscored {
                self.note(Note::Unscored { dataset: data.id(), missing: data.missing, of });
            } else {
                self.refuse_unscored(&data, split);
            }
            all.push(data);
        }
        Ok(all)
    }

    fn look(&self, opened: &Opened<'_>, dataset: &Dataset) -> Result<Option<PlannedData>, Canceled> {
        let settings = opened.settings;
        let paths = opened.path.key("paths");
        let id = dataset.id();
        if self.told(&paths, dataset.ensure_usable())?.is_none() {
            return Ok(None);
        }
        if dataset.is_empty() {
            self.report(&paths, ProblemKind::NoSamples { id });
            return Ok(None);
        }
        let fingerprint = dataset.fingerprint(self.cancel, self.progress);
        let Some(fingerprint) = self.told(&paths, fingerprint)? else { return Ok(None) };
        let broken = dataset.broken_count();
        if broken > 0 {
            self.note(Note::Broken { dataset: id, records: broken });
        }
        // A limit that leaves everything in is none.
        let limit = settings.limit.filter(|&limit| limit < dataset.len());
        let seed = settings.seed.filter(|_| limit.is_some());
        let positions = draw(dataset.len(), limit, seed);
        let (mut missing, mut undated, mut dated) = (0, 0, false);
        for &position in &positions {
            if let Some(summary) = dataset.summary(position as usize) {
                missing += usize::from(!summary.has_reference);
                undated += usize::from(summary.dated_entries < summary.profile_entries);
                dated |= summary.dated_entries > 0;
            }
        }
        Ok(Some(PlannedData {
            dataset: dataset.clone(),
            spec: DatasetSpec {
                task: id.task,
                setting: id.setting,
                split: id.split,
                fingerprint,
                limit,
                sample_seed: seed,
                skip_broken: broken > 0,
            },
            positions: positions.into(),
            dates: if dated { Dates::Some(undated) } else { Dates::None },
            missing,
        }))
    }
}

fn file_of(dataset: &Dataset) -> PathBuf {
    dataset.files().first().map(|file| file.location.path()).unwrap_or_default()
}

/// The samples that are answered of `count`: all, the first ones, or with a seed some drawn at random without
/// replacement, ascending. A larger draw of the same seed has those of a smaller one in it.
pub fn draw(count: usize, limit: Option<usize>, seed: Option<u64>) -> Vec<u32> {
    let mut positions: Vec<u32> = (0..count as u32).collect();
    let Some(limit) = limit.filter(|&limit| limit < count) else { return positions };
    if let Some(seed) = seed {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        for place in 0..limit {
            // Evenly but for 1 part in 2⁶⁴ / count.
            let left = (count - place) as u128;
            positions.swap(place, place + ((u128::from(stream.next_u64()) * left) >> 64) as usize);
        }
    }
    positions.truncate(limit);
    positions.sort_unstable();
    positions
}
