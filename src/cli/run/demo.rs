//! `lamplight demo`: the whole program on data and models that ship with it. Does nothing that `run`, `table`, `export` and `chart`
//! do not do.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{WorkArgs, ended_as, planned, work_off};
use crate::cli::chart::{self, ChartArgs, Kind};
use crate::cli::export::{self, ExportArgs};
use crate::cli::run_choice::RunChoice;
use crate::cli::table::{self, TableArgs};
use crate::cli::text::plain;
use crate::cli::{CliError, Console, Outcome, Unit};
use crate::lamp::{Setting, Split};
use crate::model::shipped;
use crate::record::Shard;
use crate::report::files::FileError;
use crate::run::{PlanError, sample_experiment, sample_set};

/// Run the sample benchmark: every task and setting on invented data, with nothing to download.
///
/// Runs the sample set through the models that are part of the program, stores every answer, prints the result table, and leaves
/// it with charts in a folder. Run again it continues, or shows what is there.
#[derive(Debug, Args)]
pub(in crate::cli) struct DemoArgs {
    /// The folder for results, tables and charts; made if need be.
    #[arg(long, value_name = "FOLDER", default_value = "lamplight-demo")]
    out: PathBuf,
    #[command(flatten)]
    work: WorkArgs,
}

/// The charts: what is drawn, of which model, on which split, under which name.
const CHARTS: [(Kind, &str, Split, &str); 5] = [
    (Kind::Scores, shipped::T5, Split::Test, "scores"),
    (Kind::Profile, shipped::T5, Split::Test, "profile"),
    (Kind::Confusion, shipped::T5, Split::Test, "confusion"),
    (Kind::K, shipped::T5, Split::Dev, "k"),
    (Kind::Tuning, shipped::T5, Split::Dev, "tuning"),
];

/// Runs the command.
pub(in crate::cli) fn run(mut arguments: DemoArgs, console: &Console) -> Result<Outcome, CliError> {
    let out = &arguments.out;
    // Before a minute of work, not after it.
    std::fs::create_dir_all(out).map_err(|source| FileError::Write { path: out.clone(), source })?;
    arguments.work.store.or(out.join("lamplight.db"));
    let work = &arguments.work;
    let workplace = work.workplace(console)?;
    let data =
        console.with_progress(Unit::Items, |progress| sample_set(&workplace, console.cancel(), progress))?;
    let experiment = sample_experiment(&data).map_err(PlanError::Problems)?;
    let plan = planned(&experiment, Vec::new(), &workplace, console)?;
    let (outcome, _) = work_off(&experiment, &plan, &workplace, Shard::WHOLE, work, false, console)?;
    let ended = ended_as(&outcome, Shard::WHOLE, console)?;

    let store = || work.store.clone();
    let choice = |split| RunChoice::of_experiment(&experiment.name).on(split);
    table::run(&TableArgs::of(store(), choice(Split::Test)), console)?;
    let quiet = console.silenced();
    let mut written = vec![out.join("table.csv")];
    export::run(&ExportArgs::csv(store(), choice(Split::Test), &written[0]), &quiet)?;
    for (kind, model, split, name) in CHARTS {
        for setting in Setting::ALL {
            let path = out.join(format!("{name}-{setting}"));
            for path in ["svg", "png"].map(|end| path.with_extension(end)) {
                let choice = choice(split).of_model(model).in_setting(setting);
                chart::run(&ChartArgs::of(kind, store(), choice, &path), &quiet)?;
                written.push(path);
            }
        }
    }
    tell(out, &written, console);
    Ok(ended)
}

fn tell(out: &Path, written: &[PathBuf], console: &Console) {
    let out = plain(&out.display().to_string());
    let names = written.iter().filter_map(|path| path.file_name());
    let names: Vec<String> = names.map(|name| plain(&name.to_string_lossy())).collect();
    console.note(&format!(
        "Wrote to {out}: {}.\n\
         The data is invented and the models have learned nothing else: the figures show how Lamplight works, not how well \
         anything personalizes.\n\
         Next: `lamplight list --store {out}`, `lamplight compare RUN RUN --store {out}`, `lamplight run --help`.",
        names.join(", ")
    ));
}
