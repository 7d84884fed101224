//! `lamplight search`: full-text search over the samples and profile entries of datasets.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::selection::DatasetSelection;
use super::text::{fitted, line, plain, width};
use super::{CliError, Console, Outcome, Unit};
use crate::dataset::{Dataset, DatasetId};
use crate::jobs::Progress;
use crate::run::{FullText, IndexNote};
use crate::search::{Hit, Scope, SearchError, Snippet};

/// Find samples and profile entries by their words.
#[derive(Debug, Args)]
#[command(after_help = "\
Every word and every \"phrase\" of the query must occur, and nothing that follows a -minus. Words are stemmed; stop
words such as `the` count for nothing. The first search of a dataset builds an index, which later ones use.

Examples:
  lamplight search datasets/sample --query 'garden -river' --limit 5
  lamplight search datasets/sample --task LaMP-4 --split dev --query '\"the old\" bridge' --what entries --json")]
pub(super) struct SearchArgs {
    #[command(flatten)]
    selection: DatasetSelection,
    /// The words to look for.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    query: String,
    /// The most hits to show.
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
    /// What to look in.
    #[arg(long, value_enum, default_value_t = What::Both)]
    what: What,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// The inputs of samples.
    Samples,
    /// The entries of profiles.
    Entries,
    /// Inputs and entries.
    Both,
}

impl From<What> for Scope {
    fn from(what: What) -> Self {
        match what {
            What::Samples => Self::Samples,
            What::Entries => Self::Entries,
            What::Both => Self::Both,
        }
    }
}

/// A dataset that was searched.
#[derive(Serialize)]
struct Searched {
    #[serde(flatten)]
    id: DatasetId,
    /// Samples and entries in its index.
    indexed: u64,
    /// Whether the index had to be built.
    built: bool,
}

/// A hit and where it is.
#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    dataset: DatasetId,
    #[serde(flatten)]
    hit: Hit,
}

/// Runs the command.
pub(super) fn run(arguments: &SearchArgs, console: &Console) -> Result<Outcome, CliError> {
    let datasets = arguments.selection.all(console)?;
    for dataset in &datasets {
        dataset.ensure_usable()?;
    }
    let folder = arguments.selection.cache_folder().map(|folder| folder.join("search"));
    let mut searched = Vec::new();
    let mut found = Vec::new();
    for dataset in &datasets {
        let folder = folder.as_deref();
        let open = |progress: &Progress| FullText::open(dataset, folder, console.cancel(), progress);
        let mut index = told(console.with_progress(Unit::Items, open)?, dataset, console);
        let search =
            |index: &FullText| index.search(&arguments.query, arguments.limit, arguments.what.into());
        let hits = match search(&index) {
            Err(SearchError::Engine(_)) if !index.is_built() => {
                drop(index);
                let renew =
                    |progress: &Progress| FullText::renew(dataset, folder, console.cancel(), progress);
                index = told(console.with_progress(Unit::Items, renew)?, dataset, console);
                search(&index)?
            }
            result => result?,
        };
        found.extend(hits.into_iter().map(|hit| Found { dataset: dataset.id(), hit }));
        searched.push(Searched { id: dataset.id(), indexed: index.len(), built: index.is_built() });
    }
    // Stable: equal scores stay in the order of the datasets.
    found.sort_by(|a, b| b.hit.score.total_cmp(&a.hit.score));
    found.truncate(arguments.limit);
    if console.is_json() {
        console.print_json(&json!({ "query": arguments.query, "datasets": searched, "hits": found }))?;
    } else {
        console.print(&words(arguments, &searched, &found, console))?;
    }
    Ok(Outcome::Done)
}

/// Takes an opened index, and tells what is to be known about it.
fn told(index: FullText, dataset: &Dataset, console: &Console) -> FullText {
    for note in index.notes() {
        match note {
            IndexNote::Damaged => {
                console
                    .note(&format!("The search index of {} was damaged and is built again.", dataset.id()));
            }
            IndexNote::NotKept(error) => console.note(&format!("The index is not kept: {error}")),
        }
    }
    index
}

