//! The packet that writes a batch on MariaDB: one compound statement with all rows in its text.
//!
//! It ends its transaction before it answers, whatever happens, so no row stays locked while this
//! process does something else. What must not be written is an error of one of its statements (a
//! row that is there already, an outcome without a request, a state that has moved on): then
//! nothing is written, and other ways find out why.

use std::fmt::Write;

use cluster_core::id::Seq;
use cluster_core::storage::{Batch, Fence, RequestRow, StateWrite};

use super::literal::{push_list, push_row};
use crate::journal::entry_values;
use crate::rows::{EncodedRequest, first_state_values, is_first, outcome_values};
use crate::server::Marks;
use crate::sql::{request_columns, with_prefix};
use crate::value::{Value, integer};

/// Before the rows: nobody takes over while they are written, or nothing is.
const BEGIN: &str = "BEGIN NOT ATOMIC\n\
    DECLARE fence_mark BIGINT;\n\
    DECLARE is_elsewhere BIGINT;\n\
    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;\n\
    START TRANSACTION;\n\
    SELECT mark INTO fence_mark FROM {p}fence WHERE incarnation = {incarnation} \
    AND number = {number} AND alive = 1 LOCK IN SHARE MODE;\n\
    IF fence_mark IS NULL THEN ROLLBACK; SELECT 0; ELSE\n";
const END: &str = "COMMIT; SELECT 1; END IF;\nEND";
/// A savepoint, set at the beginning of a user's transaction: it is there as long as that is the
/// same one.
pub(super) const BEGIN_MARK: &str = "cluster_begin";
/// The same at the end of a user's transaction: a failure is told, and rolled back later.
const BEGIN_IN_OWN: &str = "BEGIN NOT ATOMIC\nDECLARE is_elsewhere BIGINT;\n\
    RELEASE SAVEPOINT {mark};\n";
const END_IN_OWN: &str = "IF NOT EXISTS (SELECT 1 FROM {p}fence WHERE incarnation = {incarnation} \
    AND number = {number} AND alive = 1 LOCK IN SHARE MODE) THEN SIGNAL SQLSTATE '45000' \
    SET MESSAGE_TEXT = 'the fence does not hold'; END IF;\n\
    COMMIT AND NO CHAIN NO RELEASE;\nEND";

const REQUESTS: &str =
    concat!("INSERT INTO {p}request (", request_columns!(""), ") VALUES\n{rows};\n");
/// Of those that are pending, the ones at or below the mark are registered.
const REGISTER: &str = "IF fence_mark >= {first} THEN \
    INSERT IGNORE INTO {p}behind (seq, shard, entity_type, entity_id) \
    SELECT seq, shard, entity_type, entity_id FROM {p}request FORCE INDEX (PRIMARY) \
    WHERE seq BETWEEN {first} AND LEAST({last}, fence_mark) AND due_at IS NULL; END IF;\n";
const DUE: &str = "INSERT INTO {p}due (seq, shard, due_at) VALUES\n{rows};\n";
const OUTCOMES: &str = "INSERT INTO {p}outcome (seq, shard, epoch, finished_at, kind, payload) \
    VALUES\n{rows};\n";
/// What has ended stands nowhere else. Mostly nothing does, in all these tables of few rows.
const ELSEWHERE: &str = "SELECT \
    EXISTS (SELECT 1 FROM {p}behind WHERE seq BETWEEN {first} AND {last}) \
    OR EXISTS (SELECT 1 FROM {p}due WHERE seq BETWEEN {first} AND {last}) \
    OR EXISTS (SELECT 1 FROM {p}held WHERE seq BETWEEN {first} AND {last}) \
    OR EXISTS (SELECT 1 FROM {p}dead WHERE seq BETWEEN {first} AND {last}) \
    OR EXISTS (SELECT 1 FROM {p}attempt WHERE seq BETWEEN {first} AND {last}) \
    INTO is_elsewhere;\n\
    IF is_elsewhere THEN DELETE b, w, h, d, a FROM {p}request r FORCE INDEX (PRIMARY) \
    LEFT JOIN {p}behind b ON b.seq = r.seq LEFT JOIN {p}due w ON w.seq = r.seq \
    LEFT JOIN {p}held h ON h.seq = r.seq LEFT JOIN {p}dead d ON d.seq = r.seq \
    LEFT JOIN {p}attempt a ON a.seq = r.seq WHERE r.seq IN ({list}); END IF;\n";
