//! What is answered, by what, and what of it is stored.

use std::collections::HashMap;

use super::*;

#[test]
fn a_run_stores_every_sample_with_all_that_became_of_it() {
    let (place, cell) = (Place::new(), cell(Task::Lamp4, "bm25", 2, 25));
    let control = Control::default();
    let (run, _) = place.run(&cell, Shard::WHOLE, Settings::default(), &control, words_of);
    let run = run.unwrap();
    assert_eq!((run.status, run.totals.done, run.totals.failed), (RunStatus::Done, 25, 0));
    let rows = place.rows(&run);
    assert_eq!(rows.len(), 25);
    for (place, row) in rows.iter().enumerate() {
        let sample = cell.dataset.sample(place).unwrap();
        assert_eq!((row.position as usize, &row.sample_id), (place, &sample.id));
        assert_eq!(row.reference, sample.reference);
        assert_eq!(row.retrieved.len(), 2);
        assert!(row.retrieved.iter().all(|entry| entry.id == sample.profile[entry.index].id));
        let prompt = row.prompt.clone().unwrap();
        assert_eq!(row.raw, words_of(&prompt.text).unwrap());
        assert!(row.parsed && row.score.is_some() && row.new_tokens > 0 && row.answer == row.raw);
        let whole = crate::prompt::Prompt::from_parts(prompt.text, &prompt.report).unwrap();
        assert_eq!((whole.entries.len(), whole.tokens_read() as u32), (2, row.prompt_tokens));
        assert!(whole.text.contains(&sample.input));
    }
    let aggregate = run.aggregate.unwrap();
    assert_eq!((aggregate.samples, aggregate.figures.len()), (25, 6));
    assert!(aggregate.figures.iter().all(|figure| figure.interval.is_some()));
    let reader = place.store().reader().unwrap();
    let column = reader.column(run.id, Metric::Rouge1).unwrap().unwrap();
    assert_eq!(column.positions, (0..25).collect::<Vec<u32>>());
    let mean = column.values.iter().sum::<f64>() / 25.0;
    assert!((mean - aggregate.figures[0].value).abs() < 1e-12 && mean > 0.0);
    let progress = control.latest().get().unwrap();
    assert_eq!((progress.done, progress.total, progress.phase), (25, 25, Phase::Finishing));
    assert!((progress.live[0].1 - mean).abs() < 1e-12);
    // There is nothing left to do, and no model is asked.
    let again = place.done(&cell, |_| Err(failure()));
    assert_eq!(again.totals.done, 25);
    assert_eq!(figures(&again), serde_json::to_string(&Some(aggregate)).unwrap());
}

#[test]
fn batches_of_any_size_give_the_same_rows() {
    let mut cell = cell(Task::Lamp5, "bm25", 3, 40);
    let mut all = Vec::new();
    for batch in [Some(1), Some(7), None, Some(500)] {
        cell.batch = batch;
        let place = Place::new();
        let (run, batches) =
            place.run(&cell, Shard::WHOLE, Settings::default(), &Control::default(), words_of);
        assert_eq!(batches.iter().copied().max(), Some(batch.unwrap_or(ask::BATCH).min(40)));
        assert_eq!(batches.iter().sum::<usize>(), 40);
        all.push((place.rows(&run.unwrap()), batch));
    }
    for (rows, batch) in &all {
        assert_eq!(rows, &all[0].0, "{batch:?}");
    }
}

#[test]
fn answers_are_used_again_by_other_runs_of_the_same_model() {
    let place = Place::new();
    let half = cell(Task::Lamp4, "bm25", 2, 20);
    let whole = cell(Task::Lamp4, "bm25", 2, 40);
    place.done(&half, words_of);
    let (run, batches) = place.run(&whole, Shard::WHOLE, Settings::default(), &Control::default(), words_of);
    let run = run.unwrap();
    assert_eq!((run.totals.cached, batches.iter().sum::<usize>()), (20, 20));
    let rows = place.rows(&run);
    assert!(rows.iter().all(|row| row.cached == (row.position < 20)));
    let apart = Place::new();
    let alone = apart.done(&whole, words_of);
    assert_eq!(figures(&run), figures(&alone));
    // Another model, or the wish not to, asks anew.
    let mut other = whole.clone();
    other.spec.model.fingerprint = "else".into();
    let (_, batches) = place.run(&other, Shard::WHOLE, Settings::default(), &Control::default(), words_of);
    assert_eq!(batches.iter().sum::<usize>(), 40);
    let mut third = whole.clone();
    third.spec.model.name = "third".into();
    let settings = Settings { use_cache: false, ..Settings::default() };
    let (run, batches) = place.run(&third, Shard::WHOLE, settings, &Control::default(), words_of);
    assert_eq!((run.unwrap().totals.cached, batches.iter().sum::<usize>()), (0, 40));
}

