//! Hooks may be plain or async, take the context or not, and fail or not.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Plain;

#[entity]
impl Plain {
    #[activate]
    fn open(&self) {}

    #[deactivate]
    fn close(&mut self, ctx: &Context) -> Result<(), String> {
        Err(ctx.entity_id().to_string())
    }

    #[message]
    fn touch(&self) {}
}

#[derive(Entity, Default)]
struct Async;

#[entity]
impl Async {
    #[activate]
    async fn open(
        &mut self,
        ctx: &Context,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let _ = ctx;
        Err("closed".into())
    }

    #[deactivate]
    async fn close(&self) {}

    #[message]
    fn touch(&self) {}
}

pub(crate) fn main() {
    use cluster::__private::Serves;
    const { assert!(Plain::ACTIVATES && Plain::DEACTIVATES) };
    const { assert!(Async::ACTIVATES && Async::DEACTIVATES) };
}
