//! A future that cannot move between threads, because of what it holds while it waits.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    async fn deposit(&mut self, cents: i64) {
        let shared = std::rc::Rc::new(cents);
        std::future::ready(()).await;
        self.cents += *shared;
    }
}

fn main() {}
