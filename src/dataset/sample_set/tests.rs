use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;

use super::*;
use crate::jobs::{CancelToken, Progress};
use crate::lamp::Query;

fn all() -> impl Iterator<Item = (Task, Setting, Split)> {
    Task::ALL.into_iter().flat_map(|task| {
        Setting::ALL
            .into_iter()
            .flat_map(move |setting| Split::ALL.into_iter().map(move |split| (task, setting, split)))
    })
}

fn shipped(task: Task, setting: Setting, split: Split) -> Vec<Drawn> {
    draw(task, setting, split, shipped_records(split), SHIPPED_SEED).collect()
}

/// The text of every file under a folder by its path without `.gz`, decompressed.
fn contents(folder: &Path, root: &Path, into: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents(&path, root, into);
        } else {
            let bytes = fs::read(&path).unwrap();
            let name: Vec<_> = path
                .strip_prefix(root)
                .unwrap()
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            let name = name.join("/");
            let mut text = String::new();
            match name.strip_suffix(".gz") {
                Some(_) => flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap(),
                None => (&bytes[..]).read_to_string(&mut text).unwrap(),
            };
            into.insert(name.trim_end_matches(".gz").to_owned(), text);
        }
    }
}

fn written(folder: &Path, options: &Options) -> BTreeMap<String, String> {
    write(folder, options, &CancelToken::new(), &Progress::new()).unwrap();
    let mut files = BTreeMap::new();
    contents(folder, folder, &mut files);
    files
}

#[test]
fn the_shipped_files_are_what_the_program_writes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets").join("sample");
    let mut on_disk = BTreeMap::new();
    contents(&root, &root, &mut on_disk);
    let folder = tempfile::tempdir().unwrap();
    let made = written(folder.path(), &Options::default());
    assert_eq!(made.len(), 96);
    assert_eq!(on_disk.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>());
    for (name, text) in &made {
        assert!(
            on_disk[name] == *text,
            "datasets/sample/{name} differs; run the command in datasets/README.md"
        );
    }
}

#[test]
fn equal_seeds_give_equal_files_and_other_seeds_others() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let options = |seed, gzip| Options { seed, gzip, records: Some(3), ..Options::default() };
    let first = written(folders[0].path(), &options(1, true));
    assert_eq!(first, written(folders[1].path(), &options(1, false)));
    let other = written(folders[2].path(), &options(2, false));
    let questions = |name: &&String| name.ends_with("_questions.json");
    assert!(first.keys().filter(questions).all(|name| other[name] != first[name]));
    // The same record whether or not more are made.
    let more: Vec<Sample> = generate(Task::Lamp4, Setting::User, Split::Dev, 9, 1).collect();
    let fewer: Vec<Sample> = generate(Task::Lamp4, Setting::User, Split::Dev, 3, 1).collect();
    assert_eq!(more[..3], fewer);
}

