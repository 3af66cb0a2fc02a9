//! The caller's side of a call: options, then a future.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::coop;

use super::context::{Context, Numbered};
use super::contract::{Deliver, EndsWithCaller, Message, Persisted};
use super::deadlines::Limit;
use super::encoded::received;
use super::endpoint::{DueSpec, Exchange, ReplyOf, Request, Wanted};
use super::filter::CallInfo;
use super::handle::Handle;
use super::options::{Delivery, MessageInfo};
use super::outcome::Outcome;
use super::remind::IsReminder;
use super::send::SendCall;
use super::shared::Shared;
use super::trace::Trace;
use super::watch::CallWatch;
use crate::error::{CallError, ClusterError};
use crate::message::{Headers, TraceContext};
use crate::time::Timestamp;

/// A call that has not been made yet: set its options, then `.await` it, or `.send().await` to hand
/// it over without waiting for the outcome. Dropped before that, it sends and stores nothing.
#[must_use = "a call does nothing until it is awaited or sent"]
pub struct Call<M: Message> {
    pub(super) handle: Handle,
    pub(super) message: M,
    pub(super) options: Options,
}

/// What a caller may set.
#[derive(Default)]
pub(super) struct Options {
    pub(super) timeout: Option<Duration>,
    /// Boxed so that a plain call stays small.
    extra: Option<Box<Extra>>,
}

#[derive(Default)]
struct Extra {
    headers: Headers,
    key: Option<String>,
    trace: Option<Box<TraceContext>>,
    due: Option<DueSpec>,
    uninterruptible: bool,
}

impl<M: Message> Call<M> {
    pub(super) fn new(handle: Handle, message: M) -> Self {
        Call { handle, message, options: Options::default() }
    }

    /// How long to wait for the answer, instead of the message's or the cluster's default. It
    /// cancels a volatile request; a persisted one goes on without its caller.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeout = Some(limit);
        self
    }

    /// Sets a header; the handler and call filters read it, and it is stored with a persisted
    /// request. The same name again replaces the value.
    ///
    /// # Errors
    /// Headers that together, inherited ones included, have more bytes than the setting
    /// `headers_bytes_max` end the call when it is awaited or sent, with
    /// [`ClusterError::LimitExceeded`] and nothing run or stored.
    pub fn header(mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        self.options.extra.get_or_insert_default().headers.set(name, value);
        self
    }

    /// Sets a header that the called handler passes on with every call that it makes, and so on
    /// from handler to handler; one that sets the name itself passes on its own.
    ///
    /// # Errors
    /// As [`Call::header`]; what is inherited counts again at every call that it is passed on to.
    pub fn inherited_header(
        mut self,
        name: impl Into<Box<str>>,
        value: impl Into<Box<str>>,
    ) -> Self {
        self.options.extra.get_or_insert_default().headers.set_inherited(name, value);
        self
    }

    /// The caller's position in a distributed trace, as a web server has it from its request:
    /// instead of that of the current span or handler. The called handler continues it, and so do
    /// those that it calls; it is stored with a persisted request.
    pub fn trace(mut self, caller: TraceContext) -> Self {
        self.options.extra.get_or_insert_default().trace = Some(Box::new(caller));
        self
    }

    /// The handler runs to its end although this caller goes away or its time is over, as if it
    /// were declared `uninterruptible`. Counts once the call has been polled: before that nothing
    /// is sent.
    pub fn uninterruptible(mut self) -> Self
    where
        M::Delivery: EndsWithCaller,
    {
        self.options.extra.get_or_insert_default().uninterruptible = true;
        self
    }

    /// The idempotency key: the same key again, to the same entity and message, gives the first
    /// request's outcome, or joins it while it runs. 1 to 1,024 bytes; remembered for the
    /// deduplication window after the request has finished.
    ///
    /// # Errors
    /// An empty or longer key ends the call when it is awaited or sent, with
    /// [`ClusterError::LimitExceeded`]; a key that is known with other arguments ends it with
    /// [`ClusterError::KeyConflict`]. Either way nothing is run or stored.
    pub fn key(mut self, key: impl Into<String>) -> Self
    where
        M: Persisted,
    {
        self.options.extra.get_or_insert_default().key = Some(key.into());
        self
    }

    /// The request does not start before this time, in cluster time; `SystemTime` is rounded up to
    /// the millisecond. A time that has passed is now. It survives restarts, and can be cancelled
    /// until it starts: [`Receipt::cancel`](super::Receipt::cancel). Replaces an earlier `at` or
    /// `after`. Mostly followed by [`Call::send`]: awaited, the call's timeout counts from now.
    pub fn at(mut self, time: impl Into<Timestamp>) -> Self
    where
        M: Persisted,
    {
        self.options.extra.get_or_insert_default().due = Some(DueSpec::At(time.into()));
        self
    }

    /// As [`Call::at`], so long from when the call is awaited or sent; rounded up to the
    /// millisecond.
    pub fn after(mut self, delay: Duration) -> Self
    where
        M: Persisted,
    {
        self.options.extra.get_or_insert_default().due = Some(DueSpec::After(delay));
        self
    }

    /// Not of a call: here to say so.
    #[doc(hidden)]
    pub fn every(self, period: Duration) -> Self
    where
        Self: IsReminder,
    {
        let _ = period;
        self
    }

    /// Not of a call: here to say so.
    #[doc(hidden)]
    pub fn clear(self) -> Self
    where
        Self: IsReminder,
    {
        self
    }

    /// Hands the request over without waiting for its outcome. A persisted one is durable then and
    /// gives a receipt; a volatile one is in the mailbox.
    ///
    /// What is called after this stands behind it in the entity's mailbox. Only where more
    /// persisted requests wait than fit into memory, so that this one comes by way of the storage,
    /// a volatile call may overtake it; persisted ones keep their order always.
    pub fn send(self) -> SendCall<M>
    where
        M::Delivery: Deliver<M>,
    {
        SendCall::new(self)
    }
}

