//! Chunks without serde.
use cluster::prelude::*;

struct Line(i64);

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(stream)]
    fn cents(&self) -> impl Stream<Item = Line> + use<> {
        futures_util::stream::iter([Line(self.cents)])
    }
}

fn main() {}
