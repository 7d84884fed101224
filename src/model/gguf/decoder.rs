//! The decoder that all supported architectures share, and its weights.
//!
//! One pass takes rows of several sequences at once: pieces of prompts, or the last token of each. Large products
//! run over all rows together; attention runs sequence by sequence, each over its own cache; logits are computed
//! for the last row of a sequence only, and only where asked for.

use rayon::prelude::*;

use super::GgufError;
use super::attention::{Attention, Cache};
use super::format::{self, Format};
use super::header::{GgufFile, TensorInfo};
use super::kernel::Level;
use super::math;
use super::matrix::{self, Input, Matrix};
use super::rope::{Rope, Turn};
use super::shape::{Architecture, Shape};
use crate::jobs::{CancelToken, Canceled};

/// A model ready to compute.
pub struct Decoder {
    file: GgufFile,
    shape: Shape,
    level: Level,
    parts: Parts,
}

struct Parts {
    layers: Vec<Layer>,
    output_norm: Vec<f32>,
    output: Linear,
    /// Rotations of layers that see everything, and of those with a window.
    ropes: [Rope; 2],
}

struct Layer {
    attention_norm: Vec<f32>,
    query: Linear,
    key: Linear,
    value: Linear,
    query_norm: Option<Vec<f32>>,
    key_norm: Option<Vec<f32>>,
    attended: Linear,
    post_attention_norm: Option<Vec<f32>>,
    feed_norm: Vec<f32>,
    gate: Linear,
    up: Linear,
    down: Linear,
    post_feed_norm: Option<Vec<f32>>,
}

struct Linear {
    matrix: Matrix,
    bias: Option<Vec<f32>>,
}

/// The state of one sequence.
#[derive(Debug)]
pub struct Sequence {
    layers: Vec<Cache>,
    /// Tokens seen.
    pub length: usize,
}

/// The next tokens of a sequence.
pub struct Step<'a> {
    /// What it has seen.
    pub sequence: &'a mut Sequence,
    /// At least one; all below the vocabulary's size.
    pub tokens: &'a [u32],
    /// Whether the logits after the last are wanted.
    pub logits: bool,
}

/// Where a matrix's rows lie in a tensor; Phi 3 keeps several matrices in one.
struct Part<'a> {
    tensor: &'a str,
    /// Rows of the tensor in all.
    rows: usize,
    from: usize,
    count: usize,
    columns: usize,
}

struct Loader<'a> {
    file: &'a GgufFile,
    shape: &'a Shape,
    level: Level,
    /// Only look whether everything is there and of the right shape.
    dry: bool,
}