impl<M: Message> fmt::Debug for Call<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({:?}, {})", self.handle, M::INFO.name)
    }
}

impl<M: Message> IntoFuture for Call<M> {
    type Output = <M::Outcome as Outcome>::Reply;
    type IntoFuture = CallFuture<M>;

    fn into_future(self) -> CallFuture<M> {
        let limit = self.limit();
        CallFuture { limit, at: At::Start(self), numbered: None, watch: CallWatch::NONE }
    }
}

impl<M: Message> Call<M> {
    pub(super) fn limit(&self) -> Duration {
        let default = || self.handle.shared().config.call_timeout;
        self.options.timeout.or(M::INFO.timeout).unwrap_or_else(default)
    }

    /// Everything that is checked before the entity hears of the call.
    pub(super) fn request(
        self,
        parent: Option<Context>,
        wanted: Wanted,
    ) -> Result<(Handle, Request<M>), ClusterError> {
        let shared = self.handle.shared();
        shared.gate.check(parent.is_some())?;
        let mut extra = self.options.extra.map(|extra| *extra).unwrap_or_default();
        if let Some(parent) = &parent {
            extra.headers.inherit(parent.headers());
        }
        let config = &shared.config;
        check_headers(&extra.headers, config.headers_bytes_max)?;
        let key = extra.key.map(|key| ClusterError::key(key, config.key_bytes_max)).transpose()?;
        if !shared.filters.is_empty() || !shared.serving_filters.is_empty() {
            check_filters(&self.handle, M::INFO, &extra.headers)?;
        }
        let trace = Trace::of_call(&self.handle, M::INFO, parent.as_ref(), extra.trace);
        let Extra { headers, due, uninterruptible, .. } = extra;
        let message = self.message;
        let numbered = None;
        let mut request = Request {
            message,
            headers,
            trace,
            key,
            numbered,
            due,
            parent,
            wanted,
            uninterruptible,
        };
        if let (Some(parent), Wanted::Outcome) = (&request.parent, wanted) {
            let target = self.handle.address();
            parent.check_reentrance(&target, M::INFO.access)?;
            if M::INFO.delivery == Delivery::Persisted && request.key.is_none() {
                (request.key, request.numbered) = parent.derive_key(&target, M::INFO).unzip();
            }
        }
        Ok((self.handle, request))
    }
}

