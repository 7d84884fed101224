//! A file that appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file being written beside its final path. Dropped unfinished, it leaves what was there before.
pub struct WholeFile {
    /// `None` once finished.
    out: Option<BufWriter<File>>,
    partial: PathBuf,
    path: PathBuf,
}

impl WholeFile {
    /// Begins a file; its folder must exist.
    pub fn create(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut partial_name = name.to_owned();
        partial_name.push(format!(".partial-{}", std::process::id()));
        let partial = path.with_file_name(partial_name);
        let out = Some(BufWriter::new(File::create(&partial)?));
        Ok(Self { out, partial, path: path.to_owned() })
    }

    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.as_mut().map_or(Ok(()), |out| out.write_all(bytes))
    }

    /// Puts the file in its place.
    pub fn finish(mut self) -> io::Result<()> {
        let Some(mut out) = self.out.take() else { return Ok(()) };
        let placed = out.flush().and_then(|()| out.get_ref().sync_all()).and_then(|()| {
            drop(out); // an open file cannot be renamed everywhere
            fs::rename(&self.partial, &self.path)
        });
        placed.inspect_err(|_| {
            let _ = fs::remove_file(&self.partial); // nobody can use half a file
        })
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if self.out.take().is_some() {
            let _ = fs::remove_file(&self.partial);
        }
    }
}
