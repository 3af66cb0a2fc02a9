//! Volatile calls: `ask-1`, `ask-64`, `ask-hot`, `ask-suspend`.

use bench_kit::Case;

/// The cases of this family.
pub(crate) fn cases() -> Vec<Case> {
    Vec::new()
}
