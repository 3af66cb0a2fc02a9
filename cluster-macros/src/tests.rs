//! What the macros make of the programs in `tests/expand`. After a change that is meant, look at
//! the difference that `UPDATE_SNAPSHOTS=1 cargo test -p cluster-macros` makes there.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Item, Meta};

use crate::{annotated, derived, durable};

#[test]
fn expansions_are_as_recorded() {
    let update = std::env::var_os("UPDATE_SNAPSHOTS").is_some();
    let programs = programs();
    assert!(programs.len() >= 4);
    for (program, recorded) in programs {
        let expansion = expand(&fs::read_to_string(&program).unwrap());
        if update {
            fs::write(&recorded, expansion).unwrap();
        } else {
            let expected = fs::read_to_string(&recorded).unwrap_or_default();
            assert!(expansion == expected, "{} is now:\n{expansion}", recorded.display());
        }
    }
}

/// The programs, each with the place of its expansion.
fn programs() -> Vec<(PathBuf, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/expand");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let programs = files.filter_map(|path| {
        let recorded = path.with_extension("expanded");
        path.extension().is_some_and(|end| end == "rs").then_some((path, recorded))
    });
    programs.collect()
}

fn expand(program: &str) -> String {
    let program = syn::parse_file(program).unwrap();
    let code: TokenStream = program.items.into_iter().map(expand_item).collect();
    prettyplease::unparse(&syn::parse2(code).unwrap())
}

/// Expands an item as the compiler does: derives see the item, attributes become what they make.
fn expand_item(mut item: Item) -> TokenStream {
    let attributes = match &mut item {
        Item::Impl(item) => &mut item.attrs,
        Item::Trait(item) => &mut item.attrs,
        _ => return derived(quote!(#item)),
    };
    let named =
        |name: &str| attributes.iter().position(|attribute| attribute.path().is_ident(name));
    let (entity, workflow) = (named("entity"), named("workflow"));
    let attribute = attributes.remove(entity.or(workflow).unwrap());
    match entity {
        Some(_) => annotated(arguments(attribute), quote!(#item)),
        None => durable(arguments(attribute), quote!(#item)),
    }
}

fn arguments(attribute: Attribute) -> TokenStream {
    match attribute.meta {
        Meta::List(list) => list.tokens,
        _ => TokenStream::new(),
    }
}
