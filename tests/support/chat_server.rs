//! A server on the loopback that speaks the OpenAI API and misbehaves as a test wants, written on plain sockets so that nothing
//! corrects it. It remembers what it answered, so that a test sees what was lost, doubled, or asked again.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What a client asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its number, from 0.
    pub number: usize,
    pub path: String,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Value,
    /// The user's message or the bare prompt.
    pub prompt: String,
    /// How often this prompt was asked before.
    pub before: usize,
    pub at: Instant,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// What the server does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Answers with this text.
    Answer(String),
    /// Answers with this status and JSON.
    Json(u16, Value),
    /// Answers with these very bytes, head and all, and closes.
    Bytes(Vec<u8>),
    /// Refuses with this `Retry-After`.
    Limit(Option<&'static str>),
    /// Says how long the body is, sends half of it, and resets the connection.
    Reset,
    /// Sends a byte of an answer now and then, and never the last.
    Drip,
    /// Reads the request and says nothing, until the client goes.
    Silence,
    /// Answers after a while.
    Late(Duration, String),
}

/// The faults that servers have, in turn.
pub fn fault(number: usize) -> Act {
    match number % 11 {
        0 => Act::Limit(None),
        1 => Act::Limit(Some("0.2")),
        2 => Act::Json(500, json!({"error": {"message": "internal error", "type": "server_error"}})),
        3 => Act::Reset,
        4 => Act::Bytes(ok("application/json", &answer_body("1", 3, 1).to_string()[..20])),
        5 => Act::Bytes(ok("application/json", "{\"choices\": [{]}")),
        6 => Act::Bytes(ok("text/html", "<!DOCTYPE html><html><body>Bad gateway</body></html>")),
        7 => Act::Json(200, json!({"error": {"message": "the engine restarts", "code": 500}})),
        8 => Act::Drip,
        9 => Act::Silence,
        _ => Act::Json(503, json!({"detail": "overloaded"})),
    }
}

fn ok(kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into_bytes()
}

/// An answer as chat and completions have it.
pub fn answer_body(text: &str, read: u64, written: u64) -> Value {
    json!({
        "id": "x", "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "text": text, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    })
}

type Handler = dyn Fn(&Asked) -> Act + Send + Sync;

#[derive(Default)]
struct Book {
    asked: Vec<(usize, Instant)>,
    times: HashMap<String, usize>,
    /// When each prompt's answer had been sent whole.
    answered: HashMap<String, Instant>,
    /// Prompts asked after they were answered, with the time of that answer.
    again: Vec<(String, Instant)>,
}

/// The server.
pub struct ChatServer {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
    stop: Arc<AtomicBool>,
    pub under_way: Arc<AtomicUsize>,
    pub most_under_way: Arc<AtomicUsize>,
}

impl ChatServer {
    pub fn new(handler: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (book, stop) = (Arc::new(Mutex::new(Book::default())), Arc::new(AtomicBool::new(false)));
        let handler: Arc<Handler> = Arc::new(handler);
        let (under_way, most_under_way) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn({
            let (book, stop) = (book.clone(), stop.clone());
            let (under_way, most) = (under_way.clone(), most_under_way.clone());
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let Ok(stream) = stream else { continue };
                    let (handler, book, stop) = (handler.clone(), book.clone(), stop.clone());
                    let (under_way, most) = (under_way.clone(), most.clone());
                    std::thread::spawn(move || serve(&stream, &*handler, &book, &stop, &under_way, &most));
                }
            }
        });
        Self { address, book, stop, under_way, most_under_way }
    }

    /// The base address.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Prompts asked so far, repeated ones each time.
    pub fn asked(&self) -> usize {
        self.book.lock().unwrap().asked.len()
    }

    /// When prompts were asked.
    pub fn times(&self) -> Vec<Instant> {
        self.book.lock().unwrap().asked.iter().map(|(_, at)| *at).collect()
    }

    /// Prompts whose answers were sent whole.
    pub fn answered(&self) -> usize {
        self.book.lock().unwrap().answered.len()
    }

    /// Prompts that were asked after they had been answered, with the time of that answer.
    pub fn again(&self) -> Vec<(String, Instant)> {
        self.book.lock().unwrap().again.clone()
    }
}

