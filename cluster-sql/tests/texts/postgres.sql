-- Meta
SELECT value FROM p_meta WHERE name = $1;

-- SetMeta
INSERT INTO p_meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value =
excluded.value;

-- Fence
SELECT number FROM p_fence WHERE incarnation = $1 AND alive = 1 FOR SHARE;

-- InsertFence
INSERT INTO p_fence (incarnation, number, alive, mark) VALUES ($1, $2, 1, 0);

-- RaiseFence
UPDATE p_fence SET number = number + 1 WHERE incarnation = $1 AND number = $2 AND alive = 1;

-- EndFence
UPDATE p_fence SET alive = 0 WHERE incarnation = $1;

-- EndAllFences
UPDATE p_fence SET alive = 0 WHERE alive = 1;

-- InsertRunner
INSERT INTO p_runner (incarnation, machine, advertised, joined_at, lease_ends_at) VALUES ($1, $2,
$3, $4, $5);

-- RenewLease
UPDATE p_runner SET lease_ends_at = $2 WHERE incarnation = $1;

-- Runners
SELECT r.incarnation, r.machine, r.joined_at, r.lease_ends_at, coalesce(f.alive, 0), r.advertised
FROM p_runner r LEFT JOIN p_fence f ON f.incarnation = r.incarnation ORDER BY r.incarnation;

-- ForgetRunners
DELETE FROM p_runner WHERE incarnation < $1;

-- ForgetFences
DELETE FROM p_fence WHERE incarnation < $1;

-- Group
SELECT number FROM p_shard_group WHERE name = $1;

-- CountGroups
SELECT count(*) FROM p_shard_group;

-- InsertGroup
INSERT INTO p_shard_group (number, name) VALUES ($1, $2);

-- FreeShards
UPDATE p_shard SET owner = NULL WHERE owner = $1;

-- FreeAllShards
UPDATE p_shard SET owner = NULL WHERE owner IS NOT NULL;

-- HighestSeq
SELECT max(seq) FROM p_request;

-- InsertRequest
INSERT INTO p_request (seq, id, shard, epoch, class, accepted_at, due_at, outer_id, message,
entity_type, entity_id, digest_1, digest_2, digest_3, digest_4, key, trace, headers, arguments,
reminder) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, ('x' || encode(substr($12::bytea,
1, 8), 'hex'))::bit(64)::bigint, ('x' || encode(substr($12::bytea, 9, 8), 'hex'))::bit(64)::bigint,
('x' || encode(substr($12::bytea, 17, 8), 'hex'))::bit(64)::bigint, ('x' ||
encode(substr($12::bytea, 25, 8), 'hex'))::bit(64)::bigint, $13, $14, $15, $16, $17) ON CONFLICT DO
NOTHING;

-- InsertPending
INSERT INTO p_behind (seq, shard, entity_type, entity_id) SELECT r.seq, $2::bigint, r.entity_type,
r.entity_id FROM p_request r WHERE r.seq = $1 ON CONFLICT DO NOTHING;

-- InsertDue
INSERT INTO p_due (seq, shard, due_at) VALUES ($1, $2, $3) ON CONFLICT (seq) DO UPDATE SET due_at =
excluded.due_at;

-- RequestById
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, int8send(r.digest_1) || int8send(r.digest_2) || int8send(r.digest_3) ||
int8send(r.digest_4), r.key, r.trace, r.headers, r.arguments, r.reminder, o.kind, o.payload,
o.finished_at, d.seq, h.kind, h.missing FROM p_request r LEFT JOIN p_outcome o ON o.seq = r.seq
LEFT JOIN p_dead d ON d.seq = r.seq LEFT JOIN p_held h ON h.seq = r.seq WHERE r.id = $1;

-- RequestByKey
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, int8send(r.digest_1) || int8send(r.digest_2) || int8send(r.digest_3) ||
int8send(r.digest_4), r.key, r.trace, r.headers, r.arguments, r.reminder, o.kind, o.payload,
o.finished_at, d.seq, h.kind, h.missing FROM p_request r LEFT JOIN p_outcome o ON o.seq = r.seq
LEFT JOIN p_dead d ON d.seq = r.seq LEFT JOIN p_held h ON h.seq = r.seq WHERE (digest_1, digest_2,
digest_3, digest_4) = (('x' || encode(substr($1::bytea, 1, 8), 'hex'))::bit(64)::bigint, ('x' ||
encode(substr($1::bytea, 9, 8), 'hex'))::bit(64)::bigint, ('x' || encode(substr($1::bytea, 17, 8),
'hex'))::bit(64)::bigint, ('x' || encode(substr($1::bytea, 25, 8), 'hex'))::bit(64)::bigint);

-- DeletePending
WITH b AS (DELETE FROM p_behind WHERE seq = $1), d AS (DELETE FROM p_due WHERE seq = $1) SELECT 1
FROM p_request r WHERE r.seq = $1 AND (SELECT 1 FROM p_outcome o WHERE o.seq = r.seq) IS NULL AND
(SELECT 1 FROM p_held h WHERE h.seq = r.seq) IS NULL AND (SELECT 1 FROM p_dead d WHERE d.seq =
r.seq) IS NULL;

-- DeleteDue
DELETE FROM p_due WHERE seq = $1;

-- DeleteHeld
DELETE FROM p_held WHERE seq = $1;

-- DeleteDead
DELETE FROM p_dead WHERE seq = $1;

-- DeleteAttempt
DELETE FROM p_attempt WHERE seq = $1;

-- AnyAttempt
SELECT 1 FROM p_attempt LIMIT 1;

-- InsertOutcome
INSERT INTO p_outcome (seq, shard, epoch, finished_at, kind, payload) VALUES ($1, $2, $3, $4, $5,
$6);

-- CountAttempt
INSERT INTO p_attempt AS a (seq, shard, epoch, attempts, retry_at, error) SELECT r.seq, $2::bigint,
$3::bigint, $4::bigint, $5::bigint, $6::bytea FROM p_request r WHERE r.seq = $1 AND (SELECT 1 FROM
p_outcome o WHERE o.seq = r.seq) IS NULL AND (SELECT 1 FROM p_held h WHERE h.seq = r.seq) IS NULL
AND (SELECT 1 FROM p_dead d WHERE d.seq = r.seq) IS NULL ON CONFLICT (seq) DO UPDATE SET epoch =
excluded.epoch, attempts = excluded.attempts, retry_at = excluded.retry_at, error = excluded.error
WHERE excluded.attempts >= a.attempts;

-- SetDue
INSERT INTO p_due (seq, shard, due_at) VALUES ($1, $2, $3) ON CONFLICT (seq) DO UPDATE SET due_at =
excluded.due_at;

