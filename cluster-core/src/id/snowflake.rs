//! Public 63-bit ids that sort by time, and the same scheme as the owner's sequence.

use std::fmt;

use parking_lot::Mutex;

use super::{MachineId, Seq};
use crate::time::Timestamp;

/// The zero of the time part: 2024-01-01T00:00:00Z, in milliseconds since 1970.
pub const SNOWFLAKE_EPOCH_MS: i64 = 1_704_067_200_000;

const SEQUENCE_BITS: u32 = 12;
const MACHINE_BITS: u32 = 10;
const SEQUENCE_MAX: u64 = (1 << SEQUENCE_BITS) - 1;
const TIME_MAX: u64 = (1 << 41) - 1;

/// A 63-bit id: 41 bits of milliseconds since [`SNOWFLAKE_EPOCH_MS`] (until 2093), 10 bits of
/// machine id, 12 bits of sequence. Positive as an `i64`; sorts by creation time.
///
/// Source of the layout: Twitter's Snowflake, 2010.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Snowflake(u64);

impl Snowflake {
    /// Takes the bare number.
    pub const fn from_u64(number: u64) -> Self {
        Snowflake(number)
    }

    /// The bare number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// When it was made, by its maker's clock.
    pub fn timestamp(self) -> Timestamp {
        let ms = i64::try_from(self.0 >> (MACHINE_BITS + SEQUENCE_BITS)).expect("42 bits fit");
        Timestamp::from_unix_ms(SNOWFLAKE_EPOCH_MS + ms)
    }

    /// Who made it.
    pub fn machine(self) -> MachineId {
        let number = (self.0 >> SEQUENCE_BITS) & u64::from(MachineId::MAX.as_u16());
        MachineId::new(u16::try_from(number).expect("ten bits")).expect("ten bits")
    }

    /// Its number within the millisecond.
    pub const fn sequence(self) -> u16 {
        (self.0 & SEQUENCE_MAX) as u16
    }
}

impl fmt::Display for Snowflake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Snowflake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snowflake({})", self.0)
    }
}

/// Makes snowflakes of one machine id: unique and growing within the process.
///
/// When the clock steps back, or a millisecond's 4,096 numbers are used up, the time part runs
/// ahead of the clock instead: ids stay unique and growing, and their time is off by as much.
#[derive(Debug)]
pub struct Snowflakes {
    machine: MachineId,
    /// The last id given, zero before the first. Guards that ids only grow.
    last: Mutex<u64>,
}

impl Snowflakes {
    /// A maker whose every id is above `floor`, whatever the clock says.
    pub fn above(machine: MachineId, floor: Seq) -> Self {
        Snowflakes { machine, last: Mutex::new(floor.as_u64()) }
    }

    /// The next id, at the given time.
    pub fn next(&self, now: Timestamp) -> Snowflake {
        let clock =
            u64::try_from((now.unix_ms() - SNOWFLAKE_EPOCH_MS).max(0)).expect("not negative");
        let mut last = self.last.lock();
        let id = Self::after(*last, clock.min(TIME_MAX), self.machine);
        *last = id;
        Snowflake(id)
    }

    /// The smallest id of this machine that is above `last` and not before `clock`.
    fn after(last: u64, clock: u64, machine: MachineId) -> u64 {
        let at = |ms: u64| {
            (ms << (MACHINE_BITS + SEQUENCE_BITS)) | (u64::from(machine.as_u16()) << SEQUENCE_BITS)
        };
        let last_ms = last >> (MACHINE_BITS + SEQUENCE_BITS);
        let first = at(clock.max(last_ms));
        if first > last {
            return first;
        }
        let within = last < (first | SEQUENCE_MAX);
        if within { last + 1 } else { at(last_ms + 1) }
    }
}
