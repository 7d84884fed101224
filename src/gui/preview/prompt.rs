//! The final prompt of one sample, cut into what it is made of: whose words, read or not, and how many tokens.

use std::ops::Range;

use super::SampleKey;
use super::rank::retriever_for;
use super::tokens::Counter;
use crate::dataset::Dataset;
use crate::gui::loadable::Trouble;
use crate::jobs::{CancelToken, Progress};
use crate::lamp::Sample;
use crate::model::TextTokenizer;
use crate::prompt::{Mark, Prompt, PromptBuilder, PromptMode, PromptOptions, Template};
use crate::retrieval::{Problem, RetrieverConfig};
use crate::run::Workplace;

/// Characters of text that is not read which are shown whole; of more, the beginning.
const SHOWN: usize = 600;

/// All that a prompt depends on beside the tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptSubject {
    /// Whose prompt.
    pub sample: SampleKey,
    /// The retriever's short form.
    pub retriever: String,
    /// How many entries it retrieves.
    pub k: usize,
    /// Whether it reads dates.
    pub use_date: bool,
    /// The template as TOML.
    pub template: String,
    /// Who decides what is cut.
    pub mode: PromptMode,
    /// Tokens that it may have.
    pub max_length: usize,
    /// Which tokenizer, by how often one was loaded.
    pub counter: usize,
}

/// Whose words a piece of a prompt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The template's.
    Template,
    /// The task's input.
    Input,
    /// Those of the entry at this place among the entries.
    Entry(usize),
}

/// A piece of a prompt of one part and one fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The text; of long text that is not read, the beginning and how much follows.
    pub text: String,
    /// Whose words.
    pub part: Part,
    /// What became of it.
    pub mark: Mark,
}

/// How many tokens that the model reads belong to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shares {
    /// The task's input.
    pub input: usize,
    /// All entries.
    pub entries: usize,
    /// The template's words, and special tokens.
    pub template: usize,
    /// What is left of the length.
    pub free: usize,
}

/// An entry in a prompt, or one that it does not carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeEntry {
    /// Its id.
    pub id: String,
    /// Its tokens in the prompt that are read; `None` if it is not carried.
    pub tokens: Option<usize>,
    /// Tokens that its long text may have; `None` for all.
    pub granted: Option<usize>,
    /// Tokens of its long text that are kept.
    pub kept: usize,
    /// Characters of its long text that were left out.
    pub left_out: usize,
    /// Whether what was kept reads otherwise than in the profile.
    pub rewritten: bool,
    /// Why it is not carried.
    pub dropped: Option<String>,
}

/// A prompt under the model's chat template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatText {
    /// All that the model reads.
    pub text: String,
    /// Its tokens.
    pub tokens: usize,
}

/// A prompt and what is to be said of it.
#[derive(Debug)]
pub struct Made {
    /// The prompt.
    pub prompt: Prompt,
    /// It in pieces.
    pub runs: Vec<Run>,
    /// Where its tokens go.
    pub shares: Shares,
    /// The entries, carried ones first, in the order of the prompt.
    pub entries: Vec<MadeEntry>,
    /// How many entries were retrieved.
    pub retrieved: usize,
    /// Whether the query for its entries was found as the task marks it.
    pub marker_found: bool,
    /// The same under the model's chat template; `None` where it has none, else what came of it.
    pub chat: Option<Result<ChatText, Trouble>>,
}

