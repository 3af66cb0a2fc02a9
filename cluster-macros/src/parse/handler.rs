//! The signature of a handler or hook.

use proc_macro2::Ident;
use syn::{FnArg, GenericParam, Pat, PatType, Receiver, ReceiverKind, Safety, Signature, Type};

use super::types::{Role, Scope, bare, carried, last_segment};
use crate::errors::Errors;
use crate::model::{Access, Argument, Parameter};

/// How a method can be called.
pub(super) struct Handler {
    pub(super) access: Access,
    pub(super) is_async: bool,
    pub(super) parameters: Vec<Parameter>,
}

/// The type that a handler is lent by its name, besides its entity.
const CONTEXT: &str = "Context";

/// Reads a signature. What cannot be called is noted.
pub(super) fn read(signature: &Signature, scope: &Scope, errors: &mut Errors) -> Handler {
    read_with(CONTEXT, signature, scope, errors)
}

/// The same, where the context is of another type.
pub(super) fn read_with(
    lent: &'static str,
    signature: &Signature,
    scope: &Scope,
    errors: &mut Errors,
) -> Handler {
    qualifiers(signature, errors);
    generics(signature, errors);
    let mut handler = Handler {
        access: Access::Shared,
        is_async: signature.asyncness.is_some(),
        parameters: Vec::new(),
    };
    if signature.receiver().is_none() {
        errors.on(&signature.ident, "a handler takes `&self` or `&mut self`");
    }
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(taken) => handler.access = access(taken, errors),
            FnArg::Typed(typed) => handler.parameter(lent, typed, scope, errors),
        }
    }
    handler
}

/// Reads the signature of a life-cycle hook, which takes nothing but the context.
pub(super) fn read_hook(signature: &Signature, scope: &Scope, errors: &mut Errors) -> Handler {
    let before = errors.count();
    let handler = read(signature, scope, errors);
    let others = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) if matches!(context(&typed.ty, CONTEXT), ContextForm::None) => {
            Some(typed)
        }
        _ => None,
    });
    if errors.count() == before {
        others.for_each(|other| errors.on(other, "a hook takes nothing but `&Context`"));
    }
    handler
}

fn qualifiers(signature: &Signature, errors: &mut Errors) {
    let form = "a handler is a plain `fn` or an `async fn`";
    if let Some(token) = &signature.constness {
        errors.on(token, form);
    }
    if let Safety::Unsafe(token) = &signature.safety {
        errors.on(token, form);
    }
    if let Some(abi) = &signature.abi {
        errors.on(abi, form);
    }
    if let Some(dots) = &signature.variadic {
        errors.on(dots, form);
    }
}

fn generics(signature: &Signature, errors: &mut Errors) {
    let generics = &signature.generics;
    let is_lifetime = |param| matches!(param, &GenericParam::Lifetime(_));
    if !generics.params.iter().all(is_lifetime) {
        let form = "a handler cannot be generic, a message has one shape: take a concrete type, \
                    or an enum of the possible ones";
        errors.on(&generics.params, form);
    } else if !generics.params.is_empty() {
        errors.on(&generics.params, "a handler has no lifetimes: it owns what it is given");
    } else if let Some(clause) = &generics.where_clause {
        errors.on(clause, "a handler has no conditions: every client may call it");
    }
}

fn access(receiver: &Receiver, errors: &mut Errors) -> Access {
    match &receiver.kind {
        ReceiverKind::Reference(_, None, None) => return Access::Shared,
        ReceiverKind::Reference(_, None, Some(_)) => return Access::Exclusive,
        ReceiverKind::Reference(_, Some(lifetime), _) => {
            errors.on(lifetime, "the borrow of a handler ends with it: write no lifetime");
        }
        _ => {
            let form = "the entity stays where it is: take `&self`, or `&mut self` to change it";
            errors.on(receiver, form);
        }
    }
    Access::Shared
}

impl Handler {
    fn parameter(
        &mut self,
        lent: &'static str,
        typed: &PatType,
        scope: &Scope,
        errors: &mut Errors,
    ) {
        let parameter = match context(&typed.ty, lent) {
            ContextForm::Right => {
                let taken = self.parameters.iter().any(|known| matches!(known, Parameter::Context));
                if taken {
                    errors.on(&typed.ty, "there is one context: take it once");
                }
                Parameter::Context
            }
            ContextForm::Wrong => {
                errors.on(&typed.ty, format!("the context is lent: take `&{lent}`"));
                Parameter::Context
            }
            ContextForm::None => {
                let ty = carried(&typed.ty, Role::Argument, scope, errors);
                match (name(&typed.pat, errors), ty) {
                    (Some(name), Some(ty)) => Parameter::Argument(Box::new(Argument { name, ty })),
                    _ => Parameter::Unusable,
                }
            }
        };
        self.parameters.push(parameter);
    }
}

fn name(pattern: &Pat, errors: &mut Errors) -> Option<Ident> {
    match pattern {
        Pat::Ident(named) if named.by_ref.is_none() && named.subpat.is_none() => {
            Some(named.ident.clone())
        }
        other => {
            errors.on(other, "an argument is a field of the message: give it a name");
            None
        }
    }
}

enum ContextForm {
    /// `&Context`
    Right,
    /// `&mut Context` or `Context`
    Wrong,
    /// Something else.
    None,
}

fn context(ty: &Type, name: &str) -> ContextForm {
    let is_context = |ty: &Type, alone: bool| {
        let Some(segment) = last_segment(ty) else { return false };
        let Type::Path(path) = bare(ty) else { return false };
        segment.ident == name
            && segment.arguments.is_none()
            && (!alone || path.path.segments.len() == 1)
    };
    match bare(ty) {
        Type::Reference(lent) if is_context(&lent.elem, false) => match lent.mutability {
            None => ContextForm::Right,
            Some(_) => ContextForm::Wrong,
        },
        // Somebody's own type of that name can be written with its path.
        ty if is_context(ty, true) => ContextForm::Wrong,
        _ => ContextForm::None,
    }
}
