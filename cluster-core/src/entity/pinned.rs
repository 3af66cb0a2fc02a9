//! What keeps an entity in memory though no handler runs: an open stream, an outstanding reply.

use std::sync::Arc;

use super::contract::Serves;
use super::endpoint::Endpoint;
use super::slot::Slot;

/// Keeps an entity in memory until it is dropped: it is neither passivated nor evicted, and a drain
/// waits for it as for a running handler. Takes no turn, so every handler may run meanwhile.
pub(super) struct Pinned(Arc<dyn Endpoint>);

impl Pinned {
    /// Pins an entity, which a handler has at this moment.
    pub(super) fn new(entity: &Arc<dyn Endpoint>) -> Self {
        entity.pin();
        Pinned(entity.clone())
    }

    pub(super) fn entity(&self) -> &Arc<dyn Endpoint> {
        &self.0
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.0.unpin();
    }
}

impl<T: Serves> Slot<T> {
    pub(super) fn pinned(&self) {
        self.lock().pins += 1;
    }

    pub(super) fn unpinned(&self) {
        self.stay();
        let last = {
            let mut inner = self.lock();
            inner.pins -= 1;
            inner.pins == 0
        };
        if last {
            self.kind.shared.residents.say_room();
        }
    }
}
