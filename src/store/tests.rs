//! The store as its users see it.

use std::ops::ControlFlow;

use super::*;
use crate::jobs::{CancelToken, Progress};
use crate::lamp::{Metric, Task};
use crate::metrics::{MeteorStages, SampleScore, ScoreSet, Scorer};
use crate::record::{CacheKey, CachedAnswer, Finish, Prediction, PromptText, Retrieved, Totals, TuningCell};

pub(super) fn spec() -> RunSpec {
    crate::record::test_spec()
}

/// A prediction that says its position everywhere.
pub(super) fn prediction(position: u32) -> Prediction {
    let raw = format!("News of day {position}");
    let reference = format!("The news of day {}", position % 7);
    let score = Scorer::new(Task::Lamp4, None).score(&raw, &reference).unwrap();
    Prediction {
        position,
        sample_id: format!("00{position}"),
        profile_entries: 30,
        retrieved: (0..4)
            .map(|at| Retrieved {
                index: at * 3,
                id: format!("{position}-{at}"),
                score: (at < 3).then(|| 1.0 / (f64::from(position) + at as f64 + 3.0)),
            })
            .collect(),
        prompt: Some(PromptText { text: format!("Read {position}"), report: "{\"tokens\":3}".into() }),
        raw: raw.clone(),
        answer: raw,
        reference: Some(reference),
        score: Some(score),
        parsed: !position.is_multiple_of(5),
        finish: Finish::Stop,
        prompt_tokens: 100,
        new_tokens: 7,
        model_ms: 1.5,
        cached: position.is_multiple_of(2),
        fell_back: position.is_multiple_of(3),
        input_cut: position.is_multiple_of(4),
        estimated: false,
        error: None,
    }
}

pub(super) fn failure(position: u32) -> Prediction {
    Prediction {
        raw: String::new(),
        answer: String::new(),
        score: None,
        prompt: None,
        parsed: false,
        error: Some("out of memory".into()),
        ..prediction(position)
    }
}

pub(super) fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a b ü/store.db")).unwrap();
    (folder, store)
}

pub(super) fn all(reader: &Reader, run: RunId) -> Vec<Prediction> {
    let mut found = Vec::new();
    let each = &mut |prediction| {
        found.push(prediction);
        ControlFlow::Continue(())
    };
    reader.predictions(run, true, each).unwrap();
    found
}

/// The totals reckoned anew from the rows.
pub(super) fn totals(predictions: &[Prediction]) -> Totals {
    let mut sum = Totals::default();
    for prediction in predictions {
        save::add(&mut sum, &rows::totals_of(prediction));
    }
    sum
}

#[test]
fn what_is_stored_is_read_back_whole() {
    let (_folder, mut store) = store();
    let run = store.plan(&spec(), 5).unwrap();
    assert_eq!((run.status, run.samples, run.key.as_str()), (RunStatus::Planned, 5, spec().key().as_str()));
    assert_eq!(store.plan(&spec(), 5).unwrap(), run);
    let reader = store.reader().unwrap();
    let before = reader.data_version().unwrap();
    let rows: Vec<Prediction> = vec![prediction(3), prediction(0), failure(7), prediction(u32::MAX)];
    let key = CacheKey([7; 32]);
    let answer = CachedAnswer {
        raw: "a\u{0}b".into(),
        finish: Finish::Length,
        prompt_tokens: 3,
        new_tokens: u32::MAX,
        estimated: true,
    };
    store.save(run.id, &rows, &[(key, answer.clone())], 250).unwrap();
    assert_ne!(reader.data_version().unwrap(), before);
    let mut sorted = rows.clone();
    sorted.sort_by_key(|prediction| prediction.position);
    assert_eq!(all(&reader, run.id), sorted);
    for row in &rows {
        assert_eq!(reader.prediction(run.id, row.position).unwrap().as_ref(), Some(row));
    }
    assert_eq!(reader.prediction(run.id, 1).unwrap(), None);
    assert_eq!(reader.positions(run.id).unwrap(), [(0, false), (3, false), (7, true), (u32::MAX, false)]);
    let scores = reader.scores(run.id).unwrap();
    assert_eq!(scores.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [0, 3, u32::MAX]);
    assert_eq!(Some(scores[1].1), rows[0].score);
    assert_eq!(reader.answer(&key).unwrap(), Some(answer));
    assert_eq!(reader.answer(&CacheKey([8; 32])).unwrap(), None);
    let stored = reader.run(run.id).unwrap().unwrap();
    assert_eq!((stored.totals, stored.active_ms, stored.finished_ms), (totals(&sorted), 250, None));
    let mut without = 0;
    let each = &mut |prediction: Prediction| {
        assert_eq!(prediction.prompt, None);
        without += 1;
        ControlFlow::Break(())
    };
    reader.predictions(run.id, false, each).unwrap();
    assert_eq!(without, 1);
}

