//! Every statement, in one place: its common text, in which `{p}` is the table prefix and `?1` the
//! first parameter. A [`Dialect`] has other texts where its language wants them.

use std::sync::Arc;

use super::dialect::Dialect;

/// The columns of a request, in the order in which rows are written and read. Who stores the digest
/// of the key in another form says what stands in its place.
macro_rules! request_columns {
    ($table:literal) => {
        $crate::sql::request_columns!($table, concat!($table, "key_digest"))
    };
    ($table:literal, $digest:expr) => {
        concat!(
            $table,
            "seq, ",
            $table,
            "id, ",
            $table,
            "shard, ",
            $table,
            "epoch, ",
            $table,
            "class, ",
            $table,
            "accepted_at, ",
            $table,
            "due_at, ",
            $table,
            "outer_id, ",
            $table,
            "message, ",
            $table,
            "entity_type, ",
            $table,
            "entity_id, ",
            $digest,
            ", ",
            $table,
            "key, ",
            $table,
            "trace, ",
            $table,
            "headers, ",
            $table,
            "arguments, ",
            $table,
            "reminder"
        )
    };
}

pub(crate) use request_columns;

/// A request with its outcome and where else it stands, by a condition on the request `r`, which is
/// read from what the text `from` names.
macro_rules! found_by {
    ($columns:expr, $from:literal, $condition:expr) => {
        concat!(
            "SELECT ",
            $columns,
            ", o.kind, o.payload, o.finished_at, d.seq, h.kind, h.missing \
            FROM ",
            $from,
            " LEFT JOIN {p}outcome o ON o.seq = r.seq LEFT JOIN {p}dead d ON d.seq = r.seq \
            LEFT JOIN {p}held h ON h.seq = r.seq WHERE ",
            $condition
        )
    };
}

pub(crate) use found_by;

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        /// A statement, by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Sql {
            $($(#[$doc])* $name,)*
        }

        impl Sql {
            /// All statements, each at the place of its number.
            const ALL: &[(Sql, &str, &str)] = &[$((Sql::$name, stringify!($name), $text),)*];
        }
    };
}

