//! Which published figures may stand beside a result.

use super::{Method, MethodColumn};
use crate::lamp::{Metric, PublishedFigure, Setting, Split, Task, published_figures};

/// The published figures of the same task, setting, split and metric, all four stated by their source: none whose setting was
/// inferred, or whose split nobody tells.
pub fn published_beside(
    task: Task,
    setting: Setting,
    split: Split,
    metric: Metric,
) -> impl Iterator<Item = &'static PublishedFigure> {
    published_figures().iter().filter(move |figure| {
        figure.task == Some(task)
            && figure.setting == Some(setting)
            && !figure.setting_inferred
            && figure.split == Some(split)
            && figure.metric == Some(metric)
    })
}

/// Whether a figure was reached in the way of a column: by the same method (for dense retrieval the same encoder), and with as
/// many entries, where the source says how many. Models are not compared; who shows the figure names the model beside it.
pub(super) fn is_of_column(figure: &PublishedFigure, column: &MethodColumn) -> bool {
    let name = figure.retriever.to_lowercase();
    let same_method = match column.method {
        Method::NonPersonalized => name == "none",
        Method::Random => matches!(name.as_str(), "random" | "random (own profile)"),
        Method::Bm25 => name == "bm25",
        Method::Dense => name == "contriever" && column.name.to_lowercase().contains("contriever"),
        Method::Recency => name == "recency",
        Method::Tuned => name.starts_with("tuned"),
        // What others fuse, and among which answers an oracle chose, differs from what is done here.
        Method::FullText | Method::Fusion | Method::PerUser | Method::Oracle => false,
    };
    same_method && (figure.k.is_none() || column.k.is_none() || figure.k == column.k)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(method: Method, name: &str, k: Option<usize>) -> MethodColumn {
        MethodColumn { method, name: name.into(), k, variant: String::new() }
    }

    #[test]
    fn only_figures_with_all_four_stated_and_equal_are_shown() {
        for setting in Setting::ALL {
            for split in Split::ALL {
                for task in Task::ALL {
                    for metric in Metric::ALL {
                        for figure in published_beside(task, setting, split, metric) {
                            assert!(!figure.setting_inferred && !figure.source.contains("website"));
                            assert_eq!(figure.split, Some(split));
                        }
                    }
                }
            }
        }
        // The first paper's figures of the user setting do not say their split.
        assert_eq!(published_beside(Task::Lamp6, Setting::User, Split::Dev, Metric::Rouge1).count(), 0);
        assert!(published_beside(Task::Lamp4, Setting::Time, Split::Test, Metric::Rouge1).count() > 0);
    }

    #[test]
    fn figures_stand_beside_their_own_method_and_k() {
        let beside = |column: &MethodColumn| {
            let all = published_beside(Task::Lamp4, Setting::Time, Split::Test, Metric::Rouge1);
            all.filter(|figure| is_of_column(figure, column)).collect::<Vec<_>>()
        };
        let bm25 = beside(&column(Method::Bm25, "BM25", Some(4)));
        assert!(!bm25.is_empty() && bm25.iter().all(|f| f.retriever == "bm25" && f.k.is_none_or(|k| k == 4)));
        assert!(beside(&column(Method::Bm25, "BM25", Some(3))).iter().all(|figure| figure.k.is_none()));
        assert!(!beside(&column(Method::Dense, "Dense (contriever)", Some(4))).is_empty());
        assert!(beside(&column(Method::Dense, "Dense (all-MiniLM-L6-v2)", Some(4))).is_empty());
        assert!(beside(&column(Method::Oracle, "Oracle", None)).is_empty());
    }
}
