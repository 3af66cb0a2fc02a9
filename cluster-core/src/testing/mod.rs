//! What tests of programs and of storages need.

pub mod suite;
mod test_cluster;

pub use test_cluster::{TestCluster, TestClusterBuilder};

pub use crate::storage::{Fault, FaultCounts, Faults, FaultyStorage, Write};
