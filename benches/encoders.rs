//! Encoders, timed: `cargo bench --bench encoders -- --model DIR --json TEXTS --batch 32 --threads 2` tokenizes and encodes
//! the texts of a JSON array, a batch a call, and prints one JSON line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and fails as it likes"
)]

mod support;

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use lamplight::jobs::{CancelToken, Progress};
use lamplight::model::bert::BertEncoder;
use lamplight::model::{Encoder, EncoderOptions, Precision};

#[derive(Parser)]
struct Arguments {
    /// A folder with config.json, a tokenizer and weights.
    #[arg(long)]
    model: PathBuf,
    /// The texts.
    #[arg(long)]
    json: PathBuf,
    /// The first so many texts only.
    #[arg(long)]
    n: Option<usize>,
    /// Texts a call.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    #[arg(long, default_value = "f32")]
    dtype: String,
    #[arg(long, default_value_t = 512)]
    max_tokens: usize,
    /// Shortest text first.
    #[arg(long)]
    sort: bool,
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
    let options = EncoderOptions {
        precision,
        threads: arguments.threads,
        normalize: Some(false),
        max_tokens: Some(arguments.max_tokens),
        ..Default::default()
    };
    let json = std::fs::read(&arguments.json).expect("the texts are there");
    let mut texts: Vec<String> = serde_json::from_slice(&json).expect("an array of texts");
    texts.truncate(arguments.n.unwrap_or(usize::MAX));
    if arguments.sort {
        texts.sort_by_key(|text| text.chars().count());
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let cancel = CancelToken::new();
    let mut encoder =
        BertEncoder::load(&arguments.model, &options, &cancel, &Progress::default()).expect("it loads");
    let tokens: usize = texts.iter().map(|text| encoder.tokens(text).expect("it tokenizes").len()).sum();
    let mut run = |texts: &[&str]| -> f64 {
        let vectors = encoder.encode(&cancel, texts).expect("it encodes");
        vectors.values.iter().copied().map(f64::from).sum()
    };
    let batch = arguments.batch.max(1);
    // The first batch warms the caches, as the peers' does.
    run(&texts[..batch.min(texts.len())]);
    let (wall, cpu) = (Instant::now(), support::cpu_seconds());
    let checksum: f64 = texts.chunks(batch).map(run).sum();
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), support::cpu_seconds() - cpu);
    let count = texts.len() as f64;
    println!(
        "{}",
        serde_json::json!({
            "bench": "dense",
            "engine": "lamplight",
            "dtype": arguments.dtype,
            "n": texts.len(),
            "batch": batch,
            "threads": arguments.threads,
            "sorted": arguments.sort,
            "mean_tokens": tokens as f64 / count,
            "texts_per_s": count / wall,
            "texts_per_cpu_s": count / cpu,
            "wall_s": wall,
            "cpu_s": cpu,
            "checksum": checksum,
            "peak_rss_mb": support::peak_rss_mb(),
        })
    );
}
