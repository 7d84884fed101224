//! Lamplight's program: hands the arguments to the command line and ends with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    lamplight::cli::run(std::env::args_os())
}
