//! Endpoints as files: one a name, without secrets, each written whole.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Endpoint, EndpointError, PREFIX};
use crate::whole_file::WholeFile;

/// The endpoints that are saved in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedEndpoints {
    folder: PathBuf,
}

/// Whether a path is of a saved endpoint.
pub fn is_saved_endpoint(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "toml")
}

impl SavedEndpoints {
    /// Those of a folder, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The file of a name.
    ///
    /// # Errors
    /// A text that can be no name.
    pub fn path(&self, name: &str) -> Result<PathBuf, EndpointError> {
        let bare = name.strip_prefix(PREFIX).unwrap_or(name);
        let good = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_');
        let fits = (1..=64).contains(&bare.len()) && bare.chars().all(good);
        if !fits || bare.starts_with('.') || bare.ends_with('.') {
            return Err(EndpointError::Name { given: name.to_owned() });
        }
        Ok(self.folder.join(format!("{bare}.toml")))
    }

    /// The names, in order.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn names(&self) -> Result<Vec<String>, EndpointError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(EndpointError::File { path: self.folder.clone(), source }),
        };
        let name = |path: PathBuf| match is_saved_endpoint(&path) {
            true => path.file_stem().and_then(|name| name.to_str()).map(str::to_owned),
            false => None,
        };
        let mut names: Vec<String> = entries.filter_map(|entry| name(entry.ok()?.path())).collect();
        names.sort();
        Ok(names)
    }

    /// Reads an endpoint by its name, with or without `endpoint:` before it.
    ///
    /// # Errors
    /// None of that name; a file that is not understood, or with settings that make no sense.
    pub fn find(&self, name: &str) -> Result<Endpoint, EndpointError> {
        let path = self.path(name)?;
        match read(&path) {
            Err(EndpointError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                let name = name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
                Err(EndpointError::Unknown { name, known: self.names()? })
            }
            found => found,
        }
    }

    /// Writes an endpoint, whole; one of that name that is there only goes if `replace`.
    ///
    /// # Errors
    /// Settings that make no sense; a name that is taken; a folder that cannot be written.
    pub fn save(&self, name: &str, endpoint: &Endpoint, replace: bool) -> Result<PathBuf, EndpointError> {
        endpoint.validate()?;
        let path = self.path(name)?;
        if !replace && path.exists() {
            return Err(EndpointError::Taken { name: name.to_owned() });
        }
        let file = |source| EndpointError::File { path: path.clone(), source };
        let text = toml::to_string(endpoint).map_err(|error| file(std::io::Error::other(error)))?;
        fs::create_dir_all(&self.folder).map_err(file)?;
        WholeFile::put(&path, text.as_bytes()).map_err(file)?;
        Ok(path)
    }

    /// Removes an endpoint.
    ///
    /// # Errors
    /// None of that name; a folder that cannot be written.
    pub fn remove(&self, name: &str) -> Result<(), EndpointError> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(EndpointError::Unknown { name: name.to_owned(), known: self.names()? })
            }
            removed => removed.map_err(|source| EndpointError::File { path, source }),
        }
    }
}

/// Reads the file of an endpoint.
///
/// # Errors
/// A file that is not there or not understood, or with settings that make no sense.
pub(in crate::model) fn read(path: &Path) -> Result<Endpoint, EndpointError> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|source| EndpointError::File { path: path.to_owned(), source })?;
    let endpoint: Endpoint = toml::from_str(&text).map_err(|error| {
        // Its own words would repeat the line, and what stands there may be a key.
        let line = error.span().and_then(|span| Some(1 + text.get(..span.start)?.matches('\n').count()));
        EndpointError::Syntax { path: path.to_owned(), line, message: error.message().trim().to_owned() }
    })?;
    endpoint.validate()?;
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_kept_by_name_and_damaged_files_named_with_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let saved = SavedEndpoints::new(folder.path().join("endpoints"));
        assert!(saved.names().unwrap().is_empty());
        let endpoint = Endpoint::new("http://localhost:1/v1", "m");
        saved.save("mine", &endpoint, false).unwrap();
        assert_eq!(saved.find("endpoint:mine").unwrap(), endpoint);
        assert!(matches!(saved.save("mine", &endpoint, false), Err(EndpointError::Taken { .. })));
        saved.save("mine", &Endpoint { concurrency: 5, ..endpoint }, true).unwrap();
        assert_eq!(saved.find("mine").unwrap().concurrency, 5);
        let unknown = saved.find("yours").unwrap_err().to_string();
        assert!(unknown.contains("there is mine") && unknown.contains("endpoints add yours"), "{unknown}");
        for bad in ["", "a/b", "..", ".x", "a:b"] {
            assert!(matches!(saved.path(bad), Err(EndpointError::Name { .. })), "{bad}");
        }
        let text = "url = \"http://a/v1\"\nmodel = \"m\"\nkey = \"sk-hush-hush\"\n";
        fs::write(saved.path("bad").unwrap(), text).unwrap();
        let said = saved.find("bad").unwrap_err().to_string();
        assert!(said.contains("bad.toml:3") && !said.contains("hush"), "{said}");
        saved.remove("mine").unwrap();
        assert!(saved.remove("mine").is_err());
    }
}
