//! Runs: an experiment becomes cells, and each cell a run that is executed, resumed, tuned and scored anew.
//!
//! A [`Cell`] is one run made ready; an [`Executor`] answers what its store does not have yet, and what it stores is the
//! same however often it was broken off. Everything here works without a terminal and without a window: progress is left
//! in a slot, and what a person should know becomes an event of the store. Knows no command line and no way to show results.

mod baseline;
mod cell;
mod encoders;
mod estimate;
mod execute;
pub mod experiment;
mod full_text;
pub mod judge;
mod places;
pub mod plan;
mod rescore;
pub mod resume;
mod sample;
mod scoring;
pub mod series;
pub mod tune;
mod window;
mod workplace;

pub use baseline::{Baseline, BaselineError, commonest_label};
pub use cell::{Cell, CellModel};
pub use estimate::{Estimate, estimate};
pub use execute::{
    AskedPrompt, Control, Cost, EndpointProgress, Executor, Phase, RunError, RunProgress, Settings, in_full,
    prompts,
};
pub use experiment::Experiment;
pub use full_text::{FullText, FullTextError, IndexNote};
pub use places::Places;
pub use plan::{Plan, PlanError, plan, plan_draft, survey};
pub use rescore::{Rescored, reread, rescore};
pub use sample::{sample_experiment, sample_set};
pub use scoring::finish;
pub use series::{keep, run_series};
pub use window::Window;
pub use workplace::Workplace;