#[test]
fn equal_prompts_are_asked_once_wherever_they_stand() {
    let mut cell = cell(Task::Lamp4, "none", 0, 50);
    let (template, options) = cell.prompt.clone().unwrap();
    // So short that only the instruction is read, which is the same in all.
    cell.prompt = Some((template, PromptOptions { max_length: 20, ..options }));
    let place = Place::new();
    let (run, batches) = place.run(&cell, Shard::WHOLE, Settings::default(), &Control::default(), words_of);
    let run = run.unwrap();
    assert_eq!((batches, run.totals.cached, run.totals.input_cut), (vec![1], 49, 50));
    assert!(!place.rows(&run)[0].cached);
    // Where the first fails, the next is asked.
    let place = Place::new();
    let mut asked = 0;
    let rule = move |prompt: &str| {
        asked += 1;
        if asked < 4 { Err(failure()) } else { words_of(prompt) }
    };
    let (run, batches) = place.run(&cell, Shard::WHOLE, Settings::default(), &Control::default(), rule);
    assert_eq!(batches, [1, 1, 1, 1]);
    assert_eq!(
        (
            run.unwrap().totals.failed,
            place.rows(&place.store().reader().unwrap().runs().unwrap()[0])[3].cached
        ),
        (3, false)
    );
}

#[test]
fn a_model_is_loaded_once_for_cells_that_share_it() {
    let place = Place::new();
    let mut executor = Executor::new(&NoEncoders, place.store(), Settings::default());
    let mut first = cell(Task::Lamp1, "none", 0, 5);
    first.model = CellModel::Load { path: "scripted:answer=[2]".into(), options: LoadOptions::default() };
    let mut second = cell(Task::Lamp1, "bm25", 1, 5);
    second.model = first.model.clone();
    let run = executor.run(&first, Shard::WHOLE, &Control::default()).unwrap();
    assert_eq!(run.totals.unparsed, 0);
    let loaded =
        |executor: &Executor<'_>| std::ptr::from_ref(&*executor.loaded.as_ref().unwrap().1.generator).addr();
    let address = loaded(&executor);
    executor.run(&second, Shard::WHOLE, &Control::default()).unwrap();
    assert_eq!(loaded(&executor), address);
    second.spec.retriever.k = 2;
    second.model = CellModel::Load { path: "no/such/model".into(), options: LoadOptions::default() };
    let error = executor.run(&second, Shard::WHOLE, &Control::default()).unwrap_err();
    assert!(in_full(&error).contains("no/such/model"), "{}", in_full(&error));
}

/// Encoders without weights, each once.
#[derive(Default)]
struct ScriptedEncoders(Mutex<HashMap<String, Arc<SharedEncoder>>>);

impl EncoderSource for ScriptedEncoders {
    fn encoder(&self, wanted: &DenseConfig) -> Result<Arc<SharedEncoder>, BuildError> {
        let mut all = self.0.lock().unwrap();
        let load = || {
            let (cancel, progress) = (CancelToken::new(), Progress::new());
            let encoder =
                load_encoder(Path::new(&wanted.model), &EncoderOptions::default(), &cancel, &progress)
                    .unwrap();
            Arc::new(SharedEncoder::new(encoder, 1, None).unwrap())
        };
        Ok(Arc::clone(all.entry(wanted.model.clone()).or_insert_with(load)))
    }
}

