//! Which entries of a profile a model gets to see, and in which order.
//!
//! One retrieval problem a record: the documents are that record's own profile entries, and a
//! [`Retriever`] puts them in order. The trait knows none of its implementations; a
//! [`RetrieverConfig`] names them and builds them, with the encoders that an [`EncoderSource`] supplies. Every ranking is a
//! function of its arguments alone, so that neither the order of samples nor resuming a run changes it.
//!
//! Knows no file of a dataset, no prompt and no model's weights; [`RankingFile`] is the one file format of its own.

mod bm25;
mod config;
mod dense;
mod encoders;
mod fulltext;
mod fusion;
mod ranking_file;
mod simple;
mod tokens;

use crate::jobs::{CancelToken, Canceled, Progress};
use crate::lamp::{Document, Query, Sample, Task};
use crate::model::ModelError;
use crate::search::SearchError;

pub use bm25::{Bm25, Bm25Index, Bm25IndexError, Bm25Options};
pub use config::{ConfigError, RetrieverConfig};
pub use dense::Dense;
pub use encoders::{BuildError, DenseConfig, EncoderSource, NoEncoders};
pub use fulltext::FullText;
pub use fusion::{Fusion, RecencyPlus};
pub use ranking_file::{Completeness, RankingFile, RankingFileError, RankingWriter};
pub use simple::{MAX_DRAWS, NoEntries, Random, Recency};

/// Puts the documents of one record in order.
pub trait Retriever: Send + Sync {
    /// At most `k` documents, the best first.
    ///
    /// `usize::MAX` asks for the whole ranking, and a `k` larger than the profile gives the whole
    /// profile; what random draws with replacement make of that is said at [`Random`].
    fn rank(
        &self,
        cancel: &CancelToken,
        query: &Query,
        documents: &[Document],
        k: usize,
    ) -> Result<Ranking, RetrievalError>;

    /// How many encoders [`Retriever::prepare`] gives the texts to. With 0 there is nothing to gather records for.
    fn preparations(&self) -> usize {
        0
    }

    /// Does for many records at once what costs less together, and refuses what could not be ranked; the ranking then finds it
    /// done, and comes out the same as without. `progress` gets one unit for each query and each document, from each encoder.
    fn prepare(&self, _: &CancelToken, _: &Progress, _: &[Problem]) -> Result<(), RetrievalError> {
        Ok(())
    }

    /// What identifies the retriever with all its options, in the short form that
    /// [`RetrieverConfig`] is read from where it has one: `bm25`, `recency+bm25`, `random:7`.
    fn id(&self) -> String;

    /// The retriever and its options in words for a person.
    fn describe(&self) -> String;
}

/// A record as a retriever sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is looked for.
    pub query: Query,
    /// What is ranked.
    pub documents: Vec<Document>,
}

impl Problem {
    /// The problem that a sample poses; see [`Query::of`] and [`Document::of_profile`].
    pub fn of(task: Task, sample: &Sample, use_date: bool) -> Self {
        Self {
            query: Query::of(task, sample),
            documents: Document::of_profile(task, &sample.profile, use_date),
        }
    }
}

/// Documents of one record in order, the best first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ranking {
    /// The entries in rank order.
    pub entries: Vec<RankedEntry>,
}

/// One place in a [`Ranking`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankedEntry {
    /// Which document, counted from 0 in the order they were given.
    pub index: usize,
    /// The score that put it here, higher is better; `None` where a retriever computes none.
    pub score: Option<f64>,
}

impl Ranking {
    /// A ranking without scores.
    pub fn of_indices(indices: impl IntoIterator<Item = usize>) -> Self {
        Self { entries: indices.into_iter().map(|index| RankedEntry { index, score: None }).collect() }
    }

