//! A ranking of one sample's profile, as a run would retrieve from it.

use std::collections::HashMap;
use std::sync::Arc;

use super::SampleKey;
use crate::dataset::Dataset;
use crate::gui::loadable::Trouble;
use crate::jobs::{CancelToken, Progress};
use crate::lamp::{Query, Sample, Task};
use crate::model::embeddings::SharedEncoder;
use crate::retrieval::{
    BuildError, DenseConfig, EncoderSource, Problem, Ranking, Retriever, RetrieverConfig,
};
use crate::run::Workplace;

/// All that a ranking depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankSubject {
    /// Whose profile.
    pub sample: SampleKey,
    /// The retriever's short form.
    pub retriever: String,
    /// How many entries it retrieves.
    pub k: usize,
    /// Whether it reads dates.
    pub use_date: bool,
}

/// An entry's place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Which entry of the profile.
    pub index: usize,
    /// What put it here, where the retriever computes that.
    pub score: Option<f64>,
}

/// A ranked profile.
#[derive(Debug)]
pub struct Ranked {
    /// The sample's task.
    pub task: Task,
    /// The sample with its profile.
    pub sample: Sample,
    /// What was looked for.
    pub query: Query,
    /// The entries that are retrieved, in rank order, and behind them the others in the order of the whole ranking.
    pub places: Vec<Place>,
    /// How many are retrieved.
    pub retrieved: usize,
    /// The first place of each entry, counted from 1.
    pub ranks: HashMap<usize, usize>,
    /// The least score or 0, and the greatest; `None` without scores.
    pub scores: Option<(f64, f64)>,
    /// The retriever in words.
    pub describe: String,
}

/// The workplace's encoders, with the token and the slot of the job that asks for them.
struct Watched<'a> {
    workplace: &'a Workplace,
    cancel: &'a CancelToken,
    progress: &'a Progress,
}

impl EncoderSource for Watched<'_> {
    fn encoder(&self, wanted: &DenseConfig) -> Result<Arc<SharedEncoder>, BuildError> {
        self.progress.start("Loading the encoder", 0);
        self.workplace.shared_encoder(wanted, self.cancel, self.progress)
    }
}

/// The retriever of a short form, ready for one problem; `None` where nothing is retrieved.
pub(super) fn retriever_for(
    short: &str,
    problem: &Problem,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Box<dyn Retriever>, Trouble> {
    let config: RetrieverConfig = short.parse()?;
    let retriever = config.build(&Watched { workplace, cancel, progress })?;
    if retriever.preparations() > 0 {
        progress.start("Encoding", ((problem.documents.len() + 1) * retriever.preparations()) as u64);
        retriever.prepare(cancel, progress, std::slice::from_ref(problem))?;
    }
    Ok(retriever)
}

/// Ranks the profile of a sample.
///
/// # Errors
/// What the dataset, the retriever or its encoder say.
pub fn rank(
    dataset: &Dataset,
    index: usize,
    subject: &RankSubject,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Ranked, Trouble> {
    let sample = dataset.sample(index)?;
    let task = dataset.id().task;
    let problem = Problem::of(task, &sample, subject.use_date);
    let retriever = retriever_for(&subject.retriever, &problem, workplace, cancel, progress)?;
    let Problem { query, documents } = &problem;
    // What a prompt gets may be another choice than the beginning of the whole ranking, such as half of it the newest.
    let retrieved = retriever.rank(cancel, query, documents, subject.k)?;
    let whole = retriever.rank(cancel, query, documents, usize::MAX)?;
    let describe = retriever.describe();
    let places = places(&retrieved, &whole, documents.len());
    let mut ranks = HashMap::with_capacity(places.len());
    for (place, rank) in places.iter().zip(1..) {
        ranks.entry(place.index).or_insert(rank);
    }
    let scores = places.iter().filter_map(|place| place.score).fold(None, |range, score| {
        let (least, most) = range.unwrap_or((0.0, f64::NEG_INFINITY));
        Some((f64::min(least, score), f64::max(most, score)))
    });
    let query = problem.query;
    Ok(Ranked { task, sample, query, places, retrieved: retrieved.len(), ranks, scores, describe })
}

/// The retrieved entries, and behind them those of the whole ranking that are not among them.
fn places(retrieved: &Ranking, whole: &Ranking, entries: usize) -> Vec<Place> {
    let mut taken = vec![false; entries];
    let mut places = Vec::with_capacity(whole.len().max(retrieved.len()));
    for entry in &retrieved.entries {
        taken[entry.index] = true;
        places.push(Place { index: entry.index, score: entry.score });
    }
    for entry in &whole.entries {
        if !std::mem::replace(&mut taken[entry.index], true) {
            places.push(Place { index: entry.index, score: entry.score });
        }
    }
    places
}

impl Ranked {
    /// How long a score's bar is, from 0 to 1.
    pub fn share(&self, score: f64) -> f32 {
        match self.scores {
            Some((least, most)) if most > least => ((score - least) / (most - least)) as f32,
            _ => 0.0,
        }
    }

    /// Entries that are retrieved here and there, each counted once.
    pub fn common(&self, other: &Self) -> usize {
        let mut here: Vec<usize> = self.places[..self.retrieved].iter().map(|place| place.index).collect();
        here.sort_unstable();
        here.dedup();
        here.into_iter().filter(|index| other.retrieves(*index)).count()
    }

    /// Whether an entry is among those retrieved.
    pub fn retrieves(&self, index: usize) -> bool {
        self.ranks.get(&index).is_some_and(|&rank| rank <= self.retrieved)
    }
}

/// Whether a load ended because a person canceled it.
pub fn was_canceled(trouble: &Trouble) -> bool {
    let word = crate::jobs::Canceled.to_string();
    trouble.0 == word || trouble.0.ends_with(&format!(": {word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_retrieved_come_first_and_the_others_once_behind_them() {
        let indices = |places: Vec<Place>| places.iter().map(|place| place.index).collect::<Vec<_>>();
        let (retrieved, whole) = (Ranking::of_indices([2, 0, 2]), Ranking::of_indices([2, 1, 3, 0]));
        assert_eq!(indices(places(&retrieved, &whole, 5)), [2, 0, 2, 1, 3]);
        assert_eq!(indices(places(&Ranking::default(), &Ranking::default(), 3)), [0; 0]);
    }
}
