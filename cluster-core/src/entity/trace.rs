//! Spans of calls and handlers, and the traces that they belong to. All of it is one look at a
//! number while nobody listens.

use std::fmt;
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::span::Id;
use tracing::{Dispatch, Level, Span, dispatcher, field};

use super::context::Context;
use super::contract::Serves;
use super::handle::Handle;
use super::later::collecting;
use super::options::{Delivery, MessageInfo};
use super::origin::Origin;
use super::slot::Slot;
use crate::message::TraceContext;

/// Ties spans to the distributed traces of the world outside, such as OpenTelemetry's. Given to a
/// cluster by [`ClusterBuilder::trace_bridge`](crate::cluster::ClusterBuilder::trace_bridge).
///
/// Both methods are called while a caller or a handler waits for them: they must not block.
pub trait TraceBridge: Send + Sync + 'static {
    /// Where this span stands in its trace, to be told to whoever is called from there. `None`
    /// where it stands in none, or is not recorded.
    fn position(&self, span: &Span) -> Option<TraceContext>;

    /// Makes a new span, that has no parent here, a child of the caller's.
    fn resume(&self, span: &Span, caller: &TraceContext);
}

/// Where a request comes from, as traces see it. One word.
#[derive(Clone, Default)]
pub(crate) struct Trace(Option<Arc<Traced>>);

struct Traced {
    /// The call's; disabled where nobody listens, and where the call was made before a restart.
    span: Span,
    context: Option<TraceContext>,
}

/// The value of `rpc.system` in all spans.
const SYSTEM: &str = "cluster";

/// Whether somebody listens to spans of calls and handlers.
#[inline]
fn is_watched() -> bool {
    tracing::level_enabled!(Level::DEBUG)
}

impl Trace {
    /// The trace of a call that is about to be made; `given` is what its caller has set.
    #[inline]
    pub(super) fn of_call(
        handle: &Handle,
        message: &MessageInfo,
        parent: Option<&Context>,
        given: Option<Box<TraceContext>>,
    ) -> Self {
        let outer = parent.and_then(|parent| parent.0.trace.0.as_ref());
        let bridge = handle.shared().bridge.is_some();
        if !is_watched() && given.is_none() && outer.is_none() && !bridge {
            return Trace(None);
        }
        let outer = outer.and_then(|outer| outer.context.as_ref());
        Self::of_watched_call(handle, message, outer, given.map(|given| *given))
    }

    #[cold]
    fn of_watched_call(
        handle: &Handle,
        message: &MessageInfo,
        outer: Option<&TraceContext>,
        given: Option<TraceContext>,
    ) -> Self {
        let (entity, id) = (handle.entity_type(), handle.entity_id());
        let span = tracing::debug_span!(
            target: "cluster::call",
            "call",
            otel.name = %format_args!("{entity}/{}", message.name),
            otel.kind = "client",
            otel.status_code = field::Empty,
            rpc.system = SYSTEM,
            rpc.service = entity,
            rpc.method = message.name,
            entity.id = %id,
        );
        let position = handle.shared().bridge.as_ref().and_then(|bridge| {
            match (&given, span.is_disabled()) {
                (Some(given), false) => bridge.resume(&span, given),
                (Some(_), true) => return None,
                (None, _) => {}
            }
            if span.is_disabled() {
                bridge.position(&Span::current())
            } else {
                bridge.position(&span)
            }
        });
        // Whoever has no position of its own passes its caller's on.
        let context = position.or(given).or_else(|| outer.cloned());
        let nothing = span.is_disabled() && context.is_none();
        Trace((!nothing).then(|| Arc::new(Traced { span, context })))
    }

    /// The trace of a request that was stored.
    pub(super) fn of_stored(context: Option<&TraceContext>) -> Self {
        let traced = |context: &TraceContext| {
            Arc::new(Traced { span: Span::none(), context: Some(context.clone()) })
        };
        Trace(context.map(traced))
    }

    #[inline]
    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The caller's position in its trace.
    pub(super) fn context(&self) -> Option<&TraceContext> {
        self.0.as_ref()?.context.as_ref()
    }

    /// The call has ended with trouble of the cluster.
    pub(super) fn failed(&self) {
        if let Some(traced) = &self.0 {
            failed(&traced.span);
        }
    }

