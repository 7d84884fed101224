//! `lamplight prompt`: what the model would read for a record, with everything that was cut marked; and the
//! built-in templates, to start one's own from.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{ArgGroup, Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::encoders::{EncoderArgs, Encoders};
use super::rank::RETRIEVERS;
use super::samples::{Ahead, in_order, prepare_one};
use super::selection::{DatasetSelection, SampleChoice};
use super::text::{fitted, plain, safe, table};
use super::{CliError, Console, Outcome};
use crate::dataset::Dataset;
use crate::lamp::{Document, Sample, Task};
use crate::model::{HfTokenizer, TokenizerError};
use crate::prompt::{
    Mark, Marked, Preset, Prompt, PromptBuilder, PromptError, PromptMode, PromptOptions, PromptStatus,
    Template, TemplateError, UnknownPreset,
};
use crate::retrieval::{Completeness, Problem, RankingFile, Retriever, RetrieverConfig};
use crate::whole_file::WholeFile;

/// Show what the model would read for a sample with the cuts marked, or write the prompts of a whole dataset.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("which").required(true).args(["id", "index", "all", "print_template"]),
    mut_arg("paths", |paths| paths.required(false).required_unless_present("print_template")),
    after_help = format!("{RETRIEVERS}
Examples:
  lamplight prompt dev_questions.json --id 310 --retriever bm25 --k 2 --tokenizer tokenizer.json
  lamplight prompt dev_questions.json --all --out prompts.jsonl --rankings dev_rankings.json --k 4
  lamplight prompt --print-template LaMP-5 --template paper > mine.toml"),
)]
pub(super) struct ShowPrompt {
    #[command(flatten)]
    selection: DatasetSelection,
    #[command(flatten)]
    sample: SampleChoice,
    /// Write the prompts of all samples to --out, one JSON object a line.
    #[arg(long, requires = "out")]
    all: bool,
    /// The file for --all.
    #[arg(long, value_name = "FILE", requires = "all")]
    out: Option<PathBuf>,
    /// What chooses the entries; see below.
    #[arg(long, value_name = "RETRIEVER", default_value = "bm25")]
    retriever: RetrieverConfig,
    /// Take the order of entries from a ranking file in the official format.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["retriever", "use_date"])]
    rankings: Option<PathBuf>,
    /// How many entries; 0 is the prompt that is not personalized.
    #[arg(long, value_name = "N", default_value_t = 4)]
    k: usize,
    /// Let the retriever read each entry's date with its text.
    #[arg(long)]
    use_date: bool,
    /// Who decides what is cut.
    #[arg(long, value_enum, default_value_t = Mode::Official)]
    mode: Mode,
    /// The most tokens the model reads.
    #[arg(long, value_name = "N", default_value_t = PromptOptions::default().max_length)]
    max_length: usize,
    /// The wording: `official`, `paper`, or a template's file.
    #[arg(long, value_name = "PRESET|FILE", default_value = "official")]
    template: TemplateChoice,
    /// The model's tokenizer.json, or the folder that holds it.
    #[arg(long, value_name = "FILE", env = "LAMPLIGHT_TOKENIZER", hide_env_values = true)]
    tokenizer: Option<PathBuf>,
    /// Print a task's built-in template as a file to start one's own from.
    #[arg(long, value_name = "TASK")]
    print_template: Option<Task>,
    #[command(flatten)]
    encoder: EncoderArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// The benchmark's own code, bit for bit.
    Official,
    /// Rules that never cut the input and rewrite nothing.
    Clean,
}

impl From<Mode> for PromptMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Official => Self::Official,
            Mode::Clean => Self::Clean,
        }
    }
}

/// A built-in template by name, or a file.
#[derive(Debug, Clone)]
enum TemplateChoice {
    Preset(Preset),
    File(PathBuf),
}

impl FromStr for TemplateChoice {
    type Err = UnknownPreset;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(preset) => Ok(Self::Preset(preset)),
            // A bare word is more likely a misspelled preset than a file that is missing.
            Err(error) if text.chars().all(char::is_alphanumeric) && !Path::new(text).exists() => Err(error),
            Err(_) => Ok(Self::File(text.into())),
        }
    }
}