-- InsertHeld
INSERT INTO p_held (seq, shard, epoch, held_at, kind, missing) VALUES ($1, $2, $3, $4, $5, $6);

-- RedriveDead
DELETE FROM p_dead WHERE seq = $1 AND died_at = $2;

-- DeleteOutcome
DELETE FROM p_outcome WHERE seq = $1;

-- ForgetOutcome
DELETE FROM p_outcome WHERE seq = $1 AND finished_at = $2;

-- InsertDead
INSERT INTO p_dead (seq, shard, epoch, attempts, died_at, error) VALUES ($1, $2, $3, $4, $5, $6);

-- InsertEntry
INSERT INTO p_journal (execution, position, shard, epoch, kind, occurrence, recorded_at, due_at,
name, payload) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING;

-- Entry
SELECT execution, position, shard, epoch, kind, occurrence, recorded_at, due_at, name, payload FROM
p_journal WHERE execution = $1 AND position = $2;

-- InsertDeferred
INSERT INTO p_deferred (execution, name, occurrence, id, shard, epoch, kind, completed_at, payload)
SELECT r.seq, $2::bytea, $3::bigint, $4::bytea, $5::bigint, $6::bigint, $7::bigint, $8::bigint,
$9::bytea FROM p_request r WHERE r.seq = $1 AND (SELECT 1 FROM p_outcome o WHERE o.seq = r.seq) IS
NULL ON CONFLICT DO NOTHING;

-- Journal
SELECT execution, position, shard, epoch, kind, occurrence, recorded_at, due_at, name, payload,
NULL AS id FROM p_journal WHERE execution = $1 UNION ALL SELECT execution, 0, shard, epoch, kind,
occurrence, completed_at, NULL, name, payload, id FROM p_deferred WHERE execution = $1;

-- DeleteJournal
DELETE FROM p_journal WHERE execution = $1;

-- DeleteDeferreds
DELETE FROM p_deferred WHERE execution = $1;

-- State
SELECT version, payload FROM p_state WHERE entity_type = $1 AND entity_id = $2;

-- InsertState
INSERT INTO p_state (entity_type, entity_id, shard, version, epoch, payload) VALUES ($1, $2, $3,
$4, $5, $6) ON CONFLICT DO NOTHING;

-- UpdateState
UPDATE p_state SET version = $4, epoch = $5, payload = $6 WHERE entity_type = $1 AND entity_id = $2
AND version = $3;

-- InsertAlive
INSERT INTO p_alive (entity_type, entity_id, shard, epoch) VALUES ($1, $2, $3, $4) ON CONFLICT
(entity_type, entity_id) DO UPDATE SET epoch = excluded.epoch;

-- DeleteAlive
DELETE FROM p_alive WHERE entity_type = $1 AND entity_id = $2;

-- LoadAlive
SELECT a.entity_type, a.entity_id, a.shard FROM p_alive a WHERE (a.entity_type, a.entity_id) > ($1,
$2) AND EXISTS (SELECT 1 FROM p_shard s WHERE s.shard = a.shard AND s.owner = $4) ORDER BY
a.entity_type, a.entity_id LIMIT $3;

-- InsertInbox
INSERT INTO p_inbox (request, wish) VALUES ($1, $2);

-- Inbox
SELECT number, request, wish FROM p_inbox WHERE number > $1 ORDER BY number LIMIT $2;

-- DeleteInbox
DELETE FROM p_inbox WHERE number = $1;

-- LoadPending
WITH looked AS NOT MATERIALIZED (SELECT * FROM ((SELECT r.seq, r.shard, true AS is_above FROM
p_request r WHERE r.seq > greatest($1, coalesce((SELECT min(mark) FROM p_shard WHERE owner = $3),
9223372036854775807)) ORDER BY r.seq LIMIT 2000) UNION ALL (SELECT r.seq, r.shard, false FROM
p_behind r WHERE r.seq > $1 ORDER BY r.seq LIMIT 2000)) both_sides ORDER BY seq LIMIT (SELECT
2000)), reached AS (SELECT CASE count(*) WHEN 2000 THEN max(seq) - 1 END AS seq FROM looked), page
AS (SELECT r.seq FROM (SELECT r.* FROM looked r WHERE (SELECT 1 FROM p_outcome o WHERE o.seq =
r.seq) IS NULL OFFSET 0) r WHERE r.seq <= coalesce((SELECT seq FROM reached), r.seq) AND r.is_above
= (r.seq > (SELECT s.mark FROM p_shard s WHERE s.shard = r.shard AND s.owner = $3)) AND (SELECT 1
FROM p_held h WHERE h.seq = r.seq) IS NULL AND (SELECT 1 FROM p_dead d WHERE d.seq = r.seq) IS NULL
AND (SELECT 1 FROM p_due w WHERE w.seq = r.seq) IS NULL ORDER BY r.seq LIMIT $2) SELECT r.seq,
r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message, r.entity_type,
r.entity_id, int8send(r.digest_1) || int8send(r.digest_2) || int8send(r.digest_3) ||
int8send(r.digest_4), r.key, r.trace, r.headers, r.arguments, r.reminder, r.attempts, r.retry_at,
reached.seq FROM reached LEFT JOIN (SELECT r.*, a.attempts, a.retry_at,
sum(octet_length(r.arguments)) OVER (ORDER BY r.seq) - octet_length(r.arguments) AS bytes FROM page
CROSS JOIN LATERAL (SELECT * FROM p_request r WHERE r.seq = page.seq OFFSET 0) r LEFT JOIN LATERAL
(SELECT * FROM p_attempt a WHERE a.seq = page.seq OFFSET 0) a ON true) r ON r.bytes < $4 ORDER BY
r.seq;

