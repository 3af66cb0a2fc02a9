//! One server: started, asked, killed, halted, started again.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::Disk;
use crate::engine::{Engine, Site};
use crate::kind::Kind;
use crate::mariadb::Mariadb;
use crate::pgbouncer::Pgbouncer;
use crate::place::Place;
use crate::postgres::Postgres;
use crate::programs::Programs;
use crate::random;
use crate::supervisor::Supervisor;

/// Between two looks at a server that is starting or ending, unless it ends meanwhile.
const PAUSE: Duration = Duration::from_millis(10);
/// How often is looked before the server is given up: two minutes and more.
const LOOKS_MAX: usize = 12_000;
/// How long one attempt to talk to a server may take.
const TALK_WITHIN: Duration = Duration::from_secs(1);
/// Attempts to get a port that nobody takes between its choice and its use.
const PORTS_MAX: usize = 5;
/// What each server says of a port that is taken.
const PORT_TAKEN: &str = "Address already in use";

/// How a server is to be started.
#[derive(Debug)]
pub struct Launch {
    engine: Box<dyn Engine>,
    settings: Vec<(String, String)>,
    place: Option<Place>,
    disk: Disk,
    /// The password of the PostgreSQL behind a pgbouncer.
    password: Option<String>,
}

impl Launch {
    fn new(engine: impl Engine + 'static) -> Self {
        let engine = Box::new(engine);
        Launch { engine, settings: Vec::new(), place: None, disk: Disk::Shared, password: None }
    }

    /// Which kind of server it starts.
    pub fn kind(&self) -> Kind {
        self.engine.kind()
    }

    /// One setting more, named as in the server's file of settings.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts the data on a disk of its own with so many bytes, which
    /// [`Server::fill_disk`] can fill. It is in memory: flushing it costs nothing. A new data
    /// folder of PostgreSQL takes 40 MiB, one of MariaDB 150 MiB. Linux only, by root or where
    /// users may make namespaces.
    #[must_use]
    pub fn disk_of(mut self, bytes: u64) -> Self {
        self.disk = Disk::Small(bytes);
        self
    }

    /// Puts its folder there, and takes a copy of the data folder of the server that all share
    /// there, as it was at the beginning, if there is one: that saves a second or more.
    #[must_use]
    pub fn at(mut self, place: &Place) -> Self {
        self.place = Some(place.clone());
        self
    }

    /// Where its folder will be, if that is decided.
    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Starts a server that nobody shares, and waits until it is ready.
    ///
    /// # Errors
    /// A sentence, with the last lines of the server's log if it has ended.
    pub fn start(self) -> Result<Server, String> {
        self.programs()?;
        let place = match &self.place {
            Some(place) => place.clone(),
            None => Place::temporary()?,
        };
        let folder = place.private(self.engine.kind())?;
        let origin = place.shared(self.engine.kind());
        let mut server = self.make(&place, folder)?;
        match std::fs::read_to_string(origin.join("origin-password")) {
            Ok(password) if server.engine.kind() != Kind::Pgbouncer => {
                server.site.password = password;
                server.copy(&origin.join("origin"), &server.site.data())?;
            }
            _ => server.prepare()?,
        }
        server.start_on_new_port()?;
        Ok(server)
    }

    /// Starts the server that all share in this place, and keeps a copy of its data folder for
    /// those that nobody shares.
    ///
    /// # Errors
    /// As [`Launch::start`].
    pub fn start_shared(self, place: &Place) -> Result<Server, String> {
        self.programs()?;
        let folder = place.shared(self.engine.kind());
        std::fs::create_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let mut server = self.make(place, folder)?;
        server.prepare()?;
        if server.engine.kind() != Kind::Pgbouncer {
            let origin = server.site.folder.join("origin");
            server.copy(&server.site.data(), &origin)?;
            server.site.write_secret("origin-password", &server.site.password)?;
        }
        server.start_on_new_port()?;
        Ok(server)
    }

    /// Looked for before a folder is made.
    fn programs(&self) -> Result<Programs, String> {
        Programs::find(self.kind()).ok_or(format!("{} is not installed", self.kind()))
    }

