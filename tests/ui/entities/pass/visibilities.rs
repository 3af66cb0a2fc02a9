//! Methods, entities and the types that they mention may all differ in how visible they are.
#![deny(warnings)]
#![allow(dead_code)]

/// Everything is private but the methods.
mod private {
    use cluster::prelude::*;

    #[derive(Default, Serialize, Deserialize)]
    struct Balance(i64);

    #[derive(Debug, Serialize, Deserialize)]
    enum Refusal {
        Closed,
    }

    #[derive(Entity, Default)]
    struct Account {
        #[state]
        balance: Balance,
    }

    #[entity]
    impl Account {
        #[message]
        pub fn deposit(&mut self, by: Balance) -> Result<Balance, Refusal> {
            self.balance.0 += by.0;
            if by.0 == 0 { Err(Refusal::Closed) } else { Ok(Balance(self.balance.0)) }
        }

        #[message(persisted)]
        pub(crate) async fn close(&mut self, ctx: &Context) {
            let _ = ctx;
        }

        #[message]
        fn peek(&self) {}
    }

    pub async fn use_it(cluster: &Cluster) {
        let account = cluster.get::<Account>("a");
        let _ = account.deposit(Balance(1)).await;
        let _ = account.close().key("b").await;
        let _ = account.peek().await;
    }
}

/// Everything is public but what is stored.
pub mod public {
    use cluster::prelude::*;

    #[derive(Default, Serialize, Deserialize)]
    struct Balance(i64);

    #[derive(Entity, Default)]
    pub struct Account {
        #[state]
        balance: Balance,
    }

    #[entity]
    impl Account {
        #[message(persisted)]
        pub fn deposit(&mut self, by: i64) -> i64 {
            self.balance.0 += by;
            self.balance.0
        }

        #[message]
        pub(super) fn cents(&self) -> i64 {
            self.balance.0
        }

        #[message]
        fn peek(&self, by: Balance) -> Balance {
            Balance(self.balance.0 + by.0)
        }
    }
}

async fn use_it(cluster: &cluster::Cluster) -> cluster::Result<()> {
    let account: public::AccountClient = cluster.get::<public::Account>("a");
    let call: cluster::Call<public::AccountDeposit> = account.deposit(1);
    let receipt: cluster::Receipt<public::AccountDeposit> = call.send().await?;
    let _: i64 = receipt.outcome().await?;
    let _: i64 = account.cents().await?;
    Ok(())
}

pub(crate) fn main() {
    let _ = (private::use_it, use_it);
}
