//! An encoder whose model is served elsewhere.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::json;

use super::drive::{Counter, Driver, Ended, Question, Work};
use super::{Endpoint, EndpointError, EstimatingTokenizer, wire};
use crate::jobs::CancelToken;
use crate::model::{Encoder, EncoderOptions, Matrix, ModelError, Prefixes, Traffic};

/// Texts in a request; servers allow between 32 and 2,048.
const TEXTS: usize = 32;

/// An encoder behind an endpoint.
pub struct EndpointEncoder {
    endpoint: Endpoint,
    driver: Driver,
    identity: String,
    dimensions: usize,
    prefixes: Prefixes,
    normalize: bool,
}

impl EndpointEncoder {
    /// The encoder of an endpoint. One text is encoded, to learn how long vectors are.
    ///
    /// # Errors
    /// Settings that make no sense, a key that is not there, a server that gives no vectors; [`ModelError::Canceled`].
    pub fn new(
        name: &str,
        endpoint: Endpoint,
        options: &EncoderOptions,
        cancel: &CancelToken,
    ) -> Result<Self, ModelError> {
        let driver = Driver::new(name, &endpoint)?;
        let prefixes = options.prefixes.clone().unwrap_or_default();
        let normalize = options.normalize.unwrap_or(false);
        let mut encoder =
            Self { endpoint, driver, identity: String::new(), dimensions: 0, prefixes, normalize };
        let probe = encoder.vectors(cancel, &["Lamplight"])?;
        encoder.dimensions = probe.first().map_or(0, Vec::len);
        if encoder.dimensions == 0 {
            let (endpoint, said) = (name.to_owned(), "vectors without numbers".to_owned());
            return Err(EndpointError::Unusable { endpoint, said }.into());
        }
        let told = json!({
            "endpoint": encoder.endpoint.spec(),
            "prefixes": encoder.prefixes,
            "normalize": normalize,
            "dimensions": encoder.dimensions,
        });
        encoder.identity = told.to_string();
        Ok(encoder)
    }

    fn vectors(&mut self, cancel: &CancelToken, texts: &[&str]) -> Result<Vec<Vec<f32>>, ModelError> {
        let url = self.endpoint.address("embeddings")?;
        let parts: Vec<Vec<String>> =
            texts.chunks(TEXTS).map(|part| part.iter().map(|text| (*text).to_owned()).collect()).collect();
        let lengths: Vec<usize> = parts.iter().map(Vec::len).collect();
        let read = move |question: &Question, body: &[u8]| {
            wire::vectors(body, lengths.get(question.number as usize).copied().unwrap_or(0))
        };
        let mut counter =
            Parts { endpoint: &self.endpoint, parts: &parts, next: 0, got: HashMap::new(), failed: None };
        match self.driver.run(cancel, &url, read, &mut counter) {
            Ok(()) => {}
            Err(Ended::Canceled(_)) if counter.failed.is_some() => {}
            Err(Ended::Canceled(canceled)) => return Err(canceled.into()),
            Err(Ended::Failed(error)) => return Err(error.into()),
        }
        if let Some(error) = counter.failed {
            return Err(error.into());
        }
        Ok((0..parts.len() as u64).filter_map(|number| counter.got.remove(&number)).flatten().collect())
    }
}

impl Encoder for EndpointEncoder {
    fn encode(&mut self, cancel: &CancelToken, texts: &[&str]) -> Result<Matrix, ModelError> {
        let mut rows = self.vectors(cancel, texts)?;
        let columns = self.dimensions;
        if let Some(row) = rows.iter().find(|row| row.len() != columns) {
            let (texts, rows, found) = (texts.len(), rows.len(), row.len());
            return Err(ModelError::VectorShape { texts, dimensions: columns, rows, columns: found });
        }
        if self.normalize {
            for row in &mut rows {
                let length = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                if length > 0.0 {
                    row.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
                }
            }
        }
        Ok(Matrix { values: rows.into_iter().flatten().collect(), columns })
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }
}

/// Texts in parts, a request each.
struct Parts<'a> {
    endpoint: &'a Endpoint,
    parts: &'a [Vec<String>],
    next: usize,
    got: HashMap<u64, Vec<Vec<f32>>>,
    failed: Option<EndpointError>,
}

impl Counter<Vec<Vec<f32>>> for Parts<'_> {
    fn next(&mut self) -> Work {
        let Some(part) = self.parts.get(self.next) else { return Work::NoMore };
        let number = self.next as u64;
        self.next += 1;
        let tokens = part.iter().map(|text| EstimatingTokenizer::count(text)).sum();
        Work::Ask(Question { number, body: wire::texts(self.endpoint, part), tokens })
    }

    fn take(
        &mut self,
        number: u64,
        answer: Result<Vec<Vec<f32>>, EndpointError>,
        _: Duration,
    ) -> ControlFlow<()> {
        match answer {
            Ok(vectors) => {
                self.got.insert(number, vectors);
                ControlFlow::Continue(())
            }
            // Vectors of the others are of no use without these.
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn tokens(&self, _: &Vec<Vec<f32>>) -> Option<usize> {
        None
    }

    fn rests(&self) -> bool {
        false
    }

    fn show(&mut self, _: &Traffic) {}

    fn tell(&mut self, _: String) {}
}
