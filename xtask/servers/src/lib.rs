//! Throw-away database servers: started in a folder of their own on a free port of the loopback
//! device, durable as a fresh installation is, and gone with whoever started them.
//!
//! ```no_run
//! use test_servers::{Kind, Server};
//!
//! # fn main() -> Result<(), String> {
//! let mut server = Server::postgres().setting("max_connections", "20").start()?;
//! println!("{}", server.url());
//! server.kill()?; // as a power cut would
//! server.start()?; // the same data, the same port
//! # Ok(())
//! # }
//! ```
//!
//! A test asks [`shared`] or [`private`] instead of starting a server by itself: under
//! `cargo xtask test` there is always one, and without it the test is left out and that is said.
//!
//! Everything blocks. Nothing here reads a clock: whoever waits, waits for an event of the server
//! or counts attempts.

mod account;
mod disk;
mod engine;
mod kind;
mod mariadb;
mod pgbouncer;
mod place;
mod postgres;
mod programs;
mod random;
mod server;
mod supervisor;
mod under_test;

pub use kind::Kind;
pub use place::Place;
pub use programs::Programs;
pub use server::{Launch, Server};
pub use under_test::{private, private_on_disk, shared};
