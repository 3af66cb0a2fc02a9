//! What the attributes of a block mean for what is stored.

use cluster::testing::TestCluster;

/// A program as it was when its requests were stored.
mod before {
    use cluster::prelude::*;

    #[derive(Entity, Default)]
    pub(super) struct Account;

    #[entity(name = "account")]
    impl Account {
        #[message(persisted, tag = 0x17)]
        pub(super) async fn deposit(&mut self, cents: i64) -> i64 {
            // The program ends before this does.
            std::future::pending::<()>().await;
            cents
        }
    }
}

/// The same program after its types, methods and arguments got better names.
mod after {
    use cluster::prelude::*;

    #[derive(Entity, Default)]
    pub(super) struct Purse {
        cents: i64,
    }

    #[entity(name = "account")]
    impl Purse {
        #[message]
        pub(super) fn cents(&self) -> i64 {
            self.cents
        }

        #[message(persisted, tag = 0x17)]
        pub(super) fn pay_in(&mut self, cents: i64) -> i64 {
            self.cents += cents;
            self.cents
        }
    }
}

// proves: B9
#[tokio::test]
async fn a_request_stored_under_a_tag_runs_after_its_method_was_renamed() {
    let cluster = TestCluster::new().entity::<before::Account>().start().await;
    let account = cluster.get::<before::Account>("a");
    account.deposit(5).key("k").send().await.unwrap();
    let storage = cluster.storage().clone();
    drop((account, cluster));

    let cluster = TestCluster::new().storage(storage).entity::<after::Purse>().start().await;
    cluster.settle().await;
    let purse = cluster.get::<after::Purse>("a");
    assert_eq!(purse.cents().await.unwrap(), 5);
    // The key belongs to the tag: this is the same request.
    assert_eq!(purse.pay_in(5).key("k").await.unwrap(), 5);
    assert_eq!(purse.cents().await.unwrap(), 5);
}
