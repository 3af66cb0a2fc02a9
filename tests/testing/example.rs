//! Three kinds of test as a program has them for its own entities: of a handler alone, of what time
//! does, of what breaks. None needs a server or waits for real time.

use std::time::Duration;

use cluster::prelude::*;
use cluster::testing::{Fault, TestCluster};

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Counter {
    value: i64,
}

#[entity]
impl Counter {
    #[message(persisted)]
    fn increment(&mut self, amount: i64) -> i64 {
        self.value += amount;
        self.value
    }

    #[message]
    fn value(&self) -> i64 {
        self.value
    }
}

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Subscription {
    charges: u32,
}

#[entity]
impl Subscription {
    /// Charges now, and again every thirty days.
    #[message(persisted)]
    async fn renew(&mut self, ctx: &Context) -> Result<(), CallError<String>> {
        self.charges += 1;
        ctx.remind::<Self>().renew().after(Duration::from_secs(30 * 86_400)).send().await?;
        Ok(())
    }

    #[message]
    fn charges(&self) -> u32 {
        self.charges
    }
}

#[test]
fn a_handler_is_a_plain_method() {
    let mut counter = Counter::default();
    assert_eq!(counter.increment(2), 2);
}

#[tokio::test]
async fn a_month_passes_in_milliseconds() {
    let cluster = TestCluster::new().entity::<Subscription>().start().await;
    let subscription = cluster.get::<Subscription>("s-1");
    subscription.renew().await.unwrap();

    cluster.advance(Duration::from_secs(31 * 86_400)).await;

    assert_eq!(subscription.charges().await.unwrap(), 2);
}

// proves: B237
#[tokio::test]
async fn no_increment_is_lost_or_doubled_whatever_breaks() {
    for seed in 0..200 {
        let cluster = TestCluster::new()
            .seed(seed)
            .entity::<Counter>()
            .faults(Fault::unknown_commit(0.05) | Fault::slow(0.05, Duration::from_millis(200)))
            .start()
            .await;
        let counter = cluster.get::<Counter>("c");
        for n in 0..50 {
            counter.increment(1).key(format!("{n}")).await.unwrap();
        }
        cluster.heal().await;
        assert_eq!(counter.value().await.unwrap(), 50, "replay with seed {seed}");
    }
}
