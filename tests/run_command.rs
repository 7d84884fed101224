//! `lamplight run`, `resume` and `tune`, run as a person would.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up its files must fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lamplight::jobs::{CancelToken, Progress};
use lamplight::model::registry::Registry;
use lamplight::run::{Experiment, PlanError, Workplace, plan};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A place of its own for store, cache and models.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
        command
            .args(arguments)
            .current_dir(root())
            .env("LAMPLIGHT_STORE", self.path("store.db"))
            .env("LAMPLIGHT_MODELS", self.path("models"))
            .env("LAMPLIGHT_CACHE_DIR", self.path("cache"))
            .env("COLUMNS", "200");
        command
    }

    fn output(&self, arguments: &[&str], code: i32) -> Output {
        let output = self.command(arguments).output().unwrap();
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{error}\n{out}");
        output
    }

    fn said(&self, arguments: &[&str], code: i32) -> String {
        let output = self.output(arguments, code);
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    }

    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.output(&[arguments, &["--json"]].concat(), code);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let file = self.path(name);
        let sample = root().join("datasets").join("sample");
        fs::write(&file, text.replace("SAMPLE", &sample.display().to_string())).unwrap();
        file.display().to_string()
    }
}

const SMALL: &str = "name = 'Small'\n[data]\npaths = ['SAMPLE']\ntasks = ['LaMP-3']\nsettings = ['user']\nlimit = 6\nseed = 3\n\
    [[models]]\nname = 'baseline:majority'\n[retrieval]\nretrievers = ['none', 'bm25']\nk = [1, 2]\n";

fn runs(report: &Value) -> &Vec<Value> {
    report["runs"].as_array().unwrap()
}

#[test]
fn an_experiment_is_run_once_and_found_again() {
    let place = Place::new();
    let file = place.write("small.toml", SMALL);
    let dry = place.json(&["run", &file, "--dry-run"], 0);
    assert_eq!(dry["cells"].as_array().unwrap().len(), 3);
    assert!(!place.path("store.db").exists());
    let first = place.json(&["run", &file], 0);
    assert_eq!(runs(&first).len(), 3);
    for run in runs(&first) {
        assert_eq!((&run["status"], &run["done"], &run["failed"]), (&"done".into(), &6.into(), &0.into()));
        assert!(run["figures"]["mae"].is_f64());
    }
    assert_eq!(place.json(&["run", &file], 0), first);
    let dry = place.said(&["run", &file, "--dry-run"], 0);
    assert!(dry.contains("3 runs, 0 samples to answer") && dry.contains("6 (done)"), "{dry}");
    let words = place.said(&["run", &file], 0);
    assert!(words.contains("bm25 k = 2") && words.contains("MAE") && words.contains("[3/3]"), "{words}");
    assert!(!place.said(&["run", &file, "--quiet"], 0).contains("[3/3]"));
    assert!(place.said(&["resume"], 0).contains("Every run is done"));
}

#[test]
fn options_make_a_small_experiment() {
    let place = Place::new();
    let report = place.json(
        &[
            "run",
            "--data",
            "datasets/sample",
            "--task",
            "LaMP-3,LaMP-7",
            "--setting",
            "time",
            "--limit",
            "3",
            "--model",
            "baseline:nearest",
            "--model",
            "scripted:answer=3",
            "--retriever",
            "recency",
            "--retriever",
            "bm25",
            "--k",
            "1,2",
        ],
        0,
    );
    assert_eq!(runs(&report).len(), 2 * 2 * 4);
    let wrong = place.said(&["run", "--data", "datasets/nowhere", "--model", "m", "--k", "1"], 1);
    assert!(wrong.contains("2 problems") && wrong.contains("data.paths: cannot read"), "{wrong}");
    let absent = place.said(&["run", "absent.toml"], 1);
    assert!(absent.contains("nothing was run: absent.toml: cannot read the experiment: "), "{absent}");
    assert!(place.said(&["run"], 2).contains("<FILE>"));
    assert!(place.said(&["run", "a.toml", "--data", "b", "--model", "c"], 2).contains("cannot be used with"));
    assert!(place.said(&["run", "a.toml", "--shard", "3/2"], 2).contains("2/8"));
}

#[test]
fn nothing_is_run_while_something_is_wrong() {
    let place = Place::new();
    let text = SMALL.replace("'bm25'", "'recency'").replace("name = 'Small'", "name = 'Small'\nseed = [1]");
    let file = place.write("wrong.toml", &text);
    let told = place.said(&["run", &file], 1);
    assert!(told.contains("nothing was run: 2 problems"), "{told}");
    assert!(told.contains("wrong.toml:2: seed: unknown key; did you mean `seeds`?"), "{told}");
    assert!(told.contains("wrong.toml:12: retrieval.retrievers[1]: recency is possible nowhere"), "{told}");
    assert!(!place.path("store.db").exists());
}

