//! A `Result` whose name does not say so: its error would not roll anything back.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

type Answer<T> = Result<T, String>;

#[entity]
impl Account {
    #[message]
    fn place(&mut self, pieces: u32) -> Answer<u32> {
        Ok(pieces)
    }
}

fn main() {}
