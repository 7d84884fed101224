//! The tokenizer in an encoder's folder: `tokenizer.json`, or WordPiece built from `vocab.txt` as BERT's original release
//! has it.

use std::path::Path;

use serde::Deserialize;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Model};

use super::BertError;
use super::settings::read_json;
use crate::model::ModelError;
use crate::model::tokenizer::{HfTokenizer, TextTokenizer, TokenizerError};

/// Texts to tokens, cut at a length that the special tokens are within.
pub struct BertTokenizer {
    inner: HfTokenizer,
    before: Vec<u32>,
    after: Vec<u32>,
    limit: usize,
    lower: bool,
}

/// What `tokenizer_config.json` says of a vocabulary; what it leaves out is as in BERT.
#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    do_lower_case: bool,
    /// Follows `do_lower_case` where it is left out.
    strip_accents: Option<bool>,
    tokenize_chinese_chars: bool,
    unk_token: Token,
    cls_token: Token,
    sep_token: Token,
    pad_token: Token,
    mask_token: Token,
}

/// A token by its text, or as an object that holds it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Token {
    Text(String),
    Object { content: String },
}

impl Token {
    fn text(&self) -> &str {
        let (Self::Text(text) | Self::Object { content: text }) = self;
        text
    }
}

impl Default for Settings {
    fn default() -> Self {
        let token = |text: &str| Token::Text(text.to_owned());
        Self {
            do_lower_case: true,
            strip_accents: None,
            tokenize_chinese_chars: true,
            unk_token: token("[UNK]"),
            cls_token: token("[CLS]"),
            sep_token: token("[SEP]"),
            pad_token: token("[PAD]"),
            mask_token: token("[MASK]"),
        }
    }
}

impl BertTokenizer {
    /// Loads the folder's tokenizer; `lower` says that texts are made lower case first, whatever the tokenizer does.
    ///
    /// # Errors
    /// [`BertError::NoTokenizer`], [`BertError::NoSuchToken`], [`BertError::Settings`], or what the tokenizer library says.
    pub fn load(folder: &Path, lower: bool) -> Result<Self, ModelError> {
        let (json, vocabulary) = (folder.join("tokenizer.json"), folder.join("vocab.txt"));
        let inner = if json.is_file() {
            HfTokenizer::from_file(&json)?
        } else if vocabulary.is_file() {
            word_pieces(&vocabulary, &folder.join("tokenizer_config.json"))?
        } else {
            return Err(BertError::NoTokenizer { folder: folder.to_owned() }.into());
        };
        let (before, after) = inner.special_tokens_around();
        Ok(Self { inner, before, after, limit: usize::MAX, lower })
    }

    /// The greatest id that it gives.
    pub fn greatest_id(&self) -> u32 {
        self.inner.greatest_id()
    }

    /// How many special tokens a text has.
    pub fn special_tokens(&self) -> usize {
        self.before.len() + self.after.len()
    }

    /// Cuts every text so that it has at most `limit` tokens with the special ones.
    pub fn limit_to(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The tokens of a text, special ones included; what is too long is cut at its end, special tokens staying.
    ///
    /// # Errors
    /// What the tokenizer library says.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let lowered = self.lower.then(|| text.to_lowercase());
        let text = lowered.as_deref().unwrap_or(text);
        let start = self.inner.encode_start(text, self.limit.saturating_sub(self.special_tokens()))?;
        Ok([&self.before[..], &start.ids, &self.after].concat())
    }
}

fn word_pieces(vocabulary: &Path, settings: &Path) -> Result<HfTokenizer, ModelError> {
    let settings: Settings = read_json(settings)?.unwrap_or_default();
    let load = |source| TokenizerError::Load { path: vocabulary.to_owned(), source };
    let file = vocabulary.to_str().ok_or_else(|| load("its path is not Unicode".into()))?;
    let unknown = settings.unk_token.text().to_owned();
    let model = WordPiece::from_file(file).unk_token(unknown).build().map_err(load)?;
    let id = |token: &Token| {
        let missing =
            || BertError::NoSuchToken { path: vocabulary.to_owned(), token: token.text().to_owned() };
        Ok::<_, BertError>((token.text().to_owned(), model.token_to_id(token.text()).ok_or_else(missing)?))
    };
    id(&settings.unk_token)?;
    let ends = BertProcessing::new(id(&settings.sep_token)?, id(&settings.cls_token)?);
    // Special tokens that stand in a text are themselves, where the vocabulary has them.
    let all = [
        &settings.unk_token,
        &settings.cls_token,
        &settings.sep_token,
        &settings.pad_token,
        &settings.mask_token,
    ];
    let special: Vec<AddedToken> = all
        .into_iter()
        .filter(|token| model.token_to_id(token.text()).is_some())
        .map(|token| AddedToken::from(token.text(), true))
        .collect();
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    let (chinese, accents) = (settings.tokenize_chinese_chars, settings.strip_accents);
    let normalizer = BertNormalizer::new(true, chinese, accents, settings.do_lower_case);
    tokenizer.with_normalizer(Some(normalizer)).map_err(load)?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(ends));
    tokenizer.add_special_tokens(special).map_err(load)?;
    Ok(HfTokenizer::from_tokenizer(tokenizer, vocabulary)?)
}
