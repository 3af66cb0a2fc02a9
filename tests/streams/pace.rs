//! The reader sets the pace, and holds up nobody by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cluster::prelude::*;
use futures_util::stream;

use crate::support::soon;

#[derive(Entity)]
struct Sensor {
    made: Arc<AtomicU64>,
    level: u64,
}

#[entity]
impl Sensor {
    #[message(stream)]
    fn values(&self) -> impl Stream<Item = u64> + use<> {
        let made = self.made.clone();
        stream::repeat_with(move || made.fetch_add(1, Ordering::SeqCst))
    }

    #[message(stream)]
    async fn counted(&mut self) -> impl Stream<Item = u64> + use<> {
        self.level += 1;
        tokio::task::yield_now().await;
        let made = self.made.clone();
        stream::repeat_with(move || made.fetch_add(1, Ordering::SeqCst))
    }

    #[message]
    fn raise(&mut self) -> u64 {
        self.level += 1;
        self.level
    }
}

// proves: B72
#[tokio::test]
async fn a_reader_that_stops_holds_the_handler_and_nobody_else() {
    let made = Arc::new(AtomicU64::new(0));
    let service = made.clone();
    let builder = Cluster::builder()
        .entity_with::<Sensor>(move |_| Sensor { made: service.clone(), level: 0 });
    let cluster = builder.start().await.unwrap();
    let sensor = cluster.get::<Sensor>("s");

    let mut values = sensor.values().await.unwrap();
    for expected in 0..100 {
        assert_eq!(soon(values.next()).await.unwrap().unwrap(), expected);
    }
    // Handlers that want the entity for themselves do not wait for the reader.
    for level in 1..1_000 {
        assert_eq!(soon(sensor.raise()).await.unwrap(), level);
        tokio::task::yield_now().await;
    }
    assert_eq!(made.load(Ordering::SeqCst), 100, "nothing is made before it is asked for");
    assert_eq!(soon(values.next()).await.unwrap().unwrap(), 100);

    // Nor for one that came from a handler that had it for itself.
    let mut counted = soon(sensor.counted()).await.unwrap();
    assert_eq!(soon(sensor.raise()).await.unwrap(), 1_001);
    assert_eq!(soon(counted.next()).await.unwrap().unwrap(), 101);
    assert_eq!(soon(values.next()).await.unwrap().unwrap(), 102);
    cluster.get::<Sensor>("s").raise().await.unwrap();
}

// A stream that always has a chunk lets the other tasks of its reader's worker run.
#[tokio::test]
async fn a_reader_that_never_waits_lets_others_run() {
    let cluster = Cluster::builder()
        .entity_with::<Sensor>(|_| Sensor { made: Arc::default(), level: 0 })
        .start()
        .await
        .unwrap();
    let mut values = cluster.get::<Sensor>("s").values().await.unwrap();
    let other = tokio::spawn(async {});
    while !other.is_finished() {
        values.next().await.unwrap().unwrap();
    }
}
