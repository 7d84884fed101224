//! A judge's text to what it says. Strict: what is not clear is no verdict, and is counted as such.
//!
//! Points are read from the last `Score:` in the text, or from a last line that is a number alone; a preference from the last
//! `Verdict:` (also `Winner:` and `Better answer:`), from the last `[[A]]`, `[[B]]`, `[[C]]` or `[[tie]]`, or from a last line that is `A`,
//! `B` or `tie` alone. Stars, quotes, brackets and full stops around a word are nothing. A mark that is followed by something
//! else, such as `Score: 3 or 4`, makes the text unclear, whatever stands before it.

use crate::record::{JudgeMethod, Reading};

/// What a judge's text says; `None` where that is not clear.
pub(super) fn read(method: JudgeMethod, text: &str) -> Option<Reading> {
    let text = without_thoughts(text)?;
    match method {
        JudgeMethod::Rubric => points(text),
        JudgeMethod::Pairwise => preference(text),
    }
}

/// What follows a reasoning model's thoughts; `None` where they have no end.
fn without_thoughts(text: &str) -> Option<&str> {
    match text.rsplit_once("</think>") {
        Some((_, after)) => Some(after),
        None if text.contains("<think>") => None,
        None => Some(text),
    }
}

fn points(text: &str) -> Option<Reading> {
    match after_mark(text, &["score", "points", "rating"]) {
        Some(value) => points_alone(value),
        None => points_alone(last_line(text)?),
    }
}

/// `4`, `4/5`, `4 out of 5`.
fn points_alone(text: &str) -> Option<Reading> {
    let text = bare(text).to_lowercase();
    let number = ["/5", "/ 5", "out of 5"].iter().find_map(|end| text.strip_suffix(end)).unwrap_or(&text);
    match bare(number) {
        "1" | "1.0" => Some(Reading::Points(1)),
        "2" | "2.0" => Some(Reading::Points(2)),
        "3" | "3.0" => Some(Reading::Points(3)),
        "4" | "4.0" => Some(Reading::Points(4)),
        "5" | "5.0" => Some(Reading::Points(5)),
        _ => None,
    }
}

fn preference(text: &str) -> Option<Reading> {
    if let Some(value) = after_mark(text, &["verdict", "winner", "better answer"]) {
        return preferred_alone(value);
    }
    if let Some((_, after)) = text.rsplit_once("[[") {
        return match after.split_once("]]")?.0.trim().to_lowercase().as_str() {
            "c" => Some(Reading::Tie),
            word => preferred_alone(word),
        };
    }
    preferred_alone(last_line(text)?)
}

fn preferred_alone(text: &str) -> Option<Reading> {
    let text = bare(text).to_lowercase();
    match bare(text.strip_prefix("answer ").unwrap_or(&text)) {
        "a" => Some(Reading::A),
        "b" => Some(Reading::B),
        "tie" | "a tie" | "neither" | "equal" => Some(Reading::Tie),
        _ => None,
    }
}

/// What stands in the same line behind the last of these words with a colon or an equals sign; where that line ends there, in the
/// next line with something. `None` where no such word stands.
fn after_mark<'a>(text: &'a str, marks: &[&str]) -> Option<&'a str> {
    let mut found = None;
    for (at, _) in text.match_indices([':', '=']) {
        let before = text[..at].trim_end_matches(['*', '_', ' ', '"', '`']);
        let is_mark = marks.iter().any(|mark| {
            let Some(start) = before.len().checked_sub(mark.len()) else { return false };
            // Marks are ASCII, so that bytes are compared.
            before.as_bytes()[start..].eq_ignore_ascii_case(mark.as_bytes())
                && before[..start].chars().next_back().is_none_or(|before| !before.is_alphanumeric())
        });
        if is_mark {
            found = Some(&text[at + 1..]);
        }
    }
    let rest = found?;
    let mut lines = rest.lines().filter(|line| !bare(line).is_empty());
    Some(lines.next().unwrap_or_default())
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().rev().find(|line| !bare(line).is_empty())
}

/// Without what stands around words and means nothing.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| {
        c.is_whitespace()
            || matches!(c, '*' | '_' | '"' | '\'' | '`' | '.' | '[' | ']' | '(' | ')' | '“' | '”' | '}' | '{')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_where_they_are_clear() {
        for (text, wanted) in [
            ("Close to the reference.\nScore: 4", Some(4)),
            ("**Score:** 4", Some(4)),
            ("Score: **4**.", Some(4)),
            ("score = 2", Some(2)),
            ("Score: 4/5", Some(4)),
            ("Score: 4 out of 5", Some(4)),
            ("Score:\n\n5", Some(5)),
            ("Score: 2\nOn reflection:\nScore: 3", Some(3)),
            ("{\"score\": 3}", Some(3)),
            ("4", Some(4)),
            ("It is good.\n\n4.", Some(4)),
            ("<think>Score: 1</think>Score: 5", Some(5)),
            ("Rating: 1", Some(1)),
            // Not clear.
            ("Score: 6", None),
            ("Score: 0", None),
            ("Score: 3 or 4", None),
            ("Score: 3-4", None),
            ("Score: 3.5", None),
            ("Score: 45", None),
            ("Score: good", None),
            ("Score: 4\nBetter:\nScore: hard to say", None),
            ("It has 4 faults.", None),
            ("I cannot judge this.", None),
            ("<think>Score: 4", None),
            ("underscore: 4", None),
            ("", None),
        ] {
            assert_eq!(read(JudgeMethod::Rubric, text), wanted.map(Reading::Points), "{text:?}");
        }
    }

    #[test]
    fn preferences_are_read_where_they_are_clear() {
        for (text, wanted) in [
            ("A is closer.\nVerdict: A", Some(Reading::A)),
            ("**Verdict: B**", Some(Reading::B)),
            ("Verdict: tie", Some(Reading::Tie)),
            ("Verdict: Answer A.", Some(Reading::A)),
            ("Winner: \"B\"", Some(Reading::B)),
            ("My final verdict is: [[A]]", Some(Reading::A)),
            ("[[C]]", Some(Reading::Tie)),
            ("[[Tie]]", Some(Reading::Tie)),
            ("Both are fine.\ntie", Some(Reading::Tie)),
            ("B", Some(Reading::B)),
            ("Verdict: A\nNo:\nVerdict: B", Some(Reading::B)),
            // Not clear.
            ("Verdict: A or B", None),
            ("Verdict: both are good", None),
            ("A good answer is hard to find", None),
            ("I prefer the first one.", None),
            ("[[D]]", None),
            ("Verdict:", None),
            ("", None),
        ] {
            assert_eq!(read(JudgeMethod::Pairwise, text), wanted, "{text:?}");
        }
    }

    #[test]
    fn any_text_is_read_without_harm() {
        for text in ["é:ü", ":", "=", "[[", "]][[", "💡score:💡", "Score:\u{202e}4", "\0"] {
            let _ = read(JudgeMethod::Rubric, text);
            let _ = read(JudgeMethod::Pairwise, text);
        }
    }
}
