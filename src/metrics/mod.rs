//! Answers to scores: parsing, per-sample scores, aggregates and their intervals. Pure.
//!
//! A [`Scorer`] turns raw model text and its reference into a [`SampleScore`], small and of a fixed size, which holds
//! what every metric needs of that sample. A [`ScoreSet`] computes aggregates from sample scores alone, at any time,
//! and bootstrap intervals by resampling them. Must not know files, models or how results are stored or shown: texts
//! come in, numbers go out; the one dictionary that a metric needs is handed in.

mod aggregate;
mod answer;
mod bleu;
mod bootstrap;
mod chatty;
mod judge;
mod lcs;
mod meteor;
mod paired;
mod porter;
mod rouge;
mod score;
mod sentences;
mod wordnet;
mod words;

pub use aggregate::{Aggregate, Figure, LiveFigures, ScoreSet};
pub use answer::{Answer, Parsing, Prediction, UnknownParsing, farthest_rating, parse_answer, python_float};
pub use bleu::{Bleu, BleuStats, SACREBLEU_SIGNATURE};
pub use bootstrap::{Bootstrap, Interval};
pub use judge::{MeanFigure, Preference, PreferenceFigures, judged_test, mean_figure, preference_figures};
pub use meteor::{MeteorStages, meteor};
pub use paired::{Comparison, PairedTest, compare, holm, paired_test};
pub use porter::porter_stem;
pub use rouge::{Prf, RougeScorer, RougeScores};
pub use score::{MetricsError, SampleScore, Scorer, TextScore};
pub use wordnet::{WordNet, WordNetError};
