//! The same promises when a process dies for real: SIGKILL, then a new start on the same database.

use cluster::prelude::*;

use crate::support::{Bed, Victim, backends, be_victim, say, watched};

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
    be_victim(async |_, bed| {
        walk(bed).await.expect("it ends");
    });
}

// proves: B169, B173, B182, B216
async fn an_execution_ends_though_its_process_is_killed_in_every_step(make: fn() -> Bed) {
    let bed = make().in_real_time();
    drop(bed.open().await);
    let mut said = Vec::new();
    for _ in 0..STEPS - 1 {
        let mut victim = Victim::start("walk", &bed);
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
    let cluster = bed.start(|builder| builder.workflow::<Walk>()).await;
    let execution = cluster.workflow::<Walk>().find("k").await.unwrap().expect("it was started");
    let way = watched(execution.result()).await.unwrap();
    cluster.shutdown().await.unwrap();
    assert_eq!(way, (0..STEPS).collect::<Vec<_>>());
    // In order; a step that was interrupted has run once more, none that was behind it.
    assert!(said.is_sorted(), "{said:?}");
    assert!((0..STEPS).all(|step| said.iter().filter(|known| **known == step).count() <= 2));
}

backends!(on disk: an_execution_ends_though_its_process_is_killed_in_every_step);
