use std::collections::HashMap;
use std::convert::Infallible;

use super::super::{MetricChoice, Note};
use super::*;
use crate::metrics::{Aggregate, Bootstrap, MeteorStages, PairedTest, SampleScore, Scorer, holm};
use crate::record::{RetrieverSpec, Totals, TuningCell, test_spec};

/// Runs with their columns, as a store would have them.
#[derive(Default)]
pub(crate) struct Runs {
    pub(crate) runs: Vec<RunRecord>,
    columns: HashMap<(RunId, Metric), Column>,
}

impl Runs {
    /// A finished run whose samples at even thousandths are answered rightly as `right` says; positions with `None` failed.
    pub(crate) fn add(
        &mut self,
        task: Task,
        retriever: &str,
        k: usize,
        change: impl FnOnce(&mut crate::record::RunSpec),
        outputs: &[Option<&str>],
        reference: &str,
    ) -> RunId {
        let mut spec = test_spec();
        spec.dataset.task = task;
        spec.retriever = RetrieverSpec { config: retriever.into(), k, use_date: false, encoders: Vec::new() };
        change(&mut spec);
        let id = RunId(self.runs.len() as i64 + 1);
        let mut scorer = Scorer::new(task, None);
        let scores: Vec<(u32, SampleScore)> = (0..)
            .zip(outputs)
            .filter_map(|(at, output)| Some((at, scorer.score((*output)?, reference).unwrap())))
            .collect();
        let set =
            ScoreSet::new(task, scores.iter().map(|(_, score)| *score).collect(), MeteorStages::ExactStem);
        let bootstrap = Bootstrap { resamples: 50, ..Bootstrap::default() };
        let aggregate: Aggregate = set.unwrap().aggregate(ScoreSet::all_metrics(task), Some(&bootstrap));
        for &metric in ScoreSet::all_metrics(task) {
            let column = Column {
                metric,
                positions: scores.iter().map(|(at, _)| *at).collect(),
                values: scores.iter().map(|(_, score)| score.value(metric).unwrap()).collect(),
            };
            self.columns.insert((id, metric), column);
        }
        let failed = outputs.iter().filter(|output| output.is_none()).count() as u64;
        self.runs.push(RunRecord {
            id,
            key: spec.key(),
            spec,
            status: RunStatus::Done,
            reason: None,
            samples: outputs.len() as u64,
            totals: Totals { done: outputs.len() as u64, failed, ..Totals::default() },
            prices: None,
            created_ms: 0,
            finished_ms: None,
            active_ms: 0,
            aggregate: Some(aggregate),
        });
        id
    }

    pub(crate) fn table(&self, tunings: &[Tuning], options: &TableOptions) -> ResultTable {
        let columns = |run, metric| Ok::<_, Infallible>(self.columns.get(&(run, metric)).cloned());
        ResultTable::build(&self.runs, tunings, options, columns).unwrap()
    }

    fn tuning(&self, run: RunId, same_data: bool) -> Tuning {
        let run = self.runs.iter().find(|other| other.id == run).unwrap();
        Tuning {
            task: run.spec.dataset.task,
            setting: run.spec.dataset.setting,
            model: run.spec.model.name.clone(),
            metric: run.spec.dataset.task.primary_metric(),
            tuned_on: Split::Dev,
            grid: vec![TuningCell { retriever: "bm25".into(), k: 4, run: run.key.clone(), value: 0.5 }],
            winner: 0,
            applied: run.key.clone(),
            same_data,
        }
    }
}

fn same(_: &mut crate::record::RunSpec) {}

/// So many right answers of 20.
pub(crate) fn right(count: usize) -> Vec<Option<&'static str>> {
    (0..20).map(|at| Some(if at < count { "[1]" } else { "[2]" })).collect()
}

fn block(table: &ResultTable) -> &ModelBlock {
    &table.sections[0].blocks[0]
}