/// A state of another version than it came from gets none, which its column refuses. A row that is
/// new counts once, one that is changed twice: so no first state was there, and every later one
/// was.
const STATES: &str = "INSERT INTO {p}state (entity_type, entity_id, shard, previous, version, \
    epoch, payload) VALUES\n{rows}\n\
    ON DUPLICATE KEY UPDATE payload = VALUES(payload), epoch = VALUES(epoch), \
    version = IF(version = VALUES(previous), VALUES(version), NULL), \
    previous = VALUES(previous);\n\
    IF ROW_COUNT() <> {count} THEN SIGNAL SQLSTATE '45000' \
    SET MESSAGE_TEXT = 'a state is not there'; END IF;\n";
const JOURNAL: &str = "INSERT INTO {p}journal (execution, position, shard, epoch, kind, \
    occurrence, recorded_at, due_at, name, payload) VALUES\n{rows};\n";

/// A packet in the making.
struct Packet<'a> {
    text: String,
    prefix: &'a str,
}

impl Packet<'_> {
    /// Appends a text; in it stand names in braces for what is filled in.
    fn push(&mut self, text: &str, values: &[(&str, &dyn std::fmt::Display)]) {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').expect("braces are closed");
            self.text.push_str(before);
            match values.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => write!(self.text, "{value}").expect("texts take everything"),
                None => self.text.push_str(self.prefix),
            }
            rest = after;
        }
        self.text.push_str(rest);
    }

    /// Appends a text around rows.
    fn push_rows<'v, const N: usize>(
        &mut self,
        text: &str,
        rows: impl IntoIterator<Item = [Value<'v>; N]>,
        values: &[(&str, &dyn std::fmt::Display)],
    ) {
        let (before, after) = text.split_once("{rows}").expect("it has rows");
        self.push(before, values);
        for (at, row) in rows.into_iter().enumerate() {
            if at > 0 {
                self.text.push_str(",\n");
            }
            push_row(&mut self.text, &row);
        }
        self.push(after, values);
    }
}

/// The packet that writes a batch, of whose requests these are to be accepted. It gives one row:
/// whether the fence held.
pub(super) fn packet(
    prefix: &str,
    marks: &Marks,
    fence: Fence,
    accepts: &[&RequestRow],
    batch: &Batch,
) -> String {
    let mut packet = Packet { text: String::new(), prefix };
    packet.text.reserve(bytes_of(accepts, batch));
    let (incarnation, number) = (fence.incarnation.as_u64(), fence.number.as_u64());
    let fence: [(&str, &dyn std::fmt::Display); 2] =
        [("incarnation", &incarnation), ("number", &number)];
    packet.push(BEGIN, &fence);
    push_accepts(&mut packet, accepts);
    push_ends(&mut packet, marks, batch);
    packet.text.push_str(END);
    packet.text
}

/// The packet that writes a batch that has no requests in a user's transaction, and commits.
pub(super) fn packet_of_ends(prefix: &str, marks: &Marks, fence: Fence, batch: &Batch) -> String {
    let mut packet = Packet { text: String::new(), prefix };
    packet.text.reserve(bytes_of(&[], batch));
    packet.push(BEGIN_IN_OWN, &[("mark", &BEGIN_MARK)]);
    push_ends(&mut packet, marks, batch);
    let (incarnation, number) = (fence.incarnation.as_u64(), fence.number.as_u64());
    packet.push(END_IN_OWN, &[("incarnation", &incarnation), ("number", &number)]);
    packet.text
}

/// What has ended, and what has changed with it.
fn push_ends(packet: &mut Packet<'_>, marks: &Marks, batch: &Batch) {
    push_outcomes(packet, marks, batch);
    if !batch.states.is_empty() {
        let count: usize = batch.states.iter().map(|write| 2 - usize::from(is_first(write))).sum();
        packet.push_rows(STATES, batch.states.iter().map(upsert_values), &[("count", &count)]);
    }
    if !batch.journal.is_empty() {
        packet.push_rows(JOURNAL, batch.journal.iter().map(entry_values), &[]);
    }
}

