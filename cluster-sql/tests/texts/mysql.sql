-- Meta
SELECT value FROM p_meta WHERE name = ?;

-- SetMeta
INSERT INTO p_meta (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = VALUES(value);

-- Fence
SELECT number FROM p_fence WHERE incarnation = ? AND alive = 1 LOCK IN SHARE MODE;

-- InsertFence
INSERT INTO p_fence (incarnation, number, alive, mark) VALUES (?, ?, 1, 0);

-- RaiseFence
UPDATE p_fence SET number = number + 1 WHERE incarnation = ? AND number = ? AND alive = 1;

-- EndFence
UPDATE p_fence SET alive = 0 WHERE incarnation = ?;

-- EndAllFences
UPDATE p_fence SET alive = 0 WHERE alive = 1;

-- InsertRunner
INSERT INTO p_runner (incarnation, machine, advertised, joined_at, lease_ends_at) VALUES (?, ?, ?,
?, ?);

-- RenewLease
UPDATE p_runner SET lease_ends_at = ? WHERE incarnation = ?;

-- Runners
SELECT r.incarnation, r.machine, r.joined_at, r.lease_ends_at, coalesce(f.alive, 0), r.advertised
FROM p_runner r LEFT JOIN p_fence f ON f.incarnation = r.incarnation ORDER BY r.incarnation;

-- ForgetRunners
DELETE FROM p_runner WHERE incarnation < ?;

-- ForgetFences
DELETE FROM p_fence WHERE incarnation < ?;

-- Group
SELECT number FROM p_shard_group WHERE name = ?;

-- CountGroups
SELECT count(*) FROM p_shard_group;

-- InsertGroup
INSERT INTO p_shard_group (number, name) VALUES (?, ?);

-- FreeShards
UPDATE p_shard SET owner = NULL WHERE owner = ?;

-- FreeAllShards
UPDATE p_shard SET owner = NULL WHERE owner IS NOT NULL;

-- HighestSeq
SELECT max(seq) FROM p_request;

-- InsertRequest
INSERT INTO p_request (seq, id, shard, epoch, class, accepted_at, due_at, outer_id, message,
entity_type, entity_id, key_digest, `key`, trace, headers, arguments, reminder) VALUES (?, ?, ?, ?,
?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- InsertPending
INSERT INTO p_behind (seq, shard, entity_type, entity_id) SELECT r.seq, ?, r.entity_type,
r.entity_id FROM p_request r WHERE r.seq = ?;

-- InsertDue
INSERT INTO p_due (seq, shard, due_at) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE due_at =
VALUES(due_at);

-- RequestById
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
o.kind, o.payload, o.finished_at, d.seq, h.kind, h.missing FROM p_request r LEFT JOIN p_outcome o
ON o.seq = r.seq LEFT JOIN p_dead d ON d.seq = r.seq LEFT JOIN p_held h ON h.seq = r.seq WHERE r.id
= ?;

-- RequestByKey
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
o.kind, o.payload, o.finished_at, d.seq, h.kind, h.missing FROM p_request r LEFT JOIN p_outcome o
ON o.seq = r.seq LEFT JOIN p_dead d ON d.seq = r.seq LEFT JOIN p_held h ON h.seq = r.seq WHERE
r.key_digest = ?;

-- DeletePending
SELECT 1 FROM p_request r LEFT JOIN p_outcome o ON o.seq = r.seq LEFT JOIN p_held h ON h.seq =
r.seq LEFT JOIN p_dead d ON d.seq = r.seq WHERE r.seq = ? AND o.seq IS NULL AND h.seq IS NULL AND
d.seq IS NULL;

-- DeleteDue
DELETE FROM p_due WHERE seq = ?;

-- DeleteHeld
DELETE FROM p_held WHERE seq = ?;

-- DeleteDead
DELETE FROM p_dead WHERE seq = ?;

-- DeleteAttempt
DELETE FROM p_attempt WHERE seq = ?;

-- AnyAttempt
SELECT 1 FROM p_attempt LIMIT 1;

-- InsertOutcome
INSERT INTO p_outcome (seq, shard, epoch, finished_at, kind, payload) VALUES (?, ?, ?, ?, ?, ?);

-- CountAttempt
INSERT INTO p_attempt (seq, shard, epoch, attempts, retry_at, error) SELECT r.seq, ?, ?, ?, ?, ?
FROM p_request r LEFT JOIN p_outcome o ON o.seq = r.seq LEFT JOIN p_held h ON h.seq = r.seq LEFT
JOIN p_dead d ON d.seq = r.seq LEFT JOIN p_attempt a ON a.seq = r.seq WHERE r.seq = ? AND o.seq IS
NULL AND h.seq IS NULL AND d.seq IS NULL AND (a.seq IS NULL OR a.attempts <= ?) ON DUPLICATE KEY
UPDATE epoch = VALUES(epoch), attempts = VALUES(attempts), retry_at = VALUES(retry_at), error =
VALUES(error);

-- SetDue
INSERT INTO p_due (seq, shard, due_at) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE due_at =
VALUES(due_at);

-- InsertHeld
INSERT INTO p_held (seq, shard, epoch, held_at, kind, missing) VALUES (?, ?, ?, ?, ?, ?);

-- RedriveDead
DELETE FROM p_dead WHERE seq = ? AND died_at = ?;

-- DeleteOutcome
DELETE FROM p_outcome WHERE seq = ?;

-- ForgetOutcome
DELETE FROM p_outcome WHERE seq = ? AND finished_at = ?;

-- InsertDead
INSERT INTO p_dead (seq, shard, epoch, attempts, died_at, error) VALUES (?, ?, ?, ?, ?, ?);

-- InsertEntry
INSERT INTO p_journal (execution, position, shard, epoch, kind, occurrence, recorded_at, due_at,
name, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- Entry
SELECT execution, position, shard, epoch, kind, occurrence, recorded_at, due_at, name, payload FROM
p_journal WHERE execution = ? AND position = ?;

-- InsertDeferred
INSERT INTO p_deferred (execution, name, occurrence, id, shard, epoch, kind, completed_at, payload)
SELECT r.seq, ?, ?, ?, ?, ?, ?, ?, ? FROM p_request r LEFT JOIN p_outcome o ON o.seq = r.seq WHERE
r.seq = ? AND o.seq IS NULL;

-- Journal
SELECT execution, position, shard, epoch, kind, occurrence, recorded_at, due_at, name, payload,
NULL AS id FROM p_journal WHERE execution = ? UNION ALL SELECT execution, 0, shard, epoch, kind,
occurrence, completed_at, NULL, name, payload, id FROM p_deferred WHERE execution = ?;

-- DeleteJournal
DELETE FROM p_journal WHERE execution = ?;

-- DeleteDeferreds
DELETE FROM p_deferred WHERE execution = ?;

-- State
SELECT version, payload FROM p_state WHERE entity_type = ? AND entity_id = ?;

-- InsertState
INSERT INTO p_state (entity_type, entity_id, shard, previous, version, epoch, payload) VALUES (?,
?, ?, 0, ?, ?, ?);

-- UpdateState
UPDATE p_state SET previous = ?, version = ?, epoch = ?, payload = ? WHERE entity_type = ? AND
entity_id = ? AND version = ?;

-- InsertAlive
INSERT INTO p_alive (entity_type, entity_id, shard, epoch) VALUES (?, ?, ?, ?) ON DUPLICATE KEY
UPDATE epoch = VALUES(epoch);

-- DeleteAlive
DELETE FROM p_alive WHERE entity_type = ? AND entity_id = ?;

-- LoadAlive
SELECT a.entity_type, a.entity_id, a.shard FROM p_alive a FORCE INDEX (PRIMARY) STRAIGHT_JOIN
p_shard s ON s.shard = a.shard AND s.owner = ? WHERE a.entity_type >= ? AND (a.entity_type > ? OR
a.entity_id > ?) ORDER BY a.entity_type, a.entity_id LIMIT ?;

-- InsertInbox
INSERT INTO p_inbox (request, wish) VALUES (?, ?);

-- Inbox
SELECT number, request, wish FROM p_inbox WHERE number > ? ORDER BY number LIMIT ?;

-- DeleteInbox
DELETE FROM p_inbox WHERE number = ?;

-- LoadPending
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
a.attempts, a.retry_at FROM (SELECT seq, SUM(bytes) OVER (ORDER BY seq) - bytes AS bytes FROM
(SELECT seq, bytes FROM ((SELECT r.seq, OCTET_LENGTH(r.arguments) AS bytes FROM p_request r FORCE
INDEX (PRIMARY) STRAIGHT_JOIN p_shard s ON s.shard = r.shard AND s.owner = ? AND s.mark < r.seq
LEFT JOIN p_outcome o ON o.seq = r.seq LEFT JOIN p_held h ON h.seq = r.seq LEFT JOIN p_dead d ON
d.seq = r.seq LEFT JOIN p_due w ON w.seq = r.seq WHERE r.seq > GREATEST(?, ?) AND o.seq IS NULL AND
h.seq IS NULL AND d.seq IS NULL AND w.seq IS NULL ORDER BY r.seq LIMIT ?) UNION ALL (SELECT r.seq,
OCTET_LENGTH(r.arguments) AS bytes FROM p_behind b FORCE INDEX (PRIMARY) STRAIGHT_JOIN p_shard s ON
s.shard = b.shard AND s.owner = ? AND s.mark >= b.seq STRAIGHT_JOIN p_request r FORCE INDEX
(PRIMARY) ON r.seq = b.seq LEFT JOIN p_outcome o ON o.seq = r.seq LEFT JOIN p_held h ON h.seq =
r.seq LEFT JOIN p_dead d ON d.seq = r.seq LEFT JOIN p_due w ON w.seq = r.seq WHERE b.seq > ? AND
o.seq IS NULL AND h.seq IS NULL AND d.seq IS NULL AND w.seq IS NULL ORDER BY b.seq LIMIT ?))
both_sides ORDER BY seq LIMIT ?) page) page STRAIGHT_JOIN p_request r FORCE INDEX (PRIMARY) ON
r.seq = page.seq LEFT JOIN p_attempt a ON a.seq = page.seq WHERE page.bytes < ? ORDER BY page.seq;

-- LoadPendingOf
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
a.attempts, a.retry_at FROM (SELECT seq, SUM(bytes) OVER (ORDER BY seq) - bytes AS bytes FROM
(SELECT seq, bytes FROM ((SELECT r.seq, OCTET_LENGTH(r.arguments) AS bytes FROM p_request r FORCE
INDEX (p_request_part) STRAIGHT_JOIN p_shard s ON s.shard = r.shard AND s.owner = ? AND s.mark <
r.seq LEFT JOIN p_outcome o ON o.seq = r.seq LEFT JOIN p_held h ON h.seq = r.seq LEFT JOIN p_dead d
ON d.seq = r.seq LEFT JOIN p_due w ON w.seq = r.seq WHERE r.part = (? & 7) AND r.seq > GREATEST(?,
?) AND r.shard = ? AND r.entity_type = ? AND r.entity_id = ? AND o.seq IS NULL AND h.seq IS NULL
AND d.seq IS NULL AND w.seq IS NULL ORDER BY r.seq LIMIT ?) UNION ALL (SELECT r.seq,
OCTET_LENGTH(r.arguments) AS bytes FROM p_behind b FORCE INDEX (p_behind_entity) STRAIGHT_JOIN
p_shard s ON s.shard = b.shard AND s.owner = ? AND s.mark >= b.seq STRAIGHT_JOIN p_request r FORCE
INDEX (PRIMARY) ON r.seq = b.seq LEFT JOIN p_outcome o ON o.seq = r.seq LEFT JOIN p_held h ON h.seq
= r.seq LEFT JOIN p_dead d ON d.seq = r.seq LEFT JOIN p_due w ON w.seq = r.seq WHERE b.entity_type
= ? AND b.entity_id = ? AND b.shard = ? AND b.seq > ? AND o.seq IS NULL AND h.seq IS NULL AND d.seq
IS NULL AND w.seq IS NULL ORDER BY b.seq LIMIT ?)) both_sides ORDER BY seq LIMIT ?) page) page
STRAIGHT_JOIN p_request r FORCE INDEX (PRIMARY) ON r.seq = page.seq LEFT JOIN p_attempt a ON a.seq
= page.seq WHERE page.bytes < ? ORDER BY page.seq;

-- LoadDue
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
a.attempts, page.due_at FROM (SELECT seq, due_at, SUM(bytes) OVER (ORDER BY due_at, seq) - bytes AS
bytes FROM (SELECT d.seq, d.due_at, OCTET_LENGTH(r.arguments) AS bytes FROM p_due d FORCE INDEX
(p_due_at) STRAIGHT_JOIN p_shard s ON s.shard = d.shard AND s.owner = ? STRAIGHT_JOIN p_request r
FORCE INDEX (PRIMARY) ON r.seq = d.seq WHERE d.due_at >= ? AND (d.due_at > ? OR d.seq > ?) ORDER BY
d.due_at, d.seq LIMIT ?) page) page STRAIGHT_JOIN p_request r FORCE INDEX (PRIMARY) ON r.seq =
page.seq LEFT JOIN p_attempt a ON a.seq = page.seq WHERE page.bytes < ? ORDER BY page.due_at,
page.seq;

-- DeadLetters
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
d.attempts, d.died_at, d.error FROM p_dead d STRAIGHT_JOIN p_request r ON r.seq = d.seq WHERE d.seq
> ? ORDER BY d.seq LIMIT ?;

-- Held
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
h.held_at, h.kind, h.missing FROM p_held h STRAIGHT_JOIN p_request r ON r.seq = h.seq WHERE h.seq >
? ORDER BY h.seq LIMIT ?;

-- OuterRequest
SELECT r.class, o.finished_at FROM p_request r LEFT JOIN p_outcome o ON o.seq = r.seq WHERE r.id =
?;

-- DeleteRequest
DELETE FROM p_request WHERE seq = ?;

-- SetReminder
INSERT INTO p_reminder (entity_type, entity_id, message, shard, epoch, seq, request_id) VALUES (?,
?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE shard = VALUES(shard), epoch = VALUES(epoch), seq =
VALUES(seq), request_id = VALUES(request_id);

-- DeleteReminder
DELETE FROM p_reminder WHERE entity_type = ? AND entity_id = ? AND message = ?;

-- DeleteReminders
DELETE FROM p_reminder WHERE entity_type = ? AND entity_id = ?;

-- DeleteState
DELETE FROM p_state WHERE entity_type = ? AND entity_id = ?;

-- EndOfWindow
SELECT seq FROM p_request FORCE INDEX (p_request_part) WHERE part = (? & 7) AND seq > ? ORDER BY
seq LIMIT 1 OFFSET ?;

-- RequestsOf
SELECT r.seq, r.id, o.seq IS NOT NULL FROM p_request r FORCE INDEX (p_request_part) LEFT JOIN
p_outcome o ON o.seq = r.seq WHERE r.part = (? & 7) AND r.seq > ? AND r.seq <= ? AND r.entity_type
= ? AND r.entity_id = ? ORDER BY r.seq LIMIT ?;

-- RaiseMeta
INSERT INTO p_meta (name, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = GREATEST(value,
VALUES(value));

-- InsertChunk
INSERT INTO p_chunk (seq, number, shard, epoch, was_read, payload) SELECT r.seq, ?, ?, ?, 0, ? FROM
p_request r LEFT JOIN p_outcome o ON o.seq = r.seq LEFT JOIN p_held h ON h.seq = r.seq LEFT JOIN
p_dead d ON d.seq = r.seq LEFT JOIN p_chunk c ON c.seq = r.seq AND c.number >= ? WHERE r.seq = ?
AND o.seq IS NULL AND h.seq IS NULL AND d.seq IS NULL AND c.seq IS NULL;

-- LastRead
SELECT max(number) FROM p_chunk WHERE seq = ? AND number <= ?;

-- DeleteRead
DELETE FROM p_chunk WHERE seq = ? AND number < ?;

-- MarkRead
UPDATE p_chunk SET was_read = 1 WHERE seq = ? AND number = ?;

-- DeleteChunks
DELETE FROM p_chunk WHERE seq = ?;

-- LoadChunks
SELECT number, was_read, payload FROM p_chunk WHERE seq = ? AND number > ? ORDER BY number LIMIT ?;

-- Shape
SELECT shape FROM p_shape WHERE fingerprint = ?;

-- InsertShape
INSERT INTO p_shape (fingerprint, shape) VALUES (?, ?);

-- SetContract
INSERT INTO p_contract (entity_type, name, tag, arguments, reply, error) VALUES (?, ?, ?, ?, ?, ?)
ON DUPLICATE KEY UPDATE tag = VALUES(tag), arguments = VALUES(arguments), reply = VALUES(reply),
error = VALUES(error);

-- Contracts
SELECT entity_type, name, tag, arguments, reply, error FROM p_contract ORDER BY entity_type, name;

-- Alone
SELECT value FROM p_meta WHERE name = 'schema_current' FOR UPDATE;

-- Time
SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000, COALESCE((SELECT value
FROM p_meta WHERE name = 'time_offset_ms'), 0);

-- TakeShards
INSERT INTO p_shard (shard, owner, epoch, mark) VALUES {list} ON DUPLICATE KEY UPDATE epoch =
IF(owner IS NULL, epoch + 1, epoch), owner = COALESCE(owner, VALUES(owner));

-- OwnedShards
SELECT shard, epoch FROM p_shard WHERE owner = ?;

-- InheritMarks
UPDATE p_fence SET mark = GREATEST(mark, COALESCE((SELECT MAX(s.mark) FROM p_shard s WHERE s.owner
= ?), 0)) WHERE incarnation = ?;

-- ForgetTurn
DELETE b, w FROM p_request r LEFT JOIN p_behind b ON b.seq = r.seq LEFT JOIN p_due w ON w.seq =
r.seq WHERE r.seq = ?;

-- LowestMark
SELECT MIN(mark) FROM p_shard WHERE owner = ?;

-- Requests
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
o.kind, o.payload, o.finished_at, d.seq, h.kind, h.missing FROM p_request r FORCE INDEX
(p_request_id) LEFT JOIN p_outcome o ON o.seq = r.seq LEFT JOIN p_dead d ON d.seq = r.seq LEFT JOIN
p_held h ON h.seq = r.seq WHERE r.id IN ({list});

-- Keys
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
o.kind, o.payload, o.finished_at, d.seq, h.kind, h.missing FROM p_request r FORCE INDEX
(p_request_key) LEFT JOIN p_outcome o ON o.seq = r.seq LEFT JOIN p_dead d ON d.seq = r.seq LEFT
JOIN p_held h ON h.seq = r.seq WHERE r.key_digest IN ({list});

-- States
SELECT version, payload, entity_type, entity_id FROM p_state FORCE INDEX (PRIMARY) WHERE {list};

-- Reminders
SELECT seq, request_id, entity_type, entity_id, message FROM p_reminder FORCE INDEX (PRIMARY) WHERE
{list};

-- Deferreds
SELECT execution, 0, shard, epoch, kind, occurrence, completed_at, NULL, name, payload, id FROM
p_deferred FORCE INDEX (PRIMARY) WHERE {list};

-- Past
SELECT o.seq, o.finished_at, r.class, r.id, r.outer_id, p.class, e.finished_at FROM (SELECT seq,
finished_at FROM p_outcome WHERE seq > ? ORDER BY seq LIMIT ?) o STRAIGHT_JOIN p_request r FORCE
INDEX (PRIMARY) ON r.seq = o.seq LEFT JOIN p_request p ON r.class = 3 AND p.id = r.outer_id LEFT
JOIN p_outcome e ON e.seq = p.seq ORDER BY o.seq;

-- Unfinished
SELECT 1 FROM p_request r FORCE INDEX (PRIMARY) LEFT JOIN p_outcome o ON o.seq = r.seq WHERE r.seq
> ? AND r.seq <= ? AND o.seq IS NULL LIMIT 1;

-- StillFinished
SELECT o.seq, o.finished_at, r.id FROM p_outcome o FORCE INDEX (PRIMARY) STRAIGHT_JOIN p_request r
FORCE INDEX (PRIMARY) ON r.seq = o.seq WHERE o.seq IN ({list}) ORDER BY o.seq FOR UPDATE;

-- StillThere
SELECT id FROM p_request FORCE INDEX (p_request_id) WHERE id IN ({list});

-- Remove
DELETE x FROM p_outcome o FORCE INDEX (PRIMARY) STRAIGHT_JOIN p_chunk x ON x.seq = o.seq WHERE
o.seq IN ({list}); DELETE x FROM p_outcome o FORCE INDEX (PRIMARY) STRAIGHT_JOIN p_journal x ON
x.execution = o.seq WHERE o.seq IN ({list}); DELETE x FROM p_outcome o FORCE INDEX (PRIMARY)
STRAIGHT_JOIN p_deferred x ON x.execution = o.seq WHERE o.seq IN ({list}); DELETE x FROM p_outcome
o FORCE INDEX (PRIMARY) STRAIGHT_JOIN p_behind x ON x.seq = o.seq WHERE o.seq IN ({list}); DELETE
o, r FROM p_outcome o FORCE INDEX (PRIMARY) STRAIGHT_JOIN p_request r FORCE INDEX (PRIMARY) ON
r.seq = o.seq WHERE o.seq IN ({list});

-- EndedBehind
SELECT o.seq FROM p_behind b FORCE INDEX (PRIMARY) STRAIGHT_JOIN p_outcome o ON o.seq = b.seq WHERE
b.seq > ? ORDER BY b.seq LIMIT ? LOCK IN SHARE MODE;

-- ForgetBehind
DELETE b FROM p_outcome o FORCE INDEX (PRIMARY) STRAIGHT_JOIN p_behind b ON b.seq = o.seq WHERE
o.seq IN ({list});

-- RaiseMark
UPDATE p_fence SET mark = ? WHERE incarnation = ? AND number = ? AND alive = 1 AND mark < ?;

-- EndOfStep
SELECT seq FROM p_request FORCE INDEX (PRIMARY) WHERE seq > ? AND seq < ? ORDER BY seq LIMIT 1
OFFSET 4999;

-- Register
INSERT IGNORE INTO p_behind (seq, shard, entity_type, entity_id) SELECT r.seq, r.shard,
r.entity_type, r.entity_id FROM p_request r FORCE INDEX (PRIMARY) STRAIGHT_JOIN p_shard s ON
s.shard = r.shard AND s.owner = ? AND s.mark < r.seq LEFT JOIN p_outcome o ON o.seq = r.seq LEFT
JOIN p_held h ON h.seq = r.seq LEFT JOIN p_dead d ON d.seq = r.seq LEFT JOIN p_due w ON w.seq =
r.seq WHERE r.seq > ? AND r.seq <= ? AND o.seq IS NULL AND h.seq IS NULL AND d.seq IS NULL AND
w.seq IS NULL;

-- MoveMarks
UPDATE p_shard SET mark = ? WHERE owner = ? AND mark < ?;

-- PacketBegin
BEGIN NOT ATOMIC DECLARE fence_mark BIGINT; DECLARE is_elsewhere BIGINT; DECLARE EXIT HANDLER FOR
SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END; START TRANSACTION; SELECT mark INTO fence_mark FROM
p_fence WHERE incarnation = {incarnation} AND number = {number} AND alive = 1 LOCK IN SHARE MODE;
IF fence_mark IS NULL THEN ROLLBACK; SELECT 0; ELSE;

-- PacketRequests
INSERT INTO p_request (seq, id, shard, epoch, class, accepted_at, due_at, outer_id, message,
entity_type, entity_id, key_digest, `key`, trace, headers, arguments, reminder) VALUES {rows};;

-- PacketRegister
IF fence_mark >= {first} THEN INSERT IGNORE INTO p_behind (seq, shard, entity_type, entity_id)
SELECT seq, shard, entity_type, entity_id FROM p_request FORCE INDEX (PRIMARY) WHERE seq BETWEEN
{first} AND LEAST({last}, fence_mark) AND due_at IS NULL; END IF;;

-- PacketDue
INSERT INTO p_due (seq, shard, due_at) VALUES {rows};;

-- PacketOutcomes
INSERT INTO p_outcome (seq, shard, epoch, finished_at, kind, payload) VALUES {rows};;

-- PacketElsewhere
SELECT EXISTS (SELECT 1 FROM p_behind WHERE seq BETWEEN {first} AND {last}) OR EXISTS (SELECT 1
FROM p_due WHERE seq BETWEEN {first} AND {last}) OR EXISTS (SELECT 1 FROM p_held WHERE seq BETWEEN
{first} AND {last}) OR EXISTS (SELECT 1 FROM p_dead WHERE seq BETWEEN {first} AND {last}) OR EXISTS
(SELECT 1 FROM p_attempt WHERE seq BETWEEN {first} AND {last}) INTO is_elsewhere; IF is_elsewhere
THEN DELETE b, w, h, d, a FROM p_request r FORCE INDEX (PRIMARY) LEFT JOIN p_behind b ON b.seq =
r.seq LEFT JOIN p_due w ON w.seq = r.seq LEFT JOIN p_held h ON h.seq = r.seq LEFT JOIN p_dead d ON
d.seq = r.seq LEFT JOIN p_attempt a ON a.seq = r.seq WHERE r.seq IN ({list}); END IF;;

-- PacketStates
INSERT INTO p_state (entity_type, entity_id, shard, previous, version, epoch, payload) VALUES
{rows} ON DUPLICATE KEY UPDATE payload = VALUES(payload), epoch = VALUES(epoch), version =
IF(version = VALUES(previous), VALUES(version), NULL), previous = VALUES(previous); IF ROW_COUNT()
<> {count} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a state is not there'; END IF;;

-- PacketJournal
INSERT INTO p_journal (execution, position, shard, epoch, kind, occurrence, recorded_at, due_at,
name, payload) VALUES {rows};;

-- PacketEnd
COMMIT; SELECT 1; END IF; END;

-- PacketBeginInOwn
BEGIN NOT ATOMIC DECLARE is_elsewhere BIGINT; RELEASE SAVEPOINT {mark};;

-- PacketEndInOwn
IF NOT EXISTS (SELECT 1 FROM p_fence WHERE incarnation = {incarnation} AND number = {number} AND
alive = 1 LOCK IN SHARE MODE) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the fence does not
hold'; END IF; COMMIT AND NO CHAIN NO RELEASE; END;

