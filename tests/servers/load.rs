//! Callers that never stop, and know what each answer must be.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster::ClusterBuilder;
use cluster::prelude::*;
use cluster::storage::Storage;
use cluster::time::Clock;
use tokio::task::{JoinHandle, yield_now};

use crate::logs;
use crate::support::{soon, until};

/// How many call at once, each an entity of its own.
const CALLERS: usize = 8;

/// Counts its calls.
#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
pub(crate) struct Counter {
    value: u64,
}

#[entity]
impl Counter {
    #[message(persisted)]
    pub(crate) fn add(&mut self, note: String) -> u64 {
        self.value += u64::from(!note.is_empty());
        self.value
    }

    #[message]
    fn value(&self) -> u64 {
        self.value
    }
}

#[derive(Default)]
struct Told {
    /// Calls that were answered.
    answered: AtomicU64,
    stop: AtomicBool,
    /// What callers were told instead.
    errors: Mutex<BTreeSet<String>>,
}

/// A cluster under load. Each caller calls its entity under one key after the other, and the same
/// key again after an error: the n-th key's answer is n, whatever happened meanwhile.
pub(crate) struct Load {
    cluster: Cluster,
    told: Arc<Told>,
    callers: Vec<JoinHandle<u64>>,
    /// Of each call, beside its number.
    note: String,
}

impl Load {
    pub(crate) async fn start(storage: Arc<dyn Storage>) -> Load {
        Load::start_with(storage, 10, |builder| builder).await
    }

    /// With so many bytes in each call.
    pub(crate) async fn start_with(
        storage: Arc<dyn Storage>,
        bytes: usize,
        configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
    ) -> Load {
        let builder = Cluster::builder().storage(storage).entity::<Counter>();
        let cluster = configure(builder).start().await.expect("the server answers");
        let mut load =
            Load { cluster, told: Arc::default(), callers: Vec::new(), note: "n".repeat(bytes) };
        load.callers = (0..CALLERS).map(|caller| load.call(caller)).collect();
        load
    }

    fn call(&self, caller: usize) -> JoinHandle<u64> {
        let counter = self.cluster.get::<Counter>(format!("c{caller}"));
        let (told, note) = (self.told.clone(), self.note.clone());
        tokio::spawn(async move {
            for number in 1.. {
                loop {
                    let call = counter.add(note.clone()).key(format!("k{number}"));
                    match call.await {
                        Ok(answer) => {
                            assert_eq!(answer, number, "lost or doubled");
                            break;
                        }
                        Err(error) => {
                            told.errors.lock().unwrap().insert(format!("{error} {error:?}"));
                            yield_now().await;
                        }
                    }
                }
                told.answered.fetch_add(1, Ordering::Relaxed);
                if told.stop.load(Ordering::Relaxed) {
                    return number;
                }
            }
            unreachable!("numbers do not end")
        })
    }

    /// Waits until so many more calls were answered.
    pub(crate) async fn answered(&self, more: u64) {
        let goal = self.told.answered.load(Ordering::Relaxed) + more;
        until(|| self.told.answered.load(Ordering::Relaxed) >= goal || self.has_failed()).await;
        assert!(!self.has_failed(), "a caller has got a wrong answer");
    }

    /// Waits for so long, while nobody is answered but whose answer was on its way.
    pub(crate) async fn stands_still(&self, time: Duration) {
        let answered = Clock::system().timeout(time, self.answered(2 * CALLERS as u64)).await;
        assert!(answered.is_err(), "callers are answered without a server");
    }

    fn has_failed(&self) -> bool {
        self.callers.iter().any(JoinHandle::is_finished)
    }

    /// Waits until callers were told an error with these words.
    pub(crate) async fn told(&self, words: &str) {
        until(|| self.errors().iter().any(|error| error.contains(words)) || self.has_failed())
            .await;
    }

    /// All that callers were told.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.told.errors.lock().unwrap().iter().cloned().collect()
    }

    /// Stops, and looks whether another runner finds each call once. No error told what it must
    /// not.
    pub(crate) async fn stop(self, storage: Arc<dyn Storage>, secret: &str) {
        self.told.stop.store(true, Ordering::Relaxed);
        let mut totals = Vec::new();
        for caller in self.callers {
            totals.push(soon(caller).await.expect("every answer was right"));
        }
        let errors = self.told.errors.lock().unwrap().clone();
        assert!(!errors.iter().any(|error| error.contains(secret)), "a password was told");
        logs::told_nothing();
        drop(self.cluster);
        let builder = Cluster::builder().storage(storage).entity::<Counter>();
        let cluster = builder.start().await.expect("the server answers");
        for (caller, total) in totals.into_iter().enumerate() {
            let value = cluster.get::<Counter>(format!("c{caller}")).value().await;
            assert_eq!(value.unwrap(), total);
        }
    }
}