fn labels(block: &ModelBlock) -> Vec<String> {
    block.columns.iter().map(MethodColumn::label).collect()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

#[test]
fn tasks_by_methods_with_differences_and_tests() {
    let mut runs = Runs::default();
    runs.add(Task::Lamp3, "bm25", 4, same, &[Some("4"), Some("5"), Some("5"), Some("4")], "5");
    runs.add(Task::Lamp1, "bm25", 4, same, &right(18), "[1]");
    runs.add(Task::Lamp1, "none", 0, same, &right(10), "[1]");
    runs.add(Task::Lamp3, "none", 0, same, &[Some("3"), Some("4"), Some("5"), Some("3")], "5");
    let mut failing = right(12);
    failing[19] = None;
    runs.add(Task::Lamp1, "dense:a/contriever", 1, same, &failing, "[1]");
    let table = runs.table(&[], &TableOptions::default());
    let block = block(&table);
    assert_eq!(table.sections.len(), 1);
    assert_eq!(labels(block), ["Non-personalized", "BM25, k 4", "Dense (contriever), k 1"]);
    let rows: Vec<_> = block.rows.iter().map(|row| (row.task, row.metric.metric().unwrap())).collect();
    assert_eq!(
        rows,
        [
            (Task::Lamp1, Metric::Accuracy),
            (Task::Lamp1, Metric::MacroF1),
            (Task::Lamp3, Metric::Mae),
            (Task::Lamp3, Metric::Rmse)
        ]
    );
    let [none, bm25, dense] = &block.rows[0].cells[..] else { panic!() };
    let (none, bm25, dense) = (none.as_ref().unwrap(), bm25.as_ref().unwrap(), dense.as_ref().unwrap());
    assert_eq!((none.value, none.difference_percent, none.test, none.best), (0.5, None, None, false));
    close(bm25.difference_percent.unwrap(), 80.0);
    assert!(bm25.best && bm25.interval.is_some());
    // Eight samples are right with BM25 alone: 2 / 2⁸. LaMP-3's MAE is of the same family.
    let test = bm25.test.unwrap();
    assert_eq!(test.samples, 20);
    assert!(matches!(test.result, PairedTest::McNemar { only_first: 0, only_second: 8, .. }));
    close(test.result.p(), 0.0078125);
    let mae = block.rows[2].cells[1].as_ref().unwrap();
    let raw = [test.result.p(), mae.test.unwrap().result.p()];
    let adjusted = holm(&raw);
    assert_eq!([test.p_holm, mae.test.unwrap().p_holm], [adjusted[0], adjusted[1]]);
    assert!(test.p_holm > test.result.p());
    // An error that is lower is better: 0.5 instead of 1.25.
    close(mae.difference_percent.unwrap(), 60.0);
    assert!(mae.best && block.rows[2].cells[2].is_none());
    assert_eq!((dense.n, dense.failed, dense.test.unwrap().samples), (19, 1, 19));
    assert_eq!(block.rows[0].n(), Some((19, 20)));
    // Macro-F1 has no formula test, yet it has a difference.
    let f1 = block.rows[1].cells[1].as_ref().unwrap();
    assert!(f1.test.is_none() && f1.difference_percent.unwrap() > 0.0);
}

#[test]
fn holm_is_over_the_tasks_of_a_column() {
    let mut runs = Runs::default();
    for task in [Task::Lamp4, Task::Lamp5, Task::Lamp7] {
        let some =
            |words: &'static str| (0..12).map(|at| Some(if at % 3 == 0 { "x" } else { words })).collect();
        let few: Vec<Option<&str>> = some("the day");
        let many: Vec<Option<&str>> = some("the day begins");
        runs.add(task, "none", 0, same, &few, "the day begins");
        runs.add(task, "bm25", 1, same, &many, "the day begins");
        runs.add(task, "bm25", 4, same, &few, "the day begins");
    }
    let table = runs.table(&[], &TableOptions::default());
    let block = block(&table);
    assert_eq!(block.rows.len(), 6);
    let p = |row: usize, column: usize| block.rows[row].cells[column].as_ref().unwrap().test.unwrap();
    for metric in 0..2 {
        let raw: Vec<f64> = (0..3).map(|task| p(2 * task + metric, 1).result.p()).collect();
        let adjusted = holm(&raw);
        for (task, adjusted) in adjusted.into_iter().enumerate() {
            assert_eq!(p(2 * task + metric, 1).p_holm, adjusted);
            assert!(p(2 * task + metric, 1).significant());
            assert_eq!(p(2 * task + metric, 2).p_holm, 1.0);
        }
    }
}

#[test]
fn runs_over_other_samples_share_no_row() {
    let mut runs = Runs::default();
    runs.add(Task::Lamp1, "none", 0, same, &right(10), "[1]");
    runs.add(Task::Lamp1, "bm25", 4, same, &right(12), "[1]");
    runs.add(Task::Lamp1, "none", 0, |spec| spec.dataset.limit = Some(20), &right(4), "[1]");
    runs.add(Task::Lamp1, "bm25", 4, |spec| spec.dataset.fingerprint = "d2".into(), &right(6), "[1]");
    let table = runs.table(&[], &TableOptions::default());
    let block = block(&table);
    let rows: Vec<(String, Vec<Option<f64>>)> = block
        .rows
        .iter()
        .filter(|row| row.metric == Metric::Accuracy)
        .map(|row| (row.task_label(), row.cells.iter().map(|cell| Some(cell.as_ref()?.value)).collect()))
        .collect();
    assert_eq!(
        rows,
        [
            ("LaMP-1 (a)".to_owned(), vec![Some(0.5), Some(0.6)]),
            ("LaMP-1 (b)".to_owned(), vec![Some(0.2), None]),
            ("LaMP-1 (c)".to_owned(), vec![None, Some(0.3)])
        ]
    );
    let alone = block.rows.last().unwrap().cells[1].as_ref().unwrap();
    assert!(alone.difference_percent.is_none() && alone.test.is_none());
    let notes: Vec<String> = table.notes.iter().map(ToString::to_string).collect();
    assert_eq!(notes[0], "(a) LaMP-1, user setting, dev split: all 20 samples of data d1.");
    assert_eq!(notes[1], "(b) LaMP-1, user setting, dev split: the first 20 samples of data d1.");
}

#[test]
fn what_differs_in_prompt_or_generation_has_its_own_column() {
    let mut runs = Runs::default();
    let short = |spec: &mut crate::record::RunSpec| spec.prompt.as_mut().unwrap().max_length = 256;
    runs.add(Task::Lamp1, "none", 0, same, &right(10), "[1]");
    runs.add(Task::Lamp1, "none", 0, short, &right(4), "[1]");
    runs.add(Task::Lamp1, "bm25", 4, same, &right(12), "[1]");
    runs.add(Task::Lamp1, "bm25", 4, short, &right(6), "[1]");
    runs.add(Task::Lamp1, "dense:m", 4, |spec| spec.retriever.encoders = vec!["e1".into()], &right(7), "[1]");
    runs.add(Task::Lamp1, "dense:m", 4, |spec| spec.retriever.encoders = vec!["e2".into()], &right(8), "[1]");
    let table = runs.table(&[], &TableOptions::default());
    let labels = labels(block(&table));
    assert_eq!(
        labels[..4],
        [
            "Non-personalized; max_length 256",
            "Non-personalized; max_length 512",
            "BM25, k 4; max_length 256",
            "BM25, k 4; max_length 512"
        ]
    );
    assert!(labels[4].starts_with("Dense (m), k 4; max_length 512, encoder "), "{labels:?}");
    assert_ne!(labels[4], labels[5]);
    // Each is compared with its own kind.
    let row = &block(&table).rows[0];
    close(row.cells[2].as_ref().unwrap().difference_percent.unwrap(), 50.0);
    close(row.cells[3].as_ref().unwrap().difference_percent.unwrap(), 20.0);
}

#[test]
fn wordings_of_one_name_are_told_apart_within_a_task_only() {
    let mut runs = Runs::default();
    let worded = |text: &'static str| {
        move |spec: &mut crate::record::RunSpec| spec.prompt.as_mut().unwrap().template_toml = text.into()
    };
    runs.add(Task::Lamp1, "bm25", 4, worded("one"), &right(10), "[1]");
    runs.add(Task::Lamp2N, "bm25", 4, worded("two"), &[Some("sports")], "sports");
    assert_eq!(labels(block(&runs.table(&[], &TableOptions::default()))), ["BM25, k 4"]);
    runs.add(Task::Lamp1, "bm25", 4, worded("three"), &right(11), "[1]");
    assert_eq!(runs.table(&[], &TableOptions::default()).sections[0].blocks[0].columns.len(), 3);
}

