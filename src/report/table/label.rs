//! What tells namesakes apart: the settings in which they differ, in words.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::record::{ModelSpec, RunSpec};

/// For each of several groups of settings, those settings that not all share, such as `max_length 256, beams 1`.
pub(super) fn differing(groups: &[Map<String, Value>]) -> Vec<String> {
    let flat: Vec<Vec<(String, String)>> = groups
        .iter()
        .map(|group| {
            let mut out = Vec::new();
            group.iter().for_each(|(name, value)| flatten(name.clone(), value, &mut out));
            out
        })
        .collect();
    let mut paths: Vec<&str> = Vec::new();
    for (path, _) in flat.iter().flatten() {
        if !paths.contains(&path.as_str()) {
            paths.push(path);
        }
    }
    let value_of = |group: &[(String, String)], path: &str| {
        group.iter().find(|(name, _)| name == path).map_or("none", |(_, value)| value.as_str()).to_owned()
    };
    paths.retain(|path| flat.iter().any(|group| value_of(group, path) != value_of(&flat[0], path)));
    flat.iter()
        .map(|group| {
            let parts: Vec<String> =
                paths.iter().map(|path| format!("{path} {}", value_of(group, path))).collect();
            parts.join(", ")
        })
        .collect()
}

fn flatten(path: String, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, value)| flatten(format!("{path}.{name}"), value, out));
        }
        Value::String(text) => out.push((path, text.clone())),
        Value::Null => {}
        other => out.push((path, other.to_string())),
    }
}

/// A text's hash, short: enough to tell a handful apart.
pub(in crate::report) fn short_hash(text: &str) -> String {
    let mut hash = hex::encode(Sha256::digest(text));
    hash.truncate(6);
    hash
}

/// What of a model changes its answers, its name aside. Devices of one kind compute alike.
pub(super) fn of_model(model: &ModelSpec) -> Map<String, Value> {
    let device = model.device.split(':').next().unwrap_or_default();
    let mut fingerprint = model.fingerprint.clone();
    fingerprint.truncate(fingerprint.char_indices().nth(8).map_or(fingerprint.len(), |(at, _)| at));
    let mut out = Map::new();
    out.insert("precision".into(), model.precision.clone().into());
    out.insert("device".into(), device.into());
    out.insert("weights".into(), fingerprint.into());
    out.extend(model.options.clone());
    out
}

/// How a run's prompt is made and its answer generated, without what is the task's own and without the seed, which is given
/// beside it.
pub(super) fn of_variant(spec: &RunSpec) -> (Map<String, Value>, Option<String>) {
    let mut out = Map::new();
    if let Some(prompt) = &spec.prompt {
        // Built-in templates have the task in their names; columns span tasks.
        let task = format!("{} ", spec.dataset.task);
        let template = prompt.template.strip_prefix(&task).unwrap_or(&prompt.template);
        out.insert("template".into(), template.into());
        out.insert("mode".into(), prompt.mode.clone().into());
        out.insert("max_length".into(), prompt.max_length.into());
    }
    let mut seed = None;
    if let Some(Value::Object(generation)) = &spec.generation {
        let mut generation = generation.clone();
        if let Some(Value::Object(sampling)) = generation.get_mut("sampling") {
            seed = sampling.remove("seed").map(|seed| seed.to_string());
        }
        out.extend(generation);
    }
    out.insert("parsing".into(), spec.parsing.clone().into());
    (out, seed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_said() {
        let map = |value: Value| match value {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        let one = map(json!({"template": "official", "beams": 4, "sampling": null}));
        let other = map(json!({"template": "official", "beams": 1, "sampling": {"top_k": 3}}));
        assert_eq!(
            differing(&[one.clone(), other]),
            ["beams 4, sampling.top_k none", "beams 1, sampling.top_k 3"]
        );
        assert_eq!(differing(&[one.clone(), one]), ["", ""]);
        assert!(differing(&[]).is_empty());
    }
}
