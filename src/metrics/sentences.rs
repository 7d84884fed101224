//! Sentence boundaries by the rules of Punkt (T. Kiss and J. Strunk 2006) as NLTK applies them, without a trained
//! model: no list of abbreviations, so that a period ends a sentence unless it follows an initial or a number or
//! belongs to an ellipsis. METEOR needs the boundaries because a sentence's last period is a token of its own.
//!
//! Knows characters, nothing of scores.

use crate::lamp::is_python_space;

use super::words::is_word_char;

/// White space in the reference's regular expressions, which leave out `\x1c` to `\x1f`, unlike Python's `strip`.
const fn is_space(c: char) -> bool {
    c.is_whitespace()
}

/// The sentences of a text as ranges of its characters, closing quotes and brackets included.
pub(super) fn sentences(text: &[char]) -> Vec<std::ops::Range<usize>> {
    let mut cuts = Vec::new(); // where a sentence ends, and where the next one starts
    let mut start = 0;
    for end in candidate_ends(text) {
        if ends_sentence(&text[end.context.clone()]) {
            cuts.push(start..end.at + 1);
            start = end.next_token.unwrap_or(end.at + 1);
        }
    }
    let trimmed = text.len() - text.iter().rev().take_while(|c| is_python_space(**c)).count();
    cuts.push(start..trimmed.max(start));

    // Closing punctuation at the head of a sentence belongs to the one before.
    let mut sentences = Vec::with_capacity(cuts.len());
    let mut moved = 0;
    for (at, cut) in cuts.iter().enumerate() {
        let from = (cut.start + moved).min(cut.end);
        moved = 0;
        if let Some(next) = cuts.get(at + 1)
            && let Some((closing, with_space)) = closing_punctuation(&text[next.clone()])
        {
            sentences.push(from..next.start + closing);
            moved = with_space;
        } else if from < cut.end {
            sentences.push(from..cut.end);
        }
    }
    sentences
}

/// A `.`, `?` or `!` that may end a sentence.
struct CandidateEnd {
    at: usize,
    /// From the word before it to what follows it.
    context: std::ops::Range<usize>,
    /// Where the next token starts, if white space stands between.
    next_token: Option<usize>,
}

fn candidate_ends(text: &[char]) -> Vec<CandidateEnd> {
    let mut found: Vec<CandidateEnd> = Vec::new();
    let mut last: Option<CandidateEnd> = None;
    // The word before the last candidate.
    let mut word = 0..0;
    for (at, c) in text.iter().enumerate() {
        if !matches!(c, '.' | '?' | '!') {
            continue;
        }
        let Some(&after) = text.get(at + 1) else { break };
        let (context_end, next_token) = if ends_word(after) {
            (at + 2, None)
        } else if is_space(after) {
            let blank = text[at + 1..].iter().take_while(|c| is_space(**c)).count();
            let next = at + 1 + blank;
            let length = text[next..].iter().take_while(|c| !is_space(**c)).count();
            if length == 0 {
                continue;
            }
            (next + length, Some(next))
        } else {
            continue;
        };
        let ascii_space = |c: &char| matches!(c, ' ' | '\t'..='\r');
        let start = match text[word.end..at].iter().rposition(ascii_space) {
            None | Some(0) => word.start,
            Some(space) => word.end + space + 1,
        };
        if word.end <= start {
            found.extend(last.take());
        }
        word = start..at;
        last = Some(CandidateEnd { at, context: start..context_end, next_token });
    }
    found.extend(last);
    found
}

/// Whether a context holds a token that ends a sentence, and another after it.
fn ends_sentence(context: &[char]) -> bool {
    let lines = context.split(|c| *c == '\n').filter(|line| !line.iter().all(|c| is_python_space(*c)));
    let tokens: Vec<&[char]> = lines.flat_map(tokens).collect();
    tokens.windows(2).any(|pair| is_final(pair[0], pair[1]))
}

fn is_final(token: &[char], next: &[char]) -> bool {
    match token {
        ['.' | '?' | '!'] => true,
        [.., '.', '.'] => false,
        [.., '.'] => {
            let initial = matches!(token, [letter, '.'] if is_letter(*letter));
            let continues = matches!(next, [';' | ':' | ',' | '.' | '!' | '?']) || next[0].is_lowercase();
            !((initial || is_number(token)) && continues || initial && next[0].is_uppercase())
        }
        _ => false,
    }
}

