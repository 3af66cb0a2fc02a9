//! Paths and identifiers of generated code, and what they can collide with. All of hygiene is here.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::Path;

/// Where generated code finds the framework: `::cluster::__private`, or what `crate = ".."` says.
#[derive(Debug, Clone)]
pub(crate) struct Root(TokenStream);

impl Root {
    pub(crate) fn new(path: Option<&Path>) -> Self {
        Root(match path {
            Some(path) => quote!(#path::__private),
            None => quote!(::cluster::__private),
        })
    }

    /// The same, in code that errors show somewhere in the user's.
    pub(crate) fn at(&self, span: Span) -> Root {
        let tokens = self.0.clone().into_iter().map(|mut token| {
            token.set_span(token.span().located_at(span));
            token
        });
        Root(tokens.collect())
    }
}

impl ToTokens for Root {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

/// A name that users can write, which leads them to `at` when they ask where it comes from. Lints
/// know that it is generated.
pub(crate) fn public(name: &str, at: Span) -> Ident {
    Ident::new(name, located(at))
}

/// A user's name in generated code: leads to the same place, but lints know that it is generated.
pub(crate) fn twin(ident: &Ident) -> Ident {
    let mut twin = ident.clone();
    twin.set_span(located(ident.span()));
    twin
}

/// A name inside generated functions, which no argument of a handler can collide with.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// Generated code that errors show at a place in the user's code.
pub(crate) fn located(at: Span) -> Span {
    Span::call_site().located_at(at)
}

/// A generic parameter beside types of the user, none of which has this name.
pub(crate) fn parameter(name: &str) -> Ident {
    Ident::new(&format!("__{name}"), Span::call_site())
}

/// The name without `r#`.
pub(crate) fn unraw(ident: &Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// `with_draw` as `WithDraw`.
pub(crate) fn camel(snake: &str) -> String {
    let mut camel = String::with_capacity(snake.len());
    for word in snake.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        camel.push_str(letters.as_str());
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_messages_are_made_from_names_of_methods() {
        assert_eq!(camel("withdraw"), "Withdraw");
        assert_eq!(camel("open_account_2"), "OpenAccount2");
        assert_eq!(camel("_private__name_"), "PrivateName");
        assert_eq!(unraw(&Ident::new_raw("type", Span::call_site())), "type");
        assert_eq!(unraw(&Ident::new("kind", Span::call_site())), "kind");
    }

    #[test]
    fn the_framework_is_found_under_another_name() {
        assert_eq!(Root::new(None).to_token_stream().to_string(), ":: cluster :: __private");
        let path = syn::parse_str("my_reexport::cluster").unwrap();
        let root = Root::new(Some(&path));
        assert_eq!(root.to_token_stream().to_string(), "my_reexport :: cluster :: __private");
    }
}
