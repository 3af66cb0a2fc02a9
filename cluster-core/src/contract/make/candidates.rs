//! The answers a script picks from. The first two of each are what the probe tries everywhere:
//! something and nothing.

/// Whole numbers: counts, flags, years, a month and day, and one that is out of most ranges.
pub(super) const NUMBERS: [i8; 8] = [1, 0, 2, 3, 10, 20, 100, -1];

/// Texts that common parsers accept.
pub(super) const TEXTS: [&str; 41] = [
    "a",
    "",
    "1",
    "A",
    "true",
    "1.5",
    "00",
    "https://example.com/",
    "a@example.com",
    "2024-01-01T00:00:00Z",
    "2024-01-01",
    "2024-01-01T00:00:00",
    "2024-01-01T00:00:00+00:00[UTC]",
    "2024-01-01T00:00:00+00:00[+00:00]",
    "2024-01-01 00:00:00",
    "00:00:00",
    "PT1H",
    "1h",
    "UTC",
    "Mon",
    "00000000-0000-4000-8000-000000000001",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "000000000000000000000001",
    "127.0.0.1",
    "::1",
    "127.0.0.1:80",
    "[::1]:80",
    "10.0.0.0/8",
    "00:00:00:00:00:01",
    "example.com",
    "1.0.0",
    "^1",
    "USD",
    "DE",
    "en",
    "+15555550100",
    "text/plain",
    "/a",
    "AA==",
    "#000000",
    "{}",
];

/// Lengths of byte strings: nothing, ids, digests, keys.
pub(super) const BYTE_LENGTHS: [usize; 8] = [16, 0, 4, 8, 12, 20, 32, 64];

/// Characters.
pub(super) const CHARS: [char; 3] = ['a', '0', 'A'];

/// JSON texts, for values that cannot be looked into.
pub(super) const JSON_TEXTS: [&str; 8] = ["null", "0", "\"a\"", "[]", "{}", "true", "[0]", "0.5"];
