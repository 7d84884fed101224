//! Adapters of low rank: against PEFT and transformers, against finite differences, merged against applied, and for many users.
//! Models are tiny and their tokenizer has a token for each character.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test asserts in the plainest way")]

mod support;
#[path = "support/tiny_t5.rs"]
mod tiny_t5;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::sync::Arc;
use std::time::Duration;

use candle_core::{DType, Device, Tensor};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::lamp::{Setting, Split, Task};
use lamplight::model::lora::{self, AdapterConfig, Additions, Collection, user_file, user_key};
use lamplight::model::registry::{EncoderDefaults, Registry};
use lamplight::model::t5::{T5Config, T5Engine, T5Model, T5Options, matrices};
use lamplight::model::weights::LowRank;
use lamplight::model::{
    DeviceChoice, Dropout, GenerationConfig, Generator, Hypothesis, Precision, PromptInput, describe,
};
use lamplight::run::Workplace;
use lamplight::train::t5::{DevOptions, T5FineTuning};
use lamplight::train::{
    AdamWOptions, Control, Decline, Ended, Example, Examples, JobOptions, LORA_TARGETS, LoraRecipe, Outcome,
    Parameter, Plan, Schedule, TrainError, TrainRecipe, Trainable, Trainer, UsersControl, UsersOutcome,
    merge, prepare, prepare_users, read_curve, resume, resume_users, start, start_users,
};
use libtest_mimic::{Failed, Trial};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tiny_t5::write_model;

fn main() -> ExitCode {
    let tests: [(&str, fn()); 15] = [
        ("a_new_adapter_leaves_the_model_as_it_is", nothing_yet),
        ("gradients_are_those_of_finite_differences", finite_differences),
        ("checkpointed_gradients_are_the_same", checkpointed),
        ("pefts_adapter_answers_and_learns_as_there", golden),
        ("merged_and_applied_are_one_model", merged_and_applied),
        ("records_are_learned_by_heart_beside_frozen_weights", overfit),
        ("a_job_canceled_again_and_again_ends_with_the_same_adapter", canceled),
        ("what_is_written_is_pefts_layout_and_comes_back", layout),
        ("names_and_kinds_of_numbers_of_other_writers_are_read", other_writers),
        ("bad_adapters_are_refused_by_file_and_key", refused),
        ("an_adapter_takes_less_memory_than_all_weights", memory),
        ("bases_are_found_and_identify_an_adapter", bases),
        ("each_user_has_an_adapter_however_often_a_job_is_broken_off", users),
        ("an_adapter_changes_the_answers_of_its_user_alone", own_answers),
        ("the_program_trains_runs_merges_and_exports", program),
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
    let real = support::models().join("t5-large-lora");
    trials.push(support::needs("a_real_adapter_of_a_large_model_is_read", real, large));
    support::run(trials)
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/sample")
}

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/t5/lora_v11_micro")
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn dev_options() -> DevOptions {
    DevOptions { generation: GenerationConfig::default(), batch: 4, threads: 1, device: DeviceChoice::Cpu }
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

/// All matrices that the model has.
fn everywhere(gated: bool) -> LoraRecipe {
    let has = |name: &str| match name {
        "wi" => !gated,
        "wi_0" | "wi_1" => gated,
        _ => true,
    };
    let targets = LORA_TARGETS.into_iter().filter(|name| has(name)).map(str::to_owned).collect();
    LoraRecipe { r: 3, alpha: 6.0, dropout: 0.3, targets }
}

/// A tiny model with an adapter for every matrix.
fn tiny(which: &str, examples: Examples) -> (tempfile::TempDir, T5FineTuning) {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path(), which);
    let recipe = everywhere(which != "v10_micro");
    let model = T5FineTuning::load_adapter(folder.path(), examples, dev_options(), &recipe, 5).unwrap();
    (folder, model)
}

/// Gives B numbers, as training would.
fn fill(model: &T5FineTuning, seed: u64, size: f32) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for Parameter { name, var, .. } in model.parameters() {
        if name.contains("lora_B") {
            let numbers =
                (0..var.elem_count()).map(|_| random.random_range(-size..size)).collect::<Vec<f32>>();
            var.set(&Tensor::from_vec(numbers, var.shape(), &Device::Cpu).unwrap()).unwrap();
        }
    }
}

fn loss_of(model: &T5FineTuning, batch: &[u32], dropout: &mut Dropout) -> f64 {
    f64::from(model.loss(batch, dropout).unwrap().to_scalar::<f32>().unwrap())
}

/// B is zero at first, whatever A is, and both are as PEFT begins them; the seed decides A.
fn nothing_yet() {
    for which in ["v10_micro", "v11_micro", "v11_v5tied_micro"] {
        let (folder, model) = tiny(which, random_examples(5));
        let whole = T5FineTuning::load(folder.path(), random_examples(5), dev_options()).unwrap();
        let batch = [0, 1, 2, 3, 4];
        let (with, without) =
            (loss_of(&model, &batch, &mut Dropout::off()), loss_of(&whole, &batch, &mut Dropout::off()));
        assert!((with - without).abs() < 1e-6, "{which}: {with} instead of {without}");
        for Parameter { name, var, .. } in model.parameters() {
            let numbers = values(var.as_tensor());
            let most = numbers.iter().fold(0f32, |most, value| most.max(value.abs()));
            let bound = 1.0 / (var.dims()[1] as f32).sqrt();
            match name.contains("lora_A") {
                true => assert!(most <= bound && most > 0.8 * bound, "{name}: {most} of {bound}"),
                false => assert_eq!(most, 0.0, "{name}"),
            }
        }
        let again = T5FineTuning::load_adapter(
            folder.path(),
            random_examples(1),
            dev_options(),
            &everywhere(which != "v10_micro"),
            6,
        );
        let (one, other) = (&model.parameters()[0], &again.unwrap().parameters()[0].clone());
        assert_ne!(values(one.var.as_tensor()), values(other.var.as_tensor()));
    }
}

