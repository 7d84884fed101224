//! The dataset check: everything about a dataset that someone should know before trusting its figures.

use std::collections::{BTreeMap, HashSet};

use rayon::prelude::*;

use super::error::{DatasetError, FileFault};
use super::finding::{Finding, FindingKind};
use super::index::BrokenRecord;
use super::record::{Field, Oddity, is_mail_placeholder};
use super::set::{DataFile, Dataset, ranked};
use crate::jobs::{CancelToken, Canceled, Progress};
use crate::lamp::{ProfileEntry, Query, Sample, Setting, Split, Task, TaskKind, python_strip};

use FindingKind as Kind;

/// How many record ids a finding names.
const NAMED: usize = 5;

/// How often something was found, and the first places and ids.
type Count = (usize, Vec<(usize, String)>);

/// What was found so far.
#[derive(Debug, Default)]
struct Tally(BTreeMap<(Kind, Option<Field>), Count>);

impl Tally {
    fn add(&mut self, kind: Kind, field: Option<Field>, place: usize, id: &str) {
        let (count, first) = self.0.entry((kind, field)).or_default();
        *count += 1;
        if first.len() < NAMED {
            first.push((place, id.to_owned()));
        }
    }

    fn merge(mut self, other: Tally) -> Tally {
        for (key, (count, first)) in other.0 {
            let mine = self.0.entry(key).or_default();
            mine.0 += count;
            mine.1.extend(first);
            mine.1.sort();
            mine.1.truncate(NAMED);
        }
        self
    }

    fn into_findings(self) -> impl Iterator<Item = Finding> {
        self.0.into_iter().map(|((kind, field), (count, first))| {
            let mut finding = Finding::new(kind, count, first.into_iter().map(|(_, id)| id).collect());
            finding.field = field;
            if let Some(field) = field {
                finding.what = format!("{} (`{field}`)", finding.what);
            }
            finding
        })
    }
}

