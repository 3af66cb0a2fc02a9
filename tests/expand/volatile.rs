#[derive(Entity)]
#[entity(concurrency = 8, group = "mail", attempts = 3, on_panic = "defect")]
struct Mailbox {
    mailer: Mailer,
}

#[entity(name = "mailbox")]
impl Mailbox {
    #[message(
        persisted,
        uninterruptible,
        name = "receive-mail",
        tag = 0x17,
        timeout = "250ms",
        transaction = Self::is_large
    )]
    async fn receive(&mut self, text: Text) -> BankResult<Receipt> {
        self.mailer.receive(text).await
    }

    #[cfg(feature = "search")]
    #[message(persisted, transaction)]
    fn search(&mut self, ctx: &Context, r#for: Vec<Self>) -> SearchResult {
        self.mailer.search(ctx, r#for)
    }

    #[deprecated]
    #[message]
    async fn touch(&self, ctx: &Context) {}
}
