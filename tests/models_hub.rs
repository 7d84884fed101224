//! Getting models from a hub on the loopback that breaks off, lies, refuses and changes its mind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests assert as tests do")]

#[path = "support/fake_hub.rs"]
mod fake_hub;
#[path = "support/fault_server.rs"]
mod fault_server;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fake_hub::{FakeHub, commit, hash, small_t5};
use fault_server::{send, serve};
use lamplight::fetch::{FetchError, Patience};
use lamplight::jobs::{CancelToken, Progress};
use lamplight::model::hub::{Hub, HubError, Token};
use lamplight::model::registry::{EncoderDefaults, Entry, Installed, Registry, RegistryError, Source};
use lamplight::model::{EncoderOptions, LoadOptions, ModelKind, Pooling, load};

const ID: &str = "someone/small-t5";

fn patience() -> Patience {
    Patience {
        connect: Duration::from_secs(20),
        idle: Duration::from_secs(20),
        attempts: 4,
        progress: 1,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
    }
}

fn hub(fake: &FakeHub) -> Hub {
    let token = Some(Token::new("hf_hush", "a test").unwrap());
    Hub { endpoint: fake.endpoint(), token, offline: false, cache: None, patience: patience() }
}

struct Place {
    folder: tempfile::TempDir,
    registry: Registry,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::new(folder.path().join("models"));
    Place { folder, registry }
}

fn get(place: &Place, hub: &Hub) -> Result<Installed, RegistryError> {
    get_as(place, hub, ID, &CancelToken::new())
}

fn get_as(place: &Place, hub: &Hub, id: &str, cancel: &CancelToken) -> Result<Installed, RegistryError> {
    let wanted = id.parse().unwrap();
    place.registry.get(hub, &wanted, None, EncoderDefaults::default(), cancel, &Progress::new())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

/// The model is there with these bytes, and nothing else is but what the registry writes.
fn assert_installed(place: &Place, expected: &BTreeMap<String, Vec<u8>>) {
    let resolved = place.registry.resolve(ID).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        assert!(fs::read(resolved.path.join(name)).unwrap() == expected[name], "{name} differs");
    }
    let own = files_below(&place.registry.folder().join("files"));
    assert_eq!(own.len(), 3, "{own:?}");
    load(&resolved.path, &LoadOptions::default()).unwrap();
}

fn assert_nothing_installed(place: &Place) {
    assert!(place.registry.find(ID).unwrap().is_none());
    assert!(place.registry.resolve(ID).is_err());
}

/// No file that was written has the secret in it.
fn assert_no_secret(place: &Place) {
    for path in files_below(place.folder.path()) {
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"hf_hush"), "{}", path.display());
    }
}

/// What is listed beside the models of the program.
fn listed(place: &Place) -> Vec<Entry> {
    let mut entries = place.registry.list().unwrap();
    entries
        .retain(|entry| !matches!(entry, Entry::Installed(manifest) if manifest.source == Source::Program));
    entries
}

#[test]
fn a_model_is_installed_whole_and_asked_for_once() {
    let (fake, place) = (FakeHub::new(ID, small_t5()), place());
    let installed = get(&place, &hub(&fake)).unwrap();
    let manifest = &installed.manifest;
    assert_eq!((manifest.name.as_str(), manifest.kind), (ID, ModelKind::T5));
    assert_eq!(manifest.license.as_deref(), Some("apache-2.0"));
    assert!(manifest.is_own() && !installed.already);
    assert_eq!(installed.downloaded, manifest.size());
    let weights = manifest.files.iter().find(|file| file.path == "model.safetensors").unwrap();
    assert_eq!(weights.sha256, hash(&small_t5()["model.safetensors"]));
    assert_installed(&place, &small_t5());
    assert_no_secret(&place);

    // The secret goes to the hub with each request, and never to the host that has the large files.
    assert!(fake.hub.asked().iter().all(|asked| asked.header("authorization") == Some("Bearer hf_hush")));
    assert!(fake.cdn.asked().iter().all(|asked| asked.header("authorization").is_none()));
    let (of_hub, of_cdn) = fake.asked();
    assert_eq!((of_hub.len(), of_cdn.len()), (4, 1), "{of_hub:?}");
    assert_eq!(of_hub[0], format!("/api/models/{ID}/revision/main?blobs=true"));
    assert!(of_hub[1..].iter().all(|path| path.contains(&commit('1'))), "{of_hub:?}");

    let again = get(&place, &hub(&fake)).unwrap();
    assert!(again.already && again.downloaded == 0);
    assert_eq!(again.manifest, installed.manifest);
    let (of_hub, of_cdn) = fake.asked();
    assert_eq!(of_cdn.len(), 1);
    assert!(!of_hub[4..].iter().any(|path| path.contains("safetensors")), "{of_hub:?}");
    assert_installed(&place, &small_t5());
}

