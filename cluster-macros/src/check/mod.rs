//! Rules that no single token breaks: what contradicts itself, or somebody else.

mod messages;
mod options;

use crate::errors::Errors;
use crate::model::Block;

/// Checks a block. What cannot be expanded beside the others is taken out.
pub(crate) fn block(block: &mut Block, errors: &mut Errors) {
    let (Block::Inherent { contract, .. } | Block::Trait { contract, .. }) = block else { return };
    messages::check(contract, errors);
    for message in &contract.messages {
        options::check(contract, message, errors);
    }
}
