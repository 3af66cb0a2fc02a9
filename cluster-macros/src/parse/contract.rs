//! `#[entity] trait Bank { .. }`

use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, ItemTrait, ReturnType, Token, TraitItem, TraitItemFn, Type, parse_quote};

use super::marks::{self, Marks};
use super::message::{Method, cfgs};
use super::stream;
use super::types::Scope;
use crate::attribute::{BlockOptions, MessageOptions};
use crate::errors::Errors;
use crate::hygiene::{Root, located, public, unraw};
use crate::model::{Access, Block, Contract, Message, Name, Owner};

pub(super) fn read(mut item: ItemTrait, options: BlockOptions, errors: &mut Errors) -> Block {
    let can_be_called = head(&item, errors) & members(&item, errors);
    let messages = messages(&mut item, &options, errors);
    if !can_be_called {
        return Block::Other(quote!(#item));
    }
    for bound in [quote!(::core::marker::Send), quote!(::core::marker::Sync), quote!('static)] {
        item.supertraits.push(parse_quote!(#bound));
    }
    let name = match &options.name {
        Some(name) => Name { text: name.value(), span: name.span() },
        None => Name::of(&item.ident),
    };
    let client = format!("{}Client", unraw(&item.ident));
    let contract = Contract {
        root: Root::new(options.path.as_ref()),
        name,
        client: public(&client, item.ident.span()),
        messages,
        owner: Owner::Trait(item.ident.clone()),
    };
    Block::Trait { item, contract }
}

/// Whether this is a trait that a client can name; if not, this is noted.
fn head(item: &ItemTrait, errors: &mut Errors) -> bool {
    let before = errors.count();
    if let Some(token) = &item.unsafety {
        errors.on(token, "a contract is a plain `trait`");
    }
    if !item.generics.params.is_empty() {
        let form = "a contract cannot be generic: clients name it as `dyn ..`, and what is stored \
                    must be found again by its name";
        errors.on(&item.generics.params, form);
    }
    if let Some(clause) = &item.generics.where_clause {
        errors.on(clause, "a contract has no conditions: every client may call it");
    }
    errors.count() == before
}

/// Whether all members are methods; if not, this is noted.
fn members(item: &ItemTrait, errors: &mut Errors) -> bool {
    let before = errors.count();
    let form = |what: &str| {
        format!("a contract has messages only: clients do not know the {what} of who serves it")
    };
    for member in &item.items {
        match member {
            TraitItem::Const(member) => errors.on(&member.ident, form("constants")),
            TraitItem::Type(member) => errors.on(&member.ident, form("types")),
            TraitItem::Macro(member) => {
                errors.on(&member.mac.path, "the macro cannot see what this becomes: write it out");
            }
            _ => {}
        }
    }
    errors.count() == before
}

/// Reads the messages, and gives the methods the form that makes them callable.
fn messages(item: &mut ItemTrait, block: &BlockOptions, errors: &mut Errors) -> Vec<Message> {
    let (prefix, visibility) = (unraw(&item.ident), item.vis.clone());
    let mut messages: Vec<Message> = Vec::new();
    for member in &mut item.items {
        let Some(attributes) = attributes_of(member) else { continue };
        let marks = Marks::take(attributes, block.path.as_ref(), errors);
        for mark in [&marks.activate, &marks.deactivate].into_iter().flatten() {
            errors.on(mark, "a hook is the server's: put it into the block that serves this");
        }
        let TraitItem::Fn(method) = member else {
            if let Some(mark) = &marks.message {
                errors.on(mark, "this attribute belongs on a method");
            }
            continue;
        };
        if let Some(body) = method.default.take() {
            errors.on(body, "a contract has no bodies: write it where the contract is served");
            method.semi_token = Some(Token![;](method.sig.span()));
        }
        // The compiler complains about a second method of the same name itself.
        let (name, cfgs) = (&method.sig.ident, cfgs(&method.attrs));
        let known = messages.iter().any(|known| known.method == *name && known.goes_with(&cfgs));
        if !known {
            let message = Method {
                attributes: &method.attrs,
                visibility: &visibility,
                signature: &method.sig,
                options: options(method, &marks, errors),
            };
            let mut message = message.read(&prefix, &Scope::Trait, errors);
            shared_stream(&mut message, errors);
            messages.push(message);
        }
        stream::callable(&mut method.sig.output);
        make_callable(method);
    }
    messages
}

/// Asks that a stream takes `&self`: whoever serves it may be durable.
fn shared_stream(message: &mut Message, errors: &mut Errors) {
    if message.options.stream.is_some() && message.access == Access::Exclusive {
        let form = "who serves this may be durable, and then its streams take `&self`";
        errors.at(message.method.span(), form);
        (message.access, message.is_sound) = (Access::Shared, false);
    }
}

fn options(method: &TraitItemFn, marks: &Marks, errors: &mut Errors) -> MessageOptions {
    match &marks.message {
        Some(mark) => marks::message_options(mark, errors),
        None => {
            let form = "every method of a contract is a message: add `#[message]`";
            errors.on(&method.sig.ident, form);
            MessageOptions::default()
        }
    }
}

/// `async fn f() -> T;` cannot be called through `dyn` and says nothing of `Send`. As `fn f() ->
/// impl Future<Output = T> + Send where Self: Sized;` it needs no table entry in `dyn`, and is
/// still implemented by an `async fn`.
fn make_callable(method: &mut TraitItemFn) {
    let signature = &mut method.sig;
    if let Some(token) = signature.asyncness.take() {
        let output: Type = match &signature.output {
            ReturnType::Type(_, ty) => (**ty).clone(),
            ReturnType::Default => parse_quote!(()),
        };
        signature.output = syn::parse_quote_spanned! {located(token.span)=>
            -> impl ::core::future::Future<Output = #output> + ::core::marker::Send
        };
    }
    let clause = signature.generics.make_where_clause();
    let sized = quote_spanned!(located(signature.ident.span())=> Self: ::core::marker::Sized);
    clause.predicates.push(parse_quote!(#sized));
}

fn attributes_of(member: &mut TraitItem) -> Option<&mut Vec<Attribute>> {
    match member {
        TraitItem::Const(member) => Some(&mut member.attrs),
        TraitItem::Fn(member) => Some(&mut member.attrs),
        TraitItem::Type(member) => Some(&mut member.attrs),
        TraitItem::Macro(member) => Some(&mut member.attrs),
        _ => None,
    }
}
