//! Models from nothing: histories as records, a tokenizer, random weights, an encoder.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail"
)]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use lamplight::dataset::comparisons::write_comparisons;
use lamplight::dataset::histories::{HistoryOptions, histories, write_histories};
use lamplight::dataset::{Dataset, OpenOptions, open};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::{Sample, Setting, Split, Task, quoted_strings};
use lamplight::model::t5::{T5Model, T5Options};
use lamplight::model::{EncoderOptions, HfTokenizer, TextTokenizer, load_encoder};
use lamplight::train::{
    Control, DenoiseRecipe, EncoderRecipe, TrainError, denoise, fresh_encoder, fresh_t5, read_curve,
    train_encoder, train_tokenizer,
};

fn sample_set() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample")
}

fn datasets(keep: impl Fn(Task, Setting, Split) -> bool) -> Vec<Dataset> {
    let found = open(&[sample_set()], &OpenOptions::default(), &CancelToken::new(), &Progress::new())
        .unwrap()
        .datasets;
    let kept = |dataset: &Dataset| keep(dataset.id().task, dataset.id().setting, dataset.id().split);
    found.into_iter().filter(kept).collect()
}

fn trains() -> Vec<Dataset> {
    datasets(|_, _, split| split == Split::Train)
}

#[test]
fn histories_are_what_the_person_wrote_and_no_more() {
    for dataset in trains() {
        let (task, setting) = (dataset.id().task, dataset.id().setting);
        let samples: Vec<_> = dataset.samples().map(Result::unwrap).collect();
        let made = histories(&dataset, HistoryOptions { entries: 5, repeats: 1, seed: 3 }).unwrap();
        let ids: HashSet<&str> = made.iter().map(|sample| &*sample.id).collect();
        assert_eq!(ids.len(), made.len());
        assert!(made.len() > 3 * samples.len(), "{task} {setting}: {}", made.len());
        assert_eq!(made, histories(&dataset, HistoryOptions { entries: 5, repeats: 1, seed: 3 }).unwrap());
        if task == Task::Lamp1 {
            exchange_words_alone(&samples, &made);
            continue;
        }
        for new in made.iter().filter(|sample| !sample.id.ends_with("r0")) {
            let (of, place) = new.id.rsplit_once('e').unwrap();
            let place: usize = place.parse().unwrap();
            let old = samples.iter().find(|sample| sample.id == of).unwrap();
            let entry = &old.profile[place];
            let reference = new.reference.as_deref().unwrap();
            assert!(
                new.profile.iter().all(|other| other.id != entry.id),
                "{}: the answer is in the profile",
                new.id
            );
            assert!(new.profile.iter().all(|other| old.profile.contains(other)));
            if setting == Setting::Time {
                assert!(new.profile.iter().all(|other| old.profile[..place].contains(other)), "{}", new.id);
            }
            match task {
                Task::Lamp7 => assert_eq!(reference, entry.text),
                Task::Lamp2N | Task::Lamp2M | Task::Lamp3 => {
                    assert_eq!(Some(reference), entry.label.as_deref());
                    assert!(new.input.ends_with(entry.text.trim()));
                }
                _ => {
                    assert_eq!(Some(reference), entry.title.as_deref());
                    assert!(new.input.ends_with(entry.text.trim()));
                }
            }
        }
    }
}

