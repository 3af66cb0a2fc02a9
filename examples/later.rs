//! Later, in pieces, not at all, and what to do with what failed.
//!
//! `cargo run --example later`

use std::time::SystemTime;

use cluster::prelude::*;
use futures_util::{StreamExt, stream};

const MONTH: Duration = Duration::from_secs(30 * 86_400);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Invoice {
    number: u32,
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
enum BillingError {
    #[error("the card was refused")]
    Refused,
}

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable, attempts = 2, backoff_min = "10ms")]
struct Subscription {
    cents: u64,
    invoices: Vec<Invoice>,
}

#[entity]
impl Subscription {
    #[message]
    fn subscribe(&mut self, cents: u64) {
        self.cents = cents;
    }

    /// Charges a month, and comes back in another one: the reminder is set with the charge, or
    /// neither is.
    #[message(persisted)]
    async fn renew(&mut self, ctx: &Context) -> Result<(), CallError<BillingError>> {
        self.charge()?;
        ctx.remind::<Self>().renew().after(MONTH).send().await?;
        Ok(())
    }

    /// One item per invoice; the reader sets the pace.
    #[message(stream)]
    fn invoices(&self) -> impl Stream<Item = Result<Invoice, BillingError>> + use<> {
        stream::iter(self.invoices.clone()).map(Ok)
    }
}

impl Subscription {
    fn charge(&mut self) -> Result<(), BillingError> {
        assert!(self.cents > 0, "nobody has subscribed");
        if self.cents > 100_000 {
            return Err(BillingError::Refused);
        }
        let number = self.invoices.len() as u32 + 1;
        self.invoices.push(Invoice { number, cents: self.cents });
        Ok(())
    }
}

async fn operate(cluster: &Cluster, tomorrow: SystemTime) -> cluster::Result<()> {
    let subscription = cluster.get::<Subscription>("s-1");
    let receipt = subscription.renew().at(tomorrow).key("renew-2026-12").send().await?;
    receipt.cancel().await?;

    let mut invoices = subscription.invoices().await?;
    while let Some(invoice) = invoices.next().await {
        println!("{:?}", invoice?);
    }

    let mut dead = cluster.dead_letters().of::<Subscription>().list();
    while let Some(letter) = dead.next().await {
        let letter = letter?;
        println!(
            "{} {} after {} attempts: {}",
            letter.entity(),
            letter.message(),
            letter.attempts(),
            letter.last_error()
        );
        letter.redrive().await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> cluster::Result<()> {
    let cluster = Cluster::builder().entity::<Subscription>().start().await?;
    let subscription = cluster.get::<Subscription>("s-1");
    subscription.subscribe(990).await?;
    subscription.renew().await?;
    // Fails until somebody subscribes: a dead letter, which is redriven below.
    let nobody = cluster.get::<Subscription>("s-2");
    assert!(matches!(nobody.renew().await, Err(CallError::Cluster(ClusterError::Defect { .. }))));
    nobody.subscribe(1_490).await?;
    operate(&cluster, SystemTime::UNIX_EPOCH + 700 * MONTH).await?;
    cluster.shutdown().await?;
    Ok(())
}
