//! One live process for each database file and prefix.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use cluster_core::storage::StorageError;

/// A lock that the kernel frees with the process, however it ends: a restart waits for nothing. The
/// file stays behind; it holds nothing.
#[derive(Debug)]
pub(super) struct ProcessLock {
    _file: File,
}

impl ProcessLock {
    /// Takes the lock of a database, given by the path that [`real_path`] made, and of a prefix.
    pub(super) fn take(database: &Path, prefix: &str) -> Result<Self, StorageError> {
        let mut path = database.as_os_str().to_owned();
        path.push(format!("-{prefix}.lock"));
        let file = File::options().create(true).truncate(false).write(true).open(path);
        let file = file.map_err(StorageError::unavailable)?;
        match file.try_lock() {
            Ok(()) => Ok(ProcessLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StorageError::InUse {
                database: database.display().to_string(),
                prefix: prefix.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(StorageError::unavailable(error)),
        }
    }
}

/// How many links to a file that is not there are followed, as the system itself follows few.
const LINKS_MAX: usize = 40;

/// The one path of a file that may be reached by many, and that may not be there yet.
pub(super) fn real_path(path: &Path) -> Result<PathBuf, StorageError> {
    follow(path, LINKS_MAX)
}

fn follow(path: &Path, links: usize) -> Result<PathBuf, StorageError> {
    let bad = |reason: &str| StorageError::BadSetting {
        setting: "path",
        reason: format!("{} {reason}", path.display()),
    };
    if let Ok(real) = path.canonicalize() {
        return if real.is_dir() { Err(bad("is a folder")) } else { Ok(real) };
    }
    if let Ok(target) = path.read_link() {
        // A link to a file that is yet to be made: SQLite makes it where the link leads to.
        return match links.checked_sub(1) {
            Some(links) => follow(&path.with_file_name("").join(target), links),
            None => Err(bad("is a link that leads nowhere")),
        };
    }
    let name = path.file_name().ok_or_else(|| bad("names no file"))?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(|_| bad("is in a folder that does not exist"))?;
    Ok(folder.join(name))
}
