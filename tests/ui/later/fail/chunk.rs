//! A chunk is there when the stream gives it.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Desk;

#[entity]
impl Desk {
    #[message(stream)]
    fn replies(&self) -> impl Stream<Item = Later<u32>> + use<> {
        futures_util::stream::iter([Later::now(1)])
    }
}

fn main() {}
