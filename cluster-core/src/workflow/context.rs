//! What a body knows and may wait for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::deferred::Deferred;
use super::pending::Pending;
use super::replay::Sort;
use super::running::Running;
use super::sleep::Sleep;
use super::token::DeferredToken;
use crate::entity::Wire;
use crate::id::ExecutionId;

/// The context of one execution's body: its id, time, and values from outside.
///
/// The body runs again after a crash, from its beginning, and is given what its journal holds. So
/// it must do the same again: everything that could come out differently, or has an effect, belongs
/// into a step. What it makes here is named by its name and by its occurrence among those of that
/// name, in the order in which they are made.
pub struct Workflow(Arc<Running>);

impl Workflow {
    pub(super) fn new(running: Arc<Running>) -> Self {
        Workflow(running)
    }

    /// The id of the execution.
    pub fn id(&self) -> &ExecutionId {
        &self.0.id
    }

    /// Waits until so much time has passed since this call. A crash does not begin it anew: the
    /// execution goes on when the time has come, at once if it has passed meanwhile. It costs no
    /// attempt and has no limit.
    ///
    /// # Panics
    /// When the name is empty or has more than 1,024 bytes.
    pub fn sleep(&self, name: &str, duration: Duration) -> Sleep {
        let sleep = self.0.make_sleep(name, duration);
        Sleep::new(Pending::new(self.0.clone(), sleep))
    }

    /// Waits for a value that comes from outside, by
    /// [`Cluster::complete`](crate::cluster::Cluster::complete): before, while or after it is
    /// awaited. The first completion holds.
    ///
    /// # Panics
    /// When the name is empty or has more than 1,024 bytes.
    pub fn deferred<T: Wire>(&self, name: &str) -> Deferred<T> {
        let deferred = self.0.make(Sort::Deferred, name);
        Deferred::new(Pending::new(self.0.clone(), deferred))
    }

    /// The token of a deferred that is made later, or was before; the first of its name has the
    /// occurrence 1.
    pub fn token<T: Wire>(&self, name: &str, occurrence: u32) -> DeferredToken<T> {
        DeferredToken::new(self.0.id.clone(), name, occurrence)
    }
}

impl fmt::Debug for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workflow({})", self.0.id)
    }
}
