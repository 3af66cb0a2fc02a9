//! Nobody is there who could give a hook an argument.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[activate]
    async fn open(&mut self, ctx: &Context, cents: i64) {
        let _ = ctx;
        self.cents = cents;
    }

    #[message]
    fn cents(&self) -> i64 {
        self.cents
    }
}

fn main() {}