#[test]
fn an_answer_stays_and_a_failure_gives_way() {
    let (_folder, mut store) = store();
    let run = store.plan(&spec(), 3).unwrap().id;
    store.save(run, &[prediction(0), failure(1)], &[], 1).unwrap();
    let other = Prediction { raw: "else".into(), ..prediction(0) };
    let saved = store.put(run, &[other, prediction(1), failure(0), prediction(2)], &[], 1).unwrap();
    assert_eq!(saved, save::Saved { new: 2, known: 1, conflicts: 1 });
    let reader = store.reader().unwrap();
    let rows = all(&reader, run);
    assert_eq!(rows, [prediction(0), prediction(1), prediction(2)]);
    let stored = reader.run(run).unwrap().unwrap();
    assert_eq!((stored.totals, stored.active_ms), (totals(&rows), 2));
    assert!(stored.finished_ms.is_some());
    assert!(matches!(store.save(RunId(99), &[prediction(0)], &[], 0), Err(StoreError::GoneRun { .. })));
    assert_eq!(reader.positions(RunId(99)).unwrap(), []);
}

#[test]
fn a_finished_run_has_its_figures_until_something_of_it_changes() {
    let (_folder, mut store) = store();
    let run = store.plan(&spec(), 4).unwrap().id;
    let rows: Vec<Prediction> = (0..4).map(prediction).collect();
    store.save(run, &rows[..3], &[], 1).unwrap();
    let reader = store.reader().unwrap();
    let scores: Vec<SampleScore> = rows.iter().filter_map(|row| row.score).collect();
    let set = ScoreSet::new(Task::Lamp4, scores.clone(), MeteorStages::ExactStem).unwrap();
    let aggregate = set.aggregate(&[Metric::Rouge1, Metric::RougeL], None);
    let column = Column {
        metric: Metric::Rouge1,
        positions: vec![0, 1, 2, 9, 11, 12],
        values: vec![0.1, 1.0 / 3.0, 0.0, 1.0, f64::MIN_POSITIVE, 0.5],
    };
    store.finish(run, &aggregate, std::slice::from_ref(&column)).unwrap();
    assert_eq!(reader.run(run).unwrap().unwrap().status, RunStatus::Planned);
    store.save(run, &rows[3..], &[], 1).unwrap();
    store.finish(run, &aggregate, std::slice::from_ref(&column)).unwrap();
    let stored = reader.run(run).unwrap().unwrap();
    assert_eq!((stored.status, stored.aggregate.map(|a| a.samples)), (RunStatus::Done, Some(4)));
    assert_eq!(reader.column(run, Metric::Rouge1).unwrap(), Some(column.clone()));
    assert_eq!(reader.column(run, Metric::RougeL).unwrap(), None);

    store
        .rescore(run, &[(2, "anew".into(), false, Some(scores[0])), (99, String::new(), true, None)])
        .unwrap();
    let rows = all(&reader, run);
    assert_eq!((rows[2].answer.as_str(), rows[2].parsed, rows[2].score), ("anew", false, Some(scores[0])));
    let stored = reader.run(run).unwrap().unwrap();
    assert_eq!((stored.totals, stored.aggregate), (totals(&rows), None));
    assert_eq!(reader.column(run, Metric::Rouge1).unwrap(), None);
}

