//! Which answers are taken for which: reference by prediction.

use super::scale::count;
use super::spec::{About, ChartSpec, HeatCell, HeatPlot, Panel, Plot};
use crate::lamp::Task;
use crate::record::{Prediction, RunId};

/// Counts of answers by reference, filled one prediction at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    task: Task,
    /// A row a label of the reference; a column a predicted label, then those that are no label.
    counts: Vec<Vec<u64>>,
    /// Samples without a reference among the labels, and samples that failed.
    left_out: u64,
    run: Option<RunId>,
}

impl Confusion {
    /// No predictions yet; `None` for tasks whose labels would fill no readable grid, which are all but LaMP-1 and LaMP-3.
    pub fn new(task: Task) -> Option<Self> {
        let labels = task.labels().len();
        let counts = vec![vec![0; labels + 1]; labels];
        matches!(task, Task::Lamp1 | Task::Lamp3).then_some(Self { task, counts, left_out: 0, run: None })
    }

    /// Says whose predictions they are.
    #[must_use]
    pub fn of_run(self, run: RunId) -> Self {
        Self { run: Some(run), ..self }
    }

    /// Counts a prediction in. A rating between two labels is counted at the nearer one, the higher of two as near, and one
    /// beyond them at the last.
    pub fn add(&mut self, prediction: &Prediction) {
        let reference = prediction.reference.as_deref().and_then(|text| self.label(text));
        match reference {
            Some(reference) if prediction.error.is_none() => {
                let answer = Some(prediction.answer.as_str()).filter(|_| prediction.parsed);
                let column = answer.and_then(|text| self.label(text)).unwrap_or(self.counts.len());
                self.counts[reference][column] += 1;
            }
            _ => self.left_out += 1,
        }
    }

    fn label(&self, text: &str) -> Option<usize> {
        let labels = self.task.labels();
        labels.iter().position(|label| *label == text.trim()).or_else(|| {
            let rating = (self.task == Task::Lamp3).then(|| text.trim().parse::<f64>().ok())??;
            let last = labels.len() as f64;
            rating.is_finite().then(|| (rating + 0.5).floor().clamp(1.0, last) as usize - 1)
        })
    }

    /// The counts: a row a label of the reference; a column a predicted label, then answers that are none.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// How many samples are counted.
    pub fn samples(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }
}

/// Confusions side by side, each with what it is of, such as a model and method, and where.
pub fn confusion_chart(of: &[(String, Confusion)]) -> ChartSpec {
    let filled = of.iter().filter(|(_, confusion)| confusion.samples() > 0);
    let panels: Vec<Panel> = filled.map(|(name, confusion)| panel(name, confusion)).collect();
    let mut notes = vec!["Counts of samples; the darker, the larger the share of its row.".to_owned()];
    let left_out: u64 = of.iter().map(|(_, confusion)| confusion.left_out).sum();
    if left_out > 0 {
        notes.push(format!("Left out: {} that failed or have no reference.", count(left_out)));
    }
    ChartSpec {
        title: "Confusion: reference by prediction".to_owned(),
        notes: if panels.is_empty() { Vec::new() } else { vec![notes.join(" ")] },
        panels,
        abreast: 1,
        empty: "There is no finished run of LaMP-3 or LaMP-1 with references to draw. Run one, or choose other runs.".to_owned(),
    }
}

fn panel(name: &str, confusion: &Confusion) -> Panel {
    let labels: Vec<String> = confusion.task.labels().iter().map(|&label| label.to_owned()).collect();
    let columns: Vec<String> = labels.iter().cloned().chain(["none".to_owned()]).collect();
    let cells = confusion.counts.iter().zip(&labels).map(|(row, reference)| {
        let all = row.iter().sum::<u64>().max(1);
        let cell = |(number, predicted): (&u64, &String)| {
            let words = format!(
                "{}, {name}: reference {reference}, prediction {predicted}: {} of {}",
                confusion.task,
                count(*number),
                count(row.iter().sum())
            );
            let about = About { words, run: confusion.run, against: None };
            HeatCell { text: count(*number), shade: *number as f64 / all as f64, marked: false, about }
        };
        row.iter().zip(&columns).map(|cell_at| Some(cell(cell_at))).collect()
    });
    let plot = HeatPlot {
        down: "reference".to_owned(),
        across: "prediction".to_owned(),
        cells: cells.collect(),
        apart: Some(labels.len()),
        rows: labels.clone(),
        columns,
    };
    Panel {
        title: confusion.task.id().to_owned(),
        subtitle: name.to_owned(),
        corner: format!("n = {}", count(confusion.samples())),
        plot: Plot::Heat(plot),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn prediction(reference: Option<&str>, answer: &str, parsed: bool) -> Prediction {
        Prediction {
            raw: answer.into(),
            answer: answer.into(),
            reference: reference.map(Into::into),
            parsed,
            ..Prediction::unanswered(0, "1".into(), 1)
        }
    }

    #[test]
    fn answers_are_counted_by_reference() {
        let mut confusion = Confusion::new(Task::Lamp3).unwrap();
        for (reference, answer, parsed) in [
            ("5", "5", true),
            ("5", "4.5", true),
            ("5", "4.4", true),
            ("1", "-3", true),
            ("1", "good", false),
            ("2", "9e9", true),
        ] {
            confusion.add(&prediction(Some(reference), answer, parsed));
        }
        confusion.add(&prediction(None, "5", true));
        confusion.add(&Prediction { error: Some("too long".into()), ..prediction(Some("5"), "", false) });
        assert_eq!(confusion.counts()[4], [0, 0, 0, 1, 2, 0]);
        assert_eq!(confusion.counts()[0], [1, 0, 0, 0, 0, 1]);
        assert_eq!(confusion.counts()[1], [0, 0, 0, 0, 1, 0]);
        assert_eq!((confusion.samples(), confusion.left_out), (6, 2));
        assert!(Confusion::new(Task::Lamp2M).is_none());
        let mut papers = Confusion::new(Task::Lamp1).unwrap();
        papers.add(&prediction(Some("[1]"), "[2]", true));
        papers.add(&prediction(Some("[1]"), "1", false));
        assert_eq!(papers.counts(), [[0, 1, 1], [0, 0, 0]]);
    }
}
