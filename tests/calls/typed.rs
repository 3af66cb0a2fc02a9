//! What a typed client gives: the handler's own types, nothing before it is awaited.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster::prelude::*;
use cluster::storage::Storage;
use cluster::testing::TestCluster;

use crate::stage::Stage;
use crate::support::{Bed, backends, soon, until};

#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
enum ShelfError {
    #[error("there are {there}, asked for {asked}")]
    TooFew { there: u32, asked: u32 },
    #[error("{0}")]
    Other(String),
}

/// Every form of handler in one block.
#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Shelf {
    pieces: u32,
    labels: Vec<String>,
}

type Taken = (u32, Option<String>);

#[entity]
impl Shelf {
    #[message]
    fn put(&mut self, pieces: u32) {
        self.pieces += pieces;
    }

    #[message]
    async fn label(&mut self, text: String) -> Vec<String> {
        self.labels.push(text);
        self.labels.clone()
    }

    #[message]
    fn pieces(&self) -> u32 {
        self.pieces
    }

    #[message]
    async fn check(&self, asked: u32) -> Result<(), ShelfError> {
        self.enough(asked)
    }

    #[message(persisted)]
    fn take(&mut self, ctx: &Context, asked: u32) -> Result<Taken, ShelfError> {
        self.enough(asked)?;
        self.pieces -= asked;
        Ok((self.pieces, ctx.request_id().map(|id| id.to_string())))
    }

    #[message(persisted)]
    async fn fill(&mut self, ctx: &Context) -> u32 {
        self.pieces += 100;
        assert_eq!(ctx.message(), "fill");
        self.pieces
    }

    #[message(persisted)]
    async fn count(&self) -> u32 {
        self.pieces
    }

    #[message(persisted)]
    fn empty(&mut self) {
        self.pieces = 0;
    }

    fn enough(&self, asked: u32) -> Result<(), ShelfError> {
        let there = self.pieces;
        if asked > there { Err(ShelfError::TooFew { there, asked }) } else { Ok(()) }
    }
}

async fn start(storage: Arc<dyn Storage>) -> Cluster {
    Cluster::builder().storage(storage).entity::<Shelf>().start().await.expect("it starts")
}

// proves: B1, B13
async fn every_form_of_handler_is_reached_with_its_own_types(bed: Bed) {
    let storage = bed.open().await;
    let cluster = start(storage).await;
    let shelf = cluster.get::<Shelf>("a");
    let (): () = shelf.put(3).await.unwrap();
    let labels: Vec<String> = shelf.label("x".into()).await.unwrap();
    assert_eq!(labels, ["x"]);
    let pieces: Result<u32, ClusterError> = shelf.pieces().await;
    assert_eq!(pieces.unwrap(), 3);
    let checked: Result<(), CallError<ShelfError>> = shelf.check(3).await;
    checked.unwrap();
    let (left, id): Taken = shelf.take(2).await.unwrap();
    assert_eq!(left, 1);
    assert!(id.is_some(), "a persisted request has an id");
    assert_eq!(shelf.fill().await.unwrap(), 101);
    assert_eq!(shelf.count().await.unwrap(), 101);
    let (): () = shelf.empty().await.unwrap();

    let error = shelf.take(5).await.unwrap_err();
    let CallError::Entity(error) = error else { panic!("{error:?}") };
    assert_eq!(error, ShelfError::TooFew { there: 0, asked: 5 });
    let error = shelf.check(7).await.unwrap_err();
    assert!(matches!(error, CallError::Entity(ShelfError::TooFew { there: 0, asked: 7 })));
    cluster.shutdown().await.unwrap();
}

// proves: B2
#[test]
fn handlers_are_plain_methods_without_a_runtime() {
    let mut shelf = Shelf::default();
    shelf.put(2);
    assert_eq!(shelf.pieces(), 2);
    assert_eq!(shelf.enough(3), Err(ShelfError::TooFew { there: 2, asked: 3 }));
    shelf.empty();
    assert_eq!(shelf.pieces, 0);
}

/// Lifts errors of calls into its own result, and cluster errors out of it.
#[derive(Entity, Default)]
struct Porter;