/// Why a prompt could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowPromptError {
    /// The template cannot be used.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Asked for a wording that a task does not have.
    #[error(
        "{task} has no built-in template `{preset}`: the paper words it as the official code does; use official"
    )]
    NoPreset {
        /// The task.
        task: Task,
        /// What was asked for.
        preset: Preset,
    },
    /// Neither an option nor the environment names a tokenizer.
    #[error(
        "no tokenizer is given, and without one tokens cannot be counted; name the model's tokenizer.json with \
         --tokenizer or in LAMPLIGHT_TOKENIZER"
    )]
    NoTokenizer,
    /// The tokenizer cannot be used.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The prompt could not be built.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The file of prompts could not be written; what was there before still is.
    #[error("cannot write the prompts to {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl TemplateChoice {
    fn load(&self, task: Task) -> Result<Template, ShowPromptError> {
        match self {
            Self::File(path) => Ok(Template::read(path)?),
            Self::Preset(preset) => {
                Template::preset(task, *preset).ok_or(ShowPromptError::NoPreset { task, preset: *preset })
            }
        }
    }
}

/// Runs the command.
pub(super) fn run(arguments: &ShowPrompt, console: &Console) -> Result<Outcome, CliError> {
    if let Some(task) = arguments.print_template {
        let template = arguments.template.load(task)?;
        if console.is_json() {
            console.print_json(&template)?;
        } else {
            console.print(&template.to_toml().map_err(ShowPromptError::from)?)?;
        }
        return Ok(Outcome::Done);
    }
    // What costs little is checked before the data are read.
    let cache = arguments.selection.cache_folder();
    let encoders = Encoders::new(&arguments.encoder, cache.as_deref(), console);
    let source = Source::of(arguments, &encoders)?;
    let tokenizer = tokenizer(arguments.tokenizer.as_deref())?;
    let dataset = arguments.selection.one(console)?;
    let template = arguments.template.load(dataset.id().task)?;
    let options = PromptOptions { mode: arguments.mode.into(), max_length: arguments.max_length };
    let builder = PromptBuilder::new(dataset.id().task, &template, options, &tokenizer);
    let builder = builder.map_err(ShowPromptError::from)?;
    let (dataset, template, encoders) = (&dataset, &template, &encoders);
    let maker = Maker { arguments, dataset, source, encoders, template, builder, console };
    match &arguments.out {
        Some(path) => maker.write_all(path)?,
        None => maker.show()?,
    }
    Ok(Outcome::Done)
}

fn tokenizer(given: Option<&Path>) -> Result<HfTokenizer, ShowPromptError> {
    let path = given.filter(|path| !path.as_os_str().is_empty()).ok_or(ShowPromptError::NoTokenizer)?;
    let path = if path.is_dir() { path.join("tokenizer.json") } else { path.to_owned() };
    Ok(HfTokenizer::from_file(&path)?)
}

/// What gives the entries of a prompt.
enum Source {
    Nothing,
    Retriever(Box<dyn Retriever>),
    File(RankingFile),
}

impl Source {
    fn of(arguments: &ShowPrompt, encoders: &Encoders<'_>) -> Result<Self, CliError> {
        Ok(match &arguments.rankings {
            _ if arguments.k == 0 => Self::Nothing,
            Some(path) => Self::File(RankingFile::read(path)?),
            None if matches!(arguments.retriever, RetrieverConfig::None {}) => Self::Nothing,
            None => Self::Retriever(arguments.retriever.build(encoders)?),
        })
    }

    /// In the words of a person, and what a machine may repeat.
    fn name(&self, arguments: &ShowPrompt) -> String {
        match (self, &arguments.rankings) {
            (Self::Nothing, _) => "none".to_owned(),
            (Self::Retriever(retriever), _) => retriever.id(),
            (Self::File(_), path) => {
                format!("rankings in {}", path.as_deref().unwrap_or(Path::new("")).display())
            }
        }
    }
}

