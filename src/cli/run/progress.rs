//! How far an experiment is, in a few lines that keep their place, and a line for each run that has ended.

use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::summary::{figures, label, tuned};
use crate::cli::Console;
use crate::cli::text::plain;
use crate::jobs::CancelToken;
use crate::record::{RunRecord, RunStatus};
use crate::run::series::{Purpose, Step};
use crate::run::{Control, Phase, RunError, RunProgress, in_full};

/// How often the lines are drawn anew.
const EVERY: Duration = Duration::from_millis(100);

/// What is at work now.
#[derive(Default)]
struct Now {
    number: usize,
    of: usize,
    label: String,
}

/// Shows an experiment's progress from [`Bars::start`] to [`Bars::end`].
pub(super) struct Bars<'c> {
    console: &'c Console,
    lines: Option<(MultiProgress, JoinHandle<()>)>,
    /// Whether runs that ended well are told one by one.
    each_run: bool,
    now: Arc<Mutex<Now>>,
    finished: CancelToken,
    begun: Instant,
}

impl<'c> Bars<'c> {
    pub(super) fn start(console: &'c Console, control: &Control, each_run: bool) -> Self {
        let (now, finished) = (Arc::<Mutex<Now>>::default(), CancelToken::new());
        let shown = !console.is_quiet() && !console.is_json() && io::stderr().is_terminal();
        let lines = shown.then(|| {
            let lines = MultiProgress::new();
            let watcher = std::thread::spawn({
                let (lines, now, finished, control) =
                    (lines.clone(), now.clone(), finished.clone(), control.clone());
                move || draw(&lines, &now, &finished, &control)
            });
            (lines, watcher)
        });
        Self { console, lines, each_run, now, finished, begun: Instant::now() }
    }

    /// Shows what happened.
    pub(super) fn show(&mut self, step: &Step<'_>) {
        match step {
            Step::Begin { number, of, cell, purpose } => {
                let why = match purpose {
                    Purpose::Matrix => "",
                    Purpose::Grid => " (grid)",
                    Purpose::Winner => " (tuned)",
                };
                let label = format!("{}{why}", label(&cell.spec));
                *self.now.lock().unwrap_or_else(PoisonError::into_inner) =
                    Now { number: *number, of: *of, label };
                self.begun = Instant::now();
            }
            Step::End { result, .. } => {
                let well = result.as_ref().is_ok_and(|run| run.status == RunStatus::Done);
                if well && !self.each_run {
                    return;
                }
                let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
                let (number, of, label) = (now.number, now.of, now.label.clone());
                drop(now);
                self.line(&format!("[{number}/{of}] {label}: {}", ended(result, self.begun.elapsed())));
            }
            Step::Chosen(tuning) => {
                if self.each_run {
                    self.line(&plain(&tuned(tuning)));
                }
            }
        }
    }

    fn line(&self, text: &str) {
        match &self.lines {
            Some((lines, _)) => {
                let _ = lines.println(text); // a line that cannot be shown is no reason to end the work
            }
            None => self.console.note(text),
        }
    }

    /// Takes the lines away.
    pub(super) fn end(self) {
        self.finished.cancel();
        if let Some((lines, watcher)) = self.lines {
            let _ = watcher.join();
            let _ = lines.clear();
        }
    }
}

/// Shows how far a judging is, until [`JudgingBar::end`].
pub(in crate::cli) struct JudgingBar {
    shown: Option<(MultiProgress, JoinHandle<()>)>,
    finished: CancelToken,
}

/// Begins to show it.
pub(in crate::cli) fn judging_bar(console: &Console, control: &Control) -> JudgingBar {
    let finished = CancelToken::new();
    let wanted = !console.is_quiet() && !console.is_json() && io::stderr().is_terminal();
    let shown = wanted.then(|| {
        let lines = MultiProgress::new();
        let watcher = std::thread::spawn({
            let (lines, finished, control) = (lines.clone(), finished.clone(), control.clone());
            move || {
                let verdicts = lines.add(bar("Verdicts {bar:30} {pos}/{len} {msg}"));
                let live = lines.add(bar("         {msg}"));
                while !finished.is_canceled() {
                    draw_one(&control, &verdicts, &live);
                    std::thread::sleep(EVERY);
                }
            }
        });
        (lines, watcher)
    });
    JudgingBar { shown, finished }
}