/// Every A and B: how the loss changes along the gradient and along a random direction, with dropout.
fn finite_differences() {
    for which in ["v10_micro", "v11_micro"] {
        let (_folder, model) = tiny(which, random_examples(3));
        fill(&model, 2, 0.1);
        let loss = || loss_of(&model, &[0, 1, 2], &mut Dropout::new(0.2, 5));
        let gradients = model.loss(&[0, 1, 2], &mut Dropout::new(0.2, 5)).unwrap().backward().unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(3);
        for Parameter { name, var, .. } in model.parameters() {
            let gradient = values(gradients.get(var.as_tensor()).unwrap());
            let before = values(var.as_tensor());
            let drawn: Vec<f32> = before.iter().map(|_| random.random_range(-1.0..1.0)).collect();
            for direction in [&gradient, &drawn] {
                let length = direction.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
                let slope: f64 = gradient.iter().zip(direction).map(|(g, d)| f64::from(g * d)).sum();
                let slope = slope / length.max(1e-12);
                let at = |factor: f64| {
                    let step = (factor / length.max(1e-12)) as f32;
                    let moved = before.iter().zip(direction).map(|(b, d)| b + step * d).collect::<Vec<f32>>();
                    var.set(&Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap()).unwrap();
                    loss()
                };
                let measure = |step: f64| (at(step) - at(-step)) / (2.0 * step);
                let apart = |measured: &f64| (measured - slope).abs();
                let measured = [8e-3, 2e-3, 5e-4, 1.2e-4].map(measure);
                let measured = measured.into_iter().min_by(|a, b| apart(a).total_cmp(&apart(b))).unwrap();
                let close = apart(&measured) <= 0.03 * slope.abs() + 1.5e-3;
                assert!(close, "{which}, {name}: {slope} instead of {measured}");
            }
            var.set(&Tensor::from_vec(before, var.shape(), &Device::Cpu).unwrap()).unwrap();
        }
        let at_seed = |seed| loss_of(&model, &[0, 1, 2], &mut Dropout::new(0.0, seed));
        assert!(at_seed(5) != at_seed(6), "what an adapter reads is not dropped");
    }
}

/// Activations that are computed again give the gradients that kept ones give.
fn checkpointed() {
    let gradients = |checkpointing| {
        let (_folder, model) = tiny("v11_micro", random_examples(4));
        let model = model.computing(Precision::F32, checkpointing);
        fill(&model, 2, 0.3);
        let mut gradients = lamplight::train::Gradients::new(model.parameters());
        let loss = model.learn(&[0, 1, 2, 3], 1.0, &mut Dropout::new(0.2, 5), &mut gradients).unwrap();
        let all: Vec<Vec<f32>> = gradients.iter().map(|gradient| values(gradient.unwrap())).collect();
        (loss, all.concat())
    };
    let ((loss, kept), (again, computed)) = (gradients(false), gradients(true));
    assert_eq!(loss, again);
    let apart = kept.iter().zip(&computed).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-4, "{apart}");
}

fn tokens(value: &Value) -> Vec<Vec<u32>> {
    serde_json::from_value(value.clone()).unwrap()
}

/// An adapter that PEFT wrote: answers by beams as transformers gives them, and ten steps of training as torch takes them.
fn golden() {
    let expected: Value =
        serde_json::from_slice(&std::fs::read(golden_folder().join("expected.json")).unwrap()).unwrap();
    let place = Place::new();
    let adapter = place.copy_golden("peft");
    lora::set_base(&adapter, &place.path("base")).unwrap();
    let prompts = tokens(&expected["prompts"]);
    let views: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let config = GenerationConfig { max_new_tokens: 12, ..GenerationConfig::default() };
    let ends = |row: &Vec<u32>| row[1..].iter().copied().filter(|&token| token != 1).collect::<Vec<u32>>();
    let wanted: Vec<Vec<u32>> = tokens(&expected["answers"]).iter().map(ends).collect();
    assert_ne!(wanted, tokens(&expected["plain"]).iter().map(ends).collect::<Vec<_>>());
    let options = T5Options { threads: 1, ..T5Options::default() };
    for mut engine in
        [T5Engine::load(&adapter, options).unwrap(), T5Engine::load_reference(&adapter, options).unwrap()]
    {
        let found = engine.generate(&CancelToken::new(), &views, &config).unwrap();
        assert_eq!(found.iter().map(|hypotheses| best(hypotheses)).collect::<Vec<_>>(), wanted);
    }
    // Applied beside the base, the parts of feed-forward layers that are activated are left out: those are merged only.
    let labels = tokens(&expected["labels"]);
    let train = prompts.iter().zip(&labels).enumerate().map(|(number, (prompt, labels))| Example {
        id: number.to_string(),
        prompt: prompt.clone(),
        labels: labels.clone(),
    });
    let examples = Examples { train: train.collect(), ..Examples::default() };
    let recipe = LoraRecipe { r: 4, alpha: 12.0, ..everywhere(true) }; // 6 / √4 = 12 / 4
    let model = T5FineTuning::load_adapter(&place.path("base"), examples, dev_options(), &recipe, 0).unwrap();
    let stored =
        candle_core::safetensors::load(adapter.join("adapter_model.safetensors"), &Device::Cpu).unwrap();
    assert_eq!(stored.len(), model.parameters().len());
    for Parameter { name, var, .. } in model.parameters() {
        var.set(&stored[name]).unwrap();
    }
    let plan = Plan {
        epochs: 10,
        batch: 4,
        micro_batch: 4,
        dropout: 0.0,
        seed: 1,
        patience: None,
        clip: Some(1.0),
        adamw: AdamWOptions { weight_decay: 0.01, ..AdamWOptions::default() },
        schedule: Schedule { peak: 2e-3, warmup: 0, steps: 10, decline: Decline::Constant },
        checkpoint_every: Duration::MAX,
        checkpoint_steps: None,
    };
    let folder = tempfile::tempdir().unwrap();
    let control = Control::default();
    let model = Undropped(model);
    Trainer::new(model, plan, folder.path(), &control).unwrap().run().unwrap();
    let curve = read_curve(&folder.path().join("curve.jsonl")).unwrap();
    let steps: Vec<(f64, f64)> = curve
        .iter()
        .filter_map(|point| match point {
            lamplight::train::CurvePoint::Step { loss, gradient_norm, .. } => Some((*loss, *gradient_norm)),
            lamplight::train::CurvePoint::Dev(_) => None,
        })
        .collect();
    assert_eq!(steps.len(), 10);
    for (number, (loss, norm)) in steps.into_iter().enumerate() {
        let (want, want_norm) =
            (expected["losses"][number].as_f64().unwrap(), expected["norms"][number].as_f64().unwrap());
        assert!((loss - want).abs() < 1e-3 * want, "step {number}: {loss} instead of {want}");
        assert!((norm - want_norm).abs() < 1e-3 * want_norm, "step {number}: {norm} instead of {want_norm}");
    }
}

