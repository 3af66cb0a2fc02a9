//! Entities that set reminders as they are told.

use cluster::prelude::*;

use crate::support::{Bed, Probe};

/// A handler's own error.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("refused")]
pub(crate) struct Refusal;

/// What a handler does about the reminder of `ring`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Once, after so many milliseconds.
    Once(String, u64),
    /// At this time, in milliseconds since 1970.
    At(String, i64),
    /// Again and again, with this period in milliseconds.
    Every(String, u64),
    /// The same, for the first time after so many milliseconds.
    EveryAfter(String, u64, u64),
    /// No more.
    Clear,
}

/// How a handler ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum End {
    Ok,
    Refuse,
}

/// A sequence of orders for the handler of `ring` itself, by what it is told: `what` is a name,
/// perhaps with one of these behind it.
pub(crate) const CLEARS_ITSELF: &str = " and no more";
pub(crate) const SETS_ANEW: &str = " and anew";
pub(crate) const REFUSES: &str = " in vain";

/// What has come, durable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rung(pub(crate) Vec<String>);

/// A durable entity.
#[derive(Entity)]
pub(crate) struct Clock {
    #[state]
    rung: Rung,
    probe: Probe,
}

impl Clock {
    pub(crate) fn new(probe: &Probe) -> Self {
        Clock { rung: Rung::default(), probe: probe.clone() }
    }

    async fn follow(ctx: &Context, order: Order) -> Result<Option<String>, ClusterError> {
        let ms = Duration::from_millis;
        let remind = ctx.remind::<Self>();
        let receipt = match order {
            Order::Once(what, after) => remind.ring(what).after(ms(after)).send().await?,
            Order::At(what, at) => {
                remind.ring(what).at(cluster::time::Timestamp::from_unix_ms(at)).send().await?
            }
            Order::Every(what, period) => remind.ring(what).every(ms(period)).send().await?,
            Order::EveryAfter(what, period, after) => {
                remind.ring(what).every(ms(period)).after(ms(after)).send().await?
            }
            Order::Clear => {
                remind.ring(String::new()).clear().await?;
                return Ok(None);
            }
        };
        Ok(Some(receipt.id().to_string()))
    }
}

#[entity]
impl Clock {
    /// Follows an order and passes the point `order`.
    #[message(persisted)]
    pub(crate) async fn order(
        &mut self,
        ctx: &Context,
        order: Order,
        end: End,
    ) -> Result<Option<String>, CallError<Refusal>> {
        let set = Self::follow(ctx, order).await?;
        self.rung.0.push("ordered".to_owned());
        self.probe.pass("order").await;
        self.probe.trouble("order").or_retry()?;
        if end == End::Refuse { Err(Refusal.into()) } else { Ok(set) }
    }

    /// Several orders in one handler.
    #[message(persisted)]
    pub(crate) async fn order_all(
        &mut self,
        ctx: &Context,
        orders: Vec<Order>,
    ) -> Result<(), CallError<Refusal>> {
        for order in orders {
            Self::follow(ctx, order).await?;
        }
        Ok(())
    }

    /// The same beside others.
    #[message(persisted)]
    pub(crate) async fn order_beside(
        &self,
        ctx: &Context,
        order: Order,
    ) -> Result<Option<String>, CallError<Refusal>> {
        let set = Self::follow(ctx, order).await?;
        self.probe.pass("order beside").await;
        Ok(set)
    }

    /// The same, not persisted.
    #[message]
    pub(crate) async fn order_at_once(
        &mut self,
        ctx: &Context,
        order: Order,
    ) -> Result<Option<String>, CallError<Refusal>> {
        Ok(Self::follow(ctx, order).await?)
    }

    /// Has no commit to set anything with.
    #[message]
    pub(crate) async fn order_in_vain(
        &self,
        ctx: &Context,
        order: Order,
    ) -> Result<Option<String>, CallError<Refusal>> {
        Ok(Self::follow(ctx, order).await?)
    }

    /// In the storage's own transaction.
    #[message(persisted, transaction)]
    pub(crate) async fn order_in_transaction(
        &mut self,
        ctx: &Context,
        order: Order,
        opens: bool,
    ) -> Result<Option<String>, CallError<Refusal>> {
        if opens {
            drop(ctx.transaction::<Sqlite>().await?);
        }
        Ok(Self::follow(ctx, order).await?)
    }

    /// Of another type.
    #[message(persisted)]
    pub(crate) async fn order_another(&mut self, ctx: &Context) -> Result<(), Refusal> {
        let other = ctx.remind::<Plain>().ring("x".into()).send().await;
        match other {
            Err(ClusterError::Persistence { source }) if source.to_string().contains("Plain") => {
                Ok(())
            }
            _ => Err(Refusal),
        }
    }

