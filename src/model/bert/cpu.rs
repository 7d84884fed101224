//! BERT on the processor, for inference: weights packed once, texts of all lengths side by side without padding. The same
//! numbers as `graph`, which the tests compare it with.

use crate::jobs::CancelToken;
use crate::model::kernels::gemm::{Finish, Function, Numbers, Scratch, Weights};
use crate::model::kernels::heads::Heads;
use crate::model::kernels::math::layer_norm_row;
use crate::model::kernels::memory::{room, stride};
use crate::model::kernels::pool::Pool;
use crate::model::kernels::shared::SharedSlice;
use crate::model::kernels::simd::Isa;
use crate::model::weights::{Checkpoint, WeightsError};
use crate::model::{Matrix, ModelError, Pooling};

use super::config::{Activation, BertConfig};
use super::names::Names;

struct Norm {
    gain: Vec<f32>,
    shift: Vec<f32>,
}

struct Block {
    qkv: Weights,
    output: Weights,
    attention_norm: Norm,
    feed_input: Weights,
    feed_output: Weights,
    feed_norm: Norm,
}

/// A BERT-shaped model with packed weights.
pub struct CpuBert {
    config: BertConfig,
    isa: Isa,
    pool: Pool,
    scratch: Scratch,
    checkpoint: Checkpoint,
    words: String,
    /// For each position the sum of its embedding and that of the first kind of tokens.
    places: Vec<f32>,
    norm: Norm,
    blocks: Vec<Block>,
    rooms: Rooms,
}

/// Activations, kept from call to call.
#[derive(Default)]
struct Rooms {
    stream: Vec<f32>,
    wide: Vec<f32>,
    mixed: Vec<f32>,
    attention: Vec<f32>,
}

impl CpuBert {
    /// Packs a checkpoint's weights, for `threads` threads.
    ///
    /// # Errors
    /// [`WeightsError`] for a tensor that is missing or of the wrong shape.
    pub fn new(
        config: &BertConfig,
        checkpoint: Checkpoint,
        int8: bool,
        threads: usize,
    ) -> Result<Self, WeightsError> {
        let names = Names::of(&checkpoint);
        let (d, ff) = (config.hidden_size, config.intermediate_size);
        // A few activations of an encoder are far greater than the rest of their row: in 8 bits the rest would drown (a cosine of
        // 0.986 to MiniLM's own vectors, where 16 bits keep 0.996).
        let numbers = if int8 { Numbers::Int8 } else { Numbers::F32 };
        let packer = Packer { checkpoint: &checkpoint, isa: Isa::detect(), numbers };
        let isa = packer.isa;
        // Scores are scaled by what queries are multiplied with.
        let scale = 1.0 / (config.head_width() as f32).sqrt();
        let blocks = (0..config.layers)
            .map(|layer| {
                let attention = ["query", "key", "value"].map(|which| names.attention(layer, which));
                Ok(Block {
                    qkv: packer.joined(&attention, [scale, 1.0, 1.0], d, d)?,
                    output: packer.joined(&[names.attention(layer, "output")], [1.0], d, d)?,
                    attention_norm: packer.norm(&names.attention_norm(layer), d)?,
                    feed_input: packer.joined(&[names.feed_input(layer)], [1.0], ff, d)?,
                    feed_output: packer.joined(&[names.feed_output(layer)], [1.0], d, ff)?,
                    feed_norm: packer.norm(&names.feed_norm(layer), d)?,
                })
            })
            .collect::<Result<_, WeightsError>>()?;
        let mut places = vec![0.0; config.positions * d];
        checkpoint.view(&names.positions(), &[config.positions, d])?.read(&mut places);
        let mut kind = vec![0.0; d];
        checkpoint.view(&names.token_types(), &[config.token_types, d])?.read_rows(0, &mut kind);
        for row in places.chunks_mut(d) {
            row.iter_mut().zip(&kind).for_each(|(place, kind)| *place += kind);
        }
        Ok(Self {
            config: config.clone(),
            isa,
            pool: Pool::new(threads),
            scratch: Scratch::default(),
            words: names.words(),
            places,
            norm: packer.norm(&names.embedding_norm(), d)?,
            blocks,
            rooms: Rooms::default(),
            checkpoint,
        })
    }

    /// The threads that encode.
    pub fn pool(&mut self) -> &mut Pool {
        &mut self.pool
    }

    /// The last block's outputs of all texts' tokens, one row a token.
    ///
    /// # Errors
    /// [`ModelError::Canceled`] between two blocks.
    pub fn hidden(&mut self, cancel: &CancelToken, texts: &[&[u32]]) -> Result<Matrix, ModelError> {
        let d = self.config.hidden_size;
        self.forward(cancel, texts)?;
        let tokens = texts.iter().map(|text| text.len()).sum();
        let rows = self.rooms.stream.chunks(stride(d)).take(tokens);
        Ok(Matrix { values: rows.flat_map(|row| row[..d].iter().copied()).collect(), columns: d })
    }

    /// A vector for each text, not normalized.
    ///
    /// # Errors
    /// [`ModelError::Canceled`] between two blocks.
    pub fn vectors(
        &mut self,
        cancel: &CancelToken,
        texts: &[&[u32]],
        pooling: Pooling,
    ) -> Result<Matrix, ModelError> {
        let d = self.config.hidden_size;
        self.forward(cancel, texts)?;
        let mut values = vec![0.0; texts.len() * d];
        let mut rows = self.rooms.stream.chunks(stride(d));
        for (text, vector) in texts.iter().zip(values.chunks_mut(d)) {
            let mut tokens = rows.by_ref().take(text.len());
            match pooling {
                Pooling::Cls => {
                    if let Some(first) = tokens.next() {
                        vector.copy_from_slice(&first[..d]);
                    }
                }
                Pooling::Mean => {
                    for token in tokens.by_ref() {
                        vector.iter_mut().zip(token).for_each(|(sum, value)| *sum += value);
                    }
                    let share = 1.0 / text.len().max(1) as f32;
                    vector.iter_mut().for_each(|value| *value *= share);
                }
            }
            tokens.for_each(drop);
        }
        Ok(Matrix { values, columns: d })
    }