#[test]
fn experiments_tunings_and_events_are_kept() {
    let (_folder, mut store) = store();
    let run = store.plan(&spec(), 1).unwrap();
    let first = store.add_experiment("one", "a = 1").unwrap();
    assert_eq!(store.add_experiment("renamed", "a = 1").unwrap(), first);
    let second = store.add_experiment("two", "a = 2").unwrap();
    store.link(second, run.id).unwrap();
    store.link(second, run.id).unwrap();
    assert!(store.link(second, RunId(99)).is_err());
    let reader = store.reader().unwrap();
    let found = reader.experiments().unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!((found[1].name.as_str(), &found[1].runs[..]), ("two", &[run.id][..]));
    let cell = TuningCell { retriever: "bm25".into(), k: 4, run: "k1".into(), value: 0.25 };
    let mut tuning = Tuning {
        task: Task::Lamp4,
        setting: crate::lamp::Setting::User,
        model: "tiny".into(),
        metric: Metric::Rouge1,
        tuned_on: crate::lamp::Split::Dev,
        grid: vec![cell],
        winner: 0,
        applied: run.key.clone(),
        same_data: true,
    };
    store.save_tuning(&tuning).unwrap();
    tuning.same_data = false;
    store.save_tuning(&tuning).unwrap();
    assert_eq!(reader.tunings().unwrap(), [tuning]);
    store.log(None, EventKind::Notice, "of the store").unwrap();
    store.log(Some(run.id), EventKind::Failure, "of the run").unwrap();
    let events = reader.events(None, 0).unwrap();
    let texts: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(texts, ["Planned", "of the store", "of the run"]);
    assert_eq!(reader.events(Some(run.id), events[0].id).unwrap(), events[2..]);
}

#[test]
fn a_deleted_run_leaves_nothing_but_kept_answers() {
    let (_folder, mut store) = store();
    let run = store.plan(&spec(), 1).unwrap();
    let mut other = spec();
    other.retriever.k = 2;
    let other = store.plan(&other, 1).unwrap();
    let answer = CachedAnswer {
        raw: "x".into(),
        finish: Finish::End,
        prompt_tokens: 1,
        new_tokens: 1,
        estimated: false,
    };
    store.save(run.id, &[prediction(0)], &[(CacheKey([1; 32]), answer)], 1).unwrap();
    store.save(other.id, &[prediction(0)], &[], 1).unwrap();
    let claim = store.claim(&run).unwrap();
    assert!(matches!(store.delete(run.id), Err(StoreError::InUse { .. })));
    drop(claim);
    store.delete(run.id).unwrap();
    assert!(matches!(store.delete(run.id), Err(StoreError::GoneRun { .. })));
    let reader = store.reader().unwrap();
    assert_eq!(reader.run(run.id).unwrap(), None);
    assert_eq!(all(&reader, run.id), []);
    assert_eq!(reader.positions(run.id).unwrap(), []);
    assert_eq!(all(&reader, other.id).len(), 1);
    assert!(reader.answer(&CacheKey([1; 32])).unwrap().is_some());
    assert_eq!(store.clear_answers().unwrap(), 1);
    assert_eq!(reader.answer(&CacheKey([1; 32])).unwrap(), None);
    // A number is never given twice, so that whoever holds an old one finds nothing instead of another run.
    assert!(store.plan(&spec(), 1).unwrap().id > other.id);
}

