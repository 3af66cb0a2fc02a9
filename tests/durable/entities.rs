//! The entities of most tests, and clusters of them.

use cluster::ClusterBuilder;
use cluster::prelude::*;

use crate::support::{Bed, Probe};

/// A handler's own error.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum Refusal {
    #[error("refused at {at}")]
    No { at: i64 },
}

/// A number, durable as a whole.
#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
pub(crate) struct Counter {
    value: i64,
}

#[entity]
impl Counter {
    #[message(persisted)]
    pub(crate) fn add(&mut self, amount: i64) -> i64 {
        self.value += amount;
        self.value
    }

    /// The same, not persisted.
    #[message]
    pub(crate) fn bump(&mut self, amount: i64) -> i64 {
        self.value += amount;
        self.value
    }

    /// Changes the state, then refuses what is below zero.
    #[message(persisted)]
    pub(crate) fn add_checked(&mut self, amount: i64) -> Result<i64, Refusal> {
        self.value += amount;
        if amount < 0 { Err(Refusal::No { at: self.value }) } else { Ok(self.value) }
    }

    /// The same, not persisted.
    #[message]
    pub(crate) fn bump_checked(&mut self, amount: i64) -> Result<i64, Refusal> {
        self.add_checked(amount)
    }

    #[message]
    pub(crate) fn value(&self) -> i64 {
        self.value
    }

    /// As an outcome.
    #[message(persisted)]
    pub(crate) fn recorded_value(&self) -> i64 {
        self.value
    }

    /// Takes from here and gives to another: with this commit, or not at all.
    #[message(persisted)]
    pub(crate) async fn give(
        &mut self,
        ctx: &Context,
        to: String,
        amount: i64,
    ) -> Result<i64, CallError<Refusal>> {
        self.value -= amount;
        ctx.get::<Counter>(to).add(amount).send().await?;
        if amount < 0 {
            return Err(Refusal::No { at: self.value }.into());
        }
        Ok(self.value)
    }
}

/// What a desk stores.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Drawer {
    pub(crate) papers: Vec<String>,
}

/// An entity with a durable field beside a service that the test holds the other end of.
#[derive(Entity)]
pub(crate) struct Desk {
    #[state]
    drawer: Drawer,
    probe: Probe,
}

impl Desk {
    pub(crate) fn new(probe: &Probe) -> Self {
        Desk { drawer: Drawer::default(), probe: probe.clone() }
    }
}

#[entity]
impl Desk {
    /// Files a paper, passing two points on the way: its name, and its name with `!`.
    #[message(persisted)]
    pub(crate) async fn file(&mut self, paper: String) -> usize {
        self.probe.pass(&paper).await;
        self.drawer.papers.push(paper.clone());
        self.probe.pass(&format!("{paper}!")).await;
        self.drawer.papers.len()
    }

    /// The same, not persisted.
    #[message]
    pub(crate) async fn jot(&mut self, paper: String) -> usize {
        self.file(paper).await
    }

    /// The same in one poll.
    #[message(persisted)]
    pub(crate) fn file_at_once(&mut self, paper: String) -> usize {
        self.probe.arrive(&paper);
        self.drawer.papers.push(paper.clone());
        self.probe.arrive(&format!("{paper}!"));
        self.drawer.papers.len()
    }

    /// Files a paper, then finds that the cluster is in trouble as often as the probe says.
    #[message(persisted)]
    pub(crate) async fn file_unless_trouble(
        &mut self,
        paper: String,
    ) -> Result<usize, CallError<Refusal>> {
        self.drawer.papers.push(paper.clone());
        self.probe.note(&*paper);
        self.probe.trouble(&paper).or_retry()?;
        if paper.is_empty() {
            return Err(Refusal::No { at: 0 }.into());
        }
        Ok(self.drawer.papers.len())
    }

    /// The same, not persisted.
    #[message]
    pub(crate) async fn jot_unless_trouble(
        &mut self,
        paper: String,
    ) -> Result<usize, CallError<Refusal>> {
        self.file_unless_trouble(paper).await
    }

    /// Reads, passing a point before and one after.
    #[message]
    pub(crate) async fn look(&self, point: String) -> Vec<String> {
        self.probe.pass(&point).await;
        let papers = self.drawer.papers.clone();
        self.probe.pass(&format!("{point}!")).await;
        papers
    }

    #[message]
    pub(crate) fn papers(&self) -> Vec<String> {
        self.drawer.papers.clone()
    }

    /// Asks another desk to file a copy until it has, passing a point each time and one after.
    #[message(persisted)]
    pub(crate) async fn insist_on_copy(
        &mut self,
        ctx: &Context,
        paper: String,
        to: String,
    ) -> usize {
        let copies = loop {
            self.probe.pass("asking").await;
            match ctx.get::<Desk>(&*to).file(format!("copy of {paper}")).await {
                Ok(copies) => break copies,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        };
        self.probe.pass(&paper).await;
        copies
    }

    /// Files a paper, then asks another desk to file a copy, and waits for it.
    #[message(persisted)]
    pub(crate) async fn file_with_copy(
        &mut self,
        ctx: &Context,
        paper: String,
        to: String,
    ) -> Result<usize, CallError<Refusal>> {
        self.drawer.papers.push(paper.clone());
        let copies = ctx.get::<Desk>(to).file(format!("copy of {paper}")).await?;
        self.probe.pass(&paper).await;
        Ok(copies)
    }

    /// Sends a copy to another desk under a key of its own.
    #[message(persisted)]
    pub(crate) async fn file_with_key(
        &mut self,
        ctx: &Context,
        paper: String,
        to: String,
        key: String,
    ) -> Result<usize, CallError<Refusal>> {
        Ok(ctx.get::<Desk>(to).file(paper).key(key).await?)
    }

    /// Files a paper and sends a copy with the commit, passing a point between and one after.
    #[message(persisted)]
    pub(crate) async fn file_and_send(
        &mut self,
        ctx: &Context,
        paper: String,
        to: String,
    ) -> Result<usize, CallError<Refusal>> {
        self.drawer.papers.push(paper.clone());
        ctx.get::<Desk>(to).file(format!("copy of {paper}")).send().await?;
        self.probe.pass(&paper).await;
        if paper.starts_with("bad") {
            return Err(Refusal::No { at: 1 }.into());
        }
        Ok(self.drawer.papers.len())
    }

    /// Tells another desk how many papers there are here, and returns what that says.
    #[message]
    pub(crate) async fn tell_count(
        &mut self,
        ctx: &Context,
        to: String,
    ) -> Result<usize, CallError<Refusal>> {
        self.probe.note("telling");
        Ok(ctx.get::<Desk>(to).hear_count(self.drawer.papers.len()).await?)
    }

    #[message]
    pub(crate) fn hear_count(&self, count: usize) -> usize {
        self.probe.note("told");
        count
    }
}

/// A cluster that hosts counters, and desks with this probe.
pub(crate) async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    start_with(bed, probe, |builder| builder).await
}

/// The same with more settings.
pub(crate) async fn start_with(
    bed: &Bed,
    probe: &Probe,
    configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
) -> Cluster {
    let probe = probe.clone();
    let hosted = |builder: ClusterBuilder| {
        builder.entity::<Counter>().entity_with::<Desk>(move |_| Desk::new(&probe))
    };
    bed.start_impatient(|builder| configure(hosted(builder))).await
}
