//! How accepted requests reach their mailboxes: straight from their commit, or through the storage
//! when more was accepted than fits into memory, and after a start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hashbrown::HashSet;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::activate::Evicted;
use super::hold::hold;
use super::job::Delivered;
use super::shared::Shared;
use crate::codec;
use crate::error::text;
use crate::id::Seq;
use crate::storage::{Accepted, KnownRequest, Missing, PendingRequest, PendingScan, RequestRow};

/// The two ways. While requests are loaded from the storage, newly accepted ones stay there too:
/// they come in their turn, so that the order of acceptance holds.
#[derive(Debug)]
pub(crate) struct Intake {
    way: Mutex<Way>,
    wake: Notify,
    /// The highest place that was given before the start.
    floor: Seq,
    /// Everything up to there has been put before its entities.
    known: AtomicBool,
}

#[derive(Debug)]
enum Way {
    Direct,
    /// Everything accepted after `after` is loaded from the storage.
    Loading {
        after: Seq,
        /// Something was accepted since the last page was asked for.
        missed: bool,
        /// What has ended since then, up to the end of the page, and may still stand in it. Bounded
        /// by `load_page`, and until the page is there by what ends meanwhile.
        ended: HashSet<Seq>,
        /// The end of the page, once it is there.
        last: Option<Seq>,
    },
}

impl Way {
    fn loading(after: Seq, missed: bool) -> Self {
        Way::Loading { after, missed, ended: HashSet::new(), last: None }
    }
}

/// How long the loader waits for one entity's place in memory before it goes on with others.
const PATIENCE: Duration = Duration::from_millis(500);
/// The pause after a failed load.
const LOAD_RETRY: Duration = Duration::from_millis(100);

impl Intake {
    /// Begins with everything that the storage holds.
    pub(crate) fn loading(floor: Seq) -> Self {
        let way = Mutex::new(Way::loading(Seq::default(), false));
        Intake { way, wake: Notify::new(), floor, known: AtomicBool::new(false) }
    }

    /// Whether everything that was accepted before the start has been put before its entities.
    /// Until then nobody knows who stands first where order is strict.
    pub(super) fn is_known(&self) -> bool {
        self.known.load(Ordering::SeqCst)
    }

    /// Everything up to here has been put before its entities; says whether what was accepted
    /// before the start is known by this.
    fn reached(&self, upto: Seq) -> bool {
        upto >= self.floor && !self.known.swap(true, Ordering::SeqCst)
    }

    /// Whether a request just accepted goes straight to its mailbox.
    pub(super) fn is_direct(&self) -> bool {
        match &mut *self.way.lock() {
            Way::Direct => true,
            Way::Loading { missed, .. } => {
                *missed = true;
                false
            }
        }
    }

    /// There was no room for this request: from it on everything is loaded from the storage.
    pub(super) fn fall_back(&self, first: Seq) {
        let before = Seq::new(first.as_u64().saturating_sub(1));
        let mut way = self.way.lock();
        match &mut *way {
            Way::Direct => *way = Way::loading(before, true),
            Way::Loading { after, missed, .. } => {
                *after = before.min(*after);
                *missed = true;
            }
        }
        drop(way);
        self.wake.notify_one();
    }

    /// The next page begins after this.
    async fn next(&self) -> Seq {
        loop {
            {
                let mut way = self.way.lock();
                if let Way::Loading { after, missed, ended, last } = &mut *way {
                    *missed = false;
                    ended.clear();
                    *last = None;
                    return *after;
                }
            }
            self.wake.notified().await;
        }
    }

    /// A request has ended: a page that was loaded before must not start it again, though its
    /// entity may have left memory since and know of it no more.
    pub(super) fn ended(&self, request: Seq) {
        if let Way::Loading { ended, last, .. } = &mut *self.way.lock()
            && last.is_none_or(|last| request <= last)
        {
            ended.insert(request);
        }
    }

    /// The page that was asked for is there, up to this request.
    fn loaded(&self, end: Seq) {
        if let Way::Loading { ended, last, .. } = &mut *self.way.lock() {
            ended.retain(|request| *request <= end);
            *last = Some(end);
        }
    }

    /// Whether the request has ended since the page was asked for.
    pub(super) fn has_ended(&self, request: Seq) -> bool {
        matches!(&*self.way.lock(), Way::Loading { ended, .. } if ended.contains(&request))
    }

    /// A request was put into its mailbox.
    fn passed(&self, from: Seq, to: Seq) {
        if let Way::Loading { after, .. } = &mut *self.way.lock()
            && *after >= from
        {
            *after = to;
        }
    }

    /// The storage holds nothing more; unless something was accepted since that was asked.
    fn caught_up(&self) {
        let mut way = self.way.lock();
        if let Way::Loading { missed: false, .. } = *way {
            *way = Way::Direct;
        }
    }
}

