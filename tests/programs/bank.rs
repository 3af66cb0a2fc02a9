//! The bank applies each transfer exactly once, however often its process is killed, and says which
//! rows it could not apply and why.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cluster::time::Clock;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::mysql::Database;
use crate::postgres::Schema;
use crate::program::{Folder, example, printed};

/// How often the process is killed again and again on one database.
const KILLS_OF_ONE: usize = 10;
/// How often it is killed once, at any moment of its work, and then let run to its end.
const KILLS_OF_FRESH: usize = 10;
/// Rows of the committed file that are applied on the one database.
const ROWS_OF_ONE: usize = 20_000;
/// The same on each fresh one.
const ROWS_OF_FRESH: usize = 10_000;
/// The same on a server.
const ROWS_ON_SERVER: usize = 3_000;
/// Kills that come too late are not counted, but there are at most so many.
const DRAWS_MAX: usize = 50;
/// Replays the moments of another run, as far as a machine repeats itself.
const SEED_VARIABLE: &str = "CLUSTER_TEST_SEED";

/// The first rows of the committed file, with its header.
fn transfers(rows: usize) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/transfers.csv");
    let text = std::fs::read_to_string(path).expect("the transfers are part of the repository");
    text.lines().take(1 + rows).fold(String::new(), |text, line| text + line + "\n")
}

/// What the accounts must hold at the end, and how many transfers must be accepted, by the plainest
/// way there is.
fn expected(transfers: &str) -> (String, u64) {
    let mut cents: BTreeMap<String, i64> =
        (0..5_000).map(|number| (format!("acc-{number:04}"), 1_000_000)).collect();
    let mut accepted = 0;
    for row in transfers.lines().skip(1) {
        let columns: Vec<&str> = row.split(',').collect();
        let (from, to) = (columns[1], columns[2]);
        let amount: i64 = columns[3].parse().expect("cents are a whole number");
        if cents.contains_key(from) && cents.contains_key(to) && from != to && amount > 0 {
            cents.entry(from.to_owned()).and_modify(|cents| *cents -= amount);
            cents.entry(to.to_owned()).and_modify(|cents| *cents += amount);
            accepted += 1;
        }
    }
    let lines = cents.iter().map(|(account, cents)| format!("{account},{cents}\n"));
    (lines.collect(), accepted)
}

/// The bank on the file `transfers.csv` of a folder.
fn bank(folder: &Folder, db: &str) -> Command {
    let mut bank = example("bank", folder);
    bank.args(["--file", "transfers.csv", "--balances", "balances.csv", "--json", "--db", db]);
    bank
}

fn report(bank: &mut Command) -> Value {
    serde_json::from_str(&printed(bank)).expect("one JSON object")
}

fn seed() -> u64 {
    let given = std::env::var(SEED_VARIABLE).ok();
    given.map_or_else(|| std::process::id().into(), |seed| seed.parse().expect("a number"))
}

/// A folder with the first rows, and what must come of them.
struct Work {
    folder: Folder,
    balances: String,
    accepted: u64,
    clock: Clock,
    moments: StdRng,
    seed: u64,
}

impl Work {
    fn of(rows: usize, name: &str) -> Self {
        let seed = seed();
        println!("the seed is {seed}; set {SEED_VARIABLE} to run with it again");
        let (folder, transfers) = (Folder::new(name), transfers(rows));
        folder.write("transfers.csv", &transfers);
        let (balances, accepted) = expected(&transfers);
        let moments = StdRng::seed_from_u64(seed);
        Work { folder, balances, accepted, clock: Clock::system(), moments, seed }
    }

    /// Runs to the end; the balances are as expected. Says how long it took.
    fn finish(&self, db: &str) -> Duration {
        let started = self.clock.now();
        let report = report(&mut bank(&self.folder, db));
        let took = self.clock.now() - started;
        assert_eq!(report["accepted"], self.accepted);
        assert_eq!(report["total_cents"], 5_000_000_000_u64);
        let right = self.folder.read("balances.csv") == self.balances;
        assert!(right, "seed {}: the balances of {db} are wrong", self.seed);
        took
    }

