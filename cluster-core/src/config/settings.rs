//! The list of settings: one entry is the field, its default, its documentation and its check.

use std::time::Duration;

use super::error::BadSetting;
use super::form::{
    Bytes, Count, Fault, Form, HeaderBytes, OnPanic, Reaction, Shards, TextBytes, Time, Times,
};
use crate::id::ShardCount;

/// How often a lease must be renewed while it lasts: one renewal may come late.
const RENEWALS_MIN: u32 = 2;

/// One setting of [`Config`]: what it is called, what it is for.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    name: &'static str,
    default: &'static str,
    about: &'static str,
    expected: &'static str,
    read: fn(&mut Config, &str) -> Option<()>,
    show: fn(&Config) -> String,
    check: fn(&Config) -> Result<(), Fault>,
}

impl Setting {
    /// Its name: the field of [`Config`].
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its default, as the environment would say it.
    pub fn default(&self) -> &'static str {
        self.default
    }

    /// What it is for, in Markdown.
    pub fn about(&self) -> &'static str {
        self.about.trim()
    }

    /// Its value, as the environment would say it.
    pub fn show(&self, config: &Config) -> String {
        (self.show)(config)
    }

    /// Takes over the text of an environment variable.
    pub(super) fn read(
        &self,
        config: &mut Config,
        variable: &str,
        value: &str,
    ) -> Result<(), BadSetting> {
        if (self.read)(config, value.trim()).is_none() {
            let negative = value.trim_start().starts_with('-');
            return Err(BadSetting::Unreadable {
                setting: self.name,
                variable: variable.to_owned(),
                value: value.to_owned(),
                expected: if negative {
                    format!("it must not be negative; {}", self.expected)
                } else {
                    self.expected.to_owned()
                },
            });
        }
        self.check(config, Some(variable))
    }

    fn check(&self, config: &Config, variable: Option<&str>) -> Result<(), BadSetting> {
        let (setting, variable) = (self.name, variable.map(str::to_owned));
        (self.check)(config).map_err(|fault| match fault {
            Fault::Zero => BadSetting::Zero { setting, variable },
            Fault::TooLarge(max) => BadSetting::TooLarge { setting, variable, max },
        })
    }
}

impl Config {
    /// Checks that every setting can be used; a cluster does so when it starts.
    ///
    /// # Errors
    /// [`BadSetting`] names the first one that cannot.
    pub fn check(&self) -> Result<(), BadSetting> {
        SETTINGS.iter().try_for_each(|setting| setting.check(self, None))?;
        if self.backoff_min > self.backoff_max {
            return Err(BadSetting::Crossed { smaller: "backoff_min", larger: "backoff_max" });
        }
        if self.renewal.saturating_mul(RENEWALS_MIN) > self.lease {
            let times = RENEWALS_MIN;
            return Err(BadSetting::TooSeldom { part: "renewal", whole: "lease", times });
        }
        Ok(())
    }

    /// How many rows of any size fit into the bytes of a page; at least one, at most `max`.
    pub(crate) fn page_rows(&self, max: usize) -> usize {
        (self.load_page_bytes / self.payload_bytes_max).clamp(1, max)
    }

    /// All settings, in the order of their documentation.
    pub fn settings() -> &'static [Setting] {
        SETTINGS
    }
}

