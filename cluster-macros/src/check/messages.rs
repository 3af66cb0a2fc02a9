//! What the messages of one contract say of each other.

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
        } else if let Some(other) = kept.iter().find(|other| collide(other, &message)) {
            let other = &other.method;
            let form = format!("`{name}` is the message of `{other}` already: {form}");
            errors.at(message.method.span(), form);
        } else {
            kept.push(message);
        }
    }
    contract.messages = kept;
}

fn collide(one: &Message, other: &Message) -> bool {
    one.message == other.message && may_meet(one, other)
}

/// Two messages with conditions of their own may never be compiled together.
fn may_meet(one: &Message, other: &Message) -> bool {
    one.cfgs.is_empty() || other.cfgs.is_empty()
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
    let mut before = before.iter().filter(|other| may_meet(other, message));
    let name = &message.name;
    if let Some(other) = before.clone().find(|other| other.name.text == name.text) {
        let form = format!("`{}` has the stored name \"{}\" already", other.method, name.text);
        errors.at(name.span, form);
    } else if let Some(other) = before.find(|other| other.tag() == message.tag()) {
        let span = message.options.tag.as_ref().map_or(name.span, |(_, span)| *span);
        let form = format!("`{}` has the tag {:#x} already", other.method, message.tag());
        errors.at(span, form);
    }
}
