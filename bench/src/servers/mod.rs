//! Database servers, where the environment names them: `cargo xtask bench` starts some.

mod mariadb;
mod postgres;

pub(crate) use mariadb::Mariadb;
pub(crate) use postgres::Postgresql;

use bench_kit::Counts;
use cluster::prelude::Storage;

/// A place for tables on a server: a schema or a database of its own.
pub(crate) trait Server: Clone + Send + Sync + 'static {
    /// What it is called in the results.
    const STORAGE: &'static str;
    /// The product's storage on it.
    type Storage: Storage;
    /// A connection of a tool.
    type Connection: Send + 'static;

    /// The place of this name, if the environment names a server.
    fn place(name: &'static str) -> Option<Self>;

    /// The same place; what is done there by this one is counted, where that costs something.
    fn counting(&self) -> Self;

    /// Makes the place, empty, with nothing left to write of what was there before.
    fn clear(&self) -> impl Future<Output = ()> + Send;

    /// Makes the place, empty. What else is on the server is left alone: writing down all of that
    /// has a neighbour's next writes write whole pages.
    fn empty(&self) -> impl Future<Output = ()> + Send;

    /// Removes the place.
    fn remove(&self) -> impl Future<Output = ()> + Send;

    /// Makes the product's tables, if they are missing; with so many connections, or its default.
    fn open(&self, connections: Option<usize>) -> impl Future<Output = Self::Storage> + Send;

    /// Connects a tool that sees the place's tables.
    fn connect(&self) -> impl Future<Output = Self::Connection> + Send;

    /// Runs statements, separated by semicolons.
    fn run(tool: &mut Self::Connection, text: String) -> impl Future<Output = ()> + Send;

    /// What the server has counted, of all that was done on connections that have ended.
    fn counts(&self) -> impl Future<Output = Counts> + Send;
}

/// What the server counts while some work is done there.
pub(crate) async fn counted<S: Server>(server: &S, work: impl Future) -> Counts {
    let before = server.counts().await;
    work.await;
    server.counts().await.since(before)
}
