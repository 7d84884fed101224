//! Keys: where they are found, and a type for them that cannot be shown or stored by accident.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{EndpointError, KeyPlace};

/// What nobody but the server may read. It has no [`fmt::Display`], is never serialized, and is wiped from memory when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into custody, without the line end that files and pasted texts have.
    pub fn new(text: impl Into<String>) -> Self {
        let text: String = text.into();
        let kept = Self(text.trim().to_owned());
        wipe(text);
        kept
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(std::mem::take(&mut self.0));
    }
}

/// Overwrites a text before its memory is given back.
pub fn wipe(text: String) {
    let mut bytes = text.into_bytes();
    bytes.fill(0);
    // What nobody reads any more need not be written, unless somebody might.
    std::hint::black_box(&bytes);
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Where a key is found; never the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyRef {
    /// In a variable of the environment, written `env:NAME`.
    Environment(String),
    /// In the system's keyring, written `keyring:NAME`.
    Keyring(String),
    /// In the file that a passphrase seals, written `file:NAME`.
    File(String),
}

impl KeyRef {
    /// The longest name of a key. What services give as keys is longer.
    const LONGEST: usize = 40;

    /// A key of that name in that place.
    ///
    /// # Errors
    /// [`EndpointError::PlainKey`] for what can be no name, or may be a key in its place.
    pub fn new(place: KeyPlace, name: &str) -> Result<Self, EndpointError> {
        let environment = place == KeyPlace::Environment;
        let good = |char: char| {
            char.is_ascii_alphanumeric() || char == '_' || (!environment && matches!(char, '-' | '.'))
        };
        let long = !environment && name.len() > Self::LONGEST;
        if name.is_empty() || !name.chars().all(good) || (!environment && (long || is_like_a_key(name))) {
            return Err(EndpointError::PlainKey);
        }
        Ok(match place {
            KeyPlace::Environment => Self::Environment(name.to_owned()),
            KeyPlace::Keyring => Self::Keyring(name.to_owned()),
            KeyPlace::File => Self::File(name.to_owned()),
        })
    }

    /// Where it is.
    pub const fn place(&self) -> KeyPlace {
        match self {
            Self::Environment(_) => KeyPlace::Environment,
            Self::Keyring(_) => KeyPlace::Keyring,
            Self::File(_) => KeyPlace::File,
        }
    }

    /// What it is called there.
    pub fn name(&self) -> &str {
        match self {
            Self::Environment(name) | Self::Keyring(name) | Self::File(name) => name,
        }
    }

    /// Fetches the key for an endpoint. A keyring or sealed file may ask a person first.
    ///
    /// # Errors
    /// [`EndpointError::NoKey`] where nothing is in the environment, [`EndpointError::Key`] for what another place says.
    pub fn look_up(&self, endpoint: &str) -> Result<Secret, EndpointError> {
        let found = self.fetch().map_err(|source| EndpointError::Key {
            endpoint: endpoint.to_owned(),
            source: Box::new(source),
        })?;
        found.filter(|secret| !secret.expose().is_empty()).ok_or_else(|| EndpointError::NoKey {
            endpoint: endpoint.to_owned(),
            variable: self.name().to_owned(),
        })
    }
}

/// Whether a name begins as the keys of well-known services do.
fn is_like_a_key(name: &str) -> bool {
    ["sk-", "sk_", "pk-", "rk-", "hf_", "gsk_", "xai-", "AIza", "ghp_"]
        .iter()
        .any(|start| name.starts_with(start))
}

impl FromStr for KeyRef {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        // What was given may be the key itself, so it is not repeated.
        let (place, name) = text.split_once(':').ok_or(EndpointError::PlainKey)?;
        let place =
            KeyPlace::ALL.into_iter().find(|known| known.id() == place).ok_or(EndpointError::PlainKey)?;
        Self::new(place, name)
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.place().id(), self.name())
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
        for good in ["keyring:open-ai.2", "file:gpt_4"] {
            assert_eq!(good.parse::<KeyRef>().unwrap().to_string(), good);
        }
        let long = format!("keyring:{}12345678", "x".repeat(33));
        for bad in [
            "sk-12345678",
            "env:",
            "file:",
            "env:sk-12345678",
            "keyring:sk-12345678",
            "file:a/12345678",
            "store:12345678",
            &long,
        ] {
            let said = bad.parse::<KeyRef>().unwrap_err().to_string();
            assert!(said.contains("env:") && !said.contains("12345678"), "{said}");
        }
    }
}
