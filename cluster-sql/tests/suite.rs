//! SQLite keeps the contract of storages and of users' transactions.

mod support;

use support::SqliteBackend;

cluster_core::storage_suite!(SqliteBackend);
cluster_core::transaction_suite!(SqliteBackend);