impl Drop for ChatServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)); // wakes the listener
    }
}

fn serve(
    mut stream: &TcpStream,
    handler: &Handler,
    book: &Mutex<Book>,
    stop: &AtomicBool,
    under_way: &AtomicUsize,
    most: &AtomicUsize,
) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    while let Some((path, headers, body)) = read_request(&mut reader) {
        let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
        let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let last = body["messages"].as_array().and_then(|all| all.last());
        let prompt = last.map_or(&body["prompt"], |message| &message["content"]);
        let prompt = prompt.as_str().unwrap_or_default().to_owned();
        let at = Instant::now();
        let (number, before) = {
            let mut book = book.lock().unwrap();
            let number = book.asked.len();
            let before = *book.times.get(&prompt).unwrap_or(&0);
            if !prompt.is_empty() {
                book.asked.push((number, at));
                *book.times.entry(prompt.clone()).or_default() += 1;
                if let Some(answered) = book.answered.get(&prompt).copied() {
                    book.again.push((prompt.clone(), answered));
                }
            }
            (number, before)
        };
        let asked = Asked { number, path, headers, body, prompt, before, at };
        let goes_on = act(stream, handler(&asked), &asked, book, stop);
        under_way.fetch_sub(1, Ordering::SeqCst);
        if !goes_on {
            return;
        }
    }
    let _ = stream.flush();
}

/// Does it; gives whether the connection is still good.
fn act(mut stream: &TcpStream, act: Act, asked: &Asked, book: &Mutex<Book>, stop: &AtomicBool) -> bool {
    let json = |status: u16, body: &Value, head: &str| {
        let body = body.to_string();
        format!(
            "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n{head}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let whole = |text: &str| {
        json(200, &answer_body(text, asked.prompt.len() as u64 / 4 + 1, text.len() as u64 / 4 + 1), "")
    };
    match act {
        Act::Late(wait, text) => {
            std::thread::sleep(wait);
            note(book, asked);
            stream.write_all(&whole(&text)).is_ok()
        }
        Act::Answer(text) => {
            note(book, asked);
            stream.write_all(&whole(&text)).is_ok()
        }
        Act::Json(status, body) => {
            if status == 200 && body.get("choices").is_some() {
                note(book, asked);
            }
            stream.write_all(&json(status, &body, "")).is_ok()
        }
        Act::Bytes(bytes) => {
            let _ = stream.write_all(&bytes);
            false
        }
        Act::Limit(wait) => {
            let head = wait.map(|wait| format!("Retry-After: {wait}\r\n")).unwrap_or_default();
            stream.write_all(&json(429, &json!({"error": {"message": "too many requests"}}), &head)).is_ok()
        }
        Act::Reset => {
            let bytes = whole("half");
            let _ = stream.write_all(&bytes[..bytes.len() - 30]);
            false // with bytes missing, which the client must notice
        }
        Act::Drip => {
            for byte in &whole("drip")[..20] {
                if stop.load(Ordering::Relaxed) || stream.write_all(&[*byte]).is_err() {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(300));
            }
            false
        }
        Act::Silence => {
            // The client's end of the connection is what ends it.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
            let _ = stream.read(&mut [0; 1]);
            false
        }
    }
}

/// What is about to be sent counts as answered: a client can have it before this thread goes on.
fn note(book: &Mutex<Book>, asked: &Asked) {
    if !asked.prompt.is_empty() {
        book.lock().unwrap().answered.insert(asked.prompt.clone(), Instant::now());
    }
}

type Request = (String, Vec<(String, String)>, Vec<u8>);

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap_or(0))];
    reader.read_exact(&mut body).ok()?;
    Some((path, headers, body))
}
