use super::super::folder::{clear, list};
use super::*;

const IDENTITY: &str = "a model";
const DIMENSIONS: usize = 3;

fn key(number: usize) -> TextKey {
    TextKey::of("", &format!("text {number}"))
}

/// The vector that belongs to a key.
fn vector(number: usize) -> [f32; DIMENSIONS] {
    [number as f32, -0.5, 1.0 / (number as f32 + 3.0)]
}

fn put(file: &EmbeddingFile, numbers: std::ops::Range<usize>) {
    let keys: Vec<TextKey> = numbers.clone().map(key).collect();
    let values = numbers.flat_map(vector).collect();
    file.put(&keys, &Matrix { values, columns: DIMENSIONS }).unwrap();
}

/// What is found under a key: never anything but its vector.
fn found(file: &EmbeddingFile, number: usize) -> bool {
    let mut out = [7.0; DIMENSIONS];
    let found = file.get(&key(number), &mut Vec::new(), &mut out);
    assert_eq!(out, if found { vector(number) } else { [7.0; DIMENSIONS] }, "text {number}");
    found
}

fn open(folder: &Path) -> EmbeddingFile {
    EmbeddingFile::open(folder, IDENTITY, DIMENSIONS).unwrap()
}

/// A folder with the vectors 0 to 5, and its two files.
fn six() -> (tempfile::TempDir, [PathBuf; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let file = open(folder.path());
    put(&file, 0..2);
    put(&file, 2..6);
    let paths = [file.keys_path.clone(), file.vectors_path.clone()];
    (folder, paths)
}

#[test]
fn vectors_survive_and_models_do_not_mix() {
    let (folder, _) = six();
    let file = open(folder.path());
    assert!((0..6).all(|number| found(&file, number)) && !found(&file, 6) && file.len() == 6);
    let other = EmbeddingFile::open(folder.path(), "another model", DIMENSIONS).unwrap();
    assert!(!found(&other, 0));
    put(&other, 0..1);
    put(&file, 0..6);
    let kept = list(folder.path()).unwrap();
    let shown: Vec<_> = kept.iter().map(|kept| (kept.identity.as_deref().unwrap(), kept.texts)).collect();
    assert!(shown.contains(&(IDENTITY, 6)) && shown.contains(&("another model", 1)), "{shown:?}");
    assert_eq!(kept.iter().map(|kept| kept.dimensions).collect::<Vec<_>>(), [DIMENSIONS; 2]);
    // Another length of vectors under the same identity is another model.
    let longer = EmbeddingFile::open(folder.path(), IDENTITY, DIMENSIONS + 1).unwrap();
    assert_eq!(longer.len(), 0);
    let long = "é".repeat(5000);
    let file = EmbeddingFile::open(folder.path(), &long, DIMENSIONS).unwrap();
    put(&file, 0..1);
    assert!(found(&EmbeddingFile::open(folder.path(), &long, DIMENSIONS).unwrap(), 0));
}

#[test]
fn cut_anywhere_it_keeps_what_is_whole_and_goes_on() {
    let (folder, paths) = six();
    let whole = paths.each_ref().map(|path| fs::read(path).unwrap());
    for (which, starts, size) in [(0, KEYS_HEADER, RECORD), (1, VECTORS_HEADER, DIMENSIONS * 4)] {
        let lengths = (0..starts).step_by(if which == 0 { 61 } else { 1 }).chain(starts..=whole[which].len());
        for length in lengths {
            for (path, bytes) in paths.iter().zip(&whole) {
                fs::write(path, bytes).unwrap();
            }
            fs::write(&paths[which], &whole[which][..length]).unwrap();
            let file = open(folder.path());
            let left = length.checked_sub(starts).map_or(0, |bytes| bytes / size);
            for number in 0..6 {
                assert_eq!(
                    found(&file, number),
                    number < left,
                    "file {which} of {length} bytes, text {number}"
                );
            }
            put(&file, 0..8);
            let again = open(folder.path());
            assert!((0..8).all(|number| found(&file, number) && found(&again, number)), "{which}, {length}");
        }
    }
}

#[test]
fn a_damaged_byte_costs_at_most_what_it_belongs_to_and_is_never_believed() {
    let (folder, paths) = six();
    let whole = paths.each_ref().map(|path| fs::read(path).unwrap());
    for (which, starts) in [(0, KEYS_HEADER), (1, VECTORS_HEADER)] {
        for at in (0..starts).step_by(if which == 0 { 13 } else { 1 }).chain(starts..whole[which].len()) {
            for (path, bytes) in paths.iter().zip(&whole) {
                fs::write(path, bytes).unwrap();
            }
            let mut bytes = whole[which].clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&paths[which], bytes).unwrap();
            let file = open(folder.path());
            let left = (0..6).filter(|&number| found(&file, number)).count();
            assert_eq!(left, if at < starts { 0 } else { 5 }, "byte {at} of file {which}");
            put(&file, 0..6);
            assert!((0..6).all(|number| found(&open(folder.path()), number)));
        }
    }
}

