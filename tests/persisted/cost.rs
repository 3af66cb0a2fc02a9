//! What persisted requests cost the storage, and that an idle cluster costs it nothing.

use std::collections::BTreeMap;

use cluster::ClusterBuilder;
use cluster::prelude::*;
use tokio::spawn;

use crate::entities::{Counter, Desk, Other, start, start_with};
use crate::support::{Bed, backends};

// proves: B108
async fn a_lone_request_costs_two_commits_and_nothing_else(bed: Bed) {
    let cluster = start(&bed).await;
    let counter = cluster.get::<Counter>("c");
    assert_eq!(counter.add(1).await.unwrap(), 1);
    for _ in 0..10 {
        bed.settle().await;
        let before = bed.door.calls_by_name();
        counter.add(1).await.unwrap();
        bed.settle().await;
        let expected = [("commit", 2)];
        assert_eq!(difference(&before, &bed.door.calls_by_name()), BTreeMap::from(expected));
    }
}

// proves: B108
async fn a_thousand_concurrent_requests_share_their_commits(bed: Bed) {
    let cluster = start(&bed).await;
    bed.settle().await;
    let before = bed.door.calls("commit");
    let callers = (0..1_000).map(|number| {
        let counter = cluster.get::<Counter>(format!("c{}", number % 100));
        spawn(async move { counter.add(1).await })
    });
    for caller in callers.collect::<Vec<_>>() {
        assert!(caller.await.unwrap().is_ok());
    }
    let commits = bed.door.calls("commit") - before;
    assert!(commits < 200, "{commits} commits");
    for number in 0..100 {
        assert_eq!(cluster.get::<Counter>(format!("c{number}")).value().await.unwrap(), 10);
    }
}

// proves: B110
async fn an_idle_cluster_issues_no_statement_per_entity_or_waiter(bed: Bed) {
    const MANY: usize = 1_000;
    // Longer than any pause of the runner's own loops, and than its many timers.
    let (idle, for_ever) = (Duration::from_secs(120), Duration::from_secs(86_400));
    let safety_net = cluster::Config::default().safety_net;
    let start = async || {
        let patient = |builder: ClusterBuilder| {
            builder.config(|config| {
                config.idle = for_ever;
                (config.backoff_min, config.backoff_max) = (for_ever, for_ever);
            })
        };
        start_with(&bed, patient).await
    };
    let cost_of_idling = async || {
        bed.settle().await;
        let before = bed.door.calls_by_name();
        bed.advance(idle).await;
        let mut cost = difference(&before, &bed.door.calls_by_name());
        // One at each step of the clock, however long: not for what is in memory.
        let renewals = cost.remove("renew").unwrap_or_default();
        assert!(renewals <= idle.as_secs(), "{renewals} renewals");
        // The same, and each is one statement.
        let looks = cost.remove("inbox").unwrap_or_default();
        let looks_max = idle.as_secs() / safety_net.as_secs();
        assert!(looks <= looks_max, "{looks} looks into the inbox");
        cost
    };
    let cluster = start().await;
    let cost_of_none = cost_of_idling().await;
    assert!(cost_of_none.values().sum::<u64>() <= 4, "{cost_of_none:?}");

    bed.probe.close("numbers");
    bed.probe.close("held");
    let receipt = cluster.get::<Desk>("d").write("held".into()).send().await.unwrap();
    let mut waiters = Vec::new();
    for number in 0..MANY {
        cluster.get::<Counter>(number.to_string()).add(1).await.unwrap();
        // Callers and joiners of requests that run, and those that wait behind one of them.
        let call = cluster.get::<Other>((number / 4).to_string()).number(number as u32 / 2);
        let call = call.key((number / 2).to_string()).timeout(for_ever);
        waiters.push(spawn(async move { call.await.map(|_| ()) }));
    }
    waiters.push(spawn(async move { receipt.outcome().await.map(|_| ()) }));
    bed.probe.wait_for("numbers", MANY / 4).await;
    bed.probe.wait_for("held", 1).await;
    // And one in back-off.
    bed.probe.panic_at("bad", 1);
    cluster.get::<Desk>("e").write("bad".into()).send().await.unwrap();
    bed.probe.wait_for("bad", 1).await;
    assert!(cluster.stats().resident_entities > MANY);

    // What is new is looked at once, page by page.
    cost_of_idling().await;
    assert_eq!(cost_of_idling().await, cost_of_none);
    bed.probe.open("numbers");
    bed.probe.open("held");
    let last = waiters.pop().expect("the receipt's");
    for waiter in waiters {
        waiter.await.unwrap().unwrap();
    }
    // It has waited for the default time and no longer.
    assert!(matches!(last.await.unwrap(), Err(ClusterError::Timeout { .. })));
}

/// The calls between two looks, by name.
fn difference(
    before: &BTreeMap<&'static str, u64>,
    after: &BTreeMap<&'static str, u64>,
) -> BTreeMap<&'static str, u64> {
    let calls = after
        .iter()
        .map(|(name, calls)| (*name, calls - before.get(name).copied().unwrap_or_default()));
    calls.filter(|(_, calls)| *calls > 0).collect()
}

backends!(in virtual time:
    a_lone_request_costs_two_commits_and_nothing_else,
    a_thousand_concurrent_requests_share_their_commits,
    an_idle_cluster_issues_no_statement_per_entity_or_waiter,
);