#[test]
fn runs_are_found_by_number_and_by_the_beginning_of_their_key() {
    let (_folder, mut store) = store();
    let mut runs = Vec::new();
    for k in 0..40 {
        let mut spec = spec();
        spec.retriever.k = k;
        runs.push(store.plan(&spec, 1).unwrap());
    }
    let reader = store.reader().unwrap();
    assert_eq!(reader.runs().unwrap(), runs);
    assert_eq!(reader.find("7").unwrap(), runs[6]);
    assert_eq!(reader.find(&runs[6].key).unwrap(), runs[6]);
    assert_eq!(reader.find(&runs[6].short_key().to_uppercase()).unwrap(), runs[6]);
    assert_eq!(reader.run_of_key(&runs[6].key).unwrap().as_ref(), Some(&runs[6]));
    let several = reader.find("").unwrap_err();
    assert!(matches!(several, StoreError::UnknownRun { .. }), "{several}");
    let mut letters = "abcdef".chars().map(|c| c.to_string());
    let several = letters.find(|c| runs.iter().filter(|run| run.key.starts_with(c)).count() > 1).unwrap();
    assert!(matches!(reader.find(&several), Err(StoreError::SeveralRuns { .. })));
    let near = format!("{}x", &runs[3].key[..7]);
    let error = reader.find(&near).unwrap_err().to_string();
    assert!(error.contains(&near) && error.contains(runs[3].short_key()), "{error}");
}

#[test]
fn a_run_of_another_form_hides_no_other() {
    let (_folder, mut store) = store();
    let run = store.plan(&spec(), 1).unwrap();
    let mut other = spec();
    other.retriever.k = 2;
    let other = store.plan(&other, 1).unwrap();
    store
        .connection
        .execute("UPDATE runs SET spec = '{\"program\":\"9\"}' WHERE id = ?1", [run.id.0])
        .unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.runs().unwrap(), [other]);
    let bad = reader.unreadable_runs().unwrap();
    assert_eq!((bad.len(), bad[0].id, bad[0].key.as_str()), (1, run.id, run.key.as_str()));
    assert!(bad[0].reason.contains("spec"), "{}", bad[0].reason);
    let error = reader.find(run.short_key()).unwrap_err().to_string();
    assert!(error.contains(run.short_key()) && error.contains("newer"), "{error}");
    assert!(reader.run(run.id).is_err() && store.plan(&spec(), 1).is_err());
    store.delete(run.id).unwrap();
    assert_eq!(reader.unreadable_runs().unwrap(), []);
}

#[test]
fn one_run_is_claimed_once_at_a_time() {
    let (_folder, mut store) = store();
    let run = store.plan(&spec(), 1).unwrap();
    let reader = store.reader().unwrap();
    assert!(!reader.is_claimed(&run));
    let claim = store.claim(&run).unwrap();
    assert!(reader.is_claimed(&run));
    let error = store.claim(&run).unwrap_err();
    assert!(error.to_string().contains(run.short_key()), "{error}");
    drop(claim);
    assert!(!reader.is_claimed(&run));
    drop(store.claim(&run).unwrap());
    assert!(!claim::folder(store.path()).exists());
}

#[test]
fn many_who_claim_at_once_never_both_have_it() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let (_folder, mut store) = store();
    let run = store.plan(&spec(), 1).unwrap();
    let (inside, wins) = (AtomicU32::new(0), AtomicU32::new(0));
    let path = store.path().to_owned();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    if let Some(claim) = claim::claim(&path, &run.key).unwrap() {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        wins.fetch_add(1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(claim);
                    }
                }
            });
        }
    });
    assert!(wins.load(Ordering::SeqCst) > 0);
    assert!(!claim::folder(&path).exists());
}

fn merge(store: &mut Store, other: &Store) -> Merged {
    store.merge(other.path(), &CancelToken::new(), &Progress::new()).unwrap()
}

