//! A file that appears whole or not at all.
//!
//! Knows nothing of what is written, and of no format.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A file being written beside its final path. Dropped unfinished, it leaves what was there before.
pub struct WholeFile {
    /// `None` once finished.
    out: Option<BufWriter<File>>,
    partial: PathBuf,
    path: PathBuf,
}

impl WholeFile {
    /// Begins a file; its folder must exist.
    ///
    /// # Errors
    /// A path without a file name, or a folder that cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::begin(path, &mut File::options())
    }

    fn begin(path: &Path, options: &mut OpenOptions) -> io::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let mut partial_name = name.to_owned();
        // A name of its own, also among those who write the same file at the same time.
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        partial_name.push(format!(".partial-{}-{number}", std::process::id()));
        let partial = path.with_file_name(partial_name);
        let out = Some(BufWriter::with_capacity(
            1 << 18,
            options.write(true).create(true).truncate(true).open(&partial)?,
        ));
        Ok(Self { out, partial, path: path.to_owned() })
    }

    /// Writes a whole file at once.
    ///
    /// # Errors
    /// As [`WholeFile::create`] and [`WholeFile::finish`].
    pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = Self::create(path)?;
        file.write_all(bytes)?;
        file.finish()
    }

    /// Writes a whole file at once that nobody else on this machine may read, where the system has such files.
    ///
    /// # Errors
    /// As [`WholeFile::put`].
    pub fn put_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut options = File::options();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = Self::begin(path, &mut options)?;
        file.write_all(bytes)?;
        file.finish()
    }

    /// Puts the file in its place once its bytes have reached the disk.
    ///
    /// # Errors
    /// What the system says; then what was there before still is.
    pub fn finish(mut self) -> io::Result<()> {
        let Some(out) = self.out.take() else { return Ok(()) };
        let place = || {
            let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            drop(file); // an open file cannot be renamed everywhere
            fs::rename(&self.partial, &self.path)
        };
        place().inspect_err(|_| {
            let _ = fs::remove_file(&self.partial); // nobody can use half a file
        })
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // There is a file as long as someone can write to it.
        self.out.as_mut().map_or(Ok(bytes.len()), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if self.out.take().is_some() {
            let _ = fs::remove_file(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_file_leaves_the_old_one_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        WholeFile::put(&path, b"old").unwrap();
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(WholeFile::create(Path::new("..")).is_err());
    }

    #[test]
    fn many_may_write_the_same_file_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let bytes = vec![7; 300_000];
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..10).for_each(|_| WholeFile::put(&path, &bytes).unwrap()));
            }
        });
        assert!(fs::read(&path).unwrap() == bytes);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
