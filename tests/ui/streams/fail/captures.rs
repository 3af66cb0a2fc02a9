//! A stream that does borrow from its entity.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(stream)]
    fn cents(&self) -> impl Stream<Item = i64> + use<'_> {
        futures_util::stream::iter([self.cents])
    }
}

fn main() {}
