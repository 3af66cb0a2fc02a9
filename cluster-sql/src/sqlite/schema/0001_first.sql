-- Schema version 1. {p} is the table prefix of the cluster.
--
-- Texts that users make (types, ids, keys) are BLOBs: they are compared as bytes, and a NUL ends
-- nothing. 64-bit numbers that use all their bits (tags, fingerprints) are stored as signed ones.
-- Times are milliseconds since 1970 in cluster time. Columns that scans filter by stand before
-- payloads, so that reading them touches no overflow page.

-- Numbers of which the cluster has one: schema_minimum, schema_current, shard_count,
-- shard_hash_version, time_offset_ms, last_incarnation, highest_seq, retention_reached.
CREATE TABLE {p}meta (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Starts of runners, the last few. Renewals move the end of the lease, several times while it
-- lasts; the row that every write compares is another one.
CREATE TABLE {p}runner (
    incarnation INTEGER NOT NULL PRIMARY KEY,
    machine INTEGER NOT NULL,
    advertised TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    lease_ends_at INTEGER NOT NULL
) STRICT;

-- What every write compares. An incarnation without a row, or that is not alive, writes nothing.
CREATE TABLE {p}fence (
    incarnation INTEGER NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    alive INTEGER NOT NULL
) STRICT;

-- The number of a group is the upper half of its shards' numbers.
CREATE TABLE {p}shard_group (
    number INTEGER NOT NULL PRIMARY KEY,
    name BLOB NOT NULL UNIQUE
) STRICT;

-- A shard has a row once it was taken.
CREATE TABLE {p}shard (
    shard INTEGER NOT NULL PRIMARY KEY,
    owner INTEGER,
    epoch INTEGER NOT NULL
) STRICT;

-- Requests as they were accepted, in their owners' order. Never updated.
CREATE TABLE {p}request (
    seq INTEGER NOT NULL PRIMARY KEY,
    id BLOB NOT NULL,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    class INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    due_at INTEGER,
    -- Of a reminder's request: its period in milliseconds, zero for one that comes once.
    reminder INTEGER,
    outer_id BLOB,
    message INTEGER NOT NULL,
    entity_type BLOB NOT NULL,
    entity_id BLOB NOT NULL,
    -- The first 8 of its 32 bytes are what counts up in the key.
    key_digest BLOB,
    key BLOB,
    trace BLOB,
    headers TEXT,
    arguments BLOB NOT NULL
) STRICT;
-- Ids begin with their time, so this index grows at its end.
CREATE UNIQUE INDEX {p}request_id ON {p}request (id);
-- Keys that count up stand in the order in which they were made, those without an order are spread
-- over the whole index: only requests with a key pay for it.
CREATE UNIQUE INDEX {p}request_key ON {p}request (key_digest) WHERE key_digest IS NOT NULL;

-- In the owner's order within each of 8 parts: to find what is stored of one entity. Every request
-- pays for it, and mostly for the pages that it touches: it grows at its 8 ends alone. One over
-- shards makes a batch of 64 write a third more pages, one over entities more than that.
CREATE INDEX {p}request_part ON {p}request (shard & 7);

-- How requests ended, each written once.
CREATE TABLE {p}outcome (
    seq INTEGER NOT NULL PRIMARY KEY,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;

-- A request without an outcome is in exactly one of the next four. What was written when it was
-- accepted (pending, due) has the epoch of the request itself.

-- May run at once, or when its back-off ends.
CREATE TABLE {p}pending (
    seq INTEGER NOT NULL PRIMARY KEY,
    shard INTEGER NOT NULL
) STRICT;

-- Not to be started before a time.
CREATE TABLE {p}due (
    seq INTEGER NOT NULL PRIMARY KEY,
    shard INTEGER NOT NULL,
    due_at INTEGER NOT NULL
) STRICT;
CREATE INDEX {p}due_at ON {p}due (due_at);

-- Waits for a type, message or version that its owner has not: what and for which of these.
CREATE TABLE {p}held (
    seq INTEGER NOT NULL PRIMARY KEY,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    held_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    missing BLOB NOT NULL
) STRICT;

-- Given up, until somebody decides.
CREATE TABLE {p}dead (
    seq INTEGER NOT NULL PRIMARY KEY,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    died_at INTEGER NOT NULL,
    error TEXT NOT NULL
) STRICT;

-- Failed attempts at requests that wait.
CREATE TABLE {p}attempt (
    seq INTEGER NOT NULL PRIMARY KEY,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    retry_at INTEGER NOT NULL,
    error TEXT NOT NULL
) STRICT;

-- What happened in executions of workflows. An execution is a request, named here by its seq; its
-- rows stand together in the order of their positions, so that a history is read in one piece.
CREATE TABLE {p}journal (
    execution INTEGER NOT NULL,
    position INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    occurrence INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    due_at INTEGER,
    name BLOB NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (execution, position)
) STRICT, WITHOUT ROWID;

-- Values that executions were given from outside; the first one holds.
CREATE TABLE {p}deferred (
    execution INTEGER NOT NULL,
    name BLOB NOT NULL,
    occurrence INTEGER NOT NULL,
    id BLOB NOT NULL,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    completed_at INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (execution, name, occurrence)
) STRICT, WITHOUT ROWID;

-- What streams have sent and somebody may still read. Of what was read the last one stays, marked.
CREATE TABLE {p}chunk (
    seq INTEGER NOT NULL,
    number INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    was_read INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (seq, number)
) STRICT, WITHOUT ROWID;

-- Entities' states. Rows stand in the order of their first write, so that hot entities that were
-- made together share pages; large payloads stay out of the index.
CREATE TABLE {p}state (
    number INTEGER NOT NULL PRIMARY KEY,
    shard INTEGER NOT NULL,
    version INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    entity_type BLOB NOT NULL,
    entity_id BLOB NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX {p}state_entity ON {p}state (entity_type, entity_id);

-- Reminders that are set: which request comes next. The row moves on in the transaction that ends
-- this request.
CREATE TABLE {p}reminder (
    entity_type BLOB NOT NULL,
    entity_id BLOB NOT NULL,
    message INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    request_id BLOB NOT NULL,
    PRIMARY KEY (entity_type, entity_id, message)
) STRICT, WITHOUT ROWID;

-- Entities that are kept alive: their owner brings them back by itself.
CREATE TABLE {p}alive (
    entity_type BLOB NOT NULL,
    entity_id BLOB NOT NULL,
    shard INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    PRIMARY KEY (entity_type, entity_id)
) STRICT, WITHOUT ROWID;

-- What is to become of requests: everybody may write here, and the owner alone deletes. Numbers
-- are never given again, so that whoever deletes a row twice deletes no other.
CREATE TABLE {p}inbox (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- Its id, as the views show it.
    request TEXT NOT NULL CHECK (length(CAST(request AS BLOB)) <= 64),
    wish TEXT NOT NULL CHECK (wish IN ('cancel', 'redrive', 'discard'))
) STRICT;

-- Shapes of payloads. The row of a fingerprint never changes.
CREATE TABLE {p}shape (
    fingerprint INTEGER NOT NULL PRIMARY KEY,
    shape BLOB NOT NULL
) STRICT;

-- Names and fingerprints of messages, for tools; the row of the empty name is the state.
CREATE TABLE {p}contract (
    entity_type BLOB NOT NULL,
    name BLOB NOT NULL,
    tag INTEGER NOT NULL,
    arguments INTEGER NOT NULL,
    reply INTEGER NOT NULL,
    error INTEGER NOT NULL,
    PRIMARY KEY (entity_type, name)
) STRICT, WITHOUT ROWID;
