//! The language of MariaDB and MySQL.
//!
//! Where a request stands is not written down while it is pending, as on PostgreSQL. Anti-joins are
//! written as outer joins, and joins in the order in which they are to be made: the planner may
//! read a whole table otherwise, and lock it.

use crate::dialect::Dialect;
use crate::schema::Migration;
use crate::sql::{Sql, request_columns};

/// The SQL that both understand.
pub(super) struct MySqlDialect;

/// Looks whether the request `r` has ended, is held, or was given up.
macro_rules! ends {
    () => {
        " LEFT JOIN {p}outcome o ON o.seq = r.seq LEFT JOIN {p}held h ON h.seq = r.seq \
        LEFT JOIN {p}dead d ON d.seq = r.seq"
    };
}

/// That none of these is so.
macro_rules! waits_for_its_turn {
    () => {
        "o.seq IS NULL AND h.seq IS NULL AND d.seq IS NULL"
    };
}

/// Looks whether the request `r` is pending.
macro_rules! places {
    () => {
        concat!($crate::mysql::dialect::ends!(), " LEFT JOIN {p}due w ON w.seq = r.seq")
    };
}

/// That it is.
macro_rules! is_pending {
    () => {
        concat!($crate::mysql::dialect::waits_for_its_turn!(), " AND w.seq IS NULL")
    };
}

/// A page of pending requests in their order, of those that two queries find, up to ?2 each: above
/// the marks, and registered below them. With a parameter: no row that those before it fill the
/// page without.
macro_rules! pending_page {
    ($bytes:literal, $above:expr, $below:expr) => {
        concat!(
            "SELECT ",
            request_columns!("r."),
            ", a.attempts, a.retry_at FROM (SELECT seq, \
            SUM(bytes) OVER (ORDER BY seq) - bytes AS bytes FROM (SELECT seq, bytes FROM (\
            (SELECT r.seq, OCTET_LENGTH(r.arguments) AS bytes FROM ",
            $above,
            " ORDER BY r.seq LIMIT ?2) UNION ALL \
            (SELECT r.seq, OCTET_LENGTH(r.arguments) AS bytes FROM ",
            $below,
            " ORDER BY b.seq LIMIT ?2)) both_sides ORDER BY seq LIMIT ?2) page) page \
            STRAIGHT_JOIN {p}request r FORCE INDEX (PRIMARY) ON r.seq = page.seq \
            LEFT JOIN {p}attempt a ON a.seq = page.seq WHERE page.bytes < ",
            $bytes,
            " ORDER BY page.seq"
        )
    };
}

pub(super) use {ends, is_pending, places, waits_for_its_turn};

impl Dialect for MySqlDialect {
    const KIND: &'static str = "mysql";
    // Numbers are for those who read the texts; they are sent without them.
    const PARAMETER: char = '?';
    const RESERVED_PREFIX: &'static str = "mysql_";
    const WRITES_IN_TWO: bool = true;
    const MIGRATIONS: &'static [Migration] = &[Migration {
        text: concat!(include_str!("schema/0001_first.sql"), include_str!("schema/0001_views.sql")),
        minimum: 1,
    }];

    fn own_text(sql: Sql) -> Option<&'static str> {
        own_insert(sql).or_else(|| own_query(sql))
    }
}

