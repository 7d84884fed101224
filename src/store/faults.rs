//! What can go wrong with the file, done to it for real where that can be done.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};

use super::tests::{all, failure, prediction, spec, store};
use super::*;
use crate::jobs::{CancelToken, Progress};
use crate::record::{EventKind, Prediction};

fn checked(path: &Path) -> CheckReport {
    check(path, &CancelToken::new(), &Progress::new()).unwrap()
}

fn repaired(path: &Path) -> RepairReport {
    repair(path, &CancelToken::new(), &Progress::new()).unwrap()
}

/// A closed store of two runs with `rows` predictions each.
fn filled(rows: u32) -> (tempfile::TempDir, PathBuf, [RunRecord; 2]) {
    let (folder, mut store) = store();
    let runs = [4, 2].map(|k| {
        let mut spec = spec();
        spec.retriever.k = k;
        let run = store.plan(&spec, rows.into()).unwrap();
        let rows: Vec<Prediction> = (0..rows).map(prediction).collect();
        store.save(run.id, &rows, &[], 1).unwrap();
        run
    });
    (folder, store.path().to_owned(), runs)
}

fn overwrite(path: &Path, at: u64, bytes: usize) {
    let mut file = File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    // Random bytes, always the same ones.
    let noise: Vec<u8> = (0..bytes as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    file.write_all(&noise).unwrap();
}

#[test]
fn a_full_disk_loses_nothing_that_was_stored() {
    let (_folder, mut store) = store();
    let run = store.plan(&spec(), 10_000).unwrap().id;
    store.save(run, &[prediction(0)], &[], 1).unwrap();
    let pages: i64 = store.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    store.connection.pragma_update(None, "max_page_count", pages + 4).unwrap();
    let many: Vec<Prediction> = (1..2000).map(prediction).collect();
    let error = store.save(run, &many, &[], 1).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    let reader = store.reader().unwrap();
    assert_eq!(all(&reader, run), [prediction(0)]);
    assert_eq!(reader.run(run).unwrap().unwrap().totals.done, 1);
    store.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    store.save(run, &many, &[], 1).unwrap();
    assert_eq!(reader.run(run).unwrap().unwrap().totals.done, 2000);
    assert!(checked(store.path()).is_sound());
}

#[test]
fn other_files_are_refused_and_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let foreign = || {
        let other = Connection::open(folder.path().join("other.db")).unwrap();
        other
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS runs (id); CREATE TABLE IF NOT EXISTS predictions (id)",
            )
            .unwrap();
        drop(other);
        fs::read(folder.path().join("other.db")).unwrap()
    };
    for bytes in [b"{\"a\": 1}".to_vec(), vec![0; 5000], foreign()] {
        fs::write(&path, &bytes).unwrap();
        let refused = |error: StoreError| assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
        refused(Store::open(&path).err().unwrap());
        refused(Reader::open(&path).err().unwrap());
        refused(check(&path, &CancelToken::new(), &Progress::new()).unwrap_err());
        refused(repair(&path, &CancelToken::new(), &Progress::new()).unwrap_err());
        assert!(fs::read(&path).unwrap() == bytes);
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.retain(|name| name != "other.db" && name != "x.db");
        assert!(names.is_empty(), "{names:?}");
    }
    assert!(matches!(Store::open(folder.path()), Err(StoreError::IsFolder { .. })));
    assert!(matches!(Reader::open(folder.path()), Err(StoreError::IsFolder { .. })));
    assert!(matches!(Reader::open(&folder.path().join("none.db")), Err(StoreError::Missing { .. })));
    assert!(!folder.path().join("none.db").exists());
    // A file made for the store.
    fs::write(&path, "").unwrap();
    assert!(matches!(Reader::open(&path), Err(StoreError::Missing { .. })));
    assert_eq!(Store::open(&path).unwrap().reader().unwrap().runs().unwrap(), []);
    // A folder that is a file.
    assert!(Store::open(&path.join("y.db")).is_err());
}

