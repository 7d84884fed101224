//! Why a download failed, in words for a person.

use std::io;
use std::path::PathBuf;

use crate::jobs::Canceled;

/// Why an [`super::Inspect`] turned content down.
pub type Rejection = Box<dyn std::error::Error + Send + Sync>;

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Someone asked to stop; the next call continues.
    #[error(transparent)]
    Canceled(#[from] Canceled),
    /// The connection failed in a way that another attempt will not mend.
    #[error("cannot fetch {url}: {fault}")]
    Link {
        /// The address, without secrets.
        url: String,
        /// What happened.
        fault: LinkFault,
    },
    /// Attempt after attempt failed.
    #[error(
        "gave up on {url} after {attempts} attempts in a row, the last: {fault}. Run the same again to continue"
    )]
    GaveUp {
        /// The address, without secrets.
        url: String,
        /// How many attempts failed in a row.
        attempts: u32,
        /// What happened last.
        fault: LinkFault,
    },
    /// The server asks for a longer wait than this program makes.
    #[error(
        "{url} is not to be had for {seconds} seconds, says the server. Run the same again after that time"
    )]
    Busy {
        /// The address, without secrets.
        url: String,
        /// The wait asked for.
        seconds: u64,
    },
    /// The server refuses.
    #[error("{url} was refused with status {status}{}", hint(*.status))]
    Status {
        /// The address, without secrets.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// What came is not what was asked for; it was not kept.
    #[error("what {url} sent is not usable: {reason}")]
    Rejected {
        /// The address, without secrets.
        url: String,
        /// What is wrong with it.
        reason: Rejection,
    },
    /// What came has another length than it should; it was not kept.
    #[error("{url} sent {got} bytes where {expected} were expected")]
    Length {
        /// The address, without secrets.
        url: String,
        /// The expected length.
        expected: u64,
        /// The length received.
        got: u64,
    },
    /// What came has another SHA-256 than it should; it was not kept.
    #[error("{url} sent content with SHA-256 {} where {} was expected", hex::encode(.got), hex::encode(.expected))]
    Hash {
        /// The address, without secrets.
        url: String,
        /// The expected hash.
        expected: [u8; 32],
        /// The hash of what came.
        got: [u8; 32],
    },
    /// Another process is fetching the same file.
    #[error("{path} is being written by another download; wait for it to end")]
    InUse {
        /// The unfinished file.
        path: PathBuf,
    },
    /// The disk is full; what came so far is kept.
    #[error("the disk is full; {path} keeps what has come. Make room and run the same again to continue")]
    DiskFull {
        /// The unfinished file.
        path: PathBuf,
    },
    /// A file or folder could not be written or read.
    #[error("cannot write or read {path}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system gives no thread for the transfer.
    #[error("cannot start a thread for the download: {0}")]
    Thread(io::Error),
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => "; it may need permission",
        404 | 410 => "; there is no such file there",
        _ => "",
    }
}

/// What can go wrong between this program and a server.
#[derive(Debug, thiserror::Error)]
pub enum LinkFault {
    /// The address cannot be used.
    #[error("this is not an http or https address")]
    BadAddress,
    /// The host has no address.
    #[error("the host was not found; is there a network, or a proxy to be set?")]
    HostNotFound,
    /// Nothing came for too long.
    #[error("the server did not answer in time")]
    Silent,
    /// The connection broke.
    #[error("the connection failed: {0}")]
    Broken(io::Error),
    /// The connection cannot be made secure.
    #[error("no secure connection can be made; the server's certificate or a proxy may be wrong")]
    Insecure,
    /// The proxy does not work.
    #[error("the proxy set in the environment does not work")]
    Proxy,
    /// Redirected again and again.
    #[error("the server redirects without end")]
    Redirects,
    /// The server does not speak HTTP properly.
    #[error("the server does not answer as HTTP demands")]
    Protocol,
    /// Content came compressed in a way that was not asked for and cannot be undone.
    #[error("the server sends compressed content that this program cannot read")]
    Encoding,
    /// A status that asks for another attempt.
    #[error("the server answers with status {0}")]
    Status(u16),
    /// The rest that came does not continue what is here.
    #[error("the file has changed, or its rest does not continue what had come before")]
    OtherRange,
    /// Less came than was announced.
    #[error("only {got} of {total} bytes came")]
    Short {
        /// Bytes here.
        got: u64,
        /// Bytes announced.
        total: u64,
    },
    /// The server named no length, and what came is not whole.
    #[error("the content stops after {got} bytes: {reason}")]
    Unfinished {
        /// Bytes that came.
        got: u64,
        /// What is missing.
        reason: Rejection,
    },
}

impl LinkFault {
    /// Whether trying again is of no use.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::BadAddress | Self::Insecure | Self::Proxy | Self::Redirects | Self::Encoding)
    }
}
