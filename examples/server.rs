//! A server crate implements the contract; a client knows only the contract.
#![allow(clippy::print_stdout)] // A program for a terminal.

use cluster::prelude::*;
use contract::{MathError, Mathematician};

#[derive(Entity, Default)]
struct Professor;

#[entity]
impl Mathematician for Professor {
    async fn fibonacci(&self, n: u32) -> Result<u64, MathError> {
        match n {
            13 => Err(MathError::BadLuck(13)),
            16.. => Err(MathError::TooMuch),
            _ => Ok((0..n).fold((0, 1), |(a, b), _| (b, a + b)).0),
        }
    }
}

/// Hosts professors.
async fn serve() -> cluster::Result<Cluster> {
    Cluster::builder()
        .storage(Sqlite::open("university.db").await?)
        .entity::<Professor>()
        .start()
        .await
}

/// Asks whoever serves the contract: nothing here names a professor.
async fn ask(cluster: &Cluster, n: u32) -> Result<u64, CallError<MathError>> {
    cluster.get::<dyn Mathematician>("prudence").fibonacci(n).await
}

#[tokio::main]
async fn main() -> cluster::Result<()> {
    let cluster = serve().await?;
    for n in [12, 13, 16] {
        match ask(&cluster, n).await {
            Ok(number) => println!("fibonacci({n}) is {number}"),
            Err(CallError::Entity(problem)) => println!("fibonacci({n}): {problem}"),
            Err(CallError::Cluster(trouble)) => return Err(trouble.into()),
        }
    }
    cluster.shutdown().await
}
