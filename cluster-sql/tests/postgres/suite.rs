//! PostgreSQL keeps the contract of storages and of users' transactions.

use crate::support::TestDatabase;

cluster_core::storage_suite!(TestDatabase);
cluster_core::transaction_suite!(TestDatabase);
