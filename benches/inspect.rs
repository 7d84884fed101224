//! The screen Inspect over a run of a million predictions: what opening, filtering, sorting, searching and moving cost a frame:
//! `cargo bench --bench inspect`.
//!
//! `-- --rows N` sets how many predictions (1,000,000), `--store FILE` keeps the store for the next time, `--json` prints one JSON
//! line. A frame is `logic` and `ui` of the whole window, without what the graphics driver does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures and fails as it likes"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eframe::egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use lamplight::gui::App;
use lamplight::gui::command::{Command, Inspection};
use lamplight::gui::memory::Memory;
use lamplight::lamp::{Metric, Setting, Split, Task};
use lamplight::metrics::{MeteorStages, SampleScore, ScoreSet};
use lamplight::record::{
    Column, DatasetSpec, ModelSpec, Prediction, PromptText, RetrieverSpec, RunId, RunSpec, Training,
};
use lamplight::run::Places;
use lamplight::store::{Reader, Store};

mod support;

/// Predictions a transaction.
const BATCH: usize = 4096;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).cloned()
    };
    let rows = after("--rows").map_or(1_000_000, |rows| rows.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let store = after("--store").map_or_else(|| folder.path().join("bench.db"), PathBuf::from);
    let [run, other] = filled(&store, rows);
    let mut screen = Screen::open(folder.path(), store);
    let whole = format!("{} samples", grouped(rows));

    screen.push(Command::Inspect(Inspection { run, position: None, against: None }));
    screen.until("open", |screen| screen.has(&whole));
    screen.push(Command::Inspect(Inspection { run, position: Some(7), against: Some(other) }));
    screen.until("open beside another", |screen| screen.has_part("Improved ") && screen.has(&whole));
    let wrong = screen.label("Wrong ");
    screen.click(&wrong);
    screen.until("filter", |screen| screen.has_part(&format!(" of {whole}")));
    screen.click("Clear filters");
    screen.until("filter off", |screen| screen.has(&whole));
    screen.click("Smallest first");
    screen.until("reverse", |screen| screen.has_part(&format!("Sample 3{:07}", rows - 1)));
    screen.frames("next and previous", 200, |screen, number| {
        screen.harness.key_press(if number % 3 == 2 { Key::K } else { Key::J });
    });
    screen.frames("pages and ends", 60, |screen, number| {
        screen.harness.key_press([Key::PageDown, Key::End, Key::PageUp, Key::Home][number % 4]);
    });
    let field = screen.harness.get_by_label("Search ids, answers, inputs");
    field.focus();
    screen.frames("before the search", 3, |_, _| {});
    screen.harness.get_by_label("Search ids, answers, inputs").type_text("30000777");
    screen.until("search", |screen| screen.has_part(&format!("1 of {whole}")));
    screen.frames("idle", 30, |_, _| {});

    let figures = serde_json::json!({
        "bench": "inspect", "rows": rows, "peak_rss_mb": support::peak_rss_mb(), "steps": screen.steps,
    });
    if arguments.iter().any(|argument| argument == "--json") {
        println!("{figures}");
    } else {
        println!("{figures:#}");
    }
}

fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let head = digits.len() % 3;
    let parts = digits.as_bytes()[head..].chunks(3).map(|part| String::from_utf8_lossy(part).into_owned());
    let first = (head > 0).then(|| digits[..head].to_owned());
    first.into_iter().chain(parts).collect::<Vec<_>>().join(",")
}

/// The window, and what its frames cost.
struct Screen {
    harness: Harness<'static, App>,
    frames: Vec<Duration>,
    steps: Vec<serde_json::Value>,
    began: Instant,
}

impl Screen {
    fn open(folder: &Path, store: PathBuf) -> Self {
        let places = Places {
            store,
            store_given: true,
            models: folder.join("models"),
            models_given: true,
            cache: None,
            embeddings: None,
            memory: None,
        };
        let builder = Harness::builder().with_size([1280.0, 720.0]);
        let harness =
            builder.build_eframe(move |creation| App::new(&creation.egui_ctx, places, Memory::default()));
        let mut screen = Self { harness, frames: Vec::new(), steps: Vec::new(), began: Instant::now() };
        screen.until("the store", |screen| !screen.harness.state().shared().store.runs.is_empty());
        screen.steps.clear();
        screen
    }

    fn frame(&mut self) {
        let began = Instant::now();
        self.harness.step();
        self.frames.push(began.elapsed());
    }

    /// Draws frames until something holds, and notes what they cost.
    fn until(&mut self, step: &str, holds: impl Fn(&Self) -> bool) {
        loop {
            self.frame();
            if holds(self) {
                break;
            }
            assert!(self.began.elapsed() < Duration::from_secs(300), "waited for {step}");
            std::thread::sleep(Duration::from_millis(8));
        }
        self.note(step);
    }

