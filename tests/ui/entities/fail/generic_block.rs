//! A block of many types.
use cluster::prelude::*;

struct Account<Currency> {
    currency: Currency,
}

#[entity]
impl<Currency> Account<Currency> {
    #[message]
    fn close(&mut self) {}
}

fn main() {}
