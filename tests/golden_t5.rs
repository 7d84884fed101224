//! The T5 engine against reference outputs of transformers 5.23: encoder outputs, logits, losses, gradients, training
//! steps, and every hypothesis of greedy and beam search, on both paths.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test asserts in the plainest way"
)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::{DType, Device, Tensor};
use lamplight::jobs::CancelToken;
use lamplight::model::t5::graph::IGNORED_LABEL;
use lamplight::model::t5::{Dropout, T5Config, T5Engine, T5Graph, T5Options, load_graph, load_variables};
use lamplight::model::weights::Checkpoint;
use lamplight::model::{EarlyStopping, FinishReason, GenerationConfig, Hypothesis, Precision, Sampling};
use lamplight::train::{AdamW, AdamWOptions, Decline, Gradients, Parameter, Schedule};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

/// A reference file and the model it speaks of.
struct Golden {
    folder: PathBuf,
    json: Value,
}

impl Golden {
    fn open(folder: &Path) -> Self {
        let json = std::fs::read(folder.with_extension("json")).unwrap();
        Self { folder: folder.to_owned(), json: serde_json::from_slice(&json).unwrap() }
    }

    fn tokens(&self, pointer: &str) -> Vec<Vec<u32>> {
        serde_json::from_value(self.json.pointer(pointer).unwrap().clone()).unwrap()
    }

    fn floats(&self, pointer: &str) -> Vec<f64> {
        serde_json::from_value(self.json.pointer(pointer).unwrap().clone()).unwrap()
    }

    fn rows(&self, pointer: &str) -> Vec<Vec<f64>> {
        serde_json::from_value(self.json.pointer(pointer).unwrap().clone()).unwrap()
    }

    fn engine(&self, fast: bool, options: T5Options) -> T5Engine {
        if fast {
            T5Engine::load(&self.folder, options)
        } else {
            T5Engine::load_reference(&self.folder, options)
        }
        .unwrap()
    }

    fn graph(&self) -> T5Graph {
        let config = T5Config::from_file(&self.folder.join("config.json")).unwrap();
        load_graph(&config, &Checkpoint::open(&self.folder).unwrap(), DType::F32, &Device::Cpu).unwrap()
    }
}

fn close(got: f64, want: f64, relative: f64, scale: f64, what: &str) {
    assert!((got - want).abs() <= relative * want.abs().max(scale), "{what}: {got}, reference {want}");
}

