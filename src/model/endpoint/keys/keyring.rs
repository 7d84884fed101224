//! Keys in the system's keyring, whose answers are waited for in a thread, so that one that says nothing holds up nobody forever.

use std::sync::mpsc;
use std::time::Duration;

use super::{KeyError, KeyRef, Secret};

/// What this program's keys are filed under.
const SERVICE: &str = "lamplight";
/// The time to find out whether a keyring runs.
const TO_CONNECT: Duration = Duration::from_secs(5);
/// The time for a question, in which a person may be asked to unlock the keyring.
const TO_ANSWER: Duration = Duration::from_secs(60);

/// A keyring: the system's, or another in tests.
pub(super) struct Keyring {
    /// Says whether there is one; asked once a program run.
    connect: fn() -> Result<(), KeyError>,
    entry: fn(&str) -> keyring::Result<keyring::Entry>,
}

/// The system's.
pub(super) const SYSTEM: Keyring = Keyring {
    connect: || match keyring::Entry::store_status() {
        Ok(()) => Ok(()),
        Err(error) => Err(KeyError::NoKeyring { reason: reason(error) }),
    },
    entry: |name| keyring::Entry::new(SERVICE, name),
};

impl Keyring {
    pub(super) fn is_available(&self) -> Result<(), KeyError> {
        within(TO_CONNECT, self.connect)?
    }

    pub(super) fn save(&self, name: &str, key: &Secret) -> Result<(), KeyError> {
        let key = key.clone();
        self.ask(name, move |entry| entry.set_password(key.expose()))
    }

    pub(super) fn look_up(&self, name: &str) -> Result<Secret, KeyError> {
        self.ask(name, |entry| entry.get_password().map(Secret::new))
    }

    pub(super) fn forget(&self, name: &str) -> Result<(), KeyError> {
        self.ask(name, keyring::Entry::delete_credential)
    }

    fn ask<T: Send + 'static>(
        &self,
        name: &str,
        question: impl FnOnce(&keyring::Entry) -> keyring::Result<T> + Send + 'static,
    ) -> Result<T, KeyError> {
        self.is_available()?;
        let (entry, called) = (self.entry, name.to_owned());
        let answer = within(TO_ANSWER, move || question(&entry(&called)?))?;
        told(name, answer)
    }
}

/// An answer of the keyring in our words.
fn told<T>(name: &str, answer: keyring::Result<T>) -> Result<T, KeyError> {
    let key = || KeyRef::Keyring(name.to_owned());
    answer.map_err(|error| match error {
        keyring::Error::NoEntry => KeyError::Missing { key: key() },
        keyring::Error::NoDefaultStore => KeyError::NoKeyring { reason: reason(&error) },
        error => KeyError::Keyring { key: key(), reason: reason(&error) },
    })
}

/// What an error says on one line. Of errors that carry what was found, that is not said.
fn reason(error: &keyring::Error) -> String {
    let text = match error {
        keyring::Error::BadEncoding(_) | keyring::Error::BadDataFormat(..) => {
            "what is kept there is no text".into()
        }
        error => error.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Does work in a thread of its own and waits so long for it. A thread that never comes back ends with the program.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, KeyError> {
    let (deliver, delivered) = mpsc::channel();
    let begun = std::thread::Builder::new().name("keyring".into()).spawn(move || deliver.send(work()));
    if let Err(error) = begun {
        return Err(KeyError::NoKeyring { reason: error.to_string() });
    }
    delivered.recv_timeout(limit).map_err(|error| match error {
        mpsc::RecvTimeoutError::Timeout => KeyError::Silent { seconds: limit.as_secs() },
        // The library gave up within; its thread is gone, and so is the question.
        mpsc::RecvTimeoutError::Disconnected => KeyError::NoKeyring { reason: "its connection broke".into() },
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use keyring_core::api::CredentialStoreApi;
    use keyring_core::mock::{Cred, Store};

    use super::*;

    static STORE: LazyLock<Arc<Store>> = LazyLock::new(|| Store::new().unwrap());

    fn entry(name: &str) -> keyring::Result<keyring::Entry> {
        Ok(keyring::Entry { inner: STORE.build(SERVICE, name, None)? })
    }

    const MOCK: Keyring = Keyring { connect: || Ok(()), entry };

    fn fails_with(name: &str, error: keyring::Error) -> String {
        let entry = entry(name).unwrap();
        entry.inner.as_any().downcast_ref::<Cred>().unwrap().set_error(error);
        MOCK.look_up(name).unwrap_err().to_string()
    }

    #[test]
    fn keys_are_kept_found_and_forgotten_by_name() {
        MOCK.is_available().unwrap();
        assert!(matches!(MOCK.look_up("a"), Err(KeyError::Missing { .. })));
        MOCK.save("a", &Secret::new("sk-one")).unwrap();
        MOCK.save("b", &Secret::new("sk-two")).unwrap();
        MOCK.save("a", &Secret::new("sk-three")).unwrap();
        assert_eq!(MOCK.look_up("a").unwrap(), Secret::new("sk-three"));
        MOCK.forget("a").unwrap();
        let said = MOCK.look_up("a").unwrap_err().to_string();
        assert!(said.contains("endpoints key set keyring:a"), "{said}");
        assert!(matches!(MOCK.forget("a"), Err(KeyError::Missing { .. })));
        assert_eq!(MOCK.look_up("b").unwrap(), Secret::new("sk-two"));
    }

    #[test]
    fn what_a_keyring_says_is_told_but_not_what_it_holds() {
        MOCK.save("c", &Secret::new("sk-hush")).unwrap();
        let denied = keyring::Error::NoStorageAccess("the person\nsaid no".into());
        let said = fails_with("c", denied);
        assert!(said.contains("keyring:c") && said.contains("person said no"), "{said}");
        let said = fails_with("c", keyring::Error::BadEncoding(b"sk-hush".to_vec()));
        assert!(said.contains("no text") && !said.contains("hush"), "{said}");
        let none = Keyring { connect: || Err(KeyError::NoKeyring { reason: "no bus".into() }), ..MOCK };
        let said = none.look_up("c").unwrap_err().to_string();
        assert!(said.contains("no bus") && said.contains("file:NAME"), "{said}");
    }

    #[test]
    fn a_keyring_that_says_nothing_is_not_waited_for_forever() {
        let (stop, stopped) = mpsc::channel::<()>();
        let waits = within(Duration::from_millis(20), move || stopped.recv().is_ok());
        assert!(matches!(waits, Err(KeyError::Silent { .. })));
        drop(stop);
        assert_eq!(within(Duration::from_secs(60), || 7).unwrap(), 7);
    }
}
