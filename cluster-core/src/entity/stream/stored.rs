//! The handler's side of a persisted stream: chunks are committed before anybody sees them.

use std::any::Any;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::live::Live;
use super::producer::Producer;
use super::streaming::{Begun, End, Streaming};
use super::{StreamMessage, Streams};
use crate::commit::{CommitFailure, Rare, Unit, Writes};
use crate::entity::Context;
use crate::entity::cancel::Cancellable;
use crate::entity::conclude::{Afterwards, Ending as Concluded, commit_beside, writes_of};
use crate::entity::contract::Serves;
use crate::entity::endpoint::ReplyOf;
use crate::entity::failure::{encode_error, stored_failure};
use crate::entity::later::Parcels;
use crate::entity::method::Style;
use crate::entity::options::Access;
use crate::entity::origin::{
    Base, NoOutcome, Origin, Stored, defect, end_interrupted, end_with_failure,
};
use crate::entity::outcome::{Outcome, Verdict};
use crate::entity::outstanding::hand_out_after;
use crate::entity::run::{Ran, To};
use crate::entity::slot::{Slot, discard};
use crate::entity::turn::Turn;
use crate::entity::wire::Wire;
use crate::error::{CallError, ClusterError, text};
use crate::storage::{ChunkScan, ChunkWrite, OutcomeKind, StoredOutcome};

/// How a persisted stream is run.
pub(super) struct StoredStream;

impl<T: Serves, M: Streams<T>> Style<T, Streaming<M>> for StoredStream {
    const ACCESS: Access = Access::Shared;
    const PLAIN: bool = false;

    fn call(
        _: Streaming<M>,
        _: &mut Arc<T>,
        _: Option<&Context>,
    ) -> Result<Begun<M>, ClusterError> {
        unreachable!("a stream is begun by a future")
    }

    async fn future<'a>(
        message: Streaming<M>,
        entity: &'a mut Arc<T>,
        ctx: &'a Context,
    ) -> Result<Begun<M>, ClusterError> {
        let seq = ctx.0.seq.expect("a persisted request has a place in the order");
        // At most the window of chunks that nobody has read, and the last one that was.
        let all = ChunkScan { seq, after: 0, limit: usize::MAX, bytes: usize::MAX };
        let rows = ctx.shared().storage.load_chunks(all).await;
        let rows = rows.map_err(|error| ClusterError::Persistence { source: Arc::new(error) })?;
        if let Some(last) = rows.last() {
            ctx.set_resumed(last.number, last.payload.clone());
        }
        let stream = message.0.run(entity, ctx).await;
        Ok(Begun { stream, rows })
    }

    fn conclude(
        turn: Turn<T>,
        returned: Result<Begun<M>, ClusterError>,
        ctx: Option<&Context>,
        parcels: Parcels,
        origin: Origin,
        to: To<Streaming<M>>,
    ) -> Ran<Streaming<M>> {
        let (slot, base) = (turn.slot.clone(), turn.base());
        let (begun, stored) = match (returned, origin) {
            (Ok(begun), Origin::Persisted(stored)) => (begun, stored),
            (Err(error), origin) => {
                turn.end();
                return origin.retry::<T, Streaming<M>, Self>(&slot, base, error, to);
            }
            (Ok(_), Origin::Volatile) => unreachable!("only persisted streams are stored"),
        };
        let ctx = ctx.expect("a future has a context");
        let producer = Producer::new(begun.stream, ctx);
        let ctx = ctx.clone();
        turn.end();
        hand_out_after(&slot, &base, parcels);
        let live = slot.kind.shared.streams.begin(stored.row.id, &begun.rows);
        let last = begun.rows.last().map_or(0, |row| row.number);
        let (to, ran) = to.later();
        slot.clone().kind.shared.tasks.spawn(async move {
            let run = Run { slot: &slot, stored: &stored, producer, live, last };
            match run.drive(base).await {
                Ok(end) => end.conclude::<T, Self>(&slot, &ctx, stored, to),
                Err(failure) => {
                    let origin = Origin::Persisted(stored);
                    _ = origin.void::<T, Streaming<M>, Self>(&slot, &failure, to);
                }
            }
        });
        ran
    }
}

/// A run of a stream.
struct Run<'a, T: Serves, M: StreamMessage> {
    slot: &'a Arc<Slot<T>>,
    stored: &'a Stored,
    producer: Producer<M>,
    live: Arc<Live>,
    /// The last chunk so far.
    last: u64,
}

