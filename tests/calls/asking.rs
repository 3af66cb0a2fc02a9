//! What a cluster says about itself, and what registration decides.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster::codec::to_json;
use cluster::contract::Schema;
use cluster::prelude::*;
use cluster::storage::StateKey;
use cluster::testing::TestCluster;

use crate::helpers::memory;
use crate::stage::Stage;
use crate::support::{Bed, backends, soon};

#[derive(Entity, Default)]
#[entity(group = "apart", attempts = 2)]
struct Plain {
    calls: u32,
}

#[entity]
impl Plain {
    #[message]
    fn call(&mut self, ctx: &Context) -> u32 {
        self.calls += 1;
        ctx.address().shard().as_u32()
    }

    #[message(persisted)]
    fn burst(&mut self) {
        self.calls += 1;
        panic!("always");
    }

    #[message]
    fn calls(&self) -> u32 {
        self.calls
    }
}

#[derive(Entity, Default)]
struct Other;

#[entity]
impl Other {
    #[message]
    fn call(&self, ctx: &Context) -> u32 {
        ctx.address().shard().as_u32()
    }
}

#[derive(Entity, Default)]
struct Unhosted;

#[entity]
impl Unhosted {
    #[message]
    fn hello(&self) {}
}

// proves: B10, B252
async fn a_cluster_answers_truthfully_about_itself(bed: Bed) {
    let storage = bed.open().await;
    let cluster = Cluster::builder()
        .storage(storage)
        .entity::<Plain>()
        .entity::<Other>()
        .start()
        .await
        .unwrap();
    let mut apart = HashSet::new();
    let mut default = HashSet::new();
    for id in 0..200 {
        let id = id.to_string();
        let shard = cluster.shard_of::<Plain>(&*id).unwrap();
        let other = cluster.shard_of::<Other>(&*id).unwrap();
        assert_eq!(cluster.get::<Plain>(&*id).call().await.unwrap(), shard.as_u32());
        assert_eq!(cluster.get::<Other>(&*id).call().await.unwrap(), other.as_u32());
        assert!(cluster.owns::<Plain>(&*id));
        apart.insert(shard);
        default.insert(other);
    }
    assert!(apart.len() > 50 && default.len() > 50, "ids are spread over the shards");
    assert!(apart.is_disjoint(&default), "each group has its own shards");
    let error = cluster.shard_of::<Unhosted>("x").unwrap_err();
    assert!(matches!(error, ClusterError::NotAssigned { .. }), "{error:?}");
    assert!(!cluster.owns::<Unhosted>("x"));

    let stats = cluster.stats();
    let types: Vec<_> = stats.types.iter().map(|t| (&*t.entity_type, t.records)).collect();
    assert_eq!(types, [("Other", 200), ("Plain", 200)]);
    assert_eq!(stats.resident_entities, 400);
    assert!(!cluster.is_shutting_down());

    let makers: Vec<_> = (0..4)
        .map(|_| {
            let cluster = cluster.clone();
            tokio::task::spawn_blocking(move || {
                (0..10_000).map(|_| cluster.snowflake()).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut all = HashSet::new();
    for maker in makers {
        let made = soon(maker).await.unwrap();
        assert!(made.is_sorted(), "they grow");
        all.extend(made);
    }
    assert_eq!(all.len(), 40_000, "each is made once");

    cluster.shutdown().await.unwrap();
    assert!(cluster.is_shutting_down());
    assert!(!cluster.owns::<Plain>("1"));
    assert_eq!(cluster.stats().resident_entities, 0);
}

#[tokio::test]
async fn a_snowflake_tells_when_it_was_made() {
    let cluster = TestCluster::new().entity::<Plain>().start().await;
    let first = cluster.snowflake();
    assert_eq!(first.timestamp(), cluster.clock().wall());
    cluster.advance(Duration::from_secs(86_400)).await;
    let second = cluster.snowflake();
    assert_eq!(second.timestamp(), cluster.clock().wall());
    assert!(second > first);
}

/// Holds a service beside what is stored.
#[derive(Entity)]
struct Mailbox {
    #[state]
    inbox: Inbox,
    postman: Arc<AtomicU32>,
}

#[derive(Default, Serialize, Deserialize)]
struct Inbox {
    letters: Vec<String>,
}

#[entity]
impl Mailbox {
    #[message(persisted)]
    fn receive(&mut self, ctx: &Context, letter: String) -> usize {
        self.postman.fetch_add(1, Ordering::SeqCst);
        self.inbox.letters.push(format!("{letter} for {}", ctx.entity_id()));
        self.inbox.letters.len()
    }

    #[message]
    fn letters(&self) -> Vec<String> {
        self.inbox.letters.clone()
    }
}

// proves: B11
async fn a_factory_builds_the_services_and_the_storage_gives_the_state(bed: Bed) {
    let storage = bed.open().await;
    let mut shard = None;
    for round in 1..=3 {
        let (postman, stage) = (Arc::new(AtomicU32::new(0)), Stage::default());
        let (shared, notes) = (postman.clone(), stage.clone());
        let cluster = Cluster::builder()
            .storage(storage.clone())
            .entity_with::<Mailbox>(move |id| {
                notes.note(id.as_str());
                Mailbox {
                    inbox: Inbox { letters: vec!["of no account".into()] },
                    postman: shared.clone(),
                }
            })
            .start()
            .await
            .unwrap();
        let mailbox = cluster.get::<Mailbox>("m");
        // At first the factory's state, from then on the stored one.
        assert_eq!(mailbox.receive(format!("letter {round}")).await.unwrap(), round + 1);
        assert_eq!(mailbox.letters().await.unwrap()[round], format!("letter {round} for m"));
        assert_eq!(stage.notes(), ["m"], "made once, by its id");
        assert_eq!(postman.load(Ordering::SeqCst), 1, "this start's own service");
        shard = cluster.shard_of::<Mailbox>("m").ok();
        cluster.shutdown().await.unwrap();
    }
    let key = StateKey {
        shard: shard.expect("it was hosted"),
        entity_type: "Mailbox".into(),
        entity_id: "m".into(),
    };
    let stored = storage.load_states(vec![key]).await.unwrap().remove(0).expect("a state");
    // The field that is the state, and nothing beside it.
    let shape = Schema::of::<Inbox>().unwrap();
    let letters = ["of no account", "letter 1 for m", "letter 2 for m", "letter 3 for m"];
    let inbox: serde_json::Value = to_json(&stored.payload, shape.shape()).unwrap();
    assert_eq!(inbox, serde_json::json!({ "letters": letters }));
}

#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("no {0}")]
struct Nothing(String);

#[derive(Entity, Default)]
#[entity(on_panic = "defect")]
struct Replies;

#[entity]
impl Replies {
    #[message(persisted)]
    fn reply(&self, kind: u8) -> Result<Vec<(u8, Option<String>)>, Nothing> {
        match kind {
            0 => Ok(vec![(1, None), (2, Some("two\u{1f980}".into()))]),
            1 => Err(Nothing("reply".into())),
            _ => panic!("kind {kind}"),
        }
    }
}

// A reply that travelled through the storage's bytes is the same as the one given directly: what a
// caller elsewhere gets.
async fn a_reply_that_was_encoded_equals_the_direct_one(bed: Bed) {
    let storage = bed.open().await;
    let cluster = Cluster::builder().storage(storage).entity::<Replies>().start().await.unwrap();
    let replies = cluster.get::<Replies>("r");
    for kind in 0..3 {
        let direct = soon(replies.reply(kind).key(format!("{kind}")).into_future()).await;
        let encoded = soon(replies.reply(kind).key(format!("{kind}")).into_future()).await;
        match (direct, encoded) {
            (Ok(direct), Ok(encoded)) => assert_eq!(direct, encoded),
            (Err(CallError::Entity(direct)), Err(CallError::Entity(encoded))) => {
                assert_eq!(direct, encoded);
            }
            (
                Err(CallError::Cluster(ClusterError::Defect { reason, address, .. })),
                Err(CallError::Cluster(ClusterError::Defect {
                    reason: encoded, address: at, ..
                })),
            ) => assert_eq!((reason, address), (encoded, at)),
            (direct, encoded) => panic!("{direct:?} is not {encoded:?}"),
        }
    }
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_type_is_registered_once_and_options_only_for_registered_types() {
    let twice = Cluster::builder().storage(memory()).entity::<Plain>().entity::<Plain>().start();
    let error = twice.await.unwrap_err();
    assert!(error.to_string().contains("two entity types are named `Plain`"), "{error}");
    let options = cluster::EntityOptions::DEFAULT;
    let missing = Cluster::builder().storage(memory()).options::<Plain>(options).start();
    let error = missing.await.unwrap_err();
    assert!(error.to_string().contains("not registered"), "{error}");
}

backends!(
    a_cluster_answers_truthfully_about_itself on threads,
    a_factory_builds_the_services_and_the_storage_gives_the_state on threads,
    a_reply_that_was_encoded_equals_the_direct_one on threads,
);
