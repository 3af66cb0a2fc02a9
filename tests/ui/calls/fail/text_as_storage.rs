//! The name of a file where a storage belongs.
use cluster::prelude::*;

fn main() {
    let _ = Cluster::builder().storage("bank.db");
}
