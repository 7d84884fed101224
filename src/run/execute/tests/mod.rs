//! Whole runs over the sample set, with models that follow a script.

mod answers;
mod life;

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
    TextStart, TextTokenizer, TokenizerError, load_encoder,
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
            Ok(Generation { text, hypotheses, prompt_tokens: prompt.tokens.len(), counted: None })
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
