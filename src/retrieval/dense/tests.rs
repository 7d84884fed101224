use proptest::prelude::*;

use super::super::test_support::{dated, documents, query};
use super::super::{BuildError, EncoderSource, RetrieverConfig};
use super::*;
use crate::model::scripted::WordEncoder;
use crate::model::{Encoder, Matrix, Prefixes};

/// Gives each text the vector that it spells out: numbers between spaces, missing ones 0.
struct Spelled(Prefixes);

impl Spelled {
    const DIMENSIONS: usize = 11;

    fn vector(text: &str) -> Vec<f32> {
        let mut vector: Vec<f32> = text.split_whitespace().map(|word| word.parse().unwrap_or(0.0)).collect();
        vector.resize(Self::DIMENSIONS, 0.0);
        vector
    }

    fn shared() -> Arc<SharedEncoder> {
        Arc::new(SharedEncoder::new(Box::new(Self(Prefixes::default())), 1, None).unwrap())
    }
}

impl Encoder for Spelled {
    fn encode(&mut self, _: &CancelToken, texts: &[&str]) -> Result<Matrix, ModelError> {
        let values = texts.iter().flat_map(|text| Self::vector(text)).collect();
        Ok(Matrix { values, columns: Self::DIMENSIONS })
    }

    fn identity(&self) -> &str {
        "spelled"
    }

    fn dimensions(&self) -> usize {
        Self::DIMENSIONS
    }

    fn prefixes(&self) -> &Prefixes {
        &self.0
    }
}

/// Supplies scripted encoders, a new one each time.
struct Scripts;

impl EncoderSource for Scripts {
    fn encoder(&self, wanted: &DenseConfig) -> Result<Arc<SharedEncoder>, BuildError> {
        let failed = |source| BuildError::Encoder { model: wanted.model.clone(), source: Box::new(source) };
        let encoder = WordEncoder::parse(&wanted.model).map_err(failed)?;
        Ok(Arc::new(SharedEncoder::new(Box::new(encoder), 1, None).map_err(failed)?))
    }
}

fn build(text: &str) -> Result<Box<dyn Retriever>, BuildError> {
    text.parse::<RetrieverConfig>().unwrap().build(&Scripts)
}

fn indices(retriever: &dyn Retriever, asked: &str, documents: &[Document], k: usize) -> Vec<usize> {
    retriever.rank(&CancelToken::new(), &query("1", asked), documents, k).unwrap().indices().collect()
}

#[test]
fn the_nearest_come_first_and_of_equal_ones_the_later() {
    let dense = build("dense:scripted:words=256").unwrap();
    let profile = documents(&["a red house", "nothing like it", "the red car", "a red house", ""]);
    assert_eq!(indices(&*dense, "my red house", &profile, usize::MAX)[..3], [3, 0, 2]);
    assert_eq!(indices(&*dense, "my red house", &profile, 1), [3]);
    assert_eq!(indices(&*dense, "", &profile, 9), [4, 3, 2, 1, 0], "all scores are 0");
    assert_eq!(indices(&*dense, "my red house", &profile, 0), [0usize; 0]);
    assert_eq!(indices(&*dense, "my red house", &[], 4), [0usize; 0]);
}

#[test]
fn recency_and_fusion_take_it_as_a_member() {
    let mut profile = dated(&["2001", "2004", "2002", "2003"]);
    for (document, text) in profile.iter_mut().zip(["one two", "two", "three four", "one two three"]) {
        document.text = text.to_owned();
    }
    // By vectors: 0, 3 and 1, then 2; by date: 1, 3, 2, 0.
    let dense = build("dense:scripted:words=4096").unwrap();
    let order = indices(&*dense, "one two", &profile, 9);
    assert_eq!(order, [0, 3, 1, 2]);
    let recent = build("recency+dense:scripted:words=4096").unwrap();
    // Half from each, the vectors' first; of an odd number they get the larger half.
    assert_eq!(indices(&*recent, "one two", &profile, 2), [0, 1]);
    assert_eq!(indices(&*recent, "one two", &profile, 3), [0, 3, 1]);
    assert_eq!(indices(&*recent, "one two", &profile, 4), [0, 3, 1, 3]);
    let fused = build("rrf(dense:scripted:words=4096,recency)").unwrap();
    // 0: 1/61 + 1/64, 3: 1/62 + 1/62, 1: 1/63 + 1/61, 2: 1/64 + 1/63.
    assert_eq!(indices(&*fused, "one two", &profile, 9), [1, 3, 0, 2]);
    assert_eq!((dense.preparations(), recent.preparations(), fused.preparations()), (1, 1, 1));
    let problem = |documents| Problem { query: query("1", "x"), documents };
    let prepare = |problem| fused.prepare(&CancelToken::new(), &Progress::new(), &[problem]);
    prepare(problem(profile)).unwrap();
    // Without dates it is refused before anything is encoded.
    let undated = prepare(problem(documents(&["a"]))).unwrap_err();
    assert!(undated.to_string().contains("recency is undefined"), "{undated}");
}

