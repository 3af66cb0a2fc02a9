//! Handlers that change a user's own row in their transaction: `transaction-64`; and what such
//! transactions are to a server alone.
//!
//! Of the server's own there are two: `raw` is the user's change alone in a transaction, `raw-rows`
//! has the rows of a call beside it, one by one. Each caller has a connection then.

use std::sync::{Arc, Mutex};

use bench_kit::drive::{Target, closed_loop};
use bench_kit::{Case, Lane, Run, lane};
use cluster::NoError;
use cluster::prelude::*;

use crate::raw::{Keys, Numbers, RawServer, Sample, samples};
use crate::servers::{Mariadb, Postgresql, Server, counted};
use crate::{SYSTEM, persisted};

/// The schemas and databases of this lane.
const PLACE: &str = "bench_transaction";
const LANE: Lane = lane::TRANSACTION_64;
/// The product's system with a connection for each caller that writes.
const WIDE: &str = "cluster-wide";
/// Half of them write.
const WIDE_CONNECTIONS: usize = 2 * LANE.callers as usize;

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Account {
    changes: u64,
}

#[entity]
impl Account {
    #[message(persisted, transaction)]
    async fn change_on_postgres(
        &mut self,
        ctx: &Context,
        id: i64,
    ) -> Result<u64, CallError<NoError>> {
        let mut own = ctx.transaction::<Postgres>().await?;
        let change = sqlx::query("UPDATE account SET balance = balance + 1 WHERE id = $1");
        change.bind(id).execute(&mut *own).await.or_retry()?;
        self.changes += 1;
        Ok(self.changes)
    }

    #[message(persisted, transaction)]
    async fn change_on_mariadb(
        &mut self,
        ctx: &Context,
        id: i64,
    ) -> Result<u64, CallError<NoError>> {
        let mut own = ctx.transaction::<MySql>().await?;
        let change = sqlx::query("UPDATE account SET balance = balance + 1 WHERE id = ?");
        change.bind(id).execute(&mut *own).await.or_retry()?;
        self.changes += 1;
        Ok(self.changes)
    }
}

/// An account on PostgreSQL, each call with a key of its own.
struct OnPostgres(AccountClient, i64);

impl Target for OnPostgres {
    async fn ask(&self, operation: u64) {
        let call = self.0.change_on_postgres(self.1).key(operation.to_string());
        call.await.expect("the storage works");
    }
}

/// An account on MariaDB, likewise.
struct OnMariadb(AccountClient, i64);

impl Target for OnMariadb {
    async fn ask(&self, operation: u64) {
        let call = self.0.change_on_mariadb(self.1).key(operation.to_string());
        call.await.expect("the storage works");
    }
}

/// A user's row, changed without the product.
struct Raw<S: Server> {
    account: i64,
    /// Of a call whose rows are written as well.
    sample: Option<Arc<Sample>>,
    numbers: Arc<Numbers>,
    /// As many as there are callers.
    idle: Arc<Mutex<Vec<S::Connection>>>,
}

impl<S: RawServer> Target for Raw<S> {
    async fn ask(&self, _: u64) {
        let tool = self.idle.lock().expect("nobody panics").pop();
        let mut tool = tool.expect("each caller has one");
        let call = self.sample.as_slice();
        let call = self.numbers.calls(call).pop();
        S::transact(&mut tool, self.account, call.as_ref()).await;
        self.idle.lock().expect("nobody panics").push(tool);
    }
}

/// The cases of this family.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    if let Some(server) = Postgresql::place(PLACE) {
        cases.extend(on_server(server, OnPostgres));
    }
    if let Some(server) = Mariadb::place(PLACE) {
        cases.extend(on_server(server, OnMariadb));
    }
    cases
}

fn on_server<S, T>(server: S, target: fn(AccountClient, i64) -> T) -> Vec<Case>
where
    S: RawServer,
    T: Target,
{
    let ours = |system, connections: Option<usize>| {
        let (place, server) = (server.clone(), server.clone());
        let case = Case::durable(LANE, system, S::STORAGE, move |bench| {
            let server = place.clone();
            bench.block_on(async move { changes(&server, connections, target).await })
        });
        case.counted(move |bench| {
            let server = server.counting();
            bench.block_on(
                async move { counted(&server, changes(&server, connections, target)).await },
            )
        })
    };
    let raw = |system, with_rows: bool| {
        let server = server.clone();
        Case::durable(LANE, system, S::STORAGE, move |bench| {
            let server = server.clone();
            bench.block_on(async move { raw_changes(&server, with_rows).await })
        })
    };
    vec![
        ours(SYSTEM, None),
        ours(WIDE, Some(WIDE_CONNECTIONS)),
        raw("raw", false),
        raw("raw-rows", true),
    ]
}

async fn changes<S, T>(
    server: &S,
    connections: Option<usize>,
    target: fn(AccountClient, i64) -> T,
) -> Run
where
    S: RawServer,
    T: Target,
{
    server.clear().await;
    make_accounts(server).await;
    let storage = server.open(connections).await;
    let cluster = Cluster::builder().storage(storage).entity::<Account>();
    let cluster = cluster.start().await.expect("the storage is new");
    let targets = (0..LANE.entities).map(|id| {
        let client = cluster.get::<Account>(id.to_string());
        target(client, i64::from(id))
    });
    let run = closed_loop(&LANE, targets.collect()).await;
    cluster.shutdown().await.expect("the storage works");
    run
}

async fn raw_changes<S: RawServer>(server: &S, with_rows: bool) -> Run {
    persisted::sample(server.clone()).await;
    make_accounts(server).await;
    let samples = samples(server).await;
    let numbers = Arc::new(Numbers::new(LANE, Keys::Each));
    let mut idle = Vec::new();
    for _ in 0..LANE.callers {
        idle.push(server.connect().await);
    }
    let idle = Arc::new(Mutex::new(idle));
    let target = |(account, sample): (i64, Arc<Sample>)| Raw::<S> {
        account,
        sample: with_rows.then_some(sample),
        numbers: Arc::clone(&numbers),
        idle: Arc::clone(&idle),
    };
    closed_loop(&LANE, (0..).zip(samples).map(target).collect()).await
}

/// A user's own table with a row for each entity.
async fn make_accounts<S: Server>(server: &S) {
    let mut tool = server.connect().await;
    let mut text = "CREATE TABLE account (id BIGINT NOT NULL PRIMARY KEY, \
        balance BIGINT NOT NULL); INSERT INTO account VALUES (0, 0)"
        .to_owned();
    for id in 1..LANE.entities {
        text.push_str(&format!(", ({id}, 0)"));
    }
    S::run(&mut tool, text).await;
}
