//! Where the storage writes two transactions at once, ends of requests are committed beside what is
//! accepted. Nobody can tell, whatever happens to either. The same on one track.

use cluster::prelude::*;
use cluster::storage::{Batch, Storage};
use tokio::spawn;
use tokio::task::JoinHandle;

use crate::entities::{Counter, Desk, DeskClient, start};
use crate::support::{Bed, Probe, Reading, Side, backends, settle, unknown};

fn file(desk: &DeskClient, key: &'static str) -> JoinHandle<Result<usize, ClusterError>> {
    let desk = desk.clone();
    spawn(async move { desk.file("paper".into()).key(key).await })
}

fn accepts(batch: &Batch) -> bool {
    !batch.accepts.is_empty()
}

/// It was found running when it was accepted; it has ended, and everybody who waited was told,
/// before that is known.
// proves: B32, B36
async fn who_joins_while_the_end_is_told_is_told_as_well(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("paper");
    let first = file(&desk, "k");
    probe.wait_for("paper", 1).await;
    bed.door.hold_those(Side::After, accepts);
    let joiner = file(&desk, "k");
    bed.door.answers_held(1).await;
    probe.open("paper");
    bed.settle().await;
    bed.door.release();
    assert_eq!(joiner.await.unwrap().unwrap(), 1);
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(probe.count("paper"), 1);
}

/// The look whether it has ended is under way when it ends.
// proves: B32, B36
async fn who_joins_while_the_end_is_committed_is_told_with_the_others(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    cluster.caught_up().await.unwrap();
    let desk = cluster.get::<Desk>("d");
    probe.close("paper");
    let first = file(&desk, "k");
    probe.wait_for("paper", 1).await;
    bed.door.stop("find_requests", Reading::After);
    let joiner = file(&desk, "k");
    bed.settle().await;
    probe.open("paper");
    bed.settle().await;
    bed.door.go_on("find_requests");
    assert_eq!(joiner.await.unwrap().unwrap(), 1);
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(probe.count("paper"), 1);
}

/// It is stored, and nobody was told so: whoever looks at the storage runs it at once.
// proves: B39
async fn what_is_run_before_its_acceptance_is_told_is_told_to_its_caller(bed: Bed) {
    let probe = Probe::default();
    bed.door.stop("load_pending", Reading::Before);
    let cluster = start(&bed, &probe).await;
    bed.door.hold_those(Side::After, accepts);
    let call = file(&cluster.get::<Desk>("d"), "k");
    bed.door.answers_held(1).await;
    bed.door.go_on("load_pending");
    probe.wait_for("paper!", 1).await;
    bed.settle().await;
    assert!(!call.is_finished());
    bed.door.release();
    assert_eq!(call.await.unwrap().unwrap(), 1);
    assert_eq!(probe.count("paper"), 1);
}

/// The next transaction begins before what is durable is told, and stands still.
// proves: B29
async fn what_is_durable_is_told_while_the_next_transaction_stands_still(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    cluster.caught_up().await.unwrap();
    bed.door.hold_commits();
    let first = file(&cluster.get::<Desk>("a"), "k");
    bed.door.commits_held(1).await;
    let second = file(&cluster.get::<Desk>("b"), "k");
    bed.settle().await;
    bed.door.pass_one();
    bed.door.commits_held(2).await;
    // Only the first is accepted.
    probe.wait_for("paper", 1).await;
    bed.door.release();
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(second.await.unwrap().unwrap(), 1);
}

/// A commit on each track: the end of one request, and another one that is accepted. On one track
/// the second is still to come.
struct Both {
    cluster: Cluster,
    probe: Probe,
    ends: JoinHandle<Result<usize, ClusterError>>,
    begins: JoinHandle<Result<i64, ClusterError>>,
    /// How many are under way.
    many: usize,
}

impl Both {
    /// Both wait at this side of the door.
    async fn at(bed: &Bed, side: Side) -> Self {
        let probe = Probe::default();
        let cluster = start(bed, &probe).await;
        cluster.caught_up().await.unwrap();
        probe.close("paper");
        let ends = file(&cluster.get::<Desk>("d"), "k");
        probe.wait_for("paper", 1).await;
        bed.door.hold(side);
        probe.open("paper");
        bed.door.held(side, 1).await;
        let counter = cluster.get::<Counter>("c");
        let begins = spawn(async move { counter.add(1).key("k").await });
        let many = if bed.faulty().writes_in_two() { 2 } else { 1 };
        bed.door.held(side, many).await;
        Both { cluster, probe, ends, begins, many }
    }

    /// Both have happened, once, and a later start finds them so.
    async fn happen_once(self, bed: &Bed) {
        assert_eq!(self.ends.await.unwrap().unwrap(), 1);
        assert_eq!(self.begins.await.unwrap().unwrap(), 1);
        assert!(!self.cluster.is_shutting_down());
        drop(self.cluster);
        let cluster = start(bed, &self.probe).await;
        cluster.caught_up().await.unwrap();
        assert_eq!(cluster.get::<Desk>("d").papers().await.unwrap(), ["paper"]);
        assert_eq!(cluster.get::<Counter>("c").value().await.unwrap(), 1);
        assert_eq!(self.probe.count("paper"), 1);
    }
}

// proves: B52, B245
async fn two_unknown_outcomes_raise_the_fence_once(bed: Bed) {
    for side in [Side::Before, Side::After] {
        let bed = bed.another().await;
        let both = Both::at(&bed, side).await;
        let raises = bed.door.calls("raise_fence");
        bed.door.stop("raise_fence", Reading::Before);
        for _ in 0..both.many {
            bed.door.fail_at(side, unknown());
        }
        bed.door.stopped("raise_fence", Reading::Before, 1).await;
        settle().await;
        bed.door.go_on("raise_fence");
        bed.door.release();
        both.happen_once(&bed).await;
        assert_eq!(bed.door.calls("raise_fence"), raises + 1);
    }
}

/// One outcome is unknown, and the fence is raised for it, when the other commit comes to the
/// storage with the old one: before anybody here was told that it is raised.
// proves: B52, B245
async fn a_fence_raised_for_one_commit_ends_no_other(bed: Bed) {
    let both = Both::at(&bed, Side::Before).await;
    bed.door.stop("raise_fence", Reading::After);
    bed.door.turn_away(unknown());
    bed.door.stopped("raise_fence", Reading::After, 1).await;
    bed.door.release();
    bed.settle().await;
    bed.door.go_on("raise_fence");
    both.happen_once(&bed).await;
}

backends!(
    who_joins_while_the_end_is_told_is_told_as_well,
    who_joins_while_the_end_is_committed_is_told_with_the_others,
    what_is_run_before_its_acceptance_is_told_is_told_to_its_caller,
    two_unknown_outcomes_raise_the_fence_once,
    a_fence_raised_for_one_commit_ends_no_other,
    what_is_durable_is_told_while_the_next_transaction_stands_still,
);