#[test]
fn faults_that_pass_are_waited_out() {
    for fault in ["429", "500", "503", "cut", "short", "no ranges"] {
        let failures = Arc::new(AtomicUsize::new(0));
        let fake = FakeHub::faulty(ID, small_t5(), {
            let failures = failures.clone();
            move |number, asked, stream| {
                // Every second request at each host goes wrong.
                if number % 2 == 1 || (number > 8 && fault == "cut") {
                    return false;
                }
                failures.fetch_add(1, Ordering::Relaxed);
                let weights = &small_t5()["model.safetensors"];
                match fault {
                    "429" => send(stream, &["HTTP/1.1 429 Wait", "Retry-After: 0", "Content-Length: 0"], b""),
                    "cut" if asked.path.starts_with("/blob/") => {
                        let tag = format!("\"{}\"", hash(weights));
                        serve(stream, asked, weights, &tag, 100_000);
                    }
                    "short" | "no ranges" if asked.path.starts_with("/blob/") => {
                        let length = format!("Content-Length: {}", weights.len());
                        send(stream, &["HTTP/1.1 200 OK", &length], &weights[..weights.len() / 3]);
                    }
                    "cut" | "short" | "no ranges" => return false,
                    status => {
                        send(stream, &[&format!("HTTP/1.1 {status} No"), "Content-Length: 0"], b"");
                    }
                }
                true
            }
        });
        let place = place();
        get(&place, &hub(&fake)).unwrap_or_else(|error| panic!("{fault}: {error}"));
        assert_installed(&place, &small_t5());
        assert!(failures.load(Ordering::Relaxed) > 0, "{fault}");
    }
}

#[test]
fn content_that_is_not_what_was_listed_is_not_installed() {
    let broken = Arc::new(AtomicBool::new(true));
    for (fault, words) in [
        ("other", "SHA-256"),
        ("longer", "more than it said"),
        ("shorter", "bytes where"),
        ("page", "other than JSON"),
        ("lost", "404"),
    ] {
        broken.store(true, Ordering::Relaxed);
        let fake = FakeHub::faulty(ID, small_t5(), {
            let broken = broken.clone();
            move |_, asked, stream| {
                if !broken.load(Ordering::Relaxed) {
                    return false;
                }
                let mut weights = small_t5()["model.safetensors"].clone();
                let large = asked.path.starts_with("/blob/");
                match fault {
                    "other" if large => weights[200_000] ^= 1,
                    "longer" if large => weights.extend([0; 100_000]),
                    "shorter" if large => weights.truncate(1000),
                    "page" if asked.path.ends_with("tokenizer.json") => {
                        send(stream, &["HTTP/1.1 200 OK", "Content-Length: 13"], b"<html></html>");
                        return true;
                    }
                    "lost" if large => {
                        send(stream, &["HTTP/1.1 404 No", "Content-Length: 0"], b"");
                        return true;
                    }
                    _ => return false,
                }
                serve(stream, asked, &weights, "\"x\"", usize::MAX);
                true
            }
        });
        let place = place();
        let error = get(&place, &hub(&fake)).unwrap_err();
        assert!(error.to_string().contains(words), "{fault}: {error}");
        assert!(!format!("{error} {error:?}").contains("hf_hush"), "{error:?}");
        assert_nothing_installed(&place);
        let own = |path: &PathBuf| !path.components().any(|part| part.as_os_str() == "shipped");
        let files = files_below(place.folder.path());
        assert!(!files.iter().any(|path| own(path) && path.ends_with("model.safetensors")));
        // Files that came whole are used by the next attempt.
        broken.store(false, Ordering::Relaxed);
        get(&place, &hub(&fake)).unwrap();
        assert_installed(&place, &small_t5());
    }
}

