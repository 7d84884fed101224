//! Tells the program which build it is, and gives the Windows executable its icon, version and manifest.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Letters of a commit's hash that are shown.
const SHOWN: usize = 12;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=LAMPLIGHT_COMMIT={}", commit().unwrap_or_else(|| "unknown".to_owned()));
    println!("cargo:rustc-env=LAMPLIGHT_FEATURES={}", features());
    println!("cargo:rustc-env=LAMPLIGHT_PLATFORM={}", variable("TARGET"));
    if variable("CARGO_CFG_TARGET_OS") == "windows" {
        resources();
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

fn root() -> PathBuf {
    PathBuf::from(variable("CARGO_MANIFEST_DIR"))
}

/// The features that are on. Metal is in every build for macOS and in no other, whatever was asked for.
fn features() -> String {
    let mut features: Vec<String> = env::vars()
        .filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase().replace('_', "-")))
        .filter(|name| name != "default" && name != "metal")
        .collect();
    if variable("CARGO_CFG_TARGET_OS") == "macos" {
        features.push("metal".to_owned());
    }
    features.sort();
    if features.is_empty() { "none".to_owned() } else { features.join(", ") }
}

/// The commit, from whoever makes the package, from git, or from the file that `git archive` fills in.
fn commit() -> Option<String> {
    println!("cargo:rerun-if-env-changed=LAMPLIGHT_BUILD_COMMIT");
    let told = variable("LAMPLIGHT_BUILD_COMMIT");
    if !told.is_empty() {
        return Some(told.chars().take(SHOWN).collect());
    }
    let root = root();
    // A repository around ours, which a tarball may have been unpacked in, is not meant.
    if root.join(".git").exists() {
        return from_git(&root);
    }
    let file = root.join("packaging").join("commit.txt");
    println!("cargo:rerun-if-changed={}", file.display());
    let text = fs::read_to_string(file).ok()?;
    let hash = text.trim();
    let is_hash = hash.len() >= SHOWN && hash.chars().all(|letter| letter.is_ascii_hexdigit());
    is_hash.then(|| hash[..SHOWN].to_owned())
}

fn from_git(root: &Path) -> Option<String> {
    // Both move with every commit; a path that is not there would make each build run this again.
    for name in ["HEAD", "logs/HEAD"] {
        let path = root.join(git(root, &["rev-parse", "--git-path", name])?);
        if path.exists() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    let hash = git(root, &["rev-parse", "HEAD"])?;
    let changed = git(root, &["status", "--porcelain", "--untracked-files=no"])?;
    Some(format!("{}{}", hash.get(..SHOWN)?, if changed.is_empty() { "" } else { "+" }))
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What Explorer and the taskbar show, and that long paths and sharp letters are wanted.
fn resources() {
    let root = root();
    let icon = root.join("resources").join("icon").join("lamplight.ico");
    let manifest = root.join("packaging").join("windows").join("lamplight.manifest");
    for path in [&icon, &manifest] {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    let mut resource = winresource::WindowsResource::new();
    resource
        .set_icon(&icon.to_string_lossy())
        .set_manifest_file(&manifest.to_string_lossy())
        .set("ProductName", "Lamplight")
        .set("FileDescription", "Lamplight")
        .set("Comments", &variable("CARGO_PKG_DESCRIPTION"))
        .set("OriginalFilename", "lamplight.exe")
        .set("LegalCopyright", &format!("The Lamplight authors, {}", variable("CARGO_PKG_LICENSE")));
    // The program works without them, so a machine without a resource compiler can still build it.
    if let Err(error) = resource.compile_for("lamplight") {
        println!("cargo:warning=the executable has no icon and no version: {error}");
    }
}
