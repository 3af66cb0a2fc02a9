//! Replies that come later: what a handler returns instead of its value, and the hold by which the
//! value is given.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;

use tokio::sync::oneshot;

use super::outcome::{Answer, Outcome, Verdict};
use crate::error::CallError;

/// What a handler returns whose reply comes later. The handler has ended then, and other messages
/// of the entity are served; the caller goes on waiting until somebody gives the value to the
/// [`Reply`] that was made with it.
///
/// ```
/// use cluster_core::entity::{Later, Reply};
///
/// struct Desk {
///     waiting: std::sync::Mutex<Vec<Reply<String>>>,
/// }
///
/// impl Desk {
///     fn next(&self) -> Later<String> {
///         let (reply, later) = Later::new();
///         self.waiting.lock().unwrap().push(reply);
///         later
///     }
///
///     fn post(&self, text: String) {
///         if let Some(reply) = self.waiting.lock().unwrap().pop() {
///             reply.send(text);
///         }
///     }
/// }
/// ```
///
/// It stands for any return type: `Later<T>`, `Later<Result<T, E>>` or `Later<Result<T,
/// CallError<E>>>`; the client of `fn next(&self) -> Later<String>` gives a `String`. Handlers with
/// `&self` may return one, and volatile ones with `&mut self` of an entity of which nothing is
/// stored; elsewhere the state would have to be committed with a reply that is not there yet, and
/// it does not compile.
///
/// - The reply of a persisted request is its outcome. Until it is given the request is not ended:
///   after a crash its handler runs again.
/// - An entity stays in memory while a reply is outstanding. At most `later_replies_max` are, of
///   each entity; beyond that a volatile call ends with `LimitExceeded`, and a persisted request
///   waits as in a back-off, with no attempt counted.
/// - A shutdown waits for outstanding replies as for running handlers, within `drain_limit`.
/// - With `strict_order` nothing else of the entity starts before a persisted request has its
///   reply.
#[must_use = "the caller waits for what the handler returns"]
pub struct Later<R> {
    told: oneshot::Receiver<R>,
}

/// The hold by which a reply is given that comes [`Later`].
///
/// Dropped without [`Reply::send`] it is a failure of the handler: a volatile caller gets
/// [`Defect`](crate::error::ClusterError::Defect) at once, a persisted request runs again with
/// back-off and the attempt counts.
#[must_use = "dropped, it leaves its caller without an answer"]
pub struct Reply<R> {
    tell: oneshot::Sender<R>,
}

impl<R: Send + 'static> Later<R> {
    /// A reply to come, and the hold by which it is given.
    pub fn new() -> (Reply<R>, Later<R>) {
        let (tell, told) = oneshot::channel();
        (Reply { tell }, Later { told })
    }

    /// A reply that is there at once, where a handler need not wait.
    pub fn now(value: R) -> Later<R> {
        let (reply, later) = Later::new();
        // Its receiver is right here.
        let _ = reply.tell.send(value);
        later
    }

    /// Waits for the reply, as the runtime does: for tests of a handler as a plain method. `None`
    /// when the hold was dropped without an answer.
    pub async fn answer(self) -> Option<R> {
        self.told.await.ok()
    }
}

impl<R: Send + 'static> Reply<R> {
    /// Gives the reply. Nothing happens when nobody waits any more.
    ///
    /// A handler that gives it during its own run gives it with its commit: the reply leaves when
    /// what that handler has changed is durable, and if its changes are rolled back the reply is
    /// dropped. Anywhere else it leaves at once.
    pub fn send(self, value: R) {
        let tell = self.tell;
        // Nobody may wait any more.
        let give = move || drop(tell.send(value));
        if COLLECTS.get() {
            PARCELS.with_borrow_mut(|parcels| parcels.push(Box::new(give)));
        } else {
            give();
        }
    }

    /// Whether nobody waits any more: a volatile caller is gone or has timed out, a persisted
    /// request was cancelled, or the runner ends. Never so because of the caller of a persisted
    /// request, nor of an `uninterruptible` one.
    pub fn is_closed(&self) -> bool {
        self.tell.is_closed()
    }

    /// Waits until nobody waits any more; see [`Reply::is_closed`]. Cancel safe.
    pub async fn closed(&mut self) {
        self.tell.closed().await;
    }
}

impl<R> fmt::Debug for Later<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("closed", &self.tell.is_closed()).finish_non_exhaustive()
    }
}

/// A handler that returns [`Later`]; `O` says how what comes later is taken apart.
#[derive(Debug)]
pub struct Postponed<O>(PhantomData<fn() -> O>);

impl<O: Outcome> Outcome for Postponed<O>
where
    O::Return: 'static,
{
    type Return = Later<O::Return>;
    type Ok = O::Ok;
    type Err = O::Err;
    type Reply = O::Reply;

    const LATER: bool = true;

    /// Of a reply that must be there at once.
    fn verdict(mut returned: Self::Return) -> Verdict<O::Ok, O::Err> {
        match returned.told.try_recv() {
            Ok(value) => O::verdict(value),
            Err(_) => Verdict::GiveUp(UNANSWERED.to_owned()),
        }
    }

    fn answer(returned: Self::Return) -> Answer<O::Ok, O::Err> {
        Box::pin(async move { returned.answer().await.map(O::verdict) })
    }

    fn reply(result: Result<O::Ok, CallError<O::Err>>) -> Self::Reply {
        O::reply(result)
    }
}

/// What a caller is told whose reply will never come.
pub(super) const UNANSWERED: &str = "its reply was dropped without an answer";

/// A reply on its way.
type Parcel = Box<dyn FnOnce() + Send>;

thread_local! {
    /// The handler whose poll runs on this thread gives replies with its own commit.
    static COLLECTS: Cell<bool> = const { Cell::new(false) };
    /// What it has given so far in this poll, behind what those have that are polled around it.
    static PARCELS: RefCell<Vec<Parcel>> = const { RefCell::new(Vec::new()) };
}

/// Replies that leave with a handler's commit. Dropped when there is none: their callers are told
/// that there is no answer.
#[derive(Default)]
pub(super) struct Parcels(Vec<Parcel>);

impl Parcels {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn append(&mut self, mut others: Parcels) {
        self.0.append(&mut others.0);
    }

    /// Gives them to those who wait.
    pub(super) fn hand_out(self) {
        self.0.into_iter().for_each(|parcel| parcel());
    }
}

/// Puts back what held around the user code that runs, also when it panics.
struct Around(bool);

impl Around {
    #[inline]
    fn enter(collects: bool) -> Self {
        Around(COLLECTS.replace(collects))
    }
}

impl Drop for Around {
    fn drop(&mut self) {
        COLLECTS.set(self.0);
    }
}

/// Runs user code, which gives replies with its commit or at once.
#[inline]
pub(super) fn collecting<W>(collects: bool, work: impl FnOnce() -> W) -> (W, Parcels) {
    let _around = Around::enter(collects);
    if !collects {
        return (work(), Parcels::default());
    }
    let before = PARCELS.with_borrow(Vec::len);
    let done = work();
    let collected = PARCELS.with_borrow_mut(|parcels| match parcels.len() == before {
        true => Vec::new(),
        false => parcels.split_off(before),
    });
    (done, Parcels(collected))
}
