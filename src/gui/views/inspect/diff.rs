//! Which words an answer and its reference share: the longest common subsequence of their words. Knows no window.

use std::ops::Range;

/// Products of word counts beyond this are not compared word by word: what lies between the common beginning and the common end
/// counts as different. 4 million cells are 8 MB and some milliseconds.
const MOST_CELLS: usize = 4_000_000;

/// A stretch of one of two texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    /// Whether the other text has it too, in the same order.
    pub shared: bool,
}

/// Two texts in stretches that together are the whole texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct WordDiff {
    /// The first text's.
    pub first: Vec<Stretch>,
    /// The second text's.
    pub second: Vec<Stretch>,
}

/// Compares two texts by words. White space belongs to the word before it and is no difference by itself.
pub(super) fn word_diff(first: &str, second: &str) -> WordDiff {
    let (one, other) = (words(first), words(second));
    let word = |text: &'_ str, range: &Range<usize>| text[range.clone()].trim().to_owned();
    let one_words: Vec<String> = one.iter().map(|range| word(first, range)).collect();
    let other_words: Vec<String> = other.iter().map(|range| word(second, range)).collect();
    let (one_shared, other_shared) = shared(&one_words, &other_words);
    WordDiff { first: stretches(&one, &one_shared), second: stretches(&other, &other_shared) }
}

/// Words with the space after them. Signs stand alone, and so does each letter of scripts that are written without spaces.
fn words(text: &str) -> Vec<Range<usize>> {
    #[derive(PartialEq, Clone, Copy)]
    enum Kind {
        Word,
        Alone,
        Space,
    }
    let kind = |c: char| match c {
        c if c.is_whitespace() => Kind::Space,
        '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => Kind::Alone,
        c if c.is_alphanumeric() || c == '_' || is_mark(c) => Kind::Word,
        _ => Kind::Alone,
    };
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut before = Kind::Space;
    for (at, c) in text.char_indices() {
        let now = kind(c);
        let end = at + c.len_utf8();
        let goes_on = match (before, now) {
            (_, Kind::Space) => !words.is_empty(),
            (Kind::Word, Kind::Word) => true,
            _ => false,
        };
        match words.last_mut().filter(|_| goes_on) {
            Some(word) => word.end = end,
            None => words.push(at..end),
        }
        before = now;
    }
    // Space at the very beginning was taken for a word; it belongs to the first one.
    if let [space, word, ..] = words.as_mut_slice()
        && text[space.clone()].trim().is_empty()
    {
        word.start = space.start;
        words.remove(0);
    }
    words
}

/// Signs that are written into a word: combining marks, and apostrophes within.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{200c}' | '\u{200d}' | '\'' | '\u{2019}')
        || matches!(c, '\u{900}'..='\u{dff}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{591}'..='\u{5c7}')
}

