//! Training: gradients against finite differences, jobs that are killed, canceled, run out of disk or meet bad input, and a
//! model that learns what it is shown by heart. Models are tiny and their tokenizer has a token for each character.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test asserts in the plainest way")]

mod support;
#[path = "support/tiny_t5.rs"]
mod tiny_t5;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::time::Duration;

use candle_core::{Device, Tensor};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::{Split, Task};
use lamplight::model::registry::Registry;
use lamplight::model::t5::{T5Model, T5Options};
use lamplight::model::weights::Checkpoint;
use lamplight::model::{
    DeviceChoice, Dropout, GenerationConfig, Generator, HfTokenizer, PromptInput, TextTokenizer,
};
use lamplight::run::Workplace;
use lamplight::train::t5::{DevOptions, T5FineTuning};
use lamplight::train::{
    AdamWOptions, Control, CurvePoint, Decline, DevScore, Ended, Example, Examples, JobOptions, Outcome,
    Parameter, Plan, Schedule, TrainError, TrainRecipe, Trainable, Trainer, prepare, read_curve, resume,
    start,
};
use libtest_mimic::{Failed, Trial};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tiny_t5::write_model;

fn main() -> ExitCode {
    let tests: [(&str, fn()); 13] = [
        ("gradients_are_those_of_finite_differences", finite_differences),
        ("parts_of_a_step_add_up_to_the_whole_step", accumulation),
        ("a_job_killed_at_any_step_ends_with_the_same_weights", killed_in_the_loop),
        ("a_killed_program_goes_on_to_the_same_model", killed_program),
        ("a_canceled_job_is_saved_and_goes_on", canceled),
        ("records_are_learned_by_heart", overfit),
        ("the_best_epoch_is_kept_and_patience_ends_a_job", best_and_patience),
        ("a_job_can_be_ended_with_what_it_has", finished_early),
        ("a_loss_that_is_no_number_stops_with_step_and_ids", not_finite),
        ("bad_input_is_told_before_anything_is_written", bad_input),
        ("a_changed_model_or_dataset_is_not_resumed", changed),
        ("two_programs_do_not_share_a_job", busy),
        ("the_command_tells_what_it_would_do", command),
    ];
    let mut trials: Vec<Trial> = tests
        .into_iter()
        .map(|(name, test)| {
            Trial::test(name, move || {
                test();
                Ok::<(), Failed>(())
            })
        })
        .collect();
    let name = "a_full_disk_loses_nothing_that_was_saved";
    trials.push(match Disk::new() {
        Some(disk) => Trial::test(name, move || {
            full_disk(&disk);
            Ok::<(), Failed>(())
        }),
        None => Trial::test(format!("{name} (ignored: no small disk can be had here)"), || Ok(()))
            .with_ignored_flag(true),
    });
    support::run(trials)
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample")
}

/// A place of its own for models and jobs.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_model(&folder.path().join("base"), "v11_micro");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn workplace(&self) -> Workplace {
        Workplace::new(Registry::new(self.path("models")))
            .with_cache(Some(self.path("cache")))
            .with_threads(1)
    }

    /// Ratings from reviews, with an entry of the profile: small and quick.
    fn recipe(&self) -> TrainRecipe {
        let mut recipe =
            TrainRecipe { model: self.path("base").display().to_string(), ..TrainRecipe::default() };
        recipe.data.paths = vec![data().join("LaMP_3")];
        recipe.data.tasks = vec![Task::Lamp3];
        (recipe.data.limit, recipe.data.dev_limit) = (Some(12), Some(4));
        (recipe.retrieval.retriever, recipe.retrieval.k) = ("bm25".to_owned(), 1);
        recipe.prompt.max_length = 48;
        recipe.optimizer.learning_rate = 2e-3;
        (recipe.training.epochs, recipe.training.batch) = (3, 4);
        recipe.training.micro_batch = Some(2);
        recipe.training.dropout = Some(0.1);
        (recipe.evaluation.beams, recipe.evaluation.max_new_tokens) = (2, 3);
        recipe
    }

    fn options(&self, job: &str, name: Option<&str>) -> JobOptions {
        JobOptions::new(self.path(job), name.map(str::to_owned))
    }

    fn start(&self, recipe: &TrainRecipe, job: &str, control: &Control) -> Result<Outcome, TrainError> {
        let workplace = self.workplace();
        let prepared = prepare(recipe, &workplace, &CancelToken::new(), &Progress::new())?;
        start(prepared, &self.options(job, Some(job)), &workplace, control)
    }

    fn resume(&self, job: &str, control: &Control) -> Result<Outcome, TrainError> {
        resume(&self.options(job, None), &self.workplace(), control, &Progress::new())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
        command.current_dir(self.folder.path()).args(arguments);
        command.env("LAMPLIGHT_MODELS", self.path("models")).env("LAMPLIGHT_CACHE_DIR", self.path("cache"));
        command
    }
}

