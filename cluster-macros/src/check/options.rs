//! What the options of one message say of each other.

use crate::attribute::Transaction;
use crate::errors::Errors;
use crate::model::{Access, Contract, Message, Owner, Returns};

pub(super) fn check(contract: &Contract, message: &Message, errors: &mut Errors) {
    if let (None, Some((key, at))) = (message.options.persisted, message.options.retry.first) {
        let form = "only a persisted message is tried again: add `persisted`, or remove";
        errors.at(at, format!("{form} `{key}`"));
    }
    if let (Some(_), Access::Exclusive, Returns::Later { ty, .. }) =
        (message.options.persisted, message.access, &message.returns)
    {
        let form = "a persisted `&mut self` handler commits its changes with its reply, which \
                    cannot come later: take `&self`, or return the value itself";
        errors.on(ty, form);
    }
    if let (Some(_), Some(span)) = (message.options.persisted, message.options.fenced) {
        let form =
            "the commit of a persisted message confirms its owner already: take `fenced` away";
        errors.at(span, form);
    }
    if message.options.stream.is_some() {
        return stream(message, errors);
    }
    let Some(transaction) = &message.options.transaction else { return };
    if let (Transaction::If(_, function), Owner::Trait(_)) = (transaction, &contract.owner)
        && function.segments[0].ident == "Self"
    {
        let form = "clients of a contract do not know who serves it: name a free function";
        errors.on(function, form);
    }
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

fn stream(message: &Message, errors: &mut Errors) {
    let options = &message.options;
    if let Some(span) = options.uninterruptible {
        let form = "a stream ends when nobody reads it: take `uninterruptible` away";
        errors.at(span, form);
    }
    if let Some(span) = options.fenced {
        let form = "a stream goes on after its reply, when nothing is confirmed any more: take \
                    `fenced` away";
        errors.at(span, form);
    }
    if let Some(transaction) = &options.transaction {
        let form = "a stream has no commit that a transaction could join: take `transaction` away";
        errors.at(transaction.span(), form);
    }
}
