//! Which of the open datasets the experiment answers: read from its tables of data, and written back so that they mean these and
//! no others. Pure; how a table is understood is `run::plan`'s business, and this follows it.

use std::path::{Path, PathBuf};

use crate::dataset::DatasetId;
use crate::lamp::{Setting, Split, Task};
use crate::run::experiment::DataSettings;

/// A dataset as far as a table of data tells it from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Open {
    /// Task, setting and split.
    pub id: DatasetId,
    /// Its files, the questions first.
    pub files: Vec<PathBuf>,
}

/// How the samples of a dataset are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Taking {
    /// At most so many.
    pub limit: Option<usize>,
    /// Draws them at random.
    pub seed: Option<u64>,
    /// Leaves out records that are broken.
    pub skip_broken: bool,
    /// Answers those without a reference too.
    pub unscored: bool,
}

impl Taking {
    fn of(table: &DataSettings) -> Self {
        Self {
            limit: table.limit,
            seed: table.seed,
            skip_broken: table.skip_broken,
            unscored: table.unscored,
        }
    }
}

/// How each open dataset is taken; `None` where it is not.
pub(super) fn taken(data: &[DataSettings], open: &[Open]) -> Vec<Option<Taking>> {
    open.iter().map(|open| data.iter().find(|table| takes(table, open)).map(Taking::of)).collect()
}

fn takes(table: &DataSettings, open: &Open) -> bool {
    table.split() == open.id.split
        && (table.tasks.is_empty() || table.tasks.contains(&open.id.task))
        && (table.settings.is_empty() || table.settings.contains(&open.id.setting))
        && is_under(open, &table.paths)
}

fn is_under(open: &Open, paths: &[PathBuf]) -> bool {
    open.files.first().is_some_and(|questions| paths.iter().any(|path| questions.starts_with(path)))
}

/// Paths of the tables that none of the open ones (`roots`) has to do with.
pub(super) fn elsewhere(data: &[DataSettings], roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for path in data.iter().flat_map(|table| &table.paths) {
        if is_elsewhere(path, roots) && !paths.contains(path) {
            paths.push(path.clone());
        }
    }
    paths
}

fn is_elsewhere(path: &Path, roots: &[PathBuf]) -> bool {
    !roots.iter().any(|root| path.starts_with(root) || root.starts_with(path))
}

/// Tables that take what `chosen` says of the open datasets under `roots`; what `data` say of other paths stays.
pub(super) fn tables(
    data: &[DataSettings],
    roots: &[PathBuf],
    open: &[Open],
    chosen: &[Option<Taking>],
) -> Vec<DataSettings> {
    let mut tables = Vec::new();
    for table in data {
        let paths: Vec<PathBuf> =
            table.paths.iter().filter(|path| is_elsewhere(path, roots)).cloned().collect();
        if !paths.is_empty() {
            tables.push(DataSettings { paths, ..table.clone() });
        }
    }
    let mut takings: Vec<Taking> = Vec::new();
    for taking in chosen.iter().flatten() {
        if !takings.contains(taking) {
            takings.push(*taking);
        }
    }
    for taking in takings {
        for split in [Split::Dev, Split::Test, Split::Train] {
            let places: Vec<usize> = (0..open.len())
                .filter(|&place| chosen.get(place) == Some(&Some(taking)) && open[place].id.split == split)
                .collect();
            if !places.is_empty() {
                cover(&places, open, roots, taking, &mut tables);
            }
        }
    }
    tables
}

/// Tables that take these datasets of one split, as few as are easily found.
fn cover(places: &[usize], open: &[Open], roots: &[PathBuf], taking: Taking, tables: &mut Vec<DataSettings>) {
    let Some(first) = places.first().and_then(|&place| open.get(place)) else { return };
    let mut tasks: Vec<Task> = Vec::new();
    let mut settings: Vec<Setting> = Vec::new();
    for id in places.iter().map(|&place| open[place].id) {
        if !tasks.contains(&id.task) {
            tasks.push(id.task);
        }
        if !settings.contains(&id.setting) {
            settings.push(id.setting);
        }
    }
    let mut table = DataSettings {
        paths: roots_of(places, open, roots),
        split: Some(first.id.split),
        limit: taking.limit,
        seed: taking.seed,
        skip_broken: taking.skip_broken,
        unscored: taking.unscored,
        ..DataSettings::default()
    };
    // The fewest words that choose just these.
    for (tasks, settings) in [
        (Vec::new(), Vec::new()),
        (tasks.clone(), Vec::new()),
        (Vec::new(), settings.clone()),
        (tasks.clone(), settings.clone()),
    ] {
        (table.tasks, table.settings) = (tasks, settings);
        let all: Vec<usize> = (0..open.len()).filter(|&place| takes(&table, &open[place])).collect();
        if all == places {
            tables.push(table);
            return;
        }
    }
    if settings.len() > 1 {
        for setting in settings {
            let part: Vec<usize> =
                places.iter().copied().filter(|&place| open[place].id.setting == setting).collect();
            cover(&part, open, roots, taking, tables);
        }
    } else if places.len() > 1 {
        for place in places {
            cover(&[*place], open, roots, taking, tables);
        }
    } else {
        // Another dataset of the same name lies under the same path: the files themselves tell them apart.
        tables.push(DataSettings { paths: first.files.clone(), ..table });
    }
}