    /// What is reminded of. Notes what comes, and passes a point of that name.
    #[message(persisted)]
    pub(crate) async fn ring(
        &mut self,
        ctx: &Context,
        what: String,
    ) -> Result<usize, CallError<Refusal>> {
        self.rung.0.push(what.clone());
        self.probe.pass(&what).await;
        if what.ends_with(CLEARS_ITSELF) {
            Self::follow(ctx, Order::Clear).await?;
        } else if let Some(name) = what.strip_suffix(SETS_ANEW) {
            Self::follow(ctx, Order::Once(name.to_owned(), 5_000)).await?;
        }
        if what.ends_with(REFUSES) { Err(Refusal.into()) } else { Ok(self.rung.0.len()) }
    }

    /// A reminder whose handler runs beside others.
    #[message(persisted)]
    pub(crate) async fn chime(&self, what: String) {
        self.probe.pass(&what).await;
    }

    /// Sets and clears that one.
    #[message(persisted)]
    pub(crate) async fn order_chime(
        &self,
        ctx: &Context,
        what: String,
        period_ms: Option<u64>,
    ) -> Result<String, ClusterErrorText> {
        let reminder = ctx.remind::<Self>().chime(what);
        let done = match period_ms {
            Some(ms) => {
                let sent = reminder.every(Duration::from_millis(ms)).send().await;
                sent.map(|receipt| receipt.id().to_string())
            }
            None => reminder.clear().await.map(|()| String::new()),
        };
        done.map_err(|error| ClusterErrorText(error.to_string()))
    }

    /// Clears it with a reply that comes later.
    #[message(persisted)]
    pub(crate) async fn clear_chime_later(&self, ctx: &Context) -> Later<()> {
        let cleared = ctx.remind::<Self>().chime(String::new()).clear().await;
        let (reply, later) = Later::new();
        let probe = self.probe.clone();
        tokio::spawn(async move {
            probe.pass("later").await;
            if cleared.is_ok() {
                reply.send(());
            }
        });
        later
    }

    #[message]
    pub(crate) fn rung(&self) -> Vec<String> {
        self.rung.0.iter().filter(|what| *what != "ordered").cloned().collect()
    }
}

/// An error of the cluster as a handler's own.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[error("{0}")]
pub(crate) struct ClusterErrorText(String);

/// An entity of which nothing is stored.
#[derive(Entity)]
pub(crate) struct Plain {
    probe: Probe,
}

impl Plain {
    pub(crate) fn new(probe: &Probe) -> Self {
        Plain { probe: probe.clone() }
    }
}

#[entity]
impl Plain {
    #[message(persisted)]
    pub(crate) async fn order(
        &mut self,
        ctx: &Context,
        what: String,
    ) -> Result<(), ClusterErrorText> {
        let reminder = ctx.remind::<Self>().ring(what).every(Duration::from_secs(1));
        reminder.send().await.map(drop).map_err(|error| ClusterErrorText(error.to_string()))
    }

    /// Not persisted, and nothing of the entity is stored.
    #[message]
    pub(crate) async fn order_in_vain(&mut self, ctx: &Context) -> bool {
        ctx.remind::<Self>().ring("x".into()).send().await.is_err()
    }

    #[message(persisted)]
    pub(crate) async fn ring(&mut self, what: String) {
        self.probe.pass(&what).await;
    }
}

/// Starts a cluster of all of them.
pub(crate) async fn start(bed: &Bed) -> Cluster {
    start_with(bed, |builder| builder).await
}

pub(crate) async fn start_with(
    bed: &Bed,
    configure: impl FnOnce(cluster::ClusterBuilder) -> cluster::ClusterBuilder,
) -> Cluster {
    let (clocks, plain) = (bed.probe.clone(), bed.probe.clone());
    bed.start(|builder| {
        configure(
            builder
                .entity_with::<Clock>(move |_| Clock::new(&clocks))
                .entity_with::<Plain>(move |_| Plain::new(&plain)),
        )
    })
    .await
}

/// What has come to the clock `c`, in order.
pub(crate) async fn rung(cluster: &Cluster) -> Vec<String> {
    cluster.get::<Clock>("c").rung().await.unwrap()
}

/// Follows an order on the clock `c`; the id of the first request that is set.
pub(crate) async fn order(cluster: &Cluster, order: Order) -> Option<RequestId> {
    let set = cluster.get::<Clock>("c").order(order, End::Ok).await.unwrap();
    set.map(|id| id.parse().unwrap())
}
