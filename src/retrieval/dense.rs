//! Ranking by vectors: an encoder turns query and documents into vectors, and those that point the query's way come first.

use std::sync::Arc;

use super::{DenseConfig, Problem, Ranking, RetrievalError, Retriever};
use crate::jobs::{CancelToken, Progress};
use crate::lamp::{Document, Query};
use crate::model::ModelError;
use crate::model::embeddings::{SharedEncoder, TextRole};

/// Ranks by the dot product of the query's vector and each document's, among the record's own entries (Contriever,
/// arXiv 2112.09118, as LaMP uses it). Equal scores: the later entry first.
///
/// Sums are taken in 64 bits and in a fixed order, so that a ranking depends on the vectors alone. Retrievers may share an
/// encoder, and with it every vector.
pub struct Dense {
    config: DenseConfig,
    encoder: Arc<SharedEncoder>,
}

impl Dense {
    /// Ranks by an encoder, which `config` names.
    pub fn new(config: DenseConfig, encoder: Arc<SharedEncoder>) -> Self {
        Self { config, encoder }
    }

    fn failed(&self, error: ModelError) -> RetrievalError {
        match error {
            ModelError::Canceled(canceled) => RetrievalError::Canceled(canceled),
            source => RetrievalError::Encoding { model: self.config.model.clone(), source: Box::new(source) },
        }
    }
}

/// The query's text and the documents', in this order, as the encoder gets them.
fn texts<'t>(query: &'t Query, documents: &'t [Document]) -> impl Iterator<Item = (TextRole, &'t str)> {
    let documents = documents.iter().map(|document| (TextRole::Document, document.text.as_str()));
    [(TextRole::Query, query.text.as_str())].into_iter().chain(documents)
}

impl Retriever for Dense {
    fn rank(
        &self,
        cancel: &CancelToken,
        query: &Query,
        documents: &[Document],
        k: usize,
    ) -> Result<Ranking, RetrievalError> {
        cancel.check()?;
        if documents.is_empty() || k == 0 {
            return Ok(Ranking::default()); // no need for a model
        }
        let texts: Vec<_> = texts(query, documents).collect();
        let mut wanted = Vec::new();
        let mut scores = Vec::with_capacity(documents.len());
        let take = |index: usize, vector: &[f32]| match index {
            0 => wanted = vector.to_vec(),
            _ => scores.push(dot(&wanted, vector)),
        };
        self.encoder.each(cancel, &texts, take).map_err(|error| self.failed(error))?;
        Ok(Ranking::by_score(scores, k))
    }

    fn preparations(&self) -> usize {
        1
    }

    fn prepare(
        &self,
        cancel: &CancelToken,
        progress: &Progress,
        problems: &[Problem],
    ) -> Result<(), RetrievalError> {
        let texts = problems.iter().flat_map(|problem| texts(&problem.query, &problem.documents));
        self.encoder.encode_ahead(cancel, progress, texts).map_err(|error| self.failed(error))
    }

    fn id(&self) -> String {
        let mut hash = self.encoder.identity_hash();
        hash.truncate(12);
        DenseConfig { identity: Some(hash), ..self.config.clone() }.to_string()
    }

    fn describe(&self) -> String {
        let (model, numbers) = (&self.config.model, self.encoder.dimensions());
        // Of hashes the beginning suffices a person.
        let is_hash = |word: &str| word.len() > 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let words = self.encoder.identity().split(' ');
        let identity: Vec<_> = words.map(|word| if is_hash(word) { &word[..12] } else { word }).collect();
        format!("Dense retrieval by {model} ({numbers} numbers a text; {})", identity.join(" "))
    }
}

/// The dot product. Products of two `f32` are exact in `f64`; eight sums are kept side by side and added up at the end.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 8;
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f64; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests;
