//! What a run must survive: being killed at any moment, again and again, by the real program on a real store.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// Kills in the gate; `LAMPLIGHT_KILLS` asks for more.
const KILLS: usize = 12;

const EXPERIMENT: &str = r#"
name = "killed"
[data]
paths = ["SAMPLE"]
tasks = ["LaMP-2M", "LaMP-3", "LaMP-4"]
settings = ["user"]
split = "test"
[[models]]
name = "scripted:word=-1,delay=2"
[[models]]
name = "baseline:nearest"
[retrieval]
retrievers = ["none", "bm25", "random:5"]
k = [2]
"#;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample");
        let text = EXPERIMENT.replace("SAMPLE", sample.to_str().unwrap());
        std::fs::write(folder.path().join("killed.toml"), text).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, store: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
        command.current_dir(self.folder.path()).args(arguments);
        command.env("LAMPLIGHT_STORE", self.path(store)).env("LAMPLIGHT_CACHE_DIR", self.path("cache"));
        command.env("LAMPLIGHT_MODELS", self.path("models"));
        command
    }

    fn run(&self, store: &str, arguments: &[&str]) -> Output {
        self.command(store, arguments).output().unwrap()
    }

    fn start(&self, store: &str) -> Child {
        let mut command = self.command(store, &["run", "killed.toml", "--quiet"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn table(&self, store: &str) -> String {
        let output = self.run(store, &["table", "--json", "--metric", "all"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Each stored sample without what depends on the clock: by run, in the order of the file.
    fn samples(&self, store: &str) -> Vec<String> {
        let out = self.path(&format!("{store}.csv"));
        let output = self.run(
            store,
            &["export", "--format", "samples", "--prompts", "--quiet", "--out", out.to_str().unwrap()],
        );
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut reader = csv::Reader::from_path(&out).unwrap();
        let headers = reader.headers().unwrap().clone();
        let timeless: Vec<usize> =
            (0..headers.len()).filter(|&at| !matches!(&headers[at], "model_ms" | "run" | "cached")).collect();
        assert!(timeless.len() > 10 && timeless.len() < headers.len());
        let rows = reader.records().map(|row| {
            let row = row.unwrap();
            timeless.iter().map(|&at| &row[at]).collect::<Vec<_>>().join("|")
        });
        rows.collect()
    }

    fn done(&self, store: &str) -> u64 {
        let output = self.run(store, &["list", "--json"]);
        let runs: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let runs = runs["runs"].as_array().cloned().unwrap_or_default();
        runs.iter().filter_map(|run| run["totals"]["done"].as_u64()).sum()
    }
}

#[test]
fn killed_at_any_moment_a_run_loses_and_doubles_nothing() {
    let place = Place::new();
    let whole = place.run("whole.db", &["run", "killed.toml", "--quiet"]);
    assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    let (table, samples) = (place.table("whole.db"), place.samples("whole.db"));
    assert_eq!(samples.len(), samples.iter().collect::<BTreeSet<_>>().len());

    let kills = std::env::var("LAMPLIGHT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let (mut killed, mut before, mut round) = (0, 0, 0);
    while killed < kills {
        // However fast the machine, there must be something left to kill.
        if killed > 0 && place.done("killed.db") == samples.len() as u64 {
            assert_eq!(place.table("killed.db"), table);
            for extension in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(place.path(&format!("killed.db{extension}")));
            }
            (before, round) = (0, round + 1);
        }
        let mut child = place.start("killed.db");
        std::thread::sleep(Duration::from_millis(random.random_range(20..900)));
        let finished = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        killed += usize::from(!finished);
        let done = place.done("killed.db");
        assert!(done >= before, "{done} samples are stored where {before} were");
        before = done;
        let check = place.run("killed.db", &["store", "check"]);
        assert!(
            check.status.success() || !place.path("killed.db").exists(),
            "{}{}",
            String::from_utf8_lossy(&check.stdout),
            String::from_utf8_lossy(&check.stderr)
        );
    }
    let last = place.run("killed.db", &["run", "killed.toml", "--quiet"]);
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
    assert_eq!(place.samples("killed.db"), samples);
    assert_eq!(place.table("killed.db"), table);
    eprintln!("{killed} kills, {round} runs from the beginning");
}
