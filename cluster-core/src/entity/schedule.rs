//! Requests that are due at a time: scheduled ones, and those in retry back-off. The next ones are
//! in memory, the others in the storage; each starts at its own time, and nobody polls.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::hold::hold;
use super::shared::Shared;
use crate::config::Config;
use crate::error::text;
use crate::id::Seq;
use crate::metric;
use crate::storage::{Due, DueScan, Missing, PageRoom, PendingRequest};
use crate::time::{Clock, Moment, Timestamp};

/// The pause after a failed load.
const LOAD_RETRY: Duration = Duration::from_millis(100);
/// The longest wait on the machine's clock, whose time of day may be set.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// So far the time of day may be behind what the monotonic scale says before it counts as set back.
const SET_BACK: Duration = Duration::from_secs(1);
/// How many requests start before other tasks run.
const BURST: usize = 64;

/// The deadline queue of a runner.
///
/// Invariant: every stored request of the runner that is due at a time and stands at or before the
/// horizon is `known` here; those behind it are in the storage only. So a request comes here from
/// one side: from its commit when it stands before the horizon, else with a page of the storage.
pub(crate) struct Schedule {
    queue: Mutex<Queue>,
    /// How many requests are known: mostly none, which spares the lock.
    count: AtomicUsize,
    /// Something may have become the first one due.
    first: Notify,
    /// There is room for more, or more to be loaded.
    room: Notify,
    clock: Clock,
    backoff_max: Duration,
    max: usize,
    bytes_max: usize,
    gauge: metrics::Gauge,
}

#[derive(Default)]
struct Queue {
    /// Those that wait for their time.
    armed: BTreeMap<Due, PendingRequest>,
    /// Of the armed ones together.
    bytes: usize,
    known: HashMap<Seq, Stage>,
    /// How many are in a mailbox and have not started.
    waiting: usize,
    horizon: Horizon,
    /// Set while a page is on its way.
    loading: Option<Loading>,
    /// What the clocks showed when they were last compared.
    seen: Option<(Moment, Timestamp)>,
    closed: bool,
}

/// Where a request stands that is known here and has not ended.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Armed(Due),
    /// In a mailbox.
    Waiting,
    /// Its handler has been started.
    Started,
}

/// Up to where the storage's requests are known.
#[derive(Debug, Clone, Copy)]
enum Horizon {
    Upto(Due),
    /// All of them.
    Everything,
}

impl Default for Horizon {
    fn default() -> Self {
        Horizon::Upto(Due::FIRST)
    }
}

impl Horizon {
    fn covers(self, due: Due) -> bool {
        match self {
            Horizon::Upto(last) => due <= last,
            Horizon::Everything => true,
        }
    }

    /// Ends before this request, if it did not before.
    fn end_before(&mut self, due: Due) {
        let seq = Seq::new(due.seq.as_u64().saturating_sub(1));
        let before = Due { seq, ..due };
        if self.covers(before) {
            *self = Horizon::Upto(before);
        }
    }
}

/// What has happened since a page was asked for. Bounded by what is accepted and what ends
/// meanwhile.
#[derive(Default)]
struct Loading {
    /// Came behind the horizon: the page may hold it or not.
    missed: BTreeMap<Due, PendingRequest>,
    /// Has ended: the page may still hold it.
    ended: HashSet<Seq>,
    /// Something from here on is to be loaded once more.
    again: Option<Due>,
}

impl Schedule {
    pub(crate) fn new(clock: Clock, config: &Config, backoff_max: Duration) -> Self {
        Schedule {
            queue: Mutex::default(),
            count: AtomicUsize::new(0),
            first: Notify::new(),
            room: Notify::new(),
            clock,
            backoff_max,
            max: config.schedule_max,
            bytes_max: config.schedule_bytes,
            gauge: metrics::gauge!(metric::SCHEDULED),
        }
    }

