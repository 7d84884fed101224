//! A server on the loopback that misbehaves as a test wants, written on plain sockets so that nothing corrects it.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a client asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub path: String,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The start of `Range: bytes=START-`.
    pub fn start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

type Handler = dyn Fn(usize, &Asked, &mut TcpStream) + Send + Sync;

/// Answers each connection with a handler that gets the request's number, counted from 0.
pub struct FaultServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
}

impl FaultServer {
    pub fn new(handler: impl Fn(usize, &Asked, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let handler: Arc<Handler> = Arc::new(handler);
        let count = Arc::new(AtomicUsize::new(0));
        std::thread::spawn({
            let (asked, stop) = (asked.clone(), stop.clone());
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let (handler, asked, count) = (handler.clone(), asked.clone(), count.clone());
                    std::thread::spawn(move || {
                        let Ok(mut stream) = stream else { return };
                        let Some(request) = read_request(&stream) else { return };
                        asked.lock().unwrap().push(request.clone());
                        handler(count.fetch_add(1, Ordering::Relaxed), &request, &mut stream);
                    });
                }
            }
        });
        Self { address, asked, stop }
    }

    /// The address of a path on this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)); // wakes the listener
    }
}

fn read_request(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some(Asked { path, headers })
}

/// Sends a head (lines without line ends) and some bytes; a client that hung up is no failure.
pub fn send(stream: &mut TcpStream, head: &[&str], body: &[u8]) {
    let mut bytes = format!("{}\r\nConnection: close\r\n\r\n", head.join("\r\n")).into_bytes();
    bytes.extend_from_slice(body);
    let _ = stream.write_all(&bytes);
}

/// Answers as a good server does, ranges included, but breaks off after `most` bytes of body.
pub fn serve(stream: &mut TcpStream, asked: &Asked, body: &[u8], etag: &str, most: usize) {
    let tag = format!("ETag: {etag}");
    let fresh = asked.header("if-range").is_none_or(|wanted| wanted == etag);
    match asked.start().filter(|_| fresh) {
        Some(start) if start >= body.len() => {
            send(stream, &["HTTP/1.1 416 No", &format!("Content-Range: bytes */{}", body.len())], b"");
        }
        Some(start) => {
            let rest = &body[start..];
            let range = format!("Content-Range: bytes {start}-{}/{}", body.len() - 1, body.len());
            let length = format!("Content-Length: {}", rest.len());
            send(stream, &["HTTP/1.1 206 Part", &range, &length, &tag], &rest[..most.min(rest.len())]);
        }
        None => {
            let length = format!("Content-Length: {}", body.len());
            send(stream, &["HTTP/1.1 200 OK", &length, &tag], &body[..most.min(body.len())]);
        }
    }
}
