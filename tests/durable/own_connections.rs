//! The connections of handlers' own transactions: what one handler leaves on one harms no other.

use std::sync::Arc;

use cluster::prelude::*;
use cluster::storage::StorageError;
use cluster::{Config, EntityOptions};
use futures_util::StreamExt;

use crate::support::{Bed, Own, Probe, Side, unknown};

/// Reads and writes the user's own table.
#[derive(Entity)]
struct Clerk {
    #[state]
    taken: i64,
    probe: Probe,
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

    /// Reads all of the one row by a statement that is prepared and kept, with `counting` passed.
    #[message(persisted, transaction)]
    async fn count(&mut self, ctx: &Context) -> Result<usize, CallError<String>> {
        let mut tx = Own::of(ctx).await?;
        let columns = tx.columns("SELECT * FROM stock").await.or_retry()?;
        self.probe.pass("counting").await;
        Ok(columns)
    }

    /// Takes away what is prepared on its connection.
    #[message(persisted, transaction)]
    async fn forget(&mut self, ctx: &Context) -> Result<i64, CallError<String>> {
        let mut tx = Own::of(ctx).await?;
        tx.run("DEALLOCATE ALL").await.or_retry()?;
        self.taken += 1;
        Ok(self.taken)
    }

    /// Has not declared that it uses the transaction.
    #[message(persisted)]
    async fn undeclared(&mut self, ctx: &Context) -> Result<(), CallError<String>> {
        Own::of(ctx).await?;
        Ok(())
    }

    #[message]
    fn taken(&self) -> i64 {
        self.taken
    }
}

async fn start(bed: &Bed, config: impl FnOnce(&mut Config)) -> Cluster {
    let probe = bed.probe.clone();
    bed.start(|builder| {
        let clerk = move |_: &_| Clerk { taken: 0, probe: probe.clone() };
        builder.entity_with::<Clerk>(clerk).config(config)
    })
    .await
}

/// So many attempts, right after each other.
fn attempts(attempts: u32) -> impl FnOnce(&mut Config) {
    move |config| {
        config.attempts = attempts;
        config.backoff_min = Duration::from_millis(1);
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
    let cluster = start(&bed, |config| {
        config.attempts = 1;
        config.transaction_limit = Duration::from_millis(200);
    })
    .await;
    let mut holder = bed.user().await;
    holder.run("BEGIN; UPDATE stock SET pieces = pieces + 1000").await;
    // More of them than there are connections.
    for id in ["a", "b", "c", "d"] {
        let clerk = cluster.get::<Clerk>(id);
        let late = clerk.take().await.unwrap_err();
        assert!(late.to_string().contains("open transaction"), "{late}");
        assert_eq!(clerk.taken().await.unwrap(), 0);
    }
    holder.run("COMMIT").await;
    assert_eq!(cluster.get::<Clerk>("a").take().await.unwrap(), 1);
    assert_eq!(pieces(&bed).await, 1099);
}

/// Statements are kept on each connection, and then the table gets a column: who meets that runs
/// again on a new connection, however many old ones there are.
async fn a_table_that_has_changed_is_read_by_the_next_attempt(bed: Bed) {
    make_stock(&bed).await;
    let cluster = start(&bed, attempts(2)).await;
    let clerks = ["a", "b"].map(|id| cluster.get::<Clerk>(id));
    bed.probe.close("counting");
    let counts = clerks.each_ref().map(|clerk| tokio::spawn(clerk.count().into_future()));
    bed.probe.wait_for("counting", 2).await;
    bed.probe.open("counting");
    for count in counts {
        assert_eq!(count.await.unwrap().unwrap(), 1);
    }
    bed.user().await.run("ALTER TABLE stock ADD COLUMN sales BIGINT").await;
    for clerk in clerks.iter().chain(&clerks) {
        assert_eq!(clerk.count().await.unwrap(), 2);
    }
}

/// A handler has taken away what is prepared, its own and the storage's.
async fn a_connection_whose_statements_are_gone_is_replaced(bed: Bed) {
    make_stock(&bed).await;
    let cluster = start(&bed, attempts(2)).await;
    let clerk = cluster.get::<Clerk>("a");
    assert_eq!(clerk.count().await.unwrap(), 1);
    // By its second attempt.
    assert_eq!(clerk.forget().await.unwrap(), 1);
    for _ in 0..3 {
        assert_eq!(clerk.count().await.unwrap(), 1);
    }
}

/// What others do to a transaction is no attempt of the handler's that has failed: the only one is
/// still there. So it is when its connection is lost with the commit, and nothing has come of it.
async fn a_transaction_that_others_end_counts_no_attempt(bed: Bed) {
    make_stock(&bed).await;
    let probe = bed.probe.clone();
    let strict = EntityOptions { strict_order: Some(true), ..EntityOptions::DEFAULT };
    let clerk = move |_: &_| Clerk { taken: 0, probe: probe.clone() };
    let start = bed.start(|builder| {
        builder.entity_with::<Clerk>(clerk).options::<Clerk>(strict).config(attempts(1))
    });
    let cluster = start.await;
    let clerk = cluster.get::<Clerk>("a");
    bed.door.hold(Side::BeforeOwn);
    let take = tokio::spawn(clerk.take().into_future());
    let source = Arc::new(std::io::Error::other("deadlock"));
    let ended = StorageError::Interrupted { source };
    for (held, error) in [(1, ended), (2, unknown())] {
        bed.door.held(Side::BeforeOwn, held).await;
        bed.door.fail_at(Side::BeforeOwn, error);
    }
    bed.door.held(Side::BeforeOwn, 3).await;
    bed.door.release();
    assert_eq!(take.await.unwrap().unwrap(), 1);
    assert_eq!(pieces(&bed).await, 99);
    // It was put off, which is written down.
    let ends: Vec<_> = bed.door.own_commits().iter().map(|own| own.outcomes[0].elsewhere).collect();
    assert_eq!(ends, [true]);
}

/// Only another program could do better: there is one attempt, and the request waits for that.
async fn an_undeclared_transaction_is_a_dead_letter_at_once(bed: Bed) {
    let cluster = start(&bed, attempts(9)).await;
    let refused = cluster.get::<Clerk>("a").undeclared().await.unwrap_err();
    let CallError::Cluster(ClusterError::Defect { attempts, reason, .. }) = refused else {
        panic!("{refused}");
    };
    assert_eq!(attempts, 1);
    assert!(reason.contains("not declared"), "{reason}");
    assert_eq!(cluster.dead_letters().list().count().await, 1);
}

crate::support::backends!(
    on disk: a_transaction_that_others_end_counts_no_attempt,
    an_undeclared_transaction_is_a_dead_letter_at_once
);

mod some {
    use super::a_connection_whose_statements_are_gone_is_replaced as gone;
    use super::a_handler_whose_statement_waits_for_others_ends_in_time as blocked;
    use super::a_table_that_has_changed_is_read_by_the_next_attempt as changed;
    use crate::support::backends;

    backends!(only postgres: blocked, changed, gone);
    backends!(only mysql: blocked, changed);
}
