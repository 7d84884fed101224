//! Text with placeholders: `{name}` stands for a value, `{{` and `}}` for braces.

use strsim::levenshtein;

use super::error::TemplateProblem;
use crate::lamp::{ProfileEntry, Task};

/// A parsed text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wording<P>(Vec<Piece<P>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<P> {
    Literal(String),
    Part(P),
}

impl<P: Copy + PartialEq> Wording<P> {
    pub(super) fn parse(text: &str, known: &[(&'static str, P)]) -> Result<Self, TemplateProblem> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let from = &rest[at..];
            if from.starts_with("{{") || from.starts_with("}}") {
                literal.push_str(&from[..1]);
                rest = &from[2..];
                continue;
            }
            let closed = from.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let Some((name, after)) = closed.filter(|(name, _)| !name.contains('{')) else {
                return Err(TemplateProblem::LoneBrace { near: from.chars().take(20).collect() });
            };
            let Some(&(_, part)) = known.iter().find(|(word, _)| *word == name) else {
                return Err(TemplateProblem::unknown(name, known));
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Part(part));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// The pieces in order: a placeholder, or (as `Err`) the words between.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Result<P, &str>> {
        self.0.iter().map(|piece| match piece {
            Piece::Part(part) => Ok(*part),
            Piece::Literal(text) => Err(text.as_str()),
        })
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = P> {
        self.pieces().filter_map(Result::ok)
    }

    pub(super) fn count(&self, wanted: P) -> usize {
        self.parts().filter(|part| *part == wanted).count()
    }
}

/// A field of a profile entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryPart {
    Id,
    Date,
    Title,
    Text,
    Label,
}

impl EntryPart {
    /// The fields that entries of a task have, by their names in its files.
    pub(super) fn known(task: Task) -> Vec<(&'static str, Self)> {
        let named = [
            (Some(task.text_field()), Self::Text),
            (task.title_field(), Self::Title),
            (task.label_field(), Self::Label),
            (Some("date"), Self::Date),
            (Some("id"), Self::Id),
        ];
        named.into_iter().filter_map(|(name, part)| Some((name?, part))).collect()
    }

    pub(super) fn name(self, task: Task) -> &'static str {
        let found = Self::known(task).into_iter().find(|(_, part)| *part == self);
        found.map(|(name, _)| name).unwrap_or_default()
    }

    pub(super) fn of(self, entry: &ProfileEntry) -> Option<&str> {
        match self {
            Self::Id => Some(&entry.id),
            Self::Date => entry.date.as_deref(),
            Self::Title => entry.title.as_deref(),
            Self::Text => Some(&entry.text),
            Self::Label => entry.label.as_deref(),
        }
    }
}

/// A piece of the whole prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AggregatePart {
    Profile,
    Input,
}

impl AggregatePart {
    pub(super) const KNOWN: [(&'static str, Self); 2] = [("profile", Self::Profile), ("input", Self::Input)];
}

/// The known name that `given` most likely means: a near spelling, or what the same thing is called here.
pub(super) fn nearest(given: &str, known: &[&'static str]) -> Option<&'static str> {
    const SAME: [&[&str]; 3] = [
        &["text", "abstract", "description", "article", "review", "email", "tweet", "body"],
        &["category", "tag", "score", "label", "rating"],
        &["title", "headline", "subject"],
    ];
    let given = given.trim().to_lowercase();
    // What is given may be of any length; names are short.
    let start: String = given.chars().take(64).collect();
    let near = known.iter().map(|name| (levenshtein(&start, name), *name)).min_by_key(|(far, _)| *far);
    if let Some((far, name)) = near
        && far * 2 <= name.len().max(3)
    {
        return Some(name);
    }
    let group = SAME.iter().find(|group| group.contains(&given.as_str()))?;
    known.iter().copied().find(|name| group.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_double_to_stand_for_themselves() {
        let wording = Wording::parse("{{x}} {input}}}", &AggregatePart::KNOWN).unwrap();
        let pieces: Vec<_> = wording.pieces().collect();
        assert_eq!(pieces, [Err("{x} "), Ok(AggregatePart::Input), Err("}")]);
    }

    #[test]
    fn lone_braces_are_refused() {
        for text in ["{", "}", "a { b", "{input", "{input{profile}}", "{}}"] {
            assert!(Wording::parse(text, &AggregatePart::KNOWN).is_err(), "{text}");
        }
    }

    #[test]
    fn misspelt_and_foreign_names_are_recognized() {
        let known = ["abstract", "title", "date", "id"];
        assert_eq!(nearest("abstact", &known), Some("abstract"));
        assert_eq!(nearest("Title", &known), Some("title"));
        assert_eq!(nearest("text", &known), Some("abstract"));
        assert_eq!(nearest("tag", &["text", "score", "date", "id"]), Some("score"));
        assert_eq!(nearest("something", &known), None);
    }
}
