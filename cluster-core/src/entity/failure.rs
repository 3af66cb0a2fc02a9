//! Outcomes between Rust values and stored bytes.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::contract::Message;
use super::endpoint::ReplyOf;
use super::schema::MessageSchema;
use super::shared::Shared;
use super::wire::Wire;
use crate::codec::{self, DecodeError, EncodeError};
use crate::commit::CommitFailure;
use crate::contract::Schema;
use crate::error::{CallError, ClusterError, Refused, text};
use crate::id::Address;
use crate::storage::{OutcomeKind, ShapeRow, StorageError, StoredOutcome};

/// The stored form of the cluster errors that can be outcomes.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum StoredFailure {
    Defect { message: String, attempts: u32, reason: String },
    LimitExceeded { limit: String, what: String, max: u64, actual: u64 },
    Malformed { what: String, reason: String },
    Refused { reason: String },
}

static FAILURE: LazyLock<Schema> =
    LazyLock::new(|| Schema::of::<StoredFailure>().expect("a plain enum can be traced"));

/// What the storage should know of the stored form.
pub(crate) fn failure_shape() -> ShapeRow {
    let fingerprint = FAILURE.fingerprint().as_u64();
    ShapeRow { fingerprint, shape: FAILURE.shape().to_bytes().into() }
}

/// No stored failure is larger: its texts are cut before.
const FAILURE_BYTES_MAX: usize = 64 * 1024;
/// The longest reason that is stored, in bytes.
const REASON_BYTES_MAX: usize = 8 * 1024;

/// A text of an older runner whose static name this binary need not have.
const LIMIT_NAMES: [&str; 2] = ["payload_bytes_max", "state_bytes_max"];

/// What a codec or a decoding reader said, as a source.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Reason(String);

/// The outcome that stores a cluster error.
pub(super) fn stored_failure(error: &ClusterError) -> StoredOutcome {
    let failure = match error {
        ClusterError::Defect { message, attempts, reason, .. } => StoredFailure::Defect {
            message: message.clone(),
            attempts: *attempts,
            reason: cut(reason),
        },
        ClusterError::LimitExceeded { limit, what, max, actual } => StoredFailure::LimitExceeded {
            limit: (*limit).to_owned(),
            what: cut(what),
            max: *max as u64,
            actual: *actual as u64,
        },
        ClusterError::Refused(refused) => StoredFailure::Refused { reason: cut(refused.reason()) },
        other => StoredFailure::Malformed { what: "the outcome".into(), reason: cut(&text(other)) },
    };
    let payload = codec::encode(&failure, &FAILURE, FAILURE_BYTES_MAX);
    StoredOutcome {
        kind: OutcomeKind::Failed,
        payload: payload.expect("a small plain enum can be encoded"),
    }
}

/// At most `REASON_BYTES_MAX` bytes of a text.
pub(super) fn cut(text: &str) -> String {
    let end = (0..=text.len().min(REASON_BYTES_MAX)).rev().find(|at| text.is_char_boundary(*at));
    text[..end.unwrap_or(0)].to_owned()
}

fn failure_of(address: &Address, payload: &Bytes) -> ClusterError {
    let failure: StoredFailure = match codec::decode(payload, &FAILURE) {
        Ok(failure) => failure,
        Err(error) => return decode_error("a stored failure".into(), error),
    };
    match failure {
        StoredFailure::Defect { message, attempts, reason } => {
            ClusterError::Defect { address: address.clone(), message, attempts, reason }
        }
        StoredFailure::LimitExceeded { limit, what, max, actual } => ClusterError::LimitExceeded {
            limit: LIMIT_NAMES.into_iter().find(|name| *name == limit).unwrap_or("limit"),
            what,
            max: usize::try_from(max).unwrap_or(usize::MAX),
            actual: usize::try_from(actual).unwrap_or(usize::MAX),
        },
        StoredFailure::Refused { reason } => ClusterError::Refused(Refused::new(reason)),
        StoredFailure::Malformed { what, reason } => {
            ClusterError::Malformed { what, source: Arc::new(Reason(reason)) }
        }
    }
}

/// What a failed decoding is for its caller.
pub(crate) fn decode_error(what: String, error: DecodeError) -> ClusterError {
    let incompatible = matches!(error, DecodeError::IncompatibleContract { .. });
    let source: Arc<dyn std::error::Error + Send + Sync> = Arc::new(error);
    match incompatible {
        true => ClusterError::IncompatibleContract { what, source },
        false => ClusterError::Malformed { what, source },
    }
}

/// What a failed commit is for the caller of whom nothing was written.
pub(crate) fn not_committed(failure: &CommitFailure) -> ClusterError {
    match failure {
        CommitFailure::Storage(StorageError::TooLarge { what, bytes, limit }) => {
            ClusterError::LimitExceeded {
                limit: "payload_bytes_max",
                what: format!("{what}, for the storage's own limit,"),
                max: *limit,
                actual: *bytes,
            }
        }
        CommitFailure::Storage(error) => {
            ClusterError::Persistence { source: Arc::new(error.clone()) }
        }
        CommitFailure::Superseded => ClusterError::Interrupted,
        CommitFailure::Stopped => ClusterError::ShuttingDown,
    }
}

/// What a failed encoding is for its caller; `limit` names the setting that bounds it.
pub(crate) fn encode_error(what: &str, limit: &'static str, error: EncodeError) -> ClusterError {
    match error {
        EncodeError::TooLarge { limit: max, size } => {
            ClusterError::LimitExceeded { limit, what: what.to_owned(), max, actual: size }
        }
        other => ClusterError::Malformed { what: what.to_owned(), source: Arc::new(other) },
    }
}

/// Reads a stored outcome as the reply of a message.
pub(super) fn read_reply<M: Message>(
    schema: &MessageSchema,
    address: &Address,
    outcome: &StoredOutcome,
) -> ReplyOf<M> {
    let what = |part: &str| format!("{part} of {address} {}", M::INFO.name);
    match outcome.kind {
        OutcomeKind::Ok => M::Ok::decode(&outcome.payload, &schema.ok)
            .map_err(|error| CallError::Cluster(decode_error(what("the value"), error))),
        OutcomeKind::Err => Err(match M::Err::decode(&outcome.payload, &schema.err) {
            Ok(error) => CallError::Entity(error),
            Err(error) => CallError::Cluster(decode_error(what("the error"), error)),
        }),
        OutcomeKind::Failed => Err(CallError::Cluster(failure_of(address, &outcome.payload))),
        OutcomeKind::Interrupted => Err(CallError::Cluster(ClusterError::Interrupted)),
    }
}

/// As [`read_reply`], where the entity type may not be registered here.
pub(crate) fn decode_reply<M: Message>(
    shared: &Shared,
    address: &Address,
    outcome: &StoredOutcome,
) -> ReplyOf<M> {
    let kind = shared.kind_named(address.entity_type());
    let known = kind.as_ref().and_then(|kind| kind.schema(M::INFO.index));
    match known {
        Some(schema) => read_reply::<M>(schema, address, outcome),
        None => match MessageSchema::of::<M>() {
            Ok(schema) => read_reply::<M>(&schema, address, outcome),
            Err(error) => Err(CallError::Cluster(ClusterError::Malformed {
                what: format!("the reply type of {address}"),
                source: Arc::new(error),
            })),
        },
    }
}
