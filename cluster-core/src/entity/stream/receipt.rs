//! The reader's side of a persisted stream.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;
use tokio::sync::oneshot;

use super::live::{Live, Next, Numbered};
use super::streaming::Streaming;
use super::{Chunks, StreamMessage};
use crate::commit::{Rare, Unit, Writes};
use crate::entity::cancel::{Cancelled, find};
use crate::entity::endpoint::ReplyOf;
use crate::entity::failure::{decode_error, decode_reply};
use crate::entity::schema::MessageSchema;
use crate::entity::send::Receipt;
use crate::entity::shared::Shared;
use crate::entity::submit::dead_letter;
use crate::entity::waiters::Told;
use crate::entity::wire::Wire;
use crate::error::{CallError, ClusterError};
use crate::id::{Address, RequestId, Seq};
use crate::storage::{ChunkScan, ChunksRead, StoredOutcome};
use crate::time::Timestamp;

/// Proof that a persisted stream is durable: it can be read here, or by its id from any process
/// that uses the same database, also after a restart and after its end. It has one reader at a
/// time: what one has read is gone for others.
pub struct StreamReceipt<M: StreamMessage>(Receipt<Streaming<M>>);

impl<M: StreamMessage> StreamReceipt<M> {
    pub(crate) fn new(receipt: Receipt<Streaming<M>>) -> Self {
        StreamReceipt(receipt)
    }

    /// The receipt of a stream by its request's id.
    pub(crate) fn of(shared: Arc<Shared>, id: RequestId) -> Self {
        StreamReceipt(Receipt::new(shared, id, None))
    }

    /// The request's id: write it down to read on later.
    pub fn id(&self) -> RequestId {
        self.0.id()
    }

    /// The chunks that nobody is known to have read. What a reader got just before its process was
    /// killed may come again; one that must not see it twice keeps [`Chunks::position`] with what
    /// it does and asks for [`StreamReceipt::chunks_after`] it.
    pub fn chunks(&self) -> Chunks<M> {
        Chunks::stored(read(self.0.clone(), None))
    }

    /// The chunks behind the one of this number.
    pub fn chunks_after(&self, number: u64) -> Chunks<M> {
        Chunks::stored(read(self.0.clone(), Some(number)))
    }

    /// Cancels the stream, as [`Receipt::cancel`]: its handler makes no more chunks, and its reader
    /// gets those that were made, then
    /// [`ClusterError::Interrupted`](crate::error::ClusterError::Interrupted).
    ///
    /// # Errors
    /// As [`Receipt::cancel`].
    pub async fn cancel(&self) -> Result<Cancelled, ClusterError> {
        self.0.cancel().await
    }

    /// Forgets the end of the finished stream and what is left of its chunks, and makes it anew, as
    /// [`Receipt::reset`]. Who still reads what was made before gets
    /// [`ClusterError::Interrupted`](crate::error::ClusterError::Interrupted).
    ///
    /// # Errors
    /// As [`Receipt::reset`].
    pub async fn reset(&self) -> Result<bool, ClusterError> {
        self.0.reset().await
    }

    /// Waits for the stream's end, as [`Receipt::outcome`] does.
    ///
    /// # Errors
    /// As [`Receipt::outcome`].
    pub async fn outcome(&self) -> Result<(), CallError<M::Err>> {
        self.0.outcome().await
    }
}

impl<M: StreamMessage> Clone for StreamReceipt<M> {
    fn clone(&self) -> Self {
        StreamReceipt(self.0.clone())
    }
}

impl<M: StreamMessage> fmt::Debug for StreamReceipt<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream{:?}", self.0)
    }
}

/// A chunk with its number, or the error that is the end.
pub(super) type Read<M> = Pin<Box<dyn Stream<Item = (u64, ReplyOf<M>)> + Send>>;

fn read<M: StreamMessage>(receipt: Receipt<Streaming<M>>, after: Option<u64>) -> Read<M> {
    let start = At::<M>::Start(receipt, after);
    Box::pin(futures_util::stream::unfold(start, async |mut at| {
        let read = match at {
            At::Start(receipt, after) => match Reading::open(&receipt, after).await {
                Ok(reading) => reading,
                Err(error) => return Some(((0, Err(error)), At::Over)),
            },
            At::Reading(reading) => *reading,
            At::Over => return None,
        };
        let mut reading = read;
        let next = reading.next().await;
        let position = reading.position;
        at = match next {
            Some(Ok(_)) => At::Reading(Box::new(reading)),
            _ => At::Over,
        };
        next.map(|chunk| ((position, chunk), at))
    }))
}

enum At<M: StreamMessage> {
    Start(Receipt<Streaming<M>>, Option<u64>),
    Reading(Box<Reading<M>>),
    Over,
}

struct Reading<M: StreamMessage> {
    shared: Arc<Shared>,
    address: Address,
    request: RequestId,
    seq: Seq,
    schema: MessageSchema,
    live: Arc<Live>,
    told: oneshot::Receiver<Told>,
    outcome: Option<StoredOutcome>,
    /// When it had ended, if that was before it was read.
    finished_at: Option<Timestamp>,
    page: VecDeque<Numbered>,
    position: u64,
    /// What the storage was told to be read.
    told_read: u64,
    of: std::marker::PhantomData<fn() -> M>,
}

