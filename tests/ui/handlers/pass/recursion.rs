//! Entities that call each other, and themselves, through their clients.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Ping;

#[derive(Entity, Default)]
struct Pong;

#[entity]
impl Ping {
    #[message]
    async fn ping(&self, ctx: &Context, depth: u32) -> Result<u32, ClusterProblem> {
        match depth {
            0 => Ok(0),
            _ => ctx.get::<Pong>("p").pong(depth - 1).await.map_err(|_| ClusterProblem),
        }
    }

    #[message]
    async fn itself(
        &mut self,
        ctx: &Context,
        depth: u32,
    ) -> Result<u32, CallError<ClusterProblem>> {
        ctx.get::<Self>(format!("p{depth}")).itself(depth - 1).await
    }
}

#[entity]
impl Pong {
    #[message]
    async fn pong(&self, ctx: &Context, depth: u32) -> Result<u32, CallError<ClusterProblem>> {
        ctx.get::<Ping>("p").ping(depth).await
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct ClusterProblem;

pub(crate) fn main() {}
