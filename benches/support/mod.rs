//! What the benchmarks share: their arguments, and how much processor time and memory they took.

#![allow(dead_code, reason = "each benchmark uses its own part")]
#![allow(clippy::expect_used, reason = "a benchmark may stop")]

use std::path::PathBuf;

/// The file after `--json`, if it was given.
pub fn json_argument() -> Option<PathBuf> {
    let mut arguments = std::env::args_os().skip_while(|argument| argument != "--json");
    arguments.next()?;
    Some(arguments.next().expect("a file after --json").into())
}

/// Processor time of this process so far, all its threads, in seconds; not a number where the system does not tell.
pub fn cpu_seconds() -> f64 {
    #[cfg(unix)]
    {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call writes a timespec to the address of one, and keeps no pointer.
        if unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) } == 0 {
            return time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9;
        }
    }
    f64::NAN
}

/// The most memory this process has held so far, in MiB; `None` where the system does not tell.
pub fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kib / 102.4).round() / 10.0)
}
