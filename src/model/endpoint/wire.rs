//! The JSON that is sent and read. Knows no connection.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Endpoint, Kind};
use crate::model::{FinishReason, GenerationConfig};

/// An answer as a server gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub text: String,
    pub finish: FinishReason,
    /// Tokens read and written, where the server counts them.
    pub read: Option<u64>,
    pub written: Option<u64>,
}

impl Answer {
    /// What a filter that gives an error instead of an answer leaves.
    pub(super) const fn filtered() -> Self {
        Self { text: String::new(), finish: FinishReason::ContentFilter, read: None, written: Some(0) }
    }
}

/// Why a body is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// The server says so itself.
    Error(ServerError),
    /// It is something else.
    Other(String),
}

/// An error as servers tell it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ServerError {
    pub message: String,
    /// Code and type, in small letters, as some servers give them.
    pub signs: String,
    /// The status of HTTP where the body has it.
    pub status: Option<u16>,
}

impl ServerError {
    /// Whether the text says that a filter kept the answer back, which is an answer of its own kind.
    pub fn is_filter(&self) -> bool {
        self.signs.contains("content_filter") || self.signs.contains("content_policy")
    }

    /// Whether there is no such model.
    pub fn is_no_model(&self) -> bool {
        self.signs.contains("model_not_found") || self.signs.contains("deploymentnotfound")
    }

    /// Whether waiting brings no more: the account is empty.
    pub fn is_no_credit(&self) -> bool {
        self.signs.contains("insufficient_quota") || self.signs.contains("billing")
    }
}

/// The service that answers prompts.
pub(super) const fn service(kind: Kind) -> &'static str {
    match kind {
        Kind::Chat => "chat/completions",
        Kind::Completions => "completions",
    }
}

/// A request for one answer.
pub(super) fn question(endpoint: &Endpoint, config: &GenerationConfig, prompt: &str) -> Vec<u8> {
    let mut body = Map::new();
    body.insert("model".into(), endpoint.model.clone().into());
    match endpoint.kind {
        Kind::Chat => {
            let system = endpoint.system.as_ref().map(|text| json!({"role": "system", "content": text}));
            let messages: Vec<Value> =
                system.into_iter().chain([json!({"role": "user", "content": prompt})]).collect();
            body.insert("messages".into(), messages.into());
        }
        Kind::Completions => {
            body.insert("prompt".into(), prompt.into());
        }
    }
    body.insert(endpoint.max_tokens_field.clone(), config.max_new_tokens.into());
    match config.sampling {
        None => {
            body.insert("temperature".into(), 0.into());
        }
        Some(sampling) => {
            // As they are written, not as the nearest 64-bit numbers of 32-bit ones.
            body.insert("temperature".into(), decimal(sampling.temperature));
            body.insert("top_p".into(), decimal(sampling.top_p));
            body.insert("seed".into(), sampling.seed.into());
            if sampling.top_k > 0 {
                body.insert("top_k".into(), sampling.top_k.into());
            }
        }
    }
    if config.min_new_tokens > 0 {
        body.insert("min_tokens".into(), config.min_new_tokens.into());
    }
    if !config.stop.is_empty() {
        body.insert("stop".into(), config.stop.clone().into());
    }
    body.insert("stream".into(), false.into());
    finished(endpoint, body)
}

/// A request for texts' vectors.
pub(super) fn texts(endpoint: &Endpoint, texts: &[String]) -> Vec<u8> {
    let mut body = Map::new();
    body.insert("model".into(), endpoint.model.clone().into());
    body.insert("input".into(), texts.into());
    body.insert("encoding_format".into(), "float".into());
    finished(endpoint, body)
}

fn finished(endpoint: &Endpoint, mut body: Map<String, Value>) -> Vec<u8> {
    body.extend(endpoint.extra.clone());
    body.retain(|field, _| !endpoint.omit.contains(field));
    // Texts, numbers and maps with text keys: there is nothing that could fail to be written.
    serde_json::to_vec(&body).unwrap_or_default()
}

