//! Nothing is left of it, wherever it stood.

use std::time::Duration;

use cluster::prelude::*;
use cluster::storage::EntityScan;
use cluster::storage::{Fault, StateKey, Write};
use futures_util::StreamExt;

use crate::entities::{List, ListAdd, start, start_with};
use crate::support::{Bed, backends};

const SECOND: Duration = Duration::from_secs(1);

/// How many rows of requests there are of an entity, and whether it has a state.
async fn stored(bed: &Bed, cluster: &Cluster, id: &str) -> (usize, bool) {
    let shard = cluster.shard_of::<List>(id).unwrap();
    let entity = StateKey { shard, entity_type: "List".into(), entity_id: id.into() };
    let storage = bed.faulty();
    let storage: &dyn Storage = &storage;
    let scan = EntityScan { entity: entity.clone(), after: Default::default(), limit: 10_000 };
    let requests = storage.requests_of(scan).await.unwrap();
    let state = storage.load_states(vec![entity]).await.unwrap().remove(0);
    (requests.len(), state.is_some())
}

// proves: B117
async fn its_next_message_starts_fresh_and_old_keys_run_again(bed: Bed) {
    let cluster = start_with(&bed, |builder| {
        // Every part takes several transactions.
        builder.config(|config| config.clear_batch = 2)
    })
    .await;
    let (list, other) = (cluster.get::<List>("a"), cluster.get::<List>("b"));
    for (place, word) in ["one", "two", "three"].into_iter().enumerate() {
        assert_eq!(list.add(word.into()).key(word).await.unwrap(), place + 1);
        assert_eq!(other.add(word.into()).key(word).await.unwrap(), place + 1);
    }
    let scheduled = list.add("later".into()).after(60 * SECOND).send().await.unwrap();
    list.remind("again".into(), 60_000).await.unwrap();
    bed.probe.panic_at("dead", 3);
    let dead = list.add("dead".into()).send().await.unwrap();
    bed.advance(SECOND).await;
    assert_eq!(cluster.dead_letters().list().count().await, 1);
    assert_eq!(stored(&bed, &cluster, "a").await, (7, true));

    cluster.clear::<List>("a").await.unwrap();
    assert_eq!(stored(&bed, &cluster, "a").await, (0, false));
    assert_eq!(cluster.dead_letters().list().count().await, 0);
    for gone in [scheduled, dead] {
        let gone = gone.outcome().await;
        assert!(matches!(gone, Err(ClusterError::Retired { .. })), "{gone:?}");
    }
    assert_eq!(list.count().await.unwrap(), 0);
    assert_eq!(list.add("one".into()).key("one").await.unwrap(), 1, "it ran again");
    bed.advance(300 * SECOND).await;
    assert_eq!(list.count().await.unwrap(), 1, "neither reminder nor schedule is left");
    // The other one is as it was.
    assert_eq!(other.add("two".into()).key("two").await.unwrap(), 2, "the first outcome");
    assert_eq!(other.count().await.unwrap(), 3);

    // The next start finds the same.
    drop((list, other, cluster));
    let cluster = start(&bed).await;
    assert_eq!(cluster.get::<List>("a").count().await.unwrap(), 1);
    assert_eq!(cluster.get::<List>("b").count().await.unwrap(), 3);
    let next = cluster.get::<List>("a").add("next".into()).await.unwrap();
    assert_eq!(next, 2, "requests accepted after it stand behind those that are gone");
    // What never was is cleared as well, as often as anybody likes.
    cluster.clear::<List>("nobody").await.unwrap();
    cluster.clear::<List>("a").await.unwrap();
    cluster.clear::<List>("a").await.unwrap();
    assert_eq!(stored(&bed, &cluster, "a").await, (0, false));
}

/// Whatever of it fails or is of unknown outcome, asked again it is done.
// proves: B117, B109
async fn a_clearing_that_failed_is_done_when_it_is_asked_for_again(bed: Bed) {
    for fault in [Fault::Refused, Fault::DoneUnknown, Fault::LostUnknown, Fault::LateUnknown] {
        for lucky in 0..3 {
            let bed = bed.another().await;
            let few = |builder: cluster::ClusterBuilder| {
                builder.config(|config| {
                    config.clear_batch = 2;
                    config.commit_attempts = 1;
                })
            };
            let cluster = start_with(&bed, few).await;
            let list = cluster.get::<List>("a");
            for word in ["one", "two", "three"] {
                list.add(word.into()).key(word).await.unwrap();
            }
            for word in ["later", "latest"] {
                list.add(word.into()).after(60 * SECOND).send().await.unwrap();
            }
            bed.door.hold_commits();
            let clearing = tokio::spawn({
                let cluster = cluster.clone();
                async move { cluster.clear::<List>("a").await }
            });
            for _ in 0..lucky {
                bed.door.commits_held(1).await;
                bed.door.pass_one();
            }
            bed.door.commits_held(1).await;
            bed.faulty().fail_next(Write::Commit, fault, 1);
            bed.door.release();
            bed.advance(5 * SECOND).await;
            let cleared = clearing.await.unwrap();
            if cleared.is_err() {
                cluster.clear::<List>("a").await.unwrap();
            }
            assert_eq!(stored(&bed, &cluster, "a").await, (0, false), "{fault:?} {lucky}");
            assert_eq!(list.add("one".into()).key("one").await.unwrap(), 1);
            bed.advance(120 * SECOND).await;
            assert_eq!(list.count().await.unwrap(), 1);
        }
    }
}

/// The type of the entity cannot be read any more: it can be cleared all the same.
// proves: B117
async fn a_state_that_cannot_be_read_is_no_obstacle(bed: Bed) {
    let cluster = start(&bed).await;
    cluster.get::<List>("a").add("word".into()).await.unwrap();
    cluster.shutdown().await.unwrap();
    drop(cluster);
    let probe = bed.probe.clone();
    let other = bed.start(|builder| {
        builder.entity_with::<other::List>(move |_| other::List { words: 0, probe: probe.clone() })
    });
    let other = other.await;
    let list = other.get::<other::List>("a");
    let unread = list.count().await;
    assert!(matches!(unread, Err(ClusterError::IncompatibleContract { .. })), "{unread:?}");
    other.clear::<other::List>("a").await.unwrap();
    assert_eq!(list.count().await.unwrap(), 0);
    other.receipt::<ListAdd>(RequestId::from_u128(1)).outcome().await.unwrap_err();
}

mod other {
    use super::*;
    use crate::support::Probe;

    #[derive(Entity)]
    pub(super) struct List {
        #[state]
        pub(super) words: u8,
        pub(super) probe: Probe,
    }

    #[entity]
    impl List {
        #[message]
        pub(super) fn count(&self) -> u8 {
            self.probe.note("count");
            self.words
        }
    }
}

backends!(in virtual time:
    its_next_message_starts_fresh_and_old_keys_run_again,
    a_clearing_that_failed_is_done_when_it_is_asked_for_again,
    a_state_that_cannot_be_read_is_no_obstacle,
);
