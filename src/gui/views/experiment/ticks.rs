//! Which cells are ticked: the experiment's skips as a set of places, and such a set as skips again.

use std::collections::BTreeSet;

use super::survey::{Column, Kind};
use crate::dataset::DatasetId;
use crate::lamp::{Setting, Task};
use crate::run::Experiment;
use crate::run::experiment::skip::{NONE, Skip, Skips, Slot, TUNED};

/// For each row and column, whether the cell is ticked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Ticks(pub Vec<Vec<bool>>);

impl Ticks {
    /// Those of an experiment over some data.
    pub fn of(experiment: &Experiment, rows: &[(DatasetId, usize)], columns: &[Column]) -> Self {
        let skips = Skips::of(experiment);
        let of_row = |id: DatasetId| {
            columns
                .iter()
                .map(|column| !slot(experiment, id, column).is_some_and(|slot| skips.has(slot)))
                .collect()
        };
        Self(rows.iter().map(|(id, _)| of_row(*id)).collect())
    }

    /// Whether a cell is ticked.
    pub fn is_on(&self, row: usize, column: usize) -> bool {
        self.0.get(row).and_then(|row| row.get(column)).copied().unwrap_or(false)
    }

    /// Writes them into an experiment: as few skips as a simple rule finds, for all places that are not ticked. What an
    /// experiment skips of data that are not open stays.
    pub fn write(&self, experiment: &mut Experiment, rows: &[(DatasetId, usize)], columns: &[Column]) {
        let mut elsewhere = experiment.skip.clone();
        elsewhere.retain(|skip| {
            let alone = Experiment { skip: vec![skip.clone()], ..experiment.clone() };
            let skips = Skips::of(&alone);
            !rows.iter().any(|(id, _)| {
                columns.iter().any(|column| slot(&alone, *id, column).is_some_and(|slot| skips.has(slot)))
            })
        });
        experiment.skip = elsewhere;
        experiment.skip.extend(self.skips(experiment, rows, columns));
    }

    fn skips(&self, experiment: &Experiment, rows: &[(DatasetId, usize)], columns: &[Column]) -> Vec<Skip> {
        let mut all: Vec<Skip> = Vec::new();
        let mut done = BTreeSet::new();
        for (number, model) in experiment.models.iter().enumerate() {
            // Models of one name are ticked together.
            if !done.insert(model.name.trim()) {
                continue;
            }
            let own: Vec<usize> = (0..columns.len()).filter(|&at| columns[at].model == number).collect();
            for setting in Setting::ALL {
                let mut groups: Vec<(Vec<usize>, Vec<Task>)> = Vec::new();
                for (row, (id, _)) in rows.iter().enumerate().filter(|(_, (id, _))| id.setting == setting) {
                    let off: Vec<usize> = own.iter().copied().filter(|&at| !self.is_on(row, at)).collect();
                    if off.is_empty() {
                        continue;
                    }
                    match groups.iter_mut().find(|(known, _)| *known == off) {
                        Some((_, tasks)) => tasks.push(id.task),
                        None => groups.push((off, vec![id.task])),
                    }
                }
                let in_setting = rows.iter().filter(|(id, _)| id.setting == setting).count();
                for (off, tasks) in groups {
                    let tasks = if tasks.len() == in_setting { Vec::new() } else { tasks };
                    let whole = off.len() == own.len();
                    for (retrievers, k) in
                        if whole { vec![(Vec::new(), Vec::new())] } else { ways(&off, &own, columns) }
                    {
                        let models = vec![model.name.trim().to_owned()];
                        all.push(Skip {
                            tasks: tasks.clone(),
                            settings: vec![setting],
                            models,
                            retrievers,
                            k,
                        });
                    }
                }
            }
        }
        let settings: BTreeSet<&str> = rows.iter().map(|(id, _)| id.setting.id()).collect();
        let models: BTreeSet<&str> = experiment.models.iter().map(|model| model.name.trim()).collect();
        all = merged(all, |skip| &mut skip.settings, settings.len());
        merged(all, |skip| &mut skip.models, models.len())
    }
}

/// Columns as pairs of lists: retrievers whose k are the same ones.
fn ways(off: &[usize], own: &[usize], columns: &[Column]) -> Vec<(Vec<String>, Vec<usize>)> {
    let mut named = Vec::new();
    let mut groups: Vec<(Vec<usize>, Vec<String>)> = Vec::new();
    for &at in off {
        let column = &columns[at];
        match column.kind {
            Kind::None => named.push(NONE.to_owned()),
            Kind::Tuned => named.push(TUNED.to_owned()),
            Kind::Retriever => {
                let of_retriever = |all: &[usize]| -> Vec<usize> {
                    let same = |at: &&usize| {
                        columns[**at].kind == Kind::Retriever && columns[**at].retriever == column.retriever
                    };
                    all.iter().filter(same).map(|&at| columns[at].k).collect()
                };
                let (mut k, all) = (of_retriever(off), of_retriever(own));
                if k.len() == all.len() {
                    k.clear();
                }
                let name = &column.retriever;
                if k.is_empty() {
                    if !named.contains(name) {
                        named.push(name.clone());
                    }
                    continue;
                }
                match groups.iter_mut().find(|(known, _)| *known == k) {
                    Some((_, retrievers)) if !retrievers.contains(name) => retrievers.push(name.clone()),
                    Some(_) => {}
                    None => groups.push((k, vec![name.clone()])),
                }
            }
        }
    }
    let mut all: Vec<_> = groups.into_iter().map(|(k, retrievers)| (retrievers, k)).collect();
    if !named.is_empty() {
        all.insert(0, (named, Vec::new()));
    }
    all
}

