//! One message.

use proc_macro2::{Ident, Span};
use syn::{Attribute, Type, Visibility};
use xxhash_rust::xxh3::xxh3_64;

use super::Returns;
use crate::attribute::MessageOptions;
use crate::hygiene::unraw;

/// A method with `#[message]`.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) options: MessageOptions,
    /// The user's documentation, and whether the method is deprecated.
    pub(crate) docs: Vec<Attribute>,
    /// Its `#[cfg]`s: everything that is generated for it has them too.
    pub(crate) cfgs: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) method: Ident,
    /// The struct of its arguments.
    pub(crate) message: Ident,
    /// The stored name.
    pub(crate) name: Name,
    pub(crate) access: Access,
    pub(crate) is_async: bool,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Returns,
    /// Whether the handler can be called. One that cannot has been complained about; its client
    /// method exists nevertheless, so that calls of it are not one more mistake.
    pub(crate) is_sound: bool,
}

/// A stored name and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl Name {
    pub(crate) fn of(ident: &Ident) -> Self {
        Name { text: unraw(ident), span: ident.span() }
    }
}

/// How the handler borrows the entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// `&self`
    Shared,
    /// `&mut self`
    Exclusive,
}

/// What the handler takes after `self`.
#[derive(Debug)]
pub(crate) enum Parameter {
    /// `&Context`
    Context,
    Argument(Box<Argument>),
    /// An argument that no message can carry, which has been complained about.
    Unusable,
}

/// A field of the message.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

impl Argument {
    /// The name of the field in JSON and in the stored shape.
    pub(crate) fn field(&self) -> String {
        unraw(&self.name)
    }
}

impl Message {
    /// What becomes fields: nothing where the handler cannot be called.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Argument> {
        let sound = self.parameters.iter().filter(|_| self.is_sound);
        sound.filter_map(|parameter| match parameter {
            Parameter::Argument(argument) => Some(&**argument),
            Parameter::Context | Parameter::Unusable => None,
        })
    }

    /// Whether it is compiled wherever something with these `#[cfg]`s is, as far as can be told
    /// without knowing which of them hold.
    pub(crate) fn goes_with(&self, cfgs: &[Attribute]) -> bool {
        self.cfgs.is_empty() || self.cfgs == cfgs
    }

    pub(crate) fn takes_context(&self) -> bool {
        self.parameters.iter().any(|parameter| matches!(parameter, Parameter::Context))
    }

    /// The stored tag, as the runtime computes it.
    pub(crate) fn tag(&self) -> u64 {
        match &self.options.tag {
            Some((tag, _)) => *tag,
            None => xxh3_64(self.name.text.as_bytes()),
        }
    }
}
