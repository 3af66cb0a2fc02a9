//! The traits' calls: each on a connection, within a time, and again where that is right.

// Macros, for a closure whose future borrows from its argument cannot say that it is `Send`, and no
// more can what is written for any session.

/// Runs what only reads; again on another connection when one was lost under it.
macro_rules! reading {
    ($inner:expr, $session:ident => $work:expr) => {{
        let mut attempts = $crate::server::Attempts::default();
        loop {
            let mut lease = $inner.readers.lease().await?;
            let done = {
                let answers = $crate::server::ServerSession::answers(&lease.session).clone();
                let $session = &mut lease.session;
                $inner.within(answers, $work).await.and_then(|done| done)
            };
            if let Some(done) = attempts.of_read(lease, done) {
                break done;
            }
            // What ended this one has most likely ended those beside it, too.
            $inner.readers.forget_idle();
        }
    }};
}

pub(crate) use reading;

/// Runs what commits; again when others came in the way of it.
macro_rules! writing {
    ($inner:expr, $session:ident => $work:expr) => {{
        let mut attempts = $crate::server::Attempts::default();
        loop {
            let mut lease = $inner.writers.lease().await?;
            let done = {
                let answers = $crate::server::ServerSession::answers(&lease.session).clone();
                let $session = &mut lease.session;
                $inner.within_or_unknown(answers, $work).await
            };
            if let Some(done) = attempts.of_write(lease, done) {
                break done;
            }
            $inner.give_way(attempts.pause()).await;
        }
    }};
}
pub(crate) use writing;

