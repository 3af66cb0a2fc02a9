//! Both borrows, `fn` and `async fn`, and everything that a handler may return, in one block.

// proves: B1
use cluster::prelude::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Overdrawn {
    by: i64,
}

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(persisted)]
    fn deposit(&mut self, cents: i64) -> i64 {
        self.cents += cents;
        self.cents
    }

    #[message(persisted)]
    async fn withdraw(&mut self, ctx: &Context, cents: i64) -> Result<i64, Overdrawn> {
        let _ = ctx.entity_id();
        self.check(cents)?;
        self.cents -= cents;
        Ok(self.cents)
    }

    #[message]
    async fn forward(&self, to: String, ctx: &Context) -> Result<i64, CallError<Overdrawn>> {
        Ok(ctx.get::<Account>(to).balance().await?)
    }

    #[message]
    fn balance(&self) -> i64 {
        self.cents
    }

    #[message]
    async fn history(&self, first: usize, last: usize) -> Vec<(u64, Option<String>)> {
        vec![(first as u64, None), (last as u64, Some("now".into()))]
    }

    #[message]
    fn reset(&mut self) {
        self.cents = 0;
    }

    #[message]
    async fn touch(&self) {}

    #[message]
    fn check(&self, cents: i64) -> Result<(), Overdrawn> {
        if cents <= self.cents { Ok(()) } else { Err(Overdrawn { by: cents - self.cents }) }
    }

    /// No message.
    fn helper(&self) -> &i64 {
        &self.cents
    }
}

async fn every_type(account: AccountClient) -> Result<(), CallError<Overdrawn>> {
    let _: Result<i64, ClusterError> = account.deposit(5).await;
    let _: Result<i64, CallError<Overdrawn>> = account.withdraw(5).await;
    let _: Result<i64, CallError<Overdrawn>> = account.forward("bob".into()).await;
    let _: i64 = account.balance().await?;
    let _: Vec<(u64, Option<String>)> = account.history(1, 2).await?;
    let (): () = account.reset().await?;
    let (): () = account.touch().await?;
    account.check(5).await
}

async fn every_option(account: AccountClient) -> Result<(), ClusterError> {
    let receipt: Receipt<AccountDeposit> = account.deposit(5).key("once").send().await?;
    let _: i64 = receipt.outcome().await?;
    let (): () = account.touch().timeout(Duration::from_secs(1)).header("a", "b").send().await?;
    Ok(())
}

fn needs_send<T: Send + 'static>(_: impl FnOnce(AccountClient) -> T) {}

pub(crate) fn main() {
    needs_send(every_type);
    needs_send(every_option);
    assert_eq!(*Account { cents: 7 }.helper(), 7);
}
