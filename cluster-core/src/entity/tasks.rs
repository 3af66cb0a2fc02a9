//! The tasks of a runner: each has this one owner, which waits for them and ends them.

use std::cell::Cell;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};

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
        let work = Group::new(RESTING_MAX);
        // These are not aborted, or have few tasks.
        let [loops, waiting, last] = std::array::from_fn(|_| Group::new(0));
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
/// How many tasks of a part of the handlers' group rest at most until there is work again.
const RESTING_MAX: usize = 64;

/// A piece of work.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tasks that are waited for and ended together. A task that has done its work may rest until the
/// group is aborted, and is given the next: cheaper than a new one for every handler that suspends.
#[derive(Debug)]
struct Group {
    /// Each shared by itself, so that the tasks of two workers do not count their holds in one
    /// place.
    parts: [Arc<Part>; PARTS],
    end: Arc<End>,
}

/// Who waits for a group's last work.
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
    /// How many tasks may rest; others end.
    resting_max: usize,
}

#[derive(Debug, Default)]
struct Live {
    places: Slab<Place>,
    /// The places of tasks without work.
    resting: Vec<usize>,
    /// Numbers the places, since their keys are used again.
    made: u64,
    /// Nothing more may run.
    aborted: bool,
}

impl Live {
    fn is_idle(&self) -> bool {
        self.places.len() == self.resting.len()
    }
}

/// A live task's place.
#[derive(Default)]
struct Place {
    number: u64,
    /// `None` while it is being spawned.
    task: Option<JoinHandle<()>>,
    /// What it is to do next, and how it is told.
    next: Option<Work>,
    rests: Option<Waker>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({}, {:?})", self.number, self.task)
    }
}

impl Group {
    fn new(resting_max: usize) -> Self {
        let end = Arc::new(End::default());
        let part = |_| Arc::new(Part { live: Mutex::default(), end: end.clone(), resting_max });
        Group { parts: std::array::from_fn(part), end }
    }

    fn spawn(&self, runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) {
        let part = &self.parts[part_of_this_thread() % PARTS];
        let work: Work = Box::pin(work);
        let (work, member) = {
            let mut live = part.live.lock();
            if live.aborted {
                drop(live);
                drop(work);
                return;
            }
            match live.resting.pop() {
                Some(key) => {
                    let place = &mut live.places[key];
                    place.next = Some(work);
                    let rests = place.rests.take();
                    drop(live);
                    rests.expect("left where it rests").wake();
                    return;
                }
                None => (work, part.enter(&mut live)),
            }
        };
        self.spawn_task(runtime, work, member);
    }

    /// Spawns without a lock: a runtime that has ended drops the work at once, and with it whatever
    /// that holds.
    fn spawn_task(&self, runtime: &Handle, work: Work, member: Member) {
        let (part, key, number) = (member.part.clone(), member.key, member.number);
        let task = runtime.spawn(Task { work: Some(work), member });
        let mut live = part.live.lock();
        if live.aborted {
            task.abort();
        }
        if let Some(place) = live.places.get_mut(key).filter(|place| place.number == number) {
            place.task = Some(task);
        }
    }

    fn is_idle(&self) -> bool {
        self.parts.iter().all(|part| part.live.lock().is_idle())
    }

