//! A tokenizer of one's own: a unigram model (arXiv 1804.10959) of the words that prompts and answers of datasets have, in the
//! form that T5's has.
//!
//! Made for models that are small and learn from little: a common word is one piece, and the same piece wherever it stands.
//! Punctuation is split from words, and the space that an opening quote lacks is put behind it, so that a title in quotes has
//! the pieces that it has without. Other words are read in parts.
//!
//! The `tokenizers` crate trains it, on one thread and with words in order, so that equal data give equal bytes. What it
//! leaves to chance, the scores of rare characters, is settled afterwards. Bytes stand for characters never seen.

use std::collections::BTreeMap;
use std::path::Path;

use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::normalizers::unicode::{NFKC, Nmt};
use tokenizers::normalizers::{NormalizerWrapper, utils::Sequence as Normalizers};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence as Splitters;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{
    AddedToken, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer, SplitDelimiterBehavior, Tokenizer,
};

use super::TrainError;
use crate::dataset::Dataset;
use crate::jobs::{CancelToken, Progress};
use crate::model::scripted::CharacterTokenizer;
use crate::prompt::{Preset, PromptBuilder, PromptMode, PromptOptions, Template};
use crate::whole_file::WholeFile;

/// The special tokens, at their ids as in T5: padding 0, end of sequence 1, unknown 2.
const SPECIAL: [&str; 3] = ["<pad>", "</s>", "<unk>"];
/// What stands for the space before a word.
const MARK: char = '▁';
/// Longer words are no words; the trainer's time grows with the square of their length.
const LONGEST_WORD: usize = 64;
/// Bytes have a score so far below that of any piece that text is never read as one.
const BYTE_SCORE: f64 = -100.0;
/// What a part of a word scores less than it would: two parts never outdo a word that is a piece.
const PART_SCORE: f64 = -20.0;
/// A word that was seen less often is read in parts.
const COMMON: u32 = 2;
/// A quote that opens: nothing but a space stands before it, and something behind it.
const OPENING: &str = r#"(?<!\S)"(?=\S)"#;
/// The space that was put behind such a quote.
const OPENED: &str = r#"(?<=(?<!\S)") (?=\S)"#;
/// Words, and punctuation and signs one by one, each with the space before it.
const PIECES: &str = r"▁?[\p{P}\p{Sc}\p{Sm}]|▁?[^▁\p{P}\p{Sc}\p{Sm}]+|▁";

/// What a tokenizer was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct TokenizerSummary {
    /// Pieces, special tokens and bytes counted.
    pub pieces: usize,
    /// Different words that it was trained on.
    pub words: usize,
    /// Prompts that they come from.
    pub prompts: usize,
}

/// Trains a tokenizer on the prompts of datasets, whole profiles and answers included, and writes it as `tokenizer.json`.
///
/// # Errors
/// Records that cannot be read; a vocabulary that is too small for the characters there are, or too large for the words; a file that
/// cannot be written; canceled.
pub fn train_tokenizer(
    datasets: &[Dataset],
    pieces: usize,
    path: &Path,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<TokenizerSummary, TrainError> {
    let failed = |source| TrainError::Tokenizer { source };
    let (normalizer, splitters) = (normalizer().map_err(failed)?, splitters().map_err(failed)?);
    let mut words: BTreeMap<String, u32> = BTreeMap::new();
    let mut prompts = 0;
    progress.start("Reading prompts", datasets.iter().map(|dataset| dataset.len() as u64).sum());
    for dataset in datasets {
        for text in texts(dataset) {
            cancel.check()?;
            count(&text?, &normalizer, &splitters, &mut words).map_err(failed)?;
            prompts += 1;
            progress.add(1);
        }
    }
    let summary_words = words.len();
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let alone = alone.map_err(|error| failed(Box::new(error)))?;
    progress.start("Training the tokenizer", 0);
    let vocabulary = alone.install(|| vocabulary(words, pieces)).map_err(failed)?;
    let count = vocabulary.len();
    let tokenizer = assembled(vocabulary, normalizer, splitters).map_err(failed)?;
    let json = tokenizer.to_string(true).map_err(failed)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| TrainError::write(folder, source))?;
    }
    WholeFile::put(path, json.as_bytes()).map_err(|source| TrainError::write(path, source))?;
    Ok(TokenizerSummary { pieces: count, words: summary_words, prompts })
}

/// The prompt of each sample with its whole profile, followed by the answer.
fn texts(dataset: &Dataset) -> impl Iterator<Item = Result<String, TrainError>> + '_ {
    let id = dataset.id();
    let options = PromptOptions { mode: PromptMode::Clean, max_length: 1 << 24 };
    dataset.samples().map(move |sample| {
        let broken = |id: &str, reason: String| TrainError::Sample {
            dataset: dataset.id().to_string(),
            id: id.to_owned(),
            reason,
        };
        let sample = sample.map_err(|error| broken("", error.to_string()))?;
        let wrong = |reason: String| broken(&sample.id, reason);
        let template = Template::preset(id.task, Preset::Official);
        let template = template.ok_or_else(|| wrong("its task has no template".to_owned()))?;
        let builder = PromptBuilder::new(id.task, &template, options, &CharacterTokenizer)
            .map_err(|error| wrong(error.to_string()))?;
        let all: Vec<usize> = (0..sample.profile.len()).collect();
        let prompt = builder.build(&sample, &all).map_err(|error| wrong(error.to_string()))?;
        Ok(format!("{} {}", prompt.text, sample.reference.as_deref().unwrap_or_default()))
    })
}

