//! The one statement that writes a batch: fence, gate and all groups of rows.
//!
//! It commits by itself, so no row is locked while this process does something else. What would
//! be written beside what a batch forbids (a state that has moved on, a position that is taken, a
//! `seq` that was given twice) makes it divide by zero: then nothing is written, and the slow way
//! finds out why.
//!
//! No part joins rows that are given with those of a table, for the server would keep its plan of
//! that from when the table was small.

use std::iter;

use cluster_core::id::StateVersion;

use super::digest::{PARTS, digest_columns};
use super::parameter::Element;
use Element::{Bytes, Integer, Text};

use crate::rows::REQUEST_COLUMNS;
use crate::sql::request_columns;
use crate::value::integer;

/// Which groups of rows a batch has. Absent ones are left out of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Groups {
    pub(super) accepts: bool,
    /// Among those accepted some are due at a time.
    pub(super) due: bool,
    /// Requests that are accepted may be at or below the mark. Without, it is an error.
    pub(super) behind: bool,
    pub(super) outcomes: bool,
    /// Something may say of what has ended that it waits; see `OutcomeRow::elsewhere`.
    pub(super) elsewhere: bool,
    pub(super) states: bool,
    pub(super) journal: bool,
    /// What stands in the way of a request or an outcome is asked for, and left as it is. Without,
    /// it is an error, and the statement is cheaper by a look into each index.
    pub(super) careful: bool,
    /// It is written in a user's transaction, which must be the one that was begun, and in one
    /// packet with its commit: whatever does not hold is an error.
    pub(super) own: bool,
}

impl Groups {
    /// How many texts there are.
    pub(super) const COUNT: usize = 1 << 9;

    /// A number below [`Groups::COUNT`].
    pub(super) fn number(self) -> usize {
        let Groups { accepts, due, behind, outcomes, elsewhere, states, journal, careful, own } =
            self;
        let bits = [accepts, due, behind, outcomes, elsewhere, states, journal, careful, own];
        bits.iter().rev().fold(0, |number, bit| number << 1 | usize::from(*bit))
    }

    /// None, each alone, and all together: what a batch of any groups is made of.
    pub(super) fn samples() -> impl Iterator<Item = (&'static str, Groups)> {
        let none = Groups::default();
        let all = Groups {
            accepts: true,
            due: true,
            behind: true,
            outcomes: true,
            elsewhere: true,
            states: true,
            journal: true,
            careful: true,
            own: false,
        };
        let samples = [
            ("CommitNothing", none),
            ("CommitAccepts", Groups { accepts: true, ..none }),
            ("CommitDue", Groups { accepts: true, due: true, ..none }),
            ("CommitBehind", Groups { accepts: true, behind: true, ..none }),
            ("CommitOutcomes", Groups { outcomes: true, ..none }),
            ("CommitElsewhere", Groups { outcomes: true, elsewhere: true, ..none }),
            ("CommitStates", Groups { states: true, ..none }),
            ("CommitJournal", Groups { journal: true, ..none }),
            ("CommitAll", Groups { careful: false, ..all }),
            ("CommitCarefully", all),
            (
                "EndsInOwn",
                Groups { outcomes: true, states: true, careful: true, own: true, ..none },
            ),
        ];
        samples.into_iter()
    }
}

/// The columns of a request.
pub(super) const REQUEST: [Element; REQUEST_COLUMNS - 1 + PARTS] = [
    Integer, Bytes, Integer, Integer, Integer, Integer, Integer, Bytes, Integer, Bytes, Bytes,
    Integer, Integer, Integer, Integer, Bytes, Bytes, Text, Bytes, Integer,
];
/// The place of the first part of the digest among them.
pub(super) const DIGEST: usize = 11;
/// The columns of an outcome.
pub(super) const OUTCOME: [Element; 6] = [Integer, Integer, Integer, Integer, Integer, Bytes];
/// The columns of a state; the shard of one that replaces another is a [`stand_in`].
pub(super) const STATE: [Element; 6] = [Bytes, Bytes, Integer, Integer, Integer, Bytes];
/// The columns of an entry of a journal.
pub(super) const ENTRY: [Element; 10] =
    [Integer, Integer, Integer, Integer, Integer, Integer, Integer, Integer, Bytes, Bytes];

