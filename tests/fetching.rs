//! Downloads from a server that breaks off, lies, hangs and changes its mind: what gets the final name is right.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests assert as tests do")]

#[path = "support/fault_server.rs"]
mod fault_server;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fault_server::{FaultServer, send, serve};
use lamplight::fetch::{
    Anything, FetchError, Fetched, Inspect, LinkFault, Patience, Rejection, Request, fetch, part_path,
};
use lamplight::jobs::{CancelToken, Progress};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// Waits little between attempts; its idle limit is generous so that a busy machine does not fail a test.
fn brisk() -> Patience {
    Patience {
        connect: Duration::from_secs(20),
        idle: Duration::from_secs(20),
        attempts: 4,
        progress: 1,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
    }
}

fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

fn get(url: &str, target: &Path, patience: &Patience) -> Result<Fetched, FetchError> {
    get_with(url, target, patience, &CancelToken::new(), &|| Box::new(Anything))
}

fn get_with(
    url: &str,
    target: &Path,
    patience: &Patience,
    cancel: &CancelToken,
    inspect: &dyn Fn() -> Box<dyn Inspect>,
) -> Result<Fetched, FetchError> {
    let request = Request { url, target, step: "test", bearer: None, sha256: None, length: None, inspect };
    fetch(&request, patience, cancel, &Progress::new())
}

/// Turns down whatever does not begin with `[` and end with `]`.
struct Bracketed(Option<u8>, u8);

impl Inspect for Bracketed {
    fn update(&mut self, bytes: &[u8]) -> Result<(), Rejection> {
        self.0 = self.0.or_else(|| bytes.first().copied());
        self.1 = bytes.last().copied().unwrap_or(self.1);
        if self.0 == Some(b'[') { Ok(()) } else { Err("no opening bracket".into()) }
    }
    fn finish(&mut self) -> Result<(), Rejection> {
        if self.1 == b']' { Ok(()) } else { Err("no closing bracket".into()) }
    }
}

fn bracketed() -> Box<dyn Inspect> {
    Box::new(Bracketed(None, 0))
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("deep").join("file.json");
    (folder, target)
}

fn assert_only(target: &Path, body: &[u8]) {
    assert!(fs::read(target).unwrap() == body, "the file differs from what the server has");
    let names: Vec<_> =
        fs::read_dir(target.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, [target.file_name().unwrap()]);
}

