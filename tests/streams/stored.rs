//! Persisted streams: chunks are durable before they are read, and are read on wherever their
//! receipt is.

use cluster::prelude::*;
use cluster::{Cancelled, ClusterBuilder};
use futures_util::stream::{self, StreamExt};
use serde::Serializer;
use serde::ser::Error;

use crate::stage::Stage;
use crate::support::{Bed, backends, soon, until};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Spoiled(u64);

/// A number that cannot be written down if it is 3.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Shy {
    #[serde(serialize_with = "not_three")]
    number: u64,
}

fn not_three<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        3 => Err(S::Error::custom("three is shy")),
        number => serializer.serialize_u64(*number),
    }
}

#[derive(Entity)]
#[entity(attempts = 3)]
struct Export {
    stage: Stage,
}

#[entity]
impl Export {
    /// The numbers below `end`; goes on behind the last one that was stored.
    #[message(persisted, stream)]
    fn numbers(&self, ctx: &Context, end: u64) -> impl Stream<Item = u64> + use<> {
        let last = ctx.resume::<u64>().unwrap();
        self.stage.note(format!("{last:?}"));
        let stage = self.stage.clone();
        let from = last.map_or(0, |(_, value)| value + 1);
        stream::iter(from..end).inspect(move |_| stage.note("made"))
    }

    /// Ends with an error behind the numbers below `end`.
    #[message(persisted, stream)]
    async fn spoiled(&self, end: u64) -> impl Stream<Item = Result<u64, Spoiled>> + use<> {
        stream::iter((0..end).map(Ok).chain([Err(Spoiled(end))]))
    }

    #[message(persisted, stream)]
    fn shy(&self) -> impl Stream<Item = Shy> + use<> {
        stream::iter(1..10).map(|number| Shy { number })
    }

    #[message(persisted, stream)]
    fn large(&self, bytes: Vec<usize>) -> impl Stream<Item = Vec<u8>> + use<> {
        stream::iter(bytes).map(|bytes| vec![0; bytes])
    }

    /// Never ends: it makes a few, and then waits for what does not come.
    #[message(persisted, stream)]
    fn endless(&self) -> impl Stream<Item = u64> + use<> {
        let held = self.stage.note_on_drop("ended");
        stream::iter(0..5).chain(stream::pending()).inspect(move |_| _ = &held)
    }

    /// Panics at every fifth number of an attempt.
    #[message(persisted, stream)]
    fn shaky(&self, ctx: &Context, end: u64) -> impl Stream<Item = u64> + use<> {
        let from = ctx.resume::<u64>().unwrap().map_or(0, |(_, value)| value + 1);
        stream::iter(from..end).inspect(move |number| assert!(*number < from + 5, "shaky"))
    }

    #[message]
    fn five(&mut self) -> u64 {
        5
    }
}

async fn start(bed: &Bed, stage: &Stage) -> Cluster {
    let stage = stage.clone();
    let configure = |builder: ClusterBuilder| {
        let builder = builder.config(|config| {
            config.stream_window = 64;
            config.drain_limit = Duration::from_millis(300);
            config.backoff_min = Duration::from_millis(1);
            config.payload_bytes_max = 4_096;
        });
        builder.entity_with::<Export>(move |_| Export { stage: stage.clone() })
    };
    bed.start(configure).await
}

async fn rest<M: cluster::__private::StreamMessage>(chunks: cluster::Chunks<M>) -> Vec<M::Ok>
where
    cluster::Chunks<M>: Stream<Item = Result<M::Ok, ClusterError>>,
{
    soon(chunks.map(Result::unwrap).collect()).await
}

// proves: B71
async fn chunks_come_in_order_and_end_once(bed: Bed) {
    let cluster = start(&bed, &Stage::default()).await;
    let export = cluster.get::<Export>("e");
    let mut numbers = soon(export.numbers(1_000)).await.unwrap();
    for expected in 0..1_000 {
        assert_eq!(soon(numbers.next()).await.unwrap().unwrap(), expected);
        assert_eq!(numbers.position(), expected + 1);
    }
    assert!(soon(numbers.next()).await.is_none());
    assert!(soon(numbers.next()).await.is_none());

    let mut spoiled = soon(export.spoiled(3)).await.unwrap();
    for expected in 0..3 {
        assert_eq!(soon(spoiled.next()).await.unwrap().unwrap(), expected);
    }
    let error = soon(spoiled.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Entity(Spoiled(3))), "{error:?}");
    assert!(soon(spoiled.next()).await.is_none());
    assert!(rest(soon(export.numbers(0)).await.unwrap()).await.is_empty());
}

