//! The inbox of the reference storage.

use std::ops::Bound;

use super::store::Store;
use crate::storage::inbox::{InboxNumber, InboxRow, Wished};

impl Store {
    pub(super) fn wish(&mut self, wishes: Vec<Wished>) {
        for wished in wishes {
            self.last_wish += 1;
            self.inbox.insert(InboxNumber::new(self.last_wish), wished);
        }
    }

    pub(super) fn inbox(&self, after: InboxNumber, limit: usize) -> Vec<InboxRow> {
        let behind = self.inbox.range((Bound::Excluded(after), Bound::Unbounded));
        let rows = behind.map(|(&number, &wished)| InboxRow { number, wished: Ok(wished) });
        rows.take(limit).collect()
    }
}
