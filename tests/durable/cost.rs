//! What the durable side costs: commits, statements, and what an idle cluster does.

use cluster::prelude::*;
use cluster::storage::RetentionClass;
use tokio::spawn;

use crate::entities::{Desk, DeskFile, start};
use crate::support::{Bed, Probe, Reading, backends, settle};

// proves: B111
async fn finished_requests_go_after_their_time_and_nothing_else_does(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    let awaited = {
        desk.file("awaited".into()).await.unwrap();
        bed.door.last_accepted(RetentionClass::Awaited)
    };
    let sent = desk.file("sent".into()).send().await.unwrap();
    sent.outcome().await.unwrap();
    desk.file("keyed".into()).key("k").await.unwrap();
    let outer = desk.file_with_copy("outer".into(), "copies".into()).await.unwrap();
    assert_eq!(outer, 1);
    let (keyed, derived) = (
        bed.door.last_accepted(RetentionClass::Keyed),
        bed.door.last_accepted(RetentionClass::Derived),
    );
    // A handler's own key is no derived one, whatever it looks like.
    desk.file_with_key("own".into(), "copies".into(), "~own".into()).await.unwrap();
    let own_key = bed.door.last_accepted(RetentionClass::Keyed);
    assert_ne!(own_key, keyed);
    // One pending, one dead.
    probe.close("pending");
    let pending = cluster.get::<Desk>("p").file("pending".into()).send().await.unwrap().id();
    probe.panic_at("dead", 100);
    let dead = cluster.get::<Desk>("x").file("dead".into()).send().await.unwrap().id();
    while !is_dead(&cluster).await {
        bed.advance(Duration::from_millis(20)).await;
    }

    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let is_there = async |id| {
        let told = cluster.receipt::<DeskFile>(id).outcome().await;
        !matches!(told, Err(ClusterError::Retired { .. }))
    };
    advance_and_retire(&bed, minutes(8)).await;
    assert!(is_there(awaited).await && is_there(derived).await);
    advance_and_retire(&bed, minutes(2)).await;
    assert!(!is_there(awaited).await);
    assert!(is_there(sent.id()).await);
    // With its outer request gone, which was awaited, the derived one goes as well.
    assert!(!is_there(derived).await);
    advance_and_retire(&bed, minutes(60)).await;
    assert!(!is_there(sent.id()).await);
    assert!(is_there(keyed).await && is_there(own_key).await);
    advance_and_retire(&bed, minutes(22 * 60)).await;
    assert_eq!(desk.file("keyed".into()).key("k").await.unwrap(), 3);
    advance_and_retire(&bed, minutes(2 * 60)).await;
    assert!(!is_there(keyed).await && !is_there(own_key).await);
    // Out of the window, so the key is new.
    let files = desk.papers().await.unwrap().len();
    assert_eq!(desk.file("keyed".into()).key("k").await.unwrap(), files + 1);
    assert_eq!(probe.count("keyed"), 2);

    advance_and_retire(&bed, minutes(30 * 24 * 60)).await;
    assert!(is_there(dead).await);
    probe.open("pending");
    assert_eq!(cluster.receipt::<DeskFile>(pending).outcome().await.unwrap(), 1);
}

async fn is_dead(cluster: &Cluster) -> bool {
    use futures_util::StreamExt;
    cluster.dead_letters().list().count().await > 0
}

/// Moves time on, and waits until retention has looked twice since.
async fn advance_and_retire(bed: &Bed, by: Duration) {
    bed.time().advance(by);
    for _ in 0..2 {
        let looks = bed.door.done("retire");
        bed.advance(Duration::from_secs(30)).await;
        while bed.door.done("retire") == looks {
            settle().await;
        }
        settle().await;
    }
}

/// Many entities come into memory at once: what waits while others are read is read together.
async fn states_of_many_entities_are_read_together(bed: Bed) {
    let cluster = start(&bed, &Probe::default()).await;
    cluster.get::<Desk>("30").file("paper".into()).await.unwrap();
    drop(cluster);
    let cluster = start(&bed, &Probe::default()).await;
    let before = bed.door.calls("load_states");
    bed.door.stop("load_states", Reading::Before);
    let reads = (0..40).map(|number| {
        let desk = cluster.get::<Desk>(number.to_string());
        spawn(async move { desk.papers().await.map(|papers| papers.len()) })
    });
    let reads: Vec<_> = reads.collect();
    bed.settle().await;
    bed.door.go_on("load_states");
    for (number, papers) in reads.into_iter().enumerate() {
        assert_eq!(papers.await.unwrap().unwrap(), usize::from(number == 30));
    }
    let statements = bed.door.calls("load_states") - before;
    assert!(statements <= 12, "{statements} for 40 entities");
}

backends!(
    finished_requests_go_after_their_time_and_nothing_else_does,
    states_of_many_entities_are_read_together,
);