impl Loader<'_> {
    fn missing<T>(&self, tensor: &str) -> Result<T, GgufError> {
        Err(GgufError::MissingTensor {
            path: self.file.path().to_owned(),
            tensor: tensor.to_owned(),
            architecture: self.shape.architecture.name(),
        })
    }

    /// A tensor of a shape; rows first.
    fn tensor(&self, name: &str, expected: &[usize]) -> Result<&TensorInfo, GgufError> {
        let Some(info) = self.file.tensor(name) else { return self.missing(name) };
        if info.shape != expected {
            return Err(GgufError::TensorShape {
                path: self.file.path().to_owned(),
                tensor: name.to_owned(),
                found: info.shape.clone(),
                expected: expected.to_vec(),
            });
        }
        if let Format::Other(code) = info.format {
            return Err(GgufError::TensorFormat {
                path: self.file.path().to_owned(),
                tensor: name.to_owned(),
                format: format!("format {code}"),
                supported: format::SUPPORTED,
            });
        }
        Ok(info)
    }

    fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>, GgufError> {
        let info = self.tensor(name, &[length])?;
        if self.dry {
            return Ok(Vec::new());
        }
        let mut numbers = vec![0.0; length];
        info.format.dequantize(self.file.bytes(info), &mut numbers);
        Ok(numbers)
    }

    fn optional_vector(&self, name: &str, length: usize) -> Result<Option<Vec<f32>>, GgufError> {
        self.file.tensor(name).map(|_| self.vector(name, length)).transpose()
    }

    fn part(&self, part: &Part<'_>) -> Result<Linear, GgufError> {
        let name = format!("{}.weight", part.tensor);
        let info = self.tensor(&name, &[part.rows, part.columns])?;
        let bytes = self.file.bytes(info);
        let row = bytes.len() / part.rows;
        if self.dry {
            self.optional_vector(&format!("{}.bias", part.tensor), part.rows)?;
            return Ok(Linear {
                matrix: Matrix::pack(info.format, 0, part.columns, &[], self.level),
                bias: None,
            });
        }
        let bytes = &bytes[part.from * row..(part.from + part.count) * row];
        let matrix = Matrix::pack(info.format, part.count, part.columns, bytes, self.level);
        let bias = self.optional_vector(&format!("{}.bias", part.tensor), part.rows)?;
        Ok(Linear { matrix, bias: bias.map(|bias| bias[part.from..part.from + part.count].to_vec()) })
    }

    fn linear(&self, tensor: &str, rows: usize, columns: usize) -> Result<Linear, GgufError> {
        self.part(&Part { tensor, rows, from: 0, count: rows, columns })
    }

    fn layer(&self, index: usize) -> Result<Layer, GgufError> {
        let shape = self.shape;
        let name = |part: &str| format!("blk.{index}.{part}");
        let (width, queries, keys) = (shape.width, shape.heads * shape.head, shape.kv_width());
        let (query, key, value) = if self.file.tensor(&name("attn_qkv.weight")).is_some() {
            let tensor = &name("attn_qkv");
            let part = |from, count| {
                self.part(&Part { tensor, rows: queries + 2 * keys, from, count, columns: width })
            };
            (part(0, queries)?, part(queries, keys)?, part(queries + keys, keys)?)
        } else {
            let part = |part: &str, rows| self.linear(&name(part), rows, width);
            (part("attn_q", queries)?, part("attn_k", keys)?, part("attn_v", keys)?)
        };
        let inner = shape.feed_forward;
        let (gate, up) = if shape.architecture == Architecture::Phi3 {
            let tensor = &name("ffn_up");
            let part =
                |from| self.part(&Part { tensor, rows: 2 * inner, from, count: inner, columns: width });
            (part(0)?, part(inner)?)
        } else {
            (self.linear(&name("ffn_gate"), inner, width)?, self.linear(&name("ffn_up"), inner, width)?)
        };
        let head_norm = |part: &str| match shape.architecture.normalizes_heads() {
            true => self.vector(&name(part), shape.head).map(Some),
            false => Ok(None),
        };
        let post_norm = |part: &str| match shape.architecture {
            Architecture::Gemma3 => self.vector(&name(part), width).map(Some),
            _ => Ok(None),
        };
        Ok(Layer {
            attention_norm: self.vector(&name("attn_norm.weight"), width)?,
            query,
            key,
            value,
            query_norm: head_norm("attn_q_norm.weight")?,
            key_norm: head_norm("attn_k_norm.weight")?,
            attended: self.linear(&name("attn_output"), width, queries)?,
            post_attention_norm: post_norm("post_attention_norm.weight")?,
            feed_norm: self.vector(&name("ffn_norm.weight"), width)?,
            gate,
            up,
            down: self.linear(&name("ffn_down"), width, inner)?,
            post_feed_norm: post_norm("post_ffw_norm.weight")?,
        })
    }

    fn parts(&self, context: usize) -> Result<Parts, GgufError> {
        let shape = self.shape;
        self.tensor("token_embd.weight", &[shape.vocabulary, shape.width])?;
        let output = if self.file.tensor("output.weight").is_some() { "output" } else { "token_embd" };
        Ok(Parts {
            output: self.linear(output, shape.vocabulary, shape.width)?,
            layers: (0..shape.layers).map(|index| self.layer(index)).collect::<Result<_, _>>()?,
            output_norm: self.vector("output_norm.weight", shape.width)?,
            ropes: self.ropes(context)?,
        })
    }

    /// Rotations. Files with long and short divisors are used with the short ones up to the context of training,
    /// as llama.cpp does: the choice goes by the longest prompt that is admitted, not by each prompt's length.
    fn ropes(&self, context: usize) -> Result<[Rope; 2], GgufError> {
        let shape = self.shape;
        let long = context > shape.scaling.original_context;
        let listed = if long { "rope_factors_long.weight" } else { "rope_factors_short.weight" };
        let pairs = shape.rotated / 2;
        let divisors = match self.optional_vector("rope_freqs.weight", pairs)? {
            Some(divisors) => Some(divisors),
            None => self.optional_vector(listed, pairs)?,
        };
        let neighbors = shape.architecture.rotates_neighbors();
        Ok([
            Rope::new(shape.rotated, shape.rope_base, shape.scaling, divisors.as_deref(), neighbors),
            Rope::new(shape.rotated, shape.rope_base_local, shape.scaling.none(), None, neighbors),
        ])
    }
}

impl Linear {
    fn add_bias(&self, rows: &mut [f32]) {
        if let Some(bias) = &self.bias {
            for row in rows.chunks_exact_mut(bias.len()) {
                row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
            }
        }
    }
}

