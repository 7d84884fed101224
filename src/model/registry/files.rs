//! Files and folders of the registry.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use super::RegistryError;
use crate::jobs::{CancelToken, Progress};
use crate::model::hub::below;
use crate::model::weights::Checkpoint;
use crate::model::{ModelError, RECIPE, hub, lora};
use crate::whole_file::WholeFile;

/// All that a model needs, by its path below the folder (a GGUF file: its name): weights with their index, and what may lie
/// beside them.
pub(super) fn model_files(model: &Path) -> Result<Vec<(String, PathBuf)>, ModelError> {
    if !model.is_dir() {
        return Ok(vec![(file_name(model), model.to_owned())]);
    }
    if lora::is_adapter(model) {
        // The base is a model of its own and stays where it is.
        let mut files = vec![(lora::CONFIG.to_owned(), model.join(lora::CONFIG))];
        files.extend(lora::files(model)?.into_iter().map(|(_, path)| {
            let below = path.strip_prefix(model).unwrap_or(&path);
            let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            (parts.join("/"), path.clone())
        }));
        let beside = [lora::USERS, RECIPE].map(|name| (name.to_owned(), model.join(name)));
        files.extend(beside.into_iter().filter(|(_, path)| path.is_file()));
        files.sort();
        return Ok(files);
    }
    let weights = Checkpoint::open(model)?;
    let mut files: Vec<(String, PathBuf)> =
        weights.files().map(|path| (file_name(path), path.to_owned())).collect();
    let indexes = ["model.safetensors.index.json", "pytorch_model.bin.index.json"];
    for name in hub::BESIDE.into_iter().chain(indexes) {
        let path = below(model, name);
        if path.is_file() {
            files.push((name.to_owned(), path));
        }
    }
    files.sort();
    Ok(files)
}

/// What lies in a folder, sorted; nothing where there is none.
pub(super) fn children(folder: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let failed = |source| RegistryError::file(folder, source);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Bytes of all files below a folder; what cannot be read counts nothing.
pub(super) fn size_of(folder: &Path) -> u64 {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

pub(super) fn copy_whole(
    from: &Path,
    to: &Path,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<(), RegistryError> {
    let read = |source| RegistryError::file(from, source);
    let write = |source| RegistryError::file(to, source);
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(write)?;
    }
    let mut file = File::open(from).map_err(read)?;
    let mut copy = WholeFile::create(to).map_err(write)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        cancel.check()?;
        let count = file.read(&mut buffer).map_err(read)?;
        if count == 0 {
            return copy.finish().map_err(write);
        }
        copy.write_all(&buffer[..count]).map_err(write)?;
        progress.add(count as u64);
    }
}

/// A path without `.` in it.
pub(super) fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
