//! Stores on disks that are full or read-only, and in places that may not be written; ignored where such disks cannot be had.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::path::Path;
use std::process::{Command, ExitCode};

use lamplight::lamp::{Setting, Split, Task};
use lamplight::record::{DatasetSpec, ModelSpec, Prediction, PromptText, RetrieverSpec, RunSpec, Training};
use lamplight::store::{Reader, Store, StoreError};
use libtest_mimic::{Failed, Trial};

fn main() -> ExitCode {
    let full = "a_full_disk_keeps_what_was_stored_and_takes_more_when_there_is_room";
    let read_only = "a_store_on_a_read_only_disk_is_read_and_not_written";
    let mut trials = Vec::new();
    for (name, test) in [(full, on_a_full_disk as fn(&Path)), (read_only, on_a_read_only_disk)] {
        trials.push(match Disk::new() {
            Some(disk) => Trial::test(name, move || {
                test(disk.folder.path());
                Ok::<(), Failed>(())
            }),
            None => ignored(name, "no small disk can be had here"),
        });
    }
    let name = "a_file_and_a_folder_that_may_not_be_written_are_told";
    trials.push(match forbidden() {
        Some(folder) => Trial::test(name, move || {
            in_a_forbidden_place(folder.path());
            Ok::<(), Failed>(())
        }),
        None => ignored(name, "this user may write everything"),
    });
    support::run(trials)
}

fn ignored(name: &str, reason: &str) -> Trial {
    Trial::test(format!("{name} (ignored: {reason})"), || Ok(())).with_ignored_flag(true)
}

/// A disk of 4 MB in memory, where the user may make one.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn new() -> Option<Self> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let folder = tempfile::tempdir().ok()?;
        mount(&["-t", "tmpfs", "-o", "size=4m", "tmpfs"], folder.path()).then_some(Self { folder })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.folder.path()).output();
    }
}

fn mount(arguments: &[&str], folder: &Path) -> bool {
    let output = Command::new("mount").args(arguments).arg(folder).output();
    output.is_ok_and(|output| output.status.success())
}

/// A folder that this user may not write in, with a store in it, where that can be had.
fn forbidden() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let inner = folder.path().join("shut");
        std::fs::create_dir(&inner).ok()?;
        let mut store = Store::open(&inner.join("s.db")).ok()?;
        let run = store.plan(&spec(), 9).ok()?.id;
        store.save(run, &[prediction(0)], &[], 1).ok()?;
        drop(store);
        std::fs::set_permissions(inner.join("s.db"), std::fs::Permissions::from_mode(0o444)).ok()?;
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o555)).ok()?;
        std::fs::write(inner.join("x"), "x").is_err().then_some(folder)
    }
    #[cfg(not(unix))]
    None
}

fn spec() -> RunSpec {
    RunSpec {
        program: "0".into(),
        dataset: DatasetSpec {
            task: Task::Lamp4,
            setting: Setting::User,
            split: Split::Dev,
            fingerprint: "0".into(),
            limit: None,
            sample_seed: None,
            skip_broken: false,
        },
        model: ModelSpec {
            name: "none".into(),
            fingerprint: "0".into(),
            training: Training::Baseline,
            device: "cpu".into(),
            precision: "f32".into(),
            options: serde_json::Map::new(),
        },
        retriever: RetrieverSpec::none(),
        prompt: None,
        generation: None,
        parsing: "official".into(),
    }
}

fn prediction(position: u32) -> Prediction {
    Prediction {
        prompt: Some(PromptText { text: "words ".repeat(500), report: "{}".into() }),
        raw: "a".into(),
        answer: "a".into(),
        parsed: true,
        prompt_tokens: 1,
        new_tokens: 1,
        model_ms: 1.0,
        ..Prediction::unanswered(position, position.to_string(), 3)
    }
}

fn on_a_full_disk(disk: &Path) {
    let path = disk.join("a store ü").join("s.db");
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let mut store = Store::open(&path).unwrap();
    let run = store.plan(&spec(), 100_000).unwrap().id;
    let mut stored = 0;
    let error = loop {
        let rows: Vec<Prediction> = (stored..stored + 20).map(prediction).collect();
        match store.save(run, &rows, &[], 1) {
            Ok(()) => stored += 20,
            Err(error) => break error,
        }
        assert!(stored < 100_000, "the disk never filled");
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert!(stored > 0);
    // Still full, and still nothing is lost.
    assert!(store.save(run, &(stored..stored + 2000).map(prediction).collect::<Vec<_>>(), &[], 1).is_err());
    assert_eq!(store.reader().unwrap().positions(run).unwrap().len(), stored as usize);
    drop(store);
    std::fs::remove_file(&ballast).unwrap();
    let mut store = Store::open(&path).unwrap();
    store.save(run, &(stored..stored + 20).map(prediction).collect::<Vec<_>>(), &[], 1).unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(reader.positions(run).unwrap().len(), stored as usize + 20);
    assert_eq!(reader.run(run).unwrap().unwrap().totals.done, u64::from(stored) + 20);
}

fn on_a_read_only_disk(disk: &Path) {
    let path = disk.join("s.db");
    let mut store = Store::open(&path).unwrap();
    let run = store.plan(&spec(), 9).unwrap().id;
    store.save(run, &[prediction(0), prediction(1)], &[], 1).unwrap();
    // As a killed program leaves it: the rows are in the log.
    let killed = disk.join("killed.db");
    for end in ["", "-wal"] {
        std::fs::copy(format!("{}{end}", path.display()), format!("{}{end}", killed.display())).unwrap();
    }
    assert!(std::fs::metadata(format!("{}-wal", killed.display())).unwrap().len() > 0);
    drop(store);
    assert!(mount(&["-o", "remount,ro"], disk));
    assert_eq!(Reader::open(&killed).unwrap().prediction(run, 1).unwrap(), Some(prediction(1)));
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.prediction(run, 1).unwrap(), Some(prediction(1)));
    assert_eq!(reader.runs().unwrap().len(), 1);
    assert!(!reader.is_claimed(&reader.runs().unwrap()[0]));
    let error = Store::open(&path).err().unwrap();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    let error = Store::open(&disk.join("new").join("s.db")).err().unwrap();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    assert!(mount(&["-o", "remount,rw"], disk));
}

fn in_a_forbidden_place(folder: &Path) {
    let path = folder.join("shut").join("s.db");
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.runs().unwrap().len(), 1);
    for path in [path.clone(), path.with_file_name("new.db"), path.with_file_name("new").join("s.db")] {
        let error = Store::open(&path).err().unwrap();
        assert!(matches!(error, StoreError::ReadOnly { .. } | StoreError::File { .. }), "{error:?}");
        assert!(error.to_string().contains("shut"), "{error}");
    }
}
