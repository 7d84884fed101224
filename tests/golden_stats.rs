//! Tests and intervals against scipy and statsmodels (`tests/data/stats_golden.json`, made by the script beside it): formulas to
//! 1e-9, what is drawn at random within what chance does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

use lamplight::lamp::{Metric, Task};
use lamplight::metrics::{
    Bootstrap, MeteorStages, PairedTest, SampleScore, ScoreSet, compare, holm, paired_test,
};
use serde_json::Value;

fn golden(name: &str) -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("data/stats_golden.json")).unwrap();
    let cases = golden[name].as_array().unwrap().clone();
    assert!(cases.len() >= 2);
    cases
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn count(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// Within 1e-9, and within 1e-9 of the value where that is larger.
fn close(found: f64, expected: &Value, what: &str) {
    let expected = number(expected);
    let most = 1e-9 * expected.abs().max(1.0);
    assert!((found - expected).abs() <= most, "{what}: {found}, expected {expected}");
    // Small p-values shall have digits, too.
    assert!(
        (found - expected).abs() <= 1e-7 * expected.abs() + 1e-300,
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn mcnemar_is_statsmodels() {
    for case in golden("mcnemar") {
        let (first, second) = (count(&case["only_first"]), count(&case["only_second"]));
        // Samples that both or neither have right change nothing.
        let mut one = vec![1.0; first];
        let mut other = vec![0.0; first];
        one.extend(vec![0.0; second]);
        other.extend(vec![1.0; second]);
        one.extend([1.0, 0.0]);
        other.extend([1.0, 0.0]);
        let found = paired_test(Metric::Accuracy, &one, &other).unwrap();
        close(found.p(), &case["p"], &format!("{first} and {second}"));
        assert!(matches!(found, PairedTest::McNemar { only_first, only_second, .. }
            if (only_first as usize, only_second as usize) == (first, second)));
    }
}

#[test]
fn the_paired_t_test_is_scipys() {
    for case in golden("paired_t") {
        let (first, second) = (numbers(&case["first"]), numbers(&case["second"]));
        for metric in [Metric::Mae, Metric::Rmse, Metric::Rouge1, Metric::RougeL, Metric::Meteor] {
            let found = paired_test(metric, &first, &second).unwrap();
            let PairedTest::PairedT { t, degrees, p } = found else { panic!("{found:?}") };
            let what = format!("{} samples", first.len());
            close(t, &case["t"], &what);
            close(p, &case["p"], &what);
            assert_eq!(degrees as usize, count(&case["degrees"]));
        }
    }
    assert_eq!(paired_test(Metric::MacroF1, &[1.0, 0.0], &[0.0, 1.0]), None);
    assert_eq!(paired_test(Metric::Mae, &[1.0, 0.0], &[0.0]), None);
    assert_eq!(paired_test(Metric::Mae, &[1.0], &[0.0]), None);
    assert_eq!(paired_test(Metric::Accuracy, &[], &[]), None);
}

#[test]
fn differences_and_tests_of_runs_are_scipys() {
    // Errors of ratings are what a run stores, so that its MAE is the mean of the values given.
    let mut compared = 0;
    for case in golden("paired_t") {
        let set = |values: Vec<f64>| {
            let scores = values.into_iter().map(|error| SampleScore::Rating { error, parsed: true });
            ScoreSet::new(Task::Lamp3, scores.collect(), MeteorStages::ExactStem).unwrap()
        };
        let (first, second) = (numbers(&case["first"]), numbers(&case["second"]));
        if first.iter().chain(&second).any(|error| *error < 0.0) {
            continue; // an error is stored with its sign
        }
        let none = Bootstrap { resamples: 0, ..Bootstrap::default() };
        let found = compare(&set(first), &set(second), Metric::Mae, &none).unwrap();
        close(found.difference, &case["difference"], "difference");
        close(found.p().unwrap(), &case["p"], "p");
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
fn holm_is_statsmodels() {
    for case in golden("holm") {
        let adjusted = holm(&numbers(&case["p"]));
        for (found, expected) in adjusted.iter().zip(case["adjusted"].as_array().unwrap()) {
            close(*found, expected, "adjusted p");
        }
    }
}

fn labels(right: usize, n: usize) -> ScoreSet {
    let scores = (0..n)
        .map(|at| SampleScore::Classification { predicted: Some(u8::from(at >= right)), reference: Some(0) });
    ScoreSet::new(Task::Lamp1, scores.collect(), MeteorStages::ExactStem).unwrap()
}

/// Many resamples leave an end of an interval within a sample or two of where endless ones would have it.
const MANY: Bootstrap = Bootstrap { resamples: 20_000, seed: 5, level: 0.95 };

#[test]
fn intervals_of_accuracy_are_binomial_quantiles() {
    for case in golden("accuracy_intervals") {
        let (right, n) = (count(&case["right"]), count(&case["n"]));
        let found = labels(right, n).aggregate(&[Metric::Accuracy], Some(&MANY)).figures[0];
        assert_eq!(found.value, right as f64 / n as f64);
        let interval = found.interval.unwrap();
        for (end, expected) in [(interval.low, &case["low"]), (interval.high, &case["high"])] {
            let off = (end - number(expected)).abs() * n as f64;
            assert!(off <= 1.5, "{right} of {n}: {interval:?}, expected {case}");
        }
    }
}

#[test]
fn intervals_of_means_are_scipys_within_chance() {
    for case in golden("mean_intervals") {
        let values = numbers(&case["values"]);
        let scores = values.iter().map(|&error| SampleScore::Rating { error, parsed: true });
        let set = ScoreSet::new(Task::Lamp3, scores.collect(), MeteorStages::ExactStem).unwrap();
        let interval = set.aggregate(&[Metric::Mae], Some(&MANY)).figures[0].interval.unwrap();
        // The ends of both are themselves uncertain, by about 2 % of the standard error each.
        let most = 0.1 * number(&case["standard_error"]);
        for (end, expected) in [(interval.low, &case["low"]), (interval.high, &case["high"])] {
            assert!((end - number(expected)).abs() <= most, "{interval:?}, expected {expected}");
        }
    }
}

#[test]
fn the_paired_bootstrap_is_the_trinomial_one_within_chance() {
    for case in golden("paired_bootstrap") {
        let [first, second, both] = ["only_first", "only_second", "both"].map(|key| count(&case[key]));
        let set = |right: &dyn Fn(usize) -> bool| {
            let scores = (0..first + second + both).map(|at| SampleScore::Classification {
                predicted: Some(u8::from(!right(at))),
                reference: Some(0),
            });
            ScoreSet::new(Task::Lamp1, scores.collect(), MeteorStages::ExactStem).unwrap()
        };
        let one = set(&|at| at < first || at >= first + second);
        let other = set(&|at| at >= first);
        let found = compare(&one, &other, Metric::Accuracy, &MANY).unwrap();
        let expected = number(&case["p"]);
        // Three standard deviations of a share of 20,000 draws, doubled.
        let most = 6.0 * (expected / 2.0 * (1.0 - expected / 2.0) / 20_000.0).sqrt() + 2.0 / 20_001.0;
        assert!((found.bootstrap_p.unwrap() - expected).abs() <= most, "{found:?}, expected {case}");
        let interval = found.interval.unwrap();
        let sample = 1.5 / found.samples as f64;
        assert!((interval.low - number(&case["low"])).abs() <= sample, "{interval:?}, expected {case}");
        assert!((interval.high - number(&case["high"])).abs() <= sample, "{interval:?}, expected {case}");
    }
}
