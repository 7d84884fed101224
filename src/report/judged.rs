//! What judges said of runs, as tables and comparisons show it. Judgings by other models, templates or ways of generating are other
//! judges: their figures never share a row.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::words::{p_value, share};
use crate::lamp::Metric;
use crate::metrics::{Bootstrap, MeanFigure, Preference};
use crate::record::{
    JudgeMethod, JudgeSpec, JudgingId, JudgingRecord, PairFigures, RubricFigures, RunId, RunRecord, Verdict,
};

/// What a row of a table measures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// A metric of the benchmark.
    Metric(Metric),
    /// The mean of a judge's points, 1 to 5; the judge by the name that the table gives it.
    Judge(Arc<str>),
}

impl Measure {
    /// `ROUGE-1`, `Judge (gpt-4o)`.
    pub fn name(&self) -> String {
        match self {
            Self::Metric(metric) => metric.name().to_owned(),
            Self::Judge(judge) => format!("Judge ({judge})"),
        }
    }

    /// The metric, where it is one.
    pub const fn metric(&self) -> Option<Metric> {
        match self {
            Self::Metric(metric) => Some(*metric),
            Self::Judge(_) => None,
        }
    }

    /// Whether higher figures are better.
    pub const fn higher_is_better(&self) -> bool {
        match self {
            Self::Metric(metric) => metric.higher_is_better(),
            Self::Judge(_) => true,
        }
    }
}

impl PartialEq<Metric> for Measure {
    fn eq(&self, metric: &Metric) -> bool {
        self.metric() == Some(*metric)
    }
}

impl From<Metric> for Measure {
    fn from(metric: Metric) -> Self {
        Self::Metric(metric)
    }
}

impl From<&Self> for Measure {
    fn from(measure: &Self) -> Self {
        measure.clone()
    }
}

/// As files have it: `rouge-1`, `judge (gpt-4o)`.
impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metric(metric) => metric.fmt(f),
            Self::Judge(judge) => write!(f, "judge ({judge})"),
        }
    }
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A judging with what it comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The judging.
    pub judging: JudgingRecord,
    /// What it comes to.
    pub figures: JudgeFigures,
}

/// What a judging comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum JudgeFigures {
    /// One run by points.
    Rubric(RubricFigures),
    /// Two runs by preference.
    Pair(PairFigures),
}

impl Judged {
    /// A judging with its verdicts in the order of samples and turns, and intervals as other metrics have them.
    pub fn of(judging: JudgingRecord, verdicts: &[Verdict]) -> Self {
        let bootstrap = Bootstrap::default();
        let figures = match judging.spec.method {
            JudgeMethod::Rubric => JudgeFigures::Rubric(RubricFigures::of(verdicts, &bootstrap)),
            JudgeMethod::Pairwise => JudgeFigures::Pair(PairFigures::of(verdicts, &bootstrap)),
        };
        Self { judging, figures }
    }

    /// Those of the judgings that are of these runs alone; `verdicts` reads a judging's.
    ///
    /// # Errors
    /// The first error of `verdicts`.
    pub fn all<E>(
        judgings: Vec<JudgingRecord>,
        runs: &[RunRecord],
        mut verdicts: impl FnMut(JudgingId) -> Result<Vec<Verdict>, E>,
    ) -> Result<Vec<Self>, E> {
        let mut all = Vec::new();
        for judging in judgings {
            if judging.runs.iter().all(|judged| runs.iter().any(|run| run.id == *judged)) {
                let verdicts = verdicts(judging.id)?;
                all.push(Self::of(judging, &verdicts));
            }
        }
        Ok(all)
    }

    /// The points of a run, where it is a rubric's.
    pub fn points_of(&self, run: RunId) -> Option<&RubricFigures> {
        match &self.figures {
            JudgeFigures::Rubric(figures) if self.judging.runs == [run] => Some(figures),
            _ => None,
        }
    }

    /// What it comes to, in lines.
    pub fn lines(&self) -> Vec<String> {
        self.figures.lines()
    }
}

impl JudgeFigures {
    /// What it comes to, in lines.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Rubric(figures) => rubric_lines(figures),
            Self::Pair(figures) => pair_lines(figures),
        }
    }
}

