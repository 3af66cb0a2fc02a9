//! What is durable and not told yet.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, watch};

use super::batching::complete;
use super::committer::Committer;
use super::gathered::Track;
use super::reminders::Reminded;
use super::unit::Unit;
use crate::id::Seq;
use crate::storage::{Batch, Committed};

/// A batch that is durable.
pub(super) struct Durable {
    pub(super) units: Vec<Unit>,
    pub(super) batch: Arc<Batch>,
    pub(super) committed: Committed,
    pub(super) reminded: Vec<Reminded>,
    pub(super) accepting: Option<AcceptingTurn>,
}

/// The last batch of a track, and what is held for it.
///
/// Invariant: it is told before anything of a later batch of the track is, and before its track
/// waits for anything.
pub(super) struct Untold {
    committer: Arc<Committer>,
    durable: Option<Durable>,
    held: Option<Held>,
}

impl Untold {
    pub(super) fn none(committer: Arc<Committer>) -> Self {
        Untold { committer, durable: None, held: None }
    }

    /// How many units are to be told.
    pub(super) fn units(&self) -> usize {
        self.durable.as_ref().map_or(0, |durable| durable.units.len())
    }

    /// The one before is told first.
    pub(super) fn put(&mut self, durable: Durable) {
        self.tell();
        self.durable = Some(durable);
    }

    /// Holds this until all is told.
    pub(super) fn hold(&mut self, held: Held) {
        if self.durable.is_some() {
            self.held = Some(held);
        }
    }

    pub(super) fn tell(&mut self) {
        if let Some(Durable { units, batch, committed, reminded, accepting }) = self.durable.take()
        {
            complete(units, batch, committed, reminded, self.committer.on_reminded());
            drop(accepting);
        }
        self.held = None;
    }

    /// Awaits, and tells as soon as that takes time. Not cancel safe if the work is not.
    pub(super) async fn told_while<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let polled = work.as_mut().poll(cx);
            if polled.is_pending() {
                self.tell();
            }
            polled
        })
        .await
    }
}

/// What a track holds from before a transaction until its units are told.
pub(super) struct Held {
    committer: Arc<Committer>,
    track: Track,
    units: usize,
    pub(super) turn: Option<OwnedRwLockReadGuard<()>>,
    pub(super) beside: Option<OwnedRwLockReadGuard<()>>,
    pub(super) alone: Option<OwnedRwLockWriteGuard<()>>,
}

impl Held {
    /// Nothing but that so many units were taken from a track.
    pub(super) fn of(committer: &Arc<Committer>, track: Track, units: usize) -> Self {
        let committer = committer.clone();
        Held { committer, track, units, turn: None, beside: None, alone: None }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.alone = None;
        self.beside = None;
        self.committer.told(self.track, self.units);
    }
}

/// The first request of each batch that is being accepted, until that is told. Their numbers grow.
#[derive(Default)]
pub(super) struct Accepting {
    firsts: Arc<watch::Sender<VecDeque<Seq>>>,
}

/// That a batch is being accepted, or not told yet.
pub(super) struct AcceptingTurn {
    firsts: Arc<watch::Sender<VecDeque<Seq>>>,
    first: Seq,
}

impl Accepting {
    /// A batch that begins with this one is about to be written.
    pub(super) fn begin(&self, first: Seq) -> AcceptingTurn {
        self.firsts.send_modify(|firsts| firsts.push_back(first));
        AcceptingTurn { firsts: self.firsts.clone(), first }
    }

    /// Waits until all up to this request are told, of those that are being accepted now. Cancel
    /// safe.
    pub(super) async fn told(&self, upto: Seq) {
        let mut firsts = self.firsts.subscribe();
        let told = firsts.wait_for(|firsts| firsts.iter().all(|first| *first > upto)).await;
        // It lives as long as this.
        drop(told);
    }
}

impl Drop for AcceptingTurn {
    fn drop(&mut self) {
        self.firsts.send_modify(|firsts| firsts.retain(|first| *first != self.first));
    }
}
