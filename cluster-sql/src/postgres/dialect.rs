//! The language of PostgreSQL.
//!
//! Where a request stands is not written down while it is pending: it is what has an outcome, is
//! due at a time, held, or dead, in none of those tables. So accepting a request and finishing it
//! each insert one row, and change none.

use super::digest::{digest_columns, digest_parts, read_columns};
use crate::dialect::Dialect;
use crate::entity::entity_window;
use crate::schema::Migration;
use crate::sql::{Sql, found_by, request_columns};

/// PostgreSQL's SQL.
pub(crate) struct PostgresDialect;

/// That the request `r` has not ended.
macro_rules! has_no_outcome {
    () => {
        "(SELECT 1 FROM {p}outcome o WHERE o.seq = r.seq) IS NULL"
    };
}

/// That it is not held, and nobody has given it up.
macro_rules! is_not_put_aside {
    () => {
        "(SELECT 1 FROM {p}held h WHERE h.seq = r.seq) IS NULL \
        AND (SELECT 1 FROM {p}dead d WHERE d.seq = r.seq) IS NULL"
    };
}

/// That the request `r` has not ended, is not held, and nobody has given it up.
macro_rules! waits_for_its_turn {
    () => {
        concat!(
            $crate::postgres::dialect::has_no_outcome!(),
            " AND ",
            $crate::postgres::dialect::is_not_put_aside!()
        )
    };
}

/// That the request `r`, which has not ended, may run at once.
macro_rules! is_pending {
    () => {
        concat!(
            $crate::postgres::dialect::is_not_put_aside!(),
            " AND (SELECT 1 FROM {p}due w WHERE w.seq = r.seq) IS NULL"
        )
    };
}

/// The mark of the shard of the request `r`, if that is the owner's.
macro_rules! mark {
    ($owner:literal) => {
        concat!(
            "(SELECT s.mark FROM {p}shard s WHERE s.shard = r.shard AND s.owner = ",
            $owner,
            ")"
        )
    };
}

/// How many requests one statement looks at: so few that the planner, who believes that it must
/// look at all of them and ask for each whether it has ended, does not have the statement compiled.
macro_rules! window {
    () => {
        "2000"
    };
}

/// A page of pending requests in their order, of those that two queries find: above the marks, and
/// registered below them; a third condition picks among what they find. With a parameter: no row
/// that those before it fill the page without.
///
/// Together they are looked at in their order, one window of them. One that is found by both stands
/// in it twice, and maybe once at its end: so a full window counts up to the one before its last.
/// Its size is a query, for a planner that knows it reads tables whole and sorts them while they
/// are new, and keeps that plan.
///
/// The last column says up to which one that is; there is a row that says so, if need be alone.
macro_rules! pending_page {
    ($bytes:literal, $columns:literal, $above:expr, $below:expr, $picked:expr) => {
        concat!(
            "WITH looked AS NOT MATERIALIZED (SELECT * FROM (\
            (SELECT r.seq, r.shard",
            $columns,
            ", true AS is_above FROM {p}request r WHERE ",
            $above,
            " ORDER BY r.seq LIMIT ",
            window!(),
            ") UNION ALL (SELECT r.seq, r.shard",
            $columns,
            ", false FROM {p}behind r WHERE ",
            $below,
            " ORDER BY r.seq LIMIT ",
            window!(),
            ")) both_sides ORDER BY seq LIMIT (SELECT ",
            window!(),
            ")), reached AS (SELECT CASE count(*) WHEN ",
            window!(),
            " THEN max(seq) - 1 END AS seq FROM looked), \
            page AS (SELECT r.seq FROM (SELECT r.* FROM looked r WHERE ",
            $picked,
            has_no_outcome!(),
            " OFFSET 0) r WHERE r.seq <= coalesce((SELECT seq FROM reached), r.seq) \
            AND r.is_above = (r.seq > ",
            mark!("?3"),
            ") AND ",
            is_pending!(),
            " ORDER BY r.seq LIMIT ?2) SELECT ",
            read_columns!(),
            ", r.attempts, r.retry_at, reached.seq FROM reached LEFT JOIN (\
            SELECT r.*, a.attempts, a.retry_at, \
            sum(octet_length(r.arguments)) OVER (ORDER BY r.seq) - octet_length(r.arguments) \
            AS bytes FROM page \
            CROSS JOIN LATERAL (SELECT * FROM {p}request r WHERE r.seq = page.seq OFFSET 0) r \
            LEFT JOIN LATERAL (SELECT * FROM {p}attempt a WHERE a.seq = page.seq OFFSET 0) a \
            ON true) r ON r.bytes < ",
            $bytes,
            " ORDER BY r.seq"
        )
    };
}

