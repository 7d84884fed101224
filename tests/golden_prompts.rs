//! Prompts and tokens, compared with outputs of the official code (transformers 4.27.1) on synthetic text.

#![allow(clippy::unwrap_used, reason = "a test may fail in the plainest way")]

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use lamplight::jobs::CancelToken;
use lamplight::lamp::{Document, ProfileEntry, Query, Sample, Task};
use lamplight::model::{HfTokenizer, TextTokenizer, clean_up_spaces};
use lamplight::prompt::{Mark, Preset, Prompt, PromptBuilder, PromptMode, PromptOptions, Template};
use lamplight::retrieval::{Problem, Ranking, RecencyPlus, RetrievalError, Retriever};
use serde_json::Value;

static TOKENIZER: LazyLock<HfTokenizer> =
    LazyLock::new(|| HfTokenizer::from_bytes(&data("t5_tokenizer.json.gz")).unwrap());
static SAMPLES: LazyLock<HashMap<(String, String), (Task, Sample)>> = LazyLock::new(samples);

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("data").join(name);
    let raw = std::fs::read(path).unwrap();
    if !name.ends_with(".gz") {
        return raw;
    }
    let mut plain = Vec::new();
    GzDecoder::new(raw.as_slice()).read_to_end(&mut plain).unwrap();
    plain
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&data(name)).unwrap()
}

