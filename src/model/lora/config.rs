//! An adapter's configuration in PEFT's form: `adapter_config.json`.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{AdapterError, CONFIG};
use crate::model::ModelError;

/// What an adapter is: the part of PEFT's configuration that decides what it computes.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterConfig {
    /// The model that it is for, as the file says: a path or a repository.
    pub base: String,
    /// The rank.
    pub r: usize,
    /// Its weight, in parts of the rank.
    pub alpha: f64,
    /// The share of what it reads that was dropped in training.
    pub dropout: f64,
    /// The matrices that it is for, by the last part of their names; empty where the file has a pattern instead.
    pub targets: Vec<String>,
    /// Whether its weight is in parts of the rank's root.
    pub rslora: bool,
}

impl AdapterConfig {
    /// Reads the configuration of an adapter's folder.
    ///
    /// # Errors
    /// A file that cannot be read; [`AdapterError::Unsupported`] with the first key that asks for something else than plain
    /// LoRA.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join(CONFIG);
        let text = std::fs::read(&path).map_err(|source| ModelError::Read { path: path.clone(), source })?;
        let syntax = |source| ModelError::ConfigSyntax { path: path.clone(), source };
        let all: Map<String, Value> = serde_json::from_slice(&text).map_err(syntax)?;
        let refuse = |key: &str, rule| {
            let value = all.get(key).map_or_else(|| "missing".to_owned(), Value::to_string);
            Err(AdapterError::Unsupported { path: path.clone(), key: key.to_owned(), value, rule }.into())
        };
        let text_of = |key: &str| all.get(key).and_then(Value::as_str);
        if text_of("peft_type") != Some("LORA") {
            return refuse("peft_type", "only \"LORA\" is read");
        }
        if text_of("bias").is_some_and(|bias| bias != "none") {
            return refuse("bias", "only \"none\" is read: T5 models have no biases to train");
        }
        if text_of("task_type").is_some_and(|task| task != "SEQ_2_SEQ_LM") {
            return refuse("task_type", "only \"SEQ_2_SEQ_LM\" is read: the base must be a T5 model");
        }
        // Ways to begin that change the base's own weights, so that the adapter alone is not what was trained.
        if text_of("init_lora_weights").is_some_and(|way| {
            ["pissa", "olora", "corda", "loftq", "lora_ga"].iter().any(|w| way.starts_with(w))
        }) {
            return refuse(
                "init_lora_weights",
                "such adapters are for a changed base; convert it to plain LoRA in PEFT first",
            );
        }
        let is_nothing = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        for (key, value) in &all {
            let rule = match key.as_str() {
                "modules_to_save" | "trainable_token_indices" | "target_parameters" | "layer_replication" => {
                    "only matrices of low rank are read; train without it, or merge the adapter in Python"
                }
                "alora_invocation_tokens" | "arrow_config" | "kasa_config" | "monteclora_config" => {
                    "only plain LoRA is read"
                }
                "rank_pattern" | "alpha_pattern" => "all matrices must have one r and one lora_alpha",
                "lora_bias" | "fan_in_fan_out" => "only false is read",
                "use_dora" => {
                    "weights with magnitudes of their own (DoRA) are not read; merge the adapter in Python"
                }
                key if key.starts_with("use_") && key != "use_rslora" => "only plain LoRA is read",
                _ => continue,
            };
            if !is_nothing(value) {
                return refuse(key, rule);
            }
        }
        let r = match all.get("r").and_then(Value::as_u64) {
            Some(r @ 1..=65_536) => r as usize,
            _ => return refuse("r", "it must be a whole number from 1 on"),
        };
        let Some(alpha) = all.get("lora_alpha").and_then(Value::as_f64) else {
            return refuse("lora_alpha", "it must be a number");
        };
        let targets = match all.get("target_modules") {
            Some(Value::Array(list)) => {
                list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        Ok(Self {
            base: text_of("base_model_name_or_path").unwrap_or_default().to_owned(),
            r,
            alpha,
            dropout: all.get("lora_dropout").and_then(Value::as_f64).unwrap_or_default(),
            targets,
            rslora: all.get("use_rslora").and_then(Value::as_bool).unwrap_or_default(),
        })
    }

    /// What the product of both matrices is multiplied with.
    pub fn scale(&self) -> f64 {
        let rank = self.r as f64;
        self.alpha / if self.rslora { rank.sqrt() } else { rank }
    }

    /// The file as PEFT writes and reads it.
    pub fn to_json(&self) -> Value {
        let whole = self.alpha.fract() == 0.0 && self.alpha.abs() < 1e15;
        json!({
            "alpha_pattern": {},
            "auto_mapping": null,
            "base_model_name_or_path": self.base,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "layers_pattern": null,
            "layers_to_transform": null,
            "lora_alpha": if whole { json!(self.alpha as i64) } else { json!(self.alpha) },
            "lora_dropout": self.dropout,
            "modules_to_save": null,
            "peft_type": "LORA",
            "r": self.r,
            "rank_pattern": {},
            "revision": null,
            "target_modules": self.targets,
            "task_type": "SEQ_2_SEQ_LM",
            "use_dora": false,
            "use_rslora": self.rslora,
        })
    }
}
