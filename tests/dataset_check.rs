//! What the dataset check finds, kind by kind, in files that show it.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lamplight::dataset::{Catalog, Finding, FindingKind, OpenOptions, Severity, open};
use lamplight::jobs::{CancelToken, Progress};

const TWEET: &str = "Paraphrase the following tweet without any explanation before or after it:";
const REVIEW: &str = "What is the score of the following review on a scale of 1 to 5? just answer with 1, 2, 3, 4, or 5 without further explanation. review:";
const MOVIE: &str = "Which tag does this movie relate to among the following tags? Just answer with the tag name without further explanation. tags: [sci-fi, comedy] description:";

fn write(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

fn opened(path: &Path, options: &OpenOptions) -> Catalog {
    open(&[path.to_owned()], options, &CancelToken::new(), &Progress::new()).unwrap()
}

/// The findings about the only dataset among the files.
fn findings(files: &[(&str, String)]) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        write(folder.path(), name, content.as_bytes());
    }
    let catalog = opened(folder.path(), &OpenOptions::default());
    assert_eq!(catalog.datasets.len(), 1, "{:?}", catalog.unrecognized);
    catalog.datasets[0].check(&CancelToken::new(), &Progress::new()).unwrap()
}

/// A LaMP-7 record with these entries.
fn tweet(id: &str, entries: &str) -> String {
    format!(r#"{{"id": "{id}", "input": "{TWEET} good morning", "profile": [{entries}]}}"#)
}

fn plain(id: &str) -> String {
    tweet(id, r#"{"id": "1", "text": "so it goes"}, {"id": "2", "text": "on and on"}"#)
}

fn golds(task: &str, pairs: &[(&str, &str)]) -> String {
    let golds: Vec<String> =
        pairs.iter().map(|(id, output)| format!(r#"{{"id": "{id}", "output": "{output}"}}"#)).collect();
    format!(r#"{{"task": "{task}", "golds": [{}]}}"#, golds.join(", "))
}

/// A file as it should be.
const Q: &str = "LaMP_7/dev/dev_questions.json";
const O: &str = "LaMP_7/dev/dev_outputs.json";

struct Case {
    kind: &'static str,
    /// How many, and the records named.
    count: usize,
    records: &'static [&'static str],
    files: Vec<(&'static str, String)>,
}

fn case(
    kind: &'static str,
    count: usize,
    records: &'static [&'static str],
    files: Vec<(&'static str, String)>,
) -> Case {
    Case { kind, count, records, files }
}

/// Two tweets, the second with these entries, and their golds.
fn second(kind: &'static str, entries: &str) -> Case {
    let files = vec![
        (Q, format!("[{}, {}]", plain("01"), tweet("02", entries))),
        (O, golds("LaMP_7", &[("01", "hello all"), ("02", "the day begins well")])),
    ];
    case(kind, 1, &["02"], files)
}

fn cases() -> Vec<Case> {
    let two = || format!("[{}, {}]", plain("01"), plain("02"));
    let both = || golds("LaMP_7", &[("01", "a"), ("02", "b")]);
    let merged = |record: String| vec![("LaMP_7/dev/dev_merged.json", format!("[{record}]"))];
    let review = |gold: &str, score: &str| {
        vec![(
            "LaMP_3/dev/dev_merged.json",
            format!(
                r#"[{{"id": "7", "input": "{REVIEW} fine", "output": {gold}, "profile": [{{"id": "1", "text": "x", "score": {score}}}]}}]"#
            ),
        )]
    };
    vec![
        case(
            "broken_records",
            1,
            &["#1"],
            vec![(Q, format!(r#"[{}, {{"input": "x", "profile": []}}]"#, plain("01"))), (O, golds("LaMP_7", &[("01", "a")]))],
        ),
        case("damaged_file", 1, &[], vec![(Q, format!("[{}, ", plain("01"))), (O, golds("LaMP_7", &[("01", "a")]))]),
        case("wrong_task", 2, &[], vec![("LaMP_4/dev/dev_questions.json", two()), ("LaMP_4/dev/dev_outputs.json", both())]),
        case("wrong_task", 2, &[], vec![(Q, two()), (O, golds("LaMP_3", &[("01", "1"), ("02", "2")]))]),
        case("golds_missing", 1, &["02"], vec![(Q, two()), (O, golds("LaMP_7", &[("01", "a")]))]),
        case("golds_absent", 2, &["01", "02"], vec![(Q, two())]),
        case(
            "golds_extra",
            1,
            &["03"],
            vec![(Q, two()), (O, golds("LaMP_7", &[("01", "a"), ("02", "b"), ("03", "c")]))],
        ),
        case(
            "duplicate_ids",
            1,
            &["02"],
            vec![(Q, format!("[{}, {}, {}]", plain("01"), plain("02"), plain("02"))), (O, both())],
        ),
        case(
            "duplicate_golds",
            1,
            &["01"],
            vec![(Q, two()), (O, golds("LaMP_7", &[("01", "a"), ("02", "b"), ("01", "c")]))],
        ),
        case(
            "mail_placeholders",
            1,
            &["5"],
            vec![(
                "LaMP_6/dev/dev_questions.json",
                r#"[{"id": "5", "input": "147-000874-EM.txt", "profile": [{"id": "50", "text": "147-000875-EM.txt"}]}]"#.into(),
            )],
        ),
        case("unknown_label", 1, &["7"], review(r#""6""#, r#""5""#)),
        case("unknown_profile_label", 1, &["7"], review(r#""5""#, r#""five""#)),
        case("mistyped_field", 1, &["007"], {
            let mut files = review(r#""5""#, "5.0");
            files[0].1 = files[0].1.replace(r#""7""#, r#""007""#);
            files
        }),
        // The record of the public dev file that lost its instruction, among ones that have theirs.
        case(
            "missing_marker",
            1,
            &["110"],
            vec![(
                "LaMP_2/new/dev/dev_merged.json",
                ["x Overwhelmed by her suffocating schedule", &format!("{MOVIE} A ship"), &format!("{MOVIE} A dog")]
                    .iter()
                    .zip(["110", "111", "112"])
                    .map(|(input, id)| {
                        format!(r#"{{"id": "{id}", "input": "{input}", "output": "comedy", "profile": [{{"id": "1", "description": "d", "tag": "comedy"}}]}}"#)
                    })
                    .collect::<Vec<_>>()
                    .join(", ")
                    .replacen('{', "[{", 1)
                    + "]",
            )],
        ),
        second("unusable_field", r#"{"id": "1", "text": "x", "date": [2014]}"#),
        second("duplicate_field", r#"{"id": "1", "text": "x", "text": "y"}"#),
        second("lone_surrogate", r#"{"id": "1", "text": "half \ud83d of it"}"#),
        second("empty_profile", ""),
        second("empty_text", r#"{"id": "1", "text": " \n"}"#),
        second("duplicate_entry_ids", r#"{"id": "1", "text": "x"}, {"id": "1", "text": "y"}"#),
        second("repeated_entries", r#"{"id": "1", "text": "x"}, {"id": "2", "text": "x"}"#),
        second("gold_in_profile", r#"{"id": "1", "text": "and so the day begins well for us"}"#),
        second("html_tags", r#"{"id": "1", "text": "one<br/>two"}"#),
        second("html_entities", r#"{"id": "1", "text": "this &amp; that"}"#),
        second("replacement_characters", r#"{"id": "1", "text": "caf\ufffd"}"#),
        case(
            "empty_input",
            1,
            &["02"],
            merged(format!(
                r#"{}, {{"id": "02", "input": "", "output": "a", "profile": []}}"#,
                plain("01")
            )),
        ),
        case(
            "no_dates",
            1,
            &["02"],
            vec![
                (
                    "time/LaMP_7/dev/dev_questions.json",
                    format!(
                        "[{}, {}]",
                        tweet("01", r#"{"id": "1", "text": "x", "date": "2014"}"#),
                        tweet("02", r#"{"id": "1", "text": "x", "date": "2014-03-07"}, {"id": "2", "text": "y"}"#)
                    ),
                ),
                ("time/LaMP_7/dev/dev_outputs.json", both()),
            ],
        ),
        case(
            "ranking_mismatch",
            1,
            &["02"],
            vec![
                (Q, two()),
                (O, both()),
                ("LaMP_7/dev/dev_ranking.json", r#"{"01": ["2", "1"], "02": ["1", "9"]}"#.into()),
            ],
        ),
        case("split_assumed", 1, &[], vec![("questions.json", two()), ("outputs.json", both())]),
        case("byte_order_mark", 1, &[], vec![(Q, format!("\u{feff}{}", two())), (O, both())]),
    ]
}

#[test]
fn every_kind_is_found_where_it_is_and_counted() {
    let mut seen = BTreeSet::from(["unreadable_records"]); // needs a file that changes, see below
    for Case { kind, count, records, files } in cases() {
        let found = findings(&files);
        let finding = found.iter().find(|finding| finding.kind.id() == kind);
        let finding = finding.unwrap_or_else(|| panic!("{kind} is not among {found:#?}"));
        assert_eq!((finding.count, finding.records.as_slice()), (count, &*own(records)), "{kind}");
        assert_eq!(finding.severity, finding.kind.severity());
        assert!(!finding.what.is_empty() && !finding.advice.is_empty());
        seen.insert(kind);
    }
    let all: BTreeSet<&str> = FindingKind::ALL.iter().map(|kind| kind.id()).collect();
    assert_eq!(seen, all);
    assert_eq!(all.len(), FindingKind::ALL.len(), "two kinds share an id");
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn a_file_as_it_should_be_gives_no_finding() {
    let files = [
        (Q, format!("[{}, {}]", plain("01"), plain("02"))),
        (O, golds("LaMP_7", &[("01", "a"), ("02", "b")])),
    ];
    assert_eq!(findings(&files), []);
    // Test references are withheld.
    let hidden = [("LaMP_7/test/test_questions.json", format!("[{}]", plain("01")))];
    assert_eq!(findings(&hidden), []);
}

#[test]
fn findings_are_worded_for_one_and_for_many() {
    let one = findings(&[(Q, format!("[{}]", plain("01")))]);
    assert_eq!(one[0].what, "1 record, and no reference at all");
    let golds = golds("LaMP_7", &[("02", "a")]);
    let two = findings(&[(Q, format!("[{}, {}, {}]", plain("02"), plain("03"), plain("04"))), (O, golds)]);
    assert_eq!(two[0].what, "2 records without a reference");
    let typed = findings(&[(
        "LaMP_7/dev/dev_merged.json",
        format!("[{}]", plain("01").replace("\"01\"", "1e2, \"output\": 4")),
    )]);
    let said: Vec<_> = typed.iter().map(|finding| finding.what.as_str()).collect();
    let value = "1 record with a value of another type than the field's, kept as it is written";
    assert_eq!(said, [format!("{value} (`id`)"), format!("{value} (`output`)")]);
    assert_eq!(typed[0].records, ["1e2"]);
}

#[test]
fn a_file_that_changes_after_opening_is_an_error_and_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), Q, format!("[{}, {}]", plain("01"), plain("02")).as_bytes());
    let catalog = opened(folder.path(), &OpenOptions::default());
    let dataset = &catalog.datasets[0];
    assert_eq!(dataset.sample(1).unwrap().id, "02");
    fs::write(&path, format!("[{}, {}]", plain("77"), plain("78"))).unwrap();
    let error = dataset.sample(1).unwrap_err().to_string();
    assert!(error.contains("changed while it was open") && error.contains("`02`"), "{error}");
    let found = dataset.check(&CancelToken::new(), &Progress::new()).unwrap();
    let unreadable = found.iter().find(|finding| finding.kind.id() == "unreadable_records").unwrap();
    assert_eq!((unreadable.count, unreadable.severity), (2, Severity::Error));
    assert_eq!(unreadable.records, ["01", "02"]);
    fs::write(&path, "[]").unwrap();
    let error = dataset.sample(0).unwrap_err().to_string();
    assert!(error.contains("dev_questions.json"), "{error}");
}

#[test]
fn the_task_that_a_user_names_is_checked_too() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), Q, format!("[{}]", plain("01")).as_bytes());
    let options = OpenOptions { task: Some(lamplight::lamp::Task::Lamp6), ..OpenOptions::default() };
    let catalog = opened(folder.path(), &options);
    let found = catalog.datasets[0].check(&CancelToken::new(), &Progress::new()).unwrap();
    assert!(found.iter().any(|finding| finding.kind == FindingKind::WrongTask), "{found:#?}");
}

#[test]
fn a_canceled_check_and_a_canceled_opening_stop() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), Q, format!("[{}]", plain("01")).as_bytes());
    let canceled = CancelToken::new();
    canceled.cancel();
    let paths = [folder.path().to_owned()];
    let error = open(&paths, &OpenOptions::default(), &canceled, &Progress::new()).unwrap_err();
    assert!(matches!(error, lamplight::dataset::DatasetError::Canceled(_)));
    let catalog = opened(folder.path(), &OpenOptions::default());
    assert!(catalog.datasets[0].check(&canceled, &Progress::new()).is_err());
}

#[test]
fn the_sample_set_is_as_it_should_be() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample");
    let catalog = opened(&folder, &OpenOptions::default());
    assert_eq!(catalog.datasets.len(), 48);
    assert!(catalog.unrecognized.is_empty(), "{:?}", catalog.unrecognized);
    for dataset in &catalog.datasets {
        for finding in dataset.check(&CancelToken::new(), &Progress::new()).unwrap() {
            // People repeat themselves, so some references stand in profiles, as in the official files.
            let meant = finding.severity == Severity::Note || finding.kind == FindingKind::GoldInProfile;
            assert!(meant, "{}: {finding:?}", dataset.id());
        }
    }
}
