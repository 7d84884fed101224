//! Why a key could not be kept or found.

use std::path::PathBuf;

use crate::model::endpoint::KeyRef;

/// Why a key could not be kept, found or forgotten. None repeats a key or a passphrase.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No keyring runs here.
    #[error(
        "no keyring can be used here ({reason}); keep the key in a sealed file, file:NAME, or in the environment, env:NAME"
    )]
    NoKeyring {
        /// What the system said.
        reason: String,
    },
    /// The keyring did not do it.
    #[error("the system's keyring did not give or take {key}: {reason}")]
    Keyring {
        /// Which key.
        key: KeyRef,
        /// What the system said.
        reason: String,
    },
    /// The keyring says nothing.
    #[error(
        "the system's keyring has not answered for {seconds} s; it may wait for its password in a window of its own. Unlock it, \
         or keep the key in a sealed file, file:NAME"
    )]
    Silent {
        /// For how long.
        seconds: u64,
    },
    /// There is none of that name.
    #[error("no key is kept as {key}; `lamplight endpoints key set {key}` asks for it and keeps it")]
    Missing {
        /// Which key.
        key: KeyRef,
    },
    /// What the environment holds is not ours to change.
    #[error("{key} is a variable of the environment: set or unset {name} where this program is started")]
    Variable {
        /// Which key.
        key: KeyRef,
        /// Its variable.
        name: String,
    },
    /// A text that can be no key.
    #[error("the key {rule}")]
    NoKey {
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The file's passphrase is not known.
    #[error("{path} holds keys under a passphrase: give that in LAMPLIGHT_PASSPHRASE, or when asked for it", path = path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A passphrase that opens nothing.
    #[error("this passphrase does not open {path}", path = path.display())]
    Passphrase {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what was written.
    #[error("{path} is damaged ({reason}): bring it back from a copy, or remove it and keep its keys anew", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The file cannot be read or written.
    #[error("cannot use {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system names no folder for data.
    #[error("the system names no folder for keys: name a file in LAMPLIGHT_KEY_FILE")]
    NoFolder,
}
