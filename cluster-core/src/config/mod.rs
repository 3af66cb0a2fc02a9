//! Every bound of the runtime: its name, its default, and the environment variable that sets it.

mod env;
mod error;
mod form;
mod nearest;
mod settings;

pub use error::BadSetting;
pub use form::OnPanic;
pub use settings::{Config, Setting};

/// The most bytes that the names and values of one call's headers may have together.
pub(crate) const HEADERS_BYTES_MAX: usize = 16 * 1024;

use std::time::Duration;

/// How often a persisted request is tried, and how long it waits in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retry {
    pub(crate) attempts: u32,
    pub(crate) backoff_min: Duration,
    pub(crate) backoff_factor: u32,
    pub(crate) backoff_max: Duration,
    pub(crate) on_panic: OnPanic,
}

impl Retry {
    /// The wait before the attempt after `attempts` failed ones: grows by the factor, up to the
    /// longest.
    pub(crate) fn backoff(&self, attempts: u32) -> Duration {
        let times = self.backoff_factor.saturating_pow(attempts.saturating_sub(1));
        self.backoff_min.saturating_mul(times).min(self.backoff_max)
    }
}

impl Config {
    /// The policy where neither a message nor its entity type says otherwise.
    pub(crate) fn retry(&self) -> Retry {
        Retry {
            attempts: self.attempts,
            backoff_min: self.backoff_min,
            backoff_factor: self.backoff_factor,
            backoff_max: self.backoff_max,
            on_panic: self.on_panic,
        }
    }

    /// As [`Retry::backoff`], where no request is tried but the runner's own work.
    pub(crate) fn backoff(&self, attempts: u32) -> Duration {
        self.retry().backoff(attempts)
    }
}
