//! What a handler knows of its call.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::cancel::{Asked, cancelled};
use super::contract::{Client, Contract, Message, Serves};
use super::endpoint::Endpoint;
use super::failure::decode_error;
use super::handle::Handle;
use super::keep_alive::Wish;
use super::kind::Kind;
use super::later::Parcels;
use super::options::{Access, MessageInfo};
use super::origin::{Base, Origin};
use super::recording::{Place, Record};
use super::run::{Surroundings, collects};
use super::shared::Shared;
use super::slot::Slot;
use super::trace::Trace;
use super::transaction::TransactionSlot;
use super::turn::Turn;
use super::wire::Wire;
use crate::commit::{Lineage, ReminderIntent, Unit, Writes};
use crate::error::ClusterError;
use crate::id::{Address, EntityId, Key, RequestId, Seq};
use crate::message::{Headers, TraceContext};
use crate::storage::RequestRow;

/// The context of one running handler: who is called, by which request, with which headers; and the
/// way to other entities. Cheap to clone.
#[derive(Clone)]
pub struct Context(pub(super) Arc<Frame>);

/// A running handler and, through `parent`, the handlers that wait for it.
pub(super) struct Frame {
    pub(super) entity: Arc<dyn Endpoint>,
    /// Put together when first asked for.
    pub(super) address: OnceLock<Address>,
    pub(super) message: &'static str,
    /// How it holds its entity; not at all where it is a stream that is read.
    pub(super) holds: Option<Access>,
    /// The persisted request that is run; `None` for a volatile one.
    pub(super) request: Option<(RequestId, Option<Key>)>,
    /// The place of that request in its owner's order.
    pub(super) seq: Option<Seq>,
    /// The last chunk that earlier runs of a persisted stream have stored.
    pub(super) resumed: OnceLock<Box<(u64, Bytes)>>,
    pub(super) headers: Headers,
    pub(super) trace: Trace,
    /// The handler whose call this is.
    pub(super) parent: Option<Context>,
    /// The instance's commits that were not durable when the handler started.
    pub(super) base: Base,
    pub(super) confirmed: AtomicBool,
    /// The handler has ended: it waits for nobody any more.
    pub(super) over: AtomicBool,
    /// Whether durable messages leave with the handler's commit: it has one.
    pub(super) commits: bool,
    /// Where the persisted request stands; `None` for a volatile one.
    pub(super) place: Option<Place>,
    /// Stands in derived keys before the number: empty but inside a step of a workflow.
    pub(super) scope: Box<str>,
    /// Replies that the handler gives to others leave with its commit.
    pub(super) collects: bool,
    /// The handler has asked for its entity to be kept alive, or not any more.
    pub(super) wishes: AtomicBool,
    /// `None` until the handler sends or calls something durable.
    pub(super) sent: Mutex<Option<Box<Sent>>>,
    pub(super) transaction: TransactionSlot,
}

impl Drop for Frame {
    /// Drops the handlers further out one after the other: a long chain that is cancelled as a
    /// whole would else be dropped by as deep a recursion.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(Context(frame)) = next {
            next = Arc::into_inner(frame).and_then(|mut frame| frame.parent.take());
        }
    }
}

/// A handler's own hold on its context, for as long as it runs.
pub(super) struct Running(Context);

impl Deref for Running {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.over.store(true, Ordering::Release);
    }
}

/// How a call fits into the chain of handlers that wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nesting {
    /// No handler of the called entity waits for it.
    None,
    /// A `&self` handler of the entity does: the call may run beside it, and must not queue behind
    /// those that wait for that handler to end.
    Read,
}

/// The numbers of a handler's calls with derived keys to one type, id and message.
#[derive(Default)]
pub(super) struct Numbers {
    last: u32,
    /// Of calls that were surely not accepted: another one has none of them taken.
    free: BTreeSet<u32>,
}

impl Numbers {
    fn next(&mut self) -> u32 {
        self.free.pop_first().unwrap_or_else(|| {
            self.last += 1;
            self.last
        })
    }
}

/// The number that a call under way has in its derived key.
pub(super) struct Numbered {
    by: Context,
    calls: (Address, u64),
    number: u32,
}

impl Numbered {
    /// The call has ended with an error. One that was surely not accepted is no call: made again,
    /// it has the same number, as in a rerun that nothing refuses.
    pub(super) fn failed(self, error: &ClusterError) {
        if error.is_retryable() {
            let mut sent = self.by.0.sent.lock();
            let numbers = sent.get_or_insert_default().occurrences.entry(self.calls).or_default();
            numbers.free.insert(self.number);
        }
    }
}

