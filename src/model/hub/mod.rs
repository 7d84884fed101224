//! A model from a hub (<https://huggingface.co> or one that answers like it) to a folder, whole or not at all.
//!
//! Downloads go through [`crate::fetch`] instead of the hub's own library: what broke off, was canceled or killed is
//! continued by the next call, every large file is compared with the hash that the hub names, patience has an end, and
//! a secret is sent to the hub's host alone. Everything belongs to one commit, which is asked for first; if
//! the hub has another the next time, files that are the same there are not fetched again.
//!
//! A folder of a model has at most one unfinished download, in [`UNFINISHED`], and finished ones under names made of their
//! content. Whoever calls [`get`] makes sure that nobody else does so for the same folder.
//!
//! Knows nothing of what is done with models.

mod cache;
mod choose;
mod error;
mod listing;
mod settings;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use choose::BESIDE;
pub use error::{HubError, Lack, ListingFault};
pub(crate) use listing::is_portable;
pub use settings::{Hub, Token};

use super::{FileHashes, ModelError};
use crate::fetch::{FetchError, Inspect, Request, fetch};
use crate::jobs::{CancelToken, Progress};
use crate::whole_file::WholeFile;
use listing::{Expected, Listing, RemoteFile, file_url, listing_url};

/// The folder of a download that is not finished, within the model's.
pub const UNFINISHED: &str = "unfinished";
/// What an unfinished download is to become.
const PLAN: &str = "plan.json";
/// A bound for files whose size the hub does not tell.
const MOST_UNKNOWN: u64 = 1 << 40;
/// Left free on a disk.
const SPARE: u64 = 64 << 20;

/// What to get: `OWNER/NAME`, `OWNER/NAME@REVISION`, `OWNER/NAME:FILE.gguf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The repository.
    pub repository: String,
    /// A branch, tag or commit.
    pub revision: String,
    /// A GGUF file, by its path or a part of its name.
    pub file: Option<String>,
}

impl FromStr for Wanted {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let wrong = || HubError::Repository { text: text.to_owned() };
        let bare = text.trim().trim_end_matches('/');
        let bare = bare.strip_prefix("https://huggingface.co/").unwrap_or(bare);
        let (rest, file) = match bare.split_once(':') {
            Some((rest, file)) => (rest, Some(file.to_owned()).filter(|file| !file.is_empty())),
            None => (bare, None),
        };
        let (repository, revision) = rest.split_once('@').unwrap_or((rest, "main"));
        let good_revision = !revision.is_empty() && revision.len() < 200 && !revision.contains("..");
        if !is_repository(repository) || !good_revision || bare.ends_with(':') {
            return Err(wrong());
        }
        Ok(Self { repository: repository.to_owned(), revision: revision.to_owned(), file })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if self.revision != "main" {
            write!(f, "@{}", self.revision)?;
        }
        self.file.as_ref().map_or(Ok(()), |file| write!(f, ":{file}"))
    }
}

/// Whether a text can be a repository's name: one or two parts of letters, digits, `.`, `_` and `-`.
pub(crate) fn is_repository(text: &str) -> bool {
    let good = |part: &str| {
        (1..=96).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            && !part.starts_with(['.', '-'])
            && !part.ends_with(['.', '-'])
            && !part.contains("--")
            && !part.contains("..")
    };
    text.split('/').count() <= 2 && text.split('/').all(good)
}

/// A model that was had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// The repository, as it is called today.
    pub repository: String,
    /// The commit.
    pub commit: String,
    /// What to load: a folder, or a GGUF file.
    pub model: PathBuf,
    /// The folder that holds its files.
    pub folder: PathBuf,
    /// The files with their hashes.
    pub files: Vec<GotFile>,
    /// The license that the hub names.
    pub license: Option<String>,
    /// Bytes that came over the network now.
    pub downloaded: u64,
    /// Where the files are if not below the folder that was asked for: in Hugging Face's cache.
    pub from_cache: bool,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GotFile {
    /// Its path below the model's folder, `/` between parts.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// A file of an unfinished download: what it is, and the commit at which it is fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Planned {
    path: String,
    size: Option<u64>,
    sha256: Option<String>,
    blob: Option<String>,
    commit: String,
}

impl Planned {
    fn new(file: &RemoteFile, commit: &str) -> Self {
        Self {
            path: file.path.clone(),
            size: file.size,
            sha256: file.sha256.map(hex::encode),
            blob: file.blob.clone(),
            commit: commit.to_owned(),
        }
    }

