//! The runtime of `cluster`: entities, messages, mailboxes, group commit, storage traits.
//!
//! Layers, imports go down only: `cluster`, `testing` → `workflow` → `entity` → `storage` →
//! `contract`, `codec`, `message` → `id`, `time`, `config`, `error`.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod cluster;
pub mod codec;
mod commit;
pub mod config;
pub mod contract;
pub mod entity;
pub mod error;
pub mod id;
pub mod message;
pub mod metric;
pub mod storage;
pub mod testing;
pub mod time;
pub mod workflow;
