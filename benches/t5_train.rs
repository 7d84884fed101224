//! A step of T5 fine-tuning, timed: `cargo bench --bench t5_train -- --model DIR --batch 8 --len 256 --out 16 --threads 2` prints one
//! JSON line: forward, backward, clipping and AdamW, as `train` does them.
//!
//! With `--serve FILE` the examples are the file's (a JSON object of `prompts` and `labels`, lists of tokens); each line of
//! standard input has one step taken and its time and loss printed, so that another program can take turns.
//! `side_by_side.py train` does so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures and fails as it likes"
)]

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

#[path = "support/mod.rs"]
mod support;

use clap::Parser;
use lamplight::model::{DeviceChoice, Dropout, GenerationConfig};
use lamplight::train::t5::{DevOptions, T5FineTuning};
use lamplight::train::{AdamW, AdamWOptions, Example, Examples, Gradients, Trainable, step_seed};

#[derive(Parser)]
struct Arguments {
    /// A folder with config.json and weights.
    #[arg(long)]
    model: PathBuf,
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Tokens of a prompt.
    #[arg(long, default_value_t = 256)]
    len: usize,
    /// Tokens of a label.
    #[arg(long, default_value_t = 16)]
    out: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    #[arg(long, default_value_t = 0.1)]
    dropout: f32,
    #[arg(long, default_value_t = 4)]
    steps: usize,
    /// Print how long each part of a step takes.
    #[arg(long)]
    parts: bool,
    /// A file of examples, from which a step is taken for each line of standard input.
    #[arg(long)]
    serve: Option<PathBuf>,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    // What candle asks for when it decides how many threads share a product.
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", arguments.threads.to_string()) };
    let examples = match &arguments.serve {
        Some(file) => {
            let read: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            let rows = |key: &str| serde_json::from_value::<Vec<Vec<u32>>>(read[key].clone()).unwrap();
            rows("prompts").into_iter().zip(rows("labels")).collect()
        }
        None => random(&arguments),
    };
    let examples: Vec<Example> =
        examples.into_iter().map(|(prompt, labels)| Example { id: String::new(), prompt, labels }).collect();
    let batch: Vec<u32> = (0..examples.len() as u32).collect();
    let dev = DevOptions {
        generation: GenerationConfig::default(),
        batch: 1,
        threads: arguments.threads,
        device: DeviceChoice::Cpu,
    };
    let examples = Examples { train: examples, ..Examples::default() };
    let model = T5FineTuning::load(&arguments.model, examples, dev).expect("the model loads");
    let options = AdamWOptions { weight_decay: 1e-4, ..AdamWOptions::default() };
    let mut optimizer = AdamW::new(model.parameters(), options).unwrap();
    let mut number = 0;
    let mut step = || {
        let (wall, cpu) = (Instant::now(), support::cpu_seconds());
        let mut dropout = Dropout::new(arguments.dropout, step_seed(1, number, 0));
        number += 1;
        let loss = model.loss(&batch, &mut dropout).unwrap();
        let value = loss.to_scalar::<f32>().unwrap();
        let forward = wall.elapsed().as_secs_f64();
        let mut gradients = Gradients::new(model.parameters());
        gradients.add(model.parameters(), loss.backward().unwrap()).unwrap();
        let backward = wall.elapsed().as_secs_f64();
        let norm = gradients.norm().unwrap();
        optimizer.step(model.parameters(), &gradients, norm, 5e-5, Some(1.0)).unwrap();
        let whole = wall.elapsed().as_secs_f64();
        if arguments.parts {
            let (back, update) = (backward - forward, whole - backward);
            eprintln!("forward {forward:.3} s, backward {back:.3} s, update {update:.3} s");
        }
        (whole, support::cpu_seconds() - cpu, value)
    };
    if arguments.serve.is_some() {
        for line in std::io::stdin().lines() {
            line.expect("standard input can be read");
            let (wall, cpu, loss) = step();
            let peak = support::peak_rss_mb();
            println!("{}", serde_json::json!({"wall": wall, "cpu": cpu, "peak_rss_mb": peak, "loss": loss}));
            std::io::stdout().flush().expect("standard output can be written");
        }
        return;
    }
    // The first step warms the caches.
    step();
    let taken: Vec<(f64, f64, f32)> = (0..arguments.steps).map(|_| step()).collect();
    let least = |of: fn(&(f64, f64, f32)) -> f64| taken.iter().map(of).fold(f64::INFINITY, f64::min);
    println!(
        "{}",
        serde_json::json!({
            "bench": "t5_train_step", "engine": "lamplight", "batch": batch.len(), "len": arguments.len, "out": arguments.out,
            "threads": arguments.threads, "steps_per_s": 1.0 / least(|step| step.0), "cpu_s": least(|step| step.1),
            "s_per_step": taken.iter().map(|step| step.0).collect::<Vec<f64>>(),
            "losses": taken.iter().map(|step| step.2).collect::<Vec<f32>>(), "peak_rss_mb": support::peak_rss_mb(),
        })
    );
}

/// Examples of random tokens, the same at every call.
fn random(arguments: &Arguments) -> Vec<(Vec<u32>, Vec<u32>)> {
    let mut state = 3u64;
    let mut tokens = |count: usize| -> Vec<u32> {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            5 + ((state >> 33) % 31_995) as u32
        };
        (1..count).map(|_| next()).chain([1]).collect()
    };
    (0..arguments.batch).map(|_| (tokens(arguments.len), tokens(arguments.out))).collect()
}
