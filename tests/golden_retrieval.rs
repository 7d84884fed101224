//! Rankings against the reference: `rank_bm25` 0.2.2 and the official queries, documents and recency order.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::path::Path;

use lamplight::jobs::CancelToken;
use lamplight::lamp::{Document, ProfileEntry, Query, Sample, Task};
use lamplight::retrieval::{
    Bm25, Bm25Index, Bm25Options, NoEncoders, Recency, RetrievalError, Retriever, RetrieverConfig,
};
use serde_json::Value;

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("data").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn close(ours: &[f64], theirs: &[f64], name: &str) {
    assert_eq!(ours.len(), theirs.len(), "{name}");
    for (place, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!((ours - theirs).abs() <= 1e-9, "{name}, entry {place}: {ours} instead of {theirs}");
    }
}

#[test]
fn bm25_scores_and_orders_are_those_of_the_reference() {
    let (profiles, expected) = (golden("bm25_profiles.json"), golden("bm25_expected.json"));
    let profiles = profiles.as_array().unwrap();
    assert_eq!(profiles.len(), 26);
    for profile in profiles {
        let (name, query) = (text(&profile["name"]), text(&profile["query"]));
        let texts: Vec<&str> =
            profile["docs"].as_array().unwrap().iter().map(|doc| doc.as_str().unwrap()).collect();
        let index =
            Bm25Index::build(Bm25Options::default(), &CancelToken::new(), texts.iter().copied()).unwrap();
        let expected = &expected[&name];
        assert!(expected.is_object(), "{name} has no expectation");
        close(&[index.average_idf()], &floats(&serde_json::json!([expected["average_idf"]])), &name);
        close(&index.scores(&query), &floats(&expected["scores"]), &name);
        let order: Vec<u64> = index.rank(&query, usize::MAX).indices().map(|index| index as u64).collect();
        assert_eq!(serde_json::json!(order), expected["ranking_stable_ties_high_index_first"], "{name}");
    }
}

/// The task that a golden file means by its older names.
fn task(name: &str) -> Task {
    match name {
        "LaMP-2" => Task::Lamp2M,
        "LaMP-2-old" => Task::Lamp2N,
        other => other.parse().unwrap(),
    }
}

fn sample(task: Task, record: &Value) -> Sample {
    let profile = record["profile"].as_array().unwrap().iter().map(|entry| {
        let field = |name: Option<&str>| name.and_then(|name| entry[name].as_str()).map(str::to_owned);
        ProfileEntry {
            id: text(&entry["id"]),
            text: text(&entry[task.text_field()]),
            title: field(task.title_field()),
            label: field(task.label_field()),
            date: field(Some("date")),
        }
    });
    Sample {
        id: text(&record["id"]),
        input: text(&record["input"]),
        profile: profile.collect(),
        ..Sample::default()
    }
}

/// Every case of `retrieval.json` with the sample it speaks of.
fn cases() -> Vec<(Task, Sample, Value)> {
    let (cases, samples) = (golden("retrieval.json"), golden("prompt_samples.json"));
    let cases: Vec<_> = cases
        .as_array()
        .unwrap()
        .iter()
        .map(|case| {
            let name = case["task"].as_str().unwrap();
            let records = samples[name].as_array().unwrap();
            let record = records.iter().find(|record| record["id"] == case["sample"]).unwrap();
            (task(name), sample(task(name), record), case.clone())
        })
        .collect();
    assert_eq!(cases.len(), 48);
    cases
}

#[test]
fn queries_and_documents_are_those_of_the_official_code() {
    for (task, sample, case) in cases() {
        let query = Query::of(task, &sample);
        assert!(query.marker_found);
        assert_eq!(query.text, case["query"], "{}", case["name"]);
        let documents = Document::of_profile(task, &sample.profile, false);
        for (document, head) in documents.iter().zip(case["corpus_head"].as_array().unwrap()) {
            assert_eq!(document.text, *head, "{}", case["name"]);
        }
    }
}

