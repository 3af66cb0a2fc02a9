//! Clients do not know the server's type.
use cluster::prelude::*;

#[entity]
pub trait Bank {
    #[message]
    async fn copy(&self) -> Vec<Self>;
}

fn main() {}