/// Those that insert. A row that is there already is an error, which the driver takes for none
/// where it does not matter: what ignores it here would ignore other errors, too.
fn own_insert(sql: Sql) -> Option<&'static str> {
    let text = match sql {
        Sql::SetMeta => {
            "INSERT INTO {p}meta (name, value) VALUES (?1, ?2) \
            ON DUPLICATE KEY UPDATE value = VALUES(value)"
        }
        Sql::RaiseMeta => {
            "INSERT INTO {p}meta (name, value) VALUES (?1, ?2) \
            ON DUPLICATE KEY UPDATE value = GREATEST(value, VALUES(value))"
        }
        Sql::InsertFence => {
            "INSERT INTO {p}fence (incarnation, number, alive, mark) VALUES (?1, ?2, 1, 0)"
        }
        Sql::InsertRequest => concat!(
            "INSERT INTO {p}request (",
            request_columns!(""),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
        ),
        // Its place among those above the mark is its row itself; here nobody knows the mark.
        Sql::InsertPending => {
            "INSERT INTO {p}behind (seq, shard, entity_type, entity_id) \
            SELECT r.seq, ?2, r.entity_type, r.entity_id FROM {p}request r WHERE r.seq = ?1"
        }
        Sql::InsertDue | Sql::SetDue => {
            "INSERT INTO {p}due (seq, shard, due_at) VALUES (?1, ?2, ?3) \
            ON DUPLICATE KEY UPDATE due_at = VALUES(due_at)"
        }
        Sql::CountAttempt => COUNT_ATTEMPT,
        Sql::InsertEntry => {
            "INSERT INTO {p}journal (execution, position, shard, epoch, kind, occurrence, \
            recorded_at, due_at, name, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        }
        Sql::InsertDeferred => {
            "INSERT INTO {p}deferred (execution, name, occurrence, id, shard, epoch, kind, \
            completed_at, payload) SELECT r.seq, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 \
            FROM {p}request r LEFT JOIN {p}outcome o ON o.seq = r.seq \
            WHERE r.seq = ?1 AND o.seq IS NULL"
        }
        Sql::InsertState => {
            "INSERT INTO {p}state (entity_type, entity_id, shard, previous, version, epoch, \
            payload) VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6)"
        }
        Sql::UpdateState => {
            "UPDATE {p}state SET previous = ?3, version = ?4, epoch = ?5, payload = ?6 \
            WHERE entity_type = ?1 AND entity_id = ?2 AND version = ?3"
        }
        Sql::InsertAlive => {
            "INSERT INTO {p}alive (entity_type, entity_id, shard, epoch) \
            VALUES (?1, ?2, ?3, ?4) ON DUPLICATE KEY UPDATE epoch = VALUES(epoch)"
        }
        Sql::SetReminder => {
            "INSERT INTO {p}reminder (entity_type, entity_id, message, shard, epoch, seq, \
            request_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
            ON DUPLICATE KEY UPDATE shard = VALUES(shard), epoch = VALUES(epoch), \
            seq = VALUES(seq), request_id = VALUES(request_id)"
        }
        Sql::InsertChunk => INSERT_CHUNK,
        Sql::InsertShape => "INSERT INTO {p}shape (fingerprint, shape) VALUES (?1, ?2)",
        Sql::SetContract => {
            "INSERT INTO {p}contract (entity_type, name, tag, arguments, reply, error) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON DUPLICATE KEY UPDATE tag = VALUES(tag), \
            arguments = VALUES(arguments), reply = VALUES(reply), error = VALUES(error)"
        }
        _ => return None,
    };
    Some(text)
}

/// Those that ask.
fn own_query(sql: Sql) -> Option<&'static str> {
    let text = match sql {
        // Whoever reads it in a transaction keeps it as it is until the end of that.
        Sql::Fence => {
            "SELECT number FROM {p}fence WHERE incarnation = ?1 AND alive = 1 LOCK IN SHARE MODE"
        }
        // Takes it from those that wait for their turn: see the driver's other half of it.
        Sql::DeletePending => concat!(
            "SELECT 1 FROM {p}request r",
            ends!(),
            " WHERE r.seq = ?1 AND ",
            waits_for_its_turn!()
        ),
        Sql::LoadPending => LOAD_PENDING,
        Sql::LoadPendingOf => LOAD_PENDING_OF,
        Sql::LoadDue => LOAD_DUE,
        Sql::DeadLetters => concat!(
            "SELECT ",
            request_columns!("r."),
            ", d.attempts, d.died_at, d.error \
            FROM {p}dead d STRAIGHT_JOIN {p}request r ON r.seq = d.seq \
            WHERE d.seq > ?1 ORDER BY d.seq LIMIT ?2"
        ),
        Sql::Held => concat!(
            "SELECT ",
            request_columns!("r."),
            ", h.held_at, h.kind, h.missing \
            FROM {p}held h STRAIGHT_JOIN {p}request r ON r.seq = h.seq \
            WHERE h.seq > ?1 ORDER BY h.seq LIMIT ?2"
        ),
        Sql::LoadAlive => {
            "SELECT a.entity_type, a.entity_id, a.shard FROM {p}alive a FORCE INDEX (PRIMARY) \
            STRAIGHT_JOIN {p}shard s ON s.shard = a.shard AND s.owner = ?4 \
            WHERE a.entity_type >= ?1 AND (a.entity_type > ?1 OR a.entity_id > ?2) \
            ORDER BY a.entity_type, a.entity_id LIMIT ?3"
        }
        // One row more than asked for: no number can be counted down in this place.
        Sql::EndOfWindow => {
            "SELECT seq FROM {p}request FORCE INDEX ({p}request_part) \
            WHERE part = (?1 & 7) AND seq > ?2 ORDER BY seq LIMIT 1 OFFSET ?3"
        }
        Sql::RequestsOf => {
            "SELECT r.seq, r.id, o.seq IS NOT NULL \
            FROM {p}request r FORCE INDEX ({p}request_part) \
            LEFT JOIN {p}outcome o ON o.seq = r.seq \
            WHERE r.part = (?1 & 7) AND r.seq > ?2 AND r.seq <= ?3 \
            AND r.entity_type = ?4 AND r.entity_id = ?5 ORDER BY r.seq LIMIT ?6"
        }
        _ => return None,
    };
    Some(text)
}

