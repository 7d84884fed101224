//! Which template the experiment names for a task, how its text is colored, and what is wrong with it.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::lamp::Task;
use crate::prompt::{Preset, Template, TemplateError};
use crate::run::experiment::Templates;

/// The template that an experiment names for a task: a preset's name or a file.
pub(super) fn of(templates: &Templates, task: Task) -> &str {
    match templates {
        Templates::All(name) => name,
        Templates::PerTask(all) => all.get(&task).map_or(Preset::Official.id(), String::as_str),
    }
}

/// Names another one for a task; those of the others stay. A file words one task alone, so one that stood for all tasks is
/// left out for the others.
pub(super) fn assign(templates: &Templates, task: Task, name: &str) -> Templates {
    let mut all: BTreeMap<Task, String> = match templates {
        Templates::PerTask(all) => all.clone(),
        Templates::All(name) if name.parse::<Preset>().is_ok() => {
            Task::ALL.into_iter().map(|task| (task, name.clone())).collect()
        }
        Templates::All(_) => BTreeMap::new(),
    };
    all.insert(task, name.to_owned());
    let has_own = |task: Task, name: &str| {
        name.parse().map_or(true, |preset: Preset| {
            preset != Preset::Official && Template::preset(task, preset).is_some()
        })
    };
    all.retain(|task, name| has_own(*task, name));
    if all.is_empty() { Templates::default() } else { Templates::PerTask(all) }
}

/// What is wrong with a template in the editor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The line, from 1.
    pub(super) line: Option<usize>,
    /// What, and what is known.
    pub(super) words: String,
}

/// Checks a text as a template for a task.
pub(super) fn check(text: &str, task: Task) -> Result<(), Fault> {
    match Template::from_toml(text, "editor") {
        Ok(template) if template.task() == task => Ok(()),
        Ok(template) => {
            let words = format!(
                "This template is for {}, and the sample is of {task}. Write task = \"{task}\", or choose a sample of {}.",
                template.task(),
                template.task()
            );
            Err(Fault { line: line_of_key(text, "task"), words })
        }
        Err(TemplateError::Invalid { place, problem }) => {
            Err(Fault { line: place.line, words: format!("{}: {problem}", place.key) })
        }
        Err(TemplateError::Syntax { source, .. }) => {
            let start = source.span().map(|span| span.start);
            let line = start.and_then(|start| Some(1 + text.get(..start)?.matches('\n').count()));
            Err(Fault { line, words: source.message().to_owned() })
        }
        Err(error) => Err(Fault { line: None, words: error.to_string() }),
    }
}

fn line_of_key(text: &str, key: &str) -> Option<usize> {
    text.lines().position(|line| key_of(line) == Some(key)).map(|at| at + 1)
}

/// The key that a line gives a value to.
fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    (!key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))).then_some(key)
}

/// The placeholders of entries, as the task's files name the fields.
pub(super) fn entry_fields(task: Task) -> Vec<&'static str> {
    let named = [Some(task.text_field()), task.title_field(), task.label_field(), Some("date"), Some("id")];
    named.into_iter().flatten().collect()
}

/// The placeholders of the whole.
pub(super) const WHOLE: [&str; 2] = ["profile", "input"];

/// How a piece of a template's text is colored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Comment,
    Key,
    Placeholder,
    Unknown,
}

/// The text in pieces by color; together they are the whole text.
pub(super) fn inks(text: &str, task: Task) -> Vec<(Range<usize>, Ink)> {
    let fields = entry_fields(task);
    let mut pieces: Vec<(Range<usize>, Ink)> = Vec::new();
    let mut at = 0;
    let mut key = "";
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        if line.trim_start().starts_with('#') {
            pieces.push((at..end, Ink::Comment));
            at = end;
            continue;
        }
        let mut from = at;
        if let Some(found) = key_of(line) {
            key = found;
            from = at + line.find('=').unwrap_or(0);
            pieces.push((at..from, Ink::Key));
        } else if line.trim_start().starts_with('[') {
            key = "";
        }
        let known: &[&str] = match key {
            "entry" | "entry_text" => &fields,
            "aggregate" => &WHOLE,
            _ => &[],
        };
        let worded = !known.is_empty();
        while let Some((open, close)) = worded.then(|| placeholder(text, from..end)).flatten() {
            let name = &text[open + 1..close - 1];
            pieces.push((from..open, Ink::Plain));
            let ink = if known.contains(&name) { Ink::Placeholder } else { Ink::Unknown };
            pieces.push((open..close, ink));
            from = close;
        }
        pieces.push((from..end, Ink::Plain));
        at = end;
    }
    pieces.retain(|(range, _)| !range.is_empty());
    pieces
}

/// The next `{name}` within a range; doubled braces stand for themselves.
fn placeholder(text: &str, range: Range<usize>) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut at = range.start;
    while at < range.end {
        match bytes[at] {
            b'{' | b'}' if at + 1 < range.end && bytes[at + 1] == bytes[at] => at += 2,
            b'{' => {
                let close = text[at..range.end].find('}')?;
                return Some((at, at + close + 1));
            }
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_template_for_one_task_leaves_the_others() {
        let official = Templates::default();
        let own = assign(&official, Task::Lamp4, "/x/mine.toml");
        assert_eq!((of(&own, Task::Lamp4), of(&own, Task::Lamp5)), ("/x/mine.toml", "official"));
        assert_eq!(assign(&own, Task::Lamp4, "official"), official);
        let paper = assign(&Templates::All("paper".to_owned()), Task::Lamp4, "/x/mine.toml");
        assert_eq!((of(&paper, Task::Lamp5), of(&paper, Task::Lamp3)), ("paper", "official"));
        let file = assign(&Templates::All("/x/five.toml".to_owned()), Task::Lamp4, "official");
        assert_eq!(file, official);
    }

    #[test]
    fn colors_cover_the_text_and_find_what_is_unknown() {
        let text = "# {title}\nentry = '{{x}} {title} {txt}'\naggregate = \"{profile}{input}\"\nname = \"{title}\"\njoiner = \"\u{e9}{\"";
        let pieces = inks(text, Task::Lamp4);
        let whole: String = pieces.iter().map(|(range, _)| &text[range.clone()]).collect();
        assert_eq!(whole, text);
        let with = |ink: Ink| -> Vec<&str> {
            pieces.iter().filter(|(_, other)| *other == ink).map(|(range, _)| &text[range.clone()]).collect()
        };
        assert_eq!(with(Ink::Placeholder), ["{title}", "{profile}", "{input}"]);
        assert_eq!(with(Ink::Unknown), ["{txt}"]);
        assert_eq!(with(Ink::Comment), ["# {title}\n"]);
    }

    #[test]
    fn faults_name_their_line_and_what_is_known() {
        let sound = Template::preset(Task::Lamp4, Preset::Official).unwrap().to_toml().unwrap();
        assert_eq!(check(&sound, Task::Lamp4), Ok(()));
        let fault = check(
            &sound.replace("for \\\"{text}\\\"", "for {txt}").replace("{text}\" '", "{txt}\" '"),
            Task::Lamp4,
        );
        let fault = fault.unwrap_err();
        assert!(fault.line.is_some() && fault.words.contains("{text}"), "{fault:?}");
        assert!(check(&sound, Task::Lamp3).unwrap_err().words.contains("LaMP-4"));
        assert_eq!(check("name = ", Task::Lamp4).unwrap_err().line, Some(1));
    }
}