/// Makes the prompts of one dataset.
struct Maker<'a> {
    arguments: &'a ShowPrompt,
    dataset: &'a Dataset,
    source: Source,
    encoders: &'a Encoders<'a>,
    template: &'a Template,
    builder: PromptBuilder<'a>,
    console: &'a Console,
}

/// A prompt, and whether the query for its entries was found as the task marks it.
struct Made {
    prompt: Prompt,
    marker_found: bool,
}

/// One line of a file of prompts.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    prompt: &'a str,
    tokens: usize,
    max_length: usize,
    status: &'a PromptStatus,
    entries: Vec<LineEntry<'a>>,
    dropped: Vec<&'a str>,
    input_cut: bool,
    reference: Option<&'a str>,
}

#[derive(Serialize)]
struct LineEntry<'a> {
    id: &'a str,
    kept: usize,
    cut: bool,
}

/// What became of the samples of a dataset; a sample may count several times.
#[derive(Default, Serialize)]
struct Counts {
    samples: usize,
    personalized: usize,
    plain: usize,
    fell_back: usize,
    input_too_long: usize,
    entries_cut: usize,
    entries_dropped: usize,
    input_cut: usize,
    without_marker: usize,
}

impl Counts {
    fn add(&mut self, made: &Made) {
        let prompt = &made.prompt;
        self.samples += 1;
        match prompt.status {
            PromptStatus::Personalized => self.personalized += 1,
            PromptStatus::Plain => self.plain += 1,
            PromptStatus::FellBack { .. } => self.fell_back += 1,
            PromptStatus::InputTooLong { .. } => self.input_too_long += 1,
        }
        self.entries_cut += usize::from(prompt.entries.iter().any(|entry| entry.cut.is_some()));
        self.entries_dropped += usize::from(!prompt.dropped.is_empty());
        self.input_cut += usize::from(prompt.input_cut());
        self.without_marker += usize::from(!made.marker_found);
    }

    fn words(&self) -> String {
        let rows = [
            ("personalized", self.personalized),
            ("not personalized, as asked", self.plain),
            ("fell back to the bare input", self.fell_back),
            ("input alone too long, left whole and without entries", self.input_too_long),
            ("with an entry cut short", self.entries_cut),
            ("with an entry dropped for want of room", self.entries_dropped),
            ("with the end of the input cut off", self.input_cut),
            ("without the task's marker, the whole input was the query", self.without_marker),
        ];
        let rows = rows.into_iter().filter(|(_, count)| *count > 0);
        let rows: Vec<_> = rows.map(|(what, count)| vec![format!("  {count}"), what.to_owned()]).collect();
        table(&rows, &[0])
    }
}