pub(super) use {has_no_outcome, is_not_put_aside, is_pending, mark, window};

impl Dialect for PostgresDialect {
    const KIND: &'static str = "postgres";
    const PARAMETER: char = '$';
    const RESERVED_PREFIX: &'static str = "pg_";
    const KEEPS_PLANS: bool = true;
    const WRITES_IN_TWO: bool = true;
    const MIGRATIONS: &'static [Migration] = &[Migration {
        text: concat!(include_str!("schema/0001_first.sql"), include_str!("schema/0001_views.sql")),
        minimum: 1,
    }];

    fn own_text(sql: Sql) -> Option<&'static str> {
        let text = match sql {
            // Whoever reads it in a transaction keeps it as it is until the end of that.
            Sql::Fence => {
                "SELECT number FROM {p}fence WHERE incarnation = ?1 AND alive = 1 FOR SHARE"
            }
            Sql::InsertFence => {
                "INSERT INTO {p}fence (incarnation, number, alive, mark) VALUES (?1, ?2, 1, 0)"
            }
            Sql::InsertRequest => INSERT_REQUEST,
            Sql::RequestById => found_by!(read_columns!(), "{p}request r", "r.id = ?1"),
            Sql::RequestByKey => REQUEST_BY_KEY,
            // Its place among those above the mark is its row itself; here nobody knows the mark.
            Sql::InsertPending => {
                "INSERT INTO {p}behind (seq, shard, entity_type, entity_id) \
                SELECT r.seq, ?2::bigint, r.entity_type, r.entity_id \
                FROM {p}request r WHERE r.seq = ?1 ON CONFLICT DO NOTHING"
            }
            Sql::InsertDue => {
                "INSERT INTO {p}due (seq, shard, due_at) VALUES (?1, ?2, ?3) \
                ON CONFLICT (seq) DO UPDATE SET due_at = excluded.due_at"
            }
            // Finds those that wait for their turn, at once or at a time.
            Sql::DeletePending => concat!(
                "WITH b AS (DELETE FROM {p}behind WHERE seq = ?1), \
                d AS (DELETE FROM {p}due WHERE seq = ?1) \
                SELECT 1 FROM {p}request r WHERE r.seq = ?1 AND ",
                waits_for_its_turn!()
            ),
            Sql::CountAttempt => COUNT_ATTEMPT,
            Sql::InsertDeferred => INSERT_DEFERRED,
            Sql::InsertChunk => INSERT_CHUNK,
            Sql::LoadPending => LOAD_PENDING,
            Sql::LoadPendingOf => LOAD_PENDING_OF,
            Sql::LoadDue => LOAD_DUE,
            Sql::DeadLetters => DEAD_LETTERS,
            Sql::Held => HELD,
            Sql::InsertAlive => INSERT_ALIVE,
            Sql::LoadAlive => LOAD_ALIVE,
            // The planner must know that a window is a small part of the table.
            Sql::EndOfWindow => concat!(
                "SELECT seq FROM (SELECT seq FROM {p}request \
                WHERE (shard & 7) = (?1::bigint & 7) AND seq > ?2 ORDER BY seq LIMIT ",
                entity_window!(),
                ") r ORDER BY seq LIMIT 1 OFFSET ?3::bigint - 1"
            ),
            Sql::RequestsOf => {
                "SELECT r.seq, r.id, \
                EXISTS (SELECT 1 FROM {p}outcome o WHERE o.seq = r.seq) FROM {p}request r \
                WHERE (r.shard & 7) = (?1::bigint & 7) AND r.seq > ?2 AND r.seq <= ?3 \
                AND r.entity_type = ?4 AND r.entity_id = ?5 \
                ORDER BY r.seq LIMIT ?6"
            }
            Sql::RaiseMeta => {
                "INSERT INTO {p}meta AS m (name, value) VALUES (?1, ?2) \
                ON CONFLICT (name) DO UPDATE SET value = greatest(m.value, excluded.value)"
            }
            _ => return None,
        };
        Some(text)
    }
}

const INSERT_REQUEST: &str = concat!(
    "INSERT INTO {p}request (",
    request_columns!("", digest_columns!()),
    ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ",
    digest_parts!("?12"),
    ", ?13, ?14, ?15, ?16, ?17) ON CONFLICT DO NOTHING"
);

const REQUEST_BY_KEY: &str = found_by!(
    read_columns!(),
    "{p}request r",
    concat!("(", digest_columns!(), ") = (", digest_parts!("?1"), ")")
);

const INSERT_ALIVE: &str = "INSERT INTO {p}alive (entity_type, entity_id, shard, epoch) \
    VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (entity_type, entity_id) DO UPDATE SET epoch = excluded.epoch";

