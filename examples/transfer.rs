//! Money between two accounts, exactly once, whatever crashes in between.
#![allow(clippy::print_stdout)] // A program for a terminal.

use cluster::prelude::*;

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable, mailbox = 1024, idle = "5m")]
struct Account {
    cents: i64,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
enum AccountError {
    #[error("balance is {balance}, asked for {asked}")]
    Insufficient { balance: i64, asked: i64 },
}

#[entity]
impl Account {
    #[message(persisted)]
    fn deposit(&mut self, cents: i64) -> i64 {
        self.cents += cents;
        self.cents
    }

    /// Takes `cents` out here and puts them into `to`: both, or on `Err` neither.
    #[message(persisted)]
    async fn transfer(
        &mut self,
        ctx: &Context,
        to: String,
        cents: i64,
    ) -> Result<i64, CallError<AccountError>> {
        if self.cents < cents {
            return Err(AccountError::Insufficient { balance: self.cents, asked: cents }.into());
        }
        self.cents -= cents;
        // Leaves with this handler's commit, and arrives exactly once. Trouble of the cluster is no
        // outcome: with `CallError` in the signature `?` makes this request run again later.
        ctx.get::<Account>(&to).deposit(cents).send().await?;
        Ok(self.cents)
    }

    #[message]
    fn balance(&self) -> i64 {
        self.cents
    }
}

async fn pay(cluster: &Cluster) -> Result<(), CallError<AccountError>> {
    let alice = cluster.get::<Account>("alice");

    // The key makes a retry safe: the second call finds the first one's outcome.
    let left = alice.transfer("bob".into(), 1_000).key("invoice-17").await?;
    let same = alice.transfer("bob".into(), 1_000).key("invoice-17").await?;
    assert_eq!(left, same);

    match alice.transfer("bob".into(), 1_000_000).timeout(Duration::from_secs(3)).await {
        Ok(_) => unreachable!("nobody has a million"),
        Err(CallError::Entity(AccountError::Insufficient { balance, .. })) => {
            println!("only {balance} left")
        }
        Err(CallError::Cluster(problem)) if problem.is_retryable() => {
            println!("try again: {problem}")
        }
        Err(other) => return Err(other),
    }

    // Hand over durably, ask for the outcome later, from this process or another.
    let receipt = alice.deposit(5).send().await?;
    let id = receipt.id();
    println!("{id}: alice now holds {}", receipt.outcome().await?);
    Ok(())
}

#[tokio::main]
async fn main() -> cluster::Result<()> {
    let cluster = Cluster::builder()
        .storage(Sqlite::open("transfer.db").await?)
        .entity::<Account>()
        .start()
        .await?;

    cluster.get::<Account>("alice").deposit(5_000).key("opening").await?;
    pay(&cluster).await?;

    // Whatever handlers have sent has arrived by then.
    cluster.caught_up().await?;
    println!("bob now holds {}", cluster.get::<Account>("bob").balance().await?);
    cluster.shutdown().await
}
