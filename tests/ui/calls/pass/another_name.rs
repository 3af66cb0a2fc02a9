//! The framework under another name, and behind somebody else's crate.
mod my_reexport {
    pub use ::cluster;
}

/// As if `Cargo.toml` said `renamed = { package = "cluster", .. }`.
mod by_name {
    use ::cluster as renamed;
    use renamed::prelude::*;

    // Shadows the crate: only the given path can be right.
    #[allow(unused_imports)]
    use self::nothing as cluster;
    mod nothing {}

    #[derive(Entity, Default, Serialize, Deserialize)]
    #[entity(durable, crate = "renamed")]
    pub struct Counter {
        value: i64,
    }

    #[entity(crate = "renamed")]
    impl Counter {
        #[message(persisted, timeout = "1s")]
        pub fn add(&mut self, amount: i64) -> Result<i64, String> {
            self.value += amount;
            Ok(self.value)
        }

        #[activate]
        fn open(&mut self) {}
    }
}

mod by_path {
    use super::my_reexport::cluster::prelude::*;

    #[entity(crate = "super::my_reexport::cluster")]
    pub trait Adder {
        #[message]
        async fn add(&mut self, amount: i64) -> i64;
    }

    #[derive(Entity, Default)]
    #[entity(crate = "super::my_reexport::cluster", mailbox = 8)]
    pub struct Counter;

    #[entity(crate = "super::my_reexport::cluster")]
    impl Adder for Counter {
        async fn add(&mut self, amount: i64) -> i64 {
            amount
        }
    }
}

pub(crate) fn main() {
    let builder = cluster::Cluster::builder();
    let _ = builder.entity::<by_name::Counter>().entity::<by_path::Counter>();
}