    fn make(self, place: &Place, folder: PathBuf) -> Result<Server, String> {
        let programs = self.programs()?;
        let account = place.account();
        let password = match self.password {
            Some(password) => password,
            None => random::password()?,
        };
        account.own(&folder)?;
        // From here on the supervisor removes it.
        let last = self.engine.signal_to_end();
        let site = Site { programs, account, folder, port: 0, password, settings: self.settings };
        std::fs::create_dir(site.data()).map_err(|e| format!("{}: {e}", site.path("data")))?;
        account.own(&site.data())?;
        let supervisor = Supervisor::start(&site.folder, account, self.disk, last)?;
        Ok(Server { engine: self.engine, site, disk: self.disk, supervisor })
    }
}

/// A server. Dropped, or when its process ends in any way, it is gone with all its data.
#[derive(Debug)]
pub struct Server {
    engine: Box<dyn Engine>,
    site: Site,
    disk: Disk,
    supervisor: Supervisor,
}

impl Server {
    /// A PostgreSQL with the superuser `cluster`.
    pub fn postgres() -> Launch {
        Launch::new(Postgres)
    }

    /// A MariaDB with the user `cluster`, who may do everything, and an empty database.
    pub fn mariadb() -> Launch {
        Launch::new(Mariadb)
    }

    /// A pgbouncer in transaction mode in front of a PostgreSQL.
    pub fn pgbouncer(behind: &Server) -> Launch {
        Server::pgbouncer_by(behind, behind.site.port)
    }

    /// The same by another way to that PostgreSQL, which begins at this port.
    pub fn pgbouncer_by(behind: &Server, port: u16) -> Launch {
        let password = Some(behind.site.password.clone());
        Launch { password, ..Launch::new(Pgbouncer { behind: port }) }
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        self.engine.kind()
    }

    /// How clients reach it, with its password: by TCP on the loopback device.
    pub fn url(&self) -> String {
        self.engine.url(&self.site)
    }

    /// The port that it listens to, the same for its whole life.
    pub fn port(&self) -> u16 {
        self.site.port
    }

    /// Its main process, if it is running.
    pub fn pid(&self) -> Option<u32> {
        self.supervisor.running()
    }

