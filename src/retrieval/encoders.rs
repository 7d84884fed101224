//! Which encoder a dense retriever asks for, and who supplies it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::model::embeddings::SharedEncoder;
use crate::model::registry::RegistryError;
use crate::model::{ModelError, Pooling, Prefixes};

/// An encoder by its model's name or folder, with what should differ from what the model itself says.
///
/// The short form is `dense:MODEL`, then `:pooling=`, `:normalize=`, `:max_tokens=`, `:query=`, `:document=` and
/// `:identity=` where wanted. A name or value goes between double quotes, each of its own doubled, where it has a comma, a
/// parenthesis, a quote, spaces at its ends, or what would pass for an option: `dense:"C:\my models (old)\e5":query="query: "`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseConfig {
    /// A model's name, its folder, or a script such as `scripted:words=256`.
    pub model: String,
    /// How a text's tokens become its vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// Whether vectors get length 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize: Option<bool>,
    /// What goes before queries and documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Prefixes>,
    /// Tokens of a text that are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// How the hash of the encoder's identity must begin: with it, another model under the same name is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// Supplies the encoders that dense retrievers ask for.
pub trait EncoderSource {
    /// The encoder, the same one whenever the same is wanted.
    ///
    /// # Errors
    /// Where there is none of that name, or it cannot be loaded.
    fn encoder(&self, wanted: &DenseConfig) -> Result<Arc<SharedEncoder>, BuildError>;
}

/// Supplies none: for retrievers that need no model.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEncoders;

impl EncoderSource for NoEncoders {
    fn encoder(&self, wanted: &DenseConfig) -> Result<Arc<SharedEncoder>, BuildError> {
        Err(BuildError::NoEncoders { model: wanted.model.clone() })
    }
}

/// Why a retriever could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Its options make no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It needs an encoder where there is none.
    #[error(
        "a dense retriever needs the model {model}, but models are not used here; choose another retriever"
    )]
    NoEncoders {
        /// The model.
        model: String,
    },
    /// No model goes by that name.
    #[error(transparent)]
    Model(Box<RegistryError>),
    /// The encoder cannot be loaded.
    #[error("cannot load the encoder {model}")]
    Encoder {
        /// The model as it was named.
        model: String,
        /// Why.
        #[source]
        source: Box<ModelError>,
    },
    /// The encoder is not the one that the retriever names.
    #[error(
        "the encoder {model} has the identity {found}, not {wanted}: its files or settings have changed. \
         Restore them, or leave out identity="
    )]
    OtherEncoder {
        /// The model as it was named.
        model: String,
        /// How the identity's hash should begin.
        wanted: String,
        /// How it begins.
        found: String,
    },
}

/// What the short form may set.
const OPTIONS: [&str; 6] = ["pooling", "normalize", "max_tokens", "query", "document", "identity"];

impl DenseConfig {
    /// An encoder as its model says.
    pub fn of(model: &str) -> Self {
        Self { model: model.to_owned(), ..Self::default() }
    }

    /// Reads what follows `dense:` in the short form.
    pub(super) fn read(text: &str) -> Result<Self, ConfigError> {
        let bad = |given: &str, expected| ConfigError::BadOption {
            retriever: "dense",
            given: given.chars().take(100).collect(),
            expected,
        };
        const MODEL: &str = "a model, such as dense:facebook/contriever, between double quotes where it has commas or parentheses";
        let (model, mut rest) = value(text, true).ok_or_else(|| bad(text, MODEL))?;
        let mut read = Self { model, ..Self::default() };
        while !rest.is_empty() {
            const OPTION: &str = "pooling=mean or cls, normalize=true or false, max_tokens=NUMBER, query=PREFIX, document=PREFIX \
                 or identity=HASH";
            let given = rest;
            let bad = || bad(given, OPTION);
            let (name, after) = rest.strip_prefix(':').and_then(option).ok_or_else(bad)?;
            let text;
            (text, rest) = value(after, false).ok_or_else(bad)?;
            match name {
                "pooling" => {
                    read.pooling = Some(match text.to_lowercase().as_str() {
                        "mean" => Pooling::Mean,
                        "cls" => Pooling::Cls,
                        _ => return Err(bad()),
                    });
                }
                "normalize" => read.normalize = Some(text.to_lowercase().parse().map_err(|_| bad())?),
                "max_tokens" => read.max_tokens = Some(text.parse().map_err(|_| bad())?),
                "query" => read.prefixes.get_or_insert_default().query = text,
                "document" => read.prefixes.get_or_insert_default().document = text,
                _ => read.identity = Some(text.to_lowercase()),
            }
        }
        Ok(read)
    }