#[test]
fn seeds_share_a_cell_and_versions_leave_the_latest() {
    let mut runs = Runs::default();
    runs.add(Task::Lamp1, "none", 0, same, &right(8), "[1]");
    for (seed, count) in [(1, 10), (2, 14), (3, 12)] {
        runs.add(Task::Lamp1, &format!("random:{seed}"), 4, same, &right(count), "[1]");
    }
    runs.add(Task::Lamp1, "none", 0, |spec| spec.program = "0.0.9".into(), &right(10), "[1]");
    let table = runs.table(&[], &TableOptions::default());
    let block = block(&table);
    assert_eq!(labels(block), ["Non-personalized", "Random, k 4"]);
    let [none, random] = &block.rows[0].cells[..] else { panic!() };
    let random = random.as_ref().unwrap();
    close(random.value, 0.6);
    let spread = random.spread.unwrap();
    close(spread.deviation, 0.1);
    assert_eq!((spread.runs, spread.low, spread.high), (3, 0.5, 0.7));
    assert!(random.interval.is_none() && random.test.is_none());
    close(random.difference_percent.unwrap(), 20.0);
    assert_eq!(none.as_ref().unwrap().value, 0.5);
    assert_eq!(table.notes, [Note::Superseded { runs: 1 }]);
    // One seed is a run like any other.
    runs.runs.truncate(2);
    let table = runs.table(&[], &TableOptions::default());
    let random = table.sections[0].blocks[0].rows[0].cells[1].as_ref().unwrap();
    assert!(random.interval.is_some() && random.test.is_some() && random.spread.is_none());
}

