//! The 128-bit id of a request, made by its caller.

use std::fmt;
use std::str::FromStr;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::time::Timestamp;

const RANDOM_BITS: u32 = 80;

/// The id of a request: 48 bits of milliseconds since 1970, then 80 random bits.
///
/// The time part keeps the index of ids dense; it decides neither order nor retention. The text
/// form is 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u128);

impl RequestId {
    /// Takes the bare number, as read from storage.
    pub const fn from_u128(number: u128) -> Self {
        RequestId(number)
    }

    /// The bare number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The 16 bytes, big-endian, as stored: byte order is number order.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Takes the stored bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        RequestId(u128::from_be_bytes(bytes))
    }

    /// When the id was made, by the clock of its maker.
    pub fn timestamp(self) -> Timestamp {
        let ms = i64::try_from(self.0 >> RANDOM_BITS).expect("48 bits fit");
        Timestamp::from_unix_ms(ms)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the 32 hex digits of a request id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a request id is 32 hex digits")]
pub struct InvalidRequestId;

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        let hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(RequestId).ok_or(InvalidRequestId)
    }
}

/// Makes request ids. Within one maker they never repeat and never fall, also when the clock steps
/// back: the time part then stays where it was and the random part goes on counting.
#[derive(Debug)]
pub struct RequestIds {
    state: Mutex<Maker>,
}

#[derive(Debug)]
struct Maker {
    random: StdRng,
    last: u128,
}

impl RequestIds {
    /// A maker with randomness of the operating system.
    #[allow(clippy::disallowed_methods)] // The source of randomness that others have injected.
    pub fn new() -> Self {
        Self::with(StdRng::from_os_rng())
    }

    /// A maker whose random bits follow from a seed, for simulation only.
    pub fn seeded(seed: u64) -> Self {
        Self::with(StdRng::seed_from_u64(seed))
    }

    fn with(random: StdRng) -> Self {
        RequestIds { state: Mutex::new(Maker { random, last: 0 }) }
    }

    /// The next id, at the given time.
    pub fn next(&self, now: Timestamp) -> RequestId {
        let ms = u128::try_from(now.unix_ms().max(0)).expect("not negative") & ((1 << 48) - 1);
        let mut maker = self.state.lock();
        let random =
            (u128::from(maker.random.next_u64()) << 64) | u128::from(maker.random.next_u64());
        let fresh = (ms << RANDOM_BITS) | (random >> (128 - RANDOM_BITS));
        // In the same or an earlier millisecond: step upwards by a random distance, so that ids of
        // one maker grow while ids of two makers stay far apart.
        let id = if fresh >> RANDOM_BITS > maker.last >> RANDOM_BITS {
            fresh
        } else {
            maker.last + 1 + (random >> 88)
        };
        maker.last = id;
        RequestId(id)
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}
