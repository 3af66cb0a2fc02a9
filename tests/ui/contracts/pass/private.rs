//! A contract for one module alone.
#![deny(warnings)]
use cluster::prelude::*;

#[derive(Debug, Serialize, Deserialize)]
struct Order(u32);

#[entity]
trait Shop: std::fmt::Debug {
    #[message]
    async fn place(&mut self, order: Order) -> Result<Order, CallError<String>>;
}

#[derive(Debug, Entity, Default)]
struct Store;

#[entity]
impl Shop for Store {
    async fn place(&mut self, order: Order) -> Result<Order, CallError<String>> {
        Ok(order)
    }
}

async fn use_it(cluster: &Cluster) {
    let shop = cluster.get::<dyn Shop>("s");
    println!("{:?}", shop.place(Order(1)).await.map(|order| order.0));
}

pub(crate) fn main() {
    let _ = (use_it, Cluster::builder().entity::<Store>());
}
