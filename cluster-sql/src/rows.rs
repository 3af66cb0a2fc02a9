//! Requests and states as rows: written and read here alone.

use cluster_core::id::{EntityId, Epoch, Key, KeyDigest, MessageTag, Seq, ShardId, StateVersion};
use cluster_core::message::{Headers, TraceContext};
use cluster_core::metric::UNREADABLE;
use cluster_core::storage::{
    DeadLetterRow, Fence, FoundRequest, HeldRow, KeyRow, KnownRequest, Missing, OutcomeKind,
    OutcomeRow, PendingRequest, PendingScan, Repeat, RequestRow, RetentionClass, StateRow,
    StateWrite, StorageError, StoredOutcome,
};
use cluster_core::time::Timestamp;

use super::sql::Sql;
use super::value::{Columns, Reader, Value, integer, limit};

/// How many columns a request has; what a statement reads beside it follows after them.
pub(crate) const REQUEST_COLUMNS: usize = 17;

/// The parts of a request that need another form in the database.
pub(crate) struct EncodedRequest<'a> {
    row: &'a RequestRow,
    id: [u8; 16],
    outer: Option<[u8; 16]>,
    trace: Option<Vec<u8>>,
    headers: Option<String>,
}

impl<'a> EncodedRequest<'a> {
    pub(crate) fn new(row: &'a RequestRow) -> Self {
        EncodedRequest {
            row,
            id: row.id.to_bytes(),
            outer: row.outer.map(|outer| outer.to_bytes()),
            trace: row.trace.as_ref().map(TraceContext::to_bytes),
            headers: (!row.headers.is_empty()).then(|| encode_headers(&row.headers)),
        }
    }

    /// The digest of its key.
    pub(crate) fn digest(&self) -> Option<&KeyDigest> {
        self.row.key.as_ref().map(|key| &key.digest)
    }

    /// The values in the order of the columns.
    pub(crate) fn values(&self) -> [Value<'_>; REQUEST_COLUMNS] {
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
            self.digest().map(|digest| &digest.as_bytes()[..]).into(),
            key.map(|key| key.key.as_str().as_bytes()).into(),
            self.trace.as_deref().into(),
            self.headers.as_deref().map_or(Value::Null, Value::Text),
            Value::Bytes(&row.arguments),
            row.reminder.map(Repeat::as_ms).into(),
        ]
    }
}

/// The values of an outcome, in the order of its columns.
pub(crate) fn outcome_values(row: &OutcomeRow) -> [Value<'_>; 6] {
    [
        row.seq.into(),
        row.shard.as_u32().into(),
        integer(row.epoch.as_u64()).into(),
        row.finished_at.into(),
        row.outcome.kind.as_u8().into(),
        Value::Bytes(&row.outcome.payload),
    ]
}

/// Whether a state is the first one of its entity.
pub(crate) fn is_first(write: &StateWrite) -> bool {
    write.from == StateVersion::default()
}

/// The values of an entity's first state: type, id, shard, version, epoch, payload.
pub(crate) fn first_state_values(write: &StateWrite) -> [Value<'_>; 6] {
    let mut values = state_values(write);
    values[2] = write.key.shard.as_u32().into();
    values
}

/// The values of a state that replaces one: type, id, the version it came from, version, epoch,
/// payload.
pub(crate) fn state_values(write: &StateWrite) -> [Value<'_>; 6] {
    [
        Value::Bytes(write.key.entity_type.as_bytes()),
        (&write.key.entity_id).into(),
        integer(write.from.as_u64()).into(),
        integer(write.to.as_u64()).into(),
        integer(write.epoch.as_u64()).into(),
        Value::Bytes(&write.payload),
    ]
}

/// The statement that loads a page of pending requests, and its first values.
pub(crate) fn pending_values(fence: Fence, scan: &PendingScan) -> (Sql, Vec<Value<'_>>) {
    let owner = integer(fence.incarnation.as_u64()).into();
    let mut values = vec![scan.after.into(), limit(scan.limit), owner];
    let Some(key) = &scan.entity else { return (Sql::LoadPending, values) };
    values.push(key.shard.as_u32().into());
    values.push(Value::Bytes(key.entity_type.as_bytes()));
    values.push((&key.entity_id).into());
    (Sql::LoadPendingOf, values)
}

/// Reads a request from the first columns of a row.
pub(crate) fn read_request(columns: &dyn Columns) -> Result<RequestRow, StorageError> {
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
pub(crate) fn read_found(columns: &dyn Columns) -> Result<FoundRequest, StorageError> {
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
pub(crate) fn read_missing(columns: &dyn Columns, at: usize) -> Result<Missing, StorageError> {
    let read = Reader::new(columns, "held");
    let missing = Missing::from_parts(read.number(at)?, read.text(at + 1)?);
    missing.ok_or_else(|| read.corrupt("an unknown kind of hold"))
}

/// Reads a request that waits for its turn, with its attempts and when it is due.
pub(crate) fn read_pending(columns: &dyn Columns) -> Result<PendingRequest, StorageError> {
    let request = read_request(columns)?;
    let read = Reader::new(columns, "attempt");
    let attempts = match read.integer_or_null(REQUEST_COLUMNS) {
        None => 0,
        Some(_) => read.number(REQUEST_COLUMNS)?,
    };
    let due_at = read.integer_or_null(REQUEST_COLUMNS + 1).map(Timestamp::from_unix_ms);
    Ok(PendingRequest { request, attempts, due_at })
}

/// Reads an entity's state.
pub(crate) fn read_state(columns: &dyn Columns) -> Result<StateRow, StorageError> {
    let read = Reader::new(columns, "state");
    Ok(StateRow { version: StateVersion::new(read.number(0)?), payload: read.payload(1)? })
}

/// Reads a held request.
pub(crate) fn read_held(columns: &dyn Columns) -> Result<HeldRow, StorageError> {
    let request = read_request(columns)?;
    let held_at = Reader::new(columns, "held").time(REQUEST_COLUMNS)?;
    Ok(HeldRow { request, held_at, missing: read_missing(columns, REQUEST_COLUMNS + 1)? })
}

/// Reads a dead letter.
pub(crate) fn read_dead_letter(columns: &dyn Columns) -> Result<DeadLetterRow, StorageError> {
    let request = read_request(columns)?;
    let read = Reader::new(columns, "dead");
    Ok(DeadLetterRow {
        request,
        attempts: read.number(REQUEST_COLUMNS)?,
        died_at: read.time(REQUEST_COLUMNS + 1)?,
        error: read.text(REQUEST_COLUMNS + 2)?.to_owned(),
    })
}

/// The row, or `None` for one that cannot be read. Its content is not told: it is the users'.
pub(crate) fn if_readable<T>(
    kind: &'static str,
    seq: Seq,
    row: Result<T, StorageError>,
) -> Result<Option<T>, StorageError> {
    match row {
        Ok(row) => Ok(Some(row)),
        Err(StorageError::Corrupt { table, reason }) => {
            tracing::error!(%seq, table, reason, "a stored request cannot be read; it is passed");
            metrics::counter!(UNREADABLE, "storage" => kind, "table" => table).increment(1);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What a duplicate's caller is told.
pub(crate) fn known(found: FoundRequest) -> KnownRequest {
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
