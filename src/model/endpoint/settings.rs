//! Where an endpoint is and how it is asked.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Map;

use super::{EndpointError, KeyPlace, KeyRef};

/// Which of a server's ways of answering is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `chat/completions`: the prompt is a user's message, put into the model's chat template by the server.
    #[default]
    Chat,
    /// `completions`: the model goes on with the bare prompt.
    Completions,
}

impl Kind {
    /// The word for it, as files and specs have it.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
        }
    }
}

/// A header's value: a text, or where to find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// As it is.
    Text(String),
    /// Where keys are, written `env:NAME`, `keyring:NAME` or `file:NAME`.
    Key(KeyRef),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Key(key) => key.fmt(f),
        }
    }
}

impl std::str::FromStr for Value {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let place = text.split_once(':').and_then(|(start, rest)| {
            // An address of a file is a text.
            KeyPlace::ALL.into_iter().find(|place| place.id() == start && !rest.starts_with('/'))
        });
        if place.is_some() { text.parse().map(Self::Key) } else { Ok(Self::Text(text.to_owned())) }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An endpoint, as a file or an experiment's `[models.endpoint]` has it. What concerns the answers themselves (temperature, seed,
/// new tokens, stop texts) is in [`GenerationConfig`](crate::model::GenerationConfig), as for every model.
///
/// ```toml
/// url = "http://localhost:8000/v1"
/// model = "meta-llama/Llama-3.1-70B-Instruct"
/// kind = "chat"                    # or completions
/// system = "Answer briefly."
/// key = "env:OPENAI_API_KEY"       # or keyring:NAME, file:NAME; the key itself is never written down
/// concurrency = 256                # requests under way at most
/// requests_per_minute = 10000
/// tokens_per_minute = 2000000
/// timeout = 120                    # seconds for one answer
/// price_in = 0.15                  # for a million tokens read, and written
/// price_out = 0.60
/// spending_limit = 5.0             # for all runs of an experiment
/// [headers]
/// OpenAI-Organization = "env:OPENAI_ORGANIZATION"
/// [extra]                          # fields of the request that only this server knows
/// top_k = 1
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The base address, such as `http://localhost:8000/v1`; `/v1` is added to one without a path.
    pub url: String,
    /// The model's name at the server.
    pub model: String,
    /// How it is asked.
    #[serde(default)]
    pub kind: Kind,
    /// The system's message before each prompt (chat).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Where the key is that goes into `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyRef>,
    /// Requests under way at most; fewer where the server wants fewer.
    #[serde(default = "Endpoint::default_concurrency")]
    pub concurrency: usize,
    /// Requests begun in a minute at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Tokens read and written in a minute at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u32>,
    /// Seconds that one answer may take.
    #[serde(default = "Endpoint::default_timeout")]
    pub timeout: u64,
    /// Seconds that a connection may take.
    #[serde(default = "Endpoint::default_connect_timeout")]
    pub connect_timeout: u64,
    /// Seconds without any answer after which a run ends, to be resumed.
    #[serde(default = "Endpoint::default_give_up_after")]
    pub give_up_after: u64,
    /// How often one prompt is asked that fails while others are answered.
    #[serde(default = "Endpoint::default_attempts")]
    pub attempts: u32,
    /// The price of a million tokens read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_in: Option<f64>,
    /// The price of a million tokens written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_out: Option<f64>,
    /// What all runs of an experiment may cost together at this endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spending_limit: Option<f64>,
    /// A model whose tokenizer counts and cuts prompts: a registered name, a path, or a `tokenizer.json`. Four bytes a token are
    /// taken without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// What stands for the address in a run's spec, so that the same model served elsewhere is the same run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Fields of the request that are left out, for servers that refuse them, such as `temperature`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omit: Vec<String>,
    /// The request's field for the most new tokens: `max_tokens`, or `max_completion_tokens`.
    #[serde(default = "Endpoint::default_max_tokens_field", skip_serializing_if = "Endpoint::is_max_tokens")]
    pub max_tokens_field: String,
    /// Headers of each request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Value>,
    /// Fields of the request beside those that this program writes, or in their place.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, serde_json::Value>,
}

/// Prices and limits are checked to be numbers, so that equality is whole.
impl Eq for Endpoint {}

impl Endpoint {
    const fn default_concurrency() -> usize {
        32
    }

    const fn default_timeout() -> u64 {
        120
    }

    const fn default_connect_timeout() -> u64 {
        10
    }

    const fn default_give_up_after() -> u64 {
        300
    }

    const fn default_attempts() -> u32 {
        12
    }

