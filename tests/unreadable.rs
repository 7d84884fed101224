//! Files that the system refuses to read; ignored where it refuses nothing, as to an administrator.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::process::ExitCode;

use lamplight::dataset::{OpenOptions, Reason, open};
use lamplight::jobs::{CancelToken, Progress};
use libtest_mimic::{Failed, Trial};

fn main() -> ExitCode {
    let name = "an_unreadable_file_says_so_and_the_others_load";
    let trial = match refused() {
        Some(folder) => Trial::test(name, move || check(folder)),
        None => Trial::test(format!("{name} (ignored: this user may read everything)"), || Ok(()))
            .with_ignored_flag(true),
    };
    support::run(vec![trial])
}

const RECORD: &str = r#"[{"id": "1", "input": "Paraphrase the following tweet: x", "profile": []}]"#;

/// A folder with a good file and one that must not be read, where that can be had.
fn refused() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().ok()?;
    std::fs::write(folder.path().join("test_questions.json"), RECORD).ok()?;
    let locked = folder.path().join("dev_questions.json");
    std::fs::write(&locked, RECORD).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).ok()?;
    }
    std::fs::File::open(&locked).is_err().then_some(folder)
}

fn check(folder: tempfile::TempDir) -> Result<(), Failed> {
    let paths = [folder.path().to_owned()];
    let catalog = open(&paths, &OpenOptions::default(), &CancelToken::new(), &Progress::new())?;
    assert_eq!(catalog.datasets.len(), 1);
    assert_eq!(catalog.datasets[0].len(), 1);
    assert_eq!(catalog.unrecognized.len(), 1);
    assert!(catalog.unrecognized[0].is_error());
    assert!(matches!(catalog.unrecognized[0].reason, Reason::Unreadable(_)));
    Ok(())
}
