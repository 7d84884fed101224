//! Text to tokens and back by the vocabulary of a GGUF file, token for token as llama.cpp does it.
//!
//! Special tokens are cut out first, longest first. Those that users may write (`UserDefined`) are found in any
//! text; control tokens are found only in trusted text, which is a chat template's own: what a prompt says can
//! never become one, whatever it spells. (llama.cpp's server finds them in prompts too; its library does as is
//! done here unless asked otherwise.)

use memchr::memmem;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{SplitDelimiterBehavior, Tokenizer};

use super::GgufError;
use super::header::GgufFile;
use super::json::{self, JsonTokenizer};
use super::sentencepiece;
use super::vocabulary::{Kind, Model, Vocabulary};
use crate::model::{TextStart, TextTokenizer, TokenizerError};

/// The tokenizer of a GGUF file.
pub struct GgufTokenizer {
    vocabulary: Vocabulary,
    splitter: Splitter,
}

/// What turns plain text into tokens.
enum Splitter {
    SentencePiece,
    BytePairs(Box<Tokenizer>),
    Json(Box<JsonTokenizer>),
}

/// A piece of text, or a special token found in it.
enum Fragment<'a> {
    /// With the byte of the text it begins at.
    Text(&'a str, usize),
    /// With the byte of the text it ends at, white space that it swallows included.
    Token(u32, usize),
}

impl GgufTokenizer {
    /// Builds the tokenizer from the file itself; or, where it has none, from a `tokenizer.json` beside it.
    ///
    /// # Errors
    /// A vocabulary or a splitting rule that is not supported, or one that contradicts itself.
    pub fn read(file: &GgufFile) -> Result<Self, GgufError> {
        if file.get("tokenizer.ggml.tokens").is_none() && json::beside(file.path()).is_file() {
            return Self::read_beside(file);
        }
        let vocabulary = Vocabulary::read(file)?;
        let splitter = match vocabulary.model {
            Model::SentencePiece => Splitter::SentencePiece,
            Model::BytePair => Splitter::BytePairs(Box::new(byte_pairs(file, &vocabulary)?)),
        };
        Ok(Self { vocabulary, splitter })
    }

    /// Builds the tokenizer from the `tokenizer.json` in the file's folder.
    ///
    /// # Errors
    /// It is absent or no tokenizer.
    pub fn read_beside(file: &GgufFile) -> Result<Self, GgufError> {
        let (tokenizer, listed) = JsonTokenizer::load(&json::beside(file.path()))?;
        let splitter = Splitter::Json(Box::new(tokenizer));
        Ok(Self { vocabulary: Vocabulary::of_json(file, listed), splitter })
    }

