//! What a run costs around its model: samples a second with a model that answers at once, and memory at two lengths.
//!
//! Invented data in the lengths of the sample set, BM25 with k 4, official prompts, scoring and storing, as
//! `lamplight run` does it. `--task TASK` and `--samples N,N` choose other data; `--json FILE` writes the figures of the last length.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and fails as it likes"
)]

mod support;

use std::path::Path;
use std::time::Instant;

use lamplight::dataset::sample_set::{self, Options};
use lamplight::dataset::{self, OpenOptions};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::{Setting, Split, Task};
use lamplight::model::{GenerationConfig, LoadOptions};
use lamplight::prompt::{Preset, PromptMode, PromptOptions, Template};
use lamplight::record::{
    DatasetSpec, ModelSpec, PromptSpec, RetrieverSpec, RunSpec, RunStatus, Shard, Training,
};
use lamplight::retrieval::NoEncoders;
use lamplight::run::{Cell, CellModel, Control, Executor, Settings};
use lamplight::store::Store;

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

fn main() {
    let task: Task = argument("--task").map_or(Task::Lamp4, |task| task.parse().expect("a task"));
    let lengths = argument("--samples").unwrap_or_else(|| "5000,50000".to_owned());
    for length in lengths.split(',') {
        measure(task, length.parse().expect("a number of samples"));
    }
}

fn measure(task: Task, samples: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let options = Options {
        records: Some(samples),
        tasks: vec![task],
        settings: vec![Setting::User],
        splits: vec![Split::Dev],
        ..Options::default()
    };
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    sample_set::write(&data, &options, &cancel, &progress).expect("data");
    let cell = cell(&data, task);
    let store = Store::open(&folder.path().join("runs.db")).expect("a store");
    let mut executor = Executor::new(&NoEncoders, store, Settings::default());
    let before = support::peak_rss_mb().unwrap_or(f64::NAN);
    let (start, cpu) = (Instant::now(), support::cpu_seconds());
    let control = Control::default();
    let run = executor.run(&cell, Shard::WHOLE, &control).expect("a run");
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), support::cpu_seconds() - cpu);
    assert_eq!((run.status, run.totals.done), (RunStatus::Done, samples as u64));
    let active = run.active_ms as f64 / 1e3;
    let peak = support::peak_rss_mb().unwrap_or(f64::NAN);
    let rate = samples as f64 / seconds;
    let megabytes = |path: &Path| std::fs::metadata(path).map_or(f64::NAN, |file| file.len() as f64 / 1e6);
    println!(
        "{task} {samples} samples: {rate:.0} a second in all ({:.0} until the last was stored), {seconds:.2} s, {cpu:.2} s of processors, \
         peak memory {peak:.0} MiB (data opened: {before:.0}), store {:.0} MB",
        samples as f64 / active,
        megabytes(&folder.path().join("runs.db")),
    );
    if let Some(path) = support::json_argument() {
        let figures = serde_json::json!({"samples": samples, "samples_per_s": rate, "seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak});
        std::fs::write(path, format!("{figures}\n")).expect("the figures are written");
    }
}

fn cell(data: &Path, task: Task) -> Cell {
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let catalog =
        dataset::open(&[data.to_owned()], &OpenOptions::default(), &cancel, &progress).expect("data");
    let dataset = catalog.datasets.into_iter().next().expect("a dataset");
    let template = Template::preset(task, Preset::Official).expect("every task has one");
    // A scripted model's tokens are characters: so many make the 512 tokens of the papers.
    let options = PromptOptions { mode: PromptMode::Official, max_length: 2048 };
    let spec = RunSpec {
        program: env!("CARGO_PKG_VERSION").into(),
        dataset: DatasetSpec {
            task,
            setting: Setting::User,
            split: Split::Dev,
            fingerprint: "generated".into(),
            limit: None,
            sample_seed: None,
            skip_broken: false,
        },
        model: ModelSpec {
            name: "scripted".into(),
            fingerprint: "scripted".into(),
            training: Training::ZeroShot,
            device: "cpu".into(),
            precision: "f32".into(),
            options: serde_json::Map::new(),
        },
        retriever: RetrieverSpec { config: "bm25".into(), k: 4, use_date: false, encoders: Vec::new() },
        prompt: Some(PromptSpec {
            template: template.name().into(),
            template_toml: String::new(),
            mode: "official".into(),
            max_length: options.max_length,
        }),
        generation: Some(serde_json::json!({})),
        parsing: "official".into(),
    };
    let positions = (0..dataset.len() as u32).collect();
    let answer = task.labels().first().unwrap_or(&"How the old town found its way back to the river");
    let model =
        CellModel::Load { path: format!("scripted:answer={answer}").into(), options: LoadOptions::default() };
    let generation = GenerationConfig { beams: 1, ..GenerationConfig::default() };
    Cell {
        spec,
        dataset,
        positions,
        retriever: "bm25".parse().expect("a retriever"),
        use_date: false,
        k: 4,
        prompt: Some((template, options)),
        generation,
        model,
        batch: None,
    }
}
