//! Decoding on the processor, step by step: one row a running hypothesis. Nothing is moved when beams are reordered:
//! each row keeps the list of cache places that its past lies at.

use crate::jobs::CancelToken;
use crate::model::kernels::attention::{QUERIES, attend, attend_scattered};
use crate::model::kernels::gemm::{Finish, Weights};
use crate::model::kernels::math::{above, log_sum_exp};
use crate::model::kernels::shared::SharedSlice;
use crate::model::{GenerationConfig, ModelError};

use super::beside::{Adapters, DecoderLow, Low};
use super::cpu::{CpuT5, CrossMemory, DecoderBlock, norm_rows, room, stride};
use super::drive::{StepRow, Steps, insert};
use super::position::bucket;
use super::search::{Candidate, RowScores, Search};

/// A batch of samples being decoded.
pub struct CpuSteps<'a> {
    model: &'a mut CpuT5,
    /// Of each sample, or none at all.
    adapters: &'a Adapters,
    memories: Vec<CrossMemory>,
    candidates: usize,
    keep_logits: bool,
    max_steps: usize,
    step: usize,
    /// For each block the keys of all rows of all steps, then the values likewise.
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
    /// Rows of the caches in use.
    cached: usize,
    /// For each row, `max_steps` cache places.
    history: Vec<u32>,
    next_history: Vec<u32>,
    /// For each head the bias by how far back a key is, the farthest first.
    bias: Vec<f32>,
    stream: Vec<f32>,
    normed: Vec<f32>,
    wide: Vec<f32>,
    mixed: Vec<f32>,
    logits: Vec<f32>,
    scores: Vec<f32>,
    best: Vec<Vec<Candidate>>,
    log_sums: Vec<f32>,
    /// The rows of each sample: sample, first, how many.
    groups: Vec<(usize, usize, usize)>,
}

impl<'a> CpuSteps<'a> {
    /// Encodes the prompts, each with its adapter if there are any.
    ///
    /// # Errors
    /// [`ModelError::Canceled`] between two blocks.
    pub fn new(
        model: &'a mut CpuT5,
        cancel: &CancelToken,
        prompts: &[&[u32]],
        adapters: &'a Adapters,
        config: &GenerationConfig,
    ) -> Result<Self, ModelError> {
        let memories = model.memories(cancel, prompts, adapters)?;
        let t5 = &model.config;
        let max_steps = config.max_new_tokens;
        let mut bias = Vec::with_capacity(t5.num_heads * max_steps);
        for head in 0..t5.num_heads {
            bias.extend((0..max_steps).rev().map(|back| {
                let bucket = bucket(-(back as i64), false, t5.buckets, t5.max_distance);
                model.decoder_bias[bucket * t5.num_heads + head]
            }));
        }
        let blocks = t5.num_decoder_layers;
        let candidates = Search::candidates(config, t5.eos_tokens.len());
        Ok(Self {
            memories,
            candidates,
            keep_logits: Search::needs_all_logits(config),
            max_steps,
            step: 0,
            keys: vec![Vec::new(); blocks],
            values: vec![Vec::new(); blocks],
            cached: 0,
            history: Vec::new(),
            next_history: Vec::new(),
            bias,
            stream: Vec::new(),
            normed: Vec::new(),
            wide: Vec::new(),
            mixed: Vec::new(),
            logits: Vec::new(),
            scores: Vec::new(),
            best: Vec::new(),
            log_sums: Vec::new(),
            groups: Vec::new(),
            adapters,
            model,
        })
    }

