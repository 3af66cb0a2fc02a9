-- Schema version 1. {p} is the table prefix of the cluster.
--
-- The server commits by itself before and after each statement here. So each may be run again, also
-- beside itself; the version is stored when all have been.
--
-- Texts that users make (types, ids, keys) are VARBINARY: they are compared as bytes, whatever the
-- collation of the database, and may hold any character. 64-bit numbers that use all their bits
-- (tags, fingerprints) are stored as signed ones. Times are milliseconds since 1970 in cluster time.

-- Numbers of which the cluster has one: schema_minimum, schema_current, shard_count,
-- shard_hash_version, time_offset_ms, last_incarnation, highest_seq, retention_reached.
CREATE TABLE IF NOT EXISTS {p}meta (
    name VARBINARY(64) NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Starts of runners, the last few. Renewals move the end of the lease, several times while it
-- lasts; the row that every write compares is another one.
CREATE TABLE IF NOT EXISTS {p}runner (
    incarnation BIGINT NOT NULL PRIMARY KEY,
    machine BIGINT NOT NULL,
    advertised LONGBLOB NOT NULL,
    joined_at BIGINT NOT NULL,
    lease_ends_at BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- What every write compares, in share mode. An incarnation without a row, or that is not alive,
-- writes nothing. Requests that it accepts at or below the mark get a row in {p}behind.
CREATE TABLE IF NOT EXISTS {p}fence (
    incarnation BIGINT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    alive BIGINT NOT NULL,
    mark BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Connections of who has joined: their numbers on the server since that was started, in seconds
-- since 1970.
CREATE TABLE IF NOT EXISTS {p}writer (
    number BIGINT NOT NULL PRIMARY KEY,
    started BIGINT NOT NULL,
    name VARBINARY(64) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- The number of a group is the upper half of its shards' numbers.
CREATE TABLE IF NOT EXISTS {p}shard_group (
    number BIGINT NOT NULL PRIMARY KEY,
    name VARBINARY(1024) NOT NULL,
    UNIQUE KEY {p}shard_group_name (name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- A shard has a row once it was taken. Of its requests up to the mark, all that are pending have a
-- row in {p}behind.
CREATE TABLE IF NOT EXISTS {p}shard (
    shard BIGINT NOT NULL PRIMARY KEY,
    owner BIGINT,
    epoch BIGINT NOT NULL,
    mark BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Requests as they were accepted, in their owners' order. Never updated. One without a row in
-- {p}outcome, {p}due, {p}held and {p}dead is pending: it may run at once, or when its back-off ends.
CREATE TABLE IF NOT EXISTS {p}request (
    seq BIGINT NOT NULL PRIMARY KEY,
    id BINARY(16) NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    class BIGINT NOT NULL,
    accepted_at BIGINT NOT NULL,
    due_at BIGINT,
    outer_id BINARY(16),
    message BIGINT NOT NULL,
    entity_type VARBINARY(1024) NOT NULL,
    entity_id VARBINARY(1024) NOT NULL,
    -- The first 8 bytes are what counts up in the key.
    key_digest BINARY(32),
    `key` VARBINARY(1024),
    trace LONGBLOB,
    headers LONGBLOB,
    arguments LONGBLOB NOT NULL,
    -- Of a reminder's request: its period in milliseconds, zero for one that comes once.
    reminder BIGINT,
    part TINYINT AS (shard & 7) STORED,
    -- Ids begin with their time, so this index grows at its end.
    UNIQUE KEY {p}request_id (id),
    -- Keys that count up stand in the order in which they were made, those without an order are
    -- spread over the whole index. Requests without a key stand together before them, where it grows
    -- in one place.
    UNIQUE KEY {p}request_key (key_digest),
    -- In the owner's order within each of 8 parts: to find what is stored of one entity. Every
    -- request pays for it, and mostly for the pages that it touches: it grows at its 8 ends alone.
    KEY {p}request_part (part, seq)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- How requests ended, each written once, and only for a request that is stored.
CREATE TABLE IF NOT EXISTS {p}outcome (
    seq BIGINT NOT NULL PRIMARY KEY,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    payload LONGBLOB NOT NULL,
    CONSTRAINT {p}outcome_of FOREIGN KEY (seq) REFERENCES {p}request (seq)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Requests that were pending at or below the mark of their shard once. What has moved on since may
-- still stand here.
CREATE TABLE IF NOT EXISTS {p}behind (
    seq BIGINT NOT NULL PRIMARY KEY,
    shard BIGINT NOT NULL,
    entity_type VARBINARY(1024) NOT NULL,
    entity_id VARBINARY(1024) NOT NULL,
    -- To find those of one entity among all that wait.
    KEY {p}behind_entity (entity_type, entity_id, seq)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Not to be started before a time.
CREATE TABLE IF NOT EXISTS {p}due (
    seq BIGINT NOT NULL PRIMARY KEY,
    shard BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    KEY {p}due_at (due_at, seq)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Waits for a type, message or version that its owner has not: what and for which of these.
CREATE TABLE IF NOT EXISTS {p}held (
    seq BIGINT NOT NULL PRIMARY KEY,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    held_at BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    missing LONGBLOB NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Given up, until somebody decides.
CREATE TABLE IF NOT EXISTS {p}dead (
    seq BIGINT NOT NULL PRIMARY KEY,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    died_at BIGINT NOT NULL,
    error LONGBLOB NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Failed attempts at requests that wait.
CREATE TABLE IF NOT EXISTS {p}attempt (
    seq BIGINT NOT NULL PRIMARY KEY,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    error LONGBLOB NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- What happened in executions of workflows. An execution is a request, named here by its seq.
CREATE TABLE IF NOT EXISTS {p}journal (
    execution BIGINT NOT NULL,
    position BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    occurrence BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    due_at BIGINT,
    name VARBINARY(1024) NOT NULL,
    payload LONGBLOB NOT NULL,
    PRIMARY KEY (execution, position)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Values that executions were given from outside; the first one holds.
CREATE TABLE IF NOT EXISTS {p}deferred (
    execution BIGINT NOT NULL,
    name VARBINARY(1024) NOT NULL,
    occurrence BIGINT NOT NULL,
    id BINARY(16) NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    completed_at BIGINT NOT NULL,
    payload LONGBLOB NOT NULL,
    PRIMARY KEY (execution, name, occurrence)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- What streams have sent and somebody may still read. Of what was read the last one stays, marked.
CREATE TABLE IF NOT EXISTS {p}chunk (
    seq BIGINT NOT NULL,
    number BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    was_read BIGINT NOT NULL,
    payload LONGBLOB NOT NULL,
    PRIMARY KEY (seq, number)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Entities' states, each with the version that it came from.
CREATE TABLE IF NOT EXISTS {p}state (
    entity_type VARBINARY(1024) NOT NULL,
    entity_id VARBINARY(1024) NOT NULL,
    shard BIGINT NOT NULL,
    previous BIGINT NOT NULL,
    version BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    payload LONGBLOB NOT NULL,
    PRIMARY KEY (entity_type, entity_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Reminders that are set: which request comes next. The row moves on in the transaction that ends
-- this request.
CREATE TABLE IF NOT EXISTS {p}reminder (
    entity_type VARBINARY(1024) NOT NULL,
    entity_id VARBINARY(1024) NOT NULL,
    message BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    request_id BINARY(16) NOT NULL,
    PRIMARY KEY (entity_type, entity_id, message)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Entities that are kept alive: their owner brings them back by itself.
CREATE TABLE IF NOT EXISTS {p}alive (
    entity_type VARBINARY(1024) NOT NULL,
    entity_id VARBINARY(1024) NOT NULL,
    shard BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    PRIMARY KEY (entity_type, entity_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- What is to become of requests: everybody may write here, and the owner alone deletes. Numbers
-- are never given again, so that whoever deletes a row twice deletes no other.
CREATE TABLE IF NOT EXISTS {p}inbox (
    number BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    -- Its id, as the views show it.
    request VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    wish VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    CONSTRAINT {p}inbox_wish CHECK (wish IN ('cancel', 'redrive', 'discard'))
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Shapes of payloads. The row of a fingerprint never changes.
CREATE TABLE IF NOT EXISTS {p}shape (
    fingerprint BIGINT NOT NULL PRIMARY KEY,
    shape LONGBLOB NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Names and fingerprints of messages, for tools; the row of the empty name is the state.
CREATE TABLE IF NOT EXISTS {p}contract (
    entity_type VARBINARY(1024) NOT NULL,
    name VARBINARY(1024) NOT NULL,
    tag BIGINT NOT NULL,
    arguments BIGINT NOT NULL,
    reply BIGINT NOT NULL,
    error BIGINT NOT NULL,
    PRIMARY KEY (entity_type, name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC
