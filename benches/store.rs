//! A store of many predictions: filling it, opening it and reading from it: `cargo bench --bench store`.
//!
//! `-- --rows N` sets how many predictions (1,000,000), `--prompt-bytes N` how long their prompts are (1500), `--json` prints
//! one JSON line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures and fails as it likes"
)]

use std::ops::ControlFlow;
use std::time::Instant;

use lamplight::lamp::{Metric, Setting, Split, Task};
use lamplight::metrics::{MeteorStages, SampleScore, ScoreSet, Scorer};
use lamplight::record::{
    CacheKey, CachedAnswer, Column, DatasetSpec, Finish, ModelSpec, Prediction, PromptSpec, PromptText,
    Retrieved, RetrieverSpec, RunSpec, Training,
};
use lamplight::store::{Reader, Store};

mod support;

/// Predictions a transaction, as a run of a fast model stores them.
const BATCH: usize = 512;

/// Runs among which the rows are divided.
const RUNS: usize = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(default, |at| arguments[at + 1].parse().expect("a number"))
    };
    let (rows, prompt_bytes) = (number("--rows", 1_000_000), number("--prompt-bytes", 1500));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.db");

    let mut store = Store::open(&path).unwrap();
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
    let (wall, cpu) = (clock.elapsed().as_secs_f64() - made, support::cpu_seconds() - cpu - made);
    drop(store);
    let bytes = std::fs::metadata(&path).unwrap().len();

    let timed = |what: &mut dyn FnMut()| {
        let clock = Instant::now();
        what();
        clock.elapsed().as_secs_f64() * 1e3
    };
    let mut reader = None;
    let open = timed(&mut || reader = Some(Reader::open(&path).unwrap()));
    let reader = reader.unwrap();
    let mut runs = Vec::new();
    let list = timed(&mut || runs = reader.runs().unwrap());
    let columns = timed(&mut || {
        for run in &runs {
            for &metric in Task::Lamp4.metrics() {
                assert_eq!(reader.column(run.id, metric).unwrap().unwrap().values.len(), per_run);
            }
        }
    });
    let last = runs.last().unwrap().id;
    let one = timed(&mut || {
        for n in 0..1000 {
            let position = (n * 7919) % per_run as u32;
            assert!(reader.prediction(last, position).unwrap().is_some());
        }
    });
    let positions = timed(&mut || assert_eq!(reader.positions(last).unwrap().len(), per_run));
    let scores = timed(&mut || assert_eq!(reader.scores(last).unwrap().len(), per_run));
    let mut seen = 0;
    let stream = timed(&mut || {
        let each = &mut |_| {
            seen += 1;
            ControlFlow::Continue(())
        };
        reader.predictions(last, false, each).unwrap();
    });
    assert_eq!(seen, per_run);
    let open_writer = timed(&mut || drop(Store::open(&path).unwrap()));
    let figures = serde_json::json!({
        "bench": "store", "rows": per_run * RUNS, "prompt_bytes": prompt_bytes, "file_mb": bytes as f64 / 1e6,
        "save_rows_per_s": (per_run * RUNS) as f64 / wall, "save_rows_per_cpu_s": (per_run * RUNS) as f64 / cpu,
        "open_ms": open, "open_writer_ms": open_writer, "runs_ms": list, "all_columns_ms": columns,
        "prediction_ms": one / 1000.0, "positions_of_a_run_ms": positions, "scores_of_a_run_ms": scores,
        "stream_of_a_run_ms": stream, "rows_of_a_run": per_run, "peak_rss_mb": support::peak_rss_mb(),
    });
    if arguments.iter().any(|argument| argument == "--json") {
        println!("{figures}");
    } else {
        println!("{figures:#}");
    }
}

fn spec(k: usize) -> RunSpec {
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

fn prediction(prompt_bytes: usize) -> Prediction {
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
        error: None,
    }
}

fn at_position(template: &Prediction, position: u32) -> Prediction {
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
    (CacheKey(key), CachedAnswer { raw, finish: row.finish, prompt_tokens: 400, new_tokens: 12 })
}