#[test]
fn a_writer_killed_between_its_writes_leaves_nothing_that_disturbs() {
    let (folder, paths) = six();
    let (vectors, records) = ([9u8; DIMENSIONS * 4 * 2], [9u8; RECORD + 5]);
    for (keys_tail, vectors_tail) in [(0, 7), (0, 24), (5, 24), (24, 24), (29, 24)] {
        let append = |path: &Path, bytes: &[u8]| {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            write_all_at(&file, file.metadata().unwrap().len(), bytes).unwrap();
        };
        append(&paths[1], &vectors[..vectors_tail]);
        append(&paths[0], &records[..keys_tail]);
        let file = open(folder.path());
        assert!((0..6).all(|number| found(&file, number)));
        put(&file, 6..8);
        assert!((0..8).all(|number| found(&open(folder.path()), number)), "{keys_tail} {vectors_tail}");
    }
}

#[test]
fn two_writers_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let handles = [open(folder.path()), open(folder.path()), open(folder.path())];
    std::thread::scope(|scope| {
        for (handle, which) in handles.iter().zip(0..) {
            scope.spawn(move || {
                for round in 0..30 {
                    // Some of them are written by others too.
                    let start = round * 20 + which * 5;
                    put(handle, start..start + 10);
                    assert!((start..start + 10).all(|number| found(handle, number)));
                }
            });
        }
    });
    let file = open(folder.path());
    assert!((0..600).all(|number| found(&file, number)));
    let records = list(folder.path()).unwrap()[0].texts;
    assert_eq!(records, 600, "no vector stands there twice");
    for handle in &handles {
        put(handle, 0..1);
        assert!((0..600).all(|number| found(handle, number)), "a writer sees what others have written");
    }
}

#[test]
fn files_made_anew_by_another_are_noticed() {
    let (folder, paths) = six();
    let old = open(folder.path());
    let mut bytes = fs::read(&paths[0]).unwrap();
    bytes[3] ^= 1;
    fs::write(&paths[0], bytes).unwrap();
    let new = open(folder.path());
    put(&new, 3..5);
    // The old places are of vectors that are no longer there, or are others'.
    assert!(!(0..6).any(|number| found(&old, number)));
    put(&old, 0..4);
    assert!((0..5).all(|number| found(&old, number)));
    put(&new, 9..10);
    assert!((0..5).all(|number| found(&new, number)) && new.len() == 6);
}

#[test]
fn cleared_meanwhile_it_starts_anew_without_harm() {
    let (folder, paths) = six();
    let file = open(folder.path());
    fs::write(folder.path().join("notes.keys"), "mine").unwrap();
    let name = list(folder.path()).unwrap()[0].name.clone();
    assert!(clear(folder.path(), "zz").unwrap().is_empty());
    let cleared = clear(folder.path(), &name[..6]).unwrap();
    assert_eq!((cleared.len(), cleared[0].texts), (1, 6));
    assert!(paths.iter().all(|path| !path.exists()) && folder.path().join("notes.keys").exists());
    assert!(list(folder.path()).unwrap().is_empty());
    #[cfg(unix)]
    {
        put(&file, 6..7);
        assert!(found(&file, 0) && found(&file, 6));
    }
    drop(file);
    let file = open(folder.path());
    assert!(!found(&file, 0));
    put(&file, 0..1);
    assert!(found(&open(folder.path()), 0));
    assert!(list(&folder.path().join("absent")).unwrap().is_empty());
}

#[test]
fn a_lock_that_is_not_given_up_is_not_waited_for_forever() {
    let (folder, _) = six();
    let lock = FolderLock::take(folder.path()).unwrap();
    let error = EmbeddingFile::open(folder.path(), IDENTITY, DIMENSIONS).err().unwrap();
    assert!(matches!(&error, EmbeddingCacheError::Busy { .. }), "{error}");
    assert!(matches!(clear(folder.path(), ""), Err(EmbeddingCacheError::Busy { .. })));
    let reader = EmbeddingFile::open_to_read(folder.path(), IDENTITY, DIMENSIONS).unwrap();
    assert!((0..6).all(|number| found(&reader, number)));
    drop(lock);
    assert!(found(&open(folder.path()), 5));
}