fn check_headers(headers: &Headers, max: usize) -> Result<(), ClusterError> {
    let bytes = headers.bytes();
    if bytes <= max {
        return Ok(());
    }
    let what = "the size of the call's headers in bytes".to_owned();
    Err(ClusterError::LimitExceeded { limit: "headers_bytes_max", what, max, actual: bytes })
}

fn check_filters(
    handle: &Handle,
    message: &'static MessageInfo,
    headers: &Headers,
) -> Result<(), ClusterError> {
    let entity_type = handle.entity_type();
    let call = CallInfo { entity_type, entity_id: handle.entity_id(), message, headers };
    let shared = handle.shared();
    // The entity is served here: nothing of a call that its side refuses may be stored.
    let serving = shared.serving_filters.iter().filter(|_| handle.kind().is_ok());
    let mut filters = shared.filters.iter().chain(serving);
    filters.try_for_each(|filter| filter.check(&call)).map_err(ClusterError::Refused)
}

/// A call under way. Dropping it cancels a volatile request whose handler has not ended, unless
/// the handler or the call is `uninterruptible`; a persisted one goes on. Nothing is pinned in it
/// and the handler's own future is never part of it: a caller who stops polling holds up nobody.
#[must_use = "futures do nothing unless polled"]
pub struct CallFuture<M: Message> {
    limit: Duration,
    at: At<M>,
    numbered: Option<Box<Numbered>>,
    watch: CallWatch,
}

enum At<M: Message> {
    Start(Call<M>),
    /// Waits until everything is durable that the calling handler has read.
    Confirming(Box<Confirming<M>>),
    Waiting(oneshot::Receiver<ReplyOf<M>>, Limit, Handle),
    /// Ended at once, and lets other tasks run before it says so.
    Ended(Box<ReplyOf<M>>),
    Done,
}

struct Confirming<M: Message> {
    told: oneshot::Receiver<Result<(), ClusterError>>,
    limit: Limit,
    handle: Handle,
    request: Request<M>,
}

impl<M: Message> Unpin for CallFuture<M> {}

impl<M: Message> Future for CallFuture<M> {
    type Output = <M::Outcome as Outcome>::Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let result = match self.at {
            At::Start(_) => self.start(cx),
            At::Ended(_) => {
                let At::Ended(reply) = std::mem::replace(&mut self.at, At::Done) else {
                    unreachable!("just seen")
                };
                self.give_way(*reply, cx)
            }
            At::Confirming(..) => self.confirm(cx),
            At::Waiting(..) => self.wait(cx),
            At::Done => panic!("a call was polled after it ended"),
        };
        if let Poll::Ready(reply) = &result {
            self.at = At::Done;
            if let (Some(numbered), Err(CallError::Cluster(error))) = (self.numbered.take(), reply)
            {
                numbered.failed(error);
            }
            self.watch.ended(M::INFO, || matches!(reply, Err(CallError::Cluster(_))));
        }
        result.map(<M::Outcome as Outcome>::reply)
    }
}

impl<M: Message> CallFuture<M> {
    #[inline]
    fn start(&mut self, cx: &mut TaskContext<'_>) -> Poll<ReplyOf<M>> {
        let At::Start(call) = std::mem::replace(&mut self.at, At::Done) else { unreachable!() };
        let parent = Context::current();
        let confirmation = parent.as_ref().and_then(Context::confirmation);
        let (handle, mut request) = match call.request(parent, Wanted::Outcome) {
            Ok(checked) => checked,
            Err(error) => return Poll::Ready(Err(CallError::Cluster(error))),
        };
        self.numbered = request.numbered.take();
        self.watch.look(&handle, M::INFO, &request.trace);
        match confirmation {
            Some(told) => {
                let limit = Limit::new(handle.shared(), self.limit, cx);
                let confirming = Confirming { told, limit, handle, request };
                self.at = At::Confirming(Box::new(confirming));
                self.confirm(cx)
            }
            None => {
                let reply = ready!(self.exchange(handle, request, Limit::new, cx));
                self.give_way(reply, cx)
            }
        }
    }

