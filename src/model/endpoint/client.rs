//! One request: sent once, and what came of it put into one of four kinds.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{StatusCode, Url};

use super::wire::{self, NoAnswer, ServerError};
use super::{Endpoint, EndpointError, Secret, Value};

/// The longest body that is read; answers of any model are far below.
const MOST_BYTES: usize = 32 << 20;
/// The most characters of a server's words that are repeated.
const MOST_SAID: usize = 300;

/// Why a request brought no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server wants fewer requests, perhaps for so long.
    Limited { said: String, wait: Option<Duration> },
    /// It may go better the next time; `overloaded` where fewer requests would help.
    Passing { said: String, wait: Option<Duration>, overloaded: bool },
    /// It will not go better: for this prompt, or for all.
    Lasting(EndpointError),
}

/// Asks one endpoint. Requests share connections, and dropping a request's future ends it.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    headers: HeaderMap,
    /// All that no error may repeat.
    secrets: Vec<Secret>,
    name: String,
    timeout: Duration,
}

impl Client {
    /// A client for an endpoint of this name. Keys are looked up now, but for one that is given.
    pub(super) fn new(
        name: &str,
        endpoint: &Endpoint,
        given: Option<&Secret>,
    ) -> Result<Self, EndpointError> {
        endpoint.validate()?;
        // Another part of the program may have named the same already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut secrets = Vec::new();
        let mut headers = HeaderMap::new();
        let mut put = |header: &str, text: &str, secret: bool| {
            let bad = || EndpointError::Header { endpoint: name.to_owned(), header: header.to_owned() };
            let key = HeaderName::from_bytes(header.as_bytes()).map_err(|_| bad())?;
            let mut value = HeaderValue::from_str(text).map_err(|_| bad())?;
            value.set_sensitive(secret);
            headers.insert(key, value);
            Ok::<_, EndpointError>(())
        };
        let key = match (given, &endpoint.key) {
            (Some(given), _) => Some(given.clone()),
            (None, Some(key)) => Some(key.look_up(name)?),
            (None, None) => None,
        };
        if let Some(key) = key {
            put(AUTHORIZATION.as_str(), &format!("Bearer {}", key.expose()), true)?;
            secrets.push(key);
        }
        for (header, value) in &endpoint.headers {
            match value {
                Value::Text(text) => put(header, text, false)?,
                Value::Key(key) => {
                    let key = key.look_up(name)?;
                    put(header, key.expose(), true)?;
                    secrets.push(key);
                }
            }
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("lamplight/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(endpoint.connect_time())
            // A server that sends this one elsewhere would get the key sent elsewhere too.
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(endpoint.concurrency)
            .pool_idle_timeout(Duration::from_secs(30))
            .build()
            .map_err(|error| EndpointError::Client { endpoint: name.to_owned(), reason: causes(&error) })?;
        Ok(Self { http, headers, secrets, name: name.to_owned(), timeout: endpoint.whole_time() })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A text without keys that it may repeat.
    pub(super) fn redact(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| secret.redact(text))
    }

    /// A few hundred characters of what was said, on one line and without keys.
    fn said(&self, text: &str) -> String {
        let text = self.redact(text.to_owned());
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match words.char_indices().nth(MOST_SAID) {
            Some((at, _)) => format!("{}…", &words[..at]),
            None => words,
        }
    }

    /// Sends a body and reads what comes back.
    pub(super) async fn post<T>(
        &self,
        url: Url,
        body: Vec<u8>,
        read: impl Fn(&[u8]) -> Result<T, NoAnswer>,
    ) -> Result<T, Fault> {
        let request = self.http.post(url).header(CONTENT_TYPE, "application/json").body(body);
        self.ask(request, read).await
    }

    /// Reads what is at an address.
    pub(super) async fn get<T>(
        &self,
        url: Url,
        read: impl Fn(&[u8]) -> Result<T, NoAnswer>,
    ) -> Result<T, Fault> {
        self.ask(self.http.get(url), read).await
    }

    async fn ask<T>(
        &self,
        request: reqwest::RequestBuilder,
        read: impl Fn(&[u8]) -> Result<T, NoAnswer>,
    ) -> Result<T, Fault> {
        let request = request.headers(self.headers.clone()).timeout(self.timeout);
        let mut response = request.send().await.map_err(|error| self.broken(&error))?;
        let status = response.status();
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?));
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + part.len() > MOST_BYTES {
                let said = format!("an answer of more than {} MB", MOST_BYTES >> 20);
                return Err(Fault::Passing { said, wait: None, overloaded: false });
            }
            body.extend_from_slice(&part);
        }
        if status.is_success() {
            return read(&body).map_err(|no_answer| match no_answer {
                NoAnswer::Other(said) => Fault::Passing { said: self.said(&said), wait, overloaded: false },
                NoAnswer::Error(error) => {
                    // Where the error says nothing of its kind, it may be a passing one.
                    let meant = error.status.and_then(|status| StatusCode::from_u16(status).ok());
                    self.judged(meant, &error, wait)
                }
            });
        }
        let error = wire::error(&body).unwrap_or_else(|| ServerError {
            message: match String::from_utf8_lossy(&body).trim() {
                "" => status.canonical_reason().unwrap_or("no reason given").to_owned(),
                page if page.starts_with('<') => "a web page".to_owned(),
                text => text.to_owned(),
            },
            ..ServerError::default()
        });
        // What a filter keeps back is an answer of its own kind, which the reader may know.
        if error.is_filter()
            && let Ok(answer) = read(&body)
        {
            return Ok(answer);
        }
        Err(self.judged(Some(status), &error, wait))
    }

    /// What a status and the server's words mean.
    fn judged(&self, status: Option<StatusCode>, error: &ServerError, wait: Option<Duration>) -> Fault {
        let endpoint = self.name.clone();
        let message = self.said(&error.message);
        let said = match status {
            Some(status) => format!("status {}: {message}", status.as_u16()),
            None => format!("an error with the status of success: {message}"),
        };
        let status = status.map_or(0, |status| status.as_u16());
        if error.is_no_model() || error.is_no_credit() {
            return Fault::Lasting(EndpointError::Refused { endpoint, status, said });
        }
        match status {
            429 => Fault::Limited { said, wait },
            0 | 408 | 409 | 425 | 500..=599 => {
                Fault::Passing { said, wait, overloaded: matches!(status, 503 | 504 | 529) }
            }
            // What is wrong with one prompt: too long, a character that it cannot have.
            400 | 413 | 414 | 422 => Fault::Lasting(EndpointError::Rejected { endpoint, said }),
            _ => Fault::Lasting(EndpointError::Refused { endpoint, status, said }),
        }
    }

    /// A connection that could not be made or broke.
    fn broken(&self, error: &reqwest::Error) -> Fault {
        if error.is_builder() {
            let (endpoint, reason) = (self.name.clone(), self.said(&causes(error)));
            return Fault::Lasting(EndpointError::Client { endpoint, reason });
        }
        let what = match () {
            () if error.is_connect() && error.is_timeout() => "no connection in time",
            () if error.is_timeout() => "no whole answer in time",
            () if error.is_connect() => "no connection",
            () => "the connection broke",
        };
        let said = self.said(&format!("{what} ({})", causes(error)));
        Fault::Passing { said, wait: None, overloaded: error.is_timeout() }
    }
}

