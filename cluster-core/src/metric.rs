//! The names of all metrics, with what they count. They go through the facade `metrics`: install a
//! recorder before the cluster starts.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution; times are in seconds.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it counts, in Markdown.
    pub about: &'static str,
}

macro_rules! metrics {
    ($(
        $(#[doc = $about:literal])+
        $id:ident: $kind:ident $name:literal [$($label:literal),*];
    )+) => {
        $($(#[doc = $about])+ pub const $id: &str = $name;)+

        /// All metrics, in the order of their documentation.
        pub const ALL: &[Metric] = &[$(Metric {
            name: $name,
            kind: MetricKind::$kind,
            labels: &[$($label),*],
            about: concat!($($about,)+),
        },)+];
    };
}

metrics! {
    /// Handlers that were started, counted when idle entities are looked for: a few times a minute.
    MESSAGES: Counter "cluster_messages_total" ["entity"];
    /// Handlers that ended with their own error.
    HANDLER_ERRORS: Counter "cluster_handler_errors_total" ["entity"];
    /// Handlers that panicked.
    PANICS: Counter "cluster_panics_total" ["entity"];
    /// Failed attempts at persisted requests that are tried again.
    RETRIES: Counter "cluster_retries_total" ["entity"];
    /// Requests that were given up.
    DEAD_LETTERS: Counter "cluster_dead_letters_total" ["entity"];
    /// Requests that are held: their type, message, arguments or entity's state are none that this
    /// runner reads.
    HOLDS: Counter "cluster_holds_total" ["entity"];
    /// From a call to its answer, as its caller sees it: every persisted call, one volatile call in
    /// sixty-four.
    CALL_SECONDS: Histogram "cluster_call_seconds" ["entity", "message"];
    /// From a handler's start to its return: every handler of a persisted message, one in
    /// sixty-four of the volatile ones.
    HANDLER_SECONDS: Histogram "cluster_handler_seconds" ["entity", "message"];
    /// Entities in memory.
    ENTITIES: Gauge "cluster_entities_resident" ["entity"];
    /// Requests that wait in mailboxes.
    WAITING: Gauge "cluster_mailbox_waiting" ["entity"];
    /// Requests that wait in memory for their time; those further off are in the storage only.
    SCHEDULED: Gauge "cluster_scheduled_armed" [];
    /// Calls that were refused since a mailbox was full.
    MAILBOX_FULL: Counter "cluster_mailbox_full_total" ["entity"];
    /// Entities that were made.
    ACTIVATIONS: Counter "cluster_activations_total" ["entity"];
    /// Entities that left memory while they were idle.
    PASSIVATIONS: Counter "cluster_passivations_total" ["entity"];
    /// Units of one transaction: what one handler writes, or one accepted request.
    COMMIT_UNITS: Histogram "cluster_commit_batch_units" ["storage"];
    /// How long a transaction of the committer takes.
    COMMIT_SECONDS: Histogram "cluster_commit_seconds" ["storage"];
    /// Transactions of the committer.
    COMMITS: Counter "cluster_commits_total" ["storage"];
    /// Transactions of the committer that failed for good.
    COMMIT_FAILURES: Counter "cluster_commit_failures_total" ["storage"];
    /// Units that wait for the committer.
    COMMIT_QUEUE: Gauge "cluster_commit_queue_units" ["storage"];
    /// Finished requests that retention has removed.
    RETIRED: Counter "cluster_requests_retired_total" [];
    /// Stored rows that cannot be read and were passed.
    UNREADABLE: Counter "cluster_unreadable_rows_total" ["storage", "table"];
    /// Shards that this runner owns.
    SHARDS: Gauge "cluster_shards_owned" ["group"];
    /// 1 while the runner serves.
    RUNNER: Gauge "cluster_runner_up" [];
    /// How long ago the runner's lease was renewed last, looked at once in a `renewal`: more than a
    /// few of these, and the database cannot be written.
    LEASE_AGE: Gauge "cluster_lease_age_seconds" [];
    /// Rows of the inbox that were seen to and taken away, by what they asked for: `cancel`,
    /// `redrive`, `discard`, or `none` where nobody understands it.
    INBOX: Counter "cluster_inbox_rows_total" ["wish"];
    /// Executions of workflows whose run is in memory: `running` those that work, `waiting` those
    /// that wait for time or for somebody. A start brings them back; those that wait for room in
    /// memory, for their next attempt or for people are in neither.
    WORKFLOWS: Gauge "cluster_workflows" ["workflow", "state"];
    /// Executions whose end was stored, since the runner started: `finished` with a value, `failed`
    /// with their own error, `broken` by a panic or what cannot be stored, `interrupted`.
    WORKFLOWS_ENDED: Counter "cluster_workflows_ended_total" ["workflow", "end"];
}

/// Tells the recorder what the metrics are.
pub(crate) fn describe() {
    for metric in ALL {
        let unit = match metric.name.ends_with("_seconds") {
            true => metrics::Unit::Seconds,
            false => metrics::Unit::Count,
        };
        let about = metric.about.trim();
        match metric.kind {
            MetricKind::Counter => metrics::describe_counter!(metric.name, unit, about),
            MetricKind::Gauge => metrics::describe_gauge!(metric.name, unit, about),
            MetricKind::Histogram => metrics::describe_histogram!(metric.name, unit, about),
        }
    }
}
