//! A block of many types behind one trait.
use cluster::prelude::*;

trait Doors {}

#[entity]
impl dyn Doors {
    #[message]
    fn close(&mut self) {}
}

fn main() {}