fn best(hypotheses: &[Hypothesis]) -> Vec<u32> {
    hypotheses[0].tokens.iter().copied().filter(|&token| token != 1).collect()
}

/// A model that is trained without any dropout, that of its adapter included.
struct Undropped(T5FineTuning);

impl Trainable for Undropped {
    fn parameters(&self) -> &[Parameter] {
        self.0.parameters()
    }

    fn lengths(&self) -> &[usize] {
        self.0.lengths()
    }

    fn tokens(&self, example: usize) -> usize {
        self.0.tokens(example)
    }

    fn weight(&self, example: usize) -> f64 {
        self.0.weight(example)
    }

    fn id(&self, example: usize) -> &str {
        self.0.id(example)
    }

    fn loss(&self, examples: &[u32], _: &mut Dropout) -> Result<Tensor, TrainError> {
        // The adapter's share is set anew by the model, so one that is never drawn from is handed in.
        self.0.loss_without_dropout(examples)
    }

    fn write(&self, folder: &Path) -> Result<(), TrainError> {
        self.0.write(folder)
    }

    fn evaluate(
        &mut self,
        _: &Path,
        _: &CancelToken,
        _: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<lamplight::train::DevScore>, TrainError> {
        Ok(Vec::new())
    }
}

/// The model with its adapter on tensors, as files that are loaded, as a merged model, and applied beside the base in a batch
/// with other adapters: one and the same.
fn merged_and_applied() {
    for which in ["v10_micro", "v11_micro"] {
        let place = Place::of(which);
        let base = place.path("base");
        let gated = which != "v10_micro";
        let outer = LoraRecipe {
            targets: ["q", "k", "v", "o", "wo"].map(str::to_owned).to_vec(),
            ..everywhere(gated)
        };
        for recipe in [everywhere(gated), outer.clone()] {
            let model =
                T5FineTuning::load_adapter(&base, random_examples(6), dev_options(), &recipe, 5).unwrap();
            fill(&model, 4, 0.2);
            let adapter = place.path("adapter");
            let _ = std::fs::remove_dir_all(&adapter);
            std::fs::create_dir_all(&adapter).unwrap();
            model.write(&adapter).unwrap();
            let merged = place.path("merged");
            let _ = std::fs::remove_dir_all(&merged);
            merge(&adapter, &merged).unwrap();
            assert!(merge(&adapter, &merged).unwrap_err().to_string().contains("not empty"));
            let whole = T5FineTuning::load(&merged, random_examples(6), dev_options()).unwrap();
            let batch = [0, 1, 2, 3, 4, 5];
            let applied = model.loss_without_dropout(&batch).unwrap().to_scalar::<f32>().unwrap();
            let once = whole.loss(&batch, &mut Dropout::off()).unwrap().to_scalar::<f32>().unwrap();
            assert!((applied - once).abs() < 1e-5, "{which}: {applied} and {once}");
            let examples = random_examples(6).train;
            let prompts: Vec<&[u32]> = examples.iter().map(|example| example.prompt.as_slice()).collect();
            let config = GenerationConfig { max_new_tokens: 8, beams: 3, ..GenerationConfig::default() };
            let cancel = CancelToken::new();
            let load = |folder: &Path| {
                T5Engine::load(folder, T5Options { threads: 2, ..T5Options::default() }).unwrap()
            };
            let from_adapter = load(&adapter).generate(&cancel, &prompts, &config).unwrap();
            let from_merged = load(&merged).generate(&cancel, &prompts, &config).unwrap();
            let plain = load(&base).generate(&cancel, &prompts, &config).unwrap();
            assert_eq!(from_adapter, from_merged);
            assert_ne!(from_adapter, plain);
            let t5 = T5Config::from_file(&base.join("config.json")).unwrap();
            let own = lora::read(
                &adapter.join("adapter_model.safetensors"),
                &AdapterConfig::read(&adapter).unwrap(),
                &base,
                &t5,
            );
            let (own, nothing) = (Arc::new(own.unwrap()), Arc::new(Additions::new()));
            // Every other prompt is someone else's, who has nothing added.
            let adapters: Vec<Arc<Additions>> =
                (0..prompts.len()).map(|i| Arc::clone(if i % 2 == 0 { &own } else { &nothing })).collect();
            let beside = load(&base).generate_with(&cancel, &prompts, &adapters, &config);
            if recipe != outer {
                assert!(beside.unwrap_err().to_string().contains("merged"));
                continue;
            }
            let reference = T5Engine::load_reference(&base, T5Options::default())
                .unwrap()
                .generate_with(&cancel, &prompts, &adapters, &config);
            for found in [beside.unwrap(), reference.unwrap()] {
                for (number, hypotheses) in found.iter().enumerate() {
                    let wanted = if number % 2 == 0 { &from_adapter[number] } else { &plain[number] };
                    assert_eq!(hypotheses.len(), wanted.len());
                    for (one, other) in hypotheses.iter().zip(wanted) {
                        assert_eq!(one.tokens, other.tokens, "{which}, prompt {number}");
                        assert!((one.score - other.score).abs() < 1e-4, "{} {}", one.score, other.score);
                    }
                }
            }
        }
    }
}

/// Six records to exact match with an adapter alone, answered by the model as it was registered.
fn overfit() {
    let place = Place::new();
    let mut recipe = place.recipe();
    recipe.data.paths = vec![data().join("LaMP_4")];
    recipe.data.tasks = vec![Task::Lamp4];
    (recipe.data.limit, recipe.data.dev) = (Some(6), None);
    (recipe.prompt.max_length, recipe.prompt.max_label_length) = (80, 6);
    recipe.retrieval.retriever = "none".to_owned();
    (recipe.training.batch, recipe.training.micro_batch) = (6, None);
    (recipe.training.epochs, recipe.training.dropout) = (100, Some(0.0));
    recipe.optimizer.learning_rate = 1e-2;
    recipe.lora = Some(LoraRecipe { r: 16, alpha: 32.0, dropout: 0.0, ..everywhere(true) });
    let workplace = place.workplace();
    let prepared = prepare(&recipe, &workplace, &CancelToken::new(), &Progress::new()).unwrap();
    let examples = prepared.examples.train.clone();
    start(prepared, &place.options("job", Some("by-heart")), &workplace, &Control::default()).unwrap();
    let path = workplace.resolve("by-heart").unwrap().path;
    let before = std::fs::read(place.path("base/model.safetensors")).unwrap();
    let mut model = T5Model::load(&path, T5Options { threads: 1, ..T5Options::default() }).unwrap();
    let prompts: Vec<PromptInput<'_>> =
        examples.iter().map(|example| PromptInput { text: "", tokens: &example.prompt }).collect();
    let config = GenerationConfig { max_new_tokens: 16, ..GenerationConfig::default() };
    let answers = model.generate(&CancelToken::new(), &prompts, &config).unwrap();
    let right = answers.iter().zip(&examples).filter(|(answer, example)| {
        let labels: Vec<u32> = example.labels.iter().copied().filter(|&token| token != 1).collect();
        best(&answer.hypotheses) == labels
    });
    assert_eq!(right.count(), 6);
    assert_eq!(std::fs::read(place.path("base/model.safetensors")).unwrap(), before);
}

/// A place of its own for models and jobs.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self::of("v11_micro")
    }

    fn of(which: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_model(&folder.path().join("base"), which);
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn copy_golden(&self, name: &str) -> PathBuf {
        let to = self.path(name);
        std::fs::create_dir_all(&to).unwrap();
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            std::fs::copy(golden_folder().join(file), to.join(file)).unwrap();
        }
        to
    }

    fn workplace(&self) -> Workplace {
        Workplace::new(Registry::new(self.path("models")))
            .with_cache(Some(self.path("cache")))
            .with_threads(1)
    }

    /// Ratings from reviews with an adapter: small and quick.
    fn recipe(&self) -> TrainRecipe {
        let mut recipe = TrainRecipe {
            model: self.path("base").display().to_string(),
            lora: Some(LoraRecipe { r: 4, ..LoraRecipe::default() }),
            ..TrainRecipe::default()
        };
        recipe.data.paths = vec![data().join("LaMP_3")];
        recipe.data.tasks = vec![Task::Lamp3];
        recipe.data.settings = vec![Setting::User];
        (recipe.data.limit, recipe.data.dev_limit) = (Some(12), Some(4));
        (recipe.retrieval.retriever, recipe.retrieval.k) = ("bm25".to_owned(), 1);
        recipe.prompt.max_length = 48;
        recipe.optimizer.learning_rate = 2e-2;
        (recipe.training.epochs, recipe.training.batch) = (3, 4);
        recipe.training.micro_batch = Some(2);
        recipe.training.dropout = Some(0.1);
        (recipe.evaluation.beams, recipe.evaluation.max_new_tokens) = (2, 3);
        recipe
    }

    /// An adapter for each of five users.
    fn users_recipe(&self) -> TrainRecipe {
        let mut recipe = self.recipe();
        recipe.retrieval.retriever = "none".to_owned();
        (recipe.data.split, recipe.data.dev, recipe.data.limit) = (Split::Dev, None, Some(5));
        (recipe.prompt.max_length, recipe.training.epochs, recipe.training.batch) = (64, 3, 16);
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

    fn start_users(&self, job: &str, limit: Option<usize>) -> Result<UsersOutcome, TrainError> {
        let (workplace, control) = (self.workplace(), canceled_after(limit));
        let prepared =
            prepare_users(&self.users_recipe(), &workplace, &CancelToken::new(), &Progress::new())?;
        start_users(prepared, &self.path(job), Some(job), &workplace, &control)
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
        command.current_dir(self.folder.path()).args(arguments).env("LAMPLIGHT_STORE", self.path("runs.db"));
        command.env("LAMPLIGHT_MODELS", self.path("models")).env("LAMPLIGHT_CACHE_DIR", self.path("cache"));
        command.output().unwrap()
    }
}

