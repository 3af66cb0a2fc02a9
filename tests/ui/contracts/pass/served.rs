//! A contract that two types serve; clients know the trait or the type.
#![deny(warnings)]
use cluster::__private::{Contract, Serves};
use cluster::prelude::*;

#[derive(Debug, Serialize, Deserialize)]
pub enum MathError {
    TooMuch,
}

/// Does sums.
#[entity(name = "mathematician")]
pub trait Mathematician {
    /// The number of rabbits.
    #[message(persisted, timeout = "1m")]
    async fn fibonacci(&self, n: u32) -> Result<u64, MathError>;

    #[message]
    fn sum(&mut self, ctx: &Context, numbers: Vec<u64>) -> u64;

    #[message]
    async fn forget(&mut self);

    #[message]
    fn name(&self) -> String;
}

#[derive(Entity, Default)]
struct Professor;

#[entity]
impl Mathematician for Professor {
    async fn fibonacci(&self, n: u32) -> Result<u64, MathError> {
        Ok(u64::from(n))
    }

    fn sum(&mut self, _: &Context, numbers: Vec<u64>) -> u64 {
        numbers.iter().sum()
    }

    async fn forget(&mut self) {}

    fn name(&self) -> String {
        "professor".to_owned()
    }

    #[activate]
    async fn wake_up(&mut self) {}
}

#[derive(Entity, Default)]
struct Machine {
    sums: u64,
}

#[entity]
impl Mathematician for Machine {
    // A future that is written out is one as well.
    fn fibonacci(&self, n: u32) -> impl Future<Output = Result<u64, MathError>> + Send {
        std::future::ready(if n > 90 { Err(MathError::TooMuch) } else { Ok(0) })
    }

    fn sum(&mut self, _: &Context, numbers: Vec<u64>) -> u64 {
        self.sums += 1;
        numbers.iter().sum()
    }

    async fn forget(&mut self) {
        self.sums = 0;
    }

    fn name(&self) -> String {
        "machine".to_owned()
    }
}

async fn use_it(cluster: &Cluster) -> Result<u64, CallError<MathError>> {
    let known: MathematicianClient = cluster.get::<dyn Mathematician>("prudence");
    let same: MathematicianClient = cluster.get::<Professor>("prudence");
    known.forget().await?;
    let _: u64 = same.sum(vec![1, 2]).await?;
    known.fibonacci(12).key("rabbits").await
}

pub(crate) fn main() {
    assert_eq!(<dyn Mathematician>::NAME, "mathematician");
    assert_eq!(Professor::NAME, Machine::NAME);
    assert_eq!(Professor::messages().len(), 4);
    const { assert!(Professor::ACTIVATES && !Professor::DEACTIVATES && !Machine::ACTIVATES) };
    assert_eq!(Professor.name(), "professor");
    let _ = use_it;
}