/// Records of LaMP-1 made of others: the same words become the same words, other words other ones, and all else stays.
fn exchange_words_alone(samples: &[Sample], made: &[Sample]) {
    let titles = |sample: &Sample, turned: bool| -> Vec<String> {
        let quoted = quoted_strings(&sample.input);
        let order = if turned { [0, 2, 1] } else { [0, 1, 2] };
        let entries = sample.profile.iter().map(|entry| entry.title.clone().unwrap());
        order.map(|at| quoted[at].to_owned()).into_iter().chain(entries).collect()
    };
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    let mut exchanged = 0;
    for new in made.iter().filter(|sample| !sample.id.ends_with("r0")) {
        let (of, _) = new.id.rsplit_once('w').unwrap();
        let old = samples.iter().find(|sample| sample.id == of).unwrap();
        let turned = new.reference != old.reference;
        let (mut there, mut back) = (HashMap::new(), HashMap::new());
        let before = titles(old, turned);
        for (before, after) in before.iter().zip(titles(new, false)) {
            let (before, after) = (words(before), words(&after));
            assert_eq!(before.len(), after.len(), "{}", new.id);
            for (before, after) in before.into_iter().zip(after) {
                exchanged += usize::from(before != after);
                assert_eq!(
                    there.entry(before.clone()).or_insert_with(|| after.clone()),
                    &after,
                    "{}",
                    new.id
                );
                assert_eq!(back.entry(after).or_insert_with(|| before.clone()), &before, "{}", new.id);
            }
        }
        let dates = |sample: &Sample| -> Vec<_> {
            sample.profile.iter().map(|entry| (entry.id.clone(), entry.date.clone())).collect()
        };
        assert_eq!(dates(new), dates(old));
    }
    assert!(exchanged > 20 * made.len(), "{exchanged} words of {} records", made.len());
}

#[test]
fn the_files_of_histories_hold_train_and_dev_and_no_test() {
    let folder = tempfile::tempdir().unwrap();
    let some = datasets(|task, setting, _| task == Task::Lamp3 && setting == Setting::User);
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    write_histories(&some, folder.path(), HistoryOptions::default(), &cancel, &progress).unwrap();
    let written =
        open(&[folder.path().to_owned()], &OpenOptions::default(), &cancel, &progress).unwrap().datasets;
    let counts: Vec<(Split, usize)> =
        written.iter().map(|dataset| (dataset.id().split, dataset.len())).collect();
    assert_eq!(counts.len(), 2, "{counts:?}");
    assert!(counts.contains(&(Split::Dev, 60)));
    assert!(counts.iter().any(|&(split, count)| split == Split::Train && count > 1000), "{counts:?}");
}

#[test]
fn comparisons_share_words_with_the_right_reference_alone() {
    let folder = tempfile::tempdir().unwrap();
    let papers = datasets(|task, setting, split| {
        task == Task::Lamp1 && setting == Setting::User && split == Split::Train
    });
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    let made = |part: &str, seed| {
        let to = folder.path().join(part);
        write_comparisons(&papers, &to, 500, seed, &cancel, &progress).unwrap();
        let found = open(&[to], &OpenOptions::default(), &cancel, &progress).unwrap().datasets;
        let of = |split| found.iter().find(|dataset| dataset.id().split == split).unwrap();
        [Split::Train, Split::Dev].map(|split| of(split).samples().map(Result::unwrap).collect::<Vec<_>>())
    };
    let [train, dev] = made("one", 1);
    assert_eq!((train.len(), dev.len()), (500, 200));
    assert_eq!(made("again", 1), [train.clone(), dev.clone()]);
    assert_ne!(made("other", 2)[0], train);
    let (mut naming, mut first) = (0, 0);
    for sample in train.iter().chain(&dev) {
        let words = |text: &str| -> HashSet<String> { text.split(' ').map(str::to_lowercase).collect() };
        let (&[_, one, two], [entry]) = (&quoted_strings(&sample.input)[..], &sample.profile[..]) else {
            panic!("{sample:?}");
        };
        let earlier = words(entry.title.as_deref().unwrap());
        let [one, two] = [one, two].map(|title| &words(title) & &earlier);
        let reference = sample.reference.as_deref().unwrap();
        let (named, answer) = reference.rsplit_once(' ').unwrap_or(("", reference));
        let (right, wrong) = if answer == "[1]" { (one, two) } else { (two, one) };
        assert!(wrong.is_empty() && (1..=2).contains(&right.len()), "{sample:?}");
        if !named.is_empty() {
            assert_eq!(words(named), right);
            naming += 1;
        }
        first += usize::from(answer == "[1]");
    }
    assert!((330..420).contains(&naming), "{naming} of 500");
    assert!((300..400).contains(&first), "{first} of 700");
    let none = write_comparisons(&[], folder.path(), 5, 0, &cancel, &progress).unwrap_err().to_string();
    assert!(none.contains("0 different words") && none.contains("LaMP-1"), "{none}");
}