/// What steers a job for users until so many have their adapter.
fn canceled_after(limit: Option<usize>) -> UsersControl {
    let control = UsersControl::default();
    if let Some(limit) = limit {
        let control = control.clone();
        std::thread::spawn(move || {
            while control.latest().get().is_none_or(|progress| progress.done < limit) {
                std::thread::yield_now();
            }
            control.cancel().cancel();
        });
    }
    control
}

fn adapter_bytes(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("adapter_model.safetensors")).unwrap()
}

fn canceled() {
    let place = Place::new();
    let whole = place.start(&place.recipe(), "whole", &Control::default()).unwrap();
    assert_eq!(whole.ended, Ended::AllEpochs);
    let canceled_at = |step: u64| {
        let control = Control::default();
        let watcher = control.clone();
        std::thread::spawn(move || {
            while watcher.latest().get().is_none_or(|progress| progress.step < step) {
                std::thread::yield_now();
            }
            watcher.cancel().cancel();
        });
        control
    };
    let mut ended = place.start(&place.recipe(), "job", &canceled_at(2));
    for step in [4, 5, 8] {
        if ended.is_err() {
            ended = place.resume("job", &canceled_at(step));
        }
    }
    let outcome = place.resume("job", &Control::default()).unwrap();
    assert!(adapter_bytes(&outcome.model) == adapter_bytes(&whole.model));
    assert_eq!(outcome.evaluations, whole.evaluations);
    let moments = place.path("job");
    assert!(!moments.join("state-0000000009").exists(), "what only a resumed job needs is gone");
    // The optimizer has moments of the adapter alone.
    let control = Control::default();
    control.cancel().cancel();
    assert!(place.start(&place.recipe(), "other", &control).is_err());
    let moments = place.path("other").join("state-0000000000").join("moments.safetensors");
    let size = std::fs::metadata(moments).unwrap().len();
    assert!(size < 3 * adapter_bytes(&whole.model).len() as u64, "{size}");
}