fn push_accepts(packet: &mut Packet<'_>, accepts: &[&RequestRow]) {
    let (Some(first), Some(last)) = (accepts.first(), accepts.last()) else { return };
    let encoded: Vec<_> = accepts.iter().map(|row| EncodedRequest::new(row)).collect();
    let requests = REQUESTS.replace(", key,", ", `key`,");
    packet.push_rows(&requests, encoded.iter().map(|row| row.values()), &[]);
    packet.push(REGISTER, &[("first", &first.seq.as_u64()), ("last", &last.seq.as_u64())]);
    let due = accepts.iter().filter(|row| row.due_at.is_some());
    let due = due.map(|row| [row.seq.into(), row.shard.as_u32().into(), row.due_at.into()]);
    let due: Vec<[Value<'_>; 3]> = due.collect();
    if !due.is_empty() {
        packet.push_rows(DUE, due, &[]);
    }
}

fn push_outcomes(packet: &mut Packet<'_>, marks: &Marks, batch: &Batch) {
    let seqs = || batch.outcomes.iter().map(|row| row.seq);
    let (Some(first), Some(last)) = (seqs().min(), seqs().max()) else { return };
    packet.push_rows(OUTCOMES, batch.outcomes.iter().map(outcome_values), &[]);
    if !marks.may_stand_elsewhere(&batch.outcomes) {
        return;
    }
    let mut list = String::with_capacity(20 * batch.outcomes.len());
    push_list(&mut list, seqs().map(|seq: Seq| Value::from(seq)).collect::<Vec<_>>().iter());
    let values: [(&str, &dyn std::fmt::Display); 3] =
        [("first", &first.as_u64()), ("last", &last.as_u64()), ("list", &list)];
    packet.push(ELSEWHERE, &values);
}

/// Type, id, shard, the version it came from, version, epoch, payload.
fn upsert_values(write: &StateWrite) -> [Value<'_>; 7] {
    let [entity_type, entity_id, shard, version, epoch, payload] = first_state_values(write);
    let previous = integer(write.from.as_u64()).into();
    [entity_type, entity_id, shard, previous, version, epoch, payload]
}

/// About how long the packet becomes, seldom less: bytes stand in it twice.
pub(super) fn bytes_of(accepts: &[&RequestRow], batch: &Batch) -> usize {
    /// Numbers, ids, and what stands between values.
    const ROW: usize = 400;
    let accepts = accepts.iter().map(|row| {
        let key = row.key.as_ref().map_or(0, |key| key.key.as_str().len());
        ROW + 2 * (row.bytes() + row.entity_type.len() + row.entity_id.as_str().len() + key)
    });
    let outcomes = batch.outcomes.iter().map(|row| ROW / 2 + 2 * row.outcome.payload.len());
    let states = batch.states.iter().map(|write| {
        let key = &write.key;
        let bytes = write.payload.len() + key.entity_type.len() + key.entity_id.as_str().len();
        ROW / 2 + 2 * bytes
    });
    let journal =
        batch.journal.iter().map(|entry| ROW / 2 + 2 * (entry.payload.len() + entry.name.len()));
    let rows: usize = accepts.chain(outcomes).chain(states).chain(journal).sum();
    8 * ROW + rows
}

/// Packets of each group of rows, with names where numbers and rows would be.
pub(super) fn sample_packets(prefix: &str) -> Vec<(String, String)> {
    let requests = REQUESTS.replace(", key,", ", `key`,");
    let groups = [
        ("PacketBegin", BEGIN),
        ("PacketRequests", &*requests),
        ("PacketRegister", REGISTER),
        ("PacketDue", DUE),
        ("PacketOutcomes", OUTCOMES),
        ("PacketElsewhere", ELSEWHERE),
        ("PacketStates", STATES),
        ("PacketJournal", JOURNAL),
        ("PacketEnd", END),
        ("PacketBeginInOwn", BEGIN_IN_OWN),
        ("PacketEndInOwn", END_IN_OWN),
    ];
    let named = groups.map(|(name, text)| (name.to_owned(), with_prefix(text, prefix)));
    named.to_vec()
}
