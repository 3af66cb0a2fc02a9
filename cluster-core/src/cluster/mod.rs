//! The cluster as a program sees it: build it, get clients from it, shut it down.

mod builder;
mod caught_up;
mod dead_letters;
mod error;
mod handle;
mod holds;
mod inbox;
mod lease;
mod loops;
mod registration;
mod retention;
mod stats;

pub use builder::{ClusterBuilder, IntoStorage};
pub use dead_letters::{DeadLetter, DeadLetters};
pub use error::{Error, Result, StartError};
pub use handle::Cluster;
pub use holds::{Hold, Holds};
pub use stats::{EntityStats, Stats, WorkflowStats};