#[test]
fn parts_of_a_run_come_together() {
    let (_one, mut one) = store();
    let (_two, mut two) = store();
    two.plan(
        &{
            let mut other = spec();
            other.retriever.k = 1;
            other
        },
        9,
    )
    .unwrap();
    let run = one.plan(&spec(), 6).unwrap().id;
    let other = two.plan(&spec(), 6).unwrap().id;
    assert_ne!(run, other);
    let answer = CachedAnswer {
        raw: "x".into(),
        finish: Finish::End,
        prompt_tokens: 1,
        new_tokens: 1,
        estimated: false,
    };
    one.save(run, &[prediction(0), prediction(2), failure(3), failure(4)], &[], 10).unwrap();
    let changed = Prediction { raw: "else".into(), ..prediction(2) };
    let rows = [prediction(1), changed, prediction(3), failure(4), prediction(5)];
    two.save(other, &rows, &[(CacheKey([1; 32]), answer)], 100).unwrap();
    let experiment = two.add_experiment("x", "a = 1").unwrap();
    two.link(experiment, other).unwrap();
    two.log(Some(other), EventKind::Failure, "hot").unwrap();

    let merged = merge(&mut one, &two);
    assert_eq!((merged.answers, merged.runs.len()), (1, 2));
    let found = &merged.runs[1];
    assert_eq!((found.run, found.new, found.known, found.conflicts, found.to_finish), (run, 3, 1, 1, true));
    let reader = one.reader().unwrap();
    let all_rows = all(&reader, run);
    let wanted = [prediction(0), prediction(1), prediction(2), prediction(3), failure(4), prediction(5)];
    assert_eq!(all_rows, wanted);
    let stored = reader.run(run).unwrap().unwrap();
    assert_eq!((stored.totals, stored.active_ms), (totals(&all_rows), 10 + 60));
    assert_eq!(stored.status, RunStatus::Interrupted);
    assert!(stored.reason.unwrap().contains("figures"));
    assert_eq!(reader.experiments().unwrap()[0].runs, [run]);
    assert!(reader.events(Some(run), 0).unwrap().iter().any(|event| event.text == "hot"));

    let again = merge(&mut one, &two);
    assert_eq!((again.runs[1].new, again.runs[1].known, again.runs[1].conflicts), (0, 4, 1));
    assert!(again.runs[1].to_finish);
    let count = |texts: &[crate::record::Event]| texts.iter().filter(|event| event.text == "hot").count();
    assert_eq!(count(&reader.events(Some(run), 0).unwrap()), 1);
    let path = one.path().to_owned();
    let itself = one.merge(&path, &CancelToken::new(), &Progress::new());
    assert!(matches!(itself, Err(StoreError::MergeWithItself { .. })));
    let canceled = CancelToken::new();
    canceled.cancel();
    assert!(matches!(one.merge(two.path(), &canceled, &Progress::new()), Err(StoreError::Canceled(_))));
}

#[test]
fn a_finished_run_is_copied_with_its_figures() {
    let (_one, mut one) = store();
    let (_two, mut two) = store();
    let run = two.plan(&spec(), 3).unwrap().id;
    let rows: Vec<Prediction> = (0..3).map(prediction).collect();
    two.save(run, &rows, &[], 1).unwrap();
    let scores: Vec<SampleScore> = rows.iter().filter_map(|row| row.score).collect();
    let set = ScoreSet::new(Task::Lamp4, scores, MeteorStages::ExactStem).unwrap();
    let column = Column { metric: Metric::Rouge1, positions: vec![0, 1, 2], values: vec![0.1, 0.2, 0.3] };
    two.finish(run, &set.aggregate(&[Metric::Rouge1], None), std::slice::from_ref(&column)).unwrap();
    let merged = merge(&mut one, &two);
    assert!(!merged.runs[0].to_finish);
    let (mine, theirs) = (one.reader().unwrap(), two.reader().unwrap());
    let mine_run = mine.run(merged.runs[0].run).unwrap().unwrap();
    assert_eq!(mine_run, theirs.run(run).unwrap().unwrap());
    assert_eq!(mine.column(mine_run.id, Metric::Rouge1).unwrap(), Some(column));
}

#[cfg(unix)]
mod gone {
    use super::*;

    fn delete(path: &Path) {
        for end in ["", "-wal", "-shm"] {
            std::fs::remove_file(rescue::beside(path, end)).unwrap();
        }
    }

