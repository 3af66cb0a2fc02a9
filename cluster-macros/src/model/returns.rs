//! What a handler returns, as far as its spelling tells.

use proc_macro2::Span;
use syn::Type;
use syn::spanned::Spanned;

/// The return type of a handler.
#[derive(Debug)]
pub(crate) enum Returns {
    /// Nothing was written.
    Nothing,
    /// A value. `ask` says whether it could be a `Result` under another name.
    Plain { ty: Type, ask: bool },
    /// `Result<T, E>`
    Fallible { ty: Type, ok: Type, err: Type },
    /// `Result<T, CallError<E>>`; `Result<T, CallError>` has no error of its own.
    Lifted { ty: Type, ok: Type, err: Option<Type> },
    /// A type whose name says that it is a `Result`.
    Alias { ty: Type },
    /// `Later<..>` of one of the others: the reply comes later.
    Later { ty: Type, answer: Box<Returns> },
}

impl Returns {
    /// Where the type was written; `otherwise` if it was not.
    pub(crate) fn span(&self, otherwise: Span) -> Span {
        match self {
            Returns::Nothing => otherwise,
            Returns::Plain { ty, .. }
            | Returns::Fallible { ty, .. }
            | Returns::Lifted { ty, .. }
            | Returns::Alias { ty }
            | Returns::Later { ty, .. } => ty.span(),
        }
    }
}
