//! Requests that start at a time of their own: `scheduled-arm` (how fast they are accepted),
//! `scheduled` (how late they start; its latencies are that) and `scheduled-memory` (what those
//! cost in memory that are due much later).

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bench_kit::{Bench, Case, Lane, Run, Watch, lane, resident_bytes, unix_micros};
use cluster::prelude::*;
use cluster::time::Timestamp;
use tokio::sync::Notify;

use crate::SYSTEM;

/// Over how long a time they are spread.
const SPREAD_MS: u64 = 10_000;
/// How long arming may take before the first one is due.
const HEAD_START_MS: u64 = 8_000;
/// When those are due that nobody waits for.
const MUCH_LATER_MS: u64 = 86_400_000;

/// Tells how late it is called.
#[derive(Entity)]
struct Bell {
    #[state]
    rings: u64,
    heard: Arc<Heard>,
}

/// What was heard of all bells.
#[derive(Default)]
struct Heard {
    lateness_ns: Mutex<Vec<u64>>,
    all: Notify,
}

#[entity]
impl Bell {
    #[message(persisted)]
    fn ring(&mut self, due_ms: u64) {
        self.rings += 1;
        let late = unix_micros().checked_sub(due_ms * 1_000).expect("never early");
        let mut lateness_ns = self.heard.lateness_ns.lock().expect("nobody panics");
        lateness_ns.push(late * 1_000);
        if lateness_ns.len() as u64 == lane::SCHEDULED.operations {
            self.heard.all.notify_one();
        }
    }
}

/// The cases of this family.
pub(crate) fn cases() -> Vec<Case> {
    let case = |lane: Lane, take: fn(Runs) -> Run| -> Case {
        Case::durable(lane, SYSTEM, "sqlite", move |bench: &Bench| take(measure(bench, lane)))
    };
    vec![
        case(lane::SCHEDULED_ARM, |runs| runs.arming),
        case(lane::SCHEDULED, |runs| runs.firing),
        Case::memory(lane::SCHEDULED_MEMORY, SYSTEM, |bench| wait(bench, lane::SCHEDULED_MEMORY))
            .on("sqlite"),
    ]
}

struct Runs {
    arming: Run,
    firing: Run,
}

fn measure(bench: &Bench, lane: Lane) -> Runs {
    let file = bench.fresh_file("scheduled.db");
    bench.block_on(async move {
        let heard: Arc<Heard> = Arc::default();
        let cluster = start(file, &heard).await;
        let first = unix_micros() / 1_000 + HEAD_START_MS;
        let arming = arm(&cluster, lane, first).await;
        let firing = Watch::start();
        heard.all.notified().await;
        let elapsed = firing.elapsed();
        cluster.shutdown().await.expect("the storage works");
        let lateness = std::mem::take(&mut *heard.lateness_ns.lock().expect("nobody panics"));
        Runs { arming, firing: Run::new(lane.operations, elapsed, lateness) }
    })
}

/// Hands requests over that nobody waits for: how far memory has grown by then.
fn wait(bench: &Bench, lane: Lane) -> Run {
    let file = bench.fresh_file("scheduled.db");
    bench.block_on(async move {
        let cluster = start(file, &Arc::default()).await;
        let before = resident_bytes();
        let mut run = arm(&cluster, lane, unix_micros() / 1_000 + MUCH_LATER_MS).await;
        let after = resident_bytes();
        let grown = before.zip(after).map(|(before, after)| after.saturating_sub(before));
        run.bytes_per_entity = grown.map(|grown| grown / u64::from(lane.entities));
        cluster.shutdown().await.expect("the storage works");
        run
    })
}

async fn start(file: PathBuf, heard: &Arc<Heard>) -> Cluster {
    let heard = heard.clone();
    let storage = Sqlite::open(file).await.expect("the bench's folder is writable");
    let builder = Cluster::builder()
        .storage(storage)
        .entity_with::<Bell>(move |_| Bell { rings: 0, heard: heard.clone() });
    builder.start().await.expect("the storage is new")
}

/// Hands all requests over, their times in no order.
async fn arm(cluster: &Cluster, lane: Lane, first_ms: u64) -> Run {
    let whole = Watch::start();
    let callers: Vec<_> = (0..lane.callers)
        .map(|caller| {
            let cluster = cluster.clone();
            tokio::spawn(async move {
                for number in 0..lane.share(caller) {
                    let operation = number * u64::from(lane.callers) + u64::from(caller);
                    let due_ms = first_ms + operation.wrapping_mul(7_919) % SPREAD_MS;
                    let bell =
                        cluster.get::<Bell>((operation % u64::from(lane.entities)).to_string());
                    let at = Timestamp::from_unix_ms(i64::try_from(due_ms).expect("not so late"));
                    bell.ring(due_ms).at(at).send().await.expect("the storage works");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("a caller ends without a panic");
    }
    Run::new(lane.operations, whole.elapsed(), Vec::new())
}
