//! Every method of a contract is a message.
use cluster::prelude::*;

#[entity]
pub trait Bank {
    #[message]
    async fn deposit(&mut self, cents: i64) -> i64;

    fn limit(&self) -> i64;
}

fn main() {}