#[test]
fn a_good_server_is_asked_once() {
    let body = random_bytes(1, 300_000);
    let server = FaultServer::new({
        let body = body.clone();
        move |_, asked, stream| serve(stream, asked, &body, "\"a\"", usize::MAX)
    });
    let (_folder, target) = place();
    let fetched = get(&server.url("/x"), &target, &brisk()).unwrap();
    assert_eq!((fetched.length, fetched.resumed_from), (300_000, 0));
    assert_eq!(fetched.sha256, <[u8; 32]>::from(Sha256::digest(&body)));
    assert_only(&target, &body);
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("user-agent"), Some(concat!("lamplight/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(asked[0].header("accept-encoding"), Some("identity"));
}

#[test]
fn broken_and_abandoned_downloads_end_in_the_same_bytes() {
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let length = if seed == 0 { 0 } else { rng.random_range(1..400_000) };
        let body = random_bytes(seed, length);
        let chunked = seed % 5 == 1;
        let server = FaultServer::new({
            let body = body.clone();
            move |number, asked, stream| {
                // Now and then the server is whole for once, or nothing would ever come without ranges.
                let mut rng = ChaCha8Rng::seed_from_u64(seed * 1000 + number as u64);
                let most =
                    if number % 7 == 6 { usize::MAX } else { rng.random_range(0..=length.div_ceil(3)) };
                if !chunked {
                    return serve(stream, asked, &body, "\"one\"", most);
                }
                send(stream, &["HTTP/1.1 200 OK", "Transfer-Encoding: chunked"], b"");
                for piece in body[..most.min(length)].chunks(10_000) {
                    let _ = write!(stream, "{:x}\r\n", piece.len());
                    let _ = stream.write_all(piece).and_then(|()| stream.write_all(b"\r\n"));
                }
                if most >= length {
                    let _ = stream.write_all(b"0\r\n\r\n");
                }
            }
        });
        let (_folder, target) = place();
        let patience = Patience { attempts: 3, ..brisk() };
        let mut calls = 0;
        let fetched = loop {
            calls += 1;
            assert!(calls < 100, "seed {seed}: never ends");
            // A call is given up after a random number of bytes, as by a kill: only files remain of it.
            let cancel = CancelToken::new();
            let stop_at = rng.random_range(0..=length as u64 * 2 + 1);
            let counted = cancel.clone();
            let inspect = || -> Box<dyn Inspect> { Box::new(StopAt(stop_at, counted.clone())) };
            match get_with(&server.url("/x"), &target, &patience, &cancel, &inspect) {
                Ok(fetched) => break fetched,
                Err(FetchError::Canceled(_) | FetchError::GaveUp { .. }) => assert!(!target.exists()),
                Err(other) => panic!("seed {seed}: {other}"),
            }
        };
        assert_eq!(fetched.sha256, <[u8; 32]>::from(Sha256::digest(&body)), "seed {seed}");
        assert_only(&target, &body);
    }
}

struct StopAt(u64, CancelToken);

impl Inspect for StopAt {
    fn update(&mut self, bytes: &[u8]) -> Result<(), Rejection> {
        self.0 = self.0.saturating_sub(bytes.len() as u64);
        if self.0 == 0 {
            self.1.cancel();
        }
        Ok(())
    }
    fn finish(&mut self) -> Result<(), Rejection> {
        Ok(())
    }
}

#[test]
fn a_file_that_changes_between_attempts_is_never_mixed() {
    let (old, new) = (random_bytes(1, 200_000), random_bytes(2, 150_000));
    for honors_if_range in [true, false] {
        let server = FaultServer::new({
            let (old, new) = (old.clone(), new.clone());
            move |number, asked, stream| match number {
                0 => serve(stream, asked, &old, "\"old\"", 90_000),
                _ if honors_if_range => serve(stream, asked, &new, "\"new\"", usize::MAX),
                // Sends the rest of another version as if nothing had happened.
                _ => {
                    let blind = fault_server::Asked {
                        headers: asked
                            .headers
                            .iter()
                            .filter(|(name, _)| name != "if-range")
                            .cloned()
                            .collect(),
                        ..asked.clone()
                    };
                    serve(stream, &blind, &new, "\"new\"", usize::MAX);
                }
            }
        });
        let (_folder, target) = place();
        get(&server.url("/x"), &target, &brisk()).unwrap();
        assert_only(&target, &new);
    }
}

#[test]
fn a_server_without_ranges_or_versions_starts_anew() {
    let body = random_bytes(3, 200_000);
    for tag in ["ETag: \"same\"", "ETag: W/\"weak\"", "X-Nothing: 1"] {
        let server = FaultServer::new({
            let body = body.clone();
            move |number, _, stream| {
                let most = if number == 0 { 70_000 } else { body.len() };
                send(stream, &["HTTP/1.1 200 OK", "Content-Length: 200000", tag], &body[..most]);
            }
        });
        let (_folder, target) = place();
        assert_eq!(get(&server.url("/x"), &target, &brisk()).unwrap().resumed_from, 0);
        assert_only(&target, &body);
        let asked = server.asked();
        assert_eq!(asked[1].header("range").is_some(), tag.contains("same"), "{tag}");
    }
}

#[test]
fn endless_failures_end() {
    // Always the same first half, no ranges: nothing new comes, and the attempts are counted.
    let server = FaultServer::new(|_, _, stream| {
        send(stream, &["HTTP/1.1 200 OK", "Content-Length: 100", "ETag: \"a\""], &[b'x'; 50]);
    });
    let (_folder, target) = place();
    let error = get(&server.url("/x"), &target, &brisk()).unwrap_err();
    assert!(matches!(error, FetchError::GaveUp { attempts: 4, .. }), "{error}");
    assert_eq!(server.asked().len(), 4);
    assert!(!target.exists());
}

#[test]
fn statuses_are_told_apart() {
    for (status, asked_times) in [(404, 1), (403, 1), (410, 1), (500, 4), (503, 4), (429, 4)] {
        let server = FaultServer::new(move |_, _, stream| {
            send(stream, &[&format!("HTTP/1.1 {status} No"), "Content-Length: 4"], b"body");
        });
        let (_folder, target) = place();
        let error = get(&server.url("/x"), &target, &brisk()).unwrap_err().to_string();
        assert!(error.contains(&status.to_string()), "{error}");
        assert_eq!(server.asked().len(), asked_times, "{status}");
    }
}

#[test]
fn retry_after_is_honored_and_bounded() {
    for (wait, bounded) in [("0", true), ("3600", false)] {
        let server = FaultServer::new(move |number, asked, stream| match number {
            0 => send(stream, &["HTTP/1.1 429 Wait", &format!("Retry-After: {wait}")], b""),
            _ => serve(stream, asked, b"[]", "\"a\"", 9),
        });
        let (_folder, target) = place();
        match get(&server.url("/x"), &target, &brisk()) {
            Ok(_) => assert!(bounded),
            Err(FetchError::Busy { seconds: 3600, .. }) => assert!(!bounded),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_redirect_is_followed_and_a_loop_is_not() {
    let server = FaultServer::new(|_, asked, stream| match asked.path.as_str() {
        "/moved" => send(stream, &["HTTP/1.1 302 Found", "Location: /here", "Content-Length: 0"], b""),
        "/here" => serve(stream, asked, b"[here]", "\"a\"", 99),
        _ => send(stream, &["HTTP/1.1 302 Found", "Location: /loop", "Content-Length: 0"], b""),
    });
    let (_folder, target) = place();
    get(&server.url("/moved"), &target, &brisk()).unwrap();
    assert_only(&target, b"[here]");
    let error = get(&server.url("/loop"), &target.with_extension("other"), &brisk()).unwrap_err();
    assert!(matches!(error, FetchError::Link { fault: LinkFault::Redirects, .. }), "{error}");
}

#[test]
fn silence_ends_and_cancel_ends_it_sooner() {
    let server = FaultServer::new(|_, asked, stream| {
        if asked.path == "/drip" {
            send(stream, &["HTTP/1.1 200 OK", "Content-Length: 1000000"], b"");
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        std::thread::sleep(Duration::from_secs(60)); // never answers
    });
    let (_folder, target) = place();
    let hasty = Patience {
        connect: Duration::from_millis(50),
        idle: Duration::from_millis(50),
        attempts: 2,
        ..brisk()
    };
    let error = get(&server.url("/silent"), &target, &hasty).unwrap_err();
    assert!(matches!(error, FetchError::GaveUp { fault: LinkFault::Silent, .. }), "{error}");

    for path in ["/silent", "/drip"] {
        let cancel = CancelToken::new();
        let canceled = std::thread::spawn({
            let cancel = cancel.clone();
            move || {
                std::thread::sleep(Duration::from_millis(100));
                cancel.cancel();
                Instant::now()
            }
        });
        let error =
            get_with(&server.url(path), &target, &brisk(), &cancel, &|| Box::new(Anything)).unwrap_err();
        let took = canceled.join().unwrap().elapsed();
        assert!(matches!(error, FetchError::Canceled(_)), "{error}");
        assert!(took < Duration::from_secs(5), "{path}: {took:?}, far below the patience of 20 s");
    }
}

#[test]
fn content_that_is_turned_down_never_gets_the_name() {
    let html = b"<html>sorry</html>";
    let server = FaultServer::new(move |_, asked, stream| match asked.path.as_str() {
        "/html" => send(stream, &["HTTP/1.1 200 OK", "Content-Length: 18"], html),
        // Says a shorter length than there is: what comes is cut.
        "/short" => send(stream, &["HTTP/1.1 200 OK", "Content-Length: 5"], b"[12345]"),
        // Says none and breaks off: only the content can tell.
        _ => send(stream, &["HTTP/1.1 200 OK"], b"[123"),
    });
    for path in ["/html", "/short", "/cut"] {
        let (_folder, target) = place();
        let error =
            get_with(&server.url(path), &target, &brisk(), &CancelToken::new(), &bracketed).unwrap_err();
        assert!(error.to_string().contains("bracket"), "{path}: {error}");
        assert!(!target.exists());
    }
}

#[test]
fn an_error_page_does_not_cost_what_has_come() {
    let body = [b"[".as_slice(), &random_bytes(4, 100_000), b"]"].concat();
    let server = FaultServer::new({
        let body = body.clone();
        move |number, asked, stream| match number {
            0..2 => serve(stream, asked, &body, "\"a\"", if number == 0 { 60_000 } else { 0 }),
            2 => send(stream, &["HTTP/1.1 200 OK", "Content-Length: 6"], b"<html>"),
            _ => serve(stream, asked, &body, "\"a\"", usize::MAX),
        }
    });
    let (_folder, target) = place();
    let url = server.url("/x");
    let once = || get_with(&url, &target, &brisk(), &CancelToken::new(), &bracketed);
    let error = once().unwrap_err();
    assert!(matches!(error, FetchError::Rejected { .. }), "{error}");
    assert_eq!(fs::metadata(part_path(&target)).unwrap().len(), 60_000);
    assert_eq!(once().unwrap().resumed_from, 60_000);
    assert_only(&target, &body);
}

#[test]
fn damaged_remains_are_begun_anew() {
    let body = [b"[".as_slice(), &random_bytes(5, 100_000), b"]"].concat();
    let server = FaultServer::new({
        let body = body.clone();
        move |number, asked, stream| {
            serve(stream, asked, &body, "\"a\"", if number < 4 { 20_000 } else { usize::MAX })
        }
    });
    let (_folder, target) = place();
    let patience = Patience { progress: u64::MAX, ..brisk() };
    let inspect: &dyn Fn() -> Box<dyn Inspect> = &bracketed;
    assert!(get_with(&server.url("/x"), &target, &patience, &CancelToken::new(), inspect).is_err());
    let mut remains = fs::read(part_path(&target)).unwrap();
    assert_eq!(remains.len(), 80_000);
    remains[500] ^= 1;
    fs::write(part_path(&target), &remains).unwrap();
    let request = Request {
        url: &server.url("/x"),
        target: &target,
        step: "",
        bearer: None,
        sha256: Some(Sha256::digest(&body).into()),
        length: Some(body.len() as u64),
        inspect,
    };
    fetch(&request, &patience, &CancelToken::new(), &Progress::new()).unwrap();
    assert_only(&target, &body);

    let wrong = Request { sha256: Some([0; 32]), target: &target.with_extension("2"), ..request };
    let error = fetch(&wrong, &patience, &CancelToken::new(), &Progress::new()).unwrap_err();
    assert!(matches!(error, FetchError::Hash { .. }), "{error}");
    assert!(!wrong.target.exists() && !part_path(wrong.target).exists());
}

#[test]
fn gzip_that_was_not_asked_for_is_undone() {
    let body = random_bytes(6, 50_000);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&body).unwrap();
    let packed = encoder.finish().unwrap();
    let server = FaultServer::new(move |number, _, stream| {
        let length = format!("Content-Length: {}", packed.len());
        let most = if number == 0 { packed.len() / 2 } else { packed.len() };
        send(stream, &["HTTP/1.1 200 OK", "Content-Encoding: gzip", "ETag: \"a\"", &length], &packed[..most]);
    });
    let (_folder, target) = place();
    assert_eq!(get(&server.url("/x"), &target, &brisk()).unwrap().length, 50_000);
    assert_only(&target, &body);
    assert!(server.asked().iter().all(|asked| asked.start().is_none()), "offsets mean nothing here");
}

#[test]
fn secrets_go_to_the_host_alone_and_into_no_message() {
    let other = FaultServer::new(|_, asked, stream| serve(stream, asked, b"[]", "\"a\"", 9));
    let elsewhere = other.url("/there").replace("127.0.0.1", "localhost");
    let server = FaultServer::new(move |_, asked, stream| match asked.path.as_str() {
        "/moved" => {
            send(stream, &["HTTP/1.1 302 Found", &format!("Location: {elsewhere}"), "Content-Length: 0"], b"")
        }
        _ => send(stream, &["HTTP/1.1 403 No", "Content-Length: 0"], b""),
    });
    let (_folder, target) = place();
    let url = server.url("/no?key=hush").replace("http://", "http://hush:hush@");
    let mut request = Request {
        url: &url,
        target: &target,
        step: "",
        bearer: Some("hush"),
        sha256: None,
        length: None,
        inspect: &|| Box::new(Anything),
    };
    let error = fetch(&request, &brisk(), &CancelToken::new(), &Progress::new()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    let moved = server.url("/moved");
    request.url = &moved;
    fetch(&request, &brisk(), &CancelToken::new(), &Progress::new()).unwrap();
    assert_eq!(server.asked()[1].header("authorization"), Some("Bearer hush"));
    assert_eq!(other.asked()[0].header("authorization"), None);
}

#[test]
fn two_downloads_of_one_file_do_not_mix() {
    let (started, wait) = (std::sync::mpsc::channel::<()>(), std::sync::mpsc::channel::<()>());
    let gate = std::sync::Mutex::new((started.0, wait.1));
    let server = FaultServer::new(move |_, asked, stream| {
        let gate = gate.lock().unwrap();
        gate.0.send(()).unwrap();
        let _ = gate.1.recv();
        serve(stream, asked, b"[]", "\"a\"", 9);
    });
    let (_folder, target) = place();
    let url = server.url("/x");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| get(&url, &target, &brisk()));
        started.1.recv().unwrap();
        let error = get(&url, &target, &brisk()).unwrap_err();
        assert!(matches!(error, FetchError::InUse { .. }), "{error}");
        wait.0.send(()).unwrap();
        first.join().unwrap().unwrap();
    });
    assert_only(&target, b"[]");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let server = FaultServer::new(|_, asked, stream| serve(stream, asked, b"[]", "\"a\"", 9));
    let (folder, _) = place();
    let target = folder.path().join("file");
    std::os::unix::fs::symlink("/dev/full", part_path(&target)).unwrap();
    let error = get(&server.url("/x"), &target, &brisk()).unwrap_err();
    assert!(matches!(error, FetchError::DiskFull { .. }), "{error}");
    assert!(!target.exists());
}
