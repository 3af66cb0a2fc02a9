//! A running cluster.

use std::fmt;
use std::sync::Arc;

use super::builder::ClusterBuilder;
use super::caught_up::caught_up;
use super::dead_letters::DeadLetters;
use super::error::Result;
use super::holds::Holds;
use super::loops;
use super::stats::Stats;
use crate::config::Config;
use crate::entity::{
    Cancelled, Client, Contract, Handle, Message, Persisted, Receipt, Runner, StreamMessage,
    StreamReceipt, Wire, cancel, clear, reset,
};
use crate::error::ClusterError;
use crate::id::{EntityId, RequestId, ShardId, Snowflake};
use crate::storage::StorageError;
use crate::workflow::{self, Completion, DeferredToken, Executions, WorkflowClient, WorkflowType};

/// A running cluster: hosts entities and calls them. Cheap to clone; every clone is the same
/// cluster.
///
/// When the last clone is dropped without [`Cluster::shutdown`], the cluster ends at once: handlers
/// are dropped where they stand, and everything durable goes on after the next start.
#[derive(Clone)]
pub struct Cluster(Arc<Owner>);

/// Ends the runner with the last clone.
struct Owner {
    runner: Arc<Runner>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        loops::end(&self.runner);
    }
}

impl Cluster {
    /// Settings first, then [`ClusterBuilder::start`]. Begins with those that environment variables
    /// name, see [`Config`]; a variable that cannot be used is refused at the start.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::new(Config::default()).config_from_env()
    }

    /// As [`Cluster::builder`], but begins with the defaults, whatever the environment says.
    pub fn builder_without_env() -> ClusterBuilder {
        ClusterBuilder::new(Config::default())
    }

    pub(super) fn of(runner: Arc<Runner>) -> Self {
        Cluster(Arc::new(Owner { runner }))
    }

    fn runner(&self) -> &Arc<Runner> {
        &self.0.runner
    }

    /// A typed client of an entity: of a type that was registered, or of `dyn SomeContract`. Does
    /// no I/O and never fails; the first call reports an id that cannot be used, or a type that
    /// nobody hosts.
    pub fn get<C: ?Sized + Contract>(&self, id: impl Into<EntityId>) -> C::Client {
        C::Client::new(Handle::of::<C>(self.runner(), id.into()))
    }

    /// The receipt of a persisted request by its id, to ask for its outcome in any process.
    pub fn receipt<M: Persisted + Message>(&self, id: RequestId) -> Receipt<M> {
        Receipt::new(self.runner().clone(), id, None)
    }

    /// A typed client of a workflow. Does no I/O and never fails; a start reports a workflow that
    /// nobody hosts.
    pub fn workflow<W: WorkflowType>(&self) -> W::Client {
        W::Client::new(Executions::new(self.runner().clone()))
    }

    /// Completes a deferred of a workflow's execution with a value, whether the execution awaits it
    /// already or not yet. When this ends, the value is durable. Once begun it is done, though the
    /// caller may drop it.
    ///
    /// # Errors
    /// The value cannot be encoded; the storage failed; the workflow is not hosted here.
    pub async fn complete<T: Wire>(
        &self,
        token: DeferredToken<T>,
        value: T,
    ) -> Result<Completion, ClusterError> {
        workflow::complete(self.runner(), token, value).await
    }

    /// Completes a deferred without a value: the execution gets
    /// [`DeferredFailed`](crate::workflow::DeferredFailed) with this reason.
    ///
    /// # Errors
    /// As [`Cluster::complete`].
    pub async fn fail<T>(
        &self,
        token: DeferredToken<T>,
        reason: impl Into<String>,
    ) -> Result<Completion, ClusterError> {
        workflow::fail(self.runner(), token, reason.into()).await
    }

    /// The requests that were given up.
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(self.runner().clone())
    }

    /// The requests that wait for something this cluster lacks.
    pub fn holds(&self) -> Holds {
        Holds::new(self.runner().clone())
    }

    /// Cancels a persisted request by its id; see [`Receipt::cancel`].
    ///
    /// # Errors
    /// As [`Receipt::cancel`].
    pub async fn cancel(&self, request: RequestId) -> Result<Cancelled, ClusterError> {
        cancel(self.runner(), request).await
    }

    /// Runs a finished request again by its id; see [`Receipt::reset`].
    ///
    /// # Errors
    /// As [`Receipt::reset`].
    pub async fn reset(&self, request: RequestId) -> Result<bool, ClusterError> {
        reset(self.runner(), request).await
    }

    /// Forgets an entity: its state, its requests wherever they stand, their outcomes and keys, and
    /// its reminders. Its next message finds it as if it had never been, and keys that were used
    /// before run again.
    ///
    /// Waits for the handlers of the entity that run and for its open streams; nothing else of it
    /// starts meanwhile. Persisted requests that were accepted before never start, and who waits
    /// for them gets `Interrupted`. Volatile ones that wait in the mailbox run afterwards, as does
    /// what is accepted later. The instance is dropped, after its `#[deactivate]` method.
    ///
    /// Works in transactions of at most `clear_batch` requests each: first those without an
    /// outcome, then state and reminders, then the rest. After a crash or an error in between call
    /// it again: what is gone is gone, and what was done before was done once. What the entity has
    /// sent to others stays, and so do their answers. Goes on when it is dropped.
    ///
    /// # Errors
    /// `NotAssigned` when nobody here hosts the contract; `Reentrant` inside a handler that would
    /// wait for itself; `Persistence` when the storage failed: call it again.
    pub async fn clear<C: ?Sized + Contract>(
        &self,
        id: impl Into<EntityId>,
    ) -> Result<(), ClusterError> {
        clear::<C>(self.runner(), id.into()).await
    }

    /// The receipt of a persisted stream by its request's id, to read it on in any process.
    pub fn stream_receipt<M: Persisted + StreamMessage>(&self, id: RequestId) -> StreamReceipt<M> {
        StreamReceipt::of(self.runner().clone(), id)
    }

    /// The shard of an entity.
    ///
    /// # Errors
    /// `NotAssigned` when nobody here hosts the contract.
    pub fn shard_of<C: ?Sized + Contract>(
        &self,
        id: impl Into<EntityId>,
    ) -> Result<ShardId, ClusterError> {
        Handle::of::<C>(self.runner(), id.into()).shard()
    }

    /// Whether this process owns the entity's shard.
    pub fn owns<C: ?Sized + Contract>(&self, id: impl Into<EntityId>) -> bool {
        self.shard_of::<C>(id).is_ok() && !self.is_shutting_down()
    }

    /// A new id, unique in this cluster (a database may hold several, with a prefix each) and
    /// growing within this process.
    pub fn snowflake(&self) -> Snowflake {
        self.runner().snowflakes.next(self.runner().clock.wall())
    }

    /// What this runner has and does now. Looks at every entity in memory: for people and for
    /// tests, not for every call.
    pub fn stats(&self) -> Stats {
        Stats::of(self.runner())
    }

    /// Waits until every persisted request that was accepted has its outcome or is a dead letter:
    /// also those that nobody awaits, that an earlier process has left behind, and that handlers
    /// send meanwhile. Says nothing of requests that come later, so stop calling first; while they
    /// keep coming it may never end. Requests in retry back-off and overdue ones are waited for;
    /// scheduled ones whose time has not come and held ones are not. Cancel safe.
    ///
    /// # Errors
    /// The storage could not be read, or the cluster was shut down meanwhile.
    pub async fn caught_up(&self) -> Result<()> {
        caught_up(self.runner()).await
    }

    /// Whether the cluster takes no more calls: it is being shut down, or another program has taken
    /// its database over.
    pub fn is_shutting_down(&self) -> bool {
        !self.runner().gate.is_open()
    }

    /// Serves until the signal comes, then ends as [`Cluster::shutdown`] does; or until another
    /// program has taken the database over, or a clone was shut down.
    ///
    /// # Errors
    /// As [`Cluster::shutdown`]; [`StorageError::Fenced`] when another program has taken over: then
    /// nothing of this one is served any more, and its process had better end.
    pub async fn run_until(self, signal: impl Future) -> Result<()> {
        let runner = self.runner();
        let is_taken_over = tokio::select! {
            biased;
            () = runner.gate.shut() => runner.committer.is_fenced(),
            _ = signal => false,
        };
        let ended = self.shutdown().await;
        // Or it was meanwhile.
        if is_taken_over || (ended.is_ok() && runner.committer.is_fenced()) {
            let incarnation = runner.committer.fence().incarnation.as_u64();
            return Err(StorageError::Fenced { incarnation }.into());
        }
        ended
    }

    /// Ends gracefully: takes no more calls, lets running handlers and open streams finish within
    /// `drain_limit`, writes their commits, and leaves the database. Handlers that run longer are
    /// dropped, and nothing that they come to is kept: their persisted requests run again after the
    /// next start, as does what was accepted and has not run. Dropped before its end, the drain
    /// goes no further, but nothing durable is lost.
    ///
    /// # Errors
    /// The storage could not be told; everything has ended all the same.
    pub async fn shutdown(&self) -> Result<()> {
        Ok(loops::shut_down(self.runner()).await?)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cluster").field(self.runner()).finish()
    }
}
