//! Runs that are broken off, resumed, paused, divided, and that fail.

use super::*;

#[test]
fn a_run_broken_off_anywhere_and_resumed_is_the_uninterrupted_one() {
    let mut cell = cell(Task::Lamp3, "bm25", 2, 45);
    cell.batch = Some(4);
    let rule = |prompt: &str| Ok((prompt.len() % 6).to_string());
    let whole = Place::new();
    let expected = whole.done(&cell, rule);
    for every in [1, 2, 3, 5, 11, 30] {
        for panics in [false, true] {
            let place = Place::new();
            let mut ends = 0;
            let run = loop {
                let control = Control::default();
                let (cancel, mut asked) = (control.cancel().clone(), 0);
                let broken = move |prompt: &str| {
                    asked += 1;
                    if asked == 4 * every + 1 {
                        assert!(!panics, "as the test wants");
                        cancel.cancel();
                    }
                    rule(prompt)
                };
                let (run, _) = place.run(&cell, Shard::WHOLE, Settings::default(), &control, broken);
                match run {
                    Ok(run) if run.status == RunStatus::Done => break run,
                    Ok(run) => assert_eq!(run.status, RunStatus::Interrupted),
                    Err(error) => assert!(matches!(error, RunError::Panicked { .. }), "{error}"),
                }
                ends += 1;
                assert!(ends <= 20);
            };
            // What was answered before each end was stored, so that every prompt was answered once. Canceled at its very last
            // prompt, a run is done.
            assert_eq!(ends, (if panics { 44 } else { 43 }) / (4 * every), "{every}");
            assert_eq!(place.rows(&run), whole.rows(&expected));
            assert_eq!(figures(&run), figures(&expected));
            assert_eq!(run.totals, expected.totals);
        }
    }
}

#[test]
fn parts_together_are_the_whole() {
    let cell = cell(Task::Lamp4, "bm25", 1, 31);
    let whole = Place::new();
    let expected = whole.done(&cell, words_of);
    let places = [Place::new(), Place::new(), Place::new()];
    let mut rows = Vec::new();
    for (place, index) in places.iter().zip(1..) {
        let shard = Shard { index, of: 3 };
        let (run, _) = place.run(&cell, shard, Settings::default(), &Control::default(), words_of);
        let run = run.unwrap();
        assert_eq!(run.status, RunStatus::Interrupted);
        assert!(run.reason.as_ref().unwrap().contains(&shard.to_string()), "{:?}", run.reason);
        assert!(run.aggregate.is_none());
        rows.extend(place.rows(&run));
    }
    rows.sort_by_key(|row| row.position);
    assert_eq!(rows, whole.rows(&expected));
    let [first, others @ ..] = &places;
    let mut store = first.store();
    for other in others {
        store.merge(other.store().path(), &CancelToken::new(), &Progress::new()).unwrap();
    }
    let merged = first.done(&cell, |_| Err(failure()));
    assert_eq!((first.rows(&merged), figures(&merged)), (whole.rows(&expected), figures(&expected)));
    // One after the other in one store they end in a run that is done.
    let one = Place::new();
    for index in [3, 1, 2] {
        let shard = Shard { index, of: 3 };
        one.run(&cell, shard, Settings::default(), &Control::default(), words_of).0.unwrap();
    }
    let run = one.done(&cell, |_| Err(failure()));
    assert_eq!((run.status, figures(&run)), (RunStatus::Done, figures(&expected)));
}

