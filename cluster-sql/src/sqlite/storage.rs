//! The storage: its parts, and the traits' calls as jobs for its threads.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cluster_core::id::{KeyDigest, RequestId, Seq, ShardId};
use cluster_core::storage::{
    AliveScan, Batch, BoxFuture, ChunkRow, ChunkScan, Committed, ContractRow, ContractStorage,
    Database, DeadLetterRow, DeferredId, DeferredRow, DueScan, EntityRequest, EntityScan,
    EntityStorage, Fence, FoundRequest, HeldRow, History, InboxNumber, InboxRow, JoinRequest,
    Joined, JournalStorage, MessageStorage, OwnershipStorage, PendingRequest, PendingScan,
    ReminderKey, ReminderRow, RetireScan, Retired, RowLimits, RunnerRow, ShapeRow, StateKey,
    StateRow, Storage, StorageError, TakenShard, TransactionStorage, Wished,
};
use cluster_core::time::{Clock, ClusterTime, Timestamp};
use tokio::sync::Semaphore;

use super::at_once::at_once;
use super::connection::{open_reader, open_writer, write_back};
use super::dialect::SqliteDialect;
use super::error::Closed;
use super::lane::{Lane, LaneSetup, wait_for};
use super::lock::{ProcessLock, real_path};
use super::options::SqliteOptions;
use super::schema::migrate;
use super::session::Session;
use super::transaction::UserConnections;
use crate::batch::{check_fence, write_batch};
use crate::contracts::{load_shape, store_contracts, store_shapes};
use crate::dialect::Dialect;
use crate::entity::in_windows;
use crate::inbox::write_wishes;
use crate::ownership::{self, TIME_OFFSET_MS, set_meta, time_offset_ms};
use crate::sql::{Sql, Texts};

/// A storage in a SQLite file: made with [`Sqlite::open`] or [`Sqlite::options`].
///
/// It turns the file to write-ahead logging and keeps SQLite's two files beside it (`-wal`, `-shm`)
/// and one that tells that it is in use (`-<prefix>.lock`). Users' own tables may live in the same
/// file; in a handler's transaction they are reached by a [`sqlx::SqliteConnection`], on which
/// foreign keys are enforced.
///
/// Clones share it. The file is free for the next process as soon as the process ends, and for the
/// next `open` in this process when the last clone and the last open transaction are dropped;
/// dropping the last one blocks until the commit in work is done (milliseconds).
#[derive(Clone)]
pub struct Sqlite {
    pub(super) inner: Arc<Inner>,
}

/// Dropped in the order of its fields: the process lock last.
pub(super) struct Inner {
    pub(super) users: UserConnections,
    /// Held by whoever writes: the committer's thread, or a user's transaction from its beginning
    /// to its end. Fair. Closed when the storage is dropped.
    pub(super) gate: Gate,
    writer: Lane,
    reader: Lane,
    pub(super) options: SqliteOptions,
    pub(super) texts: Arc<Texts>,
    _lock: ProcessLock,
}

/// The gate of writers, which opens for nobody any more once it is dropped.
pub(super) struct Gate(pub(super) Arc<Semaphore>);

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Sqlite {
    /// Opens a file with all defaults: durable, tables under `cluster_`.
    ///
    /// # Errors
    /// As [`SqliteOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::options(path).open().await
    }

    /// Settings for opening a file.
    pub fn options(path: impl AsRef<Path>) -> SqliteOptions {
        SqliteOptions::new(path.as_ref())
    }

    /// Names and texts of all statements that the storage runs on its tables, for tests that ask
    /// the database how it would run them.
    #[doc(hidden)]
    pub fn statements(prefix: &str) -> Vec<(&'static str, String)> {
        let texts = Texts::new::<SqliteDialect>(prefix);
        texts.named().map(|(name, text)| (name, text.to_owned())).collect()
    }

    pub(super) async fn open_with(options: SqliteOptions) -> Result<Self, StorageError> {
        options.check()?;
        let path = real_path(&options.path)?;
        let lock = ProcessLock::take(&path, &options.prefix)?;
        let texts = Arc::new(Texts::new::<SqliteDialect>(&options.prefix));

        let (file, settings) = (path.clone(), options.clone());
        let writer = LaneSetup {
            name: "cluster-sqlite-w".to_owned(),
            open: move || open_writer(&file, &settings),
            after_job: write_back,
            lost: StorageError::unknown_outcome,
        };
        let writer = Lane::start(writer, texts.clone()).await?;
        let prefix = options.prefix.clone();
        writer.run(move |session| migrate(session.connection(), &prefix)).await?;
        let (file, settings) = (path.clone(), options.clone());
        let reader = LaneSetup {
            name: "cluster-sqlite-r".to_owned(),
            open: move || open_reader(&file, &settings),
            after_job: |_| {},
            lost: StorageError::unavailable,
        };
        let reader = Lane::start(reader, texts.clone()).await?;
        let users = UserConnections::new(path, &options);
        let gate = Gate(Arc::new(Semaphore::new(1)));
        let inner = Inner { users, gate, writer, reader, options, texts, _lock: lock };
        Ok(Sqlite { inner: Arc::new(inner) })
    }

    /// Runs `work` in a transaction of the writing connection.
    fn write<'a, T: Send + 'static>(
        &'a self,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, StorageError>> {
        let gate = self.inner.gate.0.clone();
        Box::pin(self.inner.writer.run(move |session| {
            let _turn = wait_for(gate.acquire()).map_err(|_| StorageError::unavailable(Closed))?;
            session.write(work)
        }))
    }

    /// Runs `work` on one snapshot of the reading connection.
    fn read<'a, T: Send + 'static>(
        &'a self,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, StorageError>> {
        Box::pin(self.inner.reader.run(move |session| session.read(work)))
    }

    fn clock(&self) -> Clock {
        self.inner.options.clock.clone()
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.inner.options;
        f.debug_struct("Sqlite")
            .field("path", &options.path)
            .field("prefix", &options.prefix)
            .finish_non_exhaustive()
    }
}