/// Which words of each side are in the longest common subsequence.
fn shared(one: &[String], other: &[String]) -> (Vec<bool>, Vec<bool>) {
    let (mut of_one, mut of_other) = (vec![false; one.len()], vec![false; other.len()]);
    let head = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let tail = one[head..].iter().rev().zip(other[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    of_one[..head].fill(true);
    of_other[..head].fill(true);
    let (one_end, other_end) = (one.len() - tail, other.len() - tail);
    of_one[one_end..].fill(true);
    of_other[other_end..].fill(true);
    let (one, other) = (&one[head..one_end], &other[head..other_end]);
    let width = other.len() + 1;
    if one.is_empty() || other.is_empty() || (one.len() + 1).saturating_mul(width) > MOST_CELLS {
        return (of_one, of_other);
    }
    // lengths[i * width + j]: of the longest common subsequence of one[i..] and other[j..].
    let mut lengths = vec![0_u16; (one.len() + 1) * width];
    for i in (0..one.len()).rev() {
        for j in (0..other.len()).rev() {
            lengths[i * width + j] = if one[i] == other[j] {
                lengths[(i + 1) * width + j + 1].saturating_add(1)
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < one.len() && j < other.len() {
        if one[i] == other[j] {
            of_one[head + i] = true;
            of_other[head + j] = true;
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    (of_one, of_other)
}

fn stretches(words: &[Range<usize>], shared: &[bool]) -> Vec<Stretch> {
    let mut all: Vec<Stretch> = Vec::new();
    for (range, &shared) in words.iter().zip(shared) {
        match all.last_mut().filter(|last| last.shared == shared) {
            Some(last) => last.range.end = range.end,
            None => all.push(Stretch { range: range.clone(), shared }),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is not shared, between brackets.
    fn marked(text: &str, stretches: &[Stretch]) -> String {
        let mut out = String::new();
        for stretch in stretches {
            let part = &text[stretch.range.clone()];
            match stretch.shared {
                true => out.push_str(part),
                false => {
                    out.push('[');
                    out.push_str(part);
                    out.push(']');
                }
            }
        }
        out
    }

    fn both(first: &str, second: &str) -> (String, String) {
        let diff = word_diff(first, second);
        for (text, stretches) in [(first, &diff.first), (second, &diff.second)] {
            let whole: String = stretches.iter().map(|stretch| &text[stretch.range.clone()]).collect();
            assert_eq!(whole, text, "stretches leave something out");
        }
        (marked(first, &diff.first), marked(second, &diff.second))
    }

    #[test]
    fn words_that_both_have_in_order_are_shared() {
        let cases = [
            ("", "", "", ""),
            ("sports", "sports", "sports", "sports"),
            ("sports", "", "[sports]", ""),
            ("[1]", "[2]", "[[1]]", "[[2]]"),
            ("a b c", "a x c", "a [b ]c", "a [x ]c"),
            (
                "the old bridge opens",
                "the bridge opens at last",
                "the [old ]bridge opens",
                "the bridge opens[ at last]",
            ),
            ("b a", "a b", "[b ]a", "a[ b]"),
            ("don't go", "don't stay", "don't [go]", "don't [stay]"),
            ("  two  spaces ", "two spaces", "  two  spaces ", "two spaces"),
            ("東京の夜", "東京の朝", "東京の[夜]", "東京の[朝]"),
            ("שלום עולם", "שלום לכם", "שלום [עולם]", "שלום [לכם]"),
        ];
        for (first, second, one, other) in cases {
            let found = both(first, second);
            // Where the brackets stand beside a space is no matter.
            let plain = |text: &str| text.replace(' ', "");
            assert_eq!((plain(&found.0), plain(&found.1)), (plain(one), plain(other)), "{first} / {second}");
        }
        // Labels in brackets differ in the figure alone.
        let diff = word_diff("[1]", "[2]");
        assert_eq!(diff.first.iter().filter(|stretch| !stretch.shared).count(), 1);
        assert_eq!(diff.first[1].range, 1..2);
    }

    #[test]
    fn the_subsequence_is_a_longest_one() {
        // Against all subsequences of short texts.
        let letters = ["a", "b", "c"];
        let text = |mut number: usize| {
            let mut words = Vec::new();
            while number > 0 {
                words.push(letters[number % 3]);
                number /= 3;
            }
            words
        };
        for one in (0..240).step_by(7) {
            for other in (0..240).step_by(5) {
                let (one, other) = (text(one), text(other));
                let diff = word_diff(&one.join(" "), &other.join(" "));
                let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
                let (of_one, of_other) = shared(&owned(&one), &owned(&other));
                let kept = |words: &[&str], kept: &[bool]| -> Vec<String> {
                    words.iter().zip(kept).filter(|(_, kept)| **kept).map(|(w, _)| (*w).to_owned()).collect()
                };
                assert_eq!(kept(&one, &of_one), kept(&other, &of_other));
                let longest = (0..1_usize << one.len())
                    .filter(|set| {
                        let mut rest = other.iter();
                        one.iter()
                            .enumerate()
                            .filter(|(at, _)| set >> at & 1 == 1)
                            .all(|(_, word)| rest.any(|other| other == word))
                    })
                    .map(usize::count_ones)
                    .max();
                assert_eq!(Some(kept(&one, &of_one).len() as u32), longest, "{one:?} {other:?}");
                drop(diff);
            }
        }
    }

    #[test]
    fn texts_of_any_length_take_bounded_memory() {
        let long = "word other ".repeat(20_000);
        let diff = word_diff(&format!("start {long} end"), &format!("start x {long} y end"));
        assert!(diff.first.first().is_some_and(|stretch| stretch.shared));
        assert!(diff.first.last().is_some_and(|stretch| stretch.shared));
    }
}
