//! Handlers' own transactions behind a door.

use std::any::Any;
use std::sync::Arc;

use cluster::storage::{
    Batch, BoxFuture, Committed, Fence, OpenTransaction, StorageError, TransactionStorage,
};

use super::{Door, Guarded, Side};

impl TransactionStorage for Guarded {
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn OpenTransaction>, StorageError>> {
        Box::pin(async move {
            self.door.count("begin")?;
            let transactions = self.storage.transactions().expect("looked before");
            let inside = self.door.enter();
            let open = transactions.begin().await?;
            drop(inside);
            let door = self.door.clone();
            let open = GuardedTransaction { open, opened: Opened::new(&door), door };
            Ok(Box::new(open) as Box<dyn OpenTransaction>)
        })
    }
}

/// An open transaction of a handler.
struct Opened(Door);

impl Opened {
    fn new(door: &Door) -> Self {
        door.change(|state| state.open += 1);
        Opened(door.clone())
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.change(|state| state.open -= 1);
    }
}

struct GuardedTransaction {
    open: Box<dyn OpenTransaction>,
    opened: Opened,
    door: Door,
}

impl OpenTransaction for GuardedTransaction {
    fn connection(&mut self) -> &mut (dyn Any + Send) {
        self.open.connection()
    }

    fn connection_ref(&self) -> &(dyn Any + Send) {
        self.open.connection_ref()
    }

    fn commit(
        self: Box<Self>,
        fence: Fence,
        batch: Arc<Batch>,
    ) -> BoxFuture<'static, Result<Committed, StorageError>> {
        Box::pin(async move {
            let GuardedTransaction { open, door, opened } = *self;
            door.count("commit_own")?;
            if let Err(error) = door.pass(Side::BeforeOwn, &batch).await {
                open.rollback().await;
                return Err(error);
            }
            let (inside, number) = (door.enter(), door.give());
            let committed = open.commit(fence, batch.clone()).await?;
            door.change(|state| state.own.push(batch.clone()));
            drop((inside, opened));
            door.pass_as(Side::AfterOwn, &batch, number).await?;
            Ok(committed)
        })
    }

    fn rollback(self: Box<Self>) -> BoxFuture<'static, ()> {
        let GuardedTransaction { open, opened, .. } = *self;
        Box::pin(async move {
            open.rollback().await;
            drop(opened);
        })
    }

    fn abandon(self: Box<Self>) -> BoxFuture<'static, ()> {
        let GuardedTransaction { open, opened, .. } = *self;
        Box::pin(async move {
            open.abandon().await;
            drop(opened);
        })
    }
}
