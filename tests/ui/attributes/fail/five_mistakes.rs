//! Five mistakes of different kinds, all reported in one build, each on its smallest token.

// proves: B4
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(persited)]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }

    #[message(timeout = "soon")]
    fn rename(&mut self, name: &str) {
        let _ = name;
    }

    #[message(name = "deposit")]
    fn pay_in(&mut self, cents: i64) {
        self.cents += cents;
    }

    #[message(transaction)]
    fn close(&mut self) {
        self.cents = 0;
    }
}

async fn use_it(cluster: &Cluster) {
    // The client is there all the same: its calls are not four more mistakes.
    let account = cluster.get::<Account>("a");
    let _ = account.deposit(1).timeout(Duration::from_secs(1)).await;
    let _ = account.rename("b").await;
    let _ = account.pay_in(1).await;
    let _ = account.close().await;
}

fn main() {}
