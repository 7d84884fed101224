//! Opening the file: what it must be, how SQLite is set, and the numbered migrations.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::StoreError;

/// How long a writer waits for another program's transaction.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What the head of every store says it is, "Lamp" as a number.
const APPLICATION_ID: i32 = 0x4c61_6d70;

/// The way from nothing to the present form, a step each; a step that was ever released is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
];

/// The form that this program reads and writes.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The path made whole, so that neither a later change of folder nor a name such as `file:x` matters.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(path).map_err(|source| StoreError::file(path, source))
}

/// What a file is, judged by its head without SQLite, which would touch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// There is no file.
    Absent,
    /// An empty file, in which a store can be made.
    Empty,
    /// A store.
    Store,
    /// Anything else.
    Other,
}

/// Reads a file's head.
pub(super) fn head(path: &Path) -> Result<Head, StoreError> {
    if path.is_dir() {
        return Err(StoreError::IsFolder { path: path.to_owned() });
    }
    let mut bytes = Vec::with_capacity(100);
    match File::open(path) {
        Ok(file) => {
            file.take(100).read_to_end(&mut bytes).map_err(|source| StoreError::file(path, source))?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Head::Absent),
        Err(error) => return Err(StoreError::file(path, error)),
    }
    let is_store =
        bytes.starts_with(b"SQLite format 3\0") && bytes.get(68..72) == Some(&APPLICATION_ID.to_be_bytes());
    Ok(match bytes.is_empty() {
        true => Head::Empty,
        false if is_store => Head::Store,
        false => Head::Other,
    })
}

/// Which file lies at a path. Where the system does not tell files apart, only whether there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

impl FileId {
    /// # Errors
    /// What the system says of the path, also that there is no file.
    pub(super) fn at(path: &Path) -> Result<Self, StoreError> {
        fs::metadata(path).map(|found| Self::of(&found)).map_err(|source| StoreError::file(path, source))
    }

    #[cfg(unix)]
    pub(super) fn of(file: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(file.dev(), file.ino())
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &fs::Metadata) -> Self {
        Self(0, 0)
    }
}

/// The bytes that a store and its log take.
pub(super) fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len()) + log_size(path)
}

fn log_size(path: &Path) -> u64 {
    fs::metadata(super::rescue::beside(path, "-wal")).map_or(0, |found| found.len())
}

/// Whether two paths lead to one file.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Opens a store for writing, makes it if there is none, and brings it to the present form.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let is_new = match head(path)? {
        Head::Other => return Err(StoreError::NotAStore { path: path.to_owned() }),
        Head::Absent => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(|source| StoreError::file(folder, source))?;
            }
            make(path)?;
            false
        }
        Head::Empty => true,
        Head::Store => false,
    };
    open_as(path, path, is_new)
}

/// Makes an empty store where there is no file. It is made under another name, so that nobody ever sees half a store, whenever
/// the program ends.
fn make(path: &Path) -> Result<(), StoreError> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let fresh = path.with_file_name(format!(".lamplight-new-{}-{number}", std::process::id()));
    let _ = fs::remove_file(&fresh); // of a killed program that had this number
    let made = open_as(&fresh, path, true).and_then(|connection| {
        connection.close().map_err(|(_, error)| StoreError::sql(path, error))?;
        super::rescue::place(&fresh, path)
    });
    if !matches!(made, Ok(true)) {
        // Another program was first, or it cannot be.
        let _ = fs::remove_file(&fresh);
    }
    made.map(|_| ())
}

/// Opens `file` for writing. Errors name `path`, where the store is or will be.
fn open_as(file: &Path, path: &Path, is_new: bool) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let sql = |error| StoreError::sql(path, error);
    let mut connection =
        Connection::open_with_flags(file, flags).map_err(|error| cannot_open(file, path, error))?;
    if connection.is_readonly("main").map_err(sql)? {
        return Err(StoreError::ReadOnly { path: path.to_owned() });
    }
    set(&connection).map_err(sql)?;
    if is_new {
        // How the file is laid out is settled by the first that is written to it, and asking again would write.
        connection.execute_batch("PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL").map_err(sql)?;
    }
    migrate(&mut connection, path)?;
    // Kept in the file, and possible only once there is something in it.
    connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)).map_err(sql)?;
    Ok(connection)
}