#[entity]
impl Porter {
    #[message]
    async fn fetch(&self, ctx: &Context, asked: u32) -> Result<u32, CallError<ShelfError>> {
        let shelf = ctx.get::<Shelf>("a");
        shelf.check(asked).await?;
        let there = shelf.pieces().await?;
        if there > 1_000 {
            Err(ShelfError::Other("too many".into()))?;
        }
        Ok(there)
    }

    #[message]
    async fn describe(&self, ctx: &Context) -> Result<u32, CallError<String>> {
        let nobody = ctx.get::<Unhosted>("n");
        nobody.hello().await?;
        ctx.get::<Shelf>("a")
            .check(1)
            .await
            .map(|()| 1)
            .map_err(|error| error.map_entity(|error| error.to_string()))
    }
}

#[derive(Entity, Default)]
struct Unhosted;

#[entity]
impl Unhosted {
    #[message]
    fn hello(&self) {}
}

async fn ask_everybody(cluster: &Cluster) -> cluster::Result<u32> {
    let pieces = cluster.get::<Shelf>("a").pieces().await?;
    cluster.get::<Shelf>("a").check(pieces + 1).await?;
    Ok(pieces)
}

// proves: B13
#[tokio::test]
async fn question_marks_lift_domain_and_cluster_errors() {
    let cluster = Cluster::builder().entity::<Shelf>().entity::<Porter>().start().await.unwrap();
    let porter = cluster.get::<Porter>("p");
    let error = porter.fetch(1).await.unwrap_err();
    assert!(matches!(error, CallError::Entity(ShelfError::TooFew { there: 0, asked: 1 })));
    cluster.get::<Shelf>("a").put(2_000).await.unwrap();
    let error = porter.fetch(1).await.unwrap_err();
    assert!(matches!(error, CallError::Entity(ShelfError::Other(text)) if text == "too many"));
    let error = porter.describe().await.unwrap_err();
    assert!(matches!(error, CallError::Cluster(ClusterError::NotAssigned { .. })), "{error:?}");

    let error = ask_everybody(&cluster).await.unwrap_err();
    let source = error.source().expect("the entity's error").to_string();
    assert_eq!(source, "there are 2000, asked for 2001");
    cluster.shutdown().await.unwrap();
    let error = ask_everybody(&cluster).await.unwrap_err();
    assert!(matches!(error, cluster::Error::Cluster(ClusterError::ShuttingDown)), "{error:?}");
}

// proves: B12
async fn a_million_handles_do_nothing(bed: Bed) {
    // Time stands still, so the cluster's own loops ask for nothing.
    let cluster = TestCluster::new().storage(bed.open().await).entity::<Shelf>().start().await;
    // The last things that a start asks for: what is pending, due, kept alive and in the inbox.
    let last = ["load_pending", "load_due", "load_kept_alive", "inbox"];
    until(|| last.iter().all(|call| bed.door.calls(call) == 1)).await;
    let before = bed.door.all_calls();
    for number in 0..1_000_000 {
        let handle = cluster.get::<Shelf>(format!("shelf-{number}"));
        std::hint::black_box(handle.clone());
    }
    // Whatever they had begun would have its turn now.
    cluster.settle().await;
    assert_eq!(bed.door.all_calls(), before, "the storage was asked");
    let stats = cluster.stats();
    assert_eq!((stats.resident_entities, stats.types[0].records), (0, 0));
    cluster.shutdown().await.unwrap();
}

/// Counts how often it is made and called.
#[derive(Entity)]
struct Counted {
    calls: Arc<AtomicU32>,
}

#[entity]
impl Counted {
    #[message]
    fn volatile(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }

    #[message(persisted)]
    fn persisted(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }
}

// proves: B18
async fn a_call_that_is_never_polled_does_nothing(bed: Bed) {
    let calls = Arc::new(AtomicU32::new(0));
    let (made, seen) = (calls.clone(), calls.clone());
    let cluster = Cluster::builder()
        .storage(bed.open().await)
        .entity_with::<Counted>(move |_| {
            made.fetch_add(1_000, Ordering::SeqCst);
            Counted { calls: seen.clone() }
        })
        .start()
        .await
        .unwrap();
    let counted = cluster.get::<Counted>("a");
    let before = bed.door.calls("commit");

    drop(counted.volatile());
    drop(counted.persisted().key("k").header("h", "v").timeout(Duration::from_secs(1)));
    drop(counted.volatile().into_future());
    drop(counted.persisted().into_future());
    drop(counted.volatile().send());
    drop(counted.persisted().send().into_future());
    tokio::task::yield_now().await;

    assert_eq!(calls.load(Ordering::SeqCst), 0);
    assert_eq!(bed.door.calls("commit"), before);
    assert_eq!(cluster.stats().types[0].records, 0);
    // The same calls, polled, do something.
    counted.volatile().await.unwrap();
    counted.persisted().await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1_002);
    assert!(bed.door.calls("commit") > before);
    cluster.shutdown().await.unwrap();
}

