//! From an address to a file, whole or not at all: resuming, retrying, checking, and never hanging.
//!
//! Bytes go to `NAME.part`; what a later attempt needs to continue lies beside it in `NAME.part.json`. Only
//! content that arrived whole and passed its checks gets the final name, in one rename. Canceled, killed or out of disk,
//! the next call continues where this one ended, provided the server still has the same version.
//!
//! Knows addresses, files and [`crate::jobs`], and nothing of what the files mean: callers hand in an [`Inspect`]
//! for that. The only module that names `ureq`.

mod error;
mod exchange;
mod part;
mod retry;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

pub use error::{FetchError, LinkFault, Rejection};

use crate::jobs::{CancelToken, Progress};
use exchange::{Exchange, Head, Message};
use part::Part;
use retry::{backoff, pause, wait_asked_for};

/// How patient a download is.
#[derive(Debug, Clone)]
pub struct Patience {
    /// The longest wait for a connection.
    pub connect: Duration,
    /// The longest silence of a server that is connected.
    pub idle: Duration,
    /// How many failures in a row end a download; a failure after [`Self::progress`] new bytes counts as the first.
    pub attempts: u32,
    /// How many bytes further than ever before make a broken connection a step forward.
    pub progress: u64,
    /// The wait after the first failure; it doubles with each, half of it at random.
    pub first_pause: Duration,
    /// The longest wait between attempts, also where the server asks for a longer one.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            attempts: 6,
            progress: 1 << 20,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(120),
        }
    }
}

/// Looks at content while it arrives, in bounded memory.
pub trait Inspect: Send {
    /// Looks at the next bytes; an error ends the download, which will not get its final name.
    fn update(&mut self, bytes: &[u8]) -> Result<(), Rejection>;
    /// Says whether what was seen is whole; may be asked more than once.
    fn finish(&mut self) -> Result<(), Rejection>;
}

/// Accepts any content.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anything;

impl Inspect for Anything {
    fn update(&mut self, _: &[u8]) -> Result<(), Rejection> {
        Ok(())
    }
    fn finish(&mut self) -> Result<(), Rejection> {
        Ok(())
    }
}

/// One file to fetch.
pub struct Request<'a> {
    /// An `http` or `https` address.
    pub url: &'a str,
    /// The final path; folders above it are made.
    pub target: &'a Path,
    /// What to call it while it is fetched.
    pub step: &'a str,
    /// A secret for `Authorization: Bearer …`; sent to this address only, never where it redirects to.
    pub bearer: Option<&'a str>,
    /// The content's SHA-256, where it is known beforehand.
    pub sha256: Option<[u8; 32]>,
    /// The content's length in bytes, where it is known beforehand.
    pub length: Option<u64>,
    /// Makes a fresh inspector; called again whenever a download starts anew.
    pub inspect: &'a dyn Fn() -> Box<dyn Inspect>,
}

/// A finished download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The length of the file, in bytes.
    pub length: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// How many of its bytes an earlier call had already brought.
    pub resumed_from: u64,
}

/// What an attempt came to, where it did not fail for good.
enum Step {
    Whole,
    Again { fault: LinkFault, asked: Option<Duration> },
}

/// What has been seen of the content.
struct Seen {
    hash: Sha256,
    inspector: Box<dyn Inspect>,
}

impl Seen {
    fn new(request: &Request<'_>) -> Self {
        Self { hash: Sha256::new(), inspector: (request.inspect)() }
    }

    fn update(&mut self, bytes: &[u8]) -> Result<(), Rejection> {
        self.hash.update(bytes);
        self.inspector.update(bytes)
    }
}

/// Where the unfinished bytes of `target` are kept.
pub fn part_path(target: &Path) -> PathBuf {
    part::beside(target, ".part")
}

/// Fetches one file. See the module's description for what is promised.
///
/// # Errors
/// [`FetchError`]; whatever could be used by a later call is kept beside the target.
pub fn fetch(
    request: &Request<'_>,
    patience: &Patience,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Fetched, FetchError> {
    let mut download = Download::open(request, patience, cancel, progress)?;
    match download.run() {
        Ok(sha256) => download.keep(sha256),
        Err(error) => {
            if download.part.len() == 0 {
                download.part.remove(); // nothing to continue
            }
            Err(error)
        }
    }
}

struct Download<'a> {
    request: &'a Request<'a>,
    patience: &'a Patience,
    cancel: &'a CancelToken,
    progress: &'a Progress,
    part: Part,
    seen: Seen,
    resumed_from: u64,
}

