//! What all entities of a runner share.

use std::any::TypeId;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::RwLock;
use tokio::sync::Notify;

use super::alarms::Alarms;
use super::bells::Bells;
use super::cancel::Cancels;
use super::deadlines::Deadlines;
use super::filter::{Filter, GivenUpHook};
use super::hold::HeldSince;
use super::intake::Intake;
use super::keep_alive::Keeper;
use super::kind::AnyKind;
use super::lease::Lease;
use super::residents::Residents;
use super::schedule::Schedule;
use super::states::States;
use super::stream::OpenStreams;
use super::tasks::Tasks;
use super::trace::TraceBridge;
use super::waiters::Waiters;
use crate::commit::Committer;
use crate::config::Config;
use crate::error::ClusterError;
use crate::id::{Epoch, RequestIds, Seq, ShardId, Snowflakes};
use crate::storage::Storage;
use crate::time::Clock;

/// The runner behind every handle, slot and context. It knows the entity types and they know it:
/// the circle is opened by [`Shared::close`].
pub struct Shared {
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) states: States,
    pub(crate) committer: Arc<Committer>,
    pub(crate) request_ids: RequestIds,
    pub(crate) snowflakes: Snowflakes,
    pub(crate) waiters: Waiters,
    pub(crate) residents: Residents,
    pub(crate) keeper: Keeper,
    pub(crate) intake: Intake,
    pub(crate) tasks: Tasks,
    pub(crate) alarms: Alarms,
    pub(crate) schedule: Schedule,
    pub(crate) cancels: Cancels,
    pub(crate) held_since: HeldSince,
    pub(crate) deadlines: Deadlines,
    pub(crate) bells: Arc<Bells>,
    pub(crate) streams: OpenStreams,
    pub(crate) filters: Vec<Filter>,
    pub(crate) serving_filters: Vec<Filter>,
    pub(crate) bridge: Option<Box<dyn TraceBridge>>,
    pub(crate) given_up: Vec<GivenUpHook>,
    pub(crate) kinds: RwLock<Kinds>,
    pub(crate) gate: Gate,
    pub(crate) lease: Lease,
    /// The shard groups of its types; it owns all their shards.
    pub(crate) groups: Vec<&'static str>,
    /// The longest back-off of any message.
    pub(crate) backoff_longest: Duration,
    /// Counted as a runner that serves.
    pub(crate) up: AtomicBool,
    /// Local calls pass through encode and decode, as if their entities were elsewhere.
    pub(crate) encodes_local_calls: bool,
}

/// The registered entity types: by contract for handles, by name for what the storage holds.
#[derive(Default)]
pub(crate) struct Kinds {
    pub(crate) by_contract: HashMap<TypeId, Arc<dyn AnyKind>>,
    pub(crate) by_name: HashMap<Arc<str>, Arc<dyn AnyKind>>,
}

impl Shared {
    /// The entity type that serves a contract here.
    pub(crate) fn kind_of(&self, contract: TypeId) -> Option<Arc<dyn AnyKind>> {
        self.kinds.read().by_contract.get(&contract).cloned()
    }

    /// The entity type of this name.
    pub(crate) fn kind_named(&self, name: &str) -> Option<Arc<dyn AnyKind>> {
        self.kinds.read().by_name.get(name).cloned()
    }

    /// The epoch of a shard of this runner.
    pub(crate) fn epoch_of(&self, shard: ShardId) -> Option<Epoch> {
        self.kinds.read().by_name.values().find_map(|kind| kind.owned_epoch(shard))
    }

    /// A request has ended, or stands elsewhere: what is on its way brings it no more. To be told
    /// where the commit is, so that nobody can have made it run again before.
    pub(super) fn request_ended(&self, request: Seq) {
        self.intake.ended(request);
        self.schedule.ended(request);
        self.held_since.take(request);
    }

    /// All entity types.
    pub(crate) fn all_kinds(&self) -> Vec<Arc<dyn AnyKind>> {
        self.kinds.read().by_name.values().cloned().collect()
    }

    /// Forgets the entity types and their slots; handles answer `ShuttingDown` from now on.
    pub(crate) fn close(&self) {
        self.gate.set(Gate::CLOSED);
        let kinds = std::mem::take(&mut *self.kinds.write());
        for kind in kinds.by_name.values() {
            kind.forget();
        }
        self.residents.close();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("storage", &self.storage.kind()).finish_non_exhaustive()
    }
}

/// Whether calls may start.
#[derive(Debug)]
pub(crate) struct Gate {
    state: AtomicU8,
    changed: Notify,
}

impl Gate {
    /// Everything may start.
    pub(crate) const OPEN: u8 = 0;
    /// Only calls made by running handlers may start.
    pub(crate) const DRAINING: u8 = 1;
    /// Nothing may start.
    pub(crate) const CLOSED: u8 = 2;

    pub(crate) const fn open() -> Self {
        Gate { state: AtomicU8::new(Self::OPEN), changed: Notify::const_new() }
    }

    /// Shuts it further; it is never opened again.
    pub(crate) fn set(&self, state: u8) {
        self.state.fetch_max(state, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Waits until it is open no more. Cancel safe.
    pub(crate) async fn shut(&self) {
        let mut changed = pin!(self.changed.notified());
        // Asked for before the look, so nothing in between is missed.
        changed.as_mut().enable();
        if self.is_open() {
            changed.await;
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state.load(Ordering::Relaxed) == Self::OPEN
    }

    /// Whether the runner has ended: set before the slots are emptied, so whoever has had a slot's
    /// lock after that sees it.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) == Self::CLOSED
    }

    /// Lets a call pass, made by a running handler or not.
    #[inline]
    pub(crate) fn check(&self, from_handler: bool) -> Result<(), ClusterError> {
        match self.state.load(Ordering::Relaxed) {
            Self::OPEN => Ok(()),
            Self::DRAINING if from_handler => Ok(()),
            _ => Err(ClusterError::ShuttingDown),
        }
    }
}