    /// The tokens themselves.
    pub const fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The tokens of a rendered template, in which `mark` stands inside whatever untrusted text looks like a
    /// control token. The begin token is put first, if the template has not written it.
    ///
    /// # Errors
    /// The tokenizer library's.
    pub fn encode_trusted(&self, text: &str, mark: char) -> Result<Vec<u32>, TokenizerError> {
        let mut tokens = self.split(text, Some(mark))?.ids;
        if let Some(bos) = self.vocabulary.bos
            && tokens.first() != Some(&bos)
        {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }

    /// Puts `mark` into whatever in an untrusted text looks like a control token.
    pub fn defuse(&self, text: &str, mark: char) -> String {
        let mut text = text.to_owned();
        for &id in self.vocabulary.specials() {
            let special = &self.vocabulary.tokens()[id as usize];
            if self.vocabulary.is_trusted_only(id) && text.contains(special.as_str()) {
                let first = special.chars().next().map_or(0, char::len_utf8);
                let marked = format!("{}{mark}{}", &special[..first], &special[first..]);
                text = text.replace(special.as_str(), &marked);
            }
        }
        text
    }

    /// The tokens of a text, and where each ends (of trusted text: in what is left of it without marks).
    fn split(&self, text: &str, trusted: Option<char>) -> Result<TextStart, TokenizerError> {
        if let Splitter::Json(tokenizer) = &self.splitter
            && trusted.is_none_or(|mark| !text.contains(mark))
        {
            return tokenizer.split(text, trusted.is_some());
        }
        let mut fragments = if text.is_empty() { Vec::new() } else { vec![Fragment::Text(text, 0)] };
        for &id in self.vocabulary.specials() {
            if trusted.is_none() && self.vocabulary.is_trusted_only(id) {
                continue;
            }
            let finder = memmem::Finder::new(self.vocabulary.tokens()[id as usize].as_str());
            if finder.find(text.as_bytes()).is_some() {
                fragments = fragments.into_iter().flat_map(|part| self.cut(part, id, &finder)).collect();
            }
        }
        let mut start = TextStart { complete: true, ..TextStart::default() };
        let (mut after_special, mut at) = (true, 0);
        for fragment in fragments {
            match fragment {
                Fragment::Token(id, end) => {
                    start.ids.push(id);
                    start.ends.push(end);
                    after_special = true;
                    at = end;
                }
                Fragment::Text(text, _) => {
                    let plain =
                        trusted.filter(|&mark| text.contains(mark)).map(|mark| text.replace(mark, ""));
                    let text = plain.as_deref().unwrap_or(text);
                    match &self.splitter {
                        Splitter::Json(tokenizer) => {
                            let part = tokenizer.split(text, false)?;
                            start.ids.extend(part.ids);
                            start.ends.extend(part.ends.iter().map(|end| at + end));
                        }
                        Splitter::SentencePiece => {
                            let space = self.vocabulary.space_first && after_special;
                            sentencepiece::encode(&self.vocabulary, text, space, |id, end| {
                                start.ids.push(id);
                                start.ends.push(at + end);
                            });
                        }
                        Splitter::BytePairs(byte_pairs) => {
                            let encoding = byte_pairs.encode_fast(text, false).map_err(|source| {
                                TokenizerError::Encode { chars: text.chars().count(), source }
                            })?;
                            let mut end = 0;
                            for &id in encoding.get_ids() {
                                end += byte_level(&self.vocabulary.tokens()[id as usize]).len();
                                start.ids.push(id);
                                start.ends.push(at + text.ceil_char_boundary(end));
                            }
                        }
                    }
                    after_special = false;
                    at += text.len();
                }
            }
        }
        Ok(start)
    }

    /// Cuts one special token out of a fragment wherever it stands.
    fn cut<'a>(&self, fragment: Fragment<'a>, id: u32, finder: &memmem::Finder<'_>) -> Vec<Fragment<'a>> {
        let Fragment::Text(mut text, mut start) = fragment else { return vec![fragment] };
        let length = finder.needle().len();
        let mut parts = Vec::new();
        while let Some(at) = finder.find(text.as_bytes()) {
            if at > 0 {
                parts.push(Fragment::Text(&text[..at], start));
            }
            let whole = text.len();
            text = &text[at + length..];
            if self.vocabulary.strips_after(id) {
                text = text.trim_start_matches(|char: char| char.is_ascii_whitespace() || char == '\x0b');
            }
            start += whole - text.len();
            parts.push(Fragment::Token(id, start));
        }
        if !text.is_empty() {
            parts.push(Fragment::Text(text, start));
        }
        parts
    }

    /// The bytes that a token stands for in an answer; none for control tokens.
    pub fn bytes(&self, id: u32) -> Vec<u8> {
        let Some(text) = self.vocabulary.tokens().get(id as usize) else { return Vec::new() };
        match (self.vocabulary.kind(id), self.vocabulary.model) {
            (Kind::Control | Kind::Unknown | Kind::Unused, _) => Vec::new(),
            (Kind::UserDefined, _) => text.as_bytes().to_vec(),
            (Kind::Byte, _) => sentencepiece::byte(text).into_iter().collect(),
            (Kind::Normal, Model::SentencePiece) => text.replace(sentencepiece::SPACE, " ").into_bytes(),
            (Kind::Normal, Model::BytePair) => byte_level(text),
        }
    }
}

impl TextTokenizer for GgufTokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let mut tokens: Vec<u32> = self.vocabulary.bos.into_iter().collect();
        tokens.extend(self.split(text, None)?.ids);
        tokens.extend(self.vocabulary.eos);
        Ok(tokens)
    }

    fn encode_start(&self, text: &str, limit: usize) -> Result<TextStart, TokenizerError> {
        let mut start = self.split(text, None)?;
        start.complete = start.ids.len() <= limit;
        start.ids.truncate(limit);
        start.ends.truncate(limit);
        Ok(start)
    }

    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| self.bytes(id)).collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn special_tokens(&self) -> usize {
        usize::from(self.vocabulary.bos.is_some()) + usize::from(self.vocabulary.eos.is_some())
    }
}

