//! The first label in a text.
//!
//! Case does not matter, nor which of spaces, hyphens and underscores part a label's words; `and` stands for `&`. A label is a
//! word by itself: `action-packed`, `women's` and `[12]` hold none. Of labels that begin at one place the longest counts.
//! For citations a bare 1 or 2 counts too where it is all there is, or where a word such as `option` or `reference` stands before it.

use super::{after_marker, bare_line, joins, word_begins, word_ends};
use crate::lamp::Task;
use crate::metrics::answer::decimal_digit;

/// Words after which a label stands, with a colon or `is` between.
const MARKERS: &[&str] = &["answer", "label", "category", "tag", "genre", "choice"];

/// Words before a bare number that stands for a citation.
const NUMBERED: &[&str] =
    &["option", "reference", "ref", "paper", "title", "choice", "candidate", "number", "no"];

/// The place of the label in the task's list.
pub(super) fn read(task: Task, said: &str) -> Option<u8> {
    let said = said.to_ascii_lowercase();
    let first = |text: &str| match task {
        Task::Lamp1 => bracketed(text).or_else(|| numbered(text)),
        _ => named(task, text).map(|(label, _)| label),
    };
    let alone = bare_line(&said);
    let alone = match task {
        Task::Lamp1 => bracketed(alone).filter(|_| alone.chars().count() == 3),
        _ => named(task, alone).filter(|(_, length)| *length == alone.len()).map(|(label, _)| label),
    };
    alone.or_else(|| after_marker(&said, MARKERS).and_then(first)).or_else(|| first(&said))
}

/// The first label's place in the list, and where it ends.
fn named(task: Task, text: &str) -> Option<(u8, usize)> {
    for (at, _) in text.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()) {
        if !word_begins(text, at) {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        let matching = task.labels().iter().enumerate().filter_map(|(place, label)| {
            let end = at + label_length(rest, label)?;
            word_ends(text, end).then_some((end, place))
        });
        if let Some((end, place)) = matching.max() {
            return Some((place as u8, end));
        }
    }
    None
}

/// How much of a text's beginning is the label, if it begins with it.
fn label_length(text: &str, label: &str) -> Option<usize> {
    let mut rest = text;
    for (number, part) in label.split([' ', '-']).enumerate() {
        let next =
            rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '_' | '\u{2011}'));
        if part == "&" {
            rest = ["&amp;", "&", "and"].iter().find_map(|sign| next.strip_prefix(sign))?;
            continue;
        }
        // Words are parted by something, if only by the sign between them.
        if number > 0
            && next.len() == rest.len()
            && !text.get(..text.len() - rest.len())?.ends_with(['&', ';'])
        {
            return None;
        }
        rest = if number == 0 { rest } else { next }.strip_prefix(part)?;
    }
    Some(text.len() - rest.len())
}

/// The first `[1]` or `[2]`, in brackets and digits of any script, with spaces or a backslash within.
fn bracketed(text: &str) -> Option<u8> {
    text.match_indices(['[', '［', '【']).find_map(|(at, bracket)| {
        let inner = text.get(at + bracket.len()..)?.trim_start();
        let mut letters = inner.chars();
        let label = citation(letters.next()?)?;
        let rest = letters.as_str().trim_start();
        rest.strip_prefix('\\').unwrap_or(rest).starts_with([']', '］', '】']).then_some(label)
    })
}

/// A 1 or 2 that is all of the first line, or that a word before it makes a citation.
fn numbered(text: &str) -> Option<u8> {
    let line = bare_line(text);
    let mut letters = line.chars();
    let alone = letters.next().and_then(citation).filter(|_| letters.next().is_none());
    alone.or_else(|| {
        text.char_indices().find_map(|(at, c)| {
            let label = citation(c)?;
            let (before, after) = (text.get(..at)?, text.get(at + c.len_utf8()..)?);
            let word = before.trim_end_matches([' ', '#', ':', '(', '*']);
            let parted = word.len() < before.len() && !after.starts_with(|c: char| joins(c));
            let named = NUMBERED
                .iter()
                .any(|known| word.ends_with(known) && word_begins(word, word.len() - known.len()));
            (parted && named).then_some(label)
        })
    })
}

/// The label that a digit stands for.
fn citation(c: char) -> Option<u8> {
    decimal_digit(c).filter(|digit| (1..=2).contains(digit)).map(|digit| digit - 1)
}
