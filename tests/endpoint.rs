//! Models behind an endpoint, as a person asks them: the real program against a server that misbehaves.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chat_server::{Act, Asked, ChatServer, fault};
use serde_json::{Value, json};

#[path = "support/chat_server.rs"]
mod chat_server;

const KEY: &str = "sk-planted-9f8e7d6c5b4a";

/// A place of its own for store, models and data.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// With so many samples of ratings, no two alike.
    fn new(samples: usize) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let data = place.path("LaMP_3/dev");
        std::fs::create_dir_all(&data).unwrap();
        let (mut questions, mut golds) = (Vec::new(), Vec::new());
        for n in 0..samples {
            let id = format!("3{n:05}");
            questions.push(json!({
                "id": id,
                "input": format!(
                    "What is the score of the following review on a scale of 1 to 5? just answer with 1, 2, 3, 4, or 5 \
                     without further explanation. review: lamp number {n} shines"
                ),
                "profile": [
                    {"id": format!("{id}0"), "text": format!("a lamp of kind {n}"), "score": "4"},
                    {"id": format!("{id}1"), "text": "a broken lamp", "score": "1"},
                ],
            }));
            golds.push(json!({"id": id, "output": (1 + n % 5).to_string()}));
        }
        std::fs::write(data.join("dev_questions.json"), json!(questions).to_string()).unwrap();
        let golds = json!({"task": "LaMP_3", "golds": golds});
        std::fs::write(data.join("dev_outputs.json"), golds.to_string()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An experiment with an endpoint within it.
    fn experiment(&self, name: &str, url: &str, settings: &str, retrieval: &str) -> String {
        let file = self.path(name);
        let text = format!(
            "name = '{name}'\n[data]\npaths = ['LaMP_3']\n[[models]]\nname = 'endpoint:test'\n[models.endpoint]\n\
             url = '{url}'\nmodel = 'm'\n{settings}\n[generation]\nmax_new_tokens = 8\n[retrieval]\n{retrieval}\n"
        );
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
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

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The only run, or the last one.
    fn run(&self) -> Value {
        let runs = self.json(&["list"], 0);
        runs["runs"].as_array().unwrap().last().unwrap().clone()
    }

    /// Sample and raw answer of each stored row.
    fn answers(&self) -> Vec<(String, String)> {
        let out = self.path("samples.csv");
        let _ = std::fs::remove_file(&out);
        self.output(&["export", "--format", "samples", "--quiet", "--out", out.to_str().unwrap()], 0);
        let mut reader = csv::Reader::from_path(&out).unwrap();
        let headers = reader.headers().unwrap().clone();
        let at = |name: &str| headers.iter().position(|header| header == name).unwrap();
        let (id, raw) = (at("sample_id"), at("output"));
        let mut rows: Vec<_> = reader
            .records()
            .map(|row| row.unwrap())
            .map(|row| (row[id].to_owned(), row[raw].to_owned()))
            .collect();
        rows.sort();
        rows
    }
}

/// The number of the lamp in a prompt.
fn lamp(asked: &Asked) -> usize {
    let rest = asked.prompt.split("lamp number ").nth(1).unwrap_or("0 ");
    rest.split(' ').next().unwrap().parse().unwrap()
}

fn rating(asked: &Asked) -> String {
    (1 + lamp(asked) * 7 % 5).to_string()
}

fn expected(samples: usize) -> Vec<(String, String)> {
    (0..samples).map(|n| (format!("3{n:05}"), (1 + n * 7 % 5).to_string())).collect()
}

const QUICK: &str = "concurrency = 64\ntimeout = 4\nkey = 'env:LAMPLIGHT_TEST_KEY'";
const NONE: &str = "retrievers = ['none']";

/// Every fifth request fails, in all the ways that servers have.
fn fifth(asked: &Asked) -> Act {
    if asked.number % 5 == 2 { fault(asked.number / 5) } else { Act::Answer(rating(asked)) }
}

#[test]
fn two_thousand_samples_at_a_fifth_of_faults_lose_and_double_nothing() {
    let place = Place::new(2000);
    let server = ChatServer::new(fifth);
    let file = place.experiment("faults.toml", &server.url(), QUICK, NONE);
    place.output(&["run", &file, "--quiet"], 0);
    let run = place.run();
    assert_eq!((&run["status"], &run["totals"]["done"]), (&json!("done"), &json!(2000)));
    assert_eq!((&run["totals"]["failed"], &run["totals"]["unparsed"]), (&json!(0), &json!(0)));
    assert_eq!(place.answers(), expected(2000));
    assert!(server.again().is_empty(), "{:?}", server.again().len());
    assert!(server.asked() > 2300, "{}", server.asked());
    // What is there is not asked again, be it by the same experiment or by another with the same prompts.
    let before = server.asked();
    place.output(&["run", &file, "--quiet"], 0);
    let limited = "retrievers = ['none']\n[prompt]\nmode = 'clean'";
    let other = place.experiment("other.toml", &server.url(), "concurrency = 3", limited);
    place.output(&["run", &other, "--quiet"], 0);
    assert_eq!((&place.run()["totals"]["cached"], server.asked()), (&json!(2000), before));
}

#[cfg(unix)]
#[test]
fn killed_in_the_middle_nothing_that_was_answered_is_asked_again() {
    let place = Place::new(2000);
    let server = ChatServer::new(|asked| match fifth(asked) {
        Act::Answer(text) => Act::Late(Duration::from_millis(20), text),
        fault => fault,
    });
    let file = place.experiment("killed.toml", &server.url(), QUICK, NONE);
    let mut kills = Vec::new();
    for share in [300, 900, 1500] {
        let mut child = place.start(&["run", &file, "--quiet"]);
        while server.answered() < share && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        kills.push(Instant::now());
        child.wait().unwrap();
    }
    place.output(&["run", &file, "--quiet"], 0);
    assert_eq!(place.answers(), expected(2000));
    // An answer that was on its way when the program died is the only one that it could not keep.
    let again = server.again();
    for (prompt, answered) in &again {
        let lost = kills.iter().any(|kill| {
            *kill + Duration::from_millis(50) > *answered
                && kill.saturating_duration_since(*answered) < Duration::from_millis(500)
        });
        assert!(lost, "{prompt} was answered long before a kill");
    }
    assert!(again.len() <= 3 * 64, "{}", again.len());
    eprintln!("{} of 2000 answers were on their way at {} kills", again.len(), kills.len());
}

#[test]
fn an_outage_ends_the_run_with_its_reason_and_costs_no_samples() {
    let place = Place::new(400);
    let down = Arc::new(AtomicBool::new(false));
    let server = ChatServer::new({
        let down = down.clone();
        move |asked| {
            if asked.before == 0 && asked.number >= 150 {
                down.store(true, Ordering::Relaxed);
            }
            match down.load(Ordering::Relaxed) {
                true => Act::Json(500, json!({"error": {"message": "out of order"}})),
                false => Act::Answer(rating(asked)),
            }
        }
    });
    let file = place.experiment("outage.toml", &server.url(), "concurrency = 16\ngive_up_after = 3", NONE);
    let said = place.said(&["run", &file], 1);
    assert!(
        said.contains("endpoint:test has answered nothing for") && said.contains("out of order"),
        "{said}"
    );
    let run = place.run();
    assert_eq!((&run["status"], &run["totals"]["failed"]), (&json!("failed"), &json!(0)));
    let done = run["totals"]["done"].as_u64().unwrap();
    assert_eq!(done as usize, server.answered());
    assert!(done >= 100, "{done}");
    // A few looks, not the rest of the samples.
    assert!(server.asked() < 150 + 60, "{}", server.asked());
    let shown = place.said(&["show", run["key"].as_str().unwrap()], 0);
    assert!(shown.contains("nothing is sent but a look now and then"), "{shown}");
    drop(server);
    let server = ChatServer::new(|asked| Act::Answer(rating(asked)));
    // It is there again, elsewhere: the experiment says what stands for the address.
    let moved = place.experiment("outage.toml", &server.url(), "concurrency = 16", NONE);
    place.output(&["run", &moved, "--quiet"], 0);
    assert_eq!(server.asked(), 400, "another address is another run where no identity is given");
}

#[test]
fn the_same_model_served_elsewhere_is_the_same_run_where_the_experiment_says_so() {
    let place = Place::new(60);
    let settings = "concurrency = 4\ngive_up_after = 1\nidentity = 'the lamp server'";
    let server = ChatServer::new(|asked| match asked.number {
        0..30 => Act::Answer(rating(asked)),
        _ => Act::Json(502, json!({"error": "gone"})),
    });
    let file = place.experiment("moved.toml", &server.url(), settings, NONE);
    place.output(&["run", &file, "--quiet"], 1);
    let answered = server.answered();
    drop(server);
    let server = ChatServer::new(|asked| Act::Answer(rating(asked)));
    let file = place.experiment("moved.toml", &server.url(), settings, NONE);
    place.output(&["run", &file, "--quiet"], 0);
    assert_eq!(server.asked(), 60 - answered);
    assert_eq!(place.answers(), expected(60));
}

#[test]
fn what_will_not_heal_ends_the_run_at_once_and_a_key_is_written_nowhere() {
    let place = Place::new(200);
    for (status, body, words) in [
        (401, json!({"error": {"message": format!("Incorrect API key provided: {KEY}.")}}), "check the key"),
        (404, json!({"error": {"message": "no such path"}}), "usually ends in /v1"),
        (400, json!({"error": {"message": "no model m", "code": "model_not_found"}}), "no model m"),
        (429, json!({"error": {"message": "pay", "code": "insufficient_quota"}}), "no credit left"),
    ] {
        let server = ChatServer::new(move |_| Act::Json(status, body.clone()));
        let file = place.experiment("refused.toml", &server.url(), QUICK, NONE);
        let said = place.said(&["run", &file], 1);
        assert!(said.contains(words) && said.contains("endpoint:test"), "{said}");
        assert!(said.contains(&format!("status {status}")) && !said.contains(KEY), "{said}");
        assert!(server.asked() <= 16, "{}", server.asked());
        assert_eq!(place.run()["totals"]["done"], 0);
    }
    // A server that repeats the key in its answers, and is paid by it.
    let server = ChatServer::new(|asked| {
        assert_eq!(asked.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        Act::Answer(format!("3 {}", asked.header("authorization").unwrap()))
    });
    let file = place.experiment("echo.toml", &server.url(), QUICK, "retrievers = ['bm25']\nk = [1]");
    place.output(&["run", &file, "--quiet"], 0);
    place.output(
        &[
            "endpoints",
            "add",
            "kept",
            "--url",
            &server.url(),
            "--model",
            "m",
            "--key",
            "env:LAMPLIGHT_TEST_KEY",
        ],
        0,
    );
    let mut told = place.said(&["endpoints", "test", "kept"], 0);
    told += &place.said(&["endpoints", "show", "kept"], 0);
    told += &place.said(&["show", place.run()["key"].as_str().unwrap(), "--json"], 0);
    place.answers();
    // A key in the place of its name is refused without being repeated.
    let header = format!("Authorization: Bearer {KEY}");
    for given in [["--key", KEY], ["--header", &header], ["--header", KEY]] {
        told += &place.said(
            &[&["endpoints", "add", "bad", "--url", &server.url(), "--model", "m"][..], &given].concat(),
            1,
        );
    }
    assert!(!told.contains(KEY), "{told}");
    let mut folders = vec![place.folder.path().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
            assert!(!found, "the key is in {}", path.display());
        }
    }
    assert!(files > 5);
}

#[test]
fn one_prompt_that_is_refused_is_a_failed_sample_and_the_others_go_on() {
    let place = Place::new(50);
    let server = ChatServer::new(|asked| match lamp(asked) {
        7 => Act::Json(400, json!({"error": {"message": "this prompt is too long"}})),
        8 => Act::Json(400, json!({"error": {"message": "no", "code": "content_filter"}})),
        9 => Act::Json(
            200,
            json!({"choices": [{"message": {"content": null, "refusal": "I cannot."}, "finish_reason": "stop"}]}),
        ),
        10 => Act::Json(200, json!({"choices": [{"message": {"content": "4"}, "finish_reason": "length"}]})),
        11 => Act::Json(200, json!({"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]})),
        12 => Act::Json(
            200,
            json!({"choices": [{"message": {"content": null}, "finish_reason": "content_filter"}]}),
        ),
        13 => Act::Json(500, json!({"error": "this one breaks the engine"})),
        _ => Act::Answer(rating(asked)),
    });
    let settings = "attempts = 3\nprice_in = 1.0\nprice_out = 2.0";
    let file = place.experiment("one.toml", &server.url(), settings, NONE);
    place.output(&["run", &file, "--quiet"], 3);
    let run = place.run();
    let totals = &run["totals"];
    assert_eq!((&totals["done"], &totals["failed"]), (&json!(50), &json!(2)));
    assert_eq!((&totals["filtered"], &totals["refused"]), (&json!(2), &json!(1)));
    assert_eq!((&totals["at_limit"], &totals["empty"]), (&json!(1), &json!(3)));
    assert_eq!(totals["estimated"], 5);
    let key = run["key"].as_str().unwrap();
    let shown = place.said(&["show", key], 0);
    for words in
        ["kept back by a filter (2)", "refusals (1)", "empty (3)", "an estimate", "Cost", "address http"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let failed = place.said(&["show", key, "--sample", "300007"], 0);
    assert!(failed.contains("does not take this prompt: status 400: this prompt is too long"), "{failed}");
    let broken = place.said(&["show", key, "--sample", "300013"], 0);
    assert!(broken.contains("failed 3 times at this prompt while it answered others"), "{broken}");
    let table = place.said(&["table"], 0);
    assert!(table.contains("refusals") && table.contains("kept back by a filter"), "{table}");
    let cost = run["prices"]["input"].as_f64().unwrap() * totals["asked_prompt_tokens"].as_f64().unwrap()
        / 1e6
        + 2.0 * totals["asked_new_tokens"].as_f64().unwrap() / 1e6;
    assert!(cost > 0.0 && shown.contains(&format!("{cost:.6}")), "{cost}: {shown}");
}

#[test]
fn a_spending_limit_stops_a_run_and_a_higher_one_goes_on() {
    let place = Place::new(120);
    let server = ChatServer::new(|asked| Act::Answer(rating(asked)));
    // About 40 tokens read at 1,000 a million, 8 written at most at 2,000.
    let settings = "price_in = 1000.0\nprice_out = 2000.0\nspending_limit = 2.0\nconcurrency = 8";
    let file = place.experiment("limit.toml", &server.url(), settings, NONE);
    let dry = place.said(&["run", &file, "--dry-run"], 0);
    assert!(dry.contains("Cost") && dry.contains("four bytes a token") && server.asked() == 0, "{dry}");
    let said = place.said(&["run", &file], 1);
    assert!(said.contains("spending limit of 2 is reached"), "{said}");
    let run = place.run();
    let cost = |run: &Value| {
        let tokens = |name: &str| run["totals"][name].as_f64().unwrap();
        tokens("asked_prompt_tokens") / 1e3 + tokens("asked_new_tokens") / 5e2
    };
    assert_eq!(run["status"], "interrupted");
    assert!(cost(&run) <= 2.0 && cost(&run) > 1.7, "{}", cost(&run));
    let asked = server.asked();
    assert_eq!(run["totals"]["done"], asked);
    // Again with the same limit: nothing more is spent.
    place.output(&["run", &file, "--quiet"], 1);
    assert_eq!(server.asked(), asked);
    place.output(&["resume", "--spending-limit", "1000", "--quiet"], 0);
    assert_eq!((server.asked(), server.again().len()), (120, 0));
    assert_eq!(place.answers(), expected(120));
}

#[test]
fn a_server_that_asks_for_silence_is_left_alone_for_so_long() {
    let place = Place::new(40);
    let server = ChatServer::new(|asked| match asked.number {
        10 => Act::Limit(Some("2")),
        _ => Act::Late(Duration::from_millis(5), rating(asked)),
    });
    let file = place.experiment("silence.toml", &server.url(), "concurrency = 4", NONE);
    place.output(&["run", &file, "--quiet"], 0);
    let times = server.times();
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest >= Duration::from_millis(1900), "{longest:?}");
    assert_eq!(place.answers(), expected(40));
    assert!(server.most_under_way.load(Ordering::SeqCst) <= 4);
}

#[cfg(unix)]
#[test]
fn a_run_that_waits_for_a_silent_server_ends_soon_when_told() {
    let place = Place::new(300);
    let server =
        ChatServer::new(|asked| if asked.number < 20 { Act::Answer(rating(asked)) } else { Act::Silence });
    let file = place.experiment("cancel.toml", &server.url(), "concurrency = 32\ntimeout = 600", NONE);
    let mut child = place.start(&["run", &file, "--quiet"]);
    while server.under_way.load(Ordering::SeqCst) < 20 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = i32::try_from(child.id()).unwrap();
    let told = Instant::now();
    // SAFETY: the process is a child of this one and has not been waited for.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(told.elapsed() < Duration::from_secs(20), "{:?}", told.elapsed());
    eprintln!("ended {:?} after it was told", told.elapsed());
    assert_eq!(place.run()["totals"]["done"], 20);
}

#[test]
fn endpoints_are_added_listed_shown_tried_and_removed() {
    let place = Place::new(12);
    let server = ChatServer::new(|asked| match asked.path.as_str() {
        "/v1/models" => Act::Json(200, json!({"object": "list", "data": [{"id": "m"}, {"id": "other"}]})),
        "/v1/completions" => Act::Answer(rating(asked)),
        _ => Act::Json(404, json!({"error": "no such path"})),
    });
    let add = ["endpoints", "add", "mine", "--url", &server.url(), "--model", "m", "--kind", "completions"];
    assert!(place.said(&add, 0).contains("endpoint:mine: saved"));
    assert!(place.said(&add, 1).contains("--replace"));
    assert!(place.said(&["endpoints", "list"], 0).contains("endpoint:mine"));
    assert_eq!(place.json(&["endpoints", "show", "mine"], 0)["concurrency"], 32);
    let tried = place.json(&["endpoints", "test", "mine"], 0);
    assert_eq!((&tried["list"]["models"], &tried["listed"]), (&json!(["m", "other"]), &json!(true)));
    assert!(tried["answer"]["latency_ms"].as_f64().unwrap() > 0.0);
    let said = place.said(&["endpoints", "test", "mine"], 0);
    assert!(said.contains("Models: 2 in") && said.contains("Answer: in"), "{said}");
    let run = ["run", "--data", "LaMP_3", "--model", "endpoint:mine", "--retriever", "bm25", "--quiet"];
    place.output(&run, 0);
    assert_eq!(place.run()["totals"]["done"], 12);
    let beams = place.said(&[&run[..], &["--beams", "4"]].concat(), 1);
    assert!(beams.contains("follows one hypothesis"), "{beams}");
    let one = place
        .said(&["generate", "--model", "endpoint:mine", "--beams", "1", "--prompt", "lamp number 3 x"], 0);
    assert!(one.starts_with('2'), "{one}");
    assert!(place.said(&["models", "info", "endpoint:mine"], 1).contains("is an endpoint"));
    place.output(&["endpoints", "remove", "mine"], 0);
    let gone = place.said(&run, 1);
    assert!(gone.contains("no endpoint is called mine"), "{gone}");
}

#[test]
fn embeddings_of_an_endpoint_rank_as_an_encoder() {
    let place = Place::new(6);
    let server = ChatServer::new(|asked| match asked.path.as_str() {
        "/v1/embeddings" => {
            let texts = asked.body["input"].as_array().unwrap();
            // Whether a text is of a broken lamp, as a vector; the others lie nearer to every question.
            let vector = |text: &Value| match text.as_str().unwrap().contains("broken") {
                true => json!([0.0, 1.0]),
                false => json!([1.0, 0.0]),
            };
            let data = texts.iter().enumerate().rev();
            let data: Vec<Value> =
                data.map(|(at, text)| json!({"index": at, "embedding": vector(text)})).collect();
            Act::Json(200, json!({"object": "list", "data": data}))
        }
        _ => Act::Answer(rating(asked)),
    });
    place.output(&["endpoints", "add", "vectors", "--url", &server.url(), "--model", "e"], 0);
    let file =
        place.experiment("dense.toml", &server.url(), "", "retrievers = ['dense:endpoint:vectors']\nk = [1]");
    place.output(&["run", &file, "--quiet"], 0);
    let run = place.run();
    assert_eq!(run["totals"]["done"], 6);
    let shown = place.json(&["show", run["key"].as_str().unwrap(), "--sample", "300002"], 0);
    assert_eq!(shown["retrieved"][0]["index"], 0, "{shown}");
}

#[test]
fn proxies_of_the_environment_are_asked() {
    let place = Place::new(8);
    let server = ChatServer::new(|asked| Act::Answer(rating(asked)));
    let through = Arc::new(AtomicUsize::new(0));
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    std::thread::spawn({
        let (through, to) = (through.clone(), server.address());
        move || {
            for stream in proxy.incoming().flatten() {
                let through = through.clone();
                std::thread::spawn(move || {
                    let mut stream = stream;
                    // The head of a request to a proxy names the whole address; the server takes that too.
                    let mut up = std::net::TcpStream::connect(to).unwrap();
                    through.fetch_add(1, Ordering::Relaxed);
                    let (mut down, mut back) = (stream.try_clone().unwrap(), up.try_clone().unwrap());
                    std::thread::spawn(move || std::io::copy(&mut back, &mut down));
                    let _ = std::io::copy(&mut stream, &mut up);
                });
            }
        }
    });
    let file = place.experiment(
        "proxy.toml",
        "http://models.invalid/v1",
        "concurrency = 2\ngive_up_after = 2",
        NONE,
    );
    let mut command = place.command(&["run", &file, "--quiet"]);
    let output = command
        .env("HTTP_PROXY", format!("http://{address}"))
        .env("http_proxy", format!("http://{address}"))
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(through.load(Ordering::Relaxed) > 0);
    assert_eq!(place.answers(), expected(8));
}

#[test]
fn mistakes_in_an_experiment_are_told_with_their_place() {
    let place = Place::new(2);
    for (settings, words) in [
        ("kee = 'env:X'", "did you mean `key`"),
        ("key = 'sk-hush-hush'", "env:NAME"),
        ("spending_limit = 5", "needs price_in"),
        ("concurrency = 0", "is not from 1 to 4096"),
        ("key = 'env:LAMPLIGHT_NO_SUCH_VARIABLE'", "LAMPLIGHT_NO_SUCH_VARIABLE, which is not set"),
    ] {
        let file = place.experiment("bad.toml", "http://127.0.0.1:9/v1", settings, NONE);
        let said = place.said(&["run", &file], 1);
        assert!(said.contains(words) && !said.contains("hush"), "{settings}: {said}");
    }
}

#[test]
fn the_example_files_are_sound() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("resources/experiments");
    let mut endpoints = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let experiment =
            lamplight::run::Experiment::read(&path).unwrap_or_else(|problems| panic!("{problems}"));
        for endpoint in experiment.models.iter().filter_map(|model| model.endpoint.as_ref()) {
            endpoint.validate().unwrap();
            endpoints += 1;
        }
        // What a window writes is read again.
        let text = experiment.to_toml().unwrap();
        assert_eq!(lamplight::run::Experiment::from_toml(&text, &path).unwrap(), experiment, "{text}");
    }
    assert_eq!(endpoints, 6);
}