impl Maker<'_> {
    fn make(&self, sample: &Sample) -> Result<Made, CliError> {
        let task = self.dataset.id().task;
        let k = self.arguments.k;
        let mut marker_found = true;
        let indices: Vec<usize> = match &self.source {
            Source::Nothing => {
                let prompt = self.builder.plain(sample).map_err(ShowPromptError::from)?;
                return Ok(Made { prompt, marker_found });
            }
            Source::Retriever(retriever) => {
                let Problem { query, documents } = Problem::of(task, sample, self.arguments.use_date);
                marker_found = query.marker_found;
                retriever.rank(self.console.cancel(), &query, &documents, k)?.indices().collect()
            }
            Source::File(file) => {
                let documents = Document::of_profile(task, &sample.profile, false);
                file.apply(&sample.id, &documents, Completeness::Partial)?.indices().take(k).collect()
            }
        };
        let prompt = self.builder.build(sample, &indices).map_err(ShowPromptError::from)?;
        Ok(Made { prompt, marker_found })
    }

    fn ahead(&self) -> Option<Ahead<'_>> {
        match &self.source {
            Source::Retriever(retriever) => {
                Some(Ahead { retriever: &**retriever, use_date: self.arguments.use_date })
            }
            Source::Nothing | Source::File(_) => None,
        }
    }

    /// Writes the prompts of all samples.
    fn write_all(&self, path: &Path) -> Result<(), CliError> {
        let failed = |source| ShowPromptError::Write { path: path.to_owned(), source };
        if let Source::File(file) = &self.source {
            file.check_samples(self.dataset.summaries().map(|record| record.id))?;
        }
        let mut out = WholeFile::create(path).map_err(failed)?;
        let mut counts = Counts::default();
        in_order(
            self.dataset,
            self.console,
            "Building prompts",
            self.ahead(),
            |_, sample| {
                let made = self.make(sample)?;
                let mut json =
                    serde_json::to_string(&line_of(sample, &made.prompt)).map_err(io::Error::from)?;
                json.push('\n');
                Ok((made, json))
            },
            |(made, json)| {
                counts.add(&made);
                Ok(out.write_all(json.as_bytes()).map_err(failed)?)
            },
        )?;
        out.finish().map_err(failed)?;
        self.encoders.tell();
        if self.console.is_json() {
            let mut summary = self.circumstances();
            summary["out"] = path.to_string_lossy().into();
            summary["counts"] = json!(counts);
            self.console.print_json(&summary)?;
        } else {
            let what = self.words();
            let (id, count, path) = (self.dataset.id(), counts.samples, path.display());
            let summary = format!("{id}: {count} prompts in {path}\n{what}\n{}", counts.words());
            self.console.print(&summary)?;
        }
        Ok(())
    }

    /// Shows the prompt of one sample.
    fn show(&self) -> Result<(), CliError> {
        let (index, sample) = self.arguments.sample.find(self.dataset)?;
        if let Some(ahead) = self.ahead() {
            prepare_one(self.dataset, self.console, ahead, &sample)?;
        }
        let made = self.make(&sample)?;
        self.encoders.tell();
        let prompt = &made.prompt;
        if self.console.is_json() {
            let mut shown = self.circumstances();
            shown["index"] = index.into();
            shown["id"] = sample.id.as_str().into();
            shown["marker_found"] = made.marker_found.into();
            shown["tokens_read"] = prompt.tokens_read().into();
            shown["input_cut"] = prompt.input_cut().into();
            shown["prompt"] = json!(prompt);
            shown["marked"] = json!(prompt.marked(&sample, self.template));
            self.console.print_json(&shown)?;
        } else {
            let (id, len) = (self.dataset.id(), self.dataset.len());
            let mut out = format!("{id}, sample {} (index {index} of {len})\n", plain(&sample.id));
            out.push_str(&self.words());
            out.push_str("\n\n");
            for piece in prompt.marked(&sample, self.template) {
                out.push_str(&marked(piece, self.console.is_styled()));
            }
            out.push_str("\n\n");
            out.push_str(&self.account(&sample, &made));
            self.console.print(&out)?;
        }
        Ok(())
    }

    /// What the prompts depend on, for machines.
    fn circumstances(&self) -> serde_json::Value {
        let id = self.dataset.id();
        json!({
            "task": id.task,
            "setting": id.setting,
            "split": id.split,
            "retriever": match &self.source {
                Source::File(_) => None,
                source => Some(source.name(self.arguments)),
            },
            "rankings": self.arguments.rankings.as_ref().map(|path| path.to_string_lossy()),
            "k": self.arguments.k,
            "use_date": self.arguments.use_date,
            "template": self.template.name(),
            "mode": PromptMode::from(self.arguments.mode),
            "max_length": self.arguments.max_length,
            "encoders": self.encoders.as_json(),
        })
    }

    /// The same for people, on one line.
    fn words(&self) -> String {
        let k = self.arguments.k;
        let source = match self.source {
            Source::Nothing => "No entries".to_owned(),
            _ => format!("Entries from {}, k = {k}", plain(&self.source.name(self.arguments))),
        };
        let mode = match self.arguments.mode {
            Mode::Official => "official",
            Mode::Clean => "clean",
        };
        format!("{source}; template {}; {mode} mode", plain(self.template.name()))
    }

    /// What the prompt came to, and each entry's part in it.
    fn account(&self, sample: &Sample, made: &Made) -> String {
        let prompt = &made.prompt;
        let mut out = format!("{} of at most {} tokens{}\n", prompt.tokens, prompt.max_length, over(prompt));
        out.push_str(&format!("{}\n", plain(&status(prompt))));
        if !made.marker_found {
            out.push_str("The input lacks the task's marker, so all of it was the query.\n");
        }
        if prompt.entries.is_empty() && prompt.dropped.is_empty() {
            return out;
        }
        let heads = ["Rank", "Entry", "Words", "Granted", "Kept", "Left out"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        for (entry, rank) in prompt.entries.iter().zip(1..) {
            let long = sample.profile.get(entry.index).and_then(|profile| self.template.cut_text(profile));
            let cut = entry.cut.clone().and_then(|cut| long?.get(cut)).map_or(0, |cut| cut.chars().count());
            let left_out = match (cut, entry.rewritten) {
                (0, false) => "-".to_owned(),
                (0, true) => "-, some characters read otherwise".to_owned(),
                (count, false) => format!("{count} characters"),
                (count, true) => format!("{count} characters, some others read otherwise"),
            };
            let granted = entry.granted.map_or_else(|| "all".to_owned(), |granted| granted.to_string());
            let id = fitted(&plain(&entry.id), 24);
            rows.push(vec![
                rank.to_string(),
                id,
                entry.fixed.to_string(),
                granted,
                entry.kept.to_string(),
                left_out,
            ]);
        }
        for entry in &prompt.dropped {
            let none = String::new;
            let reason = format!("dropped: {}", plain(&entry.reason.to_string()));
            rows.push(vec!["-".to_owned(), fitted(&plain(&entry.id), 24), none(), none(), none(), reason]);
        }
        // Writing into a `String` cannot fail.
        let _ = write!(out, "\n{}", table(&rows, &[0, 2, 3, 4]));
        out.push_str(
            "Words, granted and kept are tokens: the entry's wording, and its text at most and as carried.\n",
        );
        out
    }
}

