//! From the item to the model. What the model cannot hold is noted here, on its smallest token.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, DeriveInput, Item, ItemEnum, ItemImpl, ItemStruct, Path, parse_quote};

use crate::attribute::BlockOptions;
use crate::errors::Errors;
use crate::model::{Block, Entity, WorkflowBlock};

mod contract;
mod entity;
mod handler;
mod implementation;
mod inherent;
mod marks;
mod message;
mod returns;
mod stream;
mod types;
mod workflow;

/// Reads what `#[derive(Entity)]` stands on.
pub(crate) fn entity(item: TokenStream, errors: &mut Errors) -> Option<Entity> {
    match syn::parse2(item) {
        Ok(item) => entity::read(&item, errors),
        Err(error) => {
            errors.syntax(error);
            None
        }
    }
}

/// Reads what `#[entity]` stands on.
pub(crate) fn block(options: TokenStream, item: TokenStream, errors: &mut Errors) -> Block {
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Impl(block)) => {
            let options = BlockOptions::parse(options, errors);
            match block.trait_.clone() {
                Some((contract, _)) => implementation::read(block, contract, options, errors),
                None => inherent::read(block, options, errors),
            }
        }
        Ok(Item::Trait(item)) => contract::read(item, BlockOptions::parse(options, errors), errors),
        Ok(Item::Struct(_) | Item::Enum(_) | Item::Union(_)) => derived(options, item, errors),
        Ok(_) => {
            errors.on(&item, "`#[entity]` goes on an impl block or a trait");
            Block::Other(item)
        }
        Err(error) => {
            errors.syntax(error);
            Block::Other(item)
        }
    }
}

/// Reads what `#[workflow]` stands on.
pub(crate) fn workflow(
    options: TokenStream,
    item: TokenStream,
    errors: &mut Errors,
) -> WorkflowBlock {
    match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Impl(block)) if block.trait_.is_none() => workflow::read(block, options, errors),
        Ok(other) => {
            let form = "`#[workflow]` goes on `impl YourWorkflow { .. }`";
            match other {
                Item::Impl(ItemImpl { trait_: Some((path, _)), .. }) => errors.on(path, form),
                Item::Struct(ItemStruct { ident, .. }) | Item::Enum(ItemEnum { ident, .. }) => {
                    errors.on(ident, form);
                }
                other => errors.on(other, form),
            }
            WorkflowBlock::Other(item)
        }
        Err(error) => {
            errors.syntax(error);
            WorkflowBlock::Other(item)
        }
    }
}

/// `#[entity(..)]` on a type that it stands before, or without, the derive that reads it.
fn derived(options: TokenStream, item: TokenStream, errors: &mut Errors) -> Block {
    let Ok(mut item) = syn::parse2::<DeriveInput>(item.clone()) else { return Block::Other(item) };
    let is_derived = item.attrs.iter().any(derives_entity);
    let form = if is_derived {
        "put `#[entity(..)]` after `#[derive(Entity)]`, which reads it"
    } else {
        "add `#[derive(Entity)]` before it: on a type, `#[entity(..)]` holds the derive's options"
    };
    errors.on(&item.ident, form);
    // As if it were right, so that nothing else is wrong because of this.
    let without = quote!(#item);
    item.attrs.push(parse_quote!(#[entity(#options)]));
    if is_derived {
        return Block::Other(quote!(#item));
    }
    Block::Type { item: without, entity: entity::read(&item, &mut Errors::default()) }
}

fn derives_entity(attribute: &Attribute) -> bool {
    let mut found = false;
    if attribute.path().is_ident("derive") {
        // What cannot be read here is the compiler's to complain about.
        let _ = attribute.parse_nested_meta(|derive| {
            found |= is_named(&derive.path, "Entity");
            Ok(())
        });
    }
    found
}

/// Whether a path ends with this name.
fn is_named(path: &Path, name: &str) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident == name)
}
