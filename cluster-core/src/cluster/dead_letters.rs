//! Requests that were given up.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use futures_core::Stream;
use futures_util::stream::try_unfold;

use super::error::Error;
use crate::codec;
use crate::contract::Shape;
use crate::entity::{Contract, ContractOf, Runner, Serves};
use crate::id::{Address, RequestId, Seq};
use crate::message::Headers;
use crate::storage::{DeadLetterRow, StorageError};
use crate::time::Timestamp;

/// How many dead letters are read from the storage at once.
const PAGE: usize = 256;

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
        let start = Listing { letters: self, after: Seq::default(), page: VecDeque::new() };
        Box::pin(try_unfold(start, |mut listing| async move {
            let row = listing.next().await?;
            Ok(match row {
                Some(row) => {
                    let letter = listing.letters.letter(row).await?;
                    Some((letter, listing))
                }
                None => None,
            })
        }))
    }

    async fn letter(&self, row: DeadLetterRow) -> Result<DeadLetter, StorageError> {
        let storage = &self.runner.storage;
        let contracts = storage.load_contracts().await?;
        let request = &row.request;
        let known = contracts
            .iter()
            .find(|c| c.entity_type == request.entity_type && c.tag == request.message);
        let message = known.map_or_else(
            || format!("{:016x}", request.message.as_u64()),
            |contract| contract.name.to_string(),
        );
        let fingerprint = codec::fingerprint_of(&request.arguments).ok();
        let stored = match fingerprint {
            Some(fingerprint) => storage.load_shape(fingerprint.as_u64()).await?,
            None => None,
        };
        let shape = stored.and_then(|row| Shape::from_bytes(&row.shape).ok());
        let arguments = shape.and_then(|shape| codec::to_json(&request.arguments, &shape).ok());
        Ok(DeadLetter { row, message, arguments })
    }
}

struct Listing {
    letters: DeadLetters,
    after: Seq,
    page: VecDeque<DeadLetterRow>,
}

impl Listing {
    async fn next(&mut self) -> Result<Option<DeadLetterRow>, StorageError> {
        loop {
            while let Some(row) = self.page.pop_front() {
                let wanted = self.letters.entity_type;
                if wanted.is_none_or(|wanted| *row.request.entity_type == *wanted) {
                    return Ok(Some(row));
                }
            }
            let page = self.letters.runner.storage.dead_letters(self.after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(None) };
            self.after = last.request.seq;
            self.page = page.into();
        }
    }
}

/// A request that was given up after its last attempt. It is kept until somebody decides.
#[derive(Clone)]
pub struct DeadLetter {
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
