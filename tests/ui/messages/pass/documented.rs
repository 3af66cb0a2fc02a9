//! Generated code satisfies strict lints, and carries what the user wrote on a method.
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    missing_copy_implementations,
    unreachable_pub,
    unused_qualifications,
    unused_lifetimes,
    single_use_lifetimes,
    elided_lifetimes_in_paths,
    non_local_definitions
)]
// The macros that a documentation test would use.
mod bank {
    use cluster::prelude::*;

    /// An account.
    #[derive(Debug, Entity, Default)]
    pub(crate) struct Account {
        cents: i64,
    }

    #[entity]
    impl Account {
        /// Pays in.
        #[message(persisted)]
        pub(crate) fn deposit(&mut self, cents: i64) -> i64 {
            self.cents += cents;
            self.cents
        }

        /// Old.
        #[deprecated]
        #[message]
        pub(crate) async fn cents(&self) -> i64 {
            self.cents
        }

        #[message]
        fn never_called(&self, never_read: u8) {
            let _ = never_read;
        }
    }
}

pub(crate) fn main() {
    #[allow(deprecated)]
    fn read(client: &bank::AccountClient) {
        let _ = (client.deposit(1), client.cents());
    }
    let _ = (bank::Account::default(), read);
}
