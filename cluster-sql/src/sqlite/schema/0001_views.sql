
-- Views for people, with names, words and times (in UTC) where the tables have numbers. Payloads are
-- as they are stored. No program reads them.

-- All requests, and where each stands: finished, dead, held, due or pending. A message that was
-- renamed under its tag is shown by the first of its names; a time to be due at that is in none of
-- the years 1 to 9999, as the nearest that is.
CREATE VIEW {p}requests AS
SELECT r.seq, lower(hex(r.id)) AS id, r.shard,
    CAST(r.entity_type AS TEXT) AS entity_type, CAST(r.entity_id AS TEXT) AS entity_id,
    coalesce((SELECT CAST(c.name AS TEXT) FROM {p}contract c
        WHERE c.entity_type = r.entity_type AND c.tag = r.message AND c.name <> x''
        ORDER BY c.name LIMIT 1),
        CAST(r.message AS TEXT)) AS message,
    CAST(r.key AS TEXT) AS key,
    CASE WHEN o.seq IS NOT NULL THEN 'finished' WHEN d.seq IS NOT NULL THEN 'dead'
        WHEN h.seq IS NOT NULL THEN 'held' WHEN w.seq IS NOT NULL THEN 'due'
        ELSE 'pending' END AS status,
    strftime('%Y-%m-%d %H:%M:%f', r.accepted_at / 1000.0, 'unixepoch') AS accepted_at,
    strftime('%Y-%m-%d %H:%M:%f', max(min(w.due_at, 253402300799999), -62135596800000) / 1000.0,
        'unixepoch') AS due_at,
    strftime('%Y-%m-%d %H:%M:%f', o.finished_at / 1000.0, 'unixepoch') AS finished_at,
    coalesce(d.attempts, a.attempts, 0) AS failed_attempts,
    coalesce(d.error, a.error) AS last_error,
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
        WHEN 3 THEN 'interrupted' ELSE CAST(o.kind AS TEXT) END AS kind,
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
    strftime('%Y-%m-%d %H:%M:%f', d.died_at / 1000.0, 'unixepoch') AS died_at,
    r.failed_attempts, r.last_error, r.arguments
FROM {p}requests r JOIN {p}dead d ON d.seq = r.seq;

-- The durable state of each entity, with a version that grows with each change.
CREATE VIEW {p}entity_states AS
SELECT CAST(s.entity_type AS TEXT) AS entity_type, CAST(s.entity_id AS TEXT) AS entity_id,
    s.shard, s.version, s.payload
FROM {p}state s;
