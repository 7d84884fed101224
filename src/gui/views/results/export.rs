//! The panel that writes what is shown to a file, the same as the command line writes.

use std::ops::ControlFlow;
use std::path::PathBuf;

use eframe::egui::{self, Ui};
use serde::{Deserialize, Serialize};

use super::choice::{Choice, Chosen, Metrics};
use super::data::{StoreData, judged};
use crate::dataset::{self, OpenOptions};
use crate::gui::command::{Command, Toast, Weight};
use crate::gui::kit::{self, Notice, PathField, PathKind};
use crate::gui::loadable::Trouble;
use crate::gui::shared::Shared;
use crate::gui::theme;
use crate::jobs::{CancelToken, Job, Progress};
use crate::record::{Prediction, RunRecord, RunStatus};
use crate::report::chart::{self, ChartKind, Style, Theme, chart_of_runs};
use crate::report::files::{FileError, TableFormat, write_samples, write_submission, write_table};
use crate::report::{ResultTable, TableOptions};
use crate::run::in_full;
use crate::store::{Reader, StoreError};

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FileKind {
    #[default]
    Csv,
    Samples,
    Latex,
    Markdown,
    Json,
    Svg,
    Png,
    Submission,
}

impl FileKind {
    /// All, with their words, what they hold, and how their names end.
    const ALL: [(Self, &'static str, &'static str, &'static str); 8] = [
        (Self::Csv, "Table as CSV", "A line a cell, with intervals and p-values.", "csv"),
        (Self::Latex, "Table as LaTeX", "For papers; needs the package booktabs.", "tex"),
        (Self::Markdown, "Table as Markdown", "For notes and pages.", "md"),
        (Self::Json, "Table as JSON", "For programs, with every number in full.", "json"),
        (Self::Samples, "Samples as CSV", "A line a sample of every finished run.", "csv"),
        (Self::Svg, "Chart as SVG", "Scalable, with text as text.", "svg"),
        (Self::Png, "Chart as PNG", "At twice a screen\u{2019}s density.", "png"),
        (
            Self::Submission,
            "Submission zip",
            "For the leaderboard: one run a task, checked against the questions.",
            "zip",
        ),
    ];

    fn about(self) -> (&'static str, &'static str, &'static str) {
        let found = Self::ALL.iter().find(|(kind, ..)| *kind == self);
        found.map_or(("", "", ""), |(_, words, about, end)| (words, about, end))
    }

    const fn is_chart(self) -> bool {
        matches!(self, Self::Svg | Self::Png)
    }
}

/// What a picture lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Ground {
    #[default]
    Paper,
    Light,
    Dark,
}

/// How files are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    kind: FileKind,
    standalone: bool,
    prompts: bool,
    width_mm: u32,
    ground: Ground,
    path: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kind: FileKind::default(),
            standalone: false,
            prompts: false,
            width_mm: 175,
            ground: Ground::default(),
            path: String::new(),
        }
    }
}

/// The panel's state.
#[derive(Debug, Default)]
pub struct Export {
    /// How files are written.
    pub options: Options,
    path: PathField,
    questions: PathField,
    job: Option<Job<Result<Written, Trouble>>>,
    trouble: Option<Trouble>,
    /// A file that is there, and may be replaced if the person says so.
    there: Option<PathBuf>,
}

/// What came of an order.
#[derive(Debug)]
enum Written {
    Done(PathBuf),
    /// Something is there already.
    There(PathBuf),
}

/// What is written.
#[derive(Debug, Clone)]
pub struct What {
    /// The choice.
    pub choice: Choice,
    /// The metrics of charts.
    pub chart_metrics: Metrics,
    /// The chart.
    pub chart: ChartKind,
}

impl Export {
    /// The panel as it was left.
    pub fn new(options: Options) -> Self {
        let path = PathField::with(options.path.clone());
        Self { options, path, ..Self::default() }
    }

