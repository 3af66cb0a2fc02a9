//! What the options of one message say of each other.

use crate::errors::Errors;
use crate::model::{Access, Message};

pub(super) fn check(message: &Message, errors: &mut Errors) {
    let Some(transaction) = &message.options.transaction else { return };
    if message.options.persisted.is_none() {
        let form = "a transaction commits with an outcome, which only a persisted message has: add \
                    `persisted`";
        errors.at(transaction.span(), form);
    } else if message.access == Access::Shared && message.is_sound {
        let form = "a transaction commits with the entity's state, which `&self` cannot change: \
                    take `&mut self`";
        errors.at(transaction.span(), form);
    }
}
