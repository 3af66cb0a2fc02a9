//! The loops: callers that wait for each reply, entities that are made and left alone.

use std::sync::Arc;

use crate::watch::settle;
use crate::{Lane, Rng, Run, Watch, resident_bytes};

/// Something that a caller can ask and wait for: an entity's handle, an actor's reference.
pub trait Target: Send + Sync + 'static {
    /// One operation, to its reply. `operation` is different for each one of a repetition.
    fn ask(&self, operation: u64) -> impl Future<Output = ()> + Send;
}

/// The lane's callers in closed loops, each on a task of its own, over the given targets.
///
/// Two clock readings and a random choice are part of each operation, in every system alike.
///
/// # Panics
///
/// If there is no target, or an operation panics.
pub async fn closed_loop<T: Target>(lane: &Lane, targets: Vec<T>) -> Run {
    let targets = Arc::new(targets);
    let whole = Watch::start();
    let callers: Vec<_> = (0..lane.callers)
        .map(|caller| {
            let share = lane.share(caller);
            tokio::spawn(call_in_turn(caller, share, Arc::clone(&targets)))
        })
        .collect();
    let capacity = usize::try_from(lane.operations).expect("latencies of a lane fit in memory");
    let mut latencies_ns = Vec::with_capacity(capacity);
    for caller in callers {
        latencies_ns.extend(caller.await.expect("a caller ends without a panic"));
    }
    Run::new(lane.operations, whole.elapsed(), latencies_ns)
}

/// What tells one operation of a repetition from all others: the caller's operations count up.
pub const fn operation(caller: u64, number: u64) -> u64 {
    caller << 40 | number
}

async fn call_in_turn<T: Target>(caller: u32, share: u64, targets: Arc<Vec<T>>) -> Vec<u64> {
    let mut rng = Rng::new(u64::from(caller) + 1);
    let mut latencies_ns = Vec::with_capacity(usize::try_from(share).unwrap_or_default());
    for number in 0..share {
        let target = &targets[rng.below(targets.len())];
        let operation = operation(caller.into(), number);
        let watch = Watch::start();
        target.ask(operation).await;
        latencies_ns.push(watch.nanos());
    }
    latencies_ns
}

/// One caller that does each prepared piece of work once, in order: activation of fresh entities.
/// What the work returns is kept to the end.
pub async fn once_each<P, K, F, Done>(prepared: P, mut work: F) -> (Run, Vec<K>)
where
    P: ExactSizeIterator + Send,
    F: FnMut(P::Item) -> Done + Send,
    Done: Future<Output = K> + Send,
{
    let mut kept = Vec::with_capacity(prepared.len());
    let operations = prepared.len() as u64;
    let whole = Watch::start();
    for item in prepared {
        kept.push(work(item).await);
    }
    (Run::new(operations, whole.elapsed(), Vec::new()), kept)
}

/// Something that a reader takes chunks from.
pub trait Source: Send + 'static {
    /// The next chunk.
    fn next(&mut self) -> impl Future<Output = u64> + Send;
}

/// One reader that takes the lane's chunks one after another, and looks that none is missing.
///
/// # Panics
///
/// If the chunks are not the numbers from zero on.
pub async fn read(lane: &Lane, mut source: impl Source) -> Run {
    let whole = Watch::start();
    for expected in 0..lane.operations {
        assert_eq!(source.next().await, expected, "chunks come in order");
    }
    Run::new(lane.operations, whole.elapsed(), Vec::new())
}

/// Makes entities one after another, leaves them idle, and measures what each costs in memory. What
/// `make` returns is kept to the end, for systems where an entity goes with its last reference.
///
/// Repetitions in one process find memory that earlier ones freed, so only the first is exact.
pub async fn idle<K, F, Made>(entities: u32, make: F) -> (Run, Vec<K>)
where
    F: FnMut(u32) -> Made + Send,
    Made: Future<Output = K> + Send,
{
    let before = resident_bytes();
    let (mut run, kept) = once_each(0..entities, make).await;
    settle();
    let grown = before.zip(resident_bytes()).map(|(before, after)| after.saturating_sub(before));
    run.bytes_per_entity = grown.map(|grown| grown / u64::from(entities.max(1)));
    (run, kept)
}