#[test]
fn unfinished_and_unscored_runs_are_counted() {
    let mut runs = Runs::default();
    for _ in 0..4 {
        runs.add(Task::Lamp1, "none", 0, same, &right(8), "[1]");
    }
    runs.runs[0].status = RunStatus::Interrupted;
    runs.runs[1].status = RunStatus::Planned;
    runs.runs[2].aggregate = None;
    let table = runs.table(&[], &TableOptions::default());
    assert_eq!(table.notes, [Note::Unfinished { runs: 2 }, Note::Unscored { runs: 1 }]);
    assert_eq!(table.notes[0].to_string(), "2 runs not done are left out; `lamplight list` shows them.");
    assert_eq!(runs.table(&[], &TableOptions::default()).sections[0].blocks[0].rows.len(), 2);
    assert_eq!(Runs::default().table(&[], &TableOptions::default()).sections, []);
}

#[test]
fn models_have_blocks_and_namesakes_say_what_differs() {
    let mut runs = Runs::default();
    let model = |name: &'static str, change: fn(&mut crate::record::ModelSpec)| {
        move |spec: &mut crate::record::RunSpec| {
            spec.model.name = name.into();
            change(&mut spec.model);
        }
    };
    runs.add(
        Task::Lamp1,
        "none",
        0,
        model("baseline:copy", |m| m.training = Training::Baseline),
        &right(1),
        "[1]",
    );
    runs.add(Task::Lamp1, "none", 0, model("b", |m| m.device = "cuda:0".into()), &right(2), "[1]");
    runs.add(Task::Lamp1, "bm25", 4, model("b", |m| m.device = "cuda:1".into()), &right(4), "[1]");
    runs.add(Task::Lamp1, "none", 0, model("b", |m| m.precision = "int8".into()), &right(3), "[1]");
    runs.add(Task::Lamp1, "none", 0, model("a", |m| m.training = Training::FineTuned), &right(4), "[1]");
    let table = runs.table(&[], &TableOptions::default());
    let labels: Vec<String> = table.sections[0].blocks.iter().map(|block| block.model.label()).collect();
    assert_eq!(
        labels,
        [
            "b (zero-shot; precision f32, device cuda)",
            "b (zero-shot; precision int8, device cpu)",
            "a (fine-tuned)",
            "baseline:copy"
        ]
    );
    close(block(&table).rows[0].cells[1].as_ref().unwrap().difference_percent.unwrap(), 100.0);
}

