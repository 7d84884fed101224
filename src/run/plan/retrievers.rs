//! The retrievers of an experiment: read, given their seeds, and their encoders identified.

use std::path::Path;

use super::Planner;
use super::models::last_part;
use crate::jobs::Canceled;
use crate::retrieval::RetrieverConfig;
use crate::run::encoders;
use crate::run::experiment::KeyPath;

/// A retriever as the experiment names it.
pub(super) struct PlannedRetriever {
    pub(super) path: KeyPath,
    /// Which of the list it is.
    pub(super) index: usize,
    config: RetrieverConfig,
    /// Whether it draws at random and the seeds of the experiment are for it.
    pub(super) unseeded: bool,
    /// The same in a spec: paths are their last parts, so that a moved folder makes no other run.
    short: String,
    /// Hashes of the encoders' identities.
    pub(super) encoders: Vec<String>,
}

impl PlannedRetriever {
    pub(super) fn config(&self, seed: Option<u64>) -> RetrieverConfig {
        match (&self.config, seed) {
            (RetrieverConfig::Random { replacement, .. }, Some(seed)) if self.unseeded => {
                RetrieverConfig::Random { seed, replacement: *replacement }
            }
            (config, _) => config.clone(),
        }
    }

    /// The short form for a spec.
    pub(super) fn short(&self, seed: Option<u64>) -> String {
        if self.unseeded { self.config(seed).to_string() } else { self.short.clone() }
    }

    pub(super) fn is_none(&self) -> bool {
        matches!(self.config, RetrieverConfig::None {})
    }

    pub(super) fn needs_dates(&self) -> bool {
        encoders::needs_dates(&self.config)
    }
}

impl Planner<'_> {
    /// The retrievers of a list at `path`; those that cannot be had are reported.
    pub(super) fn retrievers(
        &self,
        texts: &[String],
        path: &KeyPath,
    ) -> Result<Vec<PlannedRetriever>, Canceled> {
        let mut all = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let path = path.at(index);
            let config: RetrieverConfig = match text.parse() {
                Ok(config) => config,
                Err(error) => {
                    self.report(&path, error);
                    continue;
                }
            };
            let mut short = config.clone();
            let mut wanted = Vec::new();
            encoders::each(&mut short, &mut |dense| {
                wanted.push(dense.clone());
                if Path::new(&dense.model).is_absolute() {
                    dense.model = last_part(Path::new(&dense.model));
                }
            });
            let mut hashes = Vec::new();
            for dense in &wanted {
                let encoder = self.workplace.shared_encoder(dense, self.cancel, self.progress);
                hashes.extend(self.told(&path, encoder)?.map(|encoder| encoder.identity_hash()));
            }
            if hashes.len() < wanted.len() {
                continue;
            }
            // Refuses encoders that are not those that the retriever names.
            if self.told(&path, config.build(self.workplace))?.is_none() {
                continue;
            }
            let folded = text.trim().to_lowercase();
            all.push(PlannedRetriever {
                path,
                index,
                unseeded: matches!(folded.as_str(), "random" | "random:distinct"),
                short: short.to_string(),
                config,
                encoders: hashes,
            });
        }
        Ok(all)
    }
}
