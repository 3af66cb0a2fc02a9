//! A stream in a transaction.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(stream, transaction)]
    fn cents(&self) -> impl Stream<Item = i64> + use<> {
        futures_util::stream::iter([self.cents])
    }
}

fn main() {}
