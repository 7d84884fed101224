//! BM25 ranking, index building included: `cargo bench --bench bm25`.
//!
//! With `-- --json FILE` it ranks the data that the peer's script writes with `--dump` (a list of `{docs, query}`), on one
//! thread, and prints one JSON line to put beside the peer's; see `benches/README.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures and fails as it likes"
)]

use std::path::Path;
use std::time::Instant;

use lamplight::jobs::CancelToken;
use lamplight::lamp::{Document, Query};
use lamplight::retrieval::{Bm25, NoEncoders, Retriever, RetrieverConfig};
use serde::Deserialize;

mod support;

/// The rank up to which the peer's script asks.
const K: usize = 16;

fn main() {
    match support::json_argument() {
        Some(file) => beside_the_peer(&file),
        None => divan::main(),
    }
}

#[derive(Deserialize)]
struct Problem {
    docs: Vec<String>,
    query: String,
}

fn beside_the_peer(file: &Path) {
    let text = std::fs::read_to_string(file).expect("the file can be read");
    let problems: Vec<Problem> =
        serde_json::from_str(&text).expect("the file is what the peer's script dumps");
    drop(text);
    let problems: Vec<(Query, Vec<Document>)> =
        problems.into_iter().map(|Problem { docs, query }| (query_of(query), documents_of(docs))).collect();
    let before = support::peak_rss_mb();
    let (clock, cpu) = (Instant::now(), support::cpu_seconds());
    let checksum: usize =
        problems.iter().map(|(query, documents)| first(&Bm25::default(), query, documents)).sum();
    let (wall, cpu) = (clock.elapsed().as_secs_f64(), support::cpu_seconds() - cpu);
    let line = serde_json::json!({
        "bench": "bm25", "engine": "lamplight", "queries": problems.len(), "k": K,
        "queries_per_s": problems.len() as f64 / wall, "wall_s": wall, "cpu_s": cpu,
        "queries_per_cpu_s": problems.len() as f64 / cpu, "checksum": checksum,
        "peak_rss_mb": support::peak_rss_mb(), "peak_rss_mb_before": before,
    });
    println!("{line}");
}

fn query_of(text: String) -> Query {
    Query { sample_id: "1".to_owned(), text, marker_found: true }
}

fn documents_of(texts: Vec<String>) -> Vec<Document> {
    texts.into_iter().map(|text| Document { id: String::new(), text, date: None }).collect()
}

fn first(retriever: &dyn Retriever, query: &Query, documents: &[Document]) -> usize {
    let ranking = retriever.rank(&CancelToken::new(), query, documents, K).expect("a profile can be ranked");
    ranking.entries.first().map_or(0, |entry| entry.index)
}

/// 200 documents of 100 words and a query of 50, from a vocabulary in which few words are frequent and most are rare.
fn generated() -> (Query, Vec<Document>) {
    let mut state = 1u64;
    let mut words = |count: usize| {
        let mut text = String::new();
        for _ in 0..count {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let even = (state >> 11) as f64 / (1u64 << 53) as f64;
            text.push_str(&format!("word{} ", (20_000f64.powf(even)) as u64));
        }
        text
    };
    let documents = (0..200).map(|_| words(100)).collect();
    (query_of(words(50)), documents_of(documents))
}

#[divan::bench(args = ["bm25", "fulltext"], name = "rank a profile of 200")]
fn rank(bencher: divan::Bencher<'_, '_>, retriever: &str) {
    let config: RetrieverConfig = retriever.parse().expect("a retriever's short form");
    let retriever = config.build(&NoEncoders).expect("a retriever with its usual options");
    let (query, documents) = generated();
    bencher.bench_local(|| first(&*retriever, &query, &documents));
}
