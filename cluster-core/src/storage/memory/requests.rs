//! Requests, outcomes and states of the reference storage.

use super::store::{Place, Request, Store};
use crate::id::{KeyDigest, RequestId, Seq};
use crate::storage::StorageError;
use crate::storage::batch::{Accepted, Batch, Committed, KnownRequest};
use crate::storage::ownership::Fence;
use crate::storage::rows::{
    AttemptWrite, DeadLetterRow, DeadWrite, FoundRequest, OutcomeRow, PendingRequest, PendingScan,
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

        let accepts = batch.accepts.iter().map(|row| self.accept(row)).collect();
        batch.states.iter().for_each(|write| self.write_state(write));
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
        let found = waiting.filter_map(|seq| {
            let request = &self.requests[seq];
            let Place::Waiting { attempts, retry_at } = request.place else { return None };
            let row = || request.row.clone();
            wanted(&request.row).then(|| PendingRequest { request: row(), attempts, retry_at })
        });
        Ok(found.take(scan.limit).collect())
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
        let after = self.requests.range(scan.after..).filter(|(seq, _)| **seq > scan.after);
        let youngest = scan.finished_before[..3].iter().max().copied().unwrap_or_default();
        let old = after.take_while(|(_, request)| request.row.accepted_at < youngest);
        let finished = old.filter_map(|(seq, request)| match request.place {
            Place::Finished { finished_at, .. } => Some((*seq, finished_at)),
            _ => None,
        });
        let looked_at: Vec<(Seq, Timestamp)> = finished.take(scan.limit).collect();
        let mut removed = 0;
        for (seq, finished_at) in &looked_at {
            if self.is_past(*seq, *finished_at, scan) {
                self.remove(*seq);
                removed += 1;
            }
        }
        let full = looked_at.len() == scan.limit;
        Ok(Retired { removed, next: looked_at.last().filter(|_| full).map(|(seq, _)| *seq) })
    }

    fn is_past(&self, seq: Seq, finished_at: Timestamp, scan: &RetireScan) -> bool {
        let row = &self.requests[&seq].row;
        match row.class {
            RetentionClass::Derived => row.outer.is_none_or(|outer| !self.ids.contains_key(&outer)),
            class => finished_at < scan.finished_before[usize::from(class.as_u8())],
        }
    }

    fn remove(&mut self, seq: Seq) {
        let Some(request) = self.requests.remove(&seq) else { return };
        self.ids.remove(&request.row.id);
        if let Some(key) = &request.row.key {
            self.keys.remove(&key.digest);
        }
    }
}

impl Request {
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
