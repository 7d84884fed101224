//! A store of many predictions, for benchmarks.

#![allow(dead_code, reason = "each benchmark uses its own part")]

use std::path::Path;
use std::time::Instant;

use lamplight::lamp::{Metric, Setting, Split, Task};
use lamplight::metrics::{MeteorStages, SampleScore, ScoreSet, Scorer};
use lamplight::record::{
    CacheKey, CachedAnswer, Column, DatasetSpec, Finish, ModelSpec, Prediction, PromptSpec, PromptText,
    Retrieved, RetrieverSpec, RunSpec, Training,
};
use lamplight::store::Store;

use super::support;

/// Predictions a transaction, as a run of a fast model stores them.
const BATCH: usize = 512;

/// Runs among which the rows are divided.
pub const RUNS: usize = 10;

/// How filling went.
pub struct Filled {
    /// Predictions a run.
    pub per_run: usize,
    /// Seconds, without making the rows.
    pub wall: f64,
    /// Processor seconds, without making the rows.
    pub cpu: f64,
}

/// Fills a store with so many predictions in ten finished runs.
pub fn fill(path: &Path, rows: usize, prompt_bytes: usize) -> Filled {
    let mut store = Store::open(path).unwrap();
    let per_run = rows.div_ceil(RUNS);
    let template = prediction(prompt_bytes);
    let (clock, cpu) = (Instant::now(), support::cpu_seconds());
    let mut made = 0.0;
    for k in 0..RUNS {
        let run = store.plan(&spec(k), per_run as u64).unwrap();
        for start in (0..per_run).step_by(BATCH) {
            let making = Instant::now();
            let range = start..per_run.min(start + BATCH);
            let batch: Vec<Prediction> = range.map(|at| at_position(&template, at as u32)).collect();
            let answers: Vec<_> = batch.iter().map(|row| answer(k, row)).collect();
            made += making.elapsed().as_secs_f64();
            store.save(run.id, &batch, &answers, 1).unwrap();
        }
        let scores: Vec<SampleScore> = vec![template.score.unwrap(); per_run];
        let making = Instant::now();
        let set = ScoreSet::new(Task::Lamp4, scores, MeteorStages::ExactStem).unwrap();
        let aggregate = set.aggregate(Task::Lamp4.metrics(), None);
        let column = |&metric: &Metric| Column {
            metric,
            positions: (0..per_run as u32).collect(),
            values: set.scores().iter().filter_map(|score| score.value(metric)).collect(),
        };
        let columns: Vec<Column> = Task::Lamp4.metrics().iter().map(column).collect();
        made += making.elapsed().as_secs_f64();
        store.finish(run.id, &aggregate, &columns).unwrap();
    }
    Filled { per_run, wall: clock.elapsed().as_secs_f64() - made, cpu: support::cpu_seconds() - cpu - made }
}

/// The spec of the k-th run.
pub fn spec(k: usize) -> RunSpec {
    RunSpec {
        program: "0".into(),
        dataset: DatasetSpec {
            task: Task::Lamp4,
            setting: Setting::User,
            split: Split::Dev,
            fingerprint: "0".into(),
            limit: None,
            sample_seed: None,
            skip_broken: false,
        },
        model: ModelSpec {
            name: "none".into(),
            fingerprint: "0".into(),
            training: Training::ZeroShot,
            device: "cpu".into(),
            precision: "f32".into(),
            options: serde_json::Map::new(),
        },
        retriever: RetrieverSpec { config: "bm25".into(), k, use_date: false, encoders: Vec::new() },
        prompt: Some(PromptSpec {
            template: "official".into(),
            template_toml: "x".repeat(1500),
            mode: "official".into(),
            max_length: 512,
        }),
        generation: None,
        parsing: "official".into(),
    }
}

/// A prediction with a prompt so long.
pub fn prediction(prompt_bytes: usize) -> Prediction {
    let raw = "The mayor opens the new bridge over the river".to_owned();
    let reference = "Mayor opens bridge over the old river".to_owned();
    let entry = |at: usize| Retrieved {
        index: at * 7,
        id: format!("31{at}0-{at}"),
        score: Some(1.5 / (at + 1) as f64),
    };
    Prediction {
        position: 0,
        sample_id: String::new(),
        profile_entries: 200,
        retrieved: (0..4).map(entry).collect(),
        prompt: Some(PromptText {
            text: "words of a prompt ".repeat(prompt_bytes.div_ceil(18)),
            report: "{\"tokens\":400,\"entries\":[]}".repeat(8),
        }),
        score: Some(Scorer::new(Task::Lamp4, None).score(&raw, &reference).unwrap()),
        answer: raw.clone(),
        raw,
        reference: Some(reference),
        parsed: true,
        finish: Finish::End,
        prompt_tokens: 400,
        new_tokens: 12,
        model_ms: 1.25,
        cached: false,
        fell_back: false,
        input_cut: false,
        estimated: false,
        error: None,
    }
}

/// The same at a position.
pub fn at_position(template: &Prediction, position: u32) -> Prediction {
    Prediction { position, sample_id: format!("3{position:07}"), ..template.clone() }
}

/// An answer under a key that lies anywhere, as hashes do.
fn answer(run: usize, row: &Prediction) -> (CacheKey, CachedAnswer) {
    let mut state = (run as u64) << 32 | u64::from(row.position);
    let mut key = [0; 32];
    for part in key.chunks_exact_mut(8) {
        state = (state ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(31);
        part.copy_from_slice(&state.to_le_bytes());
    }
    let raw = row.raw.clone();
    (
        CacheKey(key),
        CachedAnswer { raw, finish: row.finish, prompt_tokens: 400, new_tokens: 12, estimated: false },
    )
}