/// Implements the traits for a storage: a type with a field `inner`, a function `take_over`, and
/// beside it what its database does in a way of its own: `marks`, `reads`, `retention`,
/// `take_shards` and `write_at_once`.
macro_rules! server_storage {
    ($storage:ident, $dialect:ident) => {
        use std::fmt;
        use std::sync::Arc;
        use std::time::Duration;

        use bytes::Bytes;
        use cluster_core::id::{KeyDigest, RequestId, Seq, ShardId};
        use cluster_core::storage::{
            AliveScan, Batch, BoxFuture, ChunkRow, ChunkScan, Committed, ContractRow,
            ContractStorage, DeadLetterRow, DeferredId, DeferredRow, DueScan, EntityRequest,
            EntityScan, EntityStorage, Fence, FoundRequest, HeldRow, History, InboxNumber, InboxRow,
            JoinRequest, Joined, JournalStorage, MessageStorage, OwnershipStorage, PendingRequest,
            PendingScan, ReminderKey, ReminderRow, RetireScan, Retired, RowLimits, RunnerRow,
            ShapeRow, StateKey, StateRow, Storage, StorageError, TakenShard, TransactionStorage,
            Wished,
        };
        use cluster_core::time::{ClusterTime, Timestamp};
        use $crate::contracts::{load_shape, store_contracts, store_shapes};
        use $crate::dialect::Dialect;
        use $crate::entity::in_windows;
        use $crate::inbox::write_wishes;
        use $crate::ownership::{
            self, TIME_OFFSET_MS, highest_seq, read_runner, set_meta, time_offset_ms,
        };
        use $crate::server::{
            self, End, Look, ServerSession, Written, reading, unsure, write_slowly, writing,
        };
        use $crate::sql::Sql;

        impl $storage {
            async fn write(&self, fence: Fence, batch: &Batch) -> Result<Committed, StorageError> {
                self.inner.settings.limits.check(batch)?;
                writing!(self.inner, session => async {
                    match write_at_once(session, &self.inner.marks, fence, batch).await? {
                        Written::Done(committed) => Ok(committed),
                        Written::NotThisWay => write_slowly(session, fence, batch).await,
                    }
                })
            }

            async fn try_to_join(&self, request: &JoinRequest) -> Result<Joined, StorageError> {
                writing!(self.inner, session => async {
                    session.begin_alone().await?;
                    let joined = match self.time(session).await {
                        Ok(now) => server::join(session, request, now).await,
                        Err(error) => Err(error),
                    };
                    session.end(joined).await
                })
            }

            /// Cluster time.
            async fn time(&self, session: &mut Session) -> Result<ClusterTime, StorageError> {
                match &self.inner.settings.clock {
                    None => reads::time(session).await,
                    Some(clock) => {
                        let offset_ms = time_offset_ms(session).await?;
                        Ok(ClusterTime::of(clock.wall(), offset_ms))
                    }
                }
            }

            /// Moves the marks of recovery to the last request that is stored.
            #[doc(hidden)]
            pub async fn move_marks(&self, fence: Fence) -> Result<(), StorageError> {
                let highest: Seq = reading!(self.inner, session => highest_seq(session))?;
                self.inner.marks.raise(highest);
                writing!(self.inner, session => marks::raise_mark(session, fence, highest))?;
                while !writing!(self.inner, session => marks::move_marks(session, fence, highest))?
                {
                }
                Ok(())
            }

            /// Moves the marks beside everything else. There is one such task at a time, and it
            /// ends by itself: after as many statements as there are windows of requests, each of
            /// which has its time.
            fn start_moving_marks(&self, fence: Fence) {
                let storage = self.clone();
                tokio::spawn(async move {
                    match storage.move_marks(fence).await {
                        // Who has taken over moves them.
                        Ok(()) | Err(StorageError::Fenced { .. }) => {}
                        Err(error) => {
                            let error: &dyn std::error::Error = &error;
                            tracing::warn!(error, "the marks of recovery stay where they are");
                        }
                    }
                    storage.inner.marks.moved();
                });
            }
        }

        impl fmt::Debug for $storage {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut shown = f.debug_struct(stringify!($storage));
                shown.field("prefix", &self.inner.settings.prefix).finish_non_exhaustive()
            }
        }

        impl Storage for $storage {
            fn kind(&self) -> &'static str {
                <$dialect as Dialect>::KIND
            }

            fn writes_in_two(&self) -> bool {
                <$dialect as Dialect>::WRITES_IN_TWO
            }

            fn row_limits(&self) -> Option<RowLimits> {
                Some(self.inner.settings.limits)
            }

            fn transactions(&self) -> Option<&dyn TransactionStorage> {
                Some(self)
            }
        }

        impl OwnershipStorage for $storage {
            fn join(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, StorageError>> {
                Box::pin(async move {
                    let joined = match self.try_to_join(&request).await {
                        // It may have waited for what others have left open.
                        Err(StorageError::Unavailable { .. }) => {
                            self.take_over().await?;
                            self.try_to_join(&request).await?
                        }
                        joined => joined?,
                    };
                    if let Err(error) = self.take_over().await {
                        tracing::warn!(%error, "what others left open may still lock rows");
                    }
                    Ok(joined)
                })
            }

            fn renew(
                &self,
                fence: Fence,
                lease: Duration,
            ) -> BoxFuture<'_, Result<ClusterTime, StorageError>> {
                Box::pin(async move {
                    writing!(self.inner, session => async {
                        session.begin().await?;
                        let renewed = match self.time(session).await {
                            Ok(now) => ownership::renew(session, fence, now, lease).await,
                            Err(error) => Err(error),
                        };
                        let renewed = match renewed {
                            Ok(now) => {
                                session.commit_fenced(fence, End::Commit).await.map(|()| now)
                            }
                            Err(error) => Err(error),
                        };
                        session.roll_back_after(renewed).await
                    })
                })
            }

            fn runners(&self) -> BoxFuture<'_, Result<Vec<RunnerRow>, StorageError>> {
                Box::pin(async move {
                    reading!(self.inner, session => session.all(Sql::Runners, &[], read_runner))
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
                Box::pin(async move {
                    let time: ClusterTime = reading!(self.inner, session => self.time(session))?;
                    Ok(time.now)
                })
            }

            fn set_cluster_time_offset(
                &self,
                offset_ms: i64,
            ) -> BoxFuture<'_, Result<(), StorageError>> {
                Box::pin(async move {
                    writing!(self.inner, session => async {
                        set_meta(session, TIME_OFFSET_MS, offset_ms).await.map_err(unsure)
                    })
                })
            }
        }

        impl MessageStorage for $storage {
            fn commit(
                &self,
                fence: Fence,
                batch: Arc<Batch>,
            ) -> BoxFuture<'_, Result<Committed, StorageError>> {
                Box::pin(async move {
                    let committed = self.write(fence, &batch).await?;
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
                    if scan.entity.is_some() && self.inner.marks.are_far_behind() {
                        self.start_moving_marks(fence);
                    }
                    reading!(self.inner, session => reads::load_pending(session, fence, &scan))
                })
            }

            fn load_due(
                &self,
                fence: Fence,
                scan: DueScan,
            ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>> {
                Box::pin(
                    async move {
                        reading!(self.inner, session => server::load_due(session, fence, scan))
                    },
                )
            }

            fn load_kept_alive(
                &self,
                fence: Fence,
                scan: AliveScan,
            ) -> BoxFuture<'_, Result<Vec<StateKey>, StorageError>> {
                Box::pin(async move {
                    reading!(self.inner, session => server::load_kept_alive(session, fence, &scan))
                })
            }

            fn find_requests(
                &self,
                ids: Vec<RequestId>,
            ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
                Box::pin(
                    async move {
                        reading!(self.inner, session => reads::find_requests(session, &ids))
                    },
                )
            }

            fn find_keys(
                &self,
                digests: Vec<KeyDigest>,
            ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
                Box::pin(
                    async move {
                        reading!(self.inner, session => reads::find_keys(session, &digests))
                    },
                )
            }

            fn load_states(
                &self,
                keys: Vec<StateKey>,
            ) -> BoxFuture<'_, Result<Vec<Option<StateRow>>, StorageError>> {
                Box::pin(async move {
                    reading!(self.inner, session => reads::load_states(session, &keys))
                })
            }

            fn dead_letters(
                &self,
                after: Seq,
                limit: usize,
            ) -> BoxFuture<'_, Result<Vec<DeadLetterRow>, StorageError>> {
                Box::pin(async move {
                    reading!(self.inner, session => server::dead_letters(session, after, limit))
                })
            }

            fn held(
                &self,
                after: Seq,
                limit: usize,
            ) -> BoxFuture<'_, Result<Vec<HeldRow>, StorageError>> {
                Box::pin(async move {
                    reading!(self.inner, session => server::held(session, after, limit))
                })
            }

            fn load_chunks(
                &self,
                scan: ChunkScan,
            ) -> BoxFuture<'_, Result<Vec<ChunkRow>, StorageError>> {
                Box::pin(async move {
                    reading!(self.inner, session => server::load_chunks(session, &scan))
                })
            }

            fn inbox(
                &self,
                after: InboxNumber,
                limit: usize,
            ) -> BoxFuture<'_, Result<Vec<InboxRow>, StorageError>> {
                Box::pin(async move {
                    reading!(self.inner, session => server::inbox(session, after, limit))
                })
            }

            fn wish(&self, wishes: Vec<Wished>) -> BoxFuture<'_, Result<(), StorageError>> {
                Box::pin(async move {
                    writing!(self.inner, session => async {
                        session.begin().await?;
                        let written = write_wishes(session, &wishes).await;
                        session.end(written).await
                    })
                })
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
                    let look: Result<Look, StorageError> =
                        reading!(self.inner, session => retention::look(session, fence, &scan));
                    let look = look?;
                    if look.is_idle(&scan) {
                        return Ok(look.retired);
                    }
                    writing!(self.inner, session => retention::remove(session, fence, &scan, &look))
                })
            }
        }

        impl EntityStorage for $storage {
            fn find_reminders(
                &self,
                keys: Vec<ReminderKey>,
            ) -> BoxFuture<'_, Result<Vec<Option<ReminderRow>>, StorageError>> {
                Box::pin(
                    async move {
                        reading!(self.inner, session => reads::find_reminders(session, &keys))
                    },
                )
            }

            fn requests_of(
                &self,
                scan: EntityScan,
            ) -> BoxFuture<'_, Result<Vec<EntityRequest>, StorageError>> {
                Box::pin(in_windows(scan, move |window| async move {
                    reading!(self.inner, session => server::requests_of(session, &window))
                }))
            }
        }

        impl JournalStorage for $storage {
            fn load_journal(&self, execution: Seq) -> BoxFuture<'_, Result<History, StorageError>> {
                Box::pin(
                    async move {
                        reading!(self.inner, session => server::load_journal(session, execution))
                    },
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

        impl ContractStorage for $storage {
            fn store_shapes(
                &self,
                shapes: Vec<ShapeRow>,
            ) -> BoxFuture<'_, Result<(), StorageError>> {
                Box::pin(async move {
                    let limits = self.inner.settings.limits;
                    shapes.iter().try_for_each(|shape| limits.check_shape(shape))?;
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
                Box::pin(async move { reading!(self.inner, session => server::contracts(session)) })
            }
        }
    };
}
pub(crate) use server_storage;