/// Skips that differ in one list alone as one; a list of all there is (`of`) says nothing.
fn merged<T: Clone + PartialEq>(
    skips: Vec<Skip>,
    list: impl Fn(&mut Skip) -> &mut Vec<T>,
    of: usize,
) -> Vec<Skip> {
    let mut all: Vec<(Skip, Vec<T>)> = Vec::new();
    for mut skip in skips {
        let values = std::mem::take(list(&mut skip));
        match all.iter_mut().find(|(known, _)| *known == skip) {
            Some((_, known)) => {
                known.extend(values.into_iter().filter(|value| !known.contains(value)).collect::<Vec<_>>())
            }
            None => all.push((skip, values)),
        }
    }
    let whole = |(mut skip, values): (Skip, Vec<T>)| {
        let before = skip.clone();
        if values.len() < of || before.is_empty() {
            *list(&mut skip) = values;
        }
        skip
    };
    all.into_iter().map(whole).collect()
}

fn slot<'a>(experiment: &'a Experiment, id: DatasetId, column: &'a Column) -> Option<Slot<'a>> {
    let model = &experiment.models.get(column.model)?.name;
    Some(Slot { task: id.task, setting: id.setting, model, way: column.way() })
}

#[cfg(test)]
mod tests {
    use super::super::survey::columns;
    use super::*;
    use crate::lamp::Split;
    use crate::run::experiment::{ModelSettings, TuneSettings};

    fn experiment() -> Experiment {
        let mut experiment = Experiment { name: "x".to_owned(), ..Experiment::default() };
        for name in ["one", "two"] {
            experiment.models.push(ModelSettings { name: name.to_owned(), ..ModelSettings::default() });
        }
        experiment.retrieval.retrievers = ["none", "bm25", "random"].map(str::to_owned).to_vec();
        experiment.retrieval.k = vec![4, 1];
        experiment.tune = Some(TuneSettings::default());
        experiment
    }

    fn rows() -> Vec<(DatasetId, usize)> {
        let id = |task, setting| (DatasetId { task, setting, split: Split::Dev }, 10);
        vec![
            id(Task::Lamp1, Setting::User),
            id(Task::Lamp3, Setting::User),
            id(Task::Lamp4, Setting::User),
            id(Task::Lamp1, Setting::Time),
            id(Task::Lamp3, Setting::Time),
        ]
    }

    /// Whatever is ticked off, the experiment means it.
    #[test]
    fn any_set_of_cells_is_written_and_read_again() {
        let (experiment, rows) = (experiment(), rows());
        let columns = columns(&experiment);
        assert_eq!(columns.len(), 2 * (1 + 4 + 1));
        let mut state = 7_u64;
        for round in 0..300 {
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state >> 40
            };
            let dense = 1 + next() % 9;
            let ticks =
                Ticks(rows.iter().map(|_| columns.iter().map(|_| next() % 10 < dense).collect()).collect());
            let mut written = experiment.clone();
            ticks.write(&mut written, &rows, &columns);
            assert_eq!(Ticks::of(&written, &rows, &columns), ticks, "round {round}: {:#?}", written.skip);
            let again = Experiment::from_toml(&written.to_toml().unwrap(), "x".as_ref());
            assert!(again.is_err() || again.is_ok_and(|again| again.skip == written.skip));
        }
    }

    #[test]
    fn what_hangs_together_is_one_skip() {
        let (experiment, rows) = (experiment(), rows());
        let columns = columns(&experiment);
        let off = |is_off: &dyn Fn(DatasetId, &Column) -> bool| {
            let of_row = |id| columns.iter().map(|column| !is_off(id, column)).collect();
            let mut written = experiment.clone();
            Ticks(rows.iter().map(|(id, _)| of_row(*id)).collect()).write(&mut written, &rows, &columns);
            written.skip
        };
        assert_eq!(off(&|_, _| false), []);
        let four = off(&|_, column| column.k == 4);
        assert_eq!(
            four,
            [Skip { retrievers: vec!["bm25".into(), "random".into()], k: vec![4], ..Skip::default() }]
        );
        let task = off(&|id, column| id.task == Task::Lamp3 && column.model == 1);
        assert_eq!(task, [Skip { tasks: vec![Task::Lamp3], models: vec!["two".into()], ..Skip::default() }]);
        let time = off(&|id, _| id.setting == Setting::Time);
        assert_eq!(time, [Skip { settings: vec![Setting::Time], ..Skip::default() }]);
        let one = off(&|id, column| id == rows[0].0 && column.model == 0 && column.kind == Kind::Tuned);
        assert_eq!(
            one,
            [Skip {
                tasks: vec![Task::Lamp1],
                settings: vec![Setting::User],
                models: vec!["one".into()],
                retrievers: vec!["tuned".into()],
                k: Vec::new(),
            }]
        );
        let all = off(&|_, _| true);
        assert!(!all[0].is_empty(), "a skip that says nothing is a mistake in a file: {all:?}");
    }

    #[test]
    fn what_is_skipped_of_data_that_are_not_open_stays() {
        let mut experiment = experiment();
        let elsewhere = Skip { tasks: vec![Task::Lamp7], ..Skip::default() };
        experiment.skip = vec![elsewhere.clone(), Skip { k: vec![4], ..Skip::default() }];
        let (rows, columns) = (rows(), columns(&experiment));
        Ticks(vec![vec![true; columns.len()]; rows.len()]).write(&mut experiment, &rows, &columns);
        assert_eq!(experiment.skip, [elsewhere]);
    }
}
