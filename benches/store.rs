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

use lamplight::lamp::Task;
use lamplight::store::{Reader, Store};
use many::Filled;

#[path = "support/many.rs"]
mod many;
mod support;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(default, |at| arguments[at + 1].parse().expect("a number"))
    };
    let (rows, prompt_bytes) = (number("--rows", 1_000_000), number("--prompt-bytes", 1500));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.db");

    let Filled { per_run, wall, cpu } = many::fill(&path, rows, prompt_bytes);
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
        "bench": "store", "rows": per_run * many::RUNS, "prompt_bytes": prompt_bytes, "file_mb": bytes as f64 / 1e6,
        "save_rows_per_s": (per_run * many::RUNS) as f64 / wall, "save_rows_per_cpu_s": (per_run * many::RUNS) as f64 / cpu,
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
