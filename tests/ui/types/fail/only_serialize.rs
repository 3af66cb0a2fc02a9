//! Half of serde is not enough.
use cluster::prelude::*;

#[derive(Serialize)]
struct Note;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn place(&mut self, note: Note) {
        let _ = note;
    }
}

fn main() {}
