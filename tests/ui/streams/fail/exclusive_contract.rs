//! A contract whose stream changes who serves it.
use cluster::prelude::*;

#[entity]
trait Bank {
    #[message(stream)]
    fn cents(&mut self) -> impl Stream<Item = i64>;
}

fn main() {}
