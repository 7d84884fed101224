//! What is typed in the form of an endpoint, and the endpoint that it means. Draws nothing and asks nobody.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::preset::{Place, Preset};
use crate::model::endpoint::{Endpoint, EndpointError, KeyError, KeyPlace, KeyRef, Kind, Value};

/// A field of the form, for what is wrong to stand by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum At {
    Name,
    Url,
    Model,
    System,
    KeyName,
    Key,
    Passphrase,
    Headers,
    Extra,
    Omit,
    MaxTokensField,
    Tokenizer,
    Number(Number),
    /// The form as a whole.
    Form,
}

/// A field that holds a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Number {
    Concurrency,
    RequestsPerMinute,
    TokensPerMinute,
    Timeout,
    GiveUpAfter,
    PriceIn,
    PriceOut,
    SpendingLimit,
}

impl Number {
    pub(super) const ALL: [Self; 8] = [
        Self::Concurrency,
        Self::RequestsPerMinute,
        Self::TokensPerMinute,
        Self::Timeout,
        Self::GiveUpAfter,
        Self::PriceIn,
        Self::PriceOut,
        Self::SpendingLimit,
    ];

    /// Its name in settings.
    const fn id(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::RequestsPerMinute => "requests_per_minute",
            Self::TokensPerMinute => "tokens_per_minute",
            Self::Timeout => "timeout",
            Self::GiveUpAfter => "give_up_after",
            Self::PriceIn => "price_in",
            Self::PriceOut => "price_out",
            Self::SpendingLimit => "spending_limit",
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Concurrency => "Requests at once",
            Self::RequestsPerMinute => "Requests a minute",
            Self::TokensPerMinute => "Tokens a minute",
            Self::Timeout => "Time for an answer",
            Self::GiveUpAfter => "Give up after",
            Self::PriceIn => "Price in",
            Self::PriceOut => "Price out",
            Self::SpendingLimit => "Spend at most",
        }
    }

    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::Concurrency => "at most; fewer where the server wants fewer",
            Self::RequestsPerMinute | Self::TokensPerMinute => "at most",
            Self::Timeout => "seconds",
            Self::GiveUpAfter => "seconds without any answer; the run can be resumed",
            Self::PriceIn => "for a million tokens read",
            Self::PriceOut => "for a million tokens written",
            Self::SpendingLimit => "for all runs of an experiment",
        }
    }

    pub(super) const fn hint(self) -> &'static str {
        match self {
            Self::Concurrency => "32",
            Self::Timeout => "120",
            Self::GiveUpAfter => "300",
            Self::RequestsPerMinute | Self::TokensPerMinute | Self::SpendingLimit => "no limit",
            Self::PriceIn | Self::PriceOut => "not known",
        }
    }
}

/// What is wrong, by field.
pub(super) type Wrong = BTreeMap<At, String>;

/// What is typed, but for secrets.
#[derive(Debug, Clone, Default)]
pub(super) struct Entries {
    pub preset: Preset,
    pub name: String,
    pub url: String,
    pub model: String,
    pub kind: Kind,
    pub system: String,
    pub place: Place,
    pub variable: String,
    pub key_name: String,
    pub headers: String,
    pub extra: String,
    pub omit: String,
    pub max_tokens_field: String,
    pub tokenizer: String,
    pub numbers: BTreeMap<Number, String>,
    /// Settings that the form does not show stay as they are.
    base: Option<Endpoint>,
}

impl Entries {
    /// A new endpoint.
    pub fn new() -> Self {
        let mut entries = Self { max_tokens_field: "max_tokens".to_owned(), ..Self::default() };
        entries.begin_with(Preset::default());
        entries
    }

