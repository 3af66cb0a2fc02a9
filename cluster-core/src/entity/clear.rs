//! Clearing one entity: everything that is stored of it goes, and it begins anew.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::cancel::write;
use super::context::Context;
use super::contract::{Contract, Serves};
use super::handle::Handle;
use super::inner::{Inner, Phase};
use super::keep_alive::Wish;
use super::options::Access;
use super::shared::Shared;
use super::slot::{Slot, Start};
use crate::commit::{Rare, Writes};
use crate::error::ClusterError;
use crate::id::{EntityId, Seq};
use crate::storage::{
    EntityRequest, EntityScan, RemovalWrite, StateKey, StorageError, StoredOutcome,
};

/// Forgets everything of an entity. Goes on when the caller is dropped.
pub(crate) async fn clear<C: ?Sized + Contract>(
    shared: &Arc<Shared>,
    id: EntityId,
) -> Result<(), ClusterError> {
    ClusterError::check_id(&id, shared.config.entity_id_bytes_max)?;
    let handler = Context::current();
    shared.gate.check(handler.is_some())?;
    let handle = Handle::of::<C>(shared, id);
    let kind = handle.kind()?.clone();
    if let Some(handler) = handler {
        // It would wait for the end of this very handler.
        handler.check_reentrance(&handle.address(), Access::Exclusive)?;
    }
    let (tell, told) = oneshot::channel();
    let clearing = kind.clear(handle.entity_id());
    shared.tasks.spawn_waiting(async move {
        // Nobody may wait any more.
        let _ = tell.send(clearing.await);
    });
    told.await.unwrap_or(Err(ClusterError::ShuttingDown))
}

/// Which requests a look at an entity removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Those without an outcome, and with the last of them the state and the reminders.
    Unfinished,
    /// All that are left.
    Rest,
}

/// Up to where the requests without an outcome are gone.
#[derive(Debug, Clone, Copy, Default)]
struct Gone(Seq);

impl<T: Serves> Slot<T> {
    /// Waits for the handlers that run, the replies that are outstanding and the streams that are
    /// open; what waits begins after it. Then takes the instance down, and removes what stands in
    /// the storage of everything accepted so far.
    ///
    /// Until the state is gone the entity is what it was, with requests less; until all is gone,
    /// keys are known of which the rest is not. So after a crash in between nothing has happened
    /// twice, and clearing again removes what is left.
    pub(super) async fn clear(self: Arc<Self>) -> Result<(), ClusterError> {
        let wanted = Wanted::new(&self);
        let residents = &self.kind.shared.residents;
        residents.watch(|| self.lock().begins_to_clear()).await;
        let mut clearing = Clearing { slot: &self, gone: Gone::default(), wanted };
        let entity = self.lock().entity.take();
        if let Some(entity) = entity {
            self.kind.metrics.passivations.increment(1);
            self.take_down(entity).await;
            residents.leave();
        }
        // Whatever was accepted before has come to its mailbox, or stays in the storage.
        let upto = self.kind.shared.committer.lane().await.next_seq();
        self.remove(upto, Part::Unfinished, &mut clearing.gone).await?;
        clearing.gone = Gone(upto);
        // That it is to be kept alive is forgotten with its state.
        self.fulfil(Wish::Release);
        self.remove(upto, Part::Rest, &mut Gone(upto)).await
    }

    /// Removes requests accepted up to this one, page by page.
    async fn remove(&self, upto: Seq, part: Part, gone: &mut Gone) -> Result<(), ClusterError> {
        let shared = &self.kind.shared;
        let (entity, limit) = (self.kind.state_key(self.id()), shared.config.clear_batch);
        let failed = |error: StorageError| ClusterError::Persistence { source: Arc::new(error) };
        let mut after = Seq::default();
        loop {
            shared.gate.check(true)?;
            let scan = EntityScan { entity: entity.clone(), after, limit };
            let mut page = shared.storage.requests_of(scan).await.map_err(failed)?;
            let is_last = page.len() < limit;
            page.retain(|request| request.seq <= upto);
            let next = page.last().map_or(upto, |last| last.seq);
            page.retain(|request| part == Part::Rest || !request.finished);
            let is_last = is_last || next >= upto;
            let forgotten = (part == Part::Unfinished && is_last).then(|| entity.clone());
            let removals = removals(&entity, &page);
            let writes = Writes::rare(Rare { removals, forgotten, ..Rare::default() });
            write(shared, writes).await?;
            // A finished one too: it may have been reset since the page was read.
            page.iter().for_each(|gone| end(shared, gone));
            gone.0 = gone.0.max(next);
            if is_last {
                return Ok(());
            }
            after = next;
        }
    }

