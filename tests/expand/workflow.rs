#[workflow(name = "order", version = 2)]
impl OrderWorkflow {
    #[run]
    async fn run(&self, ctx: &Workflow, order: Order) -> Result<Tracking, OrderError> {
        let _ = ctx;
        self.ship(order).await
    }

    /// Ships it.
    #[step(name = "shipment")]
    #[tracing::instrument]
    pub async fn ship(&self, mut order: Order) -> Result<Tracking, OrderError> {
        order.ship().await
    }

    #[cfg(feature = "notes")]
    #[step]
    async fn note(&self) {}

    fn plain(&self) {}
}
