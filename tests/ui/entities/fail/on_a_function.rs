//! The attribute is for blocks.
use cluster::prelude::*;

#[entity]
fn account() {}

fn main() {}
