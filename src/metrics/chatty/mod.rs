//! Answers of models that talk around them: [`Parsing::Chatty`](super::Parsing::Chatty).
//!
//! What is no answer at all goes first, for every task:
//!
//! - reasoning: `<think>…</think>` and its like (see [`REASONING`]). An opening tag without its closing one takes all that
//!   follows with it, a closing one without its opening one all that stands before it;
//! - what a server left of the model's format (see [`FORMAT`]): such a mark ends the text;
//! - lines that begin or end a code fence; all around `<answer>…</answer>`; a JSON object around its member `answer`, or around
//!   its only one.
//!
//! Then each kind of task has rules of its own: [`label`], [`rating`], [`text`]. Labels and ratings are looked for in three
//! places: in the first line, where that is nothing but an answer; after the first `Answer:`, `answer is` or the like; and in
//! the whole text. In each the first one counts. What a sentence means is not understood: "not [1]" reads as `[1]`.
//!
//! Whatever the official rules read as a label is read as the same label, and as a rating from 1 to 5 as the same rating.

mod label;
mod rating;
mod text;

use super::answer::{Answer, Prediction};
use crate::lamp::{Task, TaskKind, is_python_space};

/// Tags around reasoning, in angle or square brackets, in any case.
const REASONING: &[&str] = &["think", "thinking", "thought", "reasoning", "reflection", "seed:think"];

/// Marks of models' formats that some servers leave in the text.
const FORMAT: &[&str] = &[
    "<|im_end|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|end|>",
    "<|return|>",
    "<end_of_turn>",
    "</s>",
    "<eos>",
];

/// Where a model that writes in channels begins its answer.
const FINAL_CHANNEL: &str = "<|channel|>final<|message|>";

/// Signs that stand around an answer without being of it.
const AROUND: &[char] = &[
    '"', '\'', '`', '*', '_', '#', '>', '-', '•', '“', '”', '„', '‘', '’', '«', '»', '「', '」', '『', '』',
    '(', ')', '{', '}', '.', ',', ':', ';', '!', '。', '，', '：', '！', '\\', '<',
];

/// Reads a model's text for a task.
pub(super) fn read(task: Task, raw: &str) -> Prediction {
    let said = without_format(&without_reasoning(raw));
    let said = unwrapped(strip(&without_fences(&said)));
    let said = strip(&said);
    match task.kind() {
        TaskKind::Classification => {
            let found = label::read(task, said);
            let name = found.and_then(|at| task.labels().get(usize::from(at)));
            Prediction {
                text: name.map_or_else(|| said.to_owned(), |name| (*name).to_owned()),
                answer: Answer::Label(found),
            }
        }
        TaskKind::Rating => {
            let found = rating::read(said);
            Prediction {
                text: found.map_or_else(|| said.to_owned(), |rating| rating.to_string()),
                answer: Answer::Rating(found),
            }
        }
        TaskKind::Generation => Prediction { text: text::read(task, said), answer: Answer::Text },
    }
}

/// Without white space and marks of no width at the ends.
fn strip(text: &str) -> &str {
    text.trim_matches(|c| is_python_space(c) || matches!(c, '\u{feff}' | '\u{200b}' | '\u{2060}'))
}

/// Whether a letter or digit makes one word with those beside it. Scripts that are written without spaces do not: `答案是4分`.
fn joins(c: char) -> bool {
    let unspaced = matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}');
    c.is_alphanumeric() && !unspaced
}

/// Whether a word may begin here: no letter or digit before it, nor one with a hyphen or an apostrophe between.
fn word_begins(text: &str, at: usize) -> bool {
    let mut before = text.get(..at).unwrap_or_default().chars().rev();
    word_ends_at(&mut before)
}

/// Whether a word may end here.
fn word_ends(text: &str, at: usize) -> bool {
    let mut after = text.get(at..).unwrap_or_default().chars();
    word_ends_at(&mut after)
}

fn word_ends_at(beside: &mut dyn Iterator<Item = char>) -> bool {
    match beside.next() {
        Some('-' | '\'' | '’' | '_' | '\u{2011}') => !beside.next().is_some_and(joins),
        Some(c) => !joins(c),
        None => true,
    }
}

/// The first line that is not blank, without signs around it.
fn bare_line(text: &str) -> &str {
    let line = text.lines().map(strip).find(|line| !line.is_empty()).unwrap_or_default();
    line.trim_matches(|c| is_python_space(c) || AROUND.contains(&c))
}

