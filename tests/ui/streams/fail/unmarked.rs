//! A stream that is not said to be one.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn cents(&self) -> impl Stream<Item = i64> + use<> {
        futures_util::stream::iter([self.cents])
    }
}

fn main() {}
