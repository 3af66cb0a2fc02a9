//! Entities leave memory while they are called: no message is lost, and nobody meets a teardown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cluster::prelude::*;
use cluster::{Cluster, EntityOptions};
use futures_util::future::join_all;
use tokio::spawn;
use tokio::task::yield_now;

use crate::support::{Bed, Life, Lives, poll_once, watched};

/// How long an entity of these tests may be idle.
const IDLE: Duration = Duration::from_millis(50);

/// What lodgers share.
#[derive(Clone, Default)]
struct House {
    lives: Lives,
    /// Set while a teardown runs.
    leaving: Arc<AtomicBool>,
    /// How often somebody was made or called during a teardown.
    met: Arc<AtomicU32>,
    left: Arc<AtomicU32>,
}

/// A durable number that takes its time to leave.
#[derive(Entity)]
struct Lodger {
    #[state]
    value: u64,
    house: House,
    _life: Life,
}

impl Lodger {
    fn move_in(house: &House, id: &EntityId) -> Self {
        house.meet();
        Lodger { value: 0, house: house.clone(), _life: house.lives.begin(id.as_str()) }
    }
}

impl House {
    fn meet(&self) {
        self.met.fetch_add(u32::from(self.leaving.load(Ordering::SeqCst)), Ordering::SeqCst);
    }
}

#[entity]
impl Lodger {
    #[deactivate]
    async fn leave(&mut self) -> Result<(), std::fmt::Error> {
        self.house.leaving.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            yield_now().await;
        }
        self.house.left.fetch_add(1, Ordering::SeqCst);
        self.house.leaving.store(false, Ordering::SeqCst);
        Ok(())
    }

    #[message]
    fn bump(&mut self) {
        self.house.meet();
        self.value += 1;
    }

    #[message(persisted)]
    fn add(&mut self) {
        self.house.meet();
        self.value += 1;
    }

    #[message(persisted)]
    async fn add_slowly(&mut self) {
        self.house.meet();
        yield_now().await;
        self.value += 1;
    }

    #[message]
    fn value(&self) -> u64 {
        self.value
    }
}

async fn host(bed: &Bed, house: &House) -> Cluster {
    let house = house.clone();
    let options = EntityOptions { idle: Some(IDLE), ..EntityOptions::DEFAULT };
    bed.start(|builder| {
        let factory = move |id: &EntityId| Lodger::move_in(&house, id);
        let builder = builder.entity_with::<Lodger>(factory).options::<Lodger>(options);
        // Time runs much faster here than handlers.
        builder.config(|config| config.call_timeout = Duration::from_secs(1_000_000_000))
    })
    .await
}

/// Sends 10,000 messages in rounds. Time races all along, and between two rounds just so far that
/// the entity is before, in, or after its teardown when the next messages come.
async fn messages_race_passivation(bed: Bed) {
    const ROUNDS: u32 = 100;
    const SENDERS: u32 = 10;
    const MESSAGES: u32 = 10;
    let (bed, house) = (bed.with_virtual_time(), House::default());
    let cluster = host(&bed, &house).await;
    watched(async {
        for round in 0..ROUNDS {
            let senders = (0..SENDERS).map(|sender| {
                let lodger = cluster.get::<Lodger>("l");
                spawn(async move { send(&lodger, sender, MESSAGES).await })
            });
            let mut senders = Box::pin(join_all(senders));
            while poll_once(&mut senders).await.is_pending() {
                bed.time().advance(IDLE);
                yield_now().await;
            }
            for _ in 0..round % 25 {
                bed.time().advance(IDLE / 10);
                yield_now().await;
            }
        }
    })
    .await;
    let sent = u64::from(ROUNDS * SENDERS * MESSAGES);
    assert_eq!(cluster.get::<Lodger>("l").value().await.unwrap(), sent);
    cluster.shutdown().await.unwrap();
    assert_eq!(house.lives.doubles(), 0);
    assert_eq!(house.met.load(Ordering::SeqCst), 0);
    assert_eq!(house.lives.now(), 0);
    assert_eq!(house.left.load(Ordering::SeqCst) as usize, house.lives.made());
    assert!(house.lives.made() > 10, "hardly anybody ever left");
}

async fn send(lodger: &LodgerClient, sender: u32, messages: u32) {
    for message in 0..messages {
        match (sender + message) % 10 {
            0 => lodger.add_slowly().await.unwrap(),
            1..5 => lodger.bump().await.unwrap(),
            _ => lodger.add().await.unwrap(),
        }
    }
}

// proves: B66
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_race_passivation_in_memory() {
    messages_race_passivation(Bed::memory()).await;
}

// proves: B66
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_race_passivation_on_sqlite() {
    messages_race_passivation(Bed::sqlite()).await;
}
