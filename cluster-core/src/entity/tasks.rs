//! The tasks of a runner: each has this one owner, which waits for them and ends them.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use slab::Slab;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Spawns tasks on the runtime that the cluster was started on.
#[derive(Debug)]
pub(crate) struct Tasks {
    runtime: Handle,
    /// Handlers, activations, deliveries: a drain waits for these. Bounded by the entities in
    /// memory and their `concurrency`.
    work: Group,
    /// Loops that run until the end.
    loops: Group,
    /// Callers that wait for another's run: they end once they are told, at the latest that the
    /// cluster ends.
    waiting: Group,
    /// The committer: ends by itself once it is closed.
    last: Group,
}

impl Tasks {
    pub(crate) fn new(runtime: Handle) -> Self {
        let [work, loops, waiting, last] = std::array::from_fn(|_| Group::default());
        Tasks { runtime, work, loops, waiting, last }
    }

    /// Runs work that a drain waits for. It is dropped where it stands when the drain's limit is
    /// over.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.work.spawn(&self.runtime, work);
    }

    /// Runs a loop until [`Tasks::end`].
    pub(crate) fn spawn_loop(&self, body: impl Future<Output = ()> + Send + 'static) {
        self.loops.spawn(&self.runtime, body);
    }

    /// Passes on what a caller is told; see [`Tasks::all_told`].
    pub(crate) fn spawn_waiting(&self, wait: impl Future<Output = ()> + Send + 'static) {
        self.waiting.spawn(&self.runtime, wait);
    }

    /// Waits until every caller that was told has heard it. Cancel safe.
    pub(crate) async fn all_told(&self) {
        self.waiting.emptied().await;
    }

    /// Runs a loop that ends by itself once told to; [`Tasks::end`] waits for it.
    pub(crate) fn spawn_to_end(&self, body: impl Future<Output = ()> + Send + 'static) {
        self.last.spawn(&self.runtime, body);
    }

    /// Waits until no work is left. Cancel safe.
    pub(crate) async fn drained(&self) {
        self.work.emptied().await;
    }

    /// Drops the work that is left.
    pub(crate) fn abort_work(&self) {
        self.work.abort();
    }

    /// Ends the loops, and waits until they and the committer have ended.
    pub(crate) async fn end(&self) {
        self.loops.abort();
        self.loops.emptied().await;
        self.last.emptied().await;
    }

    /// Ends work and loops without waiting. The committer is to be closed.
    pub(crate) fn end_now(&self) {
        self.work.abort();
        self.loops.abort();
    }
}

/// How many parts a group has: enough that two workers seldom want the same lock.
const PARTS: usize = 16;

/// Tasks that are waited for and ended together.
#[derive(Debug)]
struct Group {
    /// Each shared by itself, so that the tasks of two workers do not count their holds in one
    /// place.
    parts: [Arc<Part>; PARTS],
    end: Arc<End>,
}

impl Default for Group {
    fn default() -> Self {
        let end = Arc::new(End::default());
        let part = |_| Arc::new(Part { live: Mutex::default(), end: end.clone() });
        Group { parts: std::array::from_fn(part), end }
    }
}

/// Who waits for a group's last task.
#[derive(Debug, Default)]
struct End {
    /// How many wait; zero spares the tasks their look at the rest.
    watchers: AtomicUsize,
    emptied: Notify,
}

#[derive(Debug)]
struct Part {
    live: Mutex<Live>,
    end: Arc<End>,
}

#[derive(Debug, Default)]
struct Live {
    places: Slab<Place>,
    /// Numbers the places, since their keys are used again.
    made: u64,
    /// Nothing more may run.
    aborted: bool,
}

/// A live task's place.
#[derive(Debug)]
struct Place {
    number: u64,
    /// `None` while it is being spawned.
    task: Option<JoinHandle<()>>,
}

impl Group {
    /// Spawns without a lock: a runtime that has ended drops the work at once, and with it whatever
    /// that holds.
    fn spawn(&self, runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) {
        let Some(member) = self.enter() else { return };
        let (part, key, number) = (member.part.clone(), member.key, member.number);
        let task = runtime.spawn(Tracked { work, _member: member });
        let mut live = part.live.lock();
        if live.aborted {
            task.abort();
        }
        if let Some(place) = live.places.get_mut(key).filter(|place| place.number == number) {
            place.task = Some(task);
        }
    }

    /// A place for a task; none once the group was aborted.
    fn enter(&self) -> Option<Member> {
        let part = &self.parts[part_of_this_thread() % PARTS];
        let mut live = part.live.lock();
        if live.aborted {
            return None;
        }
        live.made += 1;
        let number = live.made;
        let key = live.places.insert(Place { number, task: None });
        Some(Member { part: part.clone(), key, number })
    }

    fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.live.lock().places.is_empty())
    }

    /// Waits until no task is left. Cancel safe.
    async fn emptied(&self) {
        let _watching = Watching::new(&self.end.watchers);
        loop {
            let mut emptied = std::pin::pin!(self.end.emptied.notified());
            emptied.as_mut().enable();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Drops all tasks, and whatever would be spawned later.
    fn abort(&self) {
        for part in &self.parts {
            let mut live = part.live.lock();
            live.aborted = true;
            live.places
                .iter()
                .filter_map(|(_, place)| place.task.as_ref())
                .for_each(JoinHandle::abort);
        }
    }
}

struct Watching<'a>(&'a AtomicUsize);

impl<'a> Watching<'a> {
    fn new(watchers: &'a AtomicUsize) -> Self {
        watchers.fetch_add(1, Ordering::SeqCst);
        Watching(watchers)
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A task's hold on its place; gives it up when the task ends, in whatever way.
struct Member {
    part: Arc<Part>,
    key: usize,
    number: u64,
}

impl Drop for Member {
    fn drop(&mut self) {
        let (place, empty) = {
            let mut live = self.part.live.lock();
            (live.places.try_remove(self.key), live.places.is_empty())
        };
        drop(place);
        if empty && self.part.end.watchers.load(Ordering::SeqCst) > 0 {
            self.part.end.emptied.notify_waiters();
        }
    }
}

pin_project_lite::pin_project! {
    /// A task's future with its place. The work is dropped before the place is given up.
    struct Tracked<F> {
        #[pin]
        work: F,
        _member: Member,
    }
}

impl<F: Future<Output = ()>> Future for Tracked<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().work.poll(cx)
    }
}

thread_local! {
    /// This thread's number.
    static PART: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Spreads the threads over parts, so that two seldom want the same lock.
pub(super) fn part_of_this_thread() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    PART.get().unwrap_or_else(|| {
        let part = THREADS.fetch_add(1, Ordering::Relaxed);
        PART.set(Some(part));
        part
    })
}
