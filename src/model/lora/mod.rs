//! Adapters of low rank (LoRA, arXiv 2106.09685) for T5 models, in the layout of Python's PEFT: a folder with
//! `adapter_config.json` and `adapter_model.safetensors`. What Python writes is read here, and the other way round.
//!
//! An adapter is a model: its folder stands for the base model with `W + scale · B · A` in the place of each matrix `W` that
//! the adapter is for ([`Checkpoint::add_low_rank`]), so that whatever loads a T5 model loads an adapter. A *collection* has
//! an adapter for each user ([`Collection`]), which are applied beside the base's matrices as prompts come.

mod collection;
mod config;
mod error;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ModelError;
use super::t5::{T5Config, matrices};
use super::weights::{Checkpoint, LowRank, NamedTensor, write_safetensors};
use crate::whole_file::WholeFile;
pub use collection::{Collection, USERS, user_file, user_key};
pub use config::AdapterConfig;
pub use error::AdapterError;

/// The file that makes a folder an adapter.
pub const CONFIG: &str = "adapter_config.json";
/// The file with its numbers.
pub const WEIGHTS: &str = "adapter_model.safetensors";
/// The same as older versions of PEFT write it.
const OLD_WEIGHTS: &str = "adapter_model.bin";
/// The file by which the registry says where the base is, if the configuration names it otherwise.
const BASE: &str = "base.json";
/// What PEFT puts before the names of the base's tensors.
const PREFIX: &str = "base_model.model.";

/// What an adapter adds to matrices of its base, by their names.
pub type Additions = BTreeMap<String, LowRank>;

/// Whether a folder holds an adapter, or a collection of them.
pub fn is_adapter(model: &Path) -> bool {
    model.join(CONFIG).is_file()
}

/// Where configuration and tokenizer of a model are: in its folder, or in that of the base if it is an adapter.
///
/// # Errors
/// An adapter whose base is not there.
pub fn home(model: &Path) -> Result<PathBuf, ModelError> {
    #[derive(Deserialize)]
    struct Base {
        path: PathBuf,
    }
    if !is_adapter(model) {
        return Ok(model.to_owned());
    }
    let beside = std::fs::read(model.join(BASE)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let (base, said) = match beside {
        Some(Base { path }) => (path.clone(), path.display().to_string()),
        None => {
            let said = AdapterConfig::read(model)?.base;
            (model.join(&said), said) // an absolute path stays as it is
        }
    };
    if said.is_empty() || !base.join("config.json").is_file() {
        return Err(AdapterError::NoBase { folder: model.to_owned(), base: said }.into());
    }
    if is_adapter(&base) {
        return Err(AdapterError::Nested { folder: model.to_owned(), base }.into());
    }
    Ok(base)
}

/// Has the adapter in a folder be for a base wherever its configuration says it is.
///
/// # Errors
/// What cannot be written.
pub fn set_base(folder: &Path, base: &Path) -> io::Result<()> {
    #[derive(Serialize)]
    struct Base<'a> {
        path: &'a Path,
    }
    WholeFile::put(&folder.join(BASE), &serde_json::to_vec(&Base { path: base })?)
}

/// The file with an adapter's numbers.
///
/// # Errors
/// [`AdapterError::NoWeights`].
pub fn weights_file(folder: &Path) -> Result<PathBuf, AdapterError> {
    let mut names = [WEIGHTS, OLD_WEIGHTS].into_iter().map(|name| folder.join(name));
    names.find(|path| path.is_file()).ok_or_else(|| AdapterError::NoWeights { folder: folder.to_owned() })
}

/// The files that hold the numbers of an adapter, or of each of a collection, by names that do not depend on who wrote them.
///
/// # Errors
/// A file that is missing; a damaged list of users.
pub fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>, ModelError> {
    if !Collection::is_at(folder) {
        return Ok(vec![("adapter".to_owned(), weights_file(folder)?)]);
    }
    let users = Collection::list(folder)?;
    Ok(users
        .into_iter()
        .map(|user| {
            let path = folder.join(user_file(&user));
            (user, path)
        })
        .collect())
}

/// What identifies how an adapter's numbers are used, wherever it lies and whatever it was trained with.
///
/// # Errors
/// As [`AdapterConfig::read`].
pub fn identity(folder: &Path) -> Result<String, ModelError> {
    let config = AdapterConfig::read(folder)?;
    Ok(format!("lora r={} scale={}", config.r, config.scale()))
}

/// The base's weights with what an adapter adds to them.
///
/// # Errors
/// Whatever is wrong with base or adapter; a collection, which is not one model.
pub fn open(folder: &Path, base: &Path, t5: &T5Config) -> Result<Checkpoint, ModelError> {
    if Collection::is_at(folder) {
        let what = "a collection with an adapter for each user, so it is no single model; take one of its adapters with \
                    `lamplight lora export`";
        return Err(AdapterError::Other { folder: folder.to_owned(), what }.into());
    }
    let mut checkpoint = Checkpoint::open(base)?;
    let config = AdapterConfig::read(folder)?;
    for (name, added) in read(&weights_file(folder)?, &config, base, t5)? {
        checkpoint.add_low_rank(&name, added)?;
    }
    Ok(checkpoint)
}

