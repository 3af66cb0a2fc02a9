//! A stream that nobody may end.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(stream, uninterruptible)]
    fn cents(&self) -> impl Stream<Item = i64> + use<> {
        futures_util::stream::iter([self.cents])
    }
}

fn main() {}
