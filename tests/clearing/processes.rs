//! A process dies in the middle of a clearing, by SIGKILL: what is gone is gone, nothing has
//! happened twice, and clearing again removes the rest.

use cluster::prelude::*;

use crate::entities::{List, start, start_with};
use crate::support::{Bed, Victim, backends, be_victim, say, soon, until};

/// What the process says where it is killed.
const MIDDLE: &str = "in the middle";
/// Keys that were used before.
const WORDS: [&str; 5] = ["one", "two", "three", "four", "five"];
/// How many commits it takes, two requests a page: three of what waits, the last with the state,
/// then three of what has ended.
const COMMITS: usize = 6;

/// Not a test by itself: what the process does that is to die.
#[test]
fn victim() {
    // How many commits of the clearing pass before the kill.
    // It has an entity of its own.
    be_victim(async |pass, bed| {
        let cluster = start_with(bed, |builder| builder.config(|c| c.clear_batch = 2)).await;
        let list = cluster.get::<List>(pass);
        for word in WORDS {
            list.add(word.into()).key(word).await.unwrap();
        }
        for word in ["later", "latest"] {
            list.add(word.into()).after(Duration::from_secs(3_600)).send().await.unwrap();
        }
        list.remind("again".into(), 3_600_000).await.unwrap();
        bed.door.hold_commits();
        let id = pass.to_owned();
        let clearing = tokio::spawn(async move { cluster.clear::<List>(id).await });
        for _ in 0..pass.parse().unwrap() {
            bed.door.commits_held(1).await;
            bed.door.pass_one();
        }
        bed.door.commits_held(1).await;
        say(MIDDLE);
        clearing.await.unwrap().unwrap();
    });
}

// proves: B117
async fn killed_anywhere_and_asked_for_again_it_is_cleared(bed: Bed) {
    for pass in 0..COMMITS {
        let id = pass.to_string();
        let mut victim = Victim::start(&id, &bed);
        victim.wait_for(MIDDLE);
        victim.kill();
        soon(async {
            let cluster = start(&bed).await;
            let list = cluster.get::<List>(&*id);
            // With its state gone, an old key is known still, or runs on the fresh entity; before
            // it is, none runs again.
            let count = list.count().await.unwrap();
            assert!(count == 0 || count == WORDS.len(), "{count} after {pass}");
            if count == WORDS.len() {
                assert_eq!(list.add("two".into()).key("two").await.unwrap(), 2, "{pass}");
                assert_eq!(list.count().await.unwrap(), count);
            }
            cluster.clear::<List>(&*id).await.unwrap();
            assert_eq!(list.count().await.unwrap(), 0);
            for (place, word) in WORDS.into_iter().enumerate() {
                assert_eq!(list.add(word.into()).key(word).await.unwrap(), place + 1);
            }
            drop((list, cluster));
            until(|| !bed.is_held()).await;
        })
        .await;
    }
}

backends!(on disk:
    killed_anywhere_and_asked_for_again_it_is_cleared,
);