fn weights(model: &Path) -> Vec<u8> {
    std::fs::read(model.join("model.safetensors")).unwrap()
}

/// Examples of random tokens.
fn random_examples(count: u32) -> Examples {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut tokens = |most: usize| -> Vec<u32> {
        let count = random.random_range(2..most);
        (1..count).map(|_| random.random_range(4..96)).chain([1]).collect()
    };
    let train = (0..count)
        .map(|number| Example { id: format!("r{number}"), prompt: tokens(24), labels: tokens(8) })
        .collect();
    Examples { train, ..Examples::default() }
}

fn dev_options() -> DevOptions {
    DevOptions { generation: GenerationConfig::default(), batch: 4, threads: 1, device: DeviceChoice::Cpu }
}

fn tiny(which: &str, examples: Examples) -> (tempfile::TempDir, T5FineTuning) {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), which);
    let model = T5FineTuning::load(folder.path(), examples, dev_options()).unwrap();
    (folder, model)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Every tensor's gradient says how the loss changes along it and along random directions, with dropout and without.
fn finite_differences() {
    for which in ["v10_micro", "v11_micro", "v11_v5tied_micro"] {
        for rate in [0.0, 0.2] {
            let (_folder, model) = tiny(which, random_examples(3));
            let batch = [0, 1, 2];
            let loss = || {
                let loss = model.loss(&batch, &mut Dropout::new(rate, 5)).unwrap();
                f64::from(loss.to_scalar::<f32>().unwrap())
            };
            let gradients = model.loss(&batch, &mut Dropout::new(rate, 5)).unwrap().backward().unwrap();
            let mut random = ChaCha8Rng::seed_from_u64(3);
            for Parameter { name, var, .. } in model.parameters() {
                let gradient = values(gradients.get(var.as_tensor()).unwrap());
                let before = values(var.as_tensor());
                let drawn: Vec<f32> = before.iter().map(|_| random.random_range(-1.0..1.0)).collect();
                for direction in [&gradient, &drawn] {
                    let length = direction.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
                    let slope: f64 = gradient.iter().zip(direction).map(|(g, d)| f64::from(g * d)).sum();
                    let slope = slope / length;
                    let at = |factor: f64| {
                        let moved =
                            before.iter().zip(direction).map(|(b, d)| b + (factor / length) as f32 * d);
                        let moved = moved.collect::<Vec<f32>>();
                        let moved = Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap();
                        var.set(&moved).unwrap();
                        loss()
                    };
                    // A short step drowns in rounding where the slope is small, a long one meets bends where it is large.
                    let measure = |step: f64| (at(step) - at(-step)) / (2.0 * step);
                    let measured = [8e-3, 2e-3, 5e-4].map(measure);
                    let apart = |measured: &f64| (measured - slope).abs();
                    let measured = measured.into_iter().min_by(|a, b| apart(a).total_cmp(&apart(b))).unwrap();
                    let close = apart(&measured) <= 0.02 * slope.abs() + 5e-4;
                    assert!(close, "{which}, dropout {rate}, {name}: {slope} instead of {measured}");
                }
                let back = Tensor::from_vec(before, var.shape(), &Device::Cpu).unwrap();
                var.set(&back).unwrap();
            }
        }
    }
}

fn plan(epochs: u64, batch: usize, micro_batch: usize) -> Plan {
    Plan {
        epochs,
        batch,
        micro_batch,
        dropout: 0.1,
        seed: 11,
        patience: None,
        clip: Some(1.0),
        adamw: AdamWOptions { weight_decay: 0.01, ..AdamWOptions::default() },
        schedule: Schedule { peak: 3e-3, warmup: 2, steps: 40, decline: Decline::Linear },
        checkpoint_every: Duration::MAX,
        checkpoint_steps: Some(3),
    }
}

