//! What the files of sentence-transformers say of an encoder: pooling, normalization, length.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::BertError;
use crate::model::{EncoderOptions, ModelError, Pooling};

/// How a folder's model makes a text's vector; what the folder does not say is as Contriever has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How the tokens' vectors become the text's.
    pub pooling: Pooling,
    /// Whether vectors get length 1.
    pub normalize: bool,
    /// Tokens of a text that are read; `None` for all that the model can.
    pub max_tokens: Option<usize>,
    /// Whether texts are made lower case before all else.
    pub lower: bool,
}

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    path: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reading {
    max_seq_length: Option<usize>,
    do_lower_case: bool,
}

impl Settings {
    /// Reads `modules.json`, `1_Pooling/config.json` (or the folder that the former names) and
    /// `sentence_bert_config.json`, where they are; what the options say comes before what the files do.
    ///
    /// # Errors
    /// [`BertError`] for a way of pooling or a module that is not known, unless the options say otherwise.
    pub fn of(folder: &Path, options: &EncoderOptions) -> Result<Self, ModelError> {
        let list = folder.join("modules.json");
        let modules: Option<Vec<Module>> = read_json(&list)?;
        let mut pooling_folder = "1_Pooling".to_owned();
        let mut normalize = false;
        for module in modules.iter().flatten() {
            match module.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" => {}
                // Only a folder inside: anything else could lead out of the model's.
                "Pooling"
                    if Path::new(&module.path).file_name().is_some_and(|name| name == &*module.path) =>
                {
                    pooling_folder.clone_from(&module.path);
                }
                "Pooling" => {}
                "Normalize" => normalize = true,
                _ => {
                    let module = module.kind.chars().take(120).collect();
                    return Err(BertError::Module { path: list, module }.into());
                }
            }
        }
        let pooling = match options.pooling {
            Some(pooling) => pooling,
            None => pooling(&folder.join(pooling_folder).join("config.json"))?,
        };
        let reading: Reading = read_json(&folder.join("sentence_bert_config.json"))?.unwrap_or_default();
        Ok(Self {
            pooling,
            normalize: options.normalize.unwrap_or(normalize),
            max_tokens: reading.max_seq_length,
            lower: reading.do_lower_case,
        })
    }
}

/// The pooling that a file asks for: newer ones by name, older ones by a switch for each kind.
fn pooling(path: &Path) -> Result<Pooling, ModelError> {
    let Some(config) = read_json::<Map<String, Value>>(path)? else { return Ok(Pooling::Mean) };
    let switches = config.iter().filter(|(_, value)| **value == Value::Bool(true));
    let mut asked: Vec<&str> = switches.filter_map(|(name, _)| name.strip_prefix("pooling_mode_")).collect();
    if let Some(name) = config.get("pooling_mode") {
        match name {
            Value::String(name) => asked.push(name),
            Value::Array(names) => asked.extend(names.iter().filter_map(Value::as_str)),
            _ => {}
        }
    }
    match asked[..] {
        [] | ["mean" | "mean_tokens"] => Ok(Pooling::Mean),
        ["cls" | "cls_token"] => Ok(Pooling::Cls),
        _ => {
            let found = asked.join(" and ").chars().take(120).collect();
            Err(BertError::PoolingKind { path: path.to_owned(), found }.into())
        }
    }
}

/// A JSON file's content; `None` where there is no such file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ModelError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ModelError::Read { path: path.to_owned(), source }),
    };
    let parsed = serde_json::from_slice(&bytes);
    Ok(Some(parsed.map_err(|source| BertError::Settings { path: path.to_owned(), source })?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)], options: &EncoderOptions) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Settings::of(folder.path(), options).map_err(|error| error.to_string())
    }

    const MODULES: &str = r#"[{"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "9_Pooling"},
        {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"}]"#;

    #[test]
    fn a_bare_folder_is_read_as_contriever() {
        let bare = Settings { pooling: Pooling::Mean, normalize: false, max_tokens: None, lower: false };
        assert_eq!(of(&[], &EncoderOptions::default()).unwrap(), bare);
    }

    #[test]
    fn files_speak_and_options_speak_louder() {
        let files = [
            ("modules.json", MODULES),
            (
                "9_Pooling/config.json",
                r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false, "include_prompt": true}"#,
            ),
            ("sentence_bert_config.json", r#"{"max_seq_length": 256, "do_lower_case": true}"#),
        ];
        let cls = Settings { pooling: Pooling::Cls, normalize: true, max_tokens: Some(256), lower: true };
        assert_eq!(of(&files, &EncoderOptions::default()).unwrap(), cls);
        let options =
            EncoderOptions { pooling: Some(Pooling::Mean), normalize: Some(false), ..Default::default() };
        let found = of(&files, &options).unwrap();
        assert_eq!((found.pooling, found.normalize), (Pooling::Mean, false));
        let newer = [("1_Pooling/config.json", r#"{"embedding_dimension": 8, "pooling_mode": "cls"}"#)];
        assert_eq!(of(&newer, &EncoderOptions::default()).unwrap().pooling, Pooling::Cls);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let refused = |name: &str, text: &str| of(&[(name, text)], &EncoderOptions::default()).unwrap_err();
        let error = refused(
            "1_Pooling/config.json",
            r#"{"pooling_mode_max_tokens": true, "pooling_mode_mean_tokens": true}"#,
        );
        assert!(error.contains("max_tokens and mean_tokens pooling"), "{error}");
        let dense = MODULES.replace("models.Normalize", "models.Dense");
        assert!(refused("modules.json", &dense).contains("models.Dense"));
        assert!(refused("modules.json", "{").contains("modules.json"));
        let max = ("1_Pooling/config.json", r#"{"pooling_mode": "max"}"#);
        let options = EncoderOptions { pooling: Some(Pooling::Cls), ..Default::default() };
        assert_eq!(of(&[max], &options).unwrap().pooling, Pooling::Cls);
        let outside = MODULES.replace("9_Pooling", "../9_Pooling");
        assert_eq!(
            of(&[("modules.json", &outside)], &EncoderOptions::default()).unwrap().pooling,
            Pooling::Mean
        );
    }
}
