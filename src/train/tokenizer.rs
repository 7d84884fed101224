//! A tokenizer of one's own: a unigram model (arXiv 1804.10959) of the words that prompts and answers of datasets have, in the
//! form that T5's has.
//!
//! The `tokenizers` crate trains it, on one thread and with words in order, so that equal data give equal bytes. What it
//! leaves to chance, the scores of rare characters, is settled afterwards. Bytes stand for characters never seen.

use std::collections::BTreeMap;
use std::path::Path;

use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::normalizers::unicode::{NFKC, Nmt};
use tokenizers::normalizers::{NormalizerWrapper, utils::Sequence as Normalizers};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, NormalizedString, Normalizer, Tokenizer};

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
    let normalizer = normalizer().map_err(failed)?;
    let mut words: BTreeMap<String, u32> = BTreeMap::new();
    let mut prompts = 0;
    progress.start("Reading prompts", datasets.iter().map(|dataset| dataset.len() as u64).sum());
    for dataset in datasets {
        for text in texts(dataset) {
            cancel.check()?;
            count(&text?, &normalizer, &mut words).map_err(failed)?;
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
    let tokenizer = assembled(vocabulary, normalizer).map_err(failed)?;
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
    words: &mut BTreeMap<String, u32>,
) -> Result<(), tokenizers::Error> {
    let mut normalized = NormalizedString::from(text);
    normalizer.normalize(&mut normalized)?;
    for word in normalized.get().split([' ', MARK]).filter(|word| !word.is_empty()) {
        if word.chars().count() <= LONGEST_WORD {
            *words.entry(format!("{MARK}{word}")).or_default() += 1;
        }
    }
    Ok(())
}

/// Pieces with their scores: special tokens, bytes, then what was learned, likely ones first.
fn vocabulary(words: BTreeMap<String, u32>, pieces: usize) -> Result<Vec<(String, f64)>, tokenizers::Error> {
    let fixed = SPECIAL.len() + 256;
    let wanted = pieces.saturating_sub(fixed).max(1);
    let trainer = UnigramTrainer::builder()
        .show_progress(false)
        .vocab_size(u32::try_from(wanted + 1)?)
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
    learned.sort_by(|(a, x), (b, y)| y.total_cmp(x).then_with(|| a.cmp(b)));
    let special = SPECIAL.iter().map(|&token| (token.to_owned(), 0.0));
    let bytes = (0..=255_u8).map(|byte| (format!("<0x{byte:02X}>"), BYTE_SCORE));
    Ok(special.chain(bytes).chain(learned).collect())
}

fn normalizer() -> Result<Normalizers, tokenizers::Error> {
    let spaces = Replace::new(ReplacePattern::Regex(" {2,}".to_owned()), " ")?;
    Ok(Normalizers::new(vec![
        NormalizerWrapper::Nmt(Nmt),
        NormalizerWrapper::NFKC(NFKC),
        NormalizerWrapper::Replace(spaces),
    ]))
}

fn assembled(
    vocabulary: Vec<(String, f64)>,
    normalizer: Normalizers,
) -> Result<Tokenizer, tokenizers::Error> {
    let mut tokenizer = Tokenizer::new(Unigram::from(vocabulary, Some(2), true)?);
    tokenizer.with_normalizer(Some(normalizer))?;
    tokenizer.with_pre_tokenizer(Some(Metaspace::new(MARK, PrependScheme::Always, true)));
    let end = TemplateProcessing::builder()
        .try_single("$A </s>")?
        .try_pair("$A </s> $B </s>")?
        .special_tokens(vec![("</s>", 1)])
        .build()?;
    tokenizer.with_post_processor(Some(end));
    tokenizer.with_decoder(Some(Decoders::new(vec![
        DecoderWrapper::ByteFallback(ByteFallback::new()),
        DecoderWrapper::Metaspace(Metaspace::new(MARK, PrependScheme::Always, true)),
    ])));
    tokenizer.add_special_tokens(SPECIAL.map(|token| AddedToken::from(token, true)))?;
    Ok(tokenizer)
}