#[test]
fn tuned_runs_stand_in_their_column() {
    let mut runs = Runs::default();
    runs.add(Task::Lamp1, "none", 0, same, &right(8), "[1]");
    let first = runs.add(Task::Lamp1, "bm25", 4, same, &right(12), "[1]");
    runs.add(Task::Lamp3, "none", 0, same, &[Some("4"), Some("5")], "5");
    runs.add(Task::Lamp3, "bm25", 4, same, &[Some("5"), Some("5")], "5");
    let second = runs.add(Task::Lamp3, "recency", 1, same, &[Some("5"), Some("4")], "5");
    let tunings = [runs.tuning(first, false), runs.tuning(second, true)];
    let table = runs.table(&tunings, &TableOptions::default());
    let block = block(&table);
    assert_eq!(labels(block), ["Non-personalized", "BM25, k 4", "Tuned"]);
    let tuned = block.rows[0].cells[2].as_ref().unwrap();
    assert_eq!((tuned.value, tuned.runs[0].id), (0.6, first));
    assert_eq!((tuned.choice.as_ref().unwrap().name.as_str(), tuned.choice.as_ref().unwrap().k), ("BM25", 4));
    assert!(tuned.test.is_some() && tuned.best);
    assert!(block.rows[2].cells[2].as_ref().unwrap().choice.as_ref().unwrap().same_data);
    assert!(table.notes[0].to_string().contains("too good"));
    // A winner without entries is the non-personalized run itself: no test against itself.
    let none = [runs.tuning(RunId(1), false)];
    let table = runs.table(&none, &TableOptions::default());
    let tuned = table.sections[0].blocks[0].rows[0].cells.last().unwrap().as_ref().unwrap();
    assert_eq!((tuned.difference_percent, tuned.test), (Some(0.0), None));
}

#[test]
fn the_oracle_takes_the_best_answer_of_each_sample() {
    let mut runs = Runs::default();
    let outputs = [Some("4"), Some("2"), None, Some("1"), None];
    runs.add(Task::Lamp3, "none", 0, same, &outputs, "5");
    let outputs = [Some("3"), Some("5"), Some("4"), None, None];
    runs.add(Task::Lamp3, "bm25", 1, same, &outputs, "5");
    let options = TableOptions { oracle: true, ..TableOptions::default() };
    let table = runs.table(&[], &options);
    let block = block(&table);
    assert_eq!(labels(block), ["Non-personalized", "BM25, k 1", "Oracle"]);
    // Errors 1, 0, 1 and 4 are the least.
    let [mae, rmse] = [0, 1].map(|row| block.rows[row].cells[2].as_ref().unwrap());
    assert_eq!((mae.value, mae.n, mae.failed, mae.runs.len()), (1.5, 4, 1, 2));
    close(rmse.value, (18.0f64 / 4.0).sqrt());
    close(mae.difference_percent.unwrap(), (8.0 / 3.0 - 1.5) / (8.0 / 3.0) * 100.0);
    assert!(!mae.best && block.rows[0].cells[1].as_ref().unwrap().best);
    // No figure of the oracle is made up where a mean cannot be had.
    let mut runs = Runs::default();
    runs.add(Task::Lamp1, "none", 0, same, &right(8), "[1]");
    let table = runs.table(&[], &options);
    assert!(table.sections[0].blocks[0].rows[1].cells[1].is_none());
    assert_eq!(table.sections[0].blocks[0].rows[0].cells[1].as_ref().unwrap().value, 0.4);
}

