//! The models that ship with the program do what they are for: the T5 uses the profile, and the profile of the right person.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use lamplight::dataset::DatasetId;
use lamplight::jobs::{CancelToken, Progress};
use lamplight::metrics::{MeteorStages, ScoreSet, Scorer};
use lamplight::model::registry::{Registry, Source};
use lamplight::model::t5::{T5Model, T5Options};
use lamplight::model::{Generator, PromptInput, shipped};
use lamplight::run::{CellModel, Experiment, Workplace, plan_draft, prompts};

/// Samples of each dataset: enough to tell, few enough for a build without optimization.
const SAMPLES: usize = 40;

fn sample_set() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample")
}

/// The goodness of the model's answers to the test split, by dataset and retriever.
fn answered(data: &Path, retrievers: &[&str]) -> BTreeMap<(String, String), f64> {
    let folder = tempfile::tempdir().unwrap();
    let workplace = Workplace::new(Registry::new(folder.path().join("models")));
    let quoted: Vec<String> = retrievers.iter().map(|retriever| format!("{retriever:?}")).collect();
    let toml = format!(
        "name = \"uses\"\n[[data]]\npaths = [{:?}]\nsplit = \"test\"\nlimit = {SAMPLES}\n[[models]]\nname = {:?}\n\
         [retrieval]\nretrievers = [{}]\nk = [1]\n[generation]\nbeams = 1\nmax_new_tokens = 48\n",
        data.display().to_string(),
        shipped::T5,
        quoted.join(", ")
    );
    let experiment = Experiment::from_toml(&toml, Path::new("uses.toml")).unwrap();
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let plan = plan_draft(&experiment, Vec::new(), &workplace, &cancel, &progress).unwrap();
    let CellModel::Load { path, .. } = &plan.cells[0].model else { panic!("a model of weights") };
    let mut model = T5Model::load(path, T5Options { batch: 16, ..T5Options::default() }).unwrap();
    let tokenizer = model.tokenizer();
    let mut values = BTreeMap::new();
    for cell in &plan.cells {
        let DatasetId { task, setting, .. } = cell.dataset.id();
        let mut asked = Vec::new();
        prompts(cell, &*tokenizer, &workplace, &cancel, &progress, &mut |prompt| asked.push(prompt)).unwrap();
        let inputs: Vec<PromptInput<'_>> = asked
            .iter()
            .map(|prompt| PromptInput { text: "", tokens: prompt.tokens.as_deref().unwrap() })
            .collect();
        let answers = model.generate(&cancel, &inputs, &cell.generation).unwrap();
        let mut scorer = Scorer::new(task, None);
        let scores = answers.iter().zip(&asked);
        let scores = scores
            .map(|(answer, prompt)| scorer.score(&answer.text, prompt.reference.as_deref().unwrap()).unwrap())
            .collect();
        let metric = task.primary_metric();
        let value = ScoreSet::new(task, scores, MeteorStages::ExactStem).unwrap().figure(metric).unwrap();
        let goodness = if metric.higher_is_better() { value } else { 1.0 - value / 4.0 };
        values.insert((format!("{task} {setting}"), cell.retriever.to_string()), goodness);
    }
    values
}

/// The sample set's test split in which everyone has the profile of the next person.
fn shuffled(to: &Path) {
    let mut folders = vec![sample_set()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.starts_with("test_") {
                let out = to.join(path.strip_prefix(sample_set()).unwrap());
                fs::create_dir_all(out.parent().unwrap()).unwrap();
                if name.starts_with("test_outputs") {
                    fs::copy(&path, &out).unwrap();
                    continue;
                }
                let file = GzDecoder::new(BufReader::new(File::open(&path).unwrap()));
                let mut records: Vec<serde_json::Value> = serde_json::from_reader(file).unwrap();
                let mut profiles: Vec<_> =
                    records.iter_mut().map(|record| record["profile"].take()).collect();
                profiles.rotate_left(1);
                for (record, profile) in records.iter_mut().zip(profiles) {
                    record["profile"] = profile;
                }
                let mut out = GzEncoder::new(BufWriter::new(File::create(out).unwrap()), Compression::fast());
                serde_json::to_writer(&mut out, &records).unwrap();
                out.finish().unwrap().flush().unwrap();
            }
        }
    }
}

#[test]
fn the_shipped_t5_uses_the_profile_and_not_the_ids() {
    let own = answered(&sample_set(), &["none", "bm25"]);
    let folder = tempfile::tempdir().unwrap();
    shuffled(folder.path());
    let others = answered(folder.path(), &["bm25"]);
    let (mut gains, mut kept) = (0.0, 0.0);
    for ((dataset, retriever), with) in own.iter().filter(|((_, retriever), _)| retriever.starts_with("bm25"))
    {
        let without = own[&(dataset.clone(), "none".to_owned())];
        let (gain, left) = (with - without, others[&(dataset.clone(), retriever.clone())] - without);
        println!(
            "{dataset}: {without:.3} without a profile, {with:.3} with it, {:.3} with another's",
            left + without
        );
        assert!(gain > 0.05, "{dataset}: the profile is worth {gain:.3}");
        assert!(left < 0.5 * gain, "{dataset}: another's profile is worth {left:.3} of {gain:.3}");
        gains += gain;
        kept += left;
    }
    println!("another's profile keeps {:.0} % of the gain", 100.0 * kept / gains);
    assert!(kept < 0.25 * gains);
}

#[test]
fn the_shipped_models_are_small_and_are_what_the_registry_says() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::new(folder.path().join("models"));
    let mut bytes = 0;
    for model in &shipped::ALL {
        let resolved = registry.resolve(&model.name.to_uppercase()).unwrap();
        let manifest = resolved.manifest.unwrap();
        assert_eq!((manifest.name.as_str(), &manifest.source), (model.name, &Source::Program));
        assert_eq!(registry.path(&manifest), resolved.path);
        bytes += manifest.size();
        // What is lost is put back; a model of the same content lies in the same place.
        fs::remove_file(resolved.path.join("model.safetensors")).unwrap();
        let again = registry.resolve(model.name).unwrap();
        assert_eq!(
            (&again.path, &again.manifest.unwrap().fingerprint),
            (&resolved.path, &manifest.fingerprint)
        );
        assert!(again.path.join("model.safetensors").is_file());
        assert!(registry.remove(model.name).unwrap_err().to_string().contains("part of the program"));
    }
    println!("{bytes} bytes");
    assert!(bytes < 12_000_000, "{bytes}");
}
