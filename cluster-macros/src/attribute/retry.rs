//! How a persisted request is tried again: keys of entities and of messages.

use std::time::Duration;

use proc_macro2::Span;

use super::entry::Entry;
use crate::errors::Errors;

/// The largest number of attempts.
const ATTEMPTS_MAX: u64 = u32::MAX as u64;

/// `attempts`, `backoff_min`, `backoff_max` and `on_panic`.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    pub(crate) attempts: Option<u32>,
    pub(crate) backoff_min: Option<Duration>,
    pub(crate) backoff_max: Option<Duration>,
    pub(crate) on_panic: Option<OnPanic>,
    /// The first of the keys, and where it stands.
    pub(crate) first: Option<(&'static str, Span)>,
    longest_at: Option<Span>,
}

/// What happens to a persisted request whose handler panics.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OnPanic {
    Retry,
    Defect,
}

impl Retry {
    /// Takes one of its keys.
    pub(super) fn take(&mut self, entry: Entry, errors: &mut Errors) {
        self.first.get_or_insert((entry.key, entry.span));
        match entry.key {
            "attempts" => {
                let number = entry.number(1..=ATTEMPTS_MAX, errors);
                self.attempts = number.and_then(|(number, _)| u32::try_from(number).ok());
            }
            "backoff_min" => self.backoff_min = entry.duration(errors),
            "backoff_max" => {
                self.longest_at = Some(entry.span);
                self.backoff_max = entry.duration(errors);
            }
            "on_panic" => self.on_panic = on_panic(entry, errors),
            _ => unreachable!("only keys of the list are given"),
        }
    }

    /// What its keys say of each other.
    pub(super) fn check(&self, errors: &mut Errors) {
        if let (Some(min), Some(max), Some(at)) =
            (self.backoff_min, self.backoff_max, self.longest_at)
            && min > max
        {
            errors.at(at, "`backoff_max` is the longest wait: at least `backoff_min`".to_owned());
        }
    }
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