#[test]
fn a_failing_sample_is_recorded_and_may_be_tried_again() {
    let cell = cell(Task::Lamp4, "none", 0, 30);
    let place = Place::new();
    let bad = |number: usize| cell.dataset.sample(number).unwrap().input;
    let poison = [bad(3), bad(17), bad(18)];
    let rule = move |prompt: &str| {
        if poison.iter().any(|bad| prompt.contains(bad)) { Err(failure()) } else { words_of(prompt) }
    };
    let run = place.done(&cell, rule);
    assert_eq!((run.status, run.totals.done, run.totals.failed), (RunStatus::Done, 30, 3));
    let rows = place.rows(&run);
    for row in &rows {
        let fails = [3, 17, 18].contains(&row.position);
        assert_eq!((row.error.is_some(), row.score.is_none()), (fails, fails));
        assert!(row.prompt.is_some() && row.reference.is_some());
    }
    assert_eq!(run.aggregate.as_ref().unwrap().samples, 27);
    let told = place.events(&run);
    assert_eq!(told.iter().filter(|(kind, _)| *kind == EventKind::Failure).count(), 3, "{told:?}");
    // A resume leaves them as they are, unless it is told to try them again.
    assert_eq!(place.done(&cell, words_of).totals.failed, 3);
    let again = Settings { retry_failed: true, ..Settings::default() };
    let (again, batches) = place.run(&cell, Shard::WHOLE, again, &Control::default(), words_of);
    let again = again.unwrap();
    assert_eq!((again.totals.done, again.totals.failed, batches), (30, 0, vec![3]));
    let whole = Place::new();
    let expected = whole.done(&cell, words_of);
    assert_eq!((place.rows(&again), figures(&again)), (whole.rows(&expected), figures(&expected)));
}

#[test]
fn many_failures_in_a_row_end_a_run_and_are_tried_again() {
    let mut cell = cell(Task::Lamp4, "none", 0, 60);
    cell.batch = Some(5);
    let place = Place::new();
    let mut asked = 0;
    let failing = move |prompt: &str| {
        asked += 1;
        if asked > 20 { Err(failure()) } else { words_of(prompt) }
    };
    let run = place.done(&cell, failing);
    assert_eq!(run.status, RunStatus::Failed);
    let reason = run.reason.clone().unwrap();
    assert!(
        reason.starts_with("10 samples failed one after the other") && reason.contains("script"),
        "{reason}"
    );
    assert_eq!((run.totals.done, run.totals.failed), (20, 0));
    let told = place.events(&run);
    assert_eq!(told.iter().filter(|(kind, _)| *kind == EventKind::Failure).count(), 10, "{told:?}");
    let whole = Place::new();
    let expected = whole.done(&cell, words_of);
    let resumed = place.done(&cell, words_of);
    assert_eq!(resumed.reason, None);
    assert_eq!((place.rows(&resumed), figures(&resumed)), (whole.rows(&expected), figures(&expected)));
}

#[test]
fn a_setting_that_no_prompt_can_have_ends_a_run_at_once() {
    let (place, cell) = (Place::new(), cell(Task::Lamp4, "none", 0, 30));
    let broken = |_: &str| Err(ModelError::GenerationSetting { field: "beams", rule: "must be 1" });
    let (run, batches) = place.run(&cell, Shard::WHOLE, Settings::default(), &Control::default(), broken);
    assert!(in_full(&run.unwrap_err()).contains("beams must be 1"));
    assert_eq!(batches.len(), 1);
    let run = place.store().reader().unwrap().runs().unwrap().remove(0);
    assert_eq!((run.status, run.totals.done), (RunStatus::Failed, 0));
}

#[test]
fn a_run_is_one_programs_at_a_time() {
    let (place, cell) = (Place::new(), cell(Task::Lamp4, "none", 0, 5));
    let mut store = place.store();
    let record = store.plan(&cell.spec, 5).unwrap();
    let claim = store.claim(&record).unwrap();
    let (run, batches) = place.run(&cell, Shard::WHOLE, Settings::default(), &Control::default(), words_of);
    assert!(matches!(run, Err(RunError::Store(StoreError::InUse { .. }))) && batches.is_empty());
    drop(claim);
    assert_eq!(place.done(&cell, words_of).status, RunStatus::Done);
}

