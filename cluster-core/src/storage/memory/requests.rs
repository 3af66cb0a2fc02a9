//! Requests, outcomes and states of the reference storage.

use std::ops::Bound;

use super::store::{Place, Request, Store};
use crate::id::{KeyDigest, RequestId, Seq};
use crate::storage::StorageError;
use crate::storage::batch::{Accepted, Batch, Committed, KnownRequest};
use crate::storage::ownership::Fence;
use crate::storage::rows::{
    DeadLetterRow, DueScan, FoundRequest, HeldRow, Kept, PageRoom, PendingRequest, PendingScan,
    RequestRow, RetentionClass, RetireScan, Retired, StateRow, StateWrite,
};
use crate::time::Timestamp;

impl Store {
    pub(super) fn commit(
        &mut self,
        fence: Fence,
        batch: &Batch,
    ) -> Result<Committed, StorageError> {
        self.check(fence)?;
        batch.states.iter().try_for_each(|write| self.check_state(write))?;
        batch.accepts.iter().try_for_each(|row| self.check_seq(row))?;
        batch.journal.iter().try_for_each(|entry| self.check_entry(entry))?;

        let accepts = batch.accepts.iter().map(|row| self.accept(row)).collect();
        batch.states.iter().for_each(|write| self.write_state(write));
        batch.journal.iter().for_each(|entry| self.append(entry));
        batch.deferreds.iter().for_each(|row| self.complete(row));
        batch.chunks.iter().for_each(|write| self.write_chunk(write));
        batch.chunks_read.iter().for_each(|read| self.remove_read(read));
        batch.outcomes.iter().for_each(|row| self.finish(row));
        batch.attempts.iter().for_each(|write| self.count_attempt(write));
        batch.dead.iter().for_each(|write| self.bury(write));
        batch.holds.iter().for_each(|write| self.hold(write));
        batch.redrives.iter().for_each(|write| self.redrive(write));
        batch.reminders.iter().for_each(|write| self.remind(write));
        batch.removals.iter().for_each(|write| self.forget_request(write));
        batch.forgotten.iter().for_each(|entity| self.forget_entity(entity));
        batch.alive.iter().for_each(|write| self.set_alive(write));
        batch.taken.iter().for_each(|number| _ = self.inbox.remove(number));
        Ok(Committed { accepts })
    }

    /// A `seq` names one request for ever.
    fn check_seq(&self, row: &RequestRow) -> Result<(), StorageError> {
        match self.requests.get(&row.seq) {
            Some(stored) if stored.row.id != row.id => Err(StorageError::Corrupt {
                table: "request",
                reason: format!("seq {} was given to two requests", row.seq),
            }),
            _ => Ok(()),
        }
    }

    fn accept(&mut self, row: &RequestRow) -> Accepted {
        if let Some(seq) = self.ids.get(&row.id) {
            let stored = &self.requests[seq];
            return match stored.row.is_same_request(row) {
                true if *seq == row.seq => Accepted::New,
                true => Accepted::SameId(stored.known()),
                false => Accepted::IdCollision,
            };
        }
        if let Some(key) = &row.key {
            if let Some(seq) = self.keys.get(&key.digest) {
                let stored = &self.requests[seq];
                return match stored.row.has_key_of(row) {
                    true => Accepted::SameKey(stored.known()),
                    false => Accepted::IdCollision,
                };
            }
            self.keys.insert(key.digest, row.seq);
        }
        self.ids.insert(row.id, row.seq);
        let place = match row.due_at {
            None => Place::Pending { attempts: 0, retry_at: None },
            Some(at) => Place::Due { attempts: 0, at },
        };
        self.index(row.seq, &place);
        self.requests.insert(row.seq, Request { row: row.clone(), place });
        self.highest_seq = self.highest_seq.max(row.seq);
        Accepted::New
    }

    fn check_state(&self, write: &StateWrite) -> Result<(), StorageError> {
        let stored = self.states.get(&write.key);
        let found = stored.map(|row| row.version).unwrap_or_default();
        let written = found == write.to && stored.is_some_and(|row| row.payload == write.payload);
        if found == write.from || written {
            return Ok(());
        }
        Err(StorageError::StateConflict {
            entity_type: write.key.entity_type.clone(),
            entity_id: write.key.entity_id.clone(),
            expected: write.from,
            found,
        })
    }

    fn write_state(&mut self, write: &StateWrite) {
        let row = StateRow { version: write.to, payload: write.payload.clone() };
        self.states.insert(write.key.clone(), row);
    }

    pub(super) fn load_pending(
        &self,
        fence: Fence,
        scan: &PendingScan,
    ) -> Result<Vec<PendingRequest>, StorageError> {
        self.check(fence)?;
        let after = (Bound::Excluded(scan.after), Bound::Unbounded);
        let seqs = self.pending.range(after).copied();
        Ok(self.page(fence, seqs, scan.room(), |row| {
            scan.entity.as_ref().is_none_or(|key| {
                key.entity_id == row.entity_id && key.entity_type == row.entity_type
            })
        }))
    }

    pub(super) fn load_due(
        &self,
        fence: Fence,
        scan: DueScan,
    ) -> Result<Vec<PendingRequest>, StorageError> {
        self.check(fence)?;
        let after = (Bound::Excluded(scan.after), Bound::Unbounded);
        let seqs = self.due.range(after).map(|due| due.seq);
        Ok(self.page(fence, seqs, scan.room(), |_| true))
    }

