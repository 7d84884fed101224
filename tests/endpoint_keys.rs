//! Keys of endpoints, as a person keeps them: in the environment, a sealed file or a keyring, and written nowhere else.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

#[path = "support/chat_server.rs"]
mod chat_server;
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};

use chat_server::{Act, ChatServer};
use libtest_mimic::{Failed, Trial};

const KEY: &str = "sk-planted-0a1b2c3d4e5f";
const PASSPHRASE: &str = "planted open sesame";

/// A place of its own for store, models, keys and settings.
struct Place {
    folder: tempfile::TempDir,
    /// Of the environment, beside those of every place.
    variables: Vec<(&'static str, String)>,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lamplight"));
        for unwanted in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "LAMPLIGHT_PASSPHRASE"] {
            command.env_remove(unwanted);
        }
        command
            .current_dir(self.folder.path())
            .args(arguments)
            .env("LAMPLIGHT_STORE", self.path("store.db"))
            .env("LAMPLIGHT_MODELS", self.path("models"))
            .env("LAMPLIGHT_CACHE_DIR", self.path("cache"))
            .env("LAMPLIGHT_KEY_FILE", self.path("keys.sealed"))
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
            .env("COLUMNS", "300")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// What a command says, given this on standard input; neither its arguments nor its words have the key.
    fn said(&self, arguments: &[&str], input: &str, code: i32) -> String {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        #[cfg(target_os = "linux")]
        {
            let seen = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
            assert!(!holds(&seen), "{arguments:?}");
        }
        // A command that needs no input may have ended.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{said}");
        assert!(!holds(said.as_bytes()), "{said}");
        said
    }

    /// Uses the key at a server that repeats it in all that it says, in every way that writes something, and then reads all
    /// that was written.
    fn is_used_and_written_nowhere(&self, key: &str) {
        let server = ChatServer::new(|asked| {
            let given = asked.header("authorization").unwrap_or("none").to_owned();
            assert_eq!(asked.header("x-also").unwrap(), KEY, "the header's key");
            match asked.number % 4 {
                1 => Act::Json(500, serde_json::json!({"error": {"message": format!("at {given}")}})),
                _ if given == format!("Bearer {KEY}") => Act::Answer(format!("3 {given}")),
                _ => Act::Json(401, serde_json::json!({"error": {"message": given}})),
            }
        });
        let url = server.url();
        let also = format!("X-Also: {key}");
        let add =
            ["endpoints", "add", "kept", "--url", &url, "--model", "m", "--key", key, "--header", &also];
        self.said(&[&add[..], &["--replace"]].concat(), "", 0);
        let shown = self.said(&["endpoints", "show", "kept"], "", 0);
        assert!(shown.contains(key), "{shown}");
        let tried = self.said(&["endpoints", "test", "kept"], "", 0);
        assert!(tried.contains("[key]"), "{tried}");
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/sample");
        let run = ["run", "--data", data, "--task", "LaMP-3", "--limit", "6", "--model", "endpoint:kept"];
        self.said(&[&run[..], &["--retriever", "bm25"]].concat(), "", 0);
        let experiment = format!(
            "name = 'keys'\n[data]\npaths = ['{}']\ntasks = ['LaMP-3']\nlimit = 4\n[[models]]\nname = 'endpoint:within'\n\
             [models.endpoint]\nurl = '{url}'\nmodel = 'm'\nkey = '{key}'\n[models.endpoint.headers]\nX-Also = '{key}'\n\
             [retrieval]\nretrievers = ['recency']\nk = [1]\n",
            data.replace('\\', "/")
        );
        fs::write(self.path("experiment.toml"), experiment).unwrap();
        self.said(&["run", "experiment.toml"], "", 0);
        let runs: serde_json::Value = serde_json::from_str(&self.said(&["list", "--json"], "", 0)).unwrap();
        for (number, run) in runs["runs"].as_array().unwrap().iter().enumerate() {
            let key = run["key"].as_str().unwrap();
            self.said(&["show", key, "--json"], "", 0);
            for format in ["csv", "json", "samples"] {
                let file = format!("run{number}.{format}");
                self.said(&["export", key, "--format", format, "--prompts", "--out", &file], "", 0);
            }
        }
        self.is_written_nowhere();
    }

