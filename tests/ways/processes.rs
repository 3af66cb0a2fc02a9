//! What survives when a process dies for real: SIGKILL, then a new start on the same file.
//!
//! The process that dies is this test's own executable, told by its environment what to do.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use cluster::prelude::*;

use crate::keep_alive::{self, Watch};
use crate::later_durable::{self, Office, OfficeDecide, World};
use crate::support::{Bed, Folder, Probe, soon, until};

const SCENARIO: &str = "CLUSTER_WAYS_SCENARIO";
const DATABASE: &str = "CLUSTER_WAYS_DATABASE";
/// What the process that dies says begins with this.
const SAYS: &str = "says: ";

/// A process that runs a scenario; killed when dropped.
struct Victim {
    child: Child,
    says: std::io::Lines<BufReader<ChildStdout>>,
}

impl Victim {
    fn start(scenario: &str, database: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["processes::victim", "--exact", "--nocapture"])
            .env(SCENARIO, scenario)
            .env(DATABASE, database)
            .stdout(Stdio::piped())
            .spawn()
            .expect("this very executable can be started");
        let stdout = child.stdout.take().expect("it is piped");
        Victim { child, says: BufReader::new(stdout).lines() }
    }

    /// The next thing that it says.
    fn says(&mut self) -> String {
        loop {
            // What stands before it is the test runner's own.
            let line = self.says.next().expect("it lives").expect("its output can be read");
            if let Some((_, said)) = line.split_once(SAYS) {
                return said.to_owned();
            }
        }
    }

    /// Kills it, as no process can prevent, and waits until it is gone.
    fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(what: impl std::fmt::Display) {
    println!("{SAYS}{what}");
}

/// Not a test by itself: what the process does that is to die.
#[test]
fn victim() {
    let Ok(scenario) = std::env::var(SCENARIO) else { return };
    let bed = Bed::on_file(PathBuf::from(std::env::var_os(DATABASE).expect("set with it")));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        match &*scenario {
            "owing" => owe(&bed).await,
            "watching" => watch(&bed, false).await,
            "resting" => watch(&bed, true).await,
            other => panic!("no such scenario: {other}"),
        }
    });
}

async fn owe(bed: &Bed) {
    let world = World::default();
    let cluster = later_durable::start(bed, &world).await;
    let office = cluster.get::<Office>("o");
    let receipt = office.decide("a".into()).key("k").send().await.unwrap();
    until(|| world.owed.has("a")).await;
    // It is served meanwhile, and what it is served with is stored.
    let files = office.file("meanwhile".into()).await.unwrap();
    say(format!("{} {files}", receipt.id()));
    std::future::pending().await
}

// proves: B29, B62
#[tokio::test]
async fn a_request_whose_process_is_killed_before_its_reply_runs_again() {
    let folder = Folder::new();
    let mut last = String::new();
    // However often it is killed, it is the same request.
    for files in 1..=3 {
        let mut victim = Victim::start("owing", &folder.database());
        last = victim.says();
        assert!(last.ends_with(&format!(" {files}")), "{last}");
        victim.kill();
    }
    let id = last.split_once(' ').unwrap().0.parse::<RequestId>().unwrap();
    let (bed, world) = (Bed::on_file(folder.database()), World::default());
    soon(async {
        let cluster = later_durable::start(&bed, &world).await;
        // By itself: nobody has asked for it in this process.
        until(|| world.owed.has("a")).await;
        world.owed.take("a").send("decided".into());
        assert_eq!(cluster.receipt::<OfficeDecide>(id).outcome().await.unwrap(), "decided");
        assert_eq!(world.probe.count("a"), 1);
        // Of all runs only the one that has an outcome has sent.
        assert_eq!(cluster.get::<Office>("archive").file("next".into()).await.unwrap(), 2);
    })
    .await;
}

async fn watch(bed: &Bed, rests: bool) {
    let cluster = keep_alive::start(bed, &Probe::default()).await;
    for n in 0..5 {
        let watch = cluster.get::<Watch>(format!("w{n}"));
        watch.watch(false).await.unwrap();
        if rests && n != 3 {
            watch.rest().await.unwrap();
        }
    }
    say("watching");
    std::future::pending().await
}

// proves: B68
#[tokio::test]
async fn what_is_kept_alive_comes_back_after_its_process_was_killed() {
    let folder = Folder::new();
    for (scenario, back) in [("watching", vec![0, 1, 2, 3, 4]), ("resting", vec![3])] {
        let mut victim = Victim::start(scenario, &folder.database());
        assert_eq!(victim.says(), "watching");
        victim.kill();
        let (bed, probe) = (Bed::on_file(folder.database()), Probe::default());
        soon(async {
            let cluster = keep_alive::start(&bed, &probe).await;
            for n in &back {
                probe.wait_for(&format!("begin w{n}"), 1).await;
            }
            until(|| cluster.stats().resident_entities == back.len()).await;
            assert_eq!(probe.log().len(), back.len());
        })
        .await;
        // The next process needs the file.
        until(|| !bed.is_held()).await;
    }
}