fn l2(values: impl IntoIterator<Item = f32>) -> f64 {
    values.into_iter().map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

fn padded(rows: &[Vec<u32>]) -> (Tensor, Tensor) {
    let length = rows.iter().map(Vec::len).max().unwrap();
    let places = || rows.iter().flat_map(move |row| (0..length).map(move |i| row.get(i)));
    let ids: Vec<u32> = places().map(|id| id.copied().unwrap_or(0)).collect();
    let mask: Vec<f32> = places().map(|id| f32::from(u8::from(id.is_some()))).collect();
    let shape = (rows.len(), length);
    (
        Tensor::from_vec(ids, shape, &Device::Cpu).unwrap(),
        Tensor::from_vec(mask, shape, &Device::Cpu).unwrap(),
    )
}

/// Encoder outputs on both paths.
fn encoder(golden: &Golden) {
    let prompts = golden.tokens("/input_ids");
    let (first, last) =
        (golden.rows("/encoder/first8_of_pos0"), golden.rows("/encoder/last_real_pos_first8"));
    let (norms, means) = (golden.floats("/encoder/l2_of_masked_output"), golden.floats("/encoder/mean"));
    for fast in [true, false] {
        let mut engine = golden.engine(fast, T5Options { threads: 2, ..Default::default() });
        let width = engine.config().d_model;
        for (i, prompt) in prompts.iter().enumerate() {
            let encoded = engine.encode(&CancelToken::new(), prompt).unwrap();
            assert_eq!(encoded.len(), prompt.len() * width);
            let end = encoded.len() - width;
            for j in 0..8 {
                close(f64::from(encoded[j]), first[i][j], 1e-4, 0.1, "first position");
                close(f64::from(encoded[end + j]), last[i][j], 1e-4, 0.1, "last position");
            }
            close(l2(encoded.iter().copied()), norms[i], 1e-4, 0.0, "norm");
            let mean = encoded.iter().map(|v| f64::from(*v)).sum::<f64>() / encoded.len() as f64;
            close(mean, means[i], 1e-4, 0.1, "mean");
        }
    }
}

/// Logits after each token of a prefix, in one padded batch.
fn logits(golden: &Golden) {
    let graph = golden.graph();
    let (ids, mask) = padded(&golden.tokens("/input_ids"));
    let prefixes = golden.tokens("/decoder/decoder_input_ids");
    let (inputs, _) = padded(&prefixes);
    let encoded = graph.encode(&ids, &mask, &mut Dropout::off()).unwrap();
    let logits =
        graph.decode(&inputs, &encoded, &mask, &mut Dropout::off()).unwrap().to_vec3::<f32>().unwrap();
    let top: Vec<Vec<Value>> =
        serde_json::from_value(golden.json.pointer("/decoder/top8").unwrap().clone()).unwrap();
    let (sums, norms) = (golden.rows("/decoder/logsumexp"), golden.rows("/decoder/l2"));
    let mut compared = 0;
    for i in 0..prefixes.len() {
        for t in 0..sums[i].len() {
            let row = &logits[i][t];
            let ids: Vec<usize> = serde_json::from_value(top[i][t]["ids"].clone()).unwrap();
            let values: Vec<f64> = serde_json::from_value(top[i][t]["vals"].clone()).unwrap();
            for (id, value) in ids.into_iter().zip(values) {
                close(f64::from(row[id]), value, 1e-4, 0.1, "logit");
                compared += 1;
            }
            let sum = row.iter().map(|v| f64::from(*v).exp()).sum::<f64>().ln();
            close(sum, sums[i][t], 1e-4, 0.0, "log of the sum");
            close(l2(row.iter().copied()), norms[i][t], 1e-4, 0.0, "norm of the logits");
        }
    }
    assert!(compared >= 16 * 8 * 8);
}

/// Whole arrays, where the reference stores them.
fn arrays(golden: &Golden) {
    let mut path = golden.folder.clone().into_os_string();
    path.push("_arrays.safetensors");
    let tensors = candle_core::safetensors::load(PathBuf::from(path), &Device::Cpu).unwrap();
    let graph = golden.graph();
    let (ids, mask) = padded(&golden.tokens("/input_ids"));
    let encoded = graph.encode(&ids, &mask, &mut Dropout::off()).unwrap();
    let (inputs, _) = padded(&golden.tokens("/decoder/decoder_input_ids"));
    let logits = graph.decode(&inputs, &encoded, &mask, &mut Dropout::off()).unwrap();
    let mut seen = 0;
    for (name, want) in &tensors {
        let (got, want) = match name.as_str() {
            "encoder_out" | "encoder_last_hidden_state" | "encoder" => {
                let shape = (mask.dim(0).unwrap(), mask.dim(1).unwrap(), 1);
                let mask = mask.reshape(shape).unwrap();
                (encoded.broadcast_mul(&mask).unwrap(), want.broadcast_mul(&mask).unwrap())
            }
            "logits" | "decoder_logits" => (logits.clone(), want.clone()),
            _ => continue,
        };
        assert_eq!(got.dims(), want.dims(), "{name}");
        let values = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (got, want) in values(got).into_iter().zip(values(want)) {
            close(f64::from(got), f64::from(want), 1e-4, 0.1, name);
        }
        seen += 1;
    }
    assert!(seen > 0, "no array of a known name among {:?}", tensors.keys());
}

/// A hypothesis as the reference writes it: the start token first.
fn sequence(hypothesis: &Hypothesis) -> Vec<u32> {
    std::iter::once(0).chain(hypothesis.tokens.iter().copied()).collect()
}

/// Greedy and beam search with every hypothesis, in batches of several sizes, on both paths.
fn generation(golden: &Golden, max_new_tokens: usize) {
    let prompts = golden.tokens("/input_ids");
    let views: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let cancel = CancelToken::new();
    let beam = GenerationConfig { max_new_tokens, ..Default::default() };
    for (fast, batch, threads) in [(true, 1, 1), (true, 16, 2), (true, 5, 3), (false, 16, 1), (false, 3, 1)] {
        let mut engine = golden.engine(fast, T5Options { batch, threads, ..Default::default() });
        let mut run = |config: &GenerationConfig| engine.generate(&cancel, &views, config).unwrap();
        let what = format!("fast {fast}, batch {batch}");

        let greedy = run(&GenerationConfig { beams: 1, ..beam.clone() });
        for (got, want) in greedy.iter().zip(golden.tokens("/generation/greedy")) {
            assert_eq!(sequence(&got[0]), want, "{what}, greedy");
        }
        let found = run(&beam);
        let (all, scores) =
            (golden.tokens("/generation/beam4_all4"), golden.floats("/generation/beam4_all4_scores"));
        for (i, hypotheses) in found.iter().enumerate() {
            assert_eq!(hypotheses.len(), 4);
            for (j, hypothesis) in hypotheses.iter().enumerate() {
                assert_eq!(sequence(hypothesis), all[4 * i + j], "{what}, sample {i}, hypothesis {j}");
                close(f64::from(hypothesis.score), scores[4 * i + j], 1e-4, 1.0, "score");
                let ended = hypothesis.tokens.last() == Some(&1);
                assert_eq!(hypothesis.finish == FinishReason::EndOfSequence, ended);
            }
        }
        for penalty in ["0.0", "0.6", "2.0"] {
            let found = run(&GenerationConfig { length_penalty: penalty.parse().unwrap(), ..beam.clone() });
            let base = format!("/generation/beam4_length_penalty/{penalty}");
            compare(golden, &base, &found, &format!("{what}, length penalty {penalty}"));
        }
        let found = run(&GenerationConfig { early_stopping: EarlyStopping::WhenFull, ..beam.clone() });
        compare(golden, "/generation/beam4_early_stopping_true", &found, &format!("{what}, early stopping"));
    }
}

fn compare(golden: &Golden, base: &str, found: &[Vec<Hypothesis>], what: &str) {
    let (sequences, scores) =
        (golden.tokens(&format!("{base}/sequences")), golden.floats(&format!("{base}/scores")));
    for (i, hypotheses) in found.iter().enumerate() {
        assert_eq!(sequence(&hypotheses[0]), sequences[i], "{what}, sample {i}");
        close(f64::from(hypotheses[0].score), scores[i], 1e-4, 1.0, what);
    }
}

/// Results do not depend on the batch bit by bit, 8-bit weights included; and 8-bit weights seldom change a token.
fn independence(golden: &Golden) {
    let prompts = golden.tokens("/input_ids");
    let views: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let cancel = CancelToken::new();
    let sampling = Sampling { temperature: 0.9, top_k: 40, top_p: 0.95, seed: 11 };
    let beam = GenerationConfig { max_new_tokens: 12, ..Default::default() };
    let drawn = GenerationConfig { beams: 1, sampling: Some(sampling), ..beam.clone() };
    for precision in [Precision::F32, Precision::Int8] {
        for config in [beam.clone(), GenerationConfig { min_new_tokens: 12, ..beam.clone() }, drawn.clone()] {
            let run = |batch, threads| {
                let mut engine =
                    golden.engine(true, T5Options { batch, threads, precision, ..Default::default() });
                engine.generate(&cancel, &views, &config).unwrap()
            };
            let single = run(1, 1);
            assert_eq!(single, run(16, 2));
            assert_eq!(single, run(7, 3));
            if config.min_new_tokens == 12 {
                assert!(
                    single.iter().flatten().all(|h| h.tokens.len() == 12 && !h.tokens[..11].contains(&1))
                );
            }
        }
    }
    let other = GenerationConfig { sampling: Some(Sampling { seed: 12, ..sampling }), ..drawn.clone() };
    let mut engine = golden.engine(true, T5Options::default());
    let mut run = |config: &GenerationConfig| engine.generate(&cancel, &views, config).unwrap();
    assert_ne!(run(&drawn), run(&other), "another seed draws other tokens");

    let greedy = GenerationConfig { beams: 1, ..beam.clone() };
    let exact = run(&greedy);
    let mut engine = golden.engine(true, T5Options { precision: Precision::Int8, ..Default::default() });
    let coarse = engine.generate(&cancel, &views, &greedy).unwrap();
    let same = exact.iter().zip(&coarse).filter(|(a, b)| a[0].tokens == b[0].tokens).count();
    println!("8-bit weights: {same} of {} greedy answers unchanged", views.len());
    assert!(same * 2 >= views.len(), "only {same} answers survive 8-bit weights");
}

/// The training section's batches.
struct Batch {
    ids: Tensor,
    mask: Tensor,
    labels: Vec<Vec<i64>>,
}

fn batches(golden: &Golden) -> Vec<Batch> {
    let batches = golden.json.pointer("/training/batches").unwrap().as_array().unwrap();
    let read = |batch: &Value| {
        let ids: Vec<Vec<u32>> = serde_json::from_value(batch["input_ids"].clone()).unwrap();
        let mask: Vec<Vec<f32>> = serde_json::from_value(batch["attention_mask"].clone()).unwrap();
        Batch {
            ids: Tensor::new(ids, &Device::Cpu).unwrap(),
            mask: Tensor::new(mask, &Device::Cpu).unwrap(),
            labels: serde_json::from_value(batch["labels"].clone()).unwrap(),
        }
    };
    batches.iter().map(read).collect()
}

/// The model over variables.
fn variables(golden: &Golden) -> (T5Graph, Vec<Parameter>) {
    let config = T5Config::from_file(&golden.folder.join("config.json")).unwrap();
    let checkpoint = Checkpoint::open(&golden.folder).unwrap();
    let (graph, variables) = load_variables(&config, &checkpoint, &Device::Cpu).unwrap();
    (graph, variables.into_iter().map(|(name, var)| Parameter::new(&name, var)).collect())
}

fn named<'p>(parameters: &'p [Parameter], name: &str) -> &'p Tensor {
    parameters.iter().find(|parameter| parameter.name == name).unwrap().var.as_tensor()
}