#[test]
fn dense_retrievers_prepare_window_by_window_and_rank_as_alone() {
    let (place, encoders) = (Place::new(), ScriptedEncoders::default());
    let mut cell = cell(Task::Lamp5, "dense:scripted:words=256", 3, 40);
    cell.model = CellModel::Load { path: "scripted:word=-1".into(), options: LoadOptions::default() };
    let mut executor = Executor::new(&encoders, place.store(), Settings::default());
    let run = executor.run(&cell, Shard::WHOLE, &Control::default()).unwrap();
    let retriever = cell.retriever.build(&encoders).unwrap();
    for row in place.rows(&run) {
        let sample = cell.dataset.sample(row.position as usize).unwrap();
        let problem = crate::retrieval::Problem::of(Task::Lamp5, &sample, false);
        let ranking = retriever.rank(&CancelToken::new(), &problem.query, &problem.documents, 3).unwrap();
        let found: Vec<_> = row.retrieved.iter().map(|entry| (entry.index, entry.score)).collect();
        let expected: Vec<_> = ranking.entries.iter().map(|entry| (entry.index, entry.score)).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_retriever_that_a_profile_does_not_allow_fails_its_samples_alone() {
    // The user setting has no dates.
    let (place, cell) = (Place::new(), cell(Task::Lamp4, "recency", 1, 30));
    let run = place.done(&cell, words_of);
    assert_eq!((run.status, run.totals.done), (RunStatus::Failed, 0));
    assert!(run.reason.unwrap().contains("no entry of sample"));
}

#[test]
fn baselines_answer_their_tasks_in_the_same_pipeline() {
    for task in Task::ALL {
        for (baseline, retriever, k) in [
            (Baseline::Majority, "none", 0),
            (Baseline::Majority, "bm25", 4),
            (Baseline::Nearest, "bm25", 1),
            (Baseline::Nearest, "none", 0),
            (Baseline::Copy, "none", 0),
        ] {
            let mut cell = cell(task, retriever, k, 60);
            cell.model = CellModel::Baseline(baseline);
            (cell.prompt, cell.spec.prompt, cell.spec.generation) = (None, None, None);
            if baseline.supports(task).is_err() {
                continue;
            }
            let place = Place::new();
            let mut executor = Executor::new(&NoEncoders, place.store(), Settings::default());
            let run = executor.run(&cell, Shard::WHOLE, &Control::default()).unwrap();
            let totals = run.totals;
            assert_eq!(
                (run.status, totals.done, totals.failed, totals.new_tokens),
                (RunStatus::Done, 60, 0, 0)
            );
            assert_eq!(totals.unparsed, 0, "{task} {baseline}");
            let rows = place.rows(&run);
            assert!(rows.iter().all(|row| row.prompt.is_none() && row.retrieved.len() == k && !row.cached));
            if baseline == Baseline::Majority && k == 0 {
                assert!(rows.iter().all(|row| row.raw == rows[0].raw && task.labels().contains(&&*row.raw)));
            }
            if task.kind() == TaskKind::Classification && baseline == Baseline::Nearest && k > 0 {
                assert!(run.aggregate.unwrap().figures[0].value > 0.2, "{task}");
            }
        }
    }
}

#[test]
fn without_references_a_run_is_done_and_says_that_nothing_is_scored() {
    let place = Place::new();
    let alone = place.folder.path().join("LaMP_4/test");
    std::fs::create_dir_all(&alone).unwrap();
    let questions = folder(Task::Lamp4, Setting::User).join("dev_questions.json.gz");
    std::fs::copy(questions, alone.join("test_questions.json.gz")).unwrap();
    let cell = cell_of(open(alone), "none", 0, 12);
    assert_eq!(cell.dataset.id().split, Split::Test);
    let run = place.done(&cell, words_of);
    assert_eq!((run.status, run.totals.done), (RunStatus::Done, 12));
    let aggregate = run.aggregate.clone().unwrap();
    assert_eq!((aggregate.samples, aggregate.figures.len()), (0, 0));
    let told = place.events(&run);
    assert!(told.iter().any(|(_, text)| text.contains("12 of 12 samples have no reference")), "{told:?}");
}

#[test]
fn scoring_anew_restores_what_was_and_says_what_changed() {
    let (place, cell) = (Place::new(), cell(Task::Lamp3, "none", 0, 30));
    let run = place.done(&cell, |prompt| Ok(if prompt.len() % 3 == 0 { "4" } else { "no stars" }.to_owned()));
    let mut store = place.store();
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let same = rescore(&mut store, &run, None, &cancel, &progress).unwrap();
    assert_eq!((same.rows, same.answers_changed, same.scores_changed), (30, 0, 0));
    assert_eq!((&same.after, &same.before), (&run.aggregate, &run.aggregate));
    // As an older program with other rules might have left it.
    let score = place.rows(&run)[5].score;
    store
        .rescore(
            run.id,
            &[
                (3, "else".into(), true, None),
                (4, place.rows(&run)[4].answer.clone(), place.rows(&run)[4].parsed, score),
            ],
        )
        .unwrap();
    let before = store.reader().unwrap().run(run.id).unwrap().unwrap();
    assert_eq!(before.aggregate, None);
    let changed = rescore(&mut store, &before, None, &cancel, &progress).unwrap();
    assert_eq!(changed.answers_changed, 1);
    assert!((1..=2).contains(&changed.scores_changed));
    assert_eq!(changed.after, run.aggregate);
    let rescored = store.reader().unwrap().run(run.id).unwrap().unwrap();
    assert_eq!((rescored.totals, rescored.status), (run.totals, RunStatus::Done));
    let claim = store.claim(&run).unwrap();
    assert!(rescore(&mut store, &run, None, &cancel, &progress).is_err());
    drop(claim);
}

#[test]
fn a_retriever_is_not_needed_where_nothing_is_retrieved() {
    let cell = cell(Task::Lamp4, "bm25", 0, 3);
    assert!(cell.retrieves_nothing() && !matches!(cell.retriever, RetrieverConfig::None {}));
    let (place, model) = (Place::new(), words_of);
    let run = place.done(&cell, model);
    assert!(place.rows(&run).iter().all(|row| row.retrieved.is_empty() && !row.fell_back));
}
