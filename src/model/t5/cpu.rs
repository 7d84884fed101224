//! T5 on the processor, for inference: weights packed once, prompts of all lengths side by side without padding, and
//! nothing computed twice. The same numbers as `graph`, which the tests compare it with.

use crate::jobs::CancelToken;
use crate::model::ModelError;
use crate::model::kernels::attention::{HeadShape, pack_keys, pack_values};
use crate::model::kernels::gemm::{Finish, Function, Numbers, Scratch, Weights};
use crate::model::kernels::heads::Heads;
use crate::model::kernels::math::norm_row;
use crate::model::kernels::memory::Buffer;
pub(super) use crate::model::kernels::memory::{room, stride};
use crate::model::kernels::pool::Pool;
use crate::model::kernels::shared::SharedSlice;
use crate::model::kernels::simd::Isa;
use crate::model::weights::{Checkpoint, WeightsError};

use super::beside::{Adapters, PackedAdapter};
use super::config::{Activation, T5Config};
use super::names::{self, Side};
use super::position::bucket;

/// Tokens that go through the encoder together: enough to reuse the weights, few enough for the caches.
const TOKENS_AT_ONCE: usize = 1024;

pub(super) struct SelfLayer {
    pub norm: Vec<f32>,
    pub qkv: Weights,
    pub output: Weights,
}

pub(super) struct CrossLayer {
    pub norm: Vec<f32>,
    pub query: Weights,
    pub keys_values: Weights,
    pub output: Weights,
}

pub(super) struct FeedLayer {
    pub norm: Vec<f32>,
    pub input: Weights,
    pub output: Weights,
}

struct EncoderBlock {
    own: SelfLayer,
    feed: FeedLayer,
}

pub(super) struct DecoderBlock {
    pub own: SelfLayer,
    pub cross: CrossLayer,
    pub feed: FeedLayer,
}

/// A T5 model with packed weights.
pub struct CpuT5 {
    pub(super) config: T5Config,
    pub(super) isa: Isa,
    pub(super) pool: Pool,
    pub(super) scratch: Scratch,
    checkpoint: Checkpoint,
    embedding: &'static str,
    encoder: Vec<EncoderBlock>,
    encoder_norm: Vec<f32>,
    encoder_bias: Vec<f32>,
    pub(super) decoder: Vec<DecoderBlock>,
    pub(super) decoder_norm: Vec<f32>,
    pub(super) decoder_bias: Vec<f32>,
    pub(super) head: Weights,
    rooms: Rooms,
    /// Room for what adapters add.
    pub(super) low: Vec<f32>,
}

/// Activations, kept from call to call.
#[derive(Default)]
struct Rooms {
    stream: Vec<f32>,
    normed: Vec<f32>,
    wide: Vec<f32>,
    mixed: Vec<f32>,
    attention: Vec<f32>,
}

/// One sample's keys and values: for each decoder block all heads' packed keys, then all heads' packed values. One
/// buffer, since many small ones would cost a fault for each of their pages.
pub(super) struct CrossMemory {
    pub shape: HeadShape,
    packed: Buffer<f32>,
    block_len: usize,
}

impl CrossMemory {
    fn new(isa: Isa, shape: HeadShape, heads: usize, blocks: usize) -> Self {
        let block_len = heads * (shape.keys(isa) + shape.values(isa));
        Self { shape, packed: Buffer::new(blocks * block_len), block_len }
    }

    /// What a decoder block attends to.
    pub fn block(&self, number: usize) -> &[f32] {
        &self.packed[number * self.block_len..][..self.block_len]
    }

    fn block_mut(&mut self, number: usize) -> &mut [f32] {
        &mut self.packed[number * self.block_len..][..self.block_len]
    }
}

