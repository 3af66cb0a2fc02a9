//! A `&mut self` handler of a durable entity commits the state with its reply.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Desk {
    #[state]
    waited: u32,
    owed: Vec<Reply<String>>,
}

#[entity]
impl Desk {
    #[message]
    async fn wait(&mut self) -> Later<String> {
        let (reply, later) = Later::new();
        self.waited += 1;
        self.owed.push(reply);
        later
    }
}

fn main() {}
