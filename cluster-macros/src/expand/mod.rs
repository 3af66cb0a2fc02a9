//! From the model to code. The code is thin: it names what only the macro knows and calls generic
//! functions for the rest. Paths and spans come from [`crate::hygiene`].

use proc_macro2::{Span, TokenStream};
use quote::quote;

use crate::errors::Errors;
use crate::model::{Block, Contract, Entity, WorkflowBlock};

mod arguments;
mod client;
mod contract;
mod entity;
mod message;
mod run;
mod serves;
mod workflow;

/// Writes what `#[derive(Entity)]` adds to the type.
pub(crate) fn entity(entity: Option<&Entity>, errors: Errors) -> TokenStream {
    let code = entity.map(entity::entity_impl);
    let errors = errors.into_code();
    quote!(#code #errors)
}

/// Writes what an annotated block becomes.
pub(crate) fn block(block: &Block, errors: Errors) -> TokenStream {
    let code = match block {
        Block::Inherent { item, contract, serving } => {
            let (declared, served) = (declared(contract), serves::serves(serving));
            quote!(#item #declared #served)
        }
        Block::Trait { item, contract } => {
            let declared = declared(contract);
            quote!(#item #declared)
        }
        Block::TraitImpl { item, hooks, serving } => {
            let served = serves::serves(serving);
            quote!(#item #hooks #served)
        }
        Block::Type { item, entity } => {
            let entity = entity.as_ref().map(entity::entity_impl);
            quote!(#item #entity)
        }
        Block::Other(item) => item.clone(),
    };
    let errors = errors.into_code();
    quote!(#code #errors)
}

/// Writes what a workflow's block becomes.
pub(crate) fn workflow(block: &WorkflowBlock, errors: Errors) -> TokenStream {
    let code = match block {
        WorkflowBlock::Inherent { item, steps, workflow } => {
            workflow::workflow(item, steps, workflow.as_deref())
        }
        WorkflowBlock::Other(item) => item.clone(),
    };
    let errors = errors.into_code();
    quote!(#code #errors)
}

/// Everything that a contract needs but who serves it.
fn declared(contract: &Contract) -> TokenStream {
    let client = client::client(contract);
    let messages = contract.messages.iter().enumerate().map(|(place, message)| {
        let message = message::Expander { contract, message, place };
        message.expand()
    });
    let contract = contract::contract(contract);
    quote!(#client #(#messages)* #contract)
}

/// Complains about an attribute of methods that stands anywhere else.
pub(crate) fn stray(attribute: &str, block: &str, item: TokenStream) -> TokenStream {
    let form = format!(
        "`#[{attribute}]` is for methods of a block with `#[{block}]`: put `#[{block}]` on the \
         block"
    );
    let mut errors = Errors::default();
    errors.at(Span::call_site(), form);
    let errors = errors.into_code();
    quote!(#item #errors)
}
