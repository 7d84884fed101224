//! What judges said of a sample: read in the sample's job, drawn beneath its scores.

use eframe::egui::{Label, RichText, Ui};

use super::detail::caption;
use super::sample::Shown;
use super::{InspectView, text};
use crate::gui::kit::{self, Notice};
use crate::gui::loadable::Trouble;
use crate::gui::theme;
use crate::metrics::Preference;
use crate::record::{
    JudgeMethod, JudgingRecord, PairOutcome, Reading, RunId, Verdict, both_turns, pair_outcome,
};
use crate::report::template_name;
use crate::store::Reader;

/// What one judge said.
#[derive(Debug)]
pub(super) struct Said {
    /// `endpoint:gpt, rubric`.
    title: String,
    /// What it comes to.
    outcome: String,
    /// The template.
    how: String,
    /// The judge's words, each with the order in which it saw the answers, or with why there are none.
    words: Vec<(String, Result<String, String>)>,
}

/// What judges said of a run's sample, the latest first.
pub(super) fn read(reader: &Reader, run: RunId, position: u32) -> Result<Vec<Said>, Trouble> {
    let mut all = Vec::new();
    for judging in reader.judgings_of(run)?.into_iter().rev() {
        let verdicts = reader.verdicts_on(judging.id, position)?;
        if !verdicts.is_empty() {
            all.push(said(&judging, run, &verdicts));
        }
    }
    Ok(all)
}

fn said(judging: &JudgingRecord, run: RunId, verdicts: &[Verdict]) -> Said {
    let spec = &judging.spec;
    let other = judging.runs.iter().find(|other| **other != run);
    let is_first = judging.runs.first() == Some(&run);
    let words = verdicts.iter().map(|verdict| {
        let order = match (spec.method, is_first == (verdict.turn == 0)) {
            (JudgeMethod::Rubric, _) => "The judge\u{2019}s words",
            (JudgeMethod::Pairwise, true) => "This answer shown as A",
            (JudgeMethod::Pairwise, false) => "This answer shown as B",
        };
        let text = match &verdict.error {
            Some(error) => Err(error.clone()),
            None if verdict.reading == Some(Reading::Same) => Ok("Nobody was asked.".to_owned()),
            None => Ok(verdict.raw.clone()),
        };
        (order.to_owned(), text)
    });
    Said {
        title: format!("{}, {}", spec.model.name, spec.method.id()),
        outcome: outcome(spec.method, is_first, other.copied(), verdicts),
        how: format!("Template {}", template_name(spec)),
        words: words.collect(),
    }
}

fn outcome(method: JudgeMethod, is_first: bool, other: Option<RunId>, verdicts: &[Verdict]) -> String {
    if method == JudgeMethod::Rubric {
        return match verdicts.first().map(|verdict| (&verdict.error, verdict.reading)) {
            Some((None, Some(Reading::Points(points)))) => format!("{points} of 5 points"),
            Some((None, _)) => "The verdict is unclear".to_owned(),
            Some((Some(_), _)) | None => "The judge failed".to_owned(),
        };
    }
    let against = other.map_or_else(String::new, |run| format!(" run {}", run.0));
    match pair_outcome(both_turns(verdicts)) {
        PairOutcome::Decided { preference: Preference::Tie, agrees: false } => {
            format!("A tie with{against}: the two orders disagree")
        }
        PairOutcome::Decided { preference: Preference::Tie, .. } => format!("A tie with{against}"),
        PairOutcome::Decided { preference, .. } if (preference == Preference::First) == is_first => {
            format!("Preferred to{against}")
        }
        PairOutcome::Decided { .. } => format!("Not preferred to{against}"),
        PairOutcome::Unreadable => "A verdict is unclear".to_owned(),
        PairOutcome::Failed => "The judge failed".to_owned(),
        PairOutcome::Open => "Judged in one order only".to_owned(),
    }
}

impl InspectView {
    /// What judges said, where any did.
    pub(super) fn said(&self, ui: &mut Ui, shown: &Shown) {
        if shown.said.is_empty() {
            return;
        }
        caption(ui, "Judges", |_| {});
        for one in &shown.said {
            ui.add(Label::new(theme::strong(format!("{}: {}", one.title, one.outcome))).wrap());
            ui.label(theme::caption(ui, &one.how));
            for (order, words) in &one.words {
                ui.label(theme::caption(ui, order));
                match words {
                    Ok(words) => {
                        let shown = text::start(words, text::MOST);
                        ui.add(Label::new(RichText::new(shown)).wrap().selectable(true));
                    }
                    Err(error) => {
                        kit::notice(ui, Notice::Error, text::start(error, 2000), None);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::test_verdict;

    #[test]
    fn outcomes_are_told_from_the_run_that_is_looked_at() {
        let of = |is_first, one, other| {
            let verdicts = [test_verdict(0, 0, one), test_verdict(0, 1, other)];
            outcome(JudgeMethod::Pairwise, is_first, Some(RunId(7)), &verdicts)
        };
        use Reading::{A, B, Points, Same};
        assert_eq!(of(true, Some(A), Some(B)), "Preferred to run 7");
        assert_eq!(of(false, Some(A), Some(B)), "Not preferred to run 7");
        assert_eq!(of(true, Some(A), Some(A)), "A tie with run 7: the two orders disagree");
        assert_eq!(of(true, Some(Same), Some(Same)), "A tie with run 7");
        assert_eq!(of(true, None, Some(A)), "A verdict is unclear");
        let points = |reading| outcome(JudgeMethod::Rubric, true, None, &[test_verdict(0, 0, reading)]);
        assert_eq!(points(Some(Points(4))), "4 of 5 points");
        assert_eq!(points(None), "The verdict is unclear");
    }
}
