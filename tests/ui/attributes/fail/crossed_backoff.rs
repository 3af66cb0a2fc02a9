use cluster::prelude::*;

#[derive(Entity, Default)]
struct Counter {
    value: i64,
}

#[entity]
impl Counter {
    #[message(persisted, backoff_min = "1m", backoff_max = "30s")]
    fn add(&mut self, amount: i64) -> i64 {
        self.value += amount;
        self.value
    }
}

fn main() {}