fn norm_of(t: &Tensor) -> f64 {
    l2(t.flatten_all().unwrap().to_vec1::<f32>().unwrap())
}

/// The first batch's loss, each token's own, and the gradient of every weight.
fn gradients(golden: &Golden) {
    let (graph, variables) = variables(golden);
    let batch = &batches(golden)[0];
    let (loss, each) = graph.loss(&batch.ids, &batch.mask, &batch.labels, &mut Dropout::off()).unwrap();
    let want = golden.json.pointer("/training/loss0").unwrap().as_f64().unwrap();
    close(f64::from(loss.to_scalar::<f32>().unwrap()), want, 1e-4, 0.0, "loss");
    let each = each.to_vec2::<f32>().unwrap();
    for (row, (got, want)) in each.iter().zip(golden.rows("/training/per_token_nll0")).enumerate() {
        for (place, (got, want)) in got.iter().zip(want).enumerate() {
            if batch.labels[row][place] != IGNORED_LABEL {
                close(f64::from(*got), want, 1e-4, 0.1, "a token's loss");
            }
        }
    }
    let gradients = loss.backward().unwrap();
    let want: BTreeMap<String, f64> =
        serde_json::from_value(golden.json.pointer("/training/grad_l2").unwrap().clone()).unwrap();
    assert_eq!(want.len(), variables.len());
    for (name, want) in want {
        let gradient = gradients.get(named(&variables, &name)).unwrap();
        close(norm_of(gradient), want, 1e-3, 1e-4, &name);
    }
}

