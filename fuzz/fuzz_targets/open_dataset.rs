//! Opens arbitrary bytes as a questions file, as questions with their outputs and rankings, and as a zip, and reads
//! all there is. Whatever they are: no panic, no hang, and samples that were promised are there.
//!
//! The first byte chooses; the others are the files, parted by 0xFF (which no JSON holds).

#![no_main]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;

use lamplight::dataset::{OpenOptions, UnpackLimits, open};
use lamplight::jobs::{CancelToken, Progress};
use libfuzzer_sys::fuzz_target;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    // Memory, where the system has it: the disk would be most of the time.
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
});

const NAMES: [&str; 3] = ["dev_questions.json", "dev_outputs.json", "dev_ranking.json"];

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, rest)) = bytes.split_first() else { return };
    let folder = FOLDER.path().join("data");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).expect("an empty folder");
    let parts = rest.split(|&byte| byte == 0xff).take(NAMES.len());
    match choice % 4 {
        0 => fs::write(folder.join(NAMES[0]), rest).expect("a written file"),
        1 => {
            for (name, part) in NAMES.iter().zip(parts) {
                fs::write(folder.join(name), part).expect("a written file");
            }
        }
        2 => fs::write(folder.join("data.zip"), rest).expect("a written file"),
        _ => {
            let mut zip = zip::ZipWriter::new(fs::File::create(folder.join("data.zip")).expect("a file"));
            for (name, part) in NAMES.iter().zip(parts) {
                zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("an entry");
                zip.write_all(part).expect("a written entry");
            }
            zip.finish().expect("a written archive");
        }
    }
    let limits = UnpackLimits { bytes: 1 << 20, memory_bytes: 1 << 20, ..UnpackLimits::default() };
    let options = OpenOptions { skip_broken: choice & 4 != 0, limits, ..OpenOptions::default() };
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let catalog = open(&[folder], &options, &cancel, &progress).expect("a folder that is there");
    for dataset in &catalog.datasets {
        let findings = dataset.check(&cancel, &progress).expect("nobody cancels");
        assert!(findings.iter().all(|finding| finding.kind.id() != "unreadable_records"), "{findings:?}");
        let usable = dataset.ensure_usable().is_ok();
        for (index, record) in dataset.summaries().enumerate() {
            assert!(dataset.position(record.id).is_some());
            let sample = dataset.sample(index);
            assert_eq!(sample.is_ok(), usable, "{sample:?}");
            if let Ok(sample) = sample {
                assert_eq!((sample.id.as_str(), sample.profile.len()), (record.id, record.profile_entries));
                assert_eq!(sample.reference.is_some(), record.has_reference);
            }
            dataset.ranking(index).expect("a ranking that was promised");
        }
    }
});
