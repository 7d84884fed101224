//! Words as NLTK's `word_tokenize` cuts them: sentences first, then the Penn Treebank's conventions (`don't` is `do`
//! `n't`, punctuation stands alone, quotes become `` and ''). METEOR counts these.
//!
//! Each step below is one of the reference's substitutions, in its order. Knows characters, nothing of scores.

use crate::lamp::is_python_space;

use super::answer::is_decimal_digit;
use super::sentences::sentences;

/// Python's `\w`: letters, digits of any kind, and the underscore.
pub(super) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words of a text.
pub(super) fn word_tokenize(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    sentences(&chars).into_iter().flat_map(|range| words_of_sentence(&chars[range])).collect()
}

fn words_of_sentence(sentence: &[char]) -> Vec<String> {
    let mut text = opening_quotes(sentence);
    text = last_period(text);
    text = replace(&text, |at| match at.rest {
        [mark @ (':' | ','), next, ..] if !is_decimal_digit(*next) => Some((2, vec![' ', *mark, ' ', *next])),
        _ => None,
    });
    text = replace(&text, |at| match at.rest {
        [mark @ (':' | ',')] => Some((1, vec![' ', *mark, ' '])),
        [mark @ (':' | ','), '\n'] => Some((1, vec![' ', *mark, ' '])),
        _ => None,
    });
    text = replace(&text, |at| {
        let dots = at.rest.iter().take_while(|c| **c == '.').count();
        (dots >= 2).then(|| (dots, spaced(&at.rest[..dots])))
    });
    text =
        pad(&text, |c| matches!(c, ';' | '@' | '#' | '$' | '%' | '&' | '\u{2012}'..='\u{2015}' | '?' | '!'));
    text = replace(&text, |at| match at.rest {
        [c, '\'', ' ', ..] if *c != '\'' => Some((3, vec![*c, ' ', '\'', ' '])),
        _ => None,
    });
    text = pad(&text, |c| matches!(c, '*' | ']' | '[' | '(' | ')' | '{' | '}' | '<' | '>'));
    text = replace(&text, |at| at.rest.starts_with(&['-', '-']).then(|| (2, spaced(&['-', '-']))));
    text.insert(0, ' ');
    text.push(' ');
    text = closing_quotes(text);
    for (first, second) in [
        ("can", "not"),
        ("d", "'ye"),
        ("gim", "me"),
        ("gon", "na"),
        ("got", "ta"),
        ("lem", "me"),
        ("more", "'n"),
    ] {
        text =
            contraction(&text, first, second, |at| at.starts_word(), |next| !next.is_some_and(is_word_char));
    }
    text = contraction(&text, "wan", "na", |at| at.starts_word(), |next| next.is_some_and(is_python_space));
    for second in ["is", "was"] {
        text = contraction(&text, " 't", second, |_| true, |next| !next.is_some_and(is_word_char));
    }
    text.split(|c| is_python_space(*c)).filter(|w| !w.is_empty()).map(|w| w.iter().collect()).collect()
}

/// A place in a text.
struct At<'a> {
    before: Option<char>,
    rest: &'a [char],
}

impl At<'_> {
    /// Whether a word starts here (`\b` before a word character).
    fn starts_word(&self) -> bool {
        !self.before.is_some_and(is_word_char)
    }
}

