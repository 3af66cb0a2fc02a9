//! What becomes of a persisted request: its key, its failures, its recovery, its cost. The same
//! bodies run on every storage.

mod cost;
mod defects;
mod keys;
mod kills;
mod recovery;
mod state;
mod support;