/// What stands for the shard of a state that replaces one of this version: which row is replaced is
/// then found by its key alone, without a plan that depends on how many rows there are.
pub(super) fn stand_in(replaced: StateVersion) -> i64 {
    -1 - integer(replaced.as_u64())
}

/// Where what has ended is deleted, if anything stands there: all of these have few rows.
const PLACES: [&str; 5] = ["behind", "due", "held", "dead", "attempt"];

const GATE: &str = "WITH f AS (SELECT mark FROM {p}fence WHERE incarnation = $1::bigint \
    AND number = $2::bigint AND alive = 1 FOR SHARE),\n\
    g AS (SELECT count(*) = 1 AS ok, max(mark) AS mark FROM f)";
/// The setting is one where it was set in this transaction, and else no number, which is an error.
const OWN_GATE: &str = "WITH f AS (SELECT mark FROM {p}fence WHERE incarnation = $1::bigint \
    AND number = $2::bigint AND alive = 1 FOR SHARE),\n\
    g AS (SELECT count(*) = current_setting('cluster.begun')::bigint AS ok FROM f)";
const OK: &str = "(SELECT ok FROM g)";

/// A text in the making.
struct Writer {
    text: String,
    /// Parameters so far.
    parameters: usize,
    /// What must hold for the batch to be written, joined by AND.
    clean: Vec<String>,
}

impl Writer {
    /// Another part of the WITH clause.
    fn part(&mut self, part: String) {
        self.text.push_str(",\n");
        self.text.push_str(&part);
    }

    /// The next parameters as what is selected, a row for each of their elements; and the number of
    /// the first. In a FROM clause the server would store each column before it reads it, which
    /// took a tenth of a batch's time.
    fn unnest(&mut self, elements: &[Element]) -> (String, usize) {
        let first = self.parameters + 1;
        let columns = elements.iter().zip(first..);
        let columns: Vec<String> = columns
            .map(|(element, at)| format!("unnest(${at}::{})", element.array_type()))
            .collect();
        self.parameters += elements.len();
        (columns.join(", "), first)
    }

    /// The part must have a row for each one that was given.
    fn all_of(&mut self, part: &str, parameter: usize) {
        let clean = format!("(SELECT count(*) FROM {part}) = cardinality(${parameter})");
        self.clean.push(clean);
    }
}

/// The text for batches of these groups; its first two parameters are the fence. Gives one row:
/// whether the fence holds; and the `seq` of all requests that were stored if not all were.
pub(super) fn commit_text(groups: Groups) -> String {
    let gate = if groups.own { OWN_GATE } else { GATE };
    let mut writer = Writer { text: gate.to_owned(), parameters: 2, clean: Vec::new() };
    let mut stored = "NULL::text".to_owned();
    if groups.accepts {
        stored = accepts(&mut writer, groups);
    }
    if groups.outcomes {
        outcomes(&mut writer, groups);
    }
    if groups.states {
        let (rows, first) = writer.unnest(&STATE);
        // One that is inserted with a stand-in for its shard has replaced none.
        writer.part(format!(
            "s AS (INSERT INTO {{p}}state AS s (entity_type, entity_id, shard, version, epoch, \
            payload) SELECT {rows} WHERE {OK} ON CONFLICT (entity_type, entity_id) \
            DO UPDATE SET version = excluded.version, epoch = excluded.epoch, \
            payload = excluded.payload WHERE s.version = -1 - excluded.shard RETURNING s.shard)"
        ));
        writer.all_of("s WHERE shard >= 0", first);
    }
    if groups.journal {
        let (rows, first) = writer.unnest(&ENTRY);
        writer.part(format!(
            "j AS (INSERT INTO {{p}}journal (execution, position, shard, epoch, kind, \
            occurrence, recorded_at, due_at, name, payload) SELECT {rows} WHERE {OK} \
            ON CONFLICT DO NOTHING RETURNING 1)"
        ));
        writer.all_of("j", first);
    }
    let Writer { mut text, clean, .. } = writer;
    text.push_str(&format!("\nSELECT {OK}, {stored}"));
    let held = if groups.own { "FALSE".to_owned() } else { format!("NOT {OK}") };
    let clean = match groups.own {
        true => iter::once(OK.to_owned()).chain(clean).collect(),
        false => clean,
    };
    if !clean.is_empty() {
        let clean = clean.join(" AND ");
        text.push_str(&format!(", 1 / (CASE WHEN {held} OR ({clean}) THEN 1 ELSE 0 END)"));
    }
    text
}

