//! The contract of storages as tests: the same bodies for every database.
//!
//! A storage written anywhere is run against it by implementing [`Backend`] and naming the type in
//! a test file; every case becomes a `#[test]` of its own:
//!
//! ```
//! use std::sync::Arc;
//!
//! use cluster_core::storage::{MemoryStorage, Storage};
//! use cluster_core::testing::suite::Backend;
//!
//! struct Memory(MemoryStorage);
//!
//! impl Backend for Memory {
//!     async fn fresh() -> Self {
//!         Memory(MemoryStorage::default())
//!     }
//!
//!     async fn open(&self, _prefix: &str) -> Arc<dyn Storage> {
//!         Arc::new(self.0.clone()) // to be exact, one store for each prefix
//!     }
//! }
//!
//! cluster_core::storage_suite!(Memory);
//! ```
//!
//! A storage that offers users' transactions is run against
//! [`transaction_suite!`](crate::transaction_suite) as well.
#![allow(clippy::unwrap_used)] // Test bodies: a panic is how they fail.

#[macro_use]
mod cases;

mod accepting;
mod alive;
mod chunks;
mod contracts;
mod entities;
mod fixture;
mod inbox;
mod journal;
mod later;
mod limits;
mod outcomes;
mod ownership;
mod pending;
mod retention;
mod retries;
mod states;
mod survival;
mod transactions;

use std::sync::Arc;

use crate::storage::Storage;

/// Makes databases for the suite.
pub trait Backend: Send + Sync + Sized + 'static {
    /// Whether there is a database here. Without one every case ends at once, so whoever says no
    /// must also tell people what is left out.
    fn is_available() -> bool {
        true
    }

    /// Makes an empty database of its own for one case.
    fn fresh() -> impl Future<Output = Self> + Send;

    /// Opens the cluster of this table prefix in the database, as a starting process does. The
    /// suite drops what it has open of a prefix before it opens the prefix again.
    fn open(&self, prefix: &str) -> impl Future<Output = Arc<dyn Storage>> + Send;
}

/// The cases, one function each, for the macros.
#[doc(hidden)]
pub mod run {
    use super::Backend;

    __storage_cases!(__suite_functions);
    __transaction_cases!(__suite_functions);

    /// Runs one case on a runtime of its own.
    fn run<B: Backend, F: Future<Output = ()>>(case: impl FnOnce(B) -> F) {
        if !B::is_available() {
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be made").block_on(async { case(B::fresh().await).await });
    }
}
