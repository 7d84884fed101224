//! One sample of a run, whole: what is stored of it in one run or two, and what its data say. Read in a job; knows no window.

use std::path::PathBuf;
use std::sync::Arc;

use super::diff::{WordDiff, word_diff};
use super::rows::position_in;
use super::said::{self, Said};
use crate::dataset::Dataset;
use crate::gui::loadable::Trouble;
use crate::lamp::{ProfileEntry, Sample};
use crate::prompt::{Prompt, PromptStatus, Template};
use crate::record::{Prediction, RunId, RunRecord, RunSpec};
use crate::store::Reader;

/// Which sample, of which runs.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The store.
    pub store: PathBuf,
    /// The run.
    pub run: Arc<RunRecord>,
    /// The run beside.
    pub against: Option<Arc<RunRecord>>,
    /// The sample's place in its dataset.
    pub position: u32,
    /// The dataset, where it is known.
    pub dataset: Option<Dataset>,
}

/// A sample as it is shown.
#[derive(Debug)]
pub(super) struct Shown {
    /// Its place in its dataset.
    pub position: u32,
    /// What the run made of it.
    pub side: Side,
    /// What the other run made of it; `None` where there is none or it has not answered it.
    pub other: Option<Side>,
    /// The task's input, where it is known.
    pub input: Option<String>,
    /// The profile, the retrieved entries first.
    pub profile: Vec<Entry>,
    /// Whether that is all of the profile: the data are there.
    pub whole: bool,
    /// What judges said of the run's answer.
    pub said: Vec<Said>,
    /// Why the data are there and this sample of them is not.
    pub trouble: Option<String>,
}

/// What a run made of a sample.
#[derive(Debug)]
pub(super) struct Side {
    /// The run.
    pub run: RunId,
    /// What is stored.
    pub prediction: Prediction,
    /// The prompt, taken apart.
    pub prompt: Option<PromptShown>,
    /// Answer against reference.
    pub diff: Option<WordDiff>,
}

/// A prompt in pieces.
#[derive(Debug)]
pub(super) struct PromptShown {
    /// The pieces, what was left out among them.
    pub pieces: Vec<Piece>,
    /// What is to be known of it: its length, what was cut, why it fell back.
    pub remarks: Vec<Remark>,
    /// Tokens of the whole text.
    pub tokens: usize,
    /// Tokens that the model reads at most.
    pub max_length: usize,
}

/// Something to know of a prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Remark {
    /// In words.
    pub words: String,
    /// Whether something was lost by it.
    pub loss: bool,
}

/// A piece of a prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its text.
    pub text: String,
    /// Of what.
    pub part: Part,
    /// Whether the model does not read it.
    pub cut: bool,
}

/// What a piece of a prompt is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The template's words.
    Words,
    /// The task's input.
    Input,
    /// A profile entry, by its rank from 1.
    Entry(usize),
}

/// An entry of the profile.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its place in the profile.
    pub index: usize,
    /// Its rank in the run, from 1.
    pub rank: Option<usize>,
    /// The retriever's score.
    pub score: Option<f64>,
    /// Its rank in the other run.
    pub other_rank: Option<usize>,
    /// Why it was retrieved and is not in the prompt, or not whole.
    pub note: Option<String>,
    /// What is known of it.
    pub entry: ProfileEntry,
}

impl Wanted {
    /// Reads it; `None` where the run has no such row (any more).
    pub(super) fn read(&self) -> Result<Option<Shown>, Trouble> {
        let reader = Reader::open(&self.store)?;
        let Some(prediction) = reader.prediction(self.run.id, self.position)? else { return Ok(None) };
        let other = match &self.against {
            None => None,
            Some(against) => {
                let fingerprint = |run: &RunRecord| run.spec.dataset.fingerprint.clone();
                let (one, two) = (fingerprint(&self.run), fingerprint(against));
                let at = position_in(
                    &reader,
                    (self.run.id, &one),
                    (against.id, &two),
                    (self.position, &prediction.sample_id),
                )?;
                let found = at.map(|at| reader.prediction(against.id, at)).transpose()?.flatten();
                // Another sample that happens to stand there is not the same one.
                found.filter(|found| found.sample_id == prediction.sample_id).map(|found| (against, found))
            }
        };
        let mut trouble = None;
        let sample = self.dataset.as_ref().and_then(|dataset| match dataset.sample(self.position as usize) {
            Ok(sample) if sample.id == prediction.sample_id => Some(sample),
            Ok(sample) => {
                trouble = Some(format!(
                    "The data have sample {} where the run had {}. Read the data again.",
                    sample.id, prediction.sample_id
                ));
                None
            }
            Err(error) => {
                trouble = Some(Trouble::from(error).0);
                None
            }
        });
        let other = other.map(|(run, prediction)| side(run, prediction, sample.as_ref()).0);
        let (side, prompt) = side(&self.run, prediction, sample.as_ref());
        let input = match &sample {
            Some(sample) => Some(sample.input.clone()),
            None => prompt.as_ref().map(input_of),
        };
        let whole = sample.is_some();
        let profile = profile(&side.prediction, prompt.as_ref(), other.as_ref(), sample);
        let said = said::read(&reader, self.run.id, self.position)?;
        Ok(Some(Shown { position: self.position, side, other, input, profile, whole, said, trouble }))
    }
}