statements! {
    /// name → value
    Meta = "SELECT value FROM {p}meta WHERE name = ?1";
    /// name, value
    SetMeta = "INSERT INTO {p}meta (name, value) VALUES (?1, ?2) \
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";

    /// incarnation → number
    Fence = "SELECT number FROM {p}fence WHERE incarnation = ?1 AND alive = 1";
    /// incarnation, number
    InsertFence = "INSERT INTO {p}fence (incarnation, number, alive) VALUES (?1, ?2, 1)";
    /// incarnation, number
    RaiseFence = "UPDATE {p}fence SET number = number + 1 \
        WHERE incarnation = ?1 AND number = ?2 AND alive = 1";
    /// incarnation
    EndFence = "UPDATE {p}fence SET alive = 0 WHERE incarnation = ?1";
    EndAllFences = "UPDATE {p}fence SET alive = 0 WHERE alive = 1";
    /// incarnation, machine, advertised, joined_at, lease_ends_at
    InsertRunner = "INSERT INTO {p}runner (incarnation, machine, advertised, joined_at, \
        lease_ends_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    /// incarnation, lease_ends_at
    RenewLease = "UPDATE {p}runner SET lease_ends_at = ?2 WHERE incarnation = ?1";
    /// → incarnation, machine, joined_at, lease_ends_at, alive, advertised
    Runners = "SELECT r.incarnation, r.machine, r.joined_at, r.lease_ends_at, \
        coalesce(f.alive, 0), r.advertised FROM {p}runner r \
        LEFT JOIN {p}fence f ON f.incarnation = r.incarnation ORDER BY r.incarnation";
    /// incarnation
    ForgetRunners = "DELETE FROM {p}runner WHERE incarnation < ?1";
    /// incarnation
    ForgetFences = "DELETE FROM {p}fence WHERE incarnation < ?1";
    /// name → number
    Group = "SELECT number FROM {p}shard_group WHERE name = ?1";
    /// → how many
    CountGroups = "SELECT count(*) FROM {p}shard_group";
    /// number, name
    InsertGroup = "INSERT INTO {p}shard_group (number, name) VALUES (?1, ?2)";
    /// shard, owner
    TakeShard = "INSERT INTO {p}shard (shard, owner, epoch) VALUES (?1, ?2, 1) \
        ON CONFLICT (shard) DO UPDATE SET owner = excluded.owner, epoch = epoch + 1 \
        WHERE owner IS NULL";
    /// shard, owner → epoch
    OwnedShard = "SELECT epoch FROM {p}shard WHERE shard = ?1 AND owner = ?2";
    /// owner
    FreeShards = "UPDATE {p}shard SET owner = NULL WHERE owner = ?1";
    FreeAllShards = "UPDATE {p}shard SET owner = NULL WHERE owner IS NOT NULL";
    /// → seq
    HighestSeq = "SELECT max(seq) FROM {p}request";

    /// all columns of a request
    InsertRequest = concat!(
        "INSERT INTO {p}request (", request_columns!(""), ") \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
        ON CONFLICT DO NOTHING"
    );
    /// seq, shard
    InsertPending = "INSERT INTO {p}pending (seq, shard) VALUES (?1, ?2)";
    /// seq, shard, due_at
    InsertDue = "INSERT INTO {p}due (seq, shard, due_at) VALUES (?1, ?2, ?3)";
    /// id → request, outcome, finished_at, dead, held
    RequestById = found_by!(request_columns!("r."), "{p}request r", "r.id = ?1");
    /// key_digest → request, outcome, finished_at, dead, held
    RequestByKey = found_by!(request_columns!("r."), "{p}request r", "r.key_digest = ?1");

    /// seq
    DeletePending = "DELETE FROM {p}pending WHERE seq = ?1";
    /// seq
    DeleteDue = "DELETE FROM {p}due WHERE seq = ?1";
    /// seq
    DeleteHeld = "DELETE FROM {p}held WHERE seq = ?1";
    /// seq
    DeleteDead = "DELETE FROM {p}dead WHERE seq = ?1";
    /// seq
    DeleteAttempt = "DELETE FROM {p}attempt WHERE seq = ?1";
    /// → whether there is any
    AnyAttempt = "SELECT 1 FROM {p}attempt LIMIT 1";
    /// seq, shard, epoch, finished_at, kind, payload
    InsertOutcome = "INSERT INTO {p}outcome (seq, shard, epoch, finished_at, kind, payload) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    /// seq, shard, epoch, attempts, retry_at, error
    CountAttempt = "INSERT INTO {p}attempt (seq, shard, epoch, attempts, retry_at, error) \
        SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM {p}pending WHERE seq = ?1) \
        OR EXISTS (SELECT 1 FROM {p}due WHERE seq = ?1) \
        ON CONFLICT (seq) DO UPDATE SET epoch = excluded.epoch, attempts = excluded.attempts, \
        retry_at = excluded.retry_at, error = excluded.error \
        WHERE excluded.attempts >= attempts";
    /// seq, shard, due_at
    SetDue = "INSERT INTO {p}due (seq, shard, due_at) VALUES (?1, ?2, ?3) \
        ON CONFLICT (seq) DO UPDATE SET due_at = excluded.due_at";
    /// seq, shard, epoch, held_at, kind, missing
    InsertHeld = "INSERT INTO {p}held (seq, shard, epoch, held_at, kind, missing) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    /// seq, died_at
    RedriveDead = "DELETE FROM {p}dead WHERE seq = ?1 AND died_at = ?2";
    /// seq
    DeleteOutcome = "DELETE FROM {p}outcome WHERE seq = ?1";
    /// seq, finished_at
    ForgetOutcome = "DELETE FROM {p}outcome WHERE seq = ?1 AND finished_at = ?2";
    /// seq, shard, epoch, attempts, died_at, error
    InsertDead = "INSERT INTO {p}dead (seq, shard, epoch, attempts, died_at, error) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

    /// execution, position, shard, epoch, kind, occurrence, recorded_at, due_at, name, payload
    InsertEntry = "INSERT INTO {p}journal (execution, position, shard, epoch, kind, occurrence, \
        recorded_at, due_at, name, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
        ON CONFLICT DO NOTHING";
    /// execution, position → all that was given with it
    Entry = "SELECT execution, position, shard, epoch, kind, occurrence, recorded_at, due_at, \
        name, payload FROM {p}journal WHERE execution = ?1 AND position = ?2";
    /// execution, name, occurrence, id, shard, epoch, kind, completed_at, payload
    InsertDeferred = "INSERT INTO {p}deferred (execution, name, occurrence, id, shard, epoch, \
        kind, completed_at, payload) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 \
        WHERE EXISTS (SELECT 1 FROM {p}pending WHERE seq = ?1) \
        OR EXISTS (SELECT 1 FROM {p}due WHERE seq = ?1) \
        OR EXISTS (SELECT 1 FROM {p}held WHERE seq = ?1) \
        OR EXISTS (SELECT 1 FROM {p}dead WHERE seq = ?1) \
        ON CONFLICT DO NOTHING";
    /// execution → entries, then deferreds, which have an id
    Journal = "SELECT execution, position, shard, epoch, kind, occurrence, recorded_at, due_at, \
        name, payload, NULL AS id FROM {p}journal WHERE execution = ?1 UNION ALL \
        SELECT execution, 0, shard, epoch, kind, occurrence, completed_at, NULL, \
        name, payload, id FROM {p}deferred WHERE execution = ?1";
    /// execution, name, occurrence → as from the journal
    Deferred = "SELECT execution, 0, shard, epoch, kind, occurrence, completed_at, NULL, \
        name, payload, id FROM {p}deferred \
        WHERE execution = ?1 AND name = ?2 AND occurrence = ?3";
    /// → whether there is any
    AnyEntry = "SELECT 1 FROM {p}journal LIMIT 1";
    /// → whether there is any
    AnyDeferred = "SELECT 1 FROM {p}deferred LIMIT 1";
    /// execution
    DeleteJournal = "DELETE FROM {p}journal WHERE execution = ?1";
    /// execution
    DeleteDeferreds = "DELETE FROM {p}deferred WHERE execution = ?1";

    /// entity_type, entity_id → version, payload
    State = "SELECT version, payload FROM {p}state WHERE entity_type = ?1 AND entity_id = ?2";
    /// entity_type, entity_id, shard, version, epoch, payload
    InsertState = "INSERT INTO {p}state (entity_type, entity_id, shard, version, epoch, payload) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    /// entity_type, entity_id, from, to, epoch, payload
    UpdateState = "UPDATE {p}state SET version = ?4, epoch = ?5, payload = ?6 \
        WHERE entity_type = ?1 AND entity_id = ?2 AND version = ?3";

    /// entity_type, entity_id, shard, epoch
    InsertAlive = "INSERT INTO {p}alive (entity_type, entity_id, shard, epoch) \
        VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET epoch = excluded.epoch";
    /// entity_type, entity_id
    DeleteAlive = "DELETE FROM {p}alive WHERE entity_type = ?1 AND entity_id = ?2";
    /// after (entity_type, entity_id), limit, owner → entity_type, entity_id, shard
    LoadAlive = "SELECT a.entity_type, a.entity_id, a.shard FROM {p}alive a \
        CROSS JOIN {p}shard s ON s.shard = a.shard AND s.owner = ?4 \
        WHERE (a.entity_type, a.entity_id) > (?1, ?2) \
        ORDER BY a.entity_type, a.entity_id LIMIT ?3";

    /// request, wish
    InsertInbox = "INSERT INTO {p}inbox (request, wish) VALUES (?1, ?2)";
    /// after, limit → number, request, wish
    Inbox = "SELECT number, request, wish FROM {p}inbox WHERE number > ?1 ORDER BY number LIMIT ?2";
    /// number
    DeleteInbox = "DELETE FROM {p}inbox WHERE number = ?1";

    /// after, limit, owner → request, attempts, retry_at
    LoadPending = concat!(
        "SELECT ", request_columns!("r."), ", a.attempts, a.retry_at FROM {p}pending p \
        CROSS JOIN {p}shard s ON s.shard = p.shard AND s.owner = ?3 \
        CROSS JOIN {p}request r ON r.seq = p.seq LEFT JOIN {p}attempt a ON a.seq = p.seq \
        WHERE p.seq > ?1 ORDER BY p.seq LIMIT ?2"
    );
    /// after, limit, owner, shard, entity_type, entity_id → request, attempts, retry_at
    LoadPendingOf = concat!(
        "SELECT ", request_columns!("r."), ", a.attempts, a.retry_at FROM {p}pending p \
        CROSS JOIN {p}shard s ON s.shard = p.shard AND s.owner = ?3 \
        CROSS JOIN {p}request r ON r.seq = p.seq LEFT JOIN {p}attempt a ON a.seq = p.seq \
        WHERE p.seq > ?1 AND p.shard = ?4 AND r.entity_type = ?5 AND r.entity_id = ?6 \
        ORDER BY p.seq LIMIT ?2"
    );
    /// after (due_at, seq), limit, owner → request, attempts, due_at
    LoadDue = concat!(
        "SELECT ", request_columns!("r."), ", a.attempts, p.due_at FROM {p}due p \
        INDEXED BY {p}due_at CROSS JOIN {p}shard s ON s.shard = p.shard AND s.owner = ?4 \
        CROSS JOIN {p}request r ON r.seq = p.seq LEFT JOIN {p}attempt a ON a.seq = p.seq \
        WHERE p.due_at >= ?1 AND (p.due_at > ?1 OR p.seq > ?2) \
        ORDER BY p.due_at, p.seq LIMIT ?3"
    );
    /// after, limit → request, attempts, died_at, error
    DeadLetters = concat!(
        "SELECT ", request_columns!("r."), ", d.attempts, d.died_at, d.error \
        FROM {p}dead d CROSS JOIN {p}request r ON r.seq = d.seq \
        WHERE d.seq > ?1 ORDER BY d.seq LIMIT ?2"
    );

    /// after, limit → request, held_at, kind, missing
    Held = concat!(
        "SELECT ", request_columns!("r."), ", h.held_at, h.kind, h.missing \
        FROM {p}held h CROSS JOIN {p}request r ON r.seq = h.seq \
        WHERE h.seq > ?1 ORDER BY h.seq LIMIT ?2"
    );

    /// after, limit → seq, finished_at, class, id, outer_id
    LoadFinished = "SELECT o.seq, o.finished_at, r.class, r.id, r.outer_id \
        FROM {p}outcome o CROSS JOIN {p}request r ON r.seq = o.seq \
        WHERE o.seq > ?1 ORDER BY o.seq LIMIT ?2";
    /// after, up to → whether there is any that has no outcome
    AnyUnfinished = "SELECT 1 WHERE \
        EXISTS (SELECT 1 FROM {p}pending WHERE seq > ?1 AND seq <= ?2) \
        OR EXISTS (SELECT 1 FROM {p}due WHERE seq > ?1 AND seq <= ?2) \
        OR EXISTS (SELECT 1 FROM {p}held WHERE seq > ?1 AND seq <= ?2) \
        OR EXISTS (SELECT 1 FROM {p}dead WHERE seq > ?1 AND seq <= ?2)";
    /// id → class, finished_at or NULL
    OuterRequest = "SELECT r.class, o.finished_at FROM {p}request r \
        LEFT JOIN {p}outcome o ON o.seq = r.seq WHERE r.id = ?1";
    /// seq
    DeleteRequest = "DELETE FROM {p}request WHERE seq = ?1";

    /// entity_type, entity_id, message → seq, request_id
    Reminder = "SELECT seq, request_id FROM {p}reminder \
        WHERE entity_type = ?1 AND entity_id = ?2 AND message = ?3";
    /// entity_type, entity_id, message, shard, epoch, seq, request_id
    SetReminder = "INSERT INTO {p}reminder (entity_type, entity_id, message, shard, epoch, seq, \
        request_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
        ON CONFLICT (entity_type, entity_id, message) DO UPDATE SET shard = excluded.shard, \
        epoch = excluded.epoch, seq = excluded.seq, request_id = excluded.request_id";
    /// entity_type, entity_id, message
    DeleteReminder = "DELETE FROM {p}reminder \
        WHERE entity_type = ?1 AND entity_id = ?2 AND message = ?3";
    /// entity_type, entity_id
    DeleteReminders = "DELETE FROM {p}reminder WHERE entity_type = ?1 AND entity_id = ?2";
    /// entity_type, entity_id
    DeleteState = "DELETE FROM {p}state WHERE entity_type = ?1 AND entity_id = ?2";
    /// shard, after, rows → the seq of the last of so many rows, if there are as many
    EndOfWindow = "SELECT seq FROM {p}request INDEXED BY {p}request_part \
        WHERE shard & 7 = ?1 & 7 AND seq > ?2 ORDER BY seq LIMIT 1 OFFSET ?3 - 1";
    /// shard, after, up to, entity_type, entity_id, limit → seq, id, finished
    RequestsOf = "SELECT r.seq, r.id, EXISTS (SELECT 1 FROM {p}outcome o WHERE o.seq = r.seq) \
        FROM {p}request r INDEXED BY {p}request_part WHERE r.shard & 7 = ?1 & 7 AND r.seq > ?2 \
        AND r.seq <= ?3 AND r.entity_type = ?4 AND r.entity_id = ?5 ORDER BY r.seq LIMIT ?6";
    /// name, value
    RaiseMeta = "INSERT INTO {p}meta (name, value) VALUES (?1, ?2) \
        ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)";

    /// seq, number, shard, epoch, payload
    InsertChunk = "INSERT INTO {p}chunk (seq, number, shard, epoch, was_read, payload) \
        SELECT ?1, ?2, ?3, ?4, 0, ?5 WHERE (EXISTS (SELECT 1 FROM {p}pending WHERE seq = ?1) \
        OR EXISTS (SELECT 1 FROM {p}due WHERE seq = ?1)) \
        AND NOT EXISTS (SELECT 1 FROM {p}chunk WHERE seq = ?1 AND number >= ?2)";
    /// seq, up to → number
    LastRead = "SELECT max(number) FROM {p}chunk WHERE seq = ?1 AND number <= ?2";
    /// seq, number
    DeleteRead = "DELETE FROM {p}chunk WHERE seq = ?1 AND number < ?2";
    /// seq, number
    MarkRead = "UPDATE {p}chunk SET was_read = 1 WHERE seq = ?1 AND number = ?2";
    /// seq
    DeleteChunks = "DELETE FROM {p}chunk WHERE seq = ?1";
    /// seq, after, limit → number, was_read, payload
    LoadChunks = "SELECT number, was_read, payload FROM {p}chunk \
        WHERE seq = ?1 AND number > ?2 ORDER BY number LIMIT ?3";

    /// fingerprint → shape
    Shape = "SELECT shape FROM {p}shape WHERE fingerprint = ?1";
    /// fingerprint, shape
    InsertShape = "INSERT INTO {p}shape (fingerprint, shape) VALUES (?1, ?2) \
        ON CONFLICT DO NOTHING";
    /// entity_type, name, tag, arguments, reply, error
    SetContract = "INSERT INTO {p}contract (entity_type, name, tag, arguments, reply, error) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (entity_type, name) DO UPDATE SET \
        tag = excluded.tag, arguments = excluded.arguments, reply = excluded.reply, \
        error = excluded.error";
    /// → entity_type, name, tag, arguments, reply, error
    Contracts = "SELECT entity_type, name, tag, arguments, reply, error FROM {p}contract \
        ORDER BY entity_type, name";
}

/// The texts of all statements for one prefix.
#[derive(Debug)]
pub(crate) struct Texts(Vec<Arc<str>>);

impl Texts {
    /// The texts in the language of `D`.
    pub(crate) fn new<D: Dialect>(prefix: &str) -> Self {
        let text = |(sql, _, common): &(Sql, &str, &'static str)| {
            let text = D::own_text(*sql).unwrap_or(*common);
            let text = with_prefix(text, prefix);
            // No statement has a question mark of another meaning.
            Arc::from(text.replace('?', D::PARAMETER.encode_utf8(&mut [0; 4])))
        };
        Texts(Sql::ALL.iter().map(text).collect())
    }

    pub(crate) fn text(&self, sql: Sql) -> &Arc<str> {
        &self.0[sql as usize]
    }

    /// Names and texts of all statements.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        Sql::ALL.iter().map(|(sql, name, _)| (*name, &**self.text(*sql)))
    }

    /// How many statements there are.
    pub(crate) const COUNT: usize = Sql::ALL.len();
}

/// Puts the table prefix into a text.
pub(crate) fn with_prefix(text: &str, prefix: &str) -> String {
    text.replace("{p}", prefix)
}
