//! Templates: how a retrieved entry is worded, how entries are joined, and where they stand.
//!
//! A template is a small TOML file. The official wordings are the same thing, built in (see
//! [`Template::preset`]), so that whoever wants another wording starts from one of them.

use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{Place, TemplateError, TemplateProblem};
use super::wording::{AggregatePart, EntryPart, Wording};
use crate::lamp::{ProfileEntry, Task};

/// Where the entries stand, for an `aggregate` that does not place `{input}` itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Position {
    /// Before the task's input.
    BeforeInput,
    /// After the task's input.
    AfterInput,
    /// Within the input, after its first word `title` (LaMP-1).
    AfterTitle,
}

/// How `official` mode reckons what a prompt costs beside the entries' long texts. The official code estimates
/// this by constants and by measuring texts that are not quite those it writes; both are kept as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Tokens set aside once a prompt.
    #[serde(default)]
    pub reserve: usize,
    /// Tokens set aside for each joiner.
    #[serde(default)]
    pub per_joiner: usize,
    /// A text whose tokens (special ones counted) are set aside once a prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve_for: Option<String>,
    /// Tokens that an entry costs beside its long text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_tokens: Option<usize>,
    /// A text, with the entry's placeholders, whose tokens (special ones counted) an entry costs beside its long
    /// text. Without this and `entry_tokens`: the entry itself with one space as its long text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_text: Option<String>,
}

/// What stands in a template's file, unchecked; [`Template`] is the checked form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateFile {
    /// What people call it.
    pub name: String,
    /// The task whose entries it words.
    pub task: Task,
    /// One entry, with the entry's fields as placeholders (`{title}`, `{text}`, …).
    pub entry: String,
    /// The one field of `entry` that is cut to the budget; without it the task's long text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
    /// What stands between entries.
    pub joiner: String,
    /// The whole, with `{profile}` (the joined entries) and, unless `position` is given, `{input}`.
    pub aggregate: String,
    /// Where `aggregate` stands if it does not name `{input}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// A text put before everything else, in `clean` mode alone and with entries alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_system: Option<String>,
    /// The reckoning of `official` mode. Without it, the fixed words of `aggregate` and the joiners are measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

/// A checked template: every placeholder is known, exactly one long field is cut, and the input has its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TemplateFile", into = "TemplateFile")]
pub struct Template {
    file: TemplateFile,
    pub(super) entry: Wording<EntryPart>,
    pub(super) cut: EntryPart,
    pub(super) aggregate: Wording<AggregatePart>,
    pub(super) entry_text: Option<Wording<EntryPart>>,
}

/// Where the pieces of an assembled prompt stand, in bytes of its text.
pub(super) struct Assembled {
    pub(super) text: String,
    /// For each entry its whole wording, and its long text within that.
    pub(super) entries: Vec<(Range<usize>, Range<usize>)>,
    /// The task's input; two pieces where entries stand within it.
    pub(super) input: Vec<Range<usize>>,
}