-- LoadPendingOf
WITH looked AS NOT MATERIALIZED (SELECT * FROM ((SELECT r.seq, r.shard, r.entity_type, r.entity_id,
true AS is_above FROM p_request r WHERE (r.shard & 7) = ($4::bigint & 7) AND r.seq > $1 AND r.seq >
(SELECT s.mark FROM p_shard s WHERE s.shard = $4 AND s.owner = $3) ORDER BY r.seq LIMIT 2000) UNION
ALL (SELECT r.seq, r.shard, r.entity_type, r.entity_id, false FROM p_behind r WHERE r.entity_type =
$5 AND r.entity_id = $6 AND r.seq > $1 ORDER BY r.seq LIMIT 2000)) both_sides ORDER BY seq LIMIT
(SELECT 2000)), reached AS (SELECT CASE count(*) WHEN 2000 THEN max(seq) - 1 END AS seq FROM
looked), page AS (SELECT r.seq FROM (SELECT r.* FROM looked r WHERE r.shard = $4 AND r.entity_type
= $5 AND r.entity_id = $6 AND (SELECT 1 FROM p_outcome o WHERE o.seq = r.seq) IS NULL OFFSET 0) r
WHERE r.seq <= coalesce((SELECT seq FROM reached), r.seq) AND r.is_above = (r.seq > (SELECT s.mark
FROM p_shard s WHERE s.shard = r.shard AND s.owner = $3)) AND (SELECT 1 FROM p_held h WHERE h.seq =
r.seq) IS NULL AND (SELECT 1 FROM p_dead d WHERE d.seq = r.seq) IS NULL AND (SELECT 1 FROM p_due w
WHERE w.seq = r.seq) IS NULL ORDER BY r.seq LIMIT $2) SELECT r.seq, r.id, r.shard, r.epoch,
r.class, r.accepted_at, r.due_at, r.outer_id, r.message, r.entity_type, r.entity_id,
int8send(r.digest_1) || int8send(r.digest_2) || int8send(r.digest_3) || int8send(r.digest_4),
r.key, r.trace, r.headers, r.arguments, r.reminder, r.attempts, r.retry_at, reached.seq FROM
reached LEFT JOIN (SELECT r.*, a.attempts, a.retry_at, sum(octet_length(r.arguments)) OVER (ORDER
BY r.seq) - octet_length(r.arguments) AS bytes FROM page CROSS JOIN LATERAL (SELECT * FROM
p_request r WHERE r.seq = page.seq OFFSET 0) r LEFT JOIN LATERAL (SELECT * FROM p_attempt a WHERE
a.seq = page.seq OFFSET 0) a ON true) r ON r.bytes < $7 ORDER BY r.seq;

-- LoadDue
WITH page AS (SELECT d.seq, d.due_at FROM p_due d JOIN p_shard s ON s.shard = d.shard AND s.owner =
$4 WHERE (d.due_at, d.seq) > ($1, $2) ORDER BY d.due_at, d.seq LIMIT $3) SELECT r.seq, r.id,
r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message, r.entity_type,
r.entity_id, int8send(r.digest_1) || int8send(r.digest_2) || int8send(r.digest_3) ||
int8send(r.digest_4), r.key, r.trace, r.headers, r.arguments, r.reminder, r.attempts, r.at FROM
(SELECT r.*, a.attempts, page.due_at AS at, sum(octet_length(r.arguments)) OVER (ORDER BY
page.due_at, page.seq) - octet_length(r.arguments) AS bytes FROM page CROSS JOIN LATERAL (SELECT *
FROM p_request r WHERE r.seq = page.seq OFFSET 0) r LEFT JOIN LATERAL (SELECT * FROM p_attempt a
WHERE a.seq = page.seq OFFSET 0) a ON true) r WHERE r.bytes < $5 ORDER BY r.at, r.seq;

-- DeadLetters
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, int8send(r.digest_1) || int8send(r.digest_2) || int8send(r.digest_3) ||
int8send(r.digest_4), r.key, r.trace, r.headers, r.arguments, r.reminder, d.attempts, d.died_at,
d.error FROM p_dead d JOIN p_request r ON r.seq = d.seq WHERE d.seq > $1 ORDER BY d.seq LIMIT $2;

-- Held
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, int8send(r.digest_1) || int8send(r.digest_2) || int8send(r.digest_3) ||
int8send(r.digest_4), r.key, r.trace, r.headers, r.arguments, r.reminder, h.held_at, h.kind,
h.missing FROM p_held h JOIN p_request r ON r.seq = h.seq WHERE h.seq > $1 ORDER BY h.seq LIMIT $2;

-- OuterRequest
SELECT r.class, o.finished_at FROM p_request r LEFT JOIN p_outcome o ON o.seq = r.seq WHERE r.id =
$1;

-- DeleteRequest
DELETE FROM p_request WHERE seq = $1;

-- SetReminder
INSERT INTO p_reminder (entity_type, entity_id, message, shard, epoch, seq, request_id) VALUES ($1,
$2, $3, $4, $5, $6, $7) ON CONFLICT (entity_type, entity_id, message) DO UPDATE SET shard =
excluded.shard, epoch = excluded.epoch, seq = excluded.seq, request_id = excluded.request_id;

-- DeleteReminder
DELETE FROM p_reminder WHERE entity_type = $1 AND entity_id = $2 AND message = $3;

-- DeleteReminders
DELETE FROM p_reminder WHERE entity_type = $1 AND entity_id = $2;

-- DeleteState
DELETE FROM p_state WHERE entity_type = $1 AND entity_id = $2;

-- EndOfWindow
SELECT seq FROM (SELECT seq FROM p_request WHERE (shard & 7) = ($1::bigint & 7) AND seq > $2 ORDER
BY seq LIMIT 10000) r ORDER BY seq LIMIT 1 OFFSET $3::bigint - 1;

-- RequestsOf
SELECT r.seq, r.id, EXISTS (SELECT 1 FROM p_outcome o WHERE o.seq = r.seq) FROM p_request r WHERE
(r.shard & 7) = ($1::bigint & 7) AND r.seq > $2 AND r.seq <= $3 AND r.entity_type = $4 AND
r.entity_id = $5 ORDER BY r.seq LIMIT $6;