/// What follows the first of some words where a colon, an equals sign or `is` stands after it, or the first `\boxed`. The text is
/// in lower case.
fn after_marker<'t>(text: &'t str, words: &[&str]) -> Option<&'t str> {
    let mut first: Option<usize> = text.find("\\boxed{").map(|at| at + "\\boxed{".len());
    for word in words {
        let mut ends = text.match_indices(word).filter_map(|(at, _)| {
            let end = at + word.len();
            (word_begins(text, at) && word_ends(text, end)).then_some(())?;
            let rest = text.get(end..)?;
            let rest = rest.trim_start_matches([' ', '*', '_', '"', '\'', '`']);
            let marked =
                [":", "：", "=", "is ", "is:", "is\n"].iter().find_map(|mark| rest.strip_prefix(mark))?;
            Some(text.len() - marked.len())
        });
        if let Some(end) = ends.next() {
            first = Some(first.map_or(end, |first| first.min(end)));
        }
    }
    text.get(first?..)
}

/// The text outside of reasoning.
fn without_reasoning(raw: &str) -> String {
    let raw = match raw.rfind(FINAL_CHANNEL) {
        Some(at) => raw.get(at + FINAL_CHANNEL.len()..).unwrap_or_default(),
        None if raw.contains("<|channel|>analysis") => "",
        None => raw,
    };
    let mut out = String::new();
    let (mut from, mut inside) = (0, false);
    for (at, _) in raw.match_indices(['<', '[']) {
        let Some((opens, length)) = raw.get(at..).and_then(reasoning_tag) else { continue };
        match (inside, opens) {
            (false, true) => out.push_str(raw.get(from..at).unwrap_or_default()),
            (false, false) => out.clear(),
            _ => {}
        }
        inside = opens;
        from = at + length;
    }
    if !inside {
        out.push_str(raw.get(from..).unwrap_or_default());
    }
    out
}

/// Whether a text begins with a tag of reasoning: whether it opens, and its length.
fn reasoning_tag(text: &str) -> Option<(bool, usize)> {
    let close = if text.starts_with('[') { ']' } else { '>' };
    let inner = text.get(1..)?;
    // No tag is longer than its longest name.
    let end = inner.bytes().take(16).position(|byte| byte == close as u8)?;
    let name = inner.get(..end)?;
    let plain = name.strip_prefix('/').unwrap_or(name);
    let known = REASONING.iter().any(|known| known.eq_ignore_ascii_case(plain));
    known.then_some((plain.len() == name.len(), end + 2))
}

/// The text up to the first mark of a model's format, those before any text left out.
fn without_format(text: &str) -> String {
    let mut text = strip(text);
    while let Some(rest) = FORMAT.iter().chain(&["<s>", "<bos>"]).find_map(|mark| text.strip_prefix(mark)) {
        text = strip(rest);
    }
    let end = FORMAT.iter().filter_map(|mark| text.find(mark)).min();
    text.get(..end.unwrap_or(text.len())).unwrap_or_default().to_owned()
}

/// The text without the lines that begin or end a code fence.
fn without_fences(text: &str) -> String {
    let fence = |line: &&str| {
        let line = strip(line);
        ["```", "~~~"].iter().any(|fence| {
            line.strip_prefix(fence).is_some_and(|info| !info.contains(['`', '~', ' ']) && info.len() < 20)
        })
    };
    let lines: Vec<&str> = text.lines().filter(|line| !fence(line)).collect();
    lines.join("\n")
}

/// What stands in `<answer>…</answer>`, or in a JSON object's member; otherwise the text itself.
fn unwrapped(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    if let Some(start) = lower.find("<answer>").map(|at| at + "<answer>".len()) {
        let end =
            lower.get(start..).and_then(|rest| rest.find("</answer>")).map_or(lower.len(), |at| start + at);
        let inner = strip(text.get(start..end).unwrap_or_default());
        if !inner.is_empty() {
            return inner.to_owned();
        }
    }
    json_member(text).unwrap_or_else(|| text.to_owned())
}

/// A JSON object's member `answer`, or its only one, where that is a text or a number.
fn json_member(text: &str) -> Option<String> {
    if !text.starts_with('{') || !text.ends_with('}') {
        return None;
    }
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    let named = object.iter().find(|(name, _)| name.eq_ignore_ascii_case("answer"));
    let (_, value) = named.or_else(|| object.iter().next().filter(|_| object.len() == 1))?;
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