impl Template {
    /// Reads a template's file.
    pub fn read(path: &Path) -> Result<Self, TemplateError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TemplateError::Read { path: path.to_owned(), source })?;
        Self::from_toml(&text, &path.display().to_string())
    }

    /// Reads a template from TOML; `origin` (a path, say) names it in errors.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, TemplateError> {
        let file: TemplateFile = toml::from_str(text).map_err(|source| TemplateError::Syntax {
            template: origin.to_owned(),
            source: Box::new(source),
        })?;
        Self::new(file).map_err(|error| error.located(text, origin))
    }

    /// Checks a template.
    pub fn new(file: TemplateFile) -> Result<Self, TemplateError> {
        let place = |key| Place { template: file.name.clone(), line: None, key };
        let fail = |key, problem| TemplateError::Invalid { place: place(key), problem };

        let known = EntryPart::known(file.task);
        let entry = Wording::parse(&file.entry, &known).map_err(|problem| fail("entry", problem))?;
        let cut_name = match &file.cut {
            Some(name) => name.as_str(),
            None => file.task.text_field(),
        };
        let texts: Vec<_> = known
            .iter()
            .filter(|(_, part)| !matches!(part, EntryPart::Id | EntryPart::Date))
            .copied()
            .collect();
        let Some(&(_, cut)) = texts.iter().find(|(name, _)| *name == cut_name) else {
            return Err(fail("cut", TemplateProblem::unknown(cut_name, &texts)));
        };
        match entry.count(cut) {
            1 => {}
            0 => return Err(fail("entry", TemplateProblem::Missing { placeholder: cut_name.to_owned() })),
            _ => return Err(fail("entry", TemplateProblem::Repeated { placeholder: cut_name.to_owned() })),
        }

        let known = AggregatePart::KNOWN;
        let aggregate =
            Wording::parse(&file.aggregate, &known).map_err(|problem| fail("aggregate", problem))?;
        match aggregate.count(AggregatePart::Profile) {
            1 => {}
            0 => {
                return Err(fail(
                    "aggregate",
                    TemplateProblem::Missing { placeholder: "profile".to_owned() },
                ));
            }
            _ => {
                return Err(fail(
                    "aggregate",
                    TemplateProblem::Repeated { placeholder: "profile".to_owned() },
                ));
            }
        }
        match (aggregate.count(AggregatePart::Input), file.position) {
            (0, None) => return Err(fail("aggregate", TemplateProblem::InputNowhere)),
            (0, Some(Position::AfterTitle)) if file.task != Task::Lamp1 => {
                return Err(fail("position", TemplateProblem::TitleOnlyInLamp1 { task: file.task }));
            }
            (0, Some(_)) | (1, None) => {}
            (1, Some(_)) => return Err(fail("position", TemplateProblem::InputTwice)),
            _ => {
                return Err(fail("aggregate", TemplateProblem::Repeated { placeholder: "input".to_owned() }));
            }
        }

        let mut entry_text = None;
        if let Some(budget) = &file.budget {
            if budget.entry_tokens.is_some() && budget.entry_text.is_some() {
                return Err(fail("entry_text", TemplateProblem::TwoEntryCosts));
            }
            if let Some(text) = &budget.entry_text {
                let known = EntryPart::known(file.task);
                let wording = Wording::parse(text, &known).map_err(|problem| fail("entry_text", problem))?;
                entry_text = Some(wording);
            }
        }
        Ok(Self { entry, cut, aggregate, entry_text, file })
    }

    /// What stands in its file.
    pub const fn file(&self) -> &TemplateFile {
        &self.file
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// The task whose entries it words.
    pub const fn task(&self) -> Task {
        self.file.task
    }

    /// The template as a file that people can edit; reading it gives an equal template.
    pub fn to_toml(&self) -> Result<String, TemplateError> {
        let body = toml::to_string(&self.file).map_err(|source| TemplateError::Write {
            template: self.file.name.clone(),
            source: Box::new(source),
        })?;
        let fields: Vec<String> =
            EntryPart::known(self.file.task).iter().map(|(name, _)| format!("{{{name}}}")).collect();
        Ok(format!(
            "# A prompt template for {task} ({what}).\n\
             # entry: how one retrieved entry is worded; placeholders: {fields}\n\
             # cut: the one field of the entry that is cut to the token budget (without it {{{text}}})\n\
             # joiner: what stands between entries\n\
             # aggregate: the whole; placeholders: {{profile}} (the joined entries), {{input}}\n\
             # position: \"before-input\", \"after-input\" or, for LaMP-1, \"after-title\", if aggregate has no {{input}}\n\
             # clean_system: a text before everything else, in clean mode alone\n\
             # [budget]: what official mode sets aside; without it the template's own words are measured\n\
             # Braces that are no placeholder are doubled: {{{{ and }}}}\n\n{body}",
            task = self.file.task,
            what = self.file.task.name(),
            fields = fields.join(" "),
            text = self.file.task.text_field(),
        ))
    }

    /// The text of an entry that is cut to the budget; `None` if the entry lacks it.
    pub fn cut_text<'e>(&self, entry: &'e ProfileEntry) -> Option<&'e str> {
        self.cut.of(entry)
    }

    /// The first placeholder of `entry` that an entry has no value for.
    pub(super) fn missing_field(&self, entry: &ProfileEntry) -> Option<&'static str> {
        let lacking = |part: &EntryPart| part.of(entry).is_none();
        self.entry.parts().find(lacking).map(|part| part.name(self.file.task))
    }

    /// One entry's words with `long` as its long text, and where that stands. Missing fields are left empty.
    pub(super) fn entry_text(&self, entry: &ProfileEntry, long: &str) -> (String, Range<usize>) {
        word(&self.entry, self.cut, entry, long)
    }

    /// What `official` mode measures as an entry's cost, if it is a text.
    pub(super) fn measured_text(&self, entry: &ProfileEntry) -> String {
        word(self.entry_text.as_ref().unwrap_or(&self.entry), self.cut, entry, " ").0
    }

    /// The byte of the input at which entries stand within it; `None` if the input lacks the word `title`.
    pub(super) fn place_in(&self, input: &str) -> Option<usize> {
        match self.file.position {
            Some(Position::AfterTitle) => after_title(input),
            Some(Position::BeforeInput) => Some(0),
            Some(Position::AfterInput) | None => Some(input.len()),
        }
    }

    /// Puts entries (with the long text each may keep) and input together; `at` comes from [`Self::place_in`].
    pub(super) fn assemble(
        &self,
        entries: &[(&ProfileEntry, &str)],
        input: &str,
        at: usize,
        system: &str,
    ) -> Assembled {
        let mut out = Assembled {
            text: system.to_owned(),
            entries: Vec::with_capacity(entries.len()),
            input: Vec::with_capacity(2),
        };
        let outside = self.file.position.is_some();
        if outside {
            out.push_input(&input[..at]);
        }
        for piece in self.aggregate.pieces() {
            match piece {
                Ok(AggregatePart::Input) => out.push_input(input),
                Ok(AggregatePart::Profile) => {
                    for (rank, (entry, long)) in entries.iter().enumerate() {
                        if rank > 0 {
                            out.text.push_str(&self.file.joiner);
                        }
                        let start = out.text.len();
                        let (words, inner) = self.entry_text(entry, long);
                        out.text.push_str(&words);
                        out.entries.push((start..out.text.len(), start + inner.start..start + inner.end));
                    }
                }
                Err(literal) => out.text.push_str(literal),
            }
        }
        if outside {
            out.push_input(&input[at..]);
        }
        out
    }
}

