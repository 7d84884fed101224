//! What two specs differ in.

use serde::Serialize;
use serde_json::Value;

use super::RunSpec;

/// One setting that two specs do not share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The setting's path, such as `retriever.k`.
    pub path: String,
    /// Its value in the first spec; `None` where it has none.
    pub first: Option<Value>,
    /// Its value in the second spec.
    pub second: Option<Value>,
}

/// The settings in which two specs differ, in the order in which specs are written.
pub fn diff(first: &RunSpec, second: &RunSpec) -> Vec<Difference> {
    let value = |spec: &RunSpec| serde_json::to_value(spec).unwrap_or_default();
    let mut differences = Vec::new();
    collect(String::new(), Some(&value(first)), Some(&value(second)), &mut differences);
    differences
}

fn collect(path: String, first: Option<&Value>, second: Option<&Value>, out: &mut Vec<Difference>) {
    if first == second {
        return;
    }
    if let (Some(Value::Object(one)), Some(Value::Object(other))) = (first, second) {
        let only_in_other = other.keys().filter(|key| !one.contains_key(*key));
        for key in one.keys().chain(only_in_other) {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            collect(path, one.get(key), other.get(key), out);
        }
        return;
    }
    let known = |value: Option<&Value>| value.filter(|value| !value.is_null()).cloned();
    out.push(Difference { path, first: known(first), second: known(second) });
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::spec;
    use super::*;

    #[test]
    fn only_what_differs_is_listed() {
        let one = spec();
        assert_eq!(diff(&one, &one), []);
        let mut other = spec();
        other.retriever.k = 2;
        other.dataset.limit = Some(10);
        other.generation = Some(serde_json::json!({"beams": 1, "stop": ["x"]}));
        let found = diff(&one, &other);
        let paths: Vec<&str> = found.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(paths, ["dataset.limit", "retriever.k", "generation.beams", "generation.stop"]);
        assert_eq!((&found[0].first, &found[0].second), (&None, &Some(10.into())));
        other.prompt = None;
        assert!(diff(&one, &other).iter().any(|d| d.path == "prompt" && d.second.is_none()));
    }
}