/// Bytes that the weights of a file take once they are packed.
pub fn weight_bytes(file: &GgufFile) -> u64 {
    let bytes = |info: &TensorInfo| match info.shape.as_slice() {
        [rows, columns] => matrix::packed_bytes(info.format, *rows, *columns),
        _ => info.shape.iter().map(|&length| length as u64).product::<u64>() * 4,
    };
    // An output of its own leaves the embeddings where they are, in the mapped file.
    let tied = file.tensor("output.weight").is_none();
    file.tensors().filter(|(name, _)| tied || *name != "token_embd.weight").map(|(_, info)| bytes(info)).sum()
}

impl Decoder {
    /// Looks whether a file has all weights in the right shapes, without reading them.
    ///
    /// # Errors
    /// A tensor that is missing, of a wrong shape or of a format that is not computed with.
    pub fn check(file: &GgufFile, shape: &Shape) -> Result<(), GgufError> {
        Loader { file, shape, level: Level::Portable, dry: true }.parts(shape.context).map(|_| ())
    }

    /// Packs the weights of a file for prompts and answers of up to `context` tokens; on the threads of the
    /// caller's pool.
    ///
    /// # Errors
    /// As [`Decoder::check`].
    pub fn load(file: GgufFile, shape: Shape, context: usize) -> Result<Self, GgufError> {
        let level = Level::detect();
        let parts = Loader { file: &file, shape: &shape, level, dry: false }.parts(context)?;
        Ok(Self { parts, level, shape, file })
    }

    /// Sizes and settings.
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// A sequence that has seen nothing.
    pub fn sequence(&self) -> Sequence {
        Sequence {
            layers: self.parts.layers.iter().map(|_| Cache::new(self.shape.kv_heads)).collect(),
            length: 0,
        }
    }

