//! The sealed file's bytes: keys by name, under a passphrase. Pure but for its random numbers.
//!
//! A key is derived from the passphrase with Argon2id and a salt that is drawn anew each time the file is written; ChaCha20-Poly1305
//! seals with it. A checksum of what everyone may see tells a damaged file from a wrong passphrase.

use std::collections::BTreeMap;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Secret;

/// Keys by name.
pub(super) type Keys = BTreeMap<String, String>;

const FORMAT: &str = "lamplight-keys-1";
/// RFC 9106's second recommended choice, but for one lane: 64 MiB, three passes.
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 3;
/// What a file may ask for at most, so that a forged one cannot take the machine's memory and time.
const MOST_MEMORY_KIB: u32 = 1 << 20;
const MOST_PASSES: u32 = 16;

/// Why bytes could not be opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    Damaged(&'static str),
    Passphrase,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    memory_kib: u32,
    passes: u32,
    salt: String,
    nonce: String,
    sealed: String,
    checksum: String,
}

impl File {
    /// All that the seal vouches for beside the keys.
    fn head(&self) -> String {
        format!("{} {} {} {} {}", self.format, self.memory_kib, self.passes, self.salt, self.nonce)
    }

    fn sum(&self) -> String {
        hex::encode(Sha256::digest(format!("{} {}", self.head(), self.sealed)))
    }

    /// The key that a passphrase stands for here.
    fn key(&self, passphrase: &Secret) -> Result<LessSafeKey, Unopened> {
        let bad = |_| Unopened::Damaged("its settings make no sense");
        if self.memory_kib > MOST_MEMORY_KIB || self.passes > MOST_PASSES {
            return Err(Unopened::Damaged("it asks for more memory or time than any such file needs"));
        }
        let salt = hex::decode(&self.salt).map_err(|_| Unopened::Damaged("its salt is not hexadecimal"))?;
        let params = Params::new(self.memory_kib, self.passes, 1, Some(32)).map_err(bad)?;
        let mut memory = vec![Block::default(); params.block_count()];
        let mut key = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(passphrase.expose().as_bytes(), &salt, &mut key, &mut memory)
            .map_err(bad)?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key)
            .map_err(|_| Unopened::Damaged("its cipher has no such key"))?;
        Ok(LessSafeKey::new(key))
    }
}

/// Seals keys.
///
/// # Errors
/// A system without random numbers.
pub(super) fn seal(keys: &Keys, passphrase: &Secret) -> Result<Vec<u8>, std::io::Error> {
    seal_with(keys, passphrase, MEMORY_KIB, PASSES)
}

fn seal_with(
    keys: &Keys,
    passphrase: &Secret,
    memory_kib: u32,
    passes: u32,
) -> Result<Vec<u8>, std::io::Error> {
    let other = |what: &str| std::io::Error::other(what.to_owned());
    let random = |bytes: &mut [u8]| {
        SystemRandom::new().fill(bytes).map_err(|_| other("the system has no random numbers"))
    };
    let (mut salt, mut nonce) = ([0; 16], [0; NONCE_LEN]);
    random(&mut salt)?;
    random(&mut nonce)?;
    let mut file = File {
        format: FORMAT.to_owned(),
        memory_kib,
        passes,
        salt: hex::encode(salt),
        nonce: hex::encode(nonce),
        sealed: String::new(),
        checksum: String::new(),
    };
    let mut sealed = serde_json::to_vec(keys)?;
    let key = file.key(passphrase).map_err(|_| other("there is not enough memory to seal it"))?;
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(file.head()), &mut sealed)
        .map_err(|_| other("it could not be sealed"))?;
    file.sealed = hex::encode(sealed);
    file.checksum = file.sum();
    let mut text = serde_json::to_vec_pretty(&file)?;
    text.push(b'\n');
    Ok(text)
}

/// Opens what [`seal`] made.
pub(super) fn open(bytes: &[u8], passphrase: &Secret) -> Result<Keys, Unopened> {
    let file: File =
        serde_json::from_slice(bytes).map_err(|_| Unopened::Damaged("it is not a whole file of keys"))?;
    if file.format != FORMAT {
        return Err(Unopened::Damaged("its format is not known to this version"));
    }
    if file.checksum != file.sum() {
        return Err(Unopened::Damaged("its checksum does not match"));
    }
    let hex = |text: &str| hex::decode(text).map_err(|_| Unopened::Damaged("it is not hexadecimal"));
    let nonce: [u8; NONCE_LEN] =
        hex(&file.nonce)?.try_into().map_err(|_| Unopened::Damaged("its nonce has another length"))?;
    let mut sealed = hex(&file.sealed)?;
    let opened = file
        .key(passphrase)?
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(file.head()), &mut sealed)
        .map_err(|_| Unopened::Passphrase)?;
    serde_json::from_slice(opened).map_err(|_| Unopened::Damaged("what it holds are no keys"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::from([("a".to_owned(), "sk-one".to_owned()), ("b".to_owned(), "sk-two".to_owned())])
    }

    #[test]
    fn what_is_sealed_opens_with_its_passphrase_alone() {
        let passphrase = Secret::new("påss phrase");
        let (one, other) = (seal(&keys(), &passphrase).unwrap(), seal(&keys(), &passphrase).unwrap());
        assert_ne!(one, other, "salt and nonce are drawn anew");
        assert_eq!(open(&one, &passphrase).unwrap(), keys());
        assert_eq!(open(&one, &Secret::new("pass phrase")).unwrap_err(), Unopened::Passphrase);
    }

    #[test]
    fn a_byte_changed_anywhere_is_told_as_damage() {
        let passphrase = Secret::new("p");
        let sealed = seal_with(&keys(), &passphrase, 8, 1).unwrap();
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone();
            bytes[at] ^= 1;
            match open(&bytes, &passphrase) {
                Err(Unopened::Damaged(_)) => {}
                // White space between fields is no matter.
                Ok(opened) => assert_eq!(opened, keys()),
                Err(Unopened::Passphrase) => panic!("byte {at} is taken for a wrong passphrase"),
            }
        }
        for length in [0, 1, sealed.len() / 2, sealed.len() - 3] {
            assert!(matches!(open(&sealed[..length], &passphrase), Err(Unopened::Damaged(_))), "{length}");
        }
    }

    #[test]
    fn a_forged_head_opens_nothing_and_takes_no_memory() {
        let passphrase = Secret::new("p");
        let forged = |change: &dyn Fn(&mut File)| {
            let mut file: File =
                serde_json::from_slice(&seal_with(&keys(), &passphrase, 8, 1).unwrap()).unwrap();
            change(&mut file);
            file.checksum = file.sum();
            open(&serde_json::to_vec(&file).unwrap(), &passphrase).unwrap_err()
        };
        for change in [
            (&|file: &mut File| file.memory_kib = u32::MAX) as &dyn Fn(&mut File),
            &|file| file.passes = u32::MAX,
            &|file| file.memory_kib = 0,
            &|file| file.salt.clear(),
            &|file| file.nonce.push_str("00"),
            &|file| file.format.push('0'),
        ] {
            assert!(matches!(forged(change), Unopened::Damaged(_)));
        }
        assert_eq!(forged(&|file| file.passes = 2), Unopened::Passphrase);
        assert_eq!(forged(&|file| file.sealed.clear()), Unopened::Passphrase);
    }
}
