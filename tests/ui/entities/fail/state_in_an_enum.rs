//! A field of a variant is not always there.
use cluster::prelude::*;

#[derive(Entity)]
enum Door {
    Open,
    Locked {
        #[state]
        code: u32,
    },
}

fn main() {}
