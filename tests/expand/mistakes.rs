#[derive(Entity)]
#[entity(durable, mailbox = 0)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(persited)]
    async fn rename(&mut self, name: &str, (first, _): (u8, u8)) -> Result<(), String> {
        Ok(())
    }

    #[message]
    fn deposit<N>(&mut self, cents: N) {}
}
