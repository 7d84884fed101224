//! A run's figures, computed from its sample scores alone.

use super::bleu::BleuStats;
use super::bootstrap::{Bootstrap, Interval};
use super::meteor::MeteorStages;
use super::score::SampleScore;
use crate::lamp::{Metric, Task, TaskKind};

/// The scores of a run's samples.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreSet {
    task: Task,
    stages: MeteorStages,
    scores: Vec<SampleScore>,
}

/// One metric's value over a run.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Figure {
    /// Which.
    pub metric: Metric,
    /// The exact figure: 0 to 1, errors in rating points, sacreBLEU 0 to 100.
    pub value: f64,
    /// Its bootstrap interval, if one was asked for.
    pub interval: Option<Interval>,
}

/// A run's figures.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Aggregate {
    /// The task.
    pub task: Task,
    /// How many samples were scored.
    pub samples: usize,
    /// How many outputs were no answer of the task's kind.
    pub parse_failures: usize,
    /// Their share, 0 to 1.
    pub parse_failure_rate: f64,
    /// The figures, in the order asked for; empty if there are no samples.
    pub figures: Vec<Figure>,
    /// Which comparisons METEOR made, if it is among the figures.
    pub meteor_stages: Option<MeteorStages>,
}

impl ScoreSet {
    /// Gathers a task's scores; `None` if one is of another kind than the task's. `stages` says how METEOR was
    /// computed.
    pub fn new(task: Task, scores: Vec<SampleScore>, stages: MeteorStages) -> Option<Self> {
        let fits = |score: &SampleScore| score.value(task.primary_metric()).is_some();
        scores.iter().all(fits).then_some(Self { task, stages, scores })
    }

    /// The scores, in the order given.
    pub fn scores(&self) -> &[SampleScore] {
        &self.scores
    }

    /// Every metric that can be computed for a task, the benchmark's own first.
    pub const fn all_metrics(task: Task) -> &'static [Metric] {
        match task.kind() {
            TaskKind::Classification | TaskKind::Rating => task.metrics(),
            TaskKind::Generation => &[
                Metric::Rouge1,
                Metric::RougeL,
                Metric::Rouge2,
                Metric::RougeLsum,
                Metric::SacreBleu,
                Metric::Meteor,
            ],
        }
    }

    /// One exact figure; `None` without samples or for a metric of another kind of task.
    pub fn figure(&self, metric: Metric) -> Option<f64> {
        self.sums(0..self.scores.len()).figure(metric)
    }

    /// The same over chosen samples, which may repeat.
    pub(super) fn figure_of(&self, metric: Metric, chosen: &[u32]) -> Option<f64> {
        self.sums(chosen.iter().map(|&at| at as usize)).figure(metric)
    }

    /// The figures asked for (those of other kinds of task are left out), with bootstrap intervals if asked for.
    pub fn aggregate(&self, metrics: &[Metric], bootstrap: Option<&Bootstrap>) -> Aggregate {
        let sums = self.sums(0..self.scores.len());
        let known: Vec<(Metric, f64)> =
            metrics.iter().filter_map(|&metric| Some((metric, sums.figure(metric)?))).collect();
        let metrics: Vec<Metric> = known.iter().map(|(metric, _)| *metric).collect();
        let intervals = bootstrap.map(|bootstrap| {
            let terms: Vec<TextTerms> = self.scores.iter().filter_map(TextTerms::of).collect();
            bootstrap.intervals(self.scores.len(), metrics.len(), |sample| {
                let chosen = sample.iter().map(|&at| at as usize);
                let sums = match self.task.kind() {
                    TaskKind::Generation => Sums::of_texts(self.task, chosen.filter_map(|at| terms.get(at))),
                    TaskKind::Classification | TaskKind::Rating => self.sums(chosen),
                };
                metrics.iter().map(|&metric| sums.figure(metric).unwrap_or(f64::NAN)).collect()
            })
        });
        let figures = known.iter().enumerate().map(|(at, &(metric, value))| Figure {
            metric,
            value,
            interval: intervals.as_ref().and_then(|intervals| intervals.get(at).copied()),
        });
        let failures = self.scores.iter().filter(|score| !score.parsed()).count();
        Aggregate {
            task: self.task,
            samples: self.scores.len(),
            parse_failures: failures,
            parse_failure_rate: failures as f64 / self.scores.len().max(1) as f64,
            figures: figures.collect(),
            meteor_stages: metrics.contains(&Metric::Meteor).then_some(self.stages),
        }
    }

    /// Adds up the chosen samples, which may repeat.
    fn sums(&self, chosen: impl Iterator<Item = usize>) -> Sums {
        let mut sums = Sums::new(self.task);
        for score in chosen.filter_map(|at| self.scores.get(at)) {
            sums.add(score);
        }
        sums
    }
}

