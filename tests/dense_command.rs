//! Dense retrieval as a user meets it: rankings, the cache of vectors across runs, programs and kills, and its command.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use lamplight::dataset::{OpenOptions, open};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::{Document, Query, Sample, Setting, Split, Task};
use lamplight::model::{EncoderOptions, load_encoder};
use lamplight::retrieval::RankingFile;
use serde_json::{Value, json};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/sample");
const REVIEWS: [&str; 7] = [SAMPLE, "--task", "LaMP-3", "--setting", "time", "--split", "dev"];
const MODEL: &str = "scripted:words=512";

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
    command.current_dir(folder).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("LAMPLIGHT_CACHE_DIR", folder.join("cache")).env("COLUMNS", "100");
    command.env("LAMPLIGHT_MODELS", folder.join("models"));
    command.env_remove("LAMPLIGHT_EMBEDDINGS").env_remove("LAMPLIGHT_TOKENIZER");
    command
}

fn lamplight(folder: &Path, arguments: &[&str]) -> Output {
    program(folder, arguments).output().unwrap()
}

fn rank(folder: &Path, more: &[&str]) -> Output {
    lamplight(folder, &[&["rank"], &REVIEWS[..], more].concat())
}

fn said(output: &Output) -> (String, String) {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{error}");
    (String::from_utf8(output.stdout.clone()).unwrap(), error)
}

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&said(output).0).unwrap()
}

/// The reviews of the sample set.
fn samples() -> Vec<Sample> {
    let options = OpenOptions {
        task: Some(Task::Lamp3),
        setting: Some(Setting::Time),
        split: Some(Split::Dev),
        fill_in: true,
        ..OpenOptions::default()
    };
    let catalog = open(&[SAMPLE.into()], &options, &CancelToken::new(), &Progress::new()).unwrap();
    let fits = |id: lamplight::dataset::DatasetId| {
        (id.task, id.setting, id.split) == (Task::Lamp3, Setting::Time, Split::Dev)
    };
    let dataset = catalog.datasets.into_iter().find(|dataset| fits(dataset.id())).unwrap();
    dataset.samples().map(Result::unwrap).collect()
}

