use cluster::prelude::*;

#[derive(Entity, Default)]
struct Counter {
    total: u64,
}

#[entity]
impl Counter {
    #[message(stream, fenced)]
    fn totals(&self) -> impl Stream<Item = u64> + use<> {
        futures_util::stream::iter([self.total])
    }
}

fn main() {}