/// Counts the words of a text as the tokenizer will see them.
fn count(
    text: &str,
    normalizer: &Normalizers,
    splitters: &Splitters,
    words: &mut BTreeMap<String, u32>,
) -> Result<(), tokenizers::Error> {
    let mut normalized = NormalizedString::from(text);
    normalizer.normalize(&mut normalized)?;
    let mut split = PreTokenizedString::from(normalized);
    splitters.pre_tokenize(&mut split)?;
    for (word, _, _) in split.get_splits(OffsetReferential::Normalized, OffsetType::Byte) {
        if !word.is_empty() && word.chars().count() <= LONGEST_WORD {
            *words.entry(word.to_owned()).or_default() += 1;
        }
    }
    Ok(())
}

/// Pieces with their scores: special tokens, bytes, then words and parts, likely ones first. Words take at most four fifths of
/// what is to be learned.
fn vocabulary(words: BTreeMap<String, u32>, pieces: usize) -> Result<Vec<(String, f64)>, tokenizers::Error> {
    let fixed = SPECIAL.len() + 256;
    let wanted = pieces.saturating_sub(fixed).max(1);
    let total: f64 = words.values().map(|&count| f64::from(count)).sum();
    let mut whole: Vec<(String, u32)> = words
        .iter()
        .filter(|&(_, &count)| count >= COMMON)
        .map(|(word, &count)| (word.clone(), count))
        .collect();
    whole.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
    whole.truncate(wanted * 4 / 5);
    let mut learned: BTreeMap<String, f64> = parts(words, wanted - whole.len())?;
    learned.extend(whole.into_iter().map(|(word, count)| (word, (f64::from(count) / total).ln())));
    let mut learned: Vec<(String, f64)> = learned.into_iter().collect();
    learned.sort_by(|(a, x), (b, y)| y.total_cmp(x).then_with(|| a.cmp(b)));
    let special = SPECIAL.iter().map(|&token| (token.to_owned(), 0.0));
    let bytes = (0..=255_u8).map(|byte| (format!("<0x{byte:02X}>"), BYTE_SCORE));
    Ok(special.chain(bytes).chain(learned).collect())
}

/// So many parts that words are made of, single characters among them.
fn parts(words: BTreeMap<String, u32>, count: usize) -> Result<BTreeMap<String, f64>, tokenizers::Error> {
    let trainer = UnigramTrainer::builder()
        .show_progress(false)
        .vocab_size(u32::try_from(count + 1)?)
        .unk_token(Some("<unk>".to_owned()))
        .build()?;
    let mut model = Unigram::default();
    trainer.do_train(words.into_iter().collect(), &mut model)?;
    let mut learned: Vec<(String, f64)> =
        model.iter().filter(|(piece, _)| piece != "<unk>").cloned().collect();
    // The trainer appends characters that no word needs on their own in an order of chance, each a little above the least score.
    let least = learned.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
    let band = 1e-4 * learned.len() as f64;
    for (piece, score) in &mut learned {
        if piece.chars().count() == 1 && *score <= least + band {
            *score = least;
        }
    }
    Ok(learned.into_iter().map(|(piece, score)| (piece, score + PART_SCORE)).collect())
}

fn normalizer() -> Result<Normalizers, tokenizers::Error> {
    let spaces = Replace::new(ReplacePattern::Regex(" {2,}".to_owned()), " ")?;
    let opening = Replace::new(ReplacePattern::Regex(OPENING.to_owned()), "\" ")?;
    Ok(Normalizers::new(vec![
        NormalizerWrapper::Nmt(Nmt),
        NormalizerWrapper::NFKC(NFKC),
        NormalizerWrapper::Replace(spaces),
        NormalizerWrapper::Replace(opening),
    ]))
}

fn splitters() -> Result<Splitters, tokenizers::Error> {
    let pieces = SplitPattern::Regex(PIECES.to_owned());
    Ok(Splitters::new(vec![
        PreTokenizerWrapper::Metaspace(Metaspace::new(MARK, PrependScheme::Always, true)),
        PreTokenizerWrapper::Split(Split::new(pieces, SplitDelimiterBehavior::Isolated, false)?),
    ]))
}

fn assembled(
    vocabulary: Vec<(String, f64)>,
    normalizer: Normalizers,
    splitters: Splitters,
) -> Result<Tokenizer, tokenizers::Error> {
    let mut tokenizer = Tokenizer::new(Unigram::from(vocabulary, Some(2), true)?);
    tokenizer.with_normalizer(Some(normalizer))?;
    tokenizer.with_pre_tokenizer(Some(splitters));
    let opened = Replace::new(ReplacePattern::Regex(OPENED.to_owned()), "")?;
    let end = TemplateProcessing::builder()
        .try_single("$A </s>")?
        .try_pair("$A </s> $B </s>")?
        .special_tokens(vec![("</s>", 1)])
        .build()?;
    tokenizer.with_post_processor(Some(end));
    tokenizer.with_decoder(Some(Decoders::new(vec![
        DecoderWrapper::ByteFallback(ByteFallback::new()),
        DecoderWrapper::Metaspace(Metaspace::new(MARK, PrependScheme::Always, true)),
        DecoderWrapper::Fuse(Fuse::new()),
        DecoderWrapper::Replace(opened),
    ])));
    tokenizer.add_special_tokens(SPECIAL.map(|token| AddedToken::from(token, true)))?;
    Ok(tokenizer)
}
