//! Life-cycle hooks.

use proc_macro2::Ident;

/// The hooks of an entity.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    pub(crate) activate: Option<Hook>,
    pub(crate) deactivate: Option<Hook>,
}

/// A method with `#[activate]` or `#[deactivate]`.
#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) method: Ident,
    pub(crate) is_async: bool,
    pub(crate) takes_context: bool,
}
