//! Files as bad as they come: each gives a reason, a finding or an error, and nothing panics.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::fs;
use std::io::Write;
use std::path::Path;

use lamplight::dataset::{
    Catalog, DatasetError, FindingKind, OpenOptions, Reason, RecordProblem, SyntaxProblem, UnpackLimits, open,
};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::{Setting, Split, Task};
use proptest::prelude::*;

fn record(id: &str, text: &str) -> String {
    format!(
        r#"{{"id": "{id}", "input": "Paraphrase the following tweet without any explanation before or after it: {text}", "profile": [{{"text": "one {text}", "id": "{id}0"}}, {{"text": "caf\u00e9 \"two\"", "id": "{id}1"}}]}}"#
    )
}

fn questions(count: usize) -> String {
    let records: Vec<String> = (0..count).map(|number| record(&format!("{number:03}"), "hello é")).collect();
    format!("[{}]", records.join(", "))
}

fn open_with(path: &Path, options: &OpenOptions) -> Result<Catalog, DatasetError> {
    open(&[path.to_owned()], options, &CancelToken::new(), &Progress::new())
}

fn open_bytes(bytes: &[u8], skip_broken: bool) -> Catalog {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev_questions.json");
    fs::write(&path, bytes).unwrap();
    open_with(&path, &OpenOptions { skip_broken, ..OpenOptions::default() }).unwrap()
}

fn reason(bytes: &[u8]) -> Reason {
    let mut catalog = open_bytes(bytes, false);
    assert!(catalog.datasets.is_empty());
    catalog.unrecognized.remove(0).reason
}

/// Reads everything there is, so that whatever can go wrong does.
fn exercise(catalog: &Catalog) {
    for dataset in &catalog.datasets {
        let _ = dataset.samples().count();
        dataset.check(&CancelToken::new(), &Progress::new()).unwrap();
        dataset.summaries().for_each(|record| assert!(dataset.position(record.id).is_some()));
    }
}

