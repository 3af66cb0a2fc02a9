//! The storage: its connections, and the traits' calls.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use cluster_core::id::{KeyDigest, RequestId, Seq, ShardId};
use cluster_core::storage::{
    AliveScan, Batch, BoxFuture, ChunkRow, ChunkScan, Committed, ContractRow, ContractStorage,
    Database, DeadLetterRow, DeferredId, DeferredRow, DueScan, EntityRequest, EntityScan,
    EntityStorage, Fence, FoundRequest, HeldRow, History, JoinRequest, Joined, JournalStorage,
    MessageStorage, OwnershipStorage, PendingRequest, PendingScan, ReminderKey, ReminderRow,
    RetireScan, Retired, RowLimits, ShapeRow, StateKey, StateRow, Storage, StorageError,
    TakenShard, TransactionStorage,
};
use cluster_core::time::{Clock, Timestamp};

use super::commit::{Written, write_at_once};
use super::connections::{Attempts, Connections};
use super::dialect::PostgresDialect;
use super::error::{TimedOut, unsure};
use super::marks::{Marks, move_marks};
use super::options::PostgresOptions;
use super::session::Session;
use super::shards::take_shards;
use super::texts::AllTexts;
use super::transaction::write_slowly;
use super::{reads, retention, schema};
use crate::contracts::{load_shape, store_contracts, store_shapes};
use crate::dialect::Dialect;
use crate::ownership::{self, TIME_OFFSET_MS, highest_seq, set_meta, time_offset_ms};

// Macros, for a closure whose future borrows from its argument cannot say that it is `Send`.

/// Runs what only reads; again on another connection when one was lost under it.
macro_rules! reading {
    ($inner:expr, $session:ident => $work:expr) => {{
        let mut attempts = Attempts::default();
        loop {
            let mut lease = $inner.readers.lease().await?;
            let done = {
                let $session = &mut lease.session;
                $inner.within($work).await.and_then(|done| done)
            };
            if let Some(done) = attempts.of_read(lease, done) {
                break done;
            }
        }
    }};
}

/// Runs what commits; again when others came in the way of it.
macro_rules! writing {
    ($inner:expr, $session:ident => $work:expr) => {{
        let mut attempts = Attempts::default();
        loop {
            let mut lease = $inner.writers.lease().await?;
            let done = {
                let $session = &mut lease.session;
                $inner.within_or_unknown($work).await
            };
            if let Some(done) = attempts.of_write(lease, done) {
                break done;
            }
        }
    }};
}

/// A storage in a PostgreSQL database, 13 or newer: made with [`Postgres::connect`] or
/// [`Postgres::options`].
///
/// The tables are made in the first schema of the search path. Users' own tables may live in the
/// same database; in a handler's transaction they are reached by a [`sqlx::PgConnection`]. Promises
/// hold as far as the server keeps what it has acknowledged: `fsync` and `synchronous_commit` on,
/// and replicas, if one of them may take over, synchronous.
///
/// It works behind a pooler in transaction mode. One that does not keep prepared statements, like
/// PgBouncer before 1.21, needs [`PostgresOptions::prepared_statements`] to be off.
///
/// Clones share it. Its connections carry the table prefix and the process's number as their
/// `application_name`.
#[derive(Clone)]
pub struct Postgres {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) writers: Arc<Connections>,
    readers: Arc<Connections>,
    marks: Marks,
    pub(super) limits: RowLimits,
    options: PostgresOptions,
    /// Of the machine: servers are waited for in real time.
    machine_clock: Clock,
}

impl Postgres {
    /// Connects with all defaults, tables under `cluster_`. The URL is as
    /// `postgres://user:password@host:5432/database`; `sslmode` and `sslrootcert` in it say whether
    /// and how the connection is encrypted, as for the server's own tools.
    ///
    /// # Errors
    /// As [`PostgresOptions::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, StorageError> {
        Self::options(url).connect().await
    }

    /// Settings for connecting.
    pub fn options(url: impl Into<String>) -> PostgresOptions {
        PostgresOptions::new(url.into())
    }

    /// Names and texts of all statements that the storage runs on its tables, for tests that ask
    /// the database how it would run them.
    #[doc(hidden)]
    pub fn statements(prefix: &str) -> Vec<(String, String)> {
        AllTexts::new(prefix).named()
    }

    /// Moves the marks of recovery to the last request that is stored, for tests that cannot wait.
    #[doc(hidden)]
    pub async fn move_marks(&self, fence: Fence) -> Result<(), StorageError> {
        reading!(self.inner, session => move_marks(session, fence))
    }

    /// Moves the marks beside everything else.
    fn start_moving_marks(&self, fence: Fence) {
        let storage = self.clone();
        tokio::spawn(async move {
            if let Err(error) = storage.move_marks(fence).await {
                tracing::debug!(%error, "the marks of recovery stay where they are");
            }
            storage.inner.marks.moved();
        });
    }

    pub(super) async fn connect_with(options: PostgresOptions) -> Result<Self, StorageError> {
        let driver = options.driver()?;
        let texts = Arc::new(AllTexts::new(&options.prefix));
        let (timeout, prepared) = (options.connect_timeout, options.is_prepared());
        let connections =
            |many| Connections::new(driver.clone(), timeout, texts.clone(), prepared, many);
        let writing = options.connections / 2;
        let inner = Inner {
            writers: connections(writing),
            readers: connections(options.connections - writing),
            marks: Marks::default(),
            limits: options.limits,
            options,
            machine_clock: Clock::system(),
        };
        let mut lease = inner.writers.lease().await?;
        inner.within_or_unknown(schema::migrate(&mut lease.session)).await?;
        lease.keep();
        Ok(Postgres { inner: Arc::new(inner) })
    }
}