    /// The `k` documents with the highest scores (one score a document); of equal scores the later document
    /// comes first, which is what the reference's stable ascending sort gives when it is read backwards.
    pub fn by_score(scores: impl IntoIterator<Item = f64>, k: usize) -> Self {
        let mut entries: Vec<(f64, usize)> =
            scores.into_iter().enumerate().map(|(index, score)| (score, index)).collect();
        let better = |a: &(f64, usize), b: &(f64, usize)| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1));
        if k < entries.len() {
            if k > 0 {
                entries.select_nth_unstable_by(k - 1, better);
            }
            entries.truncate(k);
        }
        entries.sort_unstable_by(better);
        Self {
            entries: entries
                .into_iter()
                .map(|(score, index)| RankedEntry { index, score: Some(score) })
                .collect(),
        }
    }

    /// The documents' indices in rank order.
    pub fn indices(&self) -> impl ExactSizeIterator<Item = usize> {
        self.entries.iter().map(|entry| entry.index)
    }

    /// The documents' entry ids in rank order; `documents` are those that were ranked.
    pub fn entry_ids<'d>(&self, documents: &'d [Document]) -> Vec<&'d str> {
        self.indices().filter_map(|index| documents.get(index)).map(|document| document.id.as_str()).collect()
    }

    /// How many places there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was retrieved.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Why a record could not be ranked.
#[derive(Debug, thiserror::Error)]
pub enum RetrievalError {
    /// The work was canceled.
    #[error(transparent)]
    Canceled(#[from] Canceled),
    /// No entry of the profile has a date.
    #[error(
        "recency is undefined there: no entry of sample `{sample_id}` has a date (the first is `{entry_id}`). \
         Profiles of the user setting carry none; use the time setting or another retriever"
    )]
    Undated {
        /// The record.
        sample_id: String,
        /// Its first profile entry.
        entry_id: String,
    },
    /// Some entries have a date and some have none that can be read.
    #[error(
        "recency needs a date for every entry: in sample `{sample_id}`, {count} of {of} entries have none that can \
         be read (first `{entry_id}`). Repair the file or use another retriever"
    )]
    PartlyUndated {
        /// The record.
        sample_id: String,
        /// Its first profile entry without a date.
        entry_id: String,
        /// How many entries have none.
        count: usize,
        /// How many entries there are.
        of: usize,
    },
    /// More draws with replacement than anyone can use.
    #[error(
        "{k} random draws for sample `{sample_id}` are more than {MAX_DRAWS}, the most that are made; use a smaller k"
    )]
    TooManyDraws {
        /// The record.
        sample_id: String,
        /// The draws asked for.
        k: usize,
    },
    /// A profile with more text than an index can number.
    #[error(
        "the profile of sample `{sample_id}` holds {bytes} bytes of text, more than can be ranked (4 GiB)"
    )]
    ProfileTooLarge {
        /// The record.
        sample_id: String,
        /// The text of all its documents.
        bytes: usize,
    },
    /// An encoder failed.
    #[error("texts cannot be encoded by {model}")]
    Encoding {
        /// The encoder, as it was named.
        model: String,
        /// What failed.
        #[source]
        source: Box<ModelError>,
    },
    /// The full-text engine failed.
    #[error("full-text ranking of sample `{sample_id}` failed")]
    Search {
        /// The record.
        sample_id: String,
        /// What failed.
        #[source]
        source: SearchError,
    },
}

#[cfg(test)]
pub(crate) mod test_support {
    use crate::lamp::{Document, EntryDate, Query};

    pub(crate) fn query(id: &str, text: &str) -> Query {
        Query { sample_id: id.into(), text: text.into(), marker_found: true }
    }

    pub(crate) fn documents<T: AsRef<str>>(texts: &[T]) -> Vec<Document> {
        texts
            .iter()
            .enumerate()
            .map(|(i, text)| Document { id: format!("e{i}"), text: text.as_ref().into(), date: None })
            .collect()
    }

    pub(crate) fn dated(dates: &[&str]) -> Vec<Document> {
        dates
            .iter()
            .enumerate()
            .map(|(i, date)| Document {
                id: format!("e{i}"),
                text: format!("text {i}"),
                date: EntryDate::parse(date),
            })
            .collect()
    }
}