#[test]
fn hopeless_files_say_why() {
    assert!(matches!(reason(b""), Reason::Empty));
    assert!(matches!(reason(b"  \n"), Reason::Empty));
    assert!(matches!(reason(b"<!DOCTYPE html><html></html>"), Reason::WebPage));
    assert!(matches!(reason(b"\xff\xfe[\0{\0"), Reason::NotUtf8Text));
    assert!(matches!(reason(b"[\0{\0"), Reason::NotUtf8Text));
    assert!(matches!(reason(b"[]"), Reason::EmptyList));
    assert!(matches!(reason(b"{}"), Reason::OtherJson));
    assert!(matches!(reason(b"[1, 2]"), Reason::OtherJson));
    assert!(matches!(reason(br#"{"name": "x"}"#), Reason::OtherJson));
    assert!(matches!(reason(b"NaN"), Reason::Damaged { problem: SyntaxProblem::Value, .. }));
    assert!(matches!(reason(b"["), Reason::Damaged { problem: SyntaxProblem::Ends, .. }));
    assert!(matches!(reason(record("1", "x").as_bytes()), Reason::NotAList));
    assert!(matches!(reason(br#"[{"id": "1", "output": "x"}]"#), Reason::AnswersAlone));
    assert!(matches!(reason(br#"{"1": ["2", "3"]}"#), Reason::RankingAlone));
    let deep = format!(r#"[{{"id": "1", "input": {}"#, "[".repeat(1_000_000));
    assert!(matches!(reason(deep.as_bytes()), Reason::Damaged { problem: SyntaxProblem::TooDeep, .. }));
}

#[test]
fn a_file_cut_at_any_byte_is_never_taken_for_whole() {
    let whole = questions(3);
    for cut in 0..whole.len() {
        let Some(bytes) = whole.as_bytes().get(..cut) else { continue };
        let catalog = open_bytes(bytes, false);
        exercise(&catalog);
        for dataset in &catalog.datasets {
            assert!(dataset.ensure_usable().is_err(), "cut at {cut}");
            assert!(dataset.sample(0).is_err(), "cut at {cut}");
        }
        let catalog = open_bytes(bytes, true);
        exercise(&catalog);
        let good = catalog.datasets.first().map_or(0, |dataset| dataset.len());
        let complete = (1..=3).filter(|&n| cut >= questions(n).len() - 1).count();
        assert_eq!(good, complete, "cut at {cut}");
        for dataset in &catalog.datasets {
            assert!(dataset.sample(0).is_ok());
            let findings = dataset.check(&CancelToken::new(), &Progress::new()).unwrap();
            assert!(
                findings.iter().any(|finding| finding.kind == FindingKind::DamagedFile),
                "cut at {cut}: {findings:?}"
            );
        }
    }
}

#[test]
fn good_records_around_a_broken_one_are_kept_when_asked_for() {
    let broken: Vec<(Vec<u8>, RecordProblem)> = vec![
        (
            br#"{"id": "x", "input": NaN, "profile": []}"#.to_vec(),
            RecordProblem::Syntax(SyntaxProblem::Value),
        ),
        (
            br#"{"id": "x", "input": "a" "profile": []}"#.to_vec(),
            RecordProblem::Syntax(SyntaxProblem::Separator),
        ),
        (br#"{"id": "x", "profile": []}"#.to_vec(), RecordProblem::Missing(lamplight::dataset::Field::Input)),
        (
            br#"{"id": null, "input": "", "profile": []}"#.to_vec(),
            RecordProblem::Mistyped(lamplight::dataset::Field::Id),
        ),
        (
            br#"{"id": "x", "input": "", "profile": {}}"#.to_vec(),
            RecordProblem::Mistyped(lamplight::dataset::Field::Profile),
        ),
        (br#"{"id": "x", "input": "", "profile": ["a"]}"#.to_vec(), RecordProblem::EntryNotAnObject),
        (
            br#"{"id": "x", "input": "", "profile": [{"id": "1"}]}"#.to_vec(),
            RecordProblem::EntryMissing(lamplight::dataset::Field::Text),
        ),
        (b"{\"id\": \"x\", \"input\": \"\xff\xfe\", \"profile\": []}".to_vec(), RecordProblem::NotUtf8),
        (
            b"{\"id\": \"x\", \"input\": \"a\0b\", \"profile\": []}".to_vec(),
            RecordProblem::Syntax(SyntaxProblem::ControlCharacter),
        ),
        (b"17".to_vec(), RecordProblem::NotAnObject),
    ];
    for (bytes, problem) in broken {
        let file =
            [b"[", record("1", "a").as_bytes(), b", ", &bytes, b", ", record("2", "b").as_bytes(), b"]"]
                .concat();
        let refused = open_bytes(&file, false);
        let error = refused.datasets[0].sample(0).unwrap_err();
        assert!(
            matches!(error, DatasetError::BrokenRecords { broken: 1, total: 3, position: 1, .. }),
            "{problem}: {error}"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev_questions.json");
        fs::write(&path, &file).unwrap();
        let catalog = open_with(&path, &OpenOptions { skip_broken: true, ..OpenOptions::default() }).unwrap();
        let dataset = &catalog.datasets[0];
        let ids: Vec<_> = dataset.samples().map(|sample| sample.unwrap().id).collect();
        assert_eq!(ids, ["1", "2"], "{problem}");
        assert_eq!(dataset.broken()[0].problem, problem);
        assert_eq!(dataset.broken_count(), 1);
    }
}

#[test]
fn odd_but_usable_files_load() {
    let with_mark = [b"\xef\xbb\xbf", questions(2).as_bytes()].concat();
    let catalog = open_bytes(&with_mark, false);
    assert_eq!(catalog.datasets[0].samples().filter(Result::is_ok).count(), 2);
    let findings = catalog.datasets[0].check(&CancelToken::new(), &Progress::new()).unwrap();
    assert!(findings.iter().any(|finding| finding.kind == FindingKind::ByteOrderMark));
    assert!(!findings.iter().any(|finding| finding.kind == FindingKind::SplitAssumed));
}

#[test]
fn numbers_keep_their_literal_and_of_a_field_given_twice_the_last_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train_questions.json");
    let text = r#"[{"id": 1.50, "id": 7.0, "input": "What is the score of the following review: x", "output": 4,
        "profile": [{"id": 12345678901234567890123, "text": "a", "score": 5.0, "date": null}]}]"#;
    fs::write(&path, text).unwrap();
    let catalog = open_with(&path, &OpenOptions::default()).unwrap();
    let dataset = &catalog.datasets[0];
    assert_eq!((dataset.id().task, dataset.id().split), (Task::Lamp3, Split::Train));
    let sample = dataset.sample(0).unwrap();
    assert_eq!((sample.id.as_str(), sample.reference.as_deref()), ("7.0", Some("4")));
    assert_eq!(sample.profile[0].id, "12345678901234567890123");
    assert_eq!(sample.profile[0].label.as_deref(), Some("5.0"));
    let findings = dataset.check(&CancelToken::new(), &Progress::new()).unwrap();
    for kind in [FindingKind::MistypedField, FindingKind::DuplicateField] {
        assert!(findings.iter().any(|finding| finding.kind == kind), "{findings:#?}");
    }
}

#[test]
fn a_huge_text_is_refused_and_the_rest_kept() {
    let huge = "y".repeat(100 << 20);
    let file = format!("[{}, {}, {}]", record("1", "a"), record("2", &huge), record("3", "c"));
    let catalog = open_bytes(file.as_bytes(), true);
    let ids: Vec<_> = catalog.datasets[0].samples().map(|sample| sample.unwrap().id).collect();
    assert_eq!(ids, ["1", "3"]);
    assert_eq!(catalog.datasets[0].broken()[0].problem, RecordProblem::TooLarge);
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn archives_load_like_plain_files_and_bad_ones_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let golds =
        br#"{"task": "LaMP_7", "golds": [{"id": "000", "output": "x"}, {"id": "001", "output": "y"}]}"#;
    for cache in [None, Some(folder.path().join("cache"))] {
        let options = OpenOptions { cache, ..OpenOptions::default() };
        let zip = folder.path().join("data.zip");
        let packed = gzipped(questions(2).as_bytes());
        let bytes = zipped(&[
            ("time/LaMP_7/dev/dev_questions.json.gz", &packed),
            ("time/LaMP_7/dev/dev_outputs.json", golds),
            ("../evil.json", b"[]"),
            ("inner.zip", b"PK\x03\x04"),
        ]);
        fs::write(&zip, bytes).unwrap();
        for _ in 0..2 {
            let catalog = open_with(&zip, &options).unwrap();
            let dataset = &catalog.datasets[0];
            assert_eq!((dataset.id().setting, dataset.id().split), (Setting::Time, Split::Dev));
            assert_eq!(dataset.sample(1).unwrap().reference.as_deref(), Some("y"));
            let reasons: Vec<_> = catalog.unrecognized.iter().map(|file| &file.reason).collect();
            assert!(matches!(reasons[..], [Reason::UnsafeName, Reason::NestedArchive]), "{reasons:?}");
        }
        assert!(!folder.path().join("evil.json").exists());

        let cut = folder.path().join("dev_questions.json.gz");
        fs::write(&cut, &packed[..packed.len() / 2]).unwrap();
        let catalog = open_with(&cut, &options).unwrap();
        assert!(matches!(catalog.unrecognized[0].reason, Reason::BadArchive(_)));

        let bomb = folder.path().join("bomb.json.gz");
        fs::write(&bomb, gzipped(&vec![b' '; 80 << 20])).unwrap();
        let catalog = open_with(&bomb, &options).unwrap();
        assert!(matches!(catalog.unrecognized[0].reason, Reason::UnpackRatio { .. }));
        let limits = UnpackLimits { bytes: 1 << 20, ..UnpackLimits::default() };
        let catalog = open_with(&bomb, &OpenOptions { limits, ..options.clone() }).unwrap();
        assert!(matches!(catalog.unrecognized[0].reason, Reason::UnpacksTooLarge { .. }));
        fs::remove_file(bomb).unwrap();
    }
}

#[test]
fn missing_files_are_errors_and_odd_folders_end() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.json");
    assert!(matches!(open_with(&missing, &OpenOptions::default()), Err(DatasetError::Read { .. })));
    fs::create_dir(folder.path().join("dev_questions.json")).unwrap();
    fs::write(folder.path().join("package.json"), r#"{"name": "other"}"#).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path(), folder.path().join("round")).unwrap();
        std::os::unix::fs::symlink("self.json", folder.path().join("self.json")).unwrap();
    }
    let catalog = open_with(folder.path(), &OpenOptions::default()).unwrap();
    assert!(catalog.datasets.is_empty());
    assert!(catalog.unrecognized.iter().all(|file| !file.is_error()), "{:?}", catalog.unrecognized);
}

#[test]
fn a_kept_index_is_made_again_when_file_or_index_changes() {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions { cache: Some(folder.path().join("cache")), ..OpenOptions::default() };
    let path = folder.path().join("dev_questions.json");
    let first_id = || open_with(&path, &options).unwrap().datasets[0].sample(0).unwrap().id;
    fs::write(&path, questions(2)).unwrap();
    assert_eq!(first_id(), "000");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, questions(2).replace("\"000\"", "\"777\"")).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    assert_eq!(first_id(), "777");
    for kept in fs::read_dir(folder.path().join("cache/index")).unwrap() {
        let kept = kept.unwrap().path();
        let mut bytes = fs::read(&kept).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&kept, bytes).unwrap();
    }
    assert_eq!(first_id(), "777");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), skip in any::<bool>()) {
        exercise(&open_bytes(&bytes, skip));
        exercise(&open_bytes(&[b"[", &bytes[..]].concat(), skip));
    }

    #[test]
    fn mutations_never_panic_and_what_loads_is_json(places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)) {
        let mut bytes = questions(4).into_bytes();
        for (place, byte) in places {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        exercise(&open_bytes(&bytes, true));
        let strict = open_bytes(&bytes, false);
        exercise(&strict);
        if let Some(dataset) = strict.datasets.first().filter(|dataset| dataset.ensure_usable().is_ok()) {
            let plain: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(plain.len(), dataset.len());
            for (value, sample) in plain.iter().zip(dataset.samples()) {
                let sample = sample.unwrap();
                prop_assert_eq!(value["input"].as_str(), Some(sample.input.as_str()));
                prop_assert_eq!(value["profile"].as_array().unwrap().len(), sample.profile.len());
                prop_assert_eq!(value["profile"][0]["text"].as_str(), Some(sample.profile[0].text.as_str()));
            }
        }
    }
}
