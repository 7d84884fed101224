//! Stored runs to what people read: result tables, comparisons, files for other programs and for papers.
//!
//! Everything begins as plain records: the caller hands in runs, their columns of values and their predictions, and gets a
//! [`ResultTable`] or a [`Comparison`](compare::RunComparison), which every output format is written from. Pure but for the
//! files it is told to write. Must not know the store, models, retrievers or data files.

pub mod chart;
pub mod cite;
pub mod compare;
pub mod csv;
pub mod files;
pub mod json;
mod judged;
pub mod latex;
pub mod markdown;
mod method;
mod published;
pub mod submission;
mod table;
pub mod words;

pub use judged::{JudgeFigures, Judged, Measure, SampleColumn, judge_names, mean, template_name};
pub use method::{Method, method_name, run_method_name};
pub use published::published_beside;
use table::short_hash;
pub use table::{
    CellTest, Choice, Endings, MethodColumn, MetricChoice, ModelBlock, ModelLabel, Note, ResultTable, Row,
    RunRef, SampleSet, Section, Spread, TableCell, TableOptions, improvement_percent,
};