/// Figures of a run that is still at work: in a fixed room, whatever the number of samples.
#[derive(Debug, Clone)]
pub struct LiveFigures(Sums);

impl LiveFigures {
    /// Of no sample yet.
    pub fn new(task: Task) -> Self {
        Self(Sums::new(task))
    }

    /// Adds a sample's score.
    pub fn add(&mut self, score: &SampleScore) {
        self.0.add(score);
    }

    /// A figure over the samples so far; `None` without samples or for a metric of another kind of task.
    pub fn figure(&self, metric: Metric) -> Option<f64> {
        self.0.figure(metric)
    }
}

/// What a text's score adds to sums, in a third of its room: resampling reads them in no order, and waits for memory.
struct TextTerms {
    /// F-measures of ROUGE-1, 2, L and Lsum, and METEOR.
    means: [f64; 5],
    /// Lengths, matches and totals of BLEU.
    counts: [u32; 10],
}

impl TextTerms {
    /// Of a text's score; `None` of any other.
    fn of(score: &SampleScore) -> Option<Self> {
        let SampleScore::Generation(text) = score else { return None };
        let (rouge, bleu) = (&text.rouge, &text.bleu);
        let [m1, m2, m3, m4] = bleu.matches;
        let [t1, t2, t3, t4] = bleu.totals;
        let counts = [bleu.predicted_len, bleu.reference_len, m1, m2, m3, m4, t1, t2, t3, t4];
        Some(Self {
            means: [rouge.rouge_1.f, rouge.rouge_2.f, rouge.rouge_l.f, rouge.rouge_lsum.f, text.meteor],
            counts: counts.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        })
    }
}

/// What the figures are computed from: sums over samples.
#[derive(Debug, Clone)]
struct Sums {
    samples: usize,
    correct: usize,
    /// By label: right, predicted, in the references.
    labels: Vec<[usize; 3]>,
    absolute: f64,
    squared: f64,
    rouge: [f64; 4],
    bleu: BleuStats,
    meteor: f64,
    kind: TaskKind,
}

impl Sums {
    fn new(task: Task) -> Self {
        Self {
            samples: 0,
            correct: 0,
            labels: vec![[0; 3]; task.labels().len()],
            absolute: 0.0,
            squared: 0.0,
            rouge: [0.0; 4],
            bleu: BleuStats::default(),
            meteor: 0.0,
            kind: task.kind(),
        }
    }

