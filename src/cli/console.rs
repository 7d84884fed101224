//! The terminal: output, errors, progress bars and Ctrl-C.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::jobs::{CancelToken, Progress};
use crate::run::in_full;

/// Who may write to the terminal: a progress bar, or a question that waits for its answer.
static TERMINAL: Mutex<()> = Mutex::new(());

/// Where a command prints, and what may interrupt it.
#[derive(Debug)]
pub struct Console {
    json: bool,
    quiet: bool,
    color: bool,
    cancel: CancelToken,
}

impl Console {
    /// A console on standard output and error that turns Ctrl-C into cancellation.
    pub fn new(json: bool, quiet: bool, color: bool) -> Self {
        static INTERRUPTED: OnceLock<CancelToken> = OnceLock::new();
        let cancel = INTERRUPTED
            .get_or_init(|| {
                let token = CancelToken::new();
                let handler = token.clone();
                // Without a handler Ctrl-C still ends the program, only less gently.
                let _ = ctrlc::set_handler(move || {
                    if handler.is_canceled() {
                        std::process::exit(130); // asked twice: do not wait for the work to notice
                    }
                    handler.cancel();
                });
                token
            })
            .clone();
        Self { json, quiet, color, cancel }
    }

    /// The same console for work whose remarks nobody needs to read: it prints neither notes nor progress nor JSON.
    pub(super) fn silenced(&self) -> Self {
        Self { json: false, quiet: true, color: self.color, cancel: self.cancel.clone() }
    }

    /// Whether machines read the output.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether nobody wants to see progress and remarks.
    pub const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether text may carry terminal styles: standard output is a terminal that knows them, and nobody said no
    /// (`--no-color`, or <https://no-color.org>).
    pub fn is_styled(&self) -> bool {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        self.color && !unwanted && !dumb && io::stdout().is_terminal()
    }

    /// The columns that a line of output may take: the terminal's, else those that `COLUMNS` says, else 100.
    pub fn width(&self) -> usize {
        let terminal = ::console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        let said = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        terminal.or_else(said).unwrap_or(100).clamp(40, 1000)
    }

    /// The token that Ctrl-C cancels.
    pub const fn cancel(&self) -> &CancelToken {
        &self.cancel
    }

    /// Writes text to standard output as it is.
    pub fn print(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Writes a value as JSON and a line break.
    pub fn print_json<T: Serialize>(&self, value: &T) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        self.print(&text)
    }

    /// Writes an error and the chain of its causes, each said once, to standard error.
    pub fn error(&self, error: &dyn Error) {
        let text = in_full(error);
        let line = if self.json {
            format!("{}\n", serde_json::json!({ "error": text }))
        } else {
            format!("lamplight: {text}\n")
        };
        // Nothing is left to tell anyone if even this cannot be written.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }

    /// Writes a remark to standard error; silent under `--quiet` and `--json`.
    pub fn note(&self, text: &str) {
        if !self.quiet && !self.json {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// Writes what must be known to standard error, under `--quiet` too.
    pub fn warn(&self, text: &str) {
        let line =
            if self.json { serde_json::json!({ "warning": text }).to_string() } else { text.to_owned() };
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// Writes a question to standard error, without a line break.
    pub fn ask(&self, question: &str) -> io::Result<()> {
        let mut err = io::stderr().lock();
        err.write_all(question.as_bytes())?;
        err.flush()
    }

    /// Asks a question on a terminal and reads the answer without showing it. Progress bars wait meanwhile.
    ///
    /// # Errors
    /// No terminal, or one that cannot be written or read.
    pub fn ask_hidden(&self, question: &str) -> io::Result<String> {
        let _mine = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
        let terminal = ::console::Term::stderr();
        if !terminal.is_term() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "there is no terminal to ask at"));
        }
        terminal.clear_line()?;
        terminal.write_str(question)?;
        terminal.read_secure_line()
    }

    /// Asks a question on a terminal and says whether the answer was yes; elsewhere nobody agrees.
    ///
    /// # Errors
    /// A terminal that cannot be written or read.
    pub fn agrees(&self, question: &str) -> io::Result<bool> {
        if self.json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(false);
        }
        self.ask(question)?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Does `work` here while a bar shows its progress, in bytes or in counted things.
    pub fn with_progress<T>(&self, unit: Unit, work: impl FnOnce(&Progress) -> T) -> T {
        let progress = Progress::new();
        if self.quiet || self.json || !io::stderr().is_terminal() {
            return work(&progress);
        }
        let finished = CancelToken::new();
        let watcher = std::thread::spawn({
            let (progress, finished) = (progress.clone(), finished.clone());
            move || draw(&progress, &finished, unit)
        });
        let result = work(&progress);
        finished.cancel();
        let _ = watcher.join(); // a bar that failed to draw is no reason to fail the work
        result
    }
}

/// What a progress bar counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, shown as KiB and MiB.
    Bytes,
    /// Records, samples, files.
    Items,
}

fn draw(progress: &Progress, finished: &CancelToken, unit: Unit) {
    let template = match unit {
        Unit::Bytes => "{msg:24} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        Unit::Items => "{msg:24} {bar:30} {pos}/{len} {per_sec} {eta}",
    };
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    // Short work shows no bar at all.
    std::thread::sleep(Duration::from_millis(200));
    while !finished.is_canceled() {
        let reading = progress.read();
        let mine = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
        bar.set_message(reading.step.to_string());
        bar.set_length(reading.total);
        bar.set_position(reading.done);
        drop(mine);
        std::thread::sleep(Duration::from_millis(100));
    }
    bar.finish_and_clear();
}
