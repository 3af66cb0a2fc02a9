//! What a reader gets: every chunk in order, then one end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use cluster::prelude::*;
use futures_util::stream::{self, StreamExt};

use crate::stage::Stage;
use crate::support::soon;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unpaid(u32);

#[derive(Entity)]
struct Subscription {
    stage: Stage,
}

#[entity]
impl Subscription {
    #[message(stream)]
    fn numbers(&self, end: u32) -> impl Stream<Item = u32> + use<> {
        stream::iter(0..end)
    }

    /// Waits before each chunk for the test.
    #[message(stream)]
    fn slowly(&self, end: u32) -> impl Stream<Item = u32> + use<> {
        let stage = self.stage.clone();
        stream::iter(0..end).then(move |number| {
            let stage = stage.clone();
            async move {
                stage.pause().await;
                number
            }
        })
    }

    /// Says that it goes on after the error, and after the end.
    #[message(stream)]
    fn invoices(
        &self,
        chunks: Vec<Option<u32>>,
    ) -> impl Stream<Item = Result<u32, Unpaid>> + use<> {
        Unfused { chunks: chunks.into(), stage: self.stage.clone() }
    }

    #[message(stream)]
    fn broken(&self, after: u32) -> impl Stream<Item = u32> + use<> {
        stream::iter(0..).inspect(move |number| assert!(*number < after, "no more than {after}"))
    }

    #[message(stream)]
    async fn never(
        &self,
        headers: Vec<String>,
        ctx: &Context,
    ) -> impl Stream<Item = String> + use<> {
        let values = headers.iter().filter_map(|name| ctx.header(name)).map(str::to_owned);
        let values: Vec<String> = values.collect();
        if values.is_empty() {
            self.stage.pause().await;
        }
        stream::iter(values)
    }

    #[message]
    fn stop(&self) -> u32 {
        7
    }
}

/// A stream that would go on after its end; notes every poll after it.
struct Unfused {
    chunks: VecDeque<Option<u32>>,
    stage: Stage,
}

impl Stream for Unfused {
    type Item = Result<u32, Unpaid>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        self.stage.note("polled");
        Poll::Ready(match self.chunks.pop_front() {
            Some(Some(number)) if number % 2 == 1 => Some(Err(Unpaid(number))),
            Some(number) => number.map(Ok),
            None => panic!("polled after its last chunk"),
        })
    }
}

async fn start(stage: &Stage) -> (Cluster, SubscriptionClient) {
    let stage = stage.clone();
    let builder = Cluster::builder()
        .entity_with::<Subscription>(move |_| Subscription { stage: stage.clone() });
    let cluster = builder.start().await.unwrap();
    let subscription = cluster.get::<Subscription>("s");
    (cluster, subscription)
}

// Whether the handler has its chunks at once or waits for each, the reader gets them all in order.
// proves: B71
#[tokio::test]
async fn chunks_arrive_in_order_and_then_the_end_once() {
    let stage = Stage::default();
    let (_cluster, subscription) = start(&stage).await;
    let mut numbers = subscription.numbers(1_000).await.unwrap();
    for expected in 0..1_000 {
        assert_eq!(soon(numbers.next()).await.unwrap().unwrap(), expected);
    }
    assert!(soon(numbers.next()).await.is_none());
    assert!(soon(numbers.next()).await.is_none());

    let slowly = subscription.slowly(10).await.unwrap();
    let reading = tokio::spawn(slowly.map(Result::unwrap).collect::<Vec<_>>());
    for _ in 0..10 {
        stage.arrived(1).await;
        stage.let_on(1);
    }
    assert_eq!(soon(reading).await.unwrap(), (0..10).collect::<Vec<_>>());
}

// An error is the end, whatever the handler's stream would say next; so is its first `None`.
// proves: B71
#[tokio::test]
async fn a_typed_error_ends_the_stream_once() {
    let stage = Stage::default();
    let (cluster, subscription) = start(&stage).await;
    let mut invoices = subscription.invoices(vec![Some(2), Some(3), Some(4)]).await.unwrap();
    assert_eq!(invoices.next().await.unwrap().unwrap(), 2);
    let error = invoices.next().await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Entity(Unpaid(3))), "{error:?}");
    // Its end is told at once: nothing is open any more though the reader is still there.
    assert_eq!(cluster.stats().open_streams, 0);
    assert!(invoices.next().await.is_none());
    assert!(invoices.next().await.is_none());
    assert_eq!(stage.notes().len(), 2);

    let mut invoices = subscription.invoices(vec![Some(2), None, Some(4)]).await.unwrap();
    assert_eq!(invoices.next().await.unwrap().unwrap(), 2);
    assert!(invoices.next().await.is_none());
    assert!(invoices.next().await.is_none());
    assert_eq!(stage.notes().len(), 4);
}

#[tokio::test]
async fn a_panic_in_a_stream_is_a_defect_and_the_entity_goes_on() {
    let (_cluster, subscription) = start(&Stage::default()).await;
    let mut broken = subscription.broken(2).await.unwrap();
    assert_eq!(broken.next().await.unwrap().unwrap(), 0);
    assert_eq!(broken.next().await.unwrap().unwrap(), 1);
    match broken.next().await.unwrap().unwrap_err() {
        ClusterError::Defect { address, message, attempts: 1, reason } => {
            assert_eq!((address.entity_id().as_str(), &*message), ("s", "broken"));
            assert_eq!(reason, "no more than 2");
        }
        other => panic!("{other:?}"),
    }
    assert!(broken.next().await.is_none());
    assert_eq!(subscription.stop().await.unwrap(), 7);
}

// The time limit is that of the opening, not of the chunks.
#[tokio::test]
async fn the_opening_has_a_time_limit_and_headers() {
    let stage = Stage::default();
    let (cluster, subscription) = start(&stage).await;
    let late = subscription.never(vec![]).timeout(Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(late, ClusterError::Timeout { message: "never", .. }), "{late:?}");

    let names = vec!["tenant".to_owned(), "none".to_owned()];
    let chunks = subscription.never(names).header("tenant", "t-1").await.unwrap();
    assert_eq!(chunks.map(Result::unwrap).collect::<Vec<_>>().await, ["t-1"]);

    let limit = Duration::from_millis(50);
    let mut slowly = subscription.slowly(1).timeout(limit).await.unwrap();
    let waited = cluster::time::Clock::system().timeout(limit * 2, slowly.next()).await;
    assert!(waited.is_err(), "the stream waits for its handler");
    stage.let_on(1);
    assert_eq!(soon(slowly.next()).await.unwrap().unwrap(), 0);
    drop(slowly);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_filter_may_refuse_a_stream() {
    let stage = Stage::default();
    let builder = Cluster::builder()
        .filter(|call: &CallInfo<'_>| match call.message() {
            "numbers" => Err(Refused::new("no numbers")),
            _ => Ok(()),
        })
        .entity_with::<Subscription>(move |_| Subscription { stage: stage.clone() });
    let cluster = builder.start().await.unwrap();
    let subscription = cluster.get::<Subscription>("s");
    let refused = subscription.numbers(1).await.unwrap_err();
    assert!(matches!(refused, ClusterError::Refused(_)), "{refused:?}");
    assert!(subscription.broken(1).await.is_ok());
}
