//! Opening a large questions file: the pass that finds its records, and opening it again with the index kept.
//!
//! `cargo bench --bench open_questions -- --json FILE` opens FILE, which must hold LaMP-4 records, and prints one
//! line of JSON; without it a file of 40 MB is made. Everything runs on one thread: what limits the pass is, in
//! equal parts, fetching the bytes from the system, finding the ends of texts, and the mispredicted branches
//! between many short ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures and fails as it likes"
)]

mod support;

use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use lamplight::dataset::{Catalog, OpenOptions, open};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::Task;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = support::json_argument().unwrap_or_else(|| {
        let made = folder.path().join("dev_questions.json");
        invent(&made, 40_000_000).expect("the temporary folder can be written to");
        made
    });
    println!("{}", measure(&file, &folder.path().join("cache")));
}

fn measure(file: &Path, cache: &Path) -> serde_json::Value {
    let open = |cache: Option<&Path>| -> Catalog {
        let options = OpenOptions {
            cache: cache.map(Path::to_owned),
            task: Some(Task::Lamp4),
            ..OpenOptions::default()
        };
        open(&[file.to_owned()], &options, &CancelToken::new(), &Progress::new()).expect("the file is there")
    };
    let megabytes = std::fs::metadata(file).expect("the file is there").len() as f64 / 1e6;
    let (clock, cpu) = (Instant::now(), support::cpu_seconds());
    let catalog = open(None);
    let (wall, cpu) = (clock.elapsed().as_secs_f64(), support::cpu_seconds() - cpu);
    let peak = support::peak_rss_mb();
    let summaries = || catalog.datasets.iter().flat_map(|dataset| dataset.summaries());

    open(Some(cache)); // keeps the index
    let mut reopened: Vec<f64> = (0..5)
        .map(|_| {
            let clock = Instant::now();
            std::hint::black_box(open(Some(cache)));
            clock.elapsed().as_secs_f64()
        })
        .collect();
    reopened.sort_by(f64::total_cmp);
    serde_json::json!({
        "bench": "json_load", "engine": "lamplight", "mb": (megabytes * 10.0).round() / 10.0,
        "wall_s": wall, "cpu_s": cpu, "mb_per_s": megabytes / wall,
        "records": summaries().count(),
        "profile_items": summaries().map(|record| record.profile_entries).sum::<usize>(),
        "peak_rss_mb": peak, "reopen_s": reopened[reopened.len() / 2],
    })
}

fn invent(path: &Path, bytes: usize) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    let text = "the people of the town came to see what had been built beside the river ".repeat(10);
    let mut written = 0;
    for number in 0.. {
        let entry = format!(
            r#"{{"text": "{text}", "title": "A title \u00e9", "id": "{number}0", "date": "2014-03-07"}}"#
        );
        let profile = vec![entry; 100].join(", ");
        let separator = if number == 0 { "[" } else { ", " };
        let record = format!(
            r#"{separator}{{"id": "{number:05}", "input": "Generate a headline for the following article: {text}", "profile": [{profile}]}}"#,
        );
        written += record.len();
        out.write_all(record.as_bytes())?;
        if written > bytes {
            break;
        }
    }
    out.write_all(b"]")?;
    out.flush()
}
