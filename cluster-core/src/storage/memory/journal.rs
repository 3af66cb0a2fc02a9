//! Journals of the reference storage.

use super::store::{Place, Store};
use crate::id::Seq;
use crate::storage::StorageError;
use crate::storage::journal::{DeferredId, DeferredRow, History, JournalEntry};

impl Store {
    /// A position holds one entry for ever. Two batches never meet at one that is free: all writes
    /// of an execution are one owner's, one after the other.
    pub(super) fn check_entry(&self, entry: &JournalEntry) -> Result<(), StorageError> {
        let JournalEntry { execution, position, .. } = *entry;
        match self.journal.get(&(execution, position)) {
            Some(stored) if stored != entry => {
                Err(StorageError::JournalConflict { execution, position })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn append(&mut self, entry: &JournalEntry) {
        self.journal.insert((entry.execution, entry.position), entry.clone());
    }

    pub(super) fn complete(&mut self, row: &DeferredRow) {
        let execution = self.requests.get(&row.deferred.execution);
        if execution.is_some_and(|run| !matches!(run.place, Place::Finished { .. })) {
            self.deferreds.entry(row.deferred.clone()).or_insert_with(|| row.clone());
        }
    }

    pub(super) fn load_journal(&self, execution: Seq) -> History {
        let entries = self.journal.range((execution, 0)..=(execution, u32::MAX));
        let first = DeferredId { execution, name: "".into(), occurrence: 0 };
        let deferreds = self.deferreds.range(first..).map(|(_, row)| row);
        History {
            entries: entries.map(|(_, entry)| entry.clone()).collect(),
            deferreds: deferreds
                .take_while(|row| row.deferred.execution == execution)
                .cloned()
                .collect(),
        }
    }

    pub(super) fn forget_journal(&mut self, execution: Seq) {
        let History { entries, deferreds } = self.load_journal(execution);
        for entry in entries {
            self.journal.remove(&(execution, entry.position));
        }
        for row in deferreds {
            self.deferreds.remove(&row.deferred);
        }
    }
}