#[test]
fn the_oracle_is_the_best_of_brute_force() {
    // Three runs with gaps everywhere, against a plain search.
    let texts = ["a b c", "a b", "a", "x", "a b c d"];
    let mut runs = Runs::default();
    let outputs: Vec<Vec<Option<&str>>> = (0..3usize)
        .map(|run| {
            (0..60usize).map(|at| ((at * 7 + run * 3) % 5 != 0).then(|| texts[(at + run * at) % 5])).collect()
        })
        .collect();
    for (run, outputs) in outputs.iter().enumerate() {
        runs.add(Task::Lamp7, if run == 0 { "none" } else { "bm25" }, run, same, outputs, "a b c");
    }
    let options = TableOptions { oracle: true, metrics: MetricChoice::All, ..TableOptions::default() };
    let table = runs.table(&[], &options);
    let mut scorer = Scorer::new(Task::Lamp7, None);
    let (mut sums, mut n) = ([0.0; 2], 0);
    for at in 0..60 {
        let mut best: Option<[f64; 2]> = None;
        for output in outputs.iter().filter_map(|run| run[at]) {
            let score = scorer.score(output, "a b c").unwrap();
            let values = [Metric::Rouge1, Metric::RougeL].map(|metric| score.value(metric).unwrap());
            if best.is_none_or(|best| values[0] > best[0]) {
                best = Some(values);
            }
        }
        if let Some(best) = best {
            n += 1;
            sums[0] += best[0];
            sums[1] += best[1];
        }
    }
    let rows = &block(&table).rows;
    for (row, sum) in rows.iter().zip(sums) {
        let cell = row.cells.last().unwrap().as_ref().unwrap();
        assert_eq!(cell.n, n);
        close(cell.value, sum / n as f64);
    }
    let bleu = rows.iter().find(|row| row.metric == Metric::SacreBleu).unwrap();
    assert!(bleu.cells.last().unwrap().is_none());
}

#[test]
fn published_figures_stand_beside_matching_cells_only() {
    let mut runs = Runs::default();
    let test = |spec: &mut crate::record::RunSpec| {
        (spec.dataset.setting, spec.dataset.split) = (Setting::Time, Split::Test);
    };
    runs.add(Task::Lamp1, "none", 0, test, &right(8), "[1]");
    runs.add(Task::Lamp1, "bm25", 4, test, &right(8), "[1]");
    runs.add(Task::Lamp1, "none", 0, same, &right(8), "[1]");
    let options = TableOptions { published: true, ..TableOptions::default() };
    let table = runs.table(&[], &options);
    let [user, time] = &table.sections[..] else { panic!() };
    assert!(user.blocks[0].rows.iter().all(|row| row.published.is_empty()));
    let row = &time.blocks[0].rows[0];
    let beside = &row.cells[1].as_ref().unwrap().published;
    assert!(!beside.is_empty() && beside.len() < row.published.len());
    assert!(beside.iter().all(|figure| figure.retriever == "bm25" && figure.split == Some(Split::Test)));
    assert!(runs.table(&[], &TableOptions::default()).sections[1].blocks[0].rows[0].published.is_empty());
}

#[test]
fn marks_count_like_spreadsheets() {
    assert_eq!([0, 25, 26, 27, 701, 702].map(letters), ["a", "z", "aa", "ab", "zz", "aaa"]);
}