/// Reads the numbers of an adapter: halves in `f32`, `f16` or `bf16`, their names with or without the adapter's own.
///
/// # Errors
/// [`AdapterError`] with file and tensor for what does not fit configuration and base.
pub fn read(
    file: &Path,
    config: &AdapterConfig,
    base: &Path,
    t5: &T5Config,
) -> Result<Additions, ModelError> {
    let path = || file.to_owned();
    let checkpoint = Checkpoint::open(file)?;
    let known: BTreeMap<String, [usize; 2]> = matrices(t5).into_iter().collect();
    let mut halves: BTreeMap<String, [Option<&str>; 2]> = BTreeMap::new();
    for key in checkpoint.names() {
        let part = parse_key(key).filter(|(name, _)| known.contains_key(name));
        let Some((name, half)) = part else {
            let base = base.join("config.json");
            return Err(AdapterError::Key { path: path(), key: key.to_owned(), base }.into());
        };
        halves.entry(name).or_default()[half] = Some(key);
    }
    if halves.is_empty() {
        return Err(AdapterError::Empty { path: path() }.into());
    }
    let numbers = |key: &str, expected: [usize; 2]| -> Result<Vec<f32>, ModelError> {
        let found = checkpoint.shape(key).unwrap_or_default();
        if found != expected {
            let (key, found, expected) = (key.to_owned(), found.to_vec(), expected.to_vec());
            return Err(AdapterError::Shape { path: path(), key, found, expected }.into());
        }
        let mut values = vec![0.0; expected[0] * expected[1]];
        checkpoint.view(key, &expected)?.read(&mut values);
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(AdapterError::NotFinite { path: path(), key: key.to_owned() }.into()),
        }
    };
    let mut all = Additions::new();
    for (name, pair) in halves {
        let [outputs, inputs] = known[&name];
        let (a, b) = match pair {
            [Some(a), Some(b)] => (a, b),
            [Some(key), None] | [None, Some(key)] => {
                let other = match key.contains("lora_A") {
                    true => key.replace("lora_A", "lora_B"),
                    false => key.replace("lora_B", "lora_A"),
                };
                return Err(AdapterError::Half { path: path(), key: key.to_owned(), other }.into());
            }
            [None, None] => continue,
        };
        let (a, b) = (numbers(a, [config.r, inputs])?, numbers(b, [outputs, config.r])?);
        let scale = config.scale() as f32;
        all.insert(name, LowRank { rank: config.r, inputs, outputs, a, b, scale });
    }
    Ok(all)
}

/// Which matrix a tensor of an adapter is for, and which half it is: 0 for A, 1 for B.
fn parse_key(key: &str) -> Option<(String, usize)> {
    let key = key.strip_prefix(PREFIX).unwrap_or(key);
    let (module, rest, half) = match (key.split_once(".lora_A."), key.split_once(".lora_B.")) {
        (Some((module, rest)), _) => (module, rest, 0),
        (None, Some((module, rest))) => (module, rest, 1),
        (None, None) => return None,
    };
    // The adapter's own name stands between, or does not: `lora_A.weight`, `lora_A.default.weight`.
    let own = rest.strip_suffix("weight")?;
    let fits = own.is_empty() || own.strip_suffix('.').is_some_and(|name| !name.contains('.'));
    fits.then(|| (format!("{module}.weight"), half))
}

/// The names of A and B in files for a matrix of the base.
pub fn keys(matrix: &str) -> [String; 2] {
    let module = matrix.strip_suffix(".weight").unwrap_or(matrix);
    ["A", "B"].map(|half| format!("{PREFIX}{module}.lora_{half}.weight"))
}

/// Writes an adapter into a folder.
///
/// # Errors
/// What the system says of a file.
pub fn write(folder: &Path, config: &AdapterConfig, tensors: &[NamedTensor<'_>]) -> io::Result<()> {
    write_safetensors(&folder.join(WEIGHTS), tensors)?;
    write_config(folder, config)
}

/// Writes the configuration of an adapter into a folder.
///
/// # Errors
/// What the system says of the file.
pub fn write_config(folder: &Path, config: &AdapterConfig) -> io::Result<()> {
    WholeFile::put(&folder.join(CONFIG), &serde_json::to_vec_pretty(&config.to_json())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tensors_are_pefts() {
        let name = "encoder.block.0.layer.0.SelfAttention.q.weight";
        let [a, b] = keys(name);
        assert_eq!(a, "base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_A.weight");
        assert_eq!(parse_key(&a), Some((name.to_owned(), 0)));
        assert_eq!(parse_key(&b), Some((name.to_owned(), 1)));
        let named = "base_model.model.encoder.block.0.layer.0.SelfAttention.q.lora_B.default.weight";
        assert_eq!(parse_key(named), Some((name.to_owned(), 1)));
        for other in [
            "a.q.lora_A",
            "a.q.lora_A.bias",
            "a.q.lora_A.x.y.weight",
            "a.q.lora_magnitude_vector",
            "a.q.weight",
        ] {
            assert_eq!(parse_key(other), None, "{other}");
        }
    }
}