    /// Leaves the last block's outputs in `rooms.stream`.
    fn forward(&mut self, cancel: &CancelToken, texts: &[&[u32]]) -> Result<(), ModelError> {
        let (d, ff) = (self.config.hidden_size, self.config.intermediate_size);
        let (ds, qs, fs) = (stride(d), stride(3 * d), stride(ff));
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let tokens: usize = lengths.iter().sum();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut rooms = std::mem::take(&mut self.rooms);
        let stream = room(&mut rooms.stream, tokens * ds);
        self.embed(texts, stream)?;
        let function = match self.config.activation {
            Activation::Relu => Function::Relu,
            Activation::Gelu => Function::GeluErf,
            Activation::GeluTanh => Function::Gelu,
        };
        let heads =
            Heads { isa: self.isa, heads: self.config.heads, width: self.config.head_width(), longest };
        let epsilon = self.config.epsilon;
        let (isa, pool, scratch) = (self.isa, &mut self.pool, &mut self.scratch);
        let wide = room(&mut rooms.wide, tokens * qs.max(fs));
        let mixed = room(&mut rooms.mixed, tokens * ds);
        let attention = room(&mut rooms.attention, pool.threads() * heads.scratch());
        norm_rows(isa, pool, tokens, stream, d, &self.norm, epsilon);
        for block in &self.blocks {
            cancel.check()?;
            block.qkv.multiply(pool, scratch, tokens, stream, ds, wide, qs, Finish::Store);
            heads.attend(pool, &lengths, wide, qs, &[], mixed, ds, attention);
            block.output.multiply(pool, scratch, tokens, mixed, ds, stream, ds, Finish::Add);
            norm_rows(isa, pool, tokens, stream, d, &block.attention_norm, epsilon);
            block.feed_input.multiply(pool, scratch, tokens, stream, ds, wide, fs, Finish::Apply(function));
            block.feed_output.multiply(pool, scratch, tokens, wide, fs, stream, ds, Finish::Add);
            norm_rows(isa, pool, tokens, stream, d, &block.feed_norm, epsilon);
        }
        self.rooms = rooms;
        Ok(())
    }

    /// Writes the sum of each token's embeddings.
    fn embed(&self, texts: &[&[u32]], stream: &mut [f32]) -> Result<(), ModelError> {
        let d = self.config.hidden_size;
        let words = self.checkpoint.view(&self.words, &[self.config.vocab_size, d])?;
        let mut rows = stream.chunks_mut(stride(d));
        for text in texts {
            let places = self.config.positions_of(text);
            for ((&token, place), row) in text.iter().zip(places).zip(rows.by_ref()) {
                let row = &mut row[..d];
                words.read_rows(token as usize, row);
                row.iter_mut().zip(&self.places[place * d..]).for_each(|(value, place)| *value += place);
            }
        }
        Ok(())
    }
}

/// Norms rows of `width` numbers in place.
fn norm_rows(isa: Isa, pool: &mut Pool, rows: usize, x: &mut [f32], width: usize, norm: &Norm, epsilon: f32) {
    let stride = stride(width);
    assert!(rows * stride <= x.len() && width <= norm.gain.len() && width <= norm.shift.len());
    let x = SharedSlice::new(x);
    pool.each(rows.div_ceil(16), |task, _| {
        for row in task * 16..rows.min(task * 16 + 16) {
            // SAFETY: rows are disjoint and inside, as asserted above.
            unsafe {
                let row = x.pointer(row * stride);
                layer_norm_row(isa, row, norm.gain.as_ptr(), norm.shift.as_ptr(), row, width, epsilon);
            }
        }
    });
}

struct Packer<'a> {
    checkpoint: &'a Checkpoint,
    isa: Isa,
    numbers: Numbers,
}

impl Packer<'_> {
    fn norm(&self, [gain, shift]: &[String; 2], len: usize) -> Result<Norm, WeightsError> {
        Ok(Norm { gain: self.checkpoint.vector(gain, len)?, shift: self.checkpoint.vector(shift, len)? })
    }

    /// Matrices of one shape below each other as one, with their biases, each times a factor.
    fn joined<const N: usize>(
        &self,
        names: &[[String; 2]; N],
        factors: [f32; N],
        columns: usize,
        depth: usize,
    ) -> Result<Weights, WeightsError> {
        let views = names
            .iter()
            .map(|[weight, _]| self.checkpoint.view(weight, &[columns, depth]))
            .collect::<Result<Vec<_>, _>>()?;
        let mut bias = Vec::with_capacity(N * columns);
        for ([_, name], factor) in names.iter().zip(factors) {
            bias.extend(self.checkpoint.vector(name, columns)?.into_iter().map(|value| value * factor));
        }
        let row = |n: usize, out: &mut [f32]| {
            views[n / columns].read_rows(n % columns, out);
            out.iter_mut().for_each(|value| *value *= factors[n / columns]);
        };
        let packed = Weights::pack(self.isa, N * columns, depth, self.numbers, row).with_bias(bias);
        self.checkpoint.forget_pages();
        Ok(packed)
    }
}
