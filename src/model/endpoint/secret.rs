//! Keys: where they are found, and a type for them that cannot be shown or stored by accident.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::EndpointError;

/// What nobody but the server may read. It has no [`fmt::Display`] and is never serialized.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into custody, without the line end that files and pasted texts have.
    pub fn new(text: impl Into<String>) -> Self {
        let text: String = text.into();
        Self(text.trim().to_owned())
    }

    /// The text itself, for the head of a request.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// A text without this secret: what a server repeats of it is not repeated.
    pub(super) fn redact(&self, text: String) -> String {
        // What is shorter hides nothing and would tear words apart.
        if self.0.len() >= 4 && text.contains(&self.0) { text.replace(&self.0, "[key]") } else { text }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Where a key is found; never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRef {
    /// In a variable of the environment, written `env:NAME`.
    Environment(String),
}

impl KeyRef {
    /// Fetches the key.
    ///
    /// # Errors
    /// [`EndpointError::NoKey`] where nothing is there.
    pub fn look_up(&self, endpoint: &str) -> Result<Secret, EndpointError> {
        let Self::Environment(variable) = self;
        let missing = || EndpointError::NoKey { endpoint: endpoint.to_owned(), variable: variable.clone() };
        let found = std::env::var(variable).map_err(|_| missing())?;
        let secret = Secret::new(found);
        if secret.expose().is_empty() { Err(missing()) } else { Ok(secret) }
    }
}

impl FromStr for KeyRef {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        // What was given may be the key itself, so it is not repeated.
        let variable = text.strip_prefix("env:").ok_or(EndpointError::PlainKey)?;
        let good = |char: char| char.is_ascii_alphanumeric() || char == '_';
        if variable.is_empty() || !variable.chars().all(good) {
            return Err(EndpointError::PlainKey);
        }
        Ok(Self::Environment(variable.to_owned()))
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Environment(variable) = self;
        write!(f, "env:{variable}")
    }
}

impl Serialize for KeyRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_in_no_way() {
        let secret = Secret::new("sk-1234567\n");
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(secret.redact("bad key sk-1234567, sk-1234567!".into()), "bad key [key], [key]!");
        assert_eq!(Secret::new("").redact("as it is".into()), "as it is");
    }

    #[test]
    fn a_key_in_the_place_of_its_name_is_refused_and_not_repeated() {
        assert_eq!("env:OPENAI_API_KEY".parse::<KeyRef>().unwrap().to_string(), "env:OPENAI_API_KEY");
        for bad in ["sk-12345678", "env:", "env:sk-12345678"] {
            let said = bad.parse::<KeyRef>().unwrap_err().to_string();
            assert!(said.contains("env:") && !said.contains("12345678"), "{said}");
        }
    }
}
