//! Keys in a sealed file, and the custody of its passphrase while the program runs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::sealed::{self, Keys, Unopened};
use super::{KeyError, KeyRef, Secret};
use crate::whole_file::WholeFile;

/// A file longer than this is none of ours.
const MOST_BYTES: u64 = 4 << 20;

/// What asks a person for the passphrase of a file, which is new if the second is true; `None` where nobody can be asked.
type Asker = Box<dyn Fn(&Path, bool) -> Option<Secret> + Send + Sync>;

static ASKER: OnceLock<Asker> = OnceLock::new();

/// What is known of files' passphrases. Held while a person is asked, so that one question serves all who wait.
static KNOWN: Mutex<BTreeMap<PathBuf, Known>> = Mutex::new(BTreeMap::new());

enum Known {
    Passphrase(Secret),
    /// A person was asked and did not know; asking again would hold up the work once more.
    Unknown,
}

/// Says who asks for passphrases that are wanted and not known. The first to say so is heard; without one, what is locked is an error.
pub fn ask_passphrase_with(asker: impl Fn(&Path, bool) -> Option<Secret> + Send + Sync + 'static) {
    let _ = ASKER.set(Box::new(asker));
}

/// The file that keeps keys under a passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// The file that `LAMPLIGHT_KEY_FILE` names, else `keys.sealed` in the platform's place for data.
    ///
    /// # Errors
    /// [`KeyError::NoFolder`] where the system names none.
    pub fn default_file() -> Result<Self, KeyError> {
        if let Some(path) = std::env::var_os("LAMPLIGHT_KEY_FILE").filter(|path| !path.is_empty()) {
            return Ok(Self::new(path.into()));
        }
        let dirs = directories::ProjectDirs::from("", "", "lamplight").ok_or(KeyError::NoFolder)?;
        Ok(Self::new(dirs.data_dir().join("keys.sealed")))
    }

    /// A file, which need not exist.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is there. Where not, the first key that is saved makes it, and whatever passphrase is given then is its own.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Whether its passphrase is not known yet, neither from [`KeyFile::unlock`] nor from `LAMPLIGHT_PASSPHRASE`.
    pub fn is_locked(&self) -> bool {
        !matches!(known().get(&self.path), Some(Known::Passphrase(_))) && from_environment().is_none()
    }

    /// Takes the passphrase into custody until the program ends. One of a file that is there is tried first, which takes a moment.
    ///
    /// # Errors
    /// [`KeyError::Passphrase`], and what is wrong with the file.
    pub fn unlock(&self, passphrase: Secret) -> Result<(), KeyError> {
        if passphrase.expose().is_empty() {
            return Err(KeyError::Passphrase { path: self.path.clone() });
        }
        self.read(&passphrase)?;
        known().insert(self.path.clone(), Known::Passphrase(passphrase));
        Ok(())
    }

    /// The names of the keys that it holds, in order; none where there is no file.
    ///
    /// # Errors
    /// A passphrase that is not known or wrong, and what is wrong with the file.
    pub fn names(&self) -> Result<Vec<String>, KeyError> {
        if !self.exists() {
            return Ok(Vec::new());
        }
        Ok(self.opened()?.0.into_keys().collect())
    }

    pub(super) fn look_up(&self, name: &str) -> Result<Secret, KeyError> {
        let missing = || KeyError::Missing { key: KeyRef::File(name.to_owned()) };
        if !self.exists() {
            return Err(missing());
        }
        self.opened()?.0.remove(name).map(Secret::new).ok_or_else(missing)
    }

    pub(super) fn save(&self, name: &str, key: &Secret) -> Result<(), KeyError> {
        self.change(|keys| {
            keys.insert(name.to_owned(), key.expose().to_owned());
            Ok(())
        })
    }

    pub(super) fn forget(&self, name: &str) -> Result<(), KeyError> {
        let missing = || KeyError::Missing { key: KeyRef::File(name.to_owned()) };
        if !self.exists() {
            return Err(missing());
        }
        self.change(|keys| keys.remove(name).map(drop).ok_or_else(missing))
    }

    /// Reads, changes and writes it whole; several programs may, one after the other.
    fn change(&self, change: impl FnOnce(&mut Keys) -> Result<(), KeyError>) -> Result<(), KeyError> {
        let failed = |source| KeyError::File { path: self.path.clone(), source };
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        // A person is asked before others are kept waiting.
        self.opened()?;
        let mut lock = self.path.clone().into_os_string();
        lock.push(".lock");
        let lock = File::create(&lock).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let (mut keys, passphrase) = self.opened()?;
        change(&mut keys)?;
        let bytes = sealed::seal(&keys, &passphrase).map_err(failed)?;
        WholeFile::put_private(&self.path, &bytes).map_err(failed)
    }

    /// What it holds, and the passphrase that opened it.
    fn opened(&self) -> Result<(Keys, Secret), KeyError> {
        let mut known = known();
        let (passphrase, was_asked) = match known.get(&self.path) {
            Some(Known::Passphrase(passphrase)) => (passphrase.clone(), false),
            Some(Known::Unknown) => return Err(KeyError::Passphrase { path: self.path.clone() }),
            None => match from_environment() {
                Some(passphrase) => (passphrase, false),
                None => (self.asked()?, true),
            },
        };
        let keys = self.read(&passphrase);
        match &keys {
            Ok(_) => drop(known.insert(self.path.clone(), Known::Passphrase(passphrase.clone()))),
            Err(_) if was_asked => drop(known.insert(self.path.clone(), Known::Unknown)),
            Err(_) => drop(known.remove(&self.path)),
        }
        Ok((keys?, passphrase))
    }

    /// The passphrase from a person.
    fn asked(&self) -> Result<Secret, KeyError> {
        let answer = ASKER.get().and_then(|ask| ask(&self.path, !self.exists()));
        let answer = answer.filter(|passphrase| !passphrase.expose().is_empty());
        answer.ok_or_else(|| KeyError::Locked { path: self.path.clone() })
    }

    fn read(&self, passphrase: &Secret) -> Result<Keys, KeyError> {
        let path = || self.path.clone();
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
        match read {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Keys::new()),
            Err(source) => return Err(KeyError::File { path: path(), source }),
            Ok(_) => {}
        }
        sealed::open(&bytes, passphrase).map_err(|error| match error {
            Unopened::Damaged(reason) => KeyError::Damaged { path: path(), reason },
            Unopened::Passphrase => KeyError::Passphrase { path: path() },
        })
    }
}

