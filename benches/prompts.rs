//! Prompts per second on one core: k 4, at most 512 tokens, synthetic text in the lengths of the real data.
//!
//! `tokens_of_finished_prompts` is the floor: what counting the finished prompts alone costs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures and fails as it likes"
)]

use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::ItemsCount;
use flate2::read::GzDecoder;
use lamplight::lamp::{ProfileEntry, Sample, Task};
use lamplight::model::{HfTokenizer, TextTokenizer};
use lamplight::prompt::{Preset, PromptBuilder, PromptMode, PromptOptions, Template};
use serde_json::Value;

static TOKENIZER: LazyLock<HfTokenizer> = LazyLock::new(|| {
    let mut plain = Vec::new();
    GzDecoder::new(read("t5_tokenizer.json.gz").as_slice())
        .read_to_end(&mut plain)
        .expect("test data unpacks");
    HfTokenizer::from_bytes(&plain).expect("test data holds a tokenizer")
});
static SAMPLES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_slice(&read("prompt_samples.json")).expect("test data is JSON"));

fn main() {
    divan::main();
}

fn read(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("data").join(name);
    std::fs::read(path).expect("test data is there")
}

fn samples(task: Task) -> Vec<Sample> {
    let name = match task {
        Task::Lamp2M => "LaMP-2",
        Task::Lamp2N => "LaMP-2-old",
        other => other.id(),
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entry = |entry: &Value| ProfileEntry {
        id: text(&entry["id"]),
        // The texts of news, reviews and abstracts are a few times longer than these.
        text: [text(&entry[task.text_field()]), text(&entry[task.text_field()])].join(" "),
        title: task.title_field().map(|field| text(&entry[field])),
        label: task.label_field().map(|field| text(&entry[field])),
        ..ProfileEntry::default()
    };
    let sample = |record: &Value| Sample {
        id: text(&record["id"]),
        input: text(&record["input"]),
        profile: record["profile"].as_array().into_iter().flatten().map(entry).collect(),
        ..Sample::default()
    };
    let all: Vec<Sample> = SAMPLES[name].as_array().into_iter().flatten().map(sample).collect();
    all.into_iter().filter(|sample| sample.profile.len() >= 4).collect()
}

fn prompts(bencher: Bencher<'_, '_>, task: Task, mode: PromptMode) {
    let template = Template::preset(task, Preset::Official).expect("every task has one");
    let options = PromptOptions { mode, max_length: 512 };
    let builder =
        PromptBuilder::new(task, &template, options, &*TOKENIZER).expect("the template fits the task");
    let samples = samples(task);
    bencher.counter(ItemsCount::new(samples.len())).bench(|| {
        for sample in &samples {
            divan::black_box(builder.build(sample, &[0, 1, 2, 3]).expect("a prompt is built"));
        }
    });
}

#[divan::bench(args = Task::ALL)]
fn official(bencher: Bencher<'_, '_>, task: Task) {
    prompts(bencher, task, PromptMode::Official);
}

#[divan::bench(args = Task::ALL)]
fn clean(bencher: Bencher<'_, '_>, task: Task) {
    prompts(bencher, task, PromptMode::Clean);
}

#[divan::bench(args = Task::ALL)]
fn tokens_of_finished_prompts(bencher: Bencher<'_, '_>, task: Task) {
    let template = Template::preset(task, Preset::Official).expect("every task has one");
    let builder = PromptBuilder::new(task, &template, PromptOptions::default(), &*TOKENIZER)
        .expect("the template fits the task");
    let texts: Vec<String> = samples(task)
        .iter()
        .map(|sample| builder.build(sample, &[0, 1, 2, 3]).expect("a prompt is built").text)
        .collect();
    bencher.counter(ItemsCount::new(texts.len())).bench(|| {
        for text in &texts {
            divan::black_box(TOKENIZER.encode(text).expect("text is tokenized"));
        }
    });
}