    fn rescued(store: &Store) -> bool {
        let events = store.reader().unwrap().events(None, 0).unwrap();
        events
            .iter()
            .any(|event| event.kind == EventKind::Store && event.text.contains("while a program wrote"))
    }

    #[test]
    fn a_store_deleted_under_its_writer_comes_back_whole() {
        for all_files in [true, false] {
            let (_folder, mut store) = store();
            let run = store.plan(&spec(), 9).unwrap().id;
            store.save(run, &[prediction(0), prediction(1)], &[], 1).unwrap();
            let path = store.path().to_owned();
            if all_files {
                delete(&path)
            } else {
                std::fs::remove_file(&path).unwrap()
            }
            store.save(run, &[prediction(2)], &[], 1).unwrap();
            store.save(run, &[prediction(3)], &[], 1).unwrap();
            assert!(rescued(&store));
            drop(store);
            let store = Store::open(&path).unwrap();
            assert_eq!(all(&store.reader().unwrap(), run), [0, 1, 2, 3].map(prediction));
            let names = std::fs::read_dir(path.parent().unwrap()).unwrap();
            let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
            assert!(names.iter().all(|name| !name.to_string_lossy().contains("rescued")), "{names:?}");
        }
    }

    #[test]
    fn a_store_whose_folder_is_gone_comes_back() {
        let (_folder, mut store) = store();
        let run = store.plan(&spec(), 9).unwrap().id;
        store.save(run, &[prediction(0)], &[], 1).unwrap();
        std::fs::remove_dir_all(store.path().parent().unwrap()).unwrap();
        store.save(run, &[prediction(1)], &[], 1).unwrap();
        assert_eq!(all(&store.reader().unwrap(), run), [0, 1].map(prediction));
    }

    #[test]
    fn two_writers_of_a_deleted_store_come_together_again() {
        let (_folder, mut one) = store();
        let run = one.plan(&spec(), 9).unwrap().id;
        let mut two = Store::open(one.path()).unwrap();
        one.save(run, &[prediction(0)], &[], 1).unwrap();
        two.save(run, &[prediction(1)], &[], 1).unwrap();
        delete(one.path());
        one.save(run, &[prediction(2)], &[], 1).unwrap();
        two.save(run, &[prediction(3)], &[], 1).unwrap();
        one.save(run, &[prediction(4)], &[], 1).unwrap();
        drop(two);
        one.save(run, &[prediction(5)], &[], 1).unwrap();
        let path = one.path().to_owned();
        drop(one);
        let store = Store::open(&path).unwrap();
        assert_eq!(all(&store.reader().unwrap(), run), [0, 1, 2, 3, 4, 5].map(prediction));
    }

    #[test]
    fn another_store_in_its_place_gets_what_was_finished_and_the_writer_stops() {
        let (_folder, mut store) = store();
        let run = store.plan(&spec(), 9).unwrap();
        store.save(run.id, &[prediction(0)], &[], 1).unwrap();
        delete(store.path());
        let mut other = Store::open(store.path()).unwrap();
        other
            .plan(
                &{
                    let mut other = spec();
                    other.retriever.k = 1;
                    other
                },
                9,
            )
            .unwrap();
        assert!(matches!(store.save(run.id, &[prediction(1)], &[], 1), Err(StoreError::Replaced { .. })));
        let reader = other.reader().unwrap();
        let found = reader.run_of_key(&run.key).unwrap().unwrap();
        assert_eq!(all(&reader, found.id), [prediction(0)]);
    }

    #[test]
    fn anything_else_in_its_place_stays_and_the_copy_is_named() {
        let (_folder, mut store) = store();
        let run = store.plan(&spec(), 9).unwrap().id;
        store.save(run, &[prediction(0)], &[], 1).unwrap();
        delete(store.path());
        std::fs::write(store.path(), "a letter").unwrap();
        let error = store.save(run, &[prediction(1)], &[], 1).unwrap_err();
        let StoreError::Lost { kept: Some(kept), .. } = &error else { panic!("{error}") };
        assert!(error.to_string().contains("lamplight merge"), "{error}");
        assert_eq!(std::fs::read(store.path()).unwrap(), b"a letter");
        assert_eq!(all(&Reader::open(kept).unwrap(), run), [prediction(0)]);
        // Once the place is free all goes on.
        std::fs::remove_file(store.path()).unwrap();
        store.save(run, &[prediction(1)], &[], 1).unwrap();
        assert_eq!(all(&store.reader().unwrap(), run), [0, 1].map(prediction));
    }
}