impl Assembled {
    fn push_input(&mut self, piece: &str) {
        if !piece.is_empty() {
            let start = self.text.len();
            self.text.push_str(piece);
            self.input.push(start..self.text.len());
        }
    }
}

impl TryFrom<TemplateFile> for Template {
    type Error = TemplateError;

    fn try_from(file: TemplateFile) -> Result<Self, Self::Error> {
        Self::new(file)
    }
}

impl From<Template> for TemplateFile {
    fn from(template: Template) -> Self {
        template.file
    }
}

fn word(
    wording: &Wording<EntryPart>,
    cut: EntryPart,
    entry: &ProfileEntry,
    long: &str,
) -> (String, Range<usize>) {
    let mut text = String::with_capacity(long.len() + 64);
    let mut inner = 0..0;
    for piece in wording.pieces() {
        match piece {
            Ok(part) if part == cut => {
                inner = text.len()..text.len() + long.len();
                text.push_str(long);
            }
            Ok(part) => text.push_str(part.of(entry).unwrap_or_default()),
            Err(literal) => text.push_str(literal),
        }
    }
    (text, inner)
}

/// The byte after the first word `title`.
fn after_title(input: &str) -> Option<usize> {
    const WORD: &str = "title";
    input.match_indices(WORD).find_map(|(at, _)| {
        let end = at + WORD.len();
        let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let alone = !joins(input[..at].chars().next_back()) && !joins(input[end..].chars().next());
        alone.then_some(end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_title_is_found_whole() {
        assert_eq!(after_title("the title \"x\""), Some(9));
        assert_eq!(after_title("entitled titles title"), Some(21));
        assert_eq!(after_title("entitled"), None);
        assert_eq!(after_title("title"), Some(5));
        assert_eq!(after_title("étitle title"), Some(13));
    }
}
