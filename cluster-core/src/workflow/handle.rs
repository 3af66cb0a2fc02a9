//! An execution as seen from outside.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::definition::WorkflowType;
use super::host::Run;
use super::token::DeferredToken;
use crate::entity::{Cancelled, Outcome, Receipt, Runner, dead_letter, decode_reply, held};
use crate::error::ClusterError;
use crate::id::{Address, ExecutionId, KeyDigest, RequestId};

/// One execution of a workflow. Cheap to clone.
pub struct ExecutionHandle<W: WorkflowType> {
    id: ExecutionId,
    run: Receipt<Run<W>>,
    shared: Arc<Runner>,
}

impl<W: WorkflowType> ExecutionHandle<W> {
    pub(super) fn new(
        shared: &Arc<Runner>,
        id: ExecutionId,
        run: RequestId,
        key: Option<KeyDigest>,
    ) -> Self {
        ExecutionHandle { id, run: Receipt::new(shared.clone(), run, key), shared: shared.clone() }
    }

    /// Its id.
    pub fn id(&self) -> &ExecutionId {
        &self.id
    }

    /// Its result, waited for however long it takes, and told the moment it is durable. May be
    /// asked any number of times, before and after the end, and also after a restart. Cancel safe.
    ///
    /// # Errors
    /// The workflow's own error; `Defect` when its body panicked, or while it is a dead letter;
    /// `ShuttingDown` when this cluster ends first; `Retired` when the execution has ended so long
    /// ago that it is not stored any more.
    pub async fn result(&self) -> <W::Outcome as Outcome>::Reply {
        <W::Outcome as Outcome>::reply(self.run.wait(Duration::MAX).await)
    }

    /// Where it stands now, without waiting.
    ///
    /// # Errors
    /// The storage failed.
    pub async fn poll(&self) -> Result<Progress<W>, ClusterError> {
        let Some(found) = self.run.find().await? else { return Ok(Progress::NotFound) };
        let row = &found.request;
        let address = Address::new(row.entity_type.clone(), row.entity_id.clone(), row.shard);
        if let Some(outcome) = &found.outcome {
            let reply = decode_reply::<Run<W>>(&self.shared, &address, outcome);
            return Ok(Progress::Finished(<W::Outcome as Outcome>::reply(reply)));
        }
        if found.dead {
            return Ok(Progress::Stopped(
                dead_letter::<Run<W>>(&self.shared, address, row.seq).await,
            ));
        }
        if let Some(missing) = &found.held {
            return Ok(Progress::Stopped(held(row.id, missing)));
        }
        Ok(match self.shared.bells.waits(row.seq) {
            Some(true) => Progress::Waiting,
            Some(false) | None => Progress::Running,
        })
    }

    /// Ends it: a step that runs is dropped where it stands, nothing more of it begins, and its
    /// outcome is `Interrupted`. What its steps have done stays done. Durable when this returns;
    /// goes on when it is dropped.
    ///
    /// # Errors
    /// `Retired` when it is not stored any more; `Persistence` when the storage failed.
    pub async fn cancel(&self) -> Result<Cancelled, ClusterError> {
        self.run.cancel().await
    }

    /// A deferred of it, by its name: the first one that its body makes.
    pub fn deferred<T>(&self, name: impl Into<Arc<str>>) -> HandleDeferred<T> {
        let token = DeferredToken::new(self.id.clone(), name, 1);
        HandleDeferred { token, value: PhantomData }
    }
}

impl<W: WorkflowType> Clone for ExecutionHandle<W> {
    fn clone(&self) -> Self {
        ExecutionHandle { id: self.id.clone(), run: self.run.clone(), shared: self.shared.clone() }
    }
}

impl<W: WorkflowType> fmt::Debug for ExecutionHandle<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExecutionHandle({})", self.id)
    }
}

/// A deferred of an execution, as its completer names it.
#[derive(Debug, Clone)]
pub struct HandleDeferred<T> {
    token: DeferredToken<T>,
    value: PhantomData<fn(T)>,
}

impl<T> HandleDeferred<T> {
    /// Another one of its name: they are counted from one, in the order in which the body makes
    /// them.
    #[must_use]
    pub fn occurrence(self, occurrence: u32) -> Self {
        let (execution, name) = (self.token.execution().clone(), self.token.name().clone());
        let token = DeferredToken::new(execution, name, occurrence);
        HandleDeferred { token, value: PhantomData }
    }

    /// By which it is completed, from anywhere.
    pub fn token(&self) -> DeferredToken<T> {
        self.token.clone()
    }
}

/// Where an execution stands.
#[non_exhaustive]
pub enum Progress<W: WorkflowType> {
    /// It is not stored, or not any more.
    NotFound,
    /// A step of it runs, or it is about to go on.
    Running,
    /// It waits for time, or for a value from outside, and everything before that is durable.
    Waiting,
    /// It was given up, and is among the dead letters with its cause; or it is held, because this
    /// program cannot read it.
    Stopped(ClusterError),
    /// It has ended, so.
    Finished(<W::Outcome as Outcome>::Reply),
}

impl<W: WorkflowType> fmt::Debug for Progress<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Progress::NotFound => "NotFound",
            Progress::Running => "Running",
            Progress::Waiting => "Waiting",
            Progress::Stopped(_) => "Stopped",
            Progress::Finished(_) => "Finished",
        })
    }
}
