//! PostgreSQL keeps the contract of storages and of users' transactions.
#![cfg(feature = "postgres")]

mod postgres_support;

use postgres_support::PostgresBackend;

cluster_core::storage_suite!(PostgresBackend);
cluster_core::transaction_suite!(PostgresBackend);
