//! Rankings in the official format: one JSON object from sample id to its entry ids, the best first.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::Ranking;
use crate::lamp::Document;
use crate::whole_file::WholeFile;

/// Rankings of many samples, read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankingFile {
    path: PathBuf,
    rankings: BTreeMap<String, Vec<String>>,
}

/// How much of a profile a ranking must name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Every entry once, as the official ranking script writes.
    Whole,
    /// Any entries, which may also repeat: a ranking that was cut, or random draws with replacement.
    Partial,
}

/// Why a ranking file cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub enum RankingFileError {
    /// The file cannot be read.
    #[error("cannot read the ranking file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not a JSON object of lists of ids.
    #[error("{} is not a ranking file (a JSON object from sample ids to lists of entry ids)", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: serde_json::Error,
    },
    /// A sample is ranked twice.
    #[error("sample `{sample_id}` occurs twice in the ranking file {}", path.display())]
    RepeatedSample {
        /// The file.
        path: PathBuf,
        /// The sample.
        sample_id: String,
    },
    /// Samples are not ranked.
    #[error(
        "the ranking file {} lacks {count} of the samples (first `{sample_id}`); was it made for another split?",
        path.display()
    )]
    MissingSamples {
        /// The file.
        path: PathBuf,
        /// The first sample that is missing.
        sample_id: String,
        /// How many are.
        count: usize,
    },
    /// A ranking names an entry that the sample's profile does not have.
    #[error(
        "the ranking file {} names entry `{entry_id}`, which the profile of sample `{sample_id}` does not have",
        path.display()
    )]
    UnknownEntry {
        /// The file.
        path: PathBuf,
        /// The sample.
        sample_id: String,
        /// The entry.
        entry_id: String,
    },
    /// A ranking names an entry more often than the profile has it.
    #[error("the ranking file {} names entry `{entry_id}` of sample `{sample_id}` too often", path.display())]
    RepeatedEntry {
        /// The file.
        path: PathBuf,
        /// The sample.
        sample_id: String,
        /// The entry.
        entry_id: String,
    },
    /// A ranking that should be whole is not.
    #[error(
        "the ranking file {} lacks {count} of the entries of sample `{sample_id}` (first `{entry_id}`)",
        path.display()
    )]
    MissingEntries {
        /// The file.
        path: PathBuf,
        /// The sample.
        sample_id: String,
        /// The first entry that is missing, in the order of the profile.
        entry_id: String,
        /// How many are.
        count: usize,
    },
    /// The file cannot be written; what was there before still is.
    #[error("cannot write the ranking file {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl RankingFile {
    /// Reads a ranking file.
    ///
    /// # Errors
    /// Where it cannot be read, is of another form or ranks a sample twice.
    pub fn read(path: &Path) -> Result<Self, RankingFileError> {
        let bytes =
            fs::read(path).map_err(|source| RankingFileError::Read { path: path.to_owned(), source })?;
        let json = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let read: Parsed = serde_json::from_slice(json)
            .map_err(|source| RankingFileError::Format { path: path.to_owned(), source })?;
        match read.repeated {
            Some(sample_id) => Err(RankingFileError::RepeatedSample { path: path.to_owned(), sample_id }),
            None => Ok(Self { path: path.to_owned(), rankings: read.rankings }),
        }
    }

    /// How many samples are ranked.
    pub fn len(&self) -> usize {
        self.rankings.len()
    }

    /// Whether no sample is ranked.
    pub fn is_empty(&self) -> bool {
        self.rankings.is_empty()
    }

    /// The entry ids of a sample in rank order, as they stand in the file.
    pub fn entry_ids(&self, sample_id: &str) -> Option<&[String]> {
        self.rankings.get(sample_id).map(Vec::as_slice)
    }

    /// Whether every one of `sample_ids` is ranked; a file may rank more.
    ///
    /// # Errors
    /// [`RankingFileError::MissingSamples`].
    pub fn check_samples<'s>(
        &self,
        sample_ids: impl IntoIterator<Item = &'s str>,
    ) -> Result<(), RankingFileError> {
        let mut missing = sample_ids.into_iter().filter(|id| !self.rankings.contains_key(*id));
        match missing.next() {
            None => Ok(()),
            Some(first) => Err(RankingFileError::MissingSamples {
                path: self.path.clone(),
                sample_id: first.to_owned(),
                count: 1 + missing.count(),
            }),
        }
    }

    /// The ranking of a sample's documents.
    ///
    /// Where a profile has an id more than once, its first place in the ranking means the first such entry, its second the
    /// second, and so on.
    ///
    /// # Errors
    /// Where the sample is missing, the ranking names an entry that is not there, or is less complete than asked.
    pub fn apply(
        &self,
        sample_id: &str,
        documents: &[Document],
        completeness: Completeness,
    ) -> Result<Ranking, RankingFileError> {
        self.check_samples([sample_id])?;
        let ids = self.entry_ids(sample_id).unwrap_or_default();
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, document) in documents.iter().enumerate() {
            places.entry(&document.id).or_default().push(index);
        }
        let mut used: HashMap<&str, usize> = HashMap::new();
        let mut named = vec![false; documents.len()];
        let mut indices = Vec::with_capacity(ids.len());
        for id in ids {
            let names = || (self.path.clone(), sample_id.to_owned(), id.clone());
            let Some(same) = places.get(id.as_str()) else {
                let (path, sample_id, entry_id) = names();
                return Err(RankingFileError::UnknownEntry { path, sample_id, entry_id });
            };
            let times = used.entry(id).or_default();
            if *times >= same.len() && completeness == Completeness::Whole {
                let (path, sample_id, entry_id) = names();
                return Err(RankingFileError::RepeatedEntry { path, sample_id, entry_id });
            }
            let index = same[*times % same.len()];
            *times += 1;
            named[index] = true;
            indices.push(index);
        }
        let mut missing = documents.iter().zip(&named).filter(|(_, named)| !**named).map(|(entry, _)| entry);
        if let (Completeness::Whole, Some(first)) = (completeness, missing.next()) {
            return Err(RankingFileError::MissingEntries {
                path: self.path.clone(),
                sample_id: sample_id.to_owned(),
                entry_id: first.id.clone(),
                count: 1 + missing.count(),
            });
        }
        Ok(Ranking::of_indices(indices))
    }
}