fn side(run: &RunRecord, prediction: Prediction, sample: Option<&Sample>) -> (Side, Option<Prompt>) {
    let parts = prediction
        .prompt
        .as_ref()
        .and_then(|prompt| Prompt::from_parts(prompt.text.clone(), &prompt.report).ok());
    let shown = match (&parts, &prediction.prompt) {
        (Some(parts), _) => Some(prompt_shown(parts, &prediction, &run.spec, sample)),
        // What was done to it cannot be read; the text can.
        (None, Some(prompt)) => Some(PromptShown {
            pieces: vec![Piece { text: prompt.text.clone(), part: Part::Words, cut: false }],
            remarks: Vec::new(),
            tokens: prediction.prompt_tokens as usize,
            max_length: 0,
        }),
        (None, None) => None,
    };
    let diff = match &prediction.reference {
        Some(reference) if prediction.error.is_none() => Some(word_diff(&prediction.answer, reference)),
        _ => None,
    };
    (Side { run: run.id, prediction, prompt: shown, diff }, parts)
}

fn input_of(prompt: &Prompt) -> String {
    prompt.input.iter().filter_map(|range| prompt.text.get(range.clone())).collect()
}

fn prompt_shown(
    prompt: &Prompt,
    prediction: &Prediction,
    spec: &RunSpec,
    sample: Option<&Sample>,
) -> PromptShown {
    let template = spec
        .prompt
        .as_ref()
        .and_then(|prompt| Template::from_toml(&prompt.template_toml, &prompt.template).ok());
    PromptShown {
        pieces: pieces(prompt, prediction, template.as_ref(), sample),
        remarks: remarks(prompt),
        tokens: prompt.tokens,
        max_length: prompt.max_length,
    }
}

/// The prompt at every place where something begins or ends; what was left out of an entry stands where it stood.
fn pieces(
    prompt: &Prompt,
    prediction: &Prediction,
    template: Option<&Template>,
    sample: Option<&Sample>,
) -> Vec<Piece> {
    let text = &prompt.text;
    let rank = |index: usize| rank_in(prediction, index).unwrap_or(0);
    let lost = prompt.lost.as_ref().map_or(text.len(), |lost| lost.start);
    let mut places = vec![0, text.len(), lost];
    for entry in &prompt.entries {
        places.extend([entry.span.start, entry.span.end, entry.long.end]);
    }
    places.extend(prompt.input.iter().flat_map(|range| [range.start, range.end]));
    places.retain(|&place| text.is_char_boundary(place));
    places.sort_unstable();
    places.dedup();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut push = |piece: Piece| {
        if !piece.text.is_empty() {
            pieces.push(piece);
        }
    };
    let left_out = |at: usize| {
        prompt.entries.iter().filter(move |entry| entry.long.end == at).filter_map(|entry| {
            let long = template?.cut_text(sample?.profile.get(entry.index)?)?;
            let text = long.get(entry.cut.clone()?)?.to_owned();
            Some(Piece { text, part: Part::Entry(rank(entry.index)), cut: true })
        })
    };
    for pair in places.windows(2) {
        let [from, to] = *pair else { continue };
        let within = |range: &std::ops::Range<usize>| range.start <= from && to <= range.end;
        let part = match prompt.entries.iter().find(|entry| within(&entry.span)) {
            Some(entry) => Part::Entry(rank(entry.index)),
            None if prompt.input.iter().any(within) => Part::Input,
            None => Part::Words,
        };
        push(Piece { text: text.get(from..to).unwrap_or_default().to_owned(), part, cut: from >= lost });
        left_out(to).for_each(&mut push);
    }
    pieces
}

