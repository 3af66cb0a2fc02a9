//! What bounds the walk through one payload, so that no bytes exhaust the stack or the processor.

use super::fault::Fault;

/// The deepest nesting of a value: every struct, tuple, option, newtype, sequence, map and enum is one
/// level. A list of 64 links of `Option<Box<Link>>` fits.
pub const DEPTH_MAX: usize = 128;

/// The most elements of sequences in one payload that take no bytes, such as `()`.
pub const HOLLOW_MAX: usize = 65_536;

/// The depth that is left one level below.
#[inline]
pub(super) fn deeper(depth: usize) -> Result<usize, Fault> {
    depth.checked_sub(1).ok_or_else(too_deep)
}

#[cold]
fn too_deep() -> Fault {
    Fault::new(format!("nested deeper than {DEPTH_MAX} levels"))
}

/// Counts elements that take no bytes: nothing but this count bounds how many a length announces.
#[derive(Default)]
pub(super) struct Hollow(usize);

impl Hollow {
    #[inline]
    pub(super) fn count(&mut self, hollow: bool) -> Result<(), Fault> {
        self.0 += usize::from(hollow);
        if self.0 > HOLLOW_MAX { Err(too_hollow()) } else { Ok(()) }
    }
}

#[cold]
fn too_hollow() -> Fault {
    Fault::new(format!("more than {HOLLOW_MAX} elements that take no bytes"))
}