    /// A saved one.
    pub fn of(name: &str, endpoint: &Endpoint) -> Self {
        let lines = endpoint.headers.iter().map(|(name, value)| format!("{name}: {value}"));
        let mut numbers = BTreeMap::new();
        let mut put = |number, value: Option<String>| numbers.insert(number, value.unwrap_or_default());
        put(Number::Concurrency, Some(endpoint.concurrency.to_string()));
        put(Number::RequestsPerMinute, endpoint.requests_per_minute.map(|n| n.to_string()));
        put(Number::TokensPerMinute, endpoint.tokens_per_minute.map(|n| n.to_string()));
        put(Number::Timeout, Some(endpoint.timeout.to_string()));
        put(Number::GiveUpAfter, Some(endpoint.give_up_after.to_string()));
        put(Number::PriceIn, endpoint.price_in.map(|n| n.to_string()));
        put(Number::PriceOut, endpoint.price_out.map(|n| n.to_string()));
        put(Number::SpendingLimit, endpoint.spending_limit.map(|n| n.to_string()));
        let key = endpoint.key.as_ref();
        let of_place = |environment: bool| {
            let own = key.filter(|key| (key.place() == KeyPlace::Environment) == environment);
            own.map(|key| key.name().to_owned()).unwrap_or_default()
        };
        Self {
            preset: Preset::of(endpoint),
            name: name.to_owned(),
            url: endpoint.url.clone(),
            model: endpoint.model.clone(),
            kind: endpoint.kind,
            system: endpoint.system.clone().unwrap_or_default(),
            place: key.map_or(Place::None, |key| Place::of(key.place())),
            variable: of_place(true),
            key_name: of_place(false),
            headers: lines.collect::<Vec<_>>().join("\n"),
            extra: match endpoint.extra.is_empty() {
                true => String::new(),
                false => serde_json::to_string_pretty(&endpoint.extra).unwrap_or_default(),
            },
            omit: endpoint.omit.join(", "),
            max_tokens_field: endpoint.max_tokens_field.clone(),
            tokenizer: endpoint.tokenizer.clone().unwrap_or_default(),
            numbers,
            base: Some(endpoint.clone()),
        }
    }

    /// Fills in what a kind of server wants, where nothing else was typed.
    pub fn begin_with(&mut self, preset: Preset) {
        let before = std::mem::replace(&mut self.preset, preset);
        let swap = |text: &mut String, old: &str, new: &str| {
            if text.trim().is_empty() || text.trim() == old {
                new.clone_into(text);
            }
        };
        swap(&mut self.url, before.url(), preset.url());
        swap(&mut self.name, before.name(), preset.name());
        let (old, new) = (before.concurrency().to_string(), preset.concurrency().to_string());
        swap(self.numbers.entry(Number::Concurrency).or_default(), &old, &new);
        let untouched = self.key_name.is_empty();
        swap(
            &mut self.variable,
            before.variable().unwrap_or_default(),
            preset.variable().unwrap_or_default(),
        );
        if untouched && preset.variable().is_none() {
            self.place = Place::None;
        }
    }

    /// The name under which the key is kept, where it is not a variable.
    pub fn kept_as(&self) -> &str {
        match self.key_name.trim() {
            "" => self.name.trim(),
            name => name,
        }
    }

    /// Where the key is; `None` without one.
    pub fn key(&self) -> Result<Option<KeyRef>, (At, String)> {
        let Some(place) = self.place.place() else { return Ok(None) };
        let (name, what) = match place {
            KeyPlace::Environment => {
                (self.variable.trim(), "the variable\u{2019}s name, such as OPENAI_API_KEY")
            }
            KeyPlace::Keyring | KeyPlace::File => (self.kept_as(), "a name for the key, such as openai"),
        };
        let wrong = || {
            let text = format!(
                "Write {what}: letters, digits and underscores, at most 40. The key itself belongs in its own field."
            );
            (At::KeyName, text)
        };
        KeyRef::new(place, name).map(Some).map_err(|_| wrong())
    }