/// What a handler has sent so far.
#[derive(Default)]
pub(super) struct Sent {
    /// Durable messages that leave with the commit; at most `outbox_max`.
    pub(super) outbox: Vec<RequestRow>,
    /// What becomes of reminders with the commit; at most one for each message.
    pub(super) reminders: Vec<ReminderIntent>,
    /// The calls to each (type, id, message), for derived keys.
    pub(super) occurrences: HashMap<(Address, u64), Numbers>,
    /// What has happened in an execution and is not handed to the committer yet.
    pub(super) record: Record,
    /// Replies to others' requests; at most as many as may be outstanding.
    pub(super) parcels: Parcels,
    /// What is to become of its being kept alive.
    pub(super) wish: Option<Wish>,
}

impl Sent {
    /// Puts a message into the outbox.
    ///
    /// # Errors
    /// `LimitExceeded`: there are so many already.
    pub(super) fn put(&mut self, row: RequestRow, max: usize) -> Result<(), ClusterError> {
        let actual = self.outbox.len() + 1;
        if actual > max {
            let what = "the number of messages sent by one handler".to_owned();
            return Err(ClusterError::LimitExceeded { limit: "outbox_max", what, max, actual });
        }
        self.outbox.push(row);
        Ok(())
    }
}

impl Context {
    /// The context of a handler that is about to run.
    pub(super) fn of<T: Serves, M: Message>(
        turn: &Turn<T>,
        around: Surroundings,
        origin: &Origin,
    ) -> Self {
        let slot = &turn.slot;
        let stored = match origin {
            Origin::Volatile => None,
            Origin::Persisted(stored) => Some(stored),
        };
        let changes_state = M::INFO.access == Access::Exclusive && Kind::<T>::is_durable();
        let transaction = stored.is_some_and(|stored| stored.transaction);
        Context(Arc::new(Frame {
            entity: slot.clone(),
            address: OnceLock::new(),
            message: M::INFO.name,
            holds: Some(M::INFO.access),
            request: stored
                .map(|stored| (stored.row.id, stored.row.key.as_ref().map(|key| key.key.clone()))),
            seq: stored.map(|stored| stored.row.seq),
            resumed: OnceLock::new(),
            headers: around.headers,
            trace: around.trace,
            parent: around.parent,
            base: turn.base(),
            confirmed: AtomicBool::new(false),
            over: AtomicBool::new(false),
            commits: stored.is_some() || changes_state,
            collects: collects::<T, M>(),
            wishes: AtomicBool::new(false),
            place: stored.map(|stored| Place::of(&stored.row, &slot.kind.shards)),
            scope: Box::default(),
            sent: Mutex::default(),
            transaction: TransactionSlot::new(transaction),
        }))
    }

    /// The context of a life-cycle hook: no request, no caller. An instance may be made anew of
    /// state that is not durable yet.
    pub(super) fn of_hook<T: Serves>(slot: &Arc<Slot<T>>, hook: &'static str) -> Self {
        let line: Arc<dyn Lineage> = slot.clone();
        let generation = line.generation();
        Context(Arc::new(Frame {
            entity: slot.clone(),
            address: OnceLock::new(),
            message: hook,
            holds: Some(Access::Exclusive),
            request: None,
            seq: None,
            resumed: OnceLock::new(),
            headers: Headers::default(),
            trace: Trace::default(),
            parent: None,
            base: slot.is_unconfirmed().then_some((line, generation)),
            confirmed: AtomicBool::new(false),
            over: AtomicBool::new(false),
            commits: false,
            collects: false,
            wishes: AtomicBool::new(false),
            place: None,
            scope: Box::default(),
            sent: Mutex::default(),
            transaction: TransactionSlot::new(false),
        }))
    }

    /// The context of the stream that this handler has returned, while `reader` reads it. The
    /// stream has left its handler's turn, so it holds nothing; what it read is durable.
    pub(super) fn of_stream(&self, reader: Option<Context>) -> Self {
        let frame = &self.0;
        Context(Arc::new(Frame {
            entity: frame.entity.clone(),
            address: frame.address.clone(),
            message: frame.message,
            holds: None,
            request: frame.request.clone(),
            seq: frame.seq,
            resumed: frame.resumed.clone(),
            headers: frame.headers.clone(),
            trace: frame.trace.clone(),
            parent: reader,
            base: None,
            confirmed: AtomicBool::new(true),
            over: AtomicBool::new(false),
            commits: false,
            collects: false,
            wishes: AtomicBool::new(false),
            place: frame.place,
            scope: Box::default(),
            sent: Mutex::default(),
            transaction: TransactionSlot::new(false),
        }))
    }

