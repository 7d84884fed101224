//! Opening and checking real LaMP records, which lie outside the repository.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod support;

use std::path::Path;
use std::process::ExitCode;

use lamplight::dataset::{Catalog, Dataset, FindingKind, OpenOptions, Severity, open};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::{Setting, Split, Task};

fn catalog(path: &Path) -> Catalog {
    open(&[path.to_owned()], &OpenOptions::default(), &CancelToken::new(), &Progress::new()).unwrap()
}

fn dataset(catalog: &Catalog, task: Task, setting: Setting, split: Split) -> Dataset {
    let wanted = |dataset: &&Dataset| {
        let id = dataset.id();
        (id.task, id.setting, id.split) == (task, setting, split)
    };
    let found: Vec<_> = catalog.datasets.iter().filter(wanted).collect();
    assert_eq!(found.len(), 1, "{task} {setting} {split}");
    found[0].clone()
}

fn main() -> ExitCode {
    let folder = support::shared().join("lamp-samples");
    support::run(vec![
        support::needs("every_dataset_is_found_with_its_counts", folder.clone(), |folder| {
            let catalog = catalog(folder);
            use {Setting::*, Split::*, Task::*};
            for (task, setting, split, samples, golds) in [
                (Lamp1, User, Train, 5, 5),
                (Lamp1, User, Dev, 3, 3),
                (Lamp1, User, Test, 4, 0),
                (Lamp2N, User, Train, 4, 4),
                (Lamp2N, User, Dev, 5, 3),
                (Lamp2N, User, Test, 4, 0),
                (Lamp4, User, Dev, 1, 1),
                (Lamp7, User, Dev, 300, 300),
                (Lamp3, Time, Train, 1, 0),
            ] {
                let dataset = dataset(&catalog, task, setting, split);
                assert_eq!(dataset.len(), samples, "{}", dataset.id());
                let parsed: Vec<_> = dataset.samples().map(Result::unwrap).collect();
                assert_eq!(
                    parsed.iter().filter(|sample| sample.reference.is_some()).count(),
                    golds,
                    "{}",
                    dataset.id()
                );
                for (sample, summary) in parsed.iter().zip(dataset.summaries()) {
                    assert_eq!(sample.id, summary.id);
                    assert_eq!(sample.profile.len(), summary.profile_entries);
                    assert_eq!(sample.reference.is_some(), summary.has_reference);
                    assert!(sample.profile.iter().all(|entry| !entry.id.is_empty()));
                    assert!(
                        sample
                            .profile
                            .iter()
                            .all(|entry| entry.title.is_some() == task.title_field().is_some())
                    );
                }
            }
            assert_eq!(catalog.datasets.len(), 9);
            let others: Vec<_> = catalog.unrecognized.iter().map(|file| file.location.path()).collect();
            assert!(others.len() == 1 && others[0].ends_with("README.md"), "{others:?}");
        }),
        support::needs("the_id_mismatch_is_reported_with_its_ids", folder.clone(), |folder| {
            let catalog = catalog(folder);
            let dataset = dataset(&catalog, Task::Lamp2N, Setting::User, Split::Dev);
            let without: Vec<_> = dataset
                .summaries()
                .filter(|record| !record.has_reference)
                .map(|record| record.id.to_owned())
                .collect();
            assert_eq!(without.len(), 2);
            let findings = dataset.check(&CancelToken::new(), &Progress::new()).unwrap();
            let missing = findings.iter().find(|finding| finding.kind == FindingKind::GoldsMissing).unwrap();
            assert_eq!((missing.count, &missing.records), (2, &without));
            for dataset in &catalog.datasets {
                let findings = dataset.check(&CancelToken::new(), &Progress::new()).unwrap();
                let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
                let is_mismatched = (dataset.id().task, dataset.id().split) == (Task::Lamp2N, Split::Dev);
                assert_eq!(errors > 0, is_mismatched, "{}: {findings:#?}", dataset.id());
            }
        }),
        support::needs("ids_keep_their_zeros_and_the_time_record_its_user", folder.clone(), |folder| {
            let catalog = catalog(folder);
            let first = dataset(&catalog, Task::Lamp1, Setting::User, Split::Dev).sample(0).unwrap();
            assert_eq!(first.id, "010");
            let time = dataset(&catalog, Task::Lamp3, Setting::Time, Split::Train);
            let sample = time.sample(0).unwrap();
            assert_eq!(time.position(&sample.id), Some(0));
            assert!(sample.user_id.is_some() && sample.reference.is_none());
            assert!(sample.profile.iter().all(|entry| entry.parsed_date().is_some()));
        }),
    ])
}
