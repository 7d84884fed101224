//! Whether an endpoint is there, how fast, and what it says: each asked once.

use std::time::{Duration, Instant};

use super::client::Fault;
use super::drive::Driver;
use super::{Endpoint, EndpointError, Secret, wire};
use crate::jobs::{CancelToken, Progress};
use crate::model::{FinishReason, GenerationConfig, ModelError};

/// What trying an endpoint out brought.
#[derive(Debug)]
pub struct TryOut {
    /// The models that the server lists and how long that took; some servers list none.
    pub models: Result<(Vec<String>, Duration), EndpointError>,
    /// One answer.
    pub answer: Result<TriedAnswer, EndpointError>,
}

/// One answer to a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriedAnswer {
    /// The text.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// Tokens read and written, where the server counts them.
    pub tokens: Option<(u64, u64)>,
    /// From the request to the whole answer.
    pub took: Duration,
}

/// What is tried out.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    /// What errors call it.
    pub name: &'a str,
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// A key that is kept nowhere yet, in the place of the one that the settings name.
    pub key: Option<&'a Secret>,
}

impl Trial<'_> {
    fn driver(&self) -> Result<Driver, EndpointError> {
        Driver::with_key(self.name, self.endpoint, self.key)
    }
}

/// The models that an endpoint's server lists.
///
/// # Errors
/// What the server says, or why it says nothing; [`ModelError::Canceled`].
pub fn list_models(name: &str, endpoint: &Endpoint, cancel: &CancelToken) -> Result<Vec<String>, ModelError> {
    let driver = Driver::new(name, endpoint)?;
    Ok(models(&driver, endpoint, cancel)?.map(|(models, _)| models)?)
}

fn models(
    driver: &Driver,
    endpoint: &Endpoint,
    cancel: &CancelToken,
) -> Result<Result<(Vec<String>, Duration), EndpointError>, ModelError> {
    let url = endpoint.address("models")?;
    let start = Instant::now();
    let listed = driver.wait(cancel, driver.client().get(url, wire::models))?;
    Ok(listed.map(|models| (models, start.elapsed())).map_err(|fault| told(driver, fault)))
}

/// Asks an endpoint for its models alone; gives the time that took, too.
///
/// # Errors
/// As for [`try_out`].
#[allow(clippy::type_complexity, reason = "an outcome within an outcome, as in TryOut")]
pub fn try_models(
    trial: &Trial<'_>,
    cancel: &CancelToken,
) -> Result<Result<(Vec<String>, Duration), EndpointError>, ModelError> {
    models(&trial.driver()?, trial.endpoint, cancel)
}

/// Asks an endpoint for its models and for one answer to a prompt.
///
/// # Errors
/// Settings that make no sense, a key that is not there; [`ModelError::Canceled`]. What the server says wrong is in the result.
pub fn try_out(
    trial: &Trial<'_>,
    prompt: &str,
    config: &GenerationConfig,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<TryOut, ModelError> {
    let endpoint = trial.endpoint;
    progress.start("looking for the key", 0);
    let driver = trial.driver()?;
    progress.start("asking for its models", 0);
    let models = models(&driver, endpoint, cancel)?;
    progress.start("asking for an answer", 0);
    let url = endpoint.address(wire::service(endpoint.kind))?;
    let body = wire::question(endpoint, config, prompt);
    let start = Instant::now();
    let answer = driver.wait(cancel, driver.client().post(url, body, wire::answer))?;
    let answer = answer.map_err(|fault| told(&driver, fault)).map(|answer| TriedAnswer {
        text: driver.client().redact(answer.text),
        finish: answer.finish,
        tokens: answer.read.zip(answer.written),
        took: start.elapsed(),
    });
    Ok(TryOut { models, answer })
}

/// Asks an endpoint for one text's vector; gives how many numbers it has, and the time that took.
///
/// # Errors
/// Settings that make no sense, a key that is not there, what the server says; [`ModelError::Canceled`].
pub fn try_embedding(
    trial: &Trial<'_>,
    text: &str,
    cancel: &CancelToken,
) -> Result<(usize, Duration), ModelError> {
    let driver = trial.driver()?;
    let url = trial.endpoint.address("embeddings")?;
    let body = wire::texts(trial.endpoint, &[text.to_owned()]);
    let start = Instant::now();
    let read = |body: &[u8]| wire::vectors(body, 1);
    let vectors = driver.wait(cancel, driver.client().post(url, body, read))?;
    let vectors = vectors.map_err(|fault| told(&driver, fault))?;
    Ok((vectors.first().map_or(0, Vec::len), start.elapsed()))
}

fn told(driver: &Driver, fault: Fault) -> EndpointError {
    let endpoint = driver.client().name().to_owned();
    match fault {
        Fault::Lasting(error) => error,
        Fault::Limited { said, .. } | Fault::Passing { said, .. } => {
            EndpointError::Unusable { endpoint, said }
        }
    }
}
