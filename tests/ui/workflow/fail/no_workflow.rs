//! Only workflows are hosted as such.
use cluster::prelude::*;

#[derive(Default)]
struct Order;

fn main() {
    let _ = Cluster::builder().workflow_with::<Order>(|| Order);
}
