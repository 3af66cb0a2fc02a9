//! The owner's order.

use crate::id::{MachineId, Seq, Snowflakes};
use crate::time::Timestamp;

/// Gives the `seq` of accepted requests: growing, unique in the database by the machine id, above
/// everything that was stored when the runner started.
#[derive(Debug)]
pub(crate) struct Seqs(Snowflakes);

impl Seqs {
    pub(crate) fn above(machine: MachineId, floor: Seq) -> Self {
        Seqs(Snowflakes::above(machine, floor))
    }

    pub(crate) fn next(&self, now: Timestamp) -> Seq {
        Seq::new(self.0.next(now).as_u64())
    }
}