    /// The span of the handler that is about to run: its parent is the call, not whoever happens to
    /// run it.
    #[inline]
    pub(super) fn handler_span<T: Serves>(
        &self,
        slot: &Slot<T>,
        message: &MessageInfo,
        origin: &Origin,
    ) -> HandlerSpan {
        HandlerSpan(is_watched().then(|| self.watched_handler_span(slot, message, origin)))
    }

    #[cold]
    fn watched_handler_span<T: Serves>(
        &self,
        slot: &Slot<T>,
        message: &MessageInfo,
        origin: &Origin,
    ) -> Box<Span> {
        let entity = &*slot.kind.name;
        let parent = self.0.as_ref().and_then(|traced| traced.span.id());
        let persisted = message.delivery == Delivery::Persisted;
        let span = tracing::debug_span!(
            target: "cluster::handle",
            parent: parent.clone(),
            "handle",
            otel.name = %format_args!("{entity}/{}", message.name),
            otel.kind = if persisted { "consumer" } else { "server" },
            otel.status_code = field::Empty,
            rpc.system = SYSTEM,
            rpc.service = entity,
            rpc.method = message.name,
            entity.id = %slot.id(),
            request.id = field::Empty,
            trace_id = field::Empty,
        );
        if let Origin::Persisted(stored) = origin {
            span.record("request.id", field::display(stored.row.id));
        }
        if let Some(context) = self.context() {
            let trace_id = context.trace_id();
            span.record("trace_id", field::display(format_args!("{trace_id:032x}")));
            if let (None, Some(bridge)) = (parent, &slot.kind.shared.bridge) {
                bridge.resume(&span, context);
            }
        }
        Box::new(span)
    }
}

/// The span of a handler; one word, and none where nobody listens.
pub(super) struct HandlerSpan(Option<Box<Span>>);

impl HandlerSpan {
    /// Does something of the handler within its span.
    #[inline]
    pub(super) fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        match &self.0 {
            None => work(),
            Some(span) => span.in_scope(work),
        }
    }

    /// As [`HandlerSpan::within`], of a handler that has failed.
    pub(super) fn failed<R>(&self, work: impl FnOnce() -> R) -> R {
        self.0.iter().for_each(|span| failed(span));
        self.within(work)
    }

    /// The span itself.
    pub(super) fn into_span(self) -> Span {
        self.0.map_or_else(Span::none, |span| *span)
    }
}

/// Marks a span as one that has failed.
fn failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

/// The span of an entity's coming into memory or leaving it: of nobody's call.
pub(super) fn life_span<T: Serves>(slot: &Slot<T>, what: &'static str) -> Span {
    if !is_watched() {
        return Span::none();
    }
    tracing::debug_span!(
        target: "cluster::life",
        parent: None,
        "life",
        otel.name = %format_args!("{}/{what}", slot.kind.name),
        rpc.system = SYSTEM,
        rpc.service = &*slot.kind.name,
        rpc.method = what,
        entity.id = %slot.id(),
    )
}

/// Runs what is not of the caller that happens to run it: outside of its spans, and not as its
/// handler.
#[inline]
pub(super) fn outside<R>(work: impl FnOnce() -> R) -> R {
    let _left = Left::all();
    // Nor does it give replies with that one's commit.
    collecting(false, work).0
}

/// Everything that was left, to be entered again.
struct Left {
    spans: Vec<Id>,
    handler: Option<Context>,
}

/// No more spans are entered in each other. A subscriber that does not say truly which is the
/// current one must not keep us.
const SPANS_MAX: usize = 256;

impl Left {
    #[inline]
    fn all() -> Self {
        let watched = LevelFilter::current() != LevelFilter::OFF;
        Left { spans: if watched { leave_spans() } else { Vec::new() }, handler: Context::leave() }
    }
}

/// Not within `get_default` itself: the subscriber would not find itself there, which a registry
/// must in order to close a span.
fn current_dispatch() -> Dispatch {
    dispatcher::get_default(Dispatch::clone)
}

fn leave_spans() -> Vec<Id> {
    let dispatch = current_dispatch();
    let mut left = Vec::new();
    while let Some(id) = dispatch.current_span().id().cloned() {
        if left.len() == SPANS_MAX {
            break;
        }
        dispatch.exit(&id);
        left.push(id);
    }
    left
}

impl Drop for Left {
    fn drop(&mut self) {
        if let Some(handler) = self.handler.take() {
            handler.come_back();
        }
        if !self.spans.is_empty() {
            let dispatch = current_dispatch();
            self.spans.iter().rev().for_each(|id| dispatch.enter(id));
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(&self.context()).finish()
    }
}
