//! The lanes: what is measured, with the same sizes for every system.

/// One kind of work, done by a number of callers over a number of entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Its name on the command line and in results.
    pub name: &'static str,
    /// Callers, each waiting for its reply before it calls again.
    pub callers: u32,
    /// Entities that the callers choose from at random.
    pub entities: u32,
    /// Operations of one repetition, over all callers.
    pub operations: u64,
}

/// Callers and entities of a lane that says nothing else.
const CALLERS: u32 = 64;
const ENTITIES: u32 = 1_000;

/// Volatile call that adds to a number and returns it: one caller, one entity.
pub const ASK_1: Lane = Lane { callers: 1, entities: 1, ..ask("ask-1", 400_000) };
/// The same call by many callers over many entities.
pub const ASK_64: Lane = ask("ask-64", 800_000);
/// The same, by a handler that could suspend and does not.
pub const ASK_64_ASYNC: Lane = ask("ask-64-async", 800_000);
/// The same call by many callers on one entity.
pub const ASK_HOT: Lane = Lane { entities: 1, ..ask("ask-hot", 800_000) };
/// The same call with a handler that suspends once, by giving way to other tasks.
pub const ASK_SUSPEND: Lane = ask("ask-suspend", 800_000);

/// As `ask-64`, with a recorder of metrics that counts, and tracing that nobody listens to.
pub const TRACE_OFF: Lane = ask("trace-off", 800_000);

/// Persisted call that changes durable state, each with a key of its own: one caller, one entity.
pub const PERSISTED_1: Lane = Lane { callers: 1, entities: 1, ..ask("persisted-1", 10_000) };
/// The same call by many callers over many entities.
pub const PERSISTED_64: Lane = ask("persisted-64", 100_000);
/// The same call by very many callers over many entities.
pub const PERSISTED_1024: Lane = Lane { callers: 1_024, ..ask("persisted-1024", 150_000) };
/// The same call without a key.
pub const PERSISTED_UNKEYED_1024: Lane =
    Lane { callers: 1_024, ..ask("persisted-unkeyed-1024", 300_000) };
/// The same call, with a key, by many callers on one entity.
pub const PERSISTED_HOT: Lane = Lane { entities: 1, ..ask("persisted-hot", 100_000) };

/// The call of `persisted-64` while very many finished requests are retained.
pub const RETAINED_64: Lane = ask("persisted-retained", 100_000);
/// The call of `persisted-1024`, likewise.
pub const RETAINED_1024: Lane = Lane { callers: 1_024, ..ask("persisted-retained", 150_000) };
/// The calls of `persisted-retained` with random keys, among random ones.
pub const RETAINED_RANDOM_64: Lane = ask("persisted-retained-random", 100_000);
/// Likewise, of many callers.
pub const RETAINED_RANDOM_1024: Lane =
    Lane { callers: 1_024, ..ask("persisted-retained-random", 150_000) };

/// Persisted call whose handler changes a user's own row in its transaction.
pub const TRANSACTION_64: Lane = ask("transaction-64", 10_000);

/// Requests handed over that are due later, by very many callers.
pub const SCHEDULED_ARM: Lane = Lane { callers: 1_024, ..ask("scheduled-arm", 100_000) };
/// The same requests when they are due, spread over 10 s: how late they start.
pub const SCHEDULED: Lane = Lane { callers: 1_024, ..ask("scheduled", 100_000) };

/// Memory of requests that are due much later, one for each entity, in one process.
pub const SCHEDULED_MEMORY: Lane = Lane { callers: 1_024, ..once("scheduled-memory", 1_000_000) };

/// Chunks of one volatile stream of numbers, read one after another.
pub const STREAM: Lane = Lane { callers: 1, entities: 1, ..ask("stream", 10_000_000) };

/// Chunks of one persisted stream of numbers, read one after another.
pub const STREAM_PERSISTED: Lane =
    Lane { callers: 1, entities: 1, ..ask("stream-persisted", 200_000) };

/// Memory of an activated entity that nobody calls, in one process.
pub const IDLE_MEMORY: Lane = once("idle-memory", 1_000_000);
/// First call of entities whose ids were made before the clock started.
pub const ACTIVATE: Lane = once("activate", 300_000);

const fn ask(name: &'static str, operations: u64) -> Lane {
    Lane { name, callers: CALLERS, entities: ENTITIES, operations }
}

/// One caller that touches every entity once.
const fn once(name: &'static str, entities: u32) -> Lane {
    Lane { name, callers: 1, entities, operations: entities as u64 }
}

impl Lane {
    /// The same work with other sizes, for a system that cannot carry the usual ones.
    pub const fn sized(self, entities: u32, operations: u64) -> Lane {
        Lane { entities, operations, ..self }
    }

    /// Operations of the caller with this index: the lane's, dealt out evenly.
    pub fn share(&self, caller: u32) -> u64 {
        let callers = u64::from(self.callers);
        self.operations / callers + u64::from(u64::from(caller) < self.operations % callers)
    }
}

#[test]
fn shares_add_up_to_the_lane() {
    let lane = Lane { name: "test", callers: 7, entities: 1, operations: 100 };
    assert_eq!((0..7).map(|caller| lane.share(caller)).sum::<u64>(), 100);
    assert_eq!((lane.share(0), lane.share(6)), (15, 14));
}
