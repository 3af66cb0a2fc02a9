//! How accepted requests reach their mailboxes: straight from their commit, or through the storage
//! when more was accepted than fits into memory, and after a start.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hashbrown::HashSet;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::activate::Evicted;
use super::hold::hold;
use super::job::Delivered;
use super::shared::Shared;
use crate::codec;
use crate::error::{ClusterError, text};
use crate::id::{RequestId, Seq};
use crate::storage::{
    Accepted, KnownRequest, Missing, PageRoom, PendingRequest, PendingScan, RequestRow,
};

/// The two ways. While requests are loaded from the storage, newly accepted ones come by way of it
/// too, behind those: so the order of acceptance holds.
///
/// What is accepted while a page is loaded is *kept*, as far as there is room for it: if that page
/// is the last one, this is all that stands behind it, and is put before its entities as if it had
/// stood in the page. Then the way is direct, however many more arrive meanwhile.
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
        /// All that was accepted since the page was asked for; none when some of it is in the
        /// storage only.
        kept: Option<Kept>,
        /// What has ended since then, and may still stand in the page or be kept. Bounded by twice
        /// `load_page`, and until the page is there or while some are kept by what ends meanwhile.
        ended: HashSet<Seq>,
        /// The end of the page, once it is there.
        page_end: Option<Seq>,
    },
}

impl Way {
    fn loading(after: Seq) -> Self {
        Way::Loading { after, kept: None, ended: HashSet::new(), page_end: None }
    }

    /// Leaves to the storage what is kept; to be told.
    fn give_up(&mut self) -> Option<Kept> {
        let Way::Loading { kept, ended, page_end, .. } = self else { return None };
        let kept = kept.take()?;
        if let Some(end) = *page_end {
            ended.retain(|request| *request <= end);
        }
        Some(kept)
    }
}

/// Whom to tell that a request is durable, and its place is behind what was accepted before.
pub(super) type Receiver = oneshot::Sender<Result<RequestId, ClusterError>>;

/// Requests in the order of their acceptance, and how many more there may be: as many as a page
/// has.
#[derive(Debug)]
struct Kept {
    requests: VecDeque<(RequestRow, Option<Receiver>)>,
    room: PageRoom,
}

/// Tells those who wait for receipts of these, which are given up.
fn tell_all(kept: Option<Kept>) {
    for (request, receiver) in kept.into_iter().flat_map(|kept| kept.requests) {
        tell(request.id, receiver);
    }
}

/// How a request that was just accepted goes on.
pub(super) enum Course {
    /// To its mailbox; then this one is told.
    Straight(Option<Receiver>),
    /// By way of the storage, or as if.
    Stored,
}

/// How long the loader waits for one entity's place in memory before it goes on with others.
const PATIENCE: Duration = Duration::from_millis(500);
/// The pause after a failed load.
const LOAD_RETRY: Duration = Duration::from_millis(100);