impl Dataset {
    /// Reads every record and says what is wrong or remarkable, the gravest first. Works on datasets that are refused
    /// otherwise. Progress counts records.
    pub fn check(&self, cancel: &CancelToken, progress: &Progress) -> Result<Vec<Finding>, Canceled> {
        progress.start("Checking", self.len() as u64);
        let tally = (0..self.len())
            .into_par_iter()
            .try_fold(Tally::default, |mut tally, index| {
                cancel.check()?;
                self.check_record(index, &mut tally);
                progress.add(1);
                Ok::<_, Canceled>(tally)
            })
            .try_reduce(Tally::default, |a, b| Ok(a.merge(b)))?;
        let mut findings = self.check_files();
        self.check_golds(&mut findings);
        findings.extend(tally.into_findings());
        findings.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.kind.cmp(&b.kind)));
        Ok(findings)
    }

    fn check_files(&self) -> Vec<Finding> {
        let inner = self.inner();
        let mut findings = Vec::new();
        let mut broken = |file: &DataFile, records: &[BrokenRecord], count: usize| {
            if let Some(first) = records.first() {
                let name = |record: &BrokenRecord| {
                    record.id.clone().unwrap_or_else(|| format!("#{}", record.position))
                };
                let mut finding =
                    Finding::new(Kind::BrokenRecords, count, records.iter().take(NAMED).map(name).collect());
                let place = file.path();
                finding.what = format!(
                    "{} in {}; the first, record {}: {}",
                    finding.what,
                    place.display(),
                    first.position,
                    first.problem
                );
                findings.push(finding);
            }
        };
        broken(&inner.questions, &inner.broken, inner.broken_count);
        for file in inner.outputs.iter().chain(&inner.rankings) {
            broken(file, &file.index.broken, file.index.broken_count);
        }
        let others = inner.outputs.iter().chain(&inner.rankings).map(|file| &**file);
        for file in [&inner.questions].into_iter().chain(others) {
            for fault in &file.index.faults {
                let kind =
                    if *fault == FileFault::ByteOrderMark { Kind::ByteOrderMark } else { Kind::DamagedFile };
                let mut finding = Finding::new(kind, 1, Vec::new());
                finding.what = format!("{}: {fault}", file.path().display());
                findings.push(finding);
            }
        }
        for contradiction in &inner.contradicted {
            let mut finding = Finding::new(Kind::WrongTask, self.len(), Vec::new());
            finding.what = contradiction.clone();
            findings.push(finding);
        }
        if inner.split_assumed {
            let mut finding = Finding::new(Kind::SplitAssumed, 1, Vec::new());
            finding.what = format!("the split shows nowhere in the path and is assumed: {}", self.id().split);
            findings.push(finding);
        }
        let mut duplicates: Vec<&[u32]> = inner.questions.duplicates().collect();
        duplicates.sort_by_key(|group| group[0]);
        if !duplicates.is_empty() {
            let ids = duplicates
                .iter()
                .take(NAMED)
                .map(|group| inner.questions.index.id(group[0] as usize).to_owned());
            findings.push(Finding::new(Kind::DuplicateIds, duplicates.len(), ids.collect()));
        }
        findings
    }

    fn check_golds(&self, findings: &mut Vec<Finding>) {
        let without: Vec<&str> =
            self.summaries().filter(|record| !record.has_reference).map(|record| record.id).collect();
        let first = |ids: &[&str]| ids.iter().take(NAMED).map(|&id| id.to_owned()).collect::<Vec<_>>();
        let some_are_there = without.len() < self.len() || self.inner().outputs.is_some();
        if !without.is_empty() && some_are_there {
            findings.push(Finding::new(Kind::GoldsMissing, without.len(), first(&without)));
        } else if !without.is_empty() && self.id().split != Split::Test {
            findings.push(Finding::new(Kind::GoldsAbsent, without.len(), first(&without)));
        }
        let Some(outputs) = &self.inner().outputs else { return };
        let questions = &self.inner().questions;
        let known: HashSet<&str> =
            self.inner().broken.iter().filter_map(|record| record.id.as_deref()).collect();
        let extra: Vec<&str> = (0..outputs.index.rows.len())
            .map(|row| outputs.index.id(row))
            .filter(|id| questions.rows_of(id).is_empty() && !known.contains(id))
            .collect();
        if !extra.is_empty() {
            findings.push(Finding::new(Kind::GoldsExtra, extra.len(), first(&extra)));
        }
        let mut duplicates: Vec<&[u32]> = outputs.duplicates().collect();
        duplicates.sort_by_key(|group| group[0]);
        if !duplicates.is_empty() {
            let ids: Vec<&str> = duplicates.iter().map(|group| outputs.index.id(group[0] as usize)).collect();
            findings.push(Finding::new(Kind::DuplicateGolds, ids.len(), first(&ids)));
        }
    }

    fn check_record(&self, index: usize, tally: &mut Tally) {
        let parsed = match self.parsed(index) {
            Ok(parsed) => parsed,
            Err(error) => {
                let id = match &error {
                    DatasetError::Changed { id, .. } => id.as_str(),
                    _ => self.summary(index).map_or("", |record| record.id),
                };
                return tally.add(Kind::UnreadableRecords, None, index, id);
            }
        };
        let id = parsed.sample.id.as_str();
        for oddity in &parsed.oddities {
            let (kind, field) = match *oddity {
                Oddity::Mistyped(field) => (Kind::MistypedField, field),
                Oddity::LeftOut(field) => (Kind::UnusableField, field),
                Oddity::Twice(field) => (Kind::DuplicateField, field),
                Oddity::LoneSurrogate(field) => (Kind::LoneSurrogate, field),
            };
            tally.add(kind, Some(field), index, id);
        }
        let dataset = self.id();
        for kind in check_sample(dataset.task, dataset.setting, &parsed.sample) {
            tally.add(kind, None, index, id);
        }
        let fits = |file: &DataFile| match ranked(file, id) {
            Ok(Some(ranking)) => {
                let known: HashSet<&str> =
                    parsed.sample.profile.iter().map(|entry| entry.id.as_str()).collect();
                ranking.iter().all(|id| known.contains(id.as_str()))
            }
            _ => false,
        };
        if !self.inner().rankings.iter().all(|file| fits(file)) {
            tally.add(Kind::RankingMismatch, None, index, id);
        }
    }
}