    /// The endpoint, or all that is wrong.
    pub fn read(&self) -> Result<(String, Endpoint), Wrong> {
        let mut wrong = Wrong::new();
        let mut endpoint = self.base.clone().unwrap_or_else(|| Endpoint::new("", ""));
        self.url.trim().clone_into(&mut endpoint.url);
        self.model.trim().clone_into(&mut endpoint.model);
        endpoint.kind = self.kind;
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        endpoint.system = some(&self.system).filter(|_| self.kind == Kind::Chat);
        endpoint.tokenizer = some(&self.tokenizer);
        endpoint.max_tokens_field = some(&self.max_tokens_field).unwrap_or_else(|| "max_tokens".to_owned());
        endpoint.omit = self.omit.split([',', ' ']).filter_map(some).collect();
        match self.key() {
            Ok(key) => endpoint.key = key,
            Err((at, text)) => drop(wrong.insert(at, text)),
        }
        match headers(&self.headers) {
            Ok(headers) => endpoint.headers = headers,
            Err(text) => drop(wrong.insert(At::Headers, text)),
        }
        match extra(&self.extra) {
            Ok(extra) => endpoint.extra = extra,
            Err(text) => drop(wrong.insert(At::Extra, text)),
        }
        let usual = Endpoint::new("", "");
        endpoint.concurrency = self.whole(Number::Concurrency, &mut wrong).unwrap_or(usual.concurrency);
        endpoint.timeout = self.whole(Number::Timeout, &mut wrong).unwrap_or(usual.timeout);
        endpoint.give_up_after = self.whole(Number::GiveUpAfter, &mut wrong).unwrap_or(usual.give_up_after);
        endpoint.requests_per_minute = self.whole(Number::RequestsPerMinute, &mut wrong);
        endpoint.tokens_per_minute = self.whole(Number::TokensPerMinute, &mut wrong);
        endpoint.price_in = self.amount(Number::PriceIn, &mut wrong);
        endpoint.price_out = self.amount(Number::PriceOut, &mut wrong);
        endpoint.spending_limit = self.amount(Number::SpendingLimit, &mut wrong);
        let name = self.name.trim().to_owned();
        if name.is_empty() {
            wrong.insert(At::Name, "Give it a name, by which experiments call it.".to_owned());
        }
        if endpoint.url.is_empty() {
            wrong.insert(
                At::Url,
                "Write the address of the server, such as http://localhost:8000/v1.".to_owned(),
            );
        } else if let Err(error) = endpoint.validate()
            && let (at, text) = placed(&error)
        {
            wrong.entry(at).or_insert(text);
        }
        if wrong.is_empty() { Ok((name, endpoint)) } else { Err(wrong) }
    }

    fn parsed<T: FromStr>(&self, number: Number, form: &str, wrong: &mut Wrong) -> Option<T> {
        let text = self.numbers.get(&number).map_or("", |text| text.trim());
        if text.is_empty() {
            return None;
        }
        let parsed = text.parse().ok();
        if parsed.is_none() {
            wrong.insert(At::Number(number), form.to_owned());
        }
        parsed
    }

    fn whole<T: FromStr>(&self, number: Number, wrong: &mut Wrong) -> Option<T> {
        self.parsed(number, "A whole number is needed here, or nothing.", wrong)
    }

    fn amount(&self, number: Number, wrong: &mut Wrong) -> Option<f64> {
        self.parsed(number, "A number is needed here, such as 0.15, or nothing.", wrong)
    }
}

/// Headers, one a line. What is refused is not repeated: it may be a key.
fn headers(text: &str) -> Result<BTreeMap<String, Value>, String> {
    let mut headers = BTreeMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let header = line.split_once(':').filter(|(name, _)| !name.trim().is_empty());
        let Some((name, value)) = header else {
            return Err(format!("Line {} is no header; write NAME: VALUE.", number + 1));
        };
        let value: Value = value.trim().parse().map_err(|_| plain_key())?;
        headers.insert(name.trim().to_owned(), value);
    }
    Ok(headers)
}

fn extra(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    if text.trim().is_empty() {
        return Ok(serde_json::Map::new());
    }
    // The library's own words would repeat what stands there.
    serde_json::from_str(text).map_err(|error| {
        format!(
            "This is no JSON object (line {}, column {}); write one such as {{\"top_k\": 1}}.",
            error.line(),
            error.column()
        )
    })
}

fn plain_key() -> String {
    "A key is never written down here: write where it is, as env:NAME, keyring:NAME or file:NAME.".to_owned()
}

/// By which field an error belongs, in the window's words.
pub(super) fn placed(error: &EndpointError) -> (At, String) {
    let setting = |field: &str| match field {
        "model" => At::Model,
        "system" => At::System,
        "extra" => At::Extra,
        other => Number::ALL.into_iter().find(|number| number.id() == other).map_or(At::Form, At::Number),
    };
    match error {
        EndpointError::Address { reason, .. } => (At::Url, format!("This is no address: {reason}.")),
        EndpointError::Setting { field: "model", .. } => {
            (At::Model, "Write the model\u{2019}s name at the server; Test connection lists them.".to_owned())
        }
        EndpointError::Setting { field: "spending_limit", rule } if rule.starts_with("needs") => (
            At::Number(Number::SpendingLimit),
            "Give a price too; without one nothing can be counted.".to_owned(),
        ),
        EndpointError::Setting { field, rule } => match setting(field) {
            At::Form => (At::Form, format!("{field} {rule}.")),
            at => (at, format!("This {rule}.")),
        },
        EndpointError::PlainKey => (At::Headers, plain_key()),
        EndpointError::Taken { name } => (
            At::Name,
            format!("An endpoint is called {name} already. Give this one another name, or edit that one."),
        ),
        EndpointError::Name { .. } => {
            (At::Name, "Use up to 64 letters, digits, dots, hyphens and underscores.".to_owned())
        }
        EndpointError::NoKey { variable, .. } => (
            At::KeyName,
            format!(
                "{variable} is not set where this program was started. Set it there, or keep the key elsewhere."
            ),
        ),
        EndpointError::Key { source, .. } => placed_key(source),
        EndpointError::Keeping(source) => placed_key(source),
        other => (At::Form, crate::gui::words::endpoint_words(other)),
    }
}