/// What an error of the library says, without the address, whose query may be secret.
fn causes(error: &reqwest::Error) -> String {
    let mut cause = std::error::Error::source(error);
    let mut last = None;
    while let Some(inner) = cause {
        last = Some(inner.to_string());
        cause = inner.source();
    }
    last.unwrap_or_else(|| if error.is_timeout() { "timed out".to_owned() } else { "no details".to_owned() })
}

/// The wait of a `Retry-After`: seconds, or a date.
fn retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = http_date(text)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(at).saturating_sub(now))
}

/// Seconds since 1970 of a date as HTTP writes it: `Wed, 21 Oct 2015 07:28:00 GMT`.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let parts: Vec<&str> = text.split([' ', ':', ',']).filter(|part| !part.is_empty()).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = parts[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let number = |text: &str| text.parse::<u64>().ok();
    let (year, day) = (i32::try_from(number(year)?).ok()?, u8::try_from(number(day)?).ok()?);
    let month = time::Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = time::Date::from_calendar_date(year, month, day).ok()?;
    let days = u64::try_from(date.to_julian_day() - 2_440_588).ok()?;
    Some(days * 86_400 + number(hour)? * 3600 + number(minute)? * 60 + number(second)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client::new("mine", &Endpoint::new("http://localhost:1", "m"), None).unwrap()
    }

    #[test]
    fn statuses_are_told_apart_by_whether_they_heal() {
        let client = client();
        let kind = |status: u16, signs: &str| {
            let error = ServerError { message: "so".into(), signs: signs.into(), status: None };
            match client.judged(StatusCode::from_u16(status).ok(), &error, None) {
                Fault::Limited { .. } => "limited",
                Fault::Passing { overloaded: false, .. } => "passing",
                Fault::Passing { overloaded: true, .. } => "overloaded",
                Fault::Lasting(error) if error.is_for_all() => "for all",
                Fault::Lasting(_) => "this prompt",
            }
        };
        for (status, signs, expected) in [
            (429, "", "limited"),
            (429, "insufficient_quota", "for all"),
            (408, "", "passing"),
            (500, "", "passing"),
            (502, "", "passing"),
            (503, "", "overloaded"),
            (400, "", "this prompt"),
            (400, "model_not_found", "for all"),
            (422, "", "this prompt"),
            (401, "", "for all"),
            (403, "", "for all"),
            (404, "", "for all"),
            (307, "", "for all"),
        ] {
            assert_eq!(kind(status, signs), expected, "{status} {signs}");
        }
    }

    #[test]
    fn what_a_server_says_is_cut_and_holds_no_key() {
        let mut client = client();
        client.secrets = vec![Secret::new("sk-hush-hush")];
        let said = client.said(&format!("the key\n  sk-hush-hush is bad {}", "x".repeat(1000)));
        assert!(said.starts_with("the key [key] is bad x") && said.chars().count() == 301, "{said}");
    }

    #[test]
    fn waits_are_seconds_or_dates() {
        assert_eq!(retry_after("2"), Some(Duration::from_secs(2)));
        assert_eq!(retry_after(" 0.25"), Some(Duration::from_millis(250)));
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after("-1"), None);
        assert_eq!(http_date("Wed, 21 Oct 2015 07:28:00 GMT"), Some(1_445_412_480));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
    }
}