fn line_of<'a>(sample: &'a Sample, prompt: &'a Prompt) -> Line<'a> {
    let entry = |entry: &'a crate::prompt::PromptEntry| LineEntry {
        id: &entry.id,
        kept: entry.kept,
        cut: entry.cut.is_some(),
    };
    Line {
        id: &sample.id,
        prompt: &prompt.text,
        tokens: prompt.tokens,
        max_length: prompt.max_length,
        status: &prompt.status,
        entries: prompt.entries.iter().map(entry).collect(),
        dropped: prompt.dropped.iter().map(|entry| entry.id.as_str()).collect(),
        input_cut: prompt.input_cut(),
        reference: sample.reference.as_deref(),
    }
}

/// A piece as a terminal shows it: struck out if the model does not read it, or between brackets elsewhere.
pub(super) fn marked(piece: Marked<'_>, strike: bool) -> String {
    let text = safe(piece.text);
    match (piece.mark, strike) {
        (Mark::Read, _) => text,
        (_, true) => format!("\u{1b}[9m{text}\u{1b}[29m"),
        (Mark::LeftOut, false) => format!("[cut: {text}]"),
        (Mark::CutOff, false) => format!("[cut off at the end: {text}]"),
    }
}

fn over(prompt: &Prompt) -> String {
    match &prompt.lost {
        Some(lost) if prompt.input_cut() => {
            format!("; the last {} are not read, among them the end of the input", lost.tokens)
        }
        Some(lost) => format!("; the last {} are not read", lost.tokens),
        None => String::new(),
    }
}

fn status(prompt: &Prompt) -> String {
    match &prompt.status {
        PromptStatus::Personalized => {
            let attempts = match prompt.attempts {
                0 | 1 => String::new(),
                more => format!("; {more} shares of the length were tried for the input"),
            };
            let entries = match prompt.entries.len() {
                1 => "1 entry".to_owned(),
                more => format!("{more} entries"),
            };
            format!("Personalized with {entries}{attempts}")
        }
        PromptStatus::Plain => "Not personalized, as asked".to_owned(),
        PromptStatus::FellBack { reason } => format!("Fell back to the bare input: {reason}"),
        PromptStatus::InputTooLong { over } => {
            format!("The input alone is {over} tokens too long; it is left whole and without entries")
        }
    }
}