impl Intake {
    /// Begins with everything that the storage holds.
    pub(crate) fn loading(floor: Seq) -> Self {
        let way = Mutex::new(Way::loading(Seq::default()));
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

    /// How a request goes on that was just accepted. Who waits for its receipt is told when it
    /// stands before its entity, or when it is clear that this takes longer than a page.
    pub(super) fn course(&self, request: &RequestRow, receiver: Option<Receiver>) -> Course {
        let mut way = self.way.lock();
        let Way::Loading { kept, .. } = &mut *way else { return Course::Straight(receiver) };
        if let Some(kept) = kept.as_mut().filter(|kept| kept.room.is_left()) {
            kept.room.take(request);
            kept.requests.push_back((request.clone(), receiver));
        } else {
            let given_up = way.give_up();
            drop(way);
            tell_all(given_up);
            tell(request.id, receiver);
        }
        Course::Stored
    }

    /// Leaves to the storage what is kept.
    fn give_up(&self) {
        let given_up = self.way.lock().give_up();
        tell_all(given_up);
    }

    /// There was no room for this request: from it on everything is loaded from the storage.
    pub(super) fn fall_back(&self, first: Seq) {
        let before = Seq::new(first.as_u64().saturating_sub(1));
        let mut way = self.way.lock();
        match &mut *way {
            Way::Direct => *way = Way::loading(before),
            Way::Loading { after, .. } => *after = before.min(*after),
        }
        let given_up = way.give_up();
        drop(way);
        tell_all(given_up);
        self.wake.notify_one();
    }

    /// The next page begins after this. There is room for so much to be kept meanwhile.
    async fn next(&self, room: PageRoom) -> Seq {
        loop {
            if let Way::Loading { after, kept, ended, page_end } = &mut *self.way.lock() {
                *kept = Some(Kept { requests: VecDeque::new(), room });
                ended.clear();
                *page_end = None;
                return *after;
            }
            self.wake.notified().await;
        }
    }

    /// A request has ended: a page that was loaded before must not start it again, though its
    /// entity may have left memory since and know of it no more.
    pub(super) fn ended(&self, request: Seq) {
        if let Way::Loading { kept, ended, page_end, .. } = &mut *self.way.lock()
            && (kept.is_some() || page_end.is_none_or(|end| request <= end))
        {
            ended.insert(request);
        }
    }

    /// The page that was asked for is there, up to this request. Behind it may be more.
    fn loaded(&self, end: Seq, is_last: bool) {
        let given_up = {
            let mut way = self.way.lock();
            if let Way::Loading { page_end, .. } = &mut *way {
                *page_end = Some(end);
            }
            if is_last { None } else { way.give_up() }
        };
        tell_all(given_up);
    }

    /// Whether the request has ended since the page was asked for.
    pub(super) fn has_ended(&self, request: Seq) -> bool {
        matches!(&*self.way.lock(), Way::Loading { ended, .. } if ended.contains(&request))
    }

    /// A request was put into its mailbox.
    fn passed(&self, from: Seq, to: Seq) {
        let passed = {
            let mut way = self.way.lock();
            let Way::Loading { after, kept, .. } = &mut *way else { return };
            if *after >= from {
                *after = to;
            }
            kept.as_mut().and_then(|kept| kept.requests.pop_front_if(|(first, _)| first.seq == to))
        };
        if let Some((request, receiver)) = passed {
            tell(request.id, receiver);
        }
    }

    /// The last page was put before its entities: the first of those that are kept, which counts as
    /// the end of the page from now on. None when there is no more, and the way is direct, or when
    /// the rest is to be loaded.
    fn first_kept(&self) -> Option<RequestRow> {
        let mut way = self.way.lock();
        let Way::Loading { kept: Some(kept), page_end, .. } = &mut *way else { return None };
        let Some((first, _)) = kept.requests.front() else {
            *way = Way::Direct;
            return None;
        };
        // Its end is heard of also when it waits for room, and the others are given up for that.
        *page_end = Some(first.seq).max(*page_end);
        Some(first.clone())
    }
}

/// Tells of a durable request who waits for that.
pub(super) fn tell(request: RequestId, receiver: Option<Receiver>) {
    if let Some(receiver) = receiver {
        // Who has gone has gone.
        let _ = receiver.send(Ok(request));
    }
}

/// What is kept is told when nobody loads any more.
struct Loader<'a>(&'a Intake);

impl Drop for Loader<'_> {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

/// Loads pending requests whenever they do not come straight. Never ends; to be dropped at the end
/// of the runner. Cancel safe: what was not delivered stays in the storage.
pub(crate) async fn load_pending(shared: Arc<Shared>) {
    let intake = &shared.intake;
    let _loader = Loader(intake);
    let (limit, bytes) = (shared.config.load_page, shared.config.load_page_bytes);
    loop {
        let mut scan = PendingScan { after: Seq::default(), entity: None, limit, bytes };
        let mut room = scan.room();
        scan.after = intake.next(room).await;
        let mut from = scan.after;
        match shared.storage.load_pending(shared.committer.fence(), scan).await {
            Ok(page) => {
                page.iter().for_each(|pending| room.take(&pending.request));
                // A page that has room is the last one.
                let is_last = room.is_left();
                intake.loaded(page.last().map_or(from, |last| last.request.seq), is_last);
                let mut crowded = None;
                for pending in page {
                    let seq = pending.request.seq;
                    deliver_loaded(&shared, pending, &mut crowded).await;
                    intake.passed(from, seq);
                    from = seq;
                }
                reached(&shared, if is_last { intake.floor } else { from });
                while is_last && let Some(request) = intake.first_kept() {
                    let seq = request.seq;
                    let pending = PendingRequest { request, attempts: 0, due_at: None };
                    deliver_loaded(&shared, pending, &mut crowded).await;
                    intake.passed(from, seq);
                    from = seq;
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = text(&error),
                    "pending requests could not be loaded, trying again"
                );
                intake.give_up();
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
                // Nobody waits for a receipt that long.
                shared.intake.give_up();
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
        let Course::Straight(_) = shared.intake.course(&request, None) else { continue };
        let Some(kind) = shared.kind_named(&request.entity_type) else { continue };
        let pending = PendingRequest { request, attempts: 0, due_at };
        if kind.deliver(pending) == Delivered::NoRoom {
            shared.intake.fall_back(seq);
        }
    }
}
