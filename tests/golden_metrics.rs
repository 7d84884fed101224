//! Every figure of the reference implementations' metrics (`tests/data/metrics_*.json`) to 1e-9: rouge_score,
//! sacreBLEU, NLTK's METEOR, and the official code's accuracy, macro-F1, MAE and RMSE.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lamplight::lamp::{Metric, Task};
use lamplight::metrics::{
    BleuStats, Bootstrap, MeteorStages, Prf, RougeScorer, SACREBLEU_SIGNATURE, SampleScore, ScoreSet, Scorer,
    WordNet, meteor, python_float,
};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn close(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{what}: no number"));
    assert!((found - expected).abs() < 1e-9, "{what}: {found}, expected {expected}");
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn pairs(golden: &Value) -> Vec<(&str, &str, &Value)> {
    let pairs = golden["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 82);
    pairs.iter().map(|pair| (pair["pred"].as_str().unwrap(), pair["ref"].as_str().unwrap(), pair)).collect()
}

fn rouge() {
    let golden = golden("metrics_text.json");
    for (stemming, key, mean_key) in [(false, "rouge_nostem_prf", "nostem"), (true, "rouge_stem_prf", "stem")]
    {
        let mut scorer = RougeScorer::new(stemming);
        let mut sums = [0.0; 4];
        for (prediction, reference, pair) in pairs(&golden) {
            let found = scorer.score(prediction, reference);
            let found: [Prf; 4] = [found.rouge_1, found.rouge_2, found.rouge_l, found.rouge_lsum];
            for (at, name) in ["rouge1", "rouge2", "rougeL", "rougeLsum"].into_iter().enumerate() {
                let expected = &pair[key][name];
                let what = format!("{name} {key} of {prediction:?}");
                close(found[at].precision, &expected[0], &what);
                close(found[at].recall, &expected[1], &what);
                close(found[at].f, &expected[2], &what);
                sums[at] += found[at].f;
            }
        }
        for (at, name) in ["rouge1", "rouge2", "rougeL", "rougeLsum"].into_iter().enumerate() {
            close(sums[at] / 82.0, &golden["mean_f"][mean_key][name], name);
        }
    }
}

fn bleu() {
    let golden = golden("metrics_text.json");
    assert_eq!(golden["sacrebleu_signature"], SACREBLEU_SIGNATURE);
    let stats: Vec<BleuStats> = pairs(&golden)
        .into_iter()
        .map(|(prediction, reference, pair)| {
            let stats = BleuStats::of(prediction, reference);
            close(stats.sentence().score, &pair["sacrebleu_sentence_effective_order"], prediction);
            stats
        })
        .collect();
    let corpora = golden["sacrebleu_corpus"].as_object().unwrap();
    assert_eq!(corpora.len(), 4);
    for (name, expected) in corpora {
        let mut sum = BleuStats::default();
        for at in expected["indices"].as_array().unwrap() {
            sum.add(&stats[at.as_u64().unwrap() as usize]);
        }
        let bleu = sum.corpus();
        close(bleu.score, &expected["score"], name);
        close(bleu.brevity_penalty, &expected["bp"], name);
        assert_eq!(expected["sys_len"], sum.predicted_len, "{name}");
        assert_eq!(expected["ref_len"], sum.reference_len, "{name}");
        for n in 0..4 {
            assert_eq!(expected["counts"][n], sum.matches[n], "{name}");
            assert_eq!(expected["totals"][n], sum.totals[n], "{name}");
            close(bleu.precisions[n], &expected["precisions"][n], name);
        }
    }
}

fn classification() {
    for case in golden("metrics_class_reg.json")["classification"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let labels = texts(&case["labels"]);
        let task = [Task::Lamp1, Task::Lamp2N, Task::Lamp2M]
            .into_iter()
            .find(|task| {
                labels.len() == task.labels().len() && labels.iter().all(|l| task.labels().contains(l))
            })
            .unwrap();
        let set = score_all(task, &texts(&case["preds"]), &texts(&case["golds"]));
        close(set.figure(Metric::Accuracy).unwrap(), &case["accuracy"], name);
        close(set.figure(Metric::MacroF1).unwrap(), &case["f1"], name);
    }
}

fn ratings() {
    let golden = golden("metrics_class_reg.json");
    let mut compared = 0;
    for case in golden["regression"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let set = score_all(Task::Lamp3, &texts(&case["preds"]), &texts(&case["golds"]));
        if case.get("error").is_some() {
            // The official code ends here; infinite and undefined ratings are failures that count as the farther end.
            assert_eq!(set.aggregate(&[Metric::Mae], None).parse_failures, 1, "{name}");
            close(set.figure(Metric::Mae).unwrap(), &2.0.into(), name);
            continue;
        }
        close(set.figure(Metric::Mae).unwrap(), &case["mae"], name);
        close(set.figure(Metric::Rmse).unwrap(), &case["rmse"], name);
        compared += 1;
    }
    assert_eq!(compared, 11);
}

fn floats() {
    let golden = golden("metrics_class_reg.json");
    for row in golden["python_float"].as_array().unwrap() {
        let text = row[0].as_str().unwrap();
        let expected: Option<f64> = row[1].as_str().map(|repr| repr.parse().unwrap());
        let found = python_float(text);
        let same = match (found, expected) {
            (Some(a), Some(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
            (None, None) => true,
            _ => false,
        };
        assert!(same, "{text:?}: {found:?}, expected {expected:?}");
    }
}

fn score_all(task: Task, predictions: &[&str], references: &[&str]) -> ScoreSet {
    assert_eq!(predictions.len(), references.len());
    let mut scorer = Scorer::new(task, None);
    let scores: Vec<SampleScore> =
        predictions.iter().zip(references).map(|(p, r)| scorer.score(p, r).unwrap()).collect();
    ScoreSet::new(task, scores, MeteorStages::ExactStem).unwrap()
}

/// The official figures are medians of unseeded bootstrap means; they scatter around our exact mean, well inside our
/// interval.
fn official_generation_figures() {
    let golden = golden("metrics_text.json");
    let (predictions, references): (Vec<&str>, Vec<&str>) =
        pairs(&golden).iter().map(|(p, r, _)| (*p, *r)).unzip();
    let set = score_all(Task::Lamp4, &predictions, &references);
    let aggregate = set.aggregate(ScoreSet::all_metrics(Task::Lamp4), Some(&Bootstrap::default()));
    assert_eq!((aggregate.samples, aggregate.parse_failures, aggregate.figures.len()), (82, 0, 6));
    let official = &golden["official_generation_metrics_np_seed42"];
    for figure in &aggregate.figures {
        let interval = figure.interval.unwrap();
        assert!(interval.low < figure.value && figure.value < interval.high, "{figure:?}");
        let key = match figure.metric {
            Metric::Rouge1 => "rouge1",
            Metric::Rouge2 => "rouge2",
            Metric::RougeL => "rougeL",
            Metric::RougeLsum => "rougeLsum",
            Metric::SacreBleu => {
                close(figure.value, &official["bleu"], "bleu");
                continue;
            }
            _ => continue,
        };
        close(figure.value, &golden["mean_f"]["nostem"][key], key);
        for mid in golden["evaluate_rouge_bootstrap_mid"].as_object().unwrap().values() {
            let mid = mid[key].as_f64().unwrap();
            // Ten times the scatter that so few samples leave in the middle of 1,000 resampled means.
            assert!((mid - figure.value).abs() < 0.01, "{key}: {mid} {figure:?}");
            assert!(interval.low < mid && mid < interval.high, "{key}: {mid} {figure:?}");
        }
    }
}

fn meteor_without_wordnet() {
    let golden = golden("metrics_text.json");
    for (at, (prediction, reference, pair)) in pairs(&golden).into_iter().enumerate() {
        // NLTK's own figures with an empty dictionary, where they differ from those with WordNet.
        let expected = match at {
            22 => 1.0 / 3.0,
            61 => 0.1,
            _ => pair["meteor"].as_f64().unwrap(),
        };
        close(meteor(prediction, reference, None), &expected.into(), prediction);
    }
}

fn meteor_with_wordnet(folder: &Path) {
    let wordnet = WordNet::load(|file| std::fs::read(folder.join(file))).unwrap();
    let golden = golden("metrics_text.json");
    let mut sum = 0.0;
    for (prediction, reference, pair) in pairs(&golden) {
        let found = meteor(prediction, reference, Some(&wordnet));
        close(found, &pair["meteor"], prediction);
        sum += found;
    }
    close(sum / 82.0, &golden["meteor_mean_all"], "mean");
    close(sum / 82.0, &golden["official_generation_metrics_np_seed42"]["meteor"], "official");
}

fn main() -> ExitCode {
    let test = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    let wordnet =
        std::env::var_os("WNSEARCHDIR").map_or_else(|| PathBuf::from("/usr/share/wordnet"), PathBuf::from);
    support::run(vec![
        test("rouge", rouge),
        test("bleu", bleu),
        test("classification", classification),
        test("ratings", ratings),
        test("floats", floats),
        test("official_generation_figures", official_generation_figures),
        test("meteor_without_wordnet", meteor_without_wordnet),
        support::needs("meteor_with_wordnet", wordnet.join("data.noun"), |data| {
            meteor_with_wordnet(data.parent().unwrap());
        }),
    ])
}
