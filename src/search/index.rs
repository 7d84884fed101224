//! An index of the samples and profile entries of a dataset, on disk or in memory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tantivy::collector::TopDocs;
use tantivy::directory::{MmapDirectory, RamDirectory};
use tantivy::indexer::IndexWriterOptions;
use tantivy::query::{BooleanQuery, ConstScoreQuery, Occur, Query, TermQuery};
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, Value};
use tantivy::snippet::SnippetGenerator;
use tantivy::{DocId, IndexReader, IndexWriter, ReloadPolicy, Score, SegmentReader, TantivyDocument, Term};

use super::{SearchError, analyzer, query, seal};
use crate::jobs::CancelToken;
use crate::lamp::Sample;

/// Part of every folder's name, so that an index of another layout is never opened. Raised with the layout or the analyzer.
const LAYOUT: &str = "v1";

/// Memory for documents not yet written out.
const ARENA_BYTES: usize = 64_000_000;

/// How old a folder left by a builder that was killed must be before it is taken away.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 60 * 60);

/// The most bytes of text a snippet shows.
const SNIPPET_BYTES: usize = 200;

/// What to look in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The inputs of samples.
    Samples,
    /// The entries of profiles.
    Entries,
    /// Both.
    #[default]
    Both,
}

/// A sample or profile entry that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hit {
    /// The sample found, or whose profile has the entry.
    pub sample_id: String,
    /// The profile entry; `None` where the sample itself was found.
    pub entry_id: Option<String>,
    /// The entry's title, where it has one.
    pub title: Option<String>,
    /// The entry's category, tag or score, where it has one.
    pub label: Option<String>,
    /// BM25 as the engine computes it; higher is better.
    pub score: f32,
    /// The part of the input or of the entry's text that matched best, or its beginning if the match is elsewhere.
    pub snippet: Snippet,
}

/// A piece of text with the words that matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snippet {
    /// The piece.
    pub text: String,
    /// Byte ranges of `text`, in order and apart.
    pub highlights: Vec<Range<usize>>,
}

#[derive(Debug, Clone, Copy)]
struct Fields {
    /// Everything that is searched: title, text and label.
    content: Field,
    is_entry: Field,
    /// The order in which things were added; decides between equal scores.
    ordinal: Field,
    sample_id: Field,
    entry_id: Field,
    title: Field,
    text: Field,
    label: Field,
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let fields = Fields {
        content: schema
            .add_text_field("content", analyzer::analyzed(IndexRecordOption::WithFreqsAndPositions)),
        is_entry: schema.add_bool_field("is_entry", INDEXED),
        ordinal: schema.add_u64_field("ordinal", FAST),
        sample_id: schema.add_text_field("sample_id", STORED),
        entry_id: schema.add_text_field("entry_id", STORED),
        title: schema.add_text_field("title", STORED),
        text: schema.add_text_field("text", STORED),
        label: schema.add_text_field("label", STORED),
    };
    (schema.build(), fields)
}

/// A finished index, ready to be searched from any thread.
pub struct Index {
    reader: IndexReader,
    fields: Fields,
}

impl Index {
    /// Opens the index that an [`IndexBuilder`] finished in `folder` under `key`; `None` if there is none.
    ///
    /// # Errors
    /// Where the key cannot be a name, or what is there cannot be opened.
    pub fn open(folder: &Path, key: &str) -> Result<Option<Self>, SearchError> {
        let path = finished_path(folder, key)?;
        if !path.is_dir() {
            return Ok(None);
        }
        Self::open_path(&path).map(Some)
    }

