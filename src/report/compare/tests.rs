use super::*;
use crate::metrics::Scorer;
use crate::record::{RunStatus, Totals, test_spec};

fn run(id: i64, task: Task, k: usize) -> RunRecord {
    let mut spec = test_spec();
    spec.dataset.task = task;
    spec.retriever.k = k;
    RunRecord {
        id: RunId(id),
        key: spec.key(),
        spec,
        status: RunStatus::Done,
        reason: None,
        samples: 40,
        totals: Totals::default(),
        prices: None,
        created_ms: 0,
        finished_ms: None,
        active_ms: 0,
        aggregate: None,
    }
}

/// Scores of the positions for which `output` has an answer.
fn scores(task: Task, reference: &str, output: impl Fn(u32) -> Option<&'static str>) -> Scores {
    let mut scorer = Scorer::new(task, None);
    (0..40).filter_map(|at| Some((at, scorer.score(output(at)?, reference).unwrap()))).collect()
}

const FEW: Bootstrap = Bootstrap { resamples: 200, seed: 1, level: 0.95 };

#[test]
fn figures_and_tests_are_of_the_common_samples() {
    let (first, second) = (run(1, Task::Lamp3, 1), run(2, Task::Lamp3, 4));
    // The first lacks positions 0 to 4, the second 35 to 39; between them the second is better on even places.
    let one = scores(Task::Lamp3, "5", |at| (at >= 5).then_some("3"));
    let other = scores(Task::Lamp3, "5", |at| (at < 35).then_some(if at % 2 == 0 { "5" } else { "2" }));
    let found = compare_runs((&first, one), (&second, other), Task::Lamp3.metrics(), &FEW).unwrap();
    assert_eq!((found.common, found.only_first, found.only_second, found.same_data), (30, 5, 5, true));
    let mae = &found.metrics[0];
    assert_eq!((mae.first.value, mae.second.value), (2.0, 1.5));
    let paired = mae.paired.as_ref().unwrap();
    assert_eq!((paired.improved, paired.worsened, paired.comparison.samples), (15, 15, 30));
    assert_eq!(paired.comparison.difference, -0.5);
    assert_eq!(mae.improvement_percent, Some(25.0));
    assert!(paired.comparison.test.is_some() && paired.comparison.bootstrap_p.is_some());
    let paths: Vec<&str> = found.differences.iter().map(|difference| difference.path.as_str()).collect();
    assert_eq!(paths, ["retriever.k"]);
    assert_eq!(difference_words(&found.differences[0]), "entries a prompt (retriever.k): 1 → 4");
}

#[test]
fn other_data_is_shown_side_by_side_and_never_tested() {
    let (first, mut second) = (run(1, Task::Lamp1, 1), run(2, Task::Lamp1, 1));
    second.spec.dataset.fingerprint = "d2".into();
    let same = || scores(Task::Lamp1, "[1]", |at| Some(if at < 10 { "[1]" } else { "[2]" }));
    let found = compare_runs((&first, same()), (&second, same()), &[Metric::Accuracy], &FEW).unwrap();
    assert!(!found.same_data && found.metrics[0].paired.is_none());
    assert_eq!((found.common, found.only_first, found.only_second), (0, 40, 40));
    assert_eq!(found.metrics[0].first.value, 0.25);
}

#[test]
fn what_cannot_be_compared_says_why() {
    let (first, second) = (run(1, Task::Lamp1, 1), run(2, Task::Lamp3, 1));
    let labels = || scores(Task::Lamp1, "[1]", |_| Some("[1]"));
    let error = |second: (&RunRecord, Scores)| {
        compare_runs((&first, labels()), second, &[Metric::Accuracy], &FEW).unwrap_err().to_string()
    };
    assert!(error((&second, Vec::new())).contains("LaMP-1"));
    let twin = run(3, Task::Lamp1, 2);
    assert!(error((&twin, Vec::new())).contains("no scored sample"));
    let wrong = scores(Task::Lamp3, "5", |_| Some("5"));
    assert!(error((&twin, wrong)).contains("another kind"));
    // Nothing in common, though of the same data.
    let early = scores(Task::Lamp1, "[1]", |at| (at < 20).then_some("[1]"));
    let late = scores(Task::Lamp1, "[1]", |at| (at >= 20).then_some("[1]"));
    let found = compare_runs((&first, early), (&twin, late), &[Metric::Accuracy], &FEW).unwrap();
    assert_eq!((found.common, found.metrics.len()), (0, 0));
}

#[test]
fn two_ways_are_paired_over_tasks_and_adjusted() {
    let mut runs = vec![
        run(1, Task::Lamp4, 1),
        run(2, Task::Lamp4, 4),
        run(3, Task::Lamp1, 1),
        run(4, Task::Lamp1, 4),
        run(5, Task::Lamp5, 1), // has no partner
        run(6, Task::Lamp7, 1),
        run(7, Task::Lamp7, 4), // of other data
        run(8, Task::Lamp4, 4), // by a newer program
    ];
    runs[6].spec.dataset.fingerprint = "d2".into();
    runs[7].spec.program = "0.2.0".into();
    runs[2].spec.prompt.as_mut().unwrap().template_toml = "its own wording".into();
    let pairs: Vec<(i64, i64)> =
        over_tasks(&runs, &runs[0], &runs[1]).iter().map(|(one, other)| (one.id.0, other.id.0)).collect();
    assert_eq!(pairs, [(3, 4), (1, 2)]);
    runs.remove(1);
    let pairs: Vec<(i64, i64)> =
        over_tasks(&runs, &runs[0], &runs[2]).iter().map(|(one, other)| (one.id.0, other.id.0)).collect();
    assert_eq!(pairs, [(3, 4), (1, 8)]);

    let comparison = |task, right: u32, reference, wrong| {
        let (one, other) = (run(1, task, 1), run(2, task, 4));
        let worse = scores(task, reference, |at| Some(if at < 10 { reference } else { wrong }));
        let better = scores(task, reference, |at| Some(if at < right { reference } else { wrong }));
        compare_runs((&one, worse), (&other, better), task.metrics(), &FEW).unwrap()
    };
    let mut both = vec![comparison(Task::Lamp1, 18, "[1]", "[2]"), comparison(Task::Lamp3, 13, "5", "4")];
    adjust_over_tasks(&mut both[..1]);
    let paired = |comparisons: &[RunComparison], task: usize, metric: usize| {
        comparisons[task].metrics[metric].paired.clone().unwrap()
    };
    assert_eq!(paired(&both, 0, 0).p_holm, None);
    adjust_over_tasks(&mut both);
    for metric in 0..2 {
        let raw = [0, 1].map(|task| paired(&both, task, metric).comparison.p().unwrap());
        let adjusted = holm(&raw);
        assert_eq!([0, 1].map(|task| paired(&both, task, metric).p_holm.unwrap()), adjusted[..]);
        assert!(adjusted[0] > raw[0]);
    }
}

#[test]
fn shortened_words() {
    let difference = |path: &str, first: Option<Value>, second: Option<Value>| {
        difference_words(&Difference { path: path.into(), first, second })
    };
    assert_eq!(
        difference("prompt.template_toml", Some("a".into()), Some("b".into())),
        "wording of the template (prompt.template_toml): the texts differ"
    );
    assert_eq!(
        difference("dataset.limit", None, Some(10.into())),
        "limit of samples (dataset.limit): none → 10"
    );
    assert_eq!(
        difference("generation.stop", Some("x".repeat(80).into()), Some(true.into())),
        format!("generation.stop: {}… → yes", "x".repeat(60))
    );
}