impl JudgingBar {
    pub(in crate::cli) fn end(self) {
        self.finished.cancel();
        if let Some((lines, watcher)) = self.shown {
            let _ = watcher.join();
            let _ = lines.clear();
        }
    }
}

fn bar(template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

fn draw_one(control: &Control, samples: &ProgressBar, live: &ProgressBar) {
    if let Some(progress) = control.latest().get() {
        samples.set_length(progress.total);
        samples.set_position(progress.done);
        samples.set_message(rate(&progress));
        live.set_message(metrics(&progress));
    }
}

/// How a run ended, in a few words.
fn ended(result: &Result<RunRecord, RunError>, took: Duration) -> String {
    let run = match result {
        Ok(run) => run,
        Err(error) => return plain(&format!("not run: {}", in_full(error))),
    };
    let mut text = match run.status {
        RunStatus::Done => figures(run, &[]),
        other => other.id().to_owned(),
    };
    let totals = run.totals;
    text.push_str(&format!(", {} of {} samples", totals.done, run.samples));
    for (count, what) in [(totals.failed, "failed"), (totals.cached, "from the cache")] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    if let Some(cost) = run.cost() {
        text.push_str(&format!(", cost {cost:.4}"));
    }
    text.push_str(&format!(", {:.1} s", took.as_secs_f64()));
    if run.status != RunStatus::Done
        && let Some(reason) = &run.reason
    {
        text.push_str(&format!(" ({})", plain(reason)));
    }
    text
}

fn draw(lines: &MultiProgress, now: &Mutex<Now>, finished: &CancelToken, control: &Control) {
    let cells = lines.add(bar("Runs     {bar:30} {pos}/{len} {msg}"));
    let samples = lines.add(bar("Samples  {bar:30} {pos}/{len} {msg}"));
    let live = lines.add(bar("         {msg}"));
    while !finished.is_canceled() {
        {
            let now = now.lock().unwrap_or_else(PoisonError::into_inner);
            cells.set_length(now.of as u64);
            cells.set_position(now.number.saturating_sub(1) as u64);
            cells.set_message(now.label.clone());
        }
        draw_one(control, &samples, &live);
        std::thread::sleep(EVERY);
    }
}

fn rate(progress: &RunProgress) -> String {
    let mut text = match progress.phase {
        Phase::Loading => return "loading".to_owned(),
        Phase::Preparing { done, total } => return format!("encoding {done}/{total} texts"),
        Phase::Finishing => return "computing figures".to_owned(),
        Phase::Paused => "paused".to_owned(),
        Phase::Answering => format!("{:.1}/s", progress.samples_per_s),
    };
    if progress.new_tokens_per_s > 0.0 {
        text.push_str(&format!(", {:.0} tokens/s", progress.new_tokens_per_s));
    }
    if let Some(left) = progress.eta {
        let seconds = left.as_secs();
        text.push_str(&format!(", {}:{:02}:{:02} left", seconds / 3600, seconds / 60 % 60, seconds % 60));
    }
    text
}

fn metrics(progress: &RunProgress) -> String {
    let mut parts: Vec<String> =
        progress.live.iter().map(|(metric, value)| format!("{} {value:.4}", metric.name())).collect();
    for (count, what) in [(progress.failed, "failed"), (progress.cached, "from the cache")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if let Some(endpoint) = &progress.endpoint {
        let traffic = &endpoint.traffic;
        parts.push(format!("{} of {} requests under way", traffic.under_way, traffic.allowed));
        if traffic.retries > 0 {
            let why: Vec<String> = traffic
                .failures
                .iter()
                .map(|(kind, count)| format!("{count} \u{d7} {}", plain(kind)))
                .collect();
            parts.push(format!("{} sent again ({})", traffic.retries, why.join(", ")));
        }
        parts.push(format!("{} tokens read, {} written", endpoint.prompt_tokens, endpoint.new_tokens));
        parts.extend(endpoint.cost.map(|cost| match cost.limit {
            Some(limit) => format!("cost {:.4}; {:.4} of {limit} spent", cost.run, cost.experiment),
            None => format!("cost {:.4}", cost.run),
        }));
        parts.extend(traffic.held.as_ref().map(|held| plain(&format!("waits: {held}"))));
    }
    parts.join(", ")
}
