//! The servers that all tests, or all lanes of a benchmark, share.

use std::path::Path;
use std::process::Command;
use std::thread::JoinHandle;

use test_servers::{Kind, Launch, Place, Programs, Server};

/// The variable with the path of the folder for servers. It says that there must be servers.
const PLACE: &str = "TEST_SERVERS";

/// Servers that are being started beside other work.
#[derive(Debug)]
pub(crate) struct Starting(JoinHandle<Result<Running, String>>);

impl Starting {
    /// Begins to start the servers of a test run: with the settings of a fresh installation.
    pub(crate) fn for_tests() -> Self {
        Starting(std::thread::spawn(|| Running::start(&Place::temporary()?, |launch| launch)))
    }

    /// Waits until they are ready.
    ///
    /// # Errors
    ///
    /// A sentence, with the end of the log of the server that did not start.
    pub(crate) fn wait(self) -> Result<Running, String> {
        self.0.join().map_err(|_| "starting the servers panicked".to_owned())?
    }
}

/// A PostgreSQL whose connections may ask to be counted, if the extension is installed.
fn counting_statements(launch: Launch) -> Launch {
    const EXTENSION: &str = "pg_stat_statements";
    if !Programs::find(Kind::Postgres).is_some_and(|programs| programs.has_library(EXTENSION)) {
        println!("PostgreSQL has no {EXTENSION}: statements are not counted");
        return launch;
    }
    let launch = launch.setting("shared_preload_libraries", EXTENSION);
    launch.setting("pg_stat_statements.track", "none")
}

/// Running servers; dropped, they are gone.
#[derive(Debug)]
pub(crate) struct Running {
    place: Place,
    servers: Vec<Server>,
}

impl Running {
    /// Starts the servers of a benchmark, on a disk and with room for what it writes.
    ///
    /// # Errors
    ///
    /// As [`Starting::wait`].
    pub(crate) fn for_benchmarks() -> Result<Self, String> {
        // Temporary files may be in memory, where a flush costs nothing; those that outlive a
        // reboot are not.
        let on_disk = Path::new("/var/tmp");
        let place = if on_disk.is_dir() { Place::inside(on_disk)? } else { Place::temporary()? };
        Running::start(&place, |launch| match launch.kind() {
            // Checkpoints come by time, not by volume: a lane writes some 70 MB of log a second,
            // and one begins when about half of this size is written. And buffers hold the index
            // of keys of the lane with ten million requests.
            Kind::Postgres => {
                let launch =
                    launch.setting("max_wal_size", "32GB").setting("shared_buffers", "1GB");
                counting_statements(launch)
            }
            Kind::Mariadb => launch
                .setting("innodb_log_file_size", "4G")
                .setting("innodb_buffer_pool_size", "2G"),
            Kind::Pgbouncer => launch,
        })
    }

    /// Starts one of each kind; `prepare` may set more.
    ///
    /// # Errors
    ///
    /// As [`Starting::wait`].
    pub(crate) fn start(place: &Place, prepare: fn(Launch) -> Launch) -> Result<Self, String> {
        // The two take a while each to make their data folders, and need each other for nothing.
        let (postgres, mariadb) = std::thread::scope(|scope| {
            let postgres = scope.spawn(|| prepare(Server::postgres()).start_shared(place));
            let mariadb = prepare(Server::mariadb()).start_shared(place);
            (postgres.join(), mariadb)
        });
        let postgres = postgres.map_err(|_| "starting PostgreSQL panicked".to_owned())??;
        let pgbouncer = prepare(Server::pgbouncer(&postgres)).start_shared(place)?;
        Ok(Running { place: place.clone(), servers: vec![postgres, mariadb?, pgbouncer] })
    }

    /// Tells a program where they are.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env(PLACE, self.place.path());
        for server in &self.servers {
            command.env(server.kind().variable(), server.url());
        }
    }

    /// Tells people what runs where, without passwords.
    pub(crate) fn describe(&self) -> String {
        let servers = self.servers.iter();
        let texts = servers.map(|server| format!("{} on port {}", server.kind(), server.port()));
        texts.collect::<Vec<_>>().join(", ")
    }

    /// Those that have ended by themselves.
    pub(crate) fn ended(&self) -> Vec<Kind> {
        let ended = self.servers.iter().filter(|server| server.processes().is_empty());
        ended.map(Server::kind).collect()
    }
}