#[test]
fn refusals_say_what_to_do() {
    for (status, gated, on_listing) in
        [(401, false, true), (403, false, true), (401, true, false), (403, true, false)]
    {
        let fake = FakeHub::faulty(ID, small_t5(), move |_, asked, stream| {
            let refuse = asked.path.starts_with("/api/") == on_listing && !asked.path.starts_with("/blob/");
            if refuse {
                send(stream, &[&format!("HTTP/1.1 {status} No"), "Content-Length: 0"], b"");
            }
            refuse
        });
        fake.repository.lock().unwrap().gated = gated;
        let mut hub = hub(&fake);
        let place = place();
        let words = get(&place, &hub).unwrap_err().to_string();
        assert!(words.contains(&format!("{}/{ID}", fake.endpoint())), "{words}");
        assert!(words.contains("token that was sent") && !words.contains("hf_hush"), "{words}");
        hub.token = None;
        let words = get(&place, &hub).unwrap_err().to_string();
        assert!(words.contains("set HF_TOKEN") && words.contains("terms"), "{words}");
        assert!(fake.hub.asked().last().unwrap().header("authorization").is_none());
        assert_nothing_installed(&place);
    }
    let (fake, place) = (FakeHub::new(ID, small_t5()), place());
    for wrong in ["someone/smal-t5", "someone/small-t5@v9"] {
        let error = get_as(&place, &hub(&fake), wrong, &CancelToken::new()).unwrap_err();
        assert!(matches!(error, RegistryError::Hub(HubError::NotFound { .. })), "{error}");
    }
}

#[test]
fn listings_that_make_no_sense_are_refused_and_nothing_leaves_the_folder() {
    type Twist = Box<dyn Fn(&mut serde_json::Value) + Send>;
    let cases: [(&str, Twist); 7] = [
        ("outside", Box::new(|all| all["siblings"][0]["rfilename"] = "../../../evil.json".into())),
        ("outside", Box::new(|all| all["siblings"][2]["rfilename"] = "/tmp/config.json".into())),
        ("bytes", Box::new(|all| all["siblings"][4]["lfs"]["size"] = u64::MAX.into())),
        ("no commit", Box::new(|all| all["sha"] = "main".into())),
        ("no files", Box::new(|all| all["siblings"] = serde_json::Value::Null)),
        ("MB more", Box::new(|all| all["siblings"][4]["lfs"]["size"] = 900_000_000_000_000_u64.into())),
        ("config.json would have", Box::new(|all| all["siblings"][2]["size"] = 900_000_000_000_u64.into())),
    ];
    for (words, twist) in cases {
        let (fake, place) = (FakeHub::new(ID, small_t5()), place());
        fake.repository.lock().unwrap().twist = twist;
        let error = get(&place, &hub(&fake)).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
        assert_nothing_installed(&place);
        assert!(!place.folder.path().join("evil.json").exists());
        assert!(fake.asked().1.is_empty(), "{words}: large files were asked for");
    }
    let page = b"<!DOCTYPE html><html>Log in</html>";
    let fake = FakeHub::faulty(ID, small_t5(), move |_, _, stream| {
        send(stream, &["HTTP/1.1 200 OK", &format!("Content-Length: {}", page.len())], page);
        true
    });
    let place = place();
    let error = get(&place, &hub(&fake)).unwrap_err();
    assert!(matches!(error, RegistryError::Hub(HubError::NotAHub { .. })), "{error}");
    assert!(error.to_string().contains("HF_ENDPOINT"), "{error}");
}

/// Stops a download in the middle of the weights: half of them have come.
fn stop_half_way(place: &Place, fake: &FakeHub, stall: &AtomicBool) {
    stall.store(true, Ordering::Relaxed);
    let cancel = CancelToken::new();
    let half = small_t5()["model.safetensors"].len() as u64 / 2;
    std::thread::scope(|scope| {
        let job = scope.spawn(|| get_as(place, &hub(fake), ID, &cancel));
        let is_half = || {
            files_below(place.registry.folder()).iter().any(|path| {
                path.ends_with("model.safetensors.part")
                    && fs::metadata(path).is_ok_and(|part| part.len() >= half)
            })
        };
        while !is_half() {
            assert!(!job.is_finished(), "the download ended by itself");
            std::thread::sleep(Duration::from_millis(5));
        }
        cancel.cancel();
        let error = job.join().unwrap().unwrap_err();
        assert!(matches!(error, RegistryError::Canceled(_)), "{error}");
    });
    stall.store(false, Ordering::Relaxed);
}

/// A hub that sends half of the weights and then nothing while it is told to stall.
fn stalling() -> (FakeHub, Arc<AtomicBool>) {
    let stall = Arc::new(AtomicBool::new(false));
    let fake = FakeHub::faulty(ID, small_t5(), {
        let stall = stall.clone();
        move |_, asked, stream| {
            if !(stall.load(Ordering::Relaxed) && asked.path.starts_with("/blob/")) {
                return false;
            }
            let weights = &small_t5()["model.safetensors"];
            serve(stream, asked, weights, &format!("\"{}\"", hash(weights)), weights.len() / 2 + 1);
            std::thread::sleep(Duration::from_secs(120)); // keeps the connection open
            true
        }
    });
    (fake, stall)
}

