//! Filters of the serving side: what was stored passes them again before its handler.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster::prelude::*;
use cluster::storage::Storage;

use crate::support::{on_each_storage, soon, until};

/// Runs when it may.
#[derive(Entity)]
struct Vault {
    runs: Arc<AtomicU32>,
    opens: Arc<tokio::sync::Semaphore>,
}

#[entity]
impl Vault {
    #[message]
    fn look(&self) -> u32 {
        self.runs.load(Ordering::SeqCst)
    }

    #[message(persisted)]
    async fn open(&mut self) -> u32 {
        self.opens.acquire().await.unwrap().forget();
        self.runs.fetch_add(1, Ordering::SeqCst) + 1
    }

    #[message(persisted)]
    async fn tell(&mut self, ctx: &Context) -> Result<(), CallError<String>> {
        let sent = ctx.get::<Vault>("other").open().inherited_header("badge", "none").send();
        sent.await?;
        Ok(())
    }
}

type Rule = fn(&CallInfo<'_>) -> Result<(), Refused>;

fn badge_needed(call: &CallInfo<'_>) -> Result<(), Refused> {
    match (call.entity_type(), call.message(), call.header("badge")) {
        ("Vault", "open", None | Some("none")) => Err(Refused::new("no badge")),
        _ => Ok(()),
    }
}

struct Bed {
    storage: Arc<dyn Storage>,
    runs: Arc<AtomicU32>,
    opens: Arc<tokio::sync::Semaphore>,
}

impl Bed {
    fn new(storage: Arc<dyn Storage>) -> Self {
        let opens = Arc::new(tokio::sync::Semaphore::new(0));
        Bed { storage, runs: Arc::default(), opens }
    }

    async fn start(&self, rule: Rule) -> Cluster {
        let (runs, opens) = (self.runs.clone(), self.opens.clone());
        Cluster::builder_without_env()
            .storage(self.storage.clone())
            .entity_with::<Vault>(move |_| Vault { runs: runs.clone(), opens: opens.clone() })
            .config(|config| {
                config.backoff_min = Duration::from_millis(1);
                config.attempts = 2;
            })
            .serving_filter(rule)
            .start()
            .await
            .unwrap()
    }
}

fn reason(error: ClusterError) -> String {
    let ClusterError::Refused(refused) = error else { panic!("{error:?}") };
    refused.reason().to_owned()
}

// proves: B243
on_each_storage!(the_serving_side_refuses_before_anything_is_stored);
async fn the_serving_side_refuses_before_anything_is_stored(storage: Arc<dyn Storage>) {
    let bed = Bed::new(storage);
    bed.opens.add_permits(9);
    let cluster = bed.start(badge_needed).await;
    let vault = cluster.get::<Vault>("v");
    assert_eq!(reason(vault.open().await.unwrap_err()), "no badge");
    assert_eq!(reason(vault.open().key("k").await.unwrap_err()), "no badge");
    assert_eq!(reason(vault.open().send().await.unwrap_err()), "no badge");
    // A handler that sends is a caller as well; its own request goes on being tried.
    let CallError::Cluster(ClusterError::Defect { reason, .. }) = vault.tell().await.unwrap_err()
    else {
        panic!("it cannot send")
    };
    assert!(reason.contains("no badge"), "{reason}");
    assert_eq!(bed.runs.load(Ordering::SeqCst), 0);
    assert!(bed.storage.highest_seq().await.unwrap() > cluster::id::Seq::default());
    // Nothing was stored under the key: the same key works with a badge.
    assert_eq!(vault.open().key("k").header("badge", "v").await.unwrap(), 1);
    cluster.shutdown().await.unwrap();
}

// proves: B243
on_each_storage!(a_stored_request_passes_the_serving_side_before_its_handler);
async fn a_stored_request_passes_the_serving_side_before_its_handler(storage: Arc<dyn Storage>) {
    let bed = Bed::new(storage);
    let cluster = bed.start(|_| Ok(())).await;
    let bare = cluster.get::<Vault>("bare").open().send().await.unwrap().id();
    let call = cluster.get::<Vault>("badged").open().header("badge", "v");
    let badged = call.send().await.unwrap().id();
    drop(cluster);

    // After the restart others may open it.
    bed.opens.add_permits(9);
    let cluster = bed.start(badge_needed).await;
    let refused = soon(cluster.receipt::<VaultOpen>(bare).outcome()).await;
    assert_eq!(reason(refused.unwrap_err()), "no badge");
    assert_eq!(soon(cluster.receipt::<VaultOpen>(badged).outcome()).await.unwrap(), 1);
    assert_eq!(bed.runs.load(Ordering::SeqCst), 1, "the refused one did not run");
    soon(cluster.caught_up()).await.unwrap();
    cluster.shutdown().await.unwrap();

    // The refusal is its outcome, once and for all.
    let cluster = bed.start(|_| Ok(())).await;
    let refused = soon(cluster.receipt::<VaultOpen>(bare).outcome()).await;
    assert_eq!(reason(refused.unwrap_err()), "no badge");
    assert_eq!(bed.runs.load(Ordering::SeqCst), 1);
    cluster.shutdown().await.unwrap();
}

// A filter that panics says neither yes nor no: the request is tried again, and given up.
on_each_storage!(a_panic_of_a_serving_filter_is_a_failed_attempt);
async fn a_panic_of_a_serving_filter_is_a_failed_attempt(storage: Arc<dyn Storage>) {
    let bed = Bed::new(storage);
    let cluster = bed.start(|_| Ok(())).await;
    let id = cluster.get::<Vault>("v").open().send().await.unwrap().id();
    drop(cluster);
    bed.opens.add_permits(9);
    let cluster = bed.start(|_| panic!("a filter's mistake")).await;
    let outcome = soon(cluster.receipt::<VaultOpen>(id).outcome()).await;
    assert!(matches!(outcome, Err(ClusterError::Defect { .. })), "{outcome:?}");
    assert_eq!(bed.runs.load(Ordering::SeqCst), 0);
    until(|| cluster.stats().waiting_requests == 0).await;
    cluster.shutdown().await.unwrap();
}