    /// Each row's past is its parent's, and itself.
    fn remember(&mut self, rows: &[StepRow]) {
        let steps = self.max_steps;
        if self.next_history.len() < rows.len() * steps {
            self.next_history.resize(rows.len() * steps, 0);
        }
        for (number, row) in rows.iter().enumerate() {
            let to = &mut self.next_history[number * steps..(number + 1) * steps];
            if self.step > 0 {
                to[..self.step].copy_from_slice(&self.history[row.parent * steps..][..self.step]);
            }
            to[self.step] = (self.cached + number) as u32;
        }
        std::mem::swap(&mut self.history, &mut self.next_history);
        self.groups.clear();
        for (number, row) in rows.iter().enumerate() {
            match self.groups.last_mut() {
                Some((sample, _, count)) if *sample == row.sample => *count += 1,
                _ => self.groups.push((row.sample, number, 1)),
            }
        }
    }

    /// Adds what the samples' adapters add to a product of a block.
    #[allow(clippy::too_many_arguments, reason = "two matrices with their strides")]
    fn adapt(
        model: &mut CpuT5,
        adapters: &Adapters,
        groups: &[(usize, usize, usize)],
        which: impl Fn(&[DecoderLow]) -> &Option<Low>,
        x: &[f32],
        xs: usize,
        out: &mut [f32],
        os: usize,
    ) {
        let CpuT5 { pool, scratch, low, .. } = model;
        for &(sample, first, rows) in groups {
            let adapter = adapters.get(sample).and_then(Option::as_deref);
            if let Some(added) = adapter.and_then(|adapter| which(&adapter.decoder).as_ref()) {
                added.add(pool, scratch, low, rows, &x[first * xs..], xs, &mut out[first * os..], os);
            }
        }
    }

    /// Attention of each row to its own past; the queries are in `wide`.
    fn attend_own(&mut self, rows: usize, block: usize, qs: usize, is: usize) {
        let (heads, width) = (self.model.config.num_heads, self.model.config.d_kv);
        let inner = heads * width;
        for row in 0..rows {
            let from = &self.wide[row * qs..];
            self.keys[block].extend_from_slice(&from[inner..2 * inner]);
            self.values[block].extend_from_slice(&from[2 * inner..3 * inner]);
        }
        let len = self.step + 1;
        let per_thread = len.next_multiple_of(self.model.isa.panel());
        let (isa, steps) = (self.model.isa, self.max_steps);
        let scores = SharedSlice::new(room(&mut self.scores, self.model.pool.threads() * per_thread));
        let out = SharedSlice::new(&mut self.mixed);
        let (keys, values, wide) = (&self.keys[block], &self.values[block], &self.wide);
        let (history, bias) = (&self.history, &self.bias);
        let task = |row: usize, thread: usize| {
            for head in 0..heads {
                let at = head * width;
                // SAFETY: every place in the history is a row of the caches; each row writes its own part of `out`,
                // each thread its own scores; the bias has `max_steps` numbers a head, of which the last `len` are read.
                unsafe {
                    attend_scattered(
                        isa,
                        len,
                        width,
                        wide.as_ptr().add(row * qs + at),
                        keys.as_ptr().add(at),
                        values.as_ptr().add(at),
                        inner,
                        history.as_ptr().add(row * steps),
                        bias.as_ptr().add((head + 1) * steps - len),
                        out.pointer(row * is + at),
                        scores.pointer(thread * per_thread),
                    );
                }
            }
        };
        self.model.pool.each(rows, task);
    }