#[test]
fn what_was_canceled_is_continued_and_listed_meanwhile() {
    let ((fake, stall), place) = (stalling(), place());
    stop_half_way(&place, &fake, &stall);
    assert_nothing_installed(&place);
    let entries = listed(&place);
    let [Entry::Unfinished { name, repository, bytes }] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((name.as_str(), repository.as_deref()), (ID, Some(ID)));
    assert!(*bytes > 100_000);
    let installed = get(&place, &hub(&fake)).unwrap();
    assert_installed(&place, &small_t5());
    assert!(installed.downloaded < installed.manifest.size() * 2 / 3, "{}", installed.downloaded);
    assert!(fake.cdn.asked().last().unwrap().start().is_some_and(|start| start > 100_000));
}

#[test]
fn another_commit_keeps_what_is_the_same_and_mixes_nothing() {
    // The configuration changes (with the same length), the weights do not.
    let ((fake, stall), place) = (stalling(), place());
    stop_half_way(&place, &fake, &stall);
    let mut newer = small_t5();
    let config = String::from_utf8(newer["config.json"].clone()).unwrap();
    newer.insert(
        "config.json".into(),
        config.replace("\"d_kv\": 12", "\"d_kv\":  12").replace("5.23.0", "6.0.0").into_bytes(),
    );
    assert_eq!(newer["config.json"].len(), small_t5()["config.json"].len());
    {
        let mut repository = fake.repository.lock().unwrap();
        repository.commit = commit('2');
        repository.files = newer.clone();
    }
    let installed = get(&place, &hub(&fake)).unwrap();
    assert!(matches!(&installed.manifest.source, Source::Hub { commit: now, .. } if *now == commit('2')));
    assert_installed(&place, &newer);
    assert!(fake.cdn.asked().last().unwrap().start().is_some(), "the weights were begun anew");

    // An installed model is brought to the newest commit; the old files go.
    let mut newest = newer.clone();
    newest.get_mut("model.safetensors").unwrap()[300_000] ^= 1;
    {
        let mut repository = fake.repository.lock().unwrap();
        repository.commit = commit('3');
        repository.files = newest.clone();
    }
    let updated = get(&place, &hub(&fake)).unwrap();
    assert!(!updated.already && updated.manifest.fingerprint != installed.manifest.fingerprint);
    assert_installed(&place, &newest);

    // Other weights in the middle of a download.
    let ((fake, stall), place) = (stalling(), self::place());
    stop_half_way(&place, &fake, &stall);
    {
        let mut repository = fake.repository.lock().unwrap();
        repository.commit = commit('4');
        repository.files = newest.clone();
    }
    get(&place, &hub(&fake)).unwrap();
    assert_installed(&place, &newest);
}

#[test]
fn two_programs_do_not_write_the_same_model() {
    let ((fake, stall), place) = (stalling(), place());
    stall.store(true, Ordering::Relaxed);
    let cancel = CancelToken::new();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| get_as(&place, &hub(&fake), ID, &cancel));
        while fake.asked().1.is_empty() {
            assert!(!first.is_finished());
            std::thread::sleep(Duration::from_millis(5));
        }
        let error = get(&place, &hub(&fake)).unwrap_err();
        assert!(matches!(error, RegistryError::InUse { .. }), "{error}");
        let error = place.registry.remove(ID).unwrap_err();
        assert!(matches!(error, RegistryError::InUse { .. }), "{error}");
        cancel.cancel();
        assert!(first.join().unwrap().is_err());
    });
}

#[test]
fn offline_asks_nobody() {
    let (fake, place) = (FakeHub::new(ID, small_t5()), place());
    let offline = Hub { offline: true, ..hub(&fake) };
    let error = get(&place, &offline).unwrap_err();
    assert!(matches!(error, RegistryError::Hub(HubError::Offline { .. })), "{error}");
    assert!(fake.hub.asked().is_empty());
    get(&place, &hub(&fake)).unwrap();
    let asked = fake.hub.asked().len();
    assert!(get(&place, &offline).unwrap().already);
    assert_eq!(fake.hub.asked().len(), asked);
}

/// A model as Hugging Face's own programs keep it.
#[cfg(unix)]
fn huggingface_cache(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> PathBuf {
    let root = folder.join("hf").join(format!("models--{}", ID.replace('/', "--")));
    let snapshot = root.join("snapshots").join(commit('1'));
    for folder in [&root.join("blobs"), &snapshot, &root.join("refs")] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(root.join("refs/main"), commit('1')).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let large = name.ends_with(".safetensors");
        let blob = if large { hash(&files[name]) } else { hash(&files[name])[..40].to_owned() };
        fs::write(root.join("blobs").join(&blob), &files[name]).unwrap();
        std::os::unix::fs::symlink(Path::new("../../blobs").join(&blob), snapshot.join(name)).unwrap();
    }
    folder.join("hf")
}