/// A ranking file as it stands, with the first sample that occurs again.
struct Parsed {
    rankings: BTreeMap<String, Vec<String>>,
    repeated: Option<String>,
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Parsed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from sample ids to lists of entry ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed, A::Error> {
                let mut parsed = Parsed { rankings: BTreeMap::new(), repeated: None };
                while let Some((id, entries)) = map.next_entry::<String, Vec<String>>()? {
                    match parsed.rankings.entry(id) {
                        Entry::Vacant(place) => {
                            place.insert(entries);
                        }
                        Entry::Occupied(known) => {
                            parsed.repeated.get_or_insert_with(|| known.key().clone());
                        }
                    }
                }
                Ok(parsed)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Writes a ranking file sample by sample. The file appears when all is written; dropped before
/// [`RankingWriter::finish`], the writer leaves what was there before.
pub struct RankingWriter {
    out: WholeFile,
    path: PathBuf,
    written: HashSet<String>,
}

impl RankingWriter {
    /// Begins a file.
    ///
    /// # Errors
    /// Where its folder cannot be written.
    pub fn create(path: &Path) -> Result<Self, RankingFileError> {
        let failed = |source| RankingFileError::Write { path: path.to_owned(), source };
        let out = WholeFile::create(path).map_err(failed)?;
        let mut writer = Self { out, path: path.to_owned(), written: HashSet::new() };
        writer.write(b"{")?;
        Ok(writer)
    }

    /// Adds a sample with its entry ids in rank order.
    ///
    /// # Errors
    /// Where the sample is already there, or the file cannot be written.
    pub fn add(&mut self, sample_id: &str, entry_ids: &[&str]) -> Result<(), RankingFileError> {
        if !self.written.insert(sample_id.to_owned()) {
            let (path, sample_id) = (self.path.clone(), sample_id.to_owned());
            return Err(RankingFileError::RepeatedSample { path, sample_id });
        }
        let separator: &[u8] = if self.written.len() > 1 { b", " } else { b"" };
        self.write(separator)?;
        self.write_json(&sample_id)?;
        self.write(b": ")?;
        self.write_json(&entry_ids)
    }

    /// Ends the file and puts it in its place.
    ///
    /// # Errors
    /// Where the file cannot be written; then what was there before still is.
    pub fn finish(mut self) -> Result<(), RankingFileError> {
        self.write(b"}\n")?;
        self.out.finish().map_err(|source| RankingFileError::Write { path: self.path, source })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RankingFileError> {
        self.out
            .write_all(bytes)
            .map_err(|source| RankingFileError::Write { path: self.path.clone(), source })
    }

    fn write_json<T: serde::Serialize>(&mut self, value: &T) -> Result<(), RankingFileError> {
        let json = serde_json::to_vec(value)
            .map_err(|source| RankingFileError::Write { path: self.path.clone(), source: source.into() })?;
        self.write(&json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(ids: &[&str]) -> Vec<Document> {
        ids.iter().map(|id| Document { id: (*id).into(), text: String::new(), date: None }).collect()
    }

    fn read(text: &str) -> Result<RankingFile, RankingFileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ranks.json");
        fs::write(&path, text).unwrap();
        RankingFile::read(&path)
    }

    fn apply(text: &str, ids: &[&str], completeness: Completeness) -> Result<Vec<usize>, String> {
        let file = read(text).unwrap();
        let ranking = file.apply("010", &documents(ids), completeness).map_err(|error| error.to_string())?;
        Ok(ranking.indices().collect())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ranks.json");
        let mut writer = RankingWriter::create(&path).unwrap();
        writer.add("010", &["b", "a\"\n"]).unwrap();
        writer.add("011", &[]).unwrap();
        assert!(matches!(writer.add("010", &[]), Err(RankingFileError::RepeatedSample { .. })));
        assert!(!path.exists());
        writer.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"010\": [\"b\",\"a\\\"\\n\"], \"011\": []}\n");
        let file = RankingFile::read(&path).unwrap();
        assert_eq!((file.len(), file.entry_ids("011")), (2, Some(&[][..])));
        assert_eq!(file.entry_ids("010").unwrap(), ["b", "a\"\n"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unfinished_file_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ranks.json");
        fs::write(&path, "{}").unwrap();
        let mut writer = RankingWriter::create(&path).unwrap();
        writer.add("1", &["a"]).unwrap();
        drop(writer);
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(RankingWriter::create(&folder.path().join("no").join("ranks.json")).is_err());
    }

    #[test]
    fn rankings_are_applied_to_documents() {
        use Completeness::{Partial, Whole};
        let file = r#"{"010": ["c", "a", "c"]}"#;
        assert_eq!(apply(file, &["a", "c", "c"], Whole), Ok(vec![1, 0, 2]));
        assert_eq!(apply(file, &["a", "b", "c"], Partial), Ok(vec![2, 0, 2]));
        let error = |text, ids: &[&str], completeness| apply(text, ids, completeness).unwrap_err();
        assert!(error(file, &["a", "c"], Whole).contains("entry `c` of sample `010` too often"));
        assert!(error(file, &["a", "x"], Partial).contains("`c`, which the profile of sample `010`"));
        assert!(
            error(file, &["a", "c", "c", "x", "y"], Whole)
                .contains("lacks 2 of the entries of sample `010` (first `x`)")
        );
        assert!(error(r#"{"10": []}"#, &[], Whole).contains("lacks 1 of the samples (first `010`)"));
        assert_eq!(apply("\u{feff}{\"010\": []}", &[], Whole), Ok(vec![]));
    }

    #[test]
    fn missing_samples_are_counted_and_named() {
        let file = read(r#"{"1": [], "2": [], "9": []}"#).unwrap();
        assert!(file.check_samples(["1", "9"]).is_ok());
        let error = file.check_samples(["1", "3", "2", "4"]).unwrap_err().to_string();
        assert!(error.contains("lacks 2 of the samples (first `3`)"), "{error}");
    }

    #[test]
    fn other_content_is_refused() {
        for text in [
            "",
            "[]",
            "{",
            "{\"1\": 2}",
            "{\"1\": [1]}",
            "{\"1\": null}",
            "<html>",
            "{\"1\": [\"a\"]} x",
            "nul",
        ] {
            assert!(matches!(read(text), Err(RankingFileError::Format { .. })), "{text}");
        }
        assert!(matches!(read(&"[".repeat(100_000)), Err(RankingFileError::Format { .. })));
        let error = read(r#"{"1": [], "2": [], "1": []}"#).unwrap_err();
        assert!(error.to_string().contains("sample `1` occurs twice"), "{error}");
        assert!(matches!(RankingFile::read(Path::new("/no/such/file")), Err(RankingFileError::Read { .. })));
    }
}
