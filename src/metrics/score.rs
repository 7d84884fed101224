//! One sample's score: everything that any aggregate needs of it, in a fixed number of numbers.

use super::answer::{Answer, Parsing, Prediction, farthest_rating, parse_answer};
use super::bleu::BleuStats;
use super::meteor::meteor;
use super::rouge::{Prf, RougeScorer, RougeScores};
use super::wordnet::WordNet;
use crate::lamp::{Metric, Task, TaskKind};

/// A sample could not be scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricsError {
    /// A rating's reference must be a finite number.
    #[error(
        "the reference `{reference}` is not a rating of {task}; check that the golds belong to this task"
    )]
    ReferenceIsNoRating {
        /// The task that was scored.
        task: Task,
        /// The reference's beginning.
        reference: String,
    },
}

/// The score of one sample.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SampleScore {
    /// Of a label.
    Classification {
        /// The predicted label's place in the task's list; `None` if the output is no label.
        predicted: Option<u8>,
        /// The reference's; `None` if it is no label either.
        reference: Option<u8>,
    },
    /// Of a rating.
    Rating {
        /// Prediction minus reference, an output that is no rating replaced by the farther end.
        error: f64,
        /// Whether the output was a rating.
        parsed: bool,
    },
    /// Of free text.
    Generation(TextScore),
}

/// The score of one generated text.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct TextScore {
    /// ROUGE-1, 2, L and Lsum.
    pub rouge: RougeScores,
    /// N-gram counts.
    pub bleu: BleuStats,
    /// METEOR.
    pub meteor: f64,
}

impl SampleScore {
    /// How many numbers [`SampleScore::to_numbers`] gives, at most.
    pub const WIDTH: usize = 23;

    /// Whether the output was an answer of the task's kind. Free text always is.
    pub const fn parsed(&self) -> bool {
        match self {
            Self::Classification { predicted, .. } => predicted.is_some(),
            Self::Rating { parsed, .. } => *parsed,
            Self::Generation(_) => true,
        }
    }

    /// The sample's part in a metric, or `None` if the metric is of another kind of task: 1 or 0 for accuracy and
    /// macro-F1 (right or wrong), the absolute error for MAE, the squared one for RMSE, F-measures for ROUGE, the
    /// sentence's own BLEU for sacreBLEU.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        match (self, metric) {
            (Self::Classification { predicted, reference }, Metric::Accuracy | Metric::MacroF1) => {
                // As in the official code, an output that is no label is right if the reference is none either.
                Some(f64::from(u8::from(predicted == reference)))
            }
            (Self::Rating { error, .. }, Metric::Mae) => Some(error.abs()),
            (Self::Rating { error, .. }, Metric::Rmse) => Some(error * error),
            (Self::Generation(text), Metric::Rouge1) => Some(text.rouge.rouge_1.f),
            (Self::Generation(text), Metric::Rouge2) => Some(text.rouge.rouge_2.f),
            (Self::Generation(text), Metric::RougeL) => Some(text.rouge.rouge_l.f),
            (Self::Generation(text), Metric::RougeLsum) => Some(text.rouge.rouge_lsum.f),
            (Self::Generation(text), Metric::SacreBleu) => Some(text.bleu.sentence().score),
            (Self::Generation(text), Metric::Meteor) => Some(text.meteor),
            _ => None,
        }
    }

    /// The score as plain numbers for a store; [`SampleScore::from_numbers`] reads them back without loss.
    ///
    /// Classification: predicted, reference (−1 for no label). Rating: error, parsed. Generation: precision, recall
    /// and F of ROUGE-1, 2, L, Lsum; lengths of prediction and reference, 4 match counts, 4 totals; METEOR.
    pub fn to_numbers(&self) -> Vec<f64> {
        match self {
            Self::Classification { predicted, reference } => {
                [predicted, reference].map(|label| label.map_or(-1.0, f64::from)).to_vec()
            }
            Self::Rating { error, parsed } => vec![*error, f64::from(u8::from(*parsed))],
            Self::Generation(TextScore { rouge, bleu, meteor }) => {
                let mut numbers = Vec::with_capacity(Self::WIDTH);
                for prf in [rouge.rouge_1, rouge.rouge_2, rouge.rouge_l, rouge.rouge_lsum] {
                    numbers.extend([prf.precision, prf.recall, prf.f]);
                }
                let counts = [bleu.predicted_len, bleu.reference_len]
                    .into_iter()
                    .chain(bleu.matches)
                    .chain(bleu.totals);
                numbers.extend(counts.map(|count| count as f64));
                numbers.push(*meteor);
                numbers
            }
        }
    }

    /// Reads what [`SampleScore::to_numbers`] wrote; `None` if the numbers are no score of this kind.
    pub fn from_numbers(kind: TaskKind, numbers: &[f64]) -> Option<Self> {
        let label = |number: f64| match number {
            -1.0 => Some(None),
            n if (0.0..256.0).contains(&n) && n.fract() == 0.0 => Some(Some(n as u8)),
            _ => None,
        };
        match (kind, numbers) {
            (TaskKind::Classification, &[predicted, reference]) => {
                Some(Self::Classification { predicted: label(predicted)?, reference: label(reference)? })
            }
            (TaskKind::Rating, &[error, parsed]) if error.is_finite() && (parsed == 0.0 || parsed == 1.0) => {
                Some(Self::Rating { error, parsed: parsed == 1.0 })
            }
            (TaskKind::Generation, numbers) if numbers.len() == Self::WIDTH => {
                if !numbers.iter().all(|n| n.is_finite() && *n >= 0.0) {
                    return None;
                }
                let prf =
                    |at: usize| Prf { precision: numbers[at], recall: numbers[at + 1], f: numbers[at + 2] };
                let count = |at: usize| numbers[12 + at] as u64;
                Some(Self::Generation(TextScore {
                    rouge: RougeScores {
                        rouge_1: prf(0),
                        rouge_2: prf(3),
                        rouge_l: prf(6),
                        rouge_lsum: prf(9),
                    },
                    bleu: BleuStats {
                        predicted_len: count(0),
                        reference_len: count(1),
                        matches: std::array::from_fn(|n| count(2 + n)),
                        totals: std::array::from_fn(|n| count(6 + n)),
                    },
                    meteor: numbers[22],
                }))
            }
            _ => None,
        }
    }
}

