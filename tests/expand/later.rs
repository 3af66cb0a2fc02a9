#[derive(Entity)]
struct Desk {
    owed: Vec<Reply<String>>,
}

#[entity]
impl Desk {
    #[message]
    fn wait(&mut self) -> Later<String> {
        self.next()
    }

    #[message(persisted)]
    async fn judge(&self, ctx: &Context) -> Later<Result<Verdict, CourtError>> {
        self.court.judge(ctx).await
    }
}
