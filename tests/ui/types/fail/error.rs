//! An error that serde does not know.

// proves: B5
use cluster::prelude::*;

#[derive(Debug)]
struct NotPlaced;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    async fn place(&mut self, pieces: u32) -> Result<u32, CallError<NotPlaced>> {
        Ok(pieces)
    }
}

fn main() {}
