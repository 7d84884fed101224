//! `lamplight list`, `show RUN`, `delete`, `merge` and `store`, run as a person would.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up its files must fail")]
#![allow(clippy::single_range_in_vec_init, reason = "a prompt's input may lie in several places")]

use std::path::Path;
use std::process::{Command, Output};

use lamplight::lamp::{Setting, Split, Task};
use lamplight::metrics::{MeteorStages, Scorer};
use lamplight::prompt::{
    DroppedEntry, FallBack, LostTail, Preset, Prompt, PromptEntry, PromptMode, PromptStatus, Template,
};
use lamplight::record::{
    CacheKey, CachedAnswer, DatasetSpec, EventKind, Finish, ModelSpec, Prediction, PromptSpec, PromptText,
    Retrieved, RetrieverSpec, RunRecord, RunSpec, RunStatus, Training,
};
use lamplight::store::Store;
use serde_json::Value;

fn lamplight(store: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lamplight"))
        .args(arguments)
        .env("LAMPLIGHT_STORE", store)
        .env("COLUMNS", "200")
        .output()
        .unwrap()
}

fn said(output: &Output, code: i32) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{error}\n{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout.clone()).unwrap() + &error
}

fn json(store: &Path, arguments: &[&str], code: i32) -> Value {
    let output = lamplight(store, &[arguments, &["--json"]].concat());
    said(&output, code);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn spec(model: &str, k: usize) -> RunSpec {
    RunSpec {
        program: "0.1.0".into(),
        dataset: DatasetSpec {
            task: Task::Lamp7,
            setting: Setting::User,
            split: Split::Dev,
            fingerprint: "0123456789abcdef".into(),
            limit: Some(4),
            sample_seed: None,
            skip_broken: false,
        },
        model: ModelSpec {
            name: model.into(),
            fingerprint: "fedcba98".into(),
            training: Training::ZeroShot,
            device: "cpu".into(),
            precision: "f32".into(),
            options: serde_json::Map::new(),
        },
        retriever: RetrieverSpec { config: "bm25".into(), k, use_date: false, encoders: Vec::new() },
        prompt: Some(PromptSpec {
            template: "official".into(),
            template_toml: Template::preset(Task::Lamp7, Preset::Official).unwrap().to_toml().unwrap(),
            mode: "official".into(),
            max_length: 60,
        }),
        generation: Some(serde_json::json!({"beams": 4, "new_tokens": 128})),
        parsing: "official".into(),
    }
}

/// A row as a run makes it, from a prompt that had to be cut.
fn prediction(position: u32) -> Prediction {
    let raw = format!("so it goes {position}\u{1b}[2J");
    let reference = "so it went".to_owned();
    let text = "Paraphrase in the style of: many words. so it goes, and on".to_owned();
    let cut = text.len() - 8;
    let prompt = Prompt {
        sample_id: format!("0{position}"),
        tokens: 70,
        max_length: 60,
        mode: PromptMode::Official,
        status: PromptStatus::Personalized,
        entries: vec![PromptEntry {
            index: 0,
            id: "e1".into(),
            fixed: 5,
            granted: Some(2),
            kept: 2,
            cut: Some(10..50),
            rewritten: false,
            span: 28..39,
            long: 28..38,
        }],
        dropped: vec![DroppedEntry { index: 3, id: "e9".into(), reason: FallBack::NoRoom }],
        input: vec![40..text.len()],
        lost: Some(LostTail { start: cut, tokens: 10 }),
        attempts: 1,
        factor: None,
        text,
    };
    let (text, report) = prompt.into_parts();
    Prediction {
        position,
        sample_id: format!("0{position}"),
        profile_entries: 1,
        retrieved: vec![
            Retrieved { index: 0, id: "e1".into(), score: Some(0.125) },
            Retrieved { index: 3, id: "e9".into(), score: None },
        ],
        prompt: Some(PromptText { text, report }),
        score: Some(Scorer::new(Task::Lamp7, None).score(&raw, &reference).unwrap()),
        answer: raw.clone(),
        raw,
        reference: Some(reference),
        parsed: true,
        finish: Finish::End,
        prompt_tokens: 50,
        new_tokens: 5,
        model_ms: 2.5,
        cached: false,
        fell_back: false,
        input_cut: false,
        estimated: false,
        error: None,
    }
}

/// A store with a finished run, one that was broken off and one that is planned.
fn filled(path: &Path) -> [RunRecord; 3] {
    let mut store = Store::open(path).unwrap();
    let done = store.plan(&spec("tiny", 1), 4).unwrap();
    let key = CacheKey([1; 32]);
    let answer = CachedAnswer {
        raw: "x".into(),
        finish: Finish::End,
        prompt_tokens: 1,
        new_tokens: 1,
        estimated: false,
    };
    store.save(done.id, &(0..4).map(prediction).collect::<Vec<_>>(), &[(key, answer)], 61_000).unwrap();
    lamplight::run::finish(&mut store, &done, MeteorStages::ExactStem).unwrap();
    let broken = store.plan(&spec("other\u{202e}", 2), 4).unwrap();
    let failed =
        Prediction { error: Some("out of memory".into()), score: None, prompt: None, ..prediction(1) };
    store.save(broken.id, &[prediction(0), failed], &[], 1).unwrap();
    store.set_status(broken.id, RunStatus::Running, None).unwrap();
    store.log(Some(broken.id), EventKind::Failure, "sample 01: out of memory").unwrap();
    let planned = store.plan(&spec("tiny", 4), 4).unwrap();
    [done, broken, planned]
}

#[test]
fn runs_are_listed_with_what_they_are_and_reached() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("my runs ü");
    std::fs::create_dir(&store).unwrap();
    let runs = filled(&store.join("lamplight.db"));
    let text = said(&lamplight(&store, &["list"]), 0);
    let line =
        |run: &RunRecord| text.lines().find(|line| line.starts_with(run.short_key())).unwrap().to_owned();
    let done = line(&runs[0]);
    for wanted in ["done", "LaMP-7", "user", "dev", "tiny", "bm25", "4/4", "ROUGE-1", "["] {
        assert!(done.contains(wanted), "{wanted}: {text}");
    }
    // Begun, and nobody works on it; text from data stays text.
    let broken = line(&runs[1]);
    assert!(broken.contains("interrupted") && broken.contains("2/4, 1 failed"), "{broken}");
    assert!(broken.contains("other\\u{202e}"), "{broken}");
    assert!(line(&runs[2]).contains("planned"));
    let keys = |arguments: &[&str]| {
        let found = json(&store, &[&["list"], arguments].concat(), 0);
        let runs = found["runs"].as_array().unwrap().iter();
        runs.map(|run| run["key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(keys(&[]).len(), 3);
    assert_eq!(keys(&["--status", "interrupted"]), [runs[1].key.clone()]);
    assert_eq!(keys(&["--model", "TINY", "--task", "lamp-7", "--split", "dev"]).len(), 2);
    assert_eq!(keys(&["--setting", "time"]), [""; 0]);
    assert!(said(&lamplight(&store, &["list", "--setting", "time"]), 0).contains("None of the 3 runs"));
    said(&lamplight(&store, &["list", "--status", "lost"]), 2);
    let error = said(&lamplight(&folder.path().join("no.db"), &["list"]), 1);
    assert!(error.contains("no.db") && error.contains("--store"), "{error}");
    assert!(!folder.path().join("no.db").exists());
}

#[test]
fn a_run_and_its_predictions_are_shown_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db");
    let runs = filled(&store);
    let text = said(&lamplight(&store, &["show", runs[0].short_key()]), 0);
    for wanted in [
        "done",
        "the first 4 samples",
        "tiny, zero-shot, f32 on cpu",
        "bm25, k = 1",
        "at most 60 tokens",
        "beams 4",
        "4 of 4",
        "200 read, 20 written",
        "1 min 1 s",
        "ROUGE-L",
        "Planned",
        &runs[0].key,
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let text = said(&lamplight(&store, &["show", "2"]), 0);
    assert!(text.contains("was broken off") && text.contains("failure: sample 01: out of memory"), "{text}");
    let shown = json(&store, &["show", "2"], 0);
    assert_eq!((&shown["status"], &shown["totals"]["failed"]), (&"interrupted".into(), &1.into()));

    let text = said(&lamplight(&store, &["show", runs[0].short_key(), "--sample", "02"]), 0);
    for wanted in [
        "1.  e1",
        "0.1250",
        "e9",
        "not in the prompt",
        "[cut off at the end: , and on]",
        "70 of at most 60",
        "Entry e1: 40 bytes",
        "Entry e9: dropped",
        "so it goes 2\\u{1b}[2J",
        "so it went",
        "METEOR",
        "2.5 ms",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let shown = json(&store, &["show", "1", "--sample", "02"], 0);
    assert_eq!(shown["raw"], "so it goes 2\u{1b}[2J");
    assert_eq!(shown["retrieved"][0]["score"], 0.125);
    assert_eq!(shown["prompt"]["report"]["tokens"], 70);
    let text = said(&lamplight(&store, &["show", "2", "--sample", "01"]), 0);
    assert!(text.contains("Failed\n    out of memory") && !text.contains("Raw answer"), "{text}");
    let error = said(&lamplight(&store, &["show", "2", "--sample", "77"]), 1);
    assert!(error.contains("`77`") && error.contains("2 of 4"), "{error}");
    assert!(said(&lamplight(&store, &["show", "99"]), 1).contains("no run is called 99"));
}

#[test]
fn deleting_asks_first_and_gives_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db");
    let runs = filled(&store);
    let error = said(&lamplight(&store, &["delete", runs[0].short_key()]), 1);
    assert!(error.contains("--yes"), "{error}");
    {
        let writer = Store::open(&store).unwrap();
        let _claim = writer.claim(&runs[1]).unwrap();
        let error = said(&lamplight(&store, &["delete", "2", "--yes"]), 1);
        assert!(error.contains("at work"), "{error}");
        assert!(said(&lamplight(&store, &["list"]), 0).contains("running"));
    }
    let deleted = json(&store, &["delete", runs[0].short_key(), "1", "2", "--yes"], 0);
    assert_eq!((&deleted["predictions"], deleted["deleted"].as_array().unwrap().len()), (&6.into(), 2));
    let info = json(&store, &["store", "info"], 0);
    assert_eq!(info["tables"][0], serde_json::json!(["runs", 1]));
    assert_eq!(
        (&info["tables"][1][1], &info["tables"][5][1], &info["free_bytes"]),
        (&0.into(), &1.into(), &0.into())
    );
    assert!(said(&lamplight(&store, &["store", "clear-answers"]), 0).contains("1 kept answers"));
    assert!(said(&lamplight(&store, &["store", "info"]), 0).contains("answers"));
    said(&lamplight(&store, &["store", "check"]), 0);
}

#[test]
fn parts_are_merged_and_finished() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["one.db", "two.db", "all.db"].map(|name| folder.path().join(name));
    for (part, path) in paths[..2].iter().enumerate() {
        let mut store = Store::open(path).unwrap();
        let run = store.plan(&spec("tiny", 1), 4).unwrap();
        let rows: Vec<Prediction> = (0..4).filter(|at| at % 2 == part as u32).map(prediction).collect();
        store.save(run.id, &rows, &[], 5).unwrap();
    }
    let [one, two, all] = paths.each_ref().map(|path| path.to_str().unwrap());
    let text = said(&lamplight(&paths[2], &["merge", one, two]), 0);
    assert!(text.contains("is complete and has its figures"), "{text}");
    let whole = folder.path().join("whole.db");
    filled(&whole);
    let figures =
        |store: &Path| json(store, &["list", "--status", "done"], 0)["runs"][0]["aggregate"].clone();
    assert!(figures(&whole).is_object());
    assert_eq!(figures(&paths[2]), figures(&whole));
    let again = json(&paths[2], &["merge", one], 0);
    assert_eq!(again["merged"][0]["merged"]["runs"][0]["new"], 0);
    // A differing answer is told.
    let mut store = Store::open(&paths[0]).unwrap();
    let run = store.plan(&spec("tiny", 1), 4).unwrap();
    store.save(run.id, &[Prediction { raw: "else".into(), ..prediction(1) }], &[], 0).unwrap();
    let differing = json(&paths[2], &["merge", one], 3);
    assert_eq!(differing["merged"][0]["merged"]["runs"][0]["conflicts"], 1);
    assert!(said(&lamplight(&paths[2], &["merge", all]), 1).contains("itself"));
    assert!(said(&lamplight(&paths[2], &["merge", "none.db"]), 1).contains("no store"));
}

#[test]
fn damage_is_found_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("s.db");
    filled(&store);
    assert!(said(&lamplight(&store, &["store", "check"]), 0).contains("No problem"));
    let length = std::fs::metadata(&store).unwrap().len();
    std::fs::File::options().write(true).open(&store).unwrap().set_len(length - 8192).unwrap();
    let text = said(&lamplight(&store, &["store", "check"]), 3);
    assert!(text.contains("Damaged") && text.contains("store repair"), "{text}");
    assert!(said(&lamplight(&store, &["list"]), 1).contains("store repair"));
    let text = said(&lamplight(&store, &["store", "repair"]), 0);
    assert!(text.contains("predictions") && text.contains("s.db.damaged-1"), "{text}");
    said(&lamplight(&store, &["store", "check"]), 0);
    assert!(folder.path().join("s.db.damaged-1").is_file());
    std::fs::write(folder.path().join("letter.txt"), "Dear reader").unwrap();
    let letter = folder.path().join("letter.txt");
    for command in [&["list"][..], &["store", "check"], &["store", "repair"], &["delete", "1", "--yes"]] {
        let error = said(&lamplight(&letter, command), 1);
        assert!(error.contains("no Lamplight store"), "{error}");
    }
    assert_eq!(std::fs::read(&letter).unwrap(), b"Dear reader");
}
