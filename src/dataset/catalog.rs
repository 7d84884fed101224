//! Opening what a user names: every file is recognized or listed with the reason why not, and questions are
//! paired with their references and rankings.

use std::path::PathBuf;
use std::sync::Arc;

use super::OpenOptions;
use super::error::{DatasetError, Reason};
use super::files;
use super::index::{Index, IndexCache, Kind};
use super::recognize::{self, Hints, TaskHint};
use super::scan::{ScanError, scan};
use super::set::{DataFile, Dataset, DatasetId, Inner};
use super::source::{Location, Source};
use crate::jobs::{CancelToken, Canceled, Progress};
use crate::lamp::Split;

/// A file that is no part of a dataset.
#[derive(Debug)]
pub struct Unrecognized {
    /// Where it lies.
    pub location: Location,
    /// Why.
    pub reason: Reason,
    /// Whether the user named this very file, instead of a folder it lies in.
    pub named: bool,
}

impl Unrecognized {
    /// Whether this is probably a mistake: the file was named, or was meant to be data and is damaged.
    pub const fn is_error(&self) -> bool {
        self.named || self.reason.is_error()
    }
}

/// All that was found under the paths that were opened.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The datasets, by task, setting, split and path.
    pub datasets: Vec<Dataset>,
    /// The files that are no part of one, by path.
    pub unrecognized: Vec<Unrecognized>,
}

