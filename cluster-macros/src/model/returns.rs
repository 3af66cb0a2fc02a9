//! What a handler returns, as far as its spelling tells.

use syn::Type;

/// The return type of a handler.
#[derive(Debug)]
pub(crate) enum Returns {
    /// A value. `ask` says whether it could be a `Result` under another name.
    Plain { ty: Type, ask: bool },
    /// `Result<T, E>`
    Fallible { ty: Type, ok: Type, err: Type },
    /// `Result<T, CallError<E>>`
    Lifted { ty: Type, ok: Type, err: Type },
    /// A type whose name says that it is a `Result`.
    Alias { ty: Type },
}
