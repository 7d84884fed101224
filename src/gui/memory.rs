//! What the window remembers from one start to the next: preferences, open data, the draft, and where each screen was.
//!
//! One JSON file, written whole or not at all, a moment after something has changed, so that a kill costs a moment.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::command::{Screen, ThemeChoice};
use crate::whole_file::WholeFile;

/// What is remembered. What a newer or an older program does not know is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Light or dark.
    pub theme: ThemeChoice,
    /// How large everything is.
    pub zoom: f32,
    /// Threads to compute with; 0 for all.
    pub threads: usize,
    /// The store, where it is not the usual one.
    pub store: Option<PathBuf>,
    /// The folder of models, where it is not the usual one.
    pub models: Option<PathBuf>,
    /// The screen that was shown.
    pub screen: Option<Screen>,
    /// Files and folders of the data.
    pub data: Vec<PathBuf>,
    /// The draft of the experiment, as TOML.
    pub draft: Option<String>,
    /// The draft's file.
    pub draft_file: Option<PathBuf>,
    /// Whether the draft was not saved as it is.
    pub draft_changed: bool,
    /// What each screen remembers, by its name.
    pub screens: serde_json::Map<String, serde_json::Value>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::System,
            zoom: 1.0,
            threads: 0,
            store: None,
            models: None,
            screen: None,
            data: Vec::new(),
            draft: None,
            draft_file: None,
            draft_changed: false,
            screens: serde_json::Map::new(),
        }
    }
}

/// The file in the folder of the window's memory.
pub fn file(folder: &Path) -> PathBuf {
    folder.join("window.json")
}

impl Memory {
    /// Reads it. A file that is not there or is damaged is as good as none: what it holds is convenience.
    pub fn read(folder: Option<&Path>) -> Self {
        let text = folder.and_then(|folder| fs::read(file(folder)).ok());
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Writes it.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        WholeFile::put(&file(folder), &serde_json::to_vec_pretty(self)?)
    }

    /// What a screen remembers.
    pub fn screen<T: Default + for<'de> Deserialize<'de>>(&self, name: &str) -> T {
        let kept = self.screens.get(name).cloned();
        kept.and_then(|kept| serde_json::from_value(kept).ok()).unwrap_or_default()
    }

    /// Remembers something of a screen.
    pub fn set_screen<T: Serialize>(&mut self, name: &str, kept: &T) {
        if let Ok(kept) = serde_json::to_value(kept) {
            self.screens.insert(name.to_owned(), kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_remembered_comes_back_and_damage_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = Memory { threads: 3, screen: Some(Screen::Results), ..Memory::default() };
        memory.set_screen("results", &[1, 2]);
        memory.write(folder.path()).unwrap();
        let read = Memory::read(Some(folder.path()));
        assert_eq!(read, memory);
        assert_eq!(read.screen::<Vec<u8>>("results"), [1, 2]);
        fs::write(file(folder.path()), "{").unwrap();
        assert_eq!(Memory::read(Some(folder.path())), Memory::default());
        fs::write(file(folder.path()), r#"{"threads": 2, "later": true}"#).unwrap();
        assert_eq!(Memory::read(Some(folder.path())).threads, 2);
    }
}