impl<M: StreamMessage> Reading<M> {
    async fn open(
        receipt: &Receipt<Streaming<M>>,
        after: Option<u64>,
    ) -> Result<Self, CallError<M::Err>> {
        let (told, found) = receipt.find_and_wait().await?;
        let (shared, row) = (receipt.shared().clone(), &found.request);
        let schema = MessageSchema::of::<M>().map_err(|error| ClusterError::Malformed {
            what: format!("the chunk type of {}", M::INFO.name),
            source: Arc::new(error),
        })?;
        let live = shared.streams.live(row.id);
        if found.outcome.is_some() {
            live.has_ended();
        }
        let mut reading = Reading {
            address: Address::new(row.entity_type.clone(), row.entity_id.clone(), row.shard),
            request: row.id,
            seq: row.seq,
            schema,
            position: after.unwrap_or_else(|| live.read_so_far()),
            live,
            told,
            outcome: found.outcome,
            finished_at: found.finished_at,
            page: VecDeque::new(),
            told_read: 0,
            shared,
            of: std::marker::PhantomData,
        };
        reading.load().await?;
        if found.dead && reading.page.is_empty() {
            let (address, seq) = (reading.address.clone(), reading.seq);
            let error = dead_letter::<Streaming<M>>(&reading.shared, address, seq).await;
            return Err(CallError::Cluster(error));
        }
        Ok(reading)
    }

    /// A page of chunks from the storage. What was read before moves the position.
    async fn load(&mut self) -> Result<(), ClusterError> {
        let config = &self.shared.config;
        let (limit, bytes) = (config.stream_window, config.load_page_bytes);
        let scan = ChunkScan { seq: self.seq, after: self.position, limit, bytes };
        let rows = self.shared.storage.load_chunks(scan).await;
        let rows = rows.map_err(|error| ClusterError::Persistence { source: Arc::new(error) })?;
        for row in rows {
            match row.read && self.position == 0 {
                true => self.position = row.number,
                false => self.page.push_back((row.number, row.payload)),
            }
        }
        Ok(())
    }

    async fn next(&mut self) -> Option<Result<M::Ok, CallError<M::Err>>> {
        // Whoever asks for more has got what there was.
        self.acknowledge(self.shared.config.stream_window as u64 / 2);
        loop {
            if let Some((number, payload)) = self.page.pop_front() {
                self.position = number;
                return Some(self.decode(&payload));
            }
            let live = self.live.clone();
            let mut changed = std::pin::pin!(live.changed.notified());
            changed.as_mut().enable();
            match self.live.after(self.position) {
                Next::Chunks(page) => {
                    self.page = page;
                    continue;
                }
                Next::Reset => return Some(Err(CallError::Cluster(ClusterError::Interrupted))),
                Next::Gap(_) => {}
                Next::Nothing if self.outcome.is_some() => {}
                Next::Nothing => {
                    tokio::select! {
                        () = changed => continue,
                        told = &mut self.told => match told {
                            Ok(Ok(outcome)) => {
                                self.live.has_ended();
                                self.outcome = Some(outcome);
                            }
                            Ok(Err(error)) => return Some(Err(CallError::Cluster(error))),
                            Err(_) => {
                                return Some(Err(CallError::Cluster(ClusterError::ShuttingDown)));
                            }
                        },
                    }
                }
            }
            if let Err(error) = self.load().await {
                return Some(Err(CallError::Cluster(error)));
            }
            if self.page.is_empty() {
                if let Next::Gap(first) = self.live.after(self.position) {
                    // Another reader has read what was between.
                    self.position = first - 1;
                } else if let Some(outcome) = self.outcome.take() {
                    if let Err(error) = self.is_whole().await {
                        return Some(Err(CallError::Cluster(error)));
                    }
                    self.acknowledge(1);
                    let (shared, address) = (&self.shared, &self.address);
                    let end = decode_reply::<Streaming<M>>(shared, address, &outcome);
                    return end.err().map(Err);
                }
            }
        }
    }

    /// No more chunks and an end: it is the stream's only if neither a reset nor retention has
    /// removed chunks before they were looked for.
    async fn is_whole(&self) -> Result<(), ClusterError> {
        let found = find(&self.shared, self.request).await?;
        let finished_at = found.finished_at.ok_or(ClusterError::Interrupted)?;
        match self.finished_at.is_none_or(|known| known == finished_at) {
            true => Ok(()),
            false => Err(ClusterError::Interrupted),
        }
    }

    fn decode(&self, payload: &[u8]) -> Result<M::Ok, CallError<M::Err>> {
        M::Ok::decode(payload, &self.schema.ok).map_err(|error| {
            let what = format!("a chunk of {} {}", self.address, M::INFO.name);
            CallError::Cluster(decode_error(what, error))
        })
    }

    /// Lets the handler go on, and tells the storage once it is worth it.
    fn acknowledge(&mut self, at_least: u64) {
        if self.position == 0 {
            return;
        }
        let tells = self.position >= self.told_read + at_least.max(1);
        if tells {
            self.told_read = self.position;
        }
        let (live, committer) = (self.live.clone(), &self.shared.committer);
        let (seq, upto) = (self.seq, self.position);
        self.live.acknowledge(upto, || {
            if tells {
                let chunks_read = Some(ChunksRead { seq, upto });
                let writes = Writes::rare(Rare { chunks_read, ..Rare::default() });
                // Lost with a crash, they are read again: nobody waits for this. Until then the
                // next reader in this process is told.
                let complete = Box::new(move |_: Result<_, _>| drop(live));
                committer.push(Unit::new(writes, complete));
            }
        });
    }
}

impl<M: StreamMessage> Drop for Reading<M> {
    fn drop(&mut self) {
        // The chunk that came last may not have been dealt with: it is the next reader's first.
        self.position = self.position.saturating_sub(1);
        self.acknowledge(1);
    }
}