/// Opens files and folders. What cannot be used is listed in the catalog, not an error; errors are paths that do not
/// exist or cannot be read at all, and cancellation. Progress counts the bytes of the file being read.
pub fn open(
    paths: &[PathBuf],
    options: &OpenOptions,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Catalog, DatasetError> {
    if paths.is_empty() {
        return Err(DatasetError::NothingGiven);
    }
    let cache = options.cache.as_deref().map(IndexCache::new);
    let mut catalog = Catalog::default();
    let mut found = Vec::new();
    for (path, listed) in files::list(paths, cancel)? {
        let named = paths.contains(&path);
        if let Err(reason) = listed {
            let location = Location { file: path, entry: None };
            catalog.unrecognized.push(Unrecognized { location, reason, named });
            continue;
        }
        files::open(&path, options, &|_| true, cancel, progress, |(location, opened)| {
            let read = match opened {
                Ok(source) => read(&source, cache.as_ref(), cancel, progress)?.map(|index| (source, index)),
                Err(reason) => Err(reason),
            };
            match read {
                Ok((source, index)) => {
                    let hints = Hints::of(&location);
                    found.push(Found { hints, file: DataFile::new(source, index), named });
                }
                Err(reason) => catalog.unrecognized.push(Unrecognized { location, reason, named }),
            }
            Ok(())
        })?;
    }
    pair(found, options, &mut catalog);
    catalog.datasets.sort_by_cached_key(|dataset| (dataset.id(), dataset.inner().questions.path()));
    catalog.unrecognized.sort_by_cached_key(|file| file.location.path());
    Ok(catalog)
}

/// The index of a file, kept or made.
fn read(
    source: &Source,
    cache: Option<&IndexCache>,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Result<Index, Reason>, Canceled> {
    if let Some(index) = cache.and_then(|cache| cache.load(source)) {
        return Ok(Ok(index));
    }
    progress.start("Reading", source.len());
    match scan(source, cancel, progress) {
        Ok(index) => {
            if let Some(cache) = cache {
                cache.store(source, &index);
            }
            Ok(Ok(index))
        }
        Err(ScanError::Reason(reason)) => Ok(Err(reason)),
        Err(ScanError::Canceled(canceled)) => Err(canceled),
    }
}

/// A readable file before it is known what it belongs to.
struct Found {
    hints: Hints,
    file: DataFile,
    named: bool,
}

/// A golds or ranking file, which several questions files may share.
struct Companion {
    hints: Hints,
    file: Arc<DataFile>,
    named: bool,
    used: bool,
}

fn pair(found: Vec<Found>, options: &OpenOptions, catalog: &mut Catalog) {
    let mut questions = Vec::new();
    let mut companions = Vec::new();
    for Found { hints, file, named } in found {
        if file.index.kind == Kind::Questions {
            questions.push((hints, file, named));
        } else {
            companions.push(Companion { hints, file: Arc::new(file), named, used: false });
        }
    }
    let overrule = !options.fill_in || questions.len() < 2;
    for (hints, file, named) in questions {
        let location = file.source.location().clone();
        let recognized = recognize::task_of(&file.index, hints.task);
        let task = if overrule { options.task.or(recognized) } else { recognized.or(options.task) };
        let Some(task) = task else {
            catalog.unrecognized.push(Unrecognized { location, reason: Reason::UnknownTask, named });
            continue;
        };
        let setting = options.setting.filter(|_| overrule);
        let setting = setting.unwrap_or_else(|| recognize::setting_of(&file.index, &hints));
        let outputs = best(&hints, &file, &mut companions, Kind::Golds);
        let rankings = ranking_files(&hints, &file, &mut companions);
        let shown = hints.split.or_else(|| outputs.as_ref().and_then(|(_, hints)| hints.split));
        let split = if overrule { options.split.or(shown) } else { shown.or(options.split) };
        let has_references =
            outputs.is_some() || file.index.rows.iter().any(|row| row.fields.has(super::Field::Output));
        let assumed = if has_references { Split::Dev } else { Split::Test };
        let id = DatasetId { task, setting, split: split.unwrap_or(assumed) };

        let mut contradicted = Vec::new();
        if let Some(recognized) = recognized.filter(|&recognized| recognized != task) {
            contradicted.push(format!("the records are of {recognized}, and {task} was asked for"));
        }
        if hints.task.is_some_and(|hint| !hint.allows(recognized.unwrap_or(task))) {
            let recognized = recognized.unwrap_or(task);
            contradicted.push(format!("the records are of {recognized}, and the path says another task"));
        }
        let named_task = outputs.as_ref().and_then(|(outputs, _)| outputs.index.task_name.as_deref());
        if let Some(name) = named_task
            && TaskHint::named(name).is_some_and(|hint| !hint.allows(task))
        {
            contradicted.push(format!("the records are of {task}, and the outputs file says {name}"));
        }
        let outputs = outputs.map(|(file, _)| file);
        let mut inner = Inner::new(id, file, outputs, rankings, options.skip_broken);
        inner.contradicted = contradicted;
        inner.split_assumed = split.is_none();
        catalog.datasets.push(Dataset::from_inner(inner));
    }
    for Companion { file, named, .. } in companions.into_iter().filter(|companion| !companion.used) {
        let reason = if file.index.kind == Kind::Golds { Reason::AnswersAlone } else { Reason::RankingAlone };
        catalog.unrecognized.push(Unrecognized { location: file.source.location().clone(), reason, named });
    }
}

/// How many of the first ids of the questions a file has.
fn shared_ids(questions: &DataFile, other: &DataFile) -> usize {
    const LOOKED_AT: usize = 200;
    let count = questions.index.rows.len().min(LOOKED_AT);
    (0..count).filter(|&row| !other.rows_of(questions.index.id(row)).is_empty()).count()
}

/// The golds that belong to a questions file: beside it or in a folder beside its own, of the same split, best with
/// the same name and the same ids.
fn best(
    hints: &Hints,
    questions: &DataFile,
    companions: &mut [Companion],
    kind: Kind,
) -> Option<(Arc<DataFile>, Hints)> {
    let score = |other: &Companion| {
        let same_folder = other.hints.folder == hints.folder;
        let near = same_folder
            || other.hints.folder.parent() == hints.folder.parent()
            || other.hints.folder.parent() == Some(&hints.folder)
            || hints.folder.parent() == Some(&other.hints.folder);
        let splits_differ = matches!((other.hints.split, hints.split), (Some(a), Some(b)) if a != b);
        let same_split = other.hints.split.is_some() && other.hints.split == hints.split;
        let tasks_differ = matches!((other.hints.task, hints.task), (Some(a), Some(b)) if !a.allows_hint(b));
        let same_stem = other.hints.stem == hints.stem;
        let shared = shared_ids(questions, &other.file);
        let belongs = shared > 0 || (same_folder && same_split && same_stem);
        if other.file.index.kind != kind
            || splits_differ
            || tasks_differ
            || !near
            || !belongs
            || other.hints.predictions
        {
            return None;
        }
        Some((same_folder, same_stem, same_split, other.hints.golds, shared))
    };
    // The first of equals, in the order of paths.
    let chosen = companions
        .iter_mut()
        .rev()
        .filter_map(|other| Some((score(other)?, other)))
        .max_by_key(|(score, _)| *score);
    chosen.map(|(_, other)| {
        other.used = true;
        (Arc::clone(&other.file), other.hints.clone())
    })
}

fn ranking_files(hints: &Hints, questions: &DataFile, companions: &mut [Companion]) -> Vec<Arc<DataFile>> {
    let belongs = |other: &&mut Companion| {
        other.file.index.kind == Kind::Ranking
            && other.hints.folder == hints.folder
            && !matches!((other.hints.split, hints.split), (Some(a), Some(b)) if a != b)
            && shared_ids(questions, &other.file) > 0
    };
    let mark = |other: &mut Companion| {
        other.used = true;
        Arc::clone(&other.file)
    };
    companions.iter_mut().filter(belongs).map(mark).collect()
}
