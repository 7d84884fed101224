//! `lamplight demo`: the whole program on data and rules that ship with it. Does nothing that the commands it names do not do.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{WorkArgs, conclude, planned, work_off};
use crate::cli::chart::{self, ChartArgs, Kind};
use crate::cli::export::{self, ExportArgs};
use crate::cli::run_choice::RunChoice;
use crate::cli::table::{self, TableArgs};
use crate::cli::text::plain;
use crate::cli::{CliError, Console, Outcome, Unit};
use crate::dataset::sample_set;
use crate::lamp::{Setting, Split};
use crate::record::Shard;
use crate::run::{Experiment, PlanError};

/// The experiment, whose data is put where the demo's folder is.
const EXPERIMENT: &str = include_str!("../../../resources/experiments/sample.toml");

/// Run the sample benchmark: every task and setting on invented data, with nothing to download.
///
/// Writes the sample set, runs it through rules that need no model, stores every answer, prints the result table, and
/// leaves tables and charts in a folder. Run again it continues, or shows what is there.
#[derive(Debug, Args)]
pub(in crate::cli) struct DemoArgs {
    /// The folder for data, results, tables and charts; made if need be.
    #[arg(long, value_name = "FOLDER", default_value = "lamplight-demo")]
    out: PathBuf,
    #[command(flatten)]
    work: WorkArgs,
}

/// Runs the command.
pub(in crate::cli) fn run(mut arguments: DemoArgs, console: &Console) -> Result<Outcome, CliError> {
    let out = std::path::absolute(&arguments.out)?;
    let data = out.join("data");
    write_data(&data, console)?;
    arguments.work.store.or(out.join("lamplight.db"));
    let work = &arguments.work;

    let mut experiment =
        Experiment::from_toml(EXPERIMENT, Path::new("sample.toml")).map_err(PlanError::Problems)?;
    for part in &mut experiment.data {
        part.paths = vec![data.clone()];
    }
    let workplace = work.workplace(console)?;
    let plan = planned(&experiment, Vec::new(), &workplace, console)?;
    let (outcome, _) = work_off(&experiment, &plan, &workplace, Shard::WHOLE, work, false, console)?;
    let ended = conclude(&outcome, Shard::WHOLE, console)?;

    let store = || work.store.clone();
    let choice = || RunChoice::of_experiment(&experiment.name).on(Split::Test);
    table::run(&TableArgs::of(store(), choice()), console)?;
    let quiet = console.silenced();
    let mut written = vec![out.join("table.csv")];
    export::run(&ExportArgs::csv(store(), choice(), &written[0]), &quiet)?;
    for (kind, name) in
        [(Kind::Scores, "scores"), (Kind::K, "k"), (Kind::Profile, "profile"), (Kind::Confusion, "confusion")]
    {
        for setting in Setting::ALL {
            let choice = || choice().of_model("baseline:nearest").in_setting(setting);
            for end in ["svg", "png"] {
                let path = out.join(format!("{name}-{setting}.{end}"));
                chart::run(&ChartArgs::of(kind, store(), choice(), &path), &quiet)?;
                written.push(path);
            }
        }
    }
    tell(&arguments.out, &written, console);
    Ok(ended)
}

/// Writes the sample set, unless it is there whole.
fn write_data(folder: &Path, console: &Console) -> Result<(), CliError> {
    if folder.is_dir() {
        return Ok(());
    }
    // Under its name only when it is complete, since whoever continues takes it for whole.
    let unfinished = folder.with_extension("unfinished");
    let options = sample_set::Options { force: true, gzip: true, ..sample_set::Options::default() };
    console.with_progress(Unit::Items, |progress| {
        sample_set::write(&unfinished, &options, console.cancel(), progress)
    })?;
    Ok(std::fs::rename(&unfinished, folder)?)
}

fn tell(out: &Path, written: &[PathBuf], console: &Console) {
    let out = plain(&out.display().to_string());
    let names: Vec<String> = written
        .iter()
        .filter_map(|path| path.file_name())
        .map(|name| plain(&name.to_string_lossy()))
        .collect();
    console.note(&format!(
        "Wrote to {out}: {}.\n\
         The data is invented and the rules are no models: the figures show how Lamplight works, not how well anything personalizes.\n\
         Next: `lamplight list --store {out}`, `lamplight show 1 --store {out}`, `lamplight run --help`.",
        names.join(", ")
    ));
}
