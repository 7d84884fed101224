//! The first number from 1 to 5 in a text.
//!
//! A number stands by itself: `10`, `v4`, `4th`, `covid-19` and `2024-03-05` hold none of these; a comma may part decimals or
//! thousands. `4/5`, `4 out of 5` and `4 stars of 5` are 4; what is of anything else than 5, as `8/10` or `4/10`, is on another scale
//! and no rating. Neither is a range, such as `1-5`, `from 1 to 5` or `1 (bad) to 5 (good)`, nor what `out of` or `scale of` stands
//! before, nor shares, prices and times of day. Decimals stay: `4.5` is 4.5, as by the official rules.
//!
//! Number words count where no number does: `one` to `five`, where the word is all of the line, or `star`, `point` or `out of`
//! follows it; and only if all such words say the same. `one of the best` is no rating.

use super::{after_marker, bare_line, joins, word_begins};
use crate::metrics::answer::{decimal_digit, python_float};

/// Words after which a rating stands, with a colon or `is` between.
const MARKERS: &[&str] = &["answer", "rating", "score"];

const WORDS: [&str; 5] = ["one", "two", "three", "four", "five"];

/// The rating.
pub(super) fn read(said: &str) -> Option<f32> {
    let on_scale = |value: f64| Some(value as f32).filter(|value| (1.0..=5.0).contains(value));
    if let Some(value) = python_float(said) {
        return on_scale(value);
    }
    let said = said.to_lowercase();
    let alone = python_float(bare_line(&said)).and_then(on_scale);
    let marked = || after_marker(&said, MARKERS).and_then(first);
    alone.or_else(marked).or_else(|| first(&said)).or_else(|| in_words(&said))
}

fn first(text: &str) -> Option<f32> {
    let text: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < text.len() {
        if digit(&text, at).is_none() {
            at += 1;
            continue;
        }
        let figure = Figure::at(&text, at);
        at = figure.end;
        if let Some(value) = figure.value.filter(|value| (1.0..=5.0).contains(value)) {
            return Some(value);
        }
    }
    None
}

/// A number with what makes it one of another kind: its value as a rating, if it may be one, and where all of it ends.
struct Figure {
    value: Option<f32>,
    end: usize,
}

impl Figure {
    fn at(text: &[char], start: usize) -> Self {
        let (mut value, mut end) = number(text, start);
        if !begins(text, start) || !ends(text, end) {
            value = None;
        }
        // A second number belongs to it: a scale, a range, a date, a time of day.
        while let Some((link, next)) = linked(text, end) {
            let (other, after) = number(text, next);
            value = value.filter(|_| link == Link::Scale && other == Some(5.0));
            end = after;
        }
        Self { value, end }
    }
}

/// How two numbers are linked.
#[derive(PartialEq)]
enum Link {
    Scale,
    Other,
}

/// A number that belongs to one which ends here: how, and where it begins.
fn linked(text: &[char], end: usize) -> Option<(Link, usize)> {
    // `4 stars out of 5`, `1 (bad) to 5`
    let mut at = spaces(text, end);
    if let Some(after) = word(text, at, &["stars", "star", "⭐️", "⭐", "★", "points", "point"]) {
        at = spaces(text, after);
    }
    if text.get(at) == Some(&'(') {
        let within = text.get(at..)?.iter().take(40);
        let close = within.take_while(|c| **c != '\n').position(|c| *c == ')');
        at = close.map_or(at, |close| spaces(text, at + close + 1));
    }
    let (link, after) = if let Some(after) = word(text, at, &["/", "out of", "of"]) {
        (Link::Scale, after)
    } else if let Some(after) = word(text, at, &["through", "to", "-", "–", "—", "−", "~", "〜"]) {
        (Link::Other, after)
    } else if let Some(after) = word(text, at, &["and"]).filter(|_| preceded(text, end, "between")) {
        (Link::Other, after)
    } else {
        return None;
    };
    let next = spaces(text, after);
    digit(text, next).is_some().then_some((link, next))
}

