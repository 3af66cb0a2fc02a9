use cluster::prelude::*;

#[derive(Entity, Default)]
struct Counter {
    total: u64,
}

#[entity]
impl Counter {
    #[message(persisted, fenced)]
    async fn total(&self) -> u64 {
        self.total
    }
}

fn main() {}
