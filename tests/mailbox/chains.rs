//! Calls of calls that share entities, and none of which waits for itself.

use cluster::prelude::*;

use crate::support::{Bed, soon};

/// An entity that passes calls on.
#[derive(Entity, Default)]
struct Link;

#[entity]
impl Link {
    /// Calls the entities of `path`, each from the one before, exclusively.
    #[message]
    async fn pass(&mut self, ctx: &Context, path: Vec<String>) -> Result<u32, CallError<String>> {
        let Some((first, rest)) = path.split_first() else { return Ok(0) };
        Ok(ctx.get::<Link>(first).pass(rest.to_vec()).await? + 1)
    }
}

fn path(ids: &str) -> Vec<String> {
    ids.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn two_chains_that_do_not_meet_themselves_both_end() {
    let cluster = Bed::memory().start(|builder| builder.entity::<Link>()).await;
    let (a, b) = (cluster.get::<Link>("a"), cluster.get::<Link>("b"));
    for _ in 0..100 {
        let both = async {
            tokio::join!(a.pass(path("c d e")).into_future(), b.pass(path("c d e")).into_future())
        };
        let (first, second) = soon(both).await;
        assert_eq!((first.unwrap(), second.unwrap()), (3, 3));
    }
}