#[test]
fn whoever_looks_sees_no_store_or_a_whole_one_and_all_who_make_it_share_it() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let path = folder.path().join(format!("{round}.db"));
        fs::write(folder.path().join(format!("{round}.db-wal")), b"of a deleted store").unwrap();
        std::thread::scope(|scope| {
            let makers: Vec<_> = (0..3)
                .map(|maker| {
                    let path = &path;
                    scope.spawn(move || {
                        let mut store = Store::open(path).unwrap();
                        store.log(None, EventKind::Store, &format!("maker {maker}")).unwrap();
                    })
                })
                .collect();
            while makers.iter().any(|maker| !maker.is_finished()) {
                match Reader::open(&path) {
                    Ok(reader) => assert_eq!(reader.runs().unwrap(), []),
                    Err(StoreError::Missing { .. }) => {}
                    Err(error) => panic!("round {round}: {error}"),
                }
            }
        });
        let events = Reader::open(&path).unwrap().events(None, 0).unwrap();
        assert_eq!(events.len(), 3, "round {round}: {events:?}");
    }
    let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().contains("new")));
}

#[test]
fn a_store_of_the_first_form_is_brought_to_the_present_one_with_all_its_rows() {
    let (_folder, path, _) = filled(9);
    let rows = |path: &Path| {
        let reader = Reader::open(path).unwrap();
        let runs = reader.runs().unwrap();
        let rows: Vec<_> = runs.iter().flat_map(|run| all(&reader, run.id)).collect();
        (runs, rows)
    };
    let (runs, before) = rows(&path);
    let old = Connection::open(&path).unwrap();
    for (table, column) in [("predictions", "estimated"), ("answers", "estimated")].into_iter().chain(
        [
            "asked_prompt_tokens",
            "asked_new_tokens",
            "at_limit",
            "filtered",
            "refused",
            "empty",
            "estimated",
            "price_in",
            "price_out",
        ]
        .map(|column| ("runs", column)),
    ) {
        old.execute_batch(&format!("ALTER TABLE {table} DROP COLUMN {column}")).unwrap();
    }
    old.execute_batch("DROP TABLE verdicts; DROP TABLE judgings").unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    old.close().unwrap();
    assert!(matches!(Reader::open(&path), Err(StoreError::Older { .. })));
    drop(Store::open(&path).unwrap());
    let (again, after) = rows(&path);
    assert_eq!((&again, &after), (&runs, &before));
    assert!(again.iter().any(|run| run.totals.asked_prompt_tokens > 0), "{again:?}");
}

#[test]
fn a_store_of_a_newer_program_is_refused_and_left_as_it_is() {
    let (_folder, path, _) = filled(1);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", connect::VERSION + 1).unwrap();
    let before = fs::read(&path).unwrap();
    for error in [Store::open(&path).err(), Reader::open(&path).err()] {
        let error = error.unwrap();
        assert!(matches!(error, StoreError::Newer { .. }) && error.to_string().contains("newer"), "{error}");
    }
    let after = fs::read(&path).unwrap();
    let differing: Vec<usize> =
        (0..before.len().min(after.len())).filter(|&at| before[at] != after[at]).collect();
    assert!(
        before.len() == after.len() && differing.is_empty(),
        "{} {} {differing:?}",
        before.len(),
        after.len()
    );
}

#[test]
fn a_truncated_store_gives_what_is_left_of_it() {
    let (_folder, path, runs) = filled(600);
    let bytes = fs::metadata(&path).unwrap().len();
    assert!(checked(&path).is_sound());
    File::options().write(true).open(&path).unwrap().set_len(bytes * 3 / 4 / 8192 * 8192).unwrap();
    let found = checked(&path);
    assert!(found.problems.iter().any(|problem| problem.kind == ProblemKind::Damaged), "{found:?}");
    let error = Store::open(&path).and_then(|store| store.reader()?.runs());
    assert!(matches!(error, Err(StoreError::Damaged { .. })), "{error:?}");
    let report = repaired(&path);
    assert!(report.kept.is_file());
    assert!(checked(&path).is_sound(), "{:?}", checked(&path));
    let reader = Reader::open(&path).unwrap();
    let saved: usize = runs.iter().map(|run| all(&reader, run.id).len()).sum();
    assert_eq!(report.tables[1].saved, saved as u64);
    assert!((600..1200).contains(&saved), "{report:?}");
    assert_eq!(all(&reader, runs[0].id)[..20], (0..20).map(prediction).collect::<Vec<_>>());
    assert!(reader.events(None, 0).unwrap().iter().any(|event| event.text.starts_with("Repaired")));
}

