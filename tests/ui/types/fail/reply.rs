//! A reply that serde does not know.

// proves: B5
use cluster::prelude::*;

struct Parcel {
    pieces: u32,
}

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn last(&self) -> Parcel {
        Parcel { pieces: 1 }
    }
}

fn main() {}
