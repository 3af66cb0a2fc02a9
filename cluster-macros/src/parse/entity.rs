//! `#[derive(Entity)]`

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Fields, Member, Type};

use super::marks;
use crate::attribute::EntityOptions;
use crate::errors::Errors;
use crate::hygiene::Root;
use crate::model::{Entity, State};

/// Reads a struct or enum; none if nothing can be made of it, which is noted.
pub(super) fn read(item: &DeriveInput, errors: &mut Errors) -> Option<Entity> {
    let options = options(item, errors);
    if !item.generics.params.is_empty() {
        let form = "an entity cannot be generic: what is stored must be found again by the name of \
                    its type. Derive `Entity` for each concrete type";
        errors.on(&item.generics.params, form);
        return None;
    }
    let marked = match &item.data {
        Data::Struct(data) => state_field(&data.fields, errors),
        Data::Enum(data) => {
            for mark in data.variants.iter().flat_map(|variant| marked(&variant.fields)) {
                let form = "a field of an enum is not always there: store all of it with \
                            `#[entity(durable)]`";
                errors.on(mark.attribute, form);
            }
            None
        }
        Data::Union(data) => {
            errors.on(data.union_token, "an entity is a struct or an enum");
            return None;
        }
    };
    let state = match (options.durable, marked) {
        (None, None) => State::Nothing,
        (None, Some(mark)) => State::Field { field: mark.field, ty: Box::new(mark.ty.clone()) },
        (Some(_), None) => State::Whole,
        (Some(_), Some(mark)) => {
            let form = "`durable` stores the whole struct already: keep one of the two";
            errors.on(mark.attribute, form);
            State::Whole
        }
    };
    let root = Root::new(options.path.as_ref());
    Some(Entity { root, name: item.ident.clone(), state, options })
}

/// Reads all `#[entity(..)]`s as if they were one.
fn options(item: &DeriveInput, errors: &mut Errors) -> EntityOptions {
    let mut tokens = TokenStream::new();
    for attribute in item.attrs.iter().filter(|attribute| attribute.path().is_ident("entity")) {
        let arguments = marks::arguments(attribute, errors);
        let comma = (!tokens.is_empty() && !arguments.is_empty()).then(|| quote!(,));
        tokens.extend(quote!(#comma #arguments));
    }
    EntityOptions::parse(tokens, errors)
}

/// A field marked `#[state]`.
struct Marked<'a> {
    attribute: &'a Attribute,
    field: Member,
    ty: &'a Type,
}

fn marked(fields: &Fields) -> impl Iterator<Item = Marked<'_>> {
    fields.iter().zip(fields.members()).filter_map(|(field, member)| {
        let attribute = field.attrs.iter().find(|attribute| attribute.path().is_ident("state"))?;
        Some(Marked { attribute, field: member, ty: &field.ty })
    })
}

/// The one field that is stored.
fn state_field<'a>(fields: &'a Fields, errors: &mut Errors) -> Option<Marked<'a>> {
    let mut all = marked(fields);
    let first = all.next()?;
    marks::bare(first.attribute, errors);
    for mark in all {
        let form = "an entity has one state: put what is stored into a struct, or write \
                    `#[entity(durable)]`";
        errors.on(mark.attribute, form);
    }
    Some(first)
}