    /// Attention of each sample's rows to its prompt; the queries are in `wide`.
    fn attend_prompts(&mut self, block: usize, qs: usize, is: usize) {
        let (heads, width, isa) = (self.model.config.num_heads, self.model.config.d_kv, self.model.isa);
        let longest =
            self.groups.iter().map(|&(sample, _, _)| self.memories[sample].shape.scratch(isa)).max();
        let per_thread = longest.unwrap_or(0);
        let scratch = SharedSlice::new(room(&mut self.scores, self.model.pool.threads() * per_thread));
        let out = SharedSlice::new(&mut self.mixed);
        let (groups, memories, wide) = (&self.groups, &self.memories, &self.wide);
        let task = |task: usize, thread: usize| {
            let ((sample, first, count), head) = (groups[task / heads], task % heads);
            let memory = &memories[sample];
            let (shape, packed) = (memory.shape, memory.block(block));
            let keys = &packed[head * shape.keys(isa)..];
            let values = &packed[heads * shape.keys(isa) + head * shape.values(isa)..];
            for row in (first..first + count).step_by(QUERIES) {
                let rows = QUERIES.min(first + count - row);
                // SAFETY: the memory was packed with this shape; each task writes its own rows and columns of `out`, each
                // thread its own scratch.
                unsafe {
                    attend(
                        isa,
                        shape,
                        rows,
                        wide.as_ptr().add(row * qs + head * width),
                        qs,
                        keys.as_ptr(),
                        values.as_ptr(),
                        std::ptr::null(),
                        out.pointer(row * is + head * width),
                        is,
                        scratch.pointer(thread * per_thread),
                    );
                }
            }
        };
        self.model.pool.each(groups.len() * heads, task);
    }

    /// Each row's best tokens and normalization.
    fn judge(&mut self, rows: &[StepRow]) {
        let vocabulary = self.model.config.vocab_size;
        let (vs, isa, count) = (stride(vocabulary), self.model.isa, self.candidates);
        self.best.resize_with(rows.len(), Vec::new);
        self.log_sums.resize(rows.len(), 0.0);
        let (best, log_sums) = (SharedSlice::new(&mut self.best), SharedSlice::new(&mut self.log_sums));
        let (logits, eos) = (&self.logits, &self.model.config.eos_tokens);
        let task = |number: usize, _: usize| {
            let row = &logits[number * vs..][..vocabulary];
            let forbidden: &[u32] = if rows[number].forbid_eos { eos } else { &[] };
            // SAFETY: each task writes its own places, and the row is valid for its length.
            unsafe {
                let best = &mut best.part(number..number + 1)[0];
                best.clear();
                log_sums.pointer(number).write(log_sum_exp(isa, row));
                above(isa, row.as_ptr(), row.len(), f32::NEG_INFINITY, &mut |token, logit| {
                    insert(best, count, forbidden, Candidate { token: token as u32, logit });
                    if best.len() == count { best[count - 1].logit } else { f32::NEG_INFINITY }
                });
            }
        };
        self.model.pool.each(rows.len(), task);
    }
}

/// The norms of a decoder.
enum Norm {
    Own(usize),
    Cross(usize),
    Feed(usize),
    Last,
}

impl CpuT5 {
    /// Norms rows of the residual stream's width.
    fn norm(&mut self, which: Norm, rows: usize, x: &[f32], out: &mut [f32]) {
        let d = self.config.d_model;
        let (weight, factor) = match which {
            Norm::Own(n) => (&self.decoder[n].own.norm, 1.0),
            Norm::Cross(n) => (&self.decoder[n].cross.norm, 1.0),
            Norm::Feed(n) => (&self.decoder[n].feed.norm, 1.0),
            Norm::Last if self.config.scale_outputs => (&self.decoder_norm, (d as f32).powf(-0.5)),
            Norm::Last => (&self.decoder_norm, 1.0),
        };
        norm_rows(self.isa, &mut self.pool, rows, x, out, d, stride(d), weight, self.config.epsilon, factor);
    }

    /// Multiplies by one of a block's matrices.
    #[allow(clippy::too_many_arguments, reason = "two matrices with their strides")]
    fn multiply(
        &mut self,
        block: usize,
        weights: impl Fn(&DecoderBlock) -> &Weights,
        rows: usize,
        x: &[f32],
        xs: usize,
        out: &mut [f32],
        os: usize,
        finish: Finish,
    ) {
        weights(&self.decoder[block]).multiply(
            &mut self.pool,
            &mut self.scratch,
            rows,
            x,
            xs,
            out,
            os,
            finish,
        );
    }
}