#[test]
fn failed_samples_are_told_and_tried_again() {
    let place = Place::new();
    let text = SMALL
        .replace("baseline:majority", "scripted:answer=3,fail=2'\nbatch = 1\ntraining = 'zero-shot")
        .replace("k = [1, 2]", "k = [1]");
    let file = place.write("fails.toml", &text.replace("'none', ", ""));
    let report = place.json(&["run", &file], 3);
    assert_eq!(runs(&report)[0]["failed"], 1);
    assert_eq!(runs(&place.json(&["run", &file], 3))[0]["failed"], 1);
    // Its second answer is no longer the one that fails: there is only one to give.
    let again = place.json(&["resume", "--retry-failed"], 0);
    assert_eq!(runs(&again["experiments"][0])[0]["failed"], 0, "{again}");
    assert_eq!(place.json(&["resume", "--retry-failed"], 0)["experiments"].as_array().unwrap().len(), 0);
}

#[test]
fn parts_come_together() {
    let place = Place::new();
    let file = place.write("small.toml", SMALL);
    let whole = place.json(&["run", &file], 0);
    let merged = Place::new();
    let mut parts = Vec::new();
    for part in ["1/2", "2/2"] {
        let store = merged.path(&format!("part-{}.db", &part[..1])).display().to_string();
        let report = merged.json(&["run", &file, "--shard", part, "--store", &store], 0);
        assert!(
            runs(&report).iter().all(|run| run["done"] == 3 && run["status"] == "interrupted"),
            "{report}"
        );
        parts.push(store);
    }
    merged.said(&["merge", &parts[0], &parts[1]], 0);
    let all = merged.json(&["run", &file], 0);
    let figures = |report: &Value| -> Vec<(Value, Value)> {
        runs(report).iter().map(|run| (run["key"].clone(), run["figures"].clone())).collect()
    };
    assert_eq!(figures(&all), figures(&whole));
}

#[test]
fn a_profile_is_tuned_on_one_split_for_another() {
    let place = Place::new();
    let text =
        SMALL.replace("paths =", "split = 'test'\npaths =").replace("baseline:majority", "baseline:nearest");
    let file = place.write("tune.toml", &text.replace("'none', 'bm25'", "'random:7', 'bm25'"));
    let report = place.json(&["tune", &file, "--k", "0,1"], 0);
    let tuning = &report["tunings"][0];
    assert_eq!((&tuning["tuned_on"], &tuning["same_data"]), (&"dev".into(), &false.into()));
    let grid = tuning["grid"].as_array().unwrap();
    assert_eq!(grid.len(), 3); // no retriever, and either of the two
    let winner = &grid[tuning["winner"].as_u64().unwrap() as usize];
    let least = grid.iter().map(|cell| cell["value"].as_f64().unwrap()).fold(f64::INFINITY, f64::min);
    assert_eq!(winner["value"].as_f64(), Some(least));
    let applied = runs(&report).iter().find(|run| run["key"] == tuning["applied"]).unwrap();
    assert_eq!((&applied["split"], &applied["retriever"]), (&"test".into(), &winner["retriever"]));
    // The whole experiment has the same choice, its matrix beside it.
    let same = place.said(&["tune", &file, "--apply", "dev", "--k", "1"], 0);
    assert!(same.contains("too good"), "{same}");
    assert!(place.said(&["resume"], 0).contains("Every run is done"));
    let none = place.write("none.toml", &text.replace("'none', 'bm25'", "'none'"));
    assert!(place.said(&["tune", &none], 1).contains("at least one retriever beside none"));
}

