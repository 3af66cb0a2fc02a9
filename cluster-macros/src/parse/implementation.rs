//! `#[entity] impl Bank for Account { .. }`

use quote::quote;
use syn::{ImplItem, ItemImpl, Path, parse_quote};

use super::inherent::{attributes_of, is_entity};
use super::marks::Marks;
use super::types::{Scope, bare};
use crate::attribute::BlockOptions;
use crate::errors::Errors;
use crate::hygiene::Root;
use crate::model::{Block, Hooks, Serving};

pub(super) fn read(
    mut item: ItemImpl,
    contract: Path,
    options: BlockOptions,
    errors: &mut Errors,
) -> Block {
    let is_entity = is_entity(&item, errors);
    if let Some(span) = options.name_span() {
        errors.at(span, "the name is the contract's: give it on the trait");
    }
    let scope = Scope::Entity(Box::new(bare(&item.self_ty).clone()));
    let mut hooks = Hooks::default();
    let mut moved = Vec::new();
    for mut member in std::mem::take(&mut item.items) {
        let marks = attributes_of(&mut member)
            .map(|attributes| Marks::take(attributes, options.path.as_ref(), errors))
            .unwrap_or_default();
        if let Some(mark) = &marks.message {
            errors.on(mark, "what is a message is said by the contract: put this on the trait");
        }
        match member {
            ImplItem::Fn(method) if marks.activate.is_some() || marks.deactivate.is_some() => {
                hooks.take(&method, &marks, &scope, errors);
                moved.push(ImplItem::Fn(method));
            }
            member => {
                for mark in [&marks.activate, &marks.deactivate].into_iter().flatten() {
                    errors.on(mark, "this attribute belongs on a method");
                }
                item.items.push(member);
            }
        }
    }
    let own = (!moved.is_empty()).then(|| own_block(&item, moved));
    if !is_entity {
        return Block::Other(quote!(#item #own));
    }
    let root = Root::new(options.path.as_ref());
    let entity = bare(&item.self_ty).clone();
    let serving = Serving { root, entity, contract: Some(contract), hooks };
    Block::TraitImpl { item, hooks: own, serving }
}

/// An inherent block with what is no member of the trait.
fn own_block(item: &ItemImpl, members: Vec<ImplItem>) -> ItemImpl {
    let (generics, entity) = (&item.generics, &item.self_ty);
    let mut block: ItemImpl = parse_quote!(impl #generics #entity {});
    block.items = members;
    block
}
