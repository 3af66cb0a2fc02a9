//! Persisted calls that change durable state: `persisted-1`, `persisted-64`, `persisted-1024`,
//! `persisted-unkeyed-1024`, `persisted-hot`.

use bench_kit::Case;

/// The cases of this family, on every storage.
pub(crate) fn cases() -> Vec<Case> {
    Vec::new()
}
