//! Which build of the program this is. Knows nothing else.

/// The package's version.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from, with a `+` where files had been changed since; `unknown` where no one can tell.
pub const COMMIT: &str = env!("LAMPLIGHT_COMMIT");

/// The features it was built with, separated by commas; `none` without any.
pub const FEATURES: &str = env!("LAMPLIGHT_FEATURES");

/// What it was built for, as the compiler calls it (`x86_64-unknown-linux-gnu`).
pub const PLATFORM: &str = env!("LAMPLIGHT_PLATFORM");

/// All of it, in three lines.
pub const WHOLE: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("LAMPLIGHT_COMMIT"),
    ")\nfeatures: ",
    env!("LAMPLIGHT_FEATURES"),
    "\nplatform: ",
    env!("LAMPLIGHT_PLATFORM")
);