/// Without dropout the parts of a step make the weights that the whole makes, up to rounding.
fn accumulation() {
    let weights = |micro_batch| {
        let (_base, model) = tiny("v10_micro", random_examples(12));
        let folder = tempfile::tempdir().unwrap();
        let control = Control::default();
        let plan = Plan { dropout: 0.0, ..plan(2, 6, micro_batch) };
        let mut trainer = Trainer::new(model, plan, folder.path(), &control).unwrap();
        assert_eq!(trainer.run().unwrap(), Ended::AllEpochs);
        trainer.model().parameters().iter().flat_map(|p| values(p.var.as_tensor())).collect::<Vec<f32>>()
    };
    let (whole, parts) = (weights(6), weights(1));
    let apart = whole.iter().zip(&parts).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 2e-4, "{apart}");
    assert_ne!(whole, parts, "the parts were not computed one by one");
}

/// A model that breaks down in the middle of a step, as a killed program does: nothing is saved after that.
struct Mortal {
    model: T5FineTuning,
    /// Losses that are still computed.
    left: Cell<u64>,
}

impl Trainable for Mortal {
    fn parameters(&self) -> &[Parameter] {
        self.model.parameters()
    }

    fn lengths(&self) -> &[usize] {
        self.model.lengths()
    }

    fn tokens(&self, example: usize) -> usize {
        self.model.tokens(example)
    }

    fn weight(&self, example: usize) -> f64 {
        self.model.weight(example)
    }

    fn id(&self, example: usize) -> &str {
        self.model.id(example)
    }

    fn loss(&self, examples: &[u32], dropout: &mut Dropout) -> Result<Tensor, TrainError> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(TrainError::NoJob { path: PathBuf::from("killed") }),
        }
        self.model.loss(examples, dropout)
    }

    fn write(&self, folder: &Path) -> Result<(), TrainError> {
        self.model.write(folder)
    }

    fn evaluate(
        &mut self,
        folder: &Path,
        cancel: &CancelToken,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<DevScore>, TrainError> {
        self.model.evaluate(folder, cancel, progress)
    }
}

/// Ten jobs, each killed at random losses again and again, against one that was not.
fn killed_in_the_loop() {
    let run = |kills: &mut dyn FnMut() -> u64| {
        let folder = tempfile::tempdir().unwrap();
        let control = Control::default();
        let mut deaths = 0;
        loop {
            let (_base, model) = tiny("v11_micro", random_examples(22));
            let model = Mortal { model, left: Cell::new(kills()) };
            let mut trainer = Trainer::new(model, plan(4, 4, 3), folder.path(), &control).unwrap();
            match trainer.run() {
                Ok(ended) => {
                    assert_eq!((ended, trainer.step()), (Ended::AllEpochs, 24));
                    let (_, best) = trainer.best().unwrap();
                    let curve = read_curve(&folder.path().join("curve.jsonl")).unwrap();
                    let steps: Vec<u64> = curve
                        .iter()
                        .filter(|point| matches!(point, CurvePoint::Step { .. }))
                        .map(CurvePoint::step)
                        .collect();
                    assert_eq!(steps, (1..=24).collect::<Vec<_>>());
                    return (weights(&best), deaths);
                }
                Err(_) => deaths += 1,
            }
        }
    };
    let (whole, _) = run(&mut || u64::MAX);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut deaths = 0;
    for round in 0..10 {
        // A checkpoint follows every third step, and a step computes two losses.
        let (killed, died) = run(&mut || random.random_range(7..40));
        assert!(killed == whole, "round {round} ended with other weights");
        deaths += died;
    }
    assert!(deaths >= 10, "{deaths}");
}