fn on_conflict(careful: bool) -> &'static str {
    if careful { "ON CONFLICT DO NOTHING " } else { "" }
}

/// Requests to accept. Of those that are pending, the ones at or below the mark are registered.
fn accepts(writer: &mut Writer, groups: Groups) -> String {
    let (rows, first) = writer.unnest(&REQUEST);
    writer.part(format!(
        "a AS (INSERT INTO {{p}}request ({}) SELECT {rows} WHERE {OK} \
        {}RETURNING seq, shard, due_at)",
        request_columns!("", digest_columns!()),
        on_conflict(groups.careful)
    ));
    let [shard, due_at, entity_type, entity_id] = [2, 6, 9, 10].map(|column| first + column);
    match groups.behind {
        true => writer.part(format!(
            "b AS (INSERT INTO {{p}}behind (seq, shard, entity_type, entity_id) \
            SELECT u.seq, u.shard, u.entity_type, u.entity_id FROM unnest(${first}::bigint[], \
            ${shard}::bigint[], ${due_at}::bigint[], ${entity_type}::bytea[], \
            ${entity_id}::bytea[]) AS u (seq, shard, due_at, entity_type, entity_id) \
            WHERE (${first}::bigint[])[1] <= (SELECT mark FROM g) \
            AND u.seq <= (SELECT mark FROM g) AND u.due_at IS NULL \
            AND u.seq = ANY (ARRAY(SELECT seq FROM a)) ON CONFLICT DO NOTHING)"
        )),
        // They stand in their order.
        false => writer.clean.push(format!("(SELECT mark FROM g) < (${first}::bigint[])[1]")),
    }
    if groups.due {
        writer.part(
            "w AS (INSERT INTO {p}due (seq, shard, due_at) SELECT seq, shard, due_at FROM a \
            WHERE due_at IS NOT NULL ON CONFLICT DO NOTHING)"
                .to_owned(),
        );
    }
    if !groups.careful {
        return "NULL::text".to_owned();
    }
    let fewer = format!("(SELECT count(*) FROM a) < cardinality(${first})");
    let id = first + 1;
    writer.part(format!(
        "c AS (SELECT count((SELECT 1 FROM {{p}}request r WHERE r.seq = u.seq AND r.id <> u.id)) \
        AS clashes FROM unnest(${first}::bigint[], ${id}::bytea[]) \
        AS u (seq, id) WHERE {fewer})"
    ));
    writer.clean.push("(SELECT clashes FROM c) = 0".to_owned());
    format!("CASE WHEN {fewer} THEN (SELECT coalesce(string_agg(seq::text, ','), '') FROM a) END")
}

/// Ends of requests: of those that are stored and have not ended.
fn outcomes(writer: &mut Writer, groups: Groups) {
    let (rows, _) = writer.unnest(&OUTCOME);
    writer.part(format!(
        "o AS (INSERT INTO {{p}}outcome (seq, shard, epoch, finished_at, kind, payload) \
        SELECT u.* FROM (SELECT {rows} WHERE {OK}) \
        AS u (seq, shard, epoch, finished_at, kind, payload) \
        WHERE (SELECT 1 FROM {{p}}request r WHERE r.seq = u.seq) = 1 \
        {}RETURNING seq)",
        on_conflict(groups.careful)
    ));
    let places = if groups.elsewhere { &PLACES[..] } else { &[] };
    for place in places {
        writer.part(format!(
            "o_{place} AS (DELETE FROM {{p}}{place} WHERE seq = ANY (ARRAY(SELECT seq FROM o)) \
            AND seq BETWEEN (SELECT min(seq) FROM o) AND (SELECT max(seq) FROM o) \
            AND (SELECT EXISTS (SELECT 1 FROM {{p}}{place})))"
        ));
    }
}
