/// Money that somebody owns.
#[derive(Default, Serialize, Deserialize)]
#[derive(Entity)]
#[entity(durable, mailbox = 1024, idle = "5m")]
pub struct Account {
    cents: i64,
}

#[entity]
impl Account {
    /// Takes `cents` out here and puts them into `to`.
    #[message(persisted)]
    pub async fn transfer(
        &mut self,
        ctx: &Context,
        to: String,
        cents: i64,
    ) -> Result<i64, CallError<AccountError>> {
        self.check(cents)?;
        self.cents -= cents;
        ctx.get::<Account>(&to).deposit(cents).send().await?;
        Ok(self.cents)
    }

    /// What is there.
    #[message]
    fn balance(&self) -> i64 {
        self.cents
    }

    fn check(&self, cents: i64) -> Result<(), AccountError> {
        if cents <= self.cents { Ok(()) } else { Err(AccountError::Overdrawn) }
    }
}
