//! The open streams of a runner: it ends what is left of them with itself.

use std::sync::Arc;

use parking_lot::Mutex;
use slab::Slab;

use super::live::{Live, LiveStreams};
use crate::entity::tasks::part_of_this_thread;
use crate::id::RequestId;
use crate::storage::ChunkRow;

/// Enough that two workers seldom want the same lock.
const PARTS: usize = 16;
/// An empty part gives back what it holds beyond this.
const KEPT: usize = 64;

/// An open stream of any message.
pub(super) trait AnyOpen: Send + Sync {
    /// Drops the handler's stream and wakes its reader, who finds it closed.
    fn close(&self);
}

/// All streams that are open.
#[derive(Default)]
pub(crate) struct OpenStreams {
    parts: [Arc<Mutex<Part>>; PARTS],
    stored: LiveStreams,
}

#[derive(Default)]
struct Part {
    open: Slab<Arc<dyn AnyOpen>>,
    /// The runner has ended: nothing is opened any more.
    closed: bool,
}

/// The place of an open stream; given up when dropped.
pub(super) struct Place {
    part: Arc<Mutex<Part>>,
    key: usize,
}

impl OpenStreams {
    /// Takes up a stream. At the end of the runner it is closed at once.
    pub(super) fn enter(&self, stream: Arc<dyn AnyOpen>) -> Option<Place> {
        let part = &self.parts[part_of_this_thread() % PARTS];
        {
            let mut entries = part.lock();
            if !entries.closed {
                let key = entries.open.insert(stream);
                return Some(Place { part: part.clone(), key });
            }
        }
        stream.close();
        None
    }

    /// What the reader and the handler of a persisted stream share.
    pub(super) fn live(&self, request: RequestId) -> Arc<Live> {
        self.stored.get(request)
    }

    /// A run of a persisted stream begins with the chunks that are stored.
    pub(super) fn begin(&self, request: RequestId, rows: &[ChunkRow]) -> Arc<Live> {
        self.stored.begin(request, rows)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.parts.iter().map(|part| part.lock().open.len()).sum()
    }

    /// Ends all of them, and whatever would be opened later. Their readers are told.
    pub(crate) fn close(&self) {
        for part in &self.parts {
            let open = {
                let mut part = part.lock();
                part.closed = true;
                std::mem::take(&mut part.open)
            };
            open.into_iter().for_each(|(_, stream)| stream.close());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let entry = {
            let mut part = self.part.lock();
            let entry = part.open.try_remove(self.key);
            if part.open.is_empty() && part.open.capacity() > KEPT {
                part.open = Slab::new();
            }
            entry
        };
        drop(entry);
    }
}
