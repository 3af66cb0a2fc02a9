//! One entity: one writer or many readers, first come first served. Many entities: none waits for
//! another.

use cluster::prelude::*;
use cluster::{ClusterBuilder, EntityOptions};
use futures_util::future::join_all;
use tokio::spawn;
use tokio::task::yield_now;

use crate::support::{Bed, backends, is_waiting, settle, soon};
use crate::witness::{Gate, Log, Tally};

/// An entity that notes who is inside.
#[derive(Entity)]
struct Room {
    tally: Tally,
    gate: Gate,
    log: Log,
}

#[entity]
impl Room {
    #[message]
    async fn write(&mut self) {
        let _inside = self.tally.exclusive();
        yield_now().await;
    }

    #[message]
    fn write_at_once(&mut self) {
        let _inside = self.tally.exclusive();
    }

    /// Writes; says how many came in before.
    #[message]
    fn entered(&mut self) -> usize {
        let before = self.tally.entered();
        let _inside = self.tally.exclusive();
        before
    }

    #[message]
    async fn read(&self) {
        let _inside = self.tally.shared();
        yield_now().await;
    }

    #[message]
    fn read_at_once(&self) {
        let _inside = self.tally.shared();
    }

    #[message(persisted)]
    async fn write_durably(&mut self) {
        let _inside = self.tally.exclusive();
        yield_now().await;
    }

    /// Writes until the gate is open.
    #[message]
    async fn block(&mut self) {
        let _inside = self.tally.exclusive();
        self.gate.pass().await;
    }

    #[message]
    fn enter(&mut self, name: String) {
        let _inside = self.tally.exclusive();
        self.log.note(name);
    }
}

/// What the rooms of one test carry.
#[derive(Clone, Default)]
struct Witness {
    tally: Tally,
    gate: Gate,
    log: Log,
}

impl Witness {
    fn host(&self) -> impl FnOnce(ClusterBuilder) -> ClusterBuilder + use<> {
        self.host_with(EntityOptions::DEFAULT)
    }

    fn host_with(
        &self,
        options: EntityOptions,
    ) -> impl FnOnce(ClusterBuilder) -> ClusterBuilder + use<> {
        let Witness { tally, gate, log } = self.clone();
        move |builder| {
            let builder = builder.entity_with::<Room>(move |_| Room {
                tally: tally.clone(),
                gate: gate.clone(),
                log: log.clone(),
            });
            builder.options::<Room>(options)
        }
    }
}

// proves: B54
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_writer_never_meets_anybody() {
    const TASKS: usize = 10;
    const CALLS: usize = 10_000;
    let (bed, witness) = (Bed::memory(), Witness::default());
    let cluster = bed.start(witness.host()).await;
    let tasks = (0..TASKS).map(|task| {
        let room = cluster.get::<Room>("r");
        spawn(async move {
            for call in 0..CALLS {
                match (task + call) % 20 {
                    0 => room.write_durably().await.unwrap(),
                    1..5 => room.write().await.unwrap(),
                    5..10 => room.write_at_once().await.unwrap(),
                    10..15 => room.read().await.unwrap(),
                    _ => room.read_at_once().await.unwrap(),
                }
            }
        })
    });
    let ended = soon(join_all(tasks)).await;
    assert!(ended.iter().all(Result::is_ok));
    assert_eq!(witness.tally.entered(), TASKS * CALLS);
    assert_eq!(witness.tally.overlaps(), 0);
    assert_eq!(witness.tally.inside(), 0);
}

// proves: B56
#[tokio::test]
async fn endless_readers_do_not_starve_a_writer() {
    const READERS: usize = 4;
    let (bed, witness) = (Bed::memory(), Witness::default());
    let cluster = bed.start(witness.host()).await;
    let streams: Vec<_> = (0..READERS)
        .map(|_| {
            let room = cluster.get::<Room>("r");
            spawn(async move {
                loop {
                    room.read().await.unwrap();
                }
            })
        })
        .collect();
    let room = cluster.get::<Room>("r");
    soon(async {
        for number in 1..=100 {
            let before = witness.tally.entered();
            // Each stream has at most one call before the writer.
            let met = room.entered().await.unwrap() - before;
            assert!(met <= READERS, "writer {number} let {met} readers pass");
            yield_now().await;
        }
    })
    .await;
    assert!(witness.tally.entered() > 200, "the readers were not endless");
    assert_eq!(witness.tally.overlaps(), 0);
    streams.iter().for_each(|stream| stream.abort());
}

