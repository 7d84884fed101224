//! How a judge is asked: the wording, with places for what it is to look at.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::record::{JudgeMethod, JudgePrompt};

/// What a rubric's points mean where nothing else is said.
const RUBRIC: &str = "\
5: says what the reference says, as fitting and as well worded.
4: says what the reference says, with a small difference in content or wording.
3: agrees with the reference in part; something that matters is missing, added or wrong.
2: shares the subject with the reference and little else.
1: has nothing to do with the reference, or is no answer to the task.";

const SCORE: &str = "\
You judge how good an answer to a task is. The reference is what the person whose task it is wrote.

Points:
{rubric}

Task:
{input}

Reference:
{reference}

Answer to be judged:
{answer}

Say in one or two sentences what decides. Then end with a line that has nothing but the points, from 1 to 5, in this form:
Score: 3
";

const COMPARE: &str = "\
You judge which of two answers to a task is better. The reference is what the person whose task it is wrote: the better answer \
says what the reference says and is worded as it is. The order of the answers means nothing, nor does their length.

Task:
{input}

Reference:
{reference}

Answer A:
{answer_a}

Answer B:
{answer_b}

Say in one or two sentences what decides. Then end with a line that has nothing but one of these:
Verdict: A
Verdict: B
Verdict: tie
";

/// What a template may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Input,
    Reference,
    Answer,
    AnswerA,
    AnswerB,
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Reference => "reference",
            Self::Answer => "answer",
            Self::AnswerA => "answer_a",
            Self::AnswerB => "answer_b",
        }
    }

    /// The places of a method; the answers, which a template must name, last.
    const fn of(method: JudgeMethod) -> &'static [Self] {
        match method {
            JudgeMethod::Rubric => &[Self::Input, Self::Reference, Self::Answer],
            JudgeMethod::Pairwise => &[Self::Input, Self::Reference, Self::AnswerA, Self::AnswerB],
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Place),
}

/// A checked template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgeTemplate {
    method: JudgeMethod,
    prompt: JudgePrompt,
    system: Option<String>,
    parts: Vec<Part>,
}

/// What stands in the places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling<'a> {
    pub input: &'a str,
    pub reference: &'a str,
    /// The answer, or the one shown first.
    pub first: &'a str,
    /// The one shown second; of a rubric there is none.
    pub second: &'a str,
}

/// A template's file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    system: Option<String>,
    rubric: Option<String>,
    prompt: Option<String>,
}

/// A template that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JudgeTemplateError {
    /// The file cannot be read.
    #[error("cannot read the template {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no TOML, or has keys that a template has not.
    #[error("the template {name} cannot be read: {source}")]
    Syntax {
        /// The file.
        name: String,
        /// What is wrong with it.
        source: Box<toml::de::Error>,
    },
    /// A place is not known.
    #[error(
        "the template {name} has {{{found}}}; a {method} template may have {known}, and braces that mean nothing are doubled"
    )]
    UnknownPlace {
        /// The template.
        name: String,
        /// What it has.
        found: String,
        /// What it is for.
        method: &'static str,
        /// What it may have.
        known: String,
    },
    /// A brace stands alone.
    #[error("the template {name} has a brace without its other; braces that mean nothing are doubled")]
    LoneBrace {
        /// The template.
        name: String,
    },
    /// An answer has no place.
    #[error("the template {name} has no {{{place}}}, where an answer to be judged goes")]
    NoAnswer {
        /// The template.
        name: String,
        /// The missing place.
        place: &'static str,
    },
}

impl JudgeTemplate {
    /// What a file's name begins with where the wording is the program's own.
    pub const BUILT_IN: &'static str = "built-in";

    /// The program's own wording.
    pub fn built_in(method: JudgeMethod) -> Self {
        let text = match method {
            JudgeMethod::Rubric => SCORE.replace("{rubric}", RUBRIC),
            JudgeMethod::Pairwise => COMPARE.to_owned(),
        };
        let prompt = JudgePrompt { name: Self::BUILT_IN.to_owned(), text };
        // A test reads both.
        let parts = parsed(method, &prompt).unwrap_or_default();
        Self { method, prompt, system: None, parts }
    }

