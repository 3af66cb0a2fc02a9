//! What a stream's handler returns: `impl Stream<Item = T> + use<>`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    AssocType, CapturedParam, GenericArgument, PathArguments, ReturnType, Signature, TraitBound,
    Type, TypeImplTrait, TypeParamBound, parse_quote,
};

use super::returns::classify;
use super::types::{Role, Scope, bare, carried};
use crate::errors::Errors;
use crate::model::Returns;

const FORM: &str = "the handler of a stream returns `impl Stream<Item = T> + use<>`";

/// Reads what one chunk is; none if the handler returns no stream or its chunks cannot be sent,
/// which is noted.
pub(super) fn read(signature: &Signature, scope: &Scope, errors: &mut Errors) -> Option<Returns> {
    let ReturnType::Type(_, ty) = &signature.output else {
        errors.on(&signature.ident, FORM);
        return None;
    };
    let Type::ImplTrait(hidden) = bare(ty) else {
        errors.on(ty, FORM);
        return None;
    };
    let Some(item) = item(hidden) else {
        errors.on(hidden, "nothing is said of the chunks: write `impl Stream<Item = T> + use<>`");
        return None;
    };
    owns(hidden, scope, errors);
    match classify(carried(item, Role::Reply, scope, errors)?, errors)? {
        Returns::Later { ty, .. } => {
            errors.on(&ty, "a chunk is there when the stream gives it: name what it is");
            None
        }
        chunk => Some(chunk),
    }
}

/// Whether a type is a stream by its spelling.
pub(super) fn is_stream(hidden: &TypeImplTrait) -> bool {
    stream(hidden).is_some()
}

fn stream(hidden: &TypeImplTrait) -> Option<&TraitBound> {
    hidden.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let segment = bound.path.segments.last()?;
            (segment.ident == "Stream").then_some(bound)
        }
        _ => None,
    })
}

/// `T` of `impl Stream<Item = T>`.
fn item(hidden: &TypeImplTrait) -> Option<&Type> {
    let segment = stream(hidden)?.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(AssocType { ident, ty, .. }) if ident == "Item" => Some(ty),
        _ => None,
    })
}

/// Asks that the stream borrows nothing. In a trait nobody needs to say so: see [`callable`].
fn owns(hidden: &TypeImplTrait, scope: &Scope, errors: &mut Errors) {
    let captures = hidden.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::PreciseCapture(captures) => Some(captures),
        _ => None,
    });
    let form = "a stream goes on when its handler has returned, so it borrows nothing of the \
                entity";
    match (captures, scope) {
        (None, Scope::Entity(_)) => {
            errors.on(hidden, format!("{form}: write `+ use<>`, and clone what it needs"));
        }
        (None, Scope::Trait) => {}
        (Some(captures), _) => {
            let lifetime = captures.params.iter().find_map(|parameter| match parameter {
                CapturedParam::Lifetime(lifetime) => Some(lifetime),
                _ => None,
            });
            if let Some(lifetime) = lifetime {
                errors.on(lifetime, format!("{form}: write `use<>`, and clone what it needs"));
            }
        }
    }
}

/// The return type as a trait declares it: every implementation owns what it streams, and can be
/// sent.
pub(super) fn callable(output: &mut ReturnType) {
    let ReturnType::Type(_, ty) = output else { return };
    let Type::ImplTrait(hidden) = &mut **ty else { return };
    let is_capture = |bound: &TypeParamBound| matches!(bound, TypeParamBound::PreciseCapture(_));
    let bounds = std::mem::take(&mut hidden.bounds);
    hidden.bounds = bounds.into_iter().filter(|bound| !is_capture(bound)).collect();
    let added: [TokenStream; 3] =
        [quote!(::core::marker::Send), quote!('static), quote!(use<Self>)];
    for bound in added {
        hidden.bounds.push(parse_quote!(#bound));
    }
}