macro_rules! settings {
    ($($(#[doc = $about:literal])+ $name:ident: $type:ty, $form:ty = $default:literal;)+) => {
        /// A cluster's settings, each with a default that serves most programs.
        ///
        /// They are checked when the cluster starts: what is zero, negative or too large is refused
        /// with the setting's name. Every one can be set in code, by
        /// [`ClusterBuilder::config`](crate::cluster::ClusterBuilder::config), and by an
        /// environment variable: `CLUSTER_` and its name in capitals. Durations are written as
        /// `250ms`, `30s`, `5m`, `24h` or `7d`, sizes as `4MiB`, `512KiB` or `4096`, counts as
        /// `1024` or `1_024`.
        ///
        /// The environment is read when the builder is made, so that code wins over it;
        /// [`config_from_env`](crate::cluster::ClusterBuilder::config_from_env) lets it win, and
        /// [`Cluster::builder_without_env`](crate::cluster::Cluster::builder_without_env) leaves it
        /// out. A variable whose name is almost that of a setting is refused at the start.
        ///
        /// | setting | default | |
        /// |---|---|---|
        $(#[doc = concat!("| [`", stringify!($name), "`](Config::", stringify!($name), ") | `",
            $default, "` |", $($about,)+ " |")])+
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub struct Config {
            $(
                $(#[doc = $about])+
                #[doc = concat!("\n\nDefault `", $default, "`.")]
                pub $name: $type,
            )+
        }

        impl Default for Config {
            fn default() -> Self {
                Config {
                    $($name: <$form>::read($default).expect("a default can be read"),)+
                }
            }
        }

        pub(super) const SETTINGS: &[Setting] = &[$(Setting {
            name: stringify!($name),
            default: $default,
            about: concat!($($about,)+),
            expected: <$form as Form>::EXPECTED,
            read: |config, text| <$form>::read(text).map(|value| config.$name = value),
            show: |config| <$form>::show(&config.$name),
            check: |config| <$form>::check(&config.$name),
        },)+];
    };
}

settings! {
    /// How long a call waits when neither it nor its message says otherwise.
    call_timeout: Duration, Time = "30s";
    /// Shards per group; stored in the database by the first runner.
    shard_count: ShardCount, Shards = "256";
    /// How many requests may wait for one entity.
    mailbox: usize, Count = "4096";
    /// How many entities may be in memory.
    resident_entities_max: usize, Count = "1000000";
    /// How many entities may be kept alive; no more than may be in memory are.
    kept_alive_max: usize, Count = "100000";
    /// How many `&self` handlers of one entity run at once.
    concurrency: usize, Count = "1024";
    /// How many replies of one entity may be outstanding that come later than their handlers
    /// return.
    later_replies_max: usize, Count = "4096";
    /// An entity leaves memory after this time without a call.
    idle: Duration, Time = "1m";
    /// How long a shutdown waits for running handlers.
    drain_limit: Duration, Time = "15s";
    /// How long a runner's lease lasts after each renewal: who does not renew it may be taken for
    /// dead by another runner when it is over. On an embedded database there is no other.
    lease: Duration, Time = "5s";
    /// The pause between two renewals of the lease, at most half of it. Each measures cluster time
    /// as well, so a database whose clock is set is followed as fast.
    renewal: Duration, Time = "1s";
    /// The time from one look into the inbox to the next: tools with access to the database write
    /// there what is to become of requests.
    safety_net: Duration, Time = "5s";
    /// The largest encoded argument list, reply or state. An SQL storage has a limit of its own,
    /// slightly above 4 MiB at first: `payload_bytes_max` of its options.
    payload_bytes_max: usize, Bytes = "4MiB";
    /// The longest id of an entity. At most 1 KiB.
    entity_id_bytes_max: usize, TextBytes = "1KiB";
    /// The longest key. At most 1 KiB.
    key_bytes_max: usize, TextBytes = "1KiB";
    /// The names and values of one call's headers together, with inherited ones. At most 16 KiB.
    headers_bytes_max: usize, HeaderBytes = "16KiB";
    /// Attempts at a persisted request whose handler panics or meets trouble of the cluster.
    attempts: u32, Times = "10";
    /// The wait before the second attempt.
    backoff_min: Duration, Time = "100ms";
    /// How many times as long each further wait is; 1 is always as long.
    backoff_factor: u32, Times = "2";
    /// The longest wait between two attempts.
    backoff_max: Duration, Time = "30s";
    /// Whether a persisted request whose handler panics is tried again (`retry`) or ends with
    /// `Defect` as its outcome (`defect`).
    on_panic: OnPanic, Reaction = "retry";
    /// How long a key is remembered after its request finished. This and the other times of
    /// retention count what passes while a runner is up, whatever the time of day does meanwhile:
    /// a step of the clock, or a pause of more than ten minutes, removes nothing earlier.
    deduplication_window: Duration, Time = "1d";
    /// How long a finished request without key is kept.
    retention_awaited: Duration, Time = "10m";
    /// How long a finished request handed over with `send` is kept.
    retention_sent: Duration, Time = "1h";
    /// How long the finished execution of a workflow is kept, with its journal and its key.
    retention_executions: Duration, Time = "7d";
    /// The pause between two looks for finished requests to remove.
    retention_interval: Duration, Time = "30s";
    /// How many requests one retention transaction looks at.
    retention_batch: usize, Count = "1000";
    /// How many writes one transaction of the committer may have.
    commit_batch: usize, Count = "4096";
    /// How many writes may wait for the committer before new requests are refused.
    commit_queue_max: usize, Count = "65536";
    /// How many bytes of payloads one transaction of the committer may have; what one handler
    /// writes is never divided, and may be more.
    commit_batch_bytes: usize, Bytes = "32MiB";
    /// How many bytes of payloads may wait for the committer before new requests are refused.
    commit_queue_bytes: usize, Bytes = "256MiB";
    /// How often a transaction that surely failed is tried again before its handlers are told.
    commit_attempts: u32, Times = "5";
    /// How many commits of one entity may be under way before its next handler waits for them.
    run_ahead_max: usize, Count = "1024";
    /// How deep calls may run inside each other in one task before they move to another.
    inline_depth: usize, Count = "32";
    /// How many durable messages one handler may send.
    outbox_max: usize, Count = "4096";
    /// How long a handler may hold the storage's own transaction.
    transaction_limit: Duration, Time = "10s";
    /// How many steps, sleeps and deferreds one execution of a workflow may have; one that would
    /// have more is given up, and goes on when it is redriven under a higher limit.
    journal_max: usize, Count = "100000";
    /// How many requests that are due at a time wait in memory for it, the next ones first; the
    /// others are in the storage only.
    schedule_max: usize, Count = "16384";
    /// How many bytes of payloads these may have.
    schedule_bytes: usize, Bytes = "64MiB";
    /// The shortest period of a reminder.
    reminder_period_min: Duration, Time = "1s";
    /// How many requests one transaction removes when an entity is cleared.
    clear_batch: usize, Count = "1000";
    /// How many chunks of a persisted stream may be unread before its handler waits for the reader.
    stream_window: usize, Count = "1024";
    /// How many pending requests are loaded from the storage at once; as many that are accepted
    /// meanwhile are kept in memory, to follow them.
    load_page: usize, Count = "1024";
    /// How many bytes of pending requests or dead letters are loaded from the storage at once, and
    /// of requests kept meanwhile; the last one may go beyond it.
    load_page_bytes: usize, Bytes = "32MiB";
}