// proves: B57
#[tokio::test]
async fn a_blocked_handler_delays_no_other_entity_of_its_shard() {
    let (bed, witness) = (Bed::memory().with_virtual_time(), Witness::default());
    let cluster = bed.start(witness.host()).await;
    let shard = cluster.shard_of::<Room>("blocked").unwrap();
    let mut blocked = Box::pin(cluster.get::<Room>("blocked").block().into_future());
    assert!(is_waiting(&mut blocked).await);
    let began = bed.clock().now();
    let neighbours = (0..).map(|n| format!("n{n}"));
    let same_shard =
        |id: &String| cluster.shard_of::<Room>(id.as_str()).is_ok_and(|other| other == shard);
    for id in neighbours.filter(same_shard).take(20) {
        soon(cluster.get::<Room>(id.as_str()).write()).await.unwrap();
        soon(cluster.get::<Room>(id.as_str()).write_durably()).await.unwrap();
    }
    assert_eq!(bed.clock().now() - began, Duration::ZERO);
    bed.advance(Duration::from_secs(10)).await;
    assert!(is_waiting(&mut blocked).await);
    witness.gate.open();
    soon(blocked).await.unwrap();
}

// proves: B10, B57
#[tokio::test]
async fn a_long_queue_delays_no_other_entity() {
    const QUEUED: usize = 100_000;
    let (bed, witness) = (Bed::memory(), Witness::default());
    let options = EntityOptions { mailbox: Some(QUEUED), ..EntityOptions::DEFAULT };
    let cluster = bed.start(witness.host_with(options)).await;
    let busy = cluster.get::<Room>("busy");
    let mut blocked = Box::pin(busy.block().into_future());
    assert!(is_waiting(&mut blocked).await);
    for _ in 0..QUEUED {
        busy.write_at_once().send().await.unwrap();
    }
    let full = busy.write_at_once().await;
    assert!(matches!(full, Err(ClusterError::MailboxFull { limit: QUEUED, .. })), "{full:?}");

    witness.gate.open();
    // The blocked writer ends, and the queue begins to move.
    while witness.tally.entered() < 2 {
        yield_now().await;
    }
    let began = bed.clock().now();
    soon(cluster.get::<Room>("other").write()).await.unwrap();
    let took = bed.clock().now() - began;
    let passed = witness.tally.entered();
    assert!(passed < QUEUED / 2, "only {} were left in the queue", QUEUED - passed);
    assert!(took <= Duration::from_secs(1), "{took:?}");
    soon(async {
        blocked.await.unwrap();
        // Behind all of them.
        while let Err(ClusterError::MailboxFull { .. }) = busy.read().await {
            yield_now().await;
        }
    })
    .await;
    assert_eq!(witness.tally.entered(), QUEUED + 3);
}

/// A number, durable as a whole.
#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Number {
    value: u64,
}

#[entity]
impl Number {
    #[message]
    fn add(&mut self, amount: u64) -> u64 {
        self.value += amount;
        self.value
    }

    #[message]
    fn value(&self) -> u64 {
        self.value
    }
}

// proves: B21, B22
async fn volatile_calls_store_no_request_and_never_come_again(bed: Bed) {
    let witness = Witness::default();
    let cluster = bed.start(|builder| witness.host()(builder).entity::<Number>()).await;
    let (room, number) = (cluster.get::<Room>("r"), cluster.get::<Number>("n"));
    for call in 1..=500 {
        room.enter("same".into()).await.unwrap();
        assert_eq!(number.add(7).await.unwrap(), call * 7);
    }
    let mut cut_off = Box::pin(room.block().into_future());
    assert!(is_waiting(&mut cut_off).await);
    assert_eq!(witness.log.all().len(), 500);
    drop((cluster, room, number));
    let lost = soon(cut_off).await;
    assert!(matches!(lost, Err(ClusterError::OutcomeUnknown { .. })), "{lost:?}");

    let storage = bed.open().await;
    assert_eq!(storage.highest_seq().await.unwrap(), cluster::id::Seq::default());
    drop(storage);
    assert_eq!(stored_rows(&bed).await, 0);
    let cluster = bed.start(|builder| witness.host()(builder).entity::<Number>()).await;
    cluster.caught_up().await.unwrap();
    settle().await;
    assert_eq!(cluster.get::<Number>("n").value().await.unwrap(), 3_500);
    assert_eq!(witness.log.all().len(), 500);
    assert_eq!(witness.tally.entered(), 501);
    // The same look does find what a persisted call has stored.
    cluster.get::<Room>("r").write_durably().await.unwrap();
    drop(cluster);
    assert_eq!(stored_rows(&bed).await > 0, !bed.is_in_memory());
}

/// The rows of the tables of messages and of their outcomes.
async fn stored_rows(bed: &Bed) -> i64 {
    if bed.is_in_memory() {
        return 0;
    }
    let mut user = bed.user().await;
    let mut rows = 0;
    for table in ["request", "outcome", "due", "held", "dead", "attempt"] {
        rows += user.numbers(&format!("SELECT count(*) FROM cluster_{table}")).await[0];
    }
    rows
}

backends!(volatile_calls_store_no_request_and_never_come_again);