/// What one sample shows by itself, each kind once.
fn check_sample(task: Task, setting: Setting, sample: &Sample) -> Vec<Kind> {
    let mut found = Vec::new();
    let profile = &sample.profile;
    let mut report = |kind: Kind, is_so: bool| {
        if is_so {
            found.push(kind);
        }
    };
    let placeholder = task == Task::Lamp6
        && (is_mail_placeholder(&sample.input)
            || profile.iter().any(|entry| is_mail_placeholder(&entry.text)));
    report(Kind::MailPlaceholders, placeholder);
    let worded = super::record::wording(sample.input.as_bytes());
    report(Kind::WrongTask, worded.is_some_and(|worded| worded != task));
    // A LaMP-2M input that lost its instruction still has words; only the wording tells.
    let no_marker = !Query::of(task, sample).marker_found || (worded.is_none() && task != Task::Lamp6);
    report(Kind::MissingMarker, no_marker && !placeholder);
    report(Kind::EmptyProfile, profile.is_empty());
    let undated = |entry: &ProfileEntry| entry.parsed_date().is_none();
    report(Kind::NoDates, setting == Setting::Time && profile.iter().any(undated));
    let empty = |text: &str| python_strip(text).is_empty();
    report(Kind::EmptyInput, empty(&sample.input));
    report(Kind::EmptyText, profile.iter().any(|entry| empty(&entry.text)));

    let mut ids = HashSet::with_capacity(profile.len());
    report(Kind::DuplicateEntryIds, !profile.iter().all(|entry| ids.insert(entry.id.as_str())));
    let mut contents = HashSet::with_capacity(profile.len());
    let is_new = |entry| contents.insert(content_of(entry));
    report(Kind::RepeatedEntries, !profile.iter().all(is_new));

    let labels = task.labels();
    let strange = |label: &str| !labels.is_empty() && !labels.contains(&python_strip(label));
    report(Kind::UnknownProfileLabel, profile.iter().filter_map(|entry| entry.label.as_deref()).any(strange));
    if let Some(reference) = sample.reference.as_deref() {
        let wrong = match task.kind() {
            TaskKind::Rating => !python_strip(reference)
                .parse()
                .is_ok_and(|stars: f64| [1.0, 2.0, 3.0, 4.0, 5.0].contains(&stars)),
            _ => strange(reference),
        };
        report(Kind::UnknownLabel, wrong);
        report(
            Kind::GoldInProfile,
            task.kind() == TaskKind::Generation && stands_in(profile, python_strip(reference)),
        );
        report(Kind::MailPlaceholders, !placeholder && task == Task::Lamp6 && is_mail_placeholder(reference));
    }
    let texts = || {
        let entries = profile.iter().flat_map(|entry| [Some(entry.text.as_str()), entry.title.as_deref()]);
        entries.chain([Some(sample.input.as_str()), sample.reference.as_deref()]).flatten()
    };
    report(Kind::HtmlTags, texts().any(has_tag));
    report(Kind::HtmlEntities, texts().any(has_entity));
    report(Kind::ReplacementCharacters, texts().any(|text| text.contains('\u{fffd}')));
    found
}

/// All of an entry but its id.
fn content_of(entry: &ProfileEntry) -> (&str, Option<&str>, Option<&str>, Option<&str>) {
    (&entry.text, entry.title.as_deref(), entry.label.as_deref(), entry.date.as_deref())
}

/// Whether a reference is an entry's title or text, or, if it is long enough for that to be no chance, stands
/// inside one.
fn stands_in(profile: &[ProfileEntry], reference: &str) -> bool {
    if reference.is_empty() {
        return false;
    }
    let long = reference.split_whitespace().count() >= 4;
    let finder = memchr::memmem::Finder::new(reference);
    let texts = profile.iter().flat_map(|entry| [entry.title.as_deref(), Some(entry.text.as_str())]);
    texts
        .flatten()
        .any(|text| python_strip(text) == reference || (long && finder.find(text.as_bytes()).is_some()))
}

/// Whether a text holds an HTML tag, with or without attributes.
fn has_tag(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'<', bytes).any(|at| {
        let rest = &bytes[at + 1..bytes.len().min(at + 200)];
        let name = rest.strip_prefix(b"/").unwrap_or(rest);
        let end = name.iter().find(|byte| !byte.is_ascii_alphanumeric());
        name.first().is_some_and(u8::is_ascii_alphabetic)
            && end.is_some_and(|end| b"> /".contains(end))
            && rest.contains(&b'>')
    })
}

/// Whether a text holds an HTML entity, such as `&amp;` or `&#39;`.
fn has_entity(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'&', bytes).any(|at| {
        let rest = &bytes[at + 1..bytes.len().min(at + 12)];
        let (digits, name) = match rest.strip_prefix(b"#") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let length = name.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        name.get(length) == Some(&b';')
            && if digits { length >= 1 } else { length >= 2 && name[0].is_ascii_alphabetic() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_entities_are_told_from_ordinary_signs() {
        for tag in ["a<br>b", "</p>", "<a href=\"x\">", "1 < 2 <br/>"] {
            assert!(has_tag(tag) && !has_entity(tag), "{tag}");
        }
        for entity in ["AT&amp;T", "it&#39;s", "&#x27;", "& &quot;"] {
            assert!(has_entity(entity) && !has_tag(entity), "{entity}");
        }
        for plain in ["a < b > c", "<3 you>", "R&D;", "fish & chips;", "&;", "&#;", "<", "&", "x <b"] {
            assert!(!has_tag(plain) && !has_entity(plain), "{plain}");
        }
    }
}
