//! Judges as a person asks them: the real program against a server on the loopback.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use chat_server::{Act, Asked, ChatServer};
use serde_json::{Value, json};

#[path = "support/chat_server.rs"]
mod chat_server;

const KEY: &str = "sk-planted-0a1b2c3d4e5f";

/// A store with runs of scripted models over headlines, and a judge behind an endpoint.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(samples: usize) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let data = place.path("LaMP_4/dev");
        std::fs::create_dir_all(&data).unwrap();
        let (mut questions, mut golds) = (Vec::new(), Vec::new());
        for n in 0..samples {
            let id = format!("4{n:04}");
            questions.push(json!({
                "id": id,
                "input": format!("Generate a headline for the following article: lamp number {n} shines over town{n}"),
                "profile": [{"id": format!("{id}0"), "text": "a lamp", "title": "Lamps"}],
            }));
            golds.push(json!({"id": id, "output": format!("Reference {n}")}));
        }
        std::fs::write(data.join("dev_questions.json"), json!(questions).to_string()).unwrap();
        let golds = json!({"task": "LaMP_4", "golds": golds});
        std::fs::write(data.join("dev_outputs.json"), golds.to_string()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
        for proxy in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(proxy);
        }
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .env("LAMPLIGHT_STORE", self.path("store.db"))
            .env("LAMPLIGHT_MODELS", self.path("models"))
            .env("LAMPLIGHT_CACHE_DIR", self.path("cache"))
            .env("LAMPLIGHT_TEST_KEY", KEY)
            .env("COLUMNS", "300");
        command
    }

    fn output(&self, arguments: &[&str], code: i32) -> Output {
        let output = self.command(arguments).output().unwrap();
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{error}\n{out}");
        output
    }

    fn said(&self, arguments: &[&str], code: i32) -> String {
        let output = self.output(arguments, code);
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    }

    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.output(&[arguments, &["--json"]].concat(), code);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A run of a model that needs no server; gives its number.
    fn run(&self, model: &str) -> String {
        self.output(&["run", "--data", "LaMP_4", "--model", model, "--retriever", "none", "--quiet"], 0);
        let runs = self.json(&["list"], 0);
        runs["runs"].as_array().unwrap().last().unwrap()["id"].to_string()
    }

    fn judge(&self, name: &str, server: &ChatServer, more: &[&str]) -> String {
        let url = server.url();
        let named =
            ["endpoints", "add", name, "--url", &url, "--model", "m", "--key", "env:LAMPLIGHT_TEST_KEY"];
        self.output(&[&named[..], more].concat(), 0);
        format!("endpoint:{name}")
    }

    /// All judgings of the store.
    fn judgings(&self) -> Vec<Value> {
        self.json(&["judge", "list"], 0)["judgings"].as_array().unwrap().clone()
    }
}