    /// Takes away the index that [`Index::open`] would open, such as a damaged one, if there is one. Another program
    /// that uses it keeps what it has open.
    ///
    /// # Errors
    /// Where the key cannot be a name, or the folder cannot be changed.
    pub fn discard(folder: &Path, key: &str) -> Result<(), SearchError> {
        let path = finished_path(folder, key)?;
        let out_of_the_way = folder.join(partial_name(key));
        // Renamed first, so that nobody opens what is left half way.
        match fs::rename(&path, &out_of_the_way) {
            Ok(()) => {
                let _ = fs::remove_dir_all(&out_of_the_way); // what is left is removed by a later builder
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(SearchError::Folder { path, source }),
        }
    }

    fn open_path(path: &Path) -> Result<Self, SearchError> {
        let open = || -> tantivy::Result<Self> {
            seal::check(path)?;
            let mut index = tantivy::Index::open_in_dir(path)?;
            index.set_tokenizers(analyzer::tokenizers());
            let (expected, fields) = schema();
            if index.schema() != expected {
                return Err(tantivy::TantivyError::SchemaError("it has other fields".to_owned()));
            }
            Self::of(&index, fields)
        };
        open().map_err(|source| SearchError::Damaged { path: path.to_owned(), source })
    }

    fn of(index: &tantivy::Index, fields: Fields) -> tantivy::Result<Self> {
        // A finished index never changes: nothing is watched and no thread is kept.
        Ok(Self { reader: index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?, fields })
    }

    /// How many samples and entries it holds.
    pub fn len(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The best `limit` hits for what a person typed.
    ///
    /// Words and `"phrases"` must all occur, what follows a `-` must not; words are stemmed, and stop words count for
    /// nothing. No other sign has a meaning and nothing is an error. A query that wants nothing (empty, only stop words, only
    /// exclusions) finds nothing. Equal scores stand in the order of the dataset.
    ///
    /// # Errors
    /// Only where the engine fails, such as on a damaged file.
    pub fn search(&self, typed: &str, limit: usize, scope: Scope) -> Result<Vec<Hit>, SearchError> {
        let searcher = self.reader.searcher();
        let limit = limit.min(searcher.num_docs() as usize);
        let Some(understood) = query::understand(self.fields.content, typed).filter(|_| limit > 0) else {
            return Ok(Vec::new());
        };
        let query: Box<dyn Query> = match scope {
            Scope::Both => understood.query,
            Scope::Samples | Scope::Entries => {
                let term = Term::from_field_bool(self.fields.is_entry, scope == Scope::Entries);
                let filter = TermQuery::new(term, IndexRecordOption::Basic);
                Box::new(BooleanQuery::new(vec![
                    (Occur::Must, understood.query),
                    (Occur::Must, Box::new(ConstScoreQuery::new(Box::new(filter), 0.0))),
                ]))
            }
        };
        // The engine's own order of equal scores depends on how its threads cut the index into segments.
        let collector = TopDocs::with_limit(limit).tweak_score(|segment: &SegmentReader| {
            let ordinals =
                segment.fast_fields().u64("ordinal").ok().map(|column| column.first_or_default_col(0));
            move |document: DocId, score: Score| {
                (score, u64::MAX - ordinals.as_ref().map_or(0, |ordinals| ordinals.get_val(document)))
            }
        });
        let found = searcher.search(&*query, &collector)?;
        let terms: BTreeMap<String, Score> = understood.terms.into_iter().map(|term| (term, 1.0)).collect();
        let snippets = SnippetGenerator::new(terms, analyzer::english(), self.fields.content, SNIPPET_BYTES);
        found
            .into_iter()
            .map(|((score, _), address)| Ok(self.hit(&searcher.doc(address)?, score, &snippets)))
            .collect()
    }

    fn hit(&self, document: &TantivyDocument, score: f32, snippets: &SnippetGenerator) -> Hit {
        let stored = |field| document.get_first(field).and_then(|value| value.as_str()).map(str::to_owned);
        let text = stored(self.fields.text).unwrap_or_default();
        let best = snippets.snippet(&text);
        let snippet = if best.is_empty() {
            let beginning = text[..text.floor_char_boundary(SNIPPET_BYTES)].to_owned();
            Snippet { text: beginning, highlights: Vec::new() }
        } else {
            let highlights = tantivy::snippet::collapse_overlapped_ranges(best.highlighted());
            Snippet { text: best.fragment().to_owned(), highlights }
        };
        Hit {
            sample_id: stored(self.fields.sample_id).unwrap_or_default(),
            entry_id: stored(self.fields.entry_id),
            title: stored(self.fields.title),
            label: stored(self.fields.label),
            score,
            snippet,
        }
    }
}

/// Builds an [`Index`], sample by sample, in bounded memory.
///
/// On disk it works in a folder of its own beside the final one and renames it when all is written, so that a
/// half-built index is never opened. Dropped before [`IndexBuilder::finish`], it takes its folder away.
pub struct IndexBuilder {
    index: tantivy::Index,
    writer: IndexWriter,
    fields: Fields,
    added: u64,
    place: Option<Place>,
}

/// Where an index is built, and where it belongs; the former is removed on drop.
struct Place {
    working: PathBuf,
    finished: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed now is removed by a later builder.
        let _ = fs::remove_dir_all(&self.working);
    }
}

impl IndexBuilder {
    /// Builds in memory.
    ///
    /// # Errors
    /// Where the engine fails.
    pub fn in_memory() -> Result<Self, SearchError> {
        let (schema, fields) = schema();
        let index = tantivy::IndexBuilder::new().schema(schema).tokenizers(analyzer::tokenizers());
        Ok(Self::on(index.open_or_create(RamDirectory::create())?, fields, None)?)
    }

