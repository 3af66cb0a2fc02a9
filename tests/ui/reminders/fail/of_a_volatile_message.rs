//! What is not stored cannot be reminded of.

// proves: B82
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Alarm;

#[entity]
impl Alarm {
    #[message]
    fn ring(&mut self) {}

    #[message(persisted)]
    async fn wind(&mut self, ctx: &Context) {
        let reminder = ctx.remind::<Self>().ring();
        let _ = reminder.every(Duration::from_secs(60));
    }
}

fn main() {}