fn remarks(prompt: &Prompt) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut say = |words: String, loss: bool| remarks.push(Remark { words, loss });
    match &prompt.status {
        PromptStatus::FellBack { reason } => say(format!("Fell back to the bare input: {reason}."), true),
        PromptStatus::InputTooLong { over } => {
            say(
                format!("The input alone is {over} tokens too long; it is left whole and without entries."),
                true,
            );
        }
        PromptStatus::Personalized | PromptStatus::Plain => {}
    }
    if let Some(lost) = &prompt.lost {
        let input = if prompt.input_cut() { ", among them the end of the input" } else { "" };
        say(format!("The last {} tokens are not read{input}.", lost.tokens), true);
    }
    let shortened = prompt.entries.iter().filter(|entry| entry.cut.is_some()).count();
    match shortened {
        0 => {}
        1 => say("1 entry was shortened.".to_owned(), false),
        more => say(format!("{more} entries were shortened."), false),
    }
    match prompt.dropped.len() {
        0 => {}
        1 => say("1 retrieved entry is not in it.".to_owned(), false),
        more => say(format!("{more} retrieved entries are not in it."), false),
    }
    remarks
}

/// The rank of an entry, from 1.
fn rank_in(prediction: &Prediction, index: usize) -> Option<usize> {
    prediction.retrieved.iter().position(|entry| entry.index == index).map(|rank| rank + 1)
}

