//! A stream that may have changed durable state.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    #[state]
    cents: i64,
}

#[entity]
impl Account {
    #[message(stream)]
    fn cents(&mut self) -> impl Stream<Item = i64> + use<> {
        futures_util::stream::iter([self.cents])
    }
}

fn main() {}