#[test]
fn verdicts_are_kept_once_and_go_with_their_runs() {
    use crate::record::{JudgeMethod, JudgePrompt, JudgeSpec, Reading, test_verdict};
    let (_folder, mut store) = store();
    let one = store.plan(&spec(), 3).unwrap();
    let other = store.plan(&RunSpec { program: "other".into(), ..spec() }, 3).unwrap();
    for run in [&one, &other] {
        store.save(run.id, &[prediction(0), prediction(1), prediction(2)], &[], 1).unwrap();
    }
    let judge = JudgeSpec {
        method: JudgeMethod::Pairwise,
        model: spec().model,
        generation: serde_json::json!({}),
        prompt: JudgePrompt { name: "built-in".into(), text: "{answer_a} {answer_b}".into() },
        runs: vec![one.key.clone(), other.key.clone()],
    };
    let judging = store.plan_judging(&judge, &[one.id, other.id], 2).unwrap();
    let failed = crate::record::Verdict { error: Some("gone".into()), ..test_verdict(0, 1, None) };
    let verdicts = [test_verdict(0, 0, Some(Reading::A)), failed];
    assert_eq!(store.save_verdicts(judging.id, &verdicts, &[]).unwrap(), 2);
    // A failure gives way, a verdict does not.
    let later = [test_verdict(0, 0, Some(Reading::B)), test_verdict(0, 1, Some(Reading::Tie))];
    assert_eq!(store.save_verdicts(judging.id, &later, &[]).unwrap(), 1);
    let reader = store.reader().unwrap();
    let found: Vec<_> =
        reader.verdicts(judging.id).unwrap().into_iter().map(|verdict| verdict.reading.unwrap()).collect();
    assert_eq!(found, [Reading::A, Reading::Tie]);
    // More samples of the same judging are the same judging.
    let again = store.plan_judging(&judge, &[one.id, other.id], 3).unwrap();
    assert_eq!((again.id, again.samples, again.totals.done, again.is_done()), (judging.id, 3, 2, false));
    assert_eq!(reader.find_judging(again.short_key()).unwrap(), again);
    assert!(matches!(reader.find_judging("nothing"), Err(StoreError::UnknownJudging { .. })));
    {
        let _claim = store.claim_judging(&again).unwrap();
        assert!(reader.is_judging_claimed(&again));
        assert!(matches!(store.claim_judging(&again), Err(StoreError::JudgingInUse { .. })));
    }
    // What was said of other answers is not taken from another store.
    let (_other_folder, mut merged) = self::store();
    let own = merged.plan(&spec(), 3).unwrap();
    merged.save(own.id, &[Prediction { raw: "else".into(), ..prediction(0) }], &[], 1).unwrap();
    let done = merged.merge(store.path(), &CancelToken::new(), &Progress::new()).unwrap();
    assert_eq!((done.verdicts, done.judgings_left_out), (0, 1));
    let report = check(store.path(), &CancelToken::new(), &Progress::new()).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    store.connection.execute("DELETE FROM predictions WHERE id = ?1", [rows::row_id(other.id, 0)]).unwrap();
    let report = check(store.path(), &CancelToken::new(), &Progress::new()).unwrap();
    assert!(report.problems.iter().any(|problem| problem.text.contains("verdicts are of no prediction")));
    store.delete(other.id).unwrap();
    assert_eq!(store.reader().unwrap().judgings().unwrap(), []);
    let left: i64 =
        store.connection.query_row("SELECT count(*) FROM verdicts", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}