/// The number of the lamp in a prompt.
fn lamp(asked: &Asked) -> usize {
    let rest = asked.prompt.split("lamp number ").nth(1).unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn points_are_means_with_the_judge_named_wherever_they_stand() {
    let place = Place::new(10);
    let (one, other) = (place.run("scripted:word=-1"), place.run("scripted:word=-2"));
    let server = ChatServer::new(|asked| {
        let prompt = &asked.prompt;
        assert!(
            prompt.contains(&format!("Reference {}", lamp(asked))) && prompt.contains("Score: 3"),
            "{prompt}"
        );
        // The first run answers with the town, the second with a preposition.
        let good = prompt.contains(&format!("Answer to be judged:\ntown{}\n", lamp(asked)));
        assert!(good || prompt.contains("Answer to be judged:\nover\n"), "{prompt}");
        Act::Answer(format!("So it is.\n**Score: {}**", if good { 1 + lamp(asked) % 5 } else { 1 }))
    });
    let judge = place.judge("fair", &server, &["--price-in", "1000", "--price-out", "2000"]);
    // What it would take is told before anything is sent.
    let told = place.json(&["judge", "score", &one, &other, "--judge", &judge, "--dry-run"], 0);
    assert_eq!(told["judgings"][0]["verdicts"], 10);
    assert!(
        told["judgings"][0]["most_cost"].as_f64().unwrap()
            > told["judgings"][0]["least_cost"].as_f64().unwrap()
    );
    assert_eq!((server.asked(), place.judgings().len()), (0, 0));

    let judged = place.json(&["judge", "score", &one, &other, "--judge", &judge], 0);
    let figures = |at: usize| judged["judgings"][at]["figures"].clone();
    assert_eq!(figures(0)["points"]["value"], 3.0);
    assert_eq!((&figures(1)["points"]["value"], &figures(1)["samples"]), (&json!(1.0), &json!(10)));
    assert!(figures(0)["points"]["interval"]["low"].as_f64().unwrap() < 3.0);
    // Every token that the server counted is paid, and no more.
    let totals = &judged["judgings"][0]["totals"];
    let (read, written) =
        (totals["asked_prompt_tokens"].as_f64().unwrap(), totals["asked_new_tokens"].as_f64().unwrap());
    let cost = judged["judgings"][0]["cost"].as_f64().unwrap();
    assert!(read > 1000.0 && (cost - (read * 1000.0 + written * 2000.0) / 1e6).abs() < 1e-9, "{cost}");
    // Nothing is asked twice, be it a second time or for another run with the same answers.
    let asked = server.asked();
    assert_eq!(asked, 20);
    place.output(&["judge", "score", &one, &other, "--judge", &judge], 0);
    assert_eq!(server.asked(), asked);

    let text = place.said(&["table"], 0);
    assert!(text.contains("Judge (endpoint:fair) ↑") && text.contains("3.000"), "{text}");
    assert!(text.contains("method rubric, template built-in ("), "{text}");
    for format in ["markdown", "latex", "csv"] {
        let text = place.said(&["table", "--format", format], 0);
        assert!(text.to_lowercase().contains("judge (endpoint:fair)"), "{text}");
        assert!(format == "csv" || text.contains("template built-in ("), "{text}");
    }
    let table = place.json(&["table"], 0);
    let note =
        table["notes"].as_array().unwrap().iter().find(|note| note["kind"] == "judge").unwrap().clone();
    assert_eq!((&note["model"], &note["method"]), (&json!("endpoint:fair"), &json!("rubric")));
    // A line a sample has its points.
    let out = place.path("samples.csv");
    place.output(&["export", "--format", "samples", "--quiet", "--out", out.to_str().unwrap()], 0);
    let mut reader = csv::Reader::from_path(&out).unwrap();
    let at = reader.headers().unwrap().iter().position(|name| name == "judge (endpoint:fair)").unwrap();
    let points: f64 = reader.records().map(|row| row.unwrap()[at].parse::<f64>().unwrap()).sum();
    assert_eq!(points, 40.0);

    // Another template is another judge, with a row of its own.
    let template = place.path("strict.toml");
    std::fs::write(&template, "rubric = '5: perfect, 1: all else'").unwrap();
    let template = template.to_str().unwrap().to_owned();
    place.output(&["judge", "score", &one, "--judge", &judge, "--template", &template, "--limit", "4"], 0);
    assert_eq!(server.asked(), asked + 4);
    let text = place.said(&["table"], 0);
    assert!(text.contains("Judge (endpoint:fair; built-in)"), "{text}");
    assert!(text.contains("Judge (endpoint:fair; strict)"), "{text}");
    // More of it goes on from there.
    place.output(&["judge", "score", &one, "--judge", &judge, "--template", &template], 0);
    assert_eq!(server.asked(), asked + 10);

    let key = place.judgings()[0]["key"].as_str().unwrap().to_owned();
    place.output(&["judge", "delete", &key, "--yes"], 0);
    assert_eq!(place.judgings().len(), 2);
    place.output(&["delete", &other, "--yes", "--quiet"], 0);
    assert_eq!(place.judgings().len(), 1);
    place.output(&["store", "check"], 0);
}

#[test]
fn a_judge_that_prefers_a_place_has_preferred_nobody() {
    let place = Place::new(8);
    let (one, other) = (place.run("scripted:word=-1"), place.run("scripted:word=-2"));
    let server = ChatServer::new(|_| Act::Answer("It is closer.\nVerdict: A".into()));
    let judge = place.judge("biased", &server, &[]);
    let judged = place.json(&["judge", "compare", &one, &other, "--judge", &judge], 0);
    let figures = &judged["judgings"][0]["figures"];
    let preferences = &figures["preferences"];
    assert_eq!(
        (&preferences["first"], &preferences["ties"], &preferences["second"]),
        (&json!(0), &json!(8), &json!(0))
    );
    assert_eq!((&preferences["share"]["value"], &figures["inconsistent"]), (&json!(0.5), &json!(8)));
    assert_eq!((&figures["inconsistency"], server.asked()), (&json!(1.0), 16));

    // One that reads the answers prefers the same in either order; the other way round nothing is asked again.
    let server = ChatServer::new(|asked| {
        let prompt = &asked.prompt;
        let a = prompt.split("Answer A:\n").nth(1).unwrap();
        let verdict = match lamp(asked) {
            0 => "tie",
            1 => return Act::Answer("I like both.".into()),
            _ if a.starts_with("town") => "A",
            _ => "B",
        };
        Act::Answer(format!("Verdict: {verdict}"))
    });
    let judge = place.judge("fair", &server, &[]);
    let said = place.said(&["judge", "compare", &one, &other, "--judge", &judge], 3);
    assert!(
        said.contains("First preferred 85.7 % (6), tie 14.3 % (1), second preferred 0.0 % (0), n 7"),
        "{said}"
    );
    assert!(said.contains("Left out: samples 1 with an unclear verdict"), "{said}");
    assert!(said.contains("The two orders disagree on 0 samples (0.0 %)"), "{said}");
    let judged = place.json(&["judge", "compare", &other, &one, "--judge", &judge], 3);
    let figures = &judged["judgings"][0]["figures"];
    assert_eq!((&figures["preferences"]["second"], &figures["unreadable"]), (&json!(6), &json!(1)));
    assert_eq!(server.asked(), 16);
    // Tables and the comparison of the two tell it, with who said so.
    for arguments in [&["table"][..], &["compare", &one, &other]] {
        let said = place.said(arguments, 0);
        assert!(said.contains("Judge (endpoint:fair), method pairwise in both orders"), "{said}");
    }
    // Equal answers are equal, and nobody is asked.
    let third = place.run("scripted:word=-1,delay=0");
    let judged = place.json(&["judge", "compare", &one, &third, "--judge", &judge], 0);
    let figures = &judged["judgings"][0]["figures"];
    assert_eq!((&figures["same"], &figures["preferences"]["ties"]), (&json!(8), &json!(8)));
    assert_eq!(server.asked(), 16);
    // A store that takes another's runs takes what was said of them.
    let merged = place.path("merged.db").display().to_string();
    let own = place.path("store.db").display().to_string();
    place.output(&["merge", &own, "--store", &merged], 0);
    let there = place.json(&["judge", "list", "--store", &merged], 0);
    assert_eq!(there["judgings"].as_array().unwrap().len(), place.judgings().len());
    assert_eq!(there["judgings"][0]["figures"], place.judgings()[0]["figures"]);
    place.output(&["store", "repair", "--store", &merged], 0);
    assert_eq!(place.json(&["judge", "list", "--store", &merged], 0)["judgings"], there["judgings"]);
}

#[cfg(unix)]
#[test]
fn killed_in_the_middle_only_what_is_missing_is_asked() {
    let place = Place::new(400);
    let run = place.run("scripted:word=-1");
    let server = ChatServer::new(|asked| {
        Act::Late(Duration::from_millis(20), format!("Score: {}", 1 + lamp(asked) % 5))
    });
    let judge = place.judge("slow", &server, &["--concurrency", "16"]);
    let arguments = ["judge", "score", &run, "--judge", &judge, "--quiet"];
    for share in [60, 200] {
        let mut child =
            place.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while server.answered() < share && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    place.output(&arguments, 0);
    let judging = &place.judgings()[0];
    assert_eq!(
        (&judging["totals"]["done"], &judging["figures"]["points"]["value"]),
        (&json!(400), &json!(3.0))
    );
    // Those that were on their way at a kill are the only ones that could not be kept.
    assert!(server.again().len() <= 2 * 16 * 2, "{}", server.again().len());
}

#[test]
fn what_goes_wrong_is_counted_or_said_and_never_guessed() {
    let place = Place::new(12);
    let run = place.run("scripted:word=-1");
    let server = ChatServer::new(|asked| match lamp(asked) {
        0 => Act::Answer("I would say 4 or 5.".into()),
        1 => Act::Answer("Score: 9".into()),
        2 => Act::Json(400, json!({"error": {"message": "this prompt is too long"}})),
        3 => Act::Json(
            200,
            json!({"choices": [{"message": {"content": null, "refusal": "I cannot."}, "finish_reason": "stop"}]}),
        ),
        _ => Act::Answer(format!("Score: 5 {KEY}").replace(KEY, "")),
    });
    let judge = place.judge("odd", &server, &["--price-in", "10", "--price-out", "10"]);
    let judged = place.json(&["judge", "score", &run, "--judge", &judge], 3);
    let one = &judged["judgings"][0];
    assert_eq!((&one["figures"]["samples"], &one["figures"]["unreadable"]), (&json!(8), &json!(3)));
    assert_eq!((&one["figures"]["failed"], &one["totals"]["refused"]), (&json!(1), &json!(1)));
    // What failed is asked again only where that is wanted.
    let asked = server.asked();
    place.output(&["judge", "score", &run, "--judge", &judge], 3);
    assert_eq!(server.asked(), asked);
    place.output(&["judge", "score", &run, "--judge", &judge, "--retry-failed"], 3);
    assert_eq!(server.asked(), asked + 1);

    // No more is spent than may be.
    let server = ChatServer::new(|asked| Act::Answer(format!("Score: {}", 1 + lamp(asked) % 5)));
    let judge =
        place.judge("dear", &server, &["--price-in", "1000", "--price-out", "1000", "--concurrency", "1"]);
    let said = place.said(&["judge", "score", &run, "--judge", &judge, "--spending-limit", "1.5"], 1);
    assert!(said.contains("spending limit of 1.5 is reached"), "{said}");
    let spent = place.judgings()[1].clone();
    assert!(
        spent["cost"].as_f64().unwrap() <= 1.5 && spent["totals"]["done"].as_u64().unwrap() < 12,
        "{spent}"
    );
    assert!(spent["totals"]["done"].as_u64().unwrap() > 0, "{spent}");

    // A key that the server repeats is written nowhere.
    let server = ChatServer::new(|asked| {
        Act::Answer(format!("{}\nScore: 2", asked.header("authorization").unwrap_or_default()))
    });
    let judge = place.judge("loud", &server, &[]);
    let told = place.said(&["judge", "score", &run, "--judge", &judge], 0);
    assert!(!told.contains(KEY), "{told}");
    let server = ChatServer::new(|_| Act::Json(401, json!({"error": {"message": format!("bad key {KEY}")}})));
    let judge = place.judge("closed", &server, &[]);
    let told = place.said(&["judge", "score", &run, "--judge", &judge], 1);
    assert!(told.contains("check the key") && !told.contains(KEY), "{told}");
    let mut folders = vec![place.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
            assert!(!found, "the key is in {}", path.display());
        }
    }

    // What cannot be judged is refused with the reason.
    let score = |judge: &str, more: &[&str]| {
        place.said(&[&["judge", "score", &run, "--judge", judge][..], more].concat(), 1)
    };
    assert!(score("baseline:nearest", &[]).contains("cannot judge"));
    assert!(score("endpoint:nobody", &[]).contains("endpoint:nobody"));
    let bad = place.path("bad.txt");
    std::fs::write(&bad, "{answer} {profile}").unwrap();
    assert!(score("scripted:echo", &["--template", bad.to_str().unwrap()]).contains("{profile}"));
    let said = place.said(&["judge", "compare", &run, &run, "--judge", "scripted:echo"], 1);
    assert!(said.contains("with itself"), "{said}");
}