    /// Takes a request that is stored as due at a time. One behind the horizon stays in the
    /// storage.
    pub(super) fn add(&self, pending: PendingRequest) {
        let Some(due) = self.due_of(&pending) else { return };
        let mut queue = self.queue.lock();
        if queue.closed {
            return;
        }
        if queue.horizon.covers(due) {
            queue.arm(due, pending);
            queue.shrink(self.max, self.bytes_max);
            let is_first = queue.armed.first_key_value().is_some_and(|(first, _)| *first == due);
            self.changed(&queue);
            drop(queue);
            if is_first {
                self.first.notify_one();
            }
        } else if let Some(loading) = &mut queue.loading {
            if loading.missed.len() < self.max {
                loading.missed.insert(due, pending);
            } else {
                loading.look_again(due);
            }
        }
    }

    /// A request may have been made due by a write of which only its time is known here.
    pub(super) fn look_again(&self, due: Due) {
        self.queue.lock().leave_from(due);
        self.room.notify_one();
    }

    /// What is due may be started now that was not before.
    pub(crate) fn look(&self) {
        self.first.notify_one();
    }

    /// Whether the request is due and has neither started nor ended. Where it comes into its
    /// mailbox this is looked at under the entity's lock: who ends it says so here, then looks
    /// there.
    pub(super) fn is_waiting(&self, request: Seq) -> bool {
        matches!(self.queue.lock().known.get(&request), Some(Stage::Waiting))
    }

    /// A request that runs is about to be stored as due: a page may hold it before that is told.
    pub(super) fn expect(&self, request: Seq) {
        let mut queue = self.queue.lock();
        if !queue.closed {
            queue.known.entry(request).or_insert(Stage::Started);
            self.changed(&queue);
        }
    }

    /// A request has been started.
    pub(super) fn started(&self, request: Seq) {
        self.change(|queue| {
            if let Some(stage @ Stage::Waiting) = queue.known.get_mut(&request) {
                *stage = Stage::Started;
                queue.waiting -= 1;
            }
        });
    }

