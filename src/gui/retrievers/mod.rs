//! Retrievers as forms offer them: their kinds, and the options of each. Knows no screen.

mod kinds;
mod options;

use super::shared::Shared;
use crate::model::registry::Entry;

pub use kinds::{Kind, insert, needs_dates, read_k, summary};
pub use options::options;

/// The encoders that are installed, by name, and after them the saved endpoints, whose models may be encoders, too.
pub fn installed_encoders(shared: &Shared) -> Vec<String> {
    let entries = shared.models.value().map(|entries| entries.as_slice()).unwrap_or_default();
    let encoders = entries.iter().filter_map(|entry| match entry {
        Entry::Installed(manifest) if manifest.kind.is_encoder() => Some(manifest.name.clone()),
        _ => None,
    });
    let served = shared.endpoints.value().map(|names| names.as_slice()).unwrap_or_default();
    encoders.chain(served.iter().cloned()).collect()
}
