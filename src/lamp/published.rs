//! Figures others have published, to be shown beside a result of the same task, setting, split and metric.

use std::sync::LazyLock;

use super::{Metric, Setting, Split, Task};

/// One published figure, as its source gives it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PublishedFigure {
    /// The paper or page.
    pub source: &'static str,
    /// The table within it.
    pub table: &'static str,
    /// The setting; `None` where the source does not say.
    pub setting: Option<Setting>,
    /// Whether the setting was inferred from the figures rather than stated.
    pub setting_inferred: bool,
    /// The split; `None` where the source does not say.
    pub split: Option<Split>,
    /// The task; `None` for figures over several tasks.
    pub task: Option<Task>,
    /// The model, as the source names it.
    pub model: &'static str,
    /// How the model was trained, as the source names it.
    pub training: &'static str,
    /// The retriever, as the source names it.
    pub retriever: &'static str,
    /// The number of retrieved entries; `None` where the source does not say or it varies.
    pub k: Option<usize>,
    /// The metric; `None` for one that this program does not compute.
    pub metric: Option<Metric>,
    /// The metric as the source names it.
    pub metric_name: &'static str,
    /// The value, in the metric's own unit.
    pub value: f64,
}

static TABLE: &str = include_str!("../../resources/published_results.csv");

/// All published figures shipped with the program, in the order of `resources/published_results.csv`.
pub fn published_figures() -> &'static [PublishedFigure] {
    static FIGURES: LazyLock<Vec<PublishedFigure>> =
        LazyLock::new(|| TABLE.lines().skip(1).filter_map(|line| figure(&fields(line))).collect());
    &FIGURES
}

fn figure(fields: &[&'static str]) -> Option<PublishedFigure> {
    let [source, table, setting, split, task, model, training, retriever, k, metric, value] = *fields else {
        return None;
    };
    let setting_word = setting.split(' ').next().unwrap_or_default();
    Some(PublishedFigure {
        source,
        table,
        setting: setting_word.parse().ok(),
        setting_inferred: setting.ends_with("(inferred)"),
        split: if split == "validation" { Some(Split::Dev) } else { split.parse().ok() },
        task: task.parse().ok(),
        model,
        training,
        retriever,
        k: k.parse().ok(),
        metric: if metric == "f1" { Some(Metric::MacroF1) } else { metric.parse().ok() },
        metric_name: metric,
        value: value.parse().ok()?,
    })
}

/// The fields of one CSV line; the file has quoted fields but no quote or line break inside one.
fn fields(line: &'static str) -> Vec<&'static str> {
    let mut out = Vec::with_capacity(11);
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"').and_then(|inner| inner.split_once('"')) {
            Some((field, after)) => (field, after),
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        out.push(field);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(published_figures().len(), TABLE.lines().count() - 1);
        assert!(published_figures().iter().all(|figure| figure.value.is_finite()));
    }

    #[test]
    fn a_known_row_is_read_as_its_source_gives_it() {
        let row = published_figures()
            .iter()
            .find(|f| f.task == Some(Task::Lamp1) && f.retriever == "contriever" && f.setting_inferred)
            .unwrap();
        assert_eq!((row.setting, row.metric, row.split), (Some(Setting::Time), Some(Metric::Accuracy), None));
        assert_eq!((row.value, row.k), (0.688, None));
        let quoted = published_figures().iter().find(|f| f.source.contains("2404.05970")).unwrap();
        assert_eq!(quoted.source, "Salemi et al. 2024, arXiv:2404.05970");
    }
}