    /// Whether both are the same content, as far as a hub says.
    fn is_like(&self, other: &Self) -> bool {
        let named = self.sha256.is_some() || self.blob.is_some() || self.commit == other.commit;
        named
            && (&self.path, self.size, &self.sha256, &self.blob)
                == (&other.path, other.size, &other.sha256, &other.blob)
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Plan {
    repository: String,
    files: Vec<Planned>,
}

/// Gets a model into `folder`, or finds it there, or in Hugging Face's cache. `hashes` learns what was hashed.
///
/// # Errors
/// [`HubError`]; what came so far is kept, and the next call continues.
pub fn get(
    hub: &Hub,
    wanted: &Wanted,
    folder: &Path,
    hashes: &mut FileHashes,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Got, HubError> {
    let mut job = Job { hub, wanted, folder, hashes, cancel, progress, downloaded: 0 };
    if hub.offline {
        return job.cached(&wanted.revision)?.ok_or_else(|| HubError::Offline {
            repository: wanted.to_string(),
            cache: hub.cache.as_ref().map_or_else(
                || "any cache".to_owned(),
                |cache| format!("Hugging Face's cache ({})", cache.display()),
            ),
        });
    }
    let listing = job.listing()?;
    let cached = job.cached(&listing.commit);
    if let Ok(Some(got)) = cached {
        return Ok(Got { license: listing.license, ..got });
    }
    // A cache that lacks files or has damaged ones is no reason not to download.
    cancel.check()?;
    job.download(&listing)
}

/// What an unfinished download in a model's folder is of: the repository, with the GGUF file if it is one.
pub fn unfinished(folder: &Path) -> Option<String> {
    let Plan { repository, files } = plan(&folder.join(UNFINISHED))?;
    let gguf = files.into_iter().map(|file| file.path).find(|path| path.ends_with(".gguf"));
    Some(gguf.map_or_else(|| repository.clone(), |file| format!("{repository}:{file}")))
}

fn plan(partial: &Path) -> Option<Plan> {
    serde_json::from_slice(&fs::read(partial.join(PLAN)).ok()?).ok()
}

struct Job<'a> {
    hub: &'a Hub,
    wanted: &'a Wanted,
    folder: &'a Path,
    hashes: &'a mut FileHashes,
    cancel: &'a CancelToken,
    progress: &'a Progress,
    downloaded: u64,
}

impl Job<'_> {
    /// Files without a plan are of nobody knows what.
    fn forget_strangers(&self) -> Result<(), HubError> {
        let partial = self.folder.join(UNFINISHED);
        if partial.exists() && plan(&partial).is_none() {
            fs::remove_dir_all(&partial).map_err(|source| HubError::File { path: partial, source })?;
        }
        Ok(())
    }

    /// The model from Hugging Face's cache, if that has all of it at this revision.
    fn cached(&mut self, revision: &str) -> Result<Option<Got>, HubError> {
        let Some(cache) = &self.hub.cache else { return Ok(None) };
        let Some((commit, folder)) = cache::snapshot(cache, &self.wanted.repository, revision) else {
            return Ok(None);
        };
        let listing = Listing::of_snapshot(&folder, &self.wanted.repository, &commit)?;
        let mut read = |file: &RemoteFile| {
            let path = below(&folder, &file.path);
            fs::read(&path).map_err(|source| HubError::File { path, source })
        };
        let choice = choose::choose(&listing, self.wanted.file.as_deref(), &mut read)?;
        let total = choice.files.iter().filter_map(|file| file.size).sum();
        self.progress.start("Checking Hugging Face's cache", total);
        let mut files = Vec::new();
        for file in &choice.files {
            let path = below(&folder, &file.path);
            let sha256 = self.hash(&path)?;
            if file.sha256.is_some_and(|expected| expected != sha256) {
                return Err(HubError::Damaged { path });
            }
            files.push(got_file(&file.path, file.size.unwrap_or(0), &sha256));
        }
        let model = choice.gguf.as_ref().map_or_else(|| folder.clone(), |gguf| below(&folder, gguf));
        let repository = listing.repository;
        let (license, downloaded, from_cache) = (None, 0, true);
        Ok(Some(Got { repository, commit, model, folder, files, license, downloaded, from_cache }))
    }

    /// Asks the hub what the repository has.
    fn listing(&mut self) -> Result<Listing, HubError> {
        let (hub, wanted) = (self.hub, self.wanted);
        let target = self.folder.join("listing.json");
        let url = listing_url(hub, &wanted.repository, &wanted.revision);
        let request = Request {
            url: &url,
            target: &target,
            step: "Asking for the list of files",
            bearer: hub.token.as_ref().map(Token::secret),
            sha256: None,
            length: None,
            inspect: &|| Box::new(Expected { left: listing::MOST_BYTES, json: true }),
        };
        let repository = || wanted.repository.clone();
        fetch(&request, &hub.patience, self.cancel, self.progress).map_err(|error| match error {
            FetchError::Canceled(canceled) => HubError::Canceled(canceled),
            FetchError::Status { status: 401 | 403, .. } => self.refused(&wanted.repository, false),
            FetchError::Status { status: 404, .. } => HubError::NotFound {
                endpoint: hub.endpoint.clone(),
                repository: repository(),
                revision: wanted.revision.clone(),
            },
            FetchError::Rejected { reason, .. } => {
                HubError::NotAHub { endpoint: hub.endpoint.clone(), repository: repository(), reason }
            }
            other => HubError::Fetch(other),
        })?;
        let bytes = fs::read(&target).map_err(|source| HubError::File { path: target.clone(), source })?;
        let _ = fs::remove_file(&target); // asked for anew each time; a rest of it does no harm
        Listing::parse(&bytes, &hub.endpoint, &wanted.repository).map_err(|fault| HubError::Listing {
            endpoint: hub.endpoint.clone(),
            repository: repository(),
            fault,
        })
    }

    fn download(&mut self, listing: &Listing) -> Result<Got, HubError> {
        self.forget_strangers()?;
        let partial = self.folder.join(UNFINISHED);
        let old = plan(&partial).unwrap_or_default();
        // A whole file of another version would pass for this one where the hub names no hash.
        for file in &old.files {
            let now = listing.find(&file.path).map(|now| Planned::new(now, &listing.commit));
            if !now.is_some_and(|now| file.is_like(&now)) && is_portable(&file.path) {
                let _ = fs::remove_file(below(&partial, &file.path));
            }
        }
        // What is the same as in an earlier attempt keeps the commit at which it was begun.
        let planned = |file: &RemoteFile| {
            let new = Planned::new(file, &listing.commit);
            old.files.iter().find(|old| old.is_like(&new)).cloned().unwrap_or(new)
        };
        // Files that decide about others come first; a plan with them alone guards against strangers' remains.
        let wanted = self.wanted.file.clone();
        let mut first: Vec<Planned> = Vec::new();
        let choice = choose::choose(listing, wanted.as_deref(), &mut |file| {
            let file = planned(file);
            let path = below(&partial, &file.path);
            first.push(file.clone());
            let keep = old.files.iter().filter(|old| first.iter().all(|new| new.path != old.path));
            write_plan(&partial, &listing.repository, keep.chain(&first))?;
            self.fetch_one(&partial, listing, &file, &file.path)?;
            fs::read(&path).map_err(|source| HubError::File { path, source })
        })?;
        let files: Vec<Planned> = choice.files.iter().map(planned).collect();
        let whole = self.folder.join(version(&files));
        let place = if whole.is_dir() { &whole } else { &partial };
        if place == &whole {
            self.downloaded = 0; // what was read to find that out is nothing that was missing
        }
        if place == &partial {
            write_plan(&partial, &listing.repository, files.iter())?;
            remove_others(&partial, &files);
            self.check_space(&partial, &listing.repository, &files)?;
        }
        let mut got = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let step = format!("{} ({} of {})", file.path, number + 1, files.len());
            got.push(self.fetch_one(place, listing, file, &step)?);
        }
        if place == &partial {
            let failed = |source| HubError::File { path: whole.clone(), source };
            fs::rename(&partial, &whole).map_err(failed)?;
            let _ = fs::remove_file(whole.join(PLAN)); // means nothing there
            for file in &got {
                if let Ok(sha256) = <[u8; 32]>::try_from(hex::decode(&file.sha256).unwrap_or_default()) {
                    self.hashes.remember(&below(&whole, &file.path), &sha256);
                }
            }
        }
        if place == &whole {
            let _ = fs::remove_dir_all(&partial); // what decided that all is there already
        }
        Ok(Got {
            repository: listing.repository.clone(),
            commit: listing.commit.clone(),
            model: choice.gguf.map_or_else(|| whole.clone(), |gguf| below(&whole, &gguf)),
            folder: whole,
            files: got,
            license: listing.license.clone(),
            downloaded: self.downloaded,
            from_cache: false,
        })
    }

