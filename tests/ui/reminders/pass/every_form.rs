//! Reminders in every form, of an entity and of a contract; and as a sample has it.

use std::time::SystemTime;

use cluster::prelude::*;

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[error("the bill was not paid")]
pub struct BillingError;

impl From<ClusterError> for BillingError {
    fn from(_: ClusterError) -> Self {
        BillingError
    }
}

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
pub struct Subscription {
    renewed: u32,
}

impl Subscription {
    async fn charge(&mut self) -> Result<(), BillingError> {
        self.renewed += 1;
        Ok(())
    }
}

#[entity]
impl Subscription {
    #[message(persisted)]
    async fn renew(&mut self, ctx: &Context) -> Result<(), BillingError> {
        self.charge().await?;
        ctx.remind::<Self>().renew().after(Duration::from_secs(30 * 86_400)).send().await?;
        Ok(())
    }

    #[message(persisted)]
    async fn bill(&self, cents: u32) -> u32 {
        cents
    }

    #[message(persisted)]
    async fn begin(&mut self, ctx: &Context) -> Result<(), BillingError> {
        let mine = ctx.remind::<Self>();
        let monthly = mine.bill(100).every(Duration::from_secs(86_400)).at(SystemTime::UNIX_EPOCH);
        let receipt: Receipt<SubscriptionBill> = monthly.header("tenant", "a").send().await?;
        let _ = receipt.id();
        mine.bill(0).clear().await?;
        Ok(())
    }
}

#[entity]
pub trait Watch {
    #[message(persisted)]
    async fn look(&mut self, ctx: &Context);
}

#[derive(Entity, Default)]
pub struct Guard;

#[entity]
impl Watch for Guard {
    async fn look(&mut self, ctx: &Context) {
        // By the contract's name as by the entity's.
        let _ = ctx.remind::<dyn Watch>().look().after(Duration::from_secs(1)).send().await;
        let _ = ctx.remind::<Self>().look().clear().await;
    }
}

pub fn main() {
    let _ = Guard;
}