impl Database for Sqlite {
    type Connection = sqlx::SqliteConnection;
    const NAME: &'static str = SqliteDialect::KIND;
}

impl Storage for Sqlite {
    fn kind(&self) -> &'static str {
        SqliteDialect::KIND
    }

    fn row_limits(&self) -> Option<RowLimits> {
        Some(self.inner.options.limits)
    }

    fn transactions(&self) -> Option<&dyn TransactionStorage> {
        Some(self)
    }
}

impl OwnershipStorage for Sqlite {
    fn join(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, StorageError>> {
        let clock = self.clock();
        self.write(move |session| {
            let now = cluster_time(session, &clock)?;
            at_once(ownership::join(session, &request, now))
        })
    }

    fn renew(
        &self,
        fence: Fence,
        lease: Duration,
    ) -> BoxFuture<'_, Result<ClusterTime, StorageError>> {
        let clock = self.clock();
        self.write(move |session| {
            let now = cluster_time(session, &clock)?;
            at_once(check_fence(session, fence))?;
            at_once(ownership::renew(session, fence, now, lease))
        })
    }

    fn runners(&self) -> BoxFuture<'_, Result<Vec<RunnerRow>, StorageError>> {
        self.read(|session| session.all(Sql::Runners, &[], ownership::read_runner))
    }

    fn take_shards(
        &self,
        fence: Fence,
        shards: Vec<ShardId>,
    ) -> BoxFuture<'_, Result<Vec<TakenShard>, StorageError>> {
        self.write(move |session| at_once(ownership::take_shards(session, fence, &shards)))
    }

    fn highest_seq(&self) -> BoxFuture<'_, Result<Seq, StorageError>> {
        self.read(|session| at_once(ownership::highest_seq(session)))
    }

    fn raise_fence(&self, fence: Fence) -> BoxFuture<'_, Result<Fence, StorageError>> {
        self.write(move |session| at_once(ownership::raise_fence(session, fence)))
    }

    fn leave(&self, fence: Fence) -> BoxFuture<'_, Result<(), StorageError>> {
        self.write(move |session| at_once(ownership::leave(session, fence)))
    }

    fn cluster_time(&self) -> BoxFuture<'_, Result<Timestamp, StorageError>> {
        let clock = self.clock();
        self.read(move |session| Ok(cluster_time(session, &clock)?.now))
    }

    fn set_cluster_time_offset(&self, offset_ms: i64) -> BoxFuture<'_, Result<(), StorageError>> {
        self.write(move |session| at_once(set_meta(session, TIME_OFFSET_MS, offset_ms)))
    }
}