-- RaiseMeta
INSERT INTO p_meta AS m (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value =
greatest(m.value, excluded.value);

-- InsertChunk
INSERT INTO p_chunk (seq, number, shard, epoch, was_read, payload) SELECT r.seq, $2::bigint,
$3::bigint, $4::bigint, 0, $5::bytea FROM p_request r WHERE r.seq = $1 AND (SELECT 1 FROM p_outcome
o WHERE o.seq = r.seq) IS NULL AND (SELECT 1 FROM p_held h WHERE h.seq = r.seq) IS NULL AND (SELECT
1 FROM p_dead d WHERE d.seq = r.seq) IS NULL AND NOT EXISTS (SELECT 1 FROM p_chunk c WHERE c.seq =
$1 AND c.number >= $2);

-- LastRead
SELECT max(number) FROM p_chunk WHERE seq = $1 AND number <= $2;

-- DeleteRead
DELETE FROM p_chunk WHERE seq = $1 AND number < $2;

-- MarkRead
UPDATE p_chunk SET was_read = 1 WHERE seq = $1 AND number = $2;

-- DeleteChunks
DELETE FROM p_chunk WHERE seq = $1;

-- LoadChunks
SELECT number, was_read, payload FROM p_chunk WHERE seq = $1 AND number > $2 ORDER BY number LIMIT
$3;

-- Shape
SELECT shape FROM p_shape WHERE fingerprint = $1;

-- InsertShape
INSERT INTO p_shape (fingerprint, shape) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- SetContract
INSERT INTO p_contract (entity_type, name, tag, arguments, reply, error) VALUES ($1, $2, $3, $4,
$5, $6) ON CONFLICT (entity_type, name) DO UPDATE SET tag = excluded.tag, arguments =
excluded.arguments, reply = excluded.reply, error = excluded.error;

-- Contracts
SELECT entity_type, name, tag, arguments, reply, error FROM p_contract ORDER BY entity_type, name;

-- Alone
SELECT value FROM p_meta WHERE name = 'schema_current' FOR UPDATE;

-- TakeShards
WITH asked AS (SELECT shard, n FROM unnest($1::bigint[]) WITH ORDINALITY u (shard, n)), taken AS
(INSERT INTO p_shard AS s (shard, owner, epoch, mark) SELECT shard, $2::bigint, 1, coalesce((SELECT
max(mark) FROM p_shard), 0) FROM asked ON CONFLICT (shard) DO UPDATE SET owner = excluded.owner,
epoch = s.epoch + 1 WHERE s.owner IS NULL RETURNING s.shard, s.epoch, s.mark), raised AS (UPDATE
p_fence SET mark = (SELECT max(mark) FROM taken) WHERE incarnation = $2::bigint AND mark < (SELECT
max(mark) FROM taken)), mine AS (SELECT shard, epoch FROM taken UNION ALL SELECT shard, epoch FROM
p_shard WHERE owner = $2::bigint) SELECT asked.shard, mine.epoch FROM asked JOIN mine ON mine.shard
= asked.shard ORDER BY asked.n;

-- Time
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, coalesce((SELECT value FROM p_meta
WHERE name = 'time_offset_ms'), 0);

-- IsBegun
SELECT coalesce(current_setting('cluster.begun', true), '') = '1';

-- Requests
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, int8send(r.digest_1) || int8send(r.digest_2) || int8send(r.digest_3) ||
int8send(r.digest_4), r.key, r.trace, r.headers, r.arguments, r.reminder, o.kind, o.payload,
o.finished_at, d.seq, h.kind, h.missing, u.n FROM unnest($1::bytea[]) WITH ORDINALITY u (id, n)
CROSS JOIN LATERAL (SELECT * FROM p_request r WHERE r.id = u.id OFFSET 0) r LEFT JOIN LATERAL
(SELECT * FROM p_outcome o WHERE o.seq = r.seq OFFSET 0) o ON true LEFT JOIN LATERAL (SELECT * FROM
p_dead d WHERE d.seq = r.seq OFFSET 0) d ON true LEFT JOIN LATERAL (SELECT * FROM p_held h WHERE
h.seq = r.seq OFFSET 0) h ON true;

-- Keys
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, int8send(r.digest_1) || int8send(r.digest_2) || int8send(r.digest_3) ||
int8send(r.digest_4), r.key, r.trace, r.headers, r.arguments, r.reminder, o.kind, o.payload,
o.finished_at, d.seq, h.kind, h.missing, u.n FROM unnest($1::bigint[], $2::bigint[], $3::bigint[],
$4::bigint[]) WITH ORDINALITY u (digest_1, digest_2, digest_3, digest_4, n) CROSS JOIN LATERAL
(SELECT * FROM p_request r WHERE r.digest_1 = u.digest_1 AND r.digest_2 = u.digest_2 AND r.digest_3
= u.digest_3 AND r.digest_4 = u.digest_4 OFFSET 0) r LEFT JOIN LATERAL (SELECT * FROM p_outcome o
WHERE o.seq = r.seq OFFSET 0) o ON true LEFT JOIN LATERAL (SELECT * FROM p_dead d WHERE d.seq =
r.seq OFFSET 0) d ON true LEFT JOIN LATERAL (SELECT * FROM p_held h WHERE h.seq = r.seq OFFSET 0) h
ON true;

-- States
SELECT s.version, s.payload, u.n FROM unnest($1::bytea[], $2::bytea[]) WITH ORDINALITY u
(entity_type, entity_id, n) CROSS JOIN LATERAL (SELECT * FROM p_state s WHERE s.entity_type =
u.entity_type AND s.entity_id = u.entity_id OFFSET 0) s;

-- Reminders
SELECT x.seq, x.request_id, u.n FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) WITH ORDINALITY
u (entity_type, entity_id, message, n) CROSS JOIN LATERAL (SELECT * FROM p_reminder x WHERE
x.entity_type = u.entity_type AND x.entity_id = u.entity_id AND x.message = u.message OFFSET 0) x;

-- Deferreds
SELECT d.execution, 0, d.shard, d.epoch, d.kind, d.occurrence, d.completed_at, NULL::bigint,
d.name, d.payload, d.id, u.n FROM unnest($1::bigint[], $2::bytea[], $3::bigint[]) WITH ORDINALITY u
(execution, name, occurrence, n) CROSS JOIN LATERAL (SELECT * FROM p_deferred d WHERE d.execution =
u.execution AND d.name = u.name AND d.occurrence = u.occurrence OFFSET 0) d;

-- Past
SELECT o.seq, o.finished_at, r.class, r.id, r.outer_id, p.class, e.finished_at FROM (SELECT * FROM
(SELECT seq, finished_at FROM p_outcome WHERE seq > $1 ORDER BY seq LIMIT 10000) o LIMIT $2) o
CROSS JOIN LATERAL (SELECT * FROM p_request r WHERE r.seq = o.seq OFFSET 0) r LEFT JOIN LATERAL
(SELECT * FROM p_request p WHERE r.class = 3 AND p.id = r.outer_id OFFSET 0) p ON true LEFT JOIN
LATERAL (SELECT * FROM p_outcome e WHERE e.seq = p.seq OFFSET 0) e ON true ORDER BY o.seq;

-- Unfinished
SELECT 1 FROM p_request r WHERE r.seq > $1 AND r.seq <= $2 AND (SELECT 1 FROM p_outcome o WHERE
o.seq = r.seq) IS NULL LIMIT 1;