#[test]
fn rankings_are_those_of_an_independent_computation() {
    let folder = tempfile::tempdir().unwrap();
    let retriever = format!("dense:{MODEL}");
    let (out, _) = said(&rank(folder.path(), &["--retriever", &retriever, "--out", "r.json"]));
    assert!(out.contains(&format!("ranked by {retriever}:identity=")), "{out}");
    let file = RankingFile::read(&folder.path().join("r.json")).unwrap();
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let mut encoder = load_encoder(Path::new(MODEL), &EncoderOptions::default(), &cancel, &progress).unwrap();
    let mut vector = |text: &str| encoder.encode(&cancel, &[text]).unwrap().row(0).to_vec();
    let samples = samples();
    assert_eq!(file.len(), samples.len());
    let mut places = 0;
    for sample in &samples {
        let query = vector(&Query::of(Task::Lamp3, sample).text);
        let documents = Document::of_profile(Task::Lamp3, &sample.profile, false);
        let product = |document: &Document| -> f64 {
            vector(&document.text).iter().zip(&query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let products: Vec<f64> = documents.iter().map(product).collect();
        let ids = file.entry_ids(&sample.id).unwrap();
        let order: Vec<usize> =
            ids.iter().map(|id| documents.iter().position(|document| document.id == *id).unwrap()).collect();
        assert_eq!(order.iter().collect::<HashSet<_>>().len(), documents.len());
        for pair in order.windows(2) {
            let (first, second) = (products[pair[0]], products[pair[1]]);
            assert!(first > second - 1e-12, "sample {}: {first} before {second}", sample.id);
            let same = documents[pair[0]].text == documents[pair[1]].text;
            assert!(!same || pair[0] > pair[1], "of equal texts the later comes first");
        }
        places += order.len();
    }
    assert!(places > 500, "{places} entries were ranked");
    // Half of it from the vectors and half by date, and a fusion, begin as they should.
    for (retriever, k) in [("recency+", 2), ("rrf(bm25,", 2)] {
        let end = if retriever.ends_with(',') { ")" } else { "" };
        let retriever = format!("{retriever}dense:{MODEL}{end}");
        let more = ["--retriever", &retriever, "--k", "2", "--index", "3", "--json"];
        let shown = json_of(&rank(folder.path(), &more));
        assert_eq!(shown["ranking"].as_array().unwrap().len(), k);
        assert_eq!(shown["encoders"][0]["encoded"], 0);
        if retriever.starts_with("recency") {
            let first = &file.entry_ids(shown["id"].as_str().unwrap()).unwrap()[0];
            assert_eq!(shown["ranking"][0]["id"], json!(first));
        }
    }
}

#[test]
fn a_second_run_takes_its_vectors_from_the_cache_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let retriever = format!("dense:{MODEL}");
    let more = ["--retriever", &retriever, "--out", "r.json", "--embeddings", "kept here"];
    let (_, note) = said(&rank(folder.path(), &more));
    assert!(note.contains("vectors, ") && !note.contains(" 0 of them encoded"), "{note}");
    let first = std::fs::read(folder.path().join("r.json")).unwrap();
    let again = json_of(&rank(folder.path(), &[&more[..], &["--json"]].concat()));
    let encoder = &again["encoders"][0];
    assert_eq!((&encoder["encoded"], &encoder["vectors"]), (&json!(0), &encoder["from_cache"]));
    assert!(encoder["vectors"].as_u64().unwrap() > 500 && encoder["not_kept"].is_null(), "{encoder}");
    assert_eq!(std::fs::read(folder.path().join("r.json")).unwrap(), first);
    // Other commands find them too; another model does not.
    let tokenizer = tokenizer(folder.path());
    let prompt = |model: &str| {
        let retriever = format!("dense:{model}");
        let arguments = ["--all", "--out", "p.jsonl", "--retriever", &retriever, "--tokenizer", &tokenizer];
        let place = ["--embeddings", "kept here", "--json"];
        let all = [&["prompt"], &REVIEWS[..], &arguments, &place].concat();
        json_of(&lamplight(folder.path(), &all))["encoders"][0].clone()
    };
    assert_eq!(prompt(MODEL)["encoded"], 0);
    assert!(prompt("scripted:words=64")["encoded"].as_u64().unwrap() > 400);

    let embeddings = |more: &[&str]| lamplight(folder.path(), &[&["embeddings"], more].concat());
    let info = json_of(&embeddings(&["info", "--embeddings", "kept here", "--json"]));
    let kept = info["encoders"].as_array().unwrap();
    assert_eq!(kept.len(), 2);
    let of = |model: &str| kept.iter().find(|kept| kept["identity"] == model).unwrap();
    let bytes = of(MODEL)["texts"].as_u64().unwrap() * (512 * 4 + 24) + 1024 + 16;
    assert_eq!(of(MODEL)["bytes"].as_u64(), Some(bytes));
    let (shown, _) = said(&embeddings(&["info", "--embeddings", "kept here"]));
    assert!(shown.contains("of vectors are kept in") && shown.contains(MODEL), "{shown}");
    assert_eq!(embeddings(&["clear", "--embeddings", "kept here"]).status.code(), Some(2));
    let unknown = embeddings(&["clear", "nobody", "--embeddings", "kept here"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no encoder's name begins with `nobody`"));
    let name = of(MODEL)["name"].as_str().unwrap();
    said(&embeddings(&["clear", &name[..12], "--embeddings", "kept here"]));
    assert_eq!(prompt("scripted:words=64")["encoded"], 0);
    let (cleared, _) = said(&embeddings(&["clear", "--all", "--embeddings", "kept here"]));
    assert!(cleared.contains("were removed from"), "{cleared}");
    let (empty, _) = said(&embeddings(&["info", "--embeddings", "kept here"]));
    assert!(empty.starts_with("No vectors are kept in"), "{empty}");
}

fn tokenizer(folder: &Path) -> String {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/t5_tokenizer.json.gz");
    let mut out = std::fs::File::create(folder.join("tokenizer.json")).unwrap();
    let packed = std::fs::File::open(packed).unwrap();
    std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut out).unwrap();
    folder.join("tokenizer.json").to_str().unwrap().to_owned()
}

#[test]
fn programs_at_once_and_killed_ones_leave_a_sound_cache() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let retriever = "dense:scripted:words=2048";
    let arguments = |out: &'static str, kept: &'static str| {
        let more = ["--retriever", retriever, "--out", out, "--embeddings", kept];
        [&["rank"], &REVIEWS[..], &more].concat()
    };
    said(&lamplight(folder, &arguments("r.json", "alone")));
    let expected = std::fs::read(folder.join("r.json")).unwrap();
    let texts = |kept: &str| {
        let info = json_of(&lamplight(folder, &["embeddings", "info", "--embeddings", kept, "--json"]));
        info["encoders"][0]["texts"].clone()
    };
    let outs = ["a.json", "b.json", "c.json"];
    let running: Vec<_> =
        outs.iter().map(|out| program(folder, &arguments(out, "shared")).spawn().unwrap()).collect();
    running.into_iter().for_each(|one| drop(said(&one.wait_with_output().unwrap())));
    for out in outs {
        assert_eq!(std::fs::read(folder.join(out)).unwrap(), expected);
    }
    assert_eq!(texts("shared"), texts("alone"), "no vector stands there twice");

    for delay in [20, 40, 60, 80, 100, 140] {
        let mut one = program(folder, &arguments("k.json", "killed")).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        let _ = one.kill(); // it may have ended
        one.wait().unwrap();
    }
    said(&lamplight(folder, &arguments("k.json", "killed")));
    assert_eq!(std::fs::read(folder.join("k.json")).unwrap(), expected);
    assert_eq!(texts("killed"), texts("alone"));
}

#[test]
fn a_cache_that_cannot_be_used_is_told_once_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("file"), "").unwrap();
    let retriever = format!("rrf(dense:{MODEL},recency+dense:{MODEL})");
    let more = ["--retriever", &retriever, "--out", "r.json"];
    let (_, note) = said(&rank(folder, &[&more[..], &["--embeddings", "file"]].concat()));
    assert_eq!(note.matches("New vectors are not kept").count(), 1, "{note}");
    let without = std::fs::read(folder.join("r.json")).unwrap();
    let (_, note) = said(&rank(folder, &more));
    assert!(!note.contains("not kept"), "{note}");
    assert_eq!(std::fs::read(folder.join("r.json")).unwrap(), without);
    assert!(folder.join("cache/embeddings").is_dir(), "in the cache folder by default");
}

#[test]
fn what_is_no_encoder_is_refused_before_data_are_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    for (code, retriever, words) in [
        (1, "dense:absent/model", "absent/model"),
        (1, "rrf(bm25,dense:empty)", "holds no encoder"),
        (1, "dense:scripted:echo", "is no scripted encoder"),
        (1, "dense:scripted:words=8:identity=00000000", "has the identity"),
        (2, "dense:", "a model, such as dense:facebook/contriever"),
        (2, "dense:x:pooling=max", "pooling=mean or cls"),
    ] {
        let output = lamplight(folder.path(), &["rank", "no data", "--retriever", retriever, "--index", "0"]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{retriever}: {error}");
        assert!(error.contains(words), "{retriever}: {error}");
    }
}
