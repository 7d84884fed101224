//! T5 generation, timed: `cargo bench --bench t5_gen -- --model DIR --batch 8 --threads 2 --dtype f32 --new 16 --beams 4
//! --len 512` prints one JSON line. The prompts are random tokens of one length, or with `--mixed` of lengths from 64 to `len`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures and fails as it likes"
)]

use std::path::PathBuf;
use std::time::Instant;

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
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// CPU seconds of the process so far, all threads; 0 where the system does not say.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .rsplit(") ")
        .next()
        .unwrap_or("")
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|f| f.parse().ok())
        .collect();
    fields.iter().sum::<f64>() / 100.0
}

/// The most memory that was resident, in MB; 0 where the system does not say.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
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
    let mut state = 3u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let samples = arguments.samples.unwrap_or(arguments.batch);
    let vocabulary = engine.config().vocab_size as u64;
    let prompts: Vec<Vec<u32>> = (0..samples)
        .map(|_| {
            let len =
                if arguments.mixed { 64 + next(arguments.len as u64 - 63) as usize } else { arguments.len };
            (1..len).map(|_| 5 + next(vocabulary - 133) as u32).chain([1]).collect()
        })
        .collect();
    let views: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let config = GenerationConfig {
        beams: arguments.beams,
        max_new_tokens: arguments.new,
        min_new_tokens: arguments.new,
        ..Default::default()
    };
    let mut best = (f64::INFINITY, f64::INFINITY);
    let mut walls = Vec::new();
    for rep in 0..=arguments.reps {
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        let found = engine.generate(&CancelToken::new(), &views, &config).expect("generation succeeds");
        let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        assert!(found.iter().all(|hypotheses| hypotheses[0].tokens.len() == arguments.new));
        // The first repetition warms the caches.
        if rep > 0 || arguments.reps == 0 {
            best = (best.0.min(wall), best.1.min(cpu));
            walls.push(format!("{wall:.3}"));
        }
    }
    println!(
        "{{\"bench\": \"t5_gen\", \"engine\": \"lamplight\", \"dtype\": \"{}\", \"batch\": {}, \"samples\": {samples}, \"len\": {}, \
         \"new\": {}, \"beams\": {}, \"threads\": {}, \"samples_per_s\": {:.3}, \"cpu_s\": {:.3}, \"s_per_run\": [{}], \
         \"load_s\": {load_s:.2}, \"peak_rss_mb\": {:.0}}}",
        arguments.dtype,
        arguments.batch,
        arguments.len,
        arguments.new,
        arguments.beams,
        arguments.threads,
        samples as f64 / best.0,
        best.1,
        walls.join(", "),
        peak_mb(),
    );
}