    /// Builds in `folder`, which is created if need be. `key` is the dataset's fingerprint: 1 to 100 letters, digits, `-`
    /// and `_`; another dataset needs another key.
    ///
    /// # Errors
    /// Where the key cannot be a name, or the folder cannot be written.
    pub fn in_folder(folder: &Path, key: &str) -> Result<Self, SearchError> {
        let finished = finished_path(folder, key)?;
        let failed = |source| SearchError::Folder { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        remove_left_behind(folder);
        let place = Place { working: folder.join(partial_name(key)), finished };
        fs::create_dir(&place.working).map_err(failed)?;
        let (schema, fields) = schema();
        let directory = MmapDirectory::open(&place.working).map_err(tantivy::TantivyError::from)?;
        let index = tantivy::IndexBuilder::new().schema(schema).tokenizers(analyzer::tokenizers());
        Ok(Self::on(index.open_or_create(directory)?, fields, Some(place))?)
    }

    fn on(index: tantivy::Index, fields: Fields, place: Option<Place>) -> tantivy::Result<Self> {
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(ARENA_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer = index.writer_with_options(options)?;
        Ok(Self { index, writer, fields, added: 0, place })
    }

    /// Adds a sample's input and every entry of its profile.
    ///
    /// # Errors
    /// Cancellation, or where the engine fails (a full disk).
    pub fn add(&mut self, cancel: &CancelToken, sample: &Sample) -> Result<(), SearchError> {
        cancel.check()?;
        let Fields { content, entry_id, title, label, .. } = self.fields;
        let document = self.document(sample, false, &sample.input);
        self.writer.add_document(document)?;
        for entry in &sample.profile {
            let mut document = self.document(sample, true, &entry.text);
            document.add_text(entry_id, &entry.id);
            for (field, value) in [(title, &entry.title), (label, &entry.label)] {
                if let Some(value) = value {
                    document.add_text(field, value);
                    document.add_text(content, value);
                }
            }
            self.writer.add_document(document)?;
        }
        Ok(())
    }

    fn document(&mut self, sample: &Sample, is_entry: bool, text: &str) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        document.add_bool(self.fields.is_entry, is_entry);
        document.add_u64(self.fields.ordinal, self.added);
        document.add_text(self.fields.sample_id, &sample.id);
        document.add_text(self.fields.text, text);
        document.add_text(self.fields.content, text);
        self.added += 1;
        document
    }

    /// Writes what is left, puts the index in its place and opens it. If another builder was faster with the same key, its
    /// index is opened instead.
    ///
    /// # Errors
    /// Cancellation, or where the engine or the file system fails.
    pub fn finish(mut self, cancel: &CancelToken) -> Result<Index, SearchError> {
        cancel.check()?;
        self.writer.commit()?;
        cancel.check()?;
        let Self { index, writer, fields, place, .. } = self;
        writer.wait_merging_threads()?;
        cancel.check()?;
        let Some(place) = place else {
            return Ok(Index::of(&index, fields)?);
        };
        drop(index); // an open file keeps its folder from being renamed on Windows
        let sealed = seal::seal(&place.working);
        sealed.map_err(|source| SearchError::Folder { path: place.working.clone(), source })?;
        if let Err(source) = fs::rename(&place.working, &place.finished)
            && !place.finished.is_dir()
        {
            return Err(SearchError::Folder { path: place.finished.clone(), source });
        }
        Index::open_path(&place.finished)
    }
}

const PARTIAL: &str = "partial-";

fn finished_path(folder: &Path, key: &str) -> Result<PathBuf, SearchError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !(1..=100).contains(&key.len()) || !key.bytes().all(allowed) {
        return Err(SearchError::BadKey { key: key.chars().take(120).collect() });
    }
    Ok(folder.join(format!("{key}-{LAYOUT}")))
}

/// A name that no other builder uses, in this program or in another.
fn partial_name(key: &str) -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    format!("{key}-{LAYOUT}.{PARTIAL}{}-{number}", std::process::id())
}

