//! How far a job is: two lines that keep their place, and a line for each evaluation.

use std::io::{self, IsTerminal};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::cli::Console;
use crate::jobs::CancelToken;
use crate::train::{Control, Evaluation, Phase, TrainProgress, UsersControl, UsersProgress};

/// How often the lines are drawn anew.
const EVERY: Duration = Duration::from_millis(100);

/// Shows a job's progress from [`Bars::start`] to [`Bars::end`].
pub(super) struct Bars {
    finished: CancelToken,
    watcher: Option<JoinHandle<()>>,
}

impl Bars {
    pub(super) fn start(console: &Console, control: &Control) -> Self {
        let control = control.clone();
        Self::watch(console, move |finished| match io::stderr().is_terminal() {
            true => draw(finished, &control),
            false => tell(finished, &control, say),
        })
    }

    /// The same for a job for many users.
    pub(super) fn start_users(console: &Console, control: &UsersControl) -> Self {
        let control = control.clone();
        Self::watch(console, move |finished| match io::stderr().is_terminal() {
            true => draw_users(finished, &control),
            false => tell_users(finished, &control, say),
        })
    }

    fn watch(console: &Console, show: impl FnOnce(&CancelToken) + Send + 'static) -> Self {
        let finished = CancelToken::new();
        let told = !console.is_quiet() && !console.is_json();
        let watcher = told.then(|| {
            let finished = finished.clone();
            std::thread::spawn(move || show(&finished))
        });
        Self { finished, watcher }
    }

    /// Takes the lines away.
    pub(super) fn end(self) {
        self.finished.cancel();
        if let Some(watcher) = self.watcher {
            let _ = watcher.join();
        }
    }
}

fn say(line: &str) {
    use io::Write;
    // A line that cannot be shown is no reason to end the work.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// An evaluation in a few words.
pub(super) fn evaluated(evaluation: &Evaluation) -> String {
    let mut text = format!("epoch {}, step {}", evaluation.epoch, evaluation.step);
    for score in &evaluation.scores {
        text.push_str(&format!(
            ", {} {} {} {:.4}",
            score.task,
            score.setting,
            score.metric.name(),
            score.value
        ));
    }
    if evaluation.scores.len() > 1 {
        text.push_str(&format!(", mean {:.4}", evaluation.value));
    }
    text
}

/// Tells evaluations that were not there before.
struct News(usize);

impl News {
    fn lines(&mut self, progress: &TrainProgress) -> Vec<String> {
        let new = progress.evaluations.iter().enumerate().skip(self.0);
        let line = |(number, evaluation): (usize, &Evaluation)| {
            let best = if progress.best == Some(number) { " (best so far)" } else { "" };
            format!("[{}/{}] {}{best}", evaluation.epoch, progress.epochs, evaluated(evaluation))
        };
        let lines = new.map(line).collect();
        self.0 = progress.evaluations.len();
        lines
    }
}

fn tell(finished: &CancelToken, control: &Control, mut print: impl FnMut(&str)) {
    let mut news = News(0);
    loop {
        let last = finished.is_canceled();
        if let Some(progress) = control.latest().get() {
            news.lines(&progress).iter().for_each(|line| print(line));
        }
        if last {
            return;
        }
        std::thread::sleep(EVERY);
    }
}

fn draw(finished: &CancelToken, control: &Control) {
    let lines = MultiProgress::new();
    let style = |template: &str| {
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
    };
    let steps = lines.add(ProgressBar::new(0).with_style(style("Steps    {bar:30} {pos}/{len} {msg}")));
    let live = lines.add(ProgressBar::new(0).with_style(style("         {msg}")));
    let mut news = News(0);
    loop {
        let last = finished.is_canceled();
        if let Some(progress) = control.latest().get() {
            for line in news.lines(&progress) {
                let _ = lines.println(line); // a line that cannot be shown is no reason to end the work
            }
            steps.set_length(progress.steps);
            steps.set_position(progress.step);
            steps.set_message(rate(&progress));
            live.set_message(figures(&progress));
        }
        if last {
            let _ = lines.clear();
            return;
        }
        std::thread::sleep(EVERY);
    }
}

fn rate(progress: &TrainProgress) -> String {
    match progress.phase {
        Phase::Paused => return "paused".to_owned(),
        Phase::Evaluating { done, total } => return format!("answering the dev split {done}/{total}"),
        Phase::Saving => return "saving".to_owned(),
        Phase::Training | Phase::Done => {}
    }
    let mut text =
        format!("epoch {:.2}/{}, {:.0} tokens/s", progress.epoch, progress.epochs, progress.tokens_per_s);
    if let Some(left) = progress.eta {
        text.push_str(&format!(", {} left", clock(left)));
    }
    text
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Seconds a user and the time that is left, where they are known.
fn pace(progress: &UsersProgress) -> String {
    match (progress.seconds_per_user, progress.eta) {
        _ if progress.paused => "paused".to_owned(),
        (Some(seconds), Some(left)) => format!("{seconds:.1} s each, {} left", clock(left)),
        _ => String::new(),
    }
}

fn draw_users(finished: &CancelToken, control: &UsersControl) {
    let style = ProgressStyle::with_template("Users    {bar:30} {pos}/{len} {msg}");
    let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    loop {
        let last = finished.is_canceled();
        if let Some(progress) = control.latest().get() {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
            let UsersProgress { user, step, steps, .. } = &*progress;
            bar.set_message(format!("{}; {user}: step {step}/{steps}", pace(&progress)));
        }
        if last {
            bar.finish_and_clear();
            return;
        }
        std::thread::sleep(EVERY);
    }
}

/// About twenty lines, however many users there are.
fn tell_users(finished: &CancelToken, control: &UsersControl, mut print: impl FnMut(&str)) {
    let mut told = 0;
    loop {
        let last = finished.is_canceled();
        if let Some(progress) = control.latest().get() {
            let UsersProgress { done, total, .. } = *progress;
            if done >= told + total.div_ceil(20) || (last && done > told) {
                told = done;
                print(&format!("[{done}/{total}] {}", pace(&progress)));
            }
        }
        if last {
            return;
        }
        std::thread::sleep(EVERY);
    }
}

fn figures(progress: &TrainProgress) -> String {
    let mut text = String::new();
    if progress.loss.is_finite() {
        text = format!(
            "loss {:.4} (lately {:.4}), rate {:.2e}, gradient {:.2}",
            progress.loss, progress.smooth_loss, progress.rate, progress.gradient_norm
        );
    }
    if let Some(best) = progress.best.and_then(|best| progress.evaluations.get(best))
        && !best.scores.is_empty()
    {
        text.push_str(&format!("; best: {}", evaluated(best)));
    }
    text
}
