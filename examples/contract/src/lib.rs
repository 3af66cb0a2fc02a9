//! The contract: what clients and servers share. It links neither storage nor server code.
use cluster::prelude::*;

/// Why a number cannot be had.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum MathError {
    /// Nobody says it aloud.
    #[error("{0} is unlucky")]
    BadLuck(u32),
    /// It would take too long.
    #[error("too much math")]
    TooMuch,
}

/// Somebody who knows numbers.
#[entity(name = "Mathematician")]
pub trait Mathematician {
    /// The `n`th Fibonacci number.
    #[message(persisted, timeout = "10s")]
    async fn fibonacci(&self, n: u32) -> Result<u64, MathError>;
}