impl<'a> Download<'a> {
    fn open(
        request: &'a Request<'a>,
        patience: &'a Patience,
        cancel: &'a CancelToken,
        progress: &'a Progress,
    ) -> Result<Self, FetchError> {
        cancel.check()?;
        let mut part = Part::open(request.target, request.url)?;
        let mut seen = Seen::new(request);
        progress.start(request.step, part.total().or(request.length).unwrap_or(0));
        // What an earlier call left is looked at again: hashes and inspectors do not survive a process.
        let good = part.read_back(|bytes| {
            cancel.check()?;
            progress.add(bytes.len() as u64);
            Ok(seen.update(bytes).is_ok())
        })?;
        if !good {
            seen = Seen::new(request);
            part.clear()?;
            progress.set(0);
        }
        let resumed_from = part.len();
        Ok(Self { request, patience, cancel, progress, part, seen, resumed_from })
    }

    /// Attempt after attempt until the content is here, whole and good; returns its hash.
    fn run(&mut self) -> Result<[u8; 32], FetchError> {
        let mut furthest = self.part.len();
        let mut failures = 0;
        loop {
            let (fault, asked) = match self.attempt()? {
                Step::Whole => match self.verify()? {
                    Some(sha256) => return Ok(sha256),
                    None => continue, // what an earlier call left was bad; begun anew, which happens once
                },
                Step::Again { fault, asked } => (fault, asked),
            };
            let reached = self.part.len();
            if reached >= furthest.saturating_add(self.patience.progress) {
                failures = 0;
            }
            furthest = furthest.max(reached);
            failures += 1;
            if failures >= self.patience.attempts {
                return Err(FetchError::GaveUp { url: shown(self.request.url), attempts: failures, fault });
            }
            if let Some(asked) = asked.filter(|asked| *asked > self.patience.longest_pause) {
                return Err(FetchError::Busy { url: shown(self.request.url), seconds: asked.as_secs() });
            }
            pause(asked.unwrap_or_else(|| backoff(self.patience, failures)), self.cancel)?;
        }
    }

    /// Asks the server once and takes what it gives.
    fn attempt(&mut self) -> Result<Step, FetchError> {
        let again = |fault| Ok(Step::Again { fault, asked: None });
        if !self.part.can_resume() && self.part.len() > 0 {
            self.begin_anew()?;
        }
        let offset = self.part.len();
        if offset > 0 && self.part.total() == Some(offset) {
            return Ok(Step::Whole);
        }
        let range = self.part.validator().filter(|_| offset > 0).map(|validator| (offset, validator));
        let mut exchange = Exchange::open(self.request.url, self.request.bearer, range, self.patience)
            .map_err(FetchError::Thread)?;
        let head = match exchange.next(self.cancel)? {
            Message::Head(head) => head,
            Message::Chunk(_) | Message::End => return again(LinkFault::Protocol),
            Message::Failed(fault) if fault.is_final() => return Err(self.link(fault)),
            Message::Failed(fault) => return again(fault),
        };
        match head.status {
            200 => {
                // A server that has changed the file, or knows no ranges, sends all of it. Its first bytes are
                // looked at before ours are given up: an error page is no reason to lose a gigabyte.
                let mut fresh = Seen::new(self.request);
                let first = match exchange.next(self.cancel)? {
                    Message::Failed(fault) if fault.is_final() => return Err(self.link(fault)),
                    Message::Failed(fault) => return again(fault),
                    other => other,
                };
                if let Message::Chunk(bytes) = &first {
                    fresh.update(bytes).map_err(|reason| self.rejected(reason))?;
                }
                self.begin_anew()?;
                self.seen = fresh;
                self.part.begin(&head, self.request.length)?;
                self.progress.start(self.request.step, self.part.total().unwrap_or(0));
                match first {
                    Message::Chunk(bytes) => self.write(&bytes)?,
                    Message::End => return self.ended(),
                    Message::Head(_) | Message::Failed(_) => return again(LinkFault::Protocol),
                }
            }
            206 if self.part.continues(&head) => {}
            206 => {
                self.part.forget()?;
                return again(LinkFault::OtherRange);
            }
            416 if offset > 0 => {
                let length = head.range.and_then(|range| range.total);
                if length == Some(offset) && self.part.total().is_none_or(|total| total == offset) {
                    return Ok(Step::Whole);
                }
                self.part.forget()?;
                return again(LinkFault::OtherRange);
            }
            408 | 425 | 429 | 500 | 502 | 503 | 504 => {
                return Ok(Step::Again {
                    asked: wait_asked_for(&head),
                    fault: LinkFault::Status(head.status),
                });
            }
            status => return Err(FetchError::Status { url: shown(self.request.url), status }),
        }
        loop {
            match exchange.next(self.cancel)? {
                Message::Chunk(bytes) => {
                    if let Err(reason) = self.seen.update(&bytes) {
                        return self.reject(reason);
                    }
                    self.write(&bytes)?;
                }
                Message::End => return self.ended(),
                Message::Failed(fault) if fault.is_final() => return Err(self.link(fault)),
                Message::Failed(fault) => return again(fault),
                Message::Head(_) => return again(LinkFault::Protocol),
            }
        }
    }

