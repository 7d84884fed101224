use rayon::prelude::*;

use super::*;
use crate::model::scripted::WordEncoder;

/// Counts words, and notes what it is given.
struct Watched {
    inner: WordEncoder,
    prefixes: Prefixes,
    calls: std::sync::Arc<Mutex<Vec<Vec<String>>>>,
    spoil: fn(&str, &mut Matrix),
}

type Calls = std::sync::Arc<Mutex<Vec<Vec<String>>>>;

fn watched(spoil: fn(&str, &mut Matrix)) -> (Box<dyn Encoder>, Calls) {
    let calls = Calls::default();
    let inner = WordEncoder::parse("scripted:words=16").unwrap();
    let prefixes = Prefixes { query: "query: ".into(), document: String::new() };
    (Box::new(Watched { inner, prefixes, calls: calls.clone(), spoil }), calls)
}

impl Encoder for Watched {
    fn encode(&mut self, cancel: &CancelToken, texts: &[&str]) -> Result<Matrix, ModelError> {
        self.calls.lock().unwrap().push(texts.iter().map(|text| (*text).to_owned()).collect());
        // Some encoders compute with rayon, which must not wait for those who wait for them.
        let sum: usize = (0..1000usize).into_par_iter().map(|number| number % 7).sum();
        assert_eq!(sum, 2997);
        let mut matrix = self.inner.encode(cancel, texts)?;
        texts.iter().for_each(|text| (self.spoil)(text, &mut matrix));
        Ok(matrix)
    }

    fn identity(&self) -> &str {
        self.inner.identity()
    }

    fn dimensions(&self) -> usize {
        self.inner.dimensions()
    }

    fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }
}

fn vectors(encoder: &SharedEncoder, texts: &[(TextRole, &str)]) -> Result<Vec<Vec<f32>>, ModelError> {
    let mut all = Vec::new();
    encoder.each(&CancelToken::new(), texts, |index, vector| {
        assert_eq!(index, all.len());
        all.push(vector.to_vec());
    })?;
    Ok(all)
}

fn expected(texts: &[&str]) -> Vec<Vec<f32>> {
    let matrix = WordEncoder::parse("scripted:words=16").unwrap().encode(&CancelToken::new(), texts).unwrap();
    (0..texts.len()).map(|row| matrix.row(row).to_vec()).collect()
}

fn documents<'t>(texts: &[&'t str]) -> Vec<(TextRole, &'t str)> {
    texts.iter().map(|text| (TextRole::Document, *text)).collect()
}

#[test]
fn no_text_is_encoded_twice_even_by_another_run() {
    let folder = tempfile::tempdir().unwrap();
    for place in [None, Some(folder.path())] {
        let (encoder, calls) = watched(|_, _| {});
        let shared = SharedEncoder::new(encoder, 2, place).unwrap();
        let texts = [
            (TextRole::Query, "a b"),
            (TextRole::Document, "a b"),
            (TextRole::Document, "c"),
            (TextRole::Document, "c"),
        ];
        let all = vectors(&shared, &texts).unwrap();
        assert_eq!(all, expected(&["query: a b", "a b", "c", "c"]));
        assert_eq!(calls.lock().unwrap().concat().len(), 3);
        assert_eq!(calls.lock().unwrap().len(), 1, "all that is missing goes to the model at once");
        assert_eq!(vectors(&shared, &texts).unwrap(), all);
        assert_eq!(calls.lock().unwrap().len(), 1);
        assert_eq!(shared.counts(), EncoderCounts { used: 8, encoded: 3 });
        assert!(shared.trouble().is_none());
    }
    let (encoder, calls) = watched(|_, _| {});
    let shared = SharedEncoder::new(encoder, 2, Some(folder.path())).unwrap();
    assert_eq!(
        vectors(&shared, &[(TextRole::Query, "a b"), (TextRole::Document, "d")]).unwrap(),
        expected(&["query: a b", "d"])
    );
    assert_eq!(*calls.lock().unwrap(), [["d"]]);
}

#[test]
fn many_texts_go_in_batches_of_like_length() {
    let (encoder, calls) = watched(|_, _| {});
    let shared = SharedEncoder::new(encoder, 2, None).unwrap();
    let texts: Vec<String> = (0..1500usize).map(|number| "word ".repeat(number * 7919 % 300)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let progress = Progress::new();
    shared.encode_ahead(&CancelToken::new(), &progress, documents(&texts)).unwrap();
    assert_eq!(progress.read().done, 1500);
    {
        let calls = calls.lock().unwrap();
        assert!(calls.len() < 15, "{} calls for 300 texts", calls.len());
        let lengths: Vec<usize> = calls.concat().iter().map(String::len).collect();
        assert_eq!(lengths.len(), 300);
        assert!(lengths.is_sorted_by(|a, b| a >= b));
    }
    assert_eq!(vectors(&shared, &documents(&texts)).unwrap(), expected(&texts));
    assert_eq!(shared.counts().encoded, 300);
}

#[test]
fn threads_of_one_pool_wait_for_one_encoder_without_waiting_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (encoder, _) = watched(|_, _| {});
    let shared = SharedEncoder::new(encoder, 2, Some(folder.path())).unwrap();
    (0..400usize).into_par_iter().for_each(|number| {
        let texts = [format!("a {number}"), format!("b {}", number % 10)];
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(vectors(&shared, &documents(&texts)).unwrap(), expected(&texts));
    });
}

