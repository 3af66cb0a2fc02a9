//! An explicit cancel reaches a persisted request wherever it is, and is durable.

use cluster::prelude::*;
use cluster::{Cancelled, ClusterBuilder};
use tokio::spawn;

use crate::entities::{Counter, Desk, DeskFile, start, start_with};
use crate::support::{Bed, Probe, Reading, backends, is_waiting, settle};

/// Handlers that cannot be stopped, and one that is told.
#[derive(Entity)]
struct Stubborn {
    #[state]
    done: Vec<String>,
    probe: Probe,
}

#[entity]
impl Stubborn {
    #[message(persisted, uninterruptible)]
    async fn insist(&mut self, ctx: &Context, what: String) -> usize {
        self.probe.pass(&what).await;
        if ctx.is_cancelled() {
            self.probe.note("told");
        }
        self.done.push(what);
        self.done.len()
    }

    #[message(persisted, uninterruptible)]
    async fn until_cancelled(&mut self, ctx: &Context) -> String {
        self.probe.note("waiting");
        ctx.cancelled().await;
        self.done.push("ended early".into());
        "ended early".into()
    }

    /// Can be stopped, but hears of it first.
    #[message(persisted)]
    async fn give_way(&mut self, ctx: &Context) -> usize {
        ctx.get::<Counter>("other").add(1).send().await.expect("it is put into the outbox");
        self.done.push("gave way".into());
        self.probe.note("giving way");
        ctx.cancelled().await;
        self.probe.note("told");
        self.done.len()
    }

    /// The same in a transaction of its own.
    #[message(persisted, transaction)]
    async fn give_way_in_transaction(&mut self, ctx: &Context) -> usize {
        drop(ctx.transaction::<Sqlite>().await.expect("it can be opened"));
        self.give_way(ctx).await
    }

    #[message]
    fn done(&self) -> Vec<String> {
        self.done.clone()
    }
}

async fn start_stubborn(bed: &Bed, probe: &Probe) -> Cluster {
    let other = probe.clone();
    start_with(bed, probe, move |builder| {
        builder
            .entity_with::<Stubborn>(move |_| Stubborn { done: Vec::new(), probe: other.clone() })
    })
    .await
}

// proves: B83
async fn a_queued_one_never_starts(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("first");
    let first = desk.file("first".into()).send().await.unwrap();
    probe.wait_for("first", 1).await;
    let waits = spawn({
        let desk = desk.clone();
        async move { desk.file("awaited".into()).key("k").await }
    });
    settle().await;
    let queued = desk.file("queued".into()).send().await.unwrap();
    let behind = desk.file("behind".into()).send().await.unwrap();
    assert_eq!(queued.cancel().await.unwrap(), Cancelled::Interrupted);
    let awaited = desk.file("awaited".into()).key("k").send().await.unwrap();
    assert_eq!(awaited.cancel().await.unwrap(), Cancelled::Interrupted);
    let told = waits.await.unwrap();
    assert!(matches!(told, Err(ClusterError::Interrupted)), "{told:?}");
    probe.open("first");
    assert_eq!(first.outcome().await.unwrap(), 1);
    assert_eq!(behind.outcome().await.unwrap(), 2);
    let outcome = queued.outcome().await;
    assert!(matches!(outcome, Err(ClusterError::Interrupted)), "{outcome:?}");
    assert_eq!(probe.count("queued") + probe.count("awaited"), 0);
    // One that has ended stays as it is.
    assert_eq!(first.cancel().await.unwrap(), Cancelled::Completed);
    assert_eq!(first.outcome().await.unwrap(), 1);
    let unknown = cluster.cancel(RequestId::from_bytes([7; 16])).await;
    assert!(matches!(unknown, Err(ClusterError::Retired { .. })), "{unknown:?}");
}

// proves: B84, B85
async fn a_running_one_is_stopped_and_leaves_nothing(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    desk.file("kept".into()).await.unwrap();
    // It has changed the state and sent a message when it is stopped.
    probe.close("stopped");
    let receipt = desk.file_and_send("stopped".into(), "other".into()).send().await.unwrap();
    probe.wait_for("stopped", 1).await;
    assert_eq!(receipt.cancel().await.unwrap(), Cancelled::Interrupted);
    let id = receipt.id();
    assert_eq!(desk.papers().await.unwrap(), ["kept"]);
    drop((desk, receipt, cluster));

    // Its next owner knows.
    let cluster = start(&bed, &probe).await;
    cluster.caught_up().await.unwrap();
    assert_eq!(cluster.cancel(id).await.unwrap(), Cancelled::Interrupted);
    assert_eq!(cluster.get::<Desk>("d").papers().await.unwrap(), ["kept"]);
    assert!(cluster.get::<Desk>("other").papers().await.unwrap().is_empty());
    assert_eq!(probe.count("stopped"), 1);
}

