#[derive(Entity)]
#[entity(crate = "my_reexport::cluster")]
struct Mailbox {
    #[state]
    inbox: Inbox,
    mailer: Mailer,
}

#[derive(Entity)]
struct Pair(Mailer, #[state] Vec<String>);

#[entity(crate = "my_reexport::cluster")]
impl Mailbox {
    #[message]
    fn unread(&self) -> usize {
        self.inbox.unread.len()
    }

    #[activate]
    fn open(&mut self, ctx: &Context) {
        self.mailer.subscribe(ctx);
    }

    #[deactivate]
    async fn close(&mut self) {}
}
