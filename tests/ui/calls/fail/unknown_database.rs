//! Users' rows in the transaction of something that is no database.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account;

#[entity]
impl Account {
    #[message(persisted, transaction)]
    async fn deposit(&mut self, cents: i64) -> i64 {
        cents
    }
}

fn audit(_: &mut cluster::Transaction<'_, MemoryStorage>) {}

fn main() {}
