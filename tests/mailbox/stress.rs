//! Everything at once on few entities: nothing hangs, nothing is counted twice, nothing stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cluster::prelude::*;
use cluster::{Cluster, EntityOptions};
use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::spawn;
use tokio::task::yield_now;

use crate::support::{Bed, poll_once, soon};
use crate::witness::{Life, Lives, Tally};

/// A durable number with witnesses.
#[derive(Entity)]
struct Cell {
    #[state]
    value: u64,
    tally: Tally,
    /// What was added, whoever hears of it.
    added: Arc<AtomicU64>,
    _life: Life,
}

#[entity]
impl Cell {
    #[message]
    fn bump(&mut self) -> u64 {
        let _inside = self.tally.exclusive();
        self.add()
    }

    #[message]
    async fn bump_slowly(&mut self, steps: u32) -> u64 {
        let _inside = self.tally.exclusive();
        for _ in 0..steps {
            yield_now().await;
        }
        self.add()
    }

    #[message(persisted)]
    fn add_durably(&mut self) -> u64 {
        let _inside = self.tally.exclusive();
        self.add()
    }

    #[message]
    async fn read(&self, steps: u32) -> u64 {
        let _inside = self.tally.shared();
        for _ in 0..steps {
            yield_now().await;
        }
        self.value
    }

    /// Never ends by itself.
    #[message]
    async fn hang(&self) {
        let _inside = self.tally.shared();
        std::future::pending::<()>().await;
    }
}

impl Cell {
    fn add(&mut self) -> u64 {
        self.value += 1;
        self.added.fetch_add(1, Ordering::SeqCst);
        self.value
    }
}

/// What the callers of one run know: calls that surely counted, and calls that may have.
#[derive(Default)]
struct Calls {
    sure: AtomicU64,
    maybe: AtomicU64,
}

const CELLS: u64 = 4;
const TASKS: u64 = 32;
const ROUNDS: u64 = 600;

/// One caller's calls: fast, suspended, abandoned, timed out, queued behind each other.
async fn call(cluster: &Cluster, calls: &Calls, task: u64) {
    for round in 0..ROUNDS {
        // Every caller mixes differently, and each run alike.
        let dice = (task * 7_919 + round * 104_729) % 97;
        let cell = cluster.get::<Cell>(format!("cell {}", dice % CELLS));
        let steps = (dice % 5) as u32;
        match dice % 8 {
            0 => {
                cell.bump().await.unwrap();
                calls.sure.fetch_add(1, Ordering::SeqCst);
            }
            1 => {
                cell.bump_slowly(steps).await.unwrap();
                calls.sure.fetch_add(1, Ordering::SeqCst);
            }
            2 => {
                cell.add_durably().await.unwrap();
                calls.sure.fetch_add(1, Ordering::SeqCst);
            }
            3 => {
                // Abandoned after a few polls.
                let mut abandoned = Box::pin(cell.bump_slowly(3).into_future());
                for _ in 0..steps {
                    if poll_once(&mut abandoned).await.is_ready() {
                        break;
                    }
                    yield_now().await;
                }
                calls.maybe.fetch_add(1, Ordering::SeqCst);
            }
            4 => {
                let late = cell.hang().timeout(Duration::from_millis(1)).await;
                assert!(matches!(late, Err(ClusterError::Timeout { .. })), "{late:?}");
            }
            5 => {
                // A durable one goes on without its caller.
                let mut left = Box::pin(cell.add_durably().into_future());
                let _ = poll_once(&mut left).await;
                calls.maybe.fetch_add(1, Ordering::SeqCst);
            }
            6 => {
                cell.bump().send().await.unwrap();
                calls.maybe.fetch_add(1, Ordering::SeqCst);
            }
            _ => {
                let reads = (0..steps).map(|n| cell.read(n).into_future());
                assert!(join_all(reads).await.iter().all(Result::is_ok));
            }
        }
    }
}

