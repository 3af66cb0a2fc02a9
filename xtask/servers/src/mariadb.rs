//! MariaDB.

use std::io::{self, Read};
use std::net::TcpStream;

use crate::engine::{Engine, Site, USER, words};
use crate::kind::Kind;

/// What a fresh installation has too, but for the number of clients: many tests run at once. The
/// first three are its defaults, said because everything depends on them; the character set is what
/// distributions set, and compares without case, as users' databases do.
const SETTINGS: [&str; 9] = [
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-doublewrite=ON",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
    "--bind-address=127.0.0.1",
    "--max-connections=500",
    "--skip-name-resolve",
    "--skip-networking=OFF",
];
/// The one database that is there from the beginning.
const DATABASE: &str = "test";

#[derive(Debug)]
pub(crate) struct Mariadb;

impl Engine for Mariadb {
    fn kind(&self) -> Kind {
        Kind::Mariadb
    }

    fn prepare(&self, site: &Site) -> Result<Vec<Vec<String>>, String> {
        let data = format!("--datadir={}", site.path("data"));
        let mut init = vec![site.programs.init.display().to_string()];
        init.extend(words(["--no-defaults", "--skip-test-db", "--skip-name-resolve"]));
        init.extend(words(["--auth-root-authentication-method=normal", "--skip-log-bin"]));
        init.push(data.clone());
        // Of the accounts that are there at first, only the owner of the system's views stays.
        let password = &site.password;
        let sql = format!(
            "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';\n\
             FLUSH PRIVILEGES;\n\
             CREATE USER {USER}@'%' IDENTIFIED BY '{password}';\n\
             GRANT ALL PRIVILEGES ON *.* TO {USER}@'%' WITH GRANT OPTION;\n\
             CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;\n"
        );
        let accounts = site.write_secret("accounts.sql", &sql)?;
        let server = site.programs.server.display().to_string();
        let mut bootstrap = words(["sh", "-c", "file=$1; shift; exec \"$@\" <\"$file\"", "sh"]);
        bootstrap.extend([accounts, server]);
        bootstrap.extend(words(["--no-defaults", "--bootstrap", "--skip-log-bin"]));
        bootstrap.push(data);
        Ok(vec![init, bootstrap])
    }

    fn serve(&self, site: &Site) -> Result<Vec<String>, String> {
        let mut command = vec![site.programs.server.display().to_string()];
        command.push("--no-defaults".to_owned());
        command.extend(words(SETTINGS));
        command.extend([
            format!("--datadir={}", site.path("data")),
            format!("--tmpdir={}", site.folder.display()),
            format!("--socket={}", site.path("socket")),
            format!("--pid-file={}", site.path("server.pid")),
            format!("--port={}", site.port),
        ]);
        command.extend(site.settings.iter().map(|(name, value)| format!("--{name}={value}")));
        Ok(command)
    }

    /// The server speaks first: the handshake has the protocol's version 10 after its header of
    /// four bytes, an error has 255.
    fn is_ready(&self, mut stream: TcpStream) -> io::Result<bool> {
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting)?;
        Ok(greeting[4] == 10)
    }

    fn url(&self, site: &Site) -> String {
        format!("mysql://{USER}:{}@127.0.0.1:{}/{DATABASE}", site.password, site.port)
    }

    fn signal_to_stop(&self) -> &'static str {
        "TERM"
    }

    fn signal_to_end(&self) -> &'static str {
        "KILL"
    }
}
