//! One request and its answer, on a thread of its own so that whoever waits can always stop waiting.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;

use super::{LinkFault, Patience};
use crate::jobs::{CancelToken, Canceled};

const CHUNK: usize = 64 << 10;
/// How often a waiting caller looks whether it was canceled.
const LOOK: Duration = Duration::from_millis(20);
const MOST_REDIRECTS: u32 = 5;

/// The parts of an answer's head that a download needs.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    pub(super) status: u16,
    /// The length of this answer's body, unknown where it came compressed.
    pub(super) length: Option<u64>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) range: Option<ContentRange>,
    pub(super) retry_after: Option<String>,
    /// Whether the body was compressed on its way, so that offsets mean nothing to the server.
    pub(super) compressed: bool,
}

/// `Content-Range: bytes START-END/TOTAL`, or `bytes */TOTAL` without a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) start: Option<u64>,
    pub(super) total: Option<u64>,
}

impl ContentRange {
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes")?.trim().split_once('/')?;
        let start = match range.split_once('-') {
            Some((start, _)) => Some(start.trim().parse().ok()?),
            None => None,
        };
        Some(Self { start, total: total.trim().parse().ok() })
    }
}

/// What comes of a request, in this order: a head, chunks, an end; a failure may replace any of them.
#[derive(Debug)]
pub(super) enum Message {
    Head(Head),
    Chunk(Vec<u8>),
    End,
    Failed(LinkFault),
}

/// A request under way. Dropped, it closes its connection.
pub(super) struct Exchange {
    messages: Receiver<Message>,
    agent: ureq::Agent,
    /// The wait for the next message.
    wait: Duration,
    idle: Duration,
}

impl Exchange {
    /// Sends a request; with `range`, for what follows an offset as long as the validator still holds.
    pub(super) fn open(
        url: &str,
        bearer: Option<&str>,
        range: Option<(u64, &str)>,
        patience: &Patience,
    ) -> io::Result<Self> {
        // The time limits here end the thread; the caller has its own (see `next`).
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(MOST_REDIRECTS)
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_per_read(Some(patience.idle))
            .timeout_per_write(Some(patience.idle))
            .user_agent(concat!("lamplight/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .build()
            .new_agent();
        let mut request = agent.get(url);
        if let Some((offset, validator)) = range {
            request = request.header("Range", format!("bytes={offset}-")).header("If-Range", validator);
        }
        if let Some(secret) = bearer {
            request = request.header("Authorization", format!("Bearer {secret}"));
        }
        let (sender, messages) = sync_channel(4);
        std::thread::Builder::new().name("fetch".into()).spawn(move || {
            // Nobody listening is how a download is abandoned.
            let last = transfer(request, &sender).unwrap_or_else(Message::Failed);
            let _ = sender.send(last);
        })?;
        Ok(Self { messages, agent, wait: patience.connect + patience.idle, idle: patience.idle })
    }

    /// The next message, waiting no longer than the patience allows.
    pub(super) fn next(&mut self, cancel: &CancelToken) -> Result<Message, Canceled> {
        let deadline = Instant::now() + self.wait;
        self.wait = self.idle;
        loop {
            cancel.check()?;
            match self.messages.recv_timeout(LOOK) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(RecvTimeoutError::Timeout) => return Ok(Message::Failed(LinkFault::Silent)),
                Err(RecvTimeoutError::Disconnected) => return Ok(Message::Failed(LinkFault::Protocol)),
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.agent.clone().shutdown();
    }
}

type Call = ureq::RequestBuilder<ureq::typestate::WithoutBody>;

fn transfer(request: Call, sender: &SyncSender<Message>) -> Result<Message, LinkFault> {
    let response = request.call().map_err(fault)?;
    let text = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let encoding = text("content-encoding").map(|e| e.trim().to_ascii_lowercase()).unwrap_or_default();
    let compressed = match encoding.as_str() {
        "" | "identity" => false,
        "gzip" | "x-gzip" => true,
        _ if response.status().is_success() => return Err(LinkFault::Encoding),
        _ => false,
    };
    // Of an empty body the library tells no length, whatever the server said.
    let said = || text("content-length").filter(|_| text("transfer-encoding").is_none())?.trim().parse().ok();
    let length = response.body().content_length().or_else(said);
    let head = Head {
        status: response.status().as_u16(),
        length: length.filter(|_| !compressed),
        etag: text("etag"),
        last_modified: text("last-modified"),
        range: text("content-range").as_deref().and_then(ContentRange::parse),
        retry_after: text("retry-after"),
        compressed,
    };
    let wanted = response.status().is_success();
    if sender.send(Message::Head(head)).is_err() || !wanted {
        return Ok(Message::End);
    }
    let body = response.into_body().into_reader();
    let mut body: Box<dyn Read> =
        if compressed { Box::new(MultiGzDecoder::new(body)) } else { Box::new(body) };
    loop {
        let mut chunk = vec![0; CHUNK];
        match body.read(&mut chunk) {
            Ok(0) => return Ok(Message::End),
            Ok(length) => {
                chunk.truncate(length);
                if sender.send(Message::Chunk(chunk)).is_err() {
                    return Ok(Message::End);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fault(error.into())),
        }
    }
}

/// Says what happened in our words: the library's may quote addresses, which can hold secrets.
fn fault(error: ureq::Error) -> LinkFault {
    use ureq::Error;
    match error {
        Error::Timeout(_) => LinkFault::Silent,
        Error::HostNotFound => LinkFault::HostNotFound,
        Error::BadUri(_) | Error::Http(_) | Error::RequireHttpsOnly(_) => LinkFault::BadAddress,
        Error::TooManyRedirects | Error::RedirectFailed => LinkFault::Redirects,
        Error::InvalidProxyUrl | Error::ConnectProxyFailed(_) => LinkFault::Proxy,
        Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) | Error::TlsRequired => LinkFault::Insecure,
        Error::ConnectionFailed => LinkFault::Broken(io::ErrorKind::ConnectionRefused.into()),
        Error::Io(error) => match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => LinkFault::Silent,
            // How a connection that ends too early is called here; as a file it would be misread.
            io::ErrorKind::UnexpectedEof => LinkFault::Broken(io::ErrorKind::ConnectionReset.into()),
            _ => LinkFault::Broken(error),
        },
        _ => LinkFault::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        let range = |start, total| Some(ContentRange { start, total });
        assert_eq!(ContentRange::parse("bytes 5-9/10"), range(Some(5), Some(10)));
        assert_eq!(ContentRange::parse("bytes 5-9/*"), range(Some(5), None));
        assert_eq!(ContentRange::parse("bytes */10"), range(None, Some(10)));
        for bad in ["", "bytes", "items 1-2/3", "bytes x-2/3", "bytes 5-9"] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }
}