#[test]
fn bm25_and_recency_order_profiles_as_the_official_code_does() {
    let cancel = CancelToken::new();
    let mut identical = 0;
    for (task, sample, case) in cases() {
        let query = Query::of(task, &sample);
        let documents = Document::of_profile(task, &sample.profile, false);
        let bm25 = Bm25::default().rank(&cancel, &query, &documents, usize::MAX).unwrap();
        let reference = floats(&case["bm25_scores"]);
        let mut scores = vec![f64::NAN; documents.len()];
        for entry in &bm25.entries {
            scores[entry.index] = entry.score.unwrap();
        }
        close(&scores, &reference, case["name"].as_str().unwrap());
        let mut order: Vec<usize> = (0..documents.len()).rev().collect();
        order.sort_by(|a, b| reference[*b].total_cmp(&reference[*a]));
        assert_eq!(bm25.indices().collect::<Vec<_>>(), order, "{}", case["name"]);
        // The ids were taken with an unstable sort: they may differ from the rule, but only between equal scores.
        let of_id = |id: &Value| reference[documents.iter().position(|entry| entry.id == *id).unwrap()];
        let ids = case["bm25_ids"].as_array().unwrap();
        let theirs: Vec<f64> = ids.iter().map(of_id).collect();
        assert_eq!(
            order.iter().map(|index| reference[*index]).collect::<Vec<_>>(),
            theirs,
            "{}",
            case["name"]
        );
        identical += usize::from(serde_json::json!(bm25.entry_ids(&documents)) == case["bm25_ids"]);
        let recency = Recency.rank(&cancel, &query, &documents, usize::MAX).unwrap();
        assert_eq!(
            serde_json::json!(recency.entry_ids(&documents)),
            case["recency_ids_newest_first"],
            "{}",
            case["name"]
        );
        for k in [0, 1, 4, 16, 1000] {
            for (retriever, whole) in [(&Bm25::default() as &dyn Retriever, &bm25), (&Recency, &recency)] {
                let best = retriever.rank(&cancel, &query, &documents, k).unwrap();
                assert_eq!(best.entries[..], whole.entries[..k.min(documents.len())]);
            }
        }
    }
    assert_eq!(
        identical, 38,
        "the other 10 of 48 have equal scores that the unstable sort ordered otherwise"
    );
}

#[test]
fn recency_refuses_a_profile_without_dates() {
    let (task, mut sample, _) = cases().swap_remove(2);
    for entry in &mut sample.profile {
        entry.date = None;
    }
    let documents = Document::of_profile(task, &sample.profile, false);
    let result = Recency.rank(&CancelToken::new(), &Query::of(task, &sample), &documents, 4);
    assert!(matches!(result, Err(RetrievalError::Undated { sample_id, .. }) if sample_id == sample.id));
}

#[test]
fn rankings_do_not_depend_on_threads_or_order() {
    let cancel = CancelToken::new();
    let retrievers: Vec<Box<dyn Retriever>> =
        ["bm25", "fulltext", "random:3", "recency+bm25", "rrf(bm25,fulltext,recency)"]
            .map(|name| name.parse::<RetrieverConfig>().unwrap().build(&NoEncoders).unwrap())
            .into();
    let cases = cases();
    let rank = |(task, sample, _): &(Task, Sample, Value)| {
        let documents = Document::of_profile(*task, &sample.profile, true);
        let query = Query::of(*task, sample);
        retrievers.iter().map(|one| one.rank(&cancel, &query, &documents, 4).unwrap()).collect::<Vec<_>>()
    };
    let one_by_one: Vec<_> = cases.iter().map(rank).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = cases
            .chunks(13)
            .rev()
            .map(|part| scope.spawn(|| part.iter().rev().map(rank).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut backwards: Vec<_> = together;
    backwards.reverse();
    // Chunks were taken last first and each backwards, so that the whole is reversed.
    assert_eq!(one_by_one, backwards);
}