/// Removes the folders of builders that were killed long ago; what cannot be looked at is left alone.
fn remove_left_behind(folder: &Path) {
    let is_old = |entry: &fs::DirEntry| -> io::Result<bool> {
        let name = entry.file_name();
        let partial = name
            .to_str()
            .and_then(|name| name.split_once('.'))
            .is_some_and(|(_, end)| end.starts_with(PARTIAL));
        let age = SystemTime::now().duration_since(entry.metadata()?.modified()?).unwrap_or_default();
        Ok(partial && age > LEFT_BEHIND)
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_old(&entry).unwrap_or(false) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Canceled;
    use crate::lamp::ProfileEntry;

    fn entry(id: &str, title: &str, text: &str, label: &str) -> ProfileEntry {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ProfileEntry { id: id.into(), text: text.into(), title: some(title), label: some(label), date: None }
    }

    fn samples() -> Vec<Sample> {
        let sample = |id: &str, input: &str, profile| Sample {
            id: id.into(),
            input: input.into(),
            profile,
            ..Sample::default()
        };
        vec![
            sample(
                "00",
                "Generate a headline: the old house burns",
                vec![
                    entry(
                        "7",
                        "Storm over town",
                        "A big storm took the roof of the old town hall.",
                        "weather",
                    ),
                    entry("8", "", "The house is old, and a blue door leads in.", "home"),
                ],
            ),
            sample(
                "01",
                "Generate a headline: rivers rise",
                vec![entry("7", "Old houses", "Rivers and bridges.", "")],
            ),
        ]
    }

    fn fill(mut builder: IndexBuilder) -> Index {
        for sample in samples() {
            builder.add(&CancelToken::new(), &sample).unwrap();
        }
        builder.finish(&CancelToken::new()).unwrap()
    }

    fn found(index: &Index, typed: &str, scope: Scope) -> Vec<String> {
        let mut ids: Vec<String> = index
            .search(typed, 100, scope)
            .unwrap()
            .into_iter()
            .map(|hit| format!("{}/{}", hit.sample_id, hit.entry_id.unwrap_or_default()))
            .collect();
        ids.sort();
        ids
    }

    #[test]
    fn words_phrases_and_exclusions_find_what_they_say() {
        let index = fill(IndexBuilder::in_memory().unwrap());
        assert_eq!(index.len(), 5);
        assert_eq!(found(&index, "houses", Scope::Both), ["00/", "00/8", "01/7"]);
        assert_eq!(found(&index, "houses", Scope::Samples), ["00/"]);
        assert_eq!(found(&index, "houses", Scope::Entries), ["00/8", "01/7"]);
        assert_eq!(found(&index, "\"old house\"", Scope::Both), ["00/", "01/7"]);
        assert_eq!(found(&index, "old house -blue", Scope::Both), ["00/", "01/7"]);
        assert_eq!(found(&index, "weather", Scope::Both), ["00/7"]);
        assert_eq!(found(&index, "\"bridges old\"", Scope::Both), [""; 0]); // text and title are no phrase
        assert_eq!(found(&index, "storm rivers", Scope::Both), [""; 0]);
    }

    #[test]
    fn hits_carry_snippets_with_the_words_marked() {
        let index = fill(IndexBuilder::in_memory().unwrap());
        let hits = index.search("storms", 10, Scope::Entries).unwrap();
        let [hit] = hits.as_slice() else { panic!("{hits:?}") };
        assert_eq!((hit.title.as_deref(), hit.label.as_deref()), (Some("Storm over town"), Some("weather")));
        let marked: Vec<&str> =
            hit.snippet.highlights.iter().map(|range| &hit.snippet.text[range.clone()]).collect();
        assert_eq!(marked, ["storm"]);
        let by_label = &index.search("weather", 10, Scope::Both).unwrap()[0];
        assert!(by_label.snippet.text.starts_with("A big storm") && by_label.snippet.highlights.is_empty());
        assert!(hit.score > 0.0);
    }

    #[test]
    fn odd_queries_find_little_and_never_fail() {
        let index = fill(IndexBuilder::in_memory().unwrap());
        for typed in [
            "",
            "-",
            "\"",
            "AND OR",
            "title:",
            "[a TO",
            "content:house",
            "house^2",
            "/ho/",
            "(((",
            "*",
            "\\",
            "\0",
            "-house",
        ] {
            let _ = index.search(typed, usize::MAX, Scope::Both).unwrap();
        }
        assert_eq!(found(&index, "-house", Scope::Both), [""; 0]);
        assert!(index.search("house", 0, Scope::Both).unwrap().is_empty());
        assert_eq!(index.search("house", 1, Scope::Both).unwrap().len(), 1);
        let empty = IndexBuilder::in_memory().unwrap().finish(&CancelToken::new()).unwrap();
        assert!(empty.is_empty() && empty.search("house", 5, Scope::Both).unwrap().is_empty());
    }

    #[test]
    fn equal_scores_stand_in_the_order_of_the_dataset() {
        let mut builder = IndexBuilder::in_memory().unwrap();
        for i in 0..50 {
            let sample = Sample { id: format!("{i:02}"), input: "same words".into(), ..Sample::default() };
            builder.add(&CancelToken::new(), &sample).unwrap();
        }
        let index = builder.finish(&CancelToken::new()).unwrap();
        let ids: Vec<String> =
            index.search("same", 7, Scope::Both).unwrap().into_iter().map(|hit| hit.sample_id).collect();
        assert_eq!(ids, ["00", "01", "02", "03", "04", "05", "06"]);
    }

    #[test]
    fn an_index_on_disk_is_found_again_and_a_half_built_one_never() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Index::open(folder.path(), "abc").unwrap().is_none());
        let mut half = IndexBuilder::in_folder(folder.path(), "abc").unwrap();
        half.add(&CancelToken::new(), &samples()[0]).unwrap();
        assert!(Index::open(folder.path(), "abc").unwrap().is_none());
        let canceled = CancelToken::new();
        canceled.cancel();
        assert!(matches!(half.finish(&canceled), Err(SearchError::Canceled(Canceled))));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        let first = IndexBuilder::in_folder(folder.path(), "abc").unwrap();
        let second = IndexBuilder::in_folder(folder.path(), "abc").unwrap();
        assert_eq!(fill(first).len(), 5);
        assert_eq!(fill(second).len(), 5);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let index = Index::open(folder.path(), "abc").unwrap().unwrap();
        assert_eq!(found(&index, "houses", Scope::Both), ["00/", "00/8", "01/7"]);
        assert!(Index::open(folder.path(), "other").unwrap().is_none());
    }

    #[test]
    fn keys_that_are_no_names_and_damaged_folders_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for key in ["", "../x", "a/b", "a.b", "é", &"a".repeat(101)] {
            assert!(matches!(Index::open(folder.path(), key), Err(SearchError::BadKey { .. })), "{key}");
        }
        drop(fill(IndexBuilder::in_folder(folder.path(), "abc").unwrap()));
        let path = folder.path().join("abc-v1");
        fs::write(path.join("meta.json"), "{").unwrap();
        let error = Index::open(folder.path(), "abc").err().unwrap();
        assert!(error.to_string().contains("abc-v1"), "{error}");
        Index::discard(folder.path(), "abc").unwrap();
        assert!(Index::open(folder.path(), "abc").unwrap().is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        Index::discard(folder.path(), "abc").unwrap();
    }

    #[test]
    fn a_changed_or_cut_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        drop(fill(IndexBuilder::in_folder(folder.path(), "abc").unwrap()));
        let files: Vec<PathBuf> =
            fs::read_dir(folder.path().join("abc-v1")).unwrap().map(|entry| entry.unwrap().path()).collect();
        let mut noticed = 0;
        for file in files.iter().filter(|file| file.extension().is_none_or(|kind| kind != "lock")) {
            let good = fs::read(file).unwrap();
            for at in [0, good.len() / 2] {
                let Some(&byte) = good.get(at) else { continue };
                let mut bad = good.clone();
                bad[at] = byte ^ 0x55;
                for damage in [&bad[..], &good[..at], b"damaged"] {
                    fs::write(file, damage).unwrap();
                    let error = Index::open(folder.path(), "abc").err().unwrap();
                    assert!(matches!(error, SearchError::Damaged { .. }), "{error}");
                    noticed += 1;
                }
            }
            fs::write(file, good).unwrap();
        }
        assert!(noticed >= 30, "{noticed}");
        assert!(Index::open(folder.path(), "abc").unwrap().is_some());
    }

    #[test]
    fn many_threads_may_search_one_index() {
        let index = fill(IndexBuilder::in_memory().unwrap());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(found(&index, "houses", Scope::Both), ["00/", "00/8", "01/7"]));
            }
        });
    }
}
