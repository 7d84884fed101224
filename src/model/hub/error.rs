//! Why a model could not be had from a hub, in words for a person.

use std::path::PathBuf;

use crate::fetch::{FetchError, Rejection};
use crate::jobs::Canceled;

/// Why a model could not be had from a hub.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The hub's address is none.
    #[error("HF_ENDPOINT is {endpoint}, but must be an http or https address without a user name or a query")]
    Endpoint {
        /// As set, without secrets.
        endpoint: String,
    },
    /// What should be a token cannot be one.
    #[error("the token in {source_name} has characters that no token has; write it anew, on one line")]
    Token {
        /// A variable, or a file.
        source_name: String,
    },
    /// A repository's name is none.
    #[error(
        "{text:?} names no repository; they are written OWNER/NAME, OWNER/NAME@REVISION or OWNER/NAME:FILE.gguf"
    )]
    Repository {
        /// As asked for.
        text: String,
    },
    /// Nothing may be asked, and nothing is here.
    #[error(
        "{repository} is not in {cache} and nothing may be downloaded while offline; leave out --offline and HF_HUB_OFFLINE"
    )]
    Offline {
        /// The repository.
        repository: String,
        /// Where it was looked for.
        cache: String,
    },
    /// There is no such repository or revision.
    #[error(
        "{endpoint} has no repository {repository} with a revision {revision}; look at the name's spelling"
    )]
    NotFound {
        /// The hub.
        endpoint: String,
        /// The repository.
        repository: String,
        /// The revision.
        revision: String,
    },
    /// The hub wants to know who asks, or turns this person away.
    #[error("{}", refused(.repository, .page, *.gated, *.with_token))]
    Refused {
        /// The repository.
        repository: String,
        /// Its page.
        page: String,
        /// Whether the hub says that its terms must be accepted.
        gated: bool,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// What answered is no hub.
    #[error(
        "{endpoint} does not answer as a hub does about {repository}: {reason}. Look at HF_ENDPOINT, and whether a proxy or a login page is in between"
    )]
    NotAHub {
        /// The hub.
        endpoint: String,
        /// The repository.
        repository: String,
        /// What is wrong.
        reason: Rejection,
    },
    /// The listing lacks something or makes no sense.
    #[error("what {endpoint} says about {repository} cannot be used: {fault}")]
    Listing {
        /// The hub.
        endpoint: String,
        /// The repository.
        repository: String,
        /// What is wrong.
        fault: ListingFault,
    },
    /// Not a model that can be loaded here.
    #[error("{repository} cannot be used: {lack}")]
    Unusable {
        /// The repository.
        repository: String,
        /// What it lacks.
        lack: Lack,
    },
    /// The model does not fit on the disk.
    #[error(
        "{folder} has {free_mb} MB free, but {repository} needs {needed_mb} MB more; make room or choose another folder with --models"
    )]
    Space {
        /// Where.
        folder: PathBuf,
        /// The repository.
        repository: String,
        /// In MB.
        free_mb: u64,
        /// In MB.
        needed_mb: u64,
    },
    /// A file that was there before is not what the hub has, or changed since.
    #[error("{path} is not what the hub has under this name; remove it and get the model again")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be downloaded.
    #[error(transparent)]
    Fetch(FetchError),
    /// A file or folder could not be read or written.
    #[error("cannot read or write {path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Someone asked to stop; the next call continues.
    #[error(transparent)]
    Canceled(#[from] Canceled),
}

/// What is wrong with a listing.
#[derive(Debug, thiserror::Error)]
pub enum ListingFault {
    /// No JSON of the expected fields.
    #[error("{0}")]
    Syntax(serde_json::Error),
    /// It names no commit.
    #[error("it names no commit")]
    Commit,
    /// It names no files.
    #[error("it names no files")]
    Files,
    /// It names more files than any model has.
    #[error("it names {0} files")]
    TooMany(usize),
    /// A file would lie outside of the model's folder.
    #[error("it has a file named {0:?}, which would lie outside of the model's folder")]
    Outside(String),
    /// A file's name cannot be used everywhere.
    #[error("the file {0:?} has a name that not every system can have")]
    Name(String),
    /// A file is larger than a file of this kind can be.
    #[error("the file {name} would have {size} bytes")]
    Size {
        /// The file.
        name: String,
        /// As listed.
        size: u64,
    },
}

/// What makes a repository useless here.
#[derive(Debug, thiserror::Error)]
pub enum Lack {
    /// No weights in a form that is read.
    #[error("it has no model.safetensors, pytorch_model.bin or GGUF file{}", listed(.0))]
    Weights(Vec<String>),
    /// No configuration.
    #[error("it has weights but no config.json")]
    Config,
    /// A configuration that is none.
    #[error("its {name} cannot be read: {source}")]
    Syntax {
        /// The file.
        name: String,
        /// What the reader said.
        source: serde_json::Error,
    },
    /// No tokenizer that is read.
    #[error(
        "it has no tokenizer.json{}. Have it written once by transformers' AutoTokenizer.from_pretrained(…).save_pretrained(FOLDER), put the model's other files beside it, and add the folder with `lamplight models add FOLDER`",
        instead(.0)
    )]
    Tokenizer(Option<&'static str>),
    /// A kind of model that does not run here.
    #[error(
        "it is a {0} model; T5, mT5 and BERT models run from such files, and many others from GGUF files, which repositories with GGUF in their name have"
    )]
    Family(String),
    /// Several files to choose from.
    #[error("it has several GGUF files; name one, as in REPOSITORY:FILE{}", listed(.0))]
    Choice(Vec<String>),
    /// No such file.
    #[error("it has no GGUF file {file:?}{}", listed(.files))]
    File {
        /// As asked for.
        file: String,
        /// What there is.
        files: Vec<String>,
    },
    /// One of several parts of a model.
    #[error("{0} is one of several parts, which must be joined first (llama-gguf-split --merge)")]
    Split(String),
    /// An index names a shard that is not there.
    #[error("its {index} names {shard:?}, which it does not have")]
    Shard {
        /// The index.
        index: String,
        /// The shard.
        shard: String,
    },
}

fn refused(repository: &str, page: &str, gated: bool, with_token: bool) -> String {
    let token = if with_token {
        "the token that was sent may belong to someone else or lack the right to read"
    } else {
        "then set HF_TOKEN to a token of the account that did (or log in with Hugging Face's own program)"
    };
    if gated {
        format!("{repository} is given only to those who accept its terms: accept them at {page}; {token}")
    } else {
        format!(
            "{page} was refused: it does not exist, is private, or its terms must be accepted there first; {token}"
        )
    }
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 12;
    if names.is_empty() {
        return String::new();
    }
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    format!("; there is {}{more}", names[..names.len().min(SHOWN)].join(", "))
}

fn instead(name: &Option<&'static str>) -> String {
    name.map_or_else(String::new, |name| format!(", only {name}, which is not read here"))
}
