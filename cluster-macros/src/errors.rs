//! Every mistake of an item, to be shown at once.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::Attribute;

/// Collects mistakes. A step that finds one notes it and goes on with what it has.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    known: Vec<syn::Error>,
    /// Those that only the compiler knows to be there, as code.
    possible: TokenStream,
}

impl Errors {
    /// Notes a mistake on all of these tokens.
    pub(crate) fn on(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.known.push(syn::Error::new_spanned(tokens, message));
    }

    /// Notes a mistake at one token.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.known.push(syn::Error::new(span, message));
    }

    /// Notes what is a mistake where all of these `#[cfg]`s hold, which the compiler decides.
    pub(crate) fn where_compiled<'a>(
        &mut self,
        cfgs: impl IntoIterator<Item = &'a Attribute>,
        span: Span,
        message: impl Display,
    ) {
        let cfgs = cfgs.into_iter();
        let error = syn::Error::new(span, message).into_compile_error();
        self.possible.extend(quote!(#(#cfgs)* #error));
    }

    /// Notes what the parser says.
    pub(crate) fn syntax(&mut self, error: syn::Error) {
        self.known.push(error);
    }

    /// How many there surely are so far.
    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }

    /// The code that makes the compiler show them.
    pub(crate) fn into_code(self) -> TokenStream {
        let known = self.known.iter().map(syn::Error::to_compile_error);
        known.chain([self.possible]).collect()
    }
}
