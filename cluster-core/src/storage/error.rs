//! What can go wrong in a storage, by what the caller must do about it.

use std::error::Error;
use std::sync::Arc;

use crate::id::{EntityId, Seq, StateVersion};

/// A storage's failure. Cheap to clone: every request of a failed batch reports the same one.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The work was surely not done; the same call may be made again.
    #[error("the storage cannot be used now; try again")]
    Unavailable {
        /// What the driver said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The server does not let this program in, or does not let it do what it needs: a wrong
    /// password, a database that does not exist, a missing right. Told by who connects; a storage
    /// that was connected before says `Unavailable`, for nothing is lost by waiting.
    #[error("the server refuses this program; mend what it says before you try again")]
    Denied {
        /// What the server said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The connection was lost while committing: the work is done wholly or not at all. Raise the
    /// fence, then make the same call again: every write is idempotent.
    #[error("the outcome of the commit is unknown")]
    UnknownOutcome {
        /// What the driver said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The writer's fence no longer holds: another incarnation took over, or a later fence number
    /// was raised. Nothing was written, nothing of this fence ever will be.
    #[error("this runner's incarnation {incarnation} is fenced off: it owns nothing any more")]
    Fenced {
        /// The incarnation that wrote.
        incarnation: u64,
    },
    /// The stored state has not the version that the write came from. Nothing of the batch was
    /// written.
    #[error(
        "state of {entity_type}/{entity_id} has version {found}, the write came from {expected}"
    )]
    StateConflict {
        /// The entity's type.
        entity_type: Arc<str>,
        /// The entity's id.
        entity_id: EntityId,
        /// The version that the write came from.
        expected: StateVersion,
        /// The stored version.
        found: StateVersion,
    },
    /// Another entry stands in an execution's journal at the position of a new one: two have run it
    /// at once. Nothing of the batch was written.
    #[error("the journal of execution {execution} has another entry at position {position}")]
    JournalConflict {
        /// The `seq` of the execution's request.
        execution: Seq,
        /// The position.
        position: u32,
    },
    /// A row is larger than the storage's limit. Refused before anything was written.
    #[error("{what} has {bytes} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Which part of which row.
        what: &'static str,
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Another live process has the database open.
    #[error("{database} is in use by another live process (prefix `{prefix}`); stop it first")]
    InUse {
        /// Which database, without secrets.
        database: String,
        /// The table prefix in use.
        prefix: String,
    },
    /// A setting that all runners must agree on differs from the database's.
    #[error(
        "setting `{setting}` is {given} here but {stored} in the database; start with {stored}"
    )]
    SettingDiffers {
        /// The setting's name.
        setting: &'static str,
        /// The value that the database has.
        stored: String,
        /// The value given by this runner.
        given: String,
    },
    /// The schema is too new for this binary, or is not one of ours.
    #[error(
        "the schema needs version {minimum} of this library's schema, this binary has {current}"
    )]
    SchemaTooNew {
        /// The oldest schema version that may still use the database.
        minimum: u32,
        /// The schema version of this binary.
        current: u32,
    },
    /// Two different shapes have one fingerprint: neither may be misread as the other.
    #[error(
        "two different shapes have the fingerprint {fingerprint:016x}; change one of the types"
    )]
    ShapeCollision {
        /// The fingerprint.
        fingerprint: u64,
    },
    /// A statement of the user ended the handler's transaction: `COMMIT`, `ROLLBACK`; on MariaDB
    /// one that makes a table, or a deadlock whose error was ignored. Nothing of the batch was
    /// written; the user's rows before it may be committed.
    #[error(
        "a statement of the handler ended its transaction: leave COMMIT and ROLLBACK to its end, \
        and what commits by itself, and pass the error of a deadlock on"
    )]
    TransactionEnded,
    /// The handler's transaction cannot commit: a statement of it has failed and the error was
    /// ignored, or one that was begun inside of it has not ended. Surely nothing was written.
    #[error(
        "the handler's transaction cannot commit: pass the error of a failed statement on, or \
        surround what may fail with a savepoint, and end what you begin inside of it"
    )]
    TransactionFailed,
    /// The database refuses to commit a handler's transaction: by a constraint that is checked at
    /// its end, or a setting that the handler has made. Nothing of it was written.
    #[error("the database refuses to commit the handler's transaction")]
    TransactionRefused {
        /// What the driver said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// A handler's transaction was ended from outside, as by a deadlock with another or a lost
    /// connection. Nothing of it was written, and the handler may succeed when it runs again.
    #[error("the handler's transaction was ended by others")]
    Interrupted {
        /// What the driver said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
    /// A setting given to the storage itself is not usable.
    #[error("the storage setting `{setting}` is not usable: {reason}")]
    BadSetting {
        /// The setting's name.
        setting: &'static str,
        /// Why not.
        reason: String,
    },
    /// A stored row cannot be read as what it should be.
    #[error("a stored row of `{table}` is damaged: {reason}")]
    Corrupt {
        /// The table, without prefix.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl StorageError {
    /// The failure of a call that surely did nothing.
    pub fn unavailable(source: impl Error + Send + Sync + 'static) -> Self {
        StorageError::Unavailable { source: Arc::new(source) }
    }

    /// The failure of a call that may have committed.
    pub fn unknown_outcome(source: impl Error + Send + Sync + 'static) -> Self {
        StorageError::UnknownOutcome { source: Arc::new(source) }
    }
}
