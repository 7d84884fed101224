//! Cells that an experiment leaves out of its matrix, by what they have in common.

use std::collections::HashMap;

use serde::Serialize;

use super::Experiment;
use crate::lamp::{Setting, Task};
use crate::retrieval::RetrieverConfig;

/// How a cell without a profile is named among retrievers.
pub const NONE: &str = "none";
/// How what [`super::TuneSettings`] chooses is named among retrievers.
pub const TUNED: &str = "tuned";

/// Cells that are left out: those that have one of each list. A list that is empty says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Skip {
    /// Tasks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Task>,
    /// Settings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
    /// Models as the experiment names them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Retrievers as the experiment names them; [`NONE`] for the cell without a profile, [`TUNED`] for what is chosen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retrievers: Vec<String>,
    /// Entries that a prompt carries at most; 0 for the cell without a profile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub k: Vec<usize>,
}

impl Skip {
    /// Whether nothing is said, so that it would leave everything out.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How a cell of the matrix comes to its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way<'a> {
    /// Without a profile.
    None,
    /// By a retriever, as the experiment names it, with so many entries at most.
    Retriever(&'a str, usize),
    /// By what is chosen on another split.
    Tuned,
}

impl<'a> Way<'a> {
    /// The way of a retriever and a k: no profile where one of them says so.
    pub fn of(retriever: &'a str, k: usize) -> Self {
        if k == 0 || canonical(retriever) == NONE { Self::None } else { Self::Retriever(retriever, k) }
    }
}

/// A place in the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot<'a> {
    /// The task.
    pub task: Task,
    /// The setting.
    pub setting: Setting,
    /// The model, as the experiment names it.
    pub model: &'a str,
    /// How it comes to its entries.
    pub way: Way<'a>,
}

/// An experiment's [`Skip`]s, made ready to be asked often.
#[derive(Debug, Clone, Default)]
pub struct Skips {
    skips: Vec<Skip>,
    /// Texts of retrievers in the form in which equal ones are equal.
    forms: HashMap<String, String>,
}

impl Skips {
    /// Those of an experiment.
    pub fn of(experiment: &Experiment) -> Self {
        let mut skips = experiment.skip.clone();
        for skip in &mut skips {
            for retriever in &mut skip.retrievers {
                *retriever = canonical(retriever);
            }
            for model in &mut skip.models {
                *model = model.trim().to_owned();
            }
        }
        let retrievers = &experiment.retrieval.retrievers;
        let forms = retrievers.iter().map(|text| (text.clone(), canonical(text))).collect();
        Self { skips, forms }
    }

    /// Whether a place is left out.
    pub fn has(&self, slot: Slot<'_>) -> bool {
        self.matching(slot).next().is_some()
    }

    /// The numbers of those that leave a place out, from 0.
    pub fn matching<'s>(&'s self, slot: Slot<'s>) -> impl Iterator<Item = usize> + 's {
        let numbered = self.skips.iter().enumerate();
        numbered.filter(move |(_, skip)| self.leaves_out(skip, slot)).map(|(number, _)| number)
    }

    fn leaves_out(&self, skip: &Skip, slot: Slot<'_>) -> bool {
        let any = |words: &[String], word: &str| words.is_empty() || words.iter().any(|known| known == word);
        let by_way = match slot.way {
            Way::None => any(&skip.retrievers, NONE) && (skip.k.is_empty() || skip.k.contains(&0)),
            Way::Tuned => any(&skip.retrievers, TUNED) && skip.k.is_empty(),
            Way::Retriever(text, k) => {
                let spare;
                let form = match self.forms.get(text) {
                    Some(form) => form,
                    None => {
                        spare = canonical(text);
                        &spare
                    }
                };
                any(&skip.retrievers, form) && (skip.k.is_empty() || skip.k.contains(&k))
            }
        };
        by_way
            && any(&skip.models, slot.model.trim())
            && (skip.tasks.is_empty() || skip.tasks.contains(&slot.task))
            && (skip.settings.is_empty() || skip.settings.contains(&slot.setting))
    }
}

/// A retriever's text in a form in which texts of the same retriever are equal. One that draws at random without a seed of
/// its own is another than one with the seed 0, since the experiment's seeds are for it.
pub fn canonical(text: &str) -> String {
    let folded = text.trim().to_lowercase();
    match folded.as_str() {
        "random" | "random:distinct" | TUNED => folded,
        _ => text.parse::<RetrieverConfig>().map_or(folded, |config| config.to_string()),
    }
}

impl Experiment {
    /// Takes out of the skips what the experiment does not have any more, so that taking a model, a retriever or a k away and
    /// adding another leaves no remark behind. Tasks and settings stay, since the files decide about them.
    pub fn tidy_skips(&mut self) {
        if self.skip.is_empty() {
            return;
        }
        let known = Known::of(self);
        self.skip.retain_mut(|skip| {
            let said = (skip.models.len(), skip.retrievers.len(), skip.k.len());
            skip.models.retain(|model| known.model(model));
            skip.retrievers.retain(|retriever| known.retriever(retriever));
            skip.k.retain(|&k| known.k(k));
            // A list that loses its last word would say everything instead of nothing.
            let left = (skip.models.len(), skip.retrievers.len(), skip.k.len());
            let lost = |said: usize, left: usize| said > 0 && left == 0;
            !(lost(said.0, left.0) || lost(said.1, left.1) || lost(said.2, left.2))
        });
    }
}

