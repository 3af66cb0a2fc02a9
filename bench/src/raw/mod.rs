//! The raw limits of a server: the rows that calls leave in the product's own tables, written
//! without the product.
//!
//! What the rows hold is read from calls that the product has made; new are `seq`, id, key and its
//! digest. Keys are as the lane's callers have them; a digest has the same size and the same first
//! part, and is random behind it.

mod mariadb;
mod postgres;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bench_kit::drive::operation;
use bench_kit::{Bench, Case, Counts, Lane, Rng, Run, Watch, unix_micros};

use crate::servers::{Server, counted};

/// The system's name in the results.
const RAW: &str = "raw";
/// Who write at the same time, each the rows of its own entities: as many as the machine has cores.
const WRITERS: usize = 2;
/// Far above what the product has given.
const FIRST_SEQ: i64 = 1_000_000_000;

/// What is the same in all rows that calls of one entity leave.
#[derive(Debug)]
pub(crate) struct Sample {
    shard: i64,
    epoch: i64,
    class: i64,
    message: i64,
    kind: i64,
    entity_type: Vec<u8>,
    entity_id: Vec<u8>,
    arguments: Vec<u8>,
    outcome: Vec<u8>,
    state: Vec<u8>,
}

/// The columns of a sample in a row of [`SAMPLES`].
type Columns = (i64, i64, i64, i64, i64, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>);

const SAMPLES: &str = "SELECT r.shard, r.epoch, r.class, r.message, o.kind, r.entity_type, \
    r.entity_id, r.arguments, o.payload, s.payload FROM cluster_request r \
    JOIN cluster_outcome o ON o.seq = r.seq JOIN cluster_state s \
    ON s.entity_type = r.entity_type AND s.entity_id = r.entity_id ORDER BY r.seq";

impl From<Columns> for Sample {
    fn from(columns: Columns) -> Self {
        let (shard, epoch, class, message, kind, entity_type, entity_id, ..) = columns;
        let (.., arguments, outcome, state) = columns;
        Sample {
            shard,
            epoch,
            class,
            message,
            kind,
            entity_type,
            entity_id,
            arguments,
            outcome,
            state,
        }
    }
}

/// The rows of one call.
#[derive(Debug)]
pub(crate) struct RawCall {
    sample: Arc<Sample>,
    seq: i64,
    at_ms: i64,
    id: [u8; 16],
    key: Option<Key>,
}

#[derive(Debug)]
struct Key {
    text: String,
    digest: [i64; 4],
}

/// Whether calls have a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Each one of its own.
    Each,
    /// None has one.
    None,
}

/// What gives calls their numbers.
#[derive(Debug)]
pub(crate) struct Numbers {
    next: AtomicI64,
    keys: Keys,
    callers: u64,
}

impl Numbers {
    pub(crate) fn new(lane: Lane, keys: Keys) -> Self {
        Numbers { next: AtomicI64::new(FIRST_SEQ), keys, callers: u64::from(lane.callers) }
    }

    /// Calls of these entities, with numbers that follow each other.
    pub(crate) fn calls(&self, samples: &[Arc<Sample>]) -> Vec<RawCall> {
        let many = i64::try_from(samples.len()).expect("a batch is small");
        let first = self.next.fetch_add(many, Ordering::Relaxed);
        let ms = unix_micros() / 1_000;
        let call = |(sample, seq): (&Arc<Sample>, i64)| {
            let number = seq.cast_unsigned();
            RawCall {
                sample: Arc::clone(sample),
                seq,
                at_ms: ms.cast_signed(),
                // The time part, and what follows it.
                id: (u128::from(ms) << 80 | u128::from(number)).to_be_bytes(),
                key: (self.keys == Keys::Each).then(|| {
                    let call = (seq - FIRST_SEQ).cast_unsigned();
                    let text = operation(call % self.callers, call / self.callers).to_string();
                    Key { digest: digest(number, &text), text }
                }),
            }
        };
        samples.iter().zip(first..).map(call).collect()
    }
}

