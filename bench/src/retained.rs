//! The calls of `persisted-64` and `persisted-1024` while very many finished requests are retained:
//! `persisted-retained` with keys that count up, `persisted-retained-random` with random ones.
//!
//! The server makes the retained rows out of those of calls that the product has made: the same
//! with another place in the order, another id, another key with its true digest, finished now.
//! They stand below the marks of recovery but for the last, as the product leaves them. Beside
//! them, on the same server, the same calls are made in tables that were empty: `cluster-empty`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bench_kit::drive::{Target, closed_loop};
use bench_kit::{Case, Lane, Rng, Run, Watch, lane};
use cluster::Config;
use cluster::prelude::*;

use crate::SYSTEM;
use crate::persisted::{CounterClient, clients, sample, start};
use crate::raw::RawServer;
use crate::servers::{Mariadb, Postgresql, Server};

/// Finished requests in the tables.
const RETAINED: u64 = 10_000_000;
/// Made by one statement each.
const CHUNK: u64 = 250_000;
/// The calls of each repetition before those that are measured: a new connection of PostgreSQL maps
/// each part of the server's memory when it first reads it.
const WARMING: u64 = 100_000;
/// Those of the first repetition where requests are retained. PostgreSQL logs a page as a whole
/// when it is first changed after a checkpoint: random keys change nearly all pages of their index.
const FIRST_WARMING: u64 = 300_000;
/// The system's name where nothing is retained.
const EMPTY: &str = "cluster-empty";
/// The schemas and databases of the two.
const PLACE: &str = "bench_retained";
const EMPTY_PLACE: &str = "bench_empty";

/// The keys of the retained requests and of the calls.
#[derive(Clone, Copy)]
enum Keys {
    /// Numbers: those of the calls go on from the retained ones.
    Counting,
    /// 32 hexadecimal digits.
    Random,
}

impl Keys {
    /// The key of a call.
    fn of(self, number: u64) -> String {
        let mut rng = Rng::new(number);
        match self {
            Keys::Counting => number.to_string(),
            Keys::Random => (0..4).map(|_| format!("{:08x}", rng.below(1 << 32))).collect(),
        }
    }
}

/// Each call with a key of its own.
struct Keyed {
    client: CounterClient,
    keys: Keys,
    /// The number of the last one: of this cluster, of earlier ones, or of a retained request.
    last: Arc<AtomicU64>,
}

impl Target for Keyed {
    async fn ask(&self, _operation: u64) {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.client.add(1).key(self.keys.of(number)).await.expect("the storage works");
    }
}

/// The cases of this family.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for keys in [Keys::Counting, Keys::Random] {
        if let Some((place, empty)) = Postgresql::place(PLACE).zip(Postgresql::place(EMPTY_PLACE)) {
            cases.extend(on_server(place, empty, keys));
        }
        if let Some((place, empty)) = Mariadb::place(PLACE).zip(Mariadb::place(EMPTY_PLACE)) {
            cases.extend(on_server(place, empty, keys));
        }
    }
    cases
}

fn on_server<S: RetainingServer>(place: S, empty: S, keys: Keys) -> Vec<Case> {
    // How many have used the retained rows; they are made before the first one does.
    let used = Arc::new(AtomicU64::new(0));
    let last = Arc::new(AtomicU64::new(RETAINED));
    let full = |lane: Lane| {
        let (place, used, last) = (place.clone(), Arc::clone(&used), Arc::clone(&last));
        Case::durable(lane, SYSTEM, S::STORAGE, move |bench| {
            let (server, last) = (place.clone(), Arc::clone(&last));
            let is_first = used.fetch_add(1, Ordering::Relaxed) == 0;
            bench.block_on(async move {
                let mut warming = WARMING;
                if is_first {
                    fill(&server, keys).await;
                    warming = FIRST_WARMING;
                }
                asks(lane, server, keys, last, warming).await
            })
        })
    };
    let bare = |lane: Lane| {
        let (server, last) = (empty.clone(), Arc::clone(&last));
        Case::durable(lane, EMPTY, S::STORAGE, move |bench| {
            let (server, last) = (server.clone(), Arc::clone(&last));
            bench.block_on(async move {
                server.empty().await;
                asks(lane, server, keys, last, WARMING).await
            })
        })
    };
    let done = place.clone();
    let (few, many) = match keys {
        Keys::Counting => (lane::RETAINED_64, lane::RETAINED_1024),
        Keys::Random => (lane::RETAINED_RANDOM_64, lane::RETAINED_RANDOM_1024),
    };
    let last = full(many).ended(move |bench| {
        let server = done.clone();
        bench.block_on(async move { server.remove().await });
    });
    vec![full(few), bare(few), bare(many), last]
}

