//! Lamplight's program: hands the arguments to the command line, with the window that it may open, and ends with its exit code.

// Whoever starts it from an icon wants no terminal beside the window. `lamplight.com`, which comes with it, is what terminals start.
#![windows_subsystem = "windows"]

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(windows)]
    terminal::join();
    lamplight::cli::run(std::env::args_os(), |places, file| Ok(lamplight::gui::open(places, file)?))
}

#[cfg(windows)]
mod terminal {
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn AttachConsole(process: u32) -> i32;
    }

    /// Prints to the terminal that the program was started from, if there is one; what is redirected stays so.
    pub fn join() {
        /// Whoever started this process.
        const PARENT: u32 = u32::MAX;
        // SAFETY: takes a number alone, and answers 0 where there is no terminal, which is as good.
        unsafe { AttachConsole(PARENT) };
    }
}