    /// Takes the end of a file.
    pub fn logic(&mut self, commands: &mut Vec<Command>) {
        let Some(outcome) = self.job.as_mut().and_then(Job::poll) else { return };
        self.job = None;
        match outcome.map_err(Trouble::from).and_then(|written| written) {
            Ok(Written::There(path)) => self.there = Some(path),
            Ok(Written::Done(path)) => {
                let toast = Toast::new(Weight::Success, format!("Wrote {}.", path.display()));
                commands.push(Command::Toast(toast));
            }
            Err(trouble) => self.trouble = Some(trouble),
        }
    }

    /// Begins with a kind.
    pub fn open(&mut self, chart: bool) {
        if chart != self.options.kind.is_chart() {
            self.set_kind(if chart { FileKind::Svg } else { FileKind::Csv });
        }
        if self.path.text.is_empty() {
            let folders = directories::UserDirs::new();
            let folder = folders
                .as_ref()
                .map(|folders| folders.document_dir().unwrap_or_else(|| folders.home_dir()).to_owned());
            let name = format!("results.{}", self.options.kind.about().2);
            self.path.text = folder.unwrap_or_default().join(name).display().to_string();
        }
    }

    fn set_kind(&mut self, kind: FileKind) {
        self.options.kind = kind;
        self.trouble = None;
        // The name's end follows what the file is.
        if let Some(path) = self.path.path() {
            self.path.text = path.with_extension(kind.about().2).display().to_string();
        }
    }

    /// Lets what is typed go to the file's path.
    pub const fn focus(&mut self) {
        self.path.focus();
    }

    /// Draws the panel.
    pub fn show(&mut self, ui: &mut Ui, shared: &Shared, what: impl Fn() -> What) {
        let mut chosen = self.options.kind;
        ui.scope(|ui| {
            ui.spacing_mut().interact_size.y = 22.0;
            ui.spacing_mut().item_spacing.y = 2.0;
            for (kind, words, about, _) in FileKind::ALL {
                ui.radio_value(&mut chosen, kind, words).on_hover_text(about);
            }
        });
        if chosen != self.options.kind {
            self.set_kind(chosen);
        }
        let (_, about, end) = self.options.kind.about();
        ui.label(theme::caption(ui, about));
        ui.separator();
        self.own_options(ui);
        kit::label(ui, "File");
        let settled = self.path.show(ui, PathKind::SaveFile, "File to write", "results", Some((end, &[end])));
        self.options.path.clone_from(&self.path.text);
        let path = self.path.path();
        let submission = self.options.kind == FileKind::Submission;
        let ready = path.is_some() && (!submission || self.questions.path().is_some());
        ui.add_space(4.0);
        if let Some(job) = &self.job {
            if kit::working(ui, &job.progress().read(), "Writing") {
                job.cancel();
            }
        } else if (kit::primary_if(ui, ready, "Write the file").clicked() || (settled && ready))
            && let Some(path) = path
        {
            self.start(ui.ctx(), shared, what(), path, false);
        }
        if let Some(there) = self.there.clone()
            && self.job.is_none()
        {
            let words = format!("{} is there already.", there.display());
            if kit::notice(ui, Notice::Warning, &words, Some("Replace it")) {
                self.start(ui.ctx(), shared, what(), there, true);
            }
        }
        if let Some(trouble) = &self.trouble {
            kit::trouble(ui, trouble, None);
        }
    }

    fn own_options(&mut self, ui: &mut Ui) {
        let options = &mut self.options;
        match options.kind {
            FileKind::Latex => {
                ui.checkbox(&mut options.standalone, "A document of its own");
            }
            FileKind::Samples => {
                ui.checkbox(&mut options.prompts, "With what the model read");
            }
            FileKind::Svg | FileKind::Png => {
                kit::label(ui, "Width");
                let widths = [(85, "85 mm, column", None), (175, "175 mm, page", None)];
                kit::segmented(ui, &mut options.width_mm, &widths);
                kit::label(ui, "Ground");
                let grounds = [
                    (Ground::Paper, "Paper", None),
                    (Ground::Light, "Light", None),
                    (Ground::Dark, "Dark", None),
                ];
                kit::segmented(ui, &mut options.ground, &grounds);
            }
            FileKind::Submission => {
                kit::label(ui, "Questions that must be answered");
                self.questions.show(
                    ui,
                    PathKind::OpenFolder,
                    "Questions of the submission",
                    "LaMP files or folder",
                    None,
                );
                let text = "Finished runs of one setting and split, one a task. Pick them with Pick runs.";
                kit::notice(ui, Notice::Info, text, None);
            }
            _ => {}
        }
    }

