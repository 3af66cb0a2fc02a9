//! The texts of all statements, made once for a prefix.

use std::sync::Arc;

use super::commit_text::sample_packets;
use super::dialect::{MySqlDialect, is_pending, places};
use crate::server::own;
use crate::sql::{Sql, Texts, found_by, request_columns, with_prefix};

own! {
    /// Lets one transaction in that changes who owns what.
    Alone = "SELECT value FROM {p}meta WHERE name = 'schema_current' FOR UPDATE";
    /// → the server's time, how far cluster time is ahead of it
    Time = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000, \
        COALESCE((SELECT value FROM {p}meta WHERE name = 'time_offset_ms'), 0)";
    /// rows of shard, owner, 1, 0. Assignments are made from left to right.
    TakeShards = "INSERT INTO {p}shard (shard, owner, epoch, mark) VALUES {list} \
        ON DUPLICATE KEY UPDATE epoch = IF(owner IS NULL, epoch + 1, epoch), \
        owner = COALESCE(owner, VALUES(owner))";
    /// incarnation → its shards and their epochs
    OwnedShards = "SELECT shard, epoch FROM {p}shard WHERE owner = ?1";
    /// incarnation. What is accepted at or below the marks of its shards, a runner must register.
    InheritMarks = "UPDATE {p}fence SET mark = GREATEST(mark, \
        COALESCE((SELECT MAX(s.mark) FROM {p}shard s WHERE s.owner = ?1), 0)) \
        WHERE incarnation = ?1";
    /// seq. Takes a request from wherever it waits for its turn.
    ForgetTurn = "DELETE b, w FROM {p}request r LEFT JOIN {p}behind b ON b.seq = r.seq \
        LEFT JOIN {p}due w ON w.seq = r.seq WHERE r.seq = ?1";
    /// incarnation → the lowest mark of its shards
    LowestMark = "SELECT MIN(mark) FROM {p}shard WHERE owner = ?1";
    /// ids → request, outcome, finished_at, dead, held
    Requests = found_by!(
        request_columns!("r."),
        "{p}request r FORCE INDEX ({p}request_id)",
        "r.id IN ({list})"
    );
    /// key_digests → request, outcome, finished_at, dead, held
    Keys = found_by!(
        request_columns!("r."),
        "{p}request r FORCE INDEX ({p}request_key)",
        "r.key_digest IN ({list})"
    );
    /// conditions → version, payload, entity_type, entity_id
    States = "SELECT version, payload, entity_type, entity_id \
        FROM {p}state FORCE INDEX (PRIMARY) WHERE {list}";
    /// conditions → seq, request_id, entity_type, entity_id, message
    Reminders = "SELECT seq, request_id, entity_type, entity_id, message \
        FROM {p}reminder FORCE INDEX (PRIMARY) WHERE {list}";
    /// conditions → as from the journal
    Deferreds = "SELECT execution, 0, shard, epoch, kind, occurrence, completed_at, NULL, \
        name, payload, id FROM {p}deferred FORCE INDEX (PRIMARY) WHERE {list}";
    /// after, limit → seq, finished_at, class, id, outer_id, class of the outer one, its end
    Past = "SELECT o.seq, o.finished_at, r.class, r.id, r.outer_id, p.class, e.finished_at \
        FROM (SELECT seq, finished_at FROM {p}outcome WHERE seq > ?1 ORDER BY seq LIMIT ?2) o \
        STRAIGHT_JOIN {p}request r FORCE INDEX (PRIMARY) ON r.seq = o.seq \
        LEFT JOIN {p}request p ON r.class = 3 AND p.id = r.outer_id \
        LEFT JOIN {p}outcome e ON e.seq = p.seq ORDER BY o.seq";
    /// after, up to → one that has no outcome
    Unfinished = "SELECT 1 FROM {p}request r FORCE INDEX (PRIMARY) \
        LEFT JOIN {p}outcome o ON o.seq = r.seq \
        WHERE r.seq > ?1 AND r.seq <= ?2 AND o.seq IS NULL LIMIT 1";
    /// seqs → those that are finished still, their ends and ids; they stay so until the transaction
    /// ends
    StillFinished = "SELECT o.seq, o.finished_at, r.id FROM {p}outcome o FORCE INDEX (PRIMARY) \
        STRAIGHT_JOIN {p}request r FORCE INDEX (PRIMARY) ON r.seq = o.seq WHERE o.seq IN ({list}) \
        ORDER BY o.seq FOR UPDATE";
    /// ids → those that are stored
    StillThere = "SELECT id FROM {p}request FORCE INDEX ({p}request_id) WHERE id IN ({list})";
    /// seqs. Forgets all that is stored of finished requests. Joins, for what deletes from one
    /// table alone may read it whole, whatever index it shall use, and wait for what others lock.
    Remove = "DELETE x FROM {p}outcome o FORCE INDEX (PRIMARY) \
        STRAIGHT_JOIN {p}chunk x ON x.seq = o.seq WHERE o.seq IN ({list}); \
        DELETE x FROM {p}outcome o FORCE INDEX (PRIMARY) \
        STRAIGHT_JOIN {p}journal x ON x.execution = o.seq WHERE o.seq IN ({list}); \
        DELETE x FROM {p}outcome o FORCE INDEX (PRIMARY) \
        STRAIGHT_JOIN {p}deferred x ON x.execution = o.seq WHERE o.seq IN ({list}); \
        DELETE x FROM {p}outcome o FORCE INDEX (PRIMARY) \
        STRAIGHT_JOIN {p}behind x ON x.seq = o.seq WHERE o.seq IN ({list}); \
        DELETE o, r FROM {p}outcome o FORCE INDEX (PRIMARY) \
        STRAIGHT_JOIN {p}request r FORCE INDEX (PRIMARY) ON r.seq = o.seq WHERE o.seq IN ({list})";
    /// after, limit → registered requests that have ended since. Who runs one of them again first
    /// deletes its outcome, which is locked here: so either is done before the other.
    EndedBehind = "SELECT o.seq FROM {p}behind b FORCE INDEX (PRIMARY) \
        STRAIGHT_JOIN {p}outcome o ON o.seq = b.seq WHERE b.seq > ?1 \
        ORDER BY b.seq LIMIT ?2 LOCK IN SHARE MODE";
    /// seqs of such
    ForgetBehind = "DELETE b FROM {p}outcome o FORCE INDEX (PRIMARY) \
        STRAIGHT_JOIN {p}behind b ON b.seq = o.seq WHERE o.seq IN ({list})";
    /// incarnation, number, new mark → nothing. Waits for every write under way.
    RaiseMark = "UPDATE {p}fence SET mark = ?3 \
        WHERE incarnation = ?1 AND number = ?2 AND alive = 1 AND mark < ?3";
    /// lowest mark, new mark → the end of a window of requests between them, if there are more.
    EndOfStep = "SELECT seq FROM {p}request FORCE INDEX (PRIMARY) WHERE seq > ?1 AND seq < ?2 \
        ORDER BY seq LIMIT 1 OFFSET 4999";
    /// incarnation, lowest mark, new mark. Registers what is pending between the marks.
    Register = concat!(
        "INSERT IGNORE INTO {p}behind (seq, shard, entity_type, entity_id) \
        SELECT r.seq, r.shard, r.entity_type, r.entity_id FROM {p}request r FORCE INDEX (PRIMARY) \
        STRAIGHT_JOIN {p}shard s ON s.shard = r.shard AND s.owner = ?1 AND s.mark < r.seq",
        places!(),
        " WHERE r.seq > ?2 AND r.seq <= ?3 AND ",
        is_pending!()
    );
    /// incarnation, new mark
    MoveMarks = "UPDATE {p}shard SET mark = ?2 WHERE owner = ?1 AND mark < ?2";
}

