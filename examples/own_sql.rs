//! The user's own table, changed in the same transaction as the entity's state, outcome and
//! outgoing messages.
#![allow(clippy::print_stdout)] // A program for a terminal.

use cluster::prelude::*;
use sqlx::{Connection, Executor, SqliteConnection};

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Orders {
    open: u32,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
enum OrderError {
    #[error("{0} is sold out")]
    SoldOut(String),
}

#[entity]
impl Orders {
    #[message(persisted, transaction)]
    async fn place(
        &mut self,
        ctx: &Context,
        sku: String,
        pieces: i64,
    ) -> Result<u32, CallError<OrderError>> {
        let mut tx = ctx.transaction::<Sqlite>().await?;
        let take = "UPDATE stock SET pieces = pieces - $2 WHERE sku = $1 AND pieces >= $2";
        let taken = sqlx::query(take).bind(&sku).bind(pieces).execute(&mut *tx).await;
        // A database problem is no outcome: rolled back, run again later.
        if taken.or_retry()?.rows_affected() == 0 {
            // Rolls back both, stores the error as the outcome.
            return Err(OrderError::SoldOut(sku).into());
        }
        self.open += 1;
        // Commits both.
        Ok(self.open)
    }
}

/// The user's own table, in the same file. Whoever opens it may read it, and change it outside of
/// handlers.
async fn open_stock() -> sqlx::Result<SqliteConnection> {
    let mut stock = SqliteConnection::connect("sqlite:shop.db").await?;
    stock
        .execute("CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, pieces INTEGER)")
        .await?;
    stock.execute("INSERT OR REPLACE INTO stock VALUES ('lamp', 3)").await?;
    Ok(stock)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cluster = Cluster::builder()
        .storage(Sqlite::open("shop.db").await?)
        .entity::<Orders>()
        .start()
        .await?;
    let mut stock = open_stock().await?;

    let orders = cluster.get::<Orders>("berlin");
    println!("open orders: {}", orders.place("lamp".into(), 2).await?);
    if let Err(CallError::Entity(sold_out)) = orders.place("lamp".into(), 2).await {
        println!("{sold_out}");
    }
    let pieces: i64 = sqlx::query_scalar("SELECT pieces FROM stock").fetch_one(&mut stock).await?;
    println!("lamps left: {pieces}");

    cluster.shutdown().await?;
    Ok(())
}