/// The real program, killed while it works, and resumed until it is done.
fn killed_program() {
    let place = Place::new();
    let recipe = place.recipe();
    std::fs::write(place.path("recipe.toml"), recipe.to_toml().unwrap()).unwrap();
    let train = |name: &str| {
        place.command(&["train", "--recipe", "recipe.toml", "--name", name, "--threads", "1", "--quiet"])
    };
    let whole = train("whole").output().unwrap();
    assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    let job = place.path("models").join("training").join("killed");
    let mut command = train("killed");
    let mut kills = 0;
    for steps in [1, 4, 8] {
        let mut child = command.spawn().unwrap();
        let curve = job.join("curve.jsonl");
        let mut ended = false;
        while !ended {
            ended = child.try_wait().unwrap().is_some();
            let lines = std::fs::read_to_string(&curve).map_or(0, |text| text.lines().count());
            if lines >= steps && !ended {
                child.kill().unwrap();
                kills += 1;
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        child.wait().unwrap();
        command = place.command(&["train", "resume", "killed", "--threads", "1", "--quiet"]);
    }
    let last = command.output().unwrap();
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
    assert!(kills > 0);
    let whole = place.path("models").join("training").join("whole").join("model");
    assert!(weights(&job.join("model")) == weights(&whole));
    let left =
        std::fs::read_dir(&job).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut left: Vec<String> = left.collect();
    left.sort();
    assert_eq!(left, ["curve.jsonl", "done.json", "job.json", "lock", "model"]);
    assert!(Registry::new(place.path("models")).find("killed").unwrap().is_some());
}

fn canceled() {
    let place = Place::new();
    let mut recipe = place.recipe();
    recipe.training.epochs = 4;
    let whole = place.start(&recipe, "whole", &Control::default()).unwrap();
    // Canceled before the first step, and by a watcher at some later one.
    let control = Control::default();
    control.cancel().cancel();
    assert!(matches!(place.start(&recipe, "job", &control), Err(TrainError::Canceled(_))));
    let control = Control::default();
    let watcher = std::thread::spawn({
        let control = control.clone();
        move || {
            while control.latest().get().is_none_or(|progress| progress.step < 4) {
                std::thread::yield_now();
            }
            control.cancel().cancel();
        }
    });
    assert!(matches!(place.resume("job", &control), Err(TrainError::Canceled(_))));
    watcher.join().unwrap();
    let outcome = place.resume("job", &Control::default()).unwrap();
    assert!(weights(&outcome.model) == weights(&whole.model));
    assert_eq!(outcome.evaluations, whole.evaluations);
    // What is done is done.
    assert_eq!(place.resume("job", &Control::default()).unwrap(), outcome);
    let recipe = std::fs::read_to_string(outcome.model.join("recipe.json")).unwrap();
    assert!(recipe.contains("\"retriever\": \"bm25\"") && recipe.contains("\"learning_rate\": 0.002"));
}

/// 32 records to exact match, answered by the model as it was registered.
fn overfit() {
    let place = Place::new();
    let mut recipe = place.recipe();
    recipe.data.paths = vec![data().join("LaMP_4")];
    recipe.data.tasks = vec![Task::Lamp4];
    (recipe.data.limit, recipe.data.dev) = (Some(32), None);
    (recipe.prompt.max_length, recipe.prompt.max_label_length) = (96, 10);
    recipe.retrieval.retriever = "none".to_owned();
    (recipe.training.batch, recipe.training.micro_batch) = (8, None);
    (recipe.training.epochs, recipe.training.dropout) = (80, Some(0.0));
    recipe.optimizer.learning_rate = 1e-2;
    let workplace = place.workplace();
    let prepared = prepare(&recipe, &workplace, &CancelToken::new(), &Progress::new()).unwrap();
    let examples = prepared.examples.train.clone();
    assert_eq!(examples.len(), 32);
    start(prepared, &place.options("job", Some("by-heart")), &workplace, &Control::default()).unwrap();
    let path = workplace.resolve("by-heart").unwrap().path;
    let mut model = T5Model::load(&path, T5Options { threads: 1, ..T5Options::default() }).unwrap();
    let tokenizer = HfTokenizer::from_folder(&path).unwrap();
    let prompts: Vec<PromptInput<'_>> =
        examples.iter().map(|example| PromptInput { text: "", tokens: &example.prompt }).collect();
    let config = GenerationConfig { max_new_tokens: 16, ..GenerationConfig::default() };
    let answers = model.generate(&CancelToken::new(), &prompts, &config).unwrap();
    let right = answers
        .iter()
        .zip(&examples)
        .filter(|(answer, example)| answer.text == tokenizer.decode(&example.labels).unwrap())
        .count();
    assert_eq!(right, 32);
}

/// A model whose epochs have scores that are known.
struct Scripted {
    model: T5FineTuning,
    scores: Vec<f64>,
    asked: usize,
}

impl Trainable for Scripted {
    fn parameters(&self) -> &[Parameter] {
        self.model.parameters()
    }

    fn lengths(&self) -> &[usize] {
        self.model.lengths()
    }

    fn tokens(&self, example: usize) -> usize {
        self.model.tokens(example)
    }

    fn weight(&self, example: usize) -> f64 {
        self.model.weight(example)
    }

    fn id(&self, example: usize) -> &str {
        self.model.id(example)
    }

    fn loss(&self, examples: &[u32], dropout: &mut Dropout) -> Result<Tensor, TrainError> {
        self.model.loss(examples, dropout)
    }

    fn write(&self, folder: &Path) -> Result<(), TrainError> {
        self.model.write(folder)
    }

    fn evaluate(
        &mut self,
        _: &Path,
        _: &CancelToken,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<DevScore>, TrainError> {
        progress(1, 1);
        let value = self.scores[self.asked];
        self.asked += 1;
        let (task, setting) = (Task::Lamp3, lamplight::lamp::Setting::User);
        Ok(vec![DevScore { task, setting, metric: task.primary_metric(), value, samples: 1 }])
    }
}

fn best_and_patience() {
    let (_base, model) = tiny("v11_micro", random_examples(4));
    let folder = tempfile::tempdir().unwrap();
    let control = Control::default();
    // Errors of ratings: less is better.
    let model = Scripted { model, scores: vec![2.0, 0.5, 1.0, 0.5, 0.1], asked: 0 };
    let plan = Plan { patience: Some(2), ..plan(9, 4, 4) };
    let mut trainer = Trainer::new(model, plan, folder.path(), &control).unwrap();
    assert_eq!(trainer.run().unwrap(), Ended::NoBetter);
    let (best, kept) = trainer.best().unwrap();
    assert_eq!((best.epoch, trainer.evaluations().len()), (2, 4));
    assert!(kept.join("model.safetensors").is_file());
    let progress = control.latest().get().unwrap();
    assert_eq!((progress.step, progress.best), (4, Some(1)));
}

fn finished_early() {
    let place = Place::new();
    let mut recipe = place.recipe();
    recipe.training.epochs = 1000;
    let control = Control::default();
    control.set_paused(true);
    let watcher = std::thread::spawn({
        let control = control.clone();
        move || {
            control.set_paused(false);
            while control.latest().get().is_none_or(|progress| progress.evaluations.len() < 2) {
                std::thread::yield_now();
            }
            control.finish();
        }
    });
    let outcome = place.start(&recipe, "job", &control).unwrap();
    watcher.join().unwrap();
    assert_eq!(outcome.ended, Ended::Finished);
    assert!(outcome.evaluations.contains(&outcome.best) && outcome.steps < 3000);
    // Before the first epoch is over, the weights of now are what it has.
    let control = Control::default();
    control.finish();
    let outcome = place.start(&recipe, "other", &control).unwrap();
    assert_eq!((outcome.ended, outcome.steps, outcome.evaluations.len()), (Ended::Finished, 0, 1));
}

fn not_finite() {
    let place = Place::new();
    let mut recipe = place.recipe();
    recipe.optimizer.learning_rate = 1e30;
    recipe.optimizer.warmup = 0.0;
    let error = place.start(&recipe, "job", &Control::default()).unwrap_err();
    let TrainError::NotFinite { step: 2.., .. } = &error else { panic!("{error}") };
    let text = error.to_string();
    assert!(text.contains("learning_rate") && text.contains("examples: ") && !text.contains(": ."), "{text}");
    // A model that is broken from the beginning says so, and nothing is spoiled.
    let tensors = candle_core::safetensors::load(place.path("base/model.safetensors"), &Device::Cpu).unwrap();
    let mut tensors: BTreeMap<String, Tensor> = tensors.into_iter().collect();
    let broken = (tensors["encoder.final_layer_norm.weight"].zeros_like().unwrap() + f64::NAN).unwrap();
    tensors.insert("encoder.final_layer_norm.weight".to_owned(), broken);
    let tensors: std::collections::HashMap<String, Tensor> = tensors.into_iter().collect();
    candle_core::safetensors::save(&tensors, place.path("base/model.safetensors")).unwrap();
    let text = place.start(&place.recipe(), "broken", &Control::default()).unwrap_err().to_string();
    assert!(text.contains("loss of step 1 ") && text.contains("damaged"), "{text}");
}

fn bad_input() {
    let place = Place::new();
    let refused = |change: &dyn Fn(&mut TrainRecipe)| {
        let mut recipe = place.recipe();
        change(&mut recipe);
        let error = place.start(&recipe, "job", &Control::default()).unwrap_err().to_string();
        assert!(!place.path("job").exists(), "{error}");
        error
    };
    let check = |text: String, words: &[&str]| {
        for word in words {
            assert!(text.contains(word), "{word:?} is not in {text:?}");
        }
    };
    check(refused(&|r| r.model = "no-such-model".to_owned()), &["no-such-model"]);
    check(refused(&|r| r.model = "scripted:echo".to_owned()), &["scripted:echo", "no T5 model"]);
    check(refused(&|r| r.model = "baseline:majority".to_owned()), &["no T5 model"]);
    check(refused(&|r| r.data.paths = vec![PathBuf::from("nowhere")]), &["nowhere"]);
    check(refused(&|r| r.data.tasks = vec![Task::Lamp7]), &["LaMP-7"]);
    check(refused(&|r| r.data.dev = Some(Split::Train)), &["data.dev"]);
    check(refused(&|r| r.retrieval.retriever = "recency".to_owned()), &["recency"]);
    check(refused(&|r| r.retrieval.retriever = "bm26".to_owned()), &["bm26"]);
    check(refused(&|r| r.prompt.template = "missing.toml".to_owned()), &["missing.toml"]);
    check(refused(&|r| r.prompt.max_length = 1), &["max_length"]);
    check(refused(&|r| r.training.batch = 0), &["training.batch is 0"]);
    check(refused(&|r| r.evaluation.beams = 0), &["beams"]);
    // A reference that is empty names its sample.
    let folder = place.path("data");
    std::fs::create_dir_all(&folder).unwrap();
    let record = |id: &str| json!({"id": id, "input": "What is the score? review: good", "profile": [{"id": "p", "text": "bad", "score": "1"}]});
    let questions = json!([record("a"), record("b")]);
    for split in ["train", "dev"] {
        let golds =
            json!({"task": "LaMP_3", "golds": [{"id": "a", "output": "4"}, {"id": "b", "output": " "}]});
        std::fs::write(folder.join(format!("{split}_questions.json")), questions.to_string()).unwrap();
        std::fs::write(folder.join(format!("{split}_outputs.json")), golds.to_string()).unwrap();
    }
    check(refused(&|r| r.data.paths = vec![folder.clone()]), &["LaMP-3", "sample b", "empty"]);
    // A tokenizer with tokens that the model has no embedding for.
    let tokenizer = place.path("base/tokenizer.json");
    let text = std::fs::read_to_string(&tokenizer).unwrap();
    std::fs::write(&tokenizer, text.replace("\"e\":72", "\"e\":7200")).unwrap();
    let error = place.start(&place.recipe(), "foreign", &Control::default()).unwrap_err().to_string();
    check(error, &["7200", "384"]);
    // A name that is taken, and a folder that holds a job, are told before the work.
    let place = Place::new();
    place.start(&place.recipe(), "job", &Control::default()).unwrap();
    let error = place.start(&place.recipe(), "job", &Control::default()).unwrap_err().to_string();
    check(error, &["holds a training job already", "train resume"]);
    let workplace = place.workplace();
    let prepared = prepare(&place.recipe(), &workplace, &CancelToken::new(), &Progress::new()).unwrap();
    let error = start(prepared, &place.options("other", Some("job")), &workplace, &Control::default());
    check(error.unwrap_err().to_string(), &["there is a model job already"]);
    check(place.resume("nothing", &Control::default()).unwrap_err().to_string(), &["no training job"]);
}

fn changed() {
    let place = Place::new();
    let canceled = || {
        let control = Control::default();
        control.cancel().cancel();
        control
    };
    assert!(place.start(&place.recipe(), "job", &canceled()).is_err());
    write_model(&place.path("base"), "v11_v5tied_micro");
    let error = place.resume("job", &Control::default()).unwrap_err().to_string();
    assert!(error.contains("the model that it began with changed"), "{error}");
    write_model(&place.path("base"), "v11_micro");
    let damage = |name: &str, text: &str| {
        let path = place.path("job").join(name);
        let before = std::fs::read(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        let error = place.resume("job", &Control::default()).unwrap_err().to_string();
        std::fs::write(&path, before).unwrap();
        error
    };
    for name in ["job.json", "state-0000000000/state.json", "state-0000000000/moments.safetensors"] {
        let error = damage(name, "{}");
        assert!(error.contains(name.rsplit('/').next().unwrap()), "{error}");
    }
    place.resume("job", &Control::default()).unwrap();
}

fn busy() {
    let place = Place::new();
    let control = Control::default();
    control.set_paused(true);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| place.start(&place.recipe(), "job", &control));
        while control.latest().get().is_none() {
            std::thread::yield_now();
        }
        let error = place.resume("job", &Control::default()).unwrap_err();
        assert!(matches!(error, TrainError::Busy { .. }), "{error}");
        control.set_paused(false);
        first.join().unwrap().unwrap();
    });
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn command() {
    let place = Place::new();
    let data = data().display().to_string();
    let base = place.path("base").display().to_string();
    let common =
        ["train", "--model", &base, "--data", &data, "--task", "LaMP-3", "--setting", "user", "--limit", "9"];
    let run = |more: &[&str]| place.command(&[&common[..], more].concat()).output().unwrap();
    let dry = run(&["--dry-run", "--json", "--preset", "paper"]);
    let told: serde_json::Value = serde_json::from_slice(&dry.stdout).unwrap();
    assert_eq!((told["train_examples"].as_u64(), told["steps"].as_u64()), (Some(9), Some(10)));
    assert_eq!(told["recipe"]["prompt"]["max_length"], 512);
    assert!(!place.path("models").join("training").exists());
    let printed = run(&["--print-recipe", "--epochs", "7", "--learning-rate", "0.001"]);
    assert!(text(&printed).contains("epochs = 7") && text(&printed).contains("learning_rate = 0.001"));
    let wrong = run(&["--name", "x", "--warmup", "3"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong).contains("optimizer.warmup is 3"), "{}", text(&wrong));
    assert_eq!(run(&[]).status.code(), Some(2));
    let made = run(&[
        "--name",
        "stars",
        "--epochs",
        "1",
        "--dev-limit",
        "2",
        "--max-length",
        "32",
        "--max-new-tokens",
        "2",
        "--json",
    ]);
    let told: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!((told["ended"].as_str(), told["steps"].as_u64()), (Some("all_epochs"), Some(1)));
    let again = place.command(&["train", "resume", "stars"]).output().unwrap();
    assert!(again.status.success() && text(&again).contains("registered as stars"), "{}", text(&again));
    let answer =
        place.command(&["generate", "--model", "stars", "--prompt", "good", "--max-new-tokens", "2"]);
    assert!({ answer }.output().unwrap().status.success());
    assert!(Checkpoint::open(&place.path("models/training/stars/model")).is_ok());
}

/// A disk of 4 MB in memory, where the user may make one.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn new() -> Option<Self> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let folder = tempfile::tempdir().ok()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(folder.path());
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self { folder })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.folder.path()).output();
    }
}

