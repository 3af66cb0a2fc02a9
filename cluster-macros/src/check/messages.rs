//! What the messages of one contract say of each other.

use proc_macro2::Span;

use crate::errors::Errors;
use crate::hygiene::unraw;
use crate::model::{Contract, Message, Owner};

/// What the client has already.
const CLIENT_METHODS: [&str; 3] = ["new", "handle", "clone"];

pub(super) fn check(contract: &mut Contract, errors: &mut Errors) {
    empty(contract, errors);
    collisions(contract, errors);
    for message in &contract.messages {
        client_method(message, errors);
    }
    for (at, message) in contract.messages.iter().enumerate() {
        identity(message, &contract.messages[..at], errors);
    }
}

fn empty(contract: &Contract, errors: &mut Errors) {
    // A block of which something is wrong may have lost its messages by that.
    if contract.messages.is_empty() && errors.count() == 0 {
        match &contract.owner {
            Owner::Entity(entity) => {
                errors.on(entity, "no message: mark methods with `#[message]`")
            }
            Owner::Trait(name) => errors.on(name, "a contract without messages"),
        }
    }
}

/// Takes out messages whose struct would have the name of another or of the client.
fn collisions(contract: &mut Contract, errors: &mut Errors) {
    let mut kept: Vec<Message> = Vec::new();
    for message in std::mem::take(&mut contract.messages) {
        let name = &message.message;
        let form = "name the method otherwise, and keep the stored name with `name = \"..\"`";
        if *name == contract.client {
            errors.at(message.method.span(), format!("`{name}` is the client: {form}"));
            continue;
        }
        let alike = kept.iter().filter(|other| other.message == *name);
        let met = clash(&message, alike, errors, |other| {
            let form = format!("`{name}` is the message of `{}` already: {form}", other.method);
            (message.method.span(), form)
        });
        if !met {
            kept.push(message);
        }
    }
    contract.messages = kept;
}

/// Notes what a message must not have in common with others: at once if it surely meets one of
/// them, which it then answers; else wherever both are compiled.
fn clash<'a>(
    message: &Message,
    others: impl Iterator<Item = &'a Message>,
    errors: &mut Errors,
    form: impl Fn(&Message) -> (Span, String),
) -> bool {
    let (met, apart): (Vec<_>, Vec<_>) = others.partition(|other| surely_meet(message, other));
    if let Some(other) = met.first() {
        let (span, form) = form(other);
        errors.at(span, form);
        return true;
    }
    for other in apart {
        let (span, form) = form(other);
        errors.where_compiled(other.cfgs.iter().chain(&message.cfgs), span, form);
    }
    false
}

/// Whether one of them is never compiled without the other. Two with different conditions may be,
/// or may exclude each other: that knows the compiler alone.
fn surely_meet(one: &Message, other: &Message) -> bool {
    one.goes_with(&other.cfgs) || other.goes_with(&one.cfgs)
}

fn client_method(message: &Message, errors: &mut Errors) {
    let method = unraw(&message.method);
    if CLIENT_METHODS.contains(&method.as_str()) {
        let form = format!(
            "every client has a method `{method}`: name this one otherwise, and keep the stored \
             name with `name = \"{method}\"`"
        );
        errors.at(message.method.span(), form);
    }
}

/// Stored names and tags tell requests apart.
fn identity(message: &Message, before: &[Message], errors: &mut Errors) {
    let name = &message.name;
    // Two of one struct have been told of that.
    let before = || before.iter().filter(|other| other.message != message.message);
    let alike = before().filter(|other| other.name.text == name.text);
    let met = clash(message, alike, errors, |other| {
        let form = format!("`{}` has the stored name \"{}\" already", other.method, name.text);
        (name.span, form)
    });
    if met {
        return;
    }
    let alike = before().filter(|other| other.tag() == message.tag());
    let alike = alike.filter(|other| other.name.text != name.text);
    clash(message, alike, errors, |other| {
        let span = message.options.tag.as_ref().map_or(name.span, |(_, span)| *span);
        (span, format!("`{}` has the tag {:#x} already", other.method, message.tag()))
    });
}