-- Remove
WITH RECURSIVE f AS (SELECT 1 FROM p_fence WHERE incarnation = $1 AND number = $2 AND alive = 1 FOR
SHARE), g AS (SELECT count(*) = 1 AS ok FROM f), l AS (SELECT x.seq, u.outer_id FROM
unnest($3::bigint[], $4::bigint[], $5::bytea[]) AS u (seq, finished_at, outer_id) CROSS JOIN
LATERAL (SELECT x.seq FROM p_outcome x WHERE x.seq = u.seq AND x.finished_at = u.finished_at FOR
UPDATE) x WHERE (SELECT ok FROM g)), i AS (SELECT l.seq, r.id, l.outer_id FROM l CROSS JOIN LATERAL
(SELECT id FROM p_request r WHERE r.seq = l.seq OFFSET 0) r), u AS (SELECT i.seq, i.id FROM i WHERE
i.outer_id IS NULL OR (SELECT 1 FROM p_request r WHERE r.id = i.outer_id) IS NULL UNION ALL SELECT
i.seq, i.id FROM i JOIN u ON i.outer_id = u.id), o AS (DELETE FROM p_outcome WHERE seq = ANY
(ARRAY(SELECT seq FROM u)) RETURNING seq), r AS (DELETE FROM p_request WHERE seq = ANY
(ARRAY(SELECT seq FROM o)) AND seq BETWEEN (SELECT min(seq) FROM o) AND (SELECT max(seq) FROM o)),
b AS (DELETE FROM p_behind WHERE seq = ANY (ARRAY(SELECT seq FROM o)) AND seq BETWEEN (SELECT
min(seq) FROM o) AND (SELECT max(seq) FROM o)), c AS (DELETE FROM p_chunk WHERE seq = ANY
(ARRAY(SELECT seq FROM o))), j AS (DELETE FROM p_journal WHERE execution = ANY (ARRAY(SELECT seq
FROM o))), d AS (DELETE FROM p_deferred WHERE execution = ANY (ARRAY(SELECT seq FROM o))), h AS
(INSERT INTO p_meta AS m (name, value) SELECT 'highest_seq', $6::bigint WHERE (SELECT ok FROM g)
AND $6::bigint IS NOT NULL ON CONFLICT (name) DO UPDATE SET value = greatest(m.value,
excluded.value)), t AS (INSERT INTO p_meta (name, value) SELECT 'retention_reached', $7::bigint
WHERE (SELECT ok FROM g) AND $7::bigint IS NOT NULL ON CONFLICT (name) DO UPDATE SET value =
excluded.value) SELECT ok, (SELECT count(*) FROM o) FROM g;

-- ForgetBehind
WITH done AS (SELECT o.seq FROM p_behind b CROSS JOIN LATERAL (SELECT seq FROM p_outcome o WHERE
o.seq = b.seq FOR SHARE) o LIMIT $1) DELETE FROM p_behind WHERE seq = ANY (ARRAY(SELECT seq FROM
done));

-- RaiseMark
UPDATE p_fence SET mark = $3 WHERE incarnation = $1 AND number = $2 AND alive = 1 AND mark < $3;

-- MoveMarks
WITH f AS (SELECT 1 FROM p_fence WHERE incarnation = $1 AND number = $2 AND alive = 1 AND mark >=
$3 FOR SHARE), g AS (SELECT count(*) = 1 AS ok FROM f), w AS (SELECT seq, shard, entity_type,
entity_id FROM p_request WHERE seq > (SELECT min(mark) FROM p_shard WHERE owner = $1) AND seq <= $3
ORDER BY seq LIMIT 2000), e AS (SELECT CASE count(*) WHEN 2000 THEN max(seq) ELSE $3 END AS mark
FROM w), b AS (INSERT INTO p_behind (seq, shard, entity_type, entity_id) SELECT r.seq, r.shard,
r.entity_type, r.entity_id FROM (SELECT * FROM w r WHERE (SELECT ok FROM g) AND (SELECT 1 FROM
p_outcome o WHERE o.seq = r.seq) IS NULL OFFSET 0) r WHERE r.seq > (SELECT s.mark FROM p_shard s
WHERE s.shard = r.shard AND s.owner = $1) AND (SELECT 1 FROM p_held h WHERE h.seq = r.seq) IS NULL
AND (SELECT 1 FROM p_dead d WHERE d.seq = r.seq) IS NULL AND (SELECT 1 FROM p_due w WHERE w.seq =
r.seq) IS NULL ON CONFLICT DO NOTHING), s AS (UPDATE p_shard SET mark = (SELECT mark FROM e) WHERE
(SELECT ok FROM g) AND owner = $1 AND mark < (SELECT mark FROM e)) SELECT ok, (SELECT mark FROM e)
FROM g;

-- CommitNothing
WITH f AS (SELECT mark FROM p_fence WHERE incarnation = $1::bigint AND number = $2::bigint AND
alive = 1 FOR SHARE), g AS (SELECT count(*) = 1 AS ok, max(mark) AS mark FROM f) SELECT (SELECT ok
FROM g), NULL::text;

-- CommitAccepts
WITH f AS (SELECT mark FROM p_fence WHERE incarnation = $1::bigint AND number = $2::bigint AND
alive = 1 FOR SHARE), g AS (SELECT count(*) = 1 AS ok, max(mark) AS mark FROM f), a AS (INSERT INTO
p_request (seq, id, shard, epoch, class, accepted_at, due_at, outer_id, message, entity_type,
entity_id, digest_1, digest_2, digest_3, digest_4, key, trace, headers, arguments, reminder) SELECT
unnest($3::bigint[]), unnest($4::bytea[]), unnest($5::bigint[]), unnest($6::bigint[]),
unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::bigint[]), unnest($10::bytea[]),
unnest($11::bigint[]), unnest($12::bytea[]), unnest($13::bytea[]), unnest($14::bigint[]),
unnest($15::bigint[]), unnest($16::bigint[]), unnest($17::bigint[]), unnest($18::bytea[]),
unnest($19::bytea[]), unnest($20::text[]), unnest($21::bytea[]), unnest($22::bigint[]) WHERE
(SELECT ok FROM g) RETURNING seq, shard, due_at) SELECT (SELECT ok FROM g), NULL::text, 1 / (CASE
WHEN NOT (SELECT ok FROM g) OR ((SELECT mark FROM g) < ($3::bigint[])[1]) THEN 1 ELSE 0 END);

-- CommitDue
WITH f AS (SELECT mark FROM p_fence WHERE incarnation = $1::bigint AND number = $2::bigint AND
alive = 1 FOR SHARE), g AS (SELECT count(*) = 1 AS ok, max(mark) AS mark FROM f), a AS (INSERT INTO
p_request (seq, id, shard, epoch, class, accepted_at, due_at, outer_id, message, entity_type,
entity_id, digest_1, digest_2, digest_3, digest_4, key, trace, headers, arguments, reminder) SELECT
unnest($3::bigint[]), unnest($4::bytea[]), unnest($5::bigint[]), unnest($6::bigint[]),
unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::bigint[]), unnest($10::bytea[]),
unnest($11::bigint[]), unnest($12::bytea[]), unnest($13::bytea[]), unnest($14::bigint[]),
unnest($15::bigint[]), unnest($16::bigint[]), unnest($17::bigint[]), unnest($18::bytea[]),
unnest($19::bytea[]), unnest($20::text[]), unnest($21::bytea[]), unnest($22::bigint[]) WHERE
(SELECT ok FROM g) RETURNING seq, shard, due_at), w AS (INSERT INTO p_due (seq, shard, due_at)
SELECT seq, shard, due_at FROM a WHERE due_at IS NOT NULL ON CONFLICT DO NOTHING) SELECT (SELECT ok
FROM g), NULL::text, 1 / (CASE WHEN NOT (SELECT ok FROM g) OR ((SELECT mark FROM g) <
($3::bigint[])[1]) THEN 1 ELSE 0 END);

