//! PostgreSQL.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::engine::{Engine, Site, USER, words};
use crate::kind::Kind;

/// What a fresh installation has too, but for the number of clients: many tests run at once. The
/// first three are its defaults, said because everything depends on them.
const SETTINGS: [(&str, &str); 6] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("listen_addresses", "127.0.0.1"),
    ("max_connections", "200"),
    // For parallel queries; in the data folder, so that a killed server leaves nothing elsewhere.
    ("dynamic_shared_memory_type", "mmap"),
];

#[derive(Debug)]
pub(crate) struct Postgres;

impl Engine for Postgres {
    fn kind(&self) -> Kind {
        Kind::Postgres
    }

    fn prepare(&self, site: &Site) -> Result<Vec<Vec<String>>, String> {
        let password = site.write_secret("password", &site.password)?;
        let mut init = vec![site.programs.init.display().to_string()];
        init.extend(words(["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]));
        init.extend(words(["--auth=scram-sha-256", "--username", USER]));
        init.extend([format!("--pwfile={password}"), format!("--pgdata={}", site.path("data"))]);
        Ok(vec![init])
    }

    fn serve(&self, site: &Site) -> Result<Vec<String>, String> {
        let mut command = vec![site.programs.server.display().to_string()];
        command.extend(["-D".to_owned(), site.path("data")]);
        let mut set = |name: &str, value: &str| {
            command.extend(["-c".to_owned(), format!("{name}={value}")]);
        };
        for (name, value) in SETTINGS {
            set(name, value);
        }
        set("unix_socket_directories", &site.folder.display().to_string());
        set("port", &site.port.to_string());
        for (name, value) in &site.settings {
            set(name, value);
        }
        Ok(command)
    }

    fn is_ready(&self, stream: TcpStream) -> io::Result<bool> {
        asks_for_a_password(stream)
    }

    fn url(&self, site: &Site) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/postgres", site.password, site.port)
    }

    fn signal_to_stop(&self) -> &'static str {
        "INT"
    }

    fn signal_to_end(&self) -> &'static str {
        "QUIT"
    }
}

/// Begins a session, as the protocol's StartupMessage does. A server that is ready asks for a
/// password; one that is starting answers with an error.
pub(crate) fn asks_for_a_password(mut stream: TcpStream) -> io::Result<bool> {
    const VERSION: u32 = 3 << 16;
    let parameters = format!("user\0{USER}\0database\0postgres\0\0");
    let length = u32::try_from(8 + parameters.len()).expect("a few words are short");
    let mut message = length.to_be_bytes().to_vec();
    message.extend(VERSION.to_be_bytes());
    message.extend(parameters.as_bytes());
    stream.write_all(&message)?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    Ok(answer == *b"R")
}
