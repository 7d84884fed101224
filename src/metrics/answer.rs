//! Raw model text to an answer: by the official rules, or by those for models that talk around it.
//!
//! By the official ones texts are trimmed as Python's `strip` does; labels are compared with case; ratings are read as Python's
//! `float` reads them and rounded to 32 bits. Knows tasks and their labels, nothing of scores.

use std::fmt;
use std::str::FromStr;

use super::chatty;
use crate::lamp::{Task, TaskKind, is_python_space, python_strip};

/// How raw text becomes an answer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Parsing {
    /// The benchmark's own: the trimmed text is the answer, or it is none.
    #[default]
    Official,
    /// For models that talk around their answer: the first label, the first number from 1 to 5, the first line; reasoning,
    /// quotes and words such as `Answer:` left out.
    Chatty,
}

impl Parsing {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Official, Self::Chatty];

    /// The word for it, as files and specs have it.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::Chatty => "chatty",
        }
    }
}

impl fmt::Display for Parsing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A word that is no way to read answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no way to read answers that this program knows; it knows official and chatty")]
pub struct UnknownParsing {
    given: String,
}

impl FromStr for Parsing {
    type Err = UnknownParsing;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|parsing| parsing.id() == text);
        found.ok_or_else(|| UnknownParsing { given: text.chars().take(60).collect() })
    }
}

/// What a task's answer came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The place in [`Task::labels`]; `None` where the text is no label.
    Label(Option<u8>),
    /// The number, finite after rounding to 32 bits; `None` where the text is none.
    Rating(Option<f32>),
    /// Free text is an answer as it is.
    Text,
}

/// A parsed model output.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The output, trimmed.
    pub text: String,
    /// Its meaning for the task.
    pub answer: Answer,
}

impl Prediction {
    /// Whether the output was an answer of the task's kind. Free text always is.
    pub const fn parsed(&self) -> bool {
        !matches!(self.answer, Answer::Label(None) | Answer::Rating(None))
    }
}

/// Parses a model's output for a task. A reference is parsed by the official rules, whatever the outputs are.
pub fn parse_answer(task: Task, raw: &str, parsing: Parsing) -> Prediction {
    if parsing == Parsing::Chatty {
        return chatty::read(task, raw);
    }
    let text = python_strip(raw);
    let answer = match task.kind() {
        TaskKind::Classification => {
            Answer::Label(task.labels().iter().position(|label| *label == text).map(|at| at as u8))
        }
        TaskKind::Rating => {
            // The official code rounds ratings to 32 bits, and ends with an error on what is then not finite
            // (`nan`, `inf`, `1e39`). Here such text is no rating, and is counted among the failures.
            Answer::Rating(python_float(text).map(|value| value as f32).filter(|value| value.is_finite()))
        }
        TaskKind::Generation => Answer::Text,
    };
    Prediction { text: text.to_owned(), answer }
}

/// The rating that stands for an output that is none: whichever of 1 and 5 lies farther from the reference, 5 where
/// both are as far.
pub fn farthest_rating(reference: f32) -> f32 {
    if (1.0 - reference).abs() > (5.0 - reference).abs() { 1.0 } else { 5.0 }
}

/// Python's `float(text)`: surrounding white space, one sign, decimal digits of any script, single underscores between
/// digits, an exponent, and `inf`, `infinity` and `nan` in any case. `None` where Python raises an error.
pub fn python_float(text: &str) -> Option<f64> {
    let plain: String = text
        .trim_matches(is_python_space)
        .chars()
        .map(|c| decimal_digit(c).map_or(c, |digit| char::from(b'0' + digit)))
        .collect();
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let negative = plain.starts_with('-');
    let magnitude = match unsigned.to_ascii_lowercase().as_str() {
        "inf" | "infinity" => f64::INFINITY,
        "nan" => f64::NAN,
        _ => decimal(unsigned)?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// Reads `digits [. digits] [e [sign] digits]` with underscores between digits.
fn decimal(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let digit_at = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    for (at, _) in text.match_indices('_') {
        if at == 0 || !digit_at(at - 1) || !digit_at(at + 1) {
            return None;
        }
    }
    let text = text.replace('_', "");
    // What is left to forbid is what Rust reads and Python does not: a second sign, and its words.
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.parse().ok()
}

/// Whether a character is a decimal digit of any script (Python's `\d`).
pub(super) fn is_decimal_digit(c: char) -> bool {
    decimal_digit(c).is_some()
}

/// The value of a decimal digit of any script.
pub(super) fn decimal_digit(c: char) -> Option<u8> {
    let code = u32::from(c);
    let zero = DIGIT_ZEROS[..DIGIT_ZEROS.partition_point(|&zero| zero <= code)].last()?;
    (code - zero < 10).then_some((code - zero) as u8)
}

/// Unicode 14.0.0's decimal digits come in runs of ten; these are the zeros.
const DIGIT_ZEROS: [u32; 66] = [
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
    0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0,
    0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec,
    0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_farther_end_stands_for_what_is_no_rating() {
        let far: Vec<f32> = [1.0, 2.0, 3.0, 4.0, 5.0].map(farthest_rating).into();
        assert_eq!(far, [5.0, 5.0, 5.0, 1.0, 1.0]);
    }

    #[test]
    fn floats_as_python_reads_them() {
        for (text, value) in
            [("1_000.5_0e1_0", 1000.5e10), ("\u{1d7d8}.\u{666}", 0.6), ("\u{1f}7\u{2003}", 7.0)]
        {
            assert_eq!(python_float(text), Some(value), "{text}");
        }
        for text in
            ["1_.5", "1._5", "1e_5", "++1", "+-1", "1e+", "-", "+", "infinityy", "na n", "1 _0", "e1", ".e1"]
        {
            assert_eq!(python_float(text), None, "{text}");
        }
    }

    #[test]
    fn labels_keep_their_case_and_ratings_must_be_finite() {
        assert_eq!(
            parse_answer(Task::Lamp2M, "\u{a0}comedy\n", Parsing::Official).answer,
            Answer::Label(Some(2))
        );
        assert!(!parse_answer(Task::Lamp2M, "Comedy", Parsing::Official).parsed());
        assert!(!parse_answer(Task::Lamp3, "1e39", Parsing::Official).parsed());
        assert!(!parse_answer(Task::Lamp3, "nan", Parsing::Official).parsed());
        assert_eq!(
            parse_answer(Task::Lamp3, " \u{ff15} ", Parsing::Official).answer,
            Answer::Rating(Some(5.0))
        );
        assert!(parse_answer(Task::Lamp7, "", Parsing::Official).parsed());
    }
}