/// The lane's calls in a cluster that has just started, after others that are not measured; and how
/// long the start took.
async fn asks<S: Server>(
    lane: Lane,
    server: S,
    keys: Keys,
    last: Arc<AtomicU64>,
    warming: u64,
) -> Run {
    let storage = server.open(None).await;
    let watch = Watch::start();
    let cluster = start(storage, keep).await;
    let started = watch.elapsed();
    let targets = || {
        let target = |client| Keyed { client, keys, last: Arc::clone(&last) };
        clients(&cluster, lane).map(target).collect()
    };
    closed_loop(&Lane { operations: warming, ..lane }, targets()).await;
    let run = closed_loop(&lane, targets()).await;
    cluster.shutdown().await.expect("the storage works");
    Run { start: Some(started), ..run }
}

/// Retention leaves everything that a run makes.
fn keep(config: &mut Config) {
    const LONG: Duration = Duration::from_secs(24 * 60 * 60);
    config.retention_awaited = LONG;
    config.retention_sent = LONG;
}

/// Makes the retained rows.
async fn fill<S: RetainingServer>(server: &S, keys: Keys) {
    let watch = Watch::start();
    sample(server.clone()).await;
    let mut tool = server.connect().await;
    S::run(&mut tool, S::MAKE_TEMPLATE.to_owned()).await;
    for first in (1..=RETAINED).step_by(CHUNK as usize) {
        let last = (first + CHUNK - 1).min(RETAINED);
        let text = S::COPY.replace("{key}", S::key(keys));
        let text = text.replace("{first}", &first.to_string());
        S::run(&mut tool, text.replace("{last}", &last.to_string())).await;
    }
    for text in S::SETTLE {
        S::run(&mut tool, (*text).to_owned()).await;
    }
    note(S::STORAGE, watch.elapsed());
}

/// Tells people what has taken so long.
// Beside the table, which is the output.
#[allow(clippy::print_stderr)]
fn note(storage: &str, elapsed: Duration) {
    let seconds = elapsed.as_secs();
    eprintln!("{storage}: {RETAINED} finished requests were made in {seconds} s");
}

/// A server that makes many finished requests out of a few.
trait RetainingServer: RawServer {
    /// Makes a table of the rows to be copied, numbered from 0.
    const MAKE_TEMPLATE: &'static str;
    /// Makes those of the numbers from `{first}` to `{last}`, with the keys `{key}`.
    const COPY: &'static str;
    /// Moves the marks, and does what the server does in the background.
    const SETTLE: &'static [&'static str];

    /// The key of the number `x`.
    fn key(keys: Keys) -> &'static str;
}

impl RetainingServer for Postgresql {
    const MAKE_TEMPLATE: &'static str = "CREATE UNLOGGED TABLE template AS \
        SELECT row_number() OVER (ORDER BY r.seq) - 1 AS n, max(r.seq) OVER () AS top, r.shard, \
        r.epoch, r.class, r.message, r.entity_type, r.entity_id, r.arguments, o.kind, o.payload, \
        convert_to('cluster-key-1', 'UTF8') \
        || set_byte('\\x00000000'::bytea, 0, octet_length(r.entity_type)) || r.entity_type \
        || set_byte('\\x00000000'::bytea, 0, octet_length(r.entity_id)) || r.entity_id \
        || (SELECT string_agg(substr(int8send(r.message), 9 - b, 1), ''::bytea ORDER BY b) \
        FROM generate_series(1, 8) b) AS scope, r.key, int8send(digest_1) || int8send(digest_2) \
        || int8send(digest_3) || int8send(digest_4) AS digest \
        FROM cluster_request r JOIN cluster_outcome o ON o.seq = r.seq; \
        ALTER TABLE template ADD PRIMARY KEY (n); ANALYZE template; \
        DO $$ BEGIN ASSERT (SELECT bool_and(decode(rpad(encode(convert_to(left(coalesce(\
        substring(convert_from(key, 'UTF8') from '[1-9].*'), convert_from(key, 'UTF8')), 8), \
        'UTF8'), 'hex'), 16, '0'), 'hex') || substr(sha256(scope \
        || set_byte('\\x00000000'::bytea, 0, octet_length(key)) || key), 1, 24) = digest) \
        FROM template), 'digests are made in another way'; END $$; \
        ALTER TABLE template DROP COLUMN digest";
    const COPY: &'static str = "WITH made AS MATERIALIZED (SELECT t.*, t.top + x AS new_seq, \
        (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS at, \
        convert_to({key}, 'UTF8') AS new_key FROM generate_series({first}, {last}) x \
        JOIN template t ON t.n = x % 1000), \
        a AS (INSERT INTO cluster_request (seq, shard, epoch, class, accepted_at, message, id, \
        entity_type, entity_id, digest_1, digest_2, digest_3, digest_4, key, arguments) \
        SELECT new_seq, shard, epoch, class, at, message, \
        substr(int8send(at), 3) || substr(int8send(new_seq), 1) || '\\x0000'::bytea, \
        entity_type, entity_id, \
        ('x' || left(digest, 16))::bit(64)::bigint, \
        ('x' || substr(digest, 17, 16))::bit(64)::bigint, \
        ('x' || substr(digest, 33, 16))::bit(64)::bigint, \
        ('x' || substr(digest, 49, 16))::bit(64)::bigint, new_key, arguments \
        FROM made CROSS JOIN LATERAL (SELECT rpad(encode(convert_to(left(\
        substring(convert_from(new_key, 'UTF8') from '[1-9].*'), 8), 'UTF8'), 'hex'), 16, '0') \
        || encode(sha256(scope \
        || set_byte('\\x00000000'::bytea, 0, octet_length(new_key)) || new_key), 'hex') AS digest \
        OFFSET 0) d ORDER BY new_seq) \
        INSERT INTO cluster_outcome (seq, shard, epoch, finished_at, kind, payload) \
        SELECT new_seq, shard, epoch, at, kind, payload FROM made ORDER BY new_seq";
    const SETTLE: &'static [&'static str] = &[
        "DROP TABLE template",
        "UPDATE cluster_shard SET mark = \
        greatest(mark, (SELECT max(seq) FROM cluster_request) - 10000)",
        "VACUUM ANALYZE",
        "CHECKPOINT",
    ];

    fn key(keys: Keys) -> &'static str {
        match keys {
            Keys::Counting => "x::text",
            Keys::Random => "md5(x::text)",
        }
    }
}