// Nobody reads: the handler makes a window full, and others of its entity are not kept waiting.
// proves: B72
async fn an_unread_stream_is_made_up_to_its_window(bed: Bed) {
    let stage = Stage::default();
    let cluster = start(&bed, &stage).await;
    let export = cluster.get::<Export>("e");
    let mut numbers = soon(export.numbers(1_000)).await.unwrap();
    stage.noted(1 + 64).await;
    for _ in 0..100 {
        assert_eq!(soon(export.five()).await.unwrap(), 5);
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.notes().len(), 1 + 64);
    // Half a window was read when one more is asked for.
    for expected in 0..33 {
        assert_eq!(soon(numbers.next()).await.unwrap().unwrap(), expected);
    }
    stage.noted(1 + 64 + 32).await;
    for _ in 0..100 {
        soon(export.five()).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.notes().len(), 1 + 64 + 32);
}

// The process dies three times in the midst of it.
// proves: B73
async fn a_stream_survives_kills_without_a_gap_or_a_duplicate(bed: Bed) {
    let stage = Stage::default();
    let cluster = start(&bed, &stage).await;
    let receipt = soon(cluster.get::<Export>("e").numbers(1_000).key("k").send()).await.unwrap();
    let id = receipt.id();
    let mut chunks = receipt.chunks();
    let mut read = Vec::new();
    for _ in 0..400 {
        read.push(soon(chunks.next()).await.unwrap().unwrap());
    }
    let mut position = chunks.position();
    drop((chunks, receipt, cluster));
    for _ in 0..2 {
        let cluster = start(&bed, &stage).await;
        let receipt = cluster.stream_receipt::<ExportNumbers>(id);
        let mut chunks = receipt.chunks_after(position);
        for _ in 0..100 {
            read.push(soon(chunks.next()).await.unwrap().unwrap());
        }
        position = chunks.position();
        drop((receipt, cluster));
        // What was still to come before the kill comes; then the end of the process.
        while let Some(Ok(number)) = soon(chunks.next()).await {
            read.push(number);
            position = chunks.position();
        }
    }
    let cluster = start(&bed, &stage).await;
    let chunks = cluster.stream_receipt::<ExportNumbers>(id).chunks_after(position);
    read.extend(rest(chunks).await);
    assert_eq!(read, (0..1_000).collect::<Vec<_>>());

    // Each run was told where to go on: where the stored chunks end, and with which value.
    let begins: Vec<String> = stage.notes().into_iter().filter(|note| note != "made").collect();
    assert_eq!(begins.len(), 4);
    assert_eq!(begins[0], "None");
    for begin in &begins[1..] {
        let (number, value) = begin[6..begin.len() - 2].split_once(", ").unwrap();
        let (number, value): (u64, u64) = (number.parse().unwrap(), value.parse().unwrap());
        assert_eq!(number, value + 1);
        assert!(number >= 400, "{begins:?}");
    }
}