fn tokenizer_in(folder: &Path, pieces: usize) -> PathBuf {
    let path = folder.join("tokenizer.json");
    let some = datasets(|task, setting, split| {
        split == Split::Train && setting == Setting::User && [Task::Lamp3, Task::Lamp7].contains(&task)
    });
    train_tokenizer(&some, pieces, &path, &CancelToken::new(), &Progress::new()).unwrap();
    path
}

#[test]
fn a_tokenizer_is_the_same_again_and_knows_every_text() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, again) = (tokenizer_in(one.path(), 900), tokenizer_in(two.path(), 900));
    assert_eq!(fs::read(&path).unwrap(), fs::read(again).unwrap());
    let tokenizer = HfTokenizer::from_file(&path).unwrap();
    assert!(tokenizer.greatest_id() < 900);
    for text in ["is the score for the kettle", "é Ж 中 🙂 \u{7f}?", "two  spaces"] {
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(ids.last(), Some(&1), "the end of the sequence");
        assert!(!ids.contains(&2), "{text}: {ids:?}");
    }
    let text = "the kettle is quiet: é Ж 中 🙂";
    assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()).unwrap(), text);
    // A known word is one piece and the same wherever it stands, and quotes come back as they were.
    let text = "\"kettle is\" the kettle, \"the kettle\" (kettle)";
    let ids = tokenizer.encode(text).unwrap();
    let kettle = tokenizer.encode("kettle").unwrap();
    assert_eq!(kettle.len(), 2, "the word and the end: {kettle:?}");
    assert_eq!(ids.iter().filter(|&&id| id == kettle[0]).count(), 3, "{ids:?}");
    assert_eq!(tokenizer.decode(&ids).unwrap(), text);
    let words = "what is the score of the following review";
    assert!(tokenizer.encode(words).unwrap().len() <= 12, "words that are common are pieces");
}

const T5: &str = r#"{"model_type": "t5", "vocab_size": 900, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4,
    "feed_forward_proj": "gated-gelu", "tie_word_embeddings": true}"#;
const BERT: &str = r#"{"model_type": "bert", "vocab_size": 900, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 64, "max_position_embeddings": 64, "hidden_dropout_prob": 0.0}"#;

#[test]
fn fresh_models_load_and_follow_their_seed() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer_in(folder.path(), 900);
    let config = folder.path().join("config.json");
    fs::write(&config, T5).unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));
    for (out, seed) in [(&a, 1), (&b, 1), (&c, 2)] {
        assert!(fresh_t5(&config, &tokenizer, out, seed).unwrap() > 30_000);
        T5Model::load(out, T5Options::default()).unwrap();
    }
    let weights = |folder: &Path| fs::read(folder.join("model.safetensors")).unwrap();
    assert_eq!(weights(&a), weights(&b));
    assert_ne!(weights(&a), weights(&c));
    assert!(fresh_t5(&config, &tokenizer, &a, 1).unwrap_err().to_string().contains("not empty"));
    fs::write(&config, T5.replace("900", "800")).unwrap();
    assert!(
        fresh_t5(&config, &tokenizer, &folder.path().join("d"), 1).is_err(),
        "the tokenizer has more pieces"
    );
}

#[test]
fn an_encoder_learns_which_spans_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer_in(folder.path(), 900);
    let config = folder.path().join("config.json");
    fs::write(&config, BERT).unwrap();
    let base = folder.path().join("base");
    fresh_encoder(&config, &tokenizer, &base, 1).unwrap();
    let some = datasets(|task, setting, split| {
        split == Split::Train && setting == Setting::User && task == Task::Lamp3
    });
    let recipe = EncoderRecipe { batch: 32, learning_rate: 5e-3, ..EncoderRecipe::default() };
    let job = folder.path().join("job");
    let control = Control::new(CancelToken::new());
    let (model, steps) = train_encoder(&base, &some, &recipe, &job, &control, &Progress::new()).unwrap();
    assert!(steps > 20);
    drop(read_curve(&job.join("curve.jsonl")));
    let (cancel, progress) = (CancelToken::new(), Progress::new());
    // A question about a theme against entries of two themes, words of the question left out where that is possible.
    let nearer = |model: &Path| {
        let mut encoder = load_encoder(model, &EncoderOptions::default(), &cancel, &progress).unwrap();
        let texts = [
            "the kettle leaves water on the counter.",
            "the kettle is quiet when the water boils.",
            "the tent kept the rain out all night.",
        ];
        let vectors = encoder.encode(&cancel, &texts).unwrap();
        let dot = |a: usize, b: usize| -> f32 {
            vectors.row(a).iter().zip(vectors.row(b)).map(|(x, y)| x * y).sum()
        };
        dot(0, 1) - dot(0, 2)
    };
    let (before, after) = (nearer(&base), nearer(&model));
    assert!(after > 0.2 && after > before, "{before} {after}");
}

