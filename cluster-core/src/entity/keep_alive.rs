//! Entities that are kept alive: they stay in memory, and their owner brings them back by itself.
//!
//! A handler's wish is written with its outcome and takes effect when that is durable. From then on
//! the slot has a place among those that are kept, is neither passivated nor evicted, and without
//! an instance counts as one that somebody waits for: whatever takes an instance away brings it
//! back by the slot's own pump. A start loads the stored ones page by page and brings back a few at
//! a time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hashbrown::HashSet;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::cancel::write;
use super::context::Context;
use super::contract::Serves;
use super::inner::Phase;
use super::shared::Shared;
use super::slot::{Slot, Start};
use crate::commit::{Rare, Writes};
use crate::error::{ClusterError, Source, text};
use crate::id::EntityId;
use crate::storage::{Alive, AliveScan, AliveWrite, StateKey};

/// How many entities that are kept alive are brought into memory at once.
const COMING_MAX: usize = 64;
/// The pause after a failed load.
const LOAD_RETRY: Duration = Duration::from_millis(100);

/// Counts the entities of a runner that are kept alive.
pub(crate) struct Keeper {
    /// Shared with those that are kept, which count themselves out.
    count: Arc<Count>,
    max: usize,
    /// One for each that is on its way into memory at the start.
    coming: Arc<Semaphore>,
    /// Those released while the stored ones are loaded: a page read before may still name them.
    /// `None` once all are loaded.
    released: Mutex<Option<HashSet<(Arc<str>, EntityId)>>>,
}

#[derive(Default)]
struct Count {
    kept: AtomicUsize,
    fewer: Notify,
}

/// A place among the entities that are kept alive.
pub(crate) struct KeptAlive {
    count: Arc<Count>,
    /// While it is on its way into memory at the start.
    coming: Option<OwnedSemaphorePermit>,
}

impl Drop for KeptAlive {
    fn drop(&mut self) {
        self.count.kept.fetch_sub(1, Ordering::SeqCst);
        self.count.fewer.notify_one();
    }
}

impl Keeper {
    pub(crate) fn new(max: usize) -> Self {
        Keeper {
            count: Arc::default(),
            max,
            coming: Arc::new(Semaphore::new(COMING_MAX)),
            released: Mutex::new(Some(HashSet::new())),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count.kept.load(Ordering::SeqCst)
    }

    fn place(&self) -> Option<KeptAlive> {
        let more = |kept: usize| (kept < self.max).then_some(kept + 1);
        let taken = self.count.kept.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        taken.is_ok().then(|| KeptAlive { count: self.count.clone(), coming: None })
    }

    /// Waits for a place. Only the loader does.
    async fn place_in_turn(&self) -> KeptAlive {
        loop {
            if let Some(place) = self.place() {
                return place;
            }
            self.count.fewer.notified().await;
        }
    }

    fn note_release(&self, key: &StateKey) {
        if let Some(released) = &mut *self.released.lock() {
            released.insert((key.entity_type.clone(), key.entity_id.clone()));
        }
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keeper({} of {})", self.count(), self.max)
    }
}

/// What a handler wants for its entity, to be committed with its outcome.
pub(super) enum Wish {
    /// With the place that it will have; none where it has one already.
    Keep(Option<KeptAlive>),
    Release,
}

impl Wish {
    pub(super) fn alive(&self) -> Alive {
        match self {
            Wish::Keep(_) => Alive::Kept,
            Wish::Release => Alive::Released,
        }
    }
}

impl Context {
    /// Keeps the entity alive: from this handler's commit on it stays in memory, and after a crash,
    /// a move or a restart its owner brings it back by itself and runs its `#[activate]` hook,
    /// until a handler calls [`Context::release`]. If the handler fails, nothing has changed.
    ///
    /// Of a handler that replies [`Later`](super::Later) the commit is that of its reply, of one
    /// that gives a persisted stream that of its end. Asked when the handler has ended it does
    /// nothing.
    ///
    /// It costs a write, also in a handler that commits nothing else: the reply waits for it. Such
    /// an entity is not evicted for the sake of others.
    ///
    /// # Errors
    /// [`ClusterError::LimitExceeded`]: `kept_alive_max` entities are kept alive already.
    pub fn keep_alive(&self) -> Result<(), ClusterError> {
        let keeper = &self.shared().keeper;
        let mut sent = self.0.sent.lock();
        let wish = &mut sent.get_or_insert_default().wish;
        if matches!(wish, Some(Wish::Keep(_))) {
            return Ok(());
        }
        let place = if self.0.entity.is_kept_alive() {
            None
        } else {
            let place = keeper.place().ok_or_else(|| ClusterError::LimitExceeded {
                limit: "kept_alive_max",
                what: "the number of entities that are kept alive".to_owned(),
                max: keeper.max,
                actual: keeper.max + 1,
            })?;
            Some(place)
        };
        *wish = Some(Wish::Keep(place));
        self.0.wishes.store(true, Ordering::Release);
        Ok(())
    }

