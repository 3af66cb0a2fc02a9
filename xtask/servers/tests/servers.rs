//! Each server starts with a password and durable settings, comes back after whatever is done to
//! it, and is gone with its owner, however that one dies.

// Helpers of tests fail as tests do; the process that dies tells its parent by what it prints.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use test_servers::{Kind, Launch, Server, private, private_on_disk, shared};

/// Set for the process that dies: what it starts, and where.
const VICTIM: &str = "TEST_SERVERS_VICTIM";

/// Room for a data folder and little more.
const SMALL_DISK_BYTES: u64 = 256 << 20;

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect("it listens")
}

/// What the first program that is there prints for these arguments.
fn ask(program: &str, environment: [&str; 2], arguments: &[&str]) -> String {
    let [name, value] = environment;
    let output = Command::new(program).args(arguments).env(name, value).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The user's password, out of `scheme://user:password@..`.
fn password(server: &Server) -> String {
    let url = server.url();
    url.split([':', '@']).nth(2).expect("the URL has a password").to_owned()
}

/// Runs SQL by the server's own client and gives its only value.
fn sql(server: &Server, sql: &str) -> String {
    let (port, password) = (server.port().to_string(), password(server));
    if server.kind() == Kind::Mariadb {
        let arguments = ["-h127.0.0.1", "-P", &port, "-ucluster", "-N", "-B", "-e", sql, "test"];
        return ask("mariadb", ["MYSQL_PWD", &password], &arguments);
    }
    let arguments =
        ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", &server.url(), "-c", sql];
    ask("psql", ["PGCONNECT_TIMEOUT", "10"], &arguments)
}

/// Processes and folders that are there must be gone after `end`.
fn leaves_nothing(folder: &Path, processes: &[u32], end: impl FnOnce()) {
    assert!(!processes.is_empty());
    assert!(folder.is_dir());
    end();
    let left: Vec<&u32> = processes.iter().filter(|pid| works_below(**pid, folder)).collect();
    assert!(left.is_empty(), "{left:?} are left");
    assert!(!folder.exists(), "{} is left", folder.display());
}

/// Whether a process is there and works in a folder or below it.
fn works_below(pid: u32, folder: &Path) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
}

/// Data survives a kill of all processes, a halt, and an orderly restart; then nothing is left.
fn survives_and_leaves_nothing(launch: Launch) {
    let Some(launch) = private(launch) else { return };
    let mut server = launch.start().unwrap();
    sql(&server, "CREATE TABLE kept (n INT); INSERT INTO kept VALUES (41);");
    let first = server.pid().expect("it runs");

    // By somebody else, as the system does when memory is short.
    let main = first.to_string();
    assert!(Command::new("kill").args(["-KILL", &main]).status().unwrap().success());
    while server.pid().is_some() {
        std::thread::yield_now();
    }
    server.kill().unwrap();
    assert_eq!((server.pid(), server.processes()), (None, vec![]));
    TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect_err("nobody listens");
    server.start().unwrap();
    assert_ne!(server.pid(), Some(first));
    sql(&server, "UPDATE kept SET n = n + 1;");

    server.restart().unwrap();
    assert_eq!(sql(&server, "SELECT n FROM kept;"), "42");

    server.halt().unwrap();
    for pid in server.processes() {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.contains("State:\tT"), "{status}");
    }
    server.go_on().unwrap();
    assert_eq!(sql(&server, "SELECT n FROM kept;"), "42");

    // Halted again, it hears no other signal: it must be gone all the same.
    server.halt().unwrap();
    let (folder, processes) = (server.folder().to_owned(), server.processes());
    leaves_nothing(&folder, &processes, || drop(server));
}

#[test]
fn postgres_survives_and_leaves_nothing() {
    survives_and_leaves_nothing(Server::postgres());
}

#[test]
fn mariadb_survives_and_leaves_nothing() {
    survives_and_leaves_nothing(Server::mariadb());
}

#[test]
fn postgres_is_durable_and_asks_for_the_password() {
    let Some(launch) = private(Server::postgres().setting("max_connections", "33")) else { return };
    let server = launch.start().unwrap();
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        assert_eq!(sql(&server, &format!("SHOW {setting};")), "on");
    }
    assert_eq!(sql(&server, "SHOW max_connections;"), "33");
    assert_eq!(sql(&server, "SHOW server_encoding;"), "UTF8");
    let wrong = server.url().replace(&password(&server), "wrong");
    let output = Command::new("psql").args(["-X", "-w", "-d", &wrong, "-c", "SELECT 1"]).output();
    let error = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(error.contains("password authentication failed"), "{error}");
}

#[test]
fn mariadb_is_durable_and_asks_for_the_password() {
    let Some(launch) = private(Server::mariadb()) else { return };
    let server = launch.start().unwrap();
    let variable = |name: &str| sql(&server, &format!("SELECT @@{name};"));
    assert_eq!(variable("innodb_flush_log_at_trx_commit"), "1");
    assert_eq!(variable("innodb_doublewrite"), "1");
    assert_eq!(variable("log_bin"), "0");
    let accounts = "SELECT GROUP_CONCAT(User ORDER BY User) FROM mysql.user;";
    assert_eq!(sql(&server, accounts), "cluster,mariadb.sys");
    let port = server.port().to_string();
    let arguments = ["-h127.0.0.1", "-P", &port, "-ucluster", "-pwrong", "-e", "SELECT 1"];
    let output = Command::new("mariadb").args(arguments).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("Access denied"), "{error}");
}