/// The goldens call the movie task by its number alone, and the news task the old one.
fn task(name: &str) -> Task {
    match name {
        "LaMP-2" => Task::Lamp2M,
        "LaMP-2-old" => Task::Lamp2N,
        other => other.parse().unwrap(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn samples() -> HashMap<(String, String), (Task, Sample)> {
    let mut all = HashMap::new();
    for (name, records) in json("prompt_samples.json").as_object().unwrap() {
        let task = task(name);
        for record in records.as_array().unwrap() {
            let entry = |entry: &Value| ProfileEntry {
                id: text(&entry["id"]),
                text: text(&entry[task.text_field()]),
                title: task.title_field().map(|field| text(&entry[field])),
                label: task.label_field().map(|field| text(&entry[field])),
                date: entry.get("date").map(text),
            };
            let sample = Sample {
                id: text(&record["id"]),
                input: text(&record["input"]),
                profile: record["profile"].as_array().unwrap().iter().map(entry).collect(),
                ..Sample::default()
            };
            all.insert((name.clone(), sample.id.clone()), (task, sample));
        }
    }
    all
}

/// Places in the profile of the ids that the reference ranked, best first.
fn orders() -> HashMap<(String, String, &'static str), Vec<usize>> {
    let mut all = HashMap::new();
    for row in json("retrieval.json").as_array().unwrap() {
        let key = (text(&row["task"]), text(&row["sample"]));
        let profile = &SAMPLES[&key].1.profile;
        let place = |id: &Value| profile.iter().position(|entry| entry.id == id.as_str().unwrap()).unwrap();
        for (retriever, field) in [("bm25", "bm25_ids"), ("recency", "recency_ids_newest_first")] {
            let order = row[field].as_array().unwrap().iter().map(place).collect();
            all.insert((key.0.clone(), key.1.clone(), retriever), order);
        }
    }
    all
}

fn build(task: Task, sample: &Sample, retrieved: &[usize], mode: PromptMode, max_length: usize) -> Prompt {
    let template = Template::preset(task, Preset::Official).unwrap();
    let options = PromptOptions { mode, max_length };
    PromptBuilder::new(task, &template, options, &*TOKENIZER).unwrap().build(sample, retrieved).unwrap()
}

fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

#[test]
fn official_prompts_equal_the_references() {
    let orders = orders();
    let golden = json("prompts_tf4.27.1_t5tok.json.gz");
    let rows = golden["results"].as_array().unwrap();
    assert_eq!(rows.len(), 576);
    let (mut fell_back, mut lost) = (0, 0);
    for row in rows {
        let key = (text(&row["task"]), text(&row["sample"]));
        let retriever = if row["retriever"] == "bm25" { "bm25" } else { "recency" };
        assert_eq!(row["retriever"], retriever);
        let (task, sample) = &SAMPLES[&key];
        let order = &orders[&(key.0.clone(), key.1.clone(), retriever)];
        let retrieved = &order[..size(&row["k"]).min(order.len())];
        let prompt = build(*task, sample, retrieved, PromptMode::Official, size(&row["max_length"]));
        let what = format!("{} {retriever} k {} of {}", row["name"], row["k"], row["max_length"]);
        assert_eq!(prompt.text, row["prompt"], "{what}");
        assert_eq!(prompt.tokens, size(&row["n_tokens"]), "{what}");
        assert_eq!(prompt.tokens_read(), size(&row["n_tokens_after_truncation"]), "{what}");
        assert_eq!(u64::from(prompt.attempts), row["attempts"].as_u64().unwrap(), "{what}");
        assert_eq!(prompt.fell_back().is_some(), row["not_possible"].as_bool().unwrap(), "{what}");
        assert_eq!(prompt.input_cut(), row["input_lost_tail"].as_bool().unwrap(), "{what}");
        check_report(*task, sample, &prompt, &what);
        fell_back += usize::from(prompt.fell_back().is_some());
        lost += usize::from(prompt.lost.is_some());
    }
    assert_eq!((fell_back, lost), (69, 142));
}

/// What a prompt says of itself holds: its pieces stand where it says, and nothing is unaccounted for.
fn check_report(task: Task, sample: &Sample, prompt: &Prompt, what: &str) {
    let input: String = prompt.input.iter().map(|piece| &prompt.text[piece.clone()]).collect();
    assert_eq!(input, sample.input, "{what}");
    for entry in &prompt.entries {
        let profile = &sample.profile[entry.index];
        assert_eq!(entry.id, profile.id);
        assert!(entry.granted.is_none_or(|granted| entry.kept <= granted), "{what}");
        let long = if task == Task::Lamp1 { profile.title.as_deref().unwrap() } else { &profile.text };
        let cut = entry.cut.clone().unwrap_or(long.len()..long.len());
        assert_eq!(cut.end, long.len(), "{what}");
        let kept = &long[..cut.start];
        assert_eq!(&prompt.text[entry.long.clone()] != kept, entry.rewritten, "{what}");
        assert!(entry.span.start <= entry.long.start && entry.long.end <= entry.span.end, "{what}");
    }
    let template = Template::preset(task, Preset::Official).unwrap();
    let marked = prompt.marked(sample, &template);
    let of = |wanted: &[Mark]| -> String {
        marked.iter().filter(|piece| wanted.contains(&piece.mark)).map(|piece| piece.text).collect()
    };
    assert_eq!(of(&[Mark::Read, Mark::CutOff]), prompt.text, "{what}");
    assert_eq!(of(&[Mark::CutOff]), prompt.lost_text(), "{what}");
    let left_out: usize =
        prompt.entries.iter().flat_map(|entry| entry.cut.clone()).map(|cut| cut.len()).sum();
    assert_eq!(of(&[Mark::LeftOut]).len(), left_out, "{what}");
    let lost = prompt.lost_text();
    assert_eq!(lost.is_empty(), prompt.tokens <= prompt.max_length, "{what}");
    let read = TOKENIZER.encode(&prompt.text[..prompt.text.len() - lost.len()]).unwrap();
    let whole = TOKENIZER.encode(&prompt.text).unwrap();
    let common = read.len().min(prompt.max_length) - 1;
    assert_eq!(read[..common], whole[..common], "{what}: what is read is the text without its lost tail");
}

#[test]
fn prompts_of_ranked_profiles_equal_the_references() {
    let orders = orders();
    let golden = json("prompts_extra_tf4.27.1.json.gz");
    let (mut compared, mut halves) = (0, 0);
    for row in golden["results"].as_array().unwrap() {
        if !row["is_ranked"].as_bool().unwrap() {
            continue; // read with another model's tokenizer in the reference: deliberately not reproduced
        }
        let key = (text(&row["task"]), text(&row["sample"]));
        let (task, sample) = &SAMPLES[&key];
        let (k, all) = (size(&row["k"]), sample.profile.len());
        let newest = &orders[&(key.0.clone(), key.1.clone(), "recency")];
        let retrieved: Vec<usize> = if row["retriever"] == "bm25" {
            (0..k.min(all)).collect()
        } else {
            // Half from the profile's order, half by date. Half of 1 is 0, which the reference takes for all.
            let half = if k / 2 == 0 { all } else { k / 2 };
            let retrieved: Vec<usize> = (0..k / 2).chain(newest[..half].iter().copied()).collect();
            if k > 1 && k <= all {
                // Beyond these bounds ours differs on purpose: see its documentation.
                assert_eq!(recency_plus(*task, sample, k), retrieved, "{} k {k}", row["name"]);
                halves += 1;
            }
            retrieved
        };
        let prompt = build(*task, sample, &retrieved, PromptMode::Official, size(&row["max_length"]));
        let what = format!("{} {} k {k}", row["name"], row["retriever"]);
        assert_eq!(prompt.text, row["prompt"], "{what}");
        assert_eq!(prompt.fell_back().is_some(), row["not_possible"].as_bool().unwrap(), "{what}");
        compared += 1;
    }
    assert_eq!((compared, halves), (96, 32));
}

/// Half of the entries in the order of the profile, then the newest, as our own retriever gives them.
fn recency_plus(task: Task, sample: &Sample, k: usize) -> Vec<usize> {
    struct AsGiven;
    impl Retriever for AsGiven {
        fn rank(
            &self,
            _: &CancelToken,
            _: &Query,
            documents: &[Document],
            k: usize,
        ) -> Result<Ranking, RetrievalError> {
            Ok(Ranking::of_indices(0..k.min(documents.len())))
        }

        fn id(&self) -> String {
            "given".into()
        }

        fn describe(&self) -> String {
            "As given".into()
        }
    }
    let Problem { query, documents } = Problem::of(task, sample, false);
    let retriever = RecencyPlus::new(Box::new(AsGiven));
    retriever.rank(&CancelToken::new(), &query, &documents, k).unwrap().indices().collect()
}

#[test]
fn tokens_and_their_text_equal_the_references() {
    let golden = json("tok_edges_tf4.27.1.json");
    for class in ["T5TokenizerFast", "PreTrainedTokenizerFast"] {
        let strings = golden[class]["strings"].as_array().unwrap();
        assert_eq!(strings.len(), 16);
        for case in strings {
            let (given, decoded) = (text(&case[0]), text(&case[2]));
            let ids = TOKENIZER.encode(&given).unwrap();
            assert_eq!(serde_json::json!(ids), case[1], "{given:?}");
            assert_eq!(clean_up_spaces(TOKENIZER.decode(&ids).unwrap()), decoded, "{given:?}");
        }
    }
}

#[test]
fn a_text_is_cut_to_tokens_as_the_reference_cuts_it() {
    const GIVEN: &str = "the quick brown fox jumps over the lazy dog";
    let golden = json("tok_edges_tf4.27.1.json");
    for (length, case) in golden["T5TokenizerFast"]["max_length_edges"].as_object().unwrap() {
        // Lengths below zero fail and 0 cuts nothing; both are the budget's business, which uses only the rest.
        let Some(content) = length.parse::<usize>().ok().and_then(|length| length.checked_sub(1)) else {
            continue;
        };
        let mut ids = TOKENIZER.encode_start(GIVEN, content).unwrap().ids;
        let decoded = clean_up_spaces(TOKENIZER.decode(&ids).unwrap());
        ids.push(1);
        assert_eq!(serde_json::json!(ids), case[0], "{length}");
        assert_eq!(serde_json::json!(decoded), case[1], "{length}");
    }
}

#[test]
fn the_start_of_a_text_has_the_tokens_of_the_whole() {
    for (_, sample) in SAMPLES.values() {
        let texts = sample.profile.iter().map(|entry| &entry.text).chain([&sample.input]);
        for given in texts {
            let mut whole = TOKENIZER.encode(given).unwrap();
            whole.pop();
            for limit in [0, 1, 7, 40, 300, usize::MAX] {
                let start = TOKENIZER.encode_start(given, limit).unwrap();
                assert_eq!(start.ids, whole[..limit.min(whole.len())], "{given:?} {limit}");
                assert_eq!(start.complete, limit >= whole.len(), "{given:?} {limit}");
                assert_eq!(start.ends.len(), start.ids.len());
                assert!(start.ends.is_sorted() && start.ends.iter().all(|&end| given.is_char_boundary(end)));
            }
        }
    }
}