    /// Waits until no work is left. Cancel safe.
    async fn emptied(&self) {
        let _watching = Watching::new(&self.end.watchers);
        loop {
            let mut emptied = std::pin::pin!(self.end.emptied.notified());
            emptied.as_mut().enable();
            if self.is_idle() {
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

impl Part {
    /// A place for a new task.
    fn enter(self: &Arc<Part>, live: &mut Live) -> Member {
        live.made += 1;
        let number = live.made;
        let key = live.places.insert(Place { number, ..Place::default() });
        Member { part: self.clone(), key, number }
    }

    /// Tells who waits for the end, when this was the last work of the part.
    fn told(&self, idle: bool) {
        if idle && self.end.watchers.load(Ordering::SeqCst) > 0 {
            self.end.emptied.notify_waiters();
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

impl Member {
    /// The work that was given to a task that rested.
    fn next(&self) -> Option<Work> {
        self.part.live.lock().places[self.key].next.take()
    }

    /// Lets the task rest, unless enough do.
    fn rest(&self, waker: &Waker) -> bool {
        let idle = {
            let mut live = self.part.live.lock();
            if live.resting.len() >= self.part.resting_max || live.aborted {
                return false;
            }
            live.places[self.key].rests = Some(waker.clone());
            live.resting.push(self.key);
            live.is_idle()
        };
        self.part.told(idle);
        true
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Work that came while the task was being ended.
        drop(self.next());
        let (place, idle) = {
            let mut live = self.part.live.lock();
            live.resting.retain(|key| *key != self.key);
            (live.places.try_remove(self.key), live.is_idle())
        };
        drop(place);
        self.part.told(idle);
    }
}

/// A task: does its work, rests, does the next. Work is dropped before the place is given up.
struct Task {
    work: Option<Work>,
    member: Member,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(work) = this.work.as_mut() else {
            this.work = this.member.next();
            return match this.work {
                Some(_) => self.poll(cx),
                None => Poll::Pending,
            };
        };
        ready!(work.as_mut().poll(cx));
        this.work = None;
        match this.member.rest(cx.waker()) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    use std::future::pending;
    use std::sync::Weak;

    use tokio::sync::oneshot;
    use tokio::task::yield_now;

    /// Something that work holds; its other end sees when it is dropped.
    fn held() -> (Arc<()>, Weak<()>) {
        let held = Arc::new(());
        let seen = Arc::downgrade(&held);
        (held, seen)
    }

    fn live(tasks: &Tasks) -> usize {
        tasks.work.parts.iter().map(|part| part.live.lock().places.len()).sum()
    }

    // Work that comes after other work has ended runs in the task of that, which keeps nothing of
    // it.
    #[tokio::test]
    async fn a_task_that_rests_does_the_next_work() {
        let tasks = Tasks::new(Handle::current());
        for _ in 0..100 {
            let (held, seen) = held();
            let (done, is_done) = oneshot::channel();
            tasks.spawn(async move {
                yield_now().await;
                drop(done.send(held));
            });
            drop(is_done.await.expect("it runs to its end"));
            tasks.drained().await;
            assert_eq!((live(&tasks), seen.strong_count()), (1, 0));
        }
    }

    // A burst leaves no more tasks behind than may rest.
    #[tokio::test]
    async fn only_some_tasks_rest() {
        let tasks = Tasks::new(Handle::current());
        (0..10 * RESTING_MAX).for_each(|_| tasks.spawn(yield_now()));
        tasks.drained().await;
        while live(&tasks) > RESTING_MAX {
            yield_now().await;
        }
        assert_eq!(live(&tasks), RESTING_MAX);
    }

    // An end drops what runs, and what was given to a task that rested and has not begun it;
    // nothing is spawned after.
    #[tokio::test]
    async fn an_end_drops_work_that_has_and_has_not_begun() {
        let tasks = Tasks::new(Handle::current());
        tasks.spawn(async {});
        tasks.drained().await;
        let (held, seen) = held();
        let work = |held: &Arc<()>| {
            let held = held.clone();
            async move {
                pending::<()>().await;
                drop(held);
            }
        };
        // The first one in the task that rests, the second in a new one.
        tasks.spawn(work(&held));
        tasks.spawn(work(&held));
        tasks.abort_work();
        tasks.spawn(work(&held));
        tasks.drained().await;
        drop(held);
        assert_eq!((live(&tasks), seen.strong_count()), (0, 0));
    }

    // Callers' waits are not aborted at an end: their tasks end by themselves, and none rests.
    #[tokio::test]
    async fn a_task_that_waits_for_a_caller_leaves_nothing() {
        let tasks = Tasks::new(Handle::current());
        tasks.spawn_waiting(yield_now());
        tasks.all_told().await;
        let places = tasks.waiting.parts.iter().map(|part| part.live.lock().places.len());
        assert_eq!(places.sum::<usize>(), 0);
    }

    // Work that panics takes its task along and nothing else.
    #[tokio::test]
    async fn work_that_panics_leaves_no_place() {
        let tasks = Tasks::new(Handle::current());
        tasks.spawn(async { panic!("on purpose") });
        tasks.drained().await;
        assert_eq!(live(&tasks), 0);
    }

    // A runtime that ends drops the tasks that rest; work that comes later is dropped at once.
    #[test]
    fn work_for_a_runtime_that_has_ended_is_dropped() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        let tasks = Tasks::new(runtime.handle().clone());
        runtime.block_on(async {
            tasks.spawn(async {});
            tasks.drained().await;
        });
        drop(runtime);
        let (held, seen) = held();
        tasks.spawn(async move {
            yield_now().await;
            drop(held);
        });
        assert_eq!((live(&tasks), seen.strong_count()), (0, 0));
    }
}
