//! The connections of handlers' own transactions: what one handler leaves on one harms no other.

use cluster::prelude::*;
use tokio::time::timeout;

use crate::support::{Bed, Own, backends};

/// Reads and writes the user's own table.
#[derive(Entity, Default)]
struct Clerk {
    #[state]
    taken: i64,
}

#[entity]
impl Clerk {
    #[message(persisted, transaction)]
    async fn take(&mut self, ctx: &Context) -> Result<i64, CallError<String>> {
        let mut tx = Own::of(ctx).await?;
        tx.run("UPDATE stock SET pieces = pieces - 1").await.or_retry()?;
        self.taken += 1;
        Ok(self.taken)
    }

    #[message]
    fn taken(&self) -> i64 {
        self.taken
    }
}

async fn make_stock(bed: &Bed) {
    drop(bed.open().await);
    let table = "CREATE TABLE stock (pieces BIGINT NOT NULL); INSERT INTO stock VALUES (100)";
    bed.user().await.run(table).await;
}

async fn pieces(bed: &Bed) -> i64 {
    bed.user().await.numbers("SELECT pieces FROM stock").await[0]
}

/// Somebody else holds the rows that handlers change: each has its time, and its entity and its
/// connection are free when that is over. What has waited is never done.
// proves: B49
async fn a_handler_whose_statement_waits_for_others_ends_in_time(bed: Bed) {
    make_stock(&bed).await;
    let cluster = bed
        .start(|builder| {
            let builder = builder.entity::<Clerk>();
            builder.config(|config| {
                config.attempts = 1;
                config.transaction_limit = Duration::from_millis(200);
            })
        })
        .await;
    let mut holder = bed.user().await;
    holder.run("BEGIN; UPDATE stock SET pieces = pieces + 1000").await;
    // More of them than there are connections.
    for id in ["a", "b", "c", "d"] {
        let clerk = cluster.get::<Clerk>(id);
        let late = timeout(Duration::from_secs(10), clerk.take().into_future()).await;
        let late = late.expect("in time").unwrap_err();
        assert!(late.to_string().contains("open transaction"), "{late}");
        assert_eq!(clerk.taken().await.unwrap(), 0);
    }
    holder.run("COMMIT").await;
    assert_eq!(cluster.get::<Clerk>("a").take().await.unwrap(), 1);
    assert_eq!(pieces(&bed).await, 1099);
}

backends!(only postgres: a_handler_whose_statement_waits_for_others_ends_in_time);
backends!(only mysql: a_handler_whose_statement_waits_for_others_ends_in_time);