// proves: B75
async fn a_finished_stream_is_read_on_elsewhere(bed: Bed) {
    let cluster = start(&bed, &Stage::default()).await;
    let export = cluster.get::<Export>("e");
    let numbers = soon(export.numbers(60).send()).await.unwrap();
    let spoiled = soon(export.spoiled(2).send()).await.unwrap();
    soon(numbers.outcome()).await.unwrap();
    let error = soon(spoiled.outcome()).await.unwrap_err();
    assert!(matches!(error, CallError::Entity(Spoiled(2))), "{error:?}");
    let mut chunks = numbers.chunks();
    for expected in 0..40 {
        assert_eq!(soon(chunks.next()).await.unwrap().unwrap(), expected);
    }
    let ids = (numbers.id(), spoiled.id());
    drop(chunks);
    cluster.shutdown().await.unwrap();
    drop((numbers, spoiled, export, cluster));

    let stage = Stage::default();
    let cluster = start(&bed, &stage).await;
    let numbers = cluster.stream_receipt::<ExportNumbers>(ids.0);
    // The last chunk of the reader before may not have been dealt with.
    assert_eq!(rest(numbers.chunks()).await, (39..60).collect::<Vec<_>>());
    assert!(rest(numbers.chunks()).await.is_empty());
    let mut spoiled = cluster.stream_receipt::<ExportSpoiled>(ids.1).chunks();
    assert_eq!(soon(spoiled.next()).await.unwrap().unwrap(), 0);
    assert_eq!(soon(spoiled.next()).await.unwrap().unwrap(), 1);
    assert!(matches!(soon(spoiled.next()).await, Some(Err(CallError::Entity(Spoiled(2))))));
    assert!(soon(spoiled.next()).await.is_none());
    assert!(stage.notes().is_empty(), "nothing ran again");

    let unknown = cluster.stream_receipt::<ExportNumbers>(RequestId::from_u128(7)).chunks();
    let told = soon(unknown.collect::<Vec<_>>()).await;
    assert!(matches!(told[..], [Err(ClusterError::Retired { .. })]), "{told:?}");
}

