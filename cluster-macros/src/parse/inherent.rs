//! `#[entity] impl Account { .. }`

use quote::quote;
use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl, Path, PathArguments, Type};

use super::handler;
use super::marks::{self, Marks};
use super::message::{Method, cfgs};
use super::types::{Scope, bare, last_segment};
use crate::attribute::BlockOptions;
use crate::errors::Errors;
use crate::hygiene::{Root, public, unraw};
use crate::model::{Block, Contract, Hook, Hooks, Message, Name, Owner, Serving};

pub(super) fn read(mut item: ItemImpl, options: BlockOptions, errors: &mut Errors) -> Block {
    let is_entity = is_entity(&item, errors);
    let entity = bare(&item.self_ty).clone();
    let mut members = Members::new(&entity, options.path.clone());
    members.take(&mut item, errors);
    let Some(segment) = last_segment(&entity).filter(|_| is_entity) else {
        return Block::Other(quote!(#item));
    };
    let root = Root::new(options.path.as_ref());
    let name = match &options.name {
        Some(name) => Name { text: name.value(), span: name.span() },
        None => Name::of(&segment.ident),
    };
    let client = format!("{}Client", unraw(&segment.ident));
    let contract = Contract {
        root: root.clone(),
        name,
        client: public(&client, segment.ident.span()),
        messages: members.messages,
        owner: Owner::Entity(Box::new(entity.clone())),
    };
    let serving = Serving { root, entity, contract: None, hooks: members.hooks };
    Block::Inherent { item, contract, serving }
}

/// Whether the block is of a type that can be an entity; if not, this is noted.
pub(super) fn is_entity(item: &ItemImpl, errors: &mut Errors) -> bool {
    let before = errors.count();
    if let Some(token) = &item.unsafety {
        errors.on(token, "an entity's block is a plain `impl`");
    }
    let generic = "an entity type cannot be generic: what is stored must be found again by its \
                   name. Write an entity for each type, and put what they share into a generic \
                   field";
    if !item.generics.params.is_empty() {
        errors.on(&item.generics.params, generic);
        return false;
    }
    match last_segment(&item.self_ty) {
        None => errors.on(&item.self_ty, "an entity is a struct or an enum: name one"),
        Some(segment) if !matches!(segment.arguments, PathArguments::None) => {
            errors.on(&segment.arguments, generic);
        }
        Some(_) => {}
    }
    errors.count() == before
}

/// What is found in a block.
struct Members {
    /// Where the framework is, if this was said.
    krate: Option<Path>,
    prefix: String,
    scope: Scope,
    messages: Vec<Message>,
    hooks: Hooks,
}

impl Members {
    fn new(entity: &Type, krate: Option<Path>) -> Self {
        let prefix = last_segment(entity).map(|segment| unraw(&segment.ident)).unwrap_or_default();
        let scope = Scope::Entity(Box::new(entity.clone()));
        Members { krate, prefix, scope, messages: Vec::new(), hooks: Hooks::default() }
    }

    fn take(&mut self, item: &mut ItemImpl, errors: &mut Errors) {
        for member in &mut item.items {
            match member {
                ImplItem::Fn(method) => self.method(method, errors),
                other => {
                    let Some(attributes) = attributes_of(other) else { continue };
                    for mark in Marks::take(attributes, self.krate.as_ref(), errors).all() {
                        errors.on(mark, "this attribute belongs on a method");
                    }
                }
            }
        }
    }

    fn method(&mut self, method: &mut ImplItemFn, errors: &mut Errors) {
        let marks = Marks::take(&mut method.attrs, self.krate.as_ref(), errors);
        if let [_, second, ..] = marks.all().collect::<Vec<_>>()[..] {
            errors.on(second, "a method is a message or a life-cycle hook, not both");
        }
        if let Some(mark) = &marks.message {
            self.message(method, mark, errors);
        } else {
            self.hooks.take(method, &marks, &self.scope, errors);
        }
    }

    fn message(&mut self, method: &ImplItemFn, mark: &Attribute, errors: &mut Errors) {
        // The compiler complains about a second method of the same name itself.
        let name = &method.sig.ident;
        let cfgs = cfgs(&method.attrs);
        if self.messages.iter().any(|known| known.method == *name && known.goes_with(&cfgs)) {
            return;
        }
        let method = Method {
            attributes: &method.attrs,
            visibility: &method.vis,
            signature: &method.sig,
            options: marks::message_options(mark, errors),
        };
        self.messages.push(method.read(&self.prefix, &self.scope, errors));
    }
}

impl Hooks {
    /// Takes the method if it is marked as a hook.
    pub(super) fn take(
        &mut self,
        method: &ImplItemFn,
        marks: &Marks,
        scope: &Scope,
        errors: &mut Errors,
    ) {
        let places =
            [(&marks.activate, &mut self.activate), (&marks.deactivate, &mut self.deactivate)];
        for (mark, place) in places {
            let Some(mark) = mark else { continue };
            marks::bare(mark, errors);
            if let Some(first) = place {
                let form = format!("`{}` is this hook already: an entity has one", first.method);
                errors.on(mark, form);
                continue;
            }
            *place = hook(method, scope, errors);
        }
    }
}

/// Reads a hook; none if it cannot be called, which is noted.
fn hook(method: &ImplItemFn, scope: &Scope, errors: &mut Errors) -> Option<Hook> {
    let before = errors.count();
    let handler = handler::read_hook(&method.sig, scope, errors);
    let hook = Hook {
        method: method.sig.ident.clone(),
        is_async: handler.is_async,
        takes_context: !handler.parameters.is_empty(),
    };
    (errors.count() == before).then_some(hook)
}

/// The attributes of a member that is no method.
pub(super) fn attributes_of(member: &mut ImplItem) -> Option<&mut Vec<Attribute>> {
    match member {
        ImplItem::Const(member) => Some(&mut member.attrs),
        ImplItem::Fn(member) => Some(&mut member.attrs),
        ImplItem::Type(member) => Some(&mut member.attrs),
        ImplItem::Macro(member) => Some(&mut member.attrs),
        _ => None,
    }
}
