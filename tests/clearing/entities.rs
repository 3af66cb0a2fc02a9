//! The entity that is cleared.

use cluster::prelude::*;

use crate::support::{Bed, Probe};

/// A durable list of words.
#[derive(Entity)]
pub(crate) struct List {
    #[state]
    words: Words,
    probe: Probe,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl List {
    pub(crate) fn new(probe: &Probe) -> Self {
        List { words: Words::default(), probe: probe.clone() }
    }
}

#[entity]
impl List {
    #[activate]
    fn begins(&mut self) {
        self.probe.note("begins");
    }

    #[deactivate]
    fn ends(&mut self) {
        self.probe.note("ends");
    }

    /// Adds a word, passing the point of its name; how many there are.
    #[message(persisted)]
    pub(crate) async fn add(&mut self, word: String) -> usize {
        self.probe.pass(&word).await;
        self.words.0.push(word);
        self.words.0.len()
    }

    /// Reads beside others, passing a point, and asks itself meanwhile.
    #[message]
    pub(crate) async fn look(&self, ctx: &Context) -> usize {
        self.probe.pass("look").await;
        ctx.get::<List>(ctx.entity_id().clone()).count().await.unwrap_or(usize::MAX)
    }

    #[message]
    pub(crate) fn count(&self) -> usize {
        self.words.0.len()
    }

    /// Reminds itself to add a word, every so many milliseconds.
    #[message(persisted)]
    pub(crate) async fn remind(
        &mut self,
        ctx: &Context,
        word: String,
        period_ms: u64,
    ) -> Result<(), CallError<Failed>> {
        let period = Duration::from_millis(period_ms);
        ctx.remind::<Self>().add(word).every(period).send().await?;
        Ok(())
    }

    /// Clears an entity while this handler runs.
    #[message]
    pub(crate) async fn clear(&mut self, id: String) -> Result<(), Failed> {
        let cluster = self.probe_cluster();
        cluster.clear::<List>(id).await.map_err(|error| Failed(error.to_string()))
    }
}

/// An error in words.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[error("{0}")]
pub(crate) struct Failed(pub(crate) String);

thread_local! {
    /// The cluster of this test, for handlers that clear.
    static CLUSTER: std::cell::RefCell<Option<Cluster>> = const { std::cell::RefCell::new(None) };
}

impl List {
    #[allow(clippy::unused_self)] // Reads as a question to it.
    fn probe_cluster(&self) -> Cluster {
        CLUSTER.with_borrow(|cluster| cluster.clone().expect("a test that clears in handlers"))
    }
}

/// Lets handlers on this thread clear.
pub(crate) fn handlers_clear(cluster: Option<&Cluster>) {
    CLUSTER.set(cluster.cloned());
}

pub(crate) async fn start(bed: &Bed) -> Cluster {
    start_with(bed, |builder| builder).await
}

pub(crate) async fn start_with(
    bed: &Bed,
    configure: impl FnOnce(cluster::ClusterBuilder) -> cluster::ClusterBuilder,
) -> Cluster {
    let probe = bed.probe.clone();
    bed.start_impatient(|builder| {
        configure(builder.entity_with::<List>(move |_| List::new(&probe)))
    })
    .await
}