fn layout() {
    let place = Place::new();
    let outcome = place.start(&place.recipe(), "stars", &Control::default()).unwrap();
    let config: Value =
        serde_json::from_slice(&std::fs::read(outcome.model.join("adapter_config.json")).unwrap()).unwrap();
    let base = place.path("base").display().to_string();
    for (key, value) in [
        ("peft_type", json!("LORA")),
        ("task_type", json!("SEQ_2_SEQ_LM")),
        ("r", json!(4)),
        ("lora_alpha", json!(32)),
        ("lora_dropout", json!(0.1)),
        ("target_modules", json!(["q", "k", "v"])),
        ("bias", json!("none")),
        ("base_model_name_or_path", json!(base)),
        ("use_rslora", json!(false)),
    ] {
        assert_eq!(config[key], value, "{key}");
    }
    let stored =
        candle_core::safetensors::load(outcome.model.join("adapter_model.safetensors"), &Device::Cpu)
            .unwrap();
    let golden =
        candle_core::safetensors::load(golden_folder().join("adapter_model.safetensors"), &Device::Cpu)
            .unwrap();
    // Two encoder and two decoder blocks, the latter with two attentions, of three matrices with two halves.
    assert_eq!(stored.len(), 6 * 3 * 2);
    for (name, tensor) in &stored {
        assert_eq!(golden[name].dims(), tensor.dims(), "{name}");
    }
    let t5 = T5Config::from_file(&place.path("base/config.json")).unwrap();
    let file = outcome.model.join("adapter_model.safetensors");
    let read =
        lora::read(&file, &AdapterConfig::read(&outcome.model).unwrap(), &place.path("base"), &t5).unwrap();
    for (name, LowRank { a, b, scale, .. }) in &read {
        let [key_a, key_b] = lora::keys(name);
        assert_eq!((*a == values(&stored[&key_a]), *b == values(&stored[&key_b]), *scale), (true, true, 8.0));
    }
    let learned = read.values().any(|added| added.b.iter().any(|value| *value != 0.0));
    assert!(read.len() == 18 && learned);
    assert!(outcome.model.join("recipe.json").is_file() && !outcome.model.join("config.json").exists());
}

fn save(folder: &Path, tensors: &BTreeMap<String, Tensor>) {
    let tensors: std::collections::HashMap<String, Tensor> = tensors.clone().into_iter().collect();
    candle_core::safetensors::save(&tensors, folder.join("adapter_model.safetensors")).unwrap();
}

fn load(folder: &Path) -> BTreeMap<String, Tensor> {
    let path = folder.join("adapter_model.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu).unwrap().into_iter().collect()
}

fn other_writers() {
    let place = Place::new();
    let adapter = place.copy_golden("adapter");
    let t5 = T5Config::from_file(&place.path("base/config.json")).unwrap();
    let read = || {
        let config = AdapterConfig::read(&adapter).unwrap();
        lora::read(&adapter.join("adapter_model.safetensors"), &config, &place.path("base"), &t5).unwrap()
    };
    let (whole, tensors) = (read(), load(&adapter));
    assert_eq!(whole.len(), matrices(&t5).len());
    let renamed = |rename: &dyn Fn(&str) -> String| {
        let renamed = tensors.iter().map(|(name, tensor)| (rename(name), tensor.clone())).collect();
        save(&adapter, &renamed);
        read()
    };
    assert_eq!(renamed(&|name| name.replace(".weight", ".default.weight")), whole);
    assert_eq!(renamed(&|name| name.replace("base_model.model.", "")), whole);
    for (dtype, tolerance) in [(DType::F16, 1e-3), (DType::BF16, 8e-3)] {
        let short = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.to_dtype(dtype).unwrap()));
        save(&adapter, &short.collect());
        for (name, added) in read() {
            let apart = added
                .b
                .iter()
                .zip(&whole[&name].b)
                .all(|(a, b)| (a - b).abs() <= tolerance * b.abs().max(1e-3));
            assert!(apart, "{name} in {dtype:?}");
        }
    }
}

