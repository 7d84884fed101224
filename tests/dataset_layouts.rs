//! The ways in which data lie on disk, and what becomes of them when they are opened.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use lamplight::dataset::{Catalog, FileRole, OpenOptions, Reason, open};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::{Document, Setting, Split, Task};
use lamplight::retrieval::{Completeness, RankingFile};

fn write(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

fn open_all(paths: &[&Path], options: &OpenOptions) -> Catalog {
    let paths: Vec<PathBuf> = paths.iter().map(|&path| path.to_owned()).collect();
    open(&paths, options, &CancelToken::new(), &Progress::new()).unwrap()
}

fn opened(path: &Path) -> Catalog {
    open_all(&[path], &OpenOptions::default())
}

/// Two questions of a task and their golds.
fn pair(task: Task, dated: bool) -> (String, String) {
    let input = match task {
        Task::Lamp1 => {
            r#"For an author who has written the paper with the title \"T\", which reference is related? Just answer with [1] or [2] without explanation. [1]: \"A\" [2]: \"B\""#
        }
        Task::Lamp2N => {
            "Which category does this article relate to among the following categories? article: x"
        }
        Task::Lamp2M => "Which tag does this movie relate to among the following tags? description: x",
        Task::Lamp3 => "What is the score of the following review on a scale of 1 to 5? review: x",
        Task::Lamp4 => "Generate a headline for the following article: x",
        Task::Lamp5 => "Generate a title for the following abstract of a paper: x",
        Task::Lamp6 => "Generate a subject for the following email: x",
        Task::Lamp7 => "Paraphrase the following tweet without any explanation before or after it: x",
    };
    let label = task.labels().first().copied().unwrap_or("5");
    let mut fields = format!(r#""{}": "some words""#, task.text_field());
    if let Some(title) = task.title_field() {
        fields.push_str(&format!(r#", "{title}": "A title""#));
    }
    if let Some(field) = task.label_field() {
        fields.push_str(&format!(r#", "{field}": "{label}""#));
    }
    if dated {
        fields.push_str(r#", "date": "2014-03-07""#);
    }
    let entries = [0, 1].map(|entry| format!(r#"{{"id": "{entry}", {fields}}}"#)).join(", ");
    let records =
        ["010", "011"].map(|id| format!(r#"{{"id": "{id}", "input": "{input}", "profile": [{entries}]}}"#));
    let golds = ["010", "011"].map(|id| format!(r#"{{"id": "{id}", "output": "{label}"}}"#));
    (
        format!("[{}]", records.join(", ")),
        format!(r#"{{"task": "{}", "golds": [{}]}}"#, task.official_id(), golds.join(", ")),
    )
}

/// Every task and setting at its official place, as (path, content).
fn official() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for task in Task::ALL {
        let number = if task == Task::Lamp2M { "LaMP_2/new" } else { task.official_id() };
        for (prefix, dated) in [("", false), ("time/", true)] {
            let (questions, golds) = pair(task, dated);
            for split in ["train", "dev", "test"] {
                files.push((format!("{prefix}{number}/{split}/{split}_questions.json"), questions.clone()));
                if split != "test" {
                    files.push((format!("{prefix}{number}/{split}/{split}_outputs.json"), golds.clone()));
                }
            }
        }
    }
    files
}

fn assert_whole(catalog: &Catalog) {
    assert!(catalog.unrecognized.is_empty(), "{:?}", catalog.unrecognized);
    let mut wanted = Vec::new();
    for task in Task::ALL {
        for setting in [Setting::User, Setting::Time] {
            for split in [Split::Train, Split::Dev, Split::Test] {
                wanted.push((task, setting, split));
            }
        }
    }
    let mut found = Vec::new();
    for dataset in &catalog.datasets {
        let id = dataset.id();
        found.push((id.task, id.setting, id.split));
        let sample = dataset.sample(1).unwrap();
        assert_eq!((sample.id.as_str(), sample.profile.len()), ("011", 2));
        assert_eq!(sample.reference.is_some(), id.split != Split::Test, "{id}");
        let findings = dataset.check(&CancelToken::new(), &Progress::new()).unwrap();
        assert!(
            findings.iter().all(|finding| finding.kind.id() == "repeated_entries"),
            "{id}: {findings:#?}"
        );
    }
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_official_layout_loads_plain_gzipped_and_zipped() {
    let (plain, packed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in official() {
        write(plain.path(), &name, content.as_bytes());
        write(packed.path(), &format!("{name}.gz"), &gzipped(content.as_bytes()));
        zip.start_file(format!("LaMP/{name}"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    assert_whole(&opened(plain.path()));
    assert_whole(&opened(packed.path()));
    let zipped = tempfile::tempdir().unwrap();
    let path = write(zipped.path(), "all.zip", &zip.finish().unwrap().into_inner());
    assert_whole(&opened(&path));
    assert_whole(&opened(zipped.path()));
}

#[test]
fn flat_folders_pair_by_name_and_other_json_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    for task in [Task::Lamp3, Task::Lamp4] {
        let (questions, golds) = pair(task, false);
        for split in ["train", "dev"] {
            write(
                folder.path(),
                &format!("{}_{split}_questions.json", task.official_id()),
                questions.as_bytes(),
            );
            // Every file its own answers, to see that each gets the right ones.
            let golds = golds.replace(r#""output": ""#, &format!(r#""output": "{split} {task} "#));
            write(folder.path(), &format!("{}_{split}_outputs.json", task.official_id()), golds.as_bytes());
        }
    }
    write(folder.path(), "package.json", br#"{"name": "other", "files": ["a"]}"#);
    write(folder.path(), "points.json", br#"[{"x": 1}, {"x": 2}]"#);
    write(folder.path(), "notes.txt", b"hello");
    let catalog = opened(folder.path());
    assert_eq!(catalog.datasets.len(), 4);
    for dataset in &catalog.datasets {
        let id = dataset.id();
        let reference = dataset.sample(0).unwrap().reference.unwrap();
        assert!(reference.starts_with(&format!("{} {} ", id.split, id.task)), "{id}: {reference}");
    }
    assert_eq!(catalog.unrecognized.len(), 3);
    assert!(catalog.unrecognized.iter().all(|file| !file.is_error()), "{:?}", catalog.unrecognized);

    let bare = tempfile::tempdir().unwrap();
    let (questions, golds) = pair(Task::Lamp5, false);
    write(bare.path(), "dev_questions.json", questions.as_bytes());
    let array = &golds[golds.find('[').unwrap()..golds.len() - 1];
    write(bare.path(), "dev_outputs.json", array.as_bytes());
    let catalog = opened(bare.path());
    assert_eq!(catalog.datasets[0].id().task, Task::Lamp5);
    assert!(catalog.datasets[0].sample(0).unwrap().reference.is_some(), "a bare array of golds is enough");
}

#[test]
fn merged_files_carry_their_own_references() {
    let folder = tempfile::tempdir().unwrap();
    let (questions, _) = pair(Task::Lamp4, false);
    let merged = questions.replace(r#""input""#, r#""output": "own", "input""#);
    write(folder.path(), "LaMP_4/dev/dev_merged.json", merged.as_bytes());
    let dataset = &opened(folder.path()).datasets[0];
    assert_eq!(dataset.id().split, Split::Dev);
    assert!(dataset.samples().all(|sample| sample.unwrap().reference.as_deref() == Some("own")));
    assert!(dataset.summaries().all(|record| record.has_reference));
}

#[test]
fn a_pre_ranked_file_comes_with_its_ranking() {
    let folder = tempfile::tempdir().unwrap();
    let (questions, golds) = pair(Task::Lamp4, false);
    let questions = questions.replace(r#""id": "0", "text": "some words""#, r#""id": "0", "text": "first""#);
    write(folder.path(), "dev_questions.json", questions.as_bytes());
    write(folder.path(), "dev_outputs.json", golds.as_bytes());
    let ranking = write(folder.path(), "dev_ranking.json", br#"{"010": ["1", "0"], "011": ["0", "1"]}"#);
    let dataset = &opened(folder.path()).datasets[0];
    let roles: Vec<_> = dataset.files().iter().map(|file| file.role).collect();
    assert_eq!(roles, [FileRole::Questions, FileRole::Outputs, FileRole::Ranking]);
    // The room of retrieval reads the same file; both must say the same.
    let file = RankingFile::read(&ranking).unwrap();
    assert_eq!(dataset.len(), 2);
    for (index, sample) in dataset.samples().enumerate() {
        let sample = sample.unwrap();
        let documents = Document::of_profile(dataset.id().task, &sample.profile, false);
        let applied = file.apply(&sample.id, &documents, Completeness::Whole).unwrap();
        let ids = dataset.ranking(index).unwrap().unwrap();
        assert_eq!(applied.entry_ids(&documents), ids);
    }
    assert_eq!(dataset.ranking(0).unwrap().unwrap(), ["1", "0"]);
    assert_eq!(dataset.check(&CancelToken::new(), &Progress::new()).unwrap(), []);
}

#[test]
fn numbers_as_ids_keep_their_literal_and_pair_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let (questions, golds) = pair(Task::Lamp7, false);
    write(folder.path(), "dev_questions.json", questions.replace(r#""010""#, "10.0").as_bytes());
    write(folder.path(), "dev_outputs.json", golds.replace(r#""010""#, "10.0").as_bytes());
    let dataset = &opened(folder.path()).datasets[0];
    let sample = dataset.sample(0).unwrap();
    assert_eq!(sample.id, "10.0");
    assert!(sample.reference.is_some());
    assert_eq!(dataset.position("10.0"), Some(0));
    assert_eq!(dataset.position("10"), None);
}

#[test]
fn encrypted_entries_and_web_pages_say_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    // A stored entry with the flag of encryption set in both of its headers.
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("dev_questions.json", stored).unwrap();
    zip.write_all(b"[0123456789abcdef]").unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    for (signature, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = bytes.windows(4).position(|window| window == signature).unwrap();
        bytes[at + flags] |= 1;
    }
    write(folder.path(), "locked.zip", &bytes);
    write(folder.path(), "dev_outputs.json", b"  <!DOCTYPE html><html><body>Not here</body></html>");
    let catalog = opened(folder.path());
    assert!(catalog.datasets.is_empty());
    let reasons: Vec<_> = catalog.unrecognized.iter().map(|file| &file.reason).collect();
    assert!(matches!(reasons[..], [Reason::WebPage, Reason::Encrypted]), "{reasons:?}");
    assert!(catalog.unrecognized.iter().all(|file| file.is_error()));
}

#[cfg(unix)]
#[test]
fn links_to_files_are_followed_and_each_file_is_read_once() {
    let (real, linked) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (questions, golds) = pair(Task::Lamp4, false);
    let target = write(real.path(), "LaMP_4/dev/dev_questions.json", questions.as_bytes());
    write(real.path(), "LaMP_4/dev/dev_outputs.json", golds.as_bytes());
    std::os::unix::fs::symlink(&target, real.path().join("LaMP_4/dev/dev_questions_again.json")).unwrap();
    assert_eq!(opened(real.path()).datasets.len(), 1);
    std::os::unix::fs::symlink(real.path().join("LaMP_4"), linked.path().join("LaMP_4")).unwrap();
    let catalog = opened(linked.path());
    assert_eq!(catalog.datasets.len(), 1);
    assert!(catalog.datasets[0].sample(0).unwrap().reference.is_some());
    std::os::unix::fs::symlink("nowhere.json", linked.path().join("dev_questions.json")).unwrap();
    let catalog = opened(linked.path());
    assert!(matches!(catalog.unrecognized[0].reason, Reason::Unreadable(_)), "{:?}", catalog.unrecognized);
}

#[test]
fn a_cache_that_cannot_be_written_is_done_without() {
    let folder = tempfile::tempdir().unwrap();
    let (questions, golds) = pair(Task::Lamp4, false);
    write(folder.path(), "LaMP_4/dev/dev_questions.json.gz", &gzipped(questions.as_bytes()));
    write(folder.path(), "LaMP_4/dev/dev_outputs.json", golds.as_bytes());
    let file = write(folder.path(), "cache.txt", b"a file where the folder should be");
    for cache in [file.clone(), file.join("inside")] {
        let options = OpenOptions { cache: Some(cache), ..OpenOptions::default() };
        let catalog = open_all(&[&folder.path().join("LaMP_4")], &options);
        assert!(catalog.unrecognized.is_empty(), "{:?}", catalog.unrecognized);
        assert!(catalog.datasets[0].sample(1).unwrap().reference.is_some());
    }
    assert_eq!(fs::read(file).unwrap(), b"a file where the folder should be");
}

#[test]
fn many_threads_read_one_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let record = |id: usize| {
        format!(
            r#"{{"id": "{id:04}", "input": "Paraphrase the following tweet: {id}", "profile": [{{"id": "{id}0", "text": "t{id}"}}]}}"#
        )
    };
    let records: Vec<String> = (0..500).map(record).collect();
    write(folder.path(), "test_questions.json", format!("[{}]", records.join(",")).as_bytes());
    let dataset = opened(folder.path()).datasets.remove(0);
    std::thread::scope(|scope| {
        for offset in 0..8 {
            let dataset = dataset.clone();
            scope.spawn(move || {
                for step in 0..500 {
                    let index = (step * 7 + offset * 61) % 500;
                    let sample = dataset.sample(index).unwrap();
                    assert_eq!(sample.id, format!("{index:04}"));
                    assert_eq!(sample.profile[0].text, format!("t{index}"));
                }
            });
        }
    });
}

#[test]
fn what_a_user_says_overrules_one_file_and_only_fills_in_among_several() {
    let folder = tempfile::tempdir().unwrap();
    let (questions, golds) = pair(Task::Lamp4, false);
    write(folder.path(), "a/questions.json", questions.as_bytes());
    write(folder.path(), "a/outputs.json", golds.as_bytes());
    let options = OpenOptions {
        task: Some(Task::Lamp6),
        split: Some(Split::Train),
        fill_in: true,
        ..OpenOptions::default()
    };
    let id = open_all(&[folder.path()], &options).datasets[0].id();
    assert_eq!((id.task, id.split), (Task::Lamp6, Split::Train));
    let (others, _) = pair(Task::Lamp7, false);
    write(folder.path(), "b/dev_questions.json", others.as_bytes());
    let ids: Vec<_> =
        open_all(&[folder.path()], &options).datasets.iter().map(|dataset| dataset.id()).collect();
    assert_eq!(
        ids.iter().map(|id| (id.task, id.split)).collect::<Vec<_>>(),
        [(Task::Lamp4, Split::Train), (Task::Lamp7, Split::Dev)]
    );
}
