//! Numbers that fence and order writes. None of them is ever a bare integer.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($int:ty), $get:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name($int);

        impl $name {
            /// Takes the bare number, as read from storage.
            pub const fn new(number: $int) -> Self {
                $name(number)
            }

            /// The bare number, as stored.
            pub const fn $get(self) -> $int {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number! {
    /// One start of a runner. Given by the database, never used twice in it.
    Incarnation(u64), as_u64
}

number! {
    /// The number that every write of an incarnation compares. Raising it makes every earlier,
    /// still undecided transaction of that incarnation void.
    FenceNumber(u64), as_u64
}

number! {
    /// The fencing number of a shard's ownership. Grows with every taking of the shard.
    Epoch(u64), as_u64
}

number! {
    /// The order in which an owner accepted requests: unique in the database, growing in time, and
    /// growing within a shard over all its owners. Zero is before every request; databases hold it
    /// as a signed number, so it stays below 2^63 as snowflakes do.
    Seq(u64), as_u64
}

number! {
    /// The version of an entity's stored state: zero before the first write, plus one at each.
    StateVersion(u64), as_u64
}

number! {
    /// The stable hash of a message's name: what is stored with a request and what dispatch looks
    /// up.
    ///
    /// Specification, version 1: xxh3 (64 bits, seed 0) of the name's UTF-8 bytes, unless the
    /// attribute fixes the tag itself.
    MessageTag(u64), as_u64
}

impl MessageTag {
    /// The tag of a message of this name.
    pub const fn of(name: &str) -> Self {
        MessageTag(xxhash_rust::const_xxh3::xxh3_64(name.as_bytes()))
    }
}

impl StateVersion {
    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        StateVersion(self.0 + 1)
    }
}

impl FenceNumber {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        FenceNumber(self.0 + 1)
    }
}

impl Epoch {
    /// The epoch after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Epoch(self.0 + 1)
    }
}

/// The number of a maker of snowflakes, leased from the database: 0 to 1,023.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MachineId(u16);

impl MachineId {
    /// The highest number: ten bits.
    pub const MAX: MachineId = MachineId(1023);

    /// Takes a number of at most [`MachineId::MAX`].
    pub const fn new(number: u16) -> Option<Self> {
        if number <= Self::MAX.0 { Some(MachineId(number)) } else { None }
    }

    /// The machine of an incarnation on a database where one incarnation lives at a time:
    /// neighbours in time have different ones.
    pub const fn of_incarnation(incarnation: Incarnation) -> Self {
        MachineId((incarnation.as_u64() & Self::MAX.0 as u64) as u16)
    }

    /// The bare number.
    pub const fn as_u16(self) -> u16 {
        self.0
    }
}