    /// Content that is wrong where it continues what an earlier call left may be that call's fault: once more from
    /// the start. Otherwise it is the server's, and final.
    fn reject(&mut self, reason: Rejection) -> Result<Step, FetchError> {
        let resumed = self.resumed_from > 0;
        self.begin_anew()?;
        if resumed {
            return Ok(Step::Again { fault: LinkFault::OtherRange, asked: None });
        }
        Err(self.rejected(reason))
    }

    fn ended(&mut self) -> Result<Step, FetchError> {
        match self.part.total() {
            Some(total) if self.part.len() < total => {
                Ok(Step::Again { fault: LinkFault::Short { got: self.part.len(), total }, asked: None })
            }
            Some(_) => Ok(Step::Whole),
            // Where no length was said, a broken connection looks like the end: the content must tell.
            None => match self.seen.inspector.finish() {
                Ok(()) => {
                    self.part.set_total(self.part.len());
                    Ok(Step::Whole)
                }
                Err(reason) => {
                    let fault = LinkFault::Unfinished { got: self.part.len(), reason };
                    self.begin_anew()?;
                    Ok(Step::Again { fault, asked: None })
                }
            },
        }
    }

    /// The content's hash if it is what was asked for, `None` where it is worth another try from the start.
    fn verify(&mut self) -> Result<Option<[u8; 32]>, FetchError> {
        let length = self.part.len();
        let sha256: [u8; 32] = self.seen.hash.clone().finalize().into();
        let verdict = match (self.request.length, self.request.sha256) {
            (Some(expected), _) if expected != length => {
                Err(FetchError::Length { url: shown(self.request.url), expected, got: length })
            }
            (_, Some(expected)) if expected != sha256 => {
                Err(FetchError::Hash { url: shown(self.request.url), expected, got: sha256 })
            }
            _ => self.seen.inspector.finish().map_err(|reason| self.rejected(reason)),
        };
        match verdict {
            Ok(()) => Ok(Some(sha256)),
            Err(error) => {
                let resumed = self.resumed_from > 0;
                self.begin_anew()?;
                if resumed { Ok(None) } else { Err(error) }
            }
        }
    }

    fn keep(self, sha256: [u8; 32]) -> Result<Fetched, FetchError> {
        let length = self.part.len();
        self.part.finish(self.request.target)?;
        Ok(Fetched { length, sha256, resumed_from: self.resumed_from })
    }

    fn begin_anew(&mut self) -> Result<(), FetchError> {
        self.part.clear()?;
        self.seen = Seen::new(self.request);
        self.resumed_from = 0;
        self.progress.set(0);
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.part.append(bytes)?;
        self.progress.set(self.part.len());
        Ok(())
    }

    fn link(&self, fault: LinkFault) -> FetchError {
        FetchError::Link { url: shown(self.request.url), fault }
    }

    fn rejected(&self, reason: Rejection) -> FetchError {
        FetchError::Rejected { url: shown(self.request.url), reason }
    }
}

/// An address as it may be shown: without a user name, password or query, which can hold secrets.
pub fn shown(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_addresses_hold_no_secrets() {
        for (url, expected) in [
            ("https://a.b/c/d.json", "https://a.b/c/d.json"),
            ("https://me:secret@a.b/c?token=secret", "https://a.b/c"),
            ("http://secret@a.b", "http://a.b"),
            ("http://a.b/x@y#secret", "http://a.b/x@y"),
            ("no address", "no address"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }
}
