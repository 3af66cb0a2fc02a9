//! Calls that would wait for themselves fail at once.

use cluster::Cluster;
use cluster::prelude::*;

use crate::support::{Bed, backends, watched};

/// An entity that passes calls on.
#[derive(Entity, Default)]
struct Link;

/// Why a call has not come to its end, as an outcome.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("{0}")]
struct Ended(String);

type Depth = u32;

#[entity]
impl Link {
    /// Calls the entities of `path`, each from the one before, exclusively.
    #[message]
    async fn pass(&mut self, ctx: &Context, path: Vec<String>) -> Result<Depth, CallError<Ended>> {
        let Some((first, rest)) = path.split_first() else { return Ok(0) };
        Ok(ctx.get::<Link>(first).pass(rest.to_vec()).await? + 1)
    }

    /// The same beside other readers.
    #[message]
    async fn look(&self, ctx: &Context, path: Vec<String>) -> Result<Depth, CallError<Ended>> {
        let Some((first, rest)) = path.split_first() else { return Ok(0) };
        Ok(ctx.get::<Link>(first).look(rest.to_vec()).await? + 1)
    }

    /// Reads, and the rest is exclusive.
    #[message]
    async fn look_then_pass(
        &self,
        ctx: &Context,
        path: Vec<String>,
    ) -> Result<Depth, CallError<Ended>> {
        let Some((first, rest)) = path.split_first() else { return Ok(0) };
        Ok(ctx.get::<Link>(first).pass(rest.to_vec()).await? + 1)
    }

    /// Is exclusive, and the rest reads.
    #[message]
    async fn pass_then_look(
        &mut self,
        ctx: &Context,
        path: Vec<String>,
    ) -> Result<Depth, CallError<Ended>> {
        let Some((first, rest)) = path.split_first() else { return Ok(0) };
        Ok(ctx.get::<Link>(first).look(rest.to_vec()).await? + 1)
    }

    /// Passes on durably; what goes wrong is the outcome.
    #[message(persisted)]
    async fn pass_durably(&mut self, ctx: &Context, path: Vec<String>) -> Result<Depth, Ended> {
        let Some((first, rest)) = path.split_first() else { return Ok(0) };
        match ctx.get::<Link>(first).pass_durably(rest.to_vec()).await {
            Ok(depth) => Ok(depth + 1),
            Err(CallError::Entity(ended)) => Err(ended),
            Err(CallError::Cluster(error)) => Err(Ended(error.to_string())),
        }
    }
}

fn path(ids: &str) -> Vec<String> {
    ids.split_whitespace().map(str::to_owned).collect()
}

/// The entities that a call has named, where it was refused for waiting for itself.
fn named(reply: Result<Depth, CallError<Ended>>) -> Vec<String> {
    match reply {
        Err(CallError::Cluster(ClusterError::Reentrant { chain })) => {
            assert!(chain.iter().all(|address| address.entity_type() == "Link"));
            chain.iter().map(|address| address.entity_id().to_string()).collect()
        }
        other => panic!("{other:?}"),
    }
}

async fn start(bed: &Bed) -> Cluster {
    bed.start(|builder| builder.entity::<Link>()).await
}

/// Refusals come at once.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Of so many the fastest counts: the others may have waited for a busy machine.
const TRIES: usize = 5;

// proves: B63
#[tokio::test]
async fn a_call_that_would_wait_for_itself_names_the_chain() {
    let bed = Bed::memory();
    let cluster = start(&bed).await;
    let a = cluster.get::<Link>("a");
    // Activation is not what is measured.
    assert_eq!(a.pass(path("b c d")).await.unwrap(), 3);
    let mut fastest = Duration::MAX;
    for _ in 0..TRIES {
        let began = bed.clock().now();
        assert_eq!(named(watched(a.pass(path("b a"))).await), ["a", "b", "a"]);
        fastest = fastest.min(bed.clock().now() - began);
    }
    assert!(fastest < AT_ONCE, "{fastest:?}");

    assert_eq!(named(watched(a.pass(path("a"))).await), ["a", "a"]);
    assert_eq!(named(watched(a.pass(path("b c d b c"))).await), ["a", "b", "c", "d", "b"]);
    assert_eq!(named(watched(a.look_then_pass(path("b a"))).await), ["a", "b", "a"]);
    assert_eq!(named(watched(a.pass_then_look(path("b a"))).await), ["a", "b", "a"]);
    // Nobody is left waiting.
    assert_eq!(watched(a.pass(path("b c d"))).await.unwrap(), 3);
}

// proves: B63
#[tokio::test]
async fn readers_may_meet_their_own_readers() {
    let cluster = start(&Bed::memory()).await;
    let a = cluster.get::<Link>("a");
    assert_eq!(watched(a.look(path("b a b a a"))).await.unwrap(), 5);
}

/// On a clock that stands still: whatever needed time would never end.
// proves: B63
async fn a_durable_call_that_would_wait_for_itself_names_the_chain(bed: Bed) {
    let cluster = start(&bed.with_virtual_time()).await;
    let a = cluster.get::<Link>("a");
    assert_eq!(watched(a.pass_durably(path("b c"))).await.unwrap(), 2);
    let ended = watched(a.pass_durably(path("b a"))).await.unwrap_err();
    let CallError::Entity(Ended(text)) = ended else { panic!("{ended:?}") };
    let at = |id: &str| text.find(&format!("Link/{id}"));
    assert!(at("a").is_some() && at("a") < at("b"), "{text}");
    assert_eq!(text.matches("Link/a").count(), 2, "{text}");
    assert_eq!(watched(a.pass_durably(path("b c"))).await.unwrap(), 2);
}

// proves: B63
#[tokio::test]
async fn two_chains_that_do_not_meet_themselves_both_end() {
    let cluster = start(&Bed::memory()).await;
    let (a, b) = (cluster.get::<Link>("a"), cluster.get::<Link>("b"));
    for _ in 0..100 {
        let both = async {
            tokio::join!(a.pass(path("c d e")).into_future(), b.pass(path("c d e")).into_future())
        };
        let (first, second) = watched(both).await;
        assert_eq!((first.unwrap(), second.unwrap()), (3, 3));
    }
}

backends!(a_durable_call_that_would_wait_for_itself_names_the_chain);
