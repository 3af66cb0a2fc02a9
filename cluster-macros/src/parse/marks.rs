//! The attributes of methods that belong to us.

use proc_macro2::{Ident, TokenStream};
use syn::{Attribute, Meta, Path};

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
    /// Takes them; `krate` is what the block's `crate = ".."` says.
    pub(super) fn take(
        attributes: &mut Vec<Attribute>,
        krate: Option<&Path>,
        errors: &mut Errors,
    ) -> Self {
        let mut marks = Marks::default();
        for attribute in std::mem::take(attributes) {
            let slot = match name(attribute.path(), krate).as_deref() {
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

/// `message` of `#[message]`, of `#[cluster::message]`, and of `#[renamed::message]` where
/// `crate = "renamed"`. Of a longer path its end will do: that is what is imported.
pub(super) fn name(path: &Path, krate: Option<&Path>) -> Option<String> {
    let mut modules = names(path);
    let name = modules.pop()?;
    let krate = krate.map(names).unwrap_or_default();
    let is_own = modules.first().is_none_or(|first| *first == "cluster")
        || (0..krate.len()).any(|from| modules.starts_with(&krate[from..]));
    is_own.then(|| name.to_string())
}

fn names(path: &Path) -> Vec<&Ident> {
    path.segments.iter().map(|segment| &segment.ident).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_attributes_are_known_by_their_path() {
        let read = |path: &str, krate: Option<&str>| {
            let krate = krate.map(|krate| syn::parse_str(krate).unwrap());
            name(&syn::parse_str(path).unwrap(), krate.as_ref())
        };
        let message = Some("message".to_owned());
        assert_eq!(read("message", None), message);
        assert_eq!(read("::cluster::message", None), message);
        assert_eq!(read("cluster::prelude::message", None), message);
        assert_eq!(read("renamed::message", None), None);
        assert_eq!(read("renamed::message", Some("renamed")), message);
        assert_eq!(read("::renamed::prelude::message", Some("renamed")), message);
        assert_eq!(read("other::message", Some("renamed")), None);
        let krate = Some("crate::my_reexport::cluster_2");
        assert_eq!(read("crate::my_reexport::cluster_2::message", krate), message);
        assert_eq!(read("cluster_2::message", krate), message);
        assert_eq!(read("my_reexport::message", krate), None);
    }
}
