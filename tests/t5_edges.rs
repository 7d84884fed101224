//! The T5 engine at its limits: the shortest and longest prompts, many of them, every width of beam, vocabularies smaller
//! than it, canceling in the middle, 8-bit weights, half-precision numbers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test asserts in the plainest way")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};
use lamplight::jobs::CancelToken;
use lamplight::model::t5::{Dropout, T5Config, T5Engine, T5Options, load_graph};
use lamplight::model::weights::Checkpoint;
use lamplight::model::{GenerationConfig, Hypothesis, Precision};

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/t5").join(name)
}

fn engine(folder: &Path, precision: Precision) -> T5Engine {
    T5Engine::load(folder, T5Options { precision, threads: 2, ..Default::default() }).unwrap()
}

/// A prompt of any length, of tokens below `vocabulary`.
fn prompt(len: usize, seed: usize, vocabulary: usize) -> Vec<u32> {
    let token = |i: usize| (2 + (i * 7919 + seed * 104_729) % (vocabulary - 2)) as u32;
    (1..len).map(token).chain([1]).collect()
}

fn answer(engine: &mut T5Engine, prompts: &[Vec<u32>], config: &GenerationConfig) -> Vec<Vec<Hypothesis>> {
    let views: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    engine.generate(&CancelToken::new(), &views, config).unwrap()
}

#[test]
fn prompts_of_one_token_and_of_thousands_are_answered_together() {
    let mut engine = engine(&model("v11_micro"), Precision::F32);
    let prompts = [prompt(1, 1, 384), prompt(4096, 2, 384), prompt(30, 3, 384)];
    for max_new_tokens in [1, 6] {
        let config = GenerationConfig { max_new_tokens, ..Default::default() };
        let together = answer(&mut engine, &prompts, &config);
        for (prompt, together) in prompts.iter().zip(&together) {
            assert_eq!(&answer(&mut engine, std::slice::from_ref(prompt), &config)[0], together);
            assert!(
                together.len() == 4
                    && together.iter().all(|h| (1..=max_new_tokens).contains(&h.tokens.len()))
            );
        }
    }
}

#[test]
fn a_thousand_prompts_come_back_in_order() {
    let mut engine = engine(&model("v10_micro"), Precision::F32);
    let prompts: Vec<Vec<u32>> = (0..1000).map(|i| prompt(1 + i * 37 % 40, i, 384)).collect();
    let config = GenerationConfig { beams: 2, max_new_tokens: 3, ..Default::default() };
    let all = answer(&mut engine, &prompts, &config);
    assert_eq!(all.len(), 1000);
    for i in (0..1000).step_by(97) {
        assert_eq!(answer(&mut engine, &prompts[i..=i], &config)[0], all[i]);
    }
}

/// The model with its vocabulary cut to the first `vocabulary` tokens.
fn cut(folder: &Path, vocabulary: usize) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config = config.replace("\"vocab_size\": 384", &format!("\"vocab_size\": {vocabulary}"));
    std::fs::write(to.path().join("config.json"), config).unwrap();
    let tensors = candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu).unwrap();
    let cut = |(name, tensor): (String, Tensor)| {
        let whole = tensor.dims().first() == Some(&384);
        (name, if whole { tensor.narrow(0, 0, vocabulary).unwrap().contiguous().unwrap() } else { tensor })
    };
    let tensors: HashMap<String, Tensor> = tensors.into_iter().map(cut).collect();
    candle_core::safetensors::save(&tensors, to.path().join("model.safetensors")).unwrap();
    to
}

#[test]
fn every_width_of_beam_finds_as_many_hypotheses_best_first() {
    let small = cut(&model("v11_micro"), 5);
    for (folder, vocabulary) in [(model("v11_micro"), 384), (small.path().to_owned(), 5)] {
        let mut fast = engine(&folder, Precision::F32);
        let mut plain = T5Engine::load_reference(&folder, T5Options::default()).unwrap();
        let prompts = [prompt(9, 5, vocabulary), prompt(3, 6, vocabulary)];
        for beams in 1..=16 {
            let config = GenerationConfig { beams, max_new_tokens: 6, ..Default::default() };
            let found = answer(&mut fast, &prompts, &config);
            for (found, plain) in found.iter().zip(answer(&mut plain, &prompts, &config)) {
                assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
                assert_eq!(found.len(), plain.len());
                assert!(found.len() == beams || vocabulary == 5, "{beams} {}", found.len());
                assert!((found[0].score - plain[0].score).abs() < 1e-3, "{beams}");
            }
        }
    }
}