fn refused() {
    let place = Place::new();
    let adapter = place.copy_golden("adapter");
    lora::set_base(&adapter, &place.path("base")).unwrap();
    describe(&adapter).unwrap();
    let config = std::fs::read(adapter.join("adapter_config.json")).unwrap();
    let with = |key: &str, value: Value| {
        let mut changed: Value = serde_json::from_slice(&config).unwrap();
        changed[key] = value;
        std::fs::write(adapter.join("adapter_config.json"), changed.to_string()).unwrap();
        let error = describe(&adapter).unwrap_err().to_string();
        assert!(error.contains("adapter_config.json") && error.contains(key), "{key}: {error}");
        std::fs::write(adapter.join("adapter_config.json"), &config).unwrap();
    };
    for (key, value) in [
        ("peft_type", json!("IA3")),
        ("peft_type", Value::Null),
        ("bias", json!("all")),
        ("task_type", json!("CAUSAL_LM")),
        ("use_dora", json!(true)),
        ("modules_to_save", json!(["lm_head"])),
        ("rank_pattern", json!({"q": 2})),
        ("alpha_pattern", json!({"q": 2})),
        ("init_lora_weights", json!("pissa_niter_4")),
        ("fan_in_fan_out", json!(true)),
        ("trainable_token_indices", json!([1])),
        ("alora_invocation_tokens", json!([1])),
        ("r", json!(0)),
        ("r", json!("four")),
        ("lora_alpha", Value::Null),
    ] {
        with(key, value);
    }
    std::fs::write(adapter.join("adapter_config.json"), "{").unwrap();
    assert!(describe(&adapter).unwrap_err().to_string().contains("adapter_config.json"));
    std::fs::write(adapter.join("adapter_config.json"), &config).unwrap();
    let tensors = load(&adapter);
    let key = "base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_A.weight";
    let other = "base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_B.weight";
    let spoiled = |spoil: &dyn Fn(&mut BTreeMap<String, Tensor>), words: &[&str]| {
        let mut changed = tensors.clone();
        spoil(&mut changed);
        save(&adapter, &changed);
        let error = describe(&adapter).unwrap_err().to_string();
        for word in words.iter().chain(&["adapter_model.safetensors"]) {
            assert!(error.contains(word), "{word} is not in {error}");
        }
    };
    let zeros = |shape: (usize, usize)| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    spoiled(&|t| drop(t.insert(key.to_owned(), zeros((5, 32)))), &[key, "[5, 32]", "[4, 32]"]);
    spoiled(&|t| drop(t.insert(key.to_owned(), zeros((4, 31)))), &[key, "[4, 31]"]);
    spoiled(&|t| drop(t.remove(other)), &[key, other]);
    spoiled(&|t| drop(t.insert(key.to_owned(), (zeros((4, 32)) + f64::NAN).unwrap())), &[key, "not finite"]);
    spoiled(&|t| t.clear(), &["no adapter"]);
    for name in [
        "base_model.model.encoder.block.9.layer.0.SelfAttention.q.lora_A.weight",
        "base_model.model.lm_head.lora_A.weight",
        "base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_magnitude_vector",
        "base_model.model.encoder.block.0.layer.0.SelfAttention.q.bias",
    ] {
        spoiled(&|t| drop(t.insert(name.to_owned(), zeros((4, 32)))), &[name, "q, k, v, o"]);
    }
    std::fs::write(adapter.join("adapter_model.safetensors"), "nothing").unwrap();
    assert!(describe(&adapter).unwrap_err().to_string().contains("adapter_model.safetensors"));
    std::fs::remove_file(adapter.join("adapter_model.safetensors")).unwrap();
    assert!(describe(&adapter).unwrap_err().to_string().contains("adapter_model.safetensors"));
    // Recipes.
    let told = |change: &dyn Fn(&mut TrainRecipe)| {
        let mut recipe = place.recipe();
        change(&mut recipe);
        let error = place.start(&recipe, "bad", &Control::default()).unwrap_err().to_string();
        assert!(!place.path("bad").exists());
        error
    };
    let lora = |recipe: &mut TrainRecipe, target: &str| {
        recipe.lora.as_mut().unwrap().targets = vec![target.to_owned()];
    };
    assert!(told(&|r| lora(r, "query")).contains("q, k, v, o, wi, wi_0, wi_1, wo"));
    let error = told(&|r| lora(r, "wi"));
    assert!(error.contains("wi_0, wi_1 and wo") && error.contains("lora.targets is wi"), "{error}");
    let stacked = place.copy_golden("stacked");
    lora::set_base(&stacked, &place.path("base")).unwrap();
    assert!(told(&|r| r.model = stacked.display().to_string()).contains("an adapter itself"));
    let users = |change: &dyn Fn(&mut TrainRecipe)| {
        let mut recipe = place.users_recipe();
        change(&mut recipe);
        let prepared = prepare_users(&recipe, &place.workplace(), &CancelToken::new(), &Progress::new());
        prepared.err().unwrap().to_string()
    };
    assert!(users(&|r| r.retrieval.retriever = "bm25".to_owned()).contains("retrieval.retriever"));
    assert!(users(&|r| r.data.dev = Some(Split::Train)).contains("data.dev"));
    assert!(users(&|r| lora(r, "wi_0")).contains("q, k, v, o and wo"));
}

fn memory() {
    let place = Place::new();
    let estimate = |lora: Option<LoraRecipe>| {
        let recipe = TrainRecipe { lora, ..place.recipe() };
        prepare(&recipe, &place.workplace(), &CancelToken::new(), &Progress::new()).unwrap().estimate
    };
    let (whole, adapter) = (estimate(None), estimate(place.recipe().lora));
    // 18 matrices of 36 × 32, of rank 4.
    assert_eq!(adapter.parameters, 18 * 4 * (36 + 32));
    assert_eq!(adapter.state, 4 * whole.parameters + 16 * adapter.parameters);
    assert!(adapter.needed() < whole.needed() && adapter.operations < whole.operations);
}

