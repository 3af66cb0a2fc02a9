//! What the suites share: a bed to start clusters on, a door before its storage, a probe through
//! which entities tell what they do, processes that are killed, and ways of waiting.

// Each suite is a program of its own and uses its part of this.
#![allow(dead_code, unused_imports, unused_macros)]

mod backends;
mod bed;
mod door;
mod folder;
mod mysql;
mod postgres;
mod probe;
mod user;
mod victim;
mod waiting;

pub(crate) use backends::backends;
pub(crate) use bed::Bed;
pub(crate) use door::{Door, Reading, Side, refused, unknown};
pub(crate) use folder::{Folder, open_sqlite};
pub(crate) use mysql::Database;
pub(crate) use postgres::Schema;
pub(crate) use probe::Probe;
pub(crate) use user::{Own, User};
pub(crate) use victim::{Victim, be_victim, say};
pub(crate) use waiting::{HANG, is_waiting, poll_once, settle, soon, until};
