//! Opening a large questions file: the pass that finds its records, and opening it again with the index kept.
//!
//! `cargo bench --bench open_questions -- FILE --json OUT` opens FILE once, without anything kept, and writes one
//! JSON line to OUT (`-` for standard output). With `--reopen` the index is kept first and opening again is what
//! is timed. Without FILE a file of 40 MB is made and both are printed.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program to be read by its author"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use lamplight::dataset::{Catalog, OpenOptions, open};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::Task;

fn main() {
    let mut file = None;
    let mut json = None;
    let mut reopen = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => json = arguments.next(),
            "--reopen" => reopen = true,
            "--bench" | "--test" => {} // from cargo
            other => file = Some(PathBuf::from(other)),
        }
    }
    let folder = tempfile::tempdir().unwrap();
    match file {
        Some(file) => {
            let line = measure(&file, reopen, folder.path());
            match json.as_deref() {
                Some("-") | None => println!("{line}"),
                Some(out) => std::fs::write(out, format!("{line}\n")).unwrap(),
            }
        }
        None => {
            let file = folder.path().join("dev_questions.json");
            invent(&file, 40_000_000);
            println!("{}", measure(&file, false, folder.path()));
            println!("{}", measure(&file, true, folder.path()));
        }
    }
}

fn measure(file: &Path, reopen: bool, cache: &Path) -> serde_json::Value {
    let options = OpenOptions {
        cache: reopen.then(|| cache.to_owned()),
        task: Some(Task::Lamp4),
        ..OpenOptions::default()
    };
    let open =
        || -> Catalog { open(&[file.to_owned()], &options, &CancelToken::new(), &Progress::new()).unwrap() };
    if reopen {
        open();
    }
    let megabytes = std::fs::metadata(file).unwrap().len() as f64 / 1e6;
    let (cpu, begun) = (cpu_seconds(), Instant::now());
    let catalog = open();
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let records: usize = catalog.datasets.iter().map(|dataset| dataset.len()).sum();
    let entries: usize =
        catalog.datasets.iter().flat_map(|dataset| dataset.summaries()).map(|r| r.profile_entries).sum();
    serde_json::json!({
        "bench": "json_load",
        "engine": if reopen { "lamplight_reopen" } else { "lamplight" },
        "mb": (megabytes * 10.0).round() / 10.0,
        "wall_s": wall,
        "cpu_s": cpu,
        "mb_per_s": megabytes / wall,
        "records": records,
        "profile_items": entries,
        "peak_rss_mb": peak_rss_mb(),
    })
}

/// Processor seconds of this process, where the system tells.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / 1024.0
}

fn invent(path: &Path, bytes: usize) {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    let text = "the people of the town came to see what had been built beside the river ".repeat(10);
    let mut written = 0;
    write!(out, "[").unwrap();
    for number in 0.. {
        let entry = format!(
            r#"{{"text": "{text}", "title": "A title \u00e9", "id": "{number}0", "date": "2014-03-07"}}"#
        );
        let profile = vec![entry; 100].join(", ");
        let record = format!(
            r#"{}{{"id": "{number:05}", "input": "Generate a headline for the following article: {text}", "profile": [{profile}]}}"#,
            if number == 0 { "" } else { ", " }
        );
        written += record.len();
        out.write_all(record.as_bytes()).unwrap();
        if written > bytes {
            break;
        }
    }
    write!(out, "]").unwrap();
}
