//! BERT-shaped encoders against reference outputs of transformers 5.23: a small random BERT in three file formats, a small
//! random RoBERTa, and MiniLM with its real weights; on both paths.
//!
//! `tests/get_models.py` fetches MiniLM; `LAMPLIGHT_TEST_MODELS` names its folder. Tests whose data is absent are ignored.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test asserts in the plainest way")]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use candle_core::{DType, Device, Tensor, Var};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::model::bert::{BertConfig, BertEncoder, BertGraph, CpuBert, Names};
use lamplight::model::weights::Checkpoint;
use lamplight::model::{
    Dropout, Encoder, EncoderOptions, ModelError, Pooling, Precision, Prefixes, load_encoder,
};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn tokens(golden: &Value) -> Vec<Vec<u32>> {
    serde_json::from_value(golden["input_ids"].clone()).unwrap()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(value.clone()).unwrap()
}

fn views(texts: &[Vec<u32>]) -> Vec<&[u32]> {
    texts.iter().map(Vec::as_slice).collect()
}

fn config(folder: &Path) -> BertConfig {
    BertConfig::from_file(&folder.join("config.json")).unwrap()
}

fn cpu(folder: &Path, int8: bool, threads: usize) -> CpuBert {
    CpuBert::new(&config(folder), Checkpoint::open(folder).unwrap(), int8, threads).unwrap()
}

fn graph(folder: &Path) -> BertGraph {
    let checkpoint = Checkpoint::open(folder).unwrap();
    BertGraph::load(&config(folder), &checkpoint, DType::F32, &Device::Cpu).unwrap()
}

