//! Entities that are kept alive.

use std::sync::Arc;

use super::Backend;
use super::fixture::{PREFIX, Runner, assert_fenced, join, state_key};
use crate::id::{Epoch, ShardCount, ShardId};
use crate::storage::{Alive, AliveScan, AliveWrite, Batch, StateKey};

fn write(key: StateKey, alive: Alive) -> AliveWrite {
    AliveWrite { key, epoch: Epoch::default(), alive }
}

fn writes(alive: Vec<AliveWrite>) -> Batch {
    Batch { alive, ..Batch::default() }
}

fn kept(ids: &[&str]) -> Batch {
    writes(ids.iter().map(|id| write(state_key(id), Alive::Kept)).collect())
}

async fn take_all(runner: &Runner, keys: &[StateKey]) {
    let shards = keys.iter().map(|key| key.shard).collect();
    runner.storage.take_shards(runner.fence, shards).await.unwrap();
}

/// All pages of this size, as types and ids.
async fn listed(runner: &Runner, limit: usize) -> Vec<(String, String)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let scan = AliveScan { after, limit };
        let page = runner.storage.load_kept_alive(runner.fence, scan).await.unwrap();
        assert!(page.len() <= limit);
        let Some(last) = page.last() else { return all };
        after = Some((last.entity_type.clone(), last.entity_id.clone()));
        for key in page {
            assert_eq!(key.shard, ShardId::of(&key.entity_id, ShardCount::default()));
            all.push((key.entity_type.to_string(), key.entity_id.as_str().to_owned()));
        }
    }
}

async fn ids(runner: &Runner, limit: usize) -> Vec<String> {
    listed(runner, limit).await.into_iter().map(|(_, id)| id).collect()
}

// proves: B68
pub(super) async fn who_is_kept_alive_is_listed_until_released<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    // In the order of bytes.
    let names = ["", "\0", "A", "a", "a\0", "aa", "b", "z", "é", "\u{10ffff}"];
    let names: Vec<String> = names.iter().map(|name| format!("e{name}")).collect();
    let mut keys: Vec<StateKey> = names.iter().rev().map(|name| state_key(name)).collect();
    take_all(&runner, &keys).await;
    let writes_all = writes(keys.iter().map(|key| write(key.clone(), Alive::Kept)).collect());
    for _ in 0..2 {
        // Written again it is there once.
        runner.commit(writes_all.clone()).await.unwrap();
        for limit in [1, 3, 10, 100] {
            assert_eq!(ids(&runner, limit).await, names, "in pages of {limit}");
        }
    }
    // Another type with an id of the same name is another entity.
    let other = StateKey { entity_type: Arc::from("Zone"), ..keys.remove(0) };
    runner.commit(writes(vec![write(other.clone(), Alive::Kept)])).await.unwrap();
    assert_eq!(listed(&runner, 2).await.len(), names.len() + 1);
    assert_eq!(listed(&runner, 2).await.last().unwrap().0, "Zone");

    let released = keys.into_iter().map(|key| write(key, Alive::Released)).collect();
    runner.commit(writes(released)).await.unwrap();
    let last = names.last().unwrap();
    assert_eq!(ids(&runner, 2).await, [last.clone(), last.clone()]);
    // The last word of a batch counts, and a release of what is not kept is nothing.
    let words = [Alive::Kept, Alive::Released].map(|alive| write(state_key(last), alive));
    runner.commit(writes(words.to_vec())).await.unwrap();
    let words = [Alive::Released, Alive::Kept].map(|alive| write(other.clone(), alive));
    runner.commit(writes(words.to_vec())).await.unwrap();
    runner.commit(writes(vec![write(state_key("none"), Alive::Released)])).await.unwrap();
    assert_eq!(listed(&runner, 2).await, [("Zone".to_owned(), last.clone())]);
}

// proves: B68
pub(super) async fn the_owner_of_its_shard_alone_is_told_who_is_kept<B: Backend>(backend: B) {
    let first = Runner::start(&backend).await;
    let (a, b) = (state_key("a"), state_key("b"));
    take_all(&first, &[a.clone(), b.clone()]).await;
    first.commit(kept(&["a", "b"])).await.unwrap();
    assert_eq!(ids(&first, 9).await, ["a", "b"]);
    let old = first.fence;
    drop(first);

    let storage = backend.open(PREFIX).await;
    let next = Runner { fence: join(&*storage).await.unwrap().fence, storage };
    let scan = AliveScan { after: None, limit: 9 };
    assert_fenced(next.storage.load_kept_alive(old, scan.clone()).await);
    assert!(ids(&next, 9).await.is_empty(), "it has taken no shard");
    take_all(&next, &[b]).await;
    assert_eq!(ids(&next, 9).await, ["b"]);
    take_all(&next, &[a]).await;
    assert_eq!(ids(&next, 9).await, ["a", "b"]);

    // A stale owner keeps nobody.
    let late = join(&*next.storage).await.unwrap();
    assert_fenced(next.commit(kept(&["c"])).await);
    let c = vec![state_key("c").shard];
    next.storage.take_shards(late.fence, c).await.unwrap();
    let page = next.storage.load_kept_alive(late.fence, scan).await.unwrap();
    assert!(page.iter().all(|key| key.entity_id.as_str() != "c"), "{page:?}");
}
