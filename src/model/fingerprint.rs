//! What identifies a model: the content of its files, wherever they lie.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::ModelError;
use super::file_hashes::FileHashes;
use super::lora;
use super::weights::Checkpoint;
use crate::jobs::{CancelToken, Progress};

/// The files of a model folder, beside its weights, that change what it answers.
const SMALL_FILES: [&str; 7] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "generation_config.json",
    "modules.json",
    "1_Pooling/config.json",
];

/// A hash of the files that decide what a model answers: a GGUF file, or a folder's weights, configuration and
/// tokenizer. Equal for equal content, whatever the folder is called and whatever else lies in it.
///
/// # Errors
/// A file that cannot be read, a folder without weights, or [`ModelError::Canceled`].
pub fn fingerprint(model: &Path, cancel: &CancelToken, progress: &Progress) -> Result<String, ModelError> {
    fingerprint_with(model, &mut FileHashes::default(), cancel, progress)
}

/// [`fingerprint`] that reads only the files whose hashes are not known.
///
/// # Errors
/// As [`fingerprint`].
pub fn fingerprint_with(
    model: &Path,
    hashes: &mut FileHashes,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<String, ModelError> {
    if lora::is_adapter(model) {
        return adapter(model, hashes, cancel, progress);
    }
    let files = files(model)?;
    let mut total = 0;
    for (_, path) in &files {
        total += std::fs::metadata(path).map_err(|source| read_error(path, source))?.len();
    }
    progress.start("Hashing", total);
    let mut all = Sha256::new();
    for (name, path) in &files {
        all.update(name.as_bytes());
        all.update([0]);
        all.update(hashes.of(path, cancel, progress)?);
    }
    Ok(hex::encode(all.finalize()))
}

/// What identifies an adapter or a collection of them: its base, how its numbers are used, and the numbers. Where the base lies
/// does not count.
fn adapter(
    model: &Path,
    hashes: &mut FileHashes,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<String, ModelError> {
    let base = fingerprint_with(&lora::home(model)?, hashes, cancel, progress)?;
    let mut all = Sha256::new_with_prefix(format!("{base}\n{}\n", lora::identity(model)?));
    for (name, path) in lora::files(model)? {
        all.update(name);
        all.update([0]);
        all.update(hashes.of(&path, cancel, progress)?);
    }
    Ok(hex::encode(all.finalize()))
}

/// The files that count, by a name that does not depend on where the model lies, in a fixed order.
fn files(model: &Path) -> Result<Vec<(String, PathBuf)>, ModelError> {
    let metadata = std::fs::metadata(model).map_err(|source| read_error(model, source))?;
    if !metadata.is_dir() {
        return Ok(vec![("model".to_owned(), model.to_owned())]);
    }
    let mut files: Vec<(String, PathBuf)> = Checkpoint::open(model)?
        .files()
        .map(|path| {
            (
                path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
                path.to_owned(),
            )
        })
        .collect();
    files.extend(
        SMALL_FILES
            .iter()
            .map(|name| ((*name).to_owned(), model.join(name)))
            .filter(|(_, path)| path.is_file()),
    );
    files.sort();
    Ok(files)
}

fn read_error(path: &Path, source: std::io::Error) -> ModelError {
    ModelError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_counts_and_neither_place_nor_other_files() {
        let (cancel, progress) = (CancelToken::new(), Progress::default());
        let of = |path: &Path| fingerprint(path, &cancel, &progress).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |model: &str, name: &str, text: &str| {
            let model = folder.path().join(model);
            std::fs::create_dir_all(&model).unwrap();
            std::fs::write(model.join(name), text).unwrap();
            model
        };
        let weights =
            safetensors::serialize(Vec::<(String, safetensors::tensor::TensorView<'_>)>::new(), None)
                .unwrap();
        let weights = String::from_utf8(weights).unwrap();
        for model in ["a", "b"] {
            write(model, "model.safetensors", &weights);
            write(model, "config.json", "{}");
        }
        let (a, b) = (write("a", "README.md", "one"), write("b", "README.md", "two"));
        assert_eq!(of(&a), of(&b));
        write("b", "config.json", "{ }");
        assert_ne!(of(&a), of(&b));
        let file = write("c", "x.gguf", "GGUF").join("x.gguf");
        assert_eq!(of(&file), of(&write("c", "y.gguf", "GGUF").join("y.gguf")));
        let missing = fingerprint(&folder.path().join("d"), &cancel, &progress).unwrap_err();
        assert!(missing.to_string().contains("cannot read"), "{missing}");
        let canceled = CancelToken::new();
        canceled.cancel();
        assert!(matches!(fingerprint(&a, &canceled, &progress), Err(ModelError::Canceled(_))));
    }
}
