//! The benchmark's vocabulary: tasks, settings, splits, samples, labels, the text a
//! retriever searches, and the figures others have published.
//!
//! Everything here is pure: no file, no clock, no model. This module knows none of the others;
//! all of them may use it. What the benchmark fixes is described in arXiv 2304.11406 (LaMP) and
//! arXiv 2404.05970 (its time setting); where those and the official code differ, the code's
//! behavior is reproduced and the difference is said beside it.

mod date;
mod published;
mod python;
mod sample;
mod task;
mod text;

pub use date::EntryDate;
pub use published::{PublishedFigure, published_figures};
pub use python::{is_python_space, python_split, python_strip};
pub use sample::{ProfileEntry, Sample};
pub use task::{Metric, Setting, Split, Task, TaskKind, UnknownName};
pub use text::{Document, Query, document_text, input_marker, quoted_strings};
