//! What differs between the kinds of servers.

use std::fmt::Debug;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::account::Account;
use crate::kind::Kind;
use crate::programs::Programs;

/// The one user of a server, who may do everything.
pub(crate) const USER: &str = "cluster";

/// Where one server is, and how it is reached.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) programs: Programs,
    pub(crate) account: Account,
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    pub(crate) password: String,
    /// In the order in which they were given; the last one of a name holds.
    pub(crate) settings: Vec<(String, String)>,
}

impl Site {
    /// Where the server has its data and works.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Writes a file that only the server's account can read, and tells its path.
    pub(crate) fn write_secret(&self, name: &str, text: &str) -> Result<String, String> {
        let path = self.folder.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
        self.account.own(&path)?;
        Ok(self.path(name))
    }

    /// A path below the folder, as a word of a command.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

/// A kind of server.
pub(crate) trait Engine: Debug + Send + Sync {
    /// Which.
    fn kind(&self) -> Kind;

    /// The commands that fill a new data folder, to be run in it.
    ///
    /// # Errors
    /// A sentence, if a file that they need cannot be written.
    fn prepare(&self, site: &Site) -> Result<Vec<Vec<String>>, String>;

    /// The command that serves, without going to the background.
    ///
    /// # Errors
    /// As [`Engine::prepare`].
    fn serve(&self, site: &Site) -> Result<Vec<String>, String>;

    /// Talks to the server at the beginning of a connection: whether it is ready for clients.
    ///
    /// # Errors
    /// If it is not ready, in another way.
    fn is_ready(&self, stream: TcpStream) -> io::Result<bool>;

    /// How clients reach it.
    fn url(&self, site: &Site) -> String;

    /// The signal that ends it in good order without waiting for clients.
    fn signal_to_stop(&self) -> &'static str;

    /// The signal that ends it at once and lets it leave nothing in the system.
    fn signal_to_end(&self) -> &'static str;
}

/// The words of a command.
pub(crate) fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}
