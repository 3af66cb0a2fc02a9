//! Every bound of the runtime, with its name and default.

use std::time::Duration;

use crate::id::ShardCount;

/// A cluster's settings. Values are checked when the cluster starts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// How long a call waits when neither it nor its message says otherwise. Default 30 s.
    pub call_timeout: Duration,
    /// Shards per group; stored in the database by the first runner. Default 256.
    pub shard_count: ShardCount,
    /// How many requests may wait for one entity. Default 4,096.
    pub mailbox: usize,
    /// How many entities may be in memory. Default 1,000,000.
    pub resident_entities_max: usize,
    /// How many `&self` handlers of one entity run at once. Default 1,024.
    pub concurrency: usize,
    /// An entity leaves memory after this time without a call. Default 60 s.
    pub idle: Duration,
    /// How long a shutdown waits for running handlers. Default 15 s.
    pub drain_limit: Duration,
    /// The largest encoded argument list, reply or state, in bytes. Default 4 MiB.
    pub payload_bytes_max: usize,
    /// Attempts at a persisted request whose handler panics. Default 10.
    pub attempts: u32,
    /// The wait before the second attempt; doubles with each. Default 100 ms.
    pub backoff_min: Duration,
    /// The longest wait between two attempts. Default 30 s.
    pub backoff_max: Duration,
    /// How long a key is remembered after its request finished. Default 24 h.
    ///
    /// This and the times that follow count what passes while a runner is up, whatever the time of
    /// day does meanwhile: a step of the clock, or a pause of more than ten minutes, is no reason
    /// to remove anything earlier. Afterwards it may be kept for as long as that again.
    pub deduplication_window: Duration,
    /// How long a finished request without key is kept. Default 10 min.
    pub retention_awaited: Duration,
    /// How long a finished request handed over with `send` is kept. Default 1 h.
    pub retention_sent: Duration,
    /// The pause between two looks for finished requests to remove. Default 30 s.
    pub retention_interval: Duration,
    /// How many requests one retention transaction looks at. Default 1,000.
    pub retention_batch: usize,
    /// How many writes one transaction of the committer may have. Default 4,096.
    pub commit_batch: usize,
    /// How many writes may wait for the committer before new requests are refused. Default 65,536.
    pub commit_queue_max: usize,
    /// How many bytes of payloads one transaction of the committer may have; what one handler
    /// writes is never divided, and may be more. Default 32 MiB.
    pub commit_batch_bytes: usize,
    /// How many bytes of payloads may wait for the committer before new requests are refused.
    /// Default 256 MiB.
    pub commit_queue_bytes: usize,
    /// How often a transaction that surely failed is tried again before its handlers are told.
    /// Default 5.
    pub commit_attempts: u32,
    /// How many commits of one entity may be under way before its next handler waits for them.
    /// Default 1,024.
    pub run_ahead_max: usize,
    /// How deep calls may run inside each other in one task before they move to another. Default
    /// 32.
    pub inline_depth: usize,
    /// How many chunks of a persisted stream may be unread before its handler waits for the reader.
    /// Default 1,024.
    pub stream_window: usize,
    /// How many durable messages one handler may send. Default 4,096.
    pub outbox_max: usize,
    /// How long a handler may hold the storage's own transaction. Default 10 s.
    pub transaction_limit: Duration,
    /// How many pending requests are loaded from the storage at once. Default 1,024.
    pub load_page: usize,
    /// How many bytes of pending requests or dead letters are loaded from the storage at once; the
    /// last request of a page may go beyond it. Default 32 MiB.
    pub load_page_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            call_timeout: Duration::from_secs(30),
            shard_count: ShardCount::default(),
            mailbox: 4_096,
            resident_entities_max: 1_000_000,
            concurrency: 1_024,
            idle: Duration::from_secs(60),
            drain_limit: Duration::from_secs(15),
            payload_bytes_max: 4 * 1024 * 1024,
            attempts: 10,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            deduplication_window: Duration::from_secs(24 * 60 * 60),
            retention_awaited: Duration::from_secs(10 * 60),
            retention_sent: Duration::from_secs(60 * 60),
            retention_interval: Duration::from_secs(30),
            retention_batch: 1_000,
            commit_batch: 4_096,
            commit_queue_max: 65_536,
            commit_batch_bytes: 32 << 20,
            commit_queue_bytes: 256 << 20,
            commit_attempts: 5,
            run_ahead_max: 1_024,
            inline_depth: 32,
            stream_window: 1_024,
            outbox_max: 4_096,
            transaction_limit: Duration::from_secs(10),
            load_page: 1_024,
            load_page_bytes: 32 << 20,
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the setting `{setting}` must not be zero")]
pub struct BadSetting {
    /// The setting's name.
    pub setting: &'static str,
}

impl Config {
    /// Checks that every setting can be used.
    ///
    /// # Errors
    /// [`BadSetting`] names the first one that cannot.
    pub fn check(&self) -> Result<(), BadSetting> {
        let numbers = [
            ("mailbox", self.mailbox),
            ("resident_entities_max", self.resident_entities_max),
            ("concurrency", self.concurrency),
            ("payload_bytes_max", self.payload_bytes_max),
            ("attempts", self.attempts as usize),
            ("retention_batch", self.retention_batch),
            ("commit_batch", self.commit_batch),
            ("commit_queue_max", self.commit_queue_max),
            ("commit_batch_bytes", self.commit_batch_bytes),
            ("commit_queue_bytes", self.commit_queue_bytes),
            ("commit_attempts", self.commit_attempts as usize),
            ("run_ahead_max", self.run_ahead_max),
            ("inline_depth", self.inline_depth),
            ("stream_window", self.stream_window),
            ("outbox_max", self.outbox_max),
            ("load_page", self.load_page),
            ("load_page_bytes", self.load_page_bytes),
        ];
        let times = [
            ("call_timeout", self.call_timeout),
            ("idle", self.idle),
            ("drain_limit", self.drain_limit),
            ("backoff_min", self.backoff_min),
            ("backoff_max", self.backoff_max),
            ("deduplication_window", self.deduplication_window),
            ("retention_awaited", self.retention_awaited),
            ("retention_sent", self.retention_sent),
            ("retention_interval", self.retention_interval),
            ("transaction_limit", self.transaction_limit),
        ];
        let zero_number = numbers.iter().find(|(_, number)| *number == 0).map(|(name, _)| *name);
        let zero_time = times.iter().find(|(_, time)| time.is_zero()).map(|(name, _)| *name);
        match zero_number.or(zero_time) {
            Some(setting) => Err(BadSetting { setting }),
            None => Ok(()),
        }
    }

    /// The wait before the attempt after `attempts` failed ones: doubles, up to `backoff_max`.
    pub(crate) fn backoff(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        self.backoff_min.saturating_mul(1 << doublings).min(self.backoff_max)
    }
}