-- CommitBehind
WITH f AS (SELECT mark FROM p_fence WHERE incarnation = $1::bigint AND number = $2::bigint AND
alive = 1 FOR SHARE), g AS (SELECT count(*) = 1 AS ok, max(mark) AS mark FROM f), a AS (INSERT INTO
p_request (seq, id, shard, epoch, class, accepted_at, due_at, outer_id, message, entity_type,
entity_id, digest_1, digest_2, digest_3, digest_4, key, trace, headers, arguments, reminder) SELECT
unnest($3::bigint[]), unnest($4::bytea[]), unnest($5::bigint[]), unnest($6::bigint[]),
unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::bigint[]), unnest($10::bytea[]),
unnest($11::bigint[]), unnest($12::bytea[]), unnest($13::bytea[]), unnest($14::bigint[]),
unnest($15::bigint[]), unnest($16::bigint[]), unnest($17::bigint[]), unnest($18::bytea[]),
unnest($19::bytea[]), unnest($20::text[]), unnest($21::bytea[]), unnest($22::bigint[]) WHERE
(SELECT ok FROM g) RETURNING seq, shard, due_at), b AS (INSERT INTO p_behind (seq, shard,
entity_type, entity_id) SELECT u.seq, u.shard, u.entity_type, u.entity_id FROM unnest($3::bigint[],
$5::bigint[], $9::bigint[], $12::bytea[], $13::bytea[]) AS u (seq, shard, due_at, entity_type,
entity_id) WHERE ($3::bigint[])[1] <= (SELECT mark FROM g) AND u.seq <= (SELECT mark FROM g) AND
u.due_at IS NULL AND u.seq = ANY (ARRAY(SELECT seq FROM a)) ON CONFLICT DO NOTHING) SELECT (SELECT
ok FROM g), NULL::text;

-- CommitOutcomes
WITH f AS (SELECT mark FROM p_fence WHERE incarnation = $1::bigint AND number = $2::bigint AND
alive = 1 FOR SHARE), g AS (SELECT count(*) = 1 AS ok, max(mark) AS mark FROM f), o AS (INSERT INTO
p_outcome (seq, shard, epoch, finished_at, kind, payload) SELECT u.* FROM (SELECT
unnest($3::bigint[]), unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::bigint[]),
unnest($7::bigint[]), unnest($8::bytea[]) WHERE (SELECT ok FROM g)) AS u (seq, shard, epoch,
finished_at, kind, payload) WHERE (SELECT 1 FROM p_request r WHERE r.seq = u.seq) = 1 RETURNING
seq) SELECT (SELECT ok FROM g), NULL::text;

-- CommitElsewhere
WITH f AS (SELECT mark FROM p_fence WHERE incarnation = $1::bigint AND number = $2::bigint AND
alive = 1 FOR SHARE), g AS (SELECT count(*) = 1 AS ok, max(mark) AS mark FROM f), o AS (INSERT INTO
p_outcome (seq, shard, epoch, finished_at, kind, payload) SELECT u.* FROM (SELECT
unnest($3::bigint[]), unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::bigint[]),
unnest($7::bigint[]), unnest($8::bytea[]) WHERE (SELECT ok FROM g)) AS u (seq, shard, epoch,
finished_at, kind, payload) WHERE (SELECT 1 FROM p_request r WHERE r.seq = u.seq) = 1 RETURNING
seq), o_behind AS (DELETE FROM p_behind WHERE seq = ANY (ARRAY(SELECT seq FROM o)) AND seq BETWEEN
(SELECT min(seq) FROM o) AND (SELECT max(seq) FROM o) AND (SELECT EXISTS (SELECT 1 FROM
p_behind))), o_due AS (DELETE FROM p_due WHERE seq = ANY (ARRAY(SELECT seq FROM o)) AND seq BETWEEN
(SELECT min(seq) FROM o) AND (SELECT max(seq) FROM o) AND (SELECT EXISTS (SELECT 1 FROM p_due))),
o_held AS (DELETE FROM p_held WHERE seq = ANY (ARRAY(SELECT seq FROM o)) AND seq BETWEEN (SELECT
min(seq) FROM o) AND (SELECT max(seq) FROM o) AND (SELECT EXISTS (SELECT 1 FROM p_held))), o_dead
AS (DELETE FROM p_dead WHERE seq = ANY (ARRAY(SELECT seq FROM o)) AND seq BETWEEN (SELECT min(seq)
FROM o) AND (SELECT max(seq) FROM o) AND (SELECT EXISTS (SELECT 1 FROM p_dead))), o_attempt AS
(DELETE FROM p_attempt WHERE seq = ANY (ARRAY(SELECT seq FROM o)) AND seq BETWEEN (SELECT min(seq)
FROM o) AND (SELECT max(seq) FROM o) AND (SELECT EXISTS (SELECT 1 FROM p_attempt))) SELECT (SELECT
ok FROM g), NULL::text;

-- CommitStates
WITH f AS (SELECT mark FROM p_fence WHERE incarnation = $1::bigint AND number = $2::bigint AND
alive = 1 FOR SHARE), g AS (SELECT count(*) = 1 AS ok, max(mark) AS mark FROM f), s AS (INSERT INTO
p_state AS s (entity_type, entity_id, shard, version, epoch, payload) SELECT unnest($3::bytea[]),
unnest($4::bytea[]), unnest($5::bigint[]), unnest($6::bigint[]), unnest($7::bigint[]),
unnest($8::bytea[]) WHERE (SELECT ok FROM g) ON CONFLICT (entity_type, entity_id) DO UPDATE SET
version = excluded.version, epoch = excluded.epoch, payload = excluded.payload WHERE s.version = -1
- excluded.shard RETURNING s.shard) SELECT (SELECT ok FROM g), NULL::text, 1 / (CASE WHEN NOT
(SELECT ok FROM g) OR ((SELECT count(*) FROM s WHERE shard >= 0) = cardinality($3)) THEN 1 ELSE 0
END);

