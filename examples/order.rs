//! An order: pay, let it cool off, wait for an approval, ship; it goes on where it was, whatever
//! crashes. Run it twice: the second time it tells what has happened, and does nothing again.
#![allow(clippy::print_stdout)] // A program for a terminal.

use cluster::prelude::*;

#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
enum OrderError {
    #[error("card {card} was declined")]
    Declined { card: String },
    #[error("the order was not approved")]
    Denied,
    #[error("nobody decided: {reason}")]
    Undecided { reason: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Approval {
    Granted,
    Denied,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    card: String,
    address: String,
}

#[derive(Default)]
struct OrderWorkflow;

#[workflow(name = "order", version = 1)]
impl OrderWorkflow {
    #[run]
    async fn run(&self, ctx: &Workflow, order: Order) -> Result<String, OrderError> {
        let (cents, stock) = tokio::join!(self.price(order.id), self.reserve(order.id));
        let charge = self.charge(order.card, cents).await?;
        ctx.sleep("cooling-off", Duration::from_millis(200)).await;

        let decided = ctx.deferred::<Approval>("approval").await;
        match decided.map_err(|failed| OrderError::Undecided { reason: failed.reason })? {
            Approval::Granted => {}
            Approval::Denied => return Err(OrderError::Denied),
        }
        let tracking = self.ship(order.address, stock).await;
        Ok(format!("{charge}, {tracking}"))
    }

    #[step]
    async fn price(&self, order: u64) -> u64 {
        order * 100
    }

    #[step]
    async fn reserve(&self, order: u64) -> String {
        format!("shelf {order}")
    }

    /// Runs once, as soon as its result is stored. If the process dies before that it runs again,
    /// under the same key, by which a bank knows a payment again.
    #[step]
    async fn charge(&self, card: String, cents: u64) -> Result<String, OrderError> {
        let key = cluster::step_key();
        if card.starts_with('0') {
            return Err(OrderError::Declined { card });
        }
        println!(
            "charging {cents} cents, known by {}",
            if key.is_some() { "a key" } else { "none" }
        );
        Ok(format!("{cents} cents paid"))
    }

    #[step]
    async fn ship(&self, address: String, stock: String) -> String {
        println!("shipping {stock}");
        format!("on its way to {address}")
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let storage = Sqlite::open("order.db").await?;
    let cluster = Cluster::builder().storage(storage).workflow::<OrderWorkflow>().start().await?;

    let order = Order { id: 47, card: "4711".into(), address: "Rome".into() };
    let key = order.id.to_string();
    // The same key: the same execution.
    let execution = cluster.workflow::<OrderWorkflow>().start(order).key(key).await?;

    // From anywhere, by anyone who holds the token.
    let token = execution.deferred::<Approval>("approval").token();
    println!("{token}: {:?}", cluster.complete(token.clone(), Approval::Granted).await?);

    println!("{}", execution.result().await?);
    Ok(cluster.shutdown().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Outside of an execution a step is its method.
    #[tokio::test]
    async fn a_bad_card_is_declined() {
        let declined = OrderWorkflow.charge("0815".into(), 5).await;
        assert_eq!(declined, Err(OrderError::Declined { card: "0815".into() }));
        assert_eq!(OrderWorkflow.price(3).await, 300);
    }

    /// A whole execution on a clock that the test moves.
    #[tokio::test]
    async fn an_order_that_is_denied_is_not_shipped() {
        use cluster::testing::TestCluster;

        let cluster =
            TestCluster::new().with(|builder| builder.workflow::<OrderWorkflow>()).start().await;
        let order = Order { id: 1, card: "4711".into(), address: "Rome".into() };
        let execution = cluster.workflow::<OrderWorkflow>().start(order).await.unwrap();
        let token = execution.deferred("approval").token();
        cluster.complete(token, Approval::Denied).await.unwrap();
        cluster.advance(Duration::from_secs(1)).await;
        let denied = execution.result().await.unwrap_err();
        assert!(matches!(denied, CallError::Entity(OrderError::Denied)), "{denied}");
    }
}
