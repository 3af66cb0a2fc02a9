//! What bounds the walk through one payload, so that no bytes exhaust the stack or the processor.

use super::fault::Fault;

/// The deepest nesting of a value: every struct, tuple, option, newtype, sequence, map and enum is
/// one level. A list of 64 links of `Option<Box<Link>>` fits.
pub const DEPTH_MAX: usize = 128;

/// The deepest nesting of JSON text, in a [`Json`](super::Json), at an opaque place, or of a
/// payload in [`Format::Json`](super::Format::Json): every array and every object is one level. As
/// deep as serde_json reads.
pub const JSON_DEPTH_MAX: usize = 127;

/// The most elements of sequences in one payload that take no bytes, such as `()`.
pub const HOLLOW_MAX: usize = 65_536;

/// How many values that take no bytes may stand beside each byte, where no type says how many there
/// are.
const HOLLOW_VALUES_PER_BYTE: usize = 16;

/// The depth that is left one level below.
#[inline]
pub(super) fn deeper(depth: usize) -> Result<usize, Fault> {
    depth.checked_sub(1).ok_or_else(too_deep)
}

#[cold]
fn too_deep() -> Fault {
    Fault::new(format!("nested deeper than {DEPTH_MAX} levels"))
}

/// Counts what takes no bytes: nothing but this count bounds how much of it a length, or a shape
/// out of storage, announces.
pub(super) struct Hollow {
    left: usize,
}

impl Hollow {
    /// For elements of sequences only; what else a value holds follows from its type.
    pub(super) fn of_elements() -> Self {
        Self { left: HOLLOW_MAX }
    }

    /// For every value in a body of this length, where no type bounds how many there are.
    pub(super) fn of_values(length: usize) -> Self {
        Self { left: HOLLOW_MAX + HOLLOW_VALUES_PER_BYTE * length }
    }

    #[inline]
    pub(super) fn count(&mut self, hollow: bool) -> Result<(), Fault> {
        if hollow {
            self.left = self.left.checked_sub(1).ok_or_else(too_hollow)?;
        }
        Ok(())
    }
}

#[cold]
fn too_hollow() -> Fault {
    Fault::new("holds too many elements that take no bytes")
}
