//! A hook is the server's.
use cluster::prelude::*;

#[entity]
pub trait Bank {
    #[activate]
    #[message]
    async fn open(&mut self);
}

fn main() {}
