//! A hub of models on the loopback, with large files on another host, both as faulty as a test wants.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::fault_server::{Asked, FaultServer, send, serve};

/// What a fault did with a request: answered it, or left it to the hub.
pub type Fault = dyn Fn(usize, &Asked, &mut TcpStream) -> bool + Send + Sync;

/// What the hub has.
pub struct Repository {
    pub id: String,
    pub commit: String,
    pub gated: bool,
    /// By path; those that end in `.safetensors`, `.bin` or `.gguf` are large files.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Changes the hub's answer about the repository.
    pub twist: Box<dyn Fn(&mut Value) + Send>,
}

pub struct FakeHub {
    pub hub: FaultServer,
    pub cdn: FaultServer,
    pub repository: Arc<Mutex<Repository>>,
}

/// A commit made of one digit.
pub fn commit(digit: char) -> String {
    digit.to_string().repeat(40)
}

fn is_large(path: &str) -> bool {
    [".safetensors", ".bin", ".gguf"].iter().any(|end| path.ends_with(end))
}

impl FakeHub {
    /// A good hub.
    pub fn new(id: &str, files: BTreeMap<String, Vec<u8>>) -> Self {
        Self::faulty(id, files, |_, _, _| false)
    }

    /// A hub whose hosts ask `fault` first, with the request's number at that host.
    pub fn faulty(
        id: &str,
        files: BTreeMap<String, Vec<u8>>,
        fault: impl Fn(usize, &Asked, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let repository = Arc::new(Mutex::new(Repository {
            id: id.to_owned(),
            commit: commit('1'),
            gated: false,
            files,
            twist: Box::new(|_| {}),
        }));
        let fault: Arc<Fault> = Arc::new(fault);
        let cdn = FaultServer::new({
            let (repository, fault) = (repository.clone(), fault.clone());
            move |number, asked, stream| {
                if fault(number, asked, stream) {
                    return;
                }
                let wanted = asked.path.trim_start_matches("/blob/");
                let body =
                    repository.lock().unwrap().files.values().find(|body| hash(body) == wanted).cloned();
                match body {
                    Some(body) => serve(stream, asked, &body, &format!("\"{wanted}\""), usize::MAX),
                    None => send(stream, &["HTTP/1.1 404 No", "Content-Length: 0"], b""),
                }
            }
        });
        // Another name, so that it is another host.
        let elsewhere = cdn.url("/blob/").replace("127.0.0.1", "localhost");
        let hub = FaultServer::new({
            let repository = repository.clone();
            move |number, asked, stream| {
                if fault(number, asked, stream) {
                    return;
                }
                answer(&repository.lock().unwrap(), &elsewhere, asked, stream);
            }
        });
        Self { hub, cdn, repository }
    }

    pub fn endpoint(&self) -> String {
        self.hub.url("")
    }

    /// Paths that were asked of the hub and of the other host, in this order.
    pub fn asked(&self) -> (Vec<String>, Vec<String>) {
        let paths = |server: &FaultServer| server.asked().into_iter().map(|asked| asked.path).collect();
        (paths(&self.hub), paths(&self.cdn))
    }
}

pub fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn answer(repository: &Repository, elsewhere: &str, asked: &Asked, stream: &mut TcpStream) {
    let none = |stream: &mut TcpStream| {
        let body = br#"{"error":"Repository not found"}"#;
        send(stream, &["HTTP/1.1 404 Not Found", "Content-Length: 32", "X-Error-Code: RepoNotFound"], body);
    };
    let path = asked.path.as_str();
    if let Some(rest) = path.strip_prefix(&format!("/api/models/{}/revision/", repository.id)) {
        let revision = rest.split('?').next().unwrap();
        if revision != "main" && revision != repository.commit {
            return none(stream);
        }
        let siblings: Vec<Value> = repository
            .files
            .iter()
            .map(|(name, body)| {
                let mut file = json!({
                    "rfilename": name,
                    "size": body.len(),
                    "blobId": &hash(body)[..40],
                });
                if is_large(name) {
                    file["lfs"] = json!({ "sha256": hash(body), "size": body.len(), "pointerSize": 134 });
                }
                file
            })
            .collect();
        let mut listing = json!({
            "_id": "621ffdc136468d709f180294",
            "id": repository.id,
            "sha": repository.commit,
            "private": false,
            "gated": if repository.gated { json!("manual") } else { json!(false) },
            "tags": ["license:apache-2.0"],
            "cardData": { "license": "apache-2.0" },
            "siblings": siblings,
        });
        (repository.twist)(&mut listing);
        let body = listing.to_string();
        let length = format!("Content-Length: {}", body.len());
        return send(
            stream,
            &["HTTP/1.1 200 OK", "Content-Type: application/json", &length],
            body.as_bytes(),
        );
    }
    let Some(rest) = path.strip_prefix(&format!("/{}/resolve/", repository.id)) else { return none(stream) };
    let Some((_, name)) = rest.split_once('/') else { return none(stream) };
    let Some(body) = repository.files.get(name) else { return none(stream) };
    if is_large(name) {
        let location = format!("Location: {elsewhere}{}", hash(body));
        let linked = format!("X-Linked-Etag: \"{}\"", hash(body));
        let commit = format!("X-Repo-Commit: {}", repository.commit);
        return send(stream, &["HTTP/1.1 302 Found", &location, &linked, &commit, "Content-Length: 0"], b"");
    }
    serve(stream, asked, body, &format!("\"{}\"", &hash(body)[..40]), usize::MAX);
}

/// A small BERT-shaped encoder with a list of words.
pub fn small_bert() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bert_tiny");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    BTreeMap::from([
        ("config.json".to_owned(), read("config.json")),
        ("pytorch_model.bin".to_owned(), read("pytorch_model.bin")),
        ("vocab.txt".to_owned(), b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n".to_vec()),
    ])
}

/// A small T5 model with a tokenizer of a few words.
pub fn small_t5() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/t5/v11_micro");
    let vocabulary: BTreeMap<String, usize> = ["<unk>", "</s>", "a", "b", "c"]
        .iter()
        .enumerate()
        .map(|(id, word)| ((*word).to_owned(), id))
        .collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>" },
    });
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    BTreeMap::from([
        (".gitattributes".to_owned(), b"*.bin filter=lfs".to_vec()),
        ("README.md".to_owned(), b"# A model".to_vec()),
        ("config.json".to_owned(), read("config.json")),
        ("flax_model.msgpack".to_owned(), vec![1; 5000]),
        ("model.safetensors".to_owned(), read("model.safetensors")),
        ("onnx/model.onnx".to_owned(), vec![2; 5000]),
        ("tokenizer.json".to_owned(), tokenizer.to_string().into_bytes()),
    ])
}
