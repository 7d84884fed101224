//! Lamplight's program: hands the arguments to the command line, with the window that it may open, and ends with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    lamplight::cli::run(std::env::args_os(), |places| Ok(lamplight::gui::open(places)?))
}
