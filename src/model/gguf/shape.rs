//! What the metadata say about a model: sizes, attention windows, rotary positions. Each is checked before it
//! decides how much memory is asked for.

use super::GgufError;
use super::header::{GgufFile, Value};
use super::rope::Scaling;

/// The architectures that are supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Llama 1 to 3, Mistral, SmolLM and others of the same build.
    Llama,
    /// Gemma 3.
    Gemma3,
    /// Qwen 2 and 2.5.
    Qwen2,
    /// Qwen 3, dense.
    Qwen3,
    /// Phi 3 and 3.5, and Phi 4 mini.
    Phi3,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Llama, Self::Gemma3, Self::Qwen2, Self::Qwen3, Self::Phi3];

    /// As `general.architecture` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Gemma3 => "gemma3",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Phi3 => "phi3",
        }
    }

    /// Whether rotation pairs a number with its neighbor, not with the one half a head away.
    pub const fn rotates_neighbors(self) -> bool {
        matches!(self, Self::Llama)
    }

    /// Whether queries and keys are normalized head by head.
    pub const fn normalizes_heads(self) -> bool {
        matches!(self, Self::Gemma3 | Self::Qwen3)
    }
}

/// The sizes and settings of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Its build.
    pub architecture: Architecture,
    /// Layers.
    pub layers: usize,
    /// Numbers that stand for a token between layers.
    pub width: usize,
    /// Numbers inside a feed-forward part.
    pub feed_forward: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; a divisor of the query heads.
    pub kv_heads: usize,
    /// Numbers of a head.
    pub head: usize,
    /// Numbers of a head that are rotated.
    pub rotated: usize,
    /// Added to mean squares before a root is taken.
    pub epsilon: f32,
    /// Tokens that the model was trained to see at once.
    pub context: usize,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// What scores of queries and keys are multiplied with.
    pub attention_scale: f32,
    /// For each layer, how many tokens back it sees (itself included); `None` for all.
    pub windows: Vec<Option<usize>>,
    /// Base of the rotation in layers that see everything.
    pub rope_base: f32,
    /// Base in layers with a window.
    pub rope_base_local: f32,
    /// How positions are stretched in layers that see everything.
    pub scaling: Scaling,
    /// Logits are squashed to ± this.
    pub logit_cap: Option<f32>,
}

impl Shape {
    /// Reads and checks the metadata.
    ///
    /// # Errors
    /// An architecture that is not supported; a key that is missing, absurd or contradicts another.
    pub fn read(file: &GgufFile) -> Result<Self, GgufError> {
        let name = file.text("general.architecture").unwrap_or_default();
        let Some(architecture) = Architecture::ALL.into_iter().find(|known| known.name() == name) else {
            return Err(GgufError::Architecture {
                path: file.path().to_owned(),
                architecture: name.to_owned(),
                supported: Architecture::ALL.map(Architecture::name).join(", "),
            });
        };
        let keys = Keys { file, prefix: architecture.name() };
        if keys.optional("expert_count", 0, 1 << 10)? > 0 {
            return keys.refuse("expert_count", "0 (mixtures of experts are not supported)");
        }
        let width = keys.required("embedding_length", 1 << 17)?;
        let heads = keys.required("attention.head_count", 1 << 12)?;
        let kv_heads = keys.optional("attention.head_count_kv", heads, heads)?;
        if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return keys.refuse("attention.head_count_kv", "a divisor of attention.head_count");
        }
        let head = keys.optional("attention.key_length", width / heads, 1 << 12)?;
        if head == 0 || !head.is_multiple_of(8) {
            return keys.refuse("attention.key_length", "a multiple of 8");
        }
        if keys.optional("attention.value_length", head, 1 << 12)? != head {
            return keys.refuse("attention.value_length", "equal to attention.key_length");
        }
        let rotated = keys.optional("rope.dimension_count", head, head)?;
        let llama = architecture == Architecture::Llama;
        if rotated == 0 || !rotated.is_multiple_of(2) || (llama && rotated != head) {
            return keys.refuse("rope.dimension_count", "even, and the whole head in a llama model");
        }
        let layers = keys.required("block_count", 1 << 10)?;
        let rows = || file.tensor("token_embd.weight").map_or(0, |info| info.shape[0]);
        let vocabulary = file.texts("tokenizer.ggml.tokens").map_or_else(rows, <[String]>::len);
        if vocabulary == 0 || vocabulary > 1 << 24 {
            return Err(GgufError::MissingKey {
                path: file.path().to_owned(),
                key: "tokenizer.ggml.tokens".into(),
            });
        }
        let shape = Self {
            architecture,
            layers,
            width,
            feed_forward: keys.required("feed_forward_length", 1 << 20)?,
            heads,
            kv_heads,
            head,
            rotated,
            epsilon: keys.float("attention.layer_norm_rms_epsilon", None, 0.0..=1.0)?,
            context: keys.required("context_length", 1 << 24)?,
            vocabulary,
            attention_scale: attention_scale(&keys, architecture, (layers, width, heads, head))?,
            windows: windows(&keys, architecture, layers)?,
            rope_base: keys.float("rope.freq_base", Some(10_000.0), 1.0..=1e12)?,
            rope_base_local: keys.float("rope.freq_base_swa", Some(10_000.0), 1.0..=1e12)?,
            scaling: Scaling::read(&keys)?,
            logit_cap: match keys.float("final_logit_softcapping", Some(0.0), 0.0..=1e6)? {
                0.0 => None,
                cap => Some(cap),
            },
        };
        Ok(shape)
    }

    /// Numbers of all key or value heads.
    pub const fn kv_width(&self) -> usize {
        self.kv_heads * self.head
    }

    /// Bytes of keys and values that a token takes in all layers.
    pub const fn cache_bytes(&self) -> u64 {
        // half precision, keys and values
        2 * 2 * (self.layers * self.kv_width()) as u64
    }

    /// Whether tokens are multiplied with the root of the width when they enter.
    pub fn embedding_scale(&self) -> f32 {
        if self.architecture == Architecture::Gemma3 { (self.width as f32).sqrt() } else { 1.0 }
    }
}