/// The disk fills while a job works; with room again it ends as one that never ran out of it.
fn full_disk(disk: &Disk) {
    let place = Place::new();
    let recipe = place.recipe();
    let whole = place.start(&recipe, "whole", &Control::default()).unwrap();
    let workplace = place.workplace();
    let prepared = || prepare(&recipe, &workplace, &CancelToken::new(), &Progress::new()).unwrap();
    let job = disk.folder.path().join("job");
    let ballast = disk.folder.path().join("ballast");
    let options = JobOptions { checkpoint_steps: Some(1), ..JobOptions::new(job.clone(), None) };
    let control = Control::default();
    let filler = std::thread::spawn({
        let (control, ballast) = (control.clone(), ballast.clone());
        move || {
            while control.latest().get().is_none_or(|progress| progress.step < 2) {
                std::thread::yield_now();
            }
            // Writes until there is no room; what fits stays.
            use std::io::Write;
            let mut file = std::fs::File::create(ballast).unwrap();
            while file.write_all(&[1; 4096]).is_ok() {}
        }
    });
    let error = start(prepared(), &options, &workplace, &control).unwrap_err().to_string();
    filler.join().unwrap();
    assert!(error.contains("The disk is full") && error.contains("train resume"), "{error}");
    // Still full: it says so again, and loses nothing.
    assert!(resume(&options, &workplace, &Control::default(), &Progress::new()).is_err());
    std::fs::remove_file(&ballast).unwrap();
    let outcome = resume(&options, &workplace, &Control::default(), &Progress::new()).unwrap();
    assert!(weights(&outcome.model) == weights(&whole.model));
}
