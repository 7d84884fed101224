//! `lamplight.com`: what terminals on Windows start when someone types `lamplight`.
//!
//! `lamplight.exe` is a program of windows, so that no terminal opens beside its window; terminals do not wait for such programs.
//! They look for `.com` before `.exe`: this one starts the other with the same arguments and streams, waits, and ends with its
//! exit code.

use std::env;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    leave_interrupts();
    let program = match env::current_exe() {
        Ok(path) => path.with_file_name("lamplight.exe"),
        Err(error) => return failed(&error),
    };
    match Command::new(program).args(env::args_os().skip(1)).status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => failed(&error),
    }
}

fn failed(error: &std::io::Error) -> ExitCode {
    eprintln!("lamplight: lamplight.exe cannot be started: {error}");
    ExitCode::FAILURE
}

/// Ctrl-C is for the program: it stores what it has and ends, and only then may this end.
#[cfg(windows)]
fn leave_interrupts() {
    type Handler = unsafe extern "system" fn(u32) -> i32;
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn SetConsoleCtrlHandler(handler: Option<Handler>, add: i32) -> i32;
    }
    /// Says that the event was dealt with. A handler, unlike ignoring the events, is not inherited.
    unsafe extern "system" fn dealt_with(_event: u32) -> i32 {
        1
    }
    // SAFETY: the handler is a function of the whole program's lifetime that touches nothing.
    unsafe { SetConsoleCtrlHandler(Some(dealt_with), 1) };
}

#[cfg(not(windows))]
fn leave_interrupts() {}