impl CpuT5 {
    /// Packs a checkpoint's weights, for `threads` threads.
    ///
    /// # Errors
    /// [`WeightsError`] for a tensor that is missing or of the wrong shape, before anything is packed.
    pub fn new(
        config: &T5Config,
        checkpoint: Checkpoint,
        int8: bool,
        threads: usize,
    ) -> Result<Self, WeightsError> {
        super::memory::check_tensors(config, &checkpoint)?;
        let isa = Isa::detect();
        let (d, inner) = (config.d_model, config.inner());
        let numbers = if int8 { Numbers::Int8Fast } else { Numbers::F32 };
        let packer = Packer { checkpoint: &checkpoint, isa, numbers };
        let own = |side, layer| {
            let name = |which| names::attention(side, layer, 0, names::SELF, which);
            Ok::<_, WeightsError>(SelfLayer {
                norm: checkpoint.vector(&names::norm(side, layer, 0), d)?,
                qkv: packer.joined(&[name("q"), name("k"), name("v")], inner, d)?,
                output: packer.joined(&[name("o")], d, inner)?,
            })
        };
        let feed = |side, layer, sub| {
            let inputs: Vec<String> =
                names::feed_inputs(config.gated).iter().map(|w| names::feed(side, layer, sub, w)).collect();
            let input = match inputs.as_slice() {
                [first, gate] => packer.gated(first, gate, config.d_ff, d)?,
                _ => packer.joined(&inputs, config.d_ff, d)?,
            };
            let output = packer.joined(&[names::feed(side, layer, sub, "wo")], d, config.d_ff)?;
            Ok::<_, WeightsError>(FeedLayer {
                norm: checkpoint.vector(&names::norm(side, layer, sub), d)?,
                input,
                output,
            })
        };
        let encoder = (0..config.num_layers)
            .map(|layer| {
                Ok(EncoderBlock { own: own(Side::Encoder, layer)?, feed: feed(Side::Encoder, layer, 1)? })
            })
            .collect::<Result<_, WeightsError>>()?;
        let decoder = (0..config.num_decoder_layers)
            .map(|layer| {
                let name = |which| names::attention(Side::Decoder, layer, 1, names::CROSS, which);
                let cross = CrossLayer {
                    norm: checkpoint.vector(&names::norm(Side::Decoder, layer, 1), d)?,
                    query: packer.joined(&[name("q")], inner, d)?,
                    keys_values: packer.joined(&[name("k"), name("v")], inner, d)?,
                    output: packer.joined(&[name("o")], d, inner)?,
                };
                Ok(DecoderBlock {
                    own: own(Side::Decoder, layer)?,
                    cross,
                    feed: feed(Side::Decoder, layer, 2)?,
                })
            })
            .collect::<Result<_, WeightsError>>()?;
        let embedding = super::memory::embedding_name(&checkpoint);
        let head = if checkpoint.has(names::HEAD) { names::HEAD } else { embedding };
        let table = config.buckets * config.num_heads;
        let bias = |side| {
            let mut values = vec![0.0; table];
            checkpoint.view(&names::bias(side), &[config.buckets, config.num_heads])?.read(&mut values);
            Ok::<_, WeightsError>(values)
        };
        Ok(Self {
            config: config.clone(),
            isa,
            pool: Pool::new(threads),
            scratch: Scratch::default(),
            embedding,
            encoder,
            encoder_norm: checkpoint.vector(&names::final_norm(Side::Encoder), d)?,
            encoder_bias: bias(Side::Encoder)?,
            decoder,
            decoder_norm: checkpoint.vector(&names::final_norm(Side::Decoder), d)?,
            decoder_bias: bias(Side::Decoder)?,
            head: packer.joined(&[head.to_owned()], config.vocab_size, d)?,
            rooms: Rooms::default(),
            low: Vec::new(),
            checkpoint,
        })
    }