impl Inner {
    /// Waits for the server as long as the options say.
    pub(super) async fn within<F: Future>(&self, answer: F) -> Result<F::Output, StorageError> {
        let limit = self.options.answer_timeout;
        let answer = self.machine_clock.timeout(limit, answer).await;
        answer.map_err(|_| StorageError::unavailable(TimedOut(limit)))
    }

    /// The same for what commits.
    pub(super) async fn within_or_unknown<T>(
        &self,
        answer: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.within(answer).await.unwrap_or_else(|error| match error {
            StorageError::Unavailable { source } => Err(StorageError::UnknownOutcome { source }),
            error => Err(error),
        })
    }

    async fn commit(&self, fence: Fence, batch: &Batch) -> Result<Committed, StorageError> {
        self.limits.check(batch)?;
        writing!(self, session => async {
            match write_at_once(session, fence, batch).await? {
                Written::Done(committed) => Ok(committed),
                Written::NotThisWay => write_slowly(session, fence, batch).await,
            }
        })
    }

    /// Cluster time.
    async fn time(&self, session: &mut Session) -> Result<Timestamp, StorageError> {
        match &self.options.clock {
            None => reads::time(session).await,
            Some(clock) => {
                let offset_ms = time_offset_ms(session).await?;
                Ok(Timestamp::from_unix_ms(clock.wall().unix_ms().saturating_add(offset_ms)))
            }
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("prefix", &self.inner.options.prefix)
            .finish_non_exhaustive()
    }
}

impl Database for Postgres {
    type Connection = sqlx::PgConnection;
    const NAME: &'static str = PostgresDialect::KIND;
}

impl Storage for Postgres {
    fn kind(&self) -> &'static str {
        PostgresDialect::KIND
    }

    fn writes_in_two(&self) -> bool {
        true
    }

    fn row_limits(&self) -> Option<RowLimits> {
        Some(self.inner.limits)
    }

    fn transactions(&self) -> Option<&dyn TransactionStorage> {
        Some(self)
    }
}

impl OwnershipStorage for Postgres {
    fn join(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, StorageError>> {
        Box::pin(async move {
            writing!(self.inner, session => async {
                session.begin_alone().await?;
                let joined = match self.inner.time(session).await {
                    Ok(now) => ownership::join(session, &request, now).await,
                    Err(error) => Err(error),
                };
                session.end(joined).await
            })
        })
    }

    fn take_shards(
        &self,
        fence: Fence,
        shards: Vec<ShardId>,
    ) -> BoxFuture<'_, Result<Vec<TakenShard>, StorageError>> {
        Box::pin(async move {
            writing!(self.inner, session => async {
                session.begin_alone().await?;
                let taken = take_shards(session, fence, &shards).await;
                session.end(taken).await
            })
        })
    }

    fn highest_seq(&self) -> BoxFuture<'_, Result<Seq, StorageError>> {
        Box::pin(async move { reading!(self.inner, session => highest_seq(session)) })
    }

    fn raise_fence(&self, fence: Fence) -> BoxFuture<'_, Result<Fence, StorageError>> {
        Box::pin(async move {
            writing!(self.inner, session => async {
                // The one statement that changes something commits by itself.
                ownership::raise_fence(session, fence).await.map_err(unsure)
            })
        })
    }

    fn leave(&self, fence: Fence) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            writing!(self.inner, session => async {
                session.begin_alone().await?;
                let left = ownership::leave(session, fence).await;
                session.end(left).await
            })
        })
    }

    fn cluster_time(&self) -> BoxFuture<'_, Result<Timestamp, StorageError>> {
        Box::pin(async move { reading!(self.inner, session => self.inner.time(session)) })
    }

    fn set_cluster_time_offset(&self, offset_ms: i64) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            writing!(self.inner, session => async {
                set_meta(session, TIME_OFFSET_MS, offset_ms).await.map_err(unsure)
            })
        })
    }
}

