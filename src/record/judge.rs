//! What a judge said: its spec, its verdicts, and what they come to.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Finish, ModelSpec, Prices, RunId};
use crate::metrics::{Bootstrap, MeanFigure, Preference, PreferenceFigures, mean_figure, preference_figures};

/// A judging's number in its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JudgingId(pub i64);

/// What a judge is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JudgeMethod {
    /// How good one answer is, from 1 to 5.
    Rubric,
    /// Which of two answers is better, once in each order.
    Pairwise,
}

impl JudgeMethod {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Rubric, Self::Pairwise];

    /// The word for it, as it is stored and shown: `rubric` or `pairwise`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Rubric => "rubric",
            Self::Pairwise => "pairwise",
        }
    }

    /// How often a sample is asked about.
    pub const fn turns(self) -> u64 {
        match self {
            Self::Rubric => 1,
            Self::Pairwise => 2,
        }
    }

    /// How many runs are judged together.
    pub const fn runs(self) -> usize {
        match self {
            Self::Rubric => 1,
            Self::Pairwise => 2,
        }
    }
}

/// How a judge is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JudgePrompt {
    /// What it is called.
    pub name: String,
    /// Its text with `{input}`, `{reference}`, and `{answer}` or `{answer_a}` and `{answer_b}`.
    pub text: String,
}

/// Everything that verdicts depend on beside the answers judged. Judgings with equal specs are the same judging.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgeSpec {
    /// What is asked.
    pub method: JudgeMethod,
    /// Who is asked.
    pub model: ModelSpec,
    /// How it answers, as the model room writes it.
    pub generation: Value,
    /// How it is asked.
    pub prompt: JudgePrompt,
    /// [`super::RunSpec::key`] of the run judged, or of the two.
    pub runs: Vec<String>,
}

impl JudgeSpec {
    /// A hash of the spec, 64 hexadecimal digits.
    pub fn key(&self) -> String {
        hex::encode(Sha256::digest(self.to_json()))
    }

    /// A hash of the spec without the runs: only judgings with the same may stand beside each other.
    pub fn judge_key(&self) -> String {
        Self { runs: Vec::new(), ..self.clone() }.key()
    }

    /// The spec as the JSON from which [`JudgeSpec::key`] is computed and which is stored.
    pub fn to_json(&self) -> String {
        // Strings, numbers and maps with text keys: there is nothing that could fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What a judge's text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reading {
    /// So many points, 1 to 5.
    Points(u8),
    /// The answer shown first is better.
    A,
    /// The answer shown second is better.
    B,
    /// Neither.
    Tie,
    /// The two answers are one text, so that nobody was asked.
    Same,
}

impl Reading {
    /// All readings.
    pub const ALL: [Self; 9] = [
        Self::Points(1),
        Self::Points(2),
        Self::Points(3),
        Self::Points(4),
        Self::Points(5),
        Self::A,
        Self::B,
        Self::Tie,
        Self::Same,
    ];

    /// The word for it, as it is stored: `1` to `5`, `a`, `b`, `tie`, `same`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Points(1) => "1",
            Self::Points(2) => "2",
            Self::Points(3) => "3",
            Self::Points(4) => "4",
            Self::Points(_) => "5",
            Self::A => "a",
            Self::B => "b",
            Self::Tie => "tie",
            Self::Same => "same",
        }
    }

    /// The reading of that word.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reading| reading.id() == id)
    }
}

/// What a judge said of one sample in one order.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The sample's place in the dataset.
    pub position: u32,
    /// 0 where the first run's answer was shown first, 1 where the second's was; 0 of a rubric.
    pub turn: u8,
    /// The sample's id.
    pub sample_id: String,
    /// The judge's text.
    pub raw: String,
    /// What it says; `None` where that is not clear.
    pub reading: Option<Reading>,
    /// Why the text ended.
    pub finish: Finish,
    /// Tokens read.
    pub prompt_tokens: u32,
    /// Tokens written.
    pub new_tokens: u32,
    /// Whether these numbers are an estimate.
    pub estimated: bool,
    /// Whether the text was kept from an equal prompt, so that nobody was asked.
    pub cached: bool,
    /// Why there is none.
    pub error: Option<String>,
}