// proves: B86
async fn one_that_is_in_the_storage_only_is_reached(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|config| config.mailbox = 2)).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("0");
    let mut receipts = Vec::new();
    for n in 0..12 {
        receipts.push(desk.file(n.to_string()).send().await.unwrap());
    }
    probe.wait_for("0", 1).await;
    for n in [3, 7, 11] {
        assert_eq!(receipts[n].cancel().await.unwrap(), Cancelled::Interrupted);
    }
    probe.open("0");
    receipts[10].outcome().await.unwrap();
    let papers = desk.papers().await.unwrap();
    assert_eq!(papers, ["0", "1", "2", "4", "5", "6", "8", "9", "10"]);
    assert_eq!(probe.count("3") + probe.count("7") + probe.count("11"), 0);
}

/// A start reads its backlog page by page: what is in the page that it has in its hands, and what
/// it has not come to.
// proves: B83, B86
async fn one_that_a_start_has_not_loaded_yet_is_reached(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let mut ids = Vec::new();
    for n in 0..9 {
        probe.close(&n.to_string());
        let desk = cluster.get::<Desk>(format!("d{n}"));
        ids.push(desk.file(n.to_string()).send().await.unwrap().id());
    }
    drop(cluster);
    bed.settle().await;
    probe.take_log();
    (0..9).for_each(|n| probe.open(&n.to_string()));

    bed.door.stop("load_pending", Reading::After);
    let few = |builder: ClusterBuilder| builder.config(|config| config.load_page = 3);
    let cluster = start_with(&bed, &probe, few).await;
    bed.door.stopped("load_pending", Reading::After, 1).await;
    for n in [1, 4, 8] {
        assert_eq!(cluster.cancel(ids[n]).await.unwrap(), Cancelled::Interrupted);
    }
    assert!(probe.log().is_empty(), "none has been loaded");
    bed.door.go_on("load_pending");
    cluster.caught_up().await.unwrap();
    let mut ran: Vec<_> = probe.log().into_iter().filter(|what| !what.ends_with('!')).collect();
    ran.sort();
    assert_eq!(ran, ["0", "2", "3", "5", "6", "7"]);
    for (n, id) in ids.iter().enumerate() {
        let outcome = cluster.receipt::<DeskFile>(*id).outcome().await;
        match n {
            1 | 4 | 8 => assert!(matches!(outcome, Err(ClusterError::Interrupted)), "{outcome:?}"),
            _ => assert_eq!(outcome.unwrap(), 1),
        }
    }
}

// proves: B88
async fn an_uninterruptible_one_ends_and_commits(bed: Bed) {
    let probe = Probe::default();
    let cluster = start_stubborn(&bed, &probe).await;
    let stubborn = cluster.get::<Stubborn>("s");
    probe.close("one");
    let one = stubborn.insist("one".into()).send().await.unwrap();
    let two = stubborn.insist("two".into()).send().await.unwrap();
    probe.wait_for("one", 1).await;
    let mut cancel = Box::pin(one.cancel());
    assert!(is_waiting(&mut cancel).await);
    assert_eq!(two.cancel().await.unwrap(), Cancelled::Interrupted, "it has not begun");
    probe.open("one");
    assert_eq!(cancel.await.unwrap(), Cancelled::Completed);
    assert_eq!(one.outcome().await.unwrap(), 1);
    assert_eq!(probe.count("told"), 1);

    let waits = stubborn.until_cancelled().send().await.unwrap();
    probe.wait_for("waiting", 1).await;
    assert_eq!(waits.cancel().await.unwrap(), Cancelled::Completed);
    assert_eq!(waits.outcome().await.unwrap(), "ended early");
    assert_eq!(stubborn.done().await.unwrap(), ["one", "ended early"]);
}

