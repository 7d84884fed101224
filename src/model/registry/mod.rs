//! What models are installed: a folder with a manifest a model (`registered/`) and the files of those that were
//! downloaded or copied (`files/`).
//!
//! Several programs may use the folder at once, and each may be killed at any moment: a manifest is written last and in one
//! step, files lie under names made of their content, and a lock a model (`locks/`) keeps two programs from writing
//! the same one. What a kill leaves is found and used, or cleared, by the next `get` or `remove` of that model.
//!
//! Models that are part of the program are there too, unpacked (`shipped/`) when they are first looked at.
//!
//! Knows nothing of how models compute.

mod error;
mod files;
mod manifest;
mod names;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub use error::RegistryError;
use files::{children, copy_whole, file_name, model_files, plain, size_of};
pub use manifest::{EncoderDefaults, Manifest, Source};
use names::{alike, key, name_of};

use super::endpoint::{self, SavedEndpoints};
use super::hub::{self, GotFile, Hub, Wanted, below};
use super::lora::{self, AdapterError};
use super::shipped::{self, Shipped};
use super::{EncoderOptions, FileHashes, ModelError, describe, fingerprint_with, known, scripted};
use crate::jobs::{CancelToken, Progress};

/// The models of a folder.
#[derive(Debug, Clone)]
pub struct Registry {
    folder: PathBuf,
}

/// A line of the list of models.
#[derive(Debug)]
pub enum Entry {
    /// An installed model.
    Installed(Box<Manifest>),
    /// A manifest that cannot be used, by the name that it should have.
    Broken {
        /// The name.
        name: String,
        /// Why.
        error: RegistryError,
    },
    /// Files of a download that has not ended.
    Unfinished {
        /// The name.
        name: String,
        /// The repository, with the GGUF file if it is one, where it is known.
        repository: Option<String>,
        /// Bytes that are there.
        bytes: u64,
    },
}

/// What [`Registry::get`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The model.
    pub manifest: Manifest,
    /// Bytes that came over the network.
    pub downloaded: u64,
    /// Whether it was installed already, whole and at this commit.
    pub already: bool,
}

/// What [`Registry::remove`] would take away, or took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The name.
    pub name: String,
    /// The files that are the registry's own and go with the model; `None` where its files stay.
    pub files: Option<PathBuf>,
    /// Their bytes.
    pub bytes: u64,
    /// The files that stay, for they are not the registry's.
    pub stays: Option<PathBuf>,
}

/// What a model's name, path or script stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// What to hand to [`super::load`] or [`super::load_encoder`].
    pub path: PathBuf,
    /// Its manifest, if it is a registered model.
    pub manifest: Option<Box<Manifest>>,
}

impl Resolved {
    /// Fills in what the options leave open with what is known of the model.
    pub fn fill(&self, options: &mut EncoderOptions) {
        if let Some(manifest) = &self.manifest {
            manifest.encoder.fill(options);
        }
    }
}

impl Registry {
    /// The registry of a folder, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder where models are kept if nothing else is said: the platform's place for data.
    ///
    /// # Errors
    /// [`RegistryError::NoFolder`] where the system names none.
    pub fn default_folder() -> Result<PathBuf, RegistryError> {
        let dirs = directories::ProjectDirs::from("", "", "lamplight").ok_or(RegistryError::NoFolder)?;
        Ok(dirs.data_dir().join("models"))
    }