    /// Ends what [`Context::keep_alive`] began: with this handler's commit the entity is again one
    /// that leaves memory when it is idle, and does not come back by itself.
    pub fn release(&self) {
        self.0.sent.lock().get_or_insert_default().wish = Some(Wish::Release);
        self.0.wishes.store(true, Ordering::Release);
    }

    /// Whether the handler has a wish that is to be committed.
    pub(super) fn has_wish(&self) -> bool {
        self.0.wishes.load(Ordering::Acquire)
    }

    /// Takes the handler's wish.
    pub(super) fn take_wish(&self) -> Option<Wish> {
        if !self.has_wish() {
            return None;
        }
        self.0.sent.lock().as_mut().and_then(|sent| sent.wish.take())
    }
}

impl<T: Serves> Slot<T> {
    /// What is written for a wish.
    pub(super) fn alive_write(&self, alive: Alive) -> AliveWrite {
        let key = self.kind.state_key(self.id());
        let epoch = self.kind.shards.epoch(key.shard);
        AliveWrite { key, epoch, alive }
    }

    /// The wish is durable.
    pub(super) fn fulfil(self: &Arc<Self>, wish: Wish) {
        match wish {
            Wish::Keep(place) => {
                // It was kept alive when the handler asked; it may have been released since.
                let place = place.or_else(|| self.kind.shared.keeper.place());
                drop(place.and_then(|place| self.keep(place)));
                self.start_waiting(Start::Task);
            }
            Wish::Release => {
                self.kind.shared.keeper.note_release(&self.kind.state_key(self.id()));
                let released = self.lock().kept.take();
                drop(released);
                self.stay();
                self.kind.shared.residents.say_room();
            }
        }
    }

    /// Keeps the entity alive; gives a place back that it does not need.
    fn keep(&self, place: KeptAlive) -> Option<KeptAlive> {
        let mut inner = self.lock();
        if inner.kept.is_some() {
            return Some(place);
        }
        inner.kept = Some(Box::new(place));
        None
    }

    pub(super) fn is_kept(&self) -> bool {
        self.lock().kept.is_some()
    }

    /// Brings back an entity that is stored as kept alive, unless it was released meanwhile.
    pub(super) fn bring_back(self: &Arc<Self>, place: KeptAlive) {
        let keeper = &self.kind.shared.keeper;
        let superfluous = {
            let released = keeper.released.lock();
            let known = (self.kind.name.clone(), self.id().clone());
            match released.as_ref().is_some_and(|released| released.contains(&known)) {
                true => Some(place),
                false => self.keep(place),
            }
        };
        drop(superfluous);
        if self.lock().phase == Phase::Ready {
            self.has_come();
        }
        self.start_waiting(Start::Task);
    }

    /// The entity is in memory, or cannot be brought there now: the next may come.
    pub(super) fn has_come(&self) {
        let come = self.lock().kept.as_mut().and_then(|kept| kept.coming.take());
        drop(come);
    }

    /// Writes what an `#[activate]` hook has wished, which has no commit of its own.
    pub(super) async fn fulfil_hooks_wish(self: &Arc<Self>, ctx: &Context) -> Result<(), Source> {
        let Some(wish) = ctx.take_wish() else { return Ok(()) };
        let alive = Some(self.alive_write(wish.alive()));
        let writes = Writes::rare(Rare { alive, ..Rare::default() });
        let written = write(&self.kind.shared, writes).await;
        written.map_err(|error| -> Source { Arc::new(error) })?;
        self.fulfil(wish);
        Ok(())
    }
}

/// Brings back every entity that is stored as kept alive, page by page. Cancel safe.
pub(crate) async fn bring_back_kept(shared: Arc<Shared>) {
    let limit = shared.config.load_page;
    let mut after = None;
    loop {
        let scan = AliveScan { after: after.clone(), limit };
        let page = match shared.storage.load_kept_alive(shared.committer.fence(), scan).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(
                    error = text(&error),
                    "entities kept alive could not be loaded, trying again"
                );
                shared.clock.sleep(LOAD_RETRY).await;
                continue;
            }
        };
        let Some(last) = page.last() else { break };
        after = Some((last.entity_type.clone(), last.entity_id.clone()));
        for key in page {
            bring_back(&shared, key).await;
        }
    }
    *shared.keeper.released.lock() = None;
}

async fn bring_back(shared: &Arc<Shared>, key: StateKey) {
    let Some(kind) = shared.kind_named(&key.entity_type) else {
        let (entity_type, entity_id) = (&*key.entity_type, &key.entity_id);
        tracing::warn!(entity_type, %entity_id, "an entity kept alive is of no registered type");
        return;
    };
    let keeper = &shared.keeper;
    let Ok(coming) = keeper.coming.clone().acquire_owned().await else { return };
    let mut place = keeper.place_in_turn().await;
    place.coming = Some(coming);
    kind.bring_back(&key.entity_id, place);
}
