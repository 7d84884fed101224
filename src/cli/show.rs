//! `lamplight show`: one sample of a dataset with its profile, or a run.

use std::fmt::Write;

use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};

use super::selection::{DatasetSelection, SampleChoice};
use super::store_choice::StoreChoice;
use super::text::{plain, safe};
use super::{CliError, Console, Outcome, show_run};
use crate::dataset::Dataset;
use crate::lamp::{Query, Sample};

/// Shows a run, one prediction of it, or a sample with its profile.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("which").args(["id", "index", "prediction"]),
    mut_arg("paths", |paths| {
        paths.value_name("RUN|PATH").help(
            "A run, by number or by the beginning of its key; or dataset files (.json, .json.gz, .zip) or folders",
        )
    }),
    after_help = "Examples:\n  lamplight show 3f9a01c2\n  lamplight show 3f9a01c2 --sample 310\n  \
                  lamplight show dev_questions.json --id 310",
)]
pub struct Show {
    #[command(flatten)]
    selection: DatasetSelection,
    #[command(flatten)]
    sample: SampleChoice,
    /// Of a run: the prediction for the sample of this id, whole.
    #[arg(id = "prediction", long = "sample", value_name = "ID")]
    prediction: Option<String>,
    #[command(flatten)]
    store: StoreChoice,
}

impl Show {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> Result<Outcome, CliError> {
        if let Some(run) = self.run_name() {
            return show_run::run(&self.store, run, self.prediction.as_deref(), console);
        }
        if self.sample.id.is_none() && self.sample.index.is_none() {
            return Err(CliError::Usage("say which sample of the dataset with --id or --index"));
        }
        let dataset = self.selection.one(console)?;
        let (index, sample) = self.sample.find(&dataset)?;
        if console.is_json() {
            console.print_json(&as_json(&dataset, index, &sample))?;
        } else {
            console.print(&words(&dataset, index, &sample))?;
        }
        Ok(Outcome::Done)
    }
}

impl Show {
    /// What names a run: a single word of hexadecimal digits that is no file, or anything with --sample.
    fn run_name(&self) -> Option<&str> {
        let [path] = self.selection.paths.as_slice() else { return None };
        let name = path.to_str()?;
        let dataset = self.sample.id.is_some() || self.sample.index.is_some() || path.exists();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_hexdigit());
        (self.prediction.is_some() || (is_name && !dataset)).then_some(name)
    }
}

fn fields(dataset: &Dataset) -> impl Iterator<Item = &'static str> {
    let task = dataset.id().task;
    ["id", "date"].into_iter().chain(task.label_field()).chain(task.title_field()).chain([task.text_field()])
}

fn as_json(dataset: &Dataset, index: usize, sample: &Sample) -> Value {
    let id = dataset.id();
    let profile: Vec<Map<String, Value>> = sample
        .profile
        .iter()
        .map(|entry| {
            fields(dataset)
                .filter_map(|name| Some((name.to_owned(), entry.field(id.task, name)?.into())))
                .collect()
        })
        .collect();
    json!({
        "task": id.task,
        "setting": id.setting,
        "split": id.split,
        "index": index,
        "id": sample.id,
        "user_id": sample.user_id,
        "input": sample.input,
        "output": sample.reference,
        "query": Query::of(id.task, sample).text,
        "profile": profile,
    })
}

fn words(dataset: &Dataset, index: usize, sample: &Sample) -> String {
    let id = dataset.id();
    let indented = |text: &str| safe(text).replace('\n', "\n    ");
    let mut out = format!("{id}, sample {} (index {index} of {})\n", plain(&sample.id), dataset.len());
    // Writing into a `String` cannot fail.
    if let Some(user) = sample.user_id {
        let _ = writeln!(out, "User {user}");
    }
    let _ = writeln!(out, "\nInput\n    {}", indented(&sample.input));
    let reference = sample.reference.as_deref().map_or_else(|| "not given".to_owned(), indented);
    let _ = writeln!(out, "\nReference\n    {reference}");
    let noun = if sample.profile.len() == 1 { "entry" } else { "entries" };
    let _ = writeln!(out, "\nProfile, {} {noun}", sample.profile.len());
    for entry in &sample.profile {
        let mut line = format!("\n  [{}]", plain(&entry.id));
        for value in [&entry.date, &entry.label, &entry.title].into_iter().flatten() {
            let _ = write!(line, "  {}", plain(value));
        }
        let _ = writeln!(out, "{line}\n    {}", indented(&entry.text));
    }
    out
}
