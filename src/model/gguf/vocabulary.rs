//! The vocabulary of a GGUF file: its tokens, which of them are special, and where answers end.

use std::collections::{BTreeSet, HashMap};

use super::GgufError;
use super::header::GgufFile;
use super::json::JsonVocabulary;

/// What a token is for (`tokenizer.ggml.token_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A piece of text.
    Normal,
    /// Stands for what cannot be encoded.
    Unknown,
    /// Steers the model and has no text of its own.
    Control,
    /// A piece of text that is found before the text is split otherwise.
    UserDefined,
    /// One byte.
    Byte,
    /// Never used.
    Unused,
}

/// How text becomes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// SentencePiece: pieces with scores, spaces as ▁, bytes for what is missing.
    SentencePiece,
    /// Byte-pair encoding over bytes, with merges in order.
    BytePair,
}

/// The tokens of a model.
pub struct Vocabulary {
    /// How text becomes tokens.
    pub model: Model,
    tokens: Vec<String>,
    kinds: Vec<Kind>,
    scores: Vec<f32>,
    ids: HashMap<String, u32>,
    /// Tokens that are found in text as they are, longest first, those of equal length by number.
    specials: Vec<u32>,
    /// White space after a control token is dropped (Phi 3).
    strip_after: bool,
    /// Put before every text.
    pub bos: Option<u32>,
    /// Put after every text.
    pub eos: Option<u32>,
    /// The texts of the begin and end tokens, for templates.
    pub marks: [String; 2],
    /// Tokens that end an answer.
    pub stops: BTreeSet<u32>,
    /// Whether a space is put before text at the start and after special tokens.
    pub space_first: bool,
}

/// Texts of tokens that end a turn or a text, in the models that are around; the same that llama.cpp knows.
const STOPS: [&str; 17] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<eos>",
];

/// Texts that fill or name files in code models; reaching one ends an answer too.
const FILE_STOPS: [&str; 11] = [
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
];

/// Splitting rules under which llama.cpp puts a begin token first unless the file says otherwise.
const BEGIN_FIRST: [&str; 10] = [
    "llama3",
    "llama-v3",
    "llama-bpe",
    "falcon3",
    "falcon-h1",
    "pixtral",
    "midm-2.0",
    "lfm2",
    "jina-v5-nano",
    "tekken",
];