fn placed_key(error: &KeyError) -> (At, String) {
    let text = crate::gui::words::key_words(error);
    match error {
        KeyError::Passphrase { .. } | KeyError::Locked { .. } => (At::Passphrase, text),
        KeyError::NoKey { .. } | KeyError::Missing { .. } => (At::Key, text),
        _ => (At::Form, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Entries {
        Entries { name: "mine".into(), model: "m".into(), ..Entries::new() }
    }

    #[test]
    fn what_is_saved_comes_back_as_it_was() {
        let mut entries = good();
        entries.begin_with(Preset::OpenAi);
        assert_eq!(
            (entries.url.as_str(), entries.variable.as_str()),
            ("https://api.openai.com/v1", "OPENAI_API_KEY")
        );
        entries.place = Place::Environment;
        entries.headers = "X-Title: Lamplight\n\napi-key: env:AZURE_KEY".into();
        entries.extra = "{\"top_k\": 1}".into();
        entries.omit = "temperature, seed".into();
        entries.numbers.insert(Number::PriceIn, "0.15".into());
        entries.numbers.insert(Number::SpendingLimit, "5".into());
        let (name, endpoint) = entries.read().unwrap();
        assert_eq!((name.as_str(), endpoint.omit.len(), endpoint.price_in), ("mine", 2, Some(0.15)));
        let again = Entries::of(&name, &endpoint);
        assert_eq!(again.read().unwrap(), (name, endpoint.clone()));
        // What the form does not show is not lost by editing.
        let hidden = Endpoint { identity: Some("same".into()), attempts: 3, ..endpoint };
        assert_eq!(Entries::of("mine", &hidden).read().unwrap().1, hidden);
    }

    #[test]
    fn what_is_wrong_stands_by_its_field_and_repeats_no_key() {
        let mut entries = Entries::new();
        entries.name.clear();
        entries.url = "localhost:8000".into();
        entries.headers = "Authorization: Bearer sk-hush-hush".into();
        entries.extra = "{\"sk-hush-hush\"".into();
        entries.place = Place::Keyring;
        entries.key_name = "sk-hush-hush".into();
        for number in Number::ALL {
            entries.numbers.insert(number, "many".into());
        }
        let wrong = entries.read().unwrap_err();
        for at in [At::Name, At::Url, At::Extra, At::KeyName, At::Number(Number::PriceIn)] {
            assert!(wrong.contains_key(&at), "{at:?}: {wrong:?}");
        }
        assert!(!format!("{wrong:?}").contains("hush"), "{wrong:?}");
        let mut entries = good();
        entries.headers = "Authorization: Bearer sk-hush-hush".into();
        let wrong = entries.read().unwrap_err();
        assert!(wrong[&At::Headers].contains("env:NAME"), "{wrong:?}");
        let mut entries = good();
        entries.numbers.insert(Number::Concurrency, "0".into());
        assert!(entries.read().unwrap_err().contains_key(&At::Number(Number::Concurrency)));
        entries.numbers.insert(Number::Concurrency, String::new());
        entries.numbers.insert(Number::SpendingLimit, "1".into());
        assert!(entries.read().unwrap_err().contains_key(&At::Number(Number::SpendingLimit)));
    }

    #[test]
    fn another_kind_of_server_changes_only_what_nobody_typed() {
        let mut entries = Entries::new();
        assert_eq!(entries.name, "vllm");
        entries.begin_with(Preset::Ollama);
        assert_eq!((entries.name.as_str(), entries.url.as_str()), ("ollama", "http://localhost:11434/v1"));
        assert_eq!(entries.numbers[&Number::Concurrency], "4");
        entries.url = "http://far:1/v1".into();
        entries.begin_with(Preset::LlamaCpp);
        assert_eq!((entries.name.as_str(), entries.url.as_str()), ("llama-cpp", "http://far:1/v1"));
    }
}