    /// Takes all sequences further; the logits of those that want them, in their order, each as long as the
    /// vocabulary. Runs on the threads of the caller's pool.
    ///
    /// # Errors
    /// Canceled between two layers; the sequences are then good for nothing.
    pub fn forward(&self, cancel: &CancelToken, steps: &mut [Step<'_>]) -> Result<Vec<Vec<f32>>, Canceled> {
        let shape = &self.shape;
        let (width, head) = (shape.width, shape.head);
        let mut rows = self.embed(steps);
        let turns = self.turns(steps);
        let layers = &self.parts.layers;
        for (index, layer) in layers.iter().enumerate() {
            cancel.check()?;
            let local = usize::from(shape.windows[index].is_some());
            let mut normed = rows.clone();
            self.normalize(&mut normed, &layer.attention_norm);
            let matrices = [&layer.query.matrix, &layer.key.matrix, &layer.value.matrix];
            let [mut queries, mut keys, mut values] = matrix::multiply(matrices, &Input::new(&normed, width));
            layer.query.add_bias(&mut queries);
            layer.key.add_bias(&mut keys);
            layer.value.add_bias(&mut values);
            self.place(&mut queries, layer.query_norm.as_deref(), &turns[local], local);
            self.place(&mut keys, layer.key_norm.as_deref(), &turns[local], local);
            let mut first = 0;
            for step in steps.iter_mut() {
                let part = first * shape.kv_width()..(first + step.tokens.len()) * shape.kv_width();
                step.sequence.layers[index].extend(&keys[part.clone()], &values[part], head);
                first += step.tokens.len();
            }
            let segments: Vec<_> =
                steps.iter().map(|step| (step.tokens.len(), &step.sequence.layers[index])).collect();
            let attention = Attention {
                heads: shape.heads,
                head,
                scale: shape.attention_scale,
                window: shape.windows[index],
                level: self.level,
            };
            let attended = attention.run(&queries, &segments);
            let [mut attended] =
                matrix::multiply([&layer.attended.matrix], &Input::new(&attended, shape.heads * head));
            layer.attended.add_bias(&mut attended);
            self.add(&mut rows, attended, layer.post_attention_norm.as_deref());
            if index + 1 == layers.len() {
                // Past the last attention only the rows whose logits are wanted matter.
                rows = wanted_rows(steps, &rows, width);
            }
            self.feed(layer, &mut rows);
        }
        for step in steps.iter_mut() {
            step.sequence.length += step.tokens.len();
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.normalize(&mut rows, &self.parts.output_norm);
        let [mut logits] = matrix::multiply([&self.parts.output.matrix], &Input::new(&rows, width));
        self.parts.output.add_bias(&mut logits);
        if let Some(cap) = shape.logit_cap {
            logits.iter_mut().for_each(|logit| *logit = (*logit / cap).tanh() * cap);
        }
        Ok(logits.chunks_exact(shape.vocabulary).map(<[f32]>::to_vec).collect())
    }

    fn embed(&self, steps: &[Step<'_>]) -> Vec<f32> {
        let width = self.shape.width;
        let tokens: Vec<u32> = steps.iter().flat_map(|step| step.tokens.iter().copied()).collect();
        let mut rows = vec![0.0; tokens.len() * width];
        let Some(info) = self.file.tensor("token_embd.weight") else { return rows };
        let bytes = self.file.bytes(info);
        let row = bytes.len() / self.shape.vocabulary;
        let scale = self.shape.embedding_scale();
        rows.par_chunks_exact_mut(width).with_min_len(16).zip(&tokens).for_each(|(out, &token)| {
            let at = token as usize * row;
            info.format.dequantize(bytes.get(at..at + row).unwrap_or_default(), out);
            if scale != 1.0 {
                out.iter_mut().for_each(|value| *value *= scale);
            }
        });
        rows
    }

    /// Cosines and sines of each row, for layers that see everything and those with a window.
    fn turns(&self, steps: &[Step<'_>]) -> [Vec<Turn>; 2] {
        let positions: Vec<usize> = steps
            .iter()
            .flat_map(|step| step.sequence.length..step.sequence.length + step.tokens.len())
            .collect();
        let turns = |rope: &Rope| {
            let turn = |&position: &usize| rope.turn(position);
            positions.par_iter().with_min_len(16).map(turn).collect()
        };
        let local = self.shape.windows.iter().any(Option::is_some);
        [turns(&self.parts.ropes[0]), if local { turns(&self.parts.ropes[1]) } else { Vec::new() }]
    }

    /// Normalizes and turns the heads of queries or keys.
    fn place(&self, rows: &mut [f32], norm: Option<&[f32]>, turns: &[Turn], rope: usize) {
        let head = self.shape.head;
        let width = rows.len() / turns.len().max(1);
        rows.par_chunks_exact_mut(width).with_min_len(8).zip(turns).for_each(|(row, turn)| {
            if let Some(norm) = norm {
                row.chunks_exact_mut(head).for_each(|head| math::normalize(head, norm, self.shape.epsilon));
            }
            self.parts.ropes[rope].apply(row, head, turn);
        });
    }

    fn normalize(&self, rows: &mut [f32], weights: &[f32]) {
        let normalize = |row: &mut [f32]| math::normalize(row, weights, self.shape.epsilon);
        rows.par_chunks_exact_mut(self.shape.width).with_min_len(16).for_each(normalize);
    }

    /// Adds what a part of a layer computed, normalized where the architecture does.
    fn add(&self, rows: &mut [f32], mut parts: Vec<f32>, norm: Option<&[f32]>) {
        let width = self.shape.width;
        let both = rows.par_chunks_exact_mut(width).zip(parts.par_chunks_exact_mut(width));
        both.with_min_len(16).for_each(|(row, part)| {
            if let Some(norm) = norm {
                math::normalize(part, norm, self.shape.epsilon);
            }
            row.iter_mut().zip(part).for_each(|(value, part)| *value += *part);
        });
    }

    fn feed(&self, layer: &Layer, rows: &mut [f32]) {
        if rows.is_empty() {
            return;
        }
        let mut normed = rows.to_vec();
        self.normalize(&mut normed, &layer.feed_norm);
        let matrices = [&layer.gate.matrix, &layer.up.matrix];
        let [mut gate, mut up] = matrix::multiply(matrices, &Input::new(&normed, self.shape.width));
        layer.gate.add_bias(&mut gate);
        layer.up.add_bias(&mut up);
        let gated = gate.par_chunks_mut(4096).zip(up.par_chunks(4096));
        gated.for_each(|(gate, up)| match self.shape.architecture {
            Architecture::Gemma3 => math::gelu_gate(gate, up),
            _ => math::silu_gate(self.level, gate, up),
        });
        let [mut down] = matrix::multiply([&layer.down.matrix], &Input::new(&gate, self.shape.feed_forward));
        layer.down.add_bias(&mut down);
        self.add(rows, down, layer.post_feed_norm.as_deref());
    }
}

fn wanted_rows(steps: &[Step<'_>], rows: &[f32], width: usize) -> Vec<f32> {
    let mut wanted = Vec::new();
    let mut end = 0;
    for step in steps {
        end += step.tokens.len();
        if step.logits {
            wanted.extend_from_slice(&rows[(end - 1) * width..end * width]);
        }
    }
    wanted
}