fn set(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Keys of answers lie anywhere in their index, so that a long log spares writing the same pages again and again.
    // With a log, NORMAL loses nothing to a killed program, and to a power loss at most the last transactions, whole.
    connection.execute_batch(
        "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 8000; PRAGMA journal_size_limit = 67108864; \
         PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;",
    )
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let sql = |error| StoreError::sql(path, error);
    loop {
        if version_of(connection, path)? == VERSION {
            return Ok(());
        }
        // Another program may have done the same step while this one waited for its turn.
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        let version = version_of(&step, path)?;
        if let Some(next) = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version)) {
            step.execute_batch(next).map_err(sql)?;
            step.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql)?;
            step.pragma_update(None, "user_version", version + 1).map_err(sql)?;
        }
        step.commit().map_err(sql)?;
    }
}

/// The form of the store; an error if it is newer than this program or no form at all.
fn version_of(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    let version = version.map_err(|error| StoreError::sql(path, error))?;
    if !(0..=VERSION).contains(&version) {
        return Err(StoreError::Newer { path: path.to_owned(), version, known: VERSION });
    }
    Ok(version)
}

/// Opens a store for reading only, also where nothing can be written beside it.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    match head(path)? {
        Head::Absent | Head::Empty => return Err(StoreError::Missing { path: path.to_owned() }),
        Head::Other => return Err(StoreError::NotAStore { path: path.to_owned() }),
        Head::Store => {}
    }
    let connection = match try_reader(path, "mode=ro", "") {
        // Sharing a log needs a file beside the store that this place does not allow: then nobody can be writing either, and
        // the log that a killed program left is read by this connection alone.
        Err(StoreError::Sql { .. } | StoreError::ReadOnly { .. }) => match log_size(path) {
            0 => try_reader(path, "mode=ro&immutable=1", ""),
            _ => try_reader(path, &format!("mode=ro&vfs={UNLOCKED}"), "PRAGMA locking_mode = EXCLUSIVE;"),
        },
        other => other,
    }?;
    let version = version_of(&connection, path)?;
    if version < VERSION {
        return Err(StoreError::Older { path: path.to_owned(), version, known: VERSION });
    }
    Ok(connection)
}

/// SQLite's name for the system's files without locks.
const UNLOCKED: &str = if cfg!(windows) { "win32-none" } else { "unix-none" };

fn try_reader(path: &Path, how: &str, first: &str) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let sql = |error| StoreError::sql(path, error);
    let connection = Connection::open_with_flags(address(path, how), flags).map_err(sql)?;
    connection.busy_timeout(PATIENCE).map_err(sql)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(first).map_err(sql)?;
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -4096;")
        .map_err(sql)?;
    // The file is opened by the first that is read of it.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(sql)?;
    Ok(connection)
}

fn cannot_open(file: &Path, path: &Path, error: rusqlite::Error) -> StoreError {
    // SQLite says only that it cannot; the system says why when it is asked for the same.
    match File::options().read(true).append(true).create(true).open(file) {
        Err(source) => StoreError::file(path, source),
        Ok(_) => StoreError::sql(path, error),
    }
}

/// The path as a URI, in which SQLite takes settings.
pub(super) fn address(path: &Path, settings: &str) -> PathBuf {
    let bytes = path.as_os_str().as_encoded_bytes();
    let mut text = String::from(if bytes.starts_with(b"/") { "file:" } else { "file:///" });
    for &byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' | b':' => {
                text.push(char::from(byte));
            }
            b'\\' if cfg!(windows) => text.push('/'),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    PathBuf::from(format!("{text}?{settings}"))
}