    /// Starts the bank and kills it as `kill -9` does, at a moment before `latest`. Says whether it
    /// still ran then.
    async fn kill(&mut self, db: &str, latest: Duration) -> bool {
        let delay = self.moments.random_range(Duration::ZERO..latest);
        let mut bank = bank(&self.folder, db);
        let child = bank.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the bank can be started");
        self.clock.sleep(delay).await;
        let running = child.try_wait().expect("the child can be asked").is_none();
        child.kill().expect("the child can be killed");
        let ended = child.wait().expect("the child has ended");
        // What has ended in between was not hit.
        running && ended.code().is_none()
    }
}

// proves: B31, B44, B50
#[tokio::test]
async fn killed_again_and_again_it_ends_with_exactly_the_same_balances() {
    let mut work = Work::of(ROWS_OF_ONE, "bank-killed");
    let whole = work.finish("undisturbed.db");
    let mut hits = 0;
    for draw in 0.. {
        hits += usize::from(work.kill("killed.db", whole / 8).await);
        if hits == KILLS_OF_ONE {
            break;
        }
        assert!(draw < DRAWS_MAX, "hardly any kill was in time");
    }
    // To the end, and once more when there is nothing left to do.
    work.finish("killed.db");
    work.finish("killed.db");
}

// proves: B31, B44, B50
#[tokio::test]
async fn killed_at_any_moment_of_its_work_it_ends_with_exactly_the_same_balances() {
    let mut work = Work::of(ROWS_OF_FRESH, "bank-killed-once");
    let whole = work.finish("undisturbed.db");
    let mut hits = 0;
    for draw in 0.. {
        let db = format!("killed-{draw}.db");
        // Where it had ended already another moment is drawn, for another database.
        if work.kill(&db, whole).await {
            work.finish(&db);
            hits += 1;
        }
        if hits == KILLS_OF_FRESH {
            return;
        }
        assert!(draw < DRAWS_MAX, "hardly any kill was in time");
    }
}

/// Kills it once, on a database of its own on a server.
async fn killed_once_on_a_server(name: &str, database: impl AsyncFn() -> Option<String>) {
    let Some(undisturbed) = database().await else { return };
    let mut work = Work::of(ROWS_ON_SERVER, name);
    let whole = work.finish(&undisturbed);
    for draw in 0.. {
        let db = database().await.expect("there was one");
        if work.kill(&db, whole).await {
            work.finish(&db);
            return;
        }
        assert!(draw < DRAWS_MAX, "no kill was in time");
    }
}

// proves: B31, B44, B50
#[tokio::test]
async fn killed_on_postgres_it_ends_with_exactly_the_same_balances() {
    let database = async || Schema::new().await.map(|schema| schema.url);
    killed_once_on_a_server("bank-postgres", database).await;
}

// proves: B31, B44, B50
#[tokio::test]
async fn killed_on_mariadb_it_ends_with_exactly_the_same_balances() {
    let database = async || Database::new().await.map(|database| database.url);
    killed_once_on_a_server("bank-mariadb", database).await;
}

#[test]
fn a_malformed_row_is_reported_with_its_line_and_the_rest_is_applied() {
    let folder = Folder::new("bank-malformed");
    let rows: [&[u8]; 12] = [
        b"id,from,to,cents\r",
        b"t-1,acc-0001,acc-0002,5\r",
        b"",
        b"t-2,acc-0001,acc-0002",
        b"t-3,\"acc-0001\",acc-0002,\"7\"",
        b"\"t-4,acc-0001,acc-0002,1",
        b"t-5,acc-0001,acc-0002,1.5",
        b"t-6,acc-0001,acc-0002,1,1",
        b"t-7,acc-0001,acc-\xff,1",
        b",acc-0001,acc-0002,1",
        b"t-8,acc-0001,acc-0002,9223372036854775808",
        b"t-9,acc-0003,acc-0001,3",
    ];
    folder.write("transfers.csv", rows.join(&b'\n'));

    let output = bank(&folder, "bank.db").output().unwrap();
    let problems = String::from_utf8(output.stderr).unwrap();
    let expected = [
        "line 4: expected 4 columns, found 3",
        "line 6: expected 4 columns, found 1",
        "line 7: `1.5` is not a whole number of cents",
        "line 8: expected 4 columns, found 5",
        "line 9: the text is not UTF-8",
        "line 10: the id has 0 bytes instead of 1 to 1024",
        "line 11: `9223372036854775808` is not a whole number of cents",
    ];
    let expected: Vec<String> =
        expected.iter().map(|problem| format!("transfers.csv: {problem}")).collect();
    assert_eq!(problems.lines().collect::<Vec<_>>(), expected);
    assert!(output.status.success());

    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["accepted"], &report["rejected"]["malformed"]), (&json!(3), &json!(7)));
    let balances = folder.read("balances.csv");
    let first: Vec<&str> = balances.lines().take(5).collect();
    let cents = ["1000000", "999991", "1000012", "999997", "1000000"];
    let expected: Vec<String> =
        (0..5).map(|number| format!("acc-000{number},{}", cents[number])).collect();
    assert_eq!(first, expected);
}