/// Twenty steps of AdamW over the golden's batches in turn, at the rates of the reference, which are those of the schedule.
fn training(golden: &Golden, section: &str, clip: Option<f64>, weight_decay: f64, schedule: Schedule) {
    let (graph, parameters) = variables(golden);
    let batches = batches(golden);
    let at = |key: &str| golden.floats(&format!("/training/{section}/{key}"));
    let (losses, norms, rates) = (at("loss"), at("grad_norm"), at("lr"));
    assert_eq!(losses.len(), 20);
    let mut optimizer =
        AdamW::new(&parameters, AdamWOptions { weight_decay, ..AdamWOptions::default() }).unwrap();
    for step in 0..losses.len() {
        let batch = &batches[step % batches.len()];
        let (loss, _) = graph.loss(&batch.ids, &batch.mask, &batch.labels, &mut Dropout::off()).unwrap();
        let what = format!("loss of step {step}");
        close(f64::from(loss.to_scalar::<f32>().unwrap()), losses[step], 1e-3, 0.0, &what);
        let mut gradients = Gradients::new(&parameters);
        gradients.add(&parameters, loss.backward().unwrap()).unwrap();
        let norm = gradients.norm().unwrap();
        close(norm, norms[step], 1e-3, 0.0, &format!("gradient norm of step {step}"));
        let rate = schedule.rate(step as u64);
        close(rate, rates[step], 1e-9, 1e-12, &format!("rate of step {step}"));
        optimizer.step(&parameters, &gradients, norm, rate, clip).unwrap();
    }
    let last: BTreeMap<String, f64> = serde_json::from_value(
        golden.json.pointer(&format!("/training/{section}/final_param_l2")).unwrap().clone(),
    )
    .unwrap();
    for (name, want) in last {
        close(norm_of(named(&parameters, &name)), want, 1e-3, 0.0, &name);
    }
}