    /// Reads every file below the place.
    fn is_written_nowhere(&self) {
        let mut folders = vec![self.folder.path().to_owned()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() {
                    files += 1;
                    assert!(!holds(&fs::read(&path).unwrap()), "the key is in {}", path.display());
                }
            }
        }
        assert!(files > 5);
    }
}

/// Whether bytes have the key or the passphrase, as they are or as text formats would write them.
fn holds(bytes: &[u8]) -> bool {
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    // The first three bytes of four are in base64 wherever the key begins.
    [KEY.to_owned(), hex(KEY), "c2stcGxhbnRlZC".to_owned(), PASSPHRASE.to_owned(), hex(PASSPHRASE)]
        .iter()
        .any(|secret| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()))
}

fn a_key_in_the_environment_is_written_nowhere() {
    let place = Place::new().with("LAMPLIGHT_TEST_KEY", KEY);
    place.is_used_and_written_nowhere("env:LAMPLIGHT_TEST_KEY");
    let said = place.said(&["endpoints", "key", "set", "env:LAMPLIGHT_TEST_KEY"], KEY, 1);
    assert!(said.contains("is a variable of the environment"), "{said}");
}

fn a_key_in_a_sealed_file_is_written_there_alone_and_not_in_the_clear() {
    let place = Place::new().with("LAMPLIGHT_PASSPHRASE", PASSPHRASE);
    let said = place.said(&["endpoints", "key", "set", "file:hosted"], &format!("{KEY}\n"), 0);
    assert!(said.contains("--key file:hosted"), "{said}");
    let sealed = fs::read(place.path("keys.sealed")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(place.path("keys.sealed")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    place.is_used_and_written_nowhere("file:hosted");
    let place = Place { variables: Vec::new(), ..place };
    let said = place.said(&["endpoints", "test", "kept"], "", 1);
    assert!(said.contains("LAMPLIGHT_PASSPHRASE") && said.contains("endpoint:kept"), "{said}");
    let wrong = place.with("LAMPLIGHT_PASSPHRASE", "zanzibar");
    let said = wrong.said(&["endpoints", "test", "kept"], "", 1);
    assert!(said.contains("does not open") && !said.contains("zanzibar"), "{said}");
    wrong.said(&["endpoints", "key", "set", "file:more"], KEY, 1);
    assert_eq!(fs::read(wrong.path("keys.sealed")).unwrap(), sealed, "a wrong passphrase changes nothing");
    let place = Place { variables: Vec::new(), ..wrong }.with("LAMPLIGHT_PASSPHRASE", PASSPHRASE);
    fs::write(place.path("keys.sealed"), &sealed[..sealed.len() - 40]).unwrap();
    let said = place.said(&["endpoints", "test", "kept"], "", 1);
    assert!(said.contains("keys.sealed is damaged"), "{said}");
    fs::write(place.path("keys.sealed"), &sealed).unwrap();
    place.said(&["endpoints", "key", "forget", "file:hosted"], "", 0);
    let said = place.said(&["endpoints", "key", "forget", "file:hosted"], "", 1);
    assert!(said.contains("no key is kept as file:hosted"), "{said}");
    let said = place.said(&["endpoints", "test", "kept"], "", 1);
    assert!(said.contains("endpoints key set file:hosted"), "{said}");
}

fn keys_saved_at_the_same_time_are_all_kept() {
    let place = Place::new().with("LAMPLIGHT_PASSPHRASE", PASSPHRASE);
    std::thread::scope(|scope| {
        for n in 0..4 {
            let place = &place;
            scope.spawn(move || place.said(&["endpoints", "key", "set", &format!("file:k{n}")], KEY, 0));
        }
    });
    for n in 0..4 {
        place.said(&["endpoints", "key", "forget", &format!("file:k{n}")], "", 0);
    }
}

fn what_is_no_key_is_refused_without_being_repeated() {
    let place = Place::new().with("LAMPLIGHT_PASSPHRASE", PASSPHRASE);
    for (input, words) in
        [("", "is empty"), ("\n", "is empty"), ("two\nlines", "one line"), ("é", "one line")]
    {
        let said = place.said(&["endpoints", "key", "set", "file:bad"], input, 1);
        assert!(said.contains(words), "{said}");
    }
    // An argument that is a key is seen by everyone, but it is not repeated; what makes a name would be.
    for given in
        ["sk-live-1234567890", "file:sk-live-1234567890", "keyring:a/1234567890", "nowhere:1234567890"]
    {
        let said = place.said(&["endpoints", "key", "set", given], KEY, 1);
        assert!(said.contains("keyring:NAME") && !said.contains("1234567890"), "{said}");
    }
    assert!(!place.path("keys.sealed").exists());
}

fn where_no_keyring_runs_that_is_said_at_once_with_what_to_do() {
    let place = Place::new();
    let places = place.said(&["endpoints", "key", "places"], "", 0);
    assert!(places.contains("env:NAME") && places.contains("file:NAME  can be used"), "{places}");
    if cfg!(target_os = "linux") {
        let said = place.said(&["endpoints", "key", "set", "keyring:a"], KEY, 1);
        assert!(said.contains("no keyring can be used here") && said.contains("file:NAME"), "{said}");
        // A name alone is the file's then.
        let place = place.with("LAMPLIGHT_PASSPHRASE", PASSPHRASE);
        let said = place.said(&["endpoints", "key", "set", "bare"], KEY, 0);
        assert!(said.contains("file:bare"), "{said}");
    }
}

/// A process that ends with the test.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A keyring of this test's own on a bus of its own.
fn a_key_in_a_keyring_is_written_nowhere(daemon: &str) {
    let place = Place::new();
    fs::create_dir_all(place.path("home/keyrings")).unwrap();
    let mut bus = Command::new("dbus-daemon")
        .args(["--session", "--nofork", "--print-address=1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let _bus = Helper(bus);
    let place = place.with("DBUS_SESSION_BUS_ADDRESS", address.trim());
    let mut keyring = Command::new(daemon)
        .args(["--foreground", "--components=secrets", "--unlock"])
        .env("DBUS_SESSION_BUS_ADDRESS", address.trim())
        .env("XDG_DATA_HOME", place.path("home"))
        .env("XDG_RUNTIME_DIR", place.path("home"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    keyring.stdin.take().unwrap().write_all(b"the keyring's own").unwrap();
    let _keyring = Helper(keyring);
    while !place.said(&["endpoints", "key", "places"], "", 0).contains("keyring:NAME  can be used") {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let said = place.said(&["endpoints", "key", "set", "hosted"], KEY, 0);
    assert!(said.contains("--key keyring:hosted"), "{said}");
    place.is_used_and_written_nowhere("keyring:hosted");
    place.said(&["endpoints", "key", "forget", "keyring:hosted"], "", 0);
    let said = place.said(&["endpoints", "test", "kept"], "", 1);
    assert!(said.contains("no key is kept as keyring:hosted"), "{said}");
    assert!(!place.path("keys.sealed").exists());
}

fn main() -> ExitCode {
    let own: [(&str, fn()); 5] = [
        ("a_key_in_the_environment_is_written_nowhere", a_key_in_the_environment_is_written_nowhere),
        (
            "a_key_in_a_sealed_file_is_written_there_alone_and_not_in_the_clear",
            a_key_in_a_sealed_file_is_written_there_alone_and_not_in_the_clear,
        ),
        ("keys_saved_at_the_same_time_are_all_kept", keys_saved_at_the_same_time_are_all_kept),
        (
            "what_is_no_key_is_refused_without_being_repeated",
            what_is_no_key_is_refused_without_being_repeated,
        ),
        (
            "where_no_keyring_runs_that_is_said_at_once_with_what_to_do",
            where_no_keyring_runs_that_is_said_at_once_with_what_to_do,
        ),
    ];
    let own = own.map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    });
    let mut trials: Vec<Trial> = own.into();
    trials.push(support::needs_program(
        "a_key_in_a_keyring_is_written_nowhere",
        &["gnome-keyring-daemon"],
        a_key_in_a_keyring_is_written_nowhere,
    ));
    support::run(trials)
}
