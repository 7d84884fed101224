//! Generation on candle tensors: the path for GPUs, and what the processor's own path is compared with.

use candle_core::{DType, Tensor};

use super::drive::{StepRow, Steps, scan_row};
use super::graph::{GraphCache, T5Graph};
use super::search::{Candidate, RowScores, Search};
use crate::model::dropout::Dropout;
use crate::model::{GenerationConfig, ModelError};

/// A batch of samples being decoded.
pub struct GraphSteps<'a> {
    graph: &'a T5Graph,
    cache: GraphCache,
    candidates: usize,
    keep_logits: bool,
    logits: Vec<Vec<f32>>,
    best: Vec<Vec<Candidate>>,
    log_sums: Vec<f32>,
}

impl<'a> GraphSteps<'a> {
    /// Encodes the prompts, padded to the longest.
    ///
    /// # Errors
    /// What candle says.
    pub fn new(
        graph: &'a T5Graph,
        prompts: &[&[u32]],
        config: &GenerationConfig,
    ) -> Result<Self, ModelError> {
        let (ids, mask) = padded(graph, prompts)?;
        let encoded = graph.encode(&ids, &mask, &mut Dropout::off())?;
        Ok(Self {
            graph,
            cache: graph.cache(&encoded, &mask)?,
            candidates: Search::candidates(config, graph.config().eos_tokens.len()),
            keep_logits: Search::needs_all_logits(config),
            logits: Vec::new(),
            best: Vec::new(),
            log_sums: Vec::new(),
        })
    }
}

/// Token ids and mask of prompts, padded on the right to the longest.
pub fn padded(graph: &T5Graph, prompts: &[&[u32]]) -> Result<(Tensor, Tensor), ModelError> {
    let length = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or(0);
    let shape = (prompts.len(), length);
    let places = || prompts.iter().flat_map(|prompt| (0..length).map(|i| prompt.get(i)));
    let ids: Vec<u32> = places().map(|id| id.copied().unwrap_or(graph.config().pad_token)).collect();
    let mask: Vec<f32> = places().map(|id| if id.is_some() { 1.0 } else { 0.0 }).collect();
    Ok((Tensor::from_vec(ids, shape, graph.device())?, Tensor::from_vec(mask, shape, graph.device())?))
}

impl Steps for GraphSteps<'_> {
    fn step(&mut self, rows: &[StepRow]) -> Result<(), ModelError> {
        let parents: Vec<u32> = rows.iter().map(|row| row.parent as u32).collect();
        self.cache.select(&parents)?;
        let ids: Vec<u32> = rows.iter().map(|row| row.token).collect();
        let ids = Tensor::from_vec(ids, (rows.len(), 1), self.graph.device())?;
        let logits = self.graph.decode_step(&ids, &mut self.cache, &mut Dropout::off())?;
        self.logits = logits.squeeze(1)?.to_dtype(DType::F32)?.to_vec2()?;
        self.best.resize_with(rows.len(), Vec::new);
        self.log_sums.clear();
        for ((row, logits), best) in rows.iter().zip(&self.logits).zip(&mut self.best) {
            let forbidden = if row.forbid_eos { self.graph.config().eos_tokens.as_slice() } else { &[] };
            self.log_sums.push(scan_row(logits, self.candidates, forbidden, best));
        }
        Ok(())
    }

    fn scores(&self, row: usize) -> RowScores<'_> {
        let logits = if self.keep_logits { self.logits[row].as_slice() } else { &[] };
        RowScores { best: &self.best[row], log_sum: self.log_sums[row], logits }
    }
}
