//! The runtime of `cluster`: entities, messages, mailboxes, group commit, storage traits.
//!
//! Layers, imports go down only: `cluster`, `testing` → `entity` → `storage` → `contract`, `codec`,
//! `message` → `id`, `time`, `config`, `error`.

pub mod id;
pub mod message;
pub mod storage;
pub mod testing;
pub mod time;