/// Sums over a judging's stored verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct JudgeTotals {
    /// Verdicts, failed ones included; two a sample of a comparison.
    pub done: u64,
    /// Those for which the judge gave no text.
    pub failed: u64,
    /// Texts that do not say clearly what they should.
    pub unreadable: u64,
    /// Texts that the endpoint says are refusals, or that a filter kept back.
    pub refused: u64,
    /// Texts kept from equal prompts.
    pub cached: u64,
    /// Tokens read for texts that the judge gave for this judging.
    pub asked_prompt_tokens: u64,
    /// Tokens written for them.
    pub asked_new_tokens: u64,
    /// Texts whose tokens are an estimate.
    pub estimated: u64,
}

/// A judging as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JudgingRecord {
    /// Its number in this store.
    pub id: JudgingId,
    /// [`JudgeSpec::key`], which is the same in every store.
    pub key: String,
    /// What it depends on.
    pub spec: JudgeSpec,
    /// The runs in this store, in the order of the spec.
    pub runs: Vec<RunId>,
    /// Samples that it is to judge.
    pub samples: u64,
    /// What is stored of it.
    pub totals: JudgeTotals,
    /// What its model's tokens cost when it was last at work; `None` where no price is known.
    pub prices: Option<Prices>,
    /// When it was first begun, in milliseconds since 1970 by the clock of the machine; for people only.
    pub created_ms: i64,
}

impl JudgingRecord {
    /// The first digits of the key, by which people name the judging.
    pub fn short_key(&self) -> &str {
        self.key.get(..8).unwrap_or(&self.key)
    }

    /// Verdicts that there are when all samples are judged.
    pub const fn wanted(&self) -> u64 {
        self.samples * self.spec.method.turns()
    }

    /// Whether every sample has its verdicts.
    pub const fn is_done(&self) -> bool {
        self.totals.done >= self.wanted()
    }

    /// What its verdicts cost so far, kept ones not among them; `None` where no price is known.
    pub fn cost(&self) -> Option<f64> {
        Some(self.prices?.cost(self.totals.asked_prompt_tokens, self.totals.asked_new_tokens))
    }
}

/// One run by a judge's points.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RubricFigures {
    /// Samples with points.
    pub samples: u64,
    /// The mean of the points, 1 to 5; `None` without any.
    pub points: Option<MeanFigure>,
    /// Samples whose verdict does not say clearly what it should.
    pub unreadable: u64,
    /// Samples without a verdict, since the judge failed on them.
    pub failed: u64,
    /// Places of the samples with points, ascending.
    #[serde(skip)]
    pub positions: Vec<u32>,
    /// Their points.
    #[serde(skip)]
    pub values: Vec<f64>,
}

impl RubricFigures {
    /// Of verdicts in the order of their samples.
    pub fn of(verdicts: &[Verdict], bootstrap: &Bootstrap) -> Self {
        let (mut positions, mut values) = (Vec::new(), Vec::new());
        let (mut unreadable, mut failed) = (0, 0);
        for verdict in verdicts {
            match (&verdict.error, verdict.reading) {
                (Some(_), _) => failed += 1,
                (None, Some(Reading::Points(points))) => {
                    positions.push(verdict.position);
                    values.push(f64::from(points));
                }
                (None, _) => unreadable += 1,
            }
        }
        let points = mean_figure(&values, bootstrap);
        Self { samples: values.len() as u64, points, unreadable, failed, positions, values }
    }
}

/// What became of a sample that a judge saw in both orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairOutcome {
    /// A preference or a tie, and whether the two orders agree.
    Decided {
        /// Which.
        preference: Preference,
        /// Whether both orders say so.
        agrees: bool,
    },
    /// A verdict does not say clearly what it should.
    Unreadable,
    /// The judge failed on an order.
    Failed,
    /// An order is still to be asked.
    Open,
}