/// Gemma 3 scales by the head, but in its largest model by the width over the heads, as llama.cpp knows it: by the
/// number of layers. Llama models may say theirs.
fn attention_scale(
    keys: &Keys<'_>,
    architecture: Architecture,
    (layers, width, heads, head): (usize, usize, usize, usize),
) -> Result<f32, GgufError> {
    let usual = 1.0 / (head as f32).sqrt();
    match architecture {
        Architecture::Gemma3 if layers == 62 => Ok(1.0 / ((width / heads) as f32).sqrt()),
        Architecture::Llama => match keys.float("attention.scale", Some(0.0), 0.0..=1e6)? {
            0.0 => Ok(usual),
            scale => Ok(scale),
        },
        _ => Ok(usual),
    }
}

/// Gemma 3: five layers with a window, then one without, unless the file says otherwise. Phi 3 names a window too,
/// but llama.cpp does not apply it, since files are converted with it wrong; nor is it here.
fn windows(
    keys: &Keys<'_>,
    architecture: Architecture,
    layers: usize,
) -> Result<Vec<Option<usize>>, GgufError> {
    let window = match architecture {
        Architecture::Gemma3 => keys.optional("attention.sliding_window", 0, 1 << 24)?,
        _ => 0,
    };
    if window == 0 {
        return Ok(vec![None; layers]);
    }
    let pattern = "attention.sliding_window_pattern";
    if let Some(Value::Numbers(listed)) = keys.get(pattern) {
        if listed.len() < layers {
            return keys.refuse(pattern, "a truth value for each layer");
        }
        return Ok(listed[..layers].iter().map(|&local| (local != 0.0).then_some(window)).collect());
    }
    let period = keys.optional(pattern, 6, 1 << 10)?;
    let local = |layer: usize| period != 0 && layer % period < period - 1;
    Ok((0..layers).map(|layer| local(layer).then_some(window)).collect())
}

/// The metadata of one architecture.
pub struct Keys<'a> {
    file: &'a GgufFile,
    prefix: &'static str,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// A value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.file.get(&self.key(name))
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.file.text(&self.key(name))
    }

    /// An error about a key.
    pub fn refuse<T>(&self, name: &str, allowed: &'static str) -> Result<T, GgufError> {
        let value = match self.get(name) {
            None => "missing".to_owned(),
            Some(Value::Unsigned(value)) => value.to_string(),
            Some(Value::Signed(value)) => value.to_string(),
            Some(Value::Float(value)) => value.to_string(),
            Some(Value::Bool(value)) => value.to_string(),
            Some(Value::Text(value)) => format!("{value:?}"),
            Some(_) => "a list".to_owned(),
        };
        Err(GgufError::Value { path: self.file.path().to_owned(), key: self.key(name), value, allowed })
    }

    /// An integer of at most `most`, or a default. Lists of one value a layer are taken if all are equal.
    pub fn optional(&self, name: &str, default: usize, most: usize) -> Result<usize, GgufError> {
        let value = match self.get(name) {
            None => return Ok(default),
            Some(&Value::Unsigned(value)) => Some(value),
            Some(&Value::Signed(value)) => u64::try_from(value).ok(),
            Some(Value::Numbers(listed)) => match listed.as_slice() {
                [first, rest @ ..]
                    if *first >= 0.0 && first.fract() == 0.0 && rest.iter().all(|value| value == first) =>
                {
                    Some(*first as u64)
                }
                _ => return self.refuse(name, "the same in every layer"),
            },
            Some(_) => None,
        };
        match value.and_then(|value| usize::try_from(value).ok()) {
            Some(value) if value <= most => Ok(value),
            _ => self.refuse(name, "a whole number of a sensible size"),
        }
    }

    /// An integer of 1 to `most`.
    pub fn required(&self, name: &str, most: usize) -> Result<usize, GgufError> {
        if self.get(name).is_none() {
            return Err(GgufError::MissingKey { path: self.file.path().to_owned(), key: self.key(name) });
        }
        match self.optional(name, 0, most)? {
            0 => self.refuse(name, "above 0"),
            value => Ok(value),
        }
    }

    /// A number within limits, or a default.
    pub fn float(
        &self,
        name: &str,
        default: Option<f32>,
        limits: std::ops::RangeInclusive<f64>,
    ) -> Result<f32, GgufError> {
        match (self.file.number(&self.key(name)), default) {
            (Some(value), _) if limits.contains(&value) => Ok(value as f32),
            (None, Some(default)) if self.get(name).is_none() => Ok(default),
            (None, None) if self.get(name).is_none() => {
                Err(GgufError::MissingKey { path: self.file.path().to_owned(), key: self.key(name) })
            }
            _ => self.refuse(name, "a number of a sensible size"),
        }
    }
}
