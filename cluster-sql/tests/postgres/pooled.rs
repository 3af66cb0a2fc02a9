//! PostgreSQL behind a pooler in transaction mode keeps the same contract.

use crate::support::PooledBackend;

// proves: B113
cluster_core::storage_suite!(PooledBackend);
cluster_core::transaction_suite!(PooledBackend);