/// Equal within 1e-4 of the number, or of a tenth for those near zero.
fn close(got: &[f32], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (place, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(*got) - want).abs();
        assert!(error <= 1e-4 * want.abs().max(0.1), "{what}, number {place}: {got}, reference {want}");
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// All outputs of a model, text by text, on the graph.
fn graph_hidden(graph: &BertGraph, texts: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let batch = graph.batch(&views(texts)).unwrap();
    let hidden = graph.hidden(&batch, &mut Dropout::off()).unwrap().to_vec3::<f32>().unwrap();
    hidden.into_iter().zip(texts).map(|(rows, text)| rows[..text.len()].concat()).collect()
}

fn graph_vectors(graph: &BertGraph, texts: &[Vec<u32>], pooling: Pooling) -> Vec<Vec<f32>> {
    let batch = graph.batch(&views(texts)).unwrap();
    let hidden = graph.hidden(&batch, &mut Dropout::off()).unwrap();
    graph.pool(&hidden, &batch, pooling).unwrap().to_vec2().unwrap()
}

fn cpu_hidden(model: &mut CpuBert, texts: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let hidden = model.hidden(&CancelToken::new(), &views(texts)).unwrap();
    let mut rest = &hidden.values[..];
    let mut part = |text: &Vec<u32>| {
        let (now, later) = rest.split_at(text.len() * hidden.columns);
        rest = later;
        now.to_vec()
    };
    texts.iter().map(&mut part).collect()
}

/// The small BERT from one of its three files: every output of every token, and the means.
fn tiny(file: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(data("bert_tiny/config.json"), folder.path().join("config.json")).unwrap();
    let weights = if file == "model.safetensors" { file } else { "pytorch_model.bin" };
    std::fs::copy(data("bert_tiny").join(file), folder.path().join(weights)).unwrap();
    let golden = json(&data("bert_tiny.json"));
    let arrays = candle_core::safetensors::load(data("bert_tiny_arrays.safetensors"), &Device::Cpu).unwrap();
    let hidden = arrays["last_hidden_state"].to_vec3::<f32>().unwrap();
    let texts = tokens(&golden);
    let means = rows(&golden["mean_pooled"]);
    let graph = graph(folder.path());
    let mut found = vec![(
        "graph".to_owned(),
        graph_hidden(&graph, &texts),
        graph_vectors(&graph, &texts, Pooling::Mean),
    )];
    for threads in [1, 2, 3] {
        let mut model = cpu(folder.path(), false, threads);
        let vectors = model.vectors(&CancelToken::new(), &views(&texts), Pooling::Mean).unwrap();
        let vectors = (0..texts.len()).map(|i| vectors.row(i).to_vec()).collect();
        found.push((format!("{threads} threads"), cpu_hidden(&mut model, &texts), vectors));
    }
    let norm = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    for (what, outputs, vectors) in found {
        for (i, text) in texts.iter().enumerate() {
            let want: Vec<f64> = hidden[i][..text.len()].iter().flatten().copied().map(f64::from).collect();
            close(&outputs[i], &want, &format!("{what}, text {i}"));
            close(&vectors[i], &means[i], &format!("{what}, mean of text {i}"));
            let lengths = [
                (norm(&outputs[i]), golden["last_hidden_state_l2"][i].as_f64().unwrap()),
                (norm(&vectors[i]), golden["pooled_l2"][i].as_f64().unwrap()),
            ];
            for (got, want) in lengths {
                assert!((got / want - 1.0).abs() < 1e-4, "{what}, norm of text {i}: {got} {want}");
            }
        }
    }
}

/// Positions from the padding token on, one kind of tokens, GELU in its tanh form.
fn roberta() {
    let golden = json(&data("roberta_tiny.json"));
    let texts = tokens(&golden);
    let fast = cpu_hidden(&mut cpu(&data("roberta_tiny"), false, 2), &texts);
    let slow = graph_hidden(&graph(&data("roberta_tiny")), &texts);
    for (i, want) in golden["last_hidden_state"].as_array().unwrap().iter().enumerate() {
        let want = rows(want).concat();
        close(&fast[i], &want, &format!("text {i}"));
        close(&slow[i], &want, &format!("text {i}, graph"));
    }
}

/// A text's vector does not depend on its batch or the threads, to the bit; 8-bit weights stay near.
fn independence() {
    let texts = tokens(&json(&data("bert_tiny.json")));
    let folder = data("bert_tiny");
    for pooling in [Pooling::Mean, Pooling::Cls] {
        let run = |int8, threads, texts: &[Vec<u32>]| {
            cpu(&folder, int8, threads).vectors(&CancelToken::new(), &views(texts), pooling).unwrap().values
        };
        let exact = run(false, 1, &texts);
        for int8 in [false, true] {
            let single: Vec<f32> =
                texts.iter().flat_map(|text| run(int8, 1, std::slice::from_ref(text))).collect();
            assert_eq!(run(int8, 1, &texts), single);
            assert_eq!(run(int8, 3, &texts), single);
            let coarse = single.chunks(32).zip(exact.chunks(32)).map(|(a, b)| cosine(a, b));
            let least = coarse.fold(1.0, f64::min);
            assert!(least > if int8 { 0.999 } else { 0.999_999 }, "int8 {int8}: {least}");
        }
        let graph = graph_vectors(&graph(&folder), &texts, pooling).concat();
        close(&exact, &graph.iter().copied().map(f64::from).collect::<Vec<_>>(), "the graph's vectors");
    }
}

type Tensors = HashMap<String, Tensor>;

/// A folder with the small BERT, its configuration and tensors changed.
fn changed(configuration: impl Fn(String) -> String, tensors: impl Fn(&mut Tensors)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(data("bert_tiny/config.json")).unwrap();
    std::fs::write(folder.path().join("config.json"), configuration(text)).unwrap();
    let mut all = candle_core::safetensors::load(data("bert_tiny/model.safetensors"), &Device::Cpu).unwrap();
    tensors(&mut all);
    candle_core::safetensors::save(&all, folder.path().join("model.safetensors")).unwrap();
    folder
}

fn renamed(tensors: &mut Tensors, name: impl Fn(&str) -> String) {
    *tensors = tensors.drain().map(|(old, tensor)| (name(&old), tensor)).collect();
}

/// Names with a prefix and from old files, half precision on disk, other activations.
fn variants() {
    let texts = tokens(&json(&data("bert_tiny.json")));
    let plain = cpu_hidden(&mut cpu(&data("bert_tiny"), false, 1), &texts);
    let prefixed = |tensors: &mut Tensors| renamed(tensors, |name| format!("bert.{name}"));
    let old = |tensors: &mut Tensors| {
        renamed(tensors, |name| {
            let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
            format!("encoder.question.{}", name.replace("LayerNorm.bias", "LayerNorm.beta"))
        });
    };
    let unpooled = |tensors: &mut Tensors| tensors.retain(|name, _| !name.starts_with("pooler"));
    for change in [&prefixed as &dyn Fn(&mut Tensors), &old, &unpooled] {
        let folder = changed(|text| text, change);
        assert_eq!(cpu_hidden(&mut cpu(folder.path(), false, 1), &texts), plain);
    }
    for dtype in [DType::F64, DType::F16, DType::BF16] {
        let folder = changed(
            |text| text,
            |tensors| tensors.values_mut().for_each(|tensor| *tensor = tensor.to_dtype(dtype).unwrap()),
        );
        let found = cpu_hidden(&mut cpu(folder.path(), false, 1), &texts);
        let least = found.iter().zip(&plain).map(|(a, b)| cosine(a, b)).fold(1.0, f64::min);
        assert!(least > 0.9995, "{dtype:?}: {least}");
    }
    for activation in ["relu", "gelu_new"] {
        let folder = changed(|text| text.replace("\"gelu\"", &format!("{activation:?}")), |_| ());
        let fast = cpu_hidden(&mut cpu(folder.path(), false, 2), &texts);
        let slow = graph_hidden(&graph(folder.path()), &texts);
        for (fast, slow) in fast.iter().zip(&slow) {
            close(fast, &slow.iter().copied().map(f64::from).collect::<Vec<_>>(), activation);
        }
        assert!(fast.concat().iter().zip(plain.concat()).any(|(a, b)| (a - b).abs() > 1e-4), "{activation}");
    }
}

/// The gradient of every tensor against the slope of the loss along it.
fn gradients() {
    let config = config(&data("bert_tiny"));
    let checkpoint = Checkpoint::open(&data("bert_tiny")).unwrap();
    let names = Names::of(&checkpoint);
    let mut variables: BTreeMap<String, Var> = BTreeMap::new();
    let graph = BertGraph::new(&config, &names, &Device::Cpu, |name, shape| {
        let var = Var::from_tensor(&checkpoint.tensor(name, shape, DType::F32, &Device::Cpu)?)?;
        variables.insert(name.to_owned(), var.clone());
        Ok(var.as_tensor().clone())
    })
    .unwrap();
    let texts = tokens(&json(&data("bert_tiny.json")));
    let batch = graph.batch(&views(&texts[..4])).unwrap();
    let target: Vec<f32> = (0..4 * config.hidden_size).map(|i| (i as f32 * 0.7).sin()).collect();
    let target = Tensor::from_vec(target, (4, config.hidden_size), &Device::Cpu).unwrap();
    let loss = |dropout: &mut Dropout| {
        let hidden = graph.hidden(&batch, dropout).unwrap();
        let vectors = graph.pool(&hidden, &batch, Pooling::Mean).unwrap();
        (vectors - &target).unwrap().sqr().unwrap().sum_all().unwrap()
    };
    let value = || f64::from(loss(&mut Dropout::off()).to_scalar::<f32>().unwrap());
    let gradients = loss(&mut Dropout::off()).backward().unwrap();
    let length =
        |t: &Tensor| f64::from(t.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap()).sqrt();
    assert_eq!(variables.len(), names.all(&config).len());
    let mut compared = 0;
    for (name, var) in &variables {
        let gradient = gradients.get(var.as_tensor()).unwrap();
        let norm = length(gradient);
        // A key's bias moves all scores of a query alike, which changes nothing.
        if name.ends_with("key.bias") {
            assert!(norm < 1e-3, "{name}: {norm}");
            continue;
        }
        let (start, step) = (var.as_tensor().copy().unwrap(), 3e-3);
        let along = |by: f64| {
            var.set(&(&start + (gradient * (by / norm)).unwrap()).unwrap()).unwrap();
            value()
        };
        let slope = (along(step) - along(-step)) / (2.0 * step);
        var.set(&start).unwrap();
        assert!((slope - norm).abs() < 0.02 * norm + 0.01, "{name}: slope {slope}, gradient {norm}");
        compared += 1;
    }
    assert!(compared > 30);
    let dropped = |seed| loss(&mut Dropout::new(0.1, seed)).to_scalar::<f32>().unwrap();
    assert_eq!(dropped(3), dropped(3));
    assert_ne!(f64::from(dropped(3)), value());
}

/// A vocabulary for the small BERT: its special tokens where BERT has them.
fn vocabulary() -> String {
    let special = |id: usize| match id {
        0 => "[PAD]".to_owned(),
        100 => "[UNK]".to_owned(),
        101 => "[CLS]".to_owned(),
        102 => "[SEP]".to_owned(),
        103 => "[MASK]".to_owned(),
        1..=26 => char::from(b'a' + id as u8 - 1).to_string(),
        27..=52 => format!("##{}", char::from(b'a' + id as u8 - 27)),
        53 => ".".to_owned(),
        54 => "A".to_owned(),
        _ => format!("[unused{id}]"),
    };
    (0..200).map(|id| special(id) + "\n").collect()
}

/// The small BERT with a vocabulary, ready to encode.
fn with_vocabulary(
    configuration: impl Fn(String) -> String,
    tensors: impl Fn(&mut Tensors),
) -> tempfile::TempDir {
    let folder = changed(configuration, tensors);
    std::fs::write(folder.path().join("vocab.txt"), vocabulary()).unwrap();
    folder
}

fn open(folder: &Path, options: &EncoderOptions) -> Result<BertEncoder, ModelError> {
    BertEncoder::load(folder, options, &CancelToken::new(), &Progress::default())
}

fn error(folder: &Path, options: &EncoderOptions) -> String {
    open(folder, options).err().unwrap().to_string()
}

/// From texts to vectors with a vocabulary alone; cut, in any order, canceled.
fn texts_to_vectors() {
    let folder = with_vocabulary(|text| text, |_| ());
    let options = EncoderOptions { threads: 2, ..Default::default() };
    let mut encoder = open(folder.path(), &options).unwrap();
    // Lower case without accents, unknown words, special tokens in a text.
    assert_eq!(encoder.tokens("Bé a.").unwrap(), [101, 2, 31, 1, 53, 102]);
    assert_eq!(encoder.tokens("日 [SEP]").unwrap(), [101, 100, 102, 102]);
    assert_eq!(encoder.tokens("").unwrap(), [101, 102]);
    let long = "ab ".repeat(1 << 20);
    let cut = encoder.tokens(&long).unwrap();
    assert_eq!((cut.len(), cut[0], cut[63]), (64, 101, 102));
    assert_eq!(cut[1..5], [1, 28, 1, 28]);

    let cancel = CancelToken::new();
    let texts: Vec<String> = (0..70).map(|i| "abc de. ".repeat(i * 7 % 23) + &"z".repeat(i % 5)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let all = encoder.encode(&cancel, &texts).unwrap();
    assert_eq!((all.rows(), all.columns, encoder.dimensions()), (70, 32, 32));
    let mut raw = cpu(folder.path(), false, 1);
    for (i, text) in texts.iter().enumerate() {
        assert_eq!(encoder.encode(&cancel, &[text]).unwrap().values, all.row(i), "text {i}");
        let tokens = encoder.tokens(text).unwrap();
        assert_eq!(raw.vectors(&cancel, &[&tokens], Pooling::Mean).unwrap().values, all.row(i));
    }
    assert_eq!(encoder.encode(&cancel, &[]).unwrap().rows(), 0);

    let normalized =
        EncoderOptions { normalize: Some(true), pooling: Some(Pooling::Cls), ..Default::default() };
    let unit = open(folder.path(), &normalized).unwrap().encode(&cancel, &["a b"]).unwrap();
    let cls = raw.vectors(&cancel, &[&[101, 1, 2, 102]], Pooling::Cls).unwrap();
    assert!((cosine(&unit.values, &cls.values) - 1.0).abs() < 1e-6);
    assert!((unit.values.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5);

    cancel.cancel();
    assert!(matches!(encoder.encode(&cancel, &texts), Err(ModelError::Canceled(_))));
    let late = BertEncoder::load(folder.path(), &options, &cancel, &Progress::default());
    assert!(matches!(late, Err(ModelError::Canceled(_))));

    // A model that distinguishes case says so.
    std::fs::write(
        folder.path().join("tokenizer_config.json"),
        r#"{"do_lower_case": false, "cls_token": {"content": "[CLS]"}}"#,
    )
    .unwrap();
    let cased = open(folder.path(), &options).unwrap();
    assert_eq!(cased.tokens("A b").unwrap(), [101, 54, 2, 102]);
    assert_ne!(cased.identity(), encoder.identity());
}

/// Equal identities for equal vectors, and no others.
fn identities() {
    let folder = with_vocabulary(|text| text, |_| ());
    let cancel = CancelToken::new();
    let of = |options: EncoderOptions| {
        let encoder = load_encoder(folder.path(), &options, &cancel, &Progress::default()).unwrap();
        encoder.identity().to_owned()
    };
    let plain = of(EncoderOptions::default());
    let prefixes = Some(Prefixes { query: "query: ".to_owned(), document: String::new() });
    assert_eq!(plain, of(EncoderOptions { threads: 3, prefixes, ..Default::default() }));
    assert_eq!(
        plain,
        of(EncoderOptions { max_tokens: Some(64), pooling: Some(Pooling::Mean), ..Default::default() })
    );
    let mut others = vec![
        of(EncoderOptions { pooling: Some(Pooling::Cls), ..Default::default() }),
        of(EncoderOptions { normalize: Some(true), ..Default::default() }),
        of(EncoderOptions { max_tokens: Some(63), ..Default::default() }),
        of(EncoderOptions { precision: Precision::Int8, ..Default::default() }),
    ];
    std::fs::write(folder.path().join("vocab.txt"), vocabulary().replace("##z", "##é")).unwrap();
    others.push(of(EncoderOptions::default()));
    others.push(plain);
    others.sort();
    others.dedup();
    assert_eq!(others.len(), 6, "{others:?}");
}

/// Models that do not fit their configuration, their tokenizer or any reason are refused; nothing panics.
fn broken() {
    let same = |text: String| text;
    let options = EncoderOptions::default();
    let refused = |folder: tempfile::TempDir| error(folder.path(), &EncoderOptions::default());
    let gone = "encoder.layer.1.output.dense.bias";
    let message = refused(with_vocabulary(same, |tensors| drop(tensors.remove(gone))));
    assert!(message.contains(gone) && message.contains("model.safetensors"), "{message}");
    let wider = |text: String| text.replace("\"intermediate_size\": 64", "\"intermediate_size\": 65");
    assert!(refused(with_vocabulary(wider, |_| ())).contains("config.json says [65"));
    let absurd = |text: String| text.replace("\"hidden_size\": 32", "\"hidden_size\": 4000000000");
    assert!(refused(with_vocabulary(absurd, |_| ())).contains("hidden_size is 4000000000"));
    let large = |text: String| text.replace("\"vocab_size\": 200", "\"vocab_size\": 2000000");
    assert!(refused(with_vocabulary(large, |_| ())).contains("config.json says [2000000, 32]"));
    let other = |text: String| text.replace("\"bert\"", "\"deberta-v2\"");
    let message = refused(with_vocabulary(other, |_| ()));
    assert!(message.contains("deberta-v2") && message.contains("xlm-roberta"), "{message}");
    let whole = |tensors: &mut Tensors| {
        let tensor = tensors[gone].to_dtype(DType::I64).unwrap();
        tensors.insert(gone.to_owned(), tensor);
    };
    assert!(refused(with_vocabulary(same, whole)).contains("holds i64"));
    let nan = |tensors: &mut Tensors| {
        let tensor = (tensors[gone].zeros_like().unwrap() + f64::NAN).unwrap();
        tensors.insert(gone.to_owned(), tensor);
    };
    let folder = with_vocabulary(same, nan);
    let result = open(folder.path(), &options).unwrap().encode(&CancelToken::new(), &["a", "b"]);
    assert!(result.unwrap_err().to_string().contains("not a number"));

    // Files cut off, and a header that lies.
    let folder = with_vocabulary(same, |_| ());
    let path = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        assert!(error(folder.path(), &options).contains("model.safetensors"), "cut at {cut}");
    }
    let mut lies = bytes.clone();
    lies[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    std::fs::write(&path, &lies).unwrap();
    assert!(error(folder.path(), &options).contains("damaged"));
    std::fs::remove_file(&path).unwrap();
    assert!(error(folder.path(), &options).contains("has no weights"));

    // Tokenizers that are absent, broken, of another model.
    let folder = with_vocabulary(same, |_| ());
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("vocab.txt", &(vocabulary() + "more\n"));
    let message = error(folder.path(), &options);
    assert!(message.contains("token 200") && message.contains("only 200 tokens"), "{message}");
    put("vocab.txt", &vocabulary().replace("[SEP]", "SEP"));
    assert!(error(folder.path(), &options).contains("has no token [SEP]"));
    put("vocab.txt", "");
    assert!(error(folder.path(), &options).contains("has no token [UNK]"));
    std::fs::write(folder.path().join("vocab.txt"), b"[UNK]\n\xff\xfe\n").unwrap();
    assert!(error(folder.path(), &options).contains("vocab.txt"));
    put("vocab.txt", &vocabulary());
    put("tokenizer_config.json", "[");
    assert!(error(folder.path(), &options).contains("tokenizer_config.json"));
    put("tokenizer.json", "{}");
    assert!(error(folder.path(), &options).contains("cannot load the tokenizer"));
    std::fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    std::fs::remove_file(folder.path().join("vocab.txt")).unwrap();
    assert!(error(folder.path(), &options).contains("has no tokenizer"));

    // Wishes that cannot be granted.
    let folder = with_vocabulary(same, |_| ());
    for max_tokens in [0, 2, 65] {
        let message =
            error(folder.path(), &EncoderOptions { max_tokens: Some(max_tokens), ..Default::default() });
        assert!(message.contains("3 to 64 tokens"), "{message}");
    }
    for precision in [Precision::F16, Precision::Bf16] {
        let message = error(folder.path(), &EncoderOptions { precision, ..Default::default() });
        assert!(message.contains("f32 or int8"), "{message}");
    }
    let nowhere =
        load_encoder(Path::new("no-such-folder"), &options, &CancelToken::new(), &Progress::default());
    assert!(nowhere.err().unwrap().to_string().contains("holds no encoder"));
}

/// MiniLM's real weights: tokens, vectors, lengths, products and the order that they give.
fn minilm(folder: &Path) {
    let golden = json(&data("minilm.json"));
    let sentences: Vec<String> = serde_json::from_value(golden["sentences"].clone()).unwrap();
    let sentences: Vec<&str> = sentences.iter().map(String::as_str).collect();
    let (ids, means, products) = (tokens(&golden), rows(&golden["mean_pooled"]), rows(&golden["dot"]));
    let options =
        EncoderOptions { normalize: Some(false), max_tokens: Some(512), threads: 2, ..Default::default() };
    let cancel = CancelToken::new();
    let mut encoder = open(folder, &options).unwrap();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let found = encoder.encode(&cancel, &sentences).unwrap();
    for (i, sentence) in sentences.iter().enumerate() {
        assert_eq!(encoder.tokens(sentence).unwrap(), ids[i], "{sentence}");
        close(found.row(i), &means[i], sentence);
        let length = golden["l2"][i].as_f64().unwrap();
        assert!((dot(found.row(i), found.row(i)).sqrt() / length - 1.0).abs() < 1e-4);
        for (j, product) in products[i].iter().enumerate() {
            let got = dot(found.row(i), found.row(j));
            assert!((got - product).abs() < 1e-4 * product.abs().max(10.0), "{i} {j}: {got} {product}");
        }
    }
    let mut order: Vec<usize> = (1..sentences.len()).collect();
    order.sort_by(|&a, &b| dot(found.row(0), found.row(b)).total_cmp(&dot(found.row(0), found.row(a))));
    let want: Vec<usize> = serde_json::from_value(golden["official_topk_query0"].clone()).unwrap();
    assert_eq!(order.iter().map(|i| i - 1).collect::<Vec<_>>(), want);

    let graph = graph_vectors(&graph(folder), &ids, Pooling::Mean);
    for (i, vector) in graph.iter().enumerate() {
        close(vector, &means[i], &format!("graph, {}", sentences[i]));
    }
    let mut coarse = open(folder, &EncoderOptions { precision: Precision::Int8, ..options.clone() }).unwrap();
    let coarse = coarse.encode(&cancel, &sentences).unwrap();
    let least = (0..sentences.len()).map(|i| cosine(coarse.row(i), found.row(i))).fold(1.0, f64::min);
    println!("8-bit weights: least cosine {least:.6}");
    // MiniLM's narrow layers have a few large weights each, which one scale a row does not suit: 0.9965 for the furthest.
    assert!(least > 0.995, "{least}");

    // What the folder says: 256 tokens, vectors of length 1.
    let mut usual = open(folder, &EncoderOptions::default()).unwrap();
    let long = "word ".repeat(1000);
    let cut = usual.tokens(&long).unwrap();
    assert_eq!((cut.len(), cut[0], cut[255]), (256, 101, 102));
    let unit = usual.encode(&cancel, &[sentences[0]]).unwrap();
    assert!((dot(&unit.values, &unit.values) - 1.0).abs() < 1e-5);
    assert!((cosine(&unit.values, found.row(0)) - 1.0).abs() < 1e-6);
}

/// The vocabulary gives the same tokens as tokenizer.json, and the beginning of a text those of the whole.
fn minilm_tokens(folder: &Path) {
    let plain = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json"] {
        std::fs::copy(folder.join(file), plain.path().join(file)).unwrap();
    }
    let options = EncoderOptions { max_tokens: Some(512), ..Default::default() };
    let (json, vocabulary) = (open(folder, &options).unwrap(), open(plain.path(), &options).unwrap());
    let words = [
        "Café",
        "naïve…",
        "tokenization",
        "日本語",
        "e-mail@x.org",
        "[MASK]",
        "x\u{301}y",
        "\u{200b}",
        "don't",
        "🙂",
    ];
    let mut text = String::new();
    for i in 0..600 {
        text += words[i * 7 % words.len()];
        text += if i % 11 == 0 { "\t " } else { " " };
        let tokens = json.tokens(&text).unwrap();
        assert_eq!(vocabulary.tokens(&text).unwrap(), tokens, "{text}");
        assert!(tokens.len() <= 512);
    }
    let whole = json.tokens(&text).unwrap();
    let short = open(folder, &EncoderOptions { max_tokens: Some(100), ..Default::default() }).unwrap();
    let cut = short.tokens(&text).unwrap();
    assert_eq!((cut[..99] == whole[..99], cut[99], cut.len()), (true, 102, 100));
}

fn main() -> ExitCode {
    let mut trials = Vec::new();
    let mut add = |name: &str, test: fn()| {
        trials.push(Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        }));
    };
    add("small BERT: safetensors", || tiny("model.safetensors"));
    add("small BERT: PyTorch archive", || tiny("pytorch_model.bin"));
    add("small BERT: PyTorch before 1.6", || tiny("pytorch_model_legacy.bin"));
    add("small RoBERTa", roberta);
    add("independence", independence);
    add("variants", variants);
    add("gradients", gradients);
    add("texts to vectors", texts_to_vectors);
    add("identities", identities);
    add("broken models", broken);
    let minilm_folder = support::models().join("all-MiniLM-L6-v2");
    trials.push(support::needs("MiniLM: outputs", minilm_folder.clone(), minilm));
    trials.push(support::needs("MiniLM: tokens", minilm_folder, minilm_tokens));
    support::run(trials)
}