/// The open paths under which the files of these datasets lie, in the order in which they were opened.
fn roots_of(places: &[usize], open: &[Open], roots: &[PathBuf]) -> Vec<PathBuf> {
    let files = || places.iter().flat_map(|&place| &open[place].files);
    let has = |root: &&PathBuf| files().any(|file| file.starts_with(root));
    // One that lies within another says nothing more.
    let within = |root: &PathBuf| roots.iter().any(|other| other != root && root.starts_with(other));
    roots.iter().filter(has).filter(|root| !within(root)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &str, task: Task, setting: Setting, split: Split) -> Open {
        let file = |kind| PathBuf::from(format!("{path}/{split}_{kind}.json"));
        Open { id: DatasetId { task, setting, split }, files: vec![file("questions"), file("outputs")] }
    }

    fn shelf() -> Vec<Open> {
        let mut all = Vec::new();
        for setting in Setting::ALL {
            for task in [Task::Lamp1, Task::Lamp3, Task::Lamp4] {
                for split in [Split::Dev, Split::Test] {
                    all.push(open(&format!("/d/{setting}/{task}/{split}"), task, setting, split));
                }
            }
        }
        all
    }

    /// Every choice comes back as it was made, whatever tables it takes.
    #[test]
    fn what_is_chosen_is_what_the_tables_take() {
        let (open, roots) = (shelf(), vec![PathBuf::from("/d")]);
        for bits in 0_u32..1 << open.len() {
            let chosen: Vec<Option<Taking>> =
                (0..open.len()).map(|place| (bits >> place & 1 == 1).then(Taking::default)).collect();
            assert_eq!(taken(&tables(&[], &roots, &open, &chosen), &open), chosen, "{bits:b}");
        }
    }

    #[test]
    fn tables_say_no_more_than_they_must() {
        let (open, roots) = (shelf(), vec![PathBuf::from("/d")]);
        let choose = |wanted: &dyn Fn(DatasetId) -> bool| -> Vec<DataSettings> {
            let chosen: Vec<_> = open.iter().map(|open| wanted(open.id).then(Taking::default)).collect();
            tables(&[], &roots, &open, &chosen)
        };
        let base = DataSettings { paths: roots.clone(), split: Some(Split::Dev), ..DataSettings::default() };
        assert_eq!(choose(&|id| id.split == Split::Dev), std::slice::from_ref(&base));
        let user = DataSettings { settings: vec![Setting::User], ..base.clone() };
        assert_eq!(choose(&|id| id.split == Split::Dev && id.setting == Setting::User), [user]);
        let one = DataSettings { tasks: vec![Task::Lamp3], ..base };
        assert_eq!(choose(&|id| id.split == Split::Dev && id.task == Task::Lamp3), [one]);
        assert_eq!(choose(&|_| false), []);
    }

    #[test]
    fn files_that_were_opened_one_by_one_stay_together() {
        let open = [open("/x", Task::Lamp3, Setting::User, Split::Dev)];
        let roots = open[0].files.clone();
        let tables = tables(&[], &roots, &open, &[Some(Taking::default())]);
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].paths, roots, "without its outputs the dataset has no references");
    }

    #[test]
    fn two_files_of_one_dataset_are_told_apart() {
        let open = ["/d/a", "/d/b"].map(|path| open(path, Task::Lamp3, Setting::User, Split::Dev));
        let chosen = [None, Some(Taking::default())];
        let tables = tables(&[], &["/d".into()], &open, &chosen);
        assert_eq!(taken(&tables, &open), chosen);
    }

    #[test]
    fn other_paths_and_other_ways_of_taking_stay() {
        let (open, roots) = (shelf(), vec![PathBuf::from("/d")]);
        let other = DataSettings { paths: vec!["/e".into()], limit: Some(3), ..DataSettings::default() };
        let few = Taking { limit: Some(5), seed: Some(1), ..Taking::default() };
        let mut chosen = vec![None; open.len()];
        (chosen[0], chosen[2]) = (Some(few), Some(Taking::default()));
        let written = tables(std::slice::from_ref(&other), &roots, &open, &chosen);
        assert_eq!(written[0], other);
        assert_eq!(taken(&written, &open), chosen);
        assert_eq!(elsewhere(&written, &roots), other.paths);
        assert!(elsewhere(&written, &["/e/f".into(), "/d".into()]).is_empty());
    }
}
