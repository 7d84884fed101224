//! What judges said of two runs, beside their metrics.

use serde::Serialize;

use super::RunComparison;
use crate::metrics::{MeanFigure, PairedTest, judged_test};
use crate::record::{JudgeMethod, PairFigures, RubricFigures};
use crate::report::words::p_value;
use crate::report::{JudgeFigures, Judged, judge_names, mean, template_name};

/// Two runs by one judge.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JudgeComparison {
    /// The judge's name.
    pub judge: String,
    /// What it was asked: `rubric` or `pairwise`.
    pub method: &'static str,
    /// The template, with the beginning of a hash of its text.
    pub template: String,
    /// Mean points of the first and the second run, where it gave points.
    pub points: Option<[Option<MeanFigure>; 2]>,
    /// The paired t-test over the points of samples that have them of both.
    pub test: Option<PairedTest>,
    /// Preferences, the first run first, where it was asked for them.
    pub preferences: Option<PairFigures>,
    /// The same in words.
    pub words: Vec<String>,
}

impl RunComparison {
    /// Adds what judges said of the two runs.
    pub fn add_judged(&mut self, judged: &[Judged]) {
        let names = judge_names(judged);
        let (first, second) = (self.first.id, self.second.id);
        for one in judged {
            let spec = &one.judging.spec;
            let key = spec.judge_key();
            let mut line = JudgeComparison {
                judge: names.get(&key).map_or_else(|| spec.model.name.clone(), ToString::to_string),
                method: spec.method.id(),
                template: template_name(spec),
                points: None,
                test: None,
                preferences: None,
                words: Vec::new(),
            };
            match (&one.figures, &one.judging.runs[..]) {
                (JudgeFigures::Rubric(figures), [run]) if *run == first => {
                    let other = judged.iter().find_map(|other| {
                        other.points_of(second).filter(|_| other.judging.spec.judge_key() == key)
                    });
                    let Some(other) = other else { continue };
                    let (one, two) = common(figures, other);
                    line.test = judged_test(&one, &two);
                    line.points = Some([figures.points, other.points]);
                    let p = line.test.map_or_else(|| "–".to_owned(), |test| p_value(test.p()));
                    line.words = vec![
                        format!(
                            "Points, 1 to 5: first {}, second {}",
                            mean(figures.points),
                            mean(other.points)
                        ),
                        format!("p {p} by a paired t-test over {} samples", one.len()),
                    ];
                }
                (JudgeFigures::Pair(figures), [one, two]) => {
                    let figures = match (*one, *two) {
                        straight if straight == (first, second) => figures.clone(),
                        swapped if swapped == (second, first) => figures.swapped(),
                        _ => continue,
                    };
                    line.words = JudgeFigures::Pair(figures.clone()).lines();
                    line.preferences = Some(figures);
                }
                _ => continue,
            }
            self.judged.push(line);
        }
    }
}

impl JudgeComparison {
    /// Who judged, and how: `Judge (gpt-4o), method pairwise in both orders, template built-in (3fa94c)`.
    pub fn title(&self) -> String {
        let orders = if self.method == JudgeMethod::Pairwise.id() { " in both orders" } else { "" };
        format!("Judge ({}), method {}{orders}, template {}", self.judge, self.method, self.template)
    }
}

/// The points of the samples that have them of both.
fn common(first: &RubricFigures, second: &RubricFigures) -> (Vec<f64>, Vec<f64>) {
    let pairs = first.positions.iter().zip(&first.values).filter_map(|(position, &value)| {
        let at = second.positions.binary_search(position).ok()?;
        Some((value, *second.values.get(at)?))
    });
    pairs.unzip()
}