    /// A request has left those that are due: it has ended, or is due at another time. Costs one
    /// atomic read when nothing is known or loaded.
    pub(super) fn ended(&self, request: Seq) {
        self.change(|queue| {
            match queue.known.remove(&request) {
                Some(Stage::Armed(due)) => {
                    let armed = queue.armed.remove(&due).expect("armed under this time");
                    queue.bytes -= armed.request.bytes();
                }
                Some(Stage::Waiting) => queue.waiting -= 1,
                Some(Stage::Started) | None => {}
            }
            if let Some(loading) = &mut queue.loading {
                loading.ended.insert(request);
                loading.missed.retain(|due, _| due.seq != request);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Queue)) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut queue = self.queue.lock();
        change(&mut queue);
        self.changed(&queue);
    }

    /// To be called after a change, under the lock.
    fn changed(&self, queue: &Queue) {
        // A page on its way counts as one: what ends meanwhile must be seen.
        let count = queue.known.len() + usize::from(queue.loading.is_some());
        self.count.store(count, Ordering::SeqCst);
        if self.wants_page(queue) {
            self.room.notify_one();
        }
    }

    fn wants_page(&self, queue: &Queue) -> bool {
        matches!(queue.horizon, Horizon::Upto(_))
            && (queue.is_behind()
                || queue.in_memory() <= self.max / 2 && queue.bytes <= self.bytes_max / 2)
    }

    /// Takes what is due by now; the time of the first one that is not.
    fn take_due(&self, now: Timestamp) -> (Vec<PendingRequest>, Option<Timestamp>) {
        let mut queue = self.queue.lock();
        queue.compare_clocks(self.clock.now(), now);
        let mut due = Vec::new();
        while let Some(first) = queue.armed.first_entry() {
            if first.key().at > now {
                let next = first.key().at;
                return (due, Some(next));
            }
            let pending = first.remove();
            queue.bytes -= pending.request.bytes();
            queue.waiting += 1;
            queue.known.insert(pending.request.seq, Stage::Waiting);
            due.push(pending);
        }
        (due, None)
    }

    /// Waits until a page is wanted; what and how much of it.
    async fn next_page(&self, page: usize, bytes: usize) -> DueScan {
        loop {
            let room = self.room.notified();
            {
                let mut queue = self.queue.lock();
                if let (Horizon::Upto(after), true) = (queue.horizon, self.wants_page(&queue)) {
                    queue.loading = Some(Loading::default());
                    self.count.store(queue.known.len() + 1, Ordering::SeqCst);
                    let room = self.max.saturating_sub(queue.in_memory()).max(1);
                    // What comes earlier takes the places of the latest.
                    let limit = if queue.is_behind() { page } else { page.min(room) };
                    return DueScan { after, limit, bytes };
                }
            }
            room.await;
        }
    }

    /// The page is there; `room` says whether it may not be the last one.
    fn loaded(&self, page: Vec<PendingRequest>, room: PageRoom) {
        let mut queue = self.queue.lock();
        let Some(loading) = queue.loading.take() else { return };
        let last =
            page.last().and_then(|last| Some(Due { at: last.due_at?, seq: last.request.seq }));
        queue.horizon = match last {
            Some(last) if !room.is_left() => Horizon::Upto(last),
            _ => Horizon::Everything,
        };
        for pending in page {
            let Some(due) = self.due_of(&pending) else { continue };
            if !loading.ended.contains(&due.seq) {
                queue.arm(due, pending);
            }
        }
        for (due, pending) in loading.missed {
            if queue.horizon.covers(due) {
                queue.arm(due, pending);
            }
        }
        if let Some(again) = loading.again {
            queue.horizon.end_before(again);
        }
        queue.shrink(self.max, self.bytes_max);
        self.changed(&queue);
        drop(queue);
        self.first.notify_one();
    }

    /// The page did not come.
    fn not_loaded(&self) {
        let mut queue = self.queue.lock();
        if let Some(Loading { again: Some(again), .. }) = queue.loading.take() {
            queue.horizon.end_before(again);
        }
        self.changed(&queue);
    }

    /// When the request is due. A back-off never takes longer than any may: the time of day may
    /// have been set back since it was written.
    fn due_of(&self, pending: &PendingRequest) -> Option<Due> {
        let at = pending.due_at?;
        let at = match pending.attempts {
            0 => at,
            _ => at.min(self.clock.wall().after(self.backoff_max)),
        };
        Some(Due { at, seq: pending.request.seq })
    }

    /// How many requests wait in memory for their time; told to the metrics too.
    pub(crate) fn armed(&self) -> usize {
        let armed = self.queue.lock().armed.len();
        self.gauge.set(armed as f64);
        armed
    }

    /// Forgets everything, and keeps nothing any more.
    pub(crate) fn close(&self) {
        let forgotten = {
            let mut queue = self.queue.lock();
            std::mem::replace(&mut *queue, Queue { closed: true, ..Queue::default() })
        };
        drop(forgotten);
        self.gauge.set(0.0);
    }
}

impl Queue {
    fn in_memory(&self) -> usize {
        self.armed.len() + self.waiting
    }

    /// Whether the storage may hold earlier ones than are armed here: it has been written to where
    /// only the time of a request is known.
    fn is_behind(&self) -> bool {
        self.armed.last_key_value().is_some_and(|(last, _)| !self.horizon.covers(*last))
    }

    /// Arms a request, unless it is known already.
    fn arm(&mut self, due: Due, pending: PendingRequest) {
        if self.known.contains_key(&due.seq) {
            return;
        }
        self.known.insert(due.seq, Stage::Armed(due));
        self.bytes += pending.request.bytes();
        self.armed.insert(due, pending);
    }

