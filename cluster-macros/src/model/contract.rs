//! What `#[entity]` stands on.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{ItemImpl, ItemTrait, Path, Type, TypePath};

use super::{Entity, Hooks, Message, Name};
use crate::hygiene::Root;

/// An annotated item.
#[derive(Debug)]
pub(crate) enum Block {
    /// `impl Account { .. }`: the contract and who serves it.
    Inherent { item: ItemImpl, contract: Contract, serving: Serving },
    /// `trait Bank { .. }`: a contract that any type may serve. The item is as it is emitted.
    Trait { item: ItemTrait, contract: Contract },
    /// `impl Bank for Account { .. }`; hooks are no members of the trait and stand in an impl block
    /// of their own.
    TraitImpl { item: ItemImpl, hooks: Option<ItemImpl>, serving: Serving },
    /// A struct or enum: that is the derive's business, but what it would read has been complained
    /// about and is expanded here.
    Type { item: TokenStream, entity: Option<Entity> },
    /// Something that nothing can be made of: emitted as it came.
    Other(TokenStream),
}

/// Messages, and the client that sends them.
#[derive(Debug)]
pub(crate) struct Contract {
    pub(crate) root: Root,
    pub(crate) owner: Owner,
    /// The stored name of the entity type.
    pub(crate) name: Name,
    pub(crate) client: Ident,
    pub(crate) messages: Vec<Message>,
}

/// Whose messages they are.
#[derive(Debug)]
pub(crate) enum Owner {
    /// The entity type itself.
    Entity(Box<Type>),
    /// A trait.
    Trait(Ident),
}

impl Owner {
    /// The type that implements the contract.
    pub(crate) fn contract_type(&self) -> TokenStream {
        match self {
            Owner::Entity(entity) => quote!(#entity),
            Owner::Trait(name) => quote!(dyn #name),
        }
    }

    /// As documentation names it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Owner::Entity(entity) => match &**entity {
                Type::Path(TypePath { path, .. }) => {
                    path.segments.last().map(|segment| segment.ident.to_string())
                }
                _ => None,
            }
            .unwrap_or_default(),
            Owner::Trait(name) => name.to_string(),
        }
    }
}

/// Who serves a contract.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) root: Root,
    pub(crate) entity: Type,
    /// The trait whose contract it is; none if it is the entity's own.
    pub(crate) contract: Option<Path>,
    pub(crate) hooks: Hooks,
}