fn rubric_lines(figures: &RubricFigures) -> Vec<String> {
    let mut lines = vec![format!("Points, 1 to 5: {}, n {}", mean(figures.points), figures.samples)];
    lines.extend(left_out(figures.unreadable, figures.failed, 0));
    lines
}

fn pair_lines(figures: &PairFigures) -> Vec<String> {
    let PairFigures { preferences, inconsistent, same, unreadable, failed, open, .. } = figures;
    let mut lines = Vec::new();
    match preferences {
        None => lines.push("No sample has a clear verdict in both orders".to_owned()),
        Some(found) => {
            let of = |count: u64| share(count as f64 / found.samples.max(1) as f64);
            lines.push(format!(
                "First preferred {} ({}), tie {} ({}), second preferred {} ({}), n {}",
                of(found.first),
                found.first,
                of(found.ties),
                found.ties,
                of(found.second),
                found.second,
                found.samples,
            ));
            lines.push(format!(
                "Share of the first, ties as halves: {}; sign test over preferences: p {}",
                mean(Some(found.share)),
                p_value(found.p),
            ));
        }
    }
    if let Some(rate) = figures.inconsistency() {
        let rate = share(rate);
        lines.push(format!("The two orders disagree on {inconsistent} samples ({rate}), which are ties"));
    }
    if *same > 0 {
        lines.push(format!("{same} samples have two equal answers, which are ties without asking"));
    }
    lines.extend(left_out(*unreadable, *failed, *open));
    lines
}

fn left_out(unclear: u64, failed: u64, open: u64) -> Option<String> {
    let counts =
        [(unclear, "with an unclear verdict"), (failed, "failed"), (open, "judged in one order only")];
    let parts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    (!parts.is_empty()).then(|| format!("Left out: samples {}", parts.join(", ")))
}

/// A mean with its interval: `3.412 [3.301, 3.520]`.
pub fn mean(figure: Option<MeanFigure>) -> String {
    match figure {
        None => "–".to_owned(),
        Some(MeanFigure { value, interval: None }) => format!("{value:.3}"),
        Some(MeanFigure { value, interval: Some(interval) }) => {
            format!("{value:.3} [{:.3}, {:.3}]", interval.low, interval.high)
        }
    }
}

/// A template as notes name it: `strict (3fa94c)`, with the beginning of a hash of its text.
pub fn template_name(spec: &JudgeSpec) -> String {
    format!("{} ({})", spec.prompt.name, super::short_hash(&spec.prompt.text))
}

/// What each judge is called, by [`JudgeSpec::judge_key`]: by its model, and by more where several are of one name.
pub fn judge_names(judged: &[Judged]) -> BTreeMap<String, Arc<str>> {
    let mut specs: BTreeMap<String, &JudgeSpec> = BTreeMap::new();
    for one in judged {
        specs.entry(one.judging.spec.judge_key()).or_insert(&one.judging.spec);
    }
    let name = |key: &str, spec: &JudgeSpec, detail: usize| match detail {
        0 => spec.model.name.clone(),
        1 => format!("{}; {}", spec.model.name, spec.prompt.name),
        2 => format!("{}; {}", spec.model.name, template_name(spec)),
        _ => format!("{}; {}", spec.model.name, key.get(..6).unwrap_or(key)),
    };
    let named = specs.iter().map(|(key, spec)| {
        let alone = |detail: usize| {
            let own = name(key, spec, detail);
            let same = |(other, of): &(&String, &&JudgeSpec)| {
                *other != key && of.method == spec.method && name(other, of, detail) == own
            };
            specs.iter().find(same).is_none()
        };
        let detail = (0..3).find(|&detail| alone(detail)).unwrap_or(3);
        (key.clone(), Arc::from(name(key, spec, detail)))
    });
    named.collect()
}

/// What a judge said of runs, sample by sample: a column of files that have a line a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleColumn {
    /// `judge (gpt-4o)` for points, `preference (gpt-4o)` for preferences.
    pub name: String,
    cells: BTreeMap<RunId, BTreeMap<u32, String>>,
}

