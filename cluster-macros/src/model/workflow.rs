//! What `#[workflow]` stands on.

use proc_macro2::{Ident, TokenStream};
use syn::{Attribute, Block, ItemImpl, Signature, Type, Visibility};

use super::{Contract, Message, Name};

/// An annotated item.
#[derive(Debug)]
pub(crate) enum WorkflowBlock {
    /// `impl OrderWorkflow { .. }`, without its steps: they are written anew.
    Inherent { item: Box<ItemImpl>, steps: Vec<Step>, workflow: Option<Box<Workflow>> },
    /// Something that nothing can be made of: emitted as it came.
    Other(TokenStream),
}

/// A workflow whose body was found.
#[derive(Debug)]
pub(crate) struct Workflow {
    /// Its name and client; it has no messages.
    pub(crate) contract: Contract,
    pub(crate) version: u32,
    /// The body, as the message that its arguments make.
    pub(crate) run: Message,
}

/// A method with `#[step]`.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    pub(crate) block: Block,
    /// The stored name.
    pub(crate) name: Name,
    /// The names of its arguments; `None` if it cannot be called, which has been complained about.
    pub(crate) arguments: Option<Vec<Ident>>,
    /// What it gives: nothing, or this.
    pub(crate) result: Option<Type>,
}
