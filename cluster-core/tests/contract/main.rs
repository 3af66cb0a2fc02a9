//! Contracts: shapes traced from serde, their fingerprints, what is refused, and the probe.

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]

mod canonical;
mod corpus;
mod hand_written;
mod probing;
mod refusals;
mod shapes;
mod stored;