/// Goes through a text from the left; where `rule` gives how many characters to replace, and by what, it does so.
fn replace(text: &[char], rule: impl Fn(At<'_>) -> Option<(usize, Vec<char>)>) -> Vec<char> {
    let mut replaced = Vec::with_capacity(text.len() + text.len() / 4 + 2);
    let mut at = 0;
    while at < text.len() {
        let before = at.checked_sub(1).map(|before| text[before]);
        match rule(At { before, rest: &text[at..] }) {
            Some((length, with)) => {
                replaced.extend(with);
                at += length.max(1);
            }
            None => {
                replaced.push(text[at]);
                at += 1;
            }
        }
    }
    replaced
}

fn spaced(text: &[char]) -> Vec<char> {
    let mut spaced = Vec::with_capacity(text.len() + 2);
    spaced.push(' ');
    spaced.extend(text);
    spaced.push(' ');
    spaced
}

fn pad(text: &[char], fits: impl Fn(char) -> bool) -> Vec<char> {
    replace(text, |at| fits(at.rest[0]).then(|| (1, spaced(&at.rest[..1]))))
}

fn opening_quotes(sentence: &[char]) -> Vec<char> {
    let mut text = replace(sentence, |at| match at.rest[0] {
        '«' | '“' | '‘' | '„' => Some((1, spaced(&at.rest[..1]))),
        '`' => {
            let run = at.rest.iter().take_while(|c| **c == '`').count();
            Some((run, spaced(&at.rest[..run])))
        }
        _ => None,
    });
    if text.first() == Some(&'"') {
        text.splice(..1, ['`', '`']);
    }
    text = replace(&text, |at| at.rest.starts_with(&['`', '`']).then(|| (2, spaced(&['`', '`']))));
    text = replace(&text, |at| match at.rest {
        [open @ (' ' | '(' | '[' | '{' | '<'), quote @ ..] => {
            let length = if quote.starts_with(&['"']) {
                2
            } else if quote.starts_with(&['\'', '\'']) {
                3
            } else {
                return None;
            };
            Some((length, vec![*open, ' ', '`', '`', ' ']))
        }
        _ => None,
    });
    // An apostrophe that opens a word, unless it opens a clitic.
    replace(&text, |at| match at.rest {
        ['\'', word @ ..] if at.starts_word() && word.first().is_some_and(|c| is_word_char(*c)) => {
            let length = word.iter().take_while(|c| is_word_char(**c)).count().min(3);
            let clitic: String = word[..length].iter().flat_map(|c| c.to_lowercase()).collect();
            (!["re", "ve", "ll", "m", "t", "s", "d", "n"].contains(&clitic.as_str()))
                .then(|| (1, vec!['\'', ' ']))
        }
        _ => None,
    })
}

/// Sets the period apart that ends the sentence, before closing quotes and brackets.
fn last_period(mut text: Vec<char>) -> Vec<char> {
    let Some(at) = text.iter().rposition(|c| *c == '.') else { return text };
    if at == 0 || text[at - 1] == '.' {
        return text;
    }
    let closes = |c: &char| matches!(c, ']' | ')' | '}' | '>' | '"' | '\'' | '»' | '”' | '’' | ' ');
    let closing = text[at + 1..].iter().take_while(|c| closes(c)).count();
    if !text[at + 1 + closing..].iter().all(|c| c.is_whitespace()) {
        return text;
    }
    text.truncate(at + 1 + closing);
    text.push(' ');
    text.splice(at..=at, [' ', '.', ' ']);
    text
}

fn closing_quotes(text: Vec<char>) -> Vec<char> {
    let mut text = pad(&text, |c| matches!(c, '»' | '”' | '’'));
    text = replace(&text, |at| at.rest.starts_with(&['\'', '\'']).then(|| (2, spaced(&['\'', '\'']))));
    text = replace(&text, |at| (at.rest[0] == '"').then(|| (1, spaced(&['\'', '\'']))));
    text = replace(&text, |at| {
        let blank = at.rest.iter().take_while(|c| c.is_whitespace()).count();
        (blank > 0).then(|| (blank, vec![' ']))
    });
    text = clitics(&text, &["'s", "'S", "'m", "'M", "'d", "'D", "'"]);
    clitics(&text, &["'ll", "'LL", "'re", "'RE", "'ve", "'VE", "n't", "N'T"])
}

/// Sets clitics before a space apart from the word that they follow.
fn clitics(text: &[char], clitics: &[&str]) -> Vec<char> {
    if !text.contains(&'\'') {
        return text.to_vec(); // each of them has one
    }
    replace(text, |at| {
        let [first, rest @ ..] = at.rest else { return None };
        if matches!(first, '\'' | ' ') {
            return None;
        }
        let follows = |clitic: &&&str| {
            rest.get(clitic.len()) == Some(&' ') && rest[..clitic.len()].iter().copied().eq(clitic.chars())
        };
        let clitic = clitics.iter().find(follows)?;
        let mut with = vec![*first, ' '];
        with.extend(clitic.chars());
        with.push(' ');
        Some((clitic.len() + 2, with))
    })
}

/// Splits `first` + `second`, in any case, where it starts and ends as asked.
fn contraction(
    text: &[char],
    first: &str,
    second: &str,
    starts: impl Fn(&At<'_>) -> bool,
    ends: impl Fn(Option<char>) -> bool,
) -> Vec<char> {
    let (cut, length) = (first.len(), first.len() + second.len());
    let begins = first.chars().next();
    replace(text, |at| {
        // Nearly all places end here.
        let part =
            at.rest.get(..length).filter(|part| part.first().map(char::to_ascii_lowercase) == begins)?;
        let same = part.iter().map(char::to_ascii_lowercase).eq(first.chars().chain(second.chars()));
        if !same || !starts(&at) || !ends(at.rest.get(length).copied()) {
            return None;
        }
        let mut with = spaced(&part[..cut]);
        with.extend(&part[cut..]);
        with.push(' ');
        Some((length, with))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_nltk_cuts_them() {
        let table: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/data/nltk_tokens.json")).unwrap();
        for row in table.as_array().unwrap() {
            let words: Vec<String> = serde_json::from_value(row["words"].clone()).unwrap();
            assert_eq!(word_tokenize(row["text"].as_str().unwrap()), words, "{}", row["text"]);
        }
    }
}
