//! Whether a request needs a transaction is decided by who sends it.
use cluster::prelude::*;

#[entity]
pub trait Bank {
    #[message(persisted, transaction = Self::is_large)]
    async fn deposit(&mut self, cents: i64) -> i64;
}

fn main() {}
