//! Lamplight measures how well a language model uses a person's history, on the LaMP benchmark
//! (arXiv 2304.11406): a retriever picks entries of a user's profile, a prompt carries them, a model
//! answers, and metrics say what the profile was worth.
//!
//! The crate's map; `ARCHITECTURE.md` says who may use whom:
//!
//! - [`lamp`]: the vocabulary, pure.
//! - [`jobs`]: canceling and progress of long work.
//! - [`fetch`]: addresses to files, resumed and checked.
//! - [`dataset`]: files to samples; the dataset check; getting data; the sample set.
//! - [`search`]: full-text search over samples and profiles.
//! - [`model`]: tokenizers and models behind traits.
//! - [`retrieval`]: rankings of a profile's entries.
//! - [`prompt`]: what the model reads.
//! - [`metrics`]: answers to scores.
//! - [`mod@record`]: what is persisted of a run.
//! - [`run`]: experiments executed, resumed, tuned, scored anew.
//! - [`store`]: runs, kept in one file.
//! - [`train`]: models fine-tuned.
//! - [`report`]: stored runs to tables, comparisons and files.
//! - [`version`]: which build this is.
//! - [`whole_file`]: files that appear whole or not at all.
//! - [`gui`]: all of it in a window.
//! - [`cli`]: all of it from a terminal.

pub mod cli;
pub mod dataset;
pub mod fetch;
pub mod gui;
pub mod jobs;
pub mod lamp;
pub mod metrics;
pub mod model;
pub mod prompt;
pub mod record;
pub mod report;
pub mod retrieval;
pub mod run;
pub mod search;
pub mod store;
pub mod train;
pub mod version;
pub mod whole_file;
