//! T5 generation, timed: `cargo bench --bench t5_gen -- --model DIR --batch 8 --threads 2 --dtype f32 --new 16 --beams 4
//! --len 512` prints one JSON line. The prompts are random tokens of one length, or with `--mixed` of lengths from 64 to `len`.
//!
//! With `--serve FILE` the prompts are the file's (a JSON list of lists of tokens); each line of standard input has them
//! answered once and the times printed, so that other programs can take turns. `side_by_side.py t5` does so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures and fails as it likes"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[path = "support/mod.rs"]
mod support;

use clap::Parser;
use lamplight::jobs::CancelToken;
use lamplight::model::t5::{T5Engine, T5Options};
use lamplight::model::{GenerationConfig, Precision};

#[derive(Parser)]
struct Arguments {
    /// A folder with config.json and weights.
    #[arg(long)]
    model: PathBuf,
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Prompts; as many as a batch unless given.
    #[arg(long)]
    samples: Option<usize>,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    #[arg(long, default_value = "f32")]
    dtype: String,
    #[arg(long, default_value_t = 16)]
    new: usize,
    #[arg(long, default_value_t = 4)]
    beams: usize,
    #[arg(long, default_value_t = 512)]
    len: usize,
    #[arg(long, default_value_t = 2)]
    reps: usize,
    #[arg(long)]
    mixed: bool,
    /// A file of prompts, answered once for each line of standard input.
    #[arg(long)]
    serve: Option<PathBuf>,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let precision = match arguments.dtype.as_str() {
        "f32" => Precision::F32,
        "int8" => Precision::Int8,
        other => panic!("{other} is neither f32 nor int8"),
    };
    let options =
        T5Options { precision, batch: arguments.batch, threads: arguments.threads, ..Default::default() };
    let begin = Instant::now();
    let mut engine = T5Engine::load(&arguments.model, options).expect("the model loads");
    let load_s = begin.elapsed().as_secs_f64();
    let prompts = match &arguments.serve {
        Some(file) => read_prompts(file),
        None => random_prompts(&arguments, engine.config().vocab_size as u64),
    };
    let views: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let config = GenerationConfig {
        beams: arguments.beams,
        max_new_tokens: arguments.new,
        min_new_tokens: arguments.new,
        ..Default::default()
    };
    let mut answer = || {
        let (wall, cpu) = (Instant::now(), support::cpu_seconds());
        let found = engine.generate(&CancelToken::new(), &views, &config).expect("generation succeeds");
        let times = (wall.elapsed().as_secs_f64(), support::cpu_seconds() - cpu);
        assert!(found.iter().all(|hypotheses| hypotheses[0].tokens.len() == arguments.new));
        (times, found)
    };
    if arguments.serve.is_some() {
        for line in std::io::stdin().lines() {
            line.expect("standard input can be read");
            let ((wall, cpu), found) = answer();
            let best: Vec<&[u32]> = found.iter().map(|hypotheses| hypotheses[0].tokens.as_slice()).collect();
            let peak = support::peak_rss_mb();
            println!(
                "{}",
                serde_json::json!({"wall": wall, "cpu": cpu, "peak_rss_mb": peak, "tokens": best})
            );
            std::io::stdout().flush().expect("standard output can be written");
        }
        return;
    }
    let mut best = (f64::INFINITY, f64::INFINITY);
    let mut walls = Vec::new();
    for rep in 0..=arguments.reps {
        let ((wall, cpu), _) = answer();
        // The first repetition warms the caches.
        if rep > 0 || arguments.reps == 0 {
            best = (best.0.min(wall), best.1.min(cpu));
            walls.push(format!("{wall:.3}"));
        }
    }
    println!(
        "{{\"bench\": \"t5_gen\", \"engine\": \"lamplight\", \"dtype\": \"{}\", \"batch\": {}, \"samples\": {}, \"len\": {}, \
         \"new\": {}, \"beams\": {}, \"threads\": {}, \"samples_per_s\": {:.3}, \"cpu_s\": {:.3}, \"s_per_run\": [{}], \
         \"load_s\": {load_s:.2}, \"peak_rss_mb\": {:.0}}}",
        arguments.dtype,
        arguments.batch,
        prompts.len(),
        arguments.len,
        arguments.new,
        arguments.beams,
        arguments.threads,
        prompts.len() as f64 / best.0,
        best.1,
        walls.join(", "),
        support::peak_rss_mb().unwrap_or(f64::NAN),
    );
}

/// The prompts of a file.
fn read_prompts(file: &Path) -> Vec<Vec<u32>> {
    serde_json::from_slice(&std::fs::read(file).expect("the prompts can be read"))
        .expect("a list of lists of tokens")
}

/// Prompts of random tokens, the same at every call.
fn random_prompts(arguments: &Arguments, vocabulary: u64) -> Vec<Vec<u32>> {
    let mut state = 3u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..arguments.samples.unwrap_or(arguments.batch))
        .map(|_| {
            let len =
                if arguments.mixed { 64 + next(arguments.len as u64 - 63) as usize } else { arguments.len };
            (1..len).map(|_| 5 + next(vocabulary - 133) as u32).chain([1]).collect()
        })
        .collect()
}
