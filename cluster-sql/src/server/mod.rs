//! What the storages on database servers share: connections that come and go, what the drivers'
//! errors mean, what is read, when marks move, what retention may remove, and the traits' calls.
//!
//! A storage brings its texts, and a session that runs them.

mod batch;
mod connections;
mod error;
mod inner;
mod join;
mod marks;
mod reads;
mod retention;
mod schema;
mod session;
mod settings;
mod storage;
mod texts;
mod transaction;
mod writer;

pub(crate) use batch::{Written, is_plain};
pub(crate) use connections::{Attempts, Lease, Purpose, Server};
pub(crate) use error::{
    Refused, commit_error, leaves_connection, of_connecting, of_users, sure, unsure,
};
pub(crate) use inner::Inner;
pub(crate) use join::join;
pub(crate) use marks::{ACCEPTED_MAX, Marks};
pub(crate) use reads::{
    contracts, dead_letters, held, inbox, load_chunks, load_due, load_journal, load_kept_alive,
    load_pending, read_time, requests_of,
};
pub(crate) use retention::{Look, Past};
pub(crate) use schema::{not_ours, read_version, versions_text};
pub(crate) use session::{Answers, End, ServerSession, write_slowly};
pub(crate) use settings::{IDLE_IN_TRANSACTION, Settings, Urls, common_settings};
pub(crate) use storage::{reading, server_storage, writing};
pub(crate) use texts::own;
pub(crate) use transaction::{AtOnce, How, check_end, server_transactions};
#[cfg(feature = "postgres")]
pub(crate) use writer::name_of_one;
pub(crate) use writer::writer_name;