impl SampleColumn {
    /// The columns of some judgings, by judge.
    pub fn all(judged: &[Judged]) -> Vec<Self> {
        let names = judge_names(judged);
        let mut columns: BTreeMap<String, Self> = BTreeMap::new();
        for one in judged {
            let spec = &one.judging.spec;
            let judge = names.get(&spec.judge_key()).map_or(spec.model.name.as_str(), |name| name);
            let name = match spec.method {
                JudgeMethod::Rubric => format!("judge ({judge})"),
                JudgeMethod::Pairwise => format!("preference ({judge})"),
            };
            let column = columns.entry(name.clone()).or_insert(Self { name, cells: BTreeMap::new() });
            column.take(one);
        }
        columns.into_values().collect()
    }

    fn take(&mut self, one: &Judged) {
        let mut put = |run: RunId, position: u32, text: String| {
            let cell = self.cells.entry(run).or_default().entry(position).or_default();
            let joint = if cell.is_empty() { "" } else { "; " };
            cell.push_str(&format!("{joint}{text}"));
        };
        match (&one.figures, &one.judging.runs[..]) {
            (JudgeFigures::Rubric(figures), [run]) => {
                figures
                    .positions
                    .iter()
                    .zip(&figures.values)
                    .for_each(|(position, points)| put(*run, *position, points.to_string()));
            }
            (JudgeFigures::Pair(figures), [first, second]) => {
                let short = |at: usize| {
                    one.judging.spec.runs.get(at).and_then(|key| key.get(..8)).unwrap_or_default()
                };
                for &(position, preference) in &figures.by_sample {
                    let (one, other) = match preference {
                        Preference::First => ("preferred to", "not preferred to"),
                        Preference::Tie => ("tie with", "tie with"),
                        Preference::Second => ("not preferred to", "preferred to"),
                    };
                    put(*first, position, format!("{one} {}", short(1)));
                    put(*second, position, format!("{other} {}", short(0)));
                }
            }
            _ => {}
        }
    }

    /// What stands beside a sample of a run; empty where nothing was said of it.
    pub fn cell(&self, run: RunId, position: u32) -> &str {
        self.cells.get(&run).and_then(|cells| cells.get(&position)).map_or("", String::as_str)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::record::{JudgePrompt, JudgeTotals, JudgingId, Reading, test_spec, test_verdict};

    pub(in crate::report) fn judged(
        judge: &str,
        template: &str,
        runs: &[&RunRecord],
        points: &[u8],
    ) -> Judged {
        let method = if runs.len() == 1 { JudgeMethod::Rubric } else { JudgeMethod::Pairwise };
        let model = crate::record::ModelSpec {
            name: judge.to_owned(),
            fingerprint: judge.to_owned(),
            ..test_spec().model
        };
        let spec = JudgeSpec {
            method,
            model,
            generation: serde_json::json!({"beams": 1}),
            prompt: JudgePrompt { name: "built-in".into(), text: template.into() },
            runs: runs.iter().map(|run| run.key.clone()).collect(),
        };
        let judging = JudgingRecord {
            id: JudgingId(1),
            key: spec.key(),
            spec,
            runs: runs.iter().map(|run| run.id).collect(),
            samples: points.len() as u64,
            totals: JudgeTotals::default(),
            prices: None,
            created_ms: 0,
        };
        let verdicts: Vec<Verdict> = match method {
            JudgeMethod::Rubric => {
                let each = points.iter().enumerate();
                each.map(|(at, points)| test_verdict(at as u32, 0, Some(Reading::Points(*points)))).collect()
            }
            JudgeMethod::Pairwise => (0..points.len() as u32)
                .flat_map(|at| [test_verdict(at, 0, Some(Reading::A)), test_verdict(at, 1, Some(Reading::B))])
                .collect(),
        };
        Judged::of(judging, &verdicts)
    }

    #[test]
    fn judges_of_one_model_are_told_apart_and_others_are_not_burdened() {
        let runs: [&RunRecord; 0] = [];
        let of = |judge: &str, template: &str| {
            let mut judged = judged(judge, template, &runs, &[]);
            judged.judging.spec.method = JudgeMethod::Rubric;
            judged
        };
        let names = |all: &[Judged]| judge_names(all).into_values().collect::<Vec<_>>();
        assert_eq!(names(&[of("a", "x"), of("a", "x")]), [Arc::from("a")]);
        let two = names(&[of("a", "x"), of("a", "y"), of("b", "x")]);
        assert!(two.iter().any(|name| &**name == "b"), "{two:?}");
        assert_eq!(two.iter().filter(|name| name.starts_with("a; built-in (")).count(), 2, "{two:?}");
    }
}
