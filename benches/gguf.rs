//! Prompt and generation speed of a GGUF model, as one line of JSON.
//!
//! `cargo bench --bench gguf -- --model FILE --prompt-tokens 512 --new 64 --threads 2 --together 1`; `--json FILE` is
//! the same on one thread.
//!
//! The best of three repetitions, per second of the clock and per second of processor time (Linux); the prompt is
//! the same text that the script for llama.cpp repeats.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures and fails as it likes"
)]

use std::time::Instant;

use lamplight::jobs::CancelToken;
use lamplight::model::gguf::{GgufModel, GgufOptions};
use lamplight::model::{GenerationConfig, Generator, PromptInput, TextTokenizer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let value =
        |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let number =
        |name: &str, default: usize| value(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    // Beside a peer, on one thread.
    let beside = value("--json");
    let threads = if beside.is_some() { 1 } else { 2 };
    let Some(file) = value("--model").or(beside) else {
        println!("{{\"skipped\": \"no --model FILE\"}}");
        return Ok(());
    };
    let (length, new, threads) =
        (number("--prompt-tokens", 512), number("--new", 64), number("--threads", threads));
    let together = number("--together", 1);
    let start = Instant::now();
    let options = GgufOptions { threads: Some(threads), ..Default::default() };
    let mut model = GgufModel::load(file.as_ref(), &options)?;
    let load = start.elapsed().as_secs_f64();
    let text = "The quick brown fox jumps over the lazy dog and writes a personal headline for the article. "
        .repeat(200);
    let tokens = model.tokenizer().encode(&text)?;
    let prompt = PromptInput { text: &text, tokens: &tokens[..length] };
    let prompts = vec![prompt; together];
    let mut timed = |new: usize| -> Result<(f64, f64, Vec<u32>), Box<dyn std::error::Error>> {
        let config =
            GenerationConfig { beams: 1, max_new_tokens: new, min_new_tokens: new, ..Default::default() };
        let (start, processor) = (Instant::now(), processor_seconds());
        let answers = model.generate(&CancelToken::new(), &prompts, &config)?;
        let tokens = answers[0].best().map(|best| best.tokens.clone()).unwrap_or_default();
        Ok((start.elapsed().as_secs_f64(), processor_seconds() - processor, tokens))
    };
    let (mut best_prompt, mut best_new) = ([f64::MAX; 2], [f64::MAX; 2]);
    let mut first = Vec::new();
    for _ in 0..number("--reps", 3) {
        let prompt = timed(1)?;
        let both = timed(new + 1)?;
        best_prompt = [best_prompt[0].min(prompt.0), best_prompt[1].min(prompt.1)];
        best_new = [best_new[0].min(both.0 - prompt.0), best_new[1].min(both.1 - prompt.1)];
        first = both.2;
    }
    let (read, written) = ((length * together) as f64, (new * together) as f64);
    println!(
        "{{\"bench\": \"gguf_decoder\", \"engine\": \"lamplight\", \"prompt_tokens\": {length}, \"gen_tokens\": {new}, \
         \"together\": {together}, \"threads\": {threads}, \"load_s\": {load:.3}, \"prompt_tok_s\": {:.1}, \
         \"gen_tok_s\": {:.2}, \"prompt_tok_per_cpu_s\": {:.1}, \"gen_tok_per_cpu_s\": {:.2}, \"first_ids\": {:?}}}",
        read / best_prompt[0],
        written / best_new[0],
        read / best_prompt[1],
        written / best_new[1],
        &first[..first.len().min(16)],
    );
    Ok(())
}

/// Processor time of this process so far, in seconds; 0 where the system does not say.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
