//! `lamplight rank`: the entries of a profile in a retriever's order, for one sample or for a whole dataset.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use serde_json::json;

use super::encoders::{EncoderArgs, Encoders};
use super::samples::{Ahead, in_order, prepare_one};
use super::selection::{DatasetSelection, SampleChoice};
use super::text::{fitted, line, plain, table, width};
use super::{CliError, Console, Outcome};
use crate::dataset::Dataset;
use crate::lamp::Sample;
use crate::retrieval::{Problem, Ranking, RankingWriter, Retriever, RetrieverConfig};

/// What every command's help says about retrievers.
pub(super) const RETRIEVERS: &str = "\
Retrievers:
  none                      No entries, the bare input
  random[:SEED][:distinct]  Drawn at random; with `distinct` no entry comes twice
  recency                   The newest first; only where entries have dates (time setting)
  bm25[:k1=1.5][:b=0.75][:epsilon=0.25]
                            Okapi BM25 on words as they stand, as the benchmark computes it
  fulltext                  A search engine's BM25: stemmed words, without stop words
  dense:MODEL               Vectors of an encoder, such as Contriever: a model's folder, or
                            scripted:words=256; then :pooling=mean|cls, :normalize=true,
                            :max_tokens=N, :query=PREFIX, :document=PREFIX where wanted.
                            Between double quotes where it has commas or parentheses
  recency+OTHER             Half from OTHER, then half the newest: recency+bm25
  rrf[:C](ONE,OTHER,...)    Reciprocal rank fusion, C is 60: rrf(bm25,dense:contriever)
";

/// Rank the entries of a sample's profile, or write the ranking file of a whole dataset.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("which").required(true).args(["id", "index", "out"]),
    after_help = format!("{RETRIEVERS}
Examples:
  lamplight rank datasets/sample --task LaMP-4 --setting user --split dev --index 0 --retriever bm25 --k 5
  lamplight rank dev_questions.json --retriever recency+bm25 --use-date --out dev_rankings.json"),
)]
pub(super) struct RankArgs {
    #[command(flatten)]
    selection: DatasetSelection,
    #[command(flatten)]
    sample: SampleChoice,
    /// What puts the entries in order; see below.
    #[arg(long, value_name = "RETRIEVER")]
    retriever: RetrieverConfig,
    /// The most entries a ranking names [default: all].
    #[arg(long, value_name = "N")]
    k: Option<usize>,
    /// Let the retriever read each entry's date with its text.
    #[arg(long)]
    use_date: bool,
    /// Rank every sample and write a ranking file in the official format.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    encoder: EncoderArgs,
}

/// How profiles are ranked.
struct Ranker<'a> {
    dataset: &'a Dataset,
    retriever: Box<dyn Retriever>,
    k: usize,
    use_date: bool,
    encoders: &'a Encoders<'a>,
    console: &'a Console,
}

/// A sample's ranking, and what was ranked.
struct Ranked {
    problem: Problem,
    ranking: Ranking,
}

impl Ranker<'_> {
    fn ahead(&self) -> Ahead<'_> {
        Ahead { retriever: &*self.retriever, use_date: self.use_date }
    }

    fn rank(&self, sample: &Sample) -> Result<Ranked, CliError> {
        let problem = Problem::of(self.dataset.id().task, sample, self.use_date);
        let Problem { query, documents } = &problem;
        let ranking = self.retriever.rank(self.console.cancel(), query, documents, self.k)?;
        Ok(Ranked { problem, ranking })
    }
}

/// Runs the command.
pub(super) fn run(arguments: &RankArgs, console: &Console) -> Result<Outcome, CliError> {
    let cache = arguments.selection.cache_folder();
    let encoders = Encoders::new(&arguments.encoder, cache.as_deref(), console);
    let retriever = arguments.retriever.build(&encoders)?;
    let dataset = arguments.selection.one(console)?;
    let k = arguments.k.unwrap_or(usize::MAX);
    let (dataset, encoders) = (&dataset, &encoders);
    let ranker = Ranker { dataset, retriever, k, use_date: arguments.use_date, encoders, console };
    if let Some(path) = &arguments.out {
        return write_all(&ranker, path);
    }
    let (index, sample) = arguments.sample.find(dataset)?;
    prepare_one(dataset, console, ranker.ahead(), &sample)?;
    let ranked = ranker.rank(&sample)?;
    encoders.tell();
    if console.is_json() {
        console.print_json(&as_json(&ranker, index, &sample, &ranked))?;
    } else {
        console.print(&words(&ranker, index, &sample, &ranked))?;
    }
    Ok(Outcome::Done)
}

fn as_json(ranker: &Ranker<'_>, index: usize, sample: &Sample, ranked: &Ranked) -> serde_json::Value {
    let id = ranker.dataset.id();
    let places = ranked.ranking.entries.iter().zip(1..).filter_map(|(entry, rank)| {
        let document = ranked.problem.documents.get(entry.index)?;
        let date = &sample.profile.get(entry.index)?.date;
        Some(json!({
            "rank": rank, "index": entry.index, "id": document.id, "score": entry.score, "date": date,
            "text": document.text,
        }))
    });
    json!({
        "task": id.task,
        "setting": id.setting,
        "split": id.split,
        "index": index,
        "id": sample.id,
        "retriever": ranker.retriever.id(),
        "use_date": ranker.use_date,
        "query": ranked.problem.query.text,
        "marker_found": ranked.problem.query.marker_found,
        "profile_entries": sample.profile.len(),
        "encoders": ranker.encoders.as_json(),
        "ranking": places.collect::<Vec<_>>(),
    })
}