/// What an experiment has that a skip may name.
pub(super) struct Known {
    pub(super) models: Vec<String>,
    pub(super) retrievers: Vec<String>,
    pub(super) k: Vec<usize>,
}

impl Known {
    pub(super) fn of(experiment: &Experiment) -> Self {
        let retrieval = &experiment.retrieval;
        let mut retrievers: Vec<String> = retrieval.retrievers.iter().map(|text| canonical(text)).collect();
        let mut k = retrieval.k.clone();
        // The cell without a profile has two names.
        if k.contains(&0) || retrievers.iter().any(|form| form == NONE) {
            k.push(0);
            retrievers.push(NONE.to_owned());
        }
        if experiment.tune.is_some() {
            retrievers.push(TUNED.to_owned());
        }
        retrievers.dedup();
        k.sort_unstable();
        k.dedup();
        let models = experiment.models.iter().map(|model| model.name.trim().to_owned()).collect();
        Self { models, retrievers, k }
    }

    pub(super) fn model(&self, name: &str) -> bool {
        self.models.iter().any(|known| known == name.trim())
    }

    pub(super) fn retriever(&self, text: &str) -> bool {
        self.retrievers.contains(&canonical(text))
    }

    pub(super) fn k(&self, k: usize) -> bool {
        self.k.contains(&k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::experiment::{ModelSettings, TuneSettings};

    fn experiment() -> Experiment {
        let mut experiment = Experiment { name: "x".to_owned(), ..Experiment::default() };
        for name in ["one", "two"] {
            experiment.models.push(ModelSettings { name: name.to_owned(), ..ModelSettings::default() });
        }
        experiment.retrieval.retrievers = ["none", "bm25", "Random", "random:0"].map(str::to_owned).to_vec();
        experiment.retrieval.k = vec![1, 4];
        experiment.tune = Some(TuneSettings::default());
        experiment
    }

    const fn slot<'a>(model: &'a str, way: Way<'a>) -> Slot<'a> {
        Slot { task: Task::Lamp3, setting: Setting::User, model, way }
    }

    fn skipped(skip: Skip, slot: Slot<'_>) -> bool {
        Skips::of(&Experiment { skip: vec![skip], ..experiment() }).has(slot)
    }

    #[test]
    fn a_skip_leaves_out_what_has_one_of_each_of_its_lists() {
        let bm25 = || Skip { retrievers: vec![" BM25".to_owned()], ..Skip::default() };
        assert!(skipped(bm25(), slot("one", Way::Retriever("bm25", 4))));
        assert!(!skipped(bm25(), slot("one", Way::Retriever("Random", 4))));
        assert!(!skipped(bm25(), slot("one", Way::None)) && !skipped(bm25(), slot("one", Way::Tuned)));
        let four = || Skip { k: vec![4], ..Skip::default() };
        assert!(skipped(four(), slot("one", Way::Retriever("Random", 4))));
        assert!(!skipped(four(), slot("one", Way::Retriever("Random", 1))));
        assert!(!skipped(four(), slot("one", Way::None)) && !skipped(four(), slot("one", Way::Tuned)));
        let model = || Skip { models: vec!["two".to_owned()], tasks: vec![Task::Lamp3], ..Skip::default() };
        for way in [Way::None, Way::Tuned, Way::Retriever("bm25", 1)] {
            assert!(skipped(model(), slot("two", way)) && !skipped(model(), slot("one", way)));
        }
        assert!(!skipped(Skip { tasks: vec![Task::Lamp1], ..model() }, slot("two", Way::None)));
        assert!(!skipped(Skip { settings: vec![Setting::Time], ..model() }, slot("two", Way::None)));
    }

    #[test]
    fn the_cell_without_a_profile_and_the_chosen_one_have_names() {
        let named = |name: &str| Skip { retrievers: vec![name.to_owned()], ..Skip::default() };
        assert!(skipped(named("None"), slot("one", Way::None)));
        assert!(skipped(Skip { k: vec![0], ..Skip::default() }, slot("one", Way::of("bm25", 0))));
        assert!(skipped(named("tuned"), slot("one", Way::Tuned)));
        assert!(!skipped(named("tuned"), slot("one", Way::Retriever("bm25", 1))));
        // Seeds of the experiment make `random` another retriever than the one of seed 0.
        assert!(!skipped(named("random"), slot("one", Way::Retriever("random:0", 1))));
        assert!(skipped(named("random"), slot("one", Way::Retriever("Random", 1))));
    }

    #[test]
    fn what_the_experiment_has_no_more_is_taken_out() {
        let mut experiment = experiment();
        experiment.skip = vec![
            Skip { models: vec!["one".into(), "gone".into()], ..Skip::default() },
            Skip { retrievers: vec!["dense:gone".into()], k: vec![1], ..Skip::default() },
            Skip { k: vec![0, 7], tasks: vec![Task::Lamp1], ..Skip::default() },
            Skip { k: vec![7], ..Skip::default() },
        ];
        experiment.tidy_skips();
        assert_eq!(
            experiment.skip,
            [
                Skip { models: vec!["one".into()], ..Skip::default() },
                Skip { k: vec![0], tasks: vec![Task::Lamp1], ..Skip::default() },
            ]
        );
    }
}
