//! The reference storage keeps the contract of storages, and its own promises: clones share one
//! store, cluster time comes from the injected clock.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster_core::storage::{MemoryStorage, OwnershipStorage, Storage};
use cluster_core::testing::suite::Backend;
use cluster_core::time::{Clock, Timestamp, VirtualClock};

/// One store for each prefix, as a database holds one cluster for each.
#[derive(Default)]
struct Memory(Mutex<HashMap<String, MemoryStorage>>);

impl Backend for Memory {
    async fn fresh() -> Self {
        Memory::default()
    }

    async fn open(&self, prefix: &str) -> Arc<dyn Storage> {
        Arc::new(self.0.lock().unwrap().entry(prefix.to_owned()).or_default().clone())
    }
}

cluster_core::storage_suite!(Memory);

// proves: B102
#[tokio::test]
async fn cluster_time_is_that_of_the_injected_clock() {
    let clock = VirtualClock::starting_at(Timestamp::from_unix_ms(1_000));
    let storage = MemoryStorage::new(Clock::from_virtual(clock.clone()));
    assert_eq!(storage.cluster_time().await.unwrap(), Timestamp::from_unix_ms(1_000));
    clock.advance(Duration::from_secs(5));
    assert_eq!(storage.clone().cluster_time().await.unwrap(), Timestamp::from_unix_ms(6_000));
    storage.set_cluster_time_offset(-2_000).await.unwrap();
    assert_eq!(storage.cluster_time().await.unwrap(), Timestamp::from_unix_ms(4_000));
}