    /// Draws so many frames, each after something was done.
    fn frames(&mut self, step: &str, count: usize, each: impl Fn(&mut Self, usize)) {
        self.began = Instant::now();
        for number in 0..count {
            each(self, number);
            self.frame();
        }
        self.note(step);
    }

    fn note(&mut self, step: &str) {
        self.frames.sort();
        let at = |part: f64| {
            let place = ((self.frames.len() - 1) as f64 * part).round() as usize;
            self.frames[place].as_secs_f64() * 1e3
        };
        let line = serde_json::json!({
            "step": step, "wall_ms": self.began.elapsed().as_secs_f64() * 1e3, "frames": self.frames.len(),
            "median_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0),
        });
        self.steps.push(line);
        self.frames.clear();
        self.began = Instant::now();
    }

    fn push(&mut self, command: Command) {
        self.began = Instant::now();
        self.harness.state_mut().push(command);
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.began = Instant::now();
        self.frame();
    }

    fn has(&self, label: &str) -> bool {
        self.harness.query_all_by_label(label).next().is_some()
    }

    fn has_part(&self, part: &str) -> bool {
        self.harness.query_all_by_label_contains(part).next().is_some()
    }

    /// The whole label of the first control whose label begins so.
    fn label(&self, start: &str) -> String {
        use egui_kittest::kittest::NodeT as _;
        let mut found = self.harness.query_all_by_label_contains(start);
        found.find_map(|node| node.accesskit_node().label()).expect("a label")
    }
}

/// Two runs over the same samples, as many rows in the first, a tenth in the second; those of the last time if there are.
fn filled(path: &Path, rows: usize) -> [RunId; 2] {
    let known = if path.exists() { Reader::open(path).unwrap().runs().unwrap() } else { Vec::new() };
    if let [one, other] = &known[..]
        && one.totals.done == rows as u64
    {
        return [one.id, other.id];
    }
    let mut store = Store::open(path).unwrap();
    [(0, rows), (1, rows / 10)].map(|(number, rows)| {
        let run = store.plan(&spec(number), rows as u64).unwrap();
        for start in (0..rows).step_by(BATCH) {
            let batch: Vec<Prediction> =
                (start..rows.min(start + BATCH)).map(|at| prediction(number, at as u32)).collect();
            store.save(run.id, &batch, &[], 1).unwrap();
        }
        let scores: Vec<SampleScore> = (0..rows).map(|at| score(number, at as u32)).collect();
        let set = ScoreSet::new(Task::Lamp2N, scores, MeteorStages::ExactStem).unwrap();
        let aggregate = set.aggregate(Task::Lamp2N.metrics(), None);
        let column = |&metric: &Metric| Column {
            metric,
            positions: (0..rows as u32).collect(),
            values: set.scores().iter().filter_map(|score| score.value(metric)).collect(),
        };
        let columns: Vec<Column> = Task::Lamp2N.metrics().iter().map(column).collect();
        store.finish(run.id, &aggregate, &columns).unwrap();
        run.id
    })
}

fn spec(number: usize) -> RunSpec {
    RunSpec {
        program: "0".into(),
        dataset: DatasetSpec {
            task: Task::Lamp2N,
            setting: Setting::User,
            split: Split::Dev,
            fingerprint: "0".into(),
            limit: None,
            sample_seed: None,
            skip_broken: false,
        },
        model: ModelSpec {
            name: "none".into(),
            fingerprint: "0".into(),
            training: Training::ZeroShot,
            device: "cpu".into(),
            precision: "f32".into(),
            options: serde_json::Map::new(),
        },
        retriever: RetrieverSpec {
            config: "bm25".into(),
            k: number + 1,
            use_date: false,
            encoders: Vec::new(),
        },
        prompt: None,
        generation: None,
        parsing: "official".into(),
    }
}

/// A label by the sample and the run, so that some are right.
fn score(number: usize, position: u32) -> SampleScore {
    let mixed = position.wrapping_mul(2_654_435_761).rotate_left(number as u32 * 7);
    SampleScore::Classification { predicted: Some((mixed % 3) as u8), reference: Some((position % 3) as u8) }
}

fn prediction(number: usize, position: u32) -> Prediction {
    let score = score(number, position);
    let SampleScore::Classification { predicted, reference } = score else { unreachable!() };
    let label = |label: Option<u8>| Task::Lamp2N.labels()[usize::from(label.unwrap_or(0))].to_owned();
    let mut row = Prediction::unanswered(position, format!("3{position:07}"), position % 211);
    row.raw = label(predicted);
    row.answer = label(predicted);
    row.reference = Some(label(reference));
    row.score = Some(score);
    row.parsed = true;
    row.fell_back = position.is_multiple_of(97);
    row.prompt =
        Some(PromptText { text: "Which category is the article of?".to_owned(), report: "{}".to_owned() });
    row
}
