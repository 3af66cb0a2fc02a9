-- Meta
SELECT value FROM p_meta WHERE name = ?1;

-- SetMeta
INSERT INTO p_meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value =
excluded.value;

-- Fence
SELECT number FROM p_fence WHERE incarnation = ?1 AND alive = 1;

-- InsertFence
INSERT INTO p_fence (incarnation, number, alive) VALUES (?1, ?2, 1);

-- RaiseFence
UPDATE p_fence SET number = number + 1 WHERE incarnation = ?1 AND number = ?2 AND alive = 1;

-- EndFence
UPDATE p_fence SET alive = 0 WHERE incarnation = ?1;

-- EndAllFences
UPDATE p_fence SET alive = 0 WHERE alive = 1;

-- InsertRunner
INSERT INTO p_runner (incarnation, machine, advertised, joined_at, lease_ends_at) VALUES (?1, ?2,
?3, ?4, ?5);

-- RenewLease
UPDATE p_runner SET lease_ends_at = ?2 WHERE incarnation = ?1;

-- Runners
SELECT r.incarnation, r.machine, r.joined_at, r.lease_ends_at, coalesce(f.alive, 0), r.advertised
FROM p_runner r LEFT JOIN p_fence f ON f.incarnation = r.incarnation ORDER BY r.incarnation;

-- ForgetRunners
DELETE FROM p_runner WHERE incarnation < ?1;

-- ForgetFences
DELETE FROM p_fence WHERE incarnation < ?1;

-- Group
SELECT number FROM p_shard_group WHERE name = ?1;

-- CountGroups
SELECT count(*) FROM p_shard_group;

-- InsertGroup
INSERT INTO p_shard_group (number, name) VALUES (?1, ?2);

-- TakeShard
INSERT INTO p_shard (shard, owner, epoch) VALUES (?1, ?2, 1) ON CONFLICT (shard) DO UPDATE SET
owner = excluded.owner, epoch = epoch + 1 WHERE owner IS NULL;

-- OwnedShard
SELECT epoch FROM p_shard WHERE shard = ?1 AND owner = ?2;

-- FreeShards
UPDATE p_shard SET owner = NULL WHERE owner = ?1;

-- FreeAllShards
UPDATE p_shard SET owner = NULL WHERE owner IS NOT NULL;

-- HighestSeq
SELECT max(seq) FROM p_request;

-- InsertRequest
INSERT INTO p_request (seq, id, shard, epoch, class, accepted_at, due_at, outer_id, message,
entity_type, entity_id, key_digest, key, trace, headers, arguments, reminder) VALUES (?1, ?2, ?3,
?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) ON CONFLICT DO NOTHING;

-- InsertPending
INSERT INTO p_pending (seq, shard) VALUES (?1, ?2);

-- InsertDue
INSERT INTO p_due (seq, shard, due_at) VALUES (?1, ?2, ?3);

-- RequestById
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
o.kind, o.payload, o.finished_at, d.seq, h.kind, h.missing FROM p_request r LEFT JOIN p_outcome o
ON o.seq = r.seq LEFT JOIN p_dead d ON d.seq = r.seq LEFT JOIN p_held h ON h.seq = r.seq WHERE r.id
= ?1;

-- RequestByKey
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
o.kind, o.payload, o.finished_at, d.seq, h.kind, h.missing FROM p_request r LEFT JOIN p_outcome o
ON o.seq = r.seq LEFT JOIN p_dead d ON d.seq = r.seq LEFT JOIN p_held h ON h.seq = r.seq WHERE
r.key_digest = ?1;

-- DeletePending
DELETE FROM p_pending WHERE seq = ?1;

-- DeleteDue
DELETE FROM p_due WHERE seq = ?1;

-- DeleteHeld
DELETE FROM p_held WHERE seq = ?1;

-- DeleteDead
DELETE FROM p_dead WHERE seq = ?1;

-- DeleteAttempt
DELETE FROM p_attempt WHERE seq = ?1;

-- AnyAttempt
SELECT 1 FROM p_attempt LIMIT 1;

-- InsertOutcome
INSERT INTO p_outcome (seq, shard, epoch, finished_at, kind, payload) VALUES (?1, ?2, ?3, ?4, ?5,
?6);

-- CountAttempt
INSERT INTO p_attempt (seq, shard, epoch, attempts, retry_at, error) SELECT ?1, ?2, ?3, ?4, ?5, ?6
WHERE EXISTS (SELECT 1 FROM p_pending WHERE seq = ?1) OR EXISTS (SELECT 1 FROM p_due WHERE seq =
?1) ON CONFLICT (seq) DO UPDATE SET epoch = excluded.epoch, attempts = excluded.attempts, retry_at
= excluded.retry_at, error = excluded.error WHERE excluded.attempts >= attempts;

-- SetDue
INSERT INTO p_due (seq, shard, due_at) VALUES (?1, ?2, ?3) ON CONFLICT (seq) DO UPDATE SET due_at =
excluded.due_at;