/// The witnesses of one run.
#[derive(Clone, Default)]
struct Witness {
    /// One for each cell: they overlap with each other.
    tallies: [Tally; CELLS as usize],
    added: Arc<AtomicU64>,
    lives: Lives,
}

impl Witness {
    fn cell(&self, id: &EntityId) -> Cell {
        let number = id.as_str().bytes().last().expect("a number") - b'0';
        Cell {
            value: 0,
            tally: self.tallies[usize::from(number)].clone(),
            added: self.added.clone(),
            _life: self.lives.begin(id.as_str()),
        }
    }
}

async fn host(bed: &Bed, witness: &Witness) -> Cluster {
    let witness = witness.clone();
    let idle = Some(Duration::from_millis(20));
    let options = EntityOptions { idle, ..EntityOptions::DEFAULT };
    bed.start(|builder| {
        builder
            .entity_with::<Cell>(move |id| witness.cell(id))
            .options::<Cell>(options)
            .config(|config| config.call_timeout = Duration::from_secs(600))
    })
    .await
}

/// Runs all callers; their sum is what is stored; after the end nothing is left.
async fn everything_at_once(bed: Bed) {
    let (witness, calls) = (Witness::default(), Arc::new(Calls::default()));
    let cluster = host(&bed, &witness).await;
    let tasks = (0..TASKS).map(|task| {
        let (cluster, calls) = (cluster.clone(), calls.clone());
        spawn(async move { call(&cluster, &calls, task).await })
    });
    let ended = soon(join_all(tasks)).await;
    assert!(ended.iter().all(Result::is_ok));
    soon(cluster.caught_up()).await.unwrap();

    let mut stored = 0;
    for number in 0..CELLS {
        stored += soon(cluster.get::<Cell>(format!("cell {number}")).read(0)).await.unwrap();
    }
    let (sure, maybe) = (calls.sure.load(Ordering::SeqCst), calls.maybe.load(Ordering::SeqCst));
    assert!(sure <= stored && stored <= sure + maybe, "{sure} + {maybe}: {stored}");
    assert!(witness.tallies.iter().all(|tally| tally.overlaps() == 0));
    assert_eq!(witness.lives.doubles(), 0);

    soon(cluster.shutdown()).await.unwrap();
    drop(cluster);
    nothing_is_left(&witness).await;
}

/// No handler, no instance, no factory, no task.
async fn nothing_is_left(witness: &Witness) {
    soon(async {
        let metrics = Handle::current().metrics();
        while metrics.num_alive_tasks() > 0 {
            yield_now().await;
        }
    })
    .await;
    assert!(witness.tallies.iter().all(|tally| tally.inside() == 0));
    assert_eq!(witness.lives.now(), 0);
    // The factory had the only other one.
    assert_eq!(Arc::strong_count(&witness.added), 1);
}

// proves: B54, B66
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_leaves_nothing_in_memory() {
    everything_at_once(Bed::memory()).await;
}

// proves: B54, B66
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_leaves_nothing_on_sqlite() {
    everything_at_once(Bed::sqlite()).await;
}

/// A cluster that is dropped in the middle leaves nothing either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_dropped_in_the_middle_leaves_nothing() {
    let (bed, witness) = (Bed::memory(), Witness::default());
    let cluster = host(&bed, &witness).await;
    let callers: Vec<_> = (0..TASKS)
        .map(|task| {
            let cell = cluster.get::<Cell>(format!("cell {}", task % CELLS));
            spawn(async move {
                while cell.bump_slowly(2).await.is_ok() && cell.add_durably().await.is_ok() {}
            })
        })
        .collect();
    soon(async {
        while witness.added.load(Ordering::SeqCst) < 500 {
            yield_now().await;
        }
    })
    .await;
    drop(cluster);
    assert!(soon(join_all(callers)).await.iter().all(Result::is_ok));
    nothing_is_left(&witness).await;
}