/// Loads pending requests whenever they do not come straight. Never ends; to be dropped at the end
/// of the runner. Cancel safe: what was not delivered stays in the storage.
pub(crate) async fn load_pending(shared: Arc<Shared>) {
    loop {
        let after = shared.intake.next().await;
        let (limit, bytes) = (shared.config.load_page, shared.config.load_page_bytes);
        let scan = PendingScan { after, entity: None, limit, bytes };
        match shared.storage.load_pending(shared.committer.fence(), scan).await {
            Ok(page) if page.is_empty() => {
                shared.intake.caught_up();
                reached(&shared, shared.intake.floor);
            }
            Ok(page) => {
                let (mut from, mut crowded) = (after, None);
                shared.intake.loaded(page.last().map_or(after, |last| last.request.seq));
                for pending in page {
                    let seq = pending.request.seq;
                    deliver_loaded(&shared, pending, &mut crowded).await;
                    shared.intake.passed(from, seq);
                    from = seq;
                }
                reached(&shared, from);
            }
            Err(error) => {
                tracing::warn!(
                    error = text(&error),
                    "pending requests could not be loaded, trying again"
                );
                shared.clock.sleep(LOAD_RETRY).await;
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Everything up to here was put before its entities: what waited for that goes on.
fn reached(shared: &Shared, upto: Seq) {
    if shared.intake.reached(upto) {
        shared.schedule.look();
        let strict = shared.all_kinds().into_iter().filter(|kind| kind.is_strict());
        strict.for_each(|kind| kind.start_waiting());
    }
}

/// Delivers a loaded request, when there is room for its entity. `crowded` says that none has left
/// memory for a while, and how many had before: as long as that holds, those behind it whose
/// entities are in memory do not wait for this one's place.
async fn deliver_loaded(
    shared: &Arc<Shared>,
    pending: PendingRequest,
    crowded: &mut Option<usize>,
) {
    loop {
        let Some(kind) = shared.kind_named(&pending.request.entity_type) else {
            return hold(shared, pending.request, Missing::EntityType);
        };
        match kind.clone().deliver(pending.clone()) {
            Delivered::NoRoom
                if *crowded == Some(shared.residents.departures())
                    && shared.residents.may_wait() =>
            {
                if kind.wait_for_place(&pending.request.entity_id) {
                    return;
                }
            }
            Delivered::NoRoom => {
                let room = || shared.residents.has_room() || shared.evict_one() == Evicted::Left;
                let room = shared.residents.wait_for_room(room);
                if shared.residents.may_wait() {
                    let none_left = shared.clock.timeout(PATIENCE, room).await.is_err();
                    *crowded = none_left.then(|| shared.residents.departures());
                } else {
                    room.await;
                }
            }
            Delivered::Unknown => {
                return hold(shared, pending.request, Missing::Message);
            }
            Delivered::Queued | Delivered::Twice | Delivered::Spilled => return,
        }
    }
}

/// A sent message whose key another request took after the sender had looked. With other arguments
/// nobody can be told any more, as its handler has ended.
fn check_same(shared: &Shared, request: &RequestRow, known: &KnownRequest) {
    let kind = shared.kind_named(&request.entity_type);
    let (ours, theirs) = (&request.arguments, &known.arguments);
    let schema = kind.as_ref().and_then(|kind| kind.schema_of(request.message));
    let equal = match schema {
        Some(schema) => codec::arguments_equal(ours, theirs, schema.arguments.shape()),
        None => ours == theirs,
    };
    if !equal {
        let (entity_type, entity_id) = (&*request.entity_type, &request.entity_id);
        let (sent, first) = (request.id, known.id);
        tracing::error!(
            entity_type, %entity_id, %sent, %first,
            "a sent message was dropped: its key was taken meanwhile, with other arguments"
        );
    }
}

/// Puts the messages of a committed outbox into their mailboxes.
pub(super) fn deliver_sent(shared: &Arc<Shared>, sent: Vec<(RequestRow, Accepted)>) {
    for (request, accepted) in sent {
        match accepted {
            Accepted::New => {}
            // The same key was used before: that request stands for this one.
            Accepted::SameKey(known) => {
                check_same(shared, &request, &known);
                continue;
            }
            Accepted::SameId(_) => continue,
            Accepted::IdCollision => {
                let id = request.id;
                tracing::error!(%id, "a sent message has the id of another one; it was dropped");
                continue;
            }
        }
        let (seq, due_at) = (request.seq, request.due_at);
        if due_at.is_some() {
            shared.schedule.add(PendingRequest { request, attempts: 0, due_at });
            continue;
        }
        if !shared.intake.is_direct() {
            continue;
        }
        let Some(kind) = shared.kind_named(&request.entity_type) else { continue };
        let pending = PendingRequest { request, attempts: 0, due_at };
        if kind.deliver(pending) == Delivered::NoRoom {
            shared.intake.fall_back(seq);
        }
    }
}
