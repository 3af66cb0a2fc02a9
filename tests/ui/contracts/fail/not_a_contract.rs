//! A trait without the attribute.
use cluster::prelude::*;

trait Bank {
    fn deposit(&mut self, cents: i64) -> i64;
}

#[derive(Entity, Default)]
struct Account;

#[entity]
impl Bank for Account {
    fn deposit(&mut self, cents: i64) -> i64 {
        cents
    }
}

fn main() {}