/// Dropout changes the loss, and the same seed changes it alike.
fn dropout(golden: &Golden) {
    let graph = golden.graph();
    let batch = &batches(golden)[0];
    let loss = |dropout: &mut Dropout| {
        let (loss, _) = graph.loss(&batch.ids, &batch.mask, &batch.labels, dropout).unwrap();
        loss.to_scalar::<f32>().unwrap()
    };
    let plain = loss(&mut Dropout::off());
    assert_eq!(loss(&mut Dropout::new(0.1, 3)), loss(&mut Dropout::new(0.1, 3)));
    assert_ne!(loss(&mut Dropout::new(0.1, 3)), plain);
}

/// Bad input is refused with its place, and a canceled token ends the work.
fn refusals(golden: &Golden) {
    let mut engine = golden.engine(true, T5Options::default());
    let config = GenerationConfig::default();
    let mut run = |prompts: &[&[u32]], cancel: &CancelToken| {
        engine.generate(cancel, prompts, &config).unwrap_err().to_string()
    };
    let cancel = CancelToken::new();
    assert!(run(&[&[5, 1], &[]], &cancel).contains("prompt 1 of the batch is empty"));
    assert!(run(&[&[5, 9999]], &cancel).contains("token 9999"));
    cancel.cancel();
    assert_eq!(run(&[&[5, 1]], &cancel), "canceled");
    let half = T5Options { precision: Precision::F16, ..Default::default() };
    assert!(T5Engine::load(&golden.folder, half).err().unwrap().to_string().contains("overflow"));
}