const LOAD_ALIVE: &str = "SELECT a.entity_type, a.entity_id, a.shard FROM {p}alive a \
    WHERE (a.entity_type, a.entity_id) > (?1, ?2) AND EXISTS \
    (SELECT 1 FROM {p}shard s WHERE s.shard = a.shard AND s.owner = ?4) \
    ORDER BY a.entity_type, a.entity_id LIMIT ?3";

const COUNT_ATTEMPT: &str = concat!(
    "INSERT INTO {p}attempt AS a (seq, shard, epoch, attempts, retry_at, error) \
    SELECT r.seq, ?2::bigint, ?3::bigint, ?4::bigint, ?5::bigint, ?6::bytea \
    FROM {p}request r WHERE r.seq = ?1 AND ",
    waits_for_its_turn!(),
    " ON CONFLICT (seq) DO UPDATE SET epoch = excluded.epoch, attempts = excluded.attempts, \
    retry_at = excluded.retry_at, error = excluded.error \
    WHERE excluded.attempts >= a.attempts"
);

const INSERT_DEFERRED: &str = "INSERT INTO {p}deferred (execution, name, occurrence, id, shard, \
    epoch, kind, completed_at, payload) SELECT r.seq, ?2::bytea, ?3::bigint, ?4::bytea, \
    ?5::bigint, ?6::bigint, ?7::bigint, ?8::bigint, ?9::bytea \
    FROM {p}request r WHERE r.seq = ?1 \
    AND (SELECT 1 FROM {p}outcome o WHERE o.seq = r.seq) IS NULL ON CONFLICT DO NOTHING";

const INSERT_CHUNK: &str = concat!(
    "INSERT INTO {p}chunk (seq, number, shard, epoch, was_read, payload) \
    SELECT r.seq, ?2::bigint, ?3::bigint, ?4::bigint, 0, ?5::bytea \
    FROM {p}request r WHERE r.seq = ?1 AND ",
    waits_for_its_turn!(),
    " AND NOT EXISTS (SELECT 1 FROM {p}chunk c WHERE c.seq = ?1 AND c.number >= ?2)"
);

const DEAD_LETTERS: &str = concat!(
    "SELECT ",
    read_columns!(),
    ", d.attempts, d.died_at, d.error FROM {p}dead d JOIN {p}request r ON r.seq = d.seq \
    WHERE d.seq > ?1 ORDER BY d.seq LIMIT ?2"
);

const HELD: &str = concat!(
    "SELECT ",
    read_columns!(),
    ", h.held_at, h.kind, h.missing FROM {p}held h JOIN {p}request r ON r.seq = h.seq \
    WHERE h.seq > ?1 ORDER BY h.seq LIMIT ?2"
);

/// Who owns no shard finds nothing.
const LOAD_PENDING: &str = pending_page!(
    "?4",
    "",
    "r.seq > greatest(?1, coalesce((SELECT min(mark) FROM {p}shard WHERE owner = ?3), \
    9223372036854775807))",
    "r.seq > ?1",
    ""
);

/// Its entity's alone are looked at of those that are registered; above the mark, where there are
/// few, those of its part.
const LOAD_PENDING_OF: &str = pending_page!(
    "?7",
    ", r.entity_type, r.entity_id",
    "(r.shard & 7) = (?4::bigint & 7) AND r.seq > ?1 \
    AND r.seq > (SELECT s.mark FROM {p}shard s WHERE s.shard = ?4 AND s.owner = ?3)",
    "r.entity_type = ?5 AND r.entity_id = ?6 AND r.seq > ?1",
    "r.shard = ?4 AND r.entity_type = ?5 AND r.entity_id = ?6 AND "
);

/// With ?5: no row that those before it fill the page without.
const LOAD_DUE: &str = concat!(
    "WITH page AS (SELECT d.seq, d.due_at FROM {p}due d \
    JOIN {p}shard s ON s.shard = d.shard AND s.owner = ?4 \
    WHERE (d.due_at, d.seq) > (?1, ?2) ORDER BY d.due_at, d.seq LIMIT ?3) \
    SELECT ",
    read_columns!(),
    ", r.attempts, r.at FROM (SELECT r.*, a.attempts, page.due_at AS at, \
    sum(octet_length(r.arguments)) OVER (ORDER BY page.due_at, page.seq) \
    - octet_length(r.arguments) AS bytes \
    FROM page \
    CROSS JOIN LATERAL (SELECT * FROM {p}request r WHERE r.seq = page.seq OFFSET 0) r \
    LEFT JOIN LATERAL (SELECT * FROM {p}attempt a WHERE a.seq = page.seq OFFSET 0) a ON true) r \
    WHERE r.bytes < ?5 ORDER BY r.at, r.seq"
);
