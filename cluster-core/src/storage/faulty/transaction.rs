//! Faults in users' transactions.

use std::any::Any;
use std::sync::Arc;

use super::faults::{Fault, Write, refused, unknown};
use super::{FaultyStorage, Shared};
use crate::storage::batch::{Batch, Committed};
use crate::storage::ownership::Fence;
use crate::storage::transaction::{OpenTransaction, TransactionStorage};
use crate::storage::{BoxFuture, StorageError};

impl TransactionStorage for FaultyStorage {
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn OpenTransaction>, StorageError>> {
        Box::pin(async move {
            self.shared.enter().await?;
            let transactions = self
                .shared
                .inner
                .transactions()
                .filter(|_| self.shared.fault(Write::Begin).is_none());
            let inner = self.shared.work(transactions.ok_or_else(refused)?.begin()).await?;
            let open = FaultyTransaction { inner, shared: self.shared.clone() };
            Ok(Box::new(open) as Box<dyn OpenTransaction>)
        })
    }
}

struct FaultyTransaction {
    inner: Box<dyn OpenTransaction>,
    shared: Arc<Shared>,
}

impl OpenTransaction for FaultyTransaction {
    fn connection(&mut self) -> &mut (dyn Any + Send) {
        self.inner.connection()
    }

    fn connection_ref(&self) -> &(dyn Any + Send) {
        self.inner.connection_ref()
    }

    fn commit(
        self: Box<Self>,
        fence: Fence,
        batch: Arc<Batch>,
    ) -> BoxFuture<'static, Result<Committed, StorageError>> {
        Box::pin(async move {
            let FaultyTransaction { inner, shared } = *self;
            if let Err(error) = shared.enter().await {
                inner.rollback().await;
                return Err(error);
            }
            let fault = shared.fault(Write::Transaction);
            if let Some(Fault::Refused | Fault::LostUnknown) = fault {
                inner.rollback().await;
                return Err(if fault == Some(Fault::Refused) { refused() } else { unknown() });
            }
            shared.dice.count(|counts| counts.commits += 1);
            shared.hit(fault, inner.commit(fence, batch)).await
        })
    }

    fn rollback(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.inner.rollback()
    }

    fn abandon(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.inner.abandon()
    }
}
