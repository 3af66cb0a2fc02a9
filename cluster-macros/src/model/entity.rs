//! What `#[derive(Entity)]` stands on.

use proc_macro2::Ident;
use syn::{Member, Type};

use crate::attribute::EntityOptions;
use crate::hygiene::Root;

/// A struct or enum that is an entity.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) root: Root,
    pub(crate) name: Ident,
    pub(crate) state: State,
    pub(crate) options: EntityOptions,
}

/// What of it is stored.
#[derive(Debug)]
pub(crate) enum State {
    Nothing,
    /// `#[entity(durable)]`
    Whole,
    /// `#[state]`
    Field {
        field: Member,
        ty: Box<Type>,
    },
}
