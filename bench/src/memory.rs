//! Entities by number: `idle-memory`, `activate`.

use bench_kit::Case;

/// The cases of this family.
pub(crate) fn cases() -> Vec<Case> {
    Vec::new()
}
