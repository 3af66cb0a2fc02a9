//! MariaDB keeps the contract of storages and of users' transactions.
#![cfg(feature = "mysql")]

mod mysql_support;

use mysql_support::MySqlBackend;

cluster_core::storage_suite!(MySqlBackend);
cluster_core::transaction_suite!(MySqlBackend);
