//! Which handlers can set reminders, and of which entities.

use std::time::Duration;

use cluster::prelude::*;
use cluster::testing::TestCluster;

use crate::entities::{Clock, ClockChime, End, Order, Plain, rung, start};
use crate::support::{Bed, Probe, backends};

const SECOND: Duration = Duration::from_secs(1);

// proves: B82
async fn every_handler_with_a_commit_sets_reminders(bed: Bed) {
    let cluster = start(&bed).await;
    let clock = cluster.get::<Clock>("c");
    clock.order_beside(Order::Once("beside".into(), 1_000)).await.unwrap();
    bed.advance(SECOND).await;
    // Not persisted, but the state that it could change is.
    clock.order_at_once(Order::Once("at once".into(), 1_000)).await.unwrap();
    bed.advance(SECOND).await;
    assert_eq!(rung(&cluster).await, ["beside", "at once"]);
    // Nothing of the entity is stored; the request and its reminder are.
    let plain = cluster.get::<Plain>("p");
    plain.order("plain".into()).await.unwrap();
    bed.advance(3 * SECOND).await;
    assert_eq!(bed.probe.count("plain"), 3);
}

/// In the user's own transaction, and in one that was never opened.
// proves: B82
async fn a_handler_with_its_own_transaction_sets_reminders(bed: Bed) {
    let cluster = start(&bed).await;
    let clock = cluster.get::<Clock>("c");
    for opens in [true, false] {
        let every = |name: &str, period| Order::Every(format!("{name} {opens}"), period);
        let first = clock.order_in_transaction(every("old", 4_000), opens).await.unwrap();
        clock.order_in_transaction(every("new", 3_000), opens).await.unwrap();
        bed.advance(6 * SECOND).await;
        assert_eq!(bed.probe.count(&format!("new {opens}")), 2);
        assert_eq!(bed.probe.count(&format!("old {opens}")), 0);
        let first: RequestId = first.unwrap().parse().unwrap();
        assert_eq!(cluster.cancel(first).await.unwrap(), cluster::Cancelled::Interrupted);
        clock.order_in_transaction(Order::Clear, opens).await.unwrap();
        bed.advance(6 * SECOND).await;
        assert_eq!(bed.probe.count(&format!("new {opens}")), 2);
    }
}

/// Of what one handler says the last word holds, and nothing of the others is stored.
// proves: B82
async fn a_handler_that_sets_one_twice_has_set_the_last(bed: Bed) {
    let cluster = start(&bed).await;
    let clock = cluster.get::<Clock>("c");
    let once = |what: &str| Order::Once(what.to_owned(), 1_000);
    clock.order_all(vec![once("first"), once("second")]).await.unwrap();
    bed.advance(3 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["second"]);
    clock.order_all(vec![once("third"), Order::Clear]).await.unwrap();
    bed.advance(3 * SECOND).await;
    clock.order_all(vec![Order::Clear, once("fourth")]).await.unwrap();
    bed.advance(3 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["second", "fourth"]);
}

fn reason(refused: ClusterError) -> String {
    let ClusterError::Persistence { source } = refused else { panic!("{refused:?}") };
    source.to_string()
}

// proves: B82
async fn what_cannot_be_set_is_refused_with_its_reason(bed: Bed) {
    let cluster = start(&bed).await;
    let clock = cluster.get::<Clock>("c");
    let refused = clock.order_in_vain(Order::Once("x".into(), 1)).await;
    let Err(CallError::Cluster(refused)) = refused else { panic!("{refused:?}") };
    assert!(reason(refused).contains("make it `persisted`"));
    assert!(cluster.get::<Plain>("p").order_in_vain().await.unwrap());
    clock.order_another().await.unwrap();
    let short = clock.order_at_once(Order::Every("x".into(), 999)).await;
    let Err(CallError::Cluster(short)) = short else { panic!("{short:?}") };
    assert!(reason(short).contains("reminder_period_min"));
}

/// A reminder that is due in two seconds runs, and waits inside of its handler.
async fn runs_and_waits(bed: &Bed, name: &str) {
    bed.probe.close(name);
    bed.advance(2 * SECOND).await;
    bed.probe.wait_for(name, 1).await;
}

/// It runs to its end, and none follows.
async fn ends_and_is_the_last(bed: &Bed, cluster: &Cluster, name: &str, id: &str) {
    bed.probe.open(name);
    bed.advance(20 * SECOND).await;
    assert_eq!(bed.probe.count(name), 1);
    cluster.receipt::<ClockChime>(id.parse().unwrap()).outcome().await.unwrap();
}