impl MessageStorage for Sqlite {
    fn commit(
        &self,
        fence: Fence,
        batch: Arc<Batch>,
    ) -> BoxFuture<'_, Result<Committed, StorageError>> {
        if let Err(error) = self.inner.options.limits.check(&batch) {
            return Box::pin(std::future::ready(Err(error)));
        }
        self.write(move |session| {
            at_once(async {
                check_fence(session, fence).await?;
                write_batch(session, &batch).await
            })
        })
    }

    fn load_pending(
        &self,
        fence: Fence,
        scan: PendingScan,
    ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>> {
        self.read(move |session| session.load_pending(fence, &scan))
    }

    fn load_due(
        &self,
        fence: Fence,
        scan: DueScan,
    ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>> {
        self.read(move |session| session.load_due(fence, scan))
    }

    fn load_kept_alive(
        &self,
        fence: Fence,
        scan: AliveScan,
    ) -> BoxFuture<'_, Result<Vec<StateKey>, StorageError>> {
        self.read(move |session| session.load_kept_alive(fence, &scan))
    }

    fn find_requests(
        &self,
        ids: Vec<RequestId>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
        self.read(move |session| session.find_requests(&ids))
    }

    fn find_keys(
        &self,
        digests: Vec<KeyDigest>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
        self.read(move |session| session.find_keys(&digests))
    }

    fn load_states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StateRow>>, StorageError>> {
        self.read(move |session| session.load_states(&keys))
    }

    fn dead_letters(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<DeadLetterRow>, StorageError>> {
        self.read(move |session| session.dead_letters(after, limit))
    }

    fn held(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<HeldRow>, StorageError>> {
        self.read(move |session| session.held(after, limit))
    }

    fn load_chunks(&self, scan: ChunkScan) -> BoxFuture<'_, Result<Vec<ChunkRow>, StorageError>> {
        self.read(move |session| session.load_chunks(&scan))
    }

    fn inbox(
        &self,
        after: InboxNumber,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<InboxRow>, StorageError>> {
        self.read(move |session| session.inbox(after, limit))
    }

    fn wish(&self, wishes: Vec<Wished>) -> BoxFuture<'_, Result<(), StorageError>> {
        self.write(move |session| at_once(write_wishes(session, &wishes)))
    }

    fn retire(
        &self,
        fence: Fence,
        scan: RetireScan,
    ) -> BoxFuture<'_, Result<Retired, StorageError>> {
        Box::pin(async move {
            let asked = scan.clone();
            let look = self.read(move |session| session.look_for_past(fence, &asked)).await?;
            if look.is_idle(&scan) {
                return Ok(look.retired);
            }
            self.write(move |session| session.remove_past(fence, &scan, look)).await
        })
    }
}

impl EntityStorage for Sqlite {
    fn find_reminders(
        &self,
        keys: Vec<ReminderKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<ReminderRow>>, StorageError>> {
        self.read(move |session| session.find_reminders(&keys))
    }

    fn requests_of(
        &self,
        scan: EntityScan,
    ) -> BoxFuture<'_, Result<Vec<EntityRequest>, StorageError>> {
        Box::pin(in_windows(scan, move |window| {
            self.read(move |session| session.requests_of(&window))
        }))
    }
}

impl JournalStorage for Sqlite {
    fn load_journal(&self, execution: Seq) -> BoxFuture<'_, Result<History, StorageError>> {
        self.read(move |session| session.load_journal(execution))
    }

    fn find_deferreds(
        &self,
        deferreds: Vec<DeferredId>,
    ) -> BoxFuture<'_, Result<Vec<Option<DeferredRow>>, StorageError>> {
        self.read(move |session| session.find_deferreds(&deferreds))
    }
}

impl ContractStorage for Sqlite {
    fn store_shapes(&self, shapes: Vec<ShapeRow>) -> BoxFuture<'_, Result<(), StorageError>> {
        let limits = self.inner.options.limits;
        self.write(move |session| {
            shapes.iter().try_for_each(|shape| limits.check_shape(shape))?;
            at_once(store_shapes(session, &shapes))
        })
    }

    fn load_shape(
        &self,
        fingerprint: u64,
    ) -> BoxFuture<'_, Result<Option<ShapeRow>, StorageError>> {
        self.read(move |session| {
            let shape = at_once(load_shape(session, fingerprint))?;
            Ok(shape.map(|shape| ShapeRow { fingerprint, shape }))
        })
    }

    fn store_contracts(
        &self,
        contracts: Vec<ContractRow>,
    ) -> BoxFuture<'_, Result<(), StorageError>> {
        self.write(move |session| at_once(store_contracts(session, &contracts)))
    }

    fn load_contracts(&self) -> BoxFuture<'_, Result<Vec<ContractRow>, StorageError>> {
        self.read(|session| session.contracts())
    }
}

/// Cluster time: the clock plus the stored offset.
fn cluster_time(session: &mut Session<'_>, clock: &Clock) -> Result<ClusterTime, StorageError> {
    let offset_ms = at_once(time_offset_ms(session))?;
    Ok(ClusterTime::of(clock.wall(), offset_ms))
}