// proves: B76
async fn a_chunk_that_cannot_be_encoded_ends_its_stream_only(bed: Bed) {
    let cluster = start(&bed, &Stage::default()).await;
    let export = cluster.get::<Export>("e");
    let mut shy = soon(export.shy()).await.unwrap();
    assert_eq!(soon(shy.next()).await.unwrap().unwrap(), Shy { number: 1 });
    assert_eq!(soon(shy.next()).await.unwrap().unwrap(), Shy { number: 2 });
    match soon(shy.next()).await.unwrap().unwrap_err() {
        ClusterError::Defect { message, reason, .. } => {
            assert_eq!(message, "shy");
            assert!(reason.contains("three is shy"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(soon(shy.next()).await.is_none());

    let mut large = soon(export.large(vec![1_000, 10_000, 1])).await.unwrap();
    assert_eq!(soon(large.next()).await.unwrap().unwrap().len(), 1_000);
    let error = soon(large.next()).await.unwrap().unwrap_err();
    let limit = matches!(error, ClusterError::LimitExceeded { limit: "payload_bytes_max", .. });
    assert!(limit, "{error:?}");
    assert!(soon(large.next()).await.is_none());
    assert_eq!(rest(soon(export.numbers(3)).await.unwrap()).await, [0, 1, 2]);
}

// proves: B77
async fn an_unread_persisted_stream_is_finished_by_the_next_runner(bed: Bed) {
    let stage = Stage::default();
    let cluster = start(&bed, &stage).await;
    let receipt = soon(cluster.get::<Export>("e").numbers(200).send()).await.unwrap();
    stage.noted(1 + 64).await;
    let clock = cluster::time::Clock::system();
    let before = clock.now();
    soon(cluster.shutdown()).await.unwrap();
    assert!(clock.now() - before < Duration::from_secs(5));
    let closed = soon(receipt.chunks().collect::<Vec<_>>()).await;
    assert!(matches!(closed.last(), Some(Err(_))), "{closed:?}");
    let id = receipt.id();
    drop((receipt, cluster));

    let cluster = start(&bed, &stage).await;
    let receipt = cluster.stream_receipt::<ExportNumbers>(id);
    let mut chunks = receipt.chunks_after(0);
    for expected in 0..200 {
        assert_eq!(soon(chunks.next()).await.unwrap().unwrap(), expected);
    }
    assert!(soon(chunks.next()).await.is_none());
    soon(receipt.outcome()).await.unwrap();
}

// Two attempts fail, the third one ends; the reader sees nothing of it.
// proves: B73
async fn a_stream_that_panics_goes_on_where_it_was(bed: Bed) {
    let cluster = start(&bed, &Stage::default()).await;
    let export = cluster.get::<Export>("e");
    let shaky = soon(export.shaky(15)).await.unwrap();
    assert_eq!(rest(shaky).await, (0..15).collect::<Vec<_>>());

    // One more is too many: what was made is read, then the notice.
    let mut shaky = soon(export.shaky(16)).await.unwrap();
    let mut read = 0;
    let error = loop {
        match soon(shaky.next()).await.unwrap() {
            Ok(number) => {
                assert_eq!(number, read);
                read += 1;
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ClusterError::Defect { attempts: 3, .. }), "{error:?}");
    assert!(soon(shaky.next()).await.is_none());
    until(|| cluster.stats().open_streams == 0).await;
}

// proves: B75
async fn the_same_key_is_the_same_stream(bed: Bed) {
    let stage = Stage::default();
    let cluster = start(&bed, &stage).await;
    let export = cluster.get::<Export>("e");
    let mut first = soon(export.numbers(10).key("k")).await.unwrap();
    for expected in 0..5 {
        assert_eq!(soon(first.next()).await.unwrap().unwrap(), expected);
    }
    drop(first);
    let second = soon(export.numbers(10).key("k")).await.unwrap();
    assert_eq!(rest(second).await, (4..10).collect::<Vec<_>>());
    let conflict = soon(export.numbers(11).key("k")).await.unwrap_err();
    assert!(matches!(conflict, ClusterError::KeyConflict { .. }), "{conflict:?}");
    assert_eq!(stage.notes().iter().filter(|note| *note == "made").count(), 10);
}

// Waiting for its own next chunk or for its reader, it ends, and its reader is told.
// proves: B84
async fn a_cancelled_stream_makes_no_more(bed: Bed) {
    let stage = Stage::default();
    let cluster = start(&bed, &stage).await;
    let export = cluster.get::<Export>("e");
    let endless = soon(export.endless().send()).await.unwrap();
    let mut chunks = endless.chunks();
    for expected in 0..5 {
        assert_eq!(soon(chunks.next()).await.unwrap().unwrap(), expected);
    }
    assert_eq!(soon(endless.cancel()).await.unwrap(), Cancelled::Interrupted);
    let told = soon(chunks.next()).await.unwrap().unwrap_err();
    assert!(matches!(told, ClusterError::Interrupted), "{told:?}");
    assert!(soon(chunks.next()).await.is_none());
    assert_eq!(stage.notes(), ["ended"]);

    let unread = soon(export.numbers(1_000).send()).await.unwrap();
    stage.noted(2 + 64).await;
    assert_eq!(soon(unread.cancel()).await.unwrap(), Cancelled::Interrupted);
    let read: Vec<_> = soon(unread.chunks().collect()).await;
    assert_eq!(read.len(), 64 + 1);
    assert!(matches!(read[64], Err(ClusterError::Interrupted)), "{:?}", read[64]);
    assert_eq!(soon(unread.cancel()).await.unwrap(), Cancelled::Interrupted);
}

// A reset stream is whole again; who reads what it was before is told.
// proves: B43
async fn a_reset_stream_begins_anew(bed: Bed) {
    let stage = Stage::default();
    let cluster = start(&bed, &stage).await;
    let receipt = soon(cluster.get::<Export>("e").numbers(60).send()).await.unwrap();
    let endless = soon(cluster.get::<Export>("other").endless().send()).await.unwrap();
    assert!(!soon(endless.reset()).await.unwrap(), "it runs");
    soon(receipt.outcome()).await.unwrap();
    let mut before = receipt.chunks();
    for expected in 0..30 {
        assert_eq!(soon(before.next()).await.unwrap().unwrap(), expected);
    }
    assert!(soon(receipt.reset()).await.unwrap());
    soon(receipt.outcome()).await.unwrap();
    // It may hold a few already; then no end of what it has begun to read.
    let told: Vec<_> = soon(before.collect()).await;
    assert!(matches!(told.last(), Some(Err(ClusterError::Interrupted))), "{told:?}");
    assert_eq!(rest(receipt.chunks_after(0)).await, (0..60).collect::<Vec<_>>());
    let begins = stage.notes().iter().filter(|note| *note == "None").count();
    assert_eq!(begins, 2, "no chunk was left of the run before");
}

backends!(
    chunks_come_in_order_and_end_once,
    an_unread_stream_is_made_up_to_its_window,
    a_stream_survives_kills_without_a_gap_or_a_duplicate,
    a_finished_stream_is_read_on_elsewhere,
    a_chunk_that_cannot_be_encoded_ends_its_stream_only,
    an_unread_persisted_stream_is_finished_by_the_next_runner,
    a_stream_that_panics_goes_on_where_it_was,
    the_same_key_is_the_same_stream,
    a_cancelled_stream_makes_no_more,
    a_reset_stream_begins_anew,
);