#[test]
fn runs_that_are_not_done_have_their_places() {
    let mut runs = Runs::default();
    runs.add(Task::Lamp1, "none", 0, same, &right(9), "[1]");
    let open = runs.add(Task::Lamp1, "bm25", 4, same, &right(18), "[1]");
    let only = runs.add(Task::Lamp3, "bm25", 4, same, &[Some("5"), Some("4")], "5");
    for run in runs.runs.iter_mut().filter(|run| run.id == open || run.id == only) {
        (run.status, run.aggregate) = (RunStatus::Running, None);
    }
    let options = TableOptions { unfinished: true, ..TableOptions::default() };
    let table = runs.table(&[], &options);
    let with = block(&table);
    assert_eq!(labels(with), ["Non-personalized", "BM25, k 4"]);
    let row = &with.rows[0];
    assert!(row.cells[0].is_some() && row.cells[1].is_none());
    assert_eq!(row.waiting, [vec![], vec![open]]);
    let last = with.rows.last().unwrap();
    assert_eq!((last.task, last.waiting[1].as_slice()), (Task::Lamp3, &[only][..]));
    assert!(table.notes.is_empty(), "{:?}", table.notes);
    // Without them nothing of it is seen, but in a note.
    let table = runs.table(&[], &TableOptions::default());
    assert_eq!(labels(block(&table)), ["Non-personalized"]);
    assert!(block(&table).rows.iter().all(|row| row.waiting.iter().all(Vec::is_empty)));
    assert_eq!(table.notes, [Note::Unfinished { runs: 2 }]);
}

#[test]
fn judges_have_rows_of_their_own_and_never_share_one() {
    use crate::report::judged::tests::judged;
    let mut runs = Runs::default();
    let texts = |word: &'static str| [Some(word); 4];
    let none = runs.add(Task::Lamp4, "none", 0, same, &texts("a lamp"), "a red lamp");
    let bm25 = runs.add(Task::Lamp4, "bm25", 4, same, &texts("a red lamp"), "a red lamp");
    let of = |id: RunId| runs.runs.iter().find(|run| run.id == id).unwrap();
    let judged = vec![
        judged("gpt", "x", &[of(none)], &[1, 2, 3, 2]),
        judged("gpt", "x", &[of(bm25)], &[3, 4, 5, 4]),
        // Another template, of one run alone.
        judged("gpt", "y", &[of(bm25)], &[1, 1, 1, 1]),
        judged("gpt", "x", &[of(none), of(bm25)], &[0, 0, 0, 0]),
    ];
    let options = TableOptions { judged, oracle: true, ..TableOptions::default() };
    let table = runs.table(&[], &options);
    let rows = &block(&table).rows;
    let judges: Vec<&Row> = rows.iter().filter(|row| row.metric.metric().is_none()).collect();
    assert_eq!(judges.len(), 2, "{:?}", judges.iter().map(|row| row.metric_label()).collect::<Vec<_>>());
    assert!(judges.iter().all(|row| row.metric_label().starts_with("Judge (gpt; built-in (")));
    let both = judges.iter().find(|row| row.cells.iter().flatten().count() == 2).unwrap();
    let [Some(base), Some(own), None] = &both.cells[..] else { panic!("{:?}", both.cells) };
    assert_eq!((base.value, own.value, own.n, own.best), (2.0, 4.0, 4, true));
    close(own.difference_percent.unwrap(), 100.0);
    assert!(matches!(own.test.unwrap().result, PairedTest::PairedT { degrees: 3, .. }));
    let alone = judges.iter().find(|row| row.cells.iter().flatten().count() == 1).unwrap();
    assert_eq!(alone.cells[1].as_ref().map(|cell| (cell.value, cell.difference_percent)), Some((1.0, None)));
    let notes: Vec<String> = table.notes.iter().map(ToString::to_string).collect();
    assert_eq!(notes.iter().filter(|note| note.contains("method rubric, template built-in (")).count(), 2);
    let pair = notes.iter().find(|note| note.contains("method pairwise in both orders")).unwrap();
    assert!(pair.contains("First preferred 100.0 % (4)") && pair.contains("BM25, k 4 (run"), "{pair}");
    // Every format says whose figures they are.
    let files = [crate::report::markdown::markdown(&table), crate::report::latex::latex(&table, false)];
    assert!(files.iter().all(|text| text.contains("Judge (gpt; built-in (") && text.contains("pairwise")));
    let json = serde_json::to_value(crate::report::json::document(&table)).unwrap().to_string();
    assert!(json.contains("\"metric\":\"judge (gpt; built-in (") && json.contains("\"kind\":\"preference\""));
}
