//! The moves of a request from place to place.

use super::store::{Place, Store};
use crate::id::Seq;
use crate::storage::rows::{
    AttemptWrite, DeadWrite, Due, HoldWrite, OutcomeRow, RedriveFrom, RedriveWrite,
};

impl Store {
    pub(super) fn finish(&mut self, row: &OutcomeRow) {
        let (outcome, finished_at) = (row.outcome.clone(), row.finished_at);
        self.put(row.seq, |from| match from {
            Place::Finished { .. } => None,
            _ => Some(Place::Finished { outcome, finished_at }),
        });
    }

    pub(super) fn count_attempt(&mut self, write: &AttemptWrite) {
        let (attempts, at) = (write.attempts, write.retry_at);
        self.put(write.seq, |from| {
            let before = from.attempts()?;
            let held = matches!(from, Place::Held { .. });
            (attempts >= before && !held).then_some(match write.in_order {
                true => Place::Pending { attempts, retry_at: Some(at) },
                false => Place::Due { attempts, at },
            })
        });
    }

    pub(super) fn bury(&mut self, write: &DeadWrite) {
        let DeadWrite { attempts, error, died_at, .. } = write.clone();
        self.put(write.seq, |from| {
            from.attempts().map(|_| Place::Dead { attempts, error, died_at })
        });
    }

    pub(super) fn hold(&mut self, write: &HoldWrite) {
        let HoldWrite { held_at, missing, .. } = write.clone();
        self.put(write.seq, |from| match from {
            Place::Held { .. } => None,
            from => from.attempts().map(|attempts| Place::Held { attempts, held_at, missing }),
        });
    }

    pub(super) fn redrive(&mut self, write: &RedriveWrite) {
        if let RedriveFrom::Finished(at) = write.from {
            let found = self.requests.get(&write.seq).map(|request| &request.place);
            if matches!(found, Some(Place::Finished { finished_at, .. }) if *finished_at == at) {
                // A stream begins anew; one that was given up goes on.
                self.remove_chunks(write.seq);
            }
        }
        self.put(write.seq, |from| {
            let here = match (from, write.from) {
                (Place::Dead { died_at, .. }, RedriveFrom::Dead(at)) => *died_at == at,
                (Place::Finished { finished_at, .. }, RedriveFrom::Finished(at)) => {
                    *finished_at == at
                }
                (Place::Held { .. }, RedriveFrom::Held) => true,
                _ => false,
            };
            let attempts = 0;
            here.then_some(match write.due_at {
                None => Place::Pending { attempts, retry_at: None },
                Some(at) => Place::Due { attempts, at },
            })
        });
    }

    /// Moves a request to where `to` says, if it says so of where it stands.
    fn put(&mut self, seq: Seq, to: impl FnOnce(&Place) -> Option<Place>) {
        let Some(mut request) = self.requests.remove(&seq) else { return };
        if let Some(to) = to(&request.place) {
            match request.place {
                Place::Pending { .. } => _ = self.pending.remove(&seq),
                Place::Due { at, .. } => _ = self.due.remove(&Due { at, seq }),
                Place::Held { .. } => _ = self.held.remove(&seq),
                Place::Dead { .. } => _ = self.dead.remove(&seq),
                Place::Finished { .. } => {}
            }
            self.index(seq, &to);
            request.place = to;
        }
        self.requests.insert(seq, request);
    }

    /// Makes a request's place known to where it is looked for.
    pub(super) fn index(&mut self, seq: Seq, place: &Place) {
        match place {
            Place::Pending { .. } => _ = self.pending.insert(seq),
            Place::Due { at, .. } => _ = self.due.insert(Due { at: *at, seq }),
            Place::Held { .. } => _ = self.held.insert(seq),
            Place::Dead { .. } => _ = self.dead.insert(seq),
            Place::Finished { .. } => {}
        }
    }
}

impl Place {
    /// The failed attempts of a request that waits.
    pub(super) fn attempts(&self) -> Option<u32> {
        match self {
            Place::Pending { attempts, .. }
            | Place::Due { attempts, .. }
            | Place::Held { attempts, .. } => Some(*attempts),
            Place::Dead { .. } | Place::Finished { .. } => None,
        }
    }
}
