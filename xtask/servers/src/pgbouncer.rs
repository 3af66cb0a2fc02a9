//! pgbouncer in transaction mode: a session of a client is not a session of the server.

use std::io;
use std::net::TcpStream;

use crate::engine::{Engine, Site, USER, words};
use crate::kind::Kind;
use crate::postgres;

#[derive(Debug)]
pub(crate) struct Pgbouncer {
    /// The port of the PostgreSQL behind it.
    pub(crate) behind: u16,
}

impl Engine for Pgbouncer {
    fn kind(&self) -> Kind {
        Kind::Pgbouncer
    }

    fn prepare(&self, _: &Site) -> Result<Vec<Vec<String>>, String> {
        Ok(Vec::new())
    }

    fn serve(&self, site: &Site) -> Result<Vec<String>, String> {
        let secret = format!("\"{USER}\" \"{}\"\n", site.password);
        let users = site.write_secret("users.txt", &secret)?;
        let mut settings = format!(
            "[databases]\n\
             * = host=127.0.0.1 port={}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {}\n\
             unix_socket_dir = {}\n\
             auth_type = scram-sha-256\n\
             auth_file = {users}\n\
             admin_users = {USER}\n\
             pool_mode = transaction\n\
             max_client_conn = 500\n\
             # Clients set it when they connect, sqlx too, and pgbouncer knows it not.\n\
             ignore_startup_parameters = extra_float_digits\n",
            self.behind,
            site.port,
            site.folder.display(),
        );
        for (name, value) in &site.settings {
            settings.push_str(&format!("{name} = {value}\n"));
        }
        let file = site.write_secret("pgbouncer.ini", &settings)?;
        let mut command = vec![site.programs.server.display().to_string()];
        command.extend(words([&file]));
        Ok(command)
    }

    fn is_ready(&self, stream: TcpStream) -> io::Result<bool> {
        postgres::asks_for_a_password(stream)
    }

    fn url(&self, site: &Site) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/postgres", site.password, site.port)
    }

    fn signal_to_stop(&self) -> &'static str {
        "INT"
    }

    fn signal_to_end(&self) -> &'static str {
        "KILL"
    }
}