    fn default_max_tokens_field() -> String {
        "max_tokens".to_owned()
    }

    fn is_max_tokens(field: &String) -> bool {
        *field == Self::default_max_tokens_field()
    }

    /// The most requests that may be under way.
    pub const MOST_REQUESTS: usize = 4096;

    /// An endpoint with nothing but its address and model.
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            model: model.into(),
            kind: Kind::Chat,
            system: None,
            key: None,
            concurrency: Self::default_concurrency(),
            requests_per_minute: None,
            tokens_per_minute: None,
            timeout: Self::default_timeout(),
            connect_timeout: Self::default_connect_timeout(),
            give_up_after: Self::default_give_up_after(),
            attempts: Self::default_attempts(),
            price_in: None,
            price_out: None,
            spending_limit: None,
            tokenizer: None,
            identity: None,
            omit: Vec::new(),
            max_tokens_field: Self::default_max_tokens_field(),
            headers: BTreeMap::new(),
            extra: Map::new(),
        }
    }

    /// Checks the settings against each other; secrets in places where they would be written down are refused.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn validate(&self) -> Result<(), EndpointError> {
        self.base()?;
        let broken = |field, rule| Err(EndpointError::Setting { field, rule });
        if self.model.trim().is_empty() {
            return broken("model", "must be the model's name at the server");
        }
        if !(1..=Self::MOST_REQUESTS).contains(&self.concurrency) {
            return broken("concurrency", "must be between 1 and 4096");
        }
        for (field, per_minute) in
            [("requests_per_minute", self.requests_per_minute), ("tokens_per_minute", self.tokens_per_minute)]
        {
            if per_minute == Some(0) {
                return broken(field, "must be above 0; leave it out for no limit");
            }
        }
        for (field, seconds) in [("timeout", self.timeout), ("connect_timeout", self.connect_timeout)] {
            if !(1..=86_400).contains(&seconds) {
                return broken(field, "must be between 1 and 86400 seconds");
            }
        }
        if self.give_up_after > 604_800 {
            return broken("give_up_after", "must be at most 604800 seconds, a week");
        }
        if !(1..=1000).contains(&self.attempts) {
            return broken("attempts", "must be between 1 and 1000");
        }
        for (field, price) in [
            ("price_in", self.price_in),
            ("price_out", self.price_out),
            ("spending_limit", self.spending_limit),
        ] {
            if price.is_some_and(|price| !price.is_finite() || price < 0.0) {
                return broken(field, "must be a number from 0 on");
            }
        }
        if self.spending_limit.is_some() && self.price_in.is_none() && self.price_out.is_none() {
            return broken("spending_limit", "needs price_in or price_out, for a million tokens");
        }
        if self.kind == Kind::Completions && self.system.is_some() {
            return broken("system", "needs kind = \"chat\"; completions read the bare prompt");
        }
        if self.extra.contains_key("stream") || self.extra.contains_key("n") {
            return broken("extra", "must have neither stream nor n: one whole answer is asked for");
        }
        let secret = |name: &&String| {
            let name = name.to_ascii_lowercase();
            ["authorization", "key", "token", "secret", "cookie", "password"]
                .iter()
                .any(|sign| name.contains(sign))
        };
        let written = |name: &&String| matches!(self.headers.get(*name), Some(Value::Text(_)));
        if self.headers.keys().filter(secret).any(|name| written(&name)) {
            return Err(EndpointError::PlainKey);
        }
        if self.extra.keys().any(|name| name.to_ascii_lowercase().replace(['-', '_'], "").contains("apikey"))
        {
            return Err(EndpointError::PlainKey);
        }
        Ok(())
    }

    /// The base address, with a path.
    fn base(&self) -> Result<Url, EndpointError> {
        let bad = |given: &str, reason| Err(EndpointError::Address { given: given.to_owned(), reason });
        let Ok(mut url) = Url::parse(self.url.trim()) else {
            // What cannot be taken apart may hold anything.
            let start = self.url.split(['@', '?', '#']).next().unwrap_or_default();
            let start: String = start.chars().take(80).collect();
            return bad(&start, "write it whole, such as http://localhost:8000/v1");
        };
        let shown = shown(&url);
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return bad(&shown, "it must begin with http:// or https:// and name a server");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return bad(&shown, "it carries a name or password; put them into a header from the environment");
        }
        let secret = |name: &str| {
            let name = name.to_ascii_lowercase();
            ["key", "token", "secret", "password", "sig", "auth"].iter().any(|sign| name.contains(sign))
        };
        if url.query_pairs().any(|(name, _)| secret(&name)) {
            return bad(&shown, "it carries a key; put that into a header from the environment");
        }
        url.set_fragment(None);
        if matches!(url.path(), "" | "/") {
            url.set_path("/v1");
        }
        Ok(url)
    }

    /// The address of one of the server's services, such as `chat/completions`.
    ///
    /// # Errors
    /// [`EndpointError::Address`].
    pub(super) fn address(&self, service: &str) -> Result<Url, EndpointError> {
        let mut url = self.base()?;
        let path = format!("{}/{service}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(url)
    }

    /// The address as it is shown and kept in specs: without what may be secret.
    pub fn shown_address(&self) -> String {
        self.base().map_or_else(|_| String::new(), |url| shown(&url))
    }

    /// What answers depend on beside the prompt and the generation config, as JSON: neither keys nor headers, nor how many requests
    /// are under way, nor prices.
    pub fn spec(&self) -> Map<String, serde_json::Value> {
        let mut told = Map::new();
        let address = self.identity.clone().unwrap_or_else(|| self.shown_address());
        told.insert("address".into(), address.into());
        told.insert("kind".into(), self.kind.id().into());
        told.insert("model".into(), self.model.clone().into());
        if let Some(system) = &self.system {
            told.insert("system".into(), system.clone().into());
        }
        if !self.omit.is_empty() {
            told.insert("omit".into(), self.omit.clone().into());
        }
        if !self.extra.is_empty() {
            told.insert("extra".into(), self.extra.clone().into());
        }
        told
    }

    /// What tokens cost; `None` where no price is known.
    pub fn cost(&self, read: u64, written: u64) -> Option<f64> {
        if self.price_in.is_none() && self.price_out.is_none() {
            return None;
        }
        let (read, written) = (read as f64 / 1e6, written as f64 / 1e6);
        Some(read * self.price_in.unwrap_or(0.0) + written * self.price_out.unwrap_or(0.0))
    }

    pub(super) const fn whole_time(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    pub(super) const fn connect_time(&self) -> Duration {
        Duration::from_secs(self.connect_timeout)
    }
}

/// An address without name, password, query and fragment.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Addresses that cannot have them have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_made_whole_and_secrets_in_them_refused() {
        for (url, address) in [
            ("http://localhost:8000", "http://localhost:8000/v1/models"),
            ("http://localhost:8000/v1/", "http://localhost:8000/v1/models"),
            (
                "https://a.example/openai/deployments/x?api-version=2024-06-01",
                "https://a.example/openai/deployments/x/models?api-version=2024-06-01",
            ),
        ] {
            let endpoint = Endpoint::new(url, "m");
            endpoint.validate().unwrap();
            assert_eq!(endpoint.address("models").unwrap().as_str(), address);
            assert!(!endpoint.shown_address().contains('?'));
        }
        for url in
            ["localhost:8000", "ftp://a/b", "http://me:hush@a/v1", "http://a/v1?api_key=hush", "hush@", ""]
        {
            let said = Endpoint::new(url, "m").validate().unwrap_err().to_string();
            assert!(!said.contains("hush") || url == "hush@", "{said}");
        }
    }

    #[test]
    fn keys_are_refused_where_they_would_be_written_down() {
        let mut endpoint = Endpoint::new("http://a", "m");
        endpoint.headers.insert("Api-Key".into(), "env:AZURE_KEY".parse().unwrap());
        endpoint.headers.insert("X-Title".into(), Value::Text("Lamplight".into()));
        endpoint.validate().unwrap();
        endpoint.headers.insert("Authorization".into(), Value::Text("Bearer hush".into()));
        let said = endpoint.validate().unwrap_err().to_string();
        assert!(said.contains("env:NAME") && !said.contains("hush"), "{said}");
    }

    #[test]
    fn what_changes_no_answer_is_in_no_spec() {
        let mut one = Endpoint::new("http://a/v1", "m");
        let spec = one.spec();
        one.key = Some("env:X".parse().unwrap());
        one.headers.insert("X-Title".into(), Value::Text("t".into()));
        (one.concurrency, one.price_in, one.timeout) = (1, Some(3.0), 5);
        assert_eq!(one.spec(), spec);
        one.system = Some("Be brief.".into());
        assert_ne!(one.spec(), spec);
        assert_eq!(one.cost(1_000_000, 5), Some(3.0));
        let text = toml::to_string(&one).unwrap();
        assert_eq!(toml::from_str::<Endpoint>(&text).unwrap(), one);
    }
}