/// Why a handler's stream gives no more chunks.
enum Ending<M: StreamMessage> {
    Reply(ReplyOf<Streaming<M>>),
    /// A chunk that cannot be stored.
    Unwritable(ClusterError),
    NoOutcome(NoOutcome),
    /// The request was cancelled.
    Interrupted,
    Panicked(Box<dyn Any + Send>),
}

/// What a handler's stream gave without waiting.
struct Gathered<M: StreamMessage> {
    chunks: Vec<Bytes>,
    end: Option<Ending<M>>,
}

impl<T: Serves, M: StreamMessage> Run<'_, T, M> {
    /// Stores chunk after chunk, as far as the reader lets it.
    async fn drive(mut self, base: Base) -> Result<Ending<M>, CommitFailure> {
        let shared = &self.slot.kind.shared;
        if let Some((line, generation)) = base {
            let (unit, told) =
                unit(|complete| Unit::of(line, generation, Writes::default(), complete));
            shared.committer.push(unit);
            told.await.unwrap_or(Err(CommitFailure::Stopped))?;
        }
        let cancel = Cancellable::new(shared, self.stored.row.id);
        loop {
            let window = shared.config.stream_window;
            let Some(room) = unless_asked(&cancel, self.live.wait_for_room(window)).await else {
                return Ok(self.interrupted());
            };
            let gathered = unless_asked(&cancel, poll_fn(|cx| self.gather(room, cx))).await;
            let Some(Gathered { chunks, end }) = gathered else { return Ok(self.interrupted()) };
            if !chunks.is_empty() {
                self.commit(chunks).await?;
            }
            if let Some(end) = end {
                discard(self.producer);
                return Ok(end);
            }
        }
    }

    fn interrupted(self) -> Ending<M> {
        discard(self.producer);
        Ending::Interrupted
    }

    /// Polls until there is no room, nothing more at once, or the end.
    fn gather(&mut self, room: usize, cx: &mut TaskContext<'_>) -> Poll<Gathered<M>> {
        let mut chunks = Vec::new();
        let mut bytes = 0;
        let end = loop {
            if chunks.len() >= room || bytes >= self.slot.kind.shared.config.load_page_bytes {
                break None;
            }
            let chunk = match self.producer.poll(cx) {
                Err(panic) => break Some(Ending::Panicked(panic)),
                Ok(Poll::Pending) if chunks.is_empty() => return Poll::Pending,
                Ok(Poll::Pending) => break None,
                Ok(Poll::Ready(None)) => break Some(Ending::Reply(Ok(End))),
                Ok(Poll::Ready(Some(chunk))) => chunk,
            };
            match <M::Outcome as Outcome>::verdict(chunk) {
                Verdict::Ok(value) => match self.encode(&value) {
                    Ok(payload) => {
                        bytes += payload.len();
                        chunks.push(payload);
                    }
                    Err(error) => break Some(Ending::Unwritable(error)),
                },
                Verdict::Err(error) => break Some(Ending::Reply(Err(CallError::Entity(error)))),
                Verdict::Retry(error) => break Some(Ending::NoOutcome(NoOutcome::Retry(error))),
                Verdict::GiveUp(reason) => {
                    break Some(Ending::NoOutcome(NoOutcome::GiveUp(reason)));
                }
            }
        };
        Poll::Ready(Gathered { chunks, end })
    }

    fn encode(&self, value: &M::Ok) -> Result<Bytes, ClusterError> {
        let kind = &self.slot.kind;
        let schema = &kind.schemas.messages[M::INFO.index].ok;
        let limit = kind.shared.config.payload_bytes_max;
        value.encode(schema, limit).map_err(|error| {
            let what = format!("a chunk of {} {}", self.slot.address(), M::INFO.name);
            encode_error(&what, "payload_bytes_max", error)
        })
    }

    async fn commit(&mut self, chunks: Vec<Bytes>) -> Result<(), CommitFailure> {
        let (seq, shard) = (self.stored.row.seq, self.stored.row.shard);
        let epoch = self.slot.kind.shards.epoch(shard);
        let numbered: Vec<_> = (self.last + 1..).zip(chunks).collect();
        let chunks = numbered.iter().map(|(number, payload)| {
            let (number, payload) = (*number, payload.clone());
            ChunkWrite { seq, shard, epoch, number, payload }
        });
        let writes = Writes::rare(Rare { chunks: chunks.collect(), ..Rare::default() });
        let (unit, told) = unit(|complete| Unit::new(writes, complete));
        self.slot.kind.shared.committer.push(unit);
        told.await.unwrap_or(Err(CommitFailure::Stopped))?;
        self.last += numbered.len() as u64;
        self.live.publish(numbered);
        Ok(())
    }
}

