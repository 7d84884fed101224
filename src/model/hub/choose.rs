//! Which files of a repository make a model, and what it lacks if it is none.
//!
//! Safetensors are preferred, then PyTorch's weights; those of other programs (ONNX, TensorFlow, Flax) are never taken.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::listing::{Listing, RemoteFile, is_portable};
use super::{HubError, Lack, ListingFault};

/// Files beside the weights that are taken where they are there.
pub(crate) const BESIDE: [&str; 11] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
];

/// The families that run from folders, as `model_type` names them.
const FAMILIES: [&str; 6] = ["t5", "mt5", "bert", "roberta", "xlm-roberta", "camembert"];

/// No configuration or tokenizer is nearly so large.
const MOST_BESIDE: u64 = 256 << 20;

/// What is to be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The files, small ones first.
    pub(super) files: Vec<RemoteFile>,
    /// The GGUF file to load; the whole folder if `None`.
    pub(super) gguf: Option<String>,
}

/// Chooses the files of a model. `read` gives the content of a small file of the listing.
pub(super) fn choose(
    listing: &Listing,
    file: Option<&str>,
    read: &mut dyn FnMut(&RemoteFile) -> Result<Vec<u8>, HubError>,
) -> Result<Choice, HubError> {
    let unusable = |lack| HubError::Unusable { repository: listing.repository.clone(), lack };
    let weights = ["model.safetensors", "pytorch_model.bin"].into_iter().find_map(|name| {
        let index = format!("{name}.index.json");
        listing.find(name).or_else(|| listing.find(&index)).cloned()
    });
    let ggufs: Vec<&RemoteFile> = listing
        .files
        .iter()
        .filter(|file| file.path.to_ascii_lowercase().ends_with(".gguf"))
        .filter(|file| !file.path.to_ascii_lowercase().contains("mmproj")) // pictures, not language
        .collect();
    if file.is_some() || (weights.is_none() && !ggufs.is_empty()) {
        let gguf = gguf(&ggufs, file).map_err(unusable)?;
        check_name(gguf).map_err(|fault| fault_of(listing, fault))?;
        return Ok(Choice { files: vec![gguf.clone()], gguf: Some(gguf.path.clone()) });
    }
    let Some(weights) = weights else {
        let large = |file: &&RemoteFile| file.size.is_some_and(|size| size > 1 << 20);
        let other = listing.files.iter().filter(large).map(|file| file.path.clone()).collect();
        return Err(unusable(Lack::Weights(other)));
    };
    let config = listing.find("config.json").ok_or_else(|| unusable(Lack::Config))?;
    check_small(config).map_err(|fault| fault_of(listing, fault))?;
    let family = family(&read(config)?)
        .map_err(|source| unusable(Lack::Syntax { name: "config.json".into(), source }))?;
    if !FAMILIES.contains(&family.as_str()) {
        return Err(unusable(Lack::Family(family)));
    }
    // A BERT tokenizer can be made of its list of words; the others cannot.
    let words = family == "bert" && listing.find("vocab.txt").is_some();
    if listing.find("tokenizer.json").is_none() && !words {
        let instead = ["spiece.model", "sentencepiece.bpe.model", "vocab.txt", "vocab.json"];
        let instead = instead.into_iter().find(|name| listing.find(name).is_some());
        return Err(unusable(Lack::Tokenizer(instead)));
    }
    let mut files: Vec<RemoteFile> = BESIDE.iter().filter_map(|name| listing.find(name)).cloned().collect();
    for file in &files {
        check_small(file).map_err(|fault| fault_of(listing, fault))?;
    }
    if weights.path.ends_with(".json") {
        check_small(&weights).map_err(|fault| fault_of(listing, fault))?;
        let shards = shards(&read(&weights)?)
            .map_err(|source| unusable(Lack::Syntax { name: weights.path.clone(), source }))?;
        let index = weights.path.clone();
        files.push(weights);
        for shard in shards {
            // A shard lies beside its index; a name with a path in it is no shard.
            let found = listing.find(&shard).filter(|_| !shard.contains('/')).cloned();
            let lost = || unusable(Lack::Shard { index: index.clone(), shard: shard.clone() });
            files.push(found.ok_or_else(lost)?);
        }
    } else {
        files.push(weights);
    }
    for file in &files {
        check_name(file).map_err(|fault| fault_of(listing, fault))?;
    }
    Ok(Choice { files, gguf: None })
}

/// The GGUF file that is meant: by its path, by a part of its name such as `Q4_K_M`, or the only one.
fn gguf<'a>(ggufs: &[&'a RemoteFile], wanted: Option<&str>) -> Result<&'a RemoteFile, Lack> {
    let names = |files: &[&RemoteFile]| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
    let found = match wanted {
        None => ggufs.to_vec(),
        Some(wanted) => match ggufs.iter().find(|file| file.path == wanted) {
            Some(exact) => vec![*exact],
            None => {
                let part = wanted.to_ascii_lowercase();
                let fits = |file: &&&RemoteFile| file.path.to_ascii_lowercase().contains(&part);
                ggufs.iter().filter(fits).copied().collect()
            }
        },
    };
    let one = match (found.as_slice(), wanted) {
        ([one], _) => *one,
        ([], Some(wanted)) => {
            return Err(Lack::File { file: wanted.to_owned(), files: names(ggufs) });
        }
        (several, _) => return Err(Lack::Choice(names(several))),
    };
    let stem = one.path[..one.path.len() - ".gguf".len()].rsplit_once("-of-");
    let number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let split = stem.is_some_and(|(before, of)| {
        number(of) && before.rsplit_once('-').is_some_and(|(_, part)| number(part))
    });
    if split { Err(Lack::Split(one.path.clone())) } else { Ok(one) }
}

