//! The arrows between the crate's rooms: who may use whom, and which room alone names a library.
//!
//! Reads the sources as tokens, so comments and strings do not count and macros' arguments do. A new room or a
//! new arrow is a decision: it is made here and told in `ARCHITECTURE.md`, or not at all.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the sources must fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A room and the rooms it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("lamp", &[]),
    ("jobs", &[]),
    ("whole_file", &[]),
    ("version", &[]),
    ("fetch", &["jobs"]),
    ("dataset", &["lamp", "jobs", "fetch", "whole_file"]),
    ("metrics", &["lamp"]),
    ("search", &["lamp", "jobs"]),
    ("model", &["jobs", "fetch", "whole_file"]),
    ("retrieval", &["lamp", "model", "search", "jobs", "whole_file"]),
    ("prompt", &["lamp", "model"]),
    ("record", &["lamp", "metrics"]),
    ("store", &["record", "lamp", "metrics", "jobs"]),
    ("report", &["record", "lamp", "metrics", "whole_file"]),
    (
        "run",
        &[
            "lamp",
            "jobs",
            "whole_file",
            "dataset",
            "metrics",
            "search",
            "model",
            "retrieval",
            "prompt",
            "record",
            "store",
        ],
    ),
    (
        "train",
        &[
            "lamp",
            "jobs",
            "whole_file",
            "dataset",
            "metrics",
            "model",
            "retrieval",
            "prompt",
            "record",
            "run",
        ],
    ),
    (
        "cli",
        &[
            "lamp",
            "jobs",
            "whole_file",
            "fetch",
            "dataset",
            "metrics",
            "search",
            "model",
            "retrieval",
            "prompt",
            "record",
            "store",
            "run",
            "report",
            "train",
            "version",
        ],
    ),
    (
        "gui",
        &[
            "lamp",
            "jobs",
            "whole_file",
            "fetch",
            "dataset",
            "metrics",
            "search",
            "model",
            "retrieval",
            "prompt",
            "record",
            "store",
            "run",
            "report",
            "train",
            "version",
        ],
    ),
];