fn words(ranker: &Ranker<'_>, index: usize, sample: &Sample, ranked: &Ranked) -> String {
    let columns = ranker.console.width();
    let id = ranker.dataset.id();
    let (ranking, of) = (&ranked.ranking, sample.profile.len());
    let mut out = format!("{id}, sample {} (index {index} of {})\n", plain(&sample.id), ranker.dataset.len());
    // Writing into a `String` cannot fail.
    let _ = writeln!(out, "{}, {} of {of} entries", ranker.retriever.describe(), ranking.len());
    let _ = writeln!(out, "Query  {}", fitted(&line(&ranked.problem.query.text), columns - 7));
    if !ranked.problem.query.marker_found {
        let _ = writeln!(out, "       The input lacks the task's marker, so all of it is the query.");
    }
    if ranking.is_empty() {
        let why = if of == 0 { "The profile has no entries." } else { "No entry is retrieved." };
        let _ = writeln!(out, "\n{why}");
        return out;
    }
    let scored = ranking.entries.iter().any(|entry| entry.score.is_some());
    let dated = sample.profile.iter().any(|entry| entry.date.is_some());
    let mut rows = vec![row("Rank", "Entry", scored.then_some("Score"), dated.then_some("Date"))];
    for (entry, rank) in ranking.entries.iter().zip(1..) {
        let Some(of_profile) = sample.profile.get(entry.index) else { continue };
        let score = entry.score.map(|score| format!("{score:.4}")).unwrap_or_default();
        let date = of_profile.date.as_deref().map(|date| fitted(&plain(date), 10)).unwrap_or_default();
        let entry_id = fitted(&plain(&of_profile.id), 24);
        rows.push(row(
            &rank.to_string(),
            &entry_id,
            scored.then_some(score.as_str()),
            dated.then_some(date.as_str()),
        ));
    }
    // The text takes what the other columns leave.
    let taken: usize = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0) + 2)
        .sum();
    let room = columns.saturating_sub(taken).max(20);
    let texts = ranking.indices().filter_map(|index| ranked.problem.documents.get(index));
    let texts =
        ["Text".to_owned()].into_iter().chain(texts.map(|document| fitted(&line(&document.text), room)));
    for (row, text) in rows.iter_mut().zip(texts) {
        row.push(text);
    }
    let _ = write!(out, "\n{}", table(&rows, if scored { &[0, 2] } else { &[0] }));
    out
}

fn row(rank: &str, entry: &str, score: Option<&str>, date: Option<&str>) -> Vec<String> {
    [Some(rank), Some(entry), score, date].into_iter().flatten().map(str::to_owned).collect()
}

/// Ranks every sample into a ranking file.
fn write_all(ranker: &Ranker<'_>, path: &Path) -> Result<Outcome, CliError> {
    let (dataset, console) = (ranker.dataset, ranker.console);
    let mut writer = RankingWriter::create(path)?;
    let (mut no_marker, mut empty) = (0usize, 0usize);
    in_order(
        dataset,
        console,
        "Ranking",
        Some(ranker.ahead()),
        |_, sample| {
            let ranked = ranker.rank(sample)?;
            let ids: Vec<String> =
                ranked.ranking.entry_ids(&ranked.problem.documents).into_iter().map(str::to_owned).collect();
            Ok((sample.id.clone(), ids, ranked.problem.query.marker_found, sample.profile.is_empty()))
        },
        |(id, ids, marker_found, is_empty)| {
            no_marker += usize::from(!marker_found);
            empty += usize::from(is_empty);
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            Ok(writer.add(&id, &ids)?)
        },
    )?;
    writer.finish()?;
    ranker.encoders.tell();
    let id = dataset.id();
    if console.is_json() {
        console.print_json(&json!({
            "task": id.task, "setting": id.setting, "split": id.split, "retriever": ranker.retriever.id(),
            "use_date": ranker.use_date, "k": (ranker.k != usize::MAX).then_some(ranker.k),
            "out": path.to_string_lossy(), "samples": dataset.len(),
            "without_marker": no_marker, "without_profile": empty, "encoders": ranker.encoders.as_json(),
        }))?;
    } else {
        let mut out = format!(
            "{id}: {} samples ranked by {} in {}\n",
            dataset.len(),
            ranker.retriever.id(),
            path.display()
        );
        if no_marker > 0 {
            let _ = writeln!(
                out,
                "Without the task's marker, so that the whole input was the query: {no_marker}"
            );
        }
        if empty > 0 {
            let _ = writeln!(out, "With an empty profile, so that the ranking is empty: {empty}");
        }
        console.print(&out)?;
    }
    Ok(Outcome::Done)
}
