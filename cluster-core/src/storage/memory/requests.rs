//! Requests, outcomes and states of the reference storage.

use std::ops::Bound;

use super::store::{Place, Request, Store};
use crate::id::{KeyDigest, RequestId, Seq};
use crate::storage::StorageError;
use crate::storage::batch::{Accepted, Batch, Committed, KnownRequest};
use crate::storage::ownership::Fence;
use crate::storage::rows::{
    AttemptWrite, DeadLetterRow, DeadWrite, FoundRequest, Kept, OutcomeRow, PendingRequest,
    PendingScan, RequestRow, RetentionClass, RetireScan, Retired, StateRow, StateWrite,
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

        let accepts = batch.accepts.iter().map(|row| self.accept(row)).collect();
        batch.states.iter().for_each(|write| self.write_state(write));
        batch.chunks.iter().for_each(|write| self.write_chunk(write));
        batch.chunks_read.iter().for_each(|read| self.remove_read(read));
        batch.outcomes.iter().for_each(|row| self.finish(row));
        batch.attempts.iter().for_each(|write| self.count_attempt(write));
        batch.dead.iter().for_each(|write| self.bury(write));
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
        let place = Place::Waiting { attempts: 0, retry_at: None };
        self.requests.insert(row.seq, Request { row: row.clone(), place });
        self.waiting.insert(row.seq);
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

    fn finish(&mut self, row: &OutcomeRow) {
        let Some(request) = self.requests.get_mut(&row.seq) else { return };
        if matches!(request.place, Place::Finished { .. }) {
            return;
        }
        request.place =
            Place::Finished { outcome: row.outcome.clone(), finished_at: row.finished_at };
        self.waiting.remove(&row.seq);
        self.dead.remove(&row.seq);
    }

    fn count_attempt(&mut self, write: &AttemptWrite) {
        let request = self.requests.get_mut(&write.seq);
        let Some(Place::Waiting { attempts, retry_at }) = request.map(|found| &mut found.place)
        else {
            return;
        };
        if write.attempts >= *attempts {
            *attempts = write.attempts;
            *retry_at = Some(write.retry_at);
        }
    }

    fn bury(&mut self, write: &DeadWrite) {
        let Some(request) = self.requests.get_mut(&write.seq) else { return };
        if matches!(request.place, Place::Waiting { .. }) {
            request.place = Place::Dead {
                attempts: write.attempts,
                error: write.error.clone(),
                died_at: write.died_at,
            };
            self.waiting.remove(&write.seq);
            self.dead.insert(write.seq);
        }
    }

    pub(super) fn load_pending(
        &self,
        fence: Fence,
        scan: &PendingScan,
        now: Timestamp,
    ) -> Result<Vec<PendingRequest>, StorageError> {
        self.check(fence)?;
        let wanted = |row: &RequestRow| {
            row.due_at.is_none_or(|due_at| due_at <= now)
                && self.shards.get(&row.shard).and_then(|shard| shard.owner)
                    == Some(fence.incarnation)
                && scan.entity.as_ref().is_none_or(|key| {
                    key.entity_id == row.entity_id && key.entity_type == row.entity_type
                })
        };
        let waiting = self.waiting.range(scan.after..).filter(|seq| **seq > scan.after);
        let mut room = scan.room();
        let mut page = Vec::new();
        for seq in waiting {
            if !room.is_left() {
                break;
            }
            let request = &self.requests[seq];
            let Place::Waiting { attempts, retry_at } = request.place else { continue };
            if wanted(&request.row) {
                room.take(&request.row);
                page.push(PendingRequest { request: request.row.clone(), attempts, retry_at });
            }
        }
        Ok(page)
    }

    pub(super) fn find_request(&self, id: RequestId) -> Option<FoundRequest> {
        self.ids.get(&id).map(|seq| self.found(*seq))
    }

    pub(super) fn find_key(&self, digest: &KeyDigest) -> Option<FoundRequest> {
        self.keys.get(digest).map(|seq| self.found(*seq))
    }

    fn found(&self, seq: Seq) -> FoundRequest {
        let request = &self.requests[&seq];
        let KnownRequest { outcome, dead, .. } = request.known();
        FoundRequest { request: request.row.clone(), outcome, dead }
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

    fn remove(&mut self, seq: Seq) {
        let Some(request) = self.requests.remove(&seq) else { return };
        self.remove_chunks(seq);
        self.ids.remove(&request.row.id);
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
        }
    }
}
