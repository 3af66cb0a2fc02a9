//! One message, from its method.

use syn::{Attribute, Signature, Visibility};

use super::types::Scope;
use super::{handler, returns, stream};
use crate::attribute::MessageOptions;
use crate::errors::Errors;
use crate::hygiene::{camel, public, unraw};
use crate::model::{Access, Message, Name, Returns};

/// A method with its options.
pub(super) struct Method<'a> {
    pub(super) attributes: &'a [Attribute],
    pub(super) visibility: &'a Visibility,
    pub(super) signature: &'a Signature,
    pub(super) options: MessageOptions,
}

impl Method<'_> {
    /// Reads the message of a contract whose messages begin with `prefix`.
    pub(super) fn read(self, prefix: &str, scope: &Scope, errors: &mut Errors) -> Message {
        let signature = self.signature;
        let before = errors.count();
        let mut handler = handler::read(signature, scope, errors);
        let is_stored_stream = self.options.stream.is_some() && self.options.persisted.is_some();
        if is_stored_stream && handler.access == Access::Exclusive {
            let form = "a persisted stream goes on beside other handlers: take `&self`";
            errors.on(&signature.ident, form);
            handler.access = Access::Shared;
        }
        let returns = match self.options.stream {
            Some(_) => stream::read(signature, scope, errors),
            None => returns::read(&signature.output, scope, errors),
        };
        let method = &signature.ident;
        let message = format!("{prefix}{}", camel(&unraw(method)));
        let name = match &self.options.name {
            Some(name) => Name { text: name.value(), span: name.span() },
            None => Name::of(method),
        };
        Message {
            docs: named(self.attributes, &["doc", "deprecated"]),
            cfgs: cfgs(self.attributes),
            visibility: self.visibility.clone(),
            message: public(&message, method.span()),
            method: method.clone(),
            name,
            access: handler.access,
            is_async: handler.is_async,
            parameters: handler.parameters,
            returns: returns.unwrap_or(Returns::Nothing),
            is_sound: errors.count() == before,
            options: self.options,
        }
    }
}

/// The conditions of a method.
pub(super) fn cfgs(attributes: &[Attribute]) -> Vec<Attribute> {
    named(attributes, &["cfg"])
}

fn named(attributes: &[Attribute], names: &[&str]) -> Vec<Attribute> {
    let own = |attribute: &&Attribute| names.iter().any(|name| attribute.path().is_ident(name));
    attributes.iter().filter(own).cloned().collect()
}