const COUNT_ATTEMPT: &str = concat!(
    "INSERT INTO {p}attempt (seq, shard, epoch, attempts, retry_at, error) \
    SELECT r.seq, ?2, ?3, ?4, ?5, ?6 FROM {p}request r",
    ends!(),
    " LEFT JOIN {p}attempt a ON a.seq = r.seq WHERE r.seq = ?1 AND ",
    waits_for_its_turn!(),
    " AND (a.seq IS NULL OR a.attempts <= ?4) \
    ON DUPLICATE KEY UPDATE epoch = VALUES(epoch), attempts = VALUES(attempts), \
    retry_at = VALUES(retry_at), error = VALUES(error)"
);

const INSERT_CHUNK: &str = concat!(
    "INSERT INTO {p}chunk (seq, number, shard, epoch, was_read, payload) \
    SELECT r.seq, ?2, ?3, ?4, 0, ?5 FROM {p}request r",
    ends!(),
    " LEFT JOIN {p}chunk c ON c.seq = r.seq AND c.number >= ?2 WHERE r.seq = ?1 AND ",
    waits_for_its_turn!(),
    " AND c.seq IS NULL"
);

/// With ?5: the lowest mark.
const LOAD_PENDING: &str = pending_page!(
    "?4",
    concat!(
        "{p}request r FORCE INDEX (PRIMARY) \
        STRAIGHT_JOIN {p}shard s ON s.shard = r.shard AND s.owner = ?3 AND s.mark < r.seq",
        places!(),
        " WHERE r.seq > GREATEST(?1, ?5) AND ",
        is_pending!()
    ),
    concat!(
        "{p}behind b FORCE INDEX (PRIMARY) \
        STRAIGHT_JOIN {p}shard s ON s.shard = b.shard AND s.owner = ?3 AND s.mark >= b.seq \
        STRAIGHT_JOIN {p}request r FORCE INDEX (PRIMARY) ON r.seq = b.seq",
        places!(),
        " WHERE b.seq > ?1 AND ",
        is_pending!()
    )
);

/// Its entity's alone are looked at of those that are registered; above the mark, where there are
/// few, those of its part. With ?8: the lowest mark.
const LOAD_PENDING_OF: &str = pending_page!(
    "?7",
    concat!(
        "{p}request r FORCE INDEX ({p}request_part) \
        STRAIGHT_JOIN {p}shard s ON s.shard = r.shard AND s.owner = ?3 AND s.mark < r.seq",
        places!(),
        " WHERE r.part = (?4 & 7) AND r.seq > GREATEST(?1, ?8) AND r.shard = ?4 \
        AND r.entity_type = ?5 AND r.entity_id = ?6 AND ",
        is_pending!()
    ),
    concat!(
        "{p}behind b FORCE INDEX ({p}behind_entity) \
        STRAIGHT_JOIN {p}shard s ON s.shard = b.shard AND s.owner = ?3 AND s.mark >= b.seq \
        STRAIGHT_JOIN {p}request r FORCE INDEX (PRIMARY) ON r.seq = b.seq",
        places!(),
        " WHERE b.entity_type = ?5 AND b.entity_id = ?6 AND b.shard = ?4 AND b.seq > ?1 AND ",
        is_pending!()
    )
);

/// With ?5: no row that those before it fill the page without.
const LOAD_DUE: &str = concat!(
    "SELECT ",
    request_columns!("r."),
    ", a.attempts, page.due_at FROM (SELECT seq, due_at, \
    SUM(bytes) OVER (ORDER BY due_at, seq) - bytes AS bytes FROM (\
    SELECT d.seq, d.due_at, OCTET_LENGTH(r.arguments) AS bytes \
    FROM {p}due d FORCE INDEX ({p}due_at) \
    STRAIGHT_JOIN {p}shard s ON s.shard = d.shard AND s.owner = ?4 \
    STRAIGHT_JOIN {p}request r FORCE INDEX (PRIMARY) ON r.seq = d.seq \
    WHERE d.due_at >= ?1 AND (d.due_at > ?1 OR d.seq > ?2) \
    ORDER BY d.due_at, d.seq LIMIT ?3) page) page \
    STRAIGHT_JOIN {p}request r FORCE INDEX (PRIMARY) ON r.seq = page.seq \
    LEFT JOIN {p}attempt a ON a.seq = page.seq \
    WHERE page.bytes < ?5 ORDER BY page.due_at, page.seq"
);
