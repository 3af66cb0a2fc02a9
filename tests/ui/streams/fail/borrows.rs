//! A stream that could borrow from its entity.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(stream)]
    fn cents(&self) -> impl Stream<Item = i64> {
        futures_util::stream::iter([self.cents])
    }
}

fn main() {}
