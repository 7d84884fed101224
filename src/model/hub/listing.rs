//! What a repository has: the hub's answer about it, or a folder of Hugging Face's cache, checked before anything
//! in it is believed.

use std::path::Path;

use serde::Deserialize;

use super::{Hub, HubError, ListingFault};
use crate::fetch::{Inspect, Rejection};

/// No repository has nearly so many files.
const MOST_FILES: usize = 200_000;
/// No answer about a repository has nearly so many bytes.
pub(super) const MOST_BYTES: u64 = 64 << 20;
/// No file is nearly so large: a pebibyte.
const MOST_SIZE: u64 = 1 << 50;

/// What a repository has at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    /// Who says so, for messages.
    pub(super) source: String,
    /// The repository's name today; it may have been renamed.
    pub(super) repository: String,
    /// The commit that everything here belongs to.
    pub(super) commit: String,
    pub(super) gated: bool,
    pub(super) license: Option<String>,
    pub(super) files: Vec<RemoteFile>,
}

/// A file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteFile {
    /// Its path below the repository's root, `/` between parts.
    pub(super) path: String,
    pub(super) size: Option<u64>,
    /// Of its content; hubs know it of large files only.
    pub(super) sha256: Option<[u8; 32]>,
    /// Git's name for its content, by which versions can be told apart.
    pub(super) blob: Option<String>,
}

#[derive(Deserialize)]
struct Raw {
    id: Option<String>,
    sha: Option<String>,
    #[serde(default)]
    gated: serde_json::Value,
    siblings: Option<Vec<RawFile>>,
    #[serde(rename = "cardData")]
    card: Option<Card>,
}

#[derive(Deserialize)]
struct Card {
    license: Option<serde_json::Value>,
    license_name: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct RawFile {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Option<String>,
    size: Option<u64>,
}

impl Listing {
    /// Reads and checks a hub's answer about `repository`.
    pub(super) fn parse(bytes: &[u8], source: &str, repository: &str) -> Result<Self, ListingFault> {
        let raw: Raw = serde_json::from_slice(bytes).map_err(ListingFault::Syntax)?;
        let commit = raw.sha.filter(|sha| is_commit(sha)).ok_or(ListingFault::Commit)?;
        let siblings = raw.siblings.ok_or(ListingFault::Files)?;
        if siblings.len() > MOST_FILES {
            return Err(ListingFault::TooMany(siblings.len()));
        }
        let mut files = Vec::with_capacity(siblings.len());
        for file in siblings {
            let path = file.rfilename;
            if leads_outside(&path) {
                return Err(ListingFault::Outside(path));
            }
            let size = file.lfs.as_ref().and_then(|lfs| lfs.size).or(file.size);
            if let Some(size) = size.filter(|&size| size > MOST_SIZE) {
                return Err(ListingFault::Size { name: path, size });
            }
            let sha256 = file.lfs.and_then(|lfs| hash(&lfs.sha256?));
            files.push(RemoteFile { path, size, sha256, blob: file.blob });
        }
        let text = |value: Option<serde_json::Value>| match value {
            Some(serde_json::Value::String(text)) => Some(text),
            Some(serde_json::Value::Array(all)) => {
                let texts: Vec<&str> = all.iter().filter_map(|one| one.as_str()).collect();
                (!texts.is_empty()).then(|| texts.join(", "))
            }
            _ => None,
        };
        let license = raw.card.and_then(|card| match text(card.license) {
            Some(other) if other == "other" => text(card.license_name).or(Some(other)),
            license => license,
        });
        Ok(Self {
            source: source.to_owned(),
            repository: raw.id.filter(|id| super::is_repository(id)).unwrap_or_else(|| repository.to_owned()),
            commit,
            gated: !matches!(raw.gated, serde_json::Value::Null | serde_json::Value::Bool(false)),
            license,
            files,
        })
    }

