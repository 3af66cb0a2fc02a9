//! What stands of single entities in the reference storage.

use std::ops::Bound;

use super::store::{Place, Store};
use crate::storage::entity::{EntityRequest, EntityScan, ReminderWrite, RemovalWrite};
use crate::storage::rows::{Due, StateKey};

impl Store {
    pub(super) fn remind(&mut self, write: &ReminderWrite) {
        match write.to {
            Some(row) => _ = self.reminders.insert(write.key.clone(), row),
            None => _ = self.reminders.remove(&write.key),
        }
    }

    pub(super) fn forget_entity(&mut self, entity: &StateKey) {
        self.states.remove(entity);
        self.reminders.retain(|key, _| key.entity != *entity);
        self.alive.remove(&(entity.entity_type.clone(), entity.entity_id.clone()));
    }

    pub(super) fn forget_request(&mut self, removal: &RemovalWrite) {
        let seq = removal.seq;
        match self.requests.get(&seq).map(|request| &request.place) {
            Some(Place::Due { at, .. }) => _ = self.due.remove(&Due { at: *at, seq }),
            Some(_) => {
                for place in [&mut self.pending, &mut self.held, &mut self.dead] {
                    place.remove(&seq);
                }
            }
            None => return,
        }
        self.remove(seq);
    }

    pub(super) fn requests_of(&self, scan: &EntityScan) -> Vec<EntityRequest> {
        let after = (Bound::Excluded(scan.after), Bound::Unbounded);
        let of_entity = self.requests.range(after).filter(|(_, request)| {
            request.row.entity_id == scan.entity.entity_id
                && request.row.entity_type == scan.entity.entity_type
        });
        let listed = of_entity.map(|(seq, request)| EntityRequest {
            seq: *seq,
            id: request.row.id,
            finished: matches!(request.place, Place::Finished { .. }),
        });
        listed.take(scan.limit).collect()
    }
}
