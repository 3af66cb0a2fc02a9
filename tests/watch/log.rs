//! What a runner says in its log of its lease, of cluster time, and of what tools ask for.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, Once};

use cluster::prelude::*;
use cluster::storage::{MessageStorage, OwnershipStorage, Wish, Wished};
use cluster::testing::{Fault, TestCluster, Write};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context as Within, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// Events with their fields, in order: one line of text each.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

/// Has this thread heard by a subscriber until the guard is dropped. What a place of the code
/// is asked for the first time it is reached, by whichever thread, holds for all of them: there
/// is a global subscriber that wants everything, so that no test's thread answers with "nobody".
pub(crate) fn listen(subscriber: impl Subscriber + Send + Sync + 'static) -> DefaultGuard {
    static EVERYTHING: Once = Once::new();
    EVERYTHING.call_once(|| {
        tracing::subscriber::set_global_default(Registry::default()).unwrap();
    });
    tracing::subscriber::set_default(subscriber)
}

impl Log {
    /// Listens on this thread until the guard is dropped.
    pub(crate) fn listen() -> (Log, DefaultGuard) {
        let log = Log::default();
        let listening = listen(Registry::default().with(log.clone()));
        (log, listening)
    }

    /// The lines that speak of this.
    pub(crate) fn of(&self, what: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        lines.iter().filter(|line| line.contains(what)).cloned().collect()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Within<'_, S>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
}

#[derive(Entity, Default)]
pub(crate) struct Echo;

#[entity]
impl Echo {
    #[message]
    pub(crate) fn echo(&self, text: String) -> String {
        text
    }

    #[message(persisted)]
    fn noted(&self, text: String) -> String {
        text
    }
}

#[tokio::test]
async fn a_lease_that_cannot_be_renewed_is_told_once_for_as_long_as_it_fails() {
    let (log, _listening) = Log::listen();
    let cluster = TestCluster::new().entity::<Echo>().start().await;
    let seconds = async |many: u32| {
        for _ in 0..many {
            cluster.advance(Duration::from_secs(1)).await;
        }
    };
    seconds(3).await;
    assert_eq!(log.of("lease"), [""; 0]);
    for _ in 0..2 {
        cluster.storage().fail_next(Write::Renew, Fault::Refused, 5);
        seconds(5).await;
        let told = log.of("lease");
        assert!(told.len() == 1 && told[0].starts_with("WARN"), "{told:?}");
        assert!(told[0].contains("could not be renewed") && told[0].contains("error="), "{told:?}");
        seconds(3).await;
        let told = log.of("lease");
        assert!(told.len() == 2 && told[1].starts_with("INFO"), "{told:?}");
        log.0.lock().unwrap().clear();
    }
    assert_eq!(cluster.get::<Echo>("e").echo("still here".into()).await.unwrap(), "still here");
}

#[tokio::test]
async fn a_correction_of_the_time_of_day_is_told_and_small_ones_are_none() {
    let (log, _listening) = Log::listen();
    let cluster = TestCluster::new().entity::<Echo>().start().await;
    let storage = cluster.storage().clone();
    let second = Duration::from_secs(1);
    let mut told = Vec::new();
    for offset_ms in [0, 5, -5, 10, 5_000, 5_008, 4_000] {
        storage.set_cluster_time_offset(offset_ms).await.unwrap();
        cluster.advance(second).await;
        told.push(log.of("corrected").len());
    }
    assert_eq!(told, [0, 0, 0, 0, 1, 1, 2]);
    let last = log.of("corrected").pop().unwrap();
    assert!(last.contains("by_ms=-1000") && last.contains("ahead_ms=4000"), "{last}");
}

#[tokio::test]
async fn a_wish_is_told_once_and_one_that_comes_to_nothing_is_a_warning() {
    let (log, _listening) = Log::listen();
    let cluster = TestCluster::new().entity::<Echo>().start().await;
    let seconds = async |many: u32| {
        for _ in 0..many {
            cluster.advance(Duration::from_secs(1)).await;
        }
    };
    let storage = cluster.storage().clone();
    let later = cluster.get::<Echo>("e").noted("text".into()).after(Duration::from_secs(3_600));
    let request = later.send().await.unwrap().id();
    let unknown = RequestId::from_bytes([7; 16]);
    let redriven = Wished { request, wish: Wish::Redrive };
    let cancelled = Wished { request, wish: Wish::Cancel };
    storage.wish(vec![redriven, Wished { request: unknown, wish: Wish::Cancel }]).await.unwrap();
    storage.fail_next(Write::Commit, Fault::Refused, 100);
    seconds(20).await;
    let told = log.of("inbox");
    assert!(told.len() == 1 && told[0].starts_with("WARN"), "{told:?}");
    assert!(told[0].contains("could not be done") && told[0].contains("error="), "{told:?}");
    storage.heal();
    seconds(20).await;
    storage.wish(vec![cancelled]).await.unwrap();
    seconds(20).await;
    let told = log.of("wish=");
    assert_eq!(told.len(), 3, "{told:?}");
    let of = |what: String| told.iter().find(|line| line.contains(&what)).unwrap();
    let nothing = of("wish=redrive".to_owned());
    assert!(nothing.starts_with("WARN") && nothing.contains("no dead letter"), "{nothing}");
    let nothing = of(format!("request={unknown}"));
    assert!(nothing.starts_with("WARN") && nothing.contains("not stored"), "{nothing}");
    let done = told.last().unwrap();
    assert!(done.starts_with("INFO") && done.contains(&format!("request={request}")), "{done}");
    assert_eq!(log.of("is done again").len(), 1);
}
