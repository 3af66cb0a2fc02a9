//! Where the folders of servers are.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::account::Account;
use crate::kind::Kind;

/// A folder for servers: one for the run of a task or a test program. It goes with the last server
/// in it.
#[derive(Clone, Debug)]
pub struct Place {
    path: PathBuf,
    account: Account,
}

impl Place {
    /// A new one in the system's folder for temporary files.
    ///
    /// # Errors
    /// A sentence, if it cannot be made.
    pub fn temporary() -> Result<Self, String> {
        Place::inside(&std::env::temp_dir())
    }

    /// A new one in a folder, which whoever the servers run as must be able to enter.
    ///
    /// # Errors
    /// As [`Place::temporary`].
    pub fn inside(folder: &Path) -> Result<Self, String> {
        let path = create_new(folder, "cluster-servers")?;
        let place = Place { account: Account::for_maker_of(&path)?, path };
        place.account.own(&place.path)?;
        Ok(place)
    }

    /// One that another process has made.
    pub(crate) fn of(path: &Path) -> Result<Self, String> {
        // A folder of this process's own shows who it is.
        let probe = create_new(path, "probe")?;
        let account = Account::for_maker_of(&probe);
        let removed = fs::remove_dir(&probe).map_err(|e| format!("{}: {e}", probe.display()));
        removed?;
        Ok(Place { path: path.to_owned(), account: account? })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who its servers run as.
    pub(crate) fn account(&self) -> Account {
        self.account
    }

    /// Where the one server of a kind is that all share, and with it what others are copied from.
    pub(crate) fn shared(&self, kind: Kind) -> PathBuf {
        self.path.join(kind.word())
    }

    /// A new folder for a server that nobody shares.
    pub(crate) fn private(&self, kind: Kind) -> Result<PathBuf, String> {
        create_new(&self.path, kind.word())
    }
}

/// A folder of a new name. The process's number makes it new, but for what a killed process of
/// the same number may have left.
fn create_new(parent: &Path, name: &str) -> Result<PathBuf, String> {
    static NUMBERS: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{name}-{}-{number}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
    }
}