#[test]
fn pgbouncer_gives_a_session_for_a_transaction_only() {
    let Some(postgres) = private(Server::postgres()) else { return };
    let mut postgres = postgres.start().unwrap();
    let launch = private(Server::pgbouncer(&postgres)).expect("there is a place for servers");
    let mut server = launch.setting("default_pool_size", "3").start().unwrap();
    assert_eq!(sql(&server, "SELECT 40 + 2;"), "42");
    // Its own console, which only a pgbouncer has.
    let console =
        server.url().replace("/postgres", "/pgbouncer").replacen("postgres", "postgresql", 1);
    let arguments = ["-X", "-A", "-t", "-d", &console, "-c", "SHOW CONFIG"];
    let settings = ask("psql", ["PGCONNECT_TIMEOUT", "10"], &arguments);
    let has = |line: &str| settings.lines().any(|found| found.starts_with(line));
    assert!(has("pool_mode|transaction|") && has("default_pool_size|3|"), "{settings}");

    server.kill().unwrap();
    server.start().unwrap();
    postgres.restart().unwrap();
    assert_eq!(sql(&server, "SELECT 40 + 2;"), "42");
    let (folder, processes) = (server.folder().to_owned(), server.processes());
    leaves_nothing(&folder, &processes, || drop(server));
}

/// A full disk is an error for the client, and the server is as before once there is room.
fn fills_up(launch: Launch, insert: &str) {
    let Some(launch) = private_on_disk(launch, SMALL_DISK_BYTES) else { return };
    let mut server = launch.start().unwrap();
    sql(&server, "CREATE TABLE filled (t TEXT);");
    server.fill_disk().unwrap();
    let (port, password) = (server.port().to_string(), password(&server));
    let mut client = if server.kind() == Kind::Mariadb {
        let mut client = Command::new("timeout");
        client.args(["20", "mariadb", "-h127.0.0.1", "-P", &port, "-ucluster", "test"]);
        client.env("MYSQL_PWD", password).args(["-e", insert]);
        client
    } else {
        let mut client = Command::new("psql");
        client.args(["-X", "-d", &server.url(), "-c", insert]);
        client
    };
    let output = client.output().unwrap();
    assert!(!output.status.success(), "there is no room for this");
    server.free_disk().unwrap();
    server.kill().unwrap();
    server.start().unwrap();
    sql(&server, "INSERT INTO filled VALUES ('x');");
    assert_eq!(sql(&server, "SELECT COUNT(*) FROM filled;"), "1");
}

#[test]
fn the_disk_of_postgres_can_be_filled() {
    let rows =
        "INSERT INTO filled SELECT repeat(md5(n::text), 200) FROM generate_series(1, 100000) n";
    fills_up(Server::postgres(), rows);
}

#[test]
fn the_disk_of_mariadb_can_be_filled() {
    let rows = "INSERT INTO filled SELECT REPEAT(MD5(seq), 200) FROM seq_1_to_20000";
    fills_up(Server::mariadb(), rows);
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let Some(launch) = private(Server::postgres().setting("shared_buffers", "none")) else {
        return;
    };
    let error = launch.start().expect_err("no such number");
    assert!(error.contains("shared_buffers"), "{error}");
}

#[test]
fn the_shared_servers_are_there_or_nobody_needs_them() {
    for kind in Kind::ALL {
        if let Some(url) = shared(kind) {
            let scheme = if kind == Kind::Mariadb { "mysql://" } else { "postgres://" };
            assert!(url.starts_with(scheme), "it is a URL of {kind}");
        }
    }
}

/// A process that dies without any chance to clean up, with servers that somebody uses.
fn dies_and_leaves_nothing(kind: &str) {
    if private(Server::postgres()).is_none() {
        return;
    }
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["victim", "--exact", "--nocapture"])
        .env(VICTIM, kind)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this very executable can be started");
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let said = lines.find_map(|line| line.unwrap().split_once("says: ").map(|it| it.1.to_owned()));
    let said = said.expect("it says where its server is");
    let mut words = said.split_whitespace();
    let folder = PathBuf::from(words.next().unwrap());
    let processes: Vec<u32> = words.map(|word| word.parse().unwrap()).collect();
    leaves_nothing(&folder, &processes, || {
        victim.kill().unwrap();
        victim.wait().unwrap();
        // Its supervisor is nobody's child now; the folder goes last of all.
        let gone = format!("while [ -e '{}' ]; do sleep 0.05; done", folder.display());
        let waited = Command::new("timeout").args(["60", "sh", "-c", &gone]).status().unwrap();
        assert!(waited.success(), "{} is left", folder.display());
    });
}

#[test]
fn a_killed_owner_leaves_no_postgres() {
    dies_and_leaves_nothing("postgres");
}

#[test]
fn a_killed_owner_leaves_no_mariadb() {
    dies_and_leaves_nothing("mariadb");
}

/// Not a test by itself: what the process does that is to die.
#[test]
fn victim() {
    let Ok(kind) = std::env::var(VICTIM) else { return };
    let launch = if kind == "mariadb" { Server::mariadb() } else { Server::postgres() };
    let server = private(launch).expect("its parent has looked").start().unwrap();
    // A client in the midst of its session.
    let mut client = connect(&server);
    client.write_all(&[0, 0, 0, 8, 0]).unwrap();
    let processes: Vec<String> = server.processes().iter().map(u32::to_string).collect();
    println!("says: {} {}", server.folder().display(), processes.join(" "));
    // Until it is killed: nobody writes to this.
    let _ = std::io::stdin().read(&mut [0]);
    std::thread::park();
}
