//! Options of the derive, without the derive.
use cluster::prelude::*;

#[entity(durable)]
#[derive(Default, Serialize, Deserialize)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn cents(&self) -> i64 {
        self.cents
    }
}

fn main() {}
