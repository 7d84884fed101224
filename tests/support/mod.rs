//! What tests over data outside the repository share: where it is, and how a test says that it is absent.
//!
//! Such a test file sets `harness = false` in Cargo.toml and calls [`run`] with its trials; a trial whose data
//! is absent is counted as ignored, with the reason in its name, and never passes silently.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// The folder with real LaMP records and reference outputs: `LAMPLIGHT_SHARED`, or `shared` beside the repository.
pub fn shared() -> PathBuf {
    match std::env::var_os("LAMPLIGHT_SHARED") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("shared"),
    }
}

/// The folder with small models of real weights: `LAMPLIGHT_TEST_MODELS`, or where `tests/get_models.py` puts them.
pub fn models() -> PathBuf {
    if let Some(folder) = std::env::var_os("LAMPLIGHT_TEST_MODELS") {
        return folder.into();
    }
    let cache = directories::BaseDirs::new().map(|dirs| dirs.cache_dir().to_owned()).unwrap_or_default();
    cache.join("lamplight-test-models")
}

/// A test that needs a file or folder; ignored, and saying so, where that is absent.
pub fn needs(name: &str, path: PathBuf, test: impl FnOnce(&Path) + Send + 'static) -> Trial {
    if path.exists() {
        Trial::test(name, move || {
            test(&path);
            Ok::<(), Failed>(())
        })
    } else {
        let reason = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Trial::test(format!("{name} (ignored: {reason} is absent)"), || Ok(())).with_ignored_flag(true)
    }
}

/// A test that needs one of some programs, by the first that answers to `--version`; ignored, and saying so, where none does.
pub fn needs_program(
    name: &str,
    programs: &[&'static str],
    test: impl FnOnce(&str) + Send + 'static,
) -> Trial {
    let answers = |program: &&&str| {
        let asked = std::process::Command::new(program).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    };
    match programs.iter().find(answers) {
        Some(&program) => Trial::test(name, move || {
            test(program);
            Ok::<(), Failed>(())
        }),
        None => {
            let reason = programs.first().copied().unwrap_or_default();
            Trial::test(format!("{name} (ignored: {reason} is absent)"), || Ok(())).with_ignored_flag(true)
        }
    }
}

/// Runs the trials as `cargo test` expects.
pub fn run(trials: Vec<Trial>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
