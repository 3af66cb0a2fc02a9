//! What a handler returns, by its spelling: a macro sees no further.

use syn::{GenericArgument, PathArguments, PathSegment, ReturnType, Type};

use super::types::{Role, Scope, bare, carried, last_segment};
use crate::errors::Errors;
use crate::model::Returns;

/// Types by these names are no `Result`.
const PLAIN: [&str; 17] = [
    "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128",
    "isize", "String", "Vec", "Option",
];

/// The type by whose name a handler says that its reply comes later.
const LATER: &str = "Later";

/// Reads a return type; none if it cannot be sent, which is noted.
pub(super) fn read(output: &ReturnType, scope: &Scope, errors: &mut Errors) -> Option<Returns> {
    match output {
        ReturnType::Default => Some(Returns::Nothing),
        ReturnType::Type(_, ty) => classify(carried(ty, Role::Reply, scope, errors)?, errors),
    }
}

pub(super) fn classify(ty: Type, errors: &mut Errors) -> Option<Returns> {
    let Some(segment) = last_segment(&ty) else {
        return Some(Returns::Plain { ask: false, ty });
    };
    let (name, arguments) = (segment.ident.to_string(), types_of(segment));
    match arguments[..] {
        [answer] if name == LATER => {
            let answer = Box::new(classify(answer.clone(), errors)?);
            Some(Returns::Later { ty, answer })
        }
        _ if name == LATER => {
            errors.on(&ty, "a later reply is of one type: `Later<T>` or `Later<Result<T, E>>`");
            None
        }
        [ok, err] if name == "Result" => fallible(&ty, ok, err, errors),
        [] if name != "Result" => {
            let ask = !PLAIN.contains(&name.as_str());
            Some(Returns::Plain { ask, ty })
        }
        _ if name.ends_with("Result") => Some(Returns::Alias { ty }),
        _ => {
            let ask = !PLAIN.contains(&name.as_str());
            Some(Returns::Plain { ask, ty })
        }
    }
}

fn fallible(ty: &Type, ok: &Type, err: &Type, errors: &mut Errors) -> Option<Returns> {
    let (ty, ok) = (ty.clone(), ok.clone());
    let Some(error) = last_segment(err) else {
        return Some(Returns::Fallible { ty, ok, err: err.clone() });
    };
    if error.ident == "ClusterError" {
        let form = "trouble of the cluster is no outcome: return `Result<T, CallError<E>>`, or \
                    `Result<T, CallError>`, with which such an error lets the request run again";
        errors.on(err, form);
        return None;
    }
    match types_of(error)[..] {
        [] | [_] if error.ident == "CallError" => {
            let own = types_of(error).first().map(|own| (*own).clone());
            Some(Returns::Lifted { ty, ok, err: own })
        }
        _ => Some(Returns::Fallible { ty, ok, err: err.clone() }),
    }
}

/// The type arguments of a segment.
fn types_of(segment: &PathSegment) -> Vec<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return Vec::new() };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(bare(ty)),
        _ => None,
    });
    types.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(spelled: &str) -> &'static str {
        let mut errors = Errors::default();
        match classify(syn::parse_str(spelled).unwrap(), &mut errors) {
            Some(Returns::Nothing) => "nothing",
            Some(Returns::Plain { ask: false, .. }) => "plain",
            Some(Returns::Plain { ask: true, .. }) => "plain?",
            Some(Returns::Fallible { .. }) => "fallible",
            Some(Returns::Lifted { .. }) => "lifted",
            Some(Returns::Alias { .. }) => "alias",
            Some(Returns::Later { .. }) => "later",
            None => "refused",
        }
    }

    #[test]
    fn the_spelling_tells_what_a_handler_returns() {
        for plain in ["()", "i64", "(u8, Result<u8, u8>)", "Vec<Result<u8, u8>>", "[u8; 4]"] {
            assert_eq!(kind(plain), "plain", "{plain}");
        }
        for unclear in ["Balance", "SearchResult", "R<i64>", "std::time::Duration"] {
            assert_eq!(kind(unclear), "plain?", "{unclear}");
        }
        for fallible in ["Result<i64, Error>", "std::result::Result<(), bank::Error>"] {
            assert_eq!(kind(fallible), "fallible", "{fallible}");
        }
        let with_own = ["Result<i64, CallError<Error>>", "Result<(), cluster::CallError<E>>"];
        for lifted in with_own.into_iter().chain(["Result<i64, CallError>"]) {
            assert_eq!(kind(lifted), "lifted", "{lifted}");
        }
        for alias in ["Result<i64>", "fmt::Result", "PingResult<u32>", "io::Result<()>"] {
            assert_eq!(kind(alias), "alias", "{alias}");
        }
        for later in ["Later<()>", "cluster::Later<Result<i64, Error>>"] {
            assert_eq!(kind(later), "later", "{later}");
        }
        for refused in ["Result<i64, ClusterError>", "Later", "Later<i64, Error>"] {
            assert_eq!(kind(refused), "refused", "{refused}");
        }
    }
}
