//! Whether an index on disk is as it was written.
//!
//! The engine trusts its files: a cut or changed one can end the program. So every file is hashed when an index is
//! finished, and compared before the engine sees it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

/// The list of files, within the index's folder: their number, then a line each of hash and name.
const NAME: &str = "seal";

/// Writes the list; what is in the folder then is the index.
pub(super) fn seal(folder: &Path) -> io::Result<()> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
        // Locks are no part of it: readers make and remove them.
        if entry.file_type()?.is_file() && !name.ends_with(".lock") {
            lines.push(format!("{}  {name}", hash(&entry.path())?));
        }
    }
    lines.sort();
    fs::write(folder.join(NAME), format!("{}\n{}\n", lines.len(), lines.join("\n")))
}

/// `Err` where a file is missing, changed or cut, or where the list is.
pub(super) fn check(folder: &Path) -> io::Result<()> {
    let damaged =
        |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{what} is not as it was written"));
    let list = fs::read_to_string(folder.join(NAME))?;
    let mut lines = list.lines();
    let count: usize = lines.next().and_then(|count| count.parse().ok()).ok_or_else(|| damaged(NAME))?;
    let mut checked = 0;
    for line in lines {
        let (expected, name) = line.split_once("  ").ok_or_else(|| damaged(NAME))?;
        let name = Path::new(name).file_name().ok_or_else(|| damaged(NAME))?;
        if hash(&folder.join(name))? != expected {
            return Err(damaged(&name.to_string_lossy()));
        }
        checked += 1;
    }
    if checked == count && count > 0 { Ok(()) } else { Err(damaged(NAME)) }
}

fn hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hex::encode(hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}