impl RetainingServer for Mariadb {
    const MAKE_TEMPLATE: &'static str = "CREATE TABLE template (PRIMARY KEY (n)) AS \
        SELECT row_number() OVER (ORDER BY r.seq) - 1 AS n, r.shard, r.epoch, r.class, \
        r.message, r.entity_type, r.entity_id, r.arguments, o.kind, o.payload, \
        CONCAT('cluster-key-1', CHAR(LENGTH(r.entity_type)), x'000000', r.entity_type, \
        CHAR(LENGTH(r.entity_id)), x'000000', r.entity_id, \
        REVERSE(UNHEX(LPAD(HEX(r.message), 16, '0')))) AS scope, \
        (SELECT max(seq) FROM cluster_request) AS top, r.`key`, r.key_digest \
        FROM cluster_request r JOIN cluster_outcome o ON o.seq = r.seq; \
        BEGIN NOT ATOMIC IF EXISTS (SELECT 1 FROM template WHERE UNHEX(CONCAT(RPAD(HEX(LEFT( \
        IF(`key` REGEXP '[1-9]', REGEXP_SUBSTR(`key`, '[1-9].*'), `key`), 8)), 16, '0'), \
        LEFT(SHA2(CONCAT(scope, CHAR(LENGTH(`key`)), x'000000', `key`), 256), 48))) \
        <> key_digest) \
        THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'digests are made in another way'; \
        END IF; END";
    const COPY: &'static str = "SET @at = CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED); \
        START TRANSACTION; \
        INSERT INTO cluster_request (seq, shard, epoch, class, accepted_at, message, id, \
        entity_type, entity_id, key_digest, `key`, arguments) \
        SELECT t.top + x.seq, shard, epoch, class, @at, message, \
        UNHEX(CONCAT(LPAD(HEX(@at), 12, '0'), LPAD(HEX(t.top + x.seq), 16, '0'), '0000')), \
        entity_type, entity_id, UNHEX(CONCAT( \
        RPAD(HEX(LEFT(REGEXP_SUBSTR({key}, '[1-9].*'), 8)), 16, '0'), LEFT(SHA2(CONCAT(scope, \
        CHAR(LENGTH({key})), x'000000', {key}), 256), 48))), {key}, arguments \
        FROM seq_{first}_to_{last} x STRAIGHT_JOIN template t ON t.n = x.seq % 1000; \
        INSERT INTO cluster_outcome (seq, shard, epoch, finished_at, kind, payload) \
        SELECT t.top + x.seq, shard, epoch, @at, kind, payload \
        FROM seq_{first}_to_{last} x STRAIGHT_JOIN template t ON t.n = x.seq % 1000; COMMIT";
    const SETTLE: &'static [&'static str] = &[
        "DROP TABLE template",
        "UPDATE cluster_shard SET mark = \
        GREATEST(mark, (SELECT max(seq) FROM cluster_request) - 10000)",
        "ANALYZE TABLE cluster_request, cluster_outcome",
        "FLUSH TABLES cluster_request, cluster_outcome FOR EXPORT",
        "UNLOCK TABLES",
    ];

    fn key(keys: Keys) -> &'static str {
        match keys {
            Keys::Counting => "CONCAT('', x.seq)",
            Keys::Random => "MD5(x.seq)",
        }
    }
}