    /// Bytes of packed weights.
    pub fn weight_bytes(&self) -> usize {
        let own = |layer: &SelfLayer| layer.qkv.bytes() + layer.output.bytes();
        let feed = |layer: &FeedLayer| layer.input.bytes() + layer.output.bytes();
        let cross = |c: &CrossLayer| c.query.bytes() + c.keys_values.bytes() + c.output.bytes();
        let encoder: usize = self.encoder.iter().map(|b| own(&b.own) + feed(&b.feed)).sum();
        let decoder: usize = self.decoder.iter().map(|b| own(&b.own) + cross(&b.cross) + feed(&b.feed)).sum();
        encoder + decoder + self.head.bytes()
    }

    /// Encoder outputs of one prompt, `[tokens, d_model]`.
    ///
    /// # Errors
    /// [`ModelError::Canceled`] between two blocks; a checkpoint that has become unreadable.
    pub fn encode(&mut self, cancel: &CancelToken, prompt: &[u32]) -> Result<Vec<f32>, ModelError> {
        let d = self.config.d_model;
        self.encode_together(cancel, &[prompt], &[])?;
        let rows = self.rooms.normed.chunks(stride(d)).take(prompt.len());
        Ok(rows.flat_map(|row| row[..d].iter().copied()).collect())
    }

    /// Encodes prompts, each with its adapter if there are any, and computes what the decoder attends to.
    pub(super) fn memories(
        &mut self,
        cancel: &CancelToken,
        prompts: &[&[u32]],
        adapters: &Adapters,
    ) -> Result<Vec<CrossMemory>, ModelError> {
        let mut memories = Vec::with_capacity(prompts.len());
        let (mut rest, mut adapters) = (prompts, adapters);
        while !rest.is_empty() {
            let mut tokens = 0;
            let fitting = rest.iter().take_while(|prompt| {
                tokens += prompt.len();
                tokens <= TOKENS_AT_ONCE
            });
            let (now, later) = rest.split_at(fitting.count().max(1));
            let (own, others) = adapters.split_at(now.len().min(adapters.len()));
            self.encode_together(cancel, now, own)?;
            self.cross(now, own, &mut memories);
            (rest, adapters) = (later, others);
        }
        Ok(memories)
    }

    /// Writes a token's embedding.
    pub(super) fn embed(&self, token: u32, out: &mut [f32]) -> Result<(), ModelError> {
        let shape = [self.config.vocab_size, self.config.d_model];
        self.checkpoint.view(self.embedding, &shape)?.read_rows(token as usize, out);
        Ok(())
    }

    /// Leaves the normed outputs of all prompts' tokens, one after the other, in `rooms.normed`.
    fn encode_together(
        &mut self,
        cancel: &CancelToken,
        prompts: &[&[u32]],
        adapters: &Adapters,
    ) -> Result<(), ModelError> {
        let (d, inner, ff) = (self.config.d_model, self.config.inner(), self.config.d_ff);
        let (ds, qs, is, fs) = (stride(d), stride(3 * inner), stride(inner), stride(ff));
        let lengths: Vec<usize> = prompts.iter().map(|prompt| prompt.len()).collect();
        let tokens: usize = lengths.iter().sum();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut rooms = std::mem::take(&mut self.rooms);
        let stream = room(&mut rooms.stream, tokens * ds);
        for (&token, row) in prompts.iter().copied().flatten().zip(stream.chunks_mut(ds)) {
            self.embed(token, &mut row[..d])?;
        }
        let bias = self.relative_bias(longest);
        let finish = self.feed_finish();
        let eps = self.config.epsilon;
        let threads = self.pool.threads();
        let (isa, pool, scratch, low) = (self.isa, &mut self.pool, &mut self.scratch, &mut self.low);
        let adapted = adapted(&lengths, adapters);
        let normed = room(&mut rooms.normed, tokens * ds);
        let wide = room(&mut rooms.wide, tokens * qs.max(fs));
        let mixed = room(&mut rooms.mixed, tokens * is);
        let heads = Heads { isa, heads: self.config.num_heads, width: self.config.d_kv, longest };
        let attention = room(&mut rooms.attention, threads * heads.scratch());
        for (n, block) in self.encoder.iter().enumerate() {
            cancel.check()?;
            norm_rows(isa, pool, tokens, stream, normed, d, ds, &block.own.norm, eps, 1.0);
            block.own.qkv.multiply(pool, scratch, tokens, normed, ds, wide, qs, Finish::Store);
            for &(first, rows, adapter) in &adapted {
                if let Some(qkv) = &adapter.encoder[n].qkv {
                    let (x, out) = (&normed[first * ds..], &mut wide[first * qs..]);
                    qkv.add(pool, scratch, low, rows, x, ds, out, qs);
                }
            }
            heads.attend(pool, &lengths, wide, qs, &bias, mixed, is, attention);
            block.own.output.multiply(pool, scratch, tokens, mixed, is, stream, ds, Finish::Add);
            for &(first, rows, adapter) in &adapted {
                if let Some(output) = &adapter.encoder[n].output {
                    let (x, out) = (&mixed[first * is..], &mut stream[first * ds..]);
                    output.add(pool, scratch, low, rows, x, is, out, ds);
                }
            }
            norm_rows(isa, pool, tokens, stream, normed, d, ds, &block.feed.norm, eps, 1.0);
            block.feed.input.multiply(pool, scratch, tokens, normed, ds, wide, fs, finish);
            block.feed.output.multiply(pool, scratch, tokens, wide, fs, stream, ds, Finish::Add);
            for &(first, rows, adapter) in &adapted {
                if let Some(feed) = &adapter.encoder[n].feed {
                    let (x, out) = (&wide[first * fs..], &mut stream[first * ds..]);
                    feed.add(pool, scratch, low, rows, x, fs, out, ds);
                }
            }
        }
        norm_rows(isa, pool, tokens, stream, normed, d, ds, &self.encoder_norm, eps, 1.0);
        self.rooms = rooms;
        Ok(())
    }

    /// Keys and values of the prompts just encoded, for every decoder block.
    fn cross(&mut self, prompts: &[&[u32]], adapters: &Adapters, memories: &mut Vec<CrossMemory>) {
        let (inner, width, heads) = (self.config.inner(), self.config.d_kv, self.config.num_heads);
        let (ds, ks) = (stride(self.config.d_model), stride(2 * inner));
        let lengths: Vec<usize> = prompts.iter().map(|prompt| prompt.len()).collect();
        let tokens: usize = lengths.iter().sum();
        let adapted = adapted(&lengths, adapters);
        let isa = self.isa;
        let first = memories.len();
        memories.extend(prompts.iter().map(|prompt| {
            let shape = HeadShape { len: prompt.len(), width };
            CrossMemory::new(isa, shape, heads, self.decoder.len())
        }));
        let normed = &self.rooms.normed[..tokens * ds];
        let wide = room(&mut self.rooms.wide, tokens * ks);
        for (layer, block) in self.decoder.iter().enumerate() {
            let weights = &block.cross.keys_values;
            weights.multiply(&mut self.pool, &mut self.scratch, tokens, normed, ds, wide, ks, Finish::Store);
            for &(first, rows, adapter) in &adapted {
                if let Some(keys_values) = &adapter.decoder[layer].keys_values {
                    let (x, out) = (&normed[first * ds..], &mut wide[first * ks..]);
                    let (pool, scratch, low) = (&mut self.pool, &mut self.scratch, &mut self.low);
                    keys_values.add(pool, scratch, low, rows, x, ds, out, ks);
                }
            }
            let mut start = 0;
            for memory in &mut memories[first..] {
                let shape = memory.shape;
                let (key_len, value_len) = (shape.keys(isa), shape.values(isa));
                let rows = &wide[start * ks..];
                let out = SharedSlice::new(memory.block_mut(layer));
                self.pool.each(heads, |head, _| {
                    // SAFETY: each head writes its own part; the rows hold `len` tokens of both halves.
                    unsafe {
                        let from = rows.as_ptr().add(head * width);
                        pack_keys(isa, shape, from, ks, out.pointer(head * key_len));
                        pack_values(
                            isa,
                            shape,
                            from.add(inner),
                            ks,
                            out.pointer(heads * key_len + head * value_len),
                        );
                    }
                });
                start += shape.len;
            }
        }
    }

