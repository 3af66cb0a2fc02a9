//! Every form of a workflow, its body and its steps.
#![allow(dead_code)]

use cluster::prelude::*;

type OrderResult<T> = Result<T, OrderError>;

#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[error("no")]
pub struct OrderError;

#[derive(Default)]
pub struct Order {
    rate: u64,
}

#[workflow(name = "order", version = 3)]
impl Order {
    const CENTS: u64 = 100;

    /// Its body.
    #[run]
    async fn ordered(&self, number: u64, ctx: &Workflow, r#for: Vec<String>) -> OrderResult<u64> {
        let _: &cluster::ExecutionId = ctx.id();
        self.note(r#for).await;
        let (one, two) = tokio::join!(self.price(number), self.price_of_all(vec![number]));
        self.r#move().await;
        Ok(one? + two)
    }

    /// A price.
    #[step]
    pub async fn price(&self, number: u64) -> Result<u64, OrderError> {
        if number == 0 {
            return Err(OrderError);
        }
        Ok(number * self.rate * Self::CENTS)
    }

    #[cluster::step(name = "prices")]
    #[allow(clippy::needless_pass_by_value)]
    async fn price_of_all(&self, mut numbers: Vec<u64>) -> u64 {
        numbers.sort_unstable();
        numbers.iter().sum()
    }

    #[step]
    async fn note(&self, lines: Vec<String>) {
        drop(lines);
    }

    #[step]
    async fn r#move(&self) -> () {}

    #[cfg(any())]
    #[step]
    async fn never(&self) -> NotThere {}

    fn plain(&self) -> u64 {
        self.rate
    }
}

/// Without arguments, context, steps or errors.
#[derive(Default)]
struct Bare;

#[workflow(name = "bare", version = 1)]
impl Bare {
    #[run]
    async fn run(&self) {}
}

/// Trouble of the cluster is passed on, and the body runs again.
#[derive(Default)]
struct Lifted;

#[workflow(name = "lifted", version = 1)]
impl Lifted {
    #[run]
    async fn run(&self, fails: bool) -> Result<u64, CallError<OrderError>> {
        if fails { Err(CallError::Entity(OrderError)) } else { Ok(1) }
    }
}

mod inner {
    use cluster::prelude::*;

    /// Private types where the workflow is private.
    #[derive(Default)]
    struct Hidden;

    #[derive(Serialize, Deserialize)]
    struct Secret(u32);

    #[workflow(name = "hidden", version = 1)]
    impl Hidden {
        #[run]
        async fn run(&self, secret: Secret) -> Secret {
            self.keep(secret).await
        }

        #[step]
        async fn keep(&self, secret: Secret) -> Secret {
            secret
        }
    }

    pub(super) async fn hide(cluster: &Cluster) -> Result<u32, ClusterError> {
        cluster.workflow::<Hidden>().run(Secret(7)).await.map(|secret| secret.0)
    }

    pub(super) fn host(builder: cluster::ClusterBuilder) -> cluster::ClusterBuilder {
        builder.workflow::<Hidden>()
    }
}

#[tokio::main(flavor = "current_thread")]
pub async fn main() {
    let builder = Cluster::builder()
        .workflow_with::<Order>(|| Order { rate: 2 })
        .workflow::<Bare>()
        .workflow::<Lifted>();
    let cluster = inner::host(builder).start().await.unwrap();
    let order: OrderClient = cluster.workflow::<Order>();
    let handle = order.start(3, Vec::new()).key("k").await.unwrap();
    assert_eq!(handle.result().await.unwrap(), 603);
    assert!(matches!(order.run(0, Vec::new()).await, Err(CallError::Entity(OrderError))));
    cluster.workflow::<Bare>().run().await.unwrap();
    assert_eq!(cluster.workflow::<Lifted>().run(false).await.unwrap(), 1);
    assert_eq!(inner::hide(&cluster).await.unwrap(), 7);
    // Steps are methods.
    assert_eq!(Order { rate: 1 }.price(1).await.unwrap(), 100);
    assert_eq!(Order::default().price_of_all(vec![2, 1]).await, 3);
}