-- InsertHeld
INSERT INTO p_held (seq, shard, epoch, held_at, kind, missing) VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- RedriveDead
DELETE FROM p_dead WHERE seq = ?1 AND died_at = ?2;

-- DeleteOutcome
DELETE FROM p_outcome WHERE seq = ?1;

-- ForgetOutcome
DELETE FROM p_outcome WHERE seq = ?1 AND finished_at = ?2;

-- InsertDead
INSERT INTO p_dead (seq, shard, epoch, attempts, died_at, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- InsertEntry
INSERT INTO p_journal (execution, position, shard, epoch, kind, occurrence, recorded_at, due_at,
name, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING;

-- Entry
SELECT execution, position, shard, epoch, kind, occurrence, recorded_at, due_at, name, payload FROM
p_journal WHERE execution = ?1 AND position = ?2;

-- InsertDeferred
INSERT INTO p_deferred (execution, name, occurrence, id, shard, epoch, kind, completed_at, payload)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE EXISTS (SELECT 1 FROM p_pending WHERE seq = ?1) OR
EXISTS (SELECT 1 FROM p_due WHERE seq = ?1) OR EXISTS (SELECT 1 FROM p_held WHERE seq = ?1) OR
EXISTS (SELECT 1 FROM p_dead WHERE seq = ?1) ON CONFLICT DO NOTHING;

-- Journal
SELECT execution, position, shard, epoch, kind, occurrence, recorded_at, due_at, name, payload,
NULL AS id FROM p_journal WHERE execution = ?1 UNION ALL SELECT execution, 0, shard, epoch, kind,
occurrence, completed_at, NULL, name, payload, id FROM p_deferred WHERE execution = ?1;

-- Deferred
SELECT execution, 0, shard, epoch, kind, occurrence, completed_at, NULL, name, payload, id FROM
p_deferred WHERE execution = ?1 AND name = ?2 AND occurrence = ?3;

-- AnyEntry
SELECT 1 FROM p_journal LIMIT 1;

-- AnyDeferred
SELECT 1 FROM p_deferred LIMIT 1;

-- DeleteJournal
DELETE FROM p_journal WHERE execution = ?1;

-- DeleteDeferreds
DELETE FROM p_deferred WHERE execution = ?1;

-- State
SELECT version, payload FROM p_state WHERE entity_type = ?1 AND entity_id = ?2;

-- InsertState
INSERT INTO p_state (entity_type, entity_id, shard, version, epoch, payload) VALUES (?1, ?2, ?3,
?4, ?5, ?6) ON CONFLICT DO NOTHING;

-- UpdateState
UPDATE p_state SET version = ?4, epoch = ?5, payload = ?6 WHERE entity_type = ?1 AND entity_id = ?2
AND version = ?3;

-- InsertAlive
INSERT INTO p_alive (entity_type, entity_id, shard, epoch) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO
UPDATE SET epoch = excluded.epoch;

-- DeleteAlive
DELETE FROM p_alive WHERE entity_type = ?1 AND entity_id = ?2;

-- LoadAlive
SELECT a.entity_type, a.entity_id, a.shard FROM p_alive a CROSS JOIN p_shard s ON s.shard = a.shard
AND s.owner = ?4 WHERE (a.entity_type, a.entity_id) > (?1, ?2) ORDER BY a.entity_type, a.entity_id
LIMIT ?3;

-- InsertInbox
INSERT INTO p_inbox (request, wish) VALUES (?1, ?2);

-- Inbox
SELECT number, request, wish FROM p_inbox WHERE number > ?1 ORDER BY number LIMIT ?2;

-- DeleteInbox
DELETE FROM p_inbox WHERE number = ?1;

-- LoadPending
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
a.attempts, a.retry_at FROM p_pending p CROSS JOIN p_shard s ON s.shard = p.shard AND s.owner = ?3
CROSS JOIN p_request r ON r.seq = p.seq LEFT JOIN p_attempt a ON a.seq = p.seq WHERE p.seq > ?1
ORDER BY p.seq LIMIT ?2;

-- LoadPendingOf
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
a.attempts, a.retry_at FROM p_pending p CROSS JOIN p_shard s ON s.shard = p.shard AND s.owner = ?3
CROSS JOIN p_request r ON r.seq = p.seq LEFT JOIN p_attempt a ON a.seq = p.seq WHERE p.seq > ?1 AND
p.shard = ?4 AND r.entity_type = ?5 AND r.entity_id = ?6 ORDER BY p.seq LIMIT ?2;

-- LoadDue
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
a.attempts, p.due_at FROM p_due p INDEXED BY p_due_at CROSS JOIN p_shard s ON s.shard = p.shard AND
s.owner = ?4 CROSS JOIN p_request r ON r.seq = p.seq LEFT JOIN p_attempt a ON a.seq = p.seq WHERE
p.due_at >= ?1 AND (p.due_at > ?1 OR p.seq > ?2) ORDER BY p.due_at, p.seq LIMIT ?3;

-- DeadLetters
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
d.attempts, d.died_at, d.error FROM p_dead d CROSS JOIN p_request r ON r.seq = d.seq WHERE d.seq >
?1 ORDER BY d.seq LIMIT ?2;

-- Held
SELECT r.seq, r.id, r.shard, r.epoch, r.class, r.accepted_at, r.due_at, r.outer_id, r.message,
r.entity_type, r.entity_id, r.key_digest, r.key, r.trace, r.headers, r.arguments, r.reminder,
h.held_at, h.kind, h.missing FROM p_held h CROSS JOIN p_request r ON r.seq = h.seq WHERE h.seq > ?1
ORDER BY h.seq LIMIT ?2;

-- LoadFinished
SELECT o.seq, o.finished_at, r.class, r.id, r.outer_id FROM p_outcome o CROSS JOIN p_request r ON
r.seq = o.seq WHERE o.seq > ?1 ORDER BY o.seq LIMIT ?2;

-- AnyUnfinished
SELECT 1 WHERE EXISTS (SELECT 1 FROM p_pending WHERE seq > ?1 AND seq <= ?2) OR EXISTS (SELECT 1
FROM p_due WHERE seq > ?1 AND seq <= ?2) OR EXISTS (SELECT 1 FROM p_held WHERE seq > ?1 AND seq <=
?2) OR EXISTS (SELECT 1 FROM p_dead WHERE seq > ?1 AND seq <= ?2);

-- OuterRequest
SELECT r.class, o.finished_at FROM p_request r LEFT JOIN p_outcome o ON o.seq = r.seq WHERE r.id =
?1;

-- DeleteRequest
DELETE FROM p_request WHERE seq = ?1;

-- Reminder
SELECT seq, request_id FROM p_reminder WHERE entity_type = ?1 AND entity_id = ?2 AND message = ?3;

-- SetReminder
INSERT INTO p_reminder (entity_type, entity_id, message, shard, epoch, seq, request_id) VALUES (?1,
?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (entity_type, entity_id, message) DO UPDATE SET shard =
excluded.shard, epoch = excluded.epoch, seq = excluded.seq, request_id = excluded.request_id;

-- DeleteReminder
DELETE FROM p_reminder WHERE entity_type = ?1 AND entity_id = ?2 AND message = ?3;

-- DeleteReminders
DELETE FROM p_reminder WHERE entity_type = ?1 AND entity_id = ?2;

-- DeleteState
DELETE FROM p_state WHERE entity_type = ?1 AND entity_id = ?2;

-- EndOfWindow
SELECT seq FROM p_request INDEXED BY p_request_part WHERE shard & 7 = ?1 & 7 AND seq > ?2 ORDER BY
seq LIMIT 1 OFFSET ?3 - 1;

-- RequestsOf
SELECT r.seq, r.id, EXISTS (SELECT 1 FROM p_outcome o WHERE o.seq = r.seq) FROM p_request r INDEXED
BY p_request_part WHERE r.shard & 7 = ?1 & 7 AND r.seq > ?2 AND r.seq <= ?3 AND r.entity_type = ?4
AND r.entity_id = ?5 ORDER BY r.seq LIMIT ?6;

-- RaiseMeta
INSERT INTO p_meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value =
max(value, excluded.value);

-- InsertChunk
INSERT INTO p_chunk (seq, number, shard, epoch, was_read, payload) SELECT ?1, ?2, ?3, ?4, 0, ?5
WHERE (EXISTS (SELECT 1 FROM p_pending WHERE seq = ?1) OR EXISTS (SELECT 1 FROM p_due WHERE seq =
?1)) AND NOT EXISTS (SELECT 1 FROM p_chunk WHERE seq = ?1 AND number >= ?2);

-- LastRead
SELECT max(number) FROM p_chunk WHERE seq = ?1 AND number <= ?2;

-- DeleteRead
DELETE FROM p_chunk WHERE seq = ?1 AND number < ?2;

-- MarkRead
UPDATE p_chunk SET was_read = 1 WHERE seq = ?1 AND number = ?2;

-- DeleteChunks
DELETE FROM p_chunk WHERE seq = ?1;

-- LoadChunks
SELECT number, was_read, payload FROM p_chunk WHERE seq = ?1 AND number > ?2 ORDER BY number LIMIT
?3;

-- Shape
SELECT shape FROM p_shape WHERE fingerprint = ?1;

-- InsertShape
INSERT INTO p_shape (fingerprint, shape) VALUES (?1, ?2) ON CONFLICT DO NOTHING;

-- SetContract
INSERT INTO p_contract (entity_type, name, tag, arguments, reply, error) VALUES (?1, ?2, ?3, ?4,
?5, ?6) ON CONFLICT (entity_type, name) DO UPDATE SET tag = excluded.tag, arguments =
excluded.arguments, reply = excluded.reply, error = excluded.error;

-- Contracts
SELECT entity_type, name, tag, arguments, reply, error FROM p_contract ORDER BY entity_type, name;