    /// Reads a file: TOML with `prompt`, `rubric` (the meaning of the points, put into `{rubric}`), `system` and `name`, of which
    /// each may be left out; any other file is the prompt itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(method: JudgeMethod, path: &Path) -> Result<Self, JudgeTemplateError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| JudgeTemplateError::Read { path: path.to_owned(), source })?;
        let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        match path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml")) {
            true => Self::from_toml(method, &text, &stem),
            false => Self::from_text(method, &text, &stem),
        }
    }

    /// A template whose prompt is this text.
    ///
    /// # Errors
    /// As [`JudgeTemplate::read`].
    pub fn from_text(method: JudgeMethod, text: &str, name: &str) -> Result<Self, JudgeTemplateError> {
        let file = File { name: None, system: None, rubric: None, prompt: Some(text.to_owned()) };
        Self::of_file(method, file, name)
    }

    /// A template as TOML; `name` is what it is called unless it says so itself.
    ///
    /// # Errors
    /// As [`JudgeTemplate::read`].
    pub fn from_toml(method: JudgeMethod, text: &str, name: &str) -> Result<Self, JudgeTemplateError> {
        let file: File = toml::from_str(text).map_err(|source| JudgeTemplateError::Syntax {
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        Self::of_file(method, file, name)
    }

    fn of_file(method: JudgeMethod, file: File, name: &str) -> Result<Self, JudgeTemplateError> {
        let named = file.name.filter(|name| !name.trim().is_empty());
        let own = match method {
            JudgeMethod::Rubric => SCORE,
            JudgeMethod::Pairwise => COMPARE,
        };
        let text = file.prompt.as_deref().unwrap_or(own);
        // Braces in the meaning of points are text.
        let rubric = file.rubric.as_deref().unwrap_or(RUBRIC).trim().replace('{', "{{").replace('}', "}}");
        let text = text.replace("{rubric}", &rubric);
        let prompt = JudgePrompt { name: named.unwrap_or_else(|| name.to_owned()), text };
        let parts = parsed(method, &prompt)?;
        Ok(Self { method, prompt, system: file.system, parts })
    }

    /// What it is for.
    pub const fn method(&self) -> JudgeMethod {
        self.method
    }

    /// Its name and its text, as a judging records them.
    pub const fn prompt(&self) -> &JudgePrompt {
        &self.prompt
    }

    /// What stands before the prompt where the model has a place for that.
    pub fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    /// Whether it names the reference.
    pub(super) fn wants_reference(&self) -> bool {
        self.parts.contains(&Part::Place(Place::Reference))
    }

    /// Whether it names the sample's input.
    pub(super) fn wants_input(&self) -> bool {
        self.parts.contains(&Part::Place(Place::Input))
    }

    /// The text that the judge reads. What fills a place is never read as a template itself.
    pub(super) fn fill(&self, filling: &Filling<'_>) -> String {
        let mut out = String::new();
        for part in &self.parts {
            out.push_str(match part {
                Part::Text(text) => text,
                Part::Place(Place::Input) => filling.input,
                Part::Place(Place::Reference) => filling.reference,
                Part::Place(Place::Answer | Place::AnswerA) => filling.first,
                Part::Place(Place::AnswerB) => filling.second,
            });
        }
        out
    }
}

fn parsed(method: JudgeMethod, prompt: &JudgePrompt) -> Result<Vec<Part>, JudgeTemplateError> {
    let name = || prompt.name.clone();
    let lone = || JudgeTemplateError::LoneBrace { name: name() };
    let known = Place::of(method);
    let (mut parts, mut text) = (Vec::new(), String::new());
    let mut rest = prompt.text.as_str();
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            text.push_str(&from[..1]);
            rest = after;
            continue;
        }
        let (inner, after) = from.strip_prefix('{').and_then(|from| from.split_once('}')).ok_or_else(lone)?;
        let unknown = || JudgeTemplateError::UnknownPlace {
            name: name(),
            found: inner.chars().take(40).collect(),
            method: method.id(),
            known: known.iter().map(|place| format!("{{{}}}", place.name())).collect::<Vec<_>>().join(", "),
        };
        let place = known.iter().find(|place| place.name() == inner).ok_or_else(unknown)?;
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut text)));
        }
        parts.push(Part::Place(*place));
        rest = after;
    }
    text.push_str(rest);
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    let answers = known.iter().filter(|place| !matches!(place, Place::Input | Place::Reference));
    for place in answers {
        if !parts.contains(&Part::Place(*place)) {
            return Err(JudgeTemplateError::NoAnswer { name: name(), place: place.name() });
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILLING: Filling<'_> =
        Filling { input: "IN {answer}", reference: "REF", first: "ONE {reference}", second: "TWO" };

    #[test]
    fn the_programs_own_wordings_name_all_there_is() {
        for method in JudgeMethod::ALL {
            let template = JudgeTemplate::built_in(method);
            assert!(template.wants_input() && template.wants_reference(), "{method:?}");
            let text = template.fill(&FILLING);
            assert!(text.contains("IN {answer}") && text.contains("REF") && text.contains("ONE {reference}"));
            assert_eq!(text.contains("TWO"), method == JudgeMethod::Pairwise);
            assert!(!text.contains("{rubric}"), "{text}");
            // The same as a file that says nothing.
            let file = JudgeTemplate::from_toml(method, "", JudgeTemplate::BUILT_IN).unwrap();
            assert_eq!(file, template);
        }
    }

    #[test]
    fn files_change_the_words_or_the_rubric_alone() {
        let text = "{{json}} {answer}!";
        let template = JudgeTemplate::from_text(JudgeMethod::Rubric, text, "short").unwrap();
        assert_eq!(template.fill(&FILLING), "{json} ONE {reference}!");
        assert!(!template.wants_input() && template.prompt().name == "short");
        let toml = "name = 'mine'\nsystem = 'Be strict.'\nrubric = '5: {perfect}'";
        let template = JudgeTemplate::from_toml(JudgeMethod::Rubric, toml, "file").unwrap();
        assert!(template.fill(&FILLING).contains("5: {perfect}\n\nTask:"));
        assert_eq!((template.prompt().name.as_str(), template.system()), ("mine", Some("Be strict.")));
    }

    #[test]
    fn what_a_template_lacks_is_said() {
        let error = |method, text: &str| JudgeTemplate::from_text(method, text, "t").unwrap_err().to_string();
        let said = error(JudgeMethod::Rubric, "{answr}");
        assert!(said.contains("{answr}") && said.contains("{input}, {reference}, {answer}"), "{said}");
        assert!(error(JudgeMethod::Rubric, "{input}").contains("no {answer}"));
        assert!(error(JudgeMethod::Pairwise, "{answer_a}").contains("no {answer_b}"));
        assert!(error(JudgeMethod::Rubric, "{answer} }").contains("doubled"));
        assert!(error(JudgeMethod::Rubric, "{answer} {").contains("doubled"));
        let said = JudgeTemplate::from_toml(JudgeMethod::Rubric, "promt = ''", "f").unwrap_err();
        assert!(said.to_string().contains("promt"), "{said}");
        assert!(JudgeTemplate::read(JudgeMethod::Rubric, Path::new("/no/such.txt")).is_err());
    }
}
