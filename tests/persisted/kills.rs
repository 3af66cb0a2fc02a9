//! Real processes, killed where it hurts: the child is this program, run again for one scenario.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use cluster::prelude::*;
use cluster::time::Clock;

use crate::support::{Desk, Folder, Meter, Probe, open_sqlite, watched};

/// Tells the child which scenario to play.
const SCENARIO: &str = "CLUSTER_TEST_CHILD_SCENARIO";
/// Tells the child where the database is.
const DATABASE: &str = "CLUSTER_TEST_CHILD_DATABASE";
/// What the child prints when it may be killed.
const READY: &str = "ready to be killed";

/// What a child does until it is killed.
#[derive(Clone, Copy)]
enum Scenario {
    /// Hangs on the first line of a handler.
    FirstLine,
    /// Hangs when the outcome is durable and nobody has been told.
    Committed,
}

impl Scenario {
    fn name(self) -> &'static str {
        match self {
            Scenario::FirstLine => "first line",
            Scenario::Committed => "committed",
        }
    }
}

fn say_ready() {
    // Not `println!`: the harness must not capture it.
    let mut stdout = std::io::stdout();
    writeln!(stdout, "\n{READY}").and_then(|()| stdout.flush()).expect("the parent reads");
}

/// Runs a scenario in a process of its own, and kills that as `kill -9` does when it is ready.
fn kill_in(scenario: Scenario, folder: &Folder) {
    let this = std::env::current_exe().expect("a running test is a file");
    let mut command = Command::new(this);
    command.args(["--exact", "kills::the_child_plays_its_scenario", "--nocapture"]);
    command.env(SCENARIO, scenario.name()).env(DATABASE, folder.database());
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the child can be started");
    let ready = is_ready(&mut child);
    child.kill().expect("the child can be killed");
    let ended = child.wait().expect("the child has ended");
    assert!(ready && ended.code().is_none(), "the child was to be killed, but {ended}");
}

fn is_ready(child: &mut Child) -> bool {
    let stdout = child.stdout.take().expect("piped");
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    lines.any(|line| line == READY)
}

async fn start(database: &Path, probe: &Probe, meter: &Meter) -> Cluster {
    let sqlite = Arc::new(open_sqlite(database, Clock::system()).await);
    let probe = probe.clone();
    let builder = Cluster::builder().storage(meter.before(sqlite));
    let builder = builder.entity_with::<Desk>(move |_| Desk::new(&probe));
    builder.start().await.expect("the cluster starts")
}

/// Played only in a child; as a test of this process it has nothing to do.
#[tokio::test]
async fn the_child_plays_its_scenario() {
    let Some(scenario) = std::env::var_os(SCENARIO) else { return };
    let database = PathBuf::from(std::env::var_os(DATABASE).expect("comes with the scenario"));
    let (probe, meter) = (Probe::default(), Meter::default());
    let cluster = start(&database, &probe, &meter).await;
    let desk = cluster.get::<Desk>("d");
    let call = desk.write("line".into()).key("k").timeout(Duration::from_secs(3_600));
    if scenario == Scenario::FirstLine.name() {
        probe.close("line");
        let call = tokio::spawn(call.into_future());
        probe.wait_for("line", 1).await;
        say_ready();
        call.await.unwrap().unwrap();
    } else {
        meter.hang_at_outcome(say_ready);
        call.await.unwrap();
    }
    unreachable!("killed before");
}

// proves: B29
#[tokio::test]
async fn killed_on_the_first_line_of_a_handler_its_request_runs_again() {
    let body = async {
        let folder = Folder::new();
        // However often it is killed.
        for _ in 0..3 {
            kill_in(Scenario::FirstLine, &folder);
        }
        let (probe, meter) = (Probe::default(), Meter::default());
        let cluster = start(&folder.database(), &probe, &meter).await;
        // By itself: nobody has asked for it in this process.
        probe.wait_for("line!", 1).await;
        cluster.caught_up().await.unwrap();
        let desk = cluster.get::<Desk>("d");
        assert_eq!(desk.lines().await.unwrap(), ["line"]);
        assert_eq!(desk.write("line".into()).key("k").await.unwrap(), 1);
        assert_eq!(probe.count("line"), 1);
    };
    watched(body).await;
}

// proves: B38
#[tokio::test]
async fn killed_between_commit_and_reply_the_outcome_is_there_and_the_handler_ran_once() {
    let body = async {
        let folder = Folder::new();
        kill_in(Scenario::Committed, &folder);
        let (probe, meter) = (Probe::default(), Meter::default());
        let cluster = start(&folder.database(), &probe, &meter).await;
        cluster.caught_up().await.unwrap();
        let desk = cluster.get::<Desk>("d");
        assert_eq!(desk.write("line".into()).key("k").await.unwrap(), 1);
        // It ran in the child, and never here.
        assert_eq!(desk.lines().await.unwrap(), ["line"]);
        assert_eq!(probe.count("line"), 0);
    };
    watched(body).await;
}