/// What two verdicts on a sample come to: one in each order.
pub fn pair_outcome(turns: [Option<&Verdict>; 2]) -> PairOutcome {
    let [Some(straight), Some(swapped)] = turns else { return PairOutcome::Open };
    if straight.error.is_some() || swapped.error.is_some() {
        return PairOutcome::Failed;
    }
    let prefers = |reading: Option<Reading>, swapped: bool| match (reading?, swapped) {
        (Reading::A, false) | (Reading::B, true) => Some(Preference::First),
        (Reading::B, false) | (Reading::A, true) => Some(Preference::Second),
        (Reading::Tie | Reading::Same, _) => Some(Preference::Tie),
        (Reading::Points(_), _) => None,
    };
    match (prefers(straight.reading, false), prefers(swapped.reading, true)) {
        (Some(one), Some(other)) => {
            let agrees = one == other;
            PairOutcome::Decided { preference: if agrees { one } else { Preference::Tie }, agrees }
        }
        _ => PairOutcome::Unreadable,
    }
}

/// Two runs by a judge's preferences.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairFigures {
    /// What preferences come to; `None` without any.
    pub preferences: Option<PreferenceFigures>,
    /// Samples on which the two orders do not agree; they are ties.
    pub inconsistent: u64,
    /// Samples whose two answers are one text; they are ties, and nobody was asked.
    pub same: u64,
    /// Samples with a verdict that does not say clearly what it should.
    pub unreadable: u64,
    /// Samples on which the judge failed.
    pub failed: u64,
    /// Samples that are still to be asked about.
    pub open: u64,
    /// Places of the samples with a preference or a tie, ascending, and which.
    #[serde(skip)]
    pub by_sample: Vec<(u32, Preference)>,
}

impl PairFigures {
    /// Of verdicts in the order of their samples and turns.
    pub fn of(verdicts: &[Verdict], bootstrap: &Bootstrap) -> Self {
        let mut by_sample = Vec::new();
        let (mut inconsistent, mut same, mut unreadable, mut failed, mut open) = (0, 0, 0, 0, 0);
        for sample in verdicts.chunk_by(|one, other| one.position == other.position) {
            let position = sample.first().map_or(0, |verdict| verdict.position);
            match pair_outcome(both_turns(sample)) {
                PairOutcome::Decided { preference, agrees } => {
                    by_sample.push((position, preference));
                    inconsistent += u64::from(!agrees);
                    same += u64::from(sample.iter().all(|verdict| verdict.reading == Some(Reading::Same)));
                }
                PairOutcome::Unreadable => unreadable += 1,
                PairOutcome::Failed => failed += 1,
                PairOutcome::Open => open += 1,
            }
        }
        let preferences: Vec<Preference> = by_sample.iter().map(|(_, preference)| *preference).collect();
        let preferences = preference_figures(&preferences, bootstrap);
        Self { preferences, inconsistent, same, unreadable, failed, open, by_sample }
    }

    /// The same with the second run first.
    #[must_use]
    pub fn swapped(&self) -> Self {
        let preferences = self.preferences.map(PreferenceFigures::swapped);
        let by_sample = self.by_sample.iter().map(|(at, preference)| (*at, preference.swapped())).collect();
        Self { preferences, by_sample, ..self.clone() }
    }

    /// Share of the samples that were asked about in both orders on which the orders do not agree, 0 to 1; `None` without any.
    pub fn inconsistency(&self) -> Option<f64> {
        let asked = self.preferences.map_or(0, |found| found.samples).saturating_sub(self.same);
        (asked > 0).then(|| self.inconsistent as f64 / asked as f64)
    }

    /// Share of the samples with unclear verdicts among those with texts, 0 to 1; `None` without any.
    pub fn unreadable_share(&self) -> Option<f64> {
        let read = self.preferences.map_or(0, |found| found.samples) + self.unreadable;
        (read > 0).then(|| self.unreadable as f64 / read as f64)
    }
}

/// The verdicts on one sample, by turn.
pub fn both_turns(sample: &[Verdict]) -> [Option<&Verdict>; 2] {
    [0, 1].map(|turn| sample.iter().find(|verdict| verdict.turn == turn))
}