/// The retrieved entries in the order of their ranks, then those that only the other run retrieved, then the others.
fn profile(
    prediction: &Prediction,
    prompt: Option<&Prompt>,
    other: Option<&Side>,
    sample: Option<Sample>,
) -> Vec<Entry> {
    let other_ranks = |index: usize| other.and_then(|other| rank_in(&other.prediction, index));
    let note = |index: usize| {
        let prompt = prompt?;
        if let Some(dropped) = prompt.dropped.iter().find(|entry| entry.index == index) {
            return Some(format!("not in the prompt: {}", dropped.reason));
        }
        match prompt.entries.iter().find(|entry| entry.index == index) {
            None => Some("not in the prompt".to_owned()),
            Some(entry) if entry.cut.is_some() => Some(format!("shortened to {} tokens", entry.kept)),
            Some(_) => None,
        }
    };
    let mut known: Vec<Option<ProfileEntry>> =
        sample.map(|sample| sample.profile.into_iter().map(Some).collect()).unwrap_or_default();
    // Of what is not there any more, the prompt has the words.
    let stored = |index: usize, id: &str| ProfileEntry {
        id: id.to_owned(),
        text: prompt
            .and_then(|prompt| {
                let entry = prompt.entries.iter().find(|entry| entry.index == index)?;
                prompt.text.get(entry.span.clone())
            })
            .unwrap_or_default()
            .to_owned(),
        ..ProfileEntry::default()
    };
    let mut all = Vec::with_capacity(known.len().max(prediction.retrieved.len()));
    for (rank, retrieved) in prediction.retrieved.iter().enumerate() {
        let index = retrieved.index;
        let taken = known.get_mut(index).and_then(Option::take);
        all.push(Entry {
            index,
            rank: Some(rank + 1),
            score: retrieved.score,
            other_rank: other_ranks(index),
            note: note(index),
            entry: taken.unwrap_or_else(|| stored(index, &retrieved.id)),
        });
    }
    for (rank, retrieved) in other.iter().flat_map(|other| other.prediction.retrieved.iter().enumerate()) {
        let index = retrieved.index;
        if rank_in(prediction, index).is_some() {
            continue;
        }
        let taken = known.get_mut(index).and_then(Option::take);
        let entry =
            taken.unwrap_or_else(|| ProfileEntry { id: retrieved.id.clone(), ..ProfileEntry::default() });
        all.push(Entry { index, rank: None, score: None, other_rank: Some(rank + 1), note: None, entry });
    }
    let rest = known.into_iter().enumerate().filter_map(|(index, entry)| Some((index, entry?)));
    all.extend(rest.map(|(index, entry)| Entry {
        index,
        rank: None,
        score: None,
        other_rank: None,
        note: None,
        entry,
    }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lamp::Task;
    use crate::model::scripted::CharacterTokenizer;
    use crate::prompt::{Mark, Preset, PromptMode, PromptOptions, build};
    use crate::record::Retrieved;

    fn sample() -> Sample {
        let entry = |id: &str, text: &str, label: &str| ProfileEntry {
            id: id.to_owned(),
            text: text.to_owned(),
            label: Some(label.to_owned()),
            ..ProfileEntry::default()
        };
        Sample {
            id: "7".to_owned(),
            input: "What is the score of the following review? review: It holds water and little else."
                .to_owned(),
            profile: vec![
                entry("70", &"A fine kettle, warm and loud. ".repeat(8), "4"),
                entry("71", "Broke at once.", "1"),
                entry("72", &"Größe passt, Farbe nicht; 大きい. ".repeat(8), "3"),
            ],
            reference: Some("3".to_owned()),
            user_id: None,
        }
    }

    fn made(mode: PromptMode, max_length: usize) -> (Prompt, Prediction, Sample, Template) {
        let (sample, template) = (sample(), Template::preset(Task::Lamp3, Preset::Official).unwrap());
        let chosen = [2, 0, 1];
        let options = PromptOptions { mode, max_length };
        let prompt = build(Task::Lamp3, &sample, &chosen, &template, options, &CharacterTokenizer).unwrap();
        let mut prediction = Prediction::unanswered(0, sample.id.clone(), 3);
        let retrieved =
            |&index: &usize| Retrieved { index, id: sample.profile[index].id.clone(), score: None };
        prediction.retrieved = chosen.iter().map(retrieved).collect();
        (prompt, prediction, sample, template)
    }

    #[test]
    fn pieces_are_the_prompt_with_what_was_cut_marked_as_such() {
        let (mut shortened, mut lost, mut dropped) = (0, 0, 0);
        for mode in [PromptMode::Official, PromptMode::Clean] {
            for max_length in [60, 90, 120, 200, 300, 420, 2000] {
                let (prompt, prediction, sample, template) = made(mode, max_length);
                let found = pieces(&prompt, &prediction, Some(&template), Some(&sample));
                let wanted = prompt.marked(&sample, &template);
                let cut = |text: &str, is_cut: bool| if is_cut { text.to_owned() } else { String::new() };
                // As the command line shows it: the same text in the same order, the same of it cut.
                let ours: String = found.iter().map(|piece| piece.text.as_str()).collect();
                let theirs: String = wanted.iter().map(|piece| piece.text).collect();
                assert_eq!(ours, theirs, "{mode:?} {max_length}");
                let ours: String = found.iter().map(|piece| cut(&piece.text, piece.cut)).collect();
                let theirs: String =
                    wanted.iter().map(|piece| cut(piece.text, piece.mark != Mark::Read)).collect();
                assert_eq!(ours, theirs, "{mode:?} {max_length}");
                for entry in &prompt.entries {
                    let rank = rank_in(&prediction, entry.index).unwrap();
                    let lit: String = found
                        .iter()
                        .filter(|piece| {
                            piece.part == Part::Entry(rank) && !(piece.cut && entry.cut.is_some())
                        })
                        .map(|piece| piece.text.as_str())
                        .collect();
                    assert_eq!(lit, prompt.text[entry.span.clone()], "{mode:?} {max_length}");
                    shortened += usize::from(entry.cut.is_some());
                }
                lost += usize::from(prompt.lost.is_some());
                dropped += prompt.dropped.len();
                let all = profile(&prediction, Some(&prompt), None, Some(sample));
                let order: Vec<usize> = all.iter().map(|entry| entry.index).collect();
                assert_eq!(order, [2, 0, 1]);
            }
        }
        assert!(shortened > 0 && lost > 0 && dropped > 0, "{shortened} {lost} {dropped}: nothing was cut");
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges, reason = "what is damaged may be turned round")]
    fn a_damaged_report_does_no_harm() {
        let (mut prompt, prediction, sample, template) = made(PromptMode::Official, 300);
        prompt.input = vec![5..3, 1..90_000];
        for entry in &mut prompt.entries {
            entry.span = 3..999_999;
            entry.long = 7..8_000_000;
        }
        let found = pieces(&prompt, &prediction, Some(&template), Some(&sample));
        let whole: String = found.iter().map(|piece| piece.text.as_str()).collect();
        assert!(whole.contains(&prompt.text));
    }

    #[test]
    fn without_its_data_a_sample_has_what_is_stored_of_its_entries() {
        let (prompt, prediction, ..) = made(PromptMode::Official, 2000);
        let all = profile(&prediction, Some(&prompt), None, None);
        assert_eq!(all.iter().map(|entry| entry.entry.id.as_str()).collect::<Vec<_>>(), ["72", "70", "71"]);
        assert!(all[2].entry.text.contains("Broke at once."), "{}", all[2].entry.text);
    }
}
