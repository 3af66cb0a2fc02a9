//! The same promises when a process dies for real: SIGKILL, then a new start on the same file.
//!
//! The process that dies is this test's own executable, told by its environment what to do.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use cluster::prelude::*;

use crate::support::{Bed, Folder, watched};

const DATABASE: &str = "CLUSTER_WORKFLOW_DATABASE";
/// What the process that dies says begins with this.
const SAYS: &str = "says: ";

/// A process that drives an execution; killed when dropped.
struct Victim {
    child: Child,
    says: std::io::Lines<BufReader<ChildStdout>>,
}

impl Victim {
    fn start(database: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["processes::victim", "--exact", "--nocapture"])
            .env(DATABASE, database)
            .stdout(Stdio::piped())
            .spawn()
            .expect("this very executable can be started");
        let stdout = child.stdout.take().expect("it is piped");
        Victim { child, says: BufReader::new(stdout).lines() }
    }

    /// The next thing that it says; `None` when it has ended.
    fn says(&mut self) -> Option<String> {
        loop {
            // What stands before it is the test runner's own.
            let line = self.says.next()?.expect("its output can be read");
            if let Some((_, said)) = line.split_once(SAYS) {
                return Some(said.to_owned());
            }
        }
    }
}

impl Drop for Victim {
    /// Kills it, as no process can prevent, and waits until it is gone.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Each step says that it runs; so whoever listens kills it there.
#[derive(Default)]
struct Walk;

const STEPS: u32 = 6;

#[workflow(name = "walk", version = 1)]
impl Walk {
    #[run]
    async fn run(&self, ctx: &Workflow) -> Vec<u32> {
        let mut way = Vec::new();
        for number in 0..STEPS {
            way.push(self.step(number).await);
            ctx.sleep("rest", Duration::from_millis(20)).await;
        }
        way
    }

    #[step]
    async fn step(&self, number: u32) -> u32 {
        println!("{SAYS}{number}");
        // Long enough for the kill to find it here, most of the time.
        tokio::task::yield_now().await;
        number
    }
}

async fn walk(bed: &Bed) -> Result<Vec<u32>, ClusterError> {
    let cluster = bed.start(|builder| builder.workflow::<Walk>()).await;
    let way = cluster.workflow::<Walk>().run().key("k").await;
    cluster.shutdown().await.expect("it can be left");
    way
}

/// Not a test by itself: what the process does that is to die.
#[test]
fn victim() {
    let Some(database) = std::env::var_os(DATABASE) else { return };
    let bed = Bed::on_file(PathBuf::from(database));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let way = runtime.block_on(walk(&bed)).expect("it ends");
    println!("{SAYS}{way:?}");
}

// proves: B169, B173, B182, B216
#[tokio::test]
async fn an_execution_ends_though_its_process_is_killed_in_every_step() {
    let folder = Folder::new();
    let mut said = Vec::new();
    for _ in 0..STEPS - 1 {
        let mut victim = Victim::start(&folder.database());
        // Killed when it has begun a step that it had not begun before.
        loop {
            let step: u32 = victim.says().expect("it goes on").parse().expect("a step");
            said.push(step);
            if said.iter().filter(|known| **known == step).count() == 1 {
                break;
            }
        }
    }
    // The last process only hosts the workflow: the execution goes on by itself.
    let bed = Bed::on_file(folder.database());
    let cluster = bed.start(|builder| builder.workflow::<Walk>()).await;
    let execution = cluster.workflow::<Walk>().find("k").await.unwrap().expect("it was started");
    let way = watched(execution.result()).await.unwrap();
    cluster.shutdown().await.unwrap();
    assert_eq!(way, (0..STEPS).collect::<Vec<_>>());
    // In order; a step that was interrupted has run once more, none that was behind it.
    assert!(said.is_sorted(), "{said:?}");
    assert!((0..STEPS).all(|step| said.iter().filter(|known| **known == step).count() <= 2));
}