impl Vocabulary {
    /// Reads the vocabulary.
    ///
    /// # Errors
    /// A kind that is not supported, a key that is missing or has too few values.
    pub fn read(file: &GgufFile) -> Result<Self, GgufError> {
        let missing = |key: &str| GgufError::MissingKey { path: file.path().to_owned(), key: key.to_owned() };
        let model = match file.text("tokenizer.ggml.model") {
            Some("llama") => Model::SentencePiece,
            Some("gpt2") => Model::BytePair,
            other => {
                return Err(GgufError::Vocabulary {
                    path: file.path().to_owned(),
                    key: "tokenizer.ggml.model",
                    value: other.unwrap_or_default().to_owned(),
                    supported: "llama (SentencePiece) and gpt2 (byte pairs)",
                });
            }
        };
        let tokens =
            file.texts("tokenizer.ggml.tokens").ok_or_else(|| missing("tokenizer.ggml.tokens"))?.to_vec();
        let as_long = |key: &'static str| match file.numbers(key) {
            Some(numbers) if numbers.len() < tokens.len() => Err(GgufError::Value {
                path: file.path().to_owned(),
                key: key.to_owned(),
                value: format!("a list of {}", numbers.len()),
                allowed: "one for each token",
            }),
            numbers => Ok(numbers),
        };
        let scores = match as_long("tokenizer.ggml.scores")? {
            Some(scores) => scores.iter().map(|&score| score as f32).collect(),
            None if model == Model::SentencePiece => return Err(missing("tokenizer.ggml.scores")),
            None => Vec::new(),
        };
        let kinds: Vec<Kind> = match as_long("tokenizer.ggml.token_type")? {
            Some(codes) => codes.iter().take(tokens.len()).map(|&code| kind(code)).collect(),
            None => vec![Kind::Normal; tokens.len()],
        };
        let begins = model == Model::SentencePiece
            || file.text("tokenizer.ggml.pre").is_some_and(|pre| BEGIN_FIRST.contains(&pre));
        let add_bos = file.bool("tokenizer.ggml.add_bos_token").unwrap_or(begins);
        let add_eos = file.bool("tokenizer.ggml.add_eos_token").unwrap_or(false);
        let mut vocabulary = Self::new(file, model, tokens, kinds, scores);
        vocabulary.bos = vocabulary.bos.filter(|_| add_bos);
        vocabulary.eos = vocabulary.eos.filter(|_| add_eos);
        Ok(vocabulary)
    }

    /// The vocabulary of a tokenizer beside the file. What steers (begin, end and stop tokens) is still the file's
    /// where it says so.
    pub fn of_json(file: &GgufFile, json: JsonVocabulary) -> Self {
        let JsonVocabulary { model, tokens, kinds, around } = json;
        let mut vocabulary = Self::new(file, model, tokens, kinds, Vec::new());
        let ends = |id: &u32| vocabulary.stops.contains(id);
        let (first, last) = (around.first().copied(), around.last().copied());
        (vocabulary.bos, vocabulary.eos) = (first.filter(|id| !ends(id)), last.filter(|id| ends(id)));
        vocabulary
    }

    fn new(
        file: &GgufFile,
        model: Model,
        tokens: Vec<String>,
        mut kinds: Vec<Kind>,
        scores: Vec<f32>,
    ) -> Self {
        let ids: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();
        let mut stops: BTreeSet<u32> = STOPS.iter().filter_map(|text| ids.get(*text).copied()).collect();
        // Of the fill tokens llama.cpp stops at the first of a kind that it finds; a vocabulary has one of each.
        stops.extend(FILE_STOPS.iter().filter_map(|text| ids.get(*text).copied()));
        for &stop in &stops {
            // Files sometimes have them as plain text; they steer nevertheless.
            kinds[stop as usize] = Kind::Control;
        }
        leave_out_normal_ends(&ids, &mut stops, &mut kinds);
        let id = |name: &str, default: Option<u32>| {
            let listed = file
                .integer(&format!("tokenizer.ggml.{name}_token_id"))
                .and_then(|id| u32::try_from(id).ok());
            listed.or(default).filter(|&id| (id as usize) < tokens.len())
        };
        let pair = model == Model::BytePair;
        let bos = id("bos", Some(if pair { 11 } else { 1 }));
        let eos = id("eos", Some(if pair { 11 } else { 2 }));
        stops.extend(eos);
        stops.extend(id("eot", None));
        stops.extend(id("eom", None));
        let text = |id: Option<u32>| id.and_then(|id| tokens.get(id as usize)).cloned().unwrap_or_default();
        let name = file.text("general.name").unwrap_or_default().to_lowercase();
        let mut specials: Vec<u32> = (0..)
            .zip(&kinds)
            .filter(|(id, kind)| {
                matches!(kind, Kind::Control | Kind::UserDefined | Kind::Unknown)
                    && !tokens[*id as usize].is_empty()
            })
            .map(|(id, _)| id)
            .collect();
        specials.sort_by_key(|&id| (usize::MAX - tokens[id as usize].len(), id));
        Self {
            model,
            scores,
            ids,
            specials,
            strip_after: name.contains("phi-3") || name.contains("phi3"),
            bos,
            eos,
            marks: [text(bos), text(eos)],
            stops,
            space_first: !pair && file.bool("tokenizer.ggml.add_space_prefix").unwrap_or(true),
            tokens,
            kinds,
        }
    }

    /// All tokens.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// What a token is for.
    pub fn kind(&self, id: u32) -> Kind {
        self.kinds.get(id as usize).copied().unwrap_or(Kind::Unused)
    }

    /// The token of a text.
    pub fn id(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    /// The token of a text and its score, among those that plain text may become.
    pub fn piece(&self, text: &str) -> Option<(u32, f32)> {
        let id = self.id(text)?;
        (!matches!(self.kind(id), Kind::Control | Kind::Unknown)).then(|| (id, self.scores[id as usize]))
    }

    /// Whether a token is found in text only where the text is trusted, such as a template's own.
    pub fn is_trusted_only(&self, id: u32) -> bool {
        matches!(self.kind(id), Kind::Control | Kind::Unknown)
    }

    /// Tokens that are found in text as they are, longest first.
    pub fn specials(&self) -> &[u32] {
        &self.specials
    }

    /// Whether white space after a special token is dropped.
    pub fn strips_after(&self, id: u32) -> bool {
        let text = self.tokens[id as usize].as_str();
        self.strip_after && (text == "</s>" || !matches!(text, "<unk>" | "<s>" | "<|endoftext|>"))
    }
}

/// Some models end turns with other tokens, and have one of the usual ends as a normal word.
fn leave_out_normal_ends(ids: &HashMap<String, u32>, stops: &mut BTreeSet<u32>, kinds: &mut [Kind]) {
    let has = |text: &str| ids.contains_key(text);
    let others =
        (has("<|return|>") && has("<|call|>")) || (has("<|flush|>") && (has("<|call|>") || has("<|calls|>")));
    if let Some(&end) = ids.get("<|end|>").filter(|_| others) {
        stops.remove(&end);
        kinds[end as usize] = Kind::UserDefined;
    }
}

const fn kind(code: f64) -> Kind {
    match code as i64 {
        2 => Kind::Unknown,
        3 => Kind::Control,
        4 => Kind::UserDefined,
        5 => Kind::Unused,
        6 => Kind::Byte,
        _ => Kind::Normal,
    }
}
