//! Requests that wait for something this cluster lacks.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use futures_core::Stream;
use futures_util::stream::try_unfold;

use super::dead_letters::{Names, page_rows};
use super::error::Error;
use crate::entity::Runner;
use crate::id::{Address, RequestId, Seq};
use crate::storage::{HeldRow, Missing, StorageError};
use crate::time::Timestamp;

/// The held requests of a cluster, to be listed.
#[derive(Debug, Clone)]
pub struct Holds {
    runner: Arc<Runner>,
}

impl Holds {
    pub(super) fn new(runner: Arc<Runner>) -> Self {
        Holds { runner }
    }

    /// Lists them in the order in which the requests were accepted, page by page. Ends with the
    /// first storage error.
    pub fn list(self) -> impl Stream<Item = Result<Hold, Error>> + Send + Unpin {
        let start = Listing {
            runner: self.runner,
            after: Seq::default(),
            page: VecDeque::new(),
            names: Names::default(),
        };
        Box::pin(try_unfold(start, |mut listing| async move {
            let hold = listing.next().await?;
            Ok(hold.map(|hold| (hold, listing)))
        }))
    }
}

struct Listing {
    runner: Arc<Runner>,
    after: Seq,
    page: VecDeque<HeldRow>,
    names: Names,
}

impl Listing {
    async fn next(&mut self) -> Result<Option<Hold>, StorageError> {
        let storage = self.runner.storage.clone();
        if self.page.is_empty() {
            self.page = storage.held(self.after, page_rows(&self.runner)).await?.into();
        }
        let Some(row) = self.page.pop_front() else { return Ok(None) };
        self.after = row.request.seq;
        let (message, arguments) = self.names.shown(&*storage, &row.request).await?;
        Ok(Some(Hold { row, message, arguments }))
    }
}

/// A request that waits for something this cluster lacks: a runner with its entity type, with its
/// message, or one that can read its arguments and its entity's state. It is released by the start
/// of such a runner, and can be cancelled by its id.
#[derive(Clone)]
pub struct Hold {
    row: HeldRow,
    message: String,
    arguments: Option<serde_json::Value>,
}

impl Hold {
    /// The request's id.
    pub fn id(&self) -> RequestId {
        self.row.request.id
    }

    /// The entity it was sent to.
    pub fn entity(&self) -> Address {
        let request = &self.row.request;
        Address::new(request.entity_type.clone(), request.entity_id.clone(), request.shard)
    }

    /// The message's name; its tag in hex where no name is known.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The arguments as JSON, shown through their stored shape without the Rust types; `None` where
    /// they cannot be shown.
    pub fn arguments(&self) -> Option<&serde_json::Value> {
        self.arguments.as_ref()
    }

    /// What it waits for.
    pub fn missing(&self) -> &Missing {
        &self.row.missing
    }

    /// Since when it is held; starts of runners that cannot run it either change nothing of that.
    pub fn held_at(&self) -> Timestamp {
        self.row.held_at
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold")
            .field("id", &self.id())
            .field("entity", &self.entity())
            .field("message", &self.message)
            .field("missing", &self.row.missing)
            .finish_non_exhaustive()
    }
}
