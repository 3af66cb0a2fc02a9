//! Time is injected: this module is the only one that reads a real clock or arms a real timer.

mod clock;
mod correction;
mod timestamp;
mod virtual_clock;
mod wall_history;

pub use clock::{Clock, Elapsed, Moment, Sleep};
pub use timestamp::{ClusterTime, Timestamp};
pub use virtual_clock::VirtualClock;
pub(crate) use wall_history::WallHistory;
