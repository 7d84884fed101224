//! Keys of an experiment, and where they stand in its file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The way to a value: `retrieval`, `retrievers`, the third.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// The path of a key at the top.
    pub fn of(key: &str) -> Self {
        Self::default().key(key)
    }

    /// The path of a key below this one.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.and(Step::Key(key.to_owned()))
    }

    /// The path of an item of the list at this one, from 0.
    #[must_use]
    pub fn at(&self, index: usize) -> Self {
        self.and(Step::Index(index))
    }

    fn and(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// Whether both lead into the same section: the same table at the top, and the same of several.
    pub(crate) fn same_section(&self, other: &Self) -> bool {
        let section = |path: &Self| {
            let index = match path.0.get(1) {
                Some(Step::Index(index)) => *index,
                _ => 0,
            };
            (path.0.first().cloned(), index)
        };
        section(self) == section(other)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if number == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The text that an experiment was read from, so that problems found later can name file and line. Where it was read
/// does not make it another experiment: all sources are equal.
#[derive(Debug, Clone, Default)]
pub struct Source(Option<Arc<(PathBuf, String)>>);

impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file; `None` where the experiment was not read from one.
    pub file: Option<PathBuf>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The key as the file has it.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            if !self.key.is_empty() {
                f.write_str(": ")?;
            }
        }
        f.write_str(&self.key)
    }
}

impl Source {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        Self(Some(Arc::new((file.to_owned(), text.to_owned()))))
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> Option<usize> {
        let (_, text) = self.0.as_deref()?;
        Some(1 + text.get(..at)?.matches('\n').count())
    }

    /// Where a key stands. What the file leaves out is looked for in the table that should have it; what it gives once is
    /// the first of a list.
    pub fn place(&self, path: &KeyPath) -> Place {
        let Some((file, text)) = self.0.as_deref() else {
            // Without a file there are no lists that anyone could count in.
            let keys = path.0.iter().filter(|step| matches!(step, Step::Key(_)));
            return Place { file: None, line: None, key: KeyPath(keys.cloned().collect()).to_string() };
        };
        let (document, _) = DeTable::parse_recoverable(text);
        let mut table = Some(document.get_ref());
        let mut value: Option<&Spanned<DeValue<'_>>> = None;
        let mut start = None;
        let mut shown = KeyPath::default();
        for step in &path.0 {
            match step {
                Step::Key(key) => {
                    shown = shown.key(key);
                    let found = table.and_then(|table| table.iter().find(|(name, _)| name.get_ref() == key));
                    value = found.map(|(_, value)| value);
                    start = found.map(|(name, _)| name.span().start).or(start);
                }
                Step::Index(index) => {
                    let Some(list) = value.and_then(|value| value.get_ref().as_array()) else { continue };
                    shown = shown.at(*index);
                    value = list.get(*index);
                    start = value.map(|value| value.span().start).or(start);
                }
            }
            table = value.and_then(|value| value.get_ref().as_table());
        }
        Place {
            file: Some(file.clone()),
            line: start.and_then(|start| self.line(start)),
            key: shown.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_their_lines() {
        let text = "name = 'x'\n[data]\npaths = 'a'\n[[models]]\nname = 'm'\n[[models]]\n\nname = 'n'\n\
            generation = { beams = 1 }\n[retrieval]\nretrievers = [\n  'none',\n  'bm25',\n]\n";
        let source = Source::new(Path::new("a.toml"), text);
        let models = KeyPath::of("models");
        for (path, shown) in [
            (KeyPath::of("name"), "a.toml:1: name"),
            (KeyPath::of("data").at(0).key("paths").at(0), "a.toml:3: data.paths"),
            (KeyPath::of("data").at(0).key("split"), "a.toml:2: data.split"),
            (models.at(0).key("name"), "a.toml:5: models[0].name"),
            (models.at(1).key("name"), "a.toml:8: models[1].name"),
            (models.at(1).key("generation").key("beams"), "a.toml:9: models[1].generation.beams"),
            (models.at(1).key("device"), "a.toml:6: models[1].device"),
            (KeyPath::of("retrieval").key("retrievers").at(1), "a.toml:13: retrieval.retrievers[1]"),
            (KeyPath::of("tune").key("on"), "a.toml: tune.on"),
        ] {
            assert_eq!(source.place(&path).to_string(), shown);
        }
        assert_eq!(Source::default().place(&models.at(1).key("name")).to_string(), "models.name");
    }
}