impl Steps for CpuSteps<'_> {
    fn step(&mut self, rows: &[StepRow]) -> Result<(), ModelError> {
        let config = &self.model.config;
        let (d, inner, ff) = (config.d_model, config.inner(), config.d_ff);
        let (ds, qs, is, fs, vs) =
            (stride(d), stride(3 * inner), stride(inner), stride(ff), stride(config.vocab_size));
        let count = rows.len();
        self.remember(rows);
        room(&mut self.stream, count * ds);
        room(&mut self.normed, count * ds);
        room(&mut self.wide, count * qs.max(fs));
        room(&mut self.mixed, count * is);
        room(&mut self.logits, count * vs);
        for (row, out) in rows.iter().zip(self.stream.chunks_mut(ds)) {
            self.model.embed(row.token, &mut out[..d])?;
        }
        let finish = self.model.feed_finish();
        for n in 0..self.model.decoder.len() {
            self.model.norm(Norm::Own(n), count, &self.stream, &mut self.normed);
            self.model.multiply(
                n,
                |b| &b.own.qkv,
                count,
                &self.normed,
                ds,
                &mut self.wide,
                qs,
                Finish::Store,
            );
            Self::adapt(
                self.model,
                self.adapters,
                &self.groups,
                |l| &l[n].qkv,
                &self.normed,
                ds,
                &mut self.wide,
                qs,
            );
            self.attend_own(count, n, qs, is);
            self.model.multiply(
                n,
                |b| &b.own.output,
                count,
                &self.mixed,
                is,
                &mut self.stream,
                ds,
                Finish::Add,
            );
            Self::adapt(
                self.model,
                self.adapters,
                &self.groups,
                |l| &l[n].output,
                &self.mixed,
                is,
                &mut self.stream,
                ds,
            );
            self.model.norm(Norm::Cross(n), count, &self.stream, &mut self.normed);
            self.model.multiply(
                n,
                |b| &b.cross.query,
                count,
                &self.normed,
                ds,
                &mut self.wide,
                qs,
                Finish::Store,
            );
            Self::adapt(
                self.model,
                self.adapters,
                &self.groups,
                |l| &l[n].query,
                &self.normed,
                ds,
                &mut self.wide,
                qs,
            );
            self.attend_prompts(n, qs, is);
            self.model.multiply(
                n,
                |b| &b.cross.output,
                count,
                &self.mixed,
                is,
                &mut self.stream,
                ds,
                Finish::Add,
            );
            Self::adapt(
                self.model,
                self.adapters,
                &self.groups,
                |l| &l[n].cross,
                &self.mixed,
                is,
                &mut self.stream,
                ds,
            );
            self.model.norm(Norm::Feed(n), count, &self.stream, &mut self.normed);
            self.model.multiply(n, |b| &b.feed.input, count, &self.normed, ds, &mut self.wide, fs, finish);
            self.model.multiply(
                n,
                |b| &b.feed.output,
                count,
                &self.wide,
                fs,
                &mut self.stream,
                ds,
                Finish::Add,
            );
            Self::adapt(
                self.model,
                self.adapters,
                &self.groups,
                |l| &l[n].feed,
                &self.wide,
                fs,
                &mut self.stream,
                ds,
            );
        }
        self.model.norm(Norm::Last, count, &self.stream, &mut self.normed);
        let CpuT5 { pool, scratch, head, .. } = &mut *self.model;
        head.multiply(pool, scratch, count, &self.normed, ds, &mut self.logits, vs, Finish::Store);
        self.judge(rows);
        self.cached += count;
        self.step += 1;
        Ok(())
    }

    fn scores(&self, row: usize) -> RowScores<'_> {
        let vocabulary = self.model.config.vocab_size;
        let logits =
            if self.keep_logits { &self.logits[row * stride(vocabulary)..][..vocabulary] } else { &[] };
        RowScores { best: &self.best[row], log_sum: self.log_sums[row], logits }
    }
}