/// A library and the only rooms that may name it.
const KEEPERS: &[(&str, &[&str])] = &[
    ("tantivy", &["search"]),
    ("ureq", &["fetch"]),
    ("reqwest", &["model"]),
    ("rustls", &["model"]),
    ("tokio", &["model"]),
    ("sysinfo", &["model"]),
    ("fs4", &["model"]),
    ("tokenizers", &["model", "train"]),
    ("candle_core", &["model", "train"]),
    ("candle_nn", &["model", "train"]),
    ("gemm", &["model"]),
    ("minijinja", &["model"]),
    ("mail_parser", &["dataset"]),
    ("rusqlite", &["store"]),
    ("plotters", &["report"]),
    ("ab_glyph", &["report"]),
    ("eframe", &["gui"]),
    ("egui", &["gui"]),
    ("egui_extras", &["gui"]),
    ("rfd", &["gui"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
    ("ctrlc", &["cli"]),
];

#[test]
fn rooms_use_only_the_rooms_they_may() {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for file in sources() {
        let Some(room) = file.room() else { continue };
        seen.insert(room.clone());
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{}: room `{room}` has no line in ARROWS", file.shown()));
            continue;
        };
        for used in file.uses() {
            if used != room && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: `{room}` may not use `{used}`", file.shown()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(seen.len() >= 7 && seen.contains("lamp"), "the sources were not found: {seen:?}");
}

#[test]
fn a_library_is_named_only_by_its_keepers() {
    let mut wrong = Vec::new();
    for file in sources() {
        let room = file.room().unwrap_or_else(|| "the crate's root".into());
        for (library, keepers) in KEEPERS {
            if !keepers.contains(&room.as_str()) && names(file.tokens.clone(), library) {
                wrong.push(format!("{}: only {keepers:?} may name `{library}`", file.shown()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_scan_sees_through_groups_macros_and_supers() {
    let parse = |code: &str| code.parse::<TokenStream>().unwrap();
    let used = |code: &str, module: &[&str]| {
        let mut found = BTreeSet::new();
        let module: Vec<String> = module.iter().map(|part| (*part).to_owned()).collect();
        collect(parse(code), &module, &mut found);
        found.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(
        used("use crate::{lamp::Task, jobs}; fn f() { crate::search::g() }", &["a"]),
        ["jobs", "lamp", "search"]
    );
    assert_eq!(used("vec![crate::lamp::Task::ALL] // crate::jobs", &["a"]), ["lamp"]);
    assert_eq!(used("use super::{b::C, d};", &["a"]), ["b", "d"]);
    assert_eq!(
        used("use super::x; mod inner { use super::super::y; use super::super::super::z; }", &["a", "b"]),
        ["z"]
    );
    let named = |code: &str| names(parse(code), "library");
    assert!(
        named("use library::A;")
            && named("f(library::g())")
            && named("use ::library::A;")
            && named("use library;")
    );
    assert!(named("extern crate library;") && named("impl ::library::T for A {}"));
    assert!(!named(
        "fn library() {} a.library(); a::library::b(); use a::library; let library = 1; // library::a"
    ));
    assert_eq!(used("use crate::a::b; pub(crate) fn f() {} const S: &str = \"crate::zzz\";", &["q"]), ["a"]);
}

struct Source {
    path: PathBuf,
    tokens: TokenStream,
}

impl Source {
    /// The file's module path below the crate, its own name last.
    fn module(&self) -> Vec<String> {
        let below = self.path.strip_prefix(root()).unwrap();
        let mut parts: Vec<String> = below
            .with_extension("")
            .components()
            .map(|c| c.as_os_str().to_string_lossy().into_owned())
            .collect();
        if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            parts.pop();
        }
        parts
    }

    /// The room the file belongs to; none for the crate's root and the binary.
    fn room(&self) -> Option<String> {
        self.module().first().cloned()
    }

    /// The rooms the file names.
    fn uses(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        collect(self.tokens.clone(), &self.module(), &mut found);
        found
    }

    fn shown(&self) -> String {
        self.path.strip_prefix(root()).unwrap().display().to_string()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    let mut folders = vec![root()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push(Source { tokens: text.parse().unwrap(), path });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Adds the first name after every path to the crate's root: `crate::…`, or enough `super::`s.
fn collect(tokens: TokenStream, module: &[String], found: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    let inner: Vec<String> = module.iter().cloned().chain([name.to_string()]).collect();
                    collect(body.stream(), &inner, found);
                    at += 3;
                    continue;
                }
            }
            TokenTree::Ident(word) if word == "crate" => at = first_names(&tokens, at + 1, found),
            TokenTree::Ident(word) if word == "super" => {
                let mut climbed = 1;
                while path_separator(&tokens, at + 1) && is_super(tokens.get(at + 3)) {
                    climbed += 1;
                    at += 3;
                }
                if climbed >= module.len() {
                    at = first_names(&tokens, at + 1, found);
                }
            }
            TokenTree::Group(group) => collect(group.stream(), module, found),
            _ => {}
        }
        at += 1;
    }
}

/// Adds the name, or the first names of the braced list, behind a `::` at `at`; gives the last index read.
fn first_names(tokens: &[TokenTree], at: usize, found: &mut BTreeSet<String>) -> usize {
    if !path_separator(tokens, at) {
        return at - 1; // `pub(crate)`
    }
    match tokens.get(at + 2) {
        Some(TokenTree::Ident(name)) => {
            found.insert(name.to_string());
        }
        Some(TokenTree::Group(list)) if list.delimiter() == Delimiter::Brace => {
            let mut expected = true;
            for token in list.stream() {
                match token {
                    TokenTree::Ident(name) if expected => {
                        found.insert(name.to_string());
                        expected = false;
                    }
                    TokenTree::Punct(mark) if mark.as_char() == ',' => expected = true,
                    _ => {}
                }
            }
        }
        _ => {}
    }
    at + 2
}

fn path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon =
        |index: usize| matches!(tokens.get(index), Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    colon(at) && colon(at + 1)
}

fn is_super(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Ident(word)) if word == "super")
}

/// Whether a path begins with the library's name; a function or variable of that name does not count.
fn names(tokens: TokenStream, library: &str) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    tokens.iter().enumerate().any(|(at, token)| match token {
        TokenTree::Ident(word) if word == library => {
            let continues = at >= 2 && path_separator(&tokens, at - 2) && !begins_anew(&tokens, at);
            let used = at > 0
                && matches!(&tokens[at - 1], TokenTree::Ident(word) if word == "use" || word == "crate");
            used || (path_separator(&tokens, at + 1) && !continues)
        }
        TokenTree::Group(group) => names(group.stream(), library),
        _ => false,
    })
}

/// Whether the `::` before `at` begins a path (`::library`) instead of continuing one (`a::library`).
fn begins_anew(tokens: &[TokenTree], at: usize) -> bool {
    const BEFORE_A_PATH: [&str; 8] = ["use", "impl", "for", "as", "dyn", "in", "return", "where"];
    at < 3
        || match &tokens[at - 3] {
            TokenTree::Ident(word) => BEFORE_A_PATH.iter().any(|before| word == before),
            _ => true,
        }
}
