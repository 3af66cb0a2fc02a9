//! `#[message(..)]`.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::{LitStr, Path};

use super::entry::{Entry, Key, entries};
use super::retry::Retry;
use crate::errors::Errors;

const KEYS: &[Key] = &[
    Key::flag("persisted"),
    Key::flag("stream"),
    Key::flag("uninterruptible"),
    Key::flag("fenced"),
    Key::with("name", "\"withdraw\""),
    Key::with("tag", "0x17"),
    Key::with("timeout", "\"10s\""),
    Key::with("transaction", "is_large"),
    Key::with("attempts", "3"),
    Key::with("backoff_min", "\"1s\""),
    Key::with("backoff_max", "\"1h\""),
    Key::with("on_panic", "\"defect\""),
];

/// What a message declares.
#[derive(Debug, Default)]
pub(crate) struct MessageOptions {
    pub(crate) persisted: Option<Span>,
    pub(crate) stream: Option<Span>,
    pub(crate) uninterruptible: Option<Span>,
    pub(crate) fenced: Option<Span>,
    pub(crate) name: Option<LitStr>,
    pub(crate) tag: Option<(u64, Span)>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) transaction: Option<Transaction>,
    pub(crate) retry: Retry,
}

/// When a request runs in the storage's own transaction, and where that was declared.
#[derive(Debug)]
pub(crate) enum Transaction {
    Always(Span),
    /// When this function of the arguments says so.
    If(Span, Path),
}

impl Transaction {
    pub(crate) fn span(&self) -> Span {
        match self {
            Transaction::Always(span) | Transaction::If(span, _) => *span,
        }
    }
}

impl MessageOptions {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = MessageOptions::default();
        for entry in entries(tokens, KEYS, errors) {
            match entry.key {
                "persisted" => options.persisted = entry.flag(errors),
                "stream" => options.stream = entry.flag(errors),
                "uninterruptible" => options.uninterruptible = entry.flag(errors),
                "fenced" => options.fenced = entry.flag(errors),
                "name" => options.name = entry.name(errors),
                "tag" => options.tag = entry.number(0..=u64::MAX, errors),
                "timeout" => options.timeout = entry.duration(errors),
                "transaction" => options.transaction = transaction(entry, errors),
                _ => options.retry.take(entry, errors),
            }
        }
        options.retry.check(errors);
        options
    }
}

fn transaction(entry: Entry, errors: &mut Errors) -> Option<Transaction> {
    let span = entry.span;
    if entry.has_value() {
        return entry.path(errors).map(|path| Transaction::If(span, path));
    }
    entry.flag(errors).map(Transaction::Always)
}
