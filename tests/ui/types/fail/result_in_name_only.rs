//! A type whose name says that it is a `Result`.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

type PageResult<T> = Vec<T>;

#[entity]
impl Account {
    #[message]
    fn place(&mut self, pieces: u32) -> PageResult<u32> {
        vec![pieces]
    }
}

fn main() {}
