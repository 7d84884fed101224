//! Real LaMP records, which may not be copied here: read from the shared folder, ignored where that is absent.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]

mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lamplight::jobs::CancelToken;
use lamplight::lamp::{Document, ProfileEntry, Query, Sample, Task};
use lamplight::retrieval::{
    Completeness, NoEncoders, RankingFile, RankingWriter, RetrievalError, RetrieverConfig,
};
use serde_json::Value;

fn main() -> ExitCode {
    let folder = support::shared().join("lamp-samples");
    support::run(vec![
        support::needs("profiles_are_ranked_whole_by_every_retriever", folder.clone(), ranked_whole),
        support::needs("rankings_survive_their_file", folder.clone(), survive_their_file),
        support::needs("recency_needs_the_time_setting", folder, recency_needs_dates),
    ])
}

/// The samples of every questions file below the folder, with their task.
fn samples(folder: &Path) -> Vec<(Task, Sample)> {
    let mut files = vec![
        (Task::Lamp2N, folder.join("user/LaMP_2")),
        (Task::Lamp1, folder.join("user/LaMP_1")),
        (Task::Lamp4, folder.join("user/LaMP_4")),
        (Task::Lamp7, folder.join("user/LaMP_7")),
        (Task::Lamp3, folder.join("time/LaMP_3")),
    ];
    let mut samples = Vec::new();
    while let Some((task, path)) = files.pop() {
        if path.is_dir() {
            let inner = std::fs::read_dir(&path).unwrap().map(|entry| (task, entry.unwrap().path()));
            files.extend(inner.collect::<Vec<_>>());
        } else if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("_questions.json")) {
            let records: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            samples.extend(records.as_array().unwrap().iter().map(|record| (task, sample(task, record))));
        }
    }
    assert!(samples.len() > 300, "{} samples", samples.len());
    samples
}

fn sample(task: Task, record: &Value) -> Sample {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entry = |entry: &Value| ProfileEntry {
        id: text(&entry["id"]),
        text: text(&entry[task.text_field()]),
        title: task.title_field().map(|name| text(&entry[name])),
        label: task.label_field().map(|name| text(&entry[name])),
        date: entry["date"].as_str().map(str::to_owned),
    };
    Sample {
        id: text(&record["id"]),
        input: text(&record["input"]),
        profile: record["profile"].as_array().unwrap().iter().map(entry).collect(),
        ..Sample::default()
    }
}

fn rank(name: &str, task: Task, sample: &Sample, k: usize) -> Result<Vec<usize>, RetrievalError> {
    let retriever = name.parse::<RetrieverConfig>().unwrap().build(&NoEncoders).unwrap();
    let documents = Document::of_profile(task, &sample.profile, true);
    let ranking = retriever.rank(&CancelToken::new(), &Query::of(task, sample), &documents, k)?;
    Ok(ranking.indices().collect())
}

fn ranked_whole(folder: &Path) {
    for (task, sample) in samples(folder) {
        assert!(Query::of(task, &sample).marker_found, "{task} {}", sample.id);
        for name in ["bm25", "fulltext", "random:1:distinct", "rrf(bm25,fulltext)"] {
            let whole = rank(name, task, &sample, usize::MAX).unwrap();
            assert_eq!(rank(name, task, &sample, 4).unwrap(), whole[..whole.len().min(4)], "{name}");
            let mut every: Vec<_> = whole;
            every.sort_unstable();
            assert_eq!(every, (0..sample.profile.len()).collect::<Vec<_>>(), "{name}, {task} {}", sample.id);
        }
        assert_eq!(rank("random", task, &sample, 16).unwrap().len(), 16);
    }
}

fn survive_their_file(folder: &Path) {
    let out = tempfile::tempdir().unwrap();
    let path: PathBuf = out.path().join("ranks.json");
    let samples: Vec<_> = samples(folder).into_iter().filter(|(task, _)| *task == Task::Lamp7).collect();
    let mut writer = RankingWriter::create(&path).unwrap();
    for (task, sample) in &samples {
        let order = rank("bm25", *task, sample, usize::MAX).unwrap();
        let ids: Vec<&str> = order.iter().map(|index| sample.profile[*index].id.as_str()).collect();
        writer.add(&sample.id, &ids).unwrap();
    }
    writer.finish().unwrap();
    let file = RankingFile::read(&path).unwrap();
    file.check_samples(samples.iter().map(|(_, sample)| sample.id.as_str())).unwrap();
    for (task, sample) in &samples {
        let documents = Document::of_profile(*task, &sample.profile, false);
        let read = file.apply(&sample.id, &documents, Completeness::Whole).unwrap();
        assert_eq!(read.indices().collect::<Vec<_>>(), { rank("bm25", *task, sample, usize::MAX).unwrap() });
    }
}

fn recency_needs_dates(folder: &Path) {
    for (task, sample) in samples(folder) {
        match rank("recency", task, &sample, usize::MAX) {
            Ok(order) => {
                assert_eq!((task, order.len()), (Task::Lamp3, sample.profile.len()));
                let dates: Vec<_> =
                    order.iter().map(|index| sample.profile[*index].parsed_date().unwrap()).collect();
                assert!(dates.is_sorted_by(|a, b| a >= b));
            }
            Err(RetrievalError::Undated { sample_id, entry_id }) => {
                assert_eq!((sample_id, entry_id), (sample.id, sample.profile[0].id.clone()));
                assert_ne!(task, Task::Lamp3);
            }
            Err(other) => panic!("{other}"),
        }
    }
}