    pub(super) fn set_resumed(&self, number: u64, payload: Bytes) {
        let _ = self.0.resumed.set(Box::new((number, payload)));
    }

    /// Where a persisted stream goes on: the number and the value of the last chunk that was stored
    /// before it was interrupted, by a restart or by a failed attempt. `None` if there is none:
    /// begin at the beginning.
    ///
    /// # Errors
    /// `T` is not the type of the chunks, or cannot read how they were written.
    pub fn resume<T: Wire>(&self) -> Result<Option<(u64, T)>, ClusterError> {
        let Some((number, payload)) = self.0.resumed.get().map(|resumed| &**resumed) else {
            return Ok(None);
        };
        let what = || format!("a chunk of {} {}", self.address(), self.message());
        let schema = T::schema()
            .map_err(|error| ClusterError::Malformed { what: what(), source: Arc::new(error) })?;
        let value = T::decode(payload, &schema).map_err(|error| decode_error(what(), error))?;
        Ok(Some((*number, value)))
    }

    /// The entity that it runs on.
    pub(super) fn entity(&self) -> &Arc<dyn Endpoint> {
        &self.0.entity
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.0.entity.shared()
    }

    /// The address of the entity.
    pub fn address(&self) -> &Address {
        self.0.address.get_or_init(|| self.0.entity.address())
    }

    /// The id of the entity.
    pub fn entity_id(&self) -> &EntityId {
        self.address().entity_id()
    }