    /// One file below `place`: as it is there, if it is what the hub names, else downloaded.
    fn fetch_one(
        &mut self,
        place: &Path,
        listing: &Listing,
        file: &Planned,
        step: &str,
    ) -> Result<GotFile, HubError> {
        let target = below(place, &file.path);
        let expected = file.sha256.as_ref().and_then(|sha256| hex::decode(sha256).ok()?.try_into().ok());
        if let Ok(metadata) = fs::metadata(&target) {
            self.progress.start(step, metadata.len());
            let fits = file.size.is_none_or(|size| size == metadata.len());
            let sha256 = self.hash(&target)?;
            if fits && expected.is_none_or(|expected: [u8; 32]| expected == sha256) {
                return Ok(got_file(&file.path, metadata.len(), &sha256));
            }
            fs::remove_file(&target).map_err(|source| HubError::File { path: target.clone(), source })?;
        }
        let url = file_url(self.hub, &listing.repository, &file.commit, &file.path);
        let (left, json) = (file.size.unwrap_or(MOST_UNKNOWN), file.path.ends_with(".json"));
        let request = Request {
            url: &url,
            target: &target,
            step,
            bearer: self.hub.token.as_ref().map(Token::secret),
            sha256: expected,
            length: file.size,
            inspect: &|| -> Box<dyn Inspect> { Box::new(Expected { left, json }) },
        };
        let fetched = fetch(&request, &self.hub.patience, self.cancel, self.progress);
        let fetched = fetched.map_err(|error| match error {
            FetchError::Canceled(canceled) => HubError::Canceled(canceled),
            FetchError::Status { status: 401 | 403, .. } => self.refused(&listing.repository, listing.gated),
            other => HubError::Fetch(other),
        })?;
        self.downloaded += fetched.length - fetched.resumed_from;
        Ok(got_file(&file.path, fetched.length, &fetched.sha256))
    }

