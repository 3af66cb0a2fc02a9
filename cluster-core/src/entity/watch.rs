//! What is counted and timed of an entity type, and of one call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::executions::ExecutionCount;
use super::handle::Handle;
use super::options::{Delivery, MessageInfo};
use super::tasks::part_of_this_thread;
use super::trace::Trace;
use crate::metric;
use crate::storage::OutcomeKind;
use crate::time::{Clock, Moment};

/// Of volatile calls and handlers one in so many is timed: reading the clock takes as long as a
/// fifth of a call.
const TIMED_EVERY: u64 = 64;

/// How many threads have a part of a count to themselves.
const PARTS: usize = 64;

/// A number that many threads add to: each to a part of its own, without a locked instruction.
pub(crate) struct Count {
    parts: [Part; PARTS],
    /// Of the threads that came later.
    others: AtomicU64,
}

/// Two lines of the cache: they are fetched in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Part(AtomicU64);

impl Default for Count {
    fn default() -> Self {
        Count { parts: std::array::from_fn(|_| Part::default()), others: AtomicU64::new(0) }
    }
}

impl Count {
    /// Adds one; what this thread's part was before.
    #[inline]
    fn up(&self) -> u64 {
        match self.parts.get(part_of_this_thread()) {
            Some(Part(part)) => {
                // Only this thread writes here: no number is ever given to another one.
                let before = part.load(Ordering::Relaxed);
                part.store(before + 1, Ordering::Relaxed);
                before
            }
            None => self.others.fetch_add(1, Ordering::Relaxed),
        }
    }

    pub(crate) fn total(&self) -> u64 {
        let parts = self.parts.iter().map(|part| part.0.load(Ordering::Relaxed));
        parts.sum::<u64>() + self.others.load(Ordering::Relaxed)
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
    /// Of a workflow's executions.
    pub(crate) executions: Option<Arc<ExecutionCount>>,
}

impl KindMetrics {
    pub(crate) fn new(entity: &Arc<str>, messages: &[&'static MessageInfo]) -> Self {
        let name = || entity.to_string();
        let counter = |metric: &'static str| metrics::counter!(metric, "entity" => name());
        let gauge = |metric: &'static str| metrics::gauge!(metric, "entity" => name());
        let histograms = |metric: &'static str| {
            let one = |info: &&MessageInfo| {
                let message = info.name;
                metrics::histogram!(metric, "entity" => name(), "message" => message)
            };
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
            executions: ExecutionCount::of(entity),
        }
    }

    /// A handler starts; the moment if it is to be timed.
    #[inline]
    pub(super) fn started(&self, message: &MessageInfo, clock: &Clock) -> Option<Moment> {
        let before = self.started.up();
        let timed = before.is_multiple_of(TIMED_EVERY) || message.delivery == Delivery::Persisted;
        timed.then(|| clock.now())
    }

    /// A handler has taken so long.
    #[cold]
    pub(super) fn timed(&self, message: &MessageInfo, took: Duration) {
        self.handlers[message.index].record(took.as_secs_f64());
    }

    /// The outcome of a persisted request is stored.
    pub(super) fn outcome_stored(&self, how: OutcomeKind) {
        self.executions.iter().for_each(|executions| executions.ended(how));
    }

    /// The runner serves no more.
    pub(crate) fn count_out(&self) {
        self.publish();
        self.executions.iter().for_each(|executions| executions.count_out());
        self.resident.set(0.0);
        self.waiting.set(0.0);
    }

    /// Tells the recorder what was only counted here.
    pub(crate) fn publish(&self) {
        let total = self.started.total();
        let before = self.published.swap(total, Ordering::Relaxed);
        self.messages.increment(total.saturating_sub(before));
        self.executions.iter().for_each(|executions| executions.publish());
    }
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

    /// Looks at a call from now on, if anybody wants to.
    #[inline]
    pub(super) fn look(&mut self, handle: &Handle, message: &MessageInfo, trace: &Trace) {
        let calls = CALLS.get();
        CALLS.set(calls.wrapping_add(1));
        let timed = calls.is_multiple_of(TIMED_EVERY) || message.delivery == Delivery::Persisted;
        if timed || !trace.is_none() {
            self.look_at(handle, timed, trace);
        }
    }

    #[cold]
    fn look_at(&mut self, handle: &Handle, timed: bool, trace: &Trace) {
        let began = timed.then(|| (handle.shared().clock.now(), handle.clone()));
        self.0 = Some(Box::new(Watched { trace: trace.clone(), began }));
    }

    /// The call has ended, with trouble of the cluster or without.
    #[inline]
    pub(super) fn ended(&mut self, message: &MessageInfo, failed: impl FnOnce() -> bool) {
        if let Some(watched) = self.0.take() {
            watched.ended(message, failed());
        }
    }
}

impl Watched {
    #[cold]
    fn ended(self, message: &MessageInfo, failed: bool) {
        if failed {
            self.trace.failed();
        }
        if let Some((began, handle)) = self.began
            && let Ok(kind) = handle.kind()
        {
            let took = handle.shared().clock.now() - began;
            kind.metrics().calls[message.index].record(took.as_secs_f64());
        }
    }
}