/// Scores outputs of one task; keep one a thread.
#[derive(Debug)]
pub struct Scorer<'a> {
    task: Task,
    parsing: Parsing,
    wordnet: Option<&'a WordNet>,
    rouge: RougeScorer,
}

impl<'a> Scorer<'a> {
    /// A scorer by the official rules; METEOR's synonym stage needs WordNet.
    pub fn new(task: Task, wordnet: Option<&'a WordNet>) -> Self {
        Self { task, parsing: Parsing::Official, wordnet, rouge: RougeScorer::new(false) }
    }

    /// The scorer with another way to read outputs; references are read by the official rules all the same.
    #[must_use]
    pub fn reading(self, parsing: Parsing) -> Self {
        Self { parsing, ..self }
    }

    /// What an output comes to.
    pub fn parse(&self, output: &str) -> Prediction {
        parse_answer(self.task, output, self.parsing)
    }

    /// Scores one raw output against its reference.
    pub fn score(&mut self, output: &str, reference: &str) -> Result<SampleScore, MetricsError> {
        let prediction = self.parse(output);
        let reference = parse_answer(self.task, reference, Parsing::Official);
        match (prediction.answer, reference.answer) {
            (Answer::Label(predicted), Answer::Label(reference)) => {
                Ok(SampleScore::Classification { predicted, reference })
            }
            (Answer::Rating(predicted), Answer::Rating(Some(wanted))) => {
                let used = predicted.unwrap_or_else(|| farthest_rating(wanted));
                Ok(SampleScore::Rating {
                    error: f64::from(used) - f64::from(wanted),
                    parsed: predicted.is_some(),
                })
            }
            (Answer::Rating(_), _) => Err(MetricsError::ReferenceIsNoRating {
                task: self.task,
                reference: reference.text.chars().take(60).collect(),
            }),
            _ => Ok(SampleScore::Generation(TextScore {
                rouge: self.rouge.score(&prediction.text, &reference.text),
                bleu: BleuStats::of(&prediction.text, &reference.text),
                meteor: meteor(&prediction.text, &reference.text, self.wordnet),
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_survive_being_stored() {
        let cases = [
            (Task::Lamp1, "[1]", "[2]"),
            (Task::Lamp2N, "no label", "sports"),
            (Task::Lamp3, "4.1", "5"),
            (Task::Lamp3, "great", "3"),
            (Task::Lamp7, "so it goes\nagain", "and so it goes"),
        ];
        for (task, output, reference) in cases {
            let score = Scorer::new(task, None).score(output, reference).unwrap();
            assert_eq!(SampleScore::from_numbers(task.kind(), &score.to_numbers()), Some(score));
            for other in Metric::ALL {
                let own = match task.kind() {
                    TaskKind::Generation => {
                        !matches!(other, Metric::Accuracy | Metric::MacroF1 | Metric::Mae | Metric::Rmse)
                    }
                    _ => task.metrics().contains(&other),
                };
                assert_eq!(score.value(other).is_some(), own, "{task} {other}");
            }
        }
        assert_eq!(SampleScore::from_numbers(TaskKind::Rating, &[f64::NAN, 1.0]), None);
        assert_eq!(SampleScore::from_numbers(TaskKind::Generation, &[0.0; 3]), None);
    }

    #[test]
    fn a_reference_that_is_no_rating_is_an_error() {
        let error = Scorer::new(Task::Lamp3, None).score("4", "four").unwrap_err();
        assert!(error.to_string().contains("`four`"));
    }
}
