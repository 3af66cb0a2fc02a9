//! The texts of all statements, made once for a prefix.

use std::sync::{Arc, OnceLock};

use super::commit_text::{Groups, commit_text};
use super::dialect::{PostgresDialect, has_no_outcome, is_pending, mark, window};
use super::digest::read_columns;
use crate::server::own;
use crate::sql::{Texts, with_prefix};

/// A request with its outcome and where else it stands, and at which place it was asked for.
macro_rules! found {
    ($asked:literal) => {
        concat!(
            "SELECT ",
            read_columns!(),
            ", o.kind, o.payload, o.finished_at, d.seq, h.kind, h.missing, u.n FROM ",
            $asked,
            " LEFT JOIN LATERAL \
            (SELECT * FROM {p}outcome o WHERE o.seq = r.seq OFFSET 0) o ON true \
            LEFT JOIN LATERAL (SELECT * FROM {p}dead d WHERE d.seq = r.seq OFFSET 0) d ON true \
            LEFT JOIN LATERAL (SELECT * FROM {p}held h WHERE h.seq = r.seq OFFSET 0) h ON true"
        )
    };
}

own! {
    /// Lets one transaction in that changes who owns what.
    Alone = "SELECT value FROM {p}meta WHERE name = 'schema_current' FOR UPDATE";
    /// shards, owner → shard, epoch, of those that are the owner's now. What is accepted at or
    /// below the marks of its shards, a runner must register. Of a shard that was never taken
    /// nothing is stored, so it need not be looked for.
    TakeShards = "WITH asked AS (SELECT shard, n FROM unnest($1::bigint[]) \
        WITH ORDINALITY u (shard, n)), \
        taken AS (INSERT INTO {p}shard AS s (shard, owner, epoch, mark) \
        SELECT shard, $2::bigint, 1, coalesce((SELECT max(mark) FROM {p}shard), 0) FROM asked \
        ON CONFLICT (shard) DO UPDATE \
        SET owner = excluded.owner, epoch = s.epoch + 1 WHERE s.owner IS NULL \
        RETURNING s.shard, s.epoch, s.mark), \
        raised AS (UPDATE {p}fence SET mark = (SELECT max(mark) FROM taken) \
        WHERE incarnation = $2::bigint AND mark < (SELECT max(mark) FROM taken)), \
        mine AS (SELECT shard, epoch FROM taken UNION ALL \
        SELECT shard, epoch FROM {p}shard WHERE owner = $2::bigint) \
        SELECT asked.shard, mine.epoch FROM asked JOIN mine ON mine.shard = asked.shard \
        ORDER BY asked.n";
    /// → the server's time, how far cluster time is ahead of it
    Time = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, coalesce(\
        (SELECT value FROM {p}meta WHERE name = 'time_offset_ms'), 0)";
    /// → a number that is the open transaction's alone
    IsBegun = "SELECT coalesce(current_setting('cluster.begun', true), '') = '1'";
    /// ids → request, outcome, finished_at, dead, held, place
    Requests = found!(
        "unnest($1::bytea[]) WITH ORDINALITY u (id, n) \
        CROSS JOIN LATERAL (SELECT * FROM {p}request r WHERE r.id = u.id OFFSET 0) r"
    );
    /// the parts of digests → request, outcome, finished_at, dead, held, place
    Keys = found!(
        "unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) \
        WITH ORDINALITY u (digest_1, digest_2, digest_3, digest_4, n) CROSS JOIN LATERAL \
        (SELECT * FROM {p}request r WHERE r.digest_1 = u.digest_1 AND r.digest_2 = u.digest_2 \
        AND r.digest_3 = u.digest_3 AND r.digest_4 = u.digest_4 OFFSET 0) r"
    );
    /// entity_types, entity_ids → version, payload, place
    States = "SELECT s.version, s.payload, u.n \
        FROM unnest($1::bytea[], $2::bytea[]) WITH ORDINALITY u (entity_type, entity_id, n) \
        CROSS JOIN LATERAL (SELECT * FROM {p}state s WHERE s.entity_type = u.entity_type \
        AND s.entity_id = u.entity_id OFFSET 0) s";
    /// entity_types, entity_ids, messages → seq, request_id, place
    Reminders = "SELECT x.seq, x.request_id, u.n \
        FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) \
        WITH ORDINALITY u (entity_type, entity_id, message, n) \
        CROSS JOIN LATERAL (SELECT * FROM {p}reminder x WHERE x.entity_type = u.entity_type \
        AND x.entity_id = u.entity_id AND x.message = u.message OFFSET 0) x";
    /// executions, names, occurrences → as from the journal, place
    Deferreds = "SELECT d.execution, 0, d.shard, d.epoch, d.kind, d.occurrence, d.completed_at, \
        NULL::bigint, d.name, d.payload, d.id, u.n \
        FROM unnest($1::bigint[], $2::bytea[], $3::bigint[]) \
        WITH ORDINALITY u (execution, name, occurrence, n) \
        CROSS JOIN LATERAL (SELECT * FROM {p}deferred d WHERE d.execution = u.execution \
        AND d.name = u.name AND d.occurrence = u.occurrence OFFSET 0) d";
    /// after, limit → seq, finished_at, class, id, outer_id, class of the outer one, its end. The
    /// planner must know that the page is a small part of the table.
    Past = "SELECT o.seq, o.finished_at, r.class, r.id, r.outer_id, p.class, e.finished_at \
        FROM (SELECT * FROM (SELECT seq, finished_at FROM {p}outcome WHERE seq > $1 \
        ORDER BY seq LIMIT 10000) o LIMIT $2) o \
        CROSS JOIN LATERAL (SELECT * FROM {p}request r WHERE r.seq = o.seq OFFSET 0) r \
        LEFT JOIN LATERAL (SELECT * FROM {p}request p WHERE r.class = 3 AND p.id = r.outer_id \
        OFFSET 0) p ON true \
        LEFT JOIN LATERAL (SELECT * FROM {p}outcome e WHERE e.seq = p.seq OFFSET 0) e ON true \
        ORDER BY o.seq";
    /// after, up to → one that has no outcome
    Unfinished = concat!(
        "SELECT 1 FROM {p}request r WHERE r.seq > $1 AND r.seq <= $2 AND ",
        has_no_outcome!(),
        " LIMIT 1"
    );
    /// incarnation, number, seqs, their ends, their outer requests or NULL, highest seq or NULL,
    /// reached or NULL → whether the fence holds, how many were removed. One that runs again
    /// meanwhile has no such outcome any more, and stays, with what it has called. What is locked
    /// here cannot run again before it is removed.
    Remove = "WITH RECURSIVE f AS (SELECT 1 FROM {p}fence \
        WHERE incarnation = $1 AND number = $2 AND alive = 1 FOR SHARE), \
        g AS (SELECT count(*) = 1 AS ok FROM f), \
        l AS (SELECT x.seq, u.outer_id FROM unnest($3::bigint[], $4::bigint[], $5::bytea[]) \
        AS u (seq, finished_at, outer_id) CROSS JOIN LATERAL (SELECT x.seq FROM {p}outcome x \
        WHERE x.seq = u.seq AND x.finished_at = u.finished_at FOR UPDATE) x \
        WHERE (SELECT ok FROM g)), \
        i AS (SELECT l.seq, r.id, l.outer_id FROM l \
        CROSS JOIN LATERAL (SELECT id FROM {p}request r WHERE r.seq = l.seq OFFSET 0) r), \
        u AS (SELECT i.seq, i.id FROM i WHERE i.outer_id IS NULL OR \
        (SELECT 1 FROM {p}request r WHERE r.id = i.outer_id) IS NULL \
        UNION ALL SELECT i.seq, i.id FROM i JOIN u ON i.outer_id = u.id), \
        o AS (DELETE FROM {p}outcome WHERE seq = ANY (ARRAY(SELECT seq FROM u)) RETURNING seq), \
        r AS (DELETE FROM {p}request WHERE seq = ANY (ARRAY(SELECT seq FROM o)) \
        AND seq BETWEEN (SELECT min(seq) FROM o) AND (SELECT max(seq) FROM o)), \
        b AS (DELETE FROM {p}behind WHERE seq = ANY (ARRAY(SELECT seq FROM o)) \
        AND seq BETWEEN (SELECT min(seq) FROM o) AND (SELECT max(seq) FROM o)), \
        c AS (DELETE FROM {p}chunk WHERE seq = ANY (ARRAY(SELECT seq FROM o))), \
        j AS (DELETE FROM {p}journal WHERE execution = ANY (ARRAY(SELECT seq FROM o))), \
        d AS (DELETE FROM {p}deferred WHERE execution = ANY (ARRAY(SELECT seq FROM o))), \
        h AS (INSERT INTO {p}meta AS m (name, value) SELECT 'highest_seq', $6::bigint \
        WHERE (SELECT ok FROM g) AND $6::bigint IS NOT NULL ON CONFLICT (name) DO UPDATE \
        SET value = greatest(m.value, excluded.value)), \
        t AS (INSERT INTO {p}meta (name, value) SELECT 'retention_reached', $7::bigint \
        WHERE (SELECT ok FROM g) AND $7::bigint IS NOT NULL ON CONFLICT (name) DO UPDATE \
        SET value = excluded.value) SELECT ok, (SELECT count(*) FROM o) FROM g";
    /// limit → nothing. Forgets registered requests that have ended since. Who runs one of them
    /// again first deletes its outcome, which is locked here: so either is done before the other.
    ForgetBehind = "WITH done AS (SELECT o.seq FROM {p}behind b CROSS JOIN LATERAL \
        (SELECT seq FROM {p}outcome o WHERE o.seq = b.seq FOR SHARE) o LIMIT $1) \
        DELETE FROM {p}behind WHERE seq = ANY (ARRAY(SELECT seq FROM done))";
    /// incarnation, number, new mark → nothing. Waits for every write under way.
    RaiseMark = "UPDATE {p}fence SET mark = $3 \
        WHERE incarnation = $1 AND number = $2 AND alive = 1 AND mark < $3";
    /// incarnation, number, new mark → whether the fence holds, the mark that was reached. What is
    /// pending of one window of requests is registered.
    MoveMarks = concat!(
        "WITH f AS (SELECT 1 FROM {p}fence \
        WHERE incarnation = $1 AND number = $2 AND alive = 1 AND mark >= $3 FOR SHARE), \
        g AS (SELECT count(*) = 1 AS ok FROM f), \
        w AS (SELECT seq, shard, entity_type, entity_id FROM {p}request \
        WHERE seq > (SELECT min(mark) FROM {p}shard WHERE owner = $1) AND seq <= $3 \
        ORDER BY seq LIMIT ",
        window!(),
        "), e AS (SELECT CASE count(*) WHEN ",
        window!(),
        " THEN max(seq) ELSE $3 END AS mark FROM w), \
        b AS (INSERT INTO {p}behind (seq, shard, entity_type, entity_id) \
        SELECT r.seq, r.shard, r.entity_type, r.entity_id \
        FROM (SELECT * FROM w r WHERE (SELECT ok FROM g) AND ",
        has_no_outcome!(),
        " OFFSET 0) r WHERE r.seq > ",
        mark!("$1"),
        " AND ",
        is_pending!(),
        " ON CONFLICT DO NOTHING), \
        s AS (UPDATE {p}shard SET mark = (SELECT mark FROM e) \
        WHERE (SELECT ok FROM g) AND owner = $1 AND mark < (SELECT mark FROM e)) \
        SELECT ok, (SELECT mark FROM e) FROM g"
    );
}