-- CommitJournal
WITH f AS (SELECT mark FROM p_fence WHERE incarnation = $1::bigint AND number = $2::bigint AND
alive = 1 FOR SHARE), g AS (SELECT count(*) = 1 AS ok, max(mark) AS mark FROM f), j AS (INSERT INTO
p_journal (execution, position, shard, epoch, kind, occurrence, recorded_at, due_at, name, payload)
SELECT unnest($3::bigint[]), unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::bigint[]),
unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::bigint[]), unnest($10::bigint[]),
unnest($11::bytea[]), unnest($12::bytea[]) WHERE (SELECT ok FROM g) ON CONFLICT DO NOTHING
RETURNING 1) SELECT (SELECT ok FROM g), NULL::text, 1 / (CASE WHEN NOT (SELECT ok FROM g) OR
((SELECT count(*) FROM j) = cardinality($3)) THEN 1 ELSE 0 END);

-- CommitAll
WITH f AS (SELECT mark FROM p_fence WHERE incarnation = $1::bigint AND number = $2::bigint AND
alive = 1 FOR SHARE), g AS (SELECT count(*) = 1 AS ok, max(mark) AS mark FROM f), a AS (INSERT INTO
p_request (seq, id, shard, epoch, class, accepted_at, due_at, outer_id, message, entity_type,
entity_id, digest_1, digest_2, digest_3, digest_4, key, trace, headers, arguments, reminder) SELECT
unnest($3::bigint[]), unnest($4::bytea[]), unnest($5::bigint[]), unnest($6::bigint[]),
unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::bigint[]), unnest($10::bytea[]),
unnest($11::bigint[]), unnest($12::bytea[]), unnest($13::bytea[]), unnest($14::bigint[]),
unnest($15::bigint[]), unnest($16::bigint[]), unnest($17::bigint[]), unnest($18::bytea[]),
unnest($19::bytea[]), unnest($20::text[]), unnest($21::bytea[]), unnest($22::bigint[]) WHERE
(SELECT ok FROM g) RETURNING seq, shard, due_at), b AS (INSERT INTO p_behind (seq, shard,
entity_type, entity_id) SELECT u.seq, u.shard, u.entity_type, u.entity_id FROM unnest($3::bigint[],
$5::bigint[], $9::bigint[], $12::bytea[], $13::bytea[]) AS u (seq, shard, due_at, entity_type,
entity_id) WHERE ($3::bigint[])[1] <= (SELECT mark FROM g) AND u.seq <= (SELECT mark FROM g) AND
u.due_at IS NULL AND u.seq = ANY (ARRAY(SELECT seq FROM a)) ON CONFLICT DO NOTHING), w AS (INSERT
INTO p_due (seq, shard, due_at) SELECT seq, shard, due_at FROM a WHERE due_at IS NOT NULL ON
CONFLICT DO NOTHING), o AS (INSERT INTO p_outcome (seq, shard, epoch, finished_at, kind, payload)
SELECT u.* FROM (SELECT unnest($23::bigint[]), unnest($24::bigint[]), unnest($25::bigint[]),
unnest($26::bigint[]), unnest($27::bigint[]), unnest($28::bytea[]) WHERE (SELECT ok FROM g)) AS u
(seq, shard, epoch, finished_at, kind, payload) WHERE (SELECT 1 FROM p_request r WHERE r.seq =
u.seq) = 1 RETURNING seq), o_behind AS (DELETE FROM p_behind WHERE seq = ANY (ARRAY(SELECT seq FROM
o)) AND seq BETWEEN (SELECT min(seq) FROM o) AND (SELECT max(seq) FROM o) AND (SELECT EXISTS
(SELECT 1 FROM p_behind))), o_due AS (DELETE FROM p_due WHERE seq = ANY (ARRAY(SELECT seq FROM o))
AND seq BETWEEN (SELECT min(seq) FROM o) AND (SELECT max(seq) FROM o) AND (SELECT EXISTS (SELECT 1
FROM p_due))), o_held AS (DELETE FROM p_held WHERE seq = ANY (ARRAY(SELECT seq FROM o)) AND seq
BETWEEN (SELECT min(seq) FROM o) AND (SELECT max(seq) FROM o) AND (SELECT EXISTS (SELECT 1 FROM
p_held))), o_dead AS (DELETE FROM p_dead WHERE seq = ANY (ARRAY(SELECT seq FROM o)) AND seq BETWEEN
(SELECT min(seq) FROM o) AND (SELECT max(seq) FROM o) AND (SELECT EXISTS (SELECT 1 FROM p_dead))),
o_attempt AS (DELETE FROM p_attempt WHERE seq = ANY (ARRAY(SELECT seq FROM o)) AND seq BETWEEN
(SELECT min(seq) FROM o) AND (SELECT max(seq) FROM o) AND (SELECT EXISTS (SELECT 1 FROM
p_attempt))), s AS (INSERT INTO p_state AS s (entity_type, entity_id, shard, version, epoch,
payload) SELECT unnest($29::bytea[]), unnest($30::bytea[]), unnest($31::bigint[]),
unnest($32::bigint[]), unnest($33::bigint[]), unnest($34::bytea[]) WHERE (SELECT ok FROM g) ON
CONFLICT (entity_type, entity_id) DO UPDATE SET version = excluded.version, epoch = excluded.epoch,
payload = excluded.payload WHERE s.version = -1 - excluded.shard RETURNING s.shard), j AS (INSERT
INTO p_journal (execution, position, shard, epoch, kind, occurrence, recorded_at, due_at, name,
payload) SELECT unnest($35::bigint[]), unnest($36::bigint[]), unnest($37::bigint[]),
unnest($38::bigint[]), unnest($39::bigint[]), unnest($40::bigint[]), unnest($41::bigint[]),
unnest($42::bigint[]), unnest($43::bytea[]), unnest($44::bytea[]) WHERE (SELECT ok FROM g) ON
CONFLICT DO NOTHING RETURNING 1) SELECT (SELECT ok FROM g), NULL::text, 1 / (CASE WHEN NOT (SELECT
ok FROM g) OR ((SELECT count(*) FROM s WHERE shard >= 0) = cardinality($29) AND (SELECT count(*)
FROM j) = cardinality($35)) THEN 1 ELSE 0 END);