    /// A back-off is a span and not a time: where the time of day was set back, it goes on as if
    /// nothing had happened. What is scheduled waits for its time.
    fn compare_clocks(&mut self, moment: Moment, wall: Timestamp) {
        let Some((then, shown)) = self.seen.replace((moment, wall)) else { return };
        let set_back = shown.after(moment - then).since(wall);
        if set_back < SET_BACK {
            return;
        }
        let retried = |pending: &PendingRequest| pending.attempts > 0;
        let moved: Vec<_> = self.armed.extract_if(.., |_, pending| retried(pending)).collect();
        for (due, pending) in moved {
            let due = Due { at: due.at.before(set_back), ..due };
            self.known.insert(due.seq, Stage::Armed(due));
            self.armed.insert(due, pending);
        }
    }

    /// Leaves the latest ones in the storage, where there are too many.
    fn shrink(&mut self, max: usize, bytes_max: usize) {
        while self.in_memory() > max || self.bytes > bytes_max && self.armed.len() > 1 {
            let Some((due, pending)) = self.armed.pop_last() else { return };
            self.bytes -= pending.request.bytes();
            self.known.remove(&due.seq);
            self.leave_from(due);
        }
    }

    /// From this request on the storage is to be asked, also when a page of it is on its way.
    fn leave_from(&mut self, due: Due) {
        self.horizon.end_before(due);
        if let Some(loading) = &mut self.loading {
            loading.look_again(due);
        }
    }
}

impl Loading {
    fn look_again(&mut self, due: Due) {
        self.again = Some(self.again.map_or(due, |again| again.min(due)));
    }
}

/// Starts requests when they are due. Never ends; to be dropped at the end of the runner.
pub(crate) async fn run_schedule(shared: Arc<Shared>) {
    let schedule = &shared.schedule;
    // Of entities with strict order, while it is not known what stands before them. Bounded by
    // `schedule_max`, as what is due.
    let mut early = Vec::new();
    loop {
        let changed = schedule.first.notified();
        let now = shared.clock.wall_passed();
        let known = shared.intake.is_known();
        let (new, next) = schedule.take_due(now);
        let due = if known { std::mem::take(&mut early) } else { Vec::new() };
        for (number, pending) in due.into_iter().chain(new).enumerate() {
            match known || !shared.is_strict(&pending) {
                true => start(&shared, pending),
                false => early.push(pending),
            }
            if number % BURST == BURST - 1 {
                tokio::task::yield_now().await;
            }
        }
        let Some(next) = next else {
            changed.await;
            continue;
        };
        let wait = next.since(now);
        let wait = if shared.clock.is_virtual() { wait } else { wait.min(LOOK_AGAIN) };
        tokio::select! {
            () = shared.clock.sleep(wait) => {}
            () = changed => {}
        }
    }
}

impl Shared {
    fn is_strict(&self, pending: &PendingRequest) -> bool {
        self.kind_named(&pending.request.entity_type).is_some_and(|kind| kind.is_strict())
    }
}

fn start(shared: &Arc<Shared>, pending: PendingRequest) {
    let request = pending.request.clone();
    let Some(kind) = shared.kind_named(&request.entity_type) else {
        return hold(shared, request, Missing::EntityType);
    };
    if !kind.start_due(pending) {
        hold(shared, request, Missing::Message);
    }
}

/// Loads requests that will be due next. Never ends; to be dropped at the end of the runner.
pub(crate) async fn load_due(shared: Arc<Shared>) {
    let schedule = &shared.schedule;
    let (page, bytes) = (shared.config.load_page, shared.config.load_page_bytes);
    loop {
        let scan = schedule.next_page(page, bytes).await;
        match shared.storage.load_due(shared.committer.fence(), scan).await {
            Ok(page) => {
                let mut room = scan.room();
                page.iter().for_each(|pending| room.take(&pending.request));
                schedule.loaded(page, room);
            }
            Err(error) => {
                schedule.not_loaded();
                tracing::warn!(
                    error = text(&error),
                    "scheduled requests could not be loaded, trying again"
                );
                shared.clock.sleep(LOAD_RETRY).await;
            }
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({} armed)", self.queue.lock().armed.len())
    }
}