/// The texts for one prefix.
pub(super) struct AllTexts {
    pub(super) prefix: String,
    pub(super) common: Texts,
    own: Vec<Arc<str>>,
    /// By the number of the groups.
    commits: Vec<OnceLock<Arc<str>>>,
}

impl AllTexts {
    pub(super) fn new(prefix: &str) -> Self {
        AllTexts {
            prefix: prefix.to_owned(),
            common: Texts::new::<PostgresDialect>(prefix),
            own: Own::ALL.iter().map(|(_, text)| with_prefix(text, prefix).into()).collect(),
            commits: (0..Groups::COUNT).map(|_| OnceLock::new()).collect(),
        }
    }

    pub(super) fn own(&self, own: Own) -> &Arc<str> {
        &self.own[own as usize]
    }

    /// The statement that writes a batch of these groups.
    pub(super) fn commit(&self, groups: Groups) -> &Arc<str> {
        let make = || with_prefix(&commit_text(groups), &self.prefix).into();
        self.commits[groups.number()].get_or_init(make)
    }

    /// Names and texts of all statements; of those that write a batch, samples.
    pub(super) fn named(&self) -> Vec<(String, String)> {
        let common = self.common.named().filter(|(name, _)| !UNUSED.contains(name));
        let common = common.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let own = Own::ALL.iter().zip(&self.own);
        let own = own.map(|((name, _), text)| ((*name).to_owned(), text.to_string()));
        let commits = Groups::samples();
        let commits =
            commits.map(|(name, groups)| (name.to_owned(), self.commit(groups).to_string()));
        common.chain(own).chain(commits).collect()
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
