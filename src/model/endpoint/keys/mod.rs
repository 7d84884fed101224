//! Where keys are kept: the environment, the system's keyring, or a file sealed with a passphrase where no keyring runs.
//!
//! [`KeyRef`] names a key and is all that settings hold. What keeps keys knows neither endpoints nor requests.

mod error;
mod file;
mod keyring;
mod sealed;

pub use error::KeyError;
pub use file::{KeyFile, ask_passphrase_with};

use super::{KeyRef, Secret};
use keyring::SYSTEM;

/// Where a key can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyPlace {
    /// A variable of the environment, which this program only reads.
    Environment,
    /// The system's keyring: Secret Service, Keychain or Credential Manager.
    Keyring,
    /// A file sealed with a passphrase, [`KeyFile`].
    File,
}

impl KeyPlace {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Environment, Self::Keyring, Self::File];

    /// The word before the colon of a [`KeyRef`].
    pub const fn id(self) -> &'static str {
        match self {
            Self::Environment => "env",
            Self::Keyring => "keyring",
            Self::File => "file",
        }
    }

    /// Whether keys can be kept there on this machine, and why not. Asks the keyring for at most a few seconds: not for a thread
    /// that draws.
    ///
    /// # Errors
    /// [`KeyError::NoKeyring`], [`KeyError::Silent`], [`KeyError::NoFolder`].
    pub fn is_available(self) -> Result<(), KeyError> {
        match self {
            Self::Environment => Ok(()),
            Self::Keyring => SYSTEM.is_available(),
            Self::File => KeyFile::default_file().map(drop),
        }
    }
}

impl KeyRef {
    /// Keeps a key there, in the place of one of that name. Takes as long as a person who is asked for a password by the keyring,
    /// a minute at most.
    ///
    /// # Errors
    /// A text that can be no key, a variable of the environment, and what the place says.
    pub fn save(&self, key: &Secret) -> Result<(), KeyError> {
        fits(key)?;
        match self {
            Self::Environment(name) => Err(KeyError::Variable { key: self.clone(), name: name.clone() }),
            Self::Keyring(name) => SYSTEM.save(name, key),
            Self::File(name) => KeyFile::default_file()?.save(name, key),
        }
    }

    /// Removes the key from there.
    ///
    /// # Errors
    /// None of that name, a variable of the environment, and what the place says.
    pub fn forget(&self) -> Result<(), KeyError> {
        match self {
            Self::Environment(name) => Err(KeyError::Variable { key: self.clone(), name: name.clone() }),
            Self::Keyring(name) => SYSTEM.forget(name),
            Self::File(name) => KeyFile::default_file()?.forget(name),
        }
    }

    /// Fetches the key; `None` for a variable that is not set.
    pub(super) fn fetch(&self) -> Result<Option<Secret>, KeyError> {
        match self {
            Self::Environment(name) => Ok(std::env::var(name).ok().map(Secret::new)),
            Self::Keyring(name) => SYSTEM.look_up(name).map(Some),
            Self::File(name) => KeyFile::default_file()?.look_up(name).map(Some),
        }
    }
}

/// Whether a text can be a key in the head of a request.
fn fits(key: &Secret) -> Result<(), KeyError> {
    let rule = match key.expose() {
        "" => "is empty",
        text if text.len() > 16 << 10 => "is longer than 16 KiB",
        text if !text.chars().all(|char| char.is_ascii_graphic() || char == ' ') => {
            "must be one line of letters, digits and signs of ASCII"
        }
        _ => return Ok(()),
    };
    Err(KeyError::NoKey { rule })
}
