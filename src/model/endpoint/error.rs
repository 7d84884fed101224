//! Why an endpoint could not be used.

use std::path::PathBuf;

use super::KeyError;

/// Why an endpoint could not be used; each names it and says what to do. What a server said is cut to a few hundred characters and
/// holds no key.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The address is none.
    #[error("`{given}` is no address of an endpoint: {reason}")]
    Address {
        /// As given, without what may be secret.
        given: String,
        /// Why.
        reason: &'static str,
    },
    /// A setting that makes no sense.
    #[error("{field} {rule}")]
    Setting {
        /// The setting.
        field: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A key where only the place of a key may stand.
    #[error(
        "a key is never written down: write where it is, as `env:NAME` (a variable of the environment, such as \
         `env:OPENAI_API_KEY`), `keyring:NAME` (the system's keyring) or `file:NAME` (a file under a passphrase); \
         `lamplight endpoints key set keyring:NAME` puts it there"
    )]
    PlainKey,
    /// The variable that should hold the key does not.
    #[error("the endpoint {endpoint} wants its key in the environment variable {variable}, which is not set")]
    NoKey {
        /// The endpoint.
        endpoint: String,
        /// The variable.
        variable: String,
    },
    /// The key cannot be had from where it is kept.
    #[error("the endpoint {endpoint} wants a key: {source}")]
    Key {
        /// The endpoint.
        endpoint: String,
        /// Why.
        source: Box<KeyError>,
    },
    /// A key cannot be kept or forgotten.
    #[error(transparent)]
    Keeping(#[from] KeyError),
    /// A key or header that cannot be sent.
    #[error(
        "the endpoint {endpoint} cannot be asked with the header {header}: its value has characters that headers cannot have"
    )]
    Header {
        /// The endpoint.
        endpoint: String,
        /// The header.
        header: String,
    },
    /// No endpoint of that name is saved.
    #[error(
        "no endpoint is called {name}{}; add it with `lamplight endpoints add {name} --url ADDRESS --model MODEL`",
        among(known)
    )]
    Unknown {
        /// The name.
        name: String,
        /// Those that are saved.
        known: Vec<String>,
    },
    /// There is one of that name.
    #[error("an endpoint is called {name} already; give --replace to put this one in its place")]
    Taken {
        /// The name.
        name: String,
    },
    /// A name that no file can have everywhere.
    #[error(
        "{given:?} cannot be the name of an endpoint; use up to 64 letters, digits, dots, hyphens and underscores"
    )]
    Name {
        /// As given.
        given: String,
    },
    /// The file of a saved endpoint cannot be read or written.
    #[error("cannot use {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file of a saved endpoint is not understood.
    #[error("{path}{}: {message}", at_line(*line), path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// What is known of models whose weights are here is asked of one that is served elsewhere.
    #[error("{path} is an endpoint, whose model lies elsewhere; `lamplight endpoints show` and `test` tell what is known of it", path = path.display())]
    Elsewhere {
        /// The endpoint's file.
        path: PathBuf,
    },
    /// Several hypotheses are wanted of a server that gives one.
    #[error("{endpoint} is an endpoint and gives one answer to a prompt; set beams to 1")]
    Beams {
        /// The endpoint.
        endpoint: String,
    },
    /// Nothing can be sent from here.
    #[error("the endpoint {endpoint} cannot be asked from here: {reason}")]
    Client {
        /// The endpoint.
        endpoint: String,
        /// What the library or system said.
        reason: String,
    },
    /// The server refuses in a way that does not heal: a wrong key, address or model.
    #[error("the endpoint {endpoint} refuses: {said}{}", advice(*status))]
    Refused {
        /// The endpoint.
        endpoint: String,
        /// The status of HTTP.
        status: u16,
        /// Status and message.
        said: String,
    },
    /// The server does not take this one prompt.
    #[error("the endpoint {endpoint} does not take this prompt: {said}")]
    Rejected {
        /// The endpoint.
        endpoint: String,
        /// Status and message.
        said: String,
    },
    /// One prompt failed again and again while others were answered.
    #[error(
        "the endpoint {endpoint} failed {attempts} times at this prompt while it answered others; last: {said}"
    )]
    Exhausted {
        /// The endpoint.
        endpoint: String,
        /// How often it was asked.
        attempts: u32,
        /// What came of the last attempt.
        said: String,
    },
    /// Nothing was answered for so long that the work was given up for now.
    #[error(
        "the endpoint {endpoint} has answered nothing for {seconds} s; last: {said}. What was answered is stored, and \
         resuming goes on when the endpoint is there again"
    )]
    GaveUp {
        /// The endpoint.
        endpoint: String,
        /// For how long.
        seconds: u64,
        /// What came of the last attempt.
        said: String,
    },
    /// An answer to a single question, such as the list of models, that cannot be used.
    #[error("the endpoint {endpoint} gives no usable answer: {said}")]
    Unusable {
        /// The endpoint.
        endpoint: String,
        /// What came instead.
        said: String,
    },
}

impl EndpointError {
    /// Whether every other prompt would fail in the same way.
    pub const fn is_for_all(&self) -> bool {
        !matches!(self, Self::Rejected { .. } | Self::Exhausted { .. })
    }
}

fn among(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" (there is {})", names.join(", ")) }
}

fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}

fn advice(status: u16) -> &'static str {
    match status {
        401 => "; check the key and where it is looked for",
        402 | 429 => "; the account has no credit left",
        403 => "; the key may not use this model, or the address is closed to it",
        404 => "; check the address, which usually ends in /v1, and the model's name",
        300..=399 => "; give the address that it leads to",
        _ => "",
    }
}