/// Its handler takes `&self`: while it runs others may clear it or set it anew.
// proves: B82
async fn one_that_runs_while_it_is_changed_ends_by_itself(bed: Bed) {
    let cluster = start(&bed).await;
    let clock = cluster.get::<Clock>("c");
    let dong = clock.order_chime("dong".into(), Some(2_000)).await.unwrap();
    runs_and_waits(&bed, "dong").await;
    // It runs: cleared now it ends by itself, and is the last.
    clock.order_chime(String::new(), None).await.unwrap();
    ends_and_is_the_last(&bed, &cluster, "dong", &dong).await;
    // The same when it is set anew meanwhile.
    let ding = clock.order_chime("ding".into(), Some(2_000)).await.unwrap();
    runs_and_waits(&bed, "ding").await;
    clock.order_chime("dang".into(), Some(5_000)).await.unwrap();
    ends_and_is_the_last(&bed, &cluster, "ding", &ding).await;
    assert_eq!(bed.probe.count("dang"), 4);
}

/// What is cleared by a reply that comes later, beside other handlers, is cleared with its commit.
// proves: B82, B62
async fn one_that_runs_while_a_later_reply_clears_it_ends_by_itself(bed: Bed) {
    let cluster = start(&bed).await;
    let clock = cluster.get::<Clock>("c");
    let dong = clock.order_chime("dong".into(), Some(2_000)).await.unwrap();
    bed.probe.close("later");
    let cleared = clock.clear_chime_later().send().await.unwrap();
    bed.probe.wait_for("later", 1).await;
    runs_and_waits(&bed, "dong").await;
    bed.probe.open("later");
    cleared.outcome().await.unwrap();
    ends_and_is_the_last(&bed, &cluster, "dong", &dong).await;
}

/// While the commit of such a reply is under way, nothing starts that it clears.
// proves: B82, B62
async fn nothing_starts_that_a_later_reply_clears(bed: Bed) {
    let cluster = start(&bed).await;
    let clock = cluster.get::<Clock>("c");
    let dong = clock.order_chime("dong".into(), Some(2_000)).await.unwrap();
    bed.probe.close("later");
    let cleared = clock.clear_chime_later().send().await.unwrap();
    bed.probe.wait_for("later", 1).await;
    bed.door.hold_commits();
    bed.probe.open("later");
    bed.door.commits_held(1).await;
    bed.advance(2 * SECOND).await;
    bed.door.release();
    cleared.outcome().await.unwrap();
    bed.advance(20 * SECOND).await;
    assert_eq!(bed.probe.count("dong"), 0);
    let dong = cluster.receipt::<ClockChime>(dong.parse().unwrap()).outcome().await;
    assert!(matches!(dong, Err(ClusterError::Interrupted)), "{dong:?}");
}

backends!(in virtual time:
    one_that_runs_while_a_later_reply_clears_it_ends_by_itself,
    nothing_starts_that_a_later_reply_clears,
    every_handler_with_a_commit_sets_reminders,
    a_handler_that_sets_one_twice_has_set_the_last,
    what_cannot_be_set_is_refused_with_its_reason,
    one_that_runs_while_it_is_changed_ends_by_itself,
);

mod of_transactions {
    use super::*;

    #[tokio::test]
    async fn a_handler_with_its_own_transaction_sets_reminders() {
        let bed = Bed::sqlite().with_virtual_time();
        crate::support::soon(super::a_handler_with_its_own_transaction_sets_reminders(bed)).await;
    }
}

/// Users' own tests: a month is a few steps.
// proves: B82
#[tokio::test]
async fn a_month_of_daily_reminders_passes_in_milliseconds() {
    let probe = Probe::default();
    let clocks = probe.clone();
    let cluster = TestCluster::new().entity_with(move |_| Clock::new(&clocks)).start().await;
    let clock = cluster.get::<Clock>("c");
    clock.order(Order::Every("day".into(), 86_400_000), End::Ok).await.unwrap();
    let system = cluster::time::Clock::system();
    let began = system.now();
    cluster.advance(30 * 86_400 * SECOND).await;
    let took = system.now() - began;
    assert_eq!(clock.rung().await.unwrap(), ["day"; 30]);
    assert!(took < Duration::from_millis(500), "{took:?}");
}