#[test]
fn a_large_batch_ends_soon_after_it_is_canceled() {
    let mut engine = engine(&model("v11_micro"), Precision::F32);
    let prompts: Vec<Vec<u32>> = (0..400).map(|i| prompt(1500, i, 384)).collect();
    let views: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let cancel = CancelToken::new();
    let other = cancel.clone();
    let canceler = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        other.cancel();
        Instant::now()
    });
    let config = GenerationConfig { max_new_tokens: 200, min_new_tokens: 200, ..Default::default() };
    let error = engine.generate(&cancel, &views, &config).unwrap_err().to_string();
    let waited = canceler.join().unwrap().elapsed();
    assert_eq!(error, "canceled");
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

/// How far b is from a, relative to a's length.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |v: f64| v * v;
    let apart: f64 = a.iter().zip(b).map(|(a, b)| square(f64::from(a - b))).sum();
    (apart / a.iter().map(|a| square(f64::from(*a))).sum::<f64>()).sqrt()
}

/// A weight rounded to 8 bits is off by at most 1/254 of its row's greatest, some 1 % of the usual one; two blocks of
/// such products, whose errors are independent, stay well below 3 %.
#[test]
fn eight_bit_weights_stay_close() {
    for name in ["v10_micro", "v11_micro"] {
        let (mut exact, mut coarse) =
            (engine(&model(name), Precision::F32), engine(&model(name), Precision::Int8));
        let prompts: Vec<Vec<u32>> = (0..16).map(|i| prompt(20 + i, i, 384)).collect();
        let cancel = CancelToken::new();
        for prompt in &prompts {
            let off =
                distance(&exact.encode(&cancel, prompt).unwrap(), &coarse.encode(&cancel, prompt).unwrap());
            assert!(off > 0.0 && off < 0.03, "{name}: {off}");
        }
        let config = GenerationConfig { beams: 1, max_new_tokens: 1, ..Default::default() };
        let pairs =
            answer(&mut exact, &prompts, &config).into_iter().zip(answer(&mut coarse, &prompts, &config));
        for (a, b) in pairs {
            // The best token's log-probability, whichever token it is.
            assert!((a[0].score - b[0].score).abs() < 0.1, "{name}: {} {}", a[0].score, b[0].score);
        }
    }
}

/// On the path of GPUs bf16 keeps to about its 8 bits of precision, and f16 is refused wherever it is asked for.
#[test]
fn half_precision_is_sound_or_refused() {
    for name in ["v10_micro", "v11_micro"] {
        let config = T5Config::from_file(&model(name).join("config.json")).unwrap();
        let ids = Tensor::new(vec![prompt(40, 3, 384), prompt(40, 4, 384)], &Device::Cpu).unwrap();
        let mask = Tensor::ones((2, 40), DType::F32, &Device::Cpu).unwrap();
        let [exact, coarse] = [DType::F32, DType::BF16].map(|dtype| {
            let checkpoint = Checkpoint::open(&model(name)).unwrap();
            let graph = load_graph(&config, &checkpoint, dtype, &Device::Cpu).unwrap();
            let encoded = graph.encode(&ids, &mask, &mut Dropout::off()).unwrap();
            let inputs = Tensor::new(vec![vec![0u32, 7, 9]; 2], &Device::Cpu).unwrap();
            let logits = graph.decode(&inputs, &encoded, &mask, &mut Dropout::off()).unwrap();
            [encoded, logits]
                .map(|t| t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap())
        });
        for (exact, coarse) in exact.iter().zip(&coarse) {
            let off = distance(exact, coarse);
            assert!(off > 0.0 && off < 0.03, "{name}: {off}");
        }
    }
    let half = T5Options { precision: Precision::F16, ..Default::default() };
    for folder in [model("v10_micro"), model("v11_micro")] {
        let error = T5Engine::load(&folder, half).err().unwrap().to_string();
        assert!(error.contains("use f32, or bf16 on a GPU"), "{error}");
    }
}

/// A tokenizer that is there only as `spiece.model` is named with what to do.
#[test]
fn a_sentencepiece_model_alone_is_told_apart() {
    let folder = cut(&model("v11_micro"), 384);
    std::fs::write(folder.path().join("spiece.model"), b"\n\x0e\n\x05<pad>").unwrap();
    let load = || {
        lamplight::model::t5::T5Model::load(folder.path(), T5Options::default()).err().unwrap().to_string()
    };
    let error = load();
    assert!(
        error.contains("has no tokenizer.json, only spiece.model") && error.contains("save_pretrained"),
        "{error}"
    );
    std::fs::remove_file(folder.path().join("spiece.model")).unwrap();
    assert!(load().contains("cannot load the tokenizer"), "{}", load());
}
