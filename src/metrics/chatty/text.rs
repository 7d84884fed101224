//! The first line of a text that is generated.
//!
//! Lines before it that only introduce it are passed over: those that end in a colon, and such as `Sure!`. At the line's own
//! beginning go a list's or heading's sign, `Answer:`, the same with a word for what the task asks for (`Headline:`, `Suggested
//! title:`), and `Here is …:` where one of these words stands before the colon. Then emphasis and quotes around all of it, and an opening
//! quote that nothing closes. A colon that is the answer's own stays: `Here's Why: A Guide` is a headline.

use super::{json_member, strip};
use crate::lamp::Task;

/// Words that may stand with one of [`nouns`] before a colon.
const MODIFIERS: &[&str] = &[
    "the",
    "a",
    "an",
    "my",
    "your",
    "final",
    "suggested",
    "possible",
    "generated",
    "proposed",
    "new",
    "news",
    "article",
    "paper",
    "scholarly",
    "email",
    "e-mail",
    "line",
    "paraphrased",
    "rephrased",
    "rewritten",
    "is",
];

/// Lines that say nothing.
const POLITE: &[&str] =
    &["sure", "sure thing", "certainly", "of course", "absolutely", "okay", "ok", "yes", "got it", "great"];

/// Openings and closings of quotes and emphasis.
const PAIRS: &[(&str, &str)] = &[
    ("**", "**"),
    ("__", "__"),
    ("```", "```"),
    ("\"", "\""),
    ("“", "”"),
    ("”", "”"),
    ("„", "“"),
    ("'", "'"),
    ("‘", "’"),
    ("«", "»"),
    ("「", "」"),
    ("『", "』"),
    ("`", "`"),
    ("*", "*"),
    ("_", "_"),
];

/// What the task asks for, in words that name it.
const fn nouns(task: Task) -> &'static [&'static str] {
    match task {
        Task::Lamp4 => &["answer", "headline", "title"],
        Task::Lamp5 => &["answer", "title"],
        Task::Lamp6 => &["answer", "subject", "title"],
        _ => &["answer", "tweet", "paraphrase", "paraphrased", "rephrased", "version", "rewrite"],
    }
}

/// The answer.
pub(super) fn read(task: Task, said: &str) -> String {
    let mut rest = said;
    let mut line = "";
    while !rest.is_empty() {
        if let Some(value) = json_member(rest) {
            let line = value.lines().map(strip).find(|line| !line.is_empty());
            return cleaned(task, line.unwrap_or_default());
        }
        let (first, after) = rest.split_once('\n').unwrap_or((rest, ""));
        (line, rest) = (strip(first), strip(after));
        if rest.is_empty() || !introduces(line) {
            break;
        }
    }
    cleaned(task, item(line, said))
}

/// Whether a line is there for the one after it.
fn introduces(line: &str) -> bool {
    let bare = line.trim_end_matches(['*', '_', ' ']);
    let plain = bare.trim_end_matches(['!', '.', ',']).to_lowercase();
    bare.ends_with([':', '：'])
        || POLITE.contains(&plain.as_str())
        || line.chars().all(|c| "-*_=#> ".contains(c))
}

/// A line without the sign of a heading or a list; a number is one where the text goes on with the next.
fn item<'l>(line: &'l str, said: &str) -> &'l str {
    let mut line = line;
    while let Some(rest) = ["- ", "* ", "• ", "> "].iter().find_map(|sign| line.strip_prefix(sign)) {
        line = strip(rest);
    }
    let heading = line.trim_start_matches('#');
    if heading.len() < line.len() && heading.starts_with(' ') {
        line = strip(heading);
    }
    for (one, two) in [("1. ", "2. "), ("1) ", "2) ")] {
        if let Some(rest) = line.strip_prefix(one)
            && said.lines().any(|line| strip(line).trim_start_matches('*').starts_with(two))
        {
            line = strip(rest);
        }
    }
    line
}

/// A line without what stands before and around the answer.
fn cleaned(task: Task, line: &str) -> String {
    let mut line = line;
    // Each turn makes it shorter; nobody nests deeper.
    for _ in 0..6 {
        let next = after_lead(task, unquoted(line));
        if next.len() == line.len() {
            break;
        }
        line = next;
    }
    line.to_owned()
}

/// What follows `Answer:`, `Here is a headline:` and the like.
fn after_lead(task: Task, line: &str) -> &str {
    let Some((at, colon)) = line.char_indices().take(80).find(|(_, c)| matches!(c, ':' | '：')) else {
        return line;
    };
    let (before, after) =
        (line.get(..at).unwrap_or_default(), line.get(at + colon.len_utf8()..).unwrap_or_default());
    let emphasis = ["**", "__", "*", "_", "`"].iter().find(|sign| before.starts_with(*sign));
    let words: Vec<String> = before
        .to_lowercase()
        .replace('’', "'")
        .split(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '-'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let noun = |word: &String| nouns(task).contains(&word.as_str());
    let leads = |words: &[String]| {
        let mut words = words.iter().map(String::as_str);
        matches!((words.next(), words.next()), (Some("here's"), _) | (Some("here"), Some("is" | "are")))
    };
    let named = |words: &[String]| {
        words.len() <= 6 && words.iter().all(|word| noun(word) || MODIFIERS.contains(&word.as_str()))
    };
    // After none, one or two polite words.
    let introduces = (0..=2).any(|count| {
        let (polite, words) = words.split_at(words.len().min(count));
        (count == 0 || POLITE.contains(&polite.join(" ").as_str())) && (leads(words) || named(words))
    });
    if !introduces || !words.iter().any(noun) {
        return line;
    }
    let after = strip(after);
    // `**Answer:** text`: the emphasis of what was left out.
    let closing = emphasis.filter(|sign| !before.ends_with(**sign));
    strip(closing.and_then(|sign| after.strip_prefix(*sign)).unwrap_or(after))
}

/// A line without the quotes or the emphasis around all of it.
fn unquoted(line: &str) -> &str {
    for (open, close) in PAIRS {
        let Some(rest) = line.strip_prefix(open) else { continue };
        if let Some(inner) = rest.strip_suffix(close)
            && !holds(inner, open)
            && !holds(inner, close)
        {
            return strip(inner);
        }
        if matches!(*open, "\"" | "“") && !rest.contains(['"', '”']) {
            return strip(rest);
        }
    }
    line
}

/// Whether a text has a quote in it; an apostrophe within a word is none.
fn holds(text: &str, quote: &str) -> bool {
    text.match_indices(quote).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default().chars().next_back();
        let after = text.get(at + quote.len()..).unwrap_or_default().chars().next();
        let apostrophe = matches!(quote, "'" | "’");
        !(apostrophe && before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric))
    })
}
