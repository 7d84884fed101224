//! How long the window's own code takes a frame while a run writes and much is stored: `cargo bench --bench frames`.
//!
//! A store is filled with a million predictions (`-- --rows N`), a thread goes on writing 500 a second, and the window draws each
//! screen for some seconds (`--seconds N`) while the pointer wanders and the wheel turns. A frame is what the program does in it:
//! commands, finished jobs, layout, the tree for screen readers; not the pixels, which are the graphics driver's. Prints the
//! median, the 99th percentile and the longest frame of each screen, in milliseconds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints its figures and fails as it likes"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use eframe::egui::{Event, Modifiers, MouseWheelSource, MouseWheelUnit, TouchPhase, pos2, vec2};
use egui_kittest::Harness;
use lamplight::gui::App;
use lamplight::gui::command::{Command, Inspection, Screen};
use lamplight::gui::memory::Memory;
use lamplight::lamp::{Setting, Task};
use lamplight::record::RunId;
use lamplight::run::Places;
use lamplight::store::Store;
use lamplight::train::{CurvePoint, DevScore, Evaluation, JobRecord, TrainRecipe};

#[path = "support/many.rs"]
mod many;
mod support;

/// Rows written a second.
const RATE: u64 = 500;
/// Sixty frames a second.
const FRAME: Duration = Duration::from_micros(16_667);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(default, |at| arguments[at + 1].parse().expect("a number"))
    };
    let (rows, seconds) = (number("--rows", 1_000_000), number("--seconds", 8) as u64);
    let folder = tempfile::tempdir().unwrap();
    let places = Places {
        store: folder.path().join("lamplight.db"),
        store_given: true,
        models: folder.path().join("models"),
        models_given: true,
        cache: Some(folder.path().join("cache")),
        embeddings: None,
        memory: None,
    };
    many::fill(&places.store, rows, 1500);
    training(&places.models);
    let done = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (path, done) = (places.store.clone(), Arc::clone(&done));
        move || write(&path, &done)
    });
    let mut harness = Harness::builder().with_size([1280.0, 720.0]).build_eframe(move |creation| {
        let mut memory = Memory::default();
        memory.data.push(concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/sample").into());
        App::new(&creation.egui_ctx, places, memory)
    });
    for _ in 0..60 {
        harness.step();
        std::thread::sleep(FRAME);
    }
    println!("{:<12}{:>8}{:>10}{:>10}{:>10}", "screen", "frames", "median", "99th", "longest");
    for screen in Screen::RAIL {
        let command = match screen {
            Screen::Inspect => {
                Command::Inspect(Inspection { run: RunId(1), position: None, against: Some(RunId(2)) })
            }
            other => Command::Go(other),
        };
        harness.state_mut().push(command);
        let mut times = Vec::new();
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            wander(&harness, times.len());
            let began = Instant::now();
            harness.step();
            let took = began.elapsed();
            times.push(took.as_secs_f64() * 1e3);
            std::thread::sleep(FRAME.saturating_sub(took));
        }
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        println!(
            "{:<12}{:>8}{:>10.2}{:>10.2}{:>10.2}",
            screen.name(),
            times.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    done.store(true, Ordering::Release);
    writer.join().unwrap();
    println!(
        "memory {} MB at most",
        support::peak_rss_mb().map_or_else(|| "?".to_owned(), |mb| mb.to_string())
    );
}

/// A training of many steps that was broken off.
fn training(models: &std::path::Path) {
    let job = models.join("training").join("long");
    std::fs::create_dir_all(&job).unwrap();
    let record = JobRecord {
        version: 1,
        program: "bench".to_owned(),
        name: Some("long".to_owned()),
        recipe: TrainRecipe::default(),
        model_fingerprint: String::new(),
        examples: String::new(),
        train_examples: 16_000,
        dev_samples: 100,
        steps: 40_000,
    };
    std::fs::write(job.join("job.json"), serde_json::to_vec(&record).unwrap()).unwrap();
    let mut curve = Vec::new();
    for step in 1..=20_000_u64 {
        let point = CurvePoint::Step {
            step,
            epoch: step as f64 / 200.0,
            loss: 0.5 + 4.0 * (-(step as f64) / 3e3).exp() + (step % 17) as f64 * 0.02,
            rate: 5e-5,
            gradient_norm: 1.0,
            tokens: 4_000,
            seconds: 0.5,
        };
        curve.push(serde_json::to_string(&point).unwrap());
        if step % 200 == 0 {
            let (task, setting, metric) = (Task::Lamp3, Setting::User, Task::Lamp3.primary_metric());
            let value = 1.0 / step as f64;
            let scores = vec![DevScore { task, setting, metric, value, samples: 100 }];
            let dev =
                CurvePoint::Dev(Evaluation { step, epoch: step / 200, scores, value: 1.0 - value / 4.0 });
            curve.push(serde_json::to_string(&dev).unwrap());
        }
    }
    std::fs::write(job.join("curve.jsonl"), curve.join("\n") + "\n").unwrap();
}

/// Writes rows of another run, as a model that answers would.
fn write(path: &std::path::Path, done: &AtomicBool) {
    let mut store = Store::open(path).unwrap();
    let run = store.plan(&many::spec(many::RUNS), u64::from(u32::MAX)).unwrap();
    let template = many::prediction(1500);
    let batch = 10;
    let mut position = 0;
    let mut next = Instant::now();
    while !done.load(Ordering::Acquire) {
        let rows: Vec<_> = (0..batch as u32).map(|at| many::at_position(&template, position + at)).collect();
        store.save(run.id, &rows, &[], 20).unwrap();
        position += batch as u32;
        next += Duration::from_millis(1000 * batch / RATE);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Moves the pointer over the screen and turns the wheel, a little each frame.
fn wander(harness: &Harness<'_, App>, frame: usize) {
    let turn = frame as f32 * 0.05;
    harness.hover_at(pos2(640.0 + 380.0 * turn.cos(), 380.0 + 260.0 * (turn * 0.7).sin()));
    if frame.is_multiple_of(3) {
        let down = if (frame / 120).is_multiple_of(2) { -40.0 } else { 40.0 };
        harness.event(Event::MouseWheel {
            unit: MouseWheelUnit::Point,
            delta: vec2(0.0, down),
            phase: TouchPhase::Move,
            source: MouseWheelSource::Wheel,
            modifiers: Modifiers::NONE,
        });
    }
}