    /// A caller whose calls all end at once must still let its worker's other tasks run. Its
    /// request was made in the first poll all the same, or what it sends next would overtake it.
    #[inline]
    fn give_way(&mut self, reply: ReplyOf<M>, cx: &mut TaskContext<'_>) -> Poll<ReplyOf<M>> {
        match coop::poll_proceed(cx) {
            Poll::Ready(budget) => {
                budget.made_progress();
                Poll::Ready(reply)
            }
            Poll::Pending => {
                self.at = At::Ended(Box::new(reply));
                Poll::Pending
            }
        }
    }

    fn confirm(&mut self, cx: &mut TaskContext<'_>) -> Poll<ReplyOf<M>> {
        let At::Confirming(confirming) = &mut self.at else {
            unreachable!("polled while confirming")
        };
        let told = match Pin::new(&mut confirming.told).poll(cx) {
            Poll::Ready(told) => told.unwrap_or(Err(ClusterError::Interrupted)),
            Poll::Pending => {
                ready!(confirming.limit.poll(cx));
                let error = timeout::<M>(&confirming.handle, self.limit);
                return Poll::Ready(Err(CallError::Cluster(error)));
            }
        };
        let At::Confirming(confirming) = std::mem::replace(&mut self.at, At::Done) else {
            unreachable!("polled while confirming")
        };
        let Confirming { limit, handle, request, .. } = *confirming;
        if let Err(error) = told {
            return Poll::Ready(Err(CallError::Cluster(error)));
        }
        match self.exchange(handle, request, |_, _, _| limit, cx) {
            // The limit may know another waker, of an earlier poll.
            Poll::Pending => self.wait(cx),
            ended => ended,
        }
    }

    #[inline]
    fn exchange(
        &mut self,
        handle: Handle,
        request: Request<M>,
        limit: impl FnOnce(&Shared, Duration, &mut TaskContext<'_>) -> Limit,
        cx: &mut TaskContext<'_>,
    ) -> Poll<ReplyOf<M>> {
        let mut exchange = Exchange::Request(request);
        match handle.endpoint() {
            Ok(endpoint) => endpoint.clone().start(M::INFO.index, &mut exchange),
            Err(error) => return Poll::Ready(Err(CallError::Cluster(error))),
        }
        match exchange {
            Exchange::Reply(reply) => Poll::Ready(reply),
            Exchange::Later(mut told) => {
                if let Poll::Ready(reply) = Pin::new(&mut told).poll(cx) {
                    let lost = |_| Err(CallError::Cluster(lost(&handle, M::INFO)));
                    return Poll::Ready(received::<M>(&handle, reply.unwrap_or_else(lost)));
                }
                let limit = limit(handle.shared(), self.limit, cx);
                self.at = At::Waiting(told, limit, handle);
                Poll::Pending
            }
            _ => unreachable!("a slot answers a request for an outcome with a reply or a wait"),
        }
    }

    fn wait(&mut self, cx: &mut TaskContext<'_>) -> Poll<ReplyOf<M>> {
        let At::Waiting(told, limit, handle) = &mut self.at else {
            unreachable!("polled while waiting")
        };
        if let Poll::Ready(reply) = Pin::new(told).poll(cx) {
            let lost = |_| Err(CallError::Cluster(lost(handle, M::INFO)));
            return Poll::Ready(received::<M>(handle, reply.unwrap_or_else(lost)));
        }
        ready!(limit.poll(cx));
        Poll::Ready(Err(CallError::Cluster(timeout::<M>(handle, self.limit))))
    }
}

fn timeout<M: Message>(handle: &Handle, after: Duration) -> ClusterError {
    ClusterError::Timeout { address: handle.address(), message: M::INFO.name, after }
}

/// The answer's sender was dropped: the runner ended before the request did.
fn lost(handle: &Handle, message: &'static MessageInfo) -> ClusterError {
    match message.delivery {
        Delivery::Persisted => ClusterError::ShuttingDown,
        Delivery::Volatile => {
            ClusterError::OutcomeUnknown { address: handle.address(), message: message.name }
        }
    }
}

impl<M: Message> fmt::Debug for CallFuture<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallFuture({})", M::INFO.name)
    }
}
