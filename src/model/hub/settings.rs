//! Where the hub is, and who asks: the same environment variables as Hugging Face's own programs read.

use std::fmt;
use std::path::{Path, PathBuf};

use super::HubError;
use crate::fetch::Patience;

const OFFICIAL: &str = "https://huggingface.co";

/// A secret that says who asks. It has no form that could be printed.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Checks that a text can be a token; white space around it does not count.
    ///
    /// # Errors
    /// [`HubError::Token`] for characters that no header can carry; the text is not repeated.
    pub fn new(text: &str, source: &str) -> Result<Self, HubError> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HubError::Token { source_name: source.to_owned() });
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// A hub and how it is asked.
#[derive(Debug, Clone)]
pub struct Hub {
    /// Its address, without a slash at the end.
    pub endpoint: String,
    /// Who asks, if anyone in particular; sent to the endpoint and nowhere else.
    pub token: Option<Token>,
    /// Whether nothing may be asked at all.
    pub offline: bool,
    /// Where Hugging Face's own programs keep what they downloaded.
    pub cache: Option<PathBuf>,
    /// How patient downloads are.
    pub patience: Patience,
}

impl Hub {
    /// What the environment says: `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`, `HF_HUB_CACHE`,
    /// `HF_HOME` and their older names.
    ///
    /// # Errors
    /// An address or a token that cannot be one.
    pub fn from_environment() -> Result<Self, HubError> {
        let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
        let variable = |name: &str| std::env::var(name).ok();
        Self::from_variables(&variable, home.as_deref())
    }

    fn from_variables(
        variable: &dyn Fn(&str) -> Option<String>,
        home: Option<&Path>,
    ) -> Result<Self, HubError> {
        let set = |names: &[&str]| {
            names.iter().find_map(|name| variable(name).filter(|value| !value.trim().is_empty()))
        };
        let folder = |names: &[&str]| set(names).map(|value| expanded(&value, home));
        let endpoint = address(&set(&["HF_ENDPOINT"]).unwrap_or_else(|| OFFICIAL.to_owned()))?;
        let hf_home = folder(&["HF_HOME"]).or_else(|| {
            let caches = folder(&["XDG_CACHE_HOME"]).or_else(|| Some(home?.join(".cache")));
            Some(caches?.join("huggingface"))
        });
        let cache = folder(&["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"])
            .or_else(|| Some(hf_home.as_ref()?.join("hub")));
        let token = match set(&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]) {
            Some(text) => Some(Token::new(&text, "HF_TOKEN")?),
            None => {
                let path = folder(&["HF_TOKEN_PATH"]).or_else(|| Some(hf_home.as_ref()?.join("token")));
                let text = path.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
                let text = text.filter(|text| !text.trim().is_empty());
                match (text, path) {
                    (Some(text), Some(path)) => Some(Token::new(&text, &path.display().to_string())?),
                    _ => None,
                }
            }
        };
        let offline = set(&["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
            .is_some_and(|value| ["1", "ON", "YES", "TRUE"].contains(&value.trim().to_uppercase().as_str()));
        Ok(Self { endpoint, token, offline, cache, patience: Patience::default() })
    }

    /// The same hub, or another one at this address, which does not get the token: that is for the hub it was set for.
    ///
    /// # Errors
    /// An address that cannot be one.
    pub fn at(self, endpoint: &str) -> Result<Self, HubError> {
        let endpoint = address(endpoint)?;
        let token = self.token.filter(|_| endpoint == self.endpoint);
        Ok(Self { endpoint, token, ..self })
    }

    /// The page of a repository, for a person.
    pub fn page(&self, repository: &str) -> String {
        format!("{}/{repository}", self.endpoint)
    }
}

/// A hub's address without a slash at the end.
fn address(text: &str) -> Result<String, HubError> {
    let endpoint = text.trim().trim_end_matches('/').to_owned();
    let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
    // A query or a user name would end up in every address and message.
    if host.is_none_or(|host| host.is_empty() || host.contains(['?', '#', '@', ' '])) {
        return Err(HubError::Endpoint { endpoint: crate::fetch::shown(&endpoint) });
    }
    Ok(endpoint)
}

/// `~` at the beginning means the home folder, as in a shell.
fn expanded(text: &str, home: Option<&Path>) -> PathBuf {
    let text = text.trim();
    let below = text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with(['/', '\\']));
    match (below, home) {
        (Some(rest), Some(home)) => home.join(rest.trim_start_matches(['/', '\\'])),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(pairs: &[(&str, &str)], home: &Path) -> Result<Hub, HubError> {
        let variable =
            |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Hub::from_variables(&variable, Some(home))
    }

    #[test]
    fn the_environment_is_read_as_hugging_face_does() {
        let home = tempfile::tempdir().unwrap();
        let bare = hub(&[("HF_ENDPOINT", ""), ("HF_HUB_OFFLINE", "0")], home.path()).unwrap();
        assert_eq!(bare.endpoint, "https://huggingface.co");
        assert!(bare.token.is_none() && !bare.offline);
        assert_eq!(bare.cache, Some(home.path().join(".cache/huggingface/hub")));

        std::fs::create_dir_all(home.path().join("hf")).unwrap();
        std::fs::write(home.path().join("hf/token"), "hf_file\n").unwrap();
        let file = hub(&[("HF_HOME", "~/hf"), ("HF_HUB_OFFLINE", "yes")], home.path()).unwrap();
        assert_eq!(file.token.as_ref().unwrap().secret(), "hf_file");
        assert!(file.offline && file.cache == Some(home.path().join("hf/hub")));
        let own = [("HF_HOME", "~/hf"), ("HF_TOKEN", " hf_own "), ("HF_ENDPOINT", "http://a.b:1/c/")];
        let own = hub(&own, home.path()).unwrap();
        assert_eq!(
            (own.token.as_ref().unwrap().secret(), own.endpoint.as_str()),
            ("hf_own", "http://a.b:1/c")
        );
        assert!(!format!("{own:?}").contains("hf_own"));

        for bad in ["ftp://a", "a.b", "https://", "https://me:hush@a.b", "https://a.b?x"] {
            let error = hub(&[("HF_ENDPOINT", bad)], home.path()).unwrap_err();
            assert!(!error.to_string().contains("hush"), "{error}");
        }
        let home_hub = hub(&[("HF_TOKEN", "hf_own"), ("HF_ENDPOINT", "http://a.b:1")], home.path()).unwrap();
        assert!(home_hub.clone().at(" http://a.b:1/ ").unwrap().token.is_some());
        let elsewhere = home_hub.clone().at("http://c.d").unwrap();
        assert!(elsewhere.token.is_none() && elsewhere.endpoint == "http://c.d", "{elsewhere:?}");
        assert!(home_hub.at("c.d").is_err());
        let error = hub(&[("HF_TOKEN", "hu\nsh")], home.path()).unwrap_err().to_string();
        assert!(error.contains("HF_TOKEN") && !error.contains("sh\""), "{error}");
    }
}
