-- Schema version 1. {p} is the table prefix of the cluster.
--
-- Texts that users make (types, ids, keys) are BYTEA: they are compared as bytes, and may hold any
-- character. 64-bit numbers that use all their bits (tags, fingerprints) are stored as signed ones.
-- Times are milliseconds since 1970 in cluster time.

-- Numbers of which the cluster has one: schema_minimum, schema_current, shard_count,
-- shard_hash_version, time_offset_ms, last_incarnation, highest_seq, retention_reached.
-- Made before the first migration: {p}meta (name TEXT PRIMARY KEY, value BIGINT NOT NULL).

-- Starts of runners, the last few. Renewals move the end of the lease, several times while it
-- lasts; the row that every write compares is another one.
CREATE TABLE {p}runner (
    incarnation BIGINT NOT NULL PRIMARY KEY,
    machine BIGINT NOT NULL,
    advertised BYTEA NOT NULL,
    joined_at BIGINT NOT NULL,
    lease_ends_at BIGINT NOT NULL
);

-- What every write compares, in share mode. An incarnation without a row, or that is not alive,
-- writes nothing. Requests that it accepts at or below the mark get a row in {p}behind.
CREATE TABLE {p}fence (
    incarnation BIGINT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    alive BIGINT NOT NULL,
    mark BIGINT NOT NULL
);

-- Who has joined: the name of its connections on the server.
CREATE TABLE {p}writer (
    name TEXT NOT NULL PRIMARY KEY
);

-- The number of a group is the upper half of its shards' numbers.
CREATE TABLE {p}shard_group (
    number BIGINT NOT NULL PRIMARY KEY,
    name BYTEA NOT NULL UNIQUE
);

-- A shard has a row once it was taken. Of its requests up to the mark, all that are pending have a
-- row in {p}behind.
CREATE TABLE {p}shard (
    shard BIGINT NOT NULL PRIMARY KEY,
    owner BIGINT,
    epoch BIGINT NOT NULL,
    mark BIGINT NOT NULL
);

-- Requests as they were accepted, in their owners' order. Never updated. One without a row in
-- {p}outcome, {p}due, {p}held and {p}dead is pending: it may run at once, or when its back-off ends.
CREATE TABLE {p}request (
    seq BIGINT NOT NULL PRIMARY KEY,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    class BIGINT NOT NULL,
    accepted_at BIGINT NOT NULL,
    due_at BIGINT,
    -- Of a reminder's request: its period in milliseconds, zero for one that comes once.
    reminder BIGINT,
    message BIGINT NOT NULL,
    id BYTEA NOT NULL,
    outer_id BYTEA,
    entity_type BYTEA NOT NULL,
    entity_id BYTEA NOT NULL,
    -- The digest of the key, a quarter in each; in this order these are its bytes. The first is what
    -- counts up in the key.
    digest_1 BIGINT,
    digest_2 BIGINT,
    digest_3 BIGINT,
    digest_4 BIGINT,
    key BYTEA,
    trace BYTEA,
    headers TEXT,
    arguments BYTEA NOT NULL
);
-- Ids begin with their time, so this index grows at its end.
CREATE UNIQUE INDEX {p}request_id ON {p}request (id);
-- Keys that count up stand in the order in which they were made, those without an order are spread
-- over the whole index: only requests with a key pay for it.
CREATE UNIQUE INDEX {p}request_key ON {p}request (digest_1, digest_2, digest_3, digest_4)
    WHERE digest_1 IS NOT NULL;
-- In the owner's order within each of 8 parts: to find what is stored of one entity. Every request
-- pays for it, and mostly for the pages that it touches: it grows at its 8 ends alone.
CREATE INDEX {p}request_part ON {p}request ((shard & 7), seq);

-- How requests ended, each written once.
CREATE TABLE {p}outcome (
    seq BIGINT NOT NULL PRIMARY KEY,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    payload BYTEA NOT NULL
);

