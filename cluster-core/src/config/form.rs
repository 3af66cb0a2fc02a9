//! What settings look like as text: durations, sizes, counts.

use std::time::Duration;

use super::HEADERS_BYTES_MAX;
use crate::id::{ShardCount, TEXT_BYTES_MAX};

/// How a setting's value is read, shown and checked.
pub(super) trait Form {
    type Value;
    /// What to write, for people.
    const EXPECTED: &'static str;

    /// Reads a value; `None` where the text is none.
    fn read(text: &str) -> Option<Self::Value>;

    fn show(value: &Self::Value) -> String;

    /// Whether the runtime can use the value.
    fn check(value: &Self::Value) -> Result<(), Fault>;
}

/// Why a value cannot be used.
pub(super) enum Fault {
    Zero,
    TooLarge(String),
}

/// A whole number, which may be written in groups: `65_536`.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    (digits && begins).then(|| text.replace('_', "").parse().ok()).flatten()
}

/// A number and its unit; an empty unit is one of the list if it stands there.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'_').count();
    let (digits, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number(digits)?.checked_mul(*factor)
}

/// The shortest way to write a number with one of the units.
fn in_unit(value: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| value >= *factor && value.is_multiple_of(*factor);
    match units.iter().rev().find(fits) {
        Some((name, factor)) => format!("{}{name}", value / factor),
        None => format!("{value}{}", units[0].0),
    }
}

const TIMES: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// The longest duration that is read: a hundred years.
const TIME_MAX: Duration = Duration::from_secs(36_525 * 24 * 60 * 60);

/// `30s`.
pub(super) struct Time;

impl Form for Time {
    type Value = Duration;
    const EXPECTED: &'static str =
        "write a whole number and `ms`, `s`, `m`, `h` or `d`, such as `250ms`, at most 36525 days";

    fn read(text: &str) -> Option<Duration> {
        with_unit(text, &TIMES).map(Duration::from_millis).filter(|time| *time <= TIME_MAX)
    }

    fn show(value: &Duration) -> String {
        in_unit(u64::try_from(value.as_millis()).unwrap_or(u64::MAX), &TIMES)
    }

    fn check(value: &Duration) -> Result<(), Fault> {
        if value.is_zero() { Err(Fault::Zero) } else { Ok(()) }
    }
}

const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// `4MiB`, at most so many bytes.
pub(super) struct Bytes<const MAX: usize = { usize::MAX }>;

/// The bytes of an id or a key: no stored one is longer.
pub(super) type TextBytes = Bytes<TEXT_BYTES_MAX>;
/// The bytes of headers: no storage takes more.
pub(super) type HeaderBytes = Bytes<HEADERS_BYTES_MAX>;

impl<const MAX: usize> Form for Bytes<MAX> {
    type Value = usize;
    const EXPECTED: &'static str =
        "write a whole number of bytes, also with `KiB`, `MiB` or `GiB`, such as `4MiB`";

    fn read(text: &str) -> Option<usize> {
        let bytes = number(text).or_else(|| with_unit(text, &SIZES))?;
        usize::try_from(bytes).ok()
    }

    fn show(value: &usize) -> String {
        in_unit(*value as u64, &SIZES)
    }

    fn check(value: &usize) -> Result<(), Fault> {
        match *value {
            0 => Err(Fault::Zero),
            bytes if bytes > MAX => Err(Fault::TooLarge(Self::show(&MAX))),
            _ => Ok(()),
        }
    }
}

/// What a whole number without a unit is.
const COUNT: &str = "write a whole number, such as `1024`";

/// `1024`.
pub(super) struct Count;

impl Form for Count {
    type Value = usize;
    const EXPECTED: &'static str = COUNT;

    fn read(text: &str) -> Option<usize> {
        usize::try_from(number(text)?).ok()
    }

    fn show(value: &usize) -> String {
        value.to_string()
    }

    fn check(value: &usize) -> Result<(), Fault> {
        if *value == 0 { Err(Fault::Zero) } else { Ok(()) }
    }
}

/// `10`: how often.
pub(super) struct Times;

impl Form for Times {
    type Value = u32;
    const EXPECTED: &'static str = COUNT;

    fn read(text: &str) -> Option<u32> {
        u32::try_from(number(text)?).ok()
    }

    fn show(value: &u32) -> String {
        value.to_string()
    }

    fn check(value: &u32) -> Result<(), Fault> {
        if *value == 0 { Err(Fault::Zero) } else { Ok(()) }
    }
}

/// `256`: a number of shards.
pub(super) struct Shards;

impl Form for Shards {
    type Value = ShardCount;
    const EXPECTED: &'static str = "write a whole number from 1 to 65536";

    fn read(text: &str) -> Option<ShardCount> {
        ShardCount::new(u32::try_from(number(text)?).ok()?)
    }

    fn show(value: &ShardCount) -> String {
        value.get().to_string()
    }

    fn check(_: &ShardCount) -> Result<(), Fault> {
        Ok(())
    }
}

/// What happens to a persisted request whose handler panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnPanic {
    /// It is retried with back-off, then becomes a dead letter.
    Retry,
    /// Its outcome is `Defect` at once.
    Defect,
}

/// `retry` or `defect`.
pub(super) struct Reaction;

impl Form for Reaction {
    type Value = OnPanic;
    const EXPECTED: &'static str = "write `retry` or `defect`";

    fn read(text: &str) -> Option<OnPanic> {
        match text {
            "retry" => Some(OnPanic::Retry),
            "defect" => Some(OnPanic::Defect),
            _ => None,
        }
    }

    fn show(value: &OnPanic) -> String {
        match value {
            OnPanic::Retry => "retry".to_owned(),
            OnPanic::Defect => "defect".to_owned(),
        }
    }

    fn check(_: &OnPanic) -> Result<(), Fault> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_again() {
        for (text, time) in [("30s", 30_000), ("100ms", 100), ("10m", 600_000), ("1d", 86_400_000)]
        {
            assert_eq!(Time::read(text), Some(Duration::from_millis(time)));
            assert_eq!(Time::show(&Duration::from_millis(time)), text);
        }
        assert_eq!(Time::show(&Duration::from_millis(1_500)), "1500ms");
        for (text, bytes) in [("1B", 1), ("4MiB", 4 << 20), ("1000B", 1000), ("3GiB", 3 << 30)] {
            assert_eq!(<Bytes>::read(text), Some(bytes));
            assert_eq!(<Bytes>::show(&bytes), text);
        }
        assert_eq!((<Bytes>::read("4096"), Count::read("65_536")), (Some(4096), Some(65_536)));
    }

    #[test]
    fn anything_else_is_none() {
        for text in ["", "10", "s", "10 s", "-1s", "1.5s", "10S", "99999999999999999999d", "_1s"] {
            assert_eq!(Time::read(text), None, "{text}");
        }
        for text in ["", "-1", "1kb", "MiB", "1 MiB", "0x10", "99999999999GiB", "_"] {
            assert_eq!(<Bytes>::read(text), None, "{text}");
        }
        for text in ["", "-1", "1k", "+1", "1.0", "_1"] {
            assert_eq!((Count::read(text), Times::read(text)), (None, None), "{text}");
        }
        assert_eq!((Times::read("4294967296"), Shards::read("0")), (None, None));
        assert_eq!((Shards::read("65537"), Reaction::read("Retry")), (None, None));
    }
}