    fn hash(&mut self, path: &Path) -> Result<[u8; 32], HubError> {
        self.hashes.of(path, self.cancel, self.progress).map_err(|error| match error {
            ModelError::Canceled(canceled) => HubError::Canceled(canceled),
            ModelError::Read { path, source } => HubError::File { path, source },
            other => HubError::File { path: path.to_owned(), source: std::io::Error::other(other) },
        })
    }

    fn check_space(&self, partial: &Path, repository: &str, files: &[Planned]) -> Result<(), HubError> {
        let here = |path: PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len());
        let mut needed: u64 = 0;
        for file in files {
            let target = below(partial, &file.path);
            let has = here(target.clone()).max(here(crate::fetch::part_path(&target)));
            needed = needed.saturating_add(file.size.unwrap_or(0).saturating_sub(has));
        }
        // Where the system does not say, a full disk is found when it is full.
        match fs4::available_space(partial) {
            Ok(free) if needed > 0 && free < needed.saturating_add(SPARE) => Err(HubError::Space {
                folder: self.folder.to_owned(),
                repository: repository.to_owned(),
                free_mb: free / 1_000_000,
                needed_mb: needed.div_ceil(1_000_000),
            }),
            _ => Ok(()),
        }
    }

    fn refused(&self, repository: &str, gated: bool) -> HubError {
        HubError::Refused {
            repository: repository.to_owned(),
            page: self.hub.page(repository),
            gated,
            with_token: self.hub.token.is_some(),
        }
    }
}

fn got_file(path: &str, size: u64, sha256: &[u8; 32]) -> GotFile {
    GotFile { path: path.to_owned(), size, sha256: hex::encode(sha256) }
}

/// A name for these files by their content, so that a folder of that name has them and no others.
fn version(files: &[Planned]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        let content = file.sha256.as_ref().or(file.blob.as_ref()).unwrap_or(&file.commit);
        hash.update(format!("{}\0{content}\0{}\n", file.path, file.size.unwrap_or(0)));
    }
    hex::encode(&hash.finalize()[..8])
}

/// A path of the hub below a folder; the parts were checked.
pub(crate) fn below(folder: &Path, path: &str) -> PathBuf {
    path.split('/').fold(folder.to_owned(), |folder, part| folder.join(part))
}

fn write_plan<'a>(
    partial: &Path,
    repository: &str,
    files: impl Iterator<Item = &'a Planned>,
) -> Result<(), HubError> {
    let path = partial.join(PLAN);
    let plan = Plan { repository: repository.to_owned(), files: files.cloned().collect() };
    let write = || {
        fs::create_dir_all(partial)?;
        WholeFile::put(&path, &serde_json::to_vec_pretty(&plan)?)
    };
    write().map_err(|source| HubError::File { path: path.clone(), source })
}

/// Removes what an earlier attempt at something else has left.
fn remove_others(partial: &Path, files: &[Planned]) {
    let mut keep: BTreeSet<PathBuf> = BTreeSet::from([partial.join(PLAN)]);
    for file in files {
        let target = below(partial, &file.path);
        let part = crate::fetch::part_path(&target);
        let mut memo = part.clone().into_os_string();
        memo.push(".json");
        keep.extend([target, part, memo.into()]);
    }
    let mut folders = vec![partial.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if !keep.contains(&path) {
                let _ = fs::remove_file(path); // left there it would only take room
            }
        }
    }
}
