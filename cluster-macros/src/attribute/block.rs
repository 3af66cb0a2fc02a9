//! `#[entity(..)]` on an impl block or a trait.

use proc_macro2::{Span, TokenStream};
use syn::{LitStr, Path};

use super::entry::{Key, entries};
use crate::errors::Errors;

const KEYS: &[Key] =
    &[Key::with("name", "\"account\""), Key::with("crate", "\"my_reexport::cluster\"")];

/// What an annotated block declares for itself.
#[derive(Debug, Default)]
pub(crate) struct BlockOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) path: Option<Path>,
}

impl BlockOptions {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = BlockOptions::default();
        for entry in entries(tokens, KEYS, errors) {
            match entry.key {
                "name" => options.name = entry.name(errors),
                "crate" => options.path = entry.quoted_path(errors),
                _ => unreachable!("only keys of the list are given"),
            }
        }
        options
    }

    /// Where a name was given that belongs elsewhere.
    pub(crate) fn name_span(&self) -> Option<Span> {
        self.name.as_ref().map(LitStr::span)
    }
}
