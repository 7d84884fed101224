//! The experiment that the set-up screens write together, with its history.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::run::Experiment;

/// Edits of one kind that follow each other within this are undone together.
const TOGETHER: Duration = Duration::from_millis(900);
/// Steps that can be taken back.
const STEPS: usize = 200;

/// The experiment being written.
#[derive(Debug)]
pub struct Draft {
    experiment: Experiment,
    undo: Vec<(&'static str, Experiment)>,
    redo: Vec<(&'static str, Experiment)>,
    last: Option<(&'static str, Instant)>,
    file: Option<PathBuf>,
    saved: Experiment,
    /// Whether it was not saved either when the window was closed before.
    left_changed: bool,
    version: u64,
}

impl Draft {
    /// Begins with an experiment, from a file or not.
    pub fn new(experiment: Experiment, file: Option<PathBuf>) -> Self {
        Self {
            saved: experiment.clone(),
            experiment,
            undo: Vec::new(),
            redo: Vec::new(),
            last: None,
            file,
            left_changed: false,
            version: 0,
        }
    }

    /// The same, remembered from a window that was closed before its changes were saved.
    #[must_use]
    pub const fn left_changed(mut self, changed: bool) -> Self {
        self.left_changed = changed;
        self
    }

    /// The experiment.
    pub const fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// How often it was changed.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The file it was read from or saved to.
    pub const fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// Whether it differs from its file.
    pub fn is_changed(&self) -> bool {
        self.left_changed || self.experiment != self.saved
    }

    /// What would be taken back.
    pub fn undoes(&self) -> Option<&'static str> {
        self.undo.last().map(|(what, _)| *what)
    }

    /// What would be made again.
    pub fn redoes(&self) -> Option<&'static str> {
        self.redo.last().map(|(what, _)| *what)
    }

    /// Changes the experiment.
    pub fn edit(&mut self, what: &'static str, mut experiment: Experiment, now: Instant) {
        experiment.tidy_skips();
        if experiment == self.experiment {
            return;
        }
        let together = self.last.is_some_and(|(last, at)| last == what && now.duration_since(at) < TOGETHER);
        let before = std::mem::replace(&mut self.experiment, experiment);
        if !together {
            self.undo.push((what, before));
            if self.undo.len() > STEPS {
                self.undo.remove(0);
            }
        }
        self.redo.clear();
        self.last = Some((what, now));
        self.version += 1;
    }

    /// Takes the last change back; tells whether there was one.
    pub fn undo(&mut self) -> bool {
        let Some((what, before)) = self.undo.pop() else { return false };
        self.redo.push((what, std::mem::replace(&mut self.experiment, before)));
        self.last = None;
        self.version += 1;
        true
    }

    /// Makes it again; tells whether there was one.
    pub fn redo(&mut self) -> bool {
        let Some((what, after)) = self.redo.pop() else { return false };
        self.undo.push((what, std::mem::replace(&mut self.experiment, after)));
        self.last = None;
        self.version += 1;
        true
    }

    /// The draft is now in this file.
    pub fn saved(&mut self, file: PathBuf) {
        self.file = Some(file);
        self.saved = self.experiment.clone();
        self.left_changed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Experiment {
        Experiment { name: name.to_owned(), ..Experiment::default() }
    }

    #[test]
    fn typing_is_one_step_and_other_edits_are_their_own() {
        let mut draft = Draft::new(named(""), None);
        let start = Instant::now();
        for (step, name) in ["a", "ab", "abc"].into_iter().enumerate() {
            draft.edit("name", named(name), start + Duration::from_millis(100 * step as u64));
        }
        draft.edit("k", named("d"), start + Duration::from_millis(400));
        draft.edit("k", named("e"), start + Duration::from_secs(4));
        let mut back = Vec::new();
        while draft.undo() {
            back.push(draft.experiment().name.clone());
        }
        assert_eq!(back, ["d", "abc", ""]);
        assert!(draft.redo() && draft.experiment().name == "abc");
        draft.edit("name", named("x"), start + Duration::from_secs(9));
        assert!(!draft.redo(), "a change after undo ends the other history");
        assert_eq!(draft.undoes(), Some("name"));
        draft.saved("x.toml".into());
        assert!(!draft.is_changed());
    }
}