#[test]
fn a_run_of_changed_data_is_left_and_what_changed_is_said() {
    let place = Place::new();
    place.said(
        &[
            "sample-data",
            "--out",
            &place.path("data").display().to_string(),
            "--tasks",
            "LaMP-3",
            "--settings",
            "user",
        ],
        0,
    );
    let text = "name = 'x'\ndata.paths = 'data'\nmodels.name = 'scripted:answer=3'\n";
    let file = place.write("e.toml", text);
    // A part leaves the run unfinished.
    place.said(&["run", &file, "--shard", "1/2"], 0);
    let questions = place.path("data").join("LaMP_3").join("dev").join("dev_questions.json");
    let changed = fs::read_to_string(&questions).unwrap().replacen("the", "a", 1);
    fs::write(&questions, changed).unwrap();
    let told = place.said(&["resume"], 1);
    assert!(told.contains("Run 1") && told.contains("dataset.fingerprint was"), "{told}");
    fs::remove_dir_all(place.path("data")).unwrap();
    let told = place.said(&["resume", "1"], 1);
    assert!(told.contains("experiment 1 of the store") && told.contains("cannot read"), "{told}");
    assert!(place.said(&["resume", "77"], 1).contains("77"));
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_goes_on_from_the_store_alone() {
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    let place = Place::new();
    let text = SMALL
        .replace("baseline:majority", "scripted:word=-1,delay=40")
        .replace("limit = 6\nseed = 3", "limit = 40");
    let file = place.write("slow.toml", &text.replace("k = [1, 2]", "k = [1]"));
    let child = place
        .command(&["run", &file, "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let store = place.path("store.db");
    let begun = Instant::now();
    let stored = || {
        let reader = lamplight::store::Reader::open(&store).ok()?;
        Some(reader.runs().ok()?.first()?.totals.done)
    };
    while stored().unwrap_or(0) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is stored");
        std::thread::sleep(Duration::from_millis(20));
    }
    let asked = Instant::now();
    // SAFETY: the process is our own child, which has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGINT) }, 0);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(asked.elapsed() < Duration::from_secs(10));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["interrupted"], &runs(&report)[0]["status"]), (&true.into(), &"interrupted".into()));
    let kept = runs(&report)[0]["done"].as_u64().unwrap();
    assert!((1..40).contains(&kept), "{report}");

    fs::remove_file(&file).unwrap();
    let resumed = place.json(&["resume"], 0);
    let ended: Vec<&Value> = runs(&resumed["experiments"][0]).iter().collect();
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|run| run["status"] == "done" && run["done"] == 40), "{resumed}");

    let other = Place::new();
    let again = other.write("fast.toml", &text.replace("k = [1, 2]", "k = [1]"));
    let straight = other.json(&["run", &again], 0);
    for (one, two) in ended.iter().zip(runs(&straight)) {
        assert_eq!((&one["key"], &one["figures"]), (&two["key"], &two["figures"]));
    }
}

#[test]
fn shipped_experiments_are_sound() {
    let folder = tempfile::tempdir().unwrap();
    let workplace = Workplace::new(Registry::new(folder.path().to_owned()));
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("resources").join("experiments")).unwrap() {
        let file = entry.unwrap().path();
        names.push(file.file_name().unwrap().to_string_lossy().into_owned());
        let experiment = Experiment::read(&file).unwrap();
        let again = Experiment::from_toml(&experiment.to_toml().unwrap(), &file).unwrap();
        assert_eq!(again, experiment);
        // Over the sample set, all that is missing is what has to be downloaded.
        let mut experiment = experiment;
        let sample = root().join("datasets").join("sample");
        let sample = if experiment.data[0].paths[0].ends_with("time") { sample.join("time") } else { sample };
        experiment.data[0].paths = vec![sample];
        match plan(&experiment, &workplace, &CancelToken::new(), &Progress::new()) {
            Ok(made) => assert!(!made.cells.is_empty()),
            Err(PlanError::Problems(problems)) => {
                for problem in &problems.0 {
                    let words = problem.to_string();
                    assert!(words.contains("is installed") && words.contains("no model"), "{words}");
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
    names.sort();
    let served =
        ["llama-cpp.toml", "ollama.toml", "openai.toml", "slurm-array.toml", "vllm-ray.toml", "vllm.toml"];
    let mut expected = ["gguf.toml", "lamp-time.toml", "lamp-user.toml", "sample.toml"].to_vec();
    expected.extend(served);
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn the_sample_experiment_runs_whole() {
    let place = Place::new();
    let shipped =
        fs::read_to_string(root().join("resources").join("experiments").join("sample.toml")).unwrap();
    let small = shipped
        .replace("\"../../datasets/sample\"", "'SAMPLE'")
        .replace("split = \"test\"", "split = \"test\"\nlimit = 2");
    let file = place.write("sample.toml", &small.replace("k = [0, 1, 2]", "k = [0, 1]"));
    let report = place.json(&["run", &file], 0);
    assert_eq!(report["tunings"].as_array().unwrap().len(), 8 * 2);
    assert!(runs(&report).iter().all(|run| run["model"] == "sample-t5"));
    for retriever in ["none", "random", "bm25", "dense", "recency"] {
        let is_of = |run: &Value| run["retriever"].as_str().unwrap().split(':').next() == Some(retriever);
        assert!(runs(&report).iter().any(is_of), "{retriever}");
    }
    let tasks: std::collections::BTreeSet<&str> =
        runs(&report).iter().map(|run| run["task"].as_str().unwrap()).collect();
    assert_eq!(tasks.len(), 8);
    assert!(runs(&report).iter().all(|run| run["status"] == "done" && run["failed"] == 0));
    assert!(runs(&report).iter().all(|run| run["setting"] == "time" || run["retriever"] != "recency"));
}
