//! An entity of many types.
use cluster::prelude::*;

#[derive(Entity)]
struct Account<Currency> {
    currency: Currency,
}

fn main() {}