#[test]
fn broken_places_cost_only_what_lay_there() {
    let (_folder, path, runs) = filled(2000);
    let mut store = Store::open(&path).unwrap();
    let pages_of = |table: &str| {
        let sql =
            format!("SELECT pageno FROM dbstat WHERE name = '{table}' AND pagetype = 'leaf' ORDER BY path");
        let mut query = store.connection.prepare(&sql).unwrap();
        let pages: Vec<u64> = query
            .query_map([], |row| Ok(row.get::<_, i64>(0)? as u64))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        pages
    };
    let (predictions, scores) = (pages_of("predictions"), pages_of("scores"));
    assert!(predictions.len() > 40 && scores.len() > 20);
    store.log(None, EventKind::Notice, "last").unwrap();
    drop(store);
    for page in [predictions[0], predictions[7], predictions[8], predictions[20], scores[9]] {
        overwrite(&path, (page - 1) * 8192, 8192);
    }
    assert!(!checked(&path).is_sound());
    let report = repaired(&path);
    assert!(checked(&path).is_sound(), "{:?}", checked(&path));
    assert_eq!((report.tables[1].gaps, report.tables[2].gaps), (3, 1), "{report:?}");
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.runs().unwrap().len(), 2);
    let saved: usize = runs.iter().map(|run| all(&reader, run.id).len()).sum();
    assert!((3700..4000).contains(&saved), "{report:?}");
    assert!(all(&reader, runs[0].id).iter().all(|row| *row == prediction(row.position)));
    assert!(reader.events(None, 0).unwrap().iter().any(|event| event.text == "last"));
    // What is lost is answered again.
    let mut store = Store::open(&path).unwrap();
    store.save(runs[0].id, &(0..2000).map(prediction).collect::<Vec<_>>(), &[], 1).unwrap();
    assert_eq!(reader.run(runs[0].id).unwrap().unwrap().totals.done, 2000);
}

#[test]
fn a_store_without_its_head_is_saved_whole() {
    for vacuumed in [false, true] {
        for bytes in [100, 4096, 8192] {
            let (_folder, path, runs) = filled(300);
            if vacuumed {
                Store::open(&path).unwrap().connection.execute_batch("VACUUM").unwrap();
            }
            overwrite(&path, 0, bytes);
            assert!(Store::open(&path).is_err());
            let report = repaired(&path);
            assert!(report.notes[0].contains("head"), "{report:?}");
            assert!(checked(&path).is_sound());
            let reader = Reader::open(&path).unwrap();
            for run in &runs {
                assert_eq!(all(&reader, run.id), (0..300).map(prediction).collect::<Vec<_>>());
                assert_eq!(reader.run(run.id).unwrap().unwrap().totals.done, 300);
            }
        }
    }
}

#[test]
fn what_does_not_agree_is_found() {
    let (_folder, path, runs) = filled(3);
    let store = Store::open(&path).unwrap();
    let db = &store.connection;
    db.execute("UPDATE runs SET done = 7 WHERE id = ?1", [runs[0].id.0]).unwrap();
    db.execute("DELETE FROM scores WHERE id = ?1", [rows::row_id(runs[1].id, 1)]).unwrap();
    db.execute("UPDATE predictions SET id = 9 << 32 WHERE id = ?1", [rows::row_id(runs[1].id, 2)]).unwrap();
    db.execute("UPDATE runs SET spec = replace(spec, '0.1.0', '0.1.1') WHERE id = ?1", [runs[1].id.0])
        .unwrap();
    let texts: Vec<String> = checked(&path).problems.into_iter().map(|problem| problem.text).collect();
    for wanted in
        [runs[0].short_key(), "no row of scores", "no run", "no prediction", "not the one of its key"]
    {
        assert!(texts.iter().any(|text| text.contains(wanted)), "{wanted}: {texts:?}");
    }
    db.execute("UPDATE runs SET status = 'lost' WHERE id = ?1", [runs[1].id.0]).unwrap();
    assert!(checked(&path).problems.iter().any(|problem| problem.kind == ProblemKind::Unreadable));
    drop(store);
    repaired(&path);
    let texts: Vec<String> = checked(&path).problems.into_iter().map(|problem| problem.text).collect();
    assert!(texts.iter().all(|text| text.contains(runs[1].short_key())), "{texts:?}");
}

#[test]
fn a_store_in_use_is_not_repaired_and_a_canceled_repair_changes_nothing() {
    let (_folder, path, runs) = filled(5);
    let store = Store::open(&path).unwrap();
    let claim = store.claim(&runs[0]).unwrap();
    let error = repair(&path, &CancelToken::new(), &Progress::new()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }));
    drop((claim, store));
    let canceled = CancelToken::new();
    canceled.cancel();
    let before = fs::read(&path).unwrap();
    assert!(matches!(repair(&path, &canceled, &Progress::new()), Err(StoreError::Canceled(_))));
    assert!(matches!(check(&path, &canceled, &Progress::new()), Err(StoreError::Canceled(_))));
    assert!(fs::read(&path).unwrap() == before);
    let names = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.map(|name| name.to_string_lossy().into_owned()).all(|name| !name.contains("repairing")));
}

