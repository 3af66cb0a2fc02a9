//! Requests as rows: written and read here alone.

use cluster_core::id::{EntityId, Epoch, Key, KeyDigest, MessageTag, ShardId};
use cluster_core::message::{Headers, TraceContext};
use cluster_core::storage::{
    FoundRequest, KeyRow, KnownRequest, Missing, OutcomeKind, Repeat, RequestRow, RetentionClass,
    StorageError, StoredOutcome,
};
use cluster_core::time::Timestamp;

use super::value::{Columns, Reader, Value, integer};

/// How many columns a request has; what a statement reads beside it follows after them.
pub(super) const REQUEST_COLUMNS: usize = 17;

/// The parts of a request that need another form in the database.
pub(super) struct EncodedRequest<'a> {
    row: &'a RequestRow,
    id: [u8; 16],
    outer: Option<[u8; 16]>,
    trace: Option<Vec<u8>>,
    headers: Option<String>,
}

impl<'a> EncodedRequest<'a> {
    pub(super) fn new(row: &'a RequestRow) -> Self {
        EncodedRequest {
            row,
            id: row.id.to_bytes(),
            outer: row.outer.map(|outer| outer.to_bytes()),
            trace: row.trace.as_ref().map(TraceContext::to_bytes),
            headers: (!row.headers.is_empty()).then(|| encode_headers(&row.headers)),
        }
    }

    /// The values in the order of the columns.
    pub(super) fn values(&self) -> [Value<'_>; REQUEST_COLUMNS] {
        let row = self.row;
        let key = row.key.as_ref();
        [
            row.seq.into(),
            Value::Bytes(&self.id),
            row.shard.as_u32().into(),
            integer(row.epoch.as_u64()).into(),
            row.class.as_u8().into(),
            row.accepted_at.into(),
            row.due_at.into(),
            self.outer.as_ref().map(|outer| &outer[..]).into(),
            row.message.as_u64().cast_signed().into(),
            Value::Bytes(row.entity_type.as_bytes()),
            (&row.entity_id).into(),
            key.map(|key| &key.digest.as_bytes()[..]).into(),
            key.map(|key| key.key.as_str().as_bytes()).into(),
            self.trace.as_deref().into(),
            self.headers.as_deref().map_or(Value::Null, Value::Text),
            Value::Bytes(&row.arguments),
            row.reminder.map(Repeat::as_ms).into(),
        ]
    }
}

/// Reads a request from the first columns of a row.
pub(super) fn read_request(columns: &dyn Columns) -> Result<RequestRow, StorageError> {
    let read = Reader::new(columns, "request");
    let class = read.number(4)?;
    let reminder = match read.integer_or_null(16) {
        None => None,
        Some(ms) => Some(Repeat::from_ms(ms).ok_or_else(|| read.corrupt("a negative period"))?),
    };
    let entity_type = read.shared_text(9)?;
    let entity_id = EntityId::from(read.text(10)?);
    let message = MessageTag::new(read.integer(8)?.cast_unsigned());
    let key = match read.bytes_or_null(12) {
        None => None,
        Some(_) => {
            let key = Key::new(read.text(12)?).map_err(|error| read.corrupt(error.to_string()))?;
            let digest = KeyDigest::of(&entity_type, &entity_id, message, &key);
            if read.bytes(11)? != digest.as_bytes() {
                return Err(read.corrupt("its digest is not that of its key"));
            }
            Some(KeyRow { digest, key })
        }
    };
    Ok(RequestRow {
        seq: read.seq(0)?,
        id: read.request_id(1)?,
        shard: ShardId::new(read.number(2)?),
        epoch: Epoch::new(read.number(3)?),
        class: RetentionClass::from_u8(class).ok_or_else(|| read.corrupt("an unknown class"))?,
        accepted_at: read.time(5)?,
        due_at: read.integer_or_null(6).map(Timestamp::from_unix_ms),
        outer: read.bytes_or_null(7).map(|_| read.request_id(7)).transpose()?,
        message,
        entity_type,
        entity_id,
        key,
        // A trace that cannot be read is none: its request runs all the same.
        trace: read.bytes_or_null(13).and_then(TraceContext::from_bytes),
        headers: decode_headers(&read, 14)?,
        arguments: read.payload(15)?,
        reminder,
    })
}

/// Reads a request with its outcome and where else it stands.
pub(super) fn read_found(columns: &dyn Columns) -> Result<FoundRequest, StorageError> {
    let request = read_request(columns)?;
    let read = Reader::new(columns, "outcome");
    let outcome = match read.integer_or_null(REQUEST_COLUMNS) {
        None => None,
        Some(_) => {
            let kind = OutcomeKind::from_u8(read.number(REQUEST_COLUMNS)?);
            let kind = kind.ok_or_else(|| read.corrupt("an unknown kind of outcome"))?;
            Some(StoredOutcome { kind, payload: read.payload(REQUEST_COLUMNS + 1)? })
        }
    };
    let finished_at = read.integer_or_null(REQUEST_COLUMNS + 2).map(Timestamp::from_unix_ms);
    let dead = read.integer_or_null(REQUEST_COLUMNS + 3).is_some();
    let held = match read.integer_or_null(REQUEST_COLUMNS + 4) {
        None => None,
        Some(_) => Some(read_missing(columns, REQUEST_COLUMNS + 4)?),
    };
    Ok(FoundRequest { request, outcome, dead, held, finished_at })
}

/// Reads what a held request waits for, from two columns.
pub(super) fn read_missing(columns: &dyn Columns, at: usize) -> Result<Missing, StorageError> {
    let read = Reader::new(columns, "held");
    let missing = Missing::from_parts(read.number(at)?, read.text(at + 1)?);
    missing.ok_or_else(|| read.corrupt("an unknown kind of hold"))
}

/// What a duplicate's caller is told.
pub(super) fn known(found: FoundRequest) -> KnownRequest {
    let FoundRequest { request, outcome, dead, held, .. } = found;
    let RequestRow { seq, id, arguments, .. } = request;
    KnownRequest { seq, id, arguments, outcome, dead, held }
}

/// Headers are a JSON array of triples (name, value, whether it is inherited), which keeps their
/// order.
fn encode_headers(headers: &Headers) -> String {
    serde_json::to_string(headers).expect("texts can be written as JSON")
}

fn decode_headers(read: &Reader<'_>, at: usize) -> Result<Headers, StorageError> {
    match read.bytes_or_null(at) {
        None => Ok(Headers::default()),
        Some(bytes) => {
            // The error itself would tell the headers.
            serde_json::from_slice(bytes).map_err(|_| read.corrupt("its headers cannot be read"))
        }
    }
}
