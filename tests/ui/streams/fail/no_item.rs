//! A stream of who knows what.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(stream)]
    fn cents(&self) -> impl Stream + use<> {
        futures_util::stream::iter([self.cents])
    }
}

fn main() {}
