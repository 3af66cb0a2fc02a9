//! A mark without a block that reads it.
use cluster::prelude::*;

struct Account {
    cents: i64,
}

impl Account {
    #[message]
    fn cents(&self) -> i64 {
        self.cents
    }
}

fn main() {}