impl MessageStorage for Postgres {
    fn commit(
        &self,
        fence: Fence,
        batch: Arc<Batch>,
    ) -> BoxFuture<'_, Result<Committed, StorageError>> {
        Box::pin(async move {
            let committed = self.inner.commit(fence, &batch).await?;
            if self.inner.marks.count(batch.accepts.len() as u64) {
                self.start_moving_marks(fence);
            }
            Ok(committed)
        })
    }

    fn load_pending(
        &self,
        fence: Fence,
        scan: PendingScan,
    ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>> {
        Box::pin(async move {
            reading!(self.inner, session => reads::load_pending(session, fence, &scan))
        })
    }

    fn load_due(
        &self,
        fence: Fence,
        scan: DueScan,
    ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>> {
        Box::pin(
            async move { reading!(self.inner, session => reads::load_due(session, fence, scan)) },
        )
    }

    fn load_kept_alive(
        &self,
        fence: Fence,
        scan: AliveScan,
    ) -> BoxFuture<'_, Result<Vec<StateKey>, StorageError>> {
        Box::pin(async move {
            reading!(self.inner, session => reads::load_kept_alive(session, fence, &scan))
        })
    }

    fn find_requests(
        &self,
        ids: Vec<RequestId>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
        Box::pin(
            async move { reading!(self.inner, session => reads::find_requests(session, &ids)) },
        )
    }

    fn find_keys(
        &self,
        digests: Vec<KeyDigest>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
        Box::pin(
            async move { reading!(self.inner, session => reads::find_keys(session, &digests)) },
        )
    }

    fn load_states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StateRow>>, StorageError>> {
        Box::pin(async move { reading!(self.inner, session => reads::load_states(session, &keys)) })
    }

    fn dead_letters(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<DeadLetterRow>, StorageError>> {
        Box::pin(async move {
            reading!(self.inner, session => reads::dead_letters(session, after, limit))
        })
    }

    fn held(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<HeldRow>, StorageError>> {
        Box::pin(async move { reading!(self.inner, session => reads::held(session, after, limit)) })
    }

    fn load_chunks(&self, scan: ChunkScan) -> BoxFuture<'_, Result<Vec<ChunkRow>, StorageError>> {
        Box::pin(async move { reading!(self.inner, session => reads::load_chunks(session, &scan)) })
    }

    fn retire(
        &self,
        fence: Fence,
        scan: RetireScan,
    ) -> BoxFuture<'_, Result<Retired, StorageError>> {
        Box::pin(async move {
            if self.inner.marks.are_behind() {
                self.start_moving_marks(fence);
            }
            let look: Result<retention::Look, StorageError> =
                reading!(self.inner, session => retention::look(session, fence, &scan));
            let look = look?;
            if look.is_idle(&scan) {
                return Ok(look.retired);
            }
            writing!(self.inner, session => retention::remove(session, fence, &scan, &look))
        })
    }
}

impl EntityStorage for Postgres {
    fn find_reminders(
        &self,
        keys: Vec<ReminderKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<ReminderRow>>, StorageError>> {
        Box::pin(
            async move { reading!(self.inner, session => reads::find_reminders(session, &keys)) },
        )
    }

    fn requests_of(
        &self,
        mut scan: EntityScan,
    ) -> BoxFuture<'_, Result<Vec<EntityRequest>, StorageError>> {
        Box::pin(async move {
            let mut found = Vec::new();
            loop {
                let window = EntityScan { limit: scan.limit - found.len(), ..scan.clone() };
                let looked: Result<(Vec<EntityRequest>, Option<Seq>), StorageError> =
                    reading!(self.inner, session => reads::requests_of(session, &window));
                let (rows, end) = looked?;
                found.extend(rows);
                match end {
                    Some(end) if found.len() < scan.limit => scan.after = end,
                    _ => return Ok(found),
                }
            }
        })
    }
}

impl JournalStorage for Postgres {
    fn load_journal(&self, execution: Seq) -> BoxFuture<'_, Result<History, StorageError>> {
        Box::pin(
            async move { reading!(self.inner, session => reads::load_journal(session, execution)) },
        )
    }

    fn find_deferreds(
        &self,
        deferreds: Vec<DeferredId>,
    ) -> BoxFuture<'_, Result<Vec<Option<DeferredRow>>, StorageError>> {
        Box::pin(async move {
            reading!(self.inner, session => reads::find_deferreds(session, &deferreds))
        })
    }
}

impl ContractStorage for Postgres {
    fn store_shapes(&self, shapes: Vec<ShapeRow>) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            shapes.iter().try_for_each(|shape| self.inner.limits.check_shape(shape))?;
            writing!(self.inner, session => async {
                session.begin_alone().await?;
                let stored = store_shapes(session, &shapes).await;
                session.end(stored).await
            })
        })
    }

    fn load_shape(
        &self,
        fingerprint: u64,
    ) -> BoxFuture<'_, Result<Option<ShapeRow>, StorageError>> {
        Box::pin(async move {
            let shape: Result<Option<Bytes>, StorageError> =
                reading!(self.inner, session => load_shape(session, fingerprint));
            Ok(shape?.map(|shape| ShapeRow { fingerprint, shape }))
        })
    }

    fn store_contracts(
        &self,
        contracts: Vec<ContractRow>,
    ) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            writing!(self.inner, session => async {
                session.begin_alone().await?;
                let stored = store_contracts(session, &contracts).await;
                session.end(stored).await
            })
        })
    }

    fn load_contracts(&self) -> BoxFuture<'_, Result<Vec<ContractRow>, StorageError>> {
        Box::pin(async move { reading!(self.inner, session => reads::contracts(session)) })
    }
}
