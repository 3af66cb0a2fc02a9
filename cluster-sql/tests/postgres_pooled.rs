//! PostgreSQL behind a pooler in transaction mode keeps the same contract.
#![cfg(feature = "postgres")]

mod postgres_support;

use postgres_support::PooledBackend;

// proves: B113
cluster_core::storage_suite!(PooledBackend);
cluster_core::transaction_suite!(PooledBackend);
