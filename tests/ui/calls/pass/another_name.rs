//! The framework under another name, and behind somebody else's crate.
use ::cluster::__private::{Contract, MessageInfo, Serves};

mod my_reexport {
    pub use ::cluster;
}

use ::cluster as framework;

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

/// The macros named with their path: nothing is imported.
mod written_out {
    use ::cluster as renamed;

    #[derive(renamed::Entity, Default)]
    #[entity(crate = "renamed")]
    pub struct Counter {
        #[state]
        value: i64,
        is_open: bool,
    }

    #[renamed::entity(crate = "renamed")]
    impl Counter {
        #[renamed::message(persisted)]
        pub fn add(&mut self, amount: i64) -> i64 {
            self.value += amount;
            self.value
        }

        #[renamed::prelude::message]
        pub fn is_open(&self) -> bool {
            self.is_open
        }

        #[renamed::activate]
        fn open(&mut self) {
            self.is_open = true;
        }

        #[renamed::deactivate]
        fn close(&mut self) {
            self.is_open = false;
        }
    }
}

/// The end of the given path is a name of its own where it is imported.
mod by_end_of_path {
    use super::framework;

    #[framework::entity(crate = "super::framework")]
    pub trait Adder {
        #[framework::message]
        async fn add(&mut self, amount: i64) -> i64;
    }

    #[derive(framework::Entity, Default)]
    #[entity(crate = "super::framework")]
    pub struct Counter {
        is_open: bool,
    }

    #[framework::entity(crate = "super::framework")]
    impl Adder for Counter {
        async fn add(&mut self, amount: i64) -> i64 {
            amount
        }

        #[super::framework::activate]
        fn open(&mut self) {
            self.is_open = true;
        }
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
    let builder = builder.entity::<by_name::Counter>().entity::<by_path::Counter>();
    let _ = builder.entity::<written_out::Counter>().entity::<by_end_of_path::Counter>();
    let names = |messages: &[&MessageInfo]| -> Vec<&str> {
        messages.iter().map(|message| message.name).collect()
    };
    assert_eq!(names(written_out::Counter::messages()), ["add", "is_open"]);
    const { assert!(written_out::Counter::ACTIVATES && written_out::Counter::DEACTIVATES) };
    assert_eq!(names(by_end_of_path::Counter::messages()), ["add"]);
    const { assert!(by_end_of_path::Counter::ACTIVATES) };
}