/// What stands for the digest of a key, as numbers: the first 8 digits, then what looks random.
fn digest(number: u64, text: &str) -> [i64; 4] {
    let mut head = [0; 8];
    head.iter_mut().zip(text.bytes()).for_each(|(to, byte)| *to = byte);
    let mut rng = Rng::new(number);
    let mut digest = [0; 4].map(|_: i64| (rng.below(usize::MAX) as u64).cast_signed());
    digest[0] = i64::from_be_bytes(head);
    digest
}

/// A server whose tables are written without the product.
pub(crate) trait RawServer: Server {
    /// Reads what calls have left, one row for each.
    fn samples(tool: &mut Self::Connection) -> impl Future<Output = Vec<Columns>> + Send;

    /// Writes the rows of some calls at once, with one commit.
    fn write(tool: &mut Self::Connection, calls: &[RawCall]) -> impl Future<Output = ()> + Send;

    /// Changes a user's own row in a transaction, and writes the rows of a call in it one by one.
    fn transact(
        tool: &mut Self::Connection,
        account: i64,
        call: Option<&RawCall>,
    ) -> impl Future<Output = ()> + Send;
}

/// What calls have left on the server, once for each entity.
pub(crate) async fn samples<S: RawServer>(server: &S) -> Vec<Arc<Sample>> {
    let mut tool = server.connect().await;
    let rows = S::samples(&mut tool).await;
    rows.into_iter().map(|row| Arc::new(Sample::from(row))).collect()
}

/// The raw limit of a lane on a server; `prepare` lets the product make its tables and call each
/// entity once.
pub(crate) fn case<S, F>(lane: Lane, server: S, keys: Keys, prepare: fn(S) -> F) -> Case
where
    S: RawServer,
    F: Future<Output = ()> + Send + 'static,
{
    let place = server.clone();
    Case::durable(lane, RAW, S::STORAGE, move |bench| {
        let server = place.clone();
        bench.block_on(async move {
            prepare(server.clone()).await;
            write_all(lane, &server, keys).await
        })
    })
    .counted(move |bench: &Bench| -> Counts {
        let server = server.counting();
        bench.block_on(async move {
            prepare(server.clone()).await;
            counted(&server, write_all(lane, &server, keys)).await
        })
    })
}

/// Writes the rows of all the lane's calls, with as many under way as the lane has callers. Each
/// batch has at most one call of each entity.
async fn write_all<S: RawServer>(lane: Lane, server: &S, keys: Keys) -> Run {
    let samples = samples(server).await;
    let numbers = Arc::new(Numbers::new(lane, keys));
    let share = samples.len() / WRITERS;
    let batch = (lane.callers as usize / WRITERS).min(share);
    let operations = usize::try_from(lane.operations).expect("a lane is bounded") / WRITERS;
    let mut tools = Vec::new();
    for _ in 0..WRITERS {
        tools.push(server.connect().await);
    }
    let whole = Watch::start();
    let writers: Vec<_> = tools
        .into_iter()
        .zip(samples.chunks(share))
        .map(|(tool, samples)| {
            let (samples, numbers) = (samples.to_vec(), Arc::clone(&numbers));
            tokio::spawn(write_share::<S>(tool, samples, numbers, batch, operations))
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer ends without a panic");
    }
    Run::new((operations * WRITERS) as u64, whole.elapsed(), Vec::new())
}

async fn write_share<S: RawServer>(
    mut tool: S::Connection,
    mut samples: Vec<Arc<Sample>>,
    numbers: Arc<Numbers>,
    batch: usize,
    operations: usize,
) {
    let mut left = operations;
    while left > 0 {
        let many = batch.min(left);
        S::write(&mut tool, &numbers.calls(&samples[..many])).await;
        samples.rotate_left(many);
        left -= many;
    }
}