/// What a model's answers are kept by beside their prompts: equal where it gives equal answers to equal prompts.
pub fn answers_key(program: &str, model: &ModelSpec, generation: &Value) -> String {
    let ModelSpec { fingerprint, device, precision, options, .. } = model;
    let parts = serde_json::json!([program, fingerprint, device, precision, options, generation]);
    hex::encode(Sha256::digest(parts.to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn verdict(position: u32, turn: u8, reading: Option<Reading>) -> Verdict {
        Verdict {
            position,
            turn,
            sample_id: format!("s{position}"),
            raw: reading.map_or_else(|| "hm".to_owned(), |reading| format!("Verdict: {}", reading.id())),
            reading,
            finish: Finish::End,
            prompt_tokens: 100,
            new_tokens: 5,
            estimated: false,
            cached: false,
            error: None,
        }
    }

    #[test]
    fn readings_are_read_back() {
        assert!(Reading::ALL.into_iter().all(|reading| Reading::of(reading.id()) == Some(reading)));
        assert_eq!(Reading::of("6"), None);
    }

    #[test]
    fn a_judge_that_prefers_a_place_prefers_nobody() {
        use Reading::{A, B, Same, Tie};
        let both = |one, other| pair_outcome([Some(&verdict(0, 0, one)), Some(&verdict(0, 1, other))]);
        let decided = |preference, agrees| PairOutcome::Decided { preference, agrees };
        assert_eq!(both(Some(A), Some(B)), decided(Preference::First, true));
        assert_eq!(both(Some(B), Some(A)), decided(Preference::Second, true));
        assert_eq!(both(Some(A), Some(A)), decided(Preference::Tie, false));
        assert_eq!(both(Some(B), Some(B)), decided(Preference::Tie, false));
        assert_eq!(both(Some(Tie), Some(Tie)), decided(Preference::Tie, true));
        assert_eq!(both(Some(A), Some(Tie)), decided(Preference::Tie, false));
        assert_eq!(both(Some(Same), Some(Same)), decided(Preference::Tie, true));
        assert_eq!(both(None, Some(A)), PairOutcome::Unreadable);
        assert_eq!(both(Some(Reading::Points(3)), Some(A)), PairOutcome::Unreadable);
        let failed = Verdict { error: Some("gone".into()), ..verdict(0, 1, None) };
        assert_eq!(pair_outcome([Some(&verdict(0, 0, None)), Some(&failed)]), PairOutcome::Failed);
        assert_eq!(pair_outcome([Some(&verdict(0, 0, None)), None]), PairOutcome::Open);
    }

    #[test]
    fn verdicts_come_to_figures_and_nothing_is_left_uncounted() {
        use Reading::{A, B, Points, Same};
        let pairs = [(Some(A), Some(B)), (Some(A), Some(A)), (Some(Same), Some(Same)), (None, Some(B))];
        let mut verdicts: Vec<Verdict> = Vec::new();
        for (at, (one, other)) in pairs.into_iter().enumerate() {
            verdicts.extend([verdict(at as u32, 0, one), verdict(at as u32, 1, other)]);
        }
        verdicts.push(verdict(9, 0, Some(A)));
        let found = PairFigures::of(&verdicts, &Bootstrap::default());
        let preferences = found.preferences.unwrap();
        assert_eq!((preferences.first, preferences.ties, preferences.second), (1, 2, 0));
        assert_eq!((found.inconsistent, found.same, found.unreadable, found.open), (1, 1, 1, 1));
        assert_eq!((found.inconsistency(), found.unreadable_share()), (Some(0.5), Some(0.25)));

        let failed = Verdict { error: Some("gone".into()), ..verdict(3, 0, None) };
        let verdicts =
            [verdict(0, 0, Some(Points(2))), verdict(1, 0, Some(Points(5))), verdict(2, 0, None), failed];
        let found = RubricFigures::of(&verdicts, &Bootstrap::default());
        assert_eq!((found.samples, found.unreadable, found.failed), (2, 1, 1));
        assert_eq!((found.points.unwrap().value, found.positions), (3.5, vec![0, 1]));
    }
}
