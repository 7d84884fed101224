//! Sizes, counts and errors in the window's words.

pub(super) use crate::gui::kit::bytes as size;
use crate::gui::loadable::Trouble;
use crate::model::ModelError;
use crate::model::hub::HubError;
use crate::model::registry::{RegistryError, Source};
use crate::run::in_full;

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

/// An error of the registry, with advice that names what the window has instead of options of the command line.
pub(super) fn trouble(error: &RegistryError) -> Trouble {
    let text = match error {
        RegistryError::Name { name } => format!(
            "{name:?} cannot be a model\u{2019}s name: one or two parts of letters, digits, \u{201c}.\u{201d}, \u{201c}_\u{201d} and \
             \u{201c}-\u{201d}, none of them like con or nul. Give another name."
        ),
        RegistryError::Taken { name, source_name } => format!(
            "There is a model {name} already, from {source_name}. Remove that one first, or give this one another name."
        ),
        RegistryError::Unknown { name, near, .. } => format!(
            "No model {name:?} is installed, and no file or folder is there under this name{near}. Get it, or choose another."
        ),
        RegistryError::Gone { name, path } => format!(
            "The model {name} is registered, but {} is gone. Get or add it again, or remove it.",
            path.display()
        ),
        RegistryError::Hub(HubError::Offline { repository, cache }) => {
            format!("{repository} is not in {cache}, and nothing is downloaded while HF_HUB_OFFLINE is set.")
        }
        RegistryError::Hub(HubError::Space { folder, repository, free_mb, needed_mb }) => format!(
            "{} has {free_mb} MB free, but {repository} needs {needed_mb} MB more. Make room, or keep models in another folder \
             (Settings).",
            folder.display()
        ),
        RegistryError::Model(error) => return model_trouble(error),
        other => capital(&in_full(other)),
    };
    Trouble(text)
}

/// An error of a model.
pub(super) fn model_trouble(error: &ModelError) -> Trouble {
    Trouble(capital(&in_full(error)))
}

/// The text as a sentence begins. A path or a name at the beginning stays as it is.
fn capital(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    let word = !first.is_empty() && first.chars().all(|c| c.is_ascii_lowercase());
    match text.chars().next() {
        Some(letter) if word => letter.to_uppercase().chain(text.chars().skip(1)).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_begin_large_and_names_stay() {
        assert_eq!(capital("cannot read x"), "Cannot read x");
        assert_eq!(capital("google/flan-t5 is gone"), "google/flan-t5 is gone");
        assert_eq!(capital(""), "");
        assert_eq!(count(76_961_152), "77.0M");
    }
}
