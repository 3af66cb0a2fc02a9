//! Handing a request over without waiting for its outcome.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::call::Call;
use super::cancel::{Cancelled, cancel};
use super::context::Context;
use super::contract::{Deliver, Message};
use super::endpoint::{ErrOf, Exchange, ReplyOf, Request, Wanted};
use super::failure::decode_reply;
use super::handle::Handle;
use super::hold::held;
use super::options::Delivery;
use super::redrive::reset;
use super::shared::Shared;
use super::submit::dead_letter;
use super::waiters::Told;
use crate::error::{CallError, ClusterError};
use crate::id::{Address, KeyDigest, RequestId};
use crate::storage::{BoxFuture, FoundRequest};

/// `call.send()`: await it to hand the request over.
#[must_use = "nothing is sent until this is awaited"]
pub struct SendCall<M: Message>(Call<M>);

impl<M: Message> SendCall<M> {
    pub(super) fn new(call: Call<M>) -> Self {
        SendCall(call)
    }
}

impl<M: Message> fmt::Debug for SendCall<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendCall({:?})", self.0)
    }
}

impl<M: Message> IntoFuture for SendCall<M>
where
    M::Delivery: Deliver<M>,
{
    type Output = Result<<M::Delivery as Deliver<M>>::Sent, ClusterError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// Cancel safe: dropped before its end, the request is handed over or not, wholly.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(send(self.0))
    }
}

async fn send<M: Message>(call: Call<M>) -> Result<<M::Delivery as Deliver<M>>::Sent, ClusterError>
where
    M::Delivery: Deliver<M>,
{
    let shared = call.handle.shared().clone();
    let limit = call.limit();
    let parent = Context::current();
    let confirmation = parent.as_ref().and_then(Context::confirmation);
    let with_commit = parent.as_ref().filter(|parent| parent.0.commits).cloned();
    let (handle, request) = call.request(parent, Wanted::HandOver)?;
    // Its span lasts until the request is handed over.
    let _trace = request.trace.clone();
    if let (Delivery::Persisted, Some(parent)) = (M::INFO.delivery, with_commit) {
        // Leaves with the handler's commit: what it has read is durable by then.
        let (address, put) = (handle.address(), parent.put_into_outbox(&handle, request));
        let timeout = |_| ClusterError::Timeout { address, message: M::INFO.name, after: limit };
        let (id, key) = shared.clock.timeout(limit, put).await.map_err(timeout)??;
        return Ok(<M::Delivery as Deliver<M>>::sent(shared, Some(id), key));
    }
    let address = handle.address();
    let handed_over = async {
        if let Some(confirmation) = confirmation {
            confirmation.await.unwrap_or(Err(ClusterError::Interrupted))?;
        }
        hand_over(&handle, request).await
    };
    let ended = shared.clock.timeout(limit, handed_over).await;
    let timeout = |_| ClusterError::Timeout { address, message: M::INFO.name, after: limit };
    let id = ended.map_err(timeout)??;
    Ok(<M::Delivery as Deliver<M>>::sent(shared, id, None))
}

/// Gives the request to its entity; the id of one that is durable now.
pub(super) async fn hand_over<M: Message>(
    handle: &Handle,
    request: Request<M>,
) -> Result<Option<RequestId>, ClusterError> {
    let mut exchange = Exchange::Request(request);
    handle.endpoint()?.clone().start(M::INFO.index, &mut exchange);
    match exchange {
        Exchange::HandedOver(result) => result.map(|()| None),
        Exchange::Accepting(accepted) => {
            accepted.await.unwrap_or(Err(ClusterError::ShuttingDown)).map(Some)
        }
        _ => unreachable!("a slot answers a hand-over so"),
    }
}

/// Proof that a persisted request is durable. Its outcome can be asked for here, or by its id from
/// any process that uses the same database, also after a restart.
pub struct Receipt<M> {
    shared: Arc<Shared>,
    id: RequestId,
    /// Its key, while it is not known whether it was accepted under its own id: another request may
    /// have taken the key before the commit.
    key: Option<KeyDigest>,
    of: PhantomData<fn() -> M>,
}

impl<M: Message> Receipt<M> {
    pub(crate) fn new(shared: Arc<Shared>, id: RequestId, key: Option<KeyDigest>) -> Self {
        Receipt { shared, id, key, of: PhantomData }
    }

    /// The request's id: write it down to ask for the outcome later.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Waits for the outcome, at most the default call timeout. May be asked any number of times.
    /// Cancel safe.
    ///
    /// # Errors
    /// The handler's own error; `Defect` while the request is a dead letter; `Retired` when nothing
    /// is known of the id; `Timeout` when it has not ended yet.
    pub async fn outcome(&self) -> <M::Outcome as super::Outcome>::Reply {
        let limit = self.shared.config.call_timeout;
        <M::Outcome as super::Outcome>::reply(self.wait(limit).await)
    }

