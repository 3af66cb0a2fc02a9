//! An open stream keeps its entity in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cluster::prelude::*;
use cluster::testing::TestCluster;
use futures_util::stream;

use crate::support::soon;

/// How many instances were made.
static MADE: AtomicU64 = AtomicU64::new(0);

#[derive(Entity)]
struct Topic {
    instance: u64,
    pulse: Arc<tokio::sync::Notify>,
}

impl Default for Topic {
    fn default() -> Self {
        Topic { instance: MADE.fetch_add(1, Ordering::SeqCst), pulse: Arc::default() }
    }
}

#[entity]
impl Topic {
    /// Chunks come from the entity's own memory.
    #[message(stream)]
    fn pulses(&self) -> impl Stream<Item = u64> + use<> {
        let (pulse, instance) = (self.pulse.clone(), self.instance);
        stream::unfold(pulse, move |pulse| async move {
            pulse.notified().await;
            Some((instance, pulse))
        })
    }

    #[message]
    fn publish(&mut self) -> u64 {
        self.pulse.notify_one();
        self.instance
    }
}

// proves: B65
#[tokio::test]
async fn an_entity_with_an_open_stream_is_not_passivated() {
    let idle = Duration::from_millis(50);
    let cluster = TestCluster::new().with(move |builder| builder.config(|c| c.idle = idle));
    let cluster = cluster.entity::<Topic>().start().await;
    let topic = cluster.get::<Topic>("t");
    let mut pulses = topic.pulses().await.unwrap();
    cluster.advance(Duration::from_secs(60)).await;
    assert_eq!(cluster.stats().resident_entities, 1);
    let instance = topic.publish().await.unwrap();
    assert_eq!(soon(pulses.next()).await.unwrap().unwrap(), instance);

    // Its idle time begins when the stream ends.
    cluster.advance(Duration::from_secs(60)).await;
    drop(pulses);
    cluster.advance(Duration::from_millis(20)).await;
    assert_eq!(cluster.stats().resident_entities, 1);
    cluster.advance(Duration::from_millis(100)).await;
    assert_eq!(cluster.stats().resident_entities, 0);
    assert_ne!(topic.publish().await.unwrap(), instance);
}

// With room for two, one that streams and one that is idle: a third one takes the idle one's place.
// proves: B65
#[tokio::test]
async fn an_entity_with_an_open_stream_is_not_evicted() {
    let cluster =
        TestCluster::new().with(|builder| builder.config(|c| c.resident_entities_max = 2));
    let cluster = cluster.entity::<Topic>().start().await;
    let topic = cluster.get::<Topic>("streams");
    let pulses = topic.pulses().await.unwrap();
    let instance = topic.publish().await.unwrap();
    for round in 0..20 {
        cluster.get::<Topic>(format!("other-{round}")).publish().await.unwrap();
        assert_eq!(topic.publish().await.unwrap(), instance);
    }
    let other = cluster.get::<Topic>("other");
    let other_pulses = other.pulses().await.unwrap();
    let full = cluster.get::<Topic>("one too many").publish().await.unwrap_err();
    assert!(
        matches!(full, ClusterError::LimitExceeded { limit: "resident_entities_max", .. }),
        "{full:?}"
    );
    drop((pulses, other_pulses));
    cluster.get::<Topic>("one more").publish().await.unwrap();
}