fn is_letter(c: char) -> bool {
    is_word_char(c) && !super::answer::is_decimal_digit(c)
}

/// `-?[.,]?\d[\d,.-]*\.?`
fn is_number(token: &[char]) -> bool {
    let rest = token.strip_prefix(&['-']).unwrap_or(token);
    let rest = rest.strip_prefix(&['.']).or_else(|| rest.strip_prefix(&[','])).unwrap_or(rest);
    let digit = |c: &char| super::answer::is_decimal_digit(*c);
    rest.first().is_some_and(digit) && rest.iter().all(|c| digit(c) || matches!(c, ',' | '.' | '-'))
}

/// Characters that stand in no word.
fn ends_word(c: char) -> bool {
    matches!(
        c,
        ')' | '"'
            | ';'
            | '}'
            | ']'
            | '*'
            | ':'
            | '@'
            | '\''
            | '('
            | '{'
            | '['
            | '?'
            | '!'
            | '\u{2018}'
            | '\u{2019}'
            | '\u{201c}'
            | '\u{201d}'
            | '\u{ab}'
            | '\u{bb}'
    )
}

fn starts_word(c: char) -> bool {
    !matches!(
        c,
        '(' | '"' | '`' | '{' | '[' | ':' | ';' | '&' | '#' | '*' | '@' | ')' | '}' | ']' | '-' | ','
    )
}

/// Length of a dash, an ellipsis or a spaced ellipsis (`. . .`) at the start of a text, 0 if there is none.
fn dash_or_ellipsis(text: &[char]) -> usize {
    match text {
        ['-', '-', ..] => text.iter().take_while(|c| **c == '-').count(),
        ['.', '.', ..] => text.iter().take_while(|c| **c == '.').count(),
        ['.', a, '.', b, '.', ..] if is_space(*a) && is_space(*b) => {
            let pairs = text.chunks_exact(2).take_while(|p| p[0] == '.' && is_space(p[1])).count();
            if text.get(2 * pairs) == Some(&'.') { 2 * pairs + 1 } else { 2 * pairs - 1 }
        }
        _ => 0,
    }
}

/// Whether [`dash_or_ellipsis`] finds anything, without measuring it.
fn has_dash_or_ellipsis(text: &[char]) -> bool {
    dash_or_ellipsis(&text[..text.len().min(5)]) > 0
}

/// Punkt's tokens of a line: words keep their periods.
fn tokens(line: &[char]) -> Vec<&[char]> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let rest = &line[at..];
        let length = if is_space(rest[0]) {
            at += 1;
            continue;
        } else if let length @ 1.. = dash_or_ellipsis(rest) {
            length
        } else if starts_word(rest[0]) {
            (1..rest.len()).find(|&end| word_ends(&rest[end..])).unwrap_or(rest.len())
        } else {
            1
        };
        tokens.push(&rest[..length]);
        at += length;
    }
    tokens
}

fn word_ends(rest: &[char]) -> bool {
    let stop = |rest: &[char]| match rest {
        [] => true,
        [c, ..] => is_space(*c) || ends_word(*c) || has_dash_or_ellipsis(rest),
    };
    stop(rest) || rest[0] == ',' && stop(&rest[1..])
}

/// Closing quotes and brackets at the head of a text, if white space, a dash or the end follows them: their number,
/// and with the white space after them.
fn closing_punctuation(text: &[char]) -> Option<(usize, usize)> {
    let closes = |c: &char| {
        matches!(
            c,
            '"' | '\''
                | ')'
                | ']'
                | '}'
                | '\u{2018}'
                | '\u{2019}'
                | '\u{201c}'
                | '\u{201d}'
                | '\u{ab}'
                | '\u{bb}'
        )
    };
    let count = text.iter().take_while(|c| closes(c)).count();
    let rest = &text[count..];
    let blank = rest.iter().take_while(|c| is_space(**c)).count();
    (count > 0 && (rest.is_empty() || blank > 0 || rest.starts_with(&['-', '-'])))
        .then_some((count, count + blank))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        sentences(&chars).into_iter().map(|range| chars[range].iter().collect()).collect()
    }

    #[test]
    fn sentences_as_nltk_cuts_them() {
        let table: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/data/nltk_tokens.json")).unwrap();
        for row in table.as_array().unwrap() {
            let expected: Vec<String> = serde_json::from_value(row["sentences"].clone()).unwrap();
            assert_eq!(split(row["text"].as_str().unwrap()), expected, "{}", row["text"]);
        }
    }
}