/// The registry finds a base by what the adapter says, by a path or by a name; the fingerprint covers base and adapter.
fn bases() {
    let place = Place::new();
    let (registry, cancel, progress) =
        (Registry::new(place.path("models")), CancelToken::new(), Progress::new());
    let adapter = place.copy_golden("from-python");
    let add = |base: Option<&str>, name: &str, copy: bool| {
        registry.add_for(&adapter, base, Some(name), copy, EncoderDefaults::default(), &cancel, &progress)
    };
    let error = add(None, "one", false).unwrap_err().to_string();
    assert!(error.contains("someone/tiny") && error.contains("--base"), "{error}");
    let base = place.path("base");
    let by_path = add(Some(base.to_str().unwrap()), "one", false).unwrap();
    registry.add(&base, Some("someone/tiny"), false, EncoderDefaults::default(), &cancel, &progress).unwrap();
    let by_name = add(None, "two", false).unwrap();
    assert!(by_path.is_own() && by_name.is_own(), "an adapter that does not name a folder is copied");
    assert_eq!(by_path.fingerprint, by_name.fingerprint);
    assert_eq!(
        add(None, "two", false).unwrap().fingerprint,
        by_name.fingerprint,
        "adding it again changes nothing"
    );
    assert_eq!((by_name.architecture.as_str(), by_name.files.len()), ("t5", 2));
    let loaded = |name: &str| T5Model::load(&registry.resolve(name).unwrap().path, T5Options::default());
    loaded("one").unwrap();
    loaded("two").unwrap();
    let told = registry.add_for(
        &base,
        Some("one"),
        Some("three"),
        false,
        EncoderDefaults::default(),
        &cancel,
        &progress,
    );
    assert!(told.unwrap_err().to_string().contains("--base"));
    // Another base, another scale, other numbers: another model.
    let fingerprint =
        || registry.fingerprint(&registry.resolve("one").unwrap().path, &cancel, &progress).unwrap();
    let before = fingerprint();
    assert_eq!(before, by_path.fingerprint);
    let path = registry.resolve("one").unwrap().path.join("adapter_config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("\"lora_alpha\": 6", "\"lora_alpha\": 7")).unwrap();
    assert_ne!(fingerprint(), before);
    std::fs::write(&path, config.replace("\"lora_dropout\": 0.1", "\"lora_dropout\": 0.2")).unwrap();
    assert_eq!(fingerprint(), before);
    let config = place.path("base/config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text} ")).unwrap();
    assert_ne!(fingerprint(), before);
}

fn adapters(job: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(job.join("model/users")).unwrap();
    files
        .map(|file| {
            let path = file.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap())
        })
        .collect()
}

fn users() {
    let place = Place::new();
    let outcome = place.start_users("whole", None).unwrap();
    assert_eq!((outcome.users, outcome.without_examples), (5, 0));
    let whole = adapters(&place.path("whole"));
    assert_eq!(whole.len(), 5);
    assert_eq!(outcome.bytes, whole.values().map(|bytes| bytes.len() as u64).sum::<u64>());
    let mut distinct: Vec<&Vec<u8>> = whole.values().collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 5, "each learned from a profile of its own");
    // Broken off after the first and after the third, and a half-written file beside.
    assert!(matches!(place.start_users("job", Some(1)), Err(TrainError::Canceled(_))));
    assert!(place.path("job/users-job.json").is_file() && !place.path("job/model/users.json").exists());
    let some = adapters(&place.path("job")).len();
    assert!((1..5).contains(&some), "{some}");
    let resume = |limit| {
        resume_users(&place.path("job"), &place.workplace(), &canceled_after(limit), &Progress::new())
    };
    let _ = resume(Some(3));
    let control = UsersControl::default();
    let resumed = resume_users(&place.path("job"), &place.workplace(), &control, &Progress::new()).unwrap();
    assert_eq!((resumed.users, resumed.bytes), (outcome.users, outcome.bytes));
    assert!(adapters(&place.path("job")) == whole);
    if let Some(progress) = control.latest().get() {
        assert_eq!((progress.done, progress.total), (5, 5));
    }
    assert_eq!(resume(None).unwrap(), resumed, "what is done is done");
    assert!(matches!(
        place.start_users("job", None),
        Err(TrainError::Registry(_) | TrainError::JobExists { .. })
    ));
    let registry = Registry::new(place.path("models"));
    let fingerprint = |name: &str| registry.find(name).unwrap().unwrap().fingerprint;
    assert_eq!(fingerprint("whole"), fingerprint("job"));
    // Another model in its place is noticed.
    assert!(place.start_users("changed", Some(1)).is_err());
    let config = place.path("base/config.json");
    std::fs::write(&config, format!("{} ", std::fs::read_to_string(&config).unwrap())).unwrap();
    let changed =
        resume_users(&place.path("changed"), &place.workplace(), &UsersControl::default(), &Progress::new());
    assert!(changed.unwrap_err().to_string().contains("the model that it began with changed"));
}

