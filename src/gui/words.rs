//! Errors of models in the window's words.

use super::loadable::Trouble;
use crate::model::ModelError;
use crate::model::endpoint::{EndpointError, KeyError, KeyPlace};
use crate::model::hub::HubError;
use crate::model::registry::RegistryError;
use crate::run::{RunError, in_full};

/// An error of the registry, with advice that names what the window has instead of options of the command line.
pub fn trouble(error: &RegistryError) -> Trouble {
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
pub fn model_trouble(error: &ModelError) -> Trouble {
    match error {
        ModelError::Endpoint(error) => Trouble(endpoint_words(error)),
        other => Trouble(capital(&in_full(other))),
    }
}

/// Why a cell could not be run.
pub fn run_trouble(error: &RunError) -> Trouble {
    match error {
        RunError::Model { source, .. } if matches!(**source, ModelError::Endpoint(_)) => {
            model_trouble(source)
        }
        other => Trouble(in_full(other)),
    }
}

/// An error of an endpoint, with advice that names what the window has instead of commands.
pub fn endpoint_words(error: &EndpointError) -> String {
    match error {
        EndpointError::Unknown { name, .. } => {
            format!("No endpoint is called {name}. Add it on the screen Model, or choose another.")
        }
        EndpointError::NoKey { endpoint, variable } => format!(
            "The endpoint {endpoint} wants its key in the environment variable {variable}, which is not set. Set it where this \
             program is started, or keep the key elsewhere: edit the endpoint on the screen Model."
        ),
        EndpointError::Key { endpoint, source } => {
            format!("The endpoint {endpoint} wants a key. {}", key_words(source))
        }
        EndpointError::Keeping(source) => key_words(source),
        EndpointError::Elsewhere { .. } => {
            "This is an endpoint, whose model lies elsewhere: nothing is known of its weights.".to_owned()
        }
        other => sentence(&in_full(other)),
    }
}

/// An error of what keeps keys, in the same way.
pub fn key_words(error: &KeyError) -> String {
    match error {
        KeyError::NoKeyring { reason } => format!(
            "No keyring can be used here ({reason}). Keep the key in a sealed file or in the environment."
        ),
        KeyError::Silent { seconds } => format!(
            "The system\u{2019}s keyring has not answered for {seconds} s; it may wait for its password in a window of its own. \
             Unlock it, or keep the key in a sealed file."
        ),
        KeyError::Missing { key } => format!(
            "No key is kept as {} {}. Type it into the field of the key and save the endpoint.",
            key.name(),
            match key.place() {
                KeyPlace::Environment => "in the environment",
                KeyPlace::Keyring => "in the system\u{2019}s keyring",
                KeyPlace::File => "in the sealed file",
            }
        ),
        KeyError::Locked { path } => format!(
            "{} holds keys under a passphrase. Give it in the panel of the endpoint on the screen Model.",
            path.display()
        ),
        other => sentence(&in_full(other)),
    }
}

/// A sentence with its beginning and end.
fn sentence(text: &str) -> String {
    let text = capital(text);
    if text.ends_with(['.', '?', '\u{2026}']) { text } else { format!("{text}.") }
}

/// The text as a sentence begins. A path or a name at the beginning stays as it is.
pub fn capital(text: &str) -> String {
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
    }
}
