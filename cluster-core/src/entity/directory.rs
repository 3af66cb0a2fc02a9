//! The slots of one entity type, by id.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use parking_lot::RwLock;

use super::activate::Evicted;
use super::contract::Serves;
use super::slot::Slot;
use crate::id::EntityId;

/// How many parts the directory has: enough that two workers seldom want the same lock.
const PARTS: usize = 256;

/// A table in parts, of eight bytes a slot: the id stands in the slot.
///
/// A slot stays in the table for as long as anybody else holds it, so there is never a second slot
/// for an id, and a handle may keep the slot it once found.
pub(crate) struct Directory<T: Serves> {
    parts: Box<[Part<T>]>,
    hasher: FixedState,
    /// Where the next search for an idle entity begins.
    hand: AtomicUsize,
    /// The runner has ended. Read and written under a part's lock, or before it is taken.
    closed: AtomicBool,
}

type Part<T> = RwLock<HashTable<Arc<Slot<T>>>>;

impl<T: Serves> Default for Directory<T> {
    fn default() -> Self {
        Directory {
            parts: (0..PARTS).map(|_| RwLock::default()).collect(),
            hasher: FixedState::default(),
            hand: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }
}

impl<T: Serves> Directory<T> {
    fn hash(&self, id: &str) -> u64 {
        self.hasher.hash_one(id)
    }

    fn part(&self, hash: u64) -> &Part<T> {
        // The table itself uses the lowest and the highest bits.
        &self.parts[(hash >> 24) as usize % PARTS]
    }

    /// The slot of the id; made if there is none.
    pub(crate) fn get_or_insert(
        &self,
        id: &EntityId,
        make: impl FnOnce() -> Arc<Slot<T>>,
    ) -> Arc<Slot<T>> {
        let hash = self.hash(id.as_str());
        let part = self.part(hash);
        let is_it = |slot: &Arc<Slot<T>>| slot.id() == id;
        if let Some(slot) = part.read().find(hash, is_it) {
            return slot.clone();
        }
        let mut table = part.write();
        if self.closed.load(Ordering::SeqCst) {
            // Its type would hold the slot, and the slot its type.
            return make();
        }
        let hash_of = |slot: &Arc<Slot<T>>| self.hash(slot.id().as_str());
        table.entry(hash, is_it, hash_of).or_insert_with(make).get().clone()
    }

    /// Calls `due` for the slots that pass `is_due`, one part at a time, and drops those that
    /// nobody holds and that are empty.
    pub(crate) fn sweep(&self, is_due: impl Fn(&Slot<T>) -> bool, due: impl Fn(&Arc<Slot<T>>)) {
        for part in &self.parts {
            let found: Vec<Arc<Slot<T>>> =
                part.read().iter().filter(|slot| is_due(slot)).cloned().collect();
            found.iter().for_each(&due);
            drop(found);
            let mut table = part.write();
            table.retain(|slot| Arc::strong_count(slot) > 1 || !slot.is_empty());
            if table.capacity() > 64 && table.len() < table.capacity() / 4 {
                let len = table.len();
                table.shrink_to(len, |slot| self.hash(slot.id().as_str()));
            }
        }
    }

    /// Takes one idle entity out of memory, looking on from where the last search ended.
    pub(crate) fn evict_one(&self) -> Evicted {
        let start = self.hand.fetch_add(1, Ordering::Relaxed);
        for step in 0..PARTS {
            let part = &self.parts[(start + step) % PARTS];
            let find = || part.read().iter().find(|slot| slot.may_leave()).cloned();
            while let Some(slot) = find() {
                match slot.leave() {
                    // It was called between the two looks.
                    Evicted::None => {}
                    Evicted::Left => {
                        self.drop_record(part, &slot);
                        return Evicted::Left;
                    }
                    Evicted::Leaving => return Evicted::Leaving,
                }
            }
        }
        Evicted::None
    }

    /// Drops the record of an entity that has left memory, unless somebody else holds it.
    fn drop_record(&self, part: &Part<T>, slot: &Arc<Slot<T>>) {
        let hash = self.hash(slot.id().as_str());
        let mut table = part.write();
        let held_here_only = |slot: &Arc<Slot<T>>| Arc::strong_count(slot) == 2 && slot.is_empty();
        if let Ok(entry) = table.find_entry(hash, |known| Arc::ptr_eq(known, slot))
            && held_here_only(slot)
        {
            entry.remove();
        }
    }

    /// The slot of the id, if there is one.
    pub(crate) fn get(&self, id: &EntityId) -> Option<Arc<Slot<T>>> {
        let hash = self.hash(id.as_str());
        self.part(hash).read().find(hash, |slot| slot.id() == id).cloned()
    }

    /// Whether `is_it` says so of some slot.
    pub(crate) fn any(&self, is_it: impl Fn(&Slot<T>) -> bool) -> bool {
        self.parts.iter().any(|part| part.read().iter().any(|slot| is_it(slot)))
    }

    /// Looks at every slot, one part at a time.
    pub(crate) fn for_each(&self, mut look: impl FnMut(&Slot<T>)) {
        for part in &self.parts {
            part.read().iter().for_each(|slot| look(slot));
        }
    }

    /// How many slots there are.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.read().len()).sum()
    }

    /// Forgets all slots, and keeps none any more.
    pub(crate) fn clear(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for part in &self.parts {
            let slots = std::mem::take(&mut *part.write());
            slots.iter().for_each(|slot| slot.forget());
        }
    }
}