#[test]
fn a_log_left_behind_is_taken_up() {
    let (_folder, mut store) = store();
    let run = store.plan(&spec(), 5).unwrap().id;
    store.save(run, &[prediction(0), failure(1)], &[], 1).unwrap();
    // The files as a killed program leaves them.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    for end in ["", "-wal"] {
        fs::copy(rescue::beside(store.path(), end), rescue::beside(&copy, end)).unwrap();
    }
    let log = fs::read(rescue::beside(&copy, "-wal")).unwrap();
    assert!(!log.is_empty());
    assert_eq!(all(&Store::open(&copy).unwrap().reader().unwrap(), run), [prediction(0), failure(1)]);
    // A transaction of which only a part reached the disk never was.
    store.save(run, &[prediction(2)], &[], 1).unwrap();
    for end in ["", "-wal"] {
        fs::copy(rescue::beside(store.path(), end), rescue::beside(&copy, end)).unwrap();
    }
    let _ = fs::remove_file(rescue::beside(&copy, "-shm"));
    let longer = fs::metadata(rescue::beside(&copy, "-wal")).unwrap().len();
    assert!(longer > log.len() as u64);
    File::options().write(true).open(rescue::beside(&copy, "-wal")).unwrap().set_len(longer - 100).unwrap();
    assert_eq!(all(&Reader::open(&copy).unwrap(), run), [prediction(0), failure(1)]);
    assert!(checked(&copy).is_sound());
}

#[test]
fn writers_wait_for_each_other_and_readers_for_nobody() {
    let (_folder, mut store) = store();
    let run = store.plan(&spec(), 1000).unwrap().id;
    let path = store.path().to_owned();
    std::thread::scope(|scope| {
        for part in 0..3 {
            let path = &path;
            scope.spawn(move || {
                let mut store = Store::open(path).unwrap();
                for at in 0..40 {
                    store.save(run, &[prediction(part + 3 * at)], &[], 1).unwrap();
                }
            });
        }
        let reader = store.reader().unwrap();
        let mut last = 0;
        while last < 120 {
            let now = reader.positions(run).unwrap().len();
            assert!(now >= last);
            last = now;
        }
    });
    // A reader in the middle of its stream hinders no writer.
    let reader = store.reader().unwrap();
    let mut seen = 0;
    let each = &mut |_| {
        seen += 1;
        store.save(run, &[prediction(500 + seen)], &[], 0).unwrap();
        std::ops::ControlFlow::Continue(())
    };
    reader.predictions(run, true, each).unwrap();
    assert_eq!(seen, 120);
    assert_eq!(reader.run(run).unwrap().unwrap().totals.done, 240);
}

#[test]
fn no_damage_makes_more_of_it() {
    let (_folder, whole, runs) = filled(400);
    let bytes = fs::read(&whole).unwrap();
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for round in 0..24 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let mut broken = bytes.clone();
        for _ in 0..=random(4) {
            let (at, length) = (random(broken.len()), [1, 30, 500, 9000][random(4)]);
            let end = broken.len().min(at + length);
            broken[at..end].iter_mut().for_each(|byte| *byte = random(256) as u8);
        }
        if round % 4 == 3 {
            broken.truncate(random(broken.len()));
        }
        fs::write(&path, &broken).unwrap();
        // Whatever is read is right or an error.
        if let Ok(reader) = Reader::open(&path) {
            let _ = reader.runs();
            let each = &mut |_| std::ops::ControlFlow::Continue(());
            let _ = reader.predictions(runs[0].id, true, each);
        }
        let _ = check(&path, &CancelToken::new(), &Progress::new());
        match repair(&path, &CancelToken::new(), &Progress::new()) {
            Ok(report) => {
                assert!(fs::read(&report.kept).unwrap() == broken, "round {round}");
                let found = checked(&path).problems;
                assert!(
                    found.iter().all(|problem| problem.kind != ProblemKind::Damaged),
                    "round {round}: {found:?}"
                );
            }
            Err(error) => {
                assert!(matches!(error, StoreError::NotAStore { .. }), "round {round}: {error:?}");
                assert!(fs::read(&path).unwrap() == broken, "round {round}");
            }
        }
    }
}
