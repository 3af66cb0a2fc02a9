//! A contract without messages.
use cluster::prelude::*;

#[entity]
pub trait Bank {}

fn main() {}
