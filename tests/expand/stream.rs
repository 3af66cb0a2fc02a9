#[derive(Entity)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(stream)]
    fn invoices(&self, since: Day) -> impl Stream<Item = Result<Invoice, BillingError>> + use<> {
        self.invoices.since(since)
    }

    #[message(stream)]
    async fn entries(&mut self, ctx: &Context) -> impl Stream<Item = Entry> + use<> {
        self.entries(ctx).await
    }
}
