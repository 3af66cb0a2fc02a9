//! A running cluster.

use std::fmt;
use std::sync::Arc;

use super::builder::ClusterBuilder;
use super::caught_up::caught_up;
use super::dead_letters::DeadLetters;
use super::error::Result;
use super::loops;
use crate::entity::{
    Client, Contract, Handle, Message, Persisted, Receipt, Runner, StreamMessage, StreamReceipt,
};
use crate::error::ClusterError;
use crate::id::{EntityId, RequestId, ShardId, Snowflake};

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
    /// Settings first, then [`ClusterBuilder::start`].
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::new()
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

    /// The requests that were given up.
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(self.runner().clone())
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

    /// What is in memory now.
    pub fn stats(&self) -> Stats {
        let runner = self.runner();
        let mut types: Vec<EntityStats> = runner
            .all_kinds()
            .iter()
            .map(|kind| EntityStats { entity_type: kind.name().clone(), records: kind.count() })
            .collect();
        types.sort_by(|a, b| a.entity_type.cmp(&b.entity_type));
        let (resident_entities, open_streams) = (runner.residents.count(), runner.streams.count());
        Stats { resident_entities, open_streams, types }
    }

    /// Waits until every persisted request that was accepted has its outcome or is a dead letter:
    /// also those that nobody awaits, that an earlier process has left behind, and that handlers
    /// send meanwhile. Says nothing of requests that come later, so stop calling first; while they
    /// keep coming it may never end. Requests in retry back-off are waited for, and so are those
    /// that nobody here can read: bound the wait where that may be. Cancel safe.
    ///
    /// # Errors
    /// The storage could not be read, or the cluster was shut down meanwhile.
    pub async fn caught_up(&self) -> Result<()> {
        caught_up(self.runner()).await
    }

    /// Whether the cluster takes no more calls.
    pub fn is_shutting_down(&self) -> bool {
        !self.runner().gate.is_open()
    }

    /// Serves until the signal comes, then ends as [`Cluster::shutdown`] does.
    ///
    /// # Errors
    /// As [`Cluster::shutdown`].
    pub async fn run_until(self, signal: impl Future) -> Result<()> {
        signal.await;
        self.shutdown().await
    }

    /// Ends gracefully: takes no more calls, lets running handlers and open streams finish within
    /// `drain_limit`, writes their commits, and leaves the database. What is accepted and has not
    /// run stays stored for the next start. Dropped before its end, the drain goes no further, but
    /// nothing durable is lost.
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

/// A look at a cluster's memory.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stats {
    /// Entities in memory.
    pub resident_entities: usize,
    /// Streams that are being read, or are held by who could.
    pub open_streams: usize,
    /// By entity type, sorted by name.
    pub types: Vec<EntityStats>,
}

/// A look at one entity type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EntityStats {
    /// The name of the type.
    pub entity_type: Arc<str>,
    /// Records of entities: those in memory, and those that handles hold on to.
    pub records: usize,
}