    /// Sums over texts, added up in the same order as whole scores are, and so to the same bit.
    fn of_texts<'t>(task: Task, texts: impl Iterator<Item = &'t TextTerms>) -> Self {
        let (mut samples, mut means, mut counts) = (0, [0.0; 5], [0u64; 10]);
        for text in texts {
            samples += 1;
            means.iter_mut().zip(text.means).for_each(|(sum, mean)| *sum += mean);
            counts.iter_mut().zip(text.counts).for_each(|(sum, count)| *sum += u64::from(count));
        }
        let [rouge_1, rouge_2, rouge_l, rouge_lsum, meteor] = means;
        let [predicted_len, reference_len, m1, m2, m3, m4, t1, t2, t3, t4] = counts;
        let (matches, totals) = ([m1, m2, m3, m4], [t1, t2, t3, t4]);
        let bleu = BleuStats { predicted_len, reference_len, matches, totals };
        Self { samples, rouge: [rouge_1, rouge_2, rouge_l, rouge_lsum], bleu, meteor, ..Self::new(task) }
    }

    fn add(&mut self, score: &SampleScore) {
        self.samples += 1;
        match score {
            SampleScore::Classification { predicted, reference } => {
                let right = predicted == reference;
                self.correct += usize::from(right);
                let mut count = |label: &Option<u8>, of: usize| {
                    if let Some(counts) = label.and_then(|label| self.labels.get_mut(usize::from(label))) {
                        counts[of] += 1;
                    }
                };
                count(predicted, 1);
                count(reference, 2);
                if right {
                    count(predicted, 0);
                }
            }
            SampleScore::Rating { error, .. } => {
                self.absolute += error.abs();
                self.squared += error * error;
            }
            SampleScore::Generation(text) => {
                let rouge = &text.rouge;
                for (sum, prf) in
                    self.rouge.iter_mut().zip([rouge.rouge_1, rouge.rouge_2, rouge.rouge_l, rouge.rouge_lsum])
                {
                    *sum += prf.f;
                }
                self.bleu.add(&text.bleu);
                self.meteor += text.meteor;
            }
        }
    }

    fn figure(&self, metric: Metric) -> Option<f64> {
        if self.samples == 0 {
            return None;
        }
        let n = self.samples as f64;
        match (self.kind, metric) {
            (TaskKind::Classification, Metric::Accuracy) => Some(self.correct as f64 / n),
            (TaskKind::Classification, Metric::MacroF1) => {
                // The whole label list counts: a label that nobody gave or wanted has an F1 of 0.
                let f1 = |[right, predicted, wanted]: &[usize; 3]| {
                    2.0 * *right as f64 / (predicted + wanted).max(1) as f64
                };
                Some(self.labels.iter().map(f1).sum::<f64>() / self.labels.len() as f64)
            }
            (TaskKind::Rating, Metric::Mae) => Some(self.absolute / n),
            (TaskKind::Rating, Metric::Rmse) => Some((self.squared / n).sqrt()),
            (TaskKind::Generation, Metric::Rouge1) => Some(self.rouge[0] / n),
            (TaskKind::Generation, Metric::Rouge2) => Some(self.rouge[1] / n),
            (TaskKind::Generation, Metric::RougeL) => Some(self.rouge[2] / n),
            (TaskKind::Generation, Metric::RougeLsum) => Some(self.rouge[3] / n),
            (TaskKind::Generation, Metric::SacreBleu) => Some(self.bleu.corpus().score),
            (TaskKind::Generation, Metric::Meteor) => Some(self.meteor / n),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Scorer;

    #[test]
    fn resampled_texts_add_up_to_the_same_bit() {
        let texts = ["the old town", "an old river in town", "don't go there", "", "town town town"];
        let mut scorer = Scorer::new(Task::Lamp4, None);
        let scores: Vec<SampleScore> =
            texts.iter().map(|text| scorer.score(text, "the river in the old town").unwrap()).collect();
        let set = ScoreSet::new(Task::Lamp4, scores.clone(), MeteorStages::ExactStem).unwrap();
        let terms: Vec<TextTerms> = scores.iter().filter_map(TextTerms::of).collect();
        let chosen = [3, 0, 0, 4, 1, 2, 2, 1, 1];
        let (whole, light) = (
            set.sums(chosen.into_iter()),
            Sums::of_texts(Task::Lamp4, chosen.iter().map(|&at: &usize| &terms[at])),
        );
        for &metric in ScoreSet::all_metrics(Task::Lamp4) {
            assert_eq!(whole.figure(metric), light.figure(metric), "{metric}");
            assert!(whole.figure(metric).is_some_and(|figure| figure > 0.0));
        }
    }
}
