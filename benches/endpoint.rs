//! Requests to a model behind an endpoint, against a server on the loopback that answers at once: `cargo bench --bench endpoint`.
//!
//! `-- --requests N` sets how many (50,000), `--concurrency N` how many are under way (256), `--json` prints one JSON line. The server
//! runs in the same process, so that the processor time of both is counted; it does as little as a server can.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures and fails as it likes"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lamplight::jobs::CancelToken;
use lamplight::model::endpoint::{Endpoint, EndpointGenerator, EstimatingTokenizer};
use lamplight::model::{
    Desk, Generation, GenerationConfig, Generator, Handed, ModelError, OwnedPrompt, Traffic,
};

mod support;

const ANSWER: &str = "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"4\"},\"finish_reason\":\"stop\"}],\
                      \"usage\":{\"prompt_tokens\":375,\"completion_tokens\":2,\"total_tokens\":377}}";

/// Answers every request on a connection with the same bytes.
fn serve(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{ANSWER}", ANSWER.len());
    let mut reader = BufReader::new(stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    let mut out = stream;
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        body.resize(length, 0);
        if reader.read_exact(&mut body).is_err() || out.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let thread = std::thread::Builder::new().stack_size(128 << 10);
            thread.spawn(move || serve(&stream)).unwrap();
        }
    });
    address
}

/// Hands out equal prompts of 1,500 bytes.
struct Many {
    left: usize,
    taken: usize,
    prompt: String,
    most_under_way: usize,
}

impl Desk for Many {
    fn next(&mut self) -> Handed {
        if self.left == 0 {
            return Handed::NoMore;
        }
        self.left -= 1;
        let (number, text) = (self.left as u64, self.prompt.clone());
        Handed::Prompt(OwnedPrompt { number, text, tokens: Vec::new() })
    }

    fn take(&mut self, _: u64, answer: Result<Generation, ModelError>, _: Duration) -> ControlFlow<()> {
        assert_eq!(answer.unwrap().text, "4");
        self.taken += 1;
        ControlFlow::Continue(())
    }

    fn show(&mut self, traffic: &Traffic) {
        self.most_under_way = self.most_under_way.max(traffic.under_way);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(default, |at| arguments[at + 1].parse().expect("a number"))
    };
    let (requests, concurrency) = (number("--requests", 50_000), number("--concurrency", 256));
    let endpoint = Endpoint { concurrency, ..Endpoint::new(format!("http://{}/v1", server()), "m") };
    let mut model = EndpointGenerator::new("bench", endpoint, Arc::new(EstimatingTokenizer)).unwrap();
    let config = GenerationConfig { beams: 1, max_new_tokens: 8, ..GenerationConfig::default() };
    let desk = |left| Many { left, taken: 0, prompt: "lamp ".repeat(300), most_under_way: 0 };
    model.answer_all(&CancelToken::new(), &config, &mut desk(2 * concurrency)).unwrap(); // connections are made
    let mut many = desk(requests);
    let (clock, cpu) = (Instant::now(), support::cpu_seconds());
    model.answer_all(&CancelToken::new(), &config, &mut many).unwrap();
    let (wall, cpu) = (clock.elapsed().as_secs_f64(), support::cpu_seconds() - cpu);
    assert_eq!(many.taken, requests);
    let (rate, each) = (requests as f64 / wall, cpu / requests as f64 * 1e6);
    let peak = support::peak_rss_mb().unwrap_or(f64::NAN);
    if arguments.iter().any(|argument| argument == "--json") {
        println!("{{\"requests_per_s\":{rate:.0},\"cpu_us\":{each:.1},\"peak_mb\":{peak:.0}}}");
    } else {
        println!(
            "{requests} requests, at most {} of {concurrency} under way when looked at",
            many.most_under_way
        );
        println!("{rate:.0} requests/s, {each:.1} µs of processor time each, the server's included");
        println!("{peak:.0} MB of memory at its peak, the server's {concurrency} threads included");
    }
}
