//! `#[entity(..)]` behind `#[derive(Entity)]`.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::{LitStr, Path};

use super::entry::{Entry, Key, entries};
use crate::errors::Errors;

const KEYS: &[Key] = &[
    Key::flag("durable"),
    Key::with("mailbox", "1024"),
    Key::with("idle", "\"5m\""),
    Key::with("concurrency", "8"),
    Key::with("group", "\"mail\""),
    Key::with("attempts", "10"),
    Key::with("on_panic", "\"retry\""),
    Key::flag("strict_order"),
    Key::with("crate", "\"my_reexport::cluster\""),
];

/// The largest mailbox, concurrency or number of attempts.
const COUNT_MAX: u64 = u32::MAX as u64;

/// What an entity declares for itself; what is not given is as the cluster's configuration says.
#[derive(Debug, Default)]
pub(crate) struct EntityOptions {
    pub(crate) durable: Option<Span>,
    pub(crate) mailbox: Option<usize>,
    pub(crate) idle: Option<Duration>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) group: Option<LitStr>,
    pub(crate) attempts: Option<u32>,
    pub(crate) on_panic: Option<OnPanic>,
    pub(crate) strict_order: bool,
    pub(crate) path: Option<Path>,
}

/// What happens to a persisted request whose handler panics.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OnPanic {
    Retry,
    Defect,
}

impl EntityOptions {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = EntityOptions::default();
        for entry in entries(tokens, KEYS, errors) {
            match entry.key {
                "durable" => options.durable = entry.flag(errors),
                "mailbox" => options.mailbox = count(entry, errors),
                "idle" => options.idle = entry.duration(errors),
                "concurrency" => options.concurrency = count(entry, errors),
                "group" => options.group = entry.name(errors),
                "attempts" => options.attempts = count(entry, errors),
                "on_panic" => options.on_panic = on_panic(entry, errors),
                "strict_order" => options.strict_order = entry.flag(errors).is_some(),
                "crate" => options.path = entry.quoted_path(errors),
                _ => unreachable!("only keys of the list are given"),
            }
        }
        options
    }
}

fn count<N: TryFrom<u64>>(entry: Entry, errors: &mut Errors) -> Option<N> {
    let (number, _) = entry.number(1..=COUNT_MAX, errors)?;
    N::try_from(number).ok()
}

fn on_panic(entry: Entry, errors: &mut Errors) -> Option<OnPanic> {
    let text = entry.text(errors)?;
    match text.value().as_str() {
        "retry" => Some(OnPanic::Retry),
        "defect" => Some(OnPanic::Defect),
        _ => {
            errors.on(text, "`on_panic` is \"retry\" or \"defect\"");
            None
        }
    }
}