/// The kind of model that a configuration is of.
fn family(config: &[u8]) -> Result<String, serde_json::Error> {
    #[derive(Deserialize)]
    struct Config {
        model_type: Option<String>,
    }
    let config: Config = serde_json::from_slice(config)?;
    Ok(config.model_type.unwrap_or_else(|| "nameless".to_owned()))
}

/// The files that an index names, each once.
fn shards(index: &[u8]) -> Result<BTreeSet<String>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: std::collections::BTreeMap<String, String>,
    }
    Ok(serde_json::from_slice::<Index>(index)?.weight_map.into_values().collect())
}

fn check_name(file: &RemoteFile) -> Result<(), ListingFault> {
    if is_portable(&file.path) { Ok(()) } else { Err(ListingFault::Name(file.path.clone())) }
}

fn check_small(file: &RemoteFile) -> Result<(), ListingFault> {
    match file.size.filter(|&size| size > MOST_BESIDE) {
        Some(size) => Err(ListingFault::Size { name: file.path.clone(), size }),
        None => Ok(()),
    }
}

fn fault_of(listing: &Listing, fault: ListingFault) -> HubError {
    HubError::Listing { endpoint: listing.source.clone(), repository: listing.repository.clone(), fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(names: &[&str]) -> Listing {
        let file = |name: &&str| RemoteFile {
            path: (*name).to_owned(),
            size: Some(if name.ends_with(".json") { 100 } else { 5 << 20 }),
            sha256: None,
            blob: None,
        };
        Listing {
            source: "hub".into(),
            repository: "a/b".into(),
            commit: "0".repeat(40),
            gated: false,
            license: None,
            files: names.iter().map(file).collect(),
        }
    }

    fn chosen(names: &[&str], file: Option<&str>) -> Result<Vec<String>, HubError> {
        let mut read = |file: &RemoteFile| {
            Ok(match file.path.as_str() {
                "config.json" => br#"{"model_type": "t5"}"#.to_vec(),
                _ => br#"{"metadata": {}, "weight_map": {"a": "w-1", "b": "w-2", "c": "w-1"}}"#.to_vec(),
            })
        };
        let choice = choose(&listing(names), file, &mut read)?;
        Ok(choice.files.into_iter().map(|file| file.path).collect())
    }

    fn lack(names: &[&str], file: Option<&str>) -> String {
        chosen(names, file).unwrap_err().to_string()
    }

    #[test]
    fn the_files_of_a_model_are_chosen() {
        let all = [
            ".gitattributes",
            "README.md",
            "config.json",
            "flax_model.msgpack",
            "model.safetensors",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "spiece.model",
            "tf_model.h5",
            "tokenizer.json",
            "tokenizer_config.json",
        ];
        let expected = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];
        assert_eq!(chosen(&all, None).unwrap(), expected);
        let torch = ["config.json", "tokenizer.json", "pytorch_model.bin", "x.gguf"];
        assert_eq!(chosen(&torch, None).unwrap(), ["config.json", "tokenizer.json", "pytorch_model.bin"]);
        let sharded = ["config.json", "tokenizer.json", "model.safetensors.index.json", "w-1", "w-2", "w-3"];
        let expected = ["config.json", "tokenizer.json", "model.safetensors.index.json", "w-1", "w-2"];
        assert_eq!(chosen(&sharded, None).unwrap(), expected);
        let sentences = [
            "1_Pooling/config.json",
            "config.json",
            "model.safetensors",
            "modules.json",
            "sentence_bert_config.json",
            "tokenizer.json",
            "vocab.txt",
            "openvino/x.bin",
        ];
        assert_eq!(chosen(&sentences, None).unwrap().len(), 7);
    }

    #[test]
    fn gguf_files_are_found_by_their_names() {
        let all =
            ["README.md", "m-Q4_K_M.gguf", "m-Q8_0.gguf", "mmproj-m.gguf", "big/m-F16-00001-of-00002.gguf"];
        assert_eq!(chosen(&all, Some("m-Q8_0.gguf")).unwrap(), ["m-Q8_0.gguf"]);
        assert_eq!(chosen(&all, Some("q4_k_m")).unwrap(), ["m-Q4_K_M.gguf"]);
        assert_eq!(chosen(&["README.md", "m.gguf"], None).unwrap(), ["m.gguf"]);
        assert!(lack(&all, None).contains("several GGUF files"));
        assert!(lack(&all, Some("q5")).contains("m-Q8_0.gguf"));
        assert!(lack(&all, Some("F16")).contains("parts"));
    }

    #[test]
    fn what_is_lacking_is_named() {
        assert!(lack(&["README.md", "tf_model.h5"], None).contains("tf_model.h5"));
        assert!(lack(&["model.safetensors"], None).contains("no config.json"));
        let bare = ["config.json", "model.safetensors", "spiece.model"];
        let words = lack(&bare, None);
        assert!(words.contains("only spiece.model") && words.contains("save_pretrained"), "{words}");
        let lost = ["config.json", "tokenizer.json", "model.safetensors.index.json", "w-1"];
        assert!(lack(&lost, None).contains("\"w-2\""));
        let mut llama = |_: &RemoteFile| Ok(br#"{"model_type": "llama"}"#.to_vec());
        let names = listing(&["config.json", "model.safetensors", "tokenizer.json"]);
        let error = choose(&names, None, &mut llama).unwrap_err().to_string();
        assert!(error.contains("llama") && error.contains("GGUF"), "{error}");
    }
}