/// Whether a word stands close before the number that ends here.
fn preceded(text: &[char], end: usize, word: &str) -> bool {
    let before: String = text.get(end.saturating_sub(24)..end).unwrap_or_default().iter().collect();
    before.contains(word)
}

/// The digits from here, with their separators, and where they end; `None` for what is no single number.
fn number(text: &[char], start: usize) -> (Option<f32>, usize) {
    let mut plain = String::new();
    let (mut points, mut commas, mut since, mut at) = (0, 0, 0, start);
    loop {
        match (digit(text, at), text.get(at)) {
            (Some(digit), _) => {
                // What is longer is no rating, whatever it says.
                if plain.len() < 16 {
                    plain.push(char::from(b'0' + digit));
                }
                since += 1;
            }
            (None, Some(c @ ('.' | ','))) if digit(text, at + 1).is_some() => {
                if *c == '.' {
                    points += 1
                } else {
                    commas += 1
                }
                plain.push('.');
                since = 0;
            }
            _ => break,
        }
        at += 1;
        if plain.len() > 16 {
            plain.truncate(16);
        }
    }
    let single = points + commas == 0 || (points + commas == 1 && !(commas == 1 && since == 3));
    (plain.parse().ok().filter(|_| single), at)
}

/// Whether a number may begin here.
fn begins(text: &[char], start: usize) -> bool {
    let before = |back: usize| start.checked_sub(back).and_then(|at| text.get(at)).copied();
    let by_itself = match before(1) {
        None => true,
        Some('-' | '−') => before(2).is_some_and(|c| c == '-'),
        Some('.') => before(2).is_some_and(|c| c == '.' || joins(c)),
        Some('$' | '€' | '£' | '¥' | '#') => false,
        // A time of day.
        Some(':') => before(2).is_none_or(|c| decimal_digit(c).is_none()),
        Some(c) => !joins(c),
    };
    let words: String = text.get(start.saturating_sub(12)..start).unwrap_or_default().iter().collect();
    let words = words.trim_end();
    by_itself && !["out of", "scale of", "/"].iter().any(|scale| words.ends_with(scale))
}

/// Whether a number may end here.
fn ends(text: &[char], end: usize) -> bool {
    match text.get(end) {
        Some('%' | '％') => false,
        Some(':') => digit(text, end + 1).is_none(),
        Some(c) if joins(*c) => word(text, end, &["star", "points"]).is_some(),
        _ => text.get(spaces(text, end)) != Some(&'%'),
    }
}

fn digit(text: &[char], at: usize) -> Option<u8> {
    text.get(at).copied().and_then(decimal_digit)
}

/// The first place from here that is no space; line breaks are none.
fn spaces(text: &[char], from: usize) -> usize {
    let more = text.get(from..).unwrap_or_default();
    from + more.iter().take_while(|c| matches!(c, ' ' | '\t' | '\u{a0}' | '*' | '_' | '"')).count()
}

/// The end of the first of some words that stands here.
fn word(text: &[char], at: usize, words: &[&str]) -> Option<usize> {
    let rest = text.get(at..)?;
    words.iter().find_map(|word| {
        let long = word.chars().count();
        (rest.len() >= long && word.chars().eq(rest.iter().take(long).copied())).then_some(at + long)
    })
}

/// The rating that number words agree on.
fn in_words(text: &str) -> Option<f32> {
    let marked = after_marker(text, MARKERS).map(bare_line);
    let lines = [Some(bare_line(text)), marked];
    let mut found: Option<usize> = None;
    for (place, name) in WORDS.iter().enumerate() {
        let counts = |at: usize| {
            let (before, after) =
                (text.get(..at).unwrap_or_default(), text.get(at + name.len()..).unwrap_or_default());
            let rest = after.trim_start_matches([' ', '-', '*']);
            let rated = ["star", "point", "out of"].iter().any(|word| rest.starts_with(word));
            rated && rest.len() < after.len() && word_begins(text, at) && !before.trim_end().ends_with(" of")
        };
        let said = lines.contains(&Some(*name)) || text.match_indices(name).any(|(at, _)| counts(at));
        if said && found.replace(place).is_some() {
            return None;
        }
    }
    found.map(|place| (place + 1) as f32)
}
