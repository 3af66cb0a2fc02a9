//! A persisted stream that keeps its entity for itself.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(stream, persisted)]
    fn cents(&mut self) -> impl Stream<Item = i64> + use<> {
        futures_util::stream::iter([self.cents])
    }
}

fn main() {}