    /// All its processes: those that work in its data folder. Only the main one where there is no
    /// `/proc`.
    pub fn processes(&self) -> Vec<u32> {
        let mut processes: Vec<u32> = self.pid().into_iter().collect();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let works_in = std::fs::read_link(entry.path().join("cwd"));
            if let (Some(pid), Ok(folder)) = (pid, works_in)
                && folder == self.site.data()
                && !processes.contains(&pid)
            {
                processes.push(pid);
            }
        }
        processes
    }

    /// The folder of everything that is its own: `data`, `log`, its sockets.
    pub fn folder(&self) -> &Path {
        &self.site.folder
    }

    /// The end of what it has written to its log.
    pub fn log_tail(&self) -> String {
        self.supervisor.log_tail()
    }

    /// Kills all its processes with SIGKILL and waits until they are gone. What was not flushed to
    /// the disk survives: the system still has it.
    ///
    /// # Errors
    /// A sentence, if that does not happen.
    pub fn kill(&mut self) -> Result<(), String> {
        // The main one first: it would start others.
        if let Some(main) = self.pid() {
            self.supervisor.signal("KILL", &[main])?;
        }
        for _ in 0..LOOKS_MAX {
            let processes = self.processes();
            if processes.is_empty() {
                return Ok(());
            }
            self.supervisor.signal("KILL", &processes)?;
            self.supervisor.wait(PAUSE);
        }
        Err(format!("{} cannot be killed", self.kind()))
    }

    /// Ends it in good order, but without waiting for its clients.
    ///
    /// # Errors
    /// A sentence, if it does not end.
    pub fn stop(&mut self) -> Result<(), String> {
        if let Some(main) = self.pid() {
            self.supervisor.signal(self.engine.signal_to_stop(), &[main])?;
        }
        for _ in 0..LOOKS_MAX {
            if self.processes().is_empty() {
                return Ok(());
            }
            self.supervisor.wait(PAUSE);
        }
        Err(format!("{} does not stop:\n{}", self.kind(), self.log_tail()))
    }

    /// Starts it again after [`kill`](Server::kill) or [`stop`](Server::stop), on the same port,
    /// and waits until it is ready. Does nothing while it is running.
    ///
    /// # Errors
    /// A sentence, with the last lines of its log if it has ended.
    pub fn start(&mut self) -> Result<(), String> {
        if self.pid().is_none() {
            let command = self.engine.serve(&self.site)?;
            self.supervisor.run(&command)?;
        }
        self.until_ready()
    }

    /// Stops it in good order and starts it again.
    ///
    /// # Errors
    /// As [`stop`](Server::stop) and [`start`](Server::start).
    pub fn restart(&mut self) -> Result<(), String> {
        self.stop()?;
        self.start()
    }

    /// Halts all its processes with SIGSTOP: connections stay, and nobody answers.
    ///
    /// # Errors
    /// A sentence, if that does not happen.
    pub fn halt(&mut self) -> Result<(), String> {
        // Again for those that are started meanwhile, and because the signal takes a moment.
        for _ in 0..LOOKS_MAX {
            let mut going = self.processes();
            going.retain(|pid| !is_halted(*pid));
            if going.is_empty() {
                return Ok(());
            }
            self.supervisor.signal("STOP", &going)?;
            self.supervisor.wait(PAUSE);
        }
        Err(format!("{} cannot be halted", self.kind()))
    }

    /// Lets it go on after [`halt`](Server::halt).
    ///
    /// # Errors
    /// As [`halt`](Server::halt).
    pub fn go_on(&mut self) -> Result<(), String> {
        let processes = self.processes();
        self.supervisor.signal("CONT", &processes)
    }

    /// Takes all room that is left on its disk, which must be one of its own.
    ///
    /// # Errors
    /// A sentence, if that cannot be done.
    ///
    /// # Panics
    /// If it was started without [`Launch::disk_of`].
    pub fn fill_disk(&mut self) -> Result<(), String> {
        assert!(matches!(self.disk, Disk::Small(_)), "only a disk of its own may be filled");
        self.supervisor.fill_disk()
    }

    /// Gives back what [`fill_disk`](Server::fill_disk) has taken.
    ///
    /// # Errors
    /// As [`fill_disk`](Server::fill_disk).
    pub fn free_disk(&mut self) -> Result<(), String> {
        self.supervisor.free_disk()
    }

    fn prepare(&mut self) -> Result<(), String> {
        for command in self.engine.prepare(&self.site)? {
            self.supervisor.complete(&command)?;
        }
        Ok(())
    }

    /// Copies what a folder contains into another one, which may exist.
    fn copy(&mut self, from: &Path, to: &Path) -> Result<(), String> {
        let from = format!("{}/.", from.display());
        let command = ["cp", "-R", "-p", &from, &to.display().to_string()].map(str::to_owned);
        self.supervisor.complete(&command)
    }

    fn start_on_new_port(&mut self) -> Result<(), String> {
        for _ in 1..PORTS_MAX {
            self.site.port = random::port()?;
            match self.start() {
                Err(error) if error.contains(PORT_TAKEN) => {}
                done => return done,
            }
        }
        self.site.port = random::port()?;
        self.start()
    }

    fn until_ready(&mut self) -> Result<(), String> {
        for _ in 0..LOOKS_MAX {
            if self.pid().is_none() {
                return Err(format!("{} has ended:\n{}", self.kind(), self.log_tail()));
            }
            if self.is_ready() {
                return Ok(());
            }
            self.supervisor.wait(PAUSE);
        }
        Err(format!("{} does not get ready:\n{}", self.kind(), self.log_tail()))
    }

    fn is_ready(&self) -> bool {
        let address = (Ipv4Addr::LOCALHOST, self.site.port).into();
        let talk = || {
            let stream = TcpStream::connect_timeout(&address, TALK_WITHIN)?;
            stream.set_read_timeout(Some(TALK_WITHIN))?;
            self.engine.is_ready(stream)
        };
        talk().unwrap_or(false)
    }
}

/// Whether a process is stopped by a signal; where that cannot be seen it is believed.
fn is_halted(pid: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The state follows the name, which is in parentheses and may contain any.
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T")),
        Err(_) => true,
    }
}
