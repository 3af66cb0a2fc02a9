//! Completing a deferred.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::shapes::schema_of;
use super::start::find_run;
use super::token::DeferredToken;
use crate::commit::{CommitFailure, Rare, Unit, Writes};
use crate::contract::Schema;
use crate::entity::{Context, EXECUTIONS_OF, Runner, Wire, encode_error, not_committed};
use crate::error::{ClusterError, text};
use crate::id::Address;
use crate::storage::{DeferredId, DeferredKind, DeferredRow, FoundRequest, ShapeRow, StorageError};

/// What became of a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Completion {
    /// It is durable, and the execution gets it.
    Accepted,
    /// There was one before, which holds. Nothing has changed.
    AlreadyCompleted,
    /// The execution has ended. Nothing has changed.
    ExecutionEnded,
    /// There is no such execution, or not any more. Nothing has changed.
    UnknownExecution,
}

/// Completes a deferred with a value.
pub(crate) async fn complete<T: Wire>(
    shared: &Arc<Runner>,
    token: DeferredToken<T>,
    value: T,
) -> Result<Completion, ClusterError> {
    let what = || format!("the value of {token}");
    let untraced = |error| ClusterError::Malformed { what: what(), source: Arc::new(error) };
    let schema = schema_of::<T>().map_err(untraced)?;
    let limit = shared.config.payload_bytes_max;
    let payload = value
        .encode(&schema, limit)
        .map_err(|error| encode_error(&what(), "payload_bytes_max", error))?;
    store_shape(shared, &schema).await?;
    write(shared, token, DeferredKind::Value, payload).await
}

/// Completes a deferred without a value.
pub(crate) async fn fail<T>(
    shared: &Arc<Runner>,
    token: DeferredToken<T>,
    reason: String,
) -> Result<Completion, ClusterError> {
    let (max, actual) = (shared.config.payload_bytes_max, reason.len());
    if actual > max {
        let what = format!("the reason given to {token}");
        return Err(ClusterError::LimitExceeded { limit: "payload_bytes_max", what, max, actual });
    }
    write(shared, token, DeferredKind::Failed, reason.into()).await
}

/// Stores the shape of a type once.
async fn store_shape(shared: &Arc<Runner>, schema: &Schema) -> Result<(), ClusterError> {
    let fingerprint = schema.fingerprint().as_u64();
    if shared.bells.shapes.lock().contains(&fingerprint) {
        return Ok(());
    }
    let known = shared.storage.load_shape(fingerprint).await.map_err(persistence)?;
    if known.is_none() {
        let row = ShapeRow { fingerprint, shape: schema.shape().to_bytes().into() };
        shared.storage.store_shapes(vec![row]).await.map_err(persistence)?;
    }
    shared.bells.shapes.lock().insert(fingerprint);
    Ok(())
}

fn persistence(error: StorageError) -> ClusterError {
    ClusterError::Persistence { source: Arc::new(error) }
}

async fn write<T>(
    shared: &Arc<Runner>,
    token: DeferredToken<T>,
    kind: DeferredKind,
    payload: Bytes,
) -> Result<Completion, ClusterError> {
    let parent = Context::current();
    shared.gate.check(parent.is_some())?;
    // What a handler tells must not tell of what a crash can undo.
    if let Some(confirmed) = parent.as_ref().and_then(Context::confirmation) {
        confirmed.await.unwrap_or(Err(ClusterError::Interrupted))?;
    }
    let entity_type = format!("{EXECUTIONS_OF}{}", token.execution().workflow());
    let Some(found) = find_run(shared, &entity_type, token.execution()).await? else {
        return Ok(Completion::UnknownExecution);
    };
    if found.outcome.is_some() {
        return Ok(Completion::ExecutionEnded);
    }
    let row = row(shared, &token, found, kind, payload)?;
    let (tell, told) = oneshot::channel();
    let runner = shared.clone();
    // A task of its own: once handed over it is written, and the execution is told, though its
    // maker may wait no more.
    shared.tasks.spawn(async move {
        let completion = match commit(&runner, row.clone()).await {
            Ok(()) => Ok(tell_execution(&runner, row).await),
            Err(error) => Err(error),
        };
        let _ = tell.send(completion);
    });
    told.await.unwrap_or(Err(ClusterError::ShuttingDown))
}

/// The row is committed: looks whether it was the first, and tells the execution.
async fn tell_execution(shared: &Runner, row: DeferredRow) -> Completion {
    let mut attempt = 1;
    loop {
        match shared.storage.find_deferreds(vec![row.deferred.clone()]).await {
            Ok(found) => match found.into_iter().flatten().next() {
                Some(first) => {
                    let is_first = first.id == row.id;
                    shared.bells.ring(first);
                    return match is_first {
                        true => Completion::Accepted,
                        false => Completion::AlreadyCompleted,
                    };
                }
                None => return Completion::ExecutionEnded,
            },
            Err(error) => {
                tracing::warn!(error = text(&error), "a completion cannot be looked at now");
                shared.clock.sleep(shared.config.backoff(attempt)).await;
                attempt = attempt.saturating_add(1);
            }
        }
    }
}

fn row<T>(
    shared: &Runner,
    token: &DeferredToken<T>,
    run: FoundRequest,
    kind: DeferredKind,
    payload: Bytes,
) -> Result<DeferredRow, ClusterError> {
    let request = run.request;
    let (name, occurrence) = (token.name().clone(), token.occurrence());
    let Some(host) = shared.kind_named(&request.entity_type) else {
        let address = Address::new(request.entity_type, request.entity_id, request.shard);
        return Err(ClusterError::NotAssigned { address });
    };
    let now = shared.clock.wall();
    Ok(DeferredRow {
        deferred: DeferredId { execution: request.seq, name, occurrence },
        id: shared.request_ids.next(now),
        shard: request.shard,
        epoch: host.epoch(request.shard),
        kind,
        completed_at: now,
        payload,
    })
}

/// Commits a completion. Once handed over it is written, though nobody may wait for it any more.
async fn commit(shared: &Runner, row: DeferredRow) -> Result<(), ClusterError> {
    let (tell, told) = oneshot::channel();
    let writes = Writes::rare(Rare { deferred: Some(row), ..Rare::default() });
    let complete = Box::new(move |result: Result<_, CommitFailure>| {
        // Who went away needs no answer.
        let _ = tell.send(result.map(|_| ()));
    });
    shared.committer.push(Unit::new(writes, complete));
    match told.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => Err(not_committed(&failure)),
        Err(_) => Err(ClusterError::ShuttingDown),
    }
}
