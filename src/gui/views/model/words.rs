//! Sizes and counts in the window's words.

pub(super) use crate::gui::kit::bytes as size;
pub(super) use crate::gui::words::{model_trouble, trouble};
use crate::model::registry::Source;

/// A count for a person: 77.0M, 11.1B.
pub(super) fn count(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{:.1}k", number as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}M", number as f64 / 1e6),
        _ => format!("{:.1}B", number as f64 / 1e9),
    }
}

/// A number with its noun: 1 token, 3 tokens.
pub(super) fn many(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Where a model came from, in a few words.
pub(super) fn origin(source: &Source) -> String {
    match source {
        Source::Hub { repository, commit, cached, .. } => {
            let place = if *cached { ", from Hugging Face\u{2019}s cache" } else { "" };
            format!("{repository}@{}{place}", commit.chars().take(7).collect::<String>())
        }
        Source::Program => "part of the program".to_owned(),
        Source::Place(path) => format!("in place: {}", path.display()),
        Source::Copy(path) => format!("copy of {}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short() {
        assert_eq!(count(76_961_152), "77.0M");
    }
}
