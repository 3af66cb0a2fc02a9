//! The way to executions of a workflow.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;

use super::definition::WorkflowType;
use super::handle::ExecutionHandle;
use super::host::{Host, RUN, Run, VERSION_HEADER};
use crate::entity::{Caller, Context, Handle, Message, Outcome, Runner};
use crate::error::{CallError, ClusterError};
use crate::id::{EntityId, ExecutionId, Key, KeyDigest};
use crate::storage::{BoxFuture, FoundRequest};

/// All executions of a workflow: what a generated client wraps.
pub struct Executions<W> {
    shared: Arc<Runner>,
    workflow: PhantomData<fn() -> W>,
}

impl<W: WorkflowType> Executions<W> {
    pub(crate) fn new(shared: Arc<Runner>) -> Self {
        Executions { shared, workflow: PhantomData }
    }

    /// An execution with these arguments: does nothing until awaited.
    pub fn start(&self, arguments: W::Arguments) -> Start<W> {
        Start { shared: self.shared.clone(), arguments, key: None }
    }

    /// The same, and its result.
    pub fn run(&self, arguments: W::Arguments) -> StartAndWait<W> {
        StartAndWait(self.start(arguments))
    }

    /// The execution that was started with this key, if there is one.
    ///
    /// # Errors
    /// The storage failed, or the key is none.
    pub async fn find(
        &self,
        key: impl Into<String>,
    ) -> Result<Option<ExecutionHandle<W>>, ClusterError> {
        let id = ExecutionId::new(
            W::NAME,
            ClusterError::key(key.into(), self.shared.config.key_bytes_max)?,
        );
        let found = find_run(&self.shared, W::ENTITY_TYPE, &id).await?;
        Ok(found.map(|found| ExecutionHandle::new(&self.shared, id, found.request.id, None)))
    }
}

impl<W> Clone for Executions<W> {
    fn clone(&self) -> Self {
        Executions { shared: self.shared.clone(), workflow: PhantomData }
    }
}

impl<W: WorkflowType> fmt::Debug for Executions<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Executions({})", W::NAME)
    }
}

impl Context {
    /// A typed client of a workflow. An execution that is started through it by a persisted handler
    /// begins with the handler's commit, or not at all.
    pub fn workflow<W: WorkflowType>(&self) -> W::Client {
        use super::definition::WorkflowClient;
        W::Client::new(Executions::new(self.shared().clone()))
    }
}

/// The key of the one run of an execution, among the requests to it.
fn run_key() -> Key {
    Key::new(RUN).expect("a short text")
}

fn run_digest(entity_type: &str, entity_id: &EntityId) -> KeyDigest {
    KeyDigest::of(entity_type, entity_id, crate::id::MessageTag::of(RUN), &run_key())
}

/// The run of an execution, as it is stored.
pub(super) async fn find_run(
    shared: &Runner,
    entity_type: &str,
    id: &ExecutionId,
) -> Result<Option<FoundRequest>, ClusterError> {
    let entity_id = id.entity_id();
    let digest = run_digest(entity_type, &entity_id);
    let found = shared.storage.find_keys(vec![digest]).await;
    let failed = |error| ClusterError::Persistence { source: Arc::new(error) };
    let found = found.map_err(failed)?.into_iter().flatten().next();
    Ok(found.filter(|found| {
        *found.request.entity_type == *entity_type && found.request.entity_id == entity_id
    }))
}

/// `workflow.start(..)`: await it to start the execution. Dropped before, nothing is started.
#[must_use = "nothing is started until this is awaited"]
pub struct Start<W: WorkflowType> {
    shared: Arc<Runner>,
    arguments: W::Arguments,
    key: Option<String>,
}

impl<W: WorkflowType> Start<W> {
    /// What the execution is found by: the same key again gives the same execution, for as long as
    /// it is kept. Without a key each is new.
    ///
    /// # Errors
    /// A key that is empty or has more than 1,024 bytes ends the start with
    /// [`ClusterError::LimitExceeded`], one that is known with other arguments with
    /// [`ClusterError::KeyConflict`]. Either way nothing is started.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    async fn start(self) -> Result<ExecutionHandle<W>, ClusterError> {
        let shared = self.shared;
        let key = match self.key {
            Some(key) => ClusterError::key(key, shared.config.key_bytes_max)?,
            None => {
                let made = shared.request_ids.next(shared.clock.wall());
                Key::new(made.to_string()).expect("a short text")
            }
        };
        let id = ExecutionId::new(W::NAME, key);
        let handle = Handle::of::<Host<W>>(&shared, id.entity_id());
        let call = handle.call(Run::<W>(self.arguments)).key(RUN);
        let receipt = call.header(VERSION_HEADER, W::VERSION.to_string()).send().await?;
        let digest = run_digest(W::ENTITY_TYPE, &id.entity_id());
        Ok(ExecutionHandle::new(&shared, id, receipt.id(), Some(digest)))
    }
}

impl<W: WorkflowType> fmt::Debug for Start<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Start({})", W::NAME)
    }
}

impl<W: WorkflowType> IntoFuture for Start<W> {
    type Output = Result<ExecutionHandle<W>, ClusterError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// Ends once the start is durable; inside a persisted handler it is so with the handler's
    /// commit. Cancel safe: dropped before its end, the execution is started or not, wholly.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

/// `workflow.run(..)`: await it to start the execution and get its result.
#[must_use = "nothing is started until this is awaited"]
pub struct StartAndWait<W: WorkflowType>(Start<W>);

impl<W: WorkflowType> StartAndWait<W> {
    /// As [`Start::key`].
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0 = self.0.key(key);
        self
    }
}

impl<W: WorkflowType> fmt::Debug for StartAndWait<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StartAndWait({})", W::NAME)
    }
}

impl<W: WorkflowType> IntoFuture for StartAndWait<W> {
    type Output = <W::Outcome as Outcome>::Reply;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// Cancel safe: the execution goes on without its caller.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match self.0.start().await {
                Ok(execution) => execution.result().await,
                Err(error) => <Run<W> as Message>::Outcome::reply(Err(CallError::Cluster(error))),
            }
        })
    }
}