fn own_answers() {
    let place = Place::new();
    let outcome = place.start_users("mine", None).unwrap();
    let users = Collection::list(&outcome.model).unwrap();
    let prompts: Vec<Vec<u32>> = random_examples(5).train.into_iter().map(|example| example.prompt).collect();
    let inputs: Vec<PromptInput<'_>> =
        prompts.iter().map(|tokens| PromptInput { text: "", tokens }).collect();
    let names: Vec<&str> = users.iter().map(String::as_str).collect();
    let config = GenerationConfig { max_new_tokens: 6, ..GenerationConfig::default() };
    let cancel = CancelToken::new();
    let answers = || {
        let mut model =
            T5Model::load(&outcome.model, T5Options { threads: 1, ..T5Options::default() }).unwrap();
        assert!(model.knows_users());
        let found = model.generate_for(&cancel, &inputs, &names, &config).unwrap();
        found.into_iter().map(|answer| answer.hypotheses[0].clone()).collect::<Vec<Hypothesis>>()
    };
    let before = answers();
    // Alone as among others.
    let mut model = T5Model::load(&outcome.model, T5Options { threads: 1, ..T5Options::default() }).unwrap();
    for (number, before) in before.iter().enumerate() {
        let alone = model.generate_for(&cancel, &inputs[number..=number], &names[number..=number], &config);
        assert_eq!(alone.unwrap()[0].hypotheses[0], *before);
    }
    let third = outcome.model.join(user_file(&users[2]));
    let tensors = candle_core::safetensors::load(&third, &Device::Cpu).unwrap();
    let louder = tensors.into_iter().map(|(name, tensor)| (name, (tensor * 5.0).unwrap())).collect();
    candle_core::safetensors::save(&louder, &third).unwrap();
    let after = answers();
    for number in 0..5 {
        assert_eq!(before[number] == after[number], number != 2, "{number}");
    }
    let stranger = user_key("LaMP-3 user dev", "nobody");
    let error = model.generate_for(&cancel, &inputs[..1], &[&stranger], &config).unwrap_err().to_string();
    assert!(error.contains("LaMP-3 user dev nobody") && error.contains("lora users"), "{error}");
    let error = model.generate(&cancel, &inputs[..1], &config).unwrap_err().to_string();
    assert!(error.contains("for each user"), "{error}");
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn program() {
    let place = Place::new();
    let data = data().display().to_string();
    let base = place.path("base").display().to_string();
    let of = ["--data", &data, "--task", "LaMP-3", "--setting", "user"];
    let done = |arguments: &[&str]| {
        let output = place.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        text(&output)
    };
    let quick = ["--max-length", "48", "--max-new-tokens", "2", "--epochs", "1", "--threads", "1"];
    let train = [
        &["train", "--model", &base, "--name", "stars", "--lora-r", "2", "--limit", "6", "--dev-limit", "2"],
        &of[..],
        &quick,
    ]
    .concat();
    done(&train);
    let small = ["--learning-rate", "0.02", "--lora-r", "2", "--limit", "3"];
    let users =
        [&["lora", "users", "--model", &base, "--name", "mine"], &of[..], &quick[..2], &quick[4..], &small]
            .concat();
    assert!(done(&[&users[..], &["--dry-run"]].concat()).contains("3 users, an adapter of"));
    assert!(done(&[&users[..], &["--print-recipe"]].concat()).contains("epochs = 1"));
    assert!(done(&users).contains("3 adapters"));
    assert!(done(&["train", "resume", "mine"]).contains("3 adapters"));
    assert_eq!(
        place.command(&["lora", "users", "--preset", "paper", "--print-recipe"]).status.code(),
        Some(2)
    );
    // A run with each: the fourth sample has no adapter, and its row says so.
    for (model, limit) in [("stars", "2"), ("mine", "4"), (base.as_str(), "4")] {
        let run = [
            &["run", "--model", model, "--retriever", "none", "--split", "dev", "--limit", limit],
            &of[..],
            &quick[..4],
        ]
        .concat();
        let output = place.command(&run);
        assert_eq!(output.status.code(), Some(if model == "mine" { 3 } else { 0 }), "{}", text(&output));
    }
    let table = done(&["table"]);
    for words in ["stars (lora", "mine (per-user-lora", "Per-user LoRA"] {
        assert!(table.contains(words), "{words} is not in {table}");
    }
    done(&["lora", "merge", "stars", "--out", "merged"]);
    done(&["models", "add", "merged", "--name", "merged"]);
    let answered =
        |model: &str| done(&["generate", "--model", model, "--prompt", "good", "--max-new-tokens", "4"]);
    let first = |text: String| text.lines().next().unwrap_or_default().to_owned();
    assert_eq!(first(answered("stars")), first(answered("merged")));
    let list = Collection::list(&place.path("models/training/mine/model")).unwrap();
    let id = list[0].rsplit_once(' ').unwrap().1;
    assert!(done(&["lora", "export", "mine", "--user", id, "--out", "one"]).contains(&list[0]));
    done(&["models", "add", "one", "--name", "one"]);
    answered("one");
    let refused = place.command(&["generate", "--model", "mine", "--prompt", "good"]);
    assert!(!refused.status.success() && text(&refused).contains("for each user"), "{}", text(&refused));
    let refused = place.command(&["lora", "merge", "mine", "--out", "all"]);
    assert!(text(&refused).contains("lora export") && !place.path("all").exists(), "{}", text(&refused));
}

/// An adapter that someone trained for t5-large: 144 matrices, of which 24 layers' q and v in three attentions.
fn large(adapter: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"model_type": "t5", "vocab_size": 32128, "d_model": 1024, "d_kv": 64, "d_ff": 4096, "num_layers": 24,
        "num_heads": 16, "feed_forward_proj": "relu", "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0});
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let t5 = T5Config::from_file(&folder.path().join("config.json")).unwrap();
    let config = AdapterConfig::read(adapter).unwrap();
    assert_eq!((config.base.as_str(), config.r, config.scale()), ("t5-large", 16, 2.0));
    let read = lora::read(&adapter.join("adapter_model.safetensors"), &config, folder.path(), &t5).unwrap();
    assert_eq!(read.len(), 144);
    assert!(read.values().all(|added| added.b.iter().any(|value| *value != 0.0)));
}
