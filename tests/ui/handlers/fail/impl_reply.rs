//! A reply without a type.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn cents(&self) -> impl Iterator<Item = i64> + use<> {
        [self.cents].into_iter()
    }
}

fn main() {}
