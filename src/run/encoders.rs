//! The encoders within a retriever's config.

use crate::retrieval::{DenseConfig, RetrieverConfig};

/// Shows each dense retriever within a config, in the order of the short form.
pub(super) fn each(config: &mut RetrieverConfig, show: &mut dyn FnMut(&mut DenseConfig)) {
    match config {
        RetrieverConfig::Dense(dense) => show(dense),
        RetrieverConfig::RecencyPlus { other } => each(other, show),
        RetrieverConfig::Fusion { members, .. } => members.iter_mut().for_each(|member| each(member, show)),
        RetrieverConfig::None {}
        | RetrieverConfig::Random { .. }
        | RetrieverConfig::Recency {}
        | RetrieverConfig::Bm25(_)
        | RetrieverConfig::FullText {} => {}
    }
}

/// Whether a retriever needs the entries' dates.
pub(super) fn needs_dates(config: &RetrieverConfig) -> bool {
    match config {
        RetrieverConfig::Recency {} | RetrieverConfig::RecencyPlus { .. } => true,
        RetrieverConfig::Fusion { members, .. } => members.iter().any(needs_dates),
        _ => false,
    }
}
