//! ROUGE-1 and ROUGE-L of many short pairs on one thread.
//!
//! `cargo bench --bench rouge` times made-up pairs; `cargo bench --bench rouge -- --json FILE` times those of FILE, a
//! JSON array of `[prediction, reference]`, and prints one line of JSON. What limits it: reading and hashing the
//! characters; the subsequences themselves are a few additions a pair.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures and fails as it likes"
)]

use std::time::Instant;

use lamplight::metrics::RougeScorer;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--json") {
        Some(at) => time_file(arguments.get(at + 1).expect("--json needs a file")),
        None => divan::main(),
    }
}

fn mean_rouge_l(scorer: &mut RougeScorer, pairs: &[(String, String)]) -> f64 {
    let sum: f64 =
        pairs.iter().map(|(prediction, reference)| scorer.rouge_1_and_l(prediction, reference).1.f).sum();
    sum / pairs.len() as f64
}

fn time_file(path: &str) {
    let text = std::fs::read(path).expect("the file can be read");
    let pairs: Vec<(String, String)> = serde_json::from_slice(&text).expect("an array of pairs of texts");
    let mut scorer = RougeScorer::new(false);
    let mean = mean_rouge_l(&mut scorer, &pairs); // warms up, too
    // A single pass takes milliseconds: enough passes for the clock.
    let (start, mut passes) = (Instant::now(), 0u32);
    let mut best = f64::INFINITY;
    while start.elapsed().as_secs_f64() < 1.0 {
        let pass = Instant::now();
        std::hint::black_box(mean_rouge_l(&mut scorer, std::hint::black_box(&pairs)));
        best = best.min(pass.elapsed().as_secs_f64());
        passes += 1;
    }
    let mean_pass = start.elapsed().as_secs_f64() / f64::from(passes);
    println!(
        "{}",
        serde_json::json!({
            "bench": "rouge", "engine": "lamplight", "types": "rouge1+rougeL", "pairs": pairs.len(), "passes": passes,
            "pairs_per_s": (pairs.len() as f64 / mean_pass).round(),
            "pairs_per_cpu_s": (pairs.len() as f64 / cpu_seconds_a_pass(best)).round(),
            "mean_rougeL": (mean * 1e6).round() / 1e6,
            "peak_rss_mb": peak_rss_mb(),
        })
    );
}

/// One thread that never waits: the fastest pass took as much processor time as wall time.
const fn cpu_seconds_a_pass(best: f64) -> f64 {
    best
}

/// The process' largest resident memory in MB, where the system tells it in a file.
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some((kilobytes / 102.4).round() / 10.0)
}

#[divan::bench]
fn pairs_of_12_words(bencher: divan::Bencher<'_, '_>) {
    let text = |salt: u32| -> String {
        (0..12u32).map(|i| format!("word{} ", (i * salt + 7 * salt) % 37)).collect()
    };
    let pairs: Vec<(String, String)> = (1..=1_000).map(|i| (text(i), text(i + 1))).collect();
    let mut scorer = RougeScorer::new(false);
    bencher.bench_local(|| mean_rouge_l(&mut scorer, &pairs));
}