// proves: B22
#[tokio::test]
async fn equal_volatile_calls_run_each() {
    let calls = Arc::new(AtomicU32::new(0));
    let seen = calls.clone();
    let cluster = Cluster::builder()
        .entity_with::<Counted>(move |_| Counted { calls: seen.clone() })
        .start()
        .await
        .unwrap();
    let counted = cluster.get::<Counted>("a");
    counted.volatile().await.unwrap();
    counted.volatile().await.unwrap();
    let (one, other) =
        tokio::join!(counted.volatile().into_future(), counted.volatile().into_future());
    one.and(other).unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 4);
}

#[derive(Entity)]
#[entity(mailbox = 1)]
struct Narrow {
    stage: Stage,
}

#[entity]
impl Narrow {
    #[message]
    async fn enter(&mut self) {
        self.stage.pause().await;
    }
}

// proves: B15
#[tokio::test]
async fn errors_carry_address_limit_and_cause() {
    let stage = Stage::default();
    let shared = stage.clone();
    let cluster = Cluster::builder()
        .entity_with::<Narrow>(move |_| Narrow { stage: shared.clone() })
        .start()
        .await
        .unwrap();
    let narrow = cluster.get::<Narrow>("gate");
    let first = tokio::spawn(narrow.enter().into_future());
    stage.arrived(1).await;
    let error = narrow.enter().timeout(Duration::from_millis(5)).await.unwrap_err();
    let ClusterError::Timeout { address, message, after } = error else { panic!("{error:?}") };
    assert_eq!((address.entity_type(), address.entity_id().as_str()), ("Narrow", "gate"));
    assert_eq!((message, after), ("enter", Duration::from_millis(5)));

    let second = tokio::spawn(narrow.enter().into_future());
    tokio::task::yield_now().await;
    let error = narrow.enter().await.unwrap_err();
    let ClusterError::MailboxFull { address, limit } = error else { panic!("{error:?}") };
    assert_eq!((address.entity_id().as_str(), limit), ("gate", 1));
    assert_eq!(address.shard(), cluster.shard_of::<Narrow>("gate").unwrap());

    let error = cluster.get::<Unhosted>("x").hello().await.unwrap_err();
    let ClusterError::NotAssigned { address } = error else { panic!("{error:?}") };
    assert_eq!((address.entity_type(), address.entity_id().as_str()), ("Unhosted", "x"));

    // Only a connection gives this one; its fields are what callers match on.
    let source: Arc<dyn std::error::Error + Send + Sync> = Arc::new(std::io::Error::other("cut"));
    let error = ClusterError::RunnerUnavailable { address, source };
    assert_eq!(error.source().expect("a cause").to_string(), "cut");
    assert!(error.to_string().contains("Unhosted/x"), "{error}");
    stage.let_on(2);
    soon(first).await.unwrap().unwrap();
    soon(second).await.unwrap().unwrap();
    let bed = Bed::memory();
    let cluster = Cluster::builder()
        .storage(bed.open().await)
        .config(|config| config.commit_attempts = 1)
        .entity::<Shelf>()
        .start()
        .await
        .unwrap();
    bed.door.fail("commit", 1);
    let error = cluster.get::<Shelf>("a").fill().await.unwrap_err();
    let ClusterError::Persistence { .. } = error else { panic!("{error:?}") };
    let mut cause = error.source().expect("what the storage said");
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    assert_eq!(cause.to_string(), "turned away at the door");
}

backends!(
    every_form_of_handler_is_reached_with_its_own_types on threads,
    a_million_handles_do_nothing on threads,
    a_call_that_is_never_polled_does_nothing on threads,
);