#[test]
fn what_is_rejected_is_counted_by_reason() {
    let folder = Folder::new("bank-rejected");
    let rows = [
        "id,from,to,cents",
        "t-01,acc-0001,acc-0002,9223372036854775807",
        "t-02,acc-0001,acc-0002,9223372036854775807",
        "t-03,acc-5000,acc-0001,1",
        "t-04,acc-0001,acc-1,1",
        "t-05,ACC-0001,acc-0002,1",
        "t-06,acc-0001,acc-0002,0",
        "t-07,acc-0001,acc-0002,-5",
        "t-08,acc-0001,acc-0001,5",
        "t-01,acc-0001,acc-0003,1",
        "t-01,acc-0001,acc-0002,9223372036854775807",
    ];
    folder.write("transfers.csv", rows.join("\n"));
    let mut report = report(&mut bank(&folder, "bank.db"));
    for measured in ["messages_per_s", "p50_us", "p99_us"] {
        let figure = report.as_object_mut().unwrap().remove(measured);
        assert!(figure.is_some_and(|figure| figure.as_u64() > Some(0)), "{measured} of {report}");
    }
    let expected = json!({
        "accounts": 5_000,
        "total_cents": 5_000_000_000_u64,
        // The last row is the first one again: found, not applied twice.
        "accepted": 3,
        "rejected": {
            "malformed": 0,
            "unknown_account": 3,
            "not_positive": 2,
            "same_account": 1,
            "id_taken": 1,
        },
    });
    assert_eq!(report, expected);
    let balances = folder.read("balances.csv");
    // 2 × (2^63 - 1) cents: more than an `i64` holds.
    assert_eq!(balances.lines().nth(2), Some("acc-0002,18446744073710551614"));
    assert_eq!(balances.lines().count(), 5_000);
}

#[test]
fn an_unknown_account_is_never_called() {
    let folder = Folder::new("bank-unknown");
    let rows = ["id,from,to,cents", "t-1,bob,acc-0001,5", "t-2,acc-0001,bob,0"];
    folder.write("transfers.csv", rows.join("\n"));
    let report = report(&mut bank(&folder, "bank.db"));
    assert_eq!(
        (&report["accepted"], &report["rejected"]["unknown_account"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(report["messages_per_s"], 0);
}

#[test]
fn people_read_a_table_and_what_is_wrong_with_their_options() {
    let folder = Folder::new("bank-people");
    folder.write("transfers.csv", "id,from,to,cents\nt-1,acc-0001,acc-0002,5\nt-2,bob,acc-0001,5");
    let table = printed(example("bank", &folder).args(["--file", "transfers.csv"]));
    let line = |number: usize| {
        table.lines().nth(number).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let lines = ["accounts 5,000", "total in cents 5000000000", "accepted 1", "rejected 1"];
    assert_eq!(std::array::from_fn(line), lines);
    assert_eq!(line(4), "unknown account 1");

    let wrong = [
        (["--file", "missing.csv"], "missing.csv: No such file or directory"),
        (["--file", "bank.db"], "bank.db: the first line is not `id,from,to,cents`"),
        (["--concurrency", "0"], "0 is not in 1..=16384"),
    ];
    for (options, message) in wrong {
        let output = example("bank", &folder).args(options).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(message), "{said}");
    }
}