-- Requests that were pending at or below the mark of their shard once. What has moved on since may
-- still stand here.
CREATE TABLE {p}behind (
    seq BIGINT NOT NULL PRIMARY KEY,
    shard BIGINT NOT NULL,
    entity_type BYTEA NOT NULL,
    entity_id BYTEA NOT NULL
);
-- To find those of one entity among all that wait.
CREATE INDEX {p}behind_entity ON {p}behind (entity_type, entity_id, seq);

-- Not to be started before a time.
CREATE TABLE {p}due (
    seq BIGINT NOT NULL PRIMARY KEY,
    shard BIGINT NOT NULL,
    due_at BIGINT NOT NULL
);
CREATE INDEX {p}due_at ON {p}due (due_at, seq);

-- Waits for a type, message or version that its owner has not: what and for which of these.
CREATE TABLE {p}held (
    seq BIGINT NOT NULL PRIMARY KEY,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    held_at BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    missing BYTEA NOT NULL
);

-- Given up, until somebody decides.
CREATE TABLE {p}dead (
    seq BIGINT NOT NULL PRIMARY KEY,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    died_at BIGINT NOT NULL,
    error BYTEA NOT NULL
);

-- Failed attempts at requests that wait.
CREATE TABLE {p}attempt (
    seq BIGINT NOT NULL PRIMARY KEY,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    error BYTEA NOT NULL
);

-- What happened in executions of workflows. An execution is a request, named here by its seq.
CREATE TABLE {p}journal (
    execution BIGINT NOT NULL,
    position BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    occurrence BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    due_at BIGINT,
    name BYTEA NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (execution, position)
);

-- Values that executions were given from outside; the first one holds.
CREATE TABLE {p}deferred (
    execution BIGINT NOT NULL,
    occurrence BIGINT NOT NULL,
    name BYTEA NOT NULL,
    id BYTEA NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    completed_at BIGINT NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (execution, name, occurrence)
);

-- What streams have sent and somebody may still read. Of what was read the last one stays, marked.
CREATE TABLE {p}chunk (
    seq BIGINT NOT NULL,
    number BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    was_read BIGINT NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (seq, number)
);

-- Entities' states. Room is left on each page, so that a new version stands beside the old one and
-- the index is left alone.
CREATE TABLE {p}state (
    shard BIGINT NOT NULL,
    version BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    entity_type BYTEA NOT NULL,
    entity_id BYTEA NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (entity_type, entity_id)
) WITH (fillfactor = 60);

-- Reminders that are set: which request comes next. The row moves on in the transaction that ends
-- this request.
CREATE TABLE {p}reminder (
    message BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    entity_type BYTEA NOT NULL,
    entity_id BYTEA NOT NULL,
    request_id BYTEA NOT NULL,
    PRIMARY KEY (entity_type, entity_id, message)
);

-- Entities that are kept alive: their owner brings them back by itself.
CREATE TABLE {p}alive (
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    entity_type BYTEA NOT NULL,
    entity_id BYTEA NOT NULL,
    PRIMARY KEY (entity_type, entity_id)
);

-- What is to become of requests: everybody may write here, and the owner alone deletes. Numbers
-- are never given again, so that whoever deletes a row twice deletes no other.
CREATE TABLE {p}inbox (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Its id, as the views show it.
    request TEXT NOT NULL CHECK (octet_length(request) <= 64),
    wish TEXT NOT NULL CHECK (wish IN ('cancel', 'redrive', 'discard'))
);

-- Shapes of payloads. The row of a fingerprint never changes.
CREATE TABLE {p}shape (
    fingerprint BIGINT NOT NULL PRIMARY KEY,
    shape BYTEA NOT NULL
);

-- Names and fingerprints of messages, for tools; the row of the empty name is the state.
CREATE TABLE {p}contract (
    entity_type BYTEA NOT NULL,
    name BYTEA NOT NULL,
    tag BIGINT NOT NULL,
    arguments BIGINT NOT NULL,
    reply BIGINT NOT NULL,
    error BIGINT NOT NULL,
    PRIMARY KEY (entity_type, name)
);
