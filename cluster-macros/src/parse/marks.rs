//! The attributes of methods that belong to us.

use proc_macro2::TokenStream;
use syn::{Attribute, Meta};

use crate::attribute::MessageOptions;
use crate::errors::Errors;

/// Our attributes of one member, taken away from it.
#[derive(Default)]
pub(super) struct Marks {
    pub(super) message: Option<Attribute>,
    pub(super) activate: Option<Attribute>,
    pub(super) deactivate: Option<Attribute>,
}

impl Marks {
    pub(super) fn take(attributes: &mut Vec<Attribute>, errors: &mut Errors) -> Self {
        let mut marks = Marks::default();
        for attribute in std::mem::take(attributes) {
            let slot = match name(&attribute).as_deref() {
                Some("message") => &mut marks.message,
                Some("activate") => &mut marks.activate,
                Some("deactivate") => &mut marks.deactivate,
                _ => {
                    attributes.push(attribute);
                    continue;
                }
            };
            if slot.is_some() {
                errors.on(&attribute, "this method has the attribute already");
            } else {
                *slot = Some(attribute);
            }
        }
        marks
    }

    /// All that are there.
    pub(super) fn all(&self) -> impl Iterator<Item = &Attribute> {
        [&self.message, &self.activate, &self.deactivate].into_iter().flatten()
    }
}

/// `message` of `#[message]` and of `#[cluster::message]`.
fn name(attribute: &Attribute) -> Option<String> {
    let segments = &attribute.path().segments;
    let own = segments.len() == 1 || segments.first().is_some_and(|krate| krate.ident == "cluster");
    segments.last().filter(|_| own).map(|segment| segment.ident.to_string())
}

/// Reads `#[message(..)]`.
pub(super) fn message_options(attribute: &Attribute, errors: &mut Errors) -> MessageOptions {
    MessageOptions::parse(arguments(attribute, errors), errors)
}

/// What stands in the parentheses.
pub(super) fn arguments(attribute: &Attribute, errors: &mut Errors) -> TokenStream {
    match &attribute.meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        Meta::NameValue(pair) => {
            errors.on(&pair.value, "write the keys in parentheses, separated by commas");
            TokenStream::new()
        }
    }
}

/// An attribute that takes nothing.
pub(super) fn bare(attribute: &Attribute, errors: &mut Errors) {
    if !matches!(attribute.meta, Meta::Path(_)) {
        let name = attribute.path().segments.last().map(|segment| segment.ident.to_string());
        let name = name.unwrap_or_default();
        errors.on(&attribute.meta, format!("`#[{name}]` takes nothing"));
    }
}