/// Makes the prompt.
///
/// # Errors
/// What the dataset, the template, the retriever or the tokenizer say.
pub fn make_prompt(
    dataset: &Dataset,
    index: usize,
    subject: &PromptSubject,
    counter: &Counter,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Made, Trouble> {
    let sample = dataset.sample(index)?;
    let task = dataset.id().task;
    let template = Template::from_toml(&subject.template, "in the editor")?;
    let options = PromptOptions { mode: subject.mode, max_length: subject.max_length };
    let tokenizer = &*counter.tokenizer;
    let builder = PromptBuilder::new(task, &template, options, tokenizer)?;
    let config: RetrieverConfig = subject.retriever.parse()?;
    let mut marker_found = true;
    let mut retrieved = 0;
    let prompt = if subject.k == 0 || matches!(config, RetrieverConfig::None {}) {
        builder.plain(&sample)?
    } else {
        let problem = Problem::of(task, &sample, subject.use_date);
        let retriever = retriever_for(&subject.retriever, &problem, workplace, cancel, progress)?;
        let ranking = retriever.rank(cancel, &problem.query, &problem.documents, subject.k)?;
        marker_found = problem.query.marker_found;
        retrieved = ranking.len();
        builder.build(&sample, &ranking.indices().collect::<Vec<_>>())?
    };
    cancel.check()?;
    let counts = Counts::of(&prompt, tokenizer)?;
    let chat = counter.chat.as_ref().map(|chat| {
        let read = prompt.lost.as_ref().map_or(prompt.text.len(), |lost| lost.start);
        chat.apply(&prompt.text[..read]).map(|(text, tokens)| ChatText { text, tokens })
    });
    let runs = runs(&prompt, &sample, &template);
    let entries = entries(&prompt, &sample, &template, &counts);
    Ok(Made { runs, shares: counts.shares, entries, retrieved, marker_found, chat, prompt })
}

/// Tokens of the prompt's parts, as far as they are read.
struct Counts {
    shares: Shares,
    entries: Vec<usize>,
}

impl Counts {
    fn of(prompt: &Prompt, tokenizer: &dyn TextTokenizer) -> Result<Self, Trouble> {
        let read = prompt.tokens_read().saturating_sub(tokenizer.special_tokens());
        let ends = tokenizer.encode_start(&prompt.text, read)?.ends;
        // A token belongs to the part in which it ends.
        let within = |range: &Range<usize>| {
            ends.partition_point(|&end| end <= range.end) - ends.partition_point(|&end| end <= range.start)
        };
        let entries: Vec<usize> = prompt.entries.iter().map(|entry| within(&entry.span)).collect();
        let input = prompt.input.iter().map(within).sum();
        let all: usize = entries.iter().sum();
        let template = prompt.tokens_read().saturating_sub(input + all);
        let free = prompt.max_length.saturating_sub(prompt.tokens);
        Ok(Self { shares: Shares { input, entries: all, template, free }, entries })
    }
}

/// The prompt in pieces, each of one part.
fn runs(prompt: &Prompt, sample: &Sample, template: &Template) -> Vec<Run> {
    let mut parts: Vec<(Range<usize>, Part)> =
        prompt.input.iter().map(|range| (range.clone(), Part::Input)).collect();
    parts.extend(prompt.entries.iter().enumerate().map(|(at, entry)| (entry.span.clone(), Part::Entry(at))));
    parts.sort_by_key(|(range, _)| range.start);
    let mut runs = Vec::new();
    let mut at = 0;
    for piece in prompt.marked(sample, template) {
        if piece.mark == Mark::LeftOut {
            let owner = prompt.entries.iter().position(|entry| entry.long.end == at);
            let part = owner.map_or(Part::Template, Part::Entry);
            runs.push(Run { text: shortened(piece.text), part, mark: piece.mark });
            continue;
        }
        let mut rest = piece.text;
        while !rest.is_empty() {
            let inside = parts.iter().find(|(range, _)| range.contains(&at));
            let next = parts.iter().map(|(range, _)| range.start).find(|&start| start > at);
            let (end, part) = match inside {
                Some((range, part)) => (range.end, *part),
                None => (next.unwrap_or(usize::MAX), Part::Template),
            };
            let (text, after) = rest.split_at_checked(end.saturating_sub(at)).unwrap_or((rest, ""));
            let shown = if piece.mark == Mark::Read { text.to_owned() } else { shortened(text) };
            runs.push(Run { text: shown, part, mark: piece.mark });
            at += text.len();
            rest = after;
        }
    }
    runs
}

/// The beginning of a long text that nobody reads, and how much more there is.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => {
            let more = text[end..].chars().count();
            format!("{} [\u{2026} {more} more characters]", &text[..end])
        }
    }
}

