/// Somebody who knows numbers.
#[entity(name = "mathematician")]
pub trait Mathematician {
    /// The `n`th Fibonacci number.
    #[message(persisted, timeout = "1m")]
    async fn fibonacci(&self, n: u32) -> Result<u64, MathError>;

    #[message]
    fn forget(&mut self, ctx: &Context);
}

#[entity]
impl Mathematician for Professor {
    async fn fibonacci(&self, n: u32) -> Result<u64, MathError> {
        Ok(u64::from(n))
    }

    fn forget(&mut self, _: &Context) {}

    #[activate]
    async fn wake_up(&mut self) -> Result<(), AsleepError> {
        Ok(())
    }
}
