//! The program where no window can be: it says so in one line, and names what works without one.

#![allow(clippy::unwrap_used, reason = "a test that cannot start the program must fail")]
#![cfg(all(unix, not(target_os = "macos")))]

use std::process::{Command, Output};

fn started(display: Option<&str>, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
    command
        .args(arguments)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .env("LAMPLIGHT_STORE", folder.path().join("lamplight.db"))
        .env("LAMPLIGHT_MODELS", folder.path())
        .env("LAMPLIGHT_WINDOW_DIR", folder.path());
    if let Some(display) = display {
        command.env("DISPLAY", display);
    }
    command.output().unwrap()
}

#[test]
fn without_a_display_one_line_names_the_commands_that_need_none() {
    // The second display is named and does not answer.
    let experiment = concat!(env!("CARGO_MANIFEST_DIR"), "/resources/experiments/gguf.toml");
    let starts = [
        (None, &[][..]),
        (None, &["window"]),
        (None, &[experiment]),
        (Some(":59999"), &["window", experiment]),
    ];
    for (display, arguments) in starts {
        let output = started(display, arguments);
        let (out, told) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert_eq!(out, "");
        assert_eq!(told.trim_end().lines().count(), 1, "{told}");
        assert!(told.contains("no window") && told.contains("lamplight run"), "{told}");
    }
}

#[test]
fn an_experiment_that_is_not_there_is_told_before_a_window_is_looked_for() {
    for arguments in [&["nowhere.lamplight"][..], &["window", "nowhere.toml"]] {
        let output = started(None, arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("nowhere.") && told.contains("cannot be opened"), "{told}");
    }
    // Anything else that is no command stays a mistake in writing.
    assert_eq!(started(None, &["nowhere"]).status.code(), Some(2));
}
