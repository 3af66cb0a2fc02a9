use cluster::prelude::*;

#[derive(Entity, Default)]
struct Counter {
    value: i64,
}

#[entity]
impl Counter {
    #[message(attempts = 3)]
    fn add(&mut self, amount: i64) -> i64 {
        self.value += amount;
        self.value
    }
}

fn main() {}
