;

-- Views for people, with names, words and times (in UTC) where the tables have numbers. Payloads are
-- as they are stored. No program reads them.

-- All requests, and where each stands: finished, dead, held, due or pending. A message that was
-- renamed under its tag is shown by the first of its names; a time to be due at that is in none of
-- the years 1 to 9999, as the nearest that is.
CREATE OR REPLACE VIEW {p}requests AS
SELECT r.seq, LOWER(HEX(r.id)) AS id, r.shard,
    CONVERT(r.entity_type USING utf8mb4) COLLATE utf8mb4_bin AS entity_type,
    CONVERT(r.entity_id USING utf8mb4) COLLATE utf8mb4_bin AS entity_id,
    COALESCE((SELECT CONVERT(c.name USING utf8mb4) COLLATE utf8mb4_bin FROM {p}contract c
        WHERE c.entity_type = r.entity_type AND c.tag = r.message AND c.name <> ''
        ORDER BY c.name LIMIT 1),
        r.message) AS message,
    CONVERT(r.`key` USING utf8mb4) COLLATE utf8mb4_bin AS `key`,
    CASE WHEN o.seq IS NOT NULL THEN 'finished' WHEN d.seq IS NOT NULL THEN 'dead'
        WHEN h.seq IS NOT NULL THEN 'held' WHEN w.seq IS NOT NULL THEN 'due'
        ELSE 'pending' END AS status,
    TIMESTAMP('1970-01-01') + INTERVAL r.accepted_at * 1000 MICROSECOND AS accepted_at,
    TIMESTAMP('1970-01-01')
        + INTERVAL GREATEST(LEAST(w.due_at, 253402300799999), -62135596800000) * 1000 MICROSECOND
        AS due_at,
    TIMESTAMP('1970-01-01') + INTERVAL o.finished_at * 1000 MICROSECOND AS finished_at,
    COALESCE(d.attempts, a.attempts, 0) AS failed_attempts,
    CONVERT(COALESCE(d.error, a.error) USING utf8mb4) AS last_error,
    CONVERT(r.headers USING utf8mb4) AS headers, r.arguments
FROM {p}request r
LEFT JOIN {p}outcome o ON o.seq = r.seq
LEFT JOIN {p}dead d ON d.seq = r.seq
LEFT JOIN {p}held h ON h.seq = r.seq
LEFT JOIN {p}due w ON w.seq = r.seq
LEFT JOIN {p}attempt a ON a.seq = r.seq;

-- How requests ended. What a payload is depends on the kind: a value, the handler's own error, a
-- failure of the cluster, or nothing.
CREATE OR REPLACE VIEW {p}outcomes AS
SELECT r.seq, r.id, r.entity_type, r.entity_id, r.message, r.`key`,
    CASE o.kind WHEN 0 THEN 'ok' WHEN 1 THEN 'error' WHEN 2 THEN 'failed'
        WHEN 3 THEN 'interrupted' ELSE o.kind END AS kind,
    r.finished_at, o.payload
FROM {p}requests r JOIN {p}outcome o ON o.seq = r.seq;

-- Requests that have not ended: what runs or may run, waits for its time or its next attempt, or
-- for a program that knows it.
CREATE OR REPLACE VIEW {p}pending_requests AS
SELECT r.seq, r.id, r.entity_type, r.entity_id, r.message, r.`key`, r.status, r.accepted_at,
    r.due_at, r.failed_attempts, r.last_error,
    CASE h.kind WHEN 0 THEN 'entity type' WHEN 1 THEN 'message' WHEN 2 THEN 'contract' END
        AS held_for
FROM {p}requests r LEFT JOIN {p}held h ON h.seq = r.seq
WHERE r.status IN ('pending', 'due', 'held');

-- Requests that were given up.
CREATE OR REPLACE VIEW {p}dead_letters AS
SELECT r.seq, r.id, r.entity_type, r.entity_id, r.message, r.`key`, r.accepted_at,
    TIMESTAMP('1970-01-01') + INTERVAL d.died_at * 1000 MICROSECOND AS died_at,
    r.failed_attempts, r.last_error, r.arguments
FROM {p}requests r JOIN {p}dead d ON d.seq = r.seq;

-- The durable state of each entity, with a version that grows with each change.
CREATE OR REPLACE VIEW {p}entity_states AS
SELECT CONVERT(s.entity_type USING utf8mb4) COLLATE utf8mb4_bin AS entity_type,
    CONVERT(s.entity_id USING utf8mb4) COLLATE utf8mb4_bin AS entity_id,
    s.shard, s.version, s.payload
FROM {p}state s