#[test]
fn a_paused_run_rests_and_can_go_on_or_be_canceled() {
    let mut cell = cell(Task::Lamp4, "none", 0, 40);
    cell.batch = Some(2);
    for cancels in [false, true] {
        let place = Place::new();
        let control = Control::default();
        let asked = Arc::new(AtomicUsize::new(0));
        let (steered, count) = (control.clone(), Arc::clone(&asked));
        let rule = move |prompt: &str| {
            if count.fetch_add(1, Ordering::SeqCst) == 5 {
                steered.set_paused(true);
            }
            words_of(prompt)
        };
        let steering = thread::spawn({
            let (control, asked) = (control.clone(), Arc::clone(&asked));
            move || {
                let start = Instant::now();
                while control.latest().get().is_none_or(|latest| latest.phase != Phase::Paused) {
                    assert!(start.elapsed() < Duration::from_secs(60));
                    thread::sleep(Duration::from_millis(5));
                }
                thread::sleep(Duration::from_millis(150));
                let resting = asked.load(Ordering::SeqCst);
                if cancels {
                    control.cancel().cancel()
                } else {
                    control.set_paused(false)
                }
                resting
            }
        });
        let (run, _) = place.run(&cell, Shard::WHOLE, Settings::default(), &control, rule);
        let run = run.unwrap();
        assert_eq!(steering.join().unwrap(), 6);
        let (status, done) = if cancels { (RunStatus::Interrupted, 6) } else { (RunStatus::Done, 40) };
        assert_eq!((run.status, run.totals.done), (status, done));
        assert!(place.events(&run).contains(&(EventKind::Life, "Paused".to_owned())));
    }
}

#[test]
fn cancellation_is_quick_wherever_the_work_is() {
    let place = Place::new();
    let mut cell = cell(Task::Lamp4, "none", 0, 40);
    cell.model =
        CellModel::Load { path: "scripted:echo,delay=60000".into(), options: LoadOptions::default() };
    let control = Control::default();
    let cancel = control.cancel().clone();
    let canceling = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        cancel.cancel();
        Instant::now()
    });
    let mut executor = Executor::new(&NoEncoders, place.store(), Settings::default());
    let run = executor.run(&cell, Shard::WHOLE, &control).unwrap();
    let canceled = canceling.join().unwrap();
    assert!(canceled.elapsed() < Duration::from_secs(1));
    assert_eq!((run.status, run.totals.done), (RunStatus::Interrupted, 0));
}

/// A tokenizer that breaks at one text.
struct Breaking(String);

impl TextTokenizer for Breaking {
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        assert!(!text.contains(&self.0), "as the test wants");
        CharacterTokenizer.encode(text)
    }

    fn encode_start(&self, text: &str, limit: usize) -> Result<TextStart, TokenizerError> {
        CharacterTokenizer.encode_start(text, limit)
    }

    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        CharacterTokenizer.decode(ids)
    }

    fn special_tokens(&self) -> usize {
        0
    }
}

#[test]
fn a_panic_while_samples_are_prepared_is_an_error_and_the_run_can_be_resumed() {
    let (place, cell) = (Place::new(), cell(Task::Lamp4, "bm25", 1, 30));
    let mut executor = Executor::new(&NoEncoders, place.store(), Settings::default());
    let generator = Box::new(Ruled { rule: Box::new(words_of), batches: Arc::default() });
    let tokenizer = Arc::new(Breaking(cell.dataset.sample(20).unwrap().input));
    executor.loaded = Some((cell.model.clone(), LoadedModel { generator, tokenizer }));
    let error = executor.run(&cell, Shard::WHOLE, &Control::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("preparing samples ended unexpectedly (as the test wants)"),
        "{error}"
    );
    let run = place.store().reader().unwrap().runs().unwrap().remove(0);
    assert_eq!(run.status, RunStatus::Failed);
    assert!(run.reason.unwrap().contains("defect"));
    assert_eq!(place.done(&cell, words_of).status, RunStatus::Done);
}