/// Models that do not fit their configuration, or hold no numbers, are refused; nothing panics.
fn broken(golden: &Golden) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let json = std::fs::read_to_string(golden.folder.join("config.json")).unwrap();
    let tensors =
        candle_core::safetensors::load(golden.folder.join("model.safetensors"), &Device::Cpu).unwrap();
    let load = |json: &str, change: &dyn Fn(&mut std::collections::HashMap<String, Tensor>)| {
        let mut tensors = tensors.clone();
        change(&mut tensors);
        std::fs::write(at("config.json"), json).unwrap();
        candle_core::safetensors::save(&tensors, at("model.safetensors")).unwrap();
        T5Engine::load(folder.path(), T5Options::default())
    };
    let refused = |json: &str, change: &dyn Fn(&mut std::collections::HashMap<String, Tensor>)| {
        load(json, change).err().unwrap().to_string()
    };
    let gone = "decoder.block.1.layer.2.DenseReluDense.wo.weight";
    let error = refused(&json, &|tensors| drop(tensors.remove(gone)));
    assert!(error.contains(gone) && error.contains("model.safetensors"), "{error}");
    let error = refused(&json.replace("\"d_ff\": 64", "\"d_ff\": 96"), &|_| ());
    assert!(error.contains("config.json says [96, 32]"), "{error}");
    let error = refused(&json.replace("\"d_model\": 32", "\"d_model\": 4000000000"), &|_| ());
    assert!(error.contains("d_model is 4000000000"), "{error}");
    let whole_numbers = |tensors: &mut std::collections::HashMap<String, Tensor>| {
        let tensor = tensors[gone].to_dtype(DType::I64).unwrap();
        tensors.insert(gone.to_owned(), tensor);
    };
    assert!(refused(&json, &whole_numbers).contains("holds i64"));
    let nan = |tensors: &mut std::collections::HashMap<String, Tensor>| {
        let tensor = (tensors[gone].zeros_like().unwrap() + f64::NAN).unwrap();
        tensors.insert(gone.to_owned(), tensor);
    };
    let mut engine = load(&json, &nan).unwrap();
    for beams in [1, 4] {
        let config = GenerationConfig { beams, ..Default::default() };
        let error = engine.generate(&CancelToken::new(), &[&[5, 1]], &config).unwrap_err().to_string();
        assert!(error.contains("not a number"), "{error}");
    }
    // Half-precision files compute in f32.
    for dtype in [DType::BF16, DType::F16, DType::F64] {
        let convert = |tensors: &mut std::collections::HashMap<String, Tensor>| {
            for tensor in tensors.values_mut() {
                *tensor = tensor.to_dtype(dtype).unwrap();
            }
        };
        let mut engine = load(&json, &convert).unwrap();
        let prompt = &golden.tokens("/input_ids")[0];
        let encoded = engine.encode(&CancelToken::new(), prompt).unwrap();
        close(l2(encoded), golden.floats("/encoder/l2_of_masked_output")[0], 0.02, 0.0, "norm");
    }
}

type Check = fn(&Golden);

const PLAIN: Schedule = Schedule { peak: 1e-3, warmup: 0, steps: 20, decline: Decline::Constant };
const TRAINER: Schedule = Schedule { warmup: 1, decline: Decline::Linear, ..PLAIN };

fn main() -> ExitCode {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/t5");
    let mut trials = Vec::new();
    for model in ["v10_micro", "v11_micro", "v11_v5tied_micro"] {
        let mut checks: Vec<(&str, Check)> = vec![
            ("encoder", encoder),
            ("logits", logits),
            ("arrays", arrays),
            ("generation", |golden| generation(golden, 32)),
            ("independence", independence),
            ("refusals", refusals),
            ("broken models", broken),
        ];
        if model != "v11_v5tied_micro" {
            checks.push(("gradients", gradients));
            checks.push(("dropout", dropout));
            checks.push(("adamw", |golden| training(golden, "adamw_plain", None, 0.0, PLAIN)));
            checks.push(("adamw, clipped and scheduled", |golden| {
                training(golden, "adamw_trainer_like", Some(1.0), 1e-4, TRAINER);
            }));
        }
        for (name, check) in checks {
            let folder = data.join(model);
            trials.push(Trial::test(format!("{model}: {name}"), move || {
                check(&Golden::open(&folder));
                Ok::<(), Failed>(())
            }));
        }
    }
    for model in ["v10_tiny", "v11_tiny"] {
        let folder = support::shared().join("golden/t5").join(model);
        let checks: [(&str, Check); 4] = [
            ("encoder", encoder),
            ("logits", logits),
            ("generation", |golden| generation(golden, 32)),
            ("gradients", gradients),
        ];
        for (name, check) in checks {
            trials.push(support::needs(&format!("{model}: {name}"), folder.clone(), move |folder| {
                check(&Golden::open(folder))
            }));
        }
    }
    support::run(trials)
}