fn entries(prompt: &Prompt, sample: &Sample, template: &Template, counts: &Counts) -> Vec<MadeEntry> {
    let carried = prompt.entries.iter().zip(&counts.entries).map(|(entry, &tokens)| {
        let long = sample.profile.get(entry.index).and_then(|profile| template.cut_text(profile));
        let cut = entry.cut.clone().and_then(|cut| long?.get(cut));
        MadeEntry {
            id: entry.id.clone(),
            tokens: Some(tokens),
            granted: entry.granted,
            kept: entry.kept,
            left_out: cut.map_or(0, |cut| cut.chars().count()),
            rewritten: entry.rewritten,
            dropped: None,
        }
    });
    let dropped = prompt.dropped.iter().map(|entry| MadeEntry {
        id: entry.id.clone(),
        tokens: None,
        granted: None,
        kept: 0,
        left_out: 0,
        rewritten: false,
        dropped: Some(entry.reason.to_string()),
    });
    carried.chain(dropped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gui::preview::WordTokenizer;
    use crate::lamp::{ProfileEntry, Task};
    use crate::prompt::Preset;

    fn sample() -> Sample {
        let entry = |id: &str, title: &str, text: &str| ProfileEntry {
            id: id.to_owned(),
            title: Some(title.to_owned()),
            text: text.to_owned(),
            ..ProfileEntry::default()
        };
        Sample {
            id: "1".to_owned(),
            input: "Generate a headline for the following article: a fox runs".to_owned(),
            profile: vec![
                entry("a", "Foxes", "the fox is red and it runs far away"),
                entry("b", "Owls", "owls fly"),
            ],
            ..Sample::default()
        }
    }

    fn built(max_length: usize) -> (Prompt, Template, Sample) {
        let (sample, template) = (sample(), Template::preset(Task::Lamp4, Preset::Official).unwrap());
        let options = PromptOptions { mode: PromptMode::Clean, max_length };
        let tokenizer = WordTokenizer::default();
        let builder = PromptBuilder::new(Task::Lamp4, &template, options, &tokenizer).unwrap();
        (builder.build(&sample, &[0, 1]).unwrap(), template, sample)
    }

    #[test]
    fn pieces_put_together_are_the_prompt_and_every_token_has_its_part() {
        for max_length in [200, 30, 26, 9, 4] {
            let (prompt, template, sample) = built(max_length);
            let runs = runs(&prompt, &sample, &template);
            let whole: String =
                runs.iter().filter(|run| run.mark != Mark::LeftOut).map(|run| run.text.as_str()).collect();
            assert_eq!(whole, prompt.text, "{max_length}");
            let Shares { input, entries, template, free } =
                Counts::of(&prompt, &WordTokenizer::default()).unwrap().shares;
            assert_eq!(input + entries + template, prompt.tokens_read());
            assert_eq!(free, max_length.saturating_sub(prompt.tokens));
        }
    }

    #[test]
    fn what_was_left_out_of_an_entry_is_that_entrys() {
        let (prompt, template, sample) = built(26);
        let cut = prompt.entries.iter().position(|entry| entry.cut.is_some());
        let cut = cut.unwrap_or_else(|| panic!("nothing was cut of {:?}", prompt.text));
        let runs = runs(&prompt, &sample, &template);
        let left_out: Vec<_> = runs.iter().filter(|run| run.mark == Mark::LeftOut).collect();
        assert!(left_out.iter().any(|run| run.part == Part::Entry(cut)), "{runs:?}");
    }

    #[test]
    fn long_text_that_is_not_read_is_shortened() {
        assert_eq!(shortened("short"), "short");
        let shown = shortened(&"\u{e9}".repeat(SHOWN + 7));
        assert!(shown.ends_with("[\u{2026} 7 more characters]"), "{shown}");
    }
}