#[test]
fn files_read_like_the_official_ones() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { records: Some(2), ..Options::default() };
    let files = written(folder.path(), &options);
    let names = [
        "LaMP_1/dev/dev_questions.json",
        "LaMP_2/new/test/test_outputs.json",
        "time/LaMP_3/train/train_questions.json",
    ];
    assert!(names.iter().all(|name| files.contains_key(*name)), "{:?}", files.keys());
    assert!(
        files["LaMP_2/dev/dev_outputs.json"]
            .starts_with(r#"{"task": "LaMP_2", "golds": [{"id": "110", "output": ""#)
    );
    assert!(files["LaMP_2/dev/dev_questions.json"].starts_with(r#"[{"id": "110", "input": "Which category"#));
    let dated: serde_json::Value =
        serde_json::from_str(&files["time/LaMP_3/train/train_questions.json"]).unwrap();
    let entry: Vec<&String> = dated[0]["profile"][0].as_object().unwrap().keys().collect();
    assert_eq!(entry, ["id", "text", "score", "date"]);
    assert!(dated[0]["user_id"].is_i64());
    let undated: serde_json::Value =
        serde_json::from_str(&files["LaMP_1/train/train_questions.json"]).unwrap();
    let entry: Vec<&String> = undated[1]["profile"][0].as_object().unwrap().keys().collect();
    assert_eq!(entry, ["title", "abstract", "id"]);
    assert_eq!((undated[1]["id"].as_str(), undated[1].get("user_id")), (Some("001"), None));
}

#[test]
fn a_folder_with_something_in_it_is_refused_unless_forced() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine.txt"), "keep").unwrap();
    let options = Options { records: Some(1), tasks: vec![Task::Lamp7], ..Options::default() };
    let result = write(folder.path(), &options, &CancelToken::new(), &Progress::new());
    assert!(matches!(result, Err(SampleSetError::NotEmpty(_))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    written(folder.path(), &Options { force: true, ..options });
    assert_eq!(fs::read_to_string(folder.path().join("mine.txt")).unwrap(), "keep");
}

#[test]
fn canceling_midway_leaves_no_unfinished_file() {
    let folder = tempfile::tempdir().unwrap();
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let options = Options { records: Some(1_000_000), tasks: vec![Task::Lamp7], ..Options::default() };
    let result = std::thread::scope(|scope| {
        let work = scope.spawn(|| write(folder.path(), &options, &cancel, &progress));
        while progress.read().done < 20 && !work.is_finished() {
            std::thread::yield_now();
        }
        cancel.cancel();
        work.join().unwrap()
    });
    assert!(matches!(result, Err(SampleSetError::Canceled(_))), "{result:?}");
    let mut files = BTreeMap::new();
    contents(folder.path(), folder.path(), &mut files);
    assert!(files.is_empty(), "{:?}", files.keys());
}

#[test]
fn every_record_is_whole() {
    let mut blemishes = [0; 5];
    for (task, setting, split) in all() {
        let mut ids = BTreeSet::new();
        for Drawn { sample, entries, .. } in shipped(task, setting, split) {
            assert!(ids.insert(sample.id.clone()));
            assert!((10..=40).contains(&sample.profile.len()), "{}", sample.profile.len());
            assert_eq!(sample.profile.len(), entries.len());
            assert!(Query::of(task, &sample).marker_found, "{}", sample.input);
            let reference = sample.reference.unwrap();
            assert!(task.labels().is_empty() || task.labels().contains(&reference.as_str()), "{reference}");
            assert!(!reference.trim().is_empty() && !sample.input.contains(['{', '}']));
            if task == Task::Lamp1 {
                assert_eq!(sample.input.matches('"').count(), 6, "{}", sample.input);
            }
            let unique: BTreeSet<&str> = sample.profile.iter().map(|entry| entry.id.as_str()).collect();
            assert_eq!(unique.len(), sample.profile.len());
            for (place, entry) in sample.profile.iter().enumerate() {
                assert_eq!(entry.title.is_some(), task.title_field().is_some());
                assert_eq!(entry.label.is_some(), task.label_field().is_some());
                assert!(entry.label.as_deref().is_none_or(|label| task.labels().contains(&label)));
                assert_eq!(entry.date.is_some(), setting == Setting::Time);
                let words = entry.text.split_whitespace().count();
                assert!(words <= 60, "{}", entry.text);
                blemishes[0] += usize::from(words == 0);
                blemishes[1] += usize::from(entry.text.trim() != entry.text);
                blemishes[2] += usize::from(entry.text.contains("&amp;"));
                blemishes[3] += usize::from(entry.text.chars().any(|c| c > '\u{ffff}'));
                blemishes[4] += usize::from(
                    sample.profile[..place].iter().any(|e| e.text == entry.text && e.title == entry.title),
                );
            }
        }
    }
    assert!(blemishes.iter().all(|&count| count > 20 && count < 4000), "{blemishes:?}");
}

#[test]
fn time_runs_forward_and_profiles_grow() {
    for task in Task::ALL {
        let [train, dev, test] = Split::ALL.map(|split| shipped(task, Setting::Time, split));
        for (number, later) in test.iter().enumerate() {
            let sample = &later.sample;
            let dates: Vec<_> = sample.profile.iter().map(|entry| entry.parsed_date().unwrap()).collect();
            assert!(dates.windows(2).all(|pair| pair[0] < pair[1]));
            for earlier in [train.get(number), dev.get(number)].into_iter().flatten() {
                let before = earlier.sample.profile.len();
                assert_eq!(earlier.sample.user_id, sample.user_id);
                assert_eq!(earlier.sample.profile[..], sample.profile[..before]);
                // What was asked earlier is now part of the history.
                let asked = &sample.profile[before];
                let reference = earlier.sample.reference.as_deref();
                match task {
                    Task::Lamp1 => assert!(earlier.sample.input.contains(asked.title.as_deref().unwrap())),
                    Task::Lamp7 => assert_eq!(Some(asked.text.as_str()), reference),
                    _ => {
                        assert!(earlier.sample.input.ends_with(&asked.text));
                        assert_eq!(
                            asked
                                .title
                                .as_deref()
                                .filter(|_| asked.label.is_none())
                                .or(asked.label.as_deref()),
                            reference
                        );
                    }
                }
            }
            if let (Some(train), Some(dev)) = (train.get(number), dev.get(number)) {
                assert!(train.sample.profile.len() < dev.sample.profile.len());
                assert!(dev.sample.profile.len() < sample.profile.len());
            }
        }
    }
}

#[test]
fn users_of_the_user_setting_are_disjoint_between_splits() {
    for task in Task::ALL {
        let mut seen = BTreeSet::new();
        for split in Split::ALL {
            for drawn in shipped(task, Setting::User, split) {
                let history: Vec<String> = drawn.sample.profile.into_iter().map(|entry| entry.text).collect();
                assert!(seen.insert(history));
            }
        }
    }
}

#[test]
fn the_vocabulary_is_small_enough_for_a_tiny_model() {
    let mut words = BTreeSet::new();
    for (task, setting, _) in all() {
        for sample in generate(task, setting, Split::Train, 60, 3) {
            for text in sample.profile.iter().flat_map(|e| [Some(&e.text), e.title.as_ref()]).flatten() {
                words.extend(text.to_lowercase().split(|c: char| !c.is_alphanumeric()).map(str::to_owned));
            }
        }
    }
    assert!((800..3000).contains(&words.len()), "{}", words.len());
}

#[test]
fn days_are_named_by_the_calendar() {
    assert_eq!(calendar_day(0), "1970-01-01");
    assert_eq!(calendar_day(14_396), "2009-06-01");
    assert_eq!([calendar_day(15_399), calendar_day(15_400)], ["2012-02-29", "2012-03-01"]);
    assert_eq!(calendar_day(16_070), "2013-12-31");
}