#[test]
fn a_cache_that_fails_stops_nothing_and_what_it_has_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let (encoder, calls) = watched(|_, _| {});
    let shared = SharedEncoder::new(encoder, 1, Some(&blocked)).unwrap();
    assert!(shared.trouble().unwrap().to_string().contains("cannot use the embedding cache at"));
    for _ in 0..2 {
        assert_eq!(vectors(&shared, &documents(&["a", "b"])).unwrap(), expected(&["a", "b"]));
    }
    assert_eq!(calls.lock().unwrap().len(), 1, "memory serves instead");

    let kept = folder.path().join("kept");
    let (encoder, _) = watched(|_, _| {});
    vectors(&SharedEncoder::new(encoder, 1, Some(&kept)).unwrap(), &documents(&["a"])).unwrap();
    std::fs::remove_file(kept.join("lock")).unwrap();
    std::fs::create_dir(kept.join("lock")).unwrap();
    let (encoder, calls) = watched(|_, _| {});
    let shared = SharedEncoder::new(encoder, 1, Some(&kept)).unwrap();
    assert!(shared.trouble().is_some());
    assert_eq!(vectors(&shared, &documents(&["a", "b"])).unwrap(), expected(&["a", "b"]));
    assert_eq!(*calls.lock().unwrap(), [["b"]]);

    // Failing later: what was made from then on is in memory.
    let later = folder.path().join("later");
    let (encoder, calls) = watched(|_, _| {});
    let shared = SharedEncoder::new(encoder, 1, Some(&later)).unwrap();
    vectors(&shared, &documents(&["a"])).unwrap();
    assert!(shared.trouble().is_none());
    std::fs::remove_file(later.join("lock")).unwrap();
    std::fs::create_dir(later.join("lock")).unwrap();
    for _ in 0..2 {
        assert_eq!(vectors(&shared, &documents(&["a", "b"])).unwrap(), expected(&["a", "b"]));
    }
    assert!(shared.trouble().is_some());
    assert_eq!(calls.lock().unwrap().len(), 2);
}

#[test]
fn a_vector_damaged_on_disk_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (encoder, calls) = watched(|_, _| {});
    let shared = SharedEncoder::new(encoder, 1, Some(folder.path())).unwrap();
    let texts: Vec<String> = (0..600).map(|number| format!("text {number}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let all = vectors(&shared, &documents(&texts)).unwrap();
    let before = calls.lock().unwrap().len();
    let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let path = entries.into_iter().find(|path| path.extension().is_some_and(|e| e == "vectors")).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(vectors(&shared, &documents(&texts)).unwrap(), all);
    assert_eq!(calls.lock().unwrap().len(), before + 3, "made again together, not one by one");
    assert_eq!(vectors(&shared, &documents(&texts)).unwrap(), all);
    assert_eq!(calls.lock().unwrap().len(), before + 3);
}

#[test]
fn what_an_encoder_does_wrong_is_an_error_and_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let spoil = |text: &str, matrix: &mut Matrix| match text {
        "nan" => matrix.values[17] = f32::NAN,
        "short" => {
            matrix.values.pop();
        }
        "panic" => panic!("as the test wants it"),
        _ => {}
    };
    let (encoder, calls) = watched(spoil);
    let shared = SharedEncoder::new(encoder, 1, Some(folder.path())).unwrap();
    let error = |texts: &[&str]| vectors(&shared, &documents(texts)).unwrap_err().to_string();
    // The longest is encoded first, so that the second row is that of "nan".
    assert!(error(&["nan", "longer"]).contains("beginning \"nan\""));
    assert!(error(&["short"]).contains("instead of 16 numbers a text"));
    let canceled = CancelToken::new();
    canceled.cancel();
    let result = shared.each(&canceled, &documents(&["a"]), |_, _| {});
    assert!(matches!(result, Err(ModelError::Canceled(_))));
    assert_eq!(vectors(&shared, &documents(&["longer"])).unwrap(), expected(&["longer"]));
    assert_eq!(calls.lock().unwrap().concat(), ["longer", "nan", "short", "longer"]);
    for _ in 0..2 {
        assert!(error(&["panic"]).contains("ended unexpectedly"));
    }
}
