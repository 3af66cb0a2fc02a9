//! Callers that never stop, and know what each answer must be. Every other one has its entity write
//! a row into a table of the user's own, too.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster::ClusterBuilder;
use cluster::prelude::*;
use cluster::storage::Storage;
use cluster::time::Clock;
use tokio::task::{JoinHandle, yield_now};

use crate::support::{Own, soon, until};
use crate::{Database, logs};

/// How many call at once, each an entity of its own.
const CALLERS: usize = 8;

/// The user's own table: a row for each call that has one.
const OWN_ROWS: &str = "CREATE TABLE own_rows (entity VARCHAR(8) NOT NULL)";

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

    #[message(persisted, transaction)]
    async fn add_with_row(
        &mut self,
        ctx: &Context,
        note: String,
    ) -> Result<u64, CallError<String>> {
        let insert = format!("INSERT INTO own_rows (entity) VALUES ('{}')", ctx.entity_id());
        Own::of(ctx).await?.run(insert).await.or_retry()?;
        Ok(self.add(note))
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
    /// Every other entity writes rows of its own.
    with_rows: bool,
}

impl Load {
    /// On a storage of this database.
    pub(crate) async fn start(database: &Database, storage: Arc<dyn Storage>) -> Load {
        database.tool().await.run(OWN_ROWS).await;
        let configure = |builder: ClusterBuilder| {
            builder.config(|config| {
                // A statement of the handler's own that fails is an attempt that has failed.
                config.attempts = u32::MAX;
                config.backoff_max = Duration::from_millis(200);
            })
        };
        Load::with(storage, 10, true, configure).await
    }

    /// With so many bytes in each call, and no rows of users' own.
    pub(crate) async fn start_with(
        storage: Arc<dyn Storage>,
        bytes: usize,
        configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
    ) -> Load {
        Load::with(storage, bytes, false, configure).await
    }

    async fn with(
        storage: Arc<dyn Storage>,
        bytes: usize,
        with_rows: bool,
        configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
    ) -> Load {
        let builder = Cluster::builder().storage(storage).entity::<Counter>();
        let cluster = configure(builder).start().await.expect("the server answers");
        let (told, note) = (Arc::default(), "n".repeat(bytes));
        let mut load = Load { cluster, told, callers: Vec::new(), note, with_rows };
        load.callers = (0..CALLERS).map(|caller| load.call(caller)).collect();
        load
    }

    /// Whether the caller's entity writes rows of its own.
    fn has_rows(&self, caller: usize) -> bool {
        self.with_rows && caller % 2 == 1
    }

    fn call(&self, caller: usize) -> JoinHandle<u64> {
        let has_rows = self.has_rows(caller);
        let counter = self.cluster.get::<Counter>(format!("c{caller}"));
        let (told, note) = (self.told.clone(), self.note.clone());
        tokio::spawn(async move {
            for number in 1.. {
                loop {
                    let key = format!("k{number}");
                    let answer = match has_rows {
                        true => counter.add_with_row(note.clone()).key(key).await.map_err(words),
                        false => counter.add(note.clone()).key(key).await.map_err(words),
                    };
                    match answer {
                        Ok(answer) => {
                            assert_eq!(answer, number, "lost or doubled");
                            break;
                        }
                        Err(error) => {
                            told.errors.lock().unwrap().insert(error);
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

    /// Stops, and looks whether another runner finds each call once, and each row of its own. No
    /// error told what it must not.
    pub(crate) async fn stop(self, database: &Database, storage: Arc<dyn Storage>) {
        self.told.stop.store(true, Ordering::Relaxed);
        let with_rows: Vec<bool> = (0..CALLERS).map(|caller| self.has_rows(caller)).collect();
        let mut totals = Vec::new();
        for caller in self.callers {
            totals.push(soon(caller).await.expect("every answer was right"));
        }
        let errors = self.told.errors.lock().unwrap().clone();
        assert!(
            !errors.iter().any(|error| error.contains(&database.password())),
            "a password was told"
        );
        logs::told_nothing();
        drop(self.cluster);
        let builder = Cluster::builder().storage(storage).entity::<Counter>();
        let cluster = builder.start().await.expect("the server answers");
        for (caller, total) in totals.into_iter().enumerate() {
            let value = cluster.get::<Counter>(format!("c{caller}")).value().await;
            assert_eq!(value.unwrap(), total);
            if with_rows[caller] {
                let rows = format!("SELECT count(*) FROM own_rows WHERE entity = 'c{caller}'");
                let rows = database.tool().await.number(&rows).await;
                assert_eq!(rows.cast_unsigned(), total, "a row is lost or doubled");
            }
        }
    }
}

fn words<E: fmt::Display + fmt::Debug>(error: E) -> String {
    format!("{error} {error:?}")
}