    fn start(&mut self, ctx: &egui::Context, shared: &Shared, what: What, path: PathBuf, replace: bool) {
        self.trouble = None;
        self.there = None;
        let order = Order {
            what,
            options: self.options.clone(),
            questions: self.questions.path(),
            store: shared.places.store.clone(),
            cache: shared.places.cache.clone(),
            path: std::path::absolute(&path).unwrap_or(path),
        };
        let wake = ctx.clone();
        self.job = Some(Job::start(
            "export",
            move || wake.request_repaint(),
            move |cancel, progress| {
                if !replace && order.path.exists() {
                    return Ok(Written::There(order.path));
                }
                order.write(cancel, progress).map(|()| Written::Done(order.path))
            },
        ));
    }
}

/// A file to be written.
struct Order {
    what: What,
    options: Options,
    questions: Option<PathBuf>,
    store: PathBuf,
    cache: Option<PathBuf>,
    path: PathBuf,
}

/// Reading and writing fail in their own ways.
struct Failure(Trouble);

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self(Trouble(in_full(&error)))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(Trouble(in_full(&error)))
    }
}

impl Order {
    fn write(&self, cancel: &CancelToken, progress: &Progress) -> Result<(), Trouble> {
        let reader = Reader::open(&self.store)?;
        let choice = &self.what.choice;
        // As the store is now, which may be further than what is on the screen.
        let chosen = choice.chosen(&reader.runs()?, &reader.experiments()?, &reader.tunings()?);
        if chosen.runs.is_empty() {
            return Err(Trouble("No run fits what is chosen. Choose other runs.".to_owned()));
        }
        let table = |format| {
            write_table(&self.path, &result_table(&reader, choice, &chosen)?, format).map_err(Trouble::from)
        };
        match self.options.kind {
            FileKind::Csv => table(TableFormat::Csv),
            FileKind::Json => table(TableFormat::Json),
            FileKind::Markdown => table(TableFormat::Markdown),
            FileKind::Latex => table(TableFormat::Latex { standalone: self.options.standalone }),
            FileKind::Svg | FileKind::Png => self.chart(&reader, &chosen, cancel, progress),
            FileKind::Samples => {
                let runs = whole_runs(choice, &chosen);
                progress.start("Writing", runs.iter().map(|run| run.totals.done).sum());
                let mut read = |run: &RunRecord, prompts: bool, each: &mut Each<'_>| {
                    read(&reader, cancel, run, prompts, &mut |prediction| {
                        progress.add(1);
                        each(prediction)
                    })
                };
                let metrics = chosen_metrics(choice);
                let judged = judged(&reader, &runs)?;
                write_samples(&self.path, &runs, &metrics, &judged, self.options.prompts, &mut read)
                    .map_err(|failure: Failure| failure.0)
            }
            FileKind::Submission => {
                let runs = whole_runs(choice, &chosen);
                let mut questions = |run: &RunRecord| self.questions(run, cancel, progress).map_err(Failure);
                let mut read = |run: &RunRecord, prompts: bool, each: &mut Each<'_>| {
                    read(&reader, cancel, run, prompts, each)
                };
                write_submission(&self.path, &runs, &mut questions, &mut read)
                    .map_err(|failure: Failure| failure.0)
            }
        }
    }

    fn chart(
        &self,
        reader: &Reader,
        chosen: &Chosen,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<(), Trouble> {
        let metrics = chosen.metrics(self.what.chart_metrics);
        let mut data = StoreData { reader, cancel, progress };
        let chart = chart_of_runs(self.what.chart, &chosen.runs, &chosen.tunings, &metrics, &mut data)?;
        if chart.spec.panels.is_empty() {
            return Err(Trouble(chart.spec.empty));
        }
        let theme = match self.options.ground {
            Ground::Paper => Theme::Paper,
            Ground::Light => Theme::Light,
            Ground::Dark => Theme::Dark,
        };
        let style = Style { theme, width_mm: f64::from(self.options.width_mm) };
        Ok(chart::write(&self.path, &chart.spec, &style)?)
    }

    /// The ids of the questions of a run's task, setting and split.
    fn questions(
        &self,
        run: &RunRecord,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Vec<String>, Trouble> {
        let wanted = &run.spec.dataset;
        let Some(path) = &self.questions else {
            return Err(Trouble("Name the questions that must be answered.".to_owned()));
        };
        let options = OpenOptions {
            cache: self.cache.clone(),
            split: Some(wanted.split),
            fill_in: true,
            skip_broken: wanted.skip_broken,
            ..OpenOptions::default()
        };
        let catalog = dataset::open(std::slice::from_ref(path), &options, cancel, progress)?;
        let fits = |set: &&dataset::Dataset| {
            let id = set.id();
            (id.task, id.setting, id.split) == (wanted.task, wanted.setting, wanted.split)
        };
        let fitting: Vec<&dataset::Dataset> = catalog.datasets.iter().filter(fits).collect();
        match fitting[..] {
            [set] => {
                set.ensure_usable()?;
                Ok(set.summaries().map(|record| record.id.to_owned()).collect())
            }
            [] => Err(Trouble(format!(
                "{} has no questions of {}, {} setting, {} split. Choose the folder that the run was made from.",
                path.display(),
                wanted.task,
                wanted.setting,
                wanted.split
            ))),
            _ => Err(Trouble(format!(
                "{} has questions of {}, {} setting, {} split more than once. Choose one file or folder.",
                path.display(),
                wanted.task,
                wanted.setting,
                wanted.split
            ))),
        }
    }
}

type Each<'a> = dyn FnMut(Prediction) -> ControlFlow<()> + 'a;

fn read(
    reader: &Reader,
    cancel: &CancelToken,
    run: &RunRecord,
    prompts: bool,
    each: &mut Each<'_>,
) -> Result<(), Failure> {
    reader.predictions(run.id, prompts, &mut |prediction| match cancel.is_canceled() {
        true => ControlFlow::Break(()),
        false => each(prediction),
    })?;
    cancel.check().map_err(|canceled| Failure(Trouble::from(canceled)))
}

/// The table as it is written: of finished runs alone.
pub fn result_table(reader: &Reader, choice: &Choice, chosen: &Chosen) -> Result<ResultTable, Trouble> {
    let options = TableOptions {
        metrics: chosen.metrics(choice.metrics),
        oracle: choice.oracle,
        published: choice.published,
        unfinished: false,
        judged: judged(reader, &chosen.runs)?,
    };
    let columns = |run, metric| reader.column(run, metric);
    Ok(ResultTable::build(&chosen.runs, &chosen.tunings, &options, columns)?)
}

/// The metrics of a line a sample: the choice's own, whatever the experiment shows.
fn chosen_metrics(choice: &Choice) -> crate::report::MetricChoice {
    Chosen { runs: Vec::new(), tunings: Vec::new(), metrics: Vec::new() }.metrics(choice.metrics)
}

/// The runs that are written sample by sample or submitted: those picked, finished or not, else the finished ones.
fn whole_runs(choice: &Choice, chosen: &Chosen) -> Vec<RunRecord> {
    let picked = !choice.runs.is_empty();
    chosen.runs.iter().filter(|run| picked || run.status == RunStatus::Done).cloned().collect()
}

/// A table for the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clip {
    Markdown,
    Latex,
    Tsv,
}

/// Words of a clip, and its text.
pub fn clip(table: &ResultTable, clip: Clip) -> (String, &'static str) {
    match clip {
        Clip::Markdown => (crate::report::markdown::markdown(table), "Copied the table as Markdown."),
        Clip::Latex => (crate::report::latex::latex(table, false), "Copied the table as LaTeX."),
        Clip::Tsv => (crate::report::csv::tabs(table), "Copied the table for a spreadsheet."),
    }
}