/// The characters that byte-level vocabularies write bytes as: printable Latin-1 as itself, the rest from U+0100 on.
fn byte_level(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for char in text.chars() {
        match u32::from(char) {
            code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => bytes.push(code as u8),
            code @ 0x100..=0x120 => bytes.push((code - 0x100) as u8),
            code @ 0x121..=0x142 => bytes.push((code - 0x121 + 0x7f) as u8),
            0x143 => bytes.push(0xad),
            _ => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

const GPT_2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT_4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The splitting rules (`tokenizer.ggml.pre`) that are supported, for messages.
const RULES: &str = "default, gpt-2, llama-bpe, qwen2, smollm, tekken, gpt-4o, deepseek-r1-qwen, stablelm2, command-r, \
     starcoder, refact, phi-2, olmo, mpt, dbrx, smaug-bpe, glm4, chatglm-bpe and others that split as one of these";

/// The patterns by which text is split before pairs are merged, one after the other, and whether a piece that is a
/// token as a whole is taken at once.
fn rule(name: &str) -> Option<(&'static [&'static str], bool)> {
    Some(match name {
        "" | "default" => (&[r"[\p{P}\$\+<=>\^~\|]+", GPT_2, r"\p{N}+", "[0-9][0-9][0-9]"], false),
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0" | "lfm2" => {
            (&[LLAMA_3], true)
        }
        "glm4" => (&[LLAMA_3], true),
        "dbrx" | "smaug-bpe" | "chatglm-bpe" => (&[LLAMA_3], false),
        "qwen2" | "deepseek-r1-qwen" | "kormo" | "stablelm2" | "hunyuan" | "megrez" | "solar-open"
        | "grok-2" => (&[QWEN_2], false),
        "starcoder" | "refact" | "command-r" | "smollm" | "codeshell" | "exaone" | "minerva-7b"
        | "mellum2" => (&[r"\p{N}", GPT_2], false),
        "gpt-2" | "phi-2" | "mpt" | "olmo" | "jais" | "trillion" | "granite-docling" | "gigachat"
        | "a.x-4.0" | "mellum" | "modern-bert" => (&[GPT_2], false),
        "tekken" => (&[TEKKEN], true),
        "gpt-4o" | "llama4" | "kanana2" => (&[GPT_4O], false),
        _ => return None,
    })
}

fn byte_pairs(file: &GgufFile, vocabulary: &Vocabulary) -> Result<Tokenizer, GgufError> {
    let name = file.text("tokenizer.ggml.pre").unwrap_or_default();
    let Some((patterns, whole)) = rule(name) else {
        return Err(GgufError::Vocabulary {
            path: file.path().to_owned(),
            key: "tokenizer.ggml.pre",
            value: name.to_owned(),
            supported: RULES,
        });
    };
    let Some(listed) = file.texts("tokenizer.ggml.merges") else {
        return Err(GgufError::MissingKey {
            path: file.path().to_owned(),
            key: "tokenizer.ggml.merges".into(),
        });
    };
    let merges = listed.iter().filter_map(|merge| {
        // The first character may itself be a space.
        let first = merge.chars().next()?.len_utf8();
        let at = first + merge[first..].find(' ')?;
        let (left, right) = (&merge[..at], &merge[at + 1..]);
        // The library wants every part and product to be tokens.
        let known = [left, right, &format!("{left}{right}")].iter().all(|text| vocabulary.id(text).is_some());
        known.then(|| (left.to_owned(), right.to_owned()))
    });
    let tokens: Vocab = vocabulary.tokens().iter().cloned().zip(0..).collect();
    let fail = |source| GgufError::Tokenizer { path: file.path().to_owned(), source };
    let model = BPE::builder()
        .vocab_and_merges(tokens, merges.collect())
        .ignore_merges(whole)
        .build()
        .map_err(fail)?;
    let mut steps = Vec::new();
    for pattern in patterns {
        let pattern = SplitPattern::Regex((*pattern).to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(fail)?;
        steps.push(PreTokenizerWrapper::Split(split));
    }
    steps.push(PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, false, false)));
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
    Ok(tokenizer)
}