    /// Where its models are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All models by name, and what is wrong with those that cannot be used.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, RegistryError> {
        let mut entries = std::collections::BTreeMap::new();
        for path in children(&self.folder.join("registered"))? {
            let Some(key) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json")) else {
                continue; // a manifest that was being written
            };
            let entry = match Manifest::read(&path) {
                Ok(manifest) => Entry::Installed(Box::new(manifest)),
                Err(error) => Entry::Broken { name: name_of(key), error },
            };
            entries.insert(key.to_owned(), entry);
        }
        for path in children(&self.folder.join("files"))? {
            let Some(key) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let bytes = size_of(&path);
            if bytes > 0 && !entries.contains_key(key) {
                let repository = hub::unfinished(&path);
                entries.insert(key.to_owned(), Entry::Unfinished { name: name_of(key), repository, bytes });
            }
        }
        for model in &shipped::ALL {
            let Some(key) = key(model.name).filter(|key| !entries.contains_key(key)) else { continue };
            let entry = match self.shipped(model) {
                Ok(manifest) => Entry::Installed(Box::new(manifest)),
                Err(error) => Entry::Broken { name: model.name.to_owned(), error },
            };
            entries.insert(key, entry);
        }
        Ok(entries.into_values().collect())
    }

    /// An installed model by its name, or one that is part of the program.
    ///
    /// # Errors
    /// A manifest that cannot be read; a shipped model that cannot be unpacked.
    pub fn find(&self, name: &str) -> Result<Option<Manifest>, RegistryError> {
        let Some(path) = self.manifest_path(name) else { return Ok(None) };
        match Manifest::read(&path) {
            Err(RegistryError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                shipped::find(name).map(|model| self.shipped(model)).transpose()
            }
            found => found.map(Some),
        }
    }

    /// What to load for an installed model.
    pub fn path(&self, manifest: &Manifest) -> PathBuf {
        self.folder.join(&manifest.path) // an absolute path stays as it is
    }

    /// The endpoints that are saved beside the models.
    pub fn endpoints(&self) -> SavedEndpoints {
        SavedEndpoints::new(self.folder.join("endpoints"))
    }

    /// What a text stands for: a script (`scripted:…`), a saved endpoint (`endpoint:…`), an installed model by its name or repository, or a path.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] with names that are alike and how to get the model.
    pub fn resolve(&self, text: &str) -> Result<Resolved, RegistryError> {
        let bare = |path: &str| Resolved { path: PathBuf::from(path), manifest: None };
        if text.starts_with(scripted::PREFIX) {
            return Ok(bare(text));
        }
        if text.starts_with(endpoint::PREFIX) {
            let saved = self.endpoints();
            saved.find(text).map_err(ModelError::from)?;
            let path = saved.path(text).map_err(ModelError::from)?;
            return Ok(Resolved { path, manifest: None });
        }
        let mut found = self.find(text)?;
        if found.is_none() && Path::new(text).exists() {
            return Ok(bare(text));
        }
        let entries = if found.is_none() { self.list()? } else { Vec::new() };
        let installed: Vec<&Manifest> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Installed(manifest) => Some(manifest.as_ref()),
                _ => None,
            })
            .collect();
        if found.is_none()
            && let Ok(wanted) = text.parse::<Wanted>()
        {
            let of_repository = |manifest: &&&Manifest| match &manifest.source {
                Source::Hub { repository, revision, commit, file, .. } => {
                    repository.eq_ignore_ascii_case(&wanted.repository)
                        && (wanted.revision == *revision || wanted.revision == *commit)
                        && (wanted.file.is_none() || wanted.file == *file)
                }
                _ => false,
            };
            let mut same = installed.iter().filter(of_repository);
            found = same.next().filter(|_| same.next().is_none()).map(|manifest| (*manifest).clone());
        }
        let Some(manifest) = found else {
            return Err(unknown(text, installed.iter().map(|manifest| manifest.name.as_str())));
        };
        let path = self.path(&manifest);
        if !path.exists() {
            return Err(RegistryError::Gone { name: manifest.name, path });
        }
        Ok(Resolved { path, manifest: Some(Box::new(manifest)) })
    }

    /// The fingerprint of what lies at a path, reading only files that are new or changed.
    ///
    /// # Errors
    /// As [`super::fingerprint`].
    pub fn fingerprint(
        &self,
        model: &Path,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<String, ModelError> {
        let mut hashes = self.hashes();
        let fingerprint = fingerprint_with(model, &mut hashes, cancel, progress);
        hashes.keep();
        fingerprint
    }

    /// Whether [`Registry::add`] would take this name for what is to lie at a path.
    ///
    /// # Errors
    /// A name that is taken or cannot be one.
    pub fn check_name(&self, name: &str, source: &Path) -> Result<(), RegistryError> {
        let source = std::path::absolute(source).map_err(|error| RegistryError::file(source, error))?;
        key(name).ok_or_else(|| wrong_name(name))?;
        match self.readable(name)? {
            Some(old) if !old.is_from(&plain(&source)) => Err(taken(&old)),
            _ => Ok(()),
        }
    }

    /// Registers what lies at a path, in place or as a copy of its own.
    ///
    /// # Errors
    /// A name that is taken or cannot be one; a path that holds no model that runs here.
    pub fn add(
        &self,
        source: &Path,
        name: Option<&str>,
        copy: bool,
        encoder: EncoderDefaults,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Manifest, RegistryError> {
        self.add_for(source, None, name, copy, encoder, cancel, progress)
    }

    /// The same for an adapter whose base is a model that is said here: a name, a repository or a path. An adapter is copied
    /// wherever it does not name the folder of its base itself.
    ///
    /// # Errors
    /// As [`Registry::add`]; a base that is not there or that does not fit.
    #[allow(clippy::too_many_arguments, reason = "what is registered, as what, and how")]
    pub fn add_for(
        &self,
        source: &Path,
        base: Option<&str>,
        name: Option<&str>,
        copy: bool,
        encoder: EncoderDefaults,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Manifest, RegistryError> {
        let source = std::path::absolute(source).map_err(|error| RegistryError::file(source, error))?;
        let source = plain(&source);
        let name = match name {
            Some(name) => name.to_owned(),
            None => names::of_path(&source),
        };
        let _lock = self.lock(&name)?;
        if let Some(old) = self.readable(&name)?.filter(|old| !old.is_from(&source)) {
            return Err(taken(&old));
        }
        let linked = self.link(&source, base, &name, copy, cancel)?;
        let model = linked.as_ref().unwrap_or(&source);
        let description = describe(model)?;
        let mut hashes = self.hashes();
        let fingerprint = fingerprint_with(model, &mut hashes, cancel, progress)?;
        let model_files = model_files(model)?;
        let single = source.is_file();
        let mut files = Vec::new();
        for (path, place) in &model_files {
            let sha256 = hex::encode(hashes.of(place, cancel, &Progress::new())?);
            let size = fs::metadata(place).map_err(|error| RegistryError::file(place, error))?.len();
            files.push(GotFile { path: path.clone(), size, sha256 });
        }
        let (path, kept) = if let Some(linked) = &linked {
            let folder = self.own_files(&name)?.join(&fingerprint[..16]);
            let failed = |source| RegistryError::file(&folder, source);
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(failed)?;
            }
            fs::rename(linked, &folder).map_err(failed)?;
            (self.relative(&folder), Some(folder))
        } else if copy {
            let folder = self.own_files(&name)?.join(&fingerprint[..16]);
            let total = files.iter().map(|file| file.size).sum();
            progress.start("Copying", total);
            for ((_, from), file) in model_files.iter().zip(&files) {
                let to = below(&folder, &file.path);
                copy_whole(from, &to, cancel, progress)?;
                if let Ok(sha256) = <[u8; 32]>::try_from(hex::decode(&file.sha256).unwrap_or_default()) {
                    hashes.remember(&to, &sha256);
                }
            }
            let model = if single { folder.join(file_name(&source)) } else { folder.clone() };
            (self.relative(&model), Some(folder))
        } else {
            (source.clone(), None)
        };
        hashes.keep();
        let place = if copy || linked.is_some() { Source::Copy(source) } else { Source::Place(source) };
        let manifest = Manifest {
            architecture: description.architecture,
            files,
            fingerprint,
            license: description.license,
            parameters: description.parameters,
            context: description.context,
            encoder,
            added: now(),
            ..Manifest::new(&name, place, path, description.kind)
        };
        self.register(&manifest, kept.as_deref())?;
        Ok(manifest)
    }

    /// A copy of an adapter that knows where its base is, if one is needed: where the adapter itself does not say so, or not
    /// for long.
    fn link(
        &self,
        source: &Path,
        base: Option<&str>,
        name: &str,
        copy: bool,
        cancel: &CancelToken,
    ) -> Result<Option<PathBuf>, RegistryError> {
        if !lora::is_adapter(source) {
            let what = "no adapter, so it has no base; leave out --base";
            let refused = AdapterError::Other { folder: source.to_owned(), what };
            return base.map_or(Ok(None), |_| Err(ModelError::from(refused).into()));
        }
        let home = match (base, lora::home(source)) {
            (Some(base), _) => self.resolve(base)?.path,
            (None, Ok(_)) if !copy => return Ok(None),
            (None, Ok(home)) => home,
            (None, Err(error)) => match self.resolve(&lora::AdapterConfig::read(source)?.base) {
                Ok(found) if found.manifest.is_some() => found.path,
                _ => return Err(error.into()),
            },
        };
        let home = std::path::absolute(&home).map_err(|error| RegistryError::file(&home, error))?;
        let folder = self.own_files(name)?.join("incoming");
        for (path, from) in model_files(source)? {
            copy_whole(&from, &below(&folder, &path), cancel, &Progress::new())?;
        }
        lora::set_base(&folder, &home).map_err(|error| RegistryError::file(&folder, error))?;
        Ok(Some(folder))
    }

    /// Gets a model from a hub and registers it; one that is installed already is brought to the hub's newest commit.
    ///
    /// # Errors
    /// As [`hub::get`]; a name that is taken or cannot be one; a model that does not run here.
    pub fn get(
        &self,
        hub: &Hub,
        wanted: &Wanted,
        name: Option<&str>,
        encoder: EncoderDefaults,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Installed, RegistryError> {
        let name = match name {
            Some(name) => name.to_owned(),
            None => Self::name_for(wanted),
        };
        let lock = self.lock(&name)?;
        let old = self.readable(&name)?;
        let same_source = |old: &Manifest| matches!(&old.source, Source::Hub { repository, .. } if repository.eq_ignore_ascii_case(&wanted.repository));
        if let Some(old) = old.as_ref().filter(|old| !same_source(old)) {
            return Err(taken(old));
        }
        if hub.offline
            && let Some(old) = old.clone().filter(|old| self.fits(old, wanted))
        {
            return Ok(Installed { manifest: old, downloaded: 0, already: true });
        }
        let mut hashes = self.hashes();
        let got = hub::get(hub, wanted, &self.own_files(&name)?, &mut hashes, cancel, progress);
        hashes.keep();
        let got = got?;
        let file = got.model.is_file().then(|| {
            let below = got.model.strip_prefix(&got.folder).unwrap_or(&got.model);
            below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
        });
        let source = Source::Hub {
            repository: got.repository.clone(),
            revision: wanted.revision.clone(),
            commit: got.commit.clone(),
            file: file.clone(),
            cached: got.from_cache,
        };
        let path = if got.from_cache { got.model.clone() } else { self.relative(&got.model) };
        if let Some(mut old) = old.filter(|old| old.path == path && old.source == source) {
            old.encoder = encoder.or(old.encoder);
            self.register(&old, Some(&got.folder))?;
            return Ok(Installed { manifest: old, downloaded: got.downloaded, already: got.downloaded == 0 });
        }
        let description = describe(&got.model)?;
        let fingerprint = fingerprint_with(&got.model, &mut hashes, cancel, progress)?;
        hashes.keep();
        let known = known::find(&got.repository).or_else(|| known::find(&wanted.repository));
        let manifest = Manifest {
            architecture: description.architecture,
            files: got.files,
            fingerprint,
            license: got
                .license
                .or(description.license)
                .or_else(|| known.map(|known| known.license.to_owned())),
            parameters: description.parameters,
            context: description.context,
            encoder: encoder.or(known.map(known::Known::encoder).unwrap_or_default()),
            added: now(),
            ..Manifest::new(&name, source, path, description.kind)
        };
        self.register(&manifest, (!got.from_cache).then_some(got.folder.as_path()))?;
        drop(lock);
        Ok(Installed { manifest, downloaded: got.downloaded, already: false })
    }

    /// What a model is called that is got without a name of its own.
    pub fn name_for(wanted: &Wanted) -> String {
        names::of_repository(&wanted.repository, wanted.file.as_deref())
    }

    /// What removing a model takes away; nothing is touched.
    ///
    /// # Errors
    /// No such model.
    pub fn removal(&self, name: &str) -> Result<Removal, RegistryError> {
        let manifest = match self.find(name) {
            Err(RegistryError::Damaged { .. }) => None,
            found => found?,
        };
        if let Some(Manifest { name, source: Source::Program, .. }) = manifest {
            return Err(RegistryError::Shipped { name });
        }
        let files = self.own_files(name)?;
        let exists = self.manifest_path(name).is_some_and(|path| path.exists());
        if !exists && !files.exists() {
            let entries = self.list()?;
            let names = entries.iter().map(|entry| match entry {
                Entry::Installed(manifest) => manifest.name.as_str(),
                Entry::Broken { name, .. } | Entry::Unfinished { name, .. } => name,
            });
            return Err(unknown(name, names));
        }
        let stays = manifest.as_ref().filter(|manifest| !manifest.is_own()).map(|own| self.path(own));
        let bytes = size_of(&files);
        let name = manifest.map_or_else(|| name.to_owned(), |manifest| manifest.name);
        Ok(Removal { name, files: files.exists().then_some(files), bytes, stays })
    }

    /// Removes a model: its manifest first, then the files that are the registry's own. Files that were registered in
    /// place, or lie in Hugging Face's cache, stay.
    ///
    /// # Errors
    /// No such model; files that cannot be removed.
    pub fn remove(&self, name: &str) -> Result<Removal, RegistryError> {
        let _lock = self.lock(name)?;
        let removal = self.removal(name)?;
        if let Some(path) = self.manifest_path(name).filter(|path| path.exists()) {
            fs::remove_file(&path).map_err(|source| RegistryError::file(&path, source))?;
        }
        if let Some(files) = &removal.files {
            fs::remove_dir_all(files).map_err(|source| RegistryError::file(files, source))?;
        }
        Ok(removal)
    }

    /// Whether an installed model is what is wanted, and whole as far as sizes tell.
    fn fits(&self, manifest: &Manifest, wanted: &Wanted) -> bool {
        let Source::Hub { revision, commit, file, .. } = &manifest.source else { return false };
        let path = self.path(manifest);
        let folder = match file {
            Some(file) => path.ancestors().nth(file.split('/').count()).unwrap_or(&path),
            None => &path,
        };
        let there = |file: &GotFile| {
            fs::metadata(below(folder, &file.path)).is_ok_and(|metadata| metadata.len() == file.size)
        };
        (wanted.revision == *revision || wanted.revision == *commit) && manifest.files.iter().all(there)
    }

    /// The manifest of a name; `None` where there is none, or a damaged one, which is written anew.
    fn readable(&self, name: &str) -> Result<Option<Manifest>, RegistryError> {
        match self.find(name) {
            Err(RegistryError::Damaged { .. }) => Ok(None),
            found => found,
        }
    }

    /// Writes the manifest; of the registry's own files only those in `kept` stay.
    fn register(&self, manifest: &Manifest, kept: Option<&Path>) -> Result<(), RegistryError> {
        let path = self.manifest_path(&manifest.name).ok_or_else(|| wrong_name(&manifest.name))?;
        manifest.write(&path)?;
        let own = self.own_files(&manifest.name)?;
        for other in children(&own)? {
            if Some(other.as_path()) != kept {
                // What another program still reads may stay on some systems; the next call clears it.
                let _ = if other.is_dir() { fs::remove_dir_all(&other) } else { fs::remove_file(&other) };
            }
        }
        let _ = fs::remove_dir(&own); // if nothing is in it
        Ok(())
    }

    /// A model that is part of the program, in files that can be loaded.
    fn shipped(&self, model: &Shipped) -> Result<Manifest, RegistryError> {
        let unpacked = model.unpack(&self.folder.join("shipped"));
        let folder = unpacked.map_err(|(path, source)| RegistryError::File { path, source })?;
        let description = describe(&folder)?;
        let (cancel, progress) = (CancelToken::new(), Progress::new());
        let mut hashes = self.hashes();
        let mut files = Vec::new();
        for (path, place) in model_files(&folder)? {
            let sha256 = hex::encode(hashes.of(&place, &cancel, &progress)?);
            let size = fs::metadata(&place).map_err(|error| RegistryError::file(&place, error))?.len();
            files.push(GotFile { path, size, sha256 });
        }
        let fingerprint = fingerprint_with(&folder, &mut hashes, &cancel, &progress)?;
        hashes.keep();
        let path = self.relative(&folder);
        Ok(Manifest {
            architecture: description.architecture,
            files,
            fingerprint,
            license: Some(shipped::LICENSE.to_owned()),
            parameters: description.parameters,
            context: description.context,
            ..Manifest::new(model.name, Source::Program, path, description.kind)
        })
    }

    fn manifest_path(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.join("registered").join(format!("{}.json", key(name)?)))
    }

    fn own_files(&self, name: &str) -> Result<PathBuf, RegistryError> {
        Ok(self.folder.join("files").join(key(name).ok_or_else(|| wrong_name(name))?))
    }

    fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.folder).unwrap_or(path).to_owned()
    }

    fn hashes(&self) -> FileHashes {
        FileHashes::open(self.folder.join("file-hashes.json"))
    }

    /// Keeps other programs from writing the same model while the lock is held.
    fn lock(&self, name: &str) -> Result<File, RegistryError> {
        let path = self.folder.join("locks").join(key(name).ok_or_else(|| wrong_name(name))?);
        let failed = |source| RegistryError::file(&path, source);
        fs::create_dir_all(self.folder.join("locks")).map_err(failed)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(RegistryError::InUse { name: name.to_owned() }),
            // Some network file systems have no locks; models are kept there all the same.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
        }
    }
}

fn wrong_name(name: &str) -> RegistryError {
    RegistryError::Name { name: name.to_owned() }
}

fn taken(old: &Manifest) -> RegistryError {
    let source_name = match &old.source {
        Source::Program => return RegistryError::Reserved { name: old.name.clone() },
        Source::Hub { repository, .. } => repository.clone(),
        Source::Place(path) | Source::Copy(path) => path.display().to_string(),
    };
    RegistryError::Taken { name: old.name.clone(), source_name }
}

fn unknown<'a>(text: &str, installed: impl Iterator<Item = &'a str>) -> RegistryError {
    let near = alike(text, installed);
    let near = if near.is_empty() { String::new() } else { format!("; installed is {}", near.join(", ")) };
    let known = if known::find(text).is_some() {
        format!("; `lamplight models get {text}` downloads it")
    } else {
        match alike(text, known::ALL.iter().map(|known| known.repository)).as_slice() {
            [] => "; `lamplight models list --known` shows what there is".to_owned(),
            names => format!("; `lamplight models get` downloads {}", names.join(", ")),
        }
    };
    RegistryError::Unknown { name: text.to_owned(), near, known }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