fn words(arguments: &SearchArgs, searched: &[Searched], found: &[Found], console: &Console) -> String {
    let indexed: u64 = searched.iter().map(|dataset| dataset.indexed).sum();
    let among = match searched {
        [one] => format!("{indexed} samples and entries of {}", one.id),
        several => format!("{indexed} samples and entries of {} datasets", several.len()),
    };
    let query = plain(&arguments.query);
    if found.is_empty() {
        return format!(
            "Nothing found for `{query}` among {among}. All words must occur; stop words do not count.\n"
        );
    }
    let columns = console.width();
    let count =
        if found.len() == 1 { "The best hit".to_owned() } else { format!("The best {} hits", found.len()) };
    let mut out = format!("{count} for `{query}` among {among}\n");
    for Found { dataset, hit } in found {
        let mut head = format!("{:>8.3}", hit.score);
        if searched.len() > 1 {
            head.push_str(&format!("  {dataset}"));
        }
        head.push_str(&format!("  sample {}", plain(&hit.sample_id)));
        match &hit.entry_id {
            Some(entry) => head.push_str(&format!(", entry {}", plain(entry))),
            None => head.push_str(", its input"),
        }
        for words in [&hit.label, &hit.title].into_iter().flatten() {
            head.push_str("  ");
            head.push_str(&line(words));
        }
        // Writing into a `String` cannot fail.
        let _ = writeln!(out, "\n{}", fitted(&head, columns));
        out.push_str(&wrapped(&hit.snippet, columns, console.is_styled()));
    }
    out
}

/// How far snippets are indented.
const INDENT: usize = 10;

/// A snippet broken into lines of at most `columns`, the words that matched in bold if `styled`.
fn wrapped(snippet: &Snippet, columns: usize, styled: bool) -> String {
    // Words in pieces of which each is a match or none.
    let mut parts: Vec<Vec<(String, bool)>> = vec![Vec::new()];
    let mut push = |text: &str, matched: bool| {
        for (number, piece) in text.split(char::is_whitespace).enumerate() {
            if number > 0 {
                parts.push(Vec::new());
            }
            if let (false, Some(word)) = (piece.is_empty(), parts.last_mut()) {
                word.push((plain(piece), matched));
            }
        }
    };
    let mut at = 0;
    for range in &snippet.highlights {
        push(snippet.text.get(at..range.start).unwrap_or_default(), false);
        push(snippet.text.get(range.clone()).unwrap_or_default(), true);
        at = range.end;
    }
    push(snippet.text.get(at..).unwrap_or_default(), false);

    let mut out = String::new();
    let mut taken = 0;
    for word in parts.iter().filter(|word| !word.is_empty()) {
        let size: usize = word.iter().map(|(piece, _)| width(piece)).sum();
        if taken == 0 || taken + 1 + size > columns {
            out.push_str(if taken == 0 { "" } else { "\n" });
            out.push_str(&" ".repeat(INDENT));
            taken = INDENT + size;
        } else {
            out.push(' ');
            taken += 1 + size;
        }
        for (piece, matched) in word {
            if *matched && styled {
                let _ = write!(out, "\u{1b}[1m{piece}\u{1b}[22m");
            } else {
                out.push_str(piece);
            }
        }
    }
    if taken > 0 {
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snippets_are_wrapped_and_matches_are_bold_only_if_wanted() {
        let text = "The old\nhouse, \u{1b}[2Jold as stone".to_owned();
        let old = |from: usize| from..from + 3;
        let snippet = Snippet { highlights: vec![old(4), old(text.rfind("old").unwrap_or(0))], text };
        assert_eq!(
            wrapped(&snippet, 28, false),
            "          The old house,\n          \\u{1b}[2Jold as\n          stone\n"
        );
        let bold = wrapped(&snippet, 80, true);
        assert_eq!(bold.matches("\u{1b}[1mold\u{1b}[22m").count(), 2);
        assert_eq!(bold.matches('\u{1b}').count(), 4);
        assert_eq!(wrapped(&Snippet { text: String::new(), highlights: Vec::new() }, 80, true), "");
    }
}