/// A statement as it is prepared: its parameters have no numbers.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) text: Arc<str>,
    /// Which value goes to each parameter.
    pub(super) order: Vec<usize>,
}

impl Statement {
    /// From a text with numbered parameters.
    fn new(numbered: &str) -> Self {
        let mut parts = numbered.split('?');
        let mut text = parts.next().unwrap_or_default().to_owned();
        let mut order = Vec::new();
        for part in parts {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            let number: usize = part[..digits].parse().expect("parameters are numbered");
            order.push(number - 1);
            text.push('?');
            text.push_str(&part[digits..]);
        }
        Statement { text: text.into(), order }
    }
}

/// The texts for one prefix.
pub(super) struct AllTexts {
    pub(super) prefix: String,
    common: Vec<Statement>,
    own: Vec<Statement>,
}

impl AllTexts {
    pub(super) fn new(prefix: &str) -> Self {
        let common = Texts::new::<MySqlDialect>(prefix);
        // The name of a column is a word of the language, except behind a dot.
        let quoted = |text: &str| text.replace(", key,", ", `key`,");
        AllTexts {
            prefix: prefix.to_owned(),
            common: common.named().map(|(_, text)| Statement::new(&quoted(text))).collect(),
            own: Own::ALL
                .iter()
                .map(|(_, text)| Statement::new(&with_prefix(text, prefix)))
                .collect(),
        }
    }

    pub(super) fn common(&self, sql: Sql) -> &Statement {
        &self.common[sql as usize]
    }

    pub(super) fn own(&self, own: Own) -> &Statement {
        &self.own[own as usize]
    }

    /// The text of a statement for a list of values or conditions.
    pub(super) fn with_list(&self, own: Own, list: &str) -> String {
        self.own(own).text.replace("{list}", list)
    }

    /// The text of a statement with numbers in it.
    pub(super) fn with_numbers(&self, own: Own, numbers: &[i64]) -> String {
        let Statement { text, order } = self.own(own);
        let mut filled = String::with_capacity(text.len() + 20 * order.len());
        for (at, part) in text.split('?').enumerate() {
            filled.push_str(part);
            if let Some(value) = order.get(at) {
                filled.push_str(&numbers[*value].to_string());
            }
        }
        filled
    }

    /// Names and texts of all statements; of those that write a batch, samples.
    pub(super) fn named(&self) -> Vec<(String, String)> {
        let named = Texts::new::<MySqlDialect>(&self.prefix);
        let names = named.named().map(|(name, _)| name).zip(&self.common);
        let common = names.filter(|(name, _)| !UNUSED.contains(name));
        let own = Own::ALL.iter().map(|(name, _)| *name).zip(&self.own);
        let texts = common.chain(own);
        let texts = texts.map(|(name, statement)| (name.to_owned(), statement.text.to_string()));
        texts.chain(sample_packets(&self.prefix)).collect()
    }
}

/// Common statements that this storage has better ones for.
const UNUSED: [&str; 8] = [
    "AnyEntry",
    "AnyDeferred",
    "AnyUnfinished",
    "Deferred",
    "LoadFinished",
    "OwnedShard",
    "Reminder",
    "TakeShard",
];