    /// The name of the message.
    pub fn message(&self) -> &'static str {
        self.0.message
    }

    /// The id of the persisted request that is run; the same on every attempt. `None` in a volatile
    /// one.
    pub fn request_id(&self) -> Option<RequestId> {
        self.0.request.as_ref().map(|(id, _)| *id)
    }

    /// The idempotency key of the persisted request, if its caller gave one.
    pub fn key(&self) -> Option<&Key> {
        self.0.request.as_ref().and_then(|(_, key)| key.as_ref())
    }

    /// The value of a header that the caller set.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.get(name)
    }

    /// All headers that the caller set.
    pub fn headers(&self) -> &Headers {
        &self.0.headers
    }

    /// The caller's position in its distributed trace, if it is in one; what this handler calls
    /// and sends belongs to the same trace. Stored with a persisted request.
    pub fn trace(&self) -> Option<&TraceContext> {
        self.0.trace.context()
    }

    /// Whether somebody has cancelled the persisted request that is run. Its handler is dropped at
    /// its next await then, or when it returns, and its outcome is `Interrupted`; unless it is
    /// `uninterruptible`: such a one may look here and end early, with an outcome of its own.
    pub fn is_cancelled(&self) -> bool {
        let request = self.request_id();
        request.is_some_and(|id| self.shared().cancels.asked(id) != Asked::No)
    }

    /// Waits until the persisted request is cancelled; for ever in a volatile one, or if nobody
    /// does.
    pub async fn cancelled(&self) {
        match self.request_id() {
            Some(request) => cancelled(self.shared(), request).await,
            None => std::future::pending().await,
        }
    }

    /// A typed client of another entity. Durable messages sent through it leave with this handler's
    /// commit; calls awaited by a persisted handler are not repeated by its rerun.
    pub fn get<C: ?Sized + Contract>(&self, id: impl Into<EntityId>) -> C::Client {
        C::Client::new(Handle::of::<C>(self.shared(), id.into()))
    }

    /// Keeps the replies that the handler has given, until its commit.
    #[inline]
    pub(super) fn keep_parcels(&self, parcels: Parcels) {
        if !parcels.is_empty() {
            self.0.sent.lock().get_or_insert_default().parcels.append(parcels);
        }
    }

    /// Takes the replies that the handler has given.
    #[inline]
    pub(super) fn parcels(&self) -> Parcels {
        if !self.0.collects {
            return Parcels::default();
        }
        let mut sent = self.0.sent.lock();
        sent.as_mut().map(|sent| std::mem::take(&mut sent.parcels)).unwrap_or_default()
    }

    /// The handler that the current task is polling.
    pub(crate) fn current() -> Option<Context> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Leaves the current handler: what follows is not of it.
    #[inline]
    pub(super) fn leave() -> Option<Context> {
        CURRENT.take()
    }

    /// Makes the handler that was left the current one again.
    pub(super) fn come_back(self) {
        CURRENT.set(Some(self));
    }

    /// Whether the handler that the current task polls, if it polls one, is who called this one.
    pub(super) fn is_called_by_current(&self) -> bool {
        CURRENT.with_borrow(|current| match (current, &self.0.parent) {
            (None, None) => true,
            (Some(current), Some(parent)) => Arc::ptr_eq(&current.0, &parent.0),
            _ => false,
        })
    }

    /// Runs `poll` with this as the current handler.
    pub(crate) fn enter<R>(&self, poll: impl FnOnce() -> R) -> R {
        struct Restore(Option<Context>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _restore = Restore(CURRENT.replace(Some(self.clone())));
        poll()
    }

    /// To be held by the handler's future: dropped when the handler ends, in whatever way.
    pub(super) fn running(&self) -> Running {
        Running(self.clone())
    }

    /// The handlers from this one outwards that wait for what it does.
    fn chain(&self) -> impl Iterator<Item = &Context> {
        let waits = |context: &&Context| !context.0.over.load(Ordering::Acquire);
        std::iter::successors(Some(self), move |context| context.0.parent.as_ref().filter(waits))
    }

    /// Refuses a call that this handler would wait for and that would wait for this handler: to an
    /// entity of the chain, where one of the two handlers is exclusive; and any call inside an open
    /// transaction.
    pub(super) fn check_reentrance(
        &self,
        target: &Address,
        access: Access,
    ) -> Result<(), ClusterError> {
        let waits_for_itself = self.chain().any(|context| {
            let meets = |held| access == Access::Exclusive || held == Access::Exclusive;
            context.0.holds.is_some_and(meets) && context.address() == target
        });
        if !waits_for_itself && !self.0.transaction.is_wanted() {
            return Ok(());
        }
        let mut chain: Vec<Address> = self.chain().map(|c| c.address().clone()).collect();
        chain.reverse();
        chain.push(target.clone());
        Err(ClusterError::Reentrant { chain })
    }

    /// How a call to `target` fits into the chain, when it was found not to wait for itself.
    pub(super) fn nesting(&self, target: &Address) -> Nesting {
        let holds = |context: &Context| context.0.holds.is_some() && context.address() == target;
        match self.chain().any(holds) {
            true => Nesting::Read,
            false => Nesting::None,
        }
    }

    /// The key of a durable call awaited by a persisted handler: the same in every rerun.
    ///
    /// Its text is `~`, the outer request's id, `/`, the step's scope, and the call's number among
    /// those to the same type, id and message; those three are the key's scope already.
    pub(super) fn derive_key(
        &self,
        target: &Address,
        message: &MessageInfo,
    ) -> Option<(Key, Box<Numbered>)> {
        // A stream that goes on makes other calls than the run before it.
        self.0.holds?;
        let (outer, _) = self.0.request.as_ref()?;
        let mut sent = self.0.sent.lock();
        let sent = sent.get_or_insert_default();
        let calls = (target.clone(), message.tag.as_u64());
        let number = sent.occurrences.entry(calls.clone()).or_default().next();
        let key = Key::new(format!("{}{}{number}", derived_prefix(*outer), self.0.scope));
        let numbered = Box::new(Numbered { by: self.clone(), calls, number });
        Some((key.expect("names are short"), numbered))
    }

    /// A wait until everything is durable that the handler could have read when it started; `None`
    /// when it was so from the start.
    pub(crate) fn confirmation(&self) -> Option<oneshot::Receiver<Result<(), ClusterError>>> {
        let frame = &self.0;
        let (line, generation) = frame.base.as_ref()?;
        if frame.confirmed.load(Ordering::Acquire) {
            return None;
        }
        let (tell, told) = oneshot::channel();
        let context = self.clone();
        let complete = Box::new(move |result: Result<_, _>| {
            context.0.confirmed.store(result.is_ok(), Ordering::Release);
            // The handler's base is gone, and so is whatever it would have sent.
            let _ = tell.send(result.map(|_| ()).map_err(|_| ClusterError::Interrupted));
        });
        self.shared().committer.push(Unit::of(
            line.clone(),
            *generation,
            Writes::default(),
            complete,
        ));
        Some(told)
    }
}

fn derived_prefix(outer: RequestId) -> String {
    format!("~{outer}/")
}

/// Whether a key was derived inside this request, and not given by its handler.
pub(super) fn is_derived(key: &Key, outer: RequestId) -> bool {
    key.as_str().starts_with(&derived_prefix(outer))
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("address", self.address())
            .field("message", &self.0.message)
            .field("request", &self.0.request)
            .finish_non_exhaustive()
    }
}

thread_local! {
    /// The handler whose poll runs on this thread; calls made in it belong to it.
    static CURRENT: RefCell<Option<Context>> = const { RefCell::new(None) };
}
