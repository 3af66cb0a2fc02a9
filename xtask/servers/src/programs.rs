//! Where the programs of a server are.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kind::Kind;

/// Folders beside those of `PATH`, which holds no folder for system programs for most people.
const SYSTEM_FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/libexec"];
/// Folders with one folder for each version of PostgreSQL, and where its programs are in it.
const VERSIONED_FOLDERS: [(&str, &str); 3] =
    [("/usr/lib/postgresql", "bin"), ("/usr/libexec", "bin"), ("/opt/homebrew/opt", "bin")];

/// The programs of one kind of server, as they are on this machine.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The server itself.
    pub(crate) server: PathBuf,
    /// What makes a new data folder; the server itself if it needs none.
    pub(crate) init: PathBuf,
}

impl Programs {
    /// Looks for them in `PATH` and where packages put them.
    pub fn find(kind: Kind) -> Option<Self> {
        let folders = folders();
        match kind {
            Kind::Postgres => {
                // The two belong together, so from one folder; a link leads to the others.
                let found = all(&folders, "postgres");
                found.into_iter().find_map(|server| {
                    let init = server.canonicalize().ok()?.with_file_name("initdb");
                    init.is_file().then_some(Programs { server, init })
                })
            }
            Kind::Mariadb => {
                let server = all(&folders, "mariadbd").into_iter().next()?;
                let init = all(&folders, "mariadb-install-db").into_iter().next()?;
                Some(Programs { server, init })
            }
            Kind::Pgbouncer => {
                let server = all(&folders, "pgbouncer").into_iter().next()?;
                Some(Programs { init: server.clone(), server })
            }
        }
    }

    /// Whether the server can load a library of this name: those of PostgreSQL's extensions are in
    /// a folder beside its programs, or in one that `pg_config` tells where that is installed.
    pub fn has_library(&self, name: &str) -> bool {
        let file = format!("{name}.so");
        let Ok(server) = self.server.canonicalize() else { return false };
        let told = Command::new(server.with_file_name("pg_config")).arg("--pkglibdir").output();
        let told = told.ok().map(|output| String::from_utf8_lossy(&output.stdout).trim().into());
        let beside = server.parent().and_then(Path::parent).map(|folder| folder.join("lib"));
        let nested = beside.as_ref().map(|folder| folder.join("postgresql"));
        let mut folders = [told, beside, nested].into_iter().flatten();
        folders.any(|folder: PathBuf| folder.join(&file).is_file())
    }

    /// What the server says of its version.
    ///
    /// # Errors
    /// A sentence, if it cannot be run.
    pub fn version(&self) -> Result<String, String> {
        let output = Command::new(&self.server).arg("--version").output();
        let output = output.map_err(|error| format!("{}: {error}", self.server.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }
}

/// Where programs may be, those of `PATH` first.
fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(SYSTEM_FOLDERS.map(PathBuf::from));
    for (parent, below) in VERSIONED_FOLDERS {
        folders.extend(versions(Path::new(parent)).into_iter().map(|folder| folder.join(below)));
    }
    folders
}

/// The folders of PostgreSQL's versions, newest first: `15`, `postgresql15`, `postgresql@15`.
fn versions(parent: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path())))
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}

fn version(name: &str) -> Option<u32> {
    let number = name.strip_prefix("postgresql").unwrap_or(name);
    number.strip_prefix('@').unwrap_or(number).parse().ok()
}

fn all(folders: &[PathBuf], program: &str) -> Vec<PathBuf> {
    let paths = folders.iter().map(|folder| folder.join(program));
    paths.filter(|path| path.is_absolute() && path.is_file()).collect()
}

#[test]
fn versions_are_read_from_the_names_of_folders() {
    let names = ["15", "postgresql16", "postgresql@17", "postgresql", "mariadb"];
    assert_eq!(names.map(version), [Some(15), Some(16), Some(17), None, None]);
}
