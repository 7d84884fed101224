//! Whole runs over the sample set, with models that follow a script.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::Map;
use tempfile::TempDir;

use super::*;
use crate::dataset::{self, Dataset, OpenOptions};
use crate::lamp::{Metric, Setting, Split, Task, TaskKind};
use crate::model::embeddings::SharedEncoder;
use crate::model::scripted::CharacterTokenizer;
use crate::model::{
    EncoderOptions, FinishReason, Generation, GenerationConfig, Generator, Hypothesis, PromptInput,
    TextTokenizer, load_encoder,
};
use crate::prompt::{Preset, PromptMode, PromptOptions, Template};
use crate::record::{DatasetSpec, ModelSpec, Prediction, PromptSpec, RetrieverSpec, RunSpec, Training};
use crate::retrieval::{BuildError, DenseConfig, NoEncoders, RetrieverConfig};
use crate::run::{Baseline, rescore};
use crate::store::StoreError;

/// A prompt's answer by a rule of the test.
type Rule = dyn FnMut(&str) -> Result<String, ModelError> + Send;

/// A model that asks a closure, and remembers how many prompts it was given together.
struct Ruled {
    rule: Box<Rule>,
    batches: Arc<Mutex<Vec<usize>>>,
}

impl Generator for Ruled {
    fn generate(
        &mut self,
        cancel: &CancelToken,
        prompts: &[PromptInput<'_>],
        _: &GenerationConfig,
    ) -> Result<Vec<Generation>, ModelError> {
        self.batches.lock().unwrap().push(prompts.len());
        let answer = |prompt: &PromptInput<'_>| {
            cancel.check()?;
            assert_eq!(CharacterTokenizer.decode(prompt.tokens)?, prompt.text);
            let text = (self.rule)(prompt.text)?;
            let tokens = CharacterTokenizer.encode(&text)?;
            let hypotheses = vec![Hypothesis { tokens, score: 0.0, finish: FinishReason::EndOfSequence }];
            Ok(Generation { text, hypotheses, prompt_tokens: prompt.tokens.len() })
        };
        prompts.iter().map(answer).collect()
    }
}

/// Something of the prompt that differs from sample to sample, and that some metric likes.
fn words_of(prompt: &str) -> Result<String, ModelError> {
    let mut words: Vec<&str> = prompt.split_whitespace().rev().take(6).collect();
    words.sort_unstable();
    Ok(words.join(" "))
}

fn failure() -> ModelError {
    ModelError::ScriptedFailure { index: 0 }
}

fn folder(task: Task, setting: Setting) -> PathBuf {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample");
    let sample = if setting == Setting::Time { sample.join("time") } else { sample };
    let sample = sample.join(task.official_id());
    if task == Task::Lamp2M { sample.join("new").join("dev") } else { sample.join("dev") }
}

fn open(path: PathBuf) -> Dataset {
    let options = OpenOptions::default();
    let catalog = dataset::open(&[path], &options, &CancelToken::new(), &Progress::new()).unwrap();
    catalog.datasets[0].clone()
}

fn cell(task: Task, retriever: &str, k: usize, samples: usize) -> Cell {
    cell_of(open(folder(task, Setting::User)), retriever, k, samples)
}

fn cell_of(dataset: Dataset, retriever: &str, k: usize, samples: usize) -> Cell {
    let id = dataset.id();
    let template = Template::preset(id.task, Preset::Official).unwrap();
    let options = PromptOptions { mode: PromptMode::Official, max_length: 2000 };
    let spec = RunSpec {
        program: "test".into(),
        dataset: DatasetSpec {
            task: id.task,
            setting: id.setting,
            split: id.split,
            fingerprint: "data".into(),
            limit: Some(samples),
            sample_seed: None,
            skip_broken: false,
        },
        model: ModelSpec {
            name: "ruled".into(),
            fingerprint: "ruled".into(),
            training: Training::ZeroShot,
            device: "cpu".into(),
            precision: "f32".into(),
            options: Map::new(),
        },
        retriever: RetrieverSpec { config: retriever.into(), k, use_date: false, encoders: Vec::new() },
        prompt: Some(PromptSpec {
            template: "official".into(),
            template_toml: String::new(),
            mode: "official".into(),
            max_length: options.max_length,
        }),
        generation: Some(serde_json::json!({})),
        parsing: "official".into(),
    };
    let count = samples.min(dataset.len());
    Cell {
        spec,
        dataset,
        positions: (0..count as u32).collect(),
        retriever: retriever.parse().unwrap(),
        use_date: false,
        k,
        prompt: Some((template, options)),
        generation: GenerationConfig::default(),
        model: CellModel::Load { path: "scripted:echo".into(), options: LoadOptions::default() },
        batch: None,
    }
}

/// A store of its own, and the folder it lies in.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn store(&self) -> Store {
        Store::open(&self.folder.path().join("runs.db")).unwrap()
    }

    /// Runs a cell by a rule in an executor of its own, as another program would.
    fn run(
        &self,
        cell: &Cell,
        shard: Shard,
        settings: Settings,
        control: &Control,
        rule: impl FnMut(&str) -> Result<String, ModelError> + Send + 'static,
    ) -> (Result<RunRecord, RunError>, Vec<usize>) {
        let mut executor = Executor::new(&NoEncoders, self.store(), settings);
        let batches = Arc::new(Mutex::new(Vec::new()));
        let generator = Box::new(Ruled { rule: Box::new(rule), batches: Arc::clone(&batches) });
        let model = LoadedModel { generator, tokenizer: Arc::new(CharacterTokenizer) };
        executor.loaded = Some((cell.model.clone(), model));
        let ended = executor.run(cell, shard, control);
        let batches = batches.lock().unwrap().clone();
        (ended, batches)
    }

    fn done(
        &self,
        cell: &Cell,
        rule: impl FnMut(&str) -> Result<String, ModelError> + Send + 'static,
    ) -> RunRecord {
        self.run(cell, Shard::WHOLE, Settings::default(), &Control::default(), rule).0.unwrap()
    }

    /// All rows but for the time the model took.
    fn rows(&self, run: &RunRecord) -> Vec<Prediction> {
        let mut rows = Vec::new();
        let reader = self.store().reader().unwrap();
        let mut push = |row| {
            rows.push(Prediction { model_ms: 0.0, ..row });
            ControlFlow::Continue(())
        };
        reader.predictions(run.id, true, &mut push).unwrap();
        rows
    }

    fn events(&self, run: &RunRecord) -> Vec<(EventKind, String)> {
        let events = self.store().reader().unwrap().events(Some(run.id), 0).unwrap();
        events.into_iter().map(|event| (event.kind, event.text)).collect()
    }
}

fn figures(run: &RunRecord) -> String {
    serde_json::to_string(&run.aggregate).unwrap()
}

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
