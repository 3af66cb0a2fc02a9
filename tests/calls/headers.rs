//! What travels beside the arguments, and who may call at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster::prelude::*;
use cluster::storage::Storage;

use crate::stage::Stage;
use crate::support::{Bed, backends, soon};

/// Says what it was called with, and calls on.
#[derive(Entity)]
struct Clerk {
    stage: Stage,
}

type Seen = Vec<(String, String)>;

fn seen(ctx: &Context) -> Seen {
    ctx.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[entity]
impl Clerk {
    #[message]
    fn volatile(&self, ctx: &Context) -> Seen {
        assert_eq!(ctx.header("missing"), None);
        seen(ctx)
    }

    #[message(persisted)]
    async fn persisted(&mut self, ctx: &Context) -> Seen {
        self.stage.pause().await;
        seen(ctx)
    }

    /// Calls others in every way, also through one that sets a header itself.
    #[message(persisted)]
    async fn call_on(&mut self, ctx: &Context) -> Result<Vec<Seen>, CallError<String>> {
        let next = ctx.get::<Clerk>("next");
        let far = ctx.get::<Clerk>("far");
        let sent = ctx.get::<Clerk>("sent");
        sent.persisted().send().await?;
        Ok(vec![
            next.volatile().await?,
            next.persisted().await?,
            next.volatile().header("tenant", "other").await?,
            far.pass_on().inherited_header("step", "2").await?,
        ])
    }

    #[message]
    async fn pass_on(&self, ctx: &Context) -> Result<Seen, CallError<String>> {
        Ok(ctx.get::<Clerk>("next").volatile().await?)
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Seen {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn start(storage: &Arc<dyn Storage>, stage: &Stage) -> Cluster {
    let stage = stage.clone();
    Cluster::builder()
        .storage(storage.clone())
        .entity_with::<Clerk>(move |_| Clerk { stage: stage.clone() })
        .start()
        .await
        .expect("it starts")
}

// proves: B241
async fn headers_are_read_stored_and_passed_on_where_inherited(bed: Bed) {
    let storage = bed.open().await;
    let stage = Stage::default();
    let cluster = start(&storage, &stage).await;
    let clerk = cluster.get::<Clerk>("c");
    let call = clerk.volatile().header("a", "1").header("b", "2").header("a", "3");
    assert_eq!(call.await.unwrap(), pairs(&[("b", "2"), ("a", "3")]));

    // Stored: the handler reads them after a restart too.
    let call = clerk.persisted().header("once", "x").inherited_header("tenant", "blue\u{1f980}\"");
    let id = call.send().await.unwrap().id();
    stage.arrived(1).await;
    drop(cluster);
    let stage = Stage::default();
    let cluster = start(&storage, &stage).await;
    stage.arrived(1).await;
    stage.let_on(1);
    let read = soon(cluster.receipt::<ClerkPersisted>(id).outcome()).await.unwrap();
    assert_eq!(read, pairs(&[("once", "x"), ("tenant", "blue\u{1f980}\"")]));

    // Passed on: only what is inherited, to every kind of call, until somebody sets it anew.
    stage.let_on(usize::from(u16::MAX));
    let call = cluster.get::<Clerk>("c").call_on();
    let call = call.header("once", "x").inherited_header("tenant", "blue");
    let read = soon(call.into_future()).await.unwrap();
    let blue = pairs(&[("tenant", "blue")]);
    let other = pairs(&[("tenant", "other")]);
    assert_eq!(read, [blue.clone(), blue, other, pairs(&[("step", "2"), ("tenant", "blue")])]);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn headers_have_a_limit() {
    let cluster = Cluster::builder()
        .entity_with::<Clerk>(|_| Clerk { stage: Stage::default() })
        .start()
        .await;
    let cluster = cluster.unwrap();
    let clerk = cluster.get::<Clerk>("c");
    let fits = "x".repeat(cluster::message::HEADERS_BYTES_MAX - 1);
    clerk.volatile().header("h", fits.clone()).await.unwrap();
    let error = clerk.volatile().header("h", fits.clone() + "x").await.unwrap_err();
    let ClusterError::LimitExceeded { limit, max, actual, .. } = error else { panic!("{error:?}") };
    assert_eq!((limit, max, actual), ("headers_bytes_max", 16 * 1024, 16 * 1024 + 1));
    // What is inherited counts where it arrives.
    let call = clerk.pass_on().inherited_header("h", fits);
    assert_eq!(call.await.unwrap().len(), 1);
}

// A key that cannot be one ends its call before anything is stored.
#[tokio::test]
async fn keys_have_a_limit() {
    let stage = Stage::default();
    stage.let_on(1);
    let bed = Bed::memory();
    let cluster = start(&bed.open().await, &stage).await;
    let clerk = cluster.get::<Clerk>("c");
    let before = bed.door.calls("commit");
    for (key, bytes) in [(String::new(), 0), ("k".repeat(1_025), 1_025)] {
        let awaited = clerk.persisted().key(key.clone()).await.unwrap_err();
        let sent = clerk.persisted().key(key).send().await.unwrap_err();
        for error in [awaited, sent] {
            let ClusterError::LimitExceeded { limit, max, actual, .. } = error else {
                panic!("{error:?}");
            };
            assert_eq!((limit, max, actual), ("key_bytes_max", 1_024, bytes));
        }
    }
    assert_eq!(bed.door.calls("commit"), before);
    soon(clerk.persisted().key("k".repeat(1_024)).into_future()).await.unwrap();
    cluster.shutdown().await.unwrap();
}

#[derive(Entity)]
struct Vault {
    opened: Arc<AtomicU32>,
}

#[entity]
impl Vault {
    #[message]
    fn look(&self) -> u32 {
        self.opened.load(Ordering::SeqCst)
    }

    #[message]
    async fn open(&mut self) -> u32 {
        self.opened.fetch_add(1, Ordering::SeqCst) + 1
    }

    #[message(persisted)]
    fn empty(&mut self) -> u32 {
        self.opened.fetch_add(1, Ordering::SeqCst) + 1
    }
}

#[derive(Entity, Default)]
struct Guard;

#[entity]
impl Guard {
    #[message]
    async fn open(&self, ctx: &Context) -> Result<u32, CallError<String>> {
        Ok(ctx.get::<Vault>("v").open().await?)
    }
}

// proves: B243
async fn a_filter_refuses_by_type_message_and_header_before_anything_happens(bed: Bed) {
    let opened = Arc::new(AtomicU32::new(0));
    let (shared, asked) = (opened.clone(), Arc::new(AtomicU32::new(0)));
    let first_asked = asked.clone();
    let cluster = Cluster::builder()
        .storage(bed.open().await)
        .entity_with::<Vault>(move |_| Vault { opened: shared.clone() })
        .entity::<Guard>()
        .filter(|call| match (call.entity_type(), call.message(), call.header("badge")) {
            ("Vault", "look", _) | ("Guard", ..) => Ok(()),
            ("Vault", _, Some(badge)) if badge == call.entity_id().as_str() => Ok(()),
            _ => Err(Refused::new("no badge")),
        })
        .filter(move |_| {
            first_asked.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
        .start()
        .await
        .unwrap();
    let vault = cluster.get::<Vault>("v");
    let before = bed.door.calls("commit");
    let errors = [
        vault.open().await.unwrap_err(),
        vault.open().header("badge", "w").await.unwrap_err(),
        vault.empty().await.unwrap_err(),
        vault.empty().key("k").await.unwrap_err(),
        vault.empty().send().await.unwrap_err(),
        vault.open().send().await.unwrap_err(),
        // Through a handler: the caller there is a caller as well.
        match cluster.get::<Guard>("g").open().await.unwrap_err() {
            CallError::Cluster(error) => error,
            error => panic!("{error:?}"),
        },
    ];
    for error in errors {
        let ClusterError::Refused(refused) = error else { panic!("{error:?}") };
        assert_eq!(refused.reason(), "no badge");
    }
    assert_eq!(bed.door.calls("commit"), before, "nothing was stored");
    assert_eq!(opened.load(Ordering::SeqCst), 0, "nothing was run");
    let records: usize = cluster.stats().types.iter().map(|kind| kind.records).sum();
    assert_eq!(records, 1, "only the guard");
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the first refusal ends the call");

    assert_eq!(vault.look().await.unwrap(), 0);
    assert_eq!(vault.open().header("badge", "v").await.unwrap(), 1);
    assert_eq!(vault.empty().header("badge", "v").await.unwrap(), 2);
    let guarded = cluster.get::<Guard>("g").open().inherited_header("badge", "v");
    assert_eq!(guarded.await.unwrap(), 3);
    cluster.shutdown().await.unwrap();
}

backends!(
    headers_are_read_stored_and_passed_on_where_inherited on threads,
    a_filter_refuses_by_type_message_and_header_before_anything_happens on threads,
);
