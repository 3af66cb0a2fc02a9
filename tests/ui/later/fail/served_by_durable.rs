//! A trait whose `&mut self` handlers reply later is served by entities that store nothing.
use cluster::prelude::*;

#[entity]
trait Counter {
    #[message]
    fn wait(&mut self) -> Later<u32>;
}

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Office {
    waited: u32,
}

#[entity]
impl Counter for Office {
    fn wait(&mut self) -> Later<u32> {
        self.waited += 1;
        Later::now(self.waited)
    }
}

fn main() {}
