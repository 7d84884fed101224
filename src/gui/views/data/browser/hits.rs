//! What a search found, as lines for the list.

use crate::dataset::Dataset;
use crate::gui::loadable::Trouble;
use crate::run::FullText;
use crate::search::{Scope, Snippet};

/// The most hits that are shown.
pub(super) const MOST: usize = 300;

/// One hit.
#[derive(Debug)]
pub(super) struct HitLine {
    /// The sample's position; `None` where the index knows more than the dataset, which is a mistake.
    pub sample: Option<usize>,
    /// The id of the entry that was found; `None` where the input was.
    pub entry: Option<String>,
    /// Where it was found.
    pub place: String,
    /// What stands there.
    pub snippet: Snippet,
}

/// The best hits.
#[derive(Debug)]
pub(super) struct Hits {
    /// The best first.
    pub lines: Vec<HitLine>,
    /// Whether there are others.
    pub more: bool,
}

/// Searches.
pub(super) fn find(index: &FullText, dataset: &Dataset, typed: &str, scope: Scope) -> Result<Hits, Trouble> {
    let mut found = index.search(typed, MOST + 1, scope)?;
    let more = found.len() > MOST;
    found.truncate(MOST);
    let lines = found
        .into_iter()
        .map(|hit| {
            let title = hit.title.as_deref().map(|title| format!("  {title}")).unwrap_or_default();
            let place = match &hit.entry_id {
                Some(entry) => format!("{}, entry {entry}{title}", hit.sample_id),
                None => format!("{}, input", hit.sample_id),
            };
            let mut snippet = hit.snippet;
            // One line; each of these is one byte, so that the highlights stay where they are.
            snippet.text = snippet.text.replace(['\n', '\r', '\t'], " ");
            HitLine { sample: dataset.position(&hit.sample_id), entry: hit.entry_id, place, snippet }
        })
        .collect();
    Ok(Hits { lines, more })
}