-- CommitCarefully
WITH f AS (SELECT mark FROM p_fence WHERE incarnation = $1::bigint AND number = $2::bigint AND
alive = 1 FOR SHARE), g AS (SELECT count(*) = 1 AS ok, max(mark) AS mark FROM f), a AS (INSERT INTO
p_request (seq, id, shard, epoch, class, accepted_at, due_at, outer_id, message, entity_type,
entity_id, digest_1, digest_2, digest_3, digest_4, key, trace, headers, arguments, reminder) SELECT
unnest($3::bigint[]), unnest($4::bytea[]), unnest($5::bigint[]), unnest($6::bigint[]),
unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::bigint[]), unnest($10::bytea[]),
unnest($11::bigint[]), unnest($12::bytea[]), unnest($13::bytea[]), unnest($14::bigint[]),
unnest($15::bigint[]), unnest($16::bigint[]), unnest($17::bigint[]), unnest($18::bytea[]),
unnest($19::bytea[]), unnest($20::text[]), unnest($21::bytea[]), unnest($22::bigint[]) WHERE
(SELECT ok FROM g) ON CONFLICT DO NOTHING RETURNING seq, shard, due_at), b AS (INSERT INTO p_behind
(seq, shard, entity_type, entity_id) SELECT u.seq, u.shard, u.entity_type, u.entity_id FROM
unnest($3::bigint[], $5::bigint[], $9::bigint[], $12::bytea[], $13::bytea[]) AS u (seq, shard,
due_at, entity_type, entity_id) WHERE ($3::bigint[])[1] <= (SELECT mark FROM g) AND u.seq <=
(SELECT mark FROM g) AND u.due_at IS NULL AND u.seq = ANY (ARRAY(SELECT seq FROM a)) ON CONFLICT DO
NOTHING), w AS (INSERT INTO p_due (seq, shard, due_at) SELECT seq, shard, due_at FROM a WHERE
due_at IS NOT NULL ON CONFLICT DO NOTHING), c AS (SELECT count((SELECT 1 FROM p_request r WHERE
r.seq = u.seq AND r.id <> u.id)) AS clashes FROM unnest($3::bigint[], $4::bytea[]) AS u (seq, id)
WHERE (SELECT count(*) FROM a) < cardinality($3)), o AS (INSERT INTO p_outcome (seq, shard, epoch,
finished_at, kind, payload) SELECT u.* FROM (SELECT unnest($23::bigint[]), unnest($24::bigint[]),
unnest($25::bigint[]), unnest($26::bigint[]), unnest($27::bigint[]), unnest($28::bytea[]) WHERE
(SELECT ok FROM g)) AS u (seq, shard, epoch, finished_at, kind, payload) WHERE (SELECT 1 FROM
p_request r WHERE r.seq = u.seq) = 1 ON CONFLICT DO NOTHING RETURNING seq), o_behind AS (DELETE
FROM p_behind WHERE seq = ANY (ARRAY(SELECT seq FROM o)) AND seq BETWEEN (SELECT min(seq) FROM o)
AND (SELECT max(seq) FROM o) AND (SELECT EXISTS (SELECT 1 FROM p_behind))), o_due AS (DELETE FROM
p_due WHERE seq = ANY (ARRAY(SELECT seq FROM o)) AND seq BETWEEN (SELECT min(seq) FROM o) AND
(SELECT max(seq) FROM o) AND (SELECT EXISTS (SELECT 1 FROM p_due))), o_held AS (DELETE FROM p_held
WHERE seq = ANY (ARRAY(SELECT seq FROM o)) AND seq BETWEEN (SELECT min(seq) FROM o) AND (SELECT
max(seq) FROM o) AND (SELECT EXISTS (SELECT 1 FROM p_held))), o_dead AS (DELETE FROM p_dead WHERE
seq = ANY (ARRAY(SELECT seq FROM o)) AND seq BETWEEN (SELECT min(seq) FROM o) AND (SELECT max(seq)
FROM o) AND (SELECT EXISTS (SELECT 1 FROM p_dead))), o_attempt AS (DELETE FROM p_attempt WHERE seq
= ANY (ARRAY(SELECT seq FROM o)) AND seq BETWEEN (SELECT min(seq) FROM o) AND (SELECT max(seq) FROM
o) AND (SELECT EXISTS (SELECT 1 FROM p_attempt))), s AS (INSERT INTO p_state AS s (entity_type,
entity_id, shard, version, epoch, payload) SELECT unnest($29::bytea[]), unnest($30::bytea[]),
unnest($31::bigint[]), unnest($32::bigint[]), unnest($33::bigint[]), unnest($34::bytea[]) WHERE
(SELECT ok FROM g) ON CONFLICT (entity_type, entity_id) DO UPDATE SET version = excluded.version,
epoch = excluded.epoch, payload = excluded.payload WHERE s.version = -1 - excluded.shard RETURNING
s.shard), j AS (INSERT INTO p_journal (execution, position, shard, epoch, kind, occurrence,
recorded_at, due_at, name, payload) SELECT unnest($35::bigint[]), unnest($36::bigint[]),
unnest($37::bigint[]), unnest($38::bigint[]), unnest($39::bigint[]), unnest($40::bigint[]),
unnest($41::bigint[]), unnest($42::bigint[]), unnest($43::bytea[]), unnest($44::bytea[]) WHERE
(SELECT ok FROM g) ON CONFLICT DO NOTHING RETURNING 1) SELECT (SELECT ok FROM g), CASE WHEN (SELECT
count(*) FROM a) < cardinality($3) THEN (SELECT coalesce(string_agg(seq::text, ','), '') FROM a)
END, 1 / (CASE WHEN NOT (SELECT ok FROM g) OR ((SELECT clashes FROM c) = 0 AND (SELECT count(*)
FROM s WHERE shard >= 0) = cardinality($29) AND (SELECT count(*) FROM j) = cardinality($35)) THEN 1
ELSE 0 END);

-- EndsInOwn
WITH f AS (SELECT mark FROM p_fence WHERE incarnation = $1::bigint AND number = $2::bigint AND
alive = 1 FOR SHARE), g AS (SELECT count(*) = current_setting('cluster.begun')::bigint AS ok FROM
f), o AS (INSERT INTO p_outcome (seq, shard, epoch, finished_at, kind, payload) SELECT u.* FROM
(SELECT unnest($3::bigint[]), unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::bigint[]),
unnest($7::bigint[]), unnest($8::bytea[]) WHERE (SELECT ok FROM g)) AS u (seq, shard, epoch,
finished_at, kind, payload) WHERE (SELECT 1 FROM p_request r WHERE r.seq = u.seq) = 1 ON CONFLICT
DO NOTHING RETURNING seq), s AS (INSERT INTO p_state AS s (entity_type, entity_id, shard, version,
epoch, payload) SELECT unnest($9::bytea[]), unnest($10::bytea[]), unnest($11::bigint[]),
unnest($12::bigint[]), unnest($13::bigint[]), unnest($14::bytea[]) WHERE (SELECT ok FROM g) ON
CONFLICT (entity_type, entity_id) DO UPDATE SET version = excluded.version, epoch = excluded.epoch,
payload = excluded.payload WHERE s.version = -1 - excluded.shard RETURNING s.shard) SELECT (SELECT
ok FROM g), NULL::text, 1 / (CASE WHEN FALSE OR ((SELECT ok FROM g) AND (SELECT count(*) FROM s
WHERE shard >= 0) = cardinality($9)) THEN 1 ELSE 0 END);

