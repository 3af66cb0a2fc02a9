//! The attribute is the impl block's.
use cluster::prelude::*;

#[workflow(name = "order", version = 1)]
struct Order;

fn main() {}