    /// Whether a request was removed with others of the entity.
    pub(super) fn is_cleared(&self, request: Seq) -> bool {
        self.lock().ledger.as_ref().is_some_and(|ledger| request <= ledger.cleared)
    }

    /// Whether somebody waits to clear it.
    pub(super) fn is_to_be_cleared(&self) -> bool {
        self.lock().clears > 0
    }
}

fn removals(entity: &StateKey, page: &[EntityRequest]) -> Vec<RemovalWrite> {
    page.iter().map(|request| RemovalWrite { seq: request.seq, shard: entity.shard }).collect()
}

/// A request is gone: whoever has it in memory forgets it, and who waits for it is told.
fn end(shared: &Shared, gone: &EntityRequest) {
    shared.request_ended(gone.seq);
    shared.waiters.tell(gone.id, || Ok(StoredOutcome::interrupted()));
}

impl<T: Serves> Inner<T> {
    /// Begins to clear the entity if nothing of it runs or is being committed. Its phase is
    /// `Changing` then.
    fn begins_to_clear(&mut self) -> bool {
        let quiet = self.ledger.as_ref().is_none_or(|ledger| ledger.uncommitted == 0);
        let begins = !self.clearing
            && self.phase != Phase::Changing
            && self.running.is_idle()
            && self.pins == 0
            && self.outstanding == 0
            && quiet;
        if begins {
            self.clearing = true;
            self.phase = Phase::Changing;
        }
        begins
    }
}

/// Held by who waits to clear an entity: nothing else of it starts.
struct Wanted<'a, T: Serves>(&'a Arc<Slot<T>>);

impl<'a, T: Serves> Wanted<'a, T> {
    fn new(slot: &'a Arc<Slot<T>>) -> Self {
        slot.lock().clears += 1;
        Wanted(slot)
    }
}

impl<T: Serves> Drop for Wanted<'_, T> {
    fn drop(&mut self) {
        self.0.lock().clears -= 1;
        self.0.start_waiting(Start::Task);
        self.0.kind.shared.residents.say_room();
    }
}

/// Held while an entity is cleared: at the end, however it comes, the entity is free again.
struct Clearing<'a, T: Serves> {
    slot: &'a Arc<Slot<T>>,
    gone: Gone,
    /// Dropped last, so that whoever is next finds the entity free.
    wanted: Wanted<'a, T>,
}

impl<T: Serves> Drop for Clearing<'_, T> {
    fn drop(&mut self) {
        let Gone(upto) = self.gone;
        debug_assert!(Arc::ptr_eq(self.slot, self.wanted.0), "of one entity");
        let displaced = {
            let mut inner = self.slot.lock();
            inner.clearing = false;
            if inner.phase == Phase::Changing {
                inner.phase = Phase::Vacant;
            }
            let ledger = inner.ledger.get_or_insert_default();
            // What is stored now, the storage knows.
            ledger.known = false;
            ledger.snapshot = None;
            ledger.cleared = ledger.cleared.max(upto);
            ledger.delivered = ledger.delivered.max(upto);
            ledger.out.retain(|request| *request > upto);
            let is_gone = |seq: Option<Seq>| seq.is_some_and(|seq| seq <= upto);
            let mailbox = inner.mailbox.as_mut();
            mailbox.map(|mailbox| mailbox.take_if(|job| is_gone(job.seq()))).unwrap_or_default()
        };
        for job in displaced {
            job.displace(ClusterError::Interrupted);
        }
    }
}
