
-- Views for people, with names, words and times where the tables have numbers. Payloads are as they
-- are stored. No program reads them. Texts with a NUL, which PostgreSQL has no text for, are shown
-- with an escape: see encode(.., 'escape').

-- All requests, and where each stands: finished, dead, held, due or pending. A message that was
-- renamed under its tag is shown by the first of its names; a time to be due at that is in none of
-- the years 1 to 9999, as infinity.
CREATE VIEW {p}requests AS
SELECT r.seq, encode(r.id, 'hex') AS id, r.shard,
    CASE WHEN position(decode('00', 'hex') IN r.entity_type) > 0 THEN encode(r.entity_type, 'escape')
        ELSE convert_from(r.entity_type, 'UTF8') END AS entity_type,
    CASE WHEN position(decode('00', 'hex') IN r.entity_id) > 0 THEN encode(r.entity_id, 'escape')
        ELSE convert_from(r.entity_id, 'UTF8') END AS entity_id,
    coalesce((SELECT CASE WHEN position(decode('00', 'hex') IN c.name) > 0
            THEN encode(c.name, 'escape') ELSE convert_from(c.name, 'UTF8') END
        FROM {p}contract c
        WHERE c.entity_type = r.entity_type AND c.tag = r.message AND c.name <> ''
        ORDER BY c.name LIMIT 1),
        r.message::text) AS message,
    CASE WHEN position(decode('00', 'hex') IN r.key) > 0 THEN encode(r.key, 'escape')
        ELSE convert_from(r.key, 'UTF8') END AS key,
    CASE WHEN o.seq IS NOT NULL THEN 'finished' WHEN d.seq IS NOT NULL THEN 'dead'
        WHEN h.seq IS NOT NULL THEN 'held' WHEN w.seq IS NOT NULL THEN 'due'
        ELSE 'pending' END AS status,
    to_timestamp(r.accepted_at / 1000.0) AS accepted_at,
    CASE WHEN w.due_at < -62135596800000 THEN '-infinity'
        WHEN w.due_at > 253402300799999 THEN 'infinity'
        ELSE to_timestamp(w.due_at / 1000.0) END AS due_at,
    to_timestamp(o.finished_at / 1000.0) AS finished_at,
    coalesce(d.attempts, a.attempts, 0) AS failed_attempts,
    CASE WHEN position(decode('00', 'hex') IN coalesce(d.error, a.error)) > 0
        THEN encode(coalesce(d.error, a.error), 'escape')
        ELSE convert_from(coalesce(d.error, a.error), 'UTF8') END AS last_error,
    r.headers, r.arguments
FROM {p}request r
LEFT JOIN {p}outcome o ON o.seq = r.seq
LEFT JOIN {p}dead d ON d.seq = r.seq
LEFT JOIN {p}held h ON h.seq = r.seq
LEFT JOIN {p}due w ON w.seq = r.seq
LEFT JOIN {p}attempt a ON a.seq = r.seq;

-- How requests ended. What a payload is depends on the kind: a value, the handler's own error, a
-- failure of the cluster, or nothing.
CREATE VIEW {p}outcomes AS
SELECT r.seq, r.id, r.entity_type, r.entity_id, r.message, r.key,
    CASE o.kind WHEN 0 THEN 'ok' WHEN 1 THEN 'error' WHEN 2 THEN 'failed'
        WHEN 3 THEN 'interrupted' ELSE o.kind::text END AS kind,
    r.finished_at, o.payload
FROM {p}requests r JOIN {p}outcome o ON o.seq = r.seq;

-- Requests that have not ended: what runs or may run, waits for its time or its next attempt, or for
-- a program that knows it.
CREATE VIEW {p}pending_requests AS
SELECT r.seq, r.id, r.entity_type, r.entity_id, r.message, r.key, r.status, r.accepted_at, r.due_at,
    r.failed_attempts, r.last_error,
    CASE h.kind WHEN 0 THEN 'entity type' WHEN 1 THEN 'message' WHEN 2 THEN 'contract' END
        AS held_for
FROM {p}requests r LEFT JOIN {p}held h ON h.seq = r.seq
WHERE r.status IN ('pending', 'due', 'held');

-- Requests that were given up.
CREATE VIEW {p}dead_letters AS
SELECT r.seq, r.id, r.entity_type, r.entity_id, r.message, r.key, r.accepted_at,
    to_timestamp(d.died_at / 1000.0) AS died_at, r.failed_attempts, r.last_error, r.arguments
FROM {p}requests r JOIN {p}dead d ON d.seq = r.seq;

-- The durable state of each entity, with a version that grows with each change.
CREATE VIEW {p}entity_states AS
SELECT CASE WHEN position(decode('00', 'hex') IN s.entity_type) > 0 THEN encode(s.entity_type, 'escape')
        ELSE convert_from(s.entity_type, 'UTF8') END AS entity_type,
    CASE WHEN position(decode('00', 'hex') IN s.entity_id) > 0 THEN encode(s.entity_id, 'escape')
        ELSE convert_from(s.entity_id, 'UTF8') END AS entity_id,
    s.shard, s.version, s.payload
FROM {p}state s;
