//! A profile's entries as examples: what the benchmark's adapters for each user are trained on (arXiv 2409.09510).
//!
//! An entry of most tasks is a question that the user once answered: it is asked with the very words of the sample's own
//! input, and its title, category, tag or score is the answer. Citations and tweets have no such pair; there the user's own
//! writing is to be continued: an abstract from its title, a tweet from its first words.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use crate::lamp::{ProfileEntry, Sample, Task, input_marker, python_split};

/// The least and the greatest share of a tweet's words that are given.
const GIVEN: (f64, f64) = (0.1, 0.25);

/// Question and answer for each entry of a sample's profile that has both, with the entry's place. `seed` decides how much of
/// a tweet is given.
pub(super) fn pairs(task: Task, sample: &Sample, seed: u64) -> Vec<(usize, String, String)> {
    let instruction = instruction(task, &sample.input);
    let pair = |(place, entry): (usize, &ProfileEntry)| {
        let text = entry.text.as_str();
        let (input, output) = match task {
            Task::Lamp1 => {
                (format!("Write an abstract for this title: {}", entry.title.as_deref()?), text.to_owned())
            }
            Task::Lamp7 => {
                let words: Vec<&str> = python_split(text).collect();
                let given = (words.len() as f64 * share(seed, &sample.id, place)) as usize;
                (
                    format!("Complete the following tweet: {}", words[..given].join(" ")),
                    words[given..].join(" "),
                )
            }
            Task::Lamp2N | Task::Lamp2M | Task::Lamp3 => {
                (format!("{instruction} {text}"), entry.label.clone()?)
            }
            Task::Lamp4 | Task::Lamp5 | Task::Lamp6 => {
                (format!("{instruction} {text}"), entry.title.clone()?)
            }
        };
        let is_empty = |text: &str| text.trim().is_empty();
        (!is_empty(&output) && !is_empty(text)).then_some((place, input, output))
    };
    sample.profile.iter().enumerate().filter_map(pair).collect()
}

/// The words of an input before the text that it is about; nothing where it has none.
fn instruction(task: Task, input: &str) -> &str {
    let end = input_marker(task).and_then(|marker| Some(input.find(marker)? + marker.len()));
    input[..end.unwrap_or(0)].trim_end()
}

/// How much of a tweet is given.
fn share(seed: u64, sample: &str, place: usize) -> f64 {
    let key = Sha256::new().chain_update(seed.to_le_bytes()).chain_update((place as u64).to_le_bytes());
    let mut random = ChaCha8Rng::from_seed(key.chain_update(sample).finalize().into());
    let (least, most) = GIVEN;
    least + (most - least) * f64::from(random.next_u32()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(task: Task, input: &str, entry: ProfileEntry) -> Vec<(usize, String, String)> {
        let sample = Sample {
            id: "7".to_owned(),
            input: input.to_owned(),
            profile: vec![ProfileEntry::default(), entry],
            ..Sample::default()
        };
        pairs(task, &sample, 1)
    }

    #[test]
    fn entries_are_asked_as_the_sample_is() {
        let entry = |title: Option<&str>, label: Option<&str>| ProfileEntry {
            text: "one two three four five six seven eight nine ten".to_owned(),
            title: title.map(str::to_owned),
            label: label.map(str::to_owned),
            ..ProfileEntry::default()
        };
        let text = &entry(None, None).text;
        let asked = |words: &str, answer: &str| vec![(1, format!("{words} {text}"), answer.to_owned())];
        assert_eq!(
            made(Task::Lamp3, "What is the score? review: bad: very", entry(None, Some("4"))),
            asked("What is the score? review:", "4")
        );
        assert_eq!(
            made(Task::Lamp4, "Generate a headline for the following article: x", entry(Some("T"), None)),
            asked("Generate a headline for the following article:", "T")
        );
        // Where the instruction is missing, as in one record of the movies, the text stands alone.
        assert_eq!(made(Task::Lamp2M, "x Overwhelmed", entry(None, Some("comedy"))), asked("", "comedy"));
        assert_eq!(made(Task::Lamp5, "a paper: x", entry(None, None)), []);
        assert_eq!(made(Task::Lamp5, "a paper: x", entry(Some(" "), None)), []);
        let citation = made(Task::Lamp1, "For an author", entry(Some("T"), None));
        assert_eq!(citation, [(1, "Write an abstract for this title: T".to_owned(), text.clone())]);
        let tweet = made(Task::Lamp7, "Paraphrase the following tweet: x", entry(None, None));
        let (_, question, answer) = &tweet[0];
        let given = question.strip_prefix("Complete the following tweet: ").unwrap();
        assert_eq!(format!("{given} {answer}"), *text);
        assert!((1..=2).contains(&given.split(' ').count()), "{given}");
    }
}