#[cfg(unix)]
#[test]
fn hugging_faces_cache_is_used_in_place() {
    for offline in [true, false] {
        let (fake, place) = (FakeHub::new(ID, small_t5()), place());
        let cache = huggingface_cache(place.folder.path(), &small_t5());
        let hub = Hub { offline, cache: Some(cache.clone()), ..hub(&fake) };
        let installed = get(&place, &hub).unwrap();
        assert!(matches!(installed.manifest.source, Source::Hub { cached: true, .. }));
        assert!(!installed.manifest.is_own() && installed.downloaded == 0);
        assert_eq!(fake.asked().0.len(), usize::from(!offline));
        let path = place.registry.resolve(ID).unwrap().path;
        assert!(path.starts_with(&cache));
        load(&path, &LoadOptions::default()).unwrap();
        // Removed, it is gone here and still there.
        assert!(place.registry.remove(ID).unwrap().files.is_none());
        assert!(path.join("model.safetensors").exists() && place.registry.find(ID).unwrap().is_none());
        // A damaged file there is noticed: offline that is an error, else the model is downloaded.
        let weights = fs::canonicalize(path.join("model.safetensors")).unwrap();
        let mut bytes = fs::read(&weights).unwrap();
        bytes[200_000] ^= 1;
        fs::write(&weights, bytes).unwrap();
        match get(&place, &hub) {
            Ok(installed) => {
                assert!(!offline && installed.manifest.is_own());
                assert_installed(&place, &small_t5());
            }
            Err(RegistryError::Hub(HubError::Damaged { .. })) => assert!(offline),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn what_a_known_encoder_was_trained_with_reaches_its_options() {
    let id = "intfloat/e5-small-v2";
    let (fake, place) = (FakeHub::new(id, small_t5()), place());
    get_as(&place, &hub(&fake), id, &CancelToken::new()).unwrap();
    let resolved = place.registry.resolve("intfloat/E5-small-v2").unwrap();
    let mut options = EncoderOptions { pooling: Some(Pooling::Cls), ..EncoderOptions::default() };
    resolved.fill(&mut options);
    assert_eq!(options.prefixes.unwrap().query, "query: ");
    assert_eq!((options.pooling, options.normalize), (Some(Pooling::Cls), Some(true)));
    assert_eq!(resolved.manifest.unwrap().encoder.pooling, Some(Pooling::Mean));
}

#[test]
fn a_kill_between_any_two_steps_is_mended_by_the_next_get() {
    let (fake, place) = (FakeHub::new(ID, small_t5()), place());
    get(&place, &hub(&fake)).unwrap();
    let manifest = place.registry.folder().join("registered").join("someone--small-t5.json");
    // Killed before the manifest: whole files without one.
    fs::remove_file(&manifest).unwrap();
    assert_nothing_installed(&place);
    let again = get(&place, &hub(&fake)).unwrap();
    assert!(again.downloaded < 10_000, "the weights were there: {}", again.downloaded);
    assert_installed(&place, &small_t5());
    // The manifest damaged: the files count, it is written anew.
    fs::write(&manifest, "{ \"version\": 1, \"na").unwrap();
    assert!(matches!(listed(&place).as_slice(), [Entry::Broken { .. }]));
    let words = place.registry.resolve(ID).unwrap_err().to_string();
    assert!(words.contains("damaged") && words.contains("untouched"), "{words}");
    get(&place, &hub(&fake)).unwrap();
    assert_installed(&place, &small_t5());
    // Of a newer program: nothing is touched.
    fs::write(&manifest, "{ \"version\": 2, \"shape\": [] }").unwrap();
    for error in [get(&place, &hub(&fake)).unwrap_err(), place.registry.resolve(ID).unwrap_err()] {
        assert!(matches!(error, RegistryError::Newer { version: 2, .. }), "{error}");
    }
    assert!(fs::read_to_string(&manifest).unwrap().contains("shape"));
}

#[test]
fn a_fetch_error_keeps_its_cause() {
    let fake = FakeHub::faulty(ID, small_t5(), |_, _, stream| {
        send(stream, &["HTTP/1.1 503 No", "Retry-After: 9000", "Content-Length: 0"], b"");
        true
    });
    let error = get(&place(), &hub(&fake)).unwrap_err();
    assert!(
        matches!(error, RegistryError::Hub(HubError::Fetch(FetchError::Busy { seconds: 9000, .. }))),
        "{error}"
    );
}
