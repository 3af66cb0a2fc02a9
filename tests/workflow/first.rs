use cluster::prelude::*;
use cluster::testing::TestCluster;

#[derive(Default)]
struct Greeting;

#[workflow(name = "greeting", version = 1)]
impl Greeting {
    #[run]
    async fn run(&self, ctx: &Workflow, name: String) -> String {
        let greeting = self.greet(name).await;
        ctx.sleep("pause", Duration::from_secs(3600)).await;
        greeting
    }

    #[step]
    async fn greet(&self, name: String) -> String {
        format!("Hello, {name}!")
    }
}

#[tokio::test]
async fn one_step_and_a_sleep() {
    let cluster = TestCluster::new().with(|b| b.workflow::<Greeting>()).start().await;
    let handle = cluster.workflow::<Greeting>().start("Ada".into()).key("ada").await.unwrap();
    cluster.advance(Duration::from_secs(3599)).await;
    println!("{:?}", handle.poll().await);
    cluster.advance(Duration::from_secs(1)).await;
    println!("{:?}", handle.poll().await);
    assert_eq!(handle.result().await.unwrap(), "Hello, Ada!");
    assert_eq!(Greeting.greet("B".into()).await, "Hello, B!");
}