/// Breaks a job off as soon as it has taken some steps, again and again, and then lets it end.
fn in_pieces(
    job: &Path,
    mut work: impl FnMut(&Control) -> Result<(PathBuf, u64), TrainError>,
) -> (PathBuf, usize) {
    let mut broken_off = 0;
    loop {
        let over = AtomicBool::new(false);
        let control = Control::new(CancelToken::new());
        let ended = std::thread::scope(|scope| {
            let (control, over) = (&control, &over);
            scope.spawn(move || {
                let begun = || control.latest().get().map(|progress| progress.step);
                let first = loop {
                    match begun() {
                        Some(step) if step > 0 => break step,
                        _ if over.load(Ordering::Acquire) => return,
                        _ => std::thread::yield_now(),
                    }
                };
                while broken_off < 3 && !over.load(Ordering::Acquire) {
                    if begun() > Some(first + 2) {
                        control.cancel().cancel();
                    }
                    std::thread::yield_now();
                }
            });
            let ended = work(control);
            over.store(true, Ordering::Release);
            ended
        });
        match ended {
            Ok((model, _)) => return (model, broken_off),
            Err(TrainError::Canceled(_)) => broken_off += 1,
            Err(error) => panic!("{}: {error}", job.display()),
        }
    }
}

#[test]
fn jobs_without_a_dev_split_that_are_broken_off_end_with_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer_in(folder.path(), 900);
    let [t5, bert, t5_config, bert_config] =
        ["t5", "bert", "t5.json", "bert.json"].map(|name| folder.path().join(name));
    fs::write(&t5_config, T5).unwrap();
    fs::write(&bert_config, BERT).unwrap();
    fresh_t5(&t5_config, &tokenizer, &t5, 1).unwrap();
    fresh_encoder(&bert_config, &tokenizer, &bert, 1).unwrap();
    let some = datasets(|task, setting, split| {
        split == Split::Train && setting == Setting::User && task == Task::Lamp7
    });
    let encoder = EncoderRecipe { batch: 64, ..EncoderRecipe::default() };
    let write = DenoiseRecipe { epochs: 1, batch: 64, ..DenoiseRecipe::default() };
    let progress = Progress::new();
    let encode = |job: &Path, control: &Control, recipe: &EncoderRecipe| {
        train_encoder(&bert, &some, recipe, job, control, &progress)
    };
    let rewrite = |job: &Path, control: &Control| denoise(&t5, &some, &write, job, control, &progress);
    let whole = Control::new(CancelToken::new());
    let weights = |folder: &Path| fs::read(folder.join("model.safetensors")).unwrap();
    for kind in ["encoder", "writer"] {
        let work = |job: &Path, control: &Control| match kind {
            "encoder" => encode(job, control, &encoder),
            _ => rewrite(job, control),
        };
        let [one, two] = ["whole", "pieces"].map(|name| folder.path().join(format!("{kind} {name}")));
        let (expected, steps) = work(&one, &whole).unwrap();
        let (found, broken_off) = in_pieces(&two, |control| work(&two, control));
        println!("{kind}: {steps} steps, broken off {broken_off} times");
        assert!(broken_off > 0);
        assert!(weights(&expected) == weights(&found), "{kind}");
        // What is done is left as it is.
        assert_eq!(work(&two, &whole).unwrap(), (found, steps));
    }
    let other = EncoderRecipe { learning_rate: 1e-4, ..encoder.clone() };
    let refused = encode(&folder.path().join("encoder pieces"), &whole, &other).unwrap_err().to_string();
    assert!(refused.contains("cannot be resumed") && refused.contains("recipe"), "{refused}");
}