    /// A repository's snapshot in Hugging Face's cache, as if a hub had listed it. Links there lead to files that
    /// are named by their hash.
    pub(super) fn of_snapshot(folder: &Path, repository: &str, commit: &str) -> Result<Self, HubError> {
        let mut files = Vec::new();
        let mut folders = vec![(folder.to_owned(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            let failed = |source| HubError::File { path: folder.clone(), source };
            for entry in std::fs::read_dir(&folder).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
                let name = format!("{prefix}{name}");
                // A link to nothing is a file that was pruned: as if it were not listed.
                let Ok(metadata) = std::fs::metadata(&path) else { continue };
                if metadata.is_dir() {
                    if name.split('/').count() < 8 {
                        folders.push((path, format!("{name}/")));
                    }
                    continue;
                }
                let blob = std::fs::read_link(&path)
                    .ok()
                    .and_then(|target| target.file_name().map(|name| name.to_string_lossy().into_owned()));
                let sha256 = blob.as_deref().and_then(hash);
                files.push(RemoteFile { path: name, size: Some(metadata.len()), sha256, blob });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let (repository, commit) = (repository.to_owned(), commit.to_owned());
        let source = folder.display().to_string();
        Ok(Self { source, repository, commit, gated: false, license: None, files })
    }

    pub(super) fn find(&self, path: &str) -> Option<&RemoteFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// The address at which a hub tells of a repository, sizes and hashes included.
pub(super) fn listing_url(hub: &Hub, repository: &str, revision: &str) -> String {
    format!("{}/api/models/{repository}/revision/{}?blobs=true", hub.endpoint, encoded(revision, false))
}

/// The address of a file at a commit.
pub(super) fn file_url(hub: &Hub, repository: &str, commit: &str, path: &str) -> String {
    format!("{}/{repository}/resolve/{commit}/{}", hub.endpoint, encoded(path, true))
}

/// Percent-encodes all but what RFC 3986 calls unreserved, and `/` where it separates.
fn encoded(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            b'/' if keep_slash => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn hash(text: &str) -> Option<[u8; 32]> {
    hex::decode(text).ok()?.try_into().ok()
}

fn leads_outside(path: &str) -> bool {
    path.is_empty()
        || path.contains(['\\', '\0'])
        || path.split('/').any(|part| matches!(part, "" | "." | ".."))
        || path.split('/').next().is_some_and(|first| first.ends_with(':'))
}

/// Whether each part of a path can be a file's name on every system.
pub(crate) fn is_portable(path: &str) -> bool {
    const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
    path.split('/').all(|part| {
        let stem = part.split('.').next().unwrap_or_default().to_ascii_lowercase();
        let numbered = |kind| stem.strip_prefix(kind).is_some_and(|rest: &str| rest.len() == 1);
        !part.is_empty()
            && part.len() <= 200
            && !part.ends_with(['.', ' '])
            && !part.chars().any(|c| c.is_control() || "<>:\"|?*\\".contains(c))
            && !DEVICES.contains(&stem.as_str())
            && !numbered("com")
            && !numbered("lpt")
    })
}

/// Turns down content that is longer than it can be, or that should be JSON and is a page.
pub(super) struct Expected {
    pub(super) left: u64,
    pub(super) json: bool,
}

impl Inspect for Expected {
    fn update(&mut self, bytes: &[u8]) -> Result<(), Rejection> {
        if self.json
            && let Some(first) = bytes.iter().find(|byte| !byte.is_ascii_whitespace())
        {
            if !matches!(first, b'{' | b'[' | 0xEF) {
                return Err("it sent something other than JSON, perhaps a page to log in".into());
            }
            self.json = false;
        }
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or("it sends more than it said there would be")?;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Rejection> {
        if self.json { Err("it sent nothing where JSON was expected".into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn listing(siblings: &str) -> Result<Listing, ListingFault> {
        let text = format!(r#"{{"id": "a/b", "sha": "{COMMIT}", "siblings": {siblings}}}"#);
        Listing::parse(text.as_bytes(), "hub", "old/name")
    }

    #[test]
    fn an_answer_is_read() {
        let sha = "ab".repeat(32);
        let text = format!(
            r#"{{"_id": "x", "id": "new/name", "sha": "{COMMIT}", "gated": "manual", "private": false,
                "cardData": {{"license": "other", "license_name": "own-terms", "tags": ["x"]}},
                "siblings": [
                    {{"rfilename": "model.safetensors", "size": 12, "blobId": "77", "lfs": {{"sha256": "{sha}", "size": 12, "pointerSize": 134}}}},
                    {{"rfilename": "config.json", "blobId": "78", "size": 3}},
                    {{"rfilename": "x"}}]}}"#
        );
        let listing = Listing::parse(text.as_bytes(), "hub", "old/name").unwrap();
        assert_eq!((listing.repository.as_str(), listing.gated), ("new/name", true));
        assert_eq!(listing.license.as_deref(), Some("own-terms"));
        assert_eq!(listing.find("model.safetensors").unwrap().sha256, Some([0xab; 32]));
        assert_eq!(listing.find("x").unwrap().size, None);
    }

    #[test]
    fn nonsense_is_named() {
        for bad in ["../x", "/etc/x", "a/../../x", "a\\..\\x", "a//b", "C:/x", "", "a/./b", "a\0"] {
            let siblings = serde_json::json!([{ "rfilename": bad }]).to_string();
            let error = listing(&siblings).unwrap_err();
            assert!(matches!(error, ListingFault::Outside(_)), "{bad}: {error}");
        }
        assert!(matches!(listing(r#"[{"rfilename": "x", "size": 1e30}]"#), Err(ListingFault::Syntax(_))));
        let huge = listing(r#"[{"rfilename": "x", "size": 9999999999999999999}]"#);
        assert!(matches!(huge, Err(ListingFault::Size { .. })));
        assert!(matches!(Listing::parse(br#"{"sha": "12"}"#, "", ""), Err(ListingFault::Commit)));
        assert!(matches!(Listing::parse(b"<html>", "", ""), Err(ListingFault::Syntax(_))));
        let many = format!("[{}]", vec![r#"{"rfilename":"x"}"#; MOST_FILES + 1].join(","));
        assert!(matches!(listing(&many), Err(ListingFault::TooMany(_))));
        let thousands: Vec<String> = (0..20_000).map(|n| format!(r#"{{"rfilename":"x{n}"}}"#)).collect();
        assert_eq!(listing(&format!("[{}]", thousands.join(","))).unwrap().files.len(), 20_000);
    }

    #[test]
    fn names_that_some_system_cannot_have_are_known() {
        for good in ["config.json", "1_Pooling/config.json", "a b (1).gguf", "conx.json"] {
            assert!(is_portable(good), "{good}");
        }
        for bad in ["con", "a/NUL.json", "com1.x", "a:b", "a.", "a ", "a?b", "a\nb"] {
            assert!(!is_portable(bad), "{bad}");
        }
        assert_eq!(encoded("a b/ü#1.gguf", true), "a%20b/%C3%BC%231.gguf");
        assert_eq!(encoded("refs/pr/1", false), "refs%2Fpr%2F1");
    }
}
