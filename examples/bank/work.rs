//! From rows to balances: each transfer is one call, keyed by the transfer's id, so that whoever
//! was killed just starts again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster::prelude::*;
use cluster::storage::StorageError;
use cluster::time::Clock;
// A program of its own names features of `cluster` instead, and finds them there.
use cluster_sql::{MySql, Postgres};
use futures_util::{StreamExt, TryStreamExt, stream};
use hdrhistogram::Histogram;

use crate::account::{Account, AccountId, Refusal};
use crate::transfers::Transfer;

/// How long the bank remembers a transfer's id: the same file may be applied again within it.
const REMEMBERED: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Latencies are told apart to three digits.
const DIGITS: u8 = 3;

/// Why a row changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rejection {
    #[error("malformed row")]
    Malformed,
    #[error("unknown account")]
    UnknownAccount,
    #[error("zero or negative")]
    NotPositive,
    #[error("both sides the same")]
    SameAccount,
    /// The same account has made another transfer under this id.
    #[error("id used before")]
    IdTaken,
}

impl Rejection {
    pub(crate) const ALL: [Rejection; 5] = [
        Rejection::Malformed,
        Rejection::UnknownAccount,
        Rejection::NotPositive,
        Rejection::SameAccount,
        Rejection::IdTaken,
    ];
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Rejection {
        match refusal {
            Refusal::NotPositive => Rejection::NotPositive,
            Refusal::SameAccount => Rejection::SameAccount,
        }
    }
}

/// What became of the transfers.
pub(crate) struct Tally {
    pub(crate) accepted: u64,
    pub(crate) rejected: BTreeMap<Rejection, u64>,
    /// Of the calls to accounts, in microseconds.
    pub(crate) latencies_us: Histogram<u64>,
    /// From the first call until the last deposit was made.
    pub(crate) elapsed: Duration,
}

/// Opens the bank in a database, and goes on with what was left undone there.
pub(crate) async fn open(db: &str) -> cluster::Result<Cluster> {
    let cluster = Cluster::builder()
        .storage(connect(db).await?)
        .config(|config| config.deduplication_window = REMEMBERED)
        .entity::<Account>()
        .start()
        .await?;
    Ok(cluster)
}

/// The database of a URL, or in a file.
async fn connect(db: &str) -> Result<Arc<dyn Storage>, StorageError> {
    match db.split_once("://") {
        Some(("postgres" | "postgresql", _)) => Ok(Arc::new(Postgres::connect(db).await?)),
        Some(("mysql" | "mariadb", _)) => Ok(Arc::new(MySql::connect(db).await?)),
        Some((scheme, _)) => {
            let reason = format!("`{scheme}://` is no database of this program");
            Err(StorageError::BadSetting { setting: "db", reason })
        }
        None => Ok(Arc::new(Sqlite::open(db).await?)),
    }
}

/// Makes all transfers, at most `concurrency` at a time, and calls `each` after every one. When it
/// returns every deposit has been made, also those that an earlier run has left behind.
///
/// # Errors
/// The first trouble of the cluster. Run again, it goes on from there.
pub(crate) async fn apply(
    cluster: &Cluster,
    transfers: Vec<Transfer>,
    concurrency: usize,
    mut each: impl FnMut(),
) -> cluster::Result<Tally> {
    let clock = Clock::system();
    let mut tally = Tally {
        accepted: 0,
        rejected: Rejection::ALL.map(|rejection| (rejection, 0)).into(),
        latencies_us: Histogram::new(DIGITS).expect("three digits are allowed"),
        elapsed: Duration::ZERO,
    };
    let started = clock.now();
    let calls = stream::iter(transfers).map(|transfer| call(cluster, &clock, transfer));
    let mut answers = calls.buffer_unordered(concurrency);
    while let Some(Answer { result, latency }) = answers.try_next().await? {
        match result {
            Ok(()) => tally.accepted += 1,
            Err(rejection) => *tally.rejected.entry(rejection).or_default() += 1,
        }
        if let Some(latency) = latency {
            let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            tally.latencies_us.record(us).expect("the histogram grows as needed");
        }
        each();
    }
    cluster.caught_up().await?;
    tally.elapsed = clock.now() - started;
    Ok(tally)
}

struct Answer {
    result: Result<(), Rejection>,
    /// `None` where no account was called.
    latency: Option<Duration>,
}

async fn call(cluster: &Cluster, clock: &Clock, transfer: Transfer) -> cluster::Result<Answer> {
    let Transfer { id, from, to, cents } = transfer;
    let (Some(from), Some(to)) = (AccountId::parse(&from), AccountId::parse(&to)) else {
        return Ok(Answer { result: Err(Rejection::UnknownAccount), latency: None });
    };
    let started = clock.now();
    let result = match cluster.get::<Account>(from).withdraw(to, cents).key(id).await {
        Ok(()) => Ok(()),
        Err(CallError::Entity(refusal)) => Err(refusal.into()),
        Err(CallError::Cluster(ClusterError::KeyConflict { .. })) => Err(Rejection::IdTaken),
        Err(CallError::Cluster(trouble)) => return Err(trouble.into()),
    };
    Ok(Answer { result, latency: Some(clock.now() - started) })
}

/// What every account holds, sorted by account.
pub(crate) async fn balances(
    cluster: &Cluster,
    concurrency: usize,
) -> cluster::Result<Vec<(AccountId, i128)>> {
    let balance = |id| async move {
        let balance = cluster.get::<Account>(id).balance().await?;
        Ok((id, balance))
    };
    stream::iter(AccountId::all()).map(balance).buffered(concurrency).try_collect().await
}
