//! A persisted `&mut self` handler replies with its commit.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Desk {
    owed: Vec<Reply<String>>,
}

#[entity]
impl Desk {
    #[message(persisted)]
    fn wait(&mut self) -> Later<String> {
        let (reply, later) = Later::new();
        self.owed.push(reply);
        later
    }
}

fn main() {}
