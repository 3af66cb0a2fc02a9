//! A future that cannot move between threads, in a block that serves a contract.
use cluster::prelude::*;

#[entity]
pub trait Bank {
    #[message]
    async fn deposit(&mut self, cents: i64) -> i64;
}

#[derive(Entity, Default)]
struct Account;

#[entity]
impl Bank for Account {
    async fn deposit(&mut self, cents: i64) -> i64 {
        let shared = std::rc::Rc::new(cents);
        std::future::ready(()).await;
        *shared
    }
}

fn main() {}