    /// For each head the bias by distance, from `1 − longest` to `longest − 1`.
    fn relative_bias(&self, longest: usize) -> Vec<f32> {
        let heads = self.config.num_heads;
        let distances = 1 - longest.max(1) as i64..longest.max(1) as i64;
        let buckets: Vec<usize> =
            distances.map(|d| bucket(d, true, self.config.buckets, self.config.max_distance)).collect();
        (0..heads)
            .flat_map(|head| buckets.iter().map(move |b| b * heads + head))
            .map(|i| self.encoder_bias[i])
            .collect()
    }

    pub(super) fn feed_finish(&self) -> Finish {
        let function = match self.config.activation {
            Activation::Relu => Function::Relu,
            Activation::Gelu => Function::Gelu,
            Activation::Silu => Function::Silu,
        };
        if self.config.gated { Finish::Gate(function) } else { Finish::Apply(function) }
    }
}

/// For each prompt that has an adapter: its first row, its rows and the adapter.
fn adapted<'a>(lengths: &[usize], adapters: &'a Adapters) -> Vec<(usize, usize, &'a PackedAdapter)> {
    let mut first = 0;
    let mut all = Vec::new();
    for (&rows, adapter) in lengths.iter().zip(adapters) {
        all.extend(adapter.as_deref().map(|adapter| (first, rows, adapter)));
        first += rows;
    }
    all
}

/// Norms rows of `width` numbers, `stride` apart in both.
#[allow(clippy::too_many_arguments, reason = "two matrices of one stride")]
pub(super) fn norm_rows(
    isa: Isa,
    pool: &mut Pool,
    rows: usize,
    x: &[f32],
    out: &mut [f32],
    width: usize,
    stride: usize,
    weight: &[f32],
    epsilon: f32,
    factor: f32,
) {
    assert!(rows * stride <= x.len() && rows * stride <= out.len() && width <= weight.len());
    let out = SharedSlice::new(out);
    pool.each(rows.div_ceil(16), |task, _| {
        for row in task * 16..rows.min(task * 16 + 16) {
            // SAFETY: rows are disjoint and inside, as asserted above.
            unsafe {
                let (from, to) = (x.as_ptr().add(row * stride), out.pointer(row * stride));
                norm_row(isa, from, weight.as_ptr(), to, width, epsilon, factor);
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
    /// Matrices of one shape below each other as one.
    fn joined(&self, names: &[String], columns: usize, depth: usize) -> Result<Weights, WeightsError> {
        let views = names
            .iter()
            .map(|name| self.checkpoint.view(name, &[columns, depth]))
            .collect::<Result<Vec<_>, _>>()?;
        let row = |n: usize, out: &mut [f32]| views[n / columns].read_rows(n % columns, out);
        let packed = Weights::pack(self.isa, views.len() * columns, depth, self.numbers, row);
        self.checkpoint.forget_pages();
        Ok(packed)
    }

    fn gated(&self, first: &str, gate: &str, columns: usize, depth: usize) -> Result<Weights, WeightsError> {
        let views =
            [self.checkpoint.view(first, &[columns, depth])?, self.checkpoint.view(gate, &[columns, depth])?];
        let row = |n: usize, out: &mut [f32]| views[n / columns].read_rows(n % columns, out);
        let packed = Weights::pack_gated(self.isa, columns, depth, self.numbers, row);
        self.checkpoint.forget_pages();
        Ok(packed)
    }
}
