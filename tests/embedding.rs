//! `lamplight embed`, run as a person would.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up its files must fail")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn embed(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
    command.current_dir(folder).arg("embed").args(arguments).env("COLUMNS", "60");
    command.env("LAMPLIGHT_MODELS", folder.join("models"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn error_of(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(output.stdout.is_empty());
    error
}

/// The texts and vectors of JSON lines.
fn lines(output: &Output) -> Vec<(String, Vec<f32>)> {
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let vector = serde_json::from_value(line["vector"].clone()).unwrap();
        (line["text"].as_str().unwrap().to_owned(), vector)
    };
    text_of(output).lines().map(read).collect()
}

/// A small random BERT with letters for a vocabulary.
fn encoder(folder: &Path) {
    let model = folder.join("model");
    std::fs::create_dir(&model).unwrap();
    for file in ["config.json", "model.safetensors"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bert_tiny").join(file);
        std::fs::copy(source, model.join(file)).unwrap();
    }
    let word = |id: u8| match id {
        100 => "[UNK]".to_owned(),
        101 => "[CLS]".to_owned(),
        102 => "[SEP]".to_owned(),
        1..=26 => char::from(b'a' + id - 1).to_string(),
        _ => format!("[unused{id}]"),
    };
    let vocabulary: String = (0..200).map(|id| word(id) + "\n").collect();
    std::fs::write(model.join("vocab.txt"), vocabulary).unwrap();
}

#[test]
fn texts_come_from_arguments_a_file_or_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    encoder(folder.path());
    let run =
        |more: &[&str], input: &str| embed(folder.path(), &[&["--model", "model"], more].concat(), input);
    let from_arguments = run(&["a b", "", "c"], "");
    let found = lines(&from_arguments);
    assert_eq!(found.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), ["a b", "", "c"]);
    assert!(found.iter().all(|(_, vector)| vector.len() == 32));
    let note = String::from_utf8_lossy(&from_arguments.stderr).into_owned();
    assert!(note.contains("3 texts in") && note.contains("9 tokens"), "{note}");
    assert_eq!(lines(&run(&[], "a b\r\n\nc\n")), found);
    std::fs::write(folder.path().join("texts.txt"), "a b\n\nc").unwrap();
    assert_eq!(lines(&run(&["--file", "texts.txt", "--threads", "1"], "")), found);
    assert_eq!(lines(&run(&["b"], "")), lines(&run(&["b", "--pooling", "mean", "--normalize", "false"], "")));
    assert_ne!(lines(&run(&["b"], ""))[0].1, lines(&run(&["b", "--pooling", "cls"], ""))[0].1);
    assert_ne!(lines(&run(&["b"], ""))[0].1, lines(&run(&["b", "--precision", "int8"], ""))[0].1);
    // A prefix is read with the text, and not shown.
    let prefixed = lines(&run(&["b", "--prefix", "a "], ""));
    assert_eq!((prefixed[0].0.as_str(), &prefixed[0].1), ("b", &lines(&run(&["a b"], ""))[0].1));
    let cut = lines(&run(&["b c d", "--max-tokens", "3"], ""));
    assert_eq!(cut[0].1, lines(&run(&["b"], ""))[0].1);
    let unit = &lines(&run(&["b", "--normalize"], ""))[0].1;
    assert!((unit.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
}

#[test]
fn vectors_go_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    encoder(folder.path());
    let arguments = ["--model", "model", "--out", "vectors.safetensors", "a", "b c"];
    let output = embed(folder.path(), &arguments, "");
    assert_eq!(text_of(&output), "");
    let file = std::fs::read(folder.path().join("vectors.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let tensor = tensors.tensor("embeddings").unwrap();
    assert_eq!((tensor.shape(), tensor.dtype()), (&[2, 32][..], safetensors::Dtype::F32));
    let values: Vec<f32> =
        tensor.data().chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let printed = lines(&embed(folder.path(), &["--model", "model", "a", "b c"], ""));
    assert_eq!(values, [printed[0].1.clone(), printed[1].1.clone()].concat());
    let nowhere = ["--model", "model", "--out", "no/such/folder.safetensors", "a"];
    assert!(error_of(&embed(folder.path(), &nowhere, "")).contains("cannot write the vectors to"));
}

#[test]
fn texts_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let texts = ["red lamp", "lamp, red", "\u{1b}[2Jquite another thing altogether than those"];
    let arguments = [&["--model", "scripted:words=64", "--compare"][..], &texts].concat();
    let table = text_of(&embed(folder.path(), &arguments, ""));
    let shown: Vec<&str> = table.lines().collect();
    assert_eq!(shown.len(), 4);
    assert!(shown[1].contains("red lamp") && shown[1].contains("1.000"), "{table}");
    assert!(!table.contains('\u{1b}') && shown.iter().all(|line| line.chars().count() <= 60), "{table}");
    let json: Value =
        serde_json::from_str(&text_of(&embed(folder.path(), &[&arguments[..], &["--json"]].concat(), "")))
            .unwrap();
    let cosine: Vec<Vec<f64>> = serde_json::from_value(json["cosine"].clone()).unwrap();
    for (i, row) in cosine.iter().enumerate() {
        assert!((row[i] - 1.0).abs() < 1e-6);
        assert!(row.iter().enumerate().all(|(j, value)| (value - cosine[j][i]).abs() < 1e-12));
    }
    assert!(cosine[0][1] > cosine[0][2]);
}

#[test]
fn what_cannot_be_done_says_why() {
    let folder = tempfile::tempdir().unwrap();
    encoder(folder.path());
    let refused = |arguments: &[&str]| error_of(&embed(folder.path(), arguments, ""));
    assert!(refused(&["--model", "model"]).contains("there are no texts"));
    assert!(refused(&["--model", "nowhere", "a"]).contains("no model \"nowhere\" is installed"));
    assert!(
        refused(&["--model", "model", "--file", "nothing.txt"])
            .contains("cannot read texts from nothing.txt")
    );
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(refused(&["--model", "empty", "a"]).contains("empty holds no encoder"));
    assert!(refused(&["--model", "model", "--max-tokens", "65", "a"]).contains("3 to 64 tokens"));
    assert!(refused(&["--model", "model", "--precision", "f16", "a"]).contains("f32 or int8"));
    #[cfg(not(feature = "cuda"))]
    assert!(refused(&["--model", "model", "--device", "cuda", "a"]).contains("no CUDA support"));
    std::fs::write(folder.path().join("model/config.json"), r#"{"model_type": "mpnet"}"#).unwrap();
    assert!(refused(&["--model", "model", "a"]).contains("mpnet are not supported"));
}
