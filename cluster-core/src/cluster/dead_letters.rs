//! Requests that were given up.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use futures_core::Stream;
use futures_util::stream::try_unfold;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::error::Error;
use crate::codec;
use crate::contract::Shape;
use crate::entity::{Cancelled, Contract, ContractOf, Runner, Serves, cancel, redrive};
use crate::error::ClusterError;
use crate::id::{Address, RequestId, Seq};
use crate::message::Headers;
use crate::storage::{ContractRow, DeadLetterRow, RequestRow, Storage, StorageError};
use crate::time::Timestamp;

/// How many dead letters are read from the storage at once, at most.
const PAGE_MAX: usize = 256;

/// How many shapes a listing keeps from one page to the next.
const SHAPES_MAX: usize = 1_024;

/// The dead letters of a cluster, to be listed.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    runner: Arc<Runner>,
    entity_type: Option<&'static str>,
}

impl DeadLetters {
    pub(super) fn new(runner: Arc<Runner>) -> Self {
        DeadLetters { runner, entity_type: None }
    }

    /// Only those of one entity type.
    #[must_use]
    pub fn of<T: Serves>(mut self) -> Self {
        self.entity_type = Some(<ContractOf<T> as Contract>::NAME);
        self
    }

    /// Lists them in the order in which the requests were accepted, page by page. Ends with the
    /// first storage error.
    pub fn list(self) -> impl Stream<Item = Result<DeadLetter, Error>> + Send + Unpin {
        let (after, page) = (Seq::default(), VecDeque::new());
        let start = Listing { letters: self, after, page, names: Names::default() };
        Box::pin(try_unfold(start, |mut listing| async move {
            let letter = listing.next().await?;
            Ok(letter.map(|letter| (letter, listing)))
        }))
    }

    /// So many that they fit into the bytes of a page, whatever their size.
    fn page_rows(&self) -> usize {
        page_rows(&self.runner)
    }
}

/// How many rows of any size fit into the bytes of a page.
pub(super) fn page_rows(runner: &Runner) -> usize {
    runner.config.page_rows(PAGE_MAX)
}

struct Listing {
    letters: DeadLetters,
    after: Seq,
    page: VecDeque<DeadLetterRow>,
    names: Names,
}

/// What shows requests without their Rust types, as far as it was asked for.
#[derive(Default)]
pub(super) struct Names {
    /// All that are stored, once the first letter was shown.
    contracts: Option<Vec<ContractRow>>,
    /// By fingerprint; `None`: not known.
    shapes: HashMap<u64, Option<Shape>>,
}

impl Listing {
    async fn next(&mut self) -> Result<Option<DeadLetter>, StorageError> {
        let storage = self.letters.runner.storage.clone();
        loop {
            while let Some(row) = self.page.pop_front() {
                let wanted = self.letters.entity_type;
                if wanted.is_none_or(|wanted| *row.request.entity_type == *wanted) {
                    let (message, arguments) = self.names.shown(&*storage, &row.request).await?;
                    let runner = self.letters.runner.clone();
                    return Ok(Some(DeadLetter { runner, row, message, arguments }));
                }
            }
            let rows = storage.dead_letters(self.after, self.letters.page_rows()).await?;
            let Some(last) = rows.last() else { return Ok(None) };
            self.after = last.request.seq;
            self.page = rows.into();
        }
    }
}

impl Names {
    /// The name of a request's message (its tag in hex where none is known), and its arguments.
    pub(super) async fn shown(
        &mut self,
        storage: &dyn Storage,
        request: &RequestRow,
    ) -> Result<(String, Option<serde_json::Value>), StorageError> {
        if self.shapes.len() > SHAPES_MAX {
            self.shapes.clear();
        }
        let contracts = match &mut self.contracts {
            Some(contracts) => contracts,
            none => none.insert(storage.load_contracts().await?),
        };
        let known = contracts
            .iter()
            .find(|c| c.entity_type == request.entity_type && c.tag == request.message);
        let message = known.map_or_else(
            || format!("{:016x}", request.message.as_u64()),
            |contract| contract.name.to_string(),
        );
        let shape = match codec::fingerprint_of(&request.arguments) {
            Ok(fingerprint) => self.shape(storage, fingerprint.as_u64()).await?,
            Err(_) => None,
        };
        let arguments = shape.and_then(|shape| codec::to_json(&request.arguments, shape).ok());
        Ok((message, arguments))
    }

    async fn shape(
        &mut self,
        storage: &dyn Storage,
        fingerprint: u64,
    ) -> Result<Option<&Shape>, StorageError> {
        let known = match self.shapes.entry(fingerprint) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let stored = storage.load_shape(fingerprint).await?;
                place.insert(stored.and_then(|row| Shape::from_bytes(&row.shape).ok()))
            }
        };
        Ok(known.as_ref())
    }
}

/// A request that was given up after its last attempt. It is kept until somebody decides.
#[derive(Clone)]
pub struct DeadLetter {
    runner: Arc<Runner>,
    row: DeadLetterRow,
    message: String,
    arguments: Option<serde_json::Value>,
}

impl DeadLetter {
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

    /// The encoded arguments.
    pub fn payload(&self) -> &[u8] {
        &self.row.request.arguments
    }

    /// The caller's headers.
    pub fn headers(&self) -> &Headers {
        &self.row.request.headers
    }

    /// How often it was tried.
    pub fn attempts(&self) -> u32 {
        self.row.attempts
    }

    /// What the last attempt said.
    pub fn last_error(&self) -> &str {
        &self.row.error
    }

    /// When it was given up.
    pub fn died_at(&self) -> Timestamp {
        self.row.died_at
    }

    /// Gives the request its attempts anew: it leaves the list and runs once, however often this is
    /// asked of this letter. Its outcome can still be asked for by its id or key. A request that
    /// has left the list meanwhile, redriven or discarded, stays as it is, and this says `Ok`.
    ///
    /// # Errors
    /// `Persistence`: the storage failed; ask again. `ShuttingDown`.
    pub async fn redrive(&self) -> Result<(), ClusterError> {
        redrive(&self.runner, &self.row.request, self.row.died_at, None).await
    }

    /// Ends the request for good: it leaves the list, and its outcome is `Interrupted`. One that
    /// was redriven meanwhile is cancelled, or completes: the answer says which.
    ///
    /// # Errors
    /// As [`DeadLetter::redrive`].
    pub async fn discard(&self) -> Result<Cancelled, ClusterError> {
        cancel(&self.runner, self.id()).await
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("id", &self.id())
            .field("entity", &self.entity())
            .field("message", &self.message)
            .field("attempts", &self.row.attempts)
            .field("last_error", &self.row.error)
            .finish_non_exhaustive()
    }
}
