//! The same promises when a process dies for real: SIGKILL, then a new start on the same file.

use std::sync::atomic::{AtomicU32, Ordering};

use cluster::Progress;
use cluster::prelude::*;

use crate::support::{Bed, Folder, Victim, be_victim, say, watched};

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
        say(number);
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
    be_victim(async |scenario, bed| match scenario {
        "walk" => _ = walk(bed).await.expect("it ends"),
        _ => wait_in_all(bed).await,
    });
}

// proves: B169, B173, B182, B216
#[tokio::test]
async fn an_execution_ends_though_its_process_is_killed_in_every_step() {
    let folder = Folder::new();
    let mut said = Vec::new();
    for _ in 0..STEPS - 1 {
        let mut victim = Victim::start("walk", &folder.database());
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

/// Walks a few steps, then waits for somebody.
#[derive(Default)]
struct Wait;

#[workflow(name = "wait", version = 1)]
impl Wait {
    #[run]
    async fn run(&self, ctx: &Workflow, steps: u32) -> u32 {
        let mut sum = 0;
        for number in 0..steps {
            sum += self.step(number).await;
        }
        sum + ctx.deferred::<u32>("end").await.unwrap_or_default()
    }

    #[step]
    async fn step(&self, number: u32) -> u32 {
        WALKED.fetch_add(1, Ordering::Relaxed);
        number
    }
}

const EXECUTIONS: u32 = 30;
/// Steps that ran in this process.
static WALKED: AtomicU32 = AtomicU32::new(0);

async fn wait_in_all(bed: &Bed) {
    let cluster = bed.start(|builder| builder.workflow::<Wait>()).await;
    for number in 0..EXECUTIONS {
        let wait = cluster.workflow::<Wait>();
        wait.start(number % STEPS).key(number.to_string()).await.expect("it starts");
    }
    // Whoever waits has walked all its steps, and they are stored.
    for number in 0..EXECUTIONS {
        let wait = cluster.workflow::<Wait>().find(number.to_string()).await;
        let wait = wait.expect("it can be found").expect("it was started");
        while !matches!(wait.poll().await, Ok(Progress::Waiting)) {
            tokio::task::yield_now().await;
        }
    }
    say("all wait");
    std::future::pending().await
}

// proves: B216, B217
#[tokio::test]
async fn every_unfinished_execution_goes_on_after_a_kill_with_one_query_each() {
    let folder = Folder::new();
    let mut victim = Victim::start("wait", &folder.database());
    victim.wait_for("all wait");
    victim.kill();
    let bed = Bed::on_file(folder.database());
    let cluster = bed.start(|builder| builder.workflow::<Wait>()).await;
    watched(async {
        // By themselves: nobody has asked for one.
        while bed.watch.calls("load_journal") < u64::from(EXECUTIONS) {
            tokio::task::yield_now().await;
        }
        for number in 0..EXECUTIONS {
            let wait = cluster.workflow::<Wait>().find(number.to_string()).await.unwrap().unwrap();
            cluster.complete(wait.deferred::<u32>("end").token(), 100).await.unwrap();
            let walked = number % STEPS;
            let sum = (0..walked).sum::<u32>() + 100;
            assert_eq!(wait.result().await.unwrap(), sum);
        }
    })
    .await;
    assert_eq!(bed.watch.calls("load_journal"), u64::from(EXECUTIONS));
    assert_eq!(WALKED.load(Ordering::Relaxed), 0, "no step ran again");
    cluster.shutdown().await.unwrap();
}