fn decimal(number: f32) -> Value {
    number.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Option<Message>,
    text: Option<String>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<Content>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

/// Reads an answer.
pub(super) fn answer(body: &[u8]) -> Result<Answer, NoAnswer> {
    let reply: Reply = parsed(body)?;
    let none = || NoAnswer::Other("an answer without choices".to_owned());
    let choice = reply.choices.into_iter().next().ok_or_else(none)?;
    let (content, refusal) = match choice.message {
        Some(Message { content, refusal }) => {
            let text = match content {
                None => None,
                Some(Content::Text(text)) => Some(text),
                Some(Content::Parts(parts)) => Some(parts.into_iter().map(|part| part.text).collect()),
            };
            (text, refusal.filter(|refusal| !refusal.is_empty()))
        }
        None => (choice.text, None),
    };
    let told = choice.finish_reason.as_deref().unwrap_or_default();
    if content.is_none() && refusal.is_none() && told.is_empty() {
        return Err(NoAnswer::Other("a choice with neither text nor a reason to end".to_owned()));
    }
    let finish = match (told, &refusal) {
        ("content_filter", _) => FinishReason::ContentFilter,
        (_, Some(_)) => FinishReason::Refusal,
        ("length" | "max_tokens", _) => FinishReason::Length,
        // Servers call the model's own end and a stop text the same.
        _ => FinishReason::EndOfSequence,
    };
    let text = refusal.or(content).unwrap_or_default();
    let usage = reply.usage.unwrap_or(Usage { prompt_tokens: None, completion_tokens: None });
    Ok(Answer { text, finish, read: usage.prompt_tokens, written: usage.completion_tokens })
}

#[derive(Deserialize)]
struct Vectors {
    data: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// Reads so many vectors, in the order of the texts.
pub(super) fn vectors(body: &[u8], texts: usize) -> Result<Vec<Vec<f32>>, NoAnswer> {
    let mut data = parsed::<Vectors>(body)?.data;
    if data.len() != texts {
        return Err(NoAnswer::Other(format!("{} vectors for {texts} texts", data.len())));
    }
    if data.iter().all(|vector| vector.index.is_some()) {
        data.sort_by_key(|vector| vector.index);
        if data.iter().enumerate().any(|(at, vector)| vector.index != Some(at)) {
            return Err(NoAnswer::Other("vectors whose numbers are not those of the texts".to_owned()));
        }
    }
    Ok(data.into_iter().map(|vector| vector.embedding).collect())
}

/// Reads the names of a server's models.
pub(super) fn models(body: &[u8]) -> Result<Vec<String>, NoAnswer> {
    #[derive(Deserialize)]
    struct Models {
        data: Vec<Model>,
    }
    #[derive(Deserialize)]
    struct Model {
        id: String,
    }
    Ok(parsed::<Models>(body)?.data.into_iter().map(|model| model.id).collect())
}

fn parsed<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, NoAnswer> {
    let read = serde_json::from_slice::<T>(body);
    // Some servers tell errors with the status of success.
    match (error(body), read) {
        (Some(error), _) => Err(NoAnswer::Error(error)),
        (None, Ok(read)) => Ok(read),
        (None, Err(_)) if looks_like_html(body) => {
            Err(NoAnswer::Other("a web page instead of JSON; the address usually ends in /v1".to_owned()))
        }
        (None, Err(error)) if error.is_eof() => Err(NoAnswer::Other("JSON that breaks off".to_owned())),
        (None, Err(error)) => Err(NoAnswer::Other(format!("JSON of another kind: {error}"))),
    }
}

fn looks_like_html(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}

/// The error in a body, in any of the forms that servers have for it.
pub(super) fn error(body: &[u8]) -> Option<ServerError> {
    // Answers are many and errors few: what cannot hold one is not read twice.
    let has = |word: &[u8]| body.windows(word.len()).any(|window| window == word);
    if !(has(b"\"error\"") || has(b"\"detail\"") || has(b"\"object\":\"error\"") || has(b"\"message\"")) {
        return None;
    }
    let Ok(Value::Object(whole)) = serde_json::from_slice::<Value>(body) else { return None };
    if whole.contains_key("choices") && whole.get("error").is_none_or(Value::is_null) {
        return None;
    }
    let found = match whole.get("error") {
        Some(Value::Null) | None => None,
        found => found,
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (message, inner) = match found {
        Some(Value::String(message)) => (message.clone(), &whole),
        Some(Value::Object(inner)) => {
            let told = inner.get("message").and_then(text);
            (told.unwrap_or_else(|| Value::Object(inner.clone()).to_string()), inner)
        }
        Some(other) => (other.to_string(), &whole),
        None => {
            let told = whole.get("message").or_else(|| whole.get("detail")).filter(|told| !told.is_null())?;
            (text(told).unwrap_or_else(|| told.to_string()), &whole)
        }
    };
    let sign = |key: &str| inner.get(key).map(|value| text(value).unwrap_or_else(|| value.to_string()));
    let signs: Vec<String> = ["code", "type"].into_iter().filter_map(sign).collect();
    let mut numbers =
        ["code", "status", "status_code"].into_iter().filter_map(|key| inner.get(key)?.as_u64());
    let status = numbers.find(|number| (400..600).contains(number)).map(|number| number as u16);
    Some(ServerError { message, signs: signs.join(" ").to_lowercase(), status })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sampling;

    fn body(endpoint: &Endpoint, config: &GenerationConfig) -> Value {
        serde_json::from_slice(&question(endpoint, config, "the prompt")).unwrap()
    }

    #[test]
    fn questions_say_what_the_settings_say() {
        let mut endpoint = Endpoint::new("http://a", "m");
        let mut config = GenerationConfig { beams: 1, max_new_tokens: 7, ..Default::default() };
        assert_eq!(
            body(&endpoint, &config),
            json!({"model": "m", "messages": [{"role": "user", "content": "the prompt"}], "max_tokens": 7,
                "temperature": 0, "stream": false})
        );
        endpoint.system = Some("Be brief.".into());
        endpoint.omit = vec!["temperature".into()];
        endpoint.max_tokens_field = "max_completion_tokens".into();
        endpoint.extra.insert("logprobs".into(), false.into());
        config.stop = vec!["\n".into()];
        let sent = body(&endpoint, &config);
        assert_eq!(sent["messages"][0], json!({"role": "system", "content": "Be brief."}));
        assert_eq!((&sent["max_completion_tokens"], &sent["stop"]), (&json!(7), &json!(["\n"])));
        assert!(sent.get("temperature").is_none() && sent["logprobs"] == false);
        endpoint = Endpoint { kind: Kind::Completions, ..Endpoint::new("http://a", "m") };
        config.sampling = Some(Sampling { temperature: 0.7, top_k: 5, top_p: 0.9, seed: 3 });
        let sent = body(&endpoint, &config);
        assert_eq!(sent["prompt"], "the prompt");
        assert_eq!(sent["temperature"].to_string(), "0.7");
        assert_eq!((sent["top_p"].to_string().as_str(), sent["seed"].as_u64()), ("0.9", Some(3)));
        assert_eq!(sent["top_k"], 5);
    }

    #[test]
    fn answers_are_read_in_the_forms_that_servers_have() {
        let read = |text: &str| answer(text.as_bytes()).unwrap();
        let one = read(
            r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"[1]"},"finish_reason":"stop"}],
                "usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}}"#,
        );
        assert_eq!((one.text.as_str(), one.finish), ("[1]", FinishReason::EndOfSequence));
        assert_eq!((one.read, one.written), (Some(12), Some(3)));
        for (text, answer, finish) in [
            (r#"{"choices":[{"text":"so","finish_reason":"length"}]}"#, "so", FinishReason::Length),
            (
                r#"{"choices":[{"message":{"content":null},"finish_reason":"content_filter"}]}"#,
                "",
                FinishReason::ContentFilter,
            ),
            (
                r#"{"choices":[{"message":{"content":null,"refusal":"I cannot."},"finish_reason":"stop"}]}"#,
                "I cannot.",
                FinishReason::Refusal,
            ),
            (
                r#"{"choices":[{"message":{"content":[{"type":"text","text":"a"},{"text":"b"}]},"finish_reason":null}]}"#,
                "ab",
                FinishReason::EndOfSequence,
            ),
            (
                r#"{"error":null,"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#,
                "",
                FinishReason::EndOfSequence,
            ),
        ] {
            let read = read(text);
            assert_eq!((read.text.as_str(), read.finish, read.read), (answer, finish, None), "{text}");
        }
    }

    #[test]
    fn what_is_no_answer_says_what_it_is() {
        let said = |text: &str| match answer(text.as_bytes()) {
            Err(NoAnswer::Other(said)) => said,
            other => panic!("{text}: {other:?}"),
        };
        assert!(said("<!DOCTYPE html><html>").contains("web page"));
        assert!(said(r#"{"choices":[{"mess"#).contains("breaks off"));
        assert!(said("").contains("breaks off"));
        assert!(said("{}").contains("without choices"));
        assert!(said(r#"{"choices":[{}]}"#).contains("neither text"));
        assert!(said("[1]").contains("another kind"));
        for (text, message, sign) in [
            (
                r#"{"error":{"message":"no such","type":"invalid","code":"model_not_found"}}"#,
                "no such",
                "model_not_found",
            ),
            (r#"{"object":"error","message":"busy","code":503}"#, "busy", "503"),
            (r#"{"error":"overloaded"}"#, "overloaded", ""),
            (r#"{"detail":"Not Found"}"#, "Not Found", ""),
            (r#"{"detail":[{"loc":["body"]}]}"#, r#"[{"loc":["body"]}]"#, ""),
        ] {
            let Err(NoAnswer::Error(error)) = answer(text.as_bytes()) else { panic!("{text}") };
            assert_eq!(error.message, message);
            assert!(error.signs.contains(sign), "{error:?}");
        }
        assert_eq!(error(br#"{"object":"error","message":"busy","code":503}"#).unwrap().status, Some(503));
        assert!(error(br#"{"choices":[{"message":{"content":"\"error\""}}]}"#).is_none());
    }

    #[test]
    fn vectors_come_in_the_order_of_the_texts() {
        let text = br#"{"data":[{"index":1,"embedding":[3,4]},{"index":0,"embedding":[1,2]}]}"#;
        assert_eq!(vectors(text, 2).unwrap(), [[1.0, 2.0], [3.0, 4.0]]);
        assert!(vectors(text, 3).is_err());
        let twice = br#"{"data":[{"index":1,"embedding":[3]},{"index":1,"embedding":[1]}]}"#;
        assert!(vectors(twice, 2).is_err());
        assert_eq!(models(br#"{"object":"list","data":[{"id":"a"},{"id":"b"}]}"#).unwrap(), ["a", "b"]);
    }
}