    /// The first of these requests that are wanted and of the incarnation's shards.
    fn page(
        &self,
        fence: Fence,
        seqs: impl Iterator<Item = Seq>,
        mut room: PageRoom,
        wanted: impl Fn(&RequestRow) -> bool,
    ) -> Vec<PendingRequest> {
        let owned = |row: &RequestRow| {
            self.shards.get(&row.shard).and_then(|shard| shard.owner) == Some(fence.incarnation)
        };
        let mut page = Vec::new();
        for seq in seqs {
            if !room.is_left() {
                break;
            }
            let request = &self.requests[&seq];
            let (attempts, due_at) = match request.place {
                Place::Pending { attempts, retry_at } => (attempts, retry_at),
                Place::Due { attempts, at } => (attempts, Some(at)),
                _ => continue,
            };
            if owned(&request.row) && wanted(&request.row) {
                room.take(&request.row);
                page.push(PendingRequest { request: request.row.clone(), attempts, due_at });
            }
        }
        page
    }

    pub(super) fn find_request(&self, id: RequestId) -> Option<FoundRequest> {
        self.ids.get(&id).map(|seq| self.found(*seq))
    }

    pub(super) fn find_key(&self, digest: &KeyDigest) -> Option<FoundRequest> {
        self.keys.get(digest).map(|seq| self.found(*seq))
    }

    fn found(&self, seq: Seq) -> FoundRequest {
        let request = &self.requests[&seq];
        let KnownRequest { outcome, dead, held, .. } = request.known();
        let finished_at = request.finished_at();
        FoundRequest { request: request.row.clone(), outcome, dead, held, finished_at }
    }

    pub(super) fn dead_letters(&self, after: Seq, limit: usize) -> Vec<DeadLetterRow> {
        let dead = self.dead.range(after..).filter(|seq| **seq > after).take(limit);
        dead.filter_map(|seq| {
            let request = &self.requests[seq];
            let Place::Dead { attempts, error, died_at } = &request.place else { return None };
            Some(DeadLetterRow {
                request: request.row.clone(),
                attempts: *attempts,
                error: error.clone(),
                died_at: *died_at,
            })
        })
        .collect()
    }

    pub(super) fn held(&self, after: Seq, limit: usize) -> Vec<HeldRow> {
        let held = self.held.range((Bound::Excluded(after), Bound::Unbounded)).take(limit);
        held.filter_map(|seq| {
            let request = &self.requests[seq];
            let Place::Held { held_at, missing, .. } = &request.place else { return None };
            let (held_at, missing) = (*held_at, missing.clone());
            Some(HeldRow { request: request.row.clone(), held_at, missing })
        })
        .collect()
    }

    pub(super) fn retire(
        &mut self,
        fence: Fence,
        scan: &RetireScan,
    ) -> Result<Retired, StorageError> {
        self.check(fence)?;
        let after = (Bound::Excluded(scan.after), Bound::Unbounded);
        let finished = self.requests.range(after);
        let finished = finished.filter(|(_, request)| request.finished_at().is_some());
        let looked_at: Vec<Seq> = finished.map(|(seq, _)| *seq).take(scan.limit).collect();
        let upto = looked_at.last().copied().unwrap_or(scan.after);
        let mut kept = Kept::nothing(upto);
        let range = (Bound::Excluded(scan.after), Bound::Included(upto.max(scan.after)));
        kept.unfinished = upto > scan.after
            && self.requests.range(range).any(|(_, request)| request.finished_at().is_none());
        let mut removed = 0;
        for seq in &looked_at {
            match self.kept_by(*seq, scan) {
                Some((class, finished_at)) => kept.count(class, finished_at),
                None => {
                    self.remove(*seq);
                    removed += 1;
                }
            }
        }
        if let Some(reached) = scan.reached {
            self.reached = Some(reached);
        }
        let full = looked_at.len() == scan.limit;
        Ok(Retired { removed, next: full.then_some(upto), kept })
    }

    /// The class and the end of the request for whose sake this finished one is kept: itself, or
    /// its outer one. `None`: it may go.
    fn kept_by(&self, seq: Seq, scan: &RetireScan) -> Option<(RetentionClass, Option<Timestamp>)> {
        let request = &self.requests[&seq];
        match request.row.class {
            RetentionClass::Derived => {
                let outer = &self.requests[self.ids.get(&request.row.outer?)?];
                Some((outer.row.class, outer.finished_at()))
            }
            class => {
                let finished_at = request.finished_at();
                let past = finished_at < Some(scan.finished_before[usize::from(class.as_u8())]);
                (!past).then_some((class, finished_at))
            }
        }
    }

    pub(super) fn remove(&mut self, seq: Seq) {
        let Some(request) = self.requests.remove(&seq) else { return };
        self.remove_chunks(seq);
        self.ids.remove(&request.row.id);
        self.forget_journal(seq);
        if let Some(key) = &request.row.key {
            self.keys.remove(&key.digest);
        }
    }
}

impl Request {
    fn finished_at(&self) -> Option<Timestamp> {
        match self.place {
            Place::Finished { finished_at, .. } => Some(finished_at),
            _ => None,
        }
    }

    fn known(&self) -> KnownRequest {
        let outcome = match &self.place {
            Place::Finished { outcome, .. } => Some(outcome.clone()),
            _ => None,
        };
        KnownRequest {
            seq: self.row.seq,
            id: self.row.id,
            arguments: self.row.arguments.clone(),
            outcome,
            dead: matches!(self.place, Place::Dead { .. }),
            held: match &self.place {
                Place::Held { missing, .. } => Some(missing.clone()),
                _ => None,
            },
        }
    }
}