    /// Cancels the request, wherever it waits: in a mailbox, in the storage, for its time, held or
    /// as a dead letter. It never starts then, and its outcome is `Interrupted`; a running handler
    /// is dropped and its changes are rolled back, unless it is `uninterruptible`: then this waits
    /// for its end. Durable when this returns; goes on when it is dropped.
    ///
    /// # Errors
    /// `Retired` when nothing is known of the id; `Persistence` when the storage failed.
    pub async fn cancel(&self) -> Result<Cancelled, ClusterError> {
        cancel(&self.shared, self.stored_id().await?).await
    }

    /// Forgets the outcome of the finished request and runs it again, once. Says whether it was
    /// finished; one that is not is left alone.
    ///
    /// # Errors
    /// As [`Receipt::cancel`].
    pub async fn reset(&self) -> Result<bool, ClusterError> {
        reset(&self.shared, self.stored_id().await?).await
    }

    /// The id under which the request is stored.
    async fn stored_id(&self) -> Result<RequestId, ClusterError> {
        if self.key.is_none() {
            return Ok(self.id);
        }
        let found = self.shared.storage.find_requests(vec![self.id]).await;
        let failed = |error| ClusterError::Persistence { source: Arc::new(error) };
        if found.map_err(failed)?.iter().any(Option::is_some) {
            return Ok(self.id);
        }
        match self.id_of_key().await {
            Ok(other) => Ok(other.unwrap_or(self.id)),
            Err(CallError::Cluster(error)) => Err(error),
            Err(CallError::Entity(_)) => unreachable!("the storage was asked, no handler"),
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The stored request, and who will be told of its outcome.
    pub(super) async fn find_and_wait(
        &self,
    ) -> Result<(oneshot::Receiver<Told>, FoundRequest), CallError<ErrOf<M>>> {
        let shared = &self.shared;
        let mut id = self.id;
        loop {
            // Wait first, then look: an outcome that comes in between is seen twice, never missed.
            let told = shared.waiters.wait(id, None);
            let find = shared.storage.find_requests(vec![id]);
            if let Some(request) = find.await.map_err(persistence)?.pop().flatten() {
                return Ok((told, request));
            }
            match self.id_of_key().await? {
                Some(other) if other != id => id = other,
                _ => return Err(CallError::Cluster(ClusterError::Retired { request: self.id })),
            }
        }
    }

    /// As [`Receipt::outcome`], with another limit.
    pub(crate) async fn wait(&self, after: Duration) -> ReplyOf<M> {
        let shared = &self.shared;
        let (told, request) = self.find_and_wait().await?;
        let row = &request.request;
        let address = Address::new(row.entity_type.clone(), row.entity_id.clone(), row.shard);
        if let Some(outcome) = request.outcome {
            return decode_reply::<M>(shared, &address, &outcome);
        }
        if request.dead {
            return Err(CallError::Cluster(dead_letter::<M>(shared, address, row.seq).await));
        }
        if let Some(missing) = &request.held {
            return Err(CallError::Cluster(held(row.id, missing)));
        }
        let timeout =
            || ClusterError::Timeout { address: address.clone(), message: M::INFO.name, after };
        match shared.clock.timeout(after, told).await {
            Ok(Ok(Ok(outcome))) => decode_reply::<M>(shared, &address, &outcome),
            Ok(Ok(Err(error))) => Err(CallError::Cluster(error)),
            Ok(Err(_)) => Err(CallError::Cluster(ClusterError::ShuttingDown)),
            Err(_) => Err(CallError::Cluster(timeout())),
        }
    }
}

impl<M: Message> Receipt<M> {
    /// The request as it is stored.
    pub(crate) async fn find(&self) -> Result<Option<FoundRequest>, ClusterError> {
        let find = |id| self.shared.storage.find_requests(vec![id]);
        let failed = |error| ClusterError::Persistence { source: Arc::new(error) };
        let found = find(self.id).await.map_err(failed)?.pop().flatten();
        if found.is_some() {
            return Ok(found);
        }
        let Some(digest) = self.key else { return Ok(None) };
        let found = self.shared.storage.find_keys(vec![digest]).await;
        Ok(found.map_err(failed)?.pop().flatten())
    }

    /// The request that has the key.
    async fn id_of_key(&self) -> Result<Option<RequestId>, CallError<ErrOf<M>>> {
        let Some(digest) = self.key else { return Ok(None) };
        let found = self.shared.storage.find_keys(vec![digest]).await.map_err(persistence)?;
        Ok(found.into_iter().flatten().map(|found| found.request.id).next())
    }
}

fn persistence<E>(error: crate::storage::StorageError) -> CallError<E> {
    CallError::Cluster(ClusterError::Persistence { source: Arc::new(error) })
}

impl<M> Clone for Receipt<M> {
    fn clone(&self) -> Self {
        Receipt { shared: self.shared.clone(), id: self.id, key: self.key, of: PhantomData }
    }
}

impl<M> fmt::Debug for Receipt<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({})", self.id)
    }
}