fn known() -> MutexGuard<'static, BTreeMap<PathBuf, Known>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn from_environment() -> Option<Secret> {
    let passphrase = Secret::new(std::env::var("LAMPLIGHT_PASSPHRASE").ok()?);
    (!passphrase.expose().is_empty()).then_some(passphrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_under_a_passphrase_that_is_given_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path().join("new/keys.sealed"));
        assert!(!file.exists() && file.is_locked() && file.names().unwrap().is_empty());
        assert!(matches!(file.look_up("a"), Err(KeyError::Missing { .. })));
        assert!(matches!(file.save("a", &Secret::new("sk-one")), Err(KeyError::Locked { .. })));
        assert!(!file.exists());
        file.unlock(Secret::new("open sesame")).unwrap();
        file.save("a", &Secret::new("sk-one")).unwrap();
        file.save("b", &Secret::new("sk-two")).unwrap();
        assert_eq!(file.look_up("a").unwrap(), Secret::new("sk-one"));
        assert_eq!(file.names().unwrap(), ["a", "b"]);
        file.forget("a").unwrap();
        assert!(matches!(file.forget("a"), Err(KeyError::Missing { .. })));
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains("sk-") && !text.contains("sesame"), "{text}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        }
        // The same file as another program run finds it.
        let again = KeyFile::new(folder.path().join("again.sealed"));
        fs::copy(file.path(), again.path()).unwrap();
        assert!(matches!(again.look_up("b"), Err(KeyError::Locked { .. })));
        for wrong in ["", "open"] {
            let said = again.unlock(Secret::new(wrong)).unwrap_err().to_string();
            assert!(said.contains("again.sealed") && said.contains("does not open"), "{said}");
            assert!(again.is_locked());
        }
        again.unlock(Secret::new("open sesame")).unwrap();
        assert_eq!(again.look_up("b").unwrap(), Secret::new("sk-two"));
        fs::write(again.path(), &text[..text.len() / 2]).unwrap();
        let said = again.look_up("b").unwrap_err().to_string();
        assert!(said.contains("again.sealed is damaged"), "{said}");
        assert!(again.save("c", &Secret::new("sk-three")).is_err());
        assert_eq!(fs::read(again.path()).unwrap(), text.as_bytes()[..text.len() / 2]);
    }
}
