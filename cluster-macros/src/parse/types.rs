//! Types of arguments and replies: owned, concrete, and nameable outside of the block.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{ExprPath, Lifetime, Path, PathSegment, QSelf, Type, TypePath, parse_quote};

use super::stream::is_stream;
use crate::errors::Errors;

/// What `Self` is in a block.
pub(super) enum Scope {
    Entity(Box<Type>),
    Trait,
}

/// What a type is used for.
#[derive(Clone, Copy)]
pub(super) enum Role {
    Argument,
    Reply,
    /// An argument of a step.
    Given,
    /// What a step gives.
    Result,
}

/// The type as it stands outside of the block; none if a message cannot carry it, which is noted.
pub(super) fn carried(ty: &Type, role: Role, scope: &Scope, errors: &mut Errors) -> Option<Type> {
    let before = errors.count();
    let mut ty = ty.clone();
    Carried { role, scope, errors }.visit_type_mut(&mut ty);
    (errors.count() == before).then_some(ty)
}

/// The type without the groups that `macro_rules` and parentheses put around it.
pub(super) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        ty => ty,
    }
}

/// The last segment of a type that is a plain path.
pub(super) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match bare(ty) {
        Type::Path(TypePath { qself: None, path, .. }) => path.segments.last(),
        _ => None,
    }
}

struct Carried<'a> {
    role: Role,
    scope: &'a Scope,
    errors: &'a mut Errors,
}

impl VisitMut for Carried<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        match ty {
            Type::Reference(reference) => {
                let (owned, borrowed) = (owned(&reference.elem), spell(reference));
                let form = match self.role {
                    Role::Argument => "a message owns its arguments: take",
                    Role::Reply => "a reply is owned: return",
                    Role::Given => "a step owns what it is given: take",
                    Role::Result => "the result of a step is stored: return",
                };
                self.errors.on(reference, format!("{form} `{owned}` instead of `{borrowed}`"));
            }
            Type::ImplTrait(hidden) => {
                let form = match self.role {
                    Role::Reply if is_stream(hidden) => {
                        "this is a stream: say so with `#[message(stream)]`"
                    }
                    Role::Argument => "a message has one shape: name the type of this argument",
                    Role::Reply => "a reply has one shape: return a type that has a name",
                    Role::Given => "a step cannot be generic: name the type of this argument",
                    Role::Result => "the result of a step is stored: return a type that has a name",
                };
                self.errors.on(hidden, form);
            }
            // What borrows inside is not looked at: no such type can travel at all.
            Type::FnPtr(_) | Type::TraitObject(_) => {}
            Type::Path(path) if is_self(&path.qself, &path.path) => {
                if let Some(entity) = self.entity(&path.path) {
                    *ty = match path.path.segments.len() {
                        1 => entity.clone(),
                        _ => Type::Path(without_self(&path.path, entity)),
                    };
                }
            }
            _ => visit_mut::visit_type_mut(self, ty),
        }
    }

    /// In the length of an array.
    fn visit_expr_path_mut(&mut self, expr: &mut ExprPath) {
        if !is_self(&expr.qself, &expr.path) {
            visit_mut::visit_expr_path_mut(self, expr);
        } else if let Some(entity) = self.entity(&expr.path) {
            let TypePath { qself, path, .. } = without_self(&expr.path, entity);
            (expr.qself, expr.path) = (qself, path);
        }
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident != "static" {
            let form = "what a message carries is owned: use a type that borrows nothing";
            self.errors.on(lifetime, form);
        }
    }
}

impl Carried<'_> {
    /// What `Self` is; none if nobody knows, which is noted.
    fn entity(&mut self, path: &Path) -> Option<&Type> {
        match self.scope {
            Scope::Entity(entity) => Some(entity),
            Scope::Trait => {
                let form = "clients of a contract do not know who serves it: name a type";
                self.errors.on(&path.segments[0], form);
                None
            }
        }
    }
}

fn is_self(qself: &Option<QSelf>, path: &Path) -> bool {
    qself.is_none() && path.segments[0].ident == "Self"
}

/// `Self::Item`, spelled out.
fn without_self(path: &Path, entity: &Type) -> TypePath {
    let rest = path.segments.iter().skip(1);
    parse_quote!(<#entity>::#(#rest)::*)
}

/// What to take instead of a reference to this.
fn owned(referenced: &Type) -> String {
    match bare(referenced) {
        Type::Slice(slice) => format!("Vec<{}>", spell(&slice.elem)),
        ty if last_segment(ty).is_some_and(|segment| segment.ident == "str") => "String".to_owned(),
        ty => spell(ty),
    }
}

/// Tokens as somebody would write them.
fn spell(tokens: &impl ToTokens) -> String {
    let mut text = String::new();
    spell_into(&mut text, tokens.to_token_stream());
    text
}

fn spell_into(text: &mut String, tokens: TokenStream) {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                spell_into(text, group.stream());
                text.push_str(close);
            }
            TokenTree::Punct(punct) => {
                text.push(punct.as_char());
                if matches!(punct.as_char(), ',' | ';') {
                    text.push(' ');
                }
            }
            word => {
                if text.ends_with(is_word) {
                    text.push(' ');
                }
                text.push_str(&word.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ty: &str) -> Result<String, String> {
        let scope = Scope::Entity(Box::new(parse_quote!(bank::Account)));
        let ty: Type = syn::parse_str(ty).unwrap();
        let mut errors = Errors::default();
        let carried = carried(&ty, Role::Argument, &scope, &mut errors);
        carried.map(|ty| spell(&ty)).ok_or_else(|| errors.into_code().to_string())
    }

    #[test]
    fn self_is_spelled_out() {
        assert_eq!(read("Vec<Self>").unwrap(), "Vec<bank::Account>");
        assert_eq!(read("Self::Id").unwrap(), "<bank::Account>::Id");
        assert_eq!(read("[u8; Self::SIZE]").unwrap(), "[u8; <bank::Account>::SIZE]");
        assert_eq!(read("HashMap<String, [u8; 4]>").unwrap(), "HashMap<String, [u8; 4]>");
    }

    #[test]
    fn borrowed_types_name_the_owned_one() {
        for (borrowed, form) in [
            ("&str", "take `String` instead of `&str`"),
            ("&'static str", "take `String` instead of `&'static str`"),
            ("&[u8]", "take `Vec<u8>` instead of `&[u8]`"),
            ("Option<&Order>", "take `Order` instead of `&Order`"),
            ("&mut Vec<u8>", "take `Vec<u8>` instead of `&mut Vec<u8>`"),
            ("Cow<'a, str>", "borrows nothing"),
        ] {
            let error = read(borrowed).unwrap_err();
            assert!(error.contains(form), "{borrowed}: {error}");
        }
        assert!(read("Cow<'static, str>").is_ok());
        assert!(read("Box<dyn Fn(&str)>").is_ok());
    }
}