#[test]
fn ids_pin_the_model_and_are_read_again() {
    let dense = build("dense:scripted:words=256").unwrap();
    let id = dense.id();
    assert!(id.starts_with("dense:scripted:words=256:identity="), "{id}");
    assert_eq!(build(&id).unwrap().id(), id);
    assert!(dense.describe().contains("scripted:words=256") && dense.describe().contains("256 numbers"));
    let other = id.replace("identity=", "identity=0").replace("256:", "255:");
    let error = build(&other).err().unwrap().to_string();
    assert!(error.contains("has the identity"), "{error}");
    let error = build("rrf(bm25,dense:scripted:echo)").err().unwrap();
    assert!(error.to_string().contains("cannot load the encoder scripted:echo"), "{error}");
}

#[test]
fn what_is_prepared_is_not_encoded_again_and_changes_nothing() {
    let encoder = Spelled::shared();
    let dense = Dense::new(DenseConfig::of("spelled"), encoder.clone());
    let problems: Vec<Problem> = (0..20)
        .map(|n| Problem {
            query: query("1", &format!("1 {n}")),
            documents: documents(&["1 2", "3", &n.to_string()]),
        })
        .collect();
    let progress = Progress::new();
    dense.prepare(&CancelToken::new(), &progress, &problems).unwrap();
    assert_eq!(progress.read().done, 80);
    let encoded = encoder.counts().encoded;
    let fresh = Dense::new(DenseConfig::of("spelled"), Spelled::shared());
    for Problem { query, documents } in &problems {
        let rank = |dense: &Dense| dense.rank(&CancelToken::new(), query, documents, 9).unwrap();
        assert_eq!(rank(&dense), rank(&fresh));
    }
    assert_eq!(encoder.counts().encoded, encoded);
    let canceled = CancelToken::new();
    canceled.cancel();
    let Problem { query, documents } = &problems[0];
    assert!(matches!(fresh.rank(&canceled, query, documents, 1), Err(RetrievalError::Canceled(_))));
    assert!(
        matches!(fresh.prepare(&canceled, &progress, &problems), Err(RetrievalError::Canceled(_))) || {
            fresh.encoder.counts().encoded == encoded // all of it was there
        }
    );
}

fn spelled() -> impl Strategy<Value = String> {
    // Few values, so that scores are often equal, and some that are not whole.
    let number = prop_oneof![3 => (-2i32..3).prop_map(|n| n as f32), 1 => -1e3f32..1e3];
    proptest::collection::vec(number, 0..Spelled::DIMENSIONS)
        .prop_map(|numbers| numbers.iter().map(|number| format!("{number} ")).collect())
}

proptest! {
    #[test]
    fn the_order_is_that_of_the_products(
        asked in spelled(), texts in proptest::collection::vec(spelled(), 0..40), k in 0usize..45,
    ) {
        let dense = Dense::new(DenseConfig::of("spelled"), Spelled::shared());
        let profile = documents(&texts);
        let ranking = dense.rank(&CancelToken::new(), &query("1", &asked), &profile, k).unwrap();
        let wanted = Spelled::vector(&asked);
        let product = |text: &String| -> f64 {
            Spelled::vector(text).iter().zip(&wanted).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let products: Vec<f64> = texts.iter().map(product).collect();
        prop_assert_eq!(ranking.len(), k.min(texts.len()));
        for entry in &ranking.entries {
            let tolerance = 1e-9 * products[entry.index].abs().max(1.0);
            prop_assert!((entry.score.unwrap() - products[entry.index]).abs() <= tolerance);
        }
        // Whatever stands before another has the larger product, or the same within rounding.
        let mut left: Vec<usize> = (0..texts.len()).collect();
        for index in ranking.indices() {
            left.retain(|other| *other != index);
            let best = left.iter().map(|other| products[*other]).fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(products[index] >= best - 1e-9 * best.abs().max(1.0) || left.is_empty());
        }
        for pair in ranking.entries.windows(2) {
            prop_assert!(pair[0].score > pair[1].score || (pair[0].score == pair[1].score && pair[0].index > pair[1].index));
        }
    }
}