/// It may clean up, but its return is no outcome.
// proves: B84
async fn one_that_hears_of_its_cancel_leaves_nothing(bed: Bed) {
    let probe = Probe::default();
    let cluster = start_stubborn(&bed, &probe).await;
    let stubborn = cluster.get::<Stubborn>("s");
    let receipt = stubborn.give_way().send().await.unwrap();
    leaves_nothing(&cluster, &probe, receipt).await;
}

// proves: B84
async fn one_that_hears_of_its_cancel_in_a_transaction_leaves_nothing(bed: Bed) {
    let probe = Probe::default();
    let cluster = start_stubborn(&bed, &probe).await;
    let stubborn = cluster.get::<Stubborn>("s");
    let receipt = stubborn.give_way_in_transaction().send().await.unwrap();
    leaves_nothing(&cluster, &probe, receipt).await;
}

async fn leaves_nothing<M>(cluster: &Cluster, probe: &Probe, receipt: Receipt<M>)
where
    M: cluster::__private::Message<Ok = usize>,
{
    probe.wait_for("giving way", 1).await;
    assert_eq!(receipt.cancel().await.unwrap(), Cancelled::Interrupted);
    assert_eq!(cluster.cancel(receipt.id()).await.unwrap(), Cancelled::Interrupted);
    assert_eq!(probe.count("told"), 1);
    assert!(cluster.get::<Stubborn>("s").done().await.unwrap().is_empty());
    cluster.caught_up().await.unwrap();
    assert_eq!(cluster.get::<Counter>("other").value().await.unwrap(), 0);
}

/// Requests that are being stored, started and ended while they are cancelled: each has one end,
/// and the state tells the same.
// proves: B83, B84
async fn cancels_race_with_everything(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|config| config.mailbox = 4)).await;
    let mut ends = Vec::new();
    for n in 0..300_i64 {
        let counter = cluster.get::<Counter>(format!("c{}", n % 5));
        let (one, other) = (counter.clone(), cluster.clone());
        ends.push(spawn(async move {
            let receipt = one.add(1).send().await.unwrap();
            for _ in 0..n % 7 {
                tokio::task::yield_now().await;
            }
            let cancelled = other.cancel(receipt.id()).await.unwrap();
            match (cancelled, receipt.outcome().await) {
                (Cancelled::Completed, Ok(_)) => 1,
                (Cancelled::Interrupted, Err(ClusterError::Interrupted)) => 0,
                other => panic!("{other:?}"),
            }
        }));
    }
    let mut completed = 0;
    for end in ends {
        completed += end.await.unwrap();
    }
    let mut sum = 0;
    for n in 0..5 {
        sum += cluster.get::<Counter>(format!("c{n}")).recorded_value().await.unwrap();
    }
    assert_eq!(sum, completed);
    drop(cluster);
    let cluster = start(&bed, &probe).await;
    cluster.caught_up().await.unwrap();
    let mut sum = 0;
    for n in 0..5 {
        sum += cluster.get::<Counter>(format!("c{n}")).value().await.unwrap();
    }
    assert_eq!(sum, completed);
}

// proves: B39, B87
async fn a_shutdown_is_no_cancel(bed: Bed) {
    let probe = Probe::default();
    let cluster = start_with(&bed, &probe, |builder| {
        builder.config(|config| config.drain_limit = Duration::from_millis(1))
    })
    .await;
    probe.close("paper");
    let receipt = cluster.get::<Desk>("d").file("paper".into()).send().await.unwrap();
    probe.wait_for("paper", 1).await;
    cluster.shutdown().await.unwrap();
    let id = receipt.id();
    drop((receipt, cluster));
    probe.open("paper");
    let cluster = start(&bed, &probe).await;
    assert_eq!(cluster.receipt::<DeskFile>(id).outcome().await.unwrap(), 1);
}

backends!(
    a_queued_one_never_starts,
    a_running_one_is_stopped_and_leaves_nothing,
    one_that_hears_of_its_cancel_leaves_nothing,
    one_that_is_in_the_storage_only_is_reached,
    one_that_a_start_has_not_loaded_yet_is_reached,
    an_uninterruptible_one_ends_and_commits,
    cancels_race_with_everything,
    a_shutdown_is_no_cancel,
);

mod of_transactions {
    use super::*;

    #[tokio::test]
    async fn one_that_hears_of_its_cancel_leaves_nothing() {
        let told = one_that_hears_of_its_cancel_in_a_transaction_leaves_nothing(Bed::sqlite());
        crate::support::soon(told).await;
    }
}
