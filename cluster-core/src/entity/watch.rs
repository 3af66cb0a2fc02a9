//! What is counted and timed of an entity type, and of one call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::handle::Handle;
use super::options::{Delivery, MessageInfo};
use super::tasks::part_of_this_thread;
use super::trace::Trace;
use crate::metric;
use crate::time::{Clock, Moment};

/// Of volatile calls and handlers one in so many is timed: reading the clock takes as long as a
/// fifth of a call.
const TIMED_EVERY: u64 = 16;

/// How many parts a count has: two workers seldom add to the same one.
const PARTS: usize = 16;

/// A number that many threads add to at the cost of one each.
#[derive(Default)]
pub(crate) struct Count([Part; PARTS]);

/// Two lines of the cache: they are fetched in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Part(AtomicU64);

impl Count {
    /// Adds one; what this thread's part was before.
    #[inline]
    fn up(&self) -> u64 {
        self.0[part_of_this_thread() % PARTS].0.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|part| part.0.load(Ordering::Relaxed)).sum()
    }
}

/// Handles of the type's metrics; made once, so that counting costs nothing when nobody listens.
pub(crate) struct KindMetrics {
    /// Handlers that were started.
    pub(crate) started: Box<Count>,
    /// How many of them were published.
    published: AtomicU64,
    messages: metrics::Counter,
    pub(crate) errors: metrics::Counter,
    pub(crate) panics: metrics::Counter,
    pub(crate) retries: metrics::Counter,
    pub(crate) dead_letters: metrics::Counter,
    pub(crate) resident: metrics::Gauge,
    pub(crate) waiting: metrics::Gauge,
    pub(crate) mailbox_full: metrics::Counter,
    pub(crate) activations: metrics::Counter,
    pub(crate) passivations: metrics::Counter,
    /// By message, in the order of the dispatch table.
    pub(crate) calls: Box<[metrics::Histogram]>,
    handlers: Box<[metrics::Histogram]>,
}

impl KindMetrics {
    pub(crate) fn new(entity: &Arc<str>, messages: &[&'static MessageInfo]) -> Self {
        let name = || entity.to_string();
        let counter = |metric: &'static str| metrics::counter!(metric, "entity" => name());
        let gauge = |metric: &'static str| metrics::gauge!(metric, "entity" => name());
        let histograms = |metric: &'static str| {
            let one = |info: &&MessageInfo| metrics::histogram!(metric, "entity" => name(), "message" => info.name);
            messages.iter().map(one).collect()
        };
        KindMetrics {
            started: Box::default(),
            published: AtomicU64::new(0),
            messages: counter(metric::MESSAGES),
            errors: counter(metric::HANDLER_ERRORS),
            panics: counter(metric::PANICS),
            retries: counter(metric::RETRIES),
            dead_letters: counter(metric::DEAD_LETTERS),
            resident: gauge(metric::ENTITIES),
            waiting: gauge(metric::WAITING),
            mailbox_full: counter(metric::MAILBOX_FULL),
            activations: counter(metric::ACTIVATIONS),
            passivations: counter(metric::PASSIVATIONS),
            calls: histograms(metric::CALL_SECONDS),
            handlers: histograms(metric::HANDLER_SECONDS),
        }
    }

    /// A handler starts; the moment if it is to be timed.
    #[inline]
    pub(super) fn started(&self, message: &MessageInfo, clock: &Clock) -> Option<Moment> {
        let before = self.started.up();
        let timed = before.is_multiple_of(TIMED_EVERY) || message.delivery == Delivery::Persisted;
        timed.then(|| clock.now())
    }

    /// A handler has ended that was started then.
    #[inline]
    pub(super) fn ended(&self, message: &MessageInfo, started: Option<Moment>, clock: &Clock) {
        if let Some(started) = started {
            self.handlers[message.index].record((clock.now() - started).as_secs_f64());
        }
    }

    /// The runner serves no more.
    pub(crate) fn count_out(&self) {
        self.publish();
        self.resident.set(0.0);
        self.waiting.set(0.0);
    }

    /// Tells the recorder what was only counted here.
    pub(crate) fn publish(&self) {
        let total = self.started.total();
        let before = self.published.swap(total, Ordering::Relaxed);
        self.messages.increment(total.saturating_sub(before));
    }
}

/// A request is held; perhaps of a type that nobody knows here.
pub(super) fn count_hold(entity: &str) {
    metrics::counter!(metric::HOLDS, "entity" => entity.to_owned()).increment(1);
}

thread_local! {
    /// The calls of this thread.
    static CALLS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// The eyes on one call: its span, and when it began. One word; nothing where nobody looks.
pub(super) struct CallWatch(Option<Box<Watched>>);

struct Watched {
    trace: Trace,
    began: Option<(Moment, Handle)>,
}

impl CallWatch {
    pub(super) const NONE: CallWatch = CallWatch(None);

    /// Looks at a call from now on.
    #[inline]
    pub(super) fn on(handle: &Handle, message: &MessageInfo, trace: &Trace) -> Self {
        let calls = CALLS.get();
        CALLS.set(calls.wrapping_add(1));
        let timed = calls.is_multiple_of(TIMED_EVERY) || message.delivery == Delivery::Persisted;
        if !timed && trace.is_none() {
            return CallWatch(None);
        }
        let began = timed.then(|| (handle.shared().clock.now(), handle.clone()));
        CallWatch(Some(Box::new(Watched { trace: trace.clone(), began })))
    }

    /// The call has ended, with trouble of the cluster or without.
    #[inline]
    pub(super) fn ended(&mut self, message: &MessageInfo, failed: impl FnOnce() -> bool) {
        let Some(watched) = self.0.take() else { return };
        if !watched.trace.is_none() && failed() {
            watched.trace.failed();
        }
        if let Some((began, handle)) = watched.began
            && let Ok(kind) = handle.kind()
        {
            let took = handle.shared().clock.now() - began;
            kind.metrics().calls[message.index].record(took.as_secs_f64());
        }
    }
}