    /// Whether the options make sense by themselves.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let bad = |given: &str, expected| {
            Err(ConfigError::BadOption { retriever: "dense", given: given.to_owned(), expected })
        };
        let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match (self.max_tokens, &self.identity) {
            _ if self.model.trim().is_empty() => {
                bad(&self.model, "a model, such as dense:facebook/contriever")
            }
            (Some(0), _) => bad("max_tokens=0", "at least one token"),
            (_, Some(identity)) if !((8..=64).contains(&identity.len()) && hex(identity)) => {
                bad(identity, "8 to 64 hexadecimal digits in lower case for identity")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for DenseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dense:{}", quoted(&self.model, true))?;
        match self.pooling {
            Some(Pooling::Mean) => f.write_str(":pooling=mean")?,
            Some(Pooling::Cls) => f.write_str(":pooling=cls")?,
            None => {}
        }
        if let Some(normalize) = self.normalize {
            write!(f, ":normalize={normalize}")?;
        }
        if let Some(max_tokens) = self.max_tokens {
            write!(f, ":max_tokens={max_tokens}")?;
        }
        if let Some(Prefixes { query, document }) = &self.prefixes {
            write!(f, ":query={}:document={}", quoted(query, false), quoted(document, false))?;
        }
        self.identity.as_ref().map_or(Ok(()), |identity| write!(f, ":identity={}", quoted(identity, false)))
    }
}

/// The option that a text begins with, and what follows its `=`.
fn option(text: &str) -> Option<(&'static str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let name = OPTIONS.into_iter().find(|option| option.eq_ignore_ascii_case(name.trim()))?;
    Some((name, rest))
}

/// The value that a text begins with, and what follows it: an option or nothing. A model may have colons that no
/// option follows.
fn value(text: &str, is_model: bool) -> Option<(String, &str)> {
    let text = text.trim_start();
    let Some(mut rest) = text.strip_prefix('"') else {
        let ends = |&(_, after): &(usize, &str)| !is_model || option(&after[1..]).is_some();
        let mut colons = text.match_indices(':').map(|(at, _)| (at, &text[at..]));
        let end = colons.find(ends).map_or(text.len(), |(at, _)| at);
        let value = text[..end].trim_end();
        return (!value.is_empty() || !is_model).then(|| (value.to_owned(), &text[end..]));
    };
    let mut value = String::new();
    loop {
        let (inside, after) = rest.split_once('"')?;
        value.push_str(inside);
        match after.strip_prefix('"') {
            Some(more) => {
                value.push('"');
                rest = more;
            }
            None => return (!value.is_empty() || !is_model).then(|| (value, after.trim_start())),
        }
    }
}

/// A value as it is read again, between quotes where it must be.
fn quoted(text: &str, is_model: bool) -> String {
    let plain = !text.contains(['(', ')', ',', '"']);
    if plain && value(text, is_model).is_some_and(|(read, rest)| read == text && rest.is_empty()) {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> DenseConfig {
        DenseConfig::read(text).unwrap()
    }

    #[test]
    fn names_of_every_kind_are_read_as_they_stand() {
        for (text, model) in [
            ("facebook/contriever", "facebook/contriever"),
            ("all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
            ("scripted:words=256", "scripted:words=256"),
            (r"C:\Models\E5", r"C:\Models\E5"),
            (r"\\server\share\my model", r"\\server\share\my model"),
            ("/home/me/Models (old)/e5", "/home/me/Models (old)/e5"),
            (r#""C:\a, b (c)""#, r"C:\a, b (c)"),
            (r#" "say ""hi""" "#, r#"say "hi""#),
            ("  ./model  ", "./model"),
        ] {
            let config = read(text);
            assert_eq!(config, DenseConfig::of(model));
            assert_eq!(read(config.to_string().strip_prefix("dense:").unwrap()), config, "{config}");
        }
    }

    #[test]
    fn options_follow_the_name() {
        let all = r#"intfloat/e5:pooling=cls:normalize=true:max_tokens=64:query="query: ":document=:identity=0123abcd"#;
        let config = read(all);
        let prefixes = Prefixes { query: "query: ".into(), document: String::new() };
        let expected = DenseConfig {
            model: "intfloat/e5".into(),
            pooling: Some(Pooling::Cls),
            normalize: Some(true),
            max_tokens: Some(64),
            prefixes: Some(prefixes),
            identity: Some("0123abcd".into()),
        };
        assert_eq!(config, expected);
        assert_eq!(config.to_string(), format!("dense:{all}"));
        assert_eq!(read(r"C:\e5:Pooling = MEAN").pooling, Some(Pooling::Mean));
        let odd = DenseConfig::of("x:pooling=cls");
        assert_eq!(odd.to_string(), r#"dense:"x:pooling=cls""#);
        assert_eq!(read(r#""x:pooling=cls""#), odd);
    }

    #[test]
    fn what_is_no_encoder_is_refused() {
        for text in [
            "",
            "  ",
            "\"\"",
            "\"open",
            "\"a\"b",
            "a:pooling=max",
            "a:normalize=1",
            "a:max_tokens=-1",
            "\"a\":words=1",
            "a:pooling=cls:x",
        ] {
            let error = DenseConfig::read(text).unwrap_err().to_string();
            assert!(error.contains("not an option of dense"), "{text}: {error}");
        }
        for config in [
            DenseConfig::of(" "),
            DenseConfig { max_tokens: Some(0), ..DenseConfig::of("a") },
            DenseConfig { identity: Some("0123ABCD".into()), ..DenseConfig::of("a") },
            DenseConfig { identity: Some("0".into()), ..DenseConfig::of("a") },
        ] {
            assert!(config.check().is_err(), "{config:?}");
        }
    }
}
