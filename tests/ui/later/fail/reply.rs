//! What comes later travels as any reply does.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Desk;

struct Letter;

#[entity]
impl Desk {
    #[message]
    fn wait(&self) -> Later<Letter> {
        Later::now(Letter)
    }
}

fn main() {}
