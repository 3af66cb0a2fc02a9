//! Every form of a later reply, and what the caller gets.
#![deny(warnings)]
use std::future::IntoFuture;

use cluster::prelude::*;
use cluster::testing::TestCluster;
use futures_util::future;

#[derive(Entity, Default)]
struct Desk {
    waited: u32,
    owed: std::sync::Mutex<Vec<Reply<String>>>,
}

#[entity]
impl Desk {
    /// Waits for a word.
    #[message]
    pub fn wait(&self) -> Later<String> {
        let (reply, later) = Later::new();
        self.owed.lock().unwrap().push(reply);
        later
    }

    #[message]
    fn say(&mut self, word: String) -> usize {
        let owed = self.owed.get_mut().unwrap();
        let many = owed.len();
        owed.drain(..).for_each(|reply| reply.send(word.clone()));
        many
    }

    #[message(timeout = "10s", uninterruptible)]
    async fn alone(&mut self, ctx: &Context) -> cluster::Later<Result<u32, String>> {
        assert_eq!(ctx.message(), "alone");
        tokio::task::yield_now().await;
        self.waited += 1;
        Later::now(if self.waited > 1 { Err("twice".to_owned()) } else { Ok(self.waited) })
    }

    #[message(persisted, attempts = 2, backoff_min = "1ms")]
    fn stored(&self, word: String) -> Later<Result<(), CallError<String>>> {
        let (reply, later) = Later::new();
        tokio::spawn(async move { reply.send(Err(CallError::Entity(word))) });
        later
    }

    #[message]
    fn nothing(&self) -> Later<()> {
        Later::now(())
    }
}

#[entity]
pub trait Counter {
    #[message]
    fn count(&self) -> Later<u32>;

    #[message]
    async fn add(&mut self, many: u32) -> Later<u32>;
}

#[derive(Entity, Default)]
struct Tally(u32);

#[entity]
impl Counter for Tally {
    fn count(&self) -> Later<u32> {
        Later::now(self.0)
    }

    async fn add(&mut self, many: u32) -> Later<u32> {
        self.0 += many;
        Later::now(self.0)
    }
}

/// Only its `&self` handlers reply later, so it may be stored.
#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Ledger(u32);

#[entity]
impl Ledger {
    #[message(fenced)]
    fn total(&self) -> Later<u32> {
        Later::now(self.0)
    }

    #[message(persisted)]
    async fn stored(&self) -> Later<u32> {
        Later::now(self.0)
    }
}

async fn calls() {
    let cluster =
        TestCluster::new().entity::<Desk>().entity::<Tally>().entity::<Ledger>().start().await;
    let desk: DeskClient = cluster.get::<Desk>("d");
    let said = async {
        while desk.say("word".into()).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    };
    let (word, ()) = future::join(desk.wait().into_future(), said).await;
    let word: Result<String, ClusterError> = word;
    assert_eq!(word.unwrap(), "word");
    let alone: Result<u32, CallError<String>> = desk.alone().await;
    assert_eq!(alone.unwrap(), 1);
    assert!(matches!(desk.alone().await, Err(CallError::Entity(twice)) if twice == "twice"));
    let stored = desk.stored("no".into()).key("k").await;
    assert!(matches!(stored, Err(CallError::Entity(no)) if no == "no"));
    desk.nothing().await.unwrap();

    let tally = cluster.get::<dyn Counter>("t");
    assert_eq!(tally.add(2).await.unwrap() + tally.count().await.unwrap(), 4);
    let ledger = cluster.get::<Ledger>("l");
    assert_eq!(ledger.total().await.unwrap() + ledger.stored().await.unwrap(), 0);
}

pub(crate) fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(calls());
}