/// What a run waits for, unless its request is cancelled.
async fn unless_asked<R>(cancel: &Cancellable, wait: impl Future<Output = R>) -> Option<R> {
    let mut wait = pin!(wait);
    poll_fn(|cx| match cancel.poll_asked(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => wait.as_mut().poll(cx).map(Some),
    })
    .await
}

type Told = oneshot::Receiver<Result<(), CommitFailure>>;

/// A unit, and whom it tells of its commit.
fn unit(make: impl FnOnce(crate::commit::Completion) -> Unit) -> (Unit, Told) {
    let (tell, told) = oneshot::channel();
    let complete = Box::new(move |result: Result<Vec<_>, _>| {
        // A run that was dropped needs no answer.
        let _ = tell.send(result.map(|_| ()));
    });
    (make(complete), told)
}

impl<M: StreamMessage> Ending<M> {
    /// Ends the request; the turn has ended before.
    fn conclude<T: Serves, S: Style<T, Streaming<M>>>(
        self,
        slot: &Arc<Slot<T>>,
        ctx: &Context,
        stored: Box<Stored>,
        to: To<Streaming<M>>,
    ) {
        match self {
            Ending::Reply(reply) => commit_end::<T, M, S>(slot, ctx, stored, reply, to),
            Ending::Unwritable(error @ ClusterError::LimitExceeded { .. }) => {
                _ = end_with_failure::<T, Streaming<M>, S>(slot, stored, None, error, to);
            }
            Ending::Unwritable(error) => {
                let attempts = stored.attempts + 1;
                let error = defect::<T, Streaming<M>>(slot, attempts, text(&error));
                _ = end_with_failure::<T, Streaming<M>, S>(slot, stored, None, error, to);
            }
            Ending::NoOutcome(end) => {
                _ = end.tell::<T, Streaming<M>, S>(Origin::Persisted(stored), slot, None, to);
            }
            Ending::Interrupted => {
                _ = end_interrupted::<T, Streaming<M>, S>(slot, stored, None, to);
            }
            Ending::Panicked(panic) => {
                let origin = Origin::Persisted(stored);
                _ = origin.panicked::<T, Streaming<M>, S>(slot, None, panic, to);
            }
        }
    }
}

/// Stores the end or the typed error as the request's outcome, and with an end what the handler has
/// sent and set.
fn commit_end<T: Serves, M: StreamMessage, S: Style<T, Streaming<M>>>(
    slot: &Arc<Slot<T>>,
    ctx: &Context,
    stored: Box<Stored>,
    reply: ReplyOf<Streaming<M>>,
    to: To<Streaming<M>>,
) {
    let kind = &slot.kind;
    let schema = &kind.schemas.messages[M::INFO.index].err;
    let outcome = match &reply {
        Ok(End) => StoredOutcome { kind: OutcomeKind::Ok, payload: Bytes::new() },
        Err(CallError::Cluster(error)) => stored_failure(error),
        Err(CallError::Entity(error)) => {
            match error.encode(schema, kind.shared.config.payload_bytes_max) {
                Ok(payload) => StoredOutcome { kind: OutcomeKind::Err, payload },
                Err(error) => {
                    let what = format!("the error of {} {}", slot.address(), M::INFO.name);
                    let error = encode_error(&what, "payload_bytes_max", error);
                    let unwritable = Ending::<M>::Unwritable(error);
                    return unwritable.conclude::<T, S>(slot, ctx, stored, to);
                }
            }
        }
    };
    let then = match reply {
        Ok(End) => Afterwards::of(Some(ctx), Parcels::default()),
        Err(_) => Afterwards::default(),
    };
    let mut ended = Concluded { reply, outcome: Some(outcome), change: None };
    let writes = writes_of(slot, &mut ended, Some(ctx), &then, Some(&stored));
    let origin = Origin::Persisted(stored);
    commit_beside::<T, Streaming<M>, S>(slot.clone(), None, ended, writes, then, origin, to);
}
