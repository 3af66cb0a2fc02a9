//! Chains of calls: one that would wait for itself is refused, all others end; none overflows.

use std::sync::Arc;

use cluster::prelude::*;
use cluster::storage::Storage;
use cluster::testing::TestCluster;
use cluster::time::Clock;

use crate::helpers::on_own_thread;
use crate::stage::Stage;
use crate::support::{Bed, backends, poll_once, soon, until};

/// What the next link of a chain is to do: the rest of it.
type Chain = Vec<(String, Link)>;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Link {
    Read,
    Write,
    ReadStored,
    WriteStored,
    Pause,
    /// A pause of the handler itself.
    Stay,
}

#[derive(Entity)]
#[entity(durable)]
#[derive(Default, Serialize, Deserialize)]
struct Chained {
    passed: u32,
}

#[entity]
impl Chained {
    #[message]
    async fn read(&self, ctx: &Context, rest: Chain) -> Result<usize, CallError<String>> {
        follow(ctx, rest).await
    }

    #[message]
    async fn write(&mut self, ctx: &Context, rest: Chain) -> Result<usize, CallError<String>> {
        self.passed += 1;
        follow(ctx, rest).await
    }

    #[message(persisted)]
    async fn read_stored(&self, ctx: &Context, rest: Chain) -> Result<usize, CallError<String>> {
        settled(follow(ctx, rest).await)
    }

    #[message(persisted)]
    async fn write_stored(
        &mut self,
        ctx: &Context,
        rest: Chain,
    ) -> Result<usize, CallError<String>> {
        self.passed += 1;
        settled(follow(ctx, rest).await)
    }
}

/// A persisted handler would run again; here the first end is looked at.
fn settled(ended: Result<usize, CallError<String>>) -> Result<usize, CallError<String>> {
    ended.map_err(|error| match error {
        CallError::Cluster(error) => CallError::Entity(error.to_string()),
        error => error,
    })
}

async fn follow(ctx: &Context, mut rest: Chain) -> Result<usize, CallError<String>> {
    while rest.first().is_some_and(|(_, link)| *link == Link::Stay) {
        ctx.get::<Pauser>(rest.remove(0).0).stay().await?;
    }
    if rest.is_empty() {
        return Ok(0);
    }
    let (id, link) = rest.remove(0);
    let next = ctx.get::<Chained>(id);
    let more = match link {
        Link::Read => next.read(rest).await?,
        Link::Write => next.write(rest).await?,
        Link::ReadStored => next.read_stored(rest).await?,
        Link::WriteStored => next.write_stored(rest).await?,
        Link::Stay => unreachable!("done above"),
        Link::Pause => ctx.get::<Pauser>("p").pause(rest).await?,
    };
    Ok(more + 1)
}

#[derive(Entity)]
struct Pauser {
    stage: Stage,
}

#[entity]
impl Pauser {
    #[message]
    async fn pause(&self, ctx: &Context, rest: Chain) -> Result<usize, CallError<String>> {
        self.stage.pause().await;
        follow(ctx, rest).await
    }

    #[message]
    async fn stay(&self) {
        self.stage.pause().await;
    }
}

async fn start(storage: &Arc<dyn Storage>, stage: &Stage, concurrency: usize) -> Cluster {
    let stage = stage.clone();
    let options = cluster::EntityOptions { concurrency: Some(concurrency), ..Default::default() };
    Cluster::builder()
        .storage(storage.clone())
        .entity::<Chained>()
        .options::<Chained>(options)
        .entity_with::<Pauser>(move |_| Pauser { stage: stage.clone() })
        .start()
        .await
        .expect("it starts")
}

fn chain(links: &[(&str, Link)]) -> Chain {
    links.iter().map(|(id, link)| ((*id).to_owned(), *link)).collect()
}

// proves: B63
async fn a_chain_that_would_wait_for_itself_fails_at_once_and_is_named(bed: Bed) {
    let storage = bed.open().await;
    use Link::{Read, ReadStored, Write, WriteStored};
    let cluster = start(&storage, &Stage::default(), 1_024).await;
    let clock = Clock::system();
    let a = cluster.get::<Chained>("a");
    let closed: [&[(&str, Link)]; 5] = [
        &[("b", Read), ("a", Write)],
        &[("b", Write), ("a", Read)],
        &[("b", WriteStored), ("a", WriteStored)],
        &[("b", ReadStored), ("c", Read), ("a", Write)],
        &[("a", Read)],
    ];
    let mut took = Vec::new();
    for links in closed {
        for _ in 0..3 {
            let started = clock.now();
            let error = match links.last().expect("a chain").1 {
                Write | WriteStored if links.len() == 2 => {
                    soon(a.read(chain(links)).into_future()).await
                }
                _ => soon(a.write(chain(links)).into_future()).await,
            };
            took.push(clock.now() - started);
            let error = error.unwrap_err().to_string();
            let mut named = vec!["Chained/a"];
            let ids: Vec<String> = links.iter().map(|(id, _)| format!("Chained/{id}")).collect();
            named.extend(ids.iter().map(String::as_str));
            let shown: Vec<&str> = error.split(" → ").map(|part| part.trim()).collect();
            assert_eq!(shown.len(), named.len(), "{error}");
            assert!(shown.iter().zip(&named).all(|(at, name)| at.contains(name)), "{error}");
        }
    }
    took.sort();
    assert!(took[took.len() / 2] < Duration::from_millis(100), "{took:?}");
    // Persisted from the start.
    let error = soon(a.write_stored(chain(&[("b", WriteStored), ("a", Read)])).into_future()).await;
    let Err(CallError::Entity(error)) = error else { panic!("{error:?}") };
    assert!(error.contains("Chained/a → Chained/b → Chained/a"), "{error}");
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_error_has_the_chain_as_addresses() {
    let cluster = Cluster::builder().entity::<Chained>().start().await.unwrap();
    let a = cluster.get::<Chained>("a");
    let links = chain(&[("b", Link::Read), ("a", Link::Write)]);
    let error = a.read(links).await.unwrap_err();
    let CallError::Cluster(ClusterError::Reentrant { chain }) = error else { panic!("{error:?}") };
    let ids: Vec<_> = chain.iter().map(|address| address.entity_id().as_str()).collect();
    assert_eq!(ids, ["a", "b", "a"]);
    // One that comes back to its middle, with its beginning named too.
    let links = ["b", "c", "d", "b"].map(|id| (id, Link::Write));
    let error = a.write(self::chain(&links)).await.unwrap_err();
    let CallError::Cluster(ClusterError::Reentrant { chain }) = error else { panic!("{error:?}") };
    let ids: Vec<_> = chain.iter().map(|address| address.entity_id().as_str()).collect();
    assert_eq!(ids, ["a", "b", "c", "d", "b"]);
    assert_eq!(a.write(vec![]).await.unwrap(), 0, "the entity serves on");
}

// Readers of one chain run beside each other, whatever waits for the first of them to end.
async fn a_reader_called_again_by_its_own_chain_does_not_wait_for_itself(bed: Bed) {
    let storage = bed.open().await;
    let stage = Stage::default();
    for (concurrency, link) in [(1_024, Link::Read), (1, Link::Read), (1, Link::ReadStored)] {
        let cluster = start(&storage, &stage, concurrency).await;
        let a = cluster.get::<Chained>("a");
        let links = chain(&[("p", Link::Pause), ("a", link), ("c", Link::Read), ("a", link)]);
        let reading = tokio::spawn(a.read(links).into_future());
        stage.arrived(1).await;
        // A writer waits for the reader to end, and other readers for the writer.
        let mut writing = a.write(vec![]).into_future();
        let mut behind = a.read(vec![]).into_future();
        assert!(poll_once(&mut writing).await.is_pending());
        assert!(poll_once(&mut behind).await.is_pending());
        stage.let_on(1);
        assert_eq!(soon(reading).await.unwrap().unwrap(), 4);
        soon(writing).await.unwrap();
        soon(behind).await.unwrap();
        cluster.shutdown().await.unwrap();
    }
}

/// All three come from the storage: the one that waits, a writer, and the one that is waited for.
// proves: B63
async fn a_rerun_that_waits_for_what_stands_behind_a_writer_does_not_wait_for_ever(bed: Bed) {
    let stage = Stage::default();
    let cluster = start(&bed.open().await, &stage, 1_024).await;
    let a = cluster.get::<Chained>("a");
    let stay = ("p", Link::Stay);
    let outer = a.read_stored(chain(&[stay, ("a", Link::ReadStored), stay])).send();
    let outer = outer.await.unwrap().id();
    stage.arrived(1).await;
    a.write_stored(vec![]).send().await.unwrap();
    stage.let_on(1);
    stage.arrived(1).await;
    drop((a, cluster));
    bed.settle().await;
    let cluster = start(&bed.open().await, &stage, 1_024).await;
    stage.arrived(1).await;
    stage.let_on(1);
    stage.arrived(1).await;
    stage.let_on(1);
    assert_eq!(soon(cluster.receipt::<ChainedReadStored>(outer).outcome()).await.unwrap(), 1);
    cluster.caught_up().await.unwrap();
    cluster.shutdown().await.unwrap();
}

/// Calls back whoever started it, after that one gave up waiting.
#[derive(Entity)]
struct Late {
    stage: Stage,
}

#[entity]
impl Late {
    #[message]
    async fn start(&mut self, ctx: &Context) -> Result<u32, CallError<String>> {
        let other = ctx.get::<Late>("other");
        let waited = other.call_back().timeout(Duration::from_secs(1)).await;
        assert!(matches!(waited, Err(CallError::Cluster(ClusterError::Timeout { .. }))));
        Ok(1)
    }

    #[message(persisted)]
    async fn call_back(&self, ctx: &Context) -> Result<u32, CallError<String>> {
        self.stage.pause().await;
        let answer = ctx.get::<Late>("first").answer().await?;
        self.stage.note("answered");
        Ok(answer)
    }

    #[message]
    fn answer(&mut self) -> u32 {
        2
    }
}

#[tokio::test]
async fn who_no_longer_waits_is_no_part_of_the_chain() {
    let stage = Stage::default();
    let shared = stage.clone();
    let cluster = TestCluster::new()
        .entity_with::<Late>(move |_| Late { stage: shared.clone() })
        .start()
        .await;
    let first = cluster.get::<Late>("first");
    let mut call = first.start().into_future();
    assert!(poll_once(&mut call).await.is_pending());
    stage.arrived(1).await;
    cluster.advance(Duration::from_secs(1)).await;
    assert_eq!(soon(call).await.unwrap(), 1);
    stage.let_on(1);
    stage.noted(1).await;
}

/// Each calls the next one down to zero.
#[derive(Entity)]
struct Stair {
    stage: Stage,
}

#[entity]
impl Stair {
    #[message]
    async fn down(&mut self, ctx: &Context, steps: u32) -> Result<u32, CallError<String>> {
        // What a handler may have on its stack.
        let ballast = std::hint::black_box([1_u8; 4_096]);
        if steps == 0 {
            return Ok(u32::from(ballast[7]) - 1);
        }
        let next = ctx.get::<Stair>((steps - 1).to_string());
        Ok(next.down(steps - 1).timeout(Duration::from_secs(600)).await? + 1)
    }

    #[message]
    async fn hang(&self, ctx: &Context, steps: u32) -> Result<(), CallError<String>> {
        if steps == 0 {
            self.stage.pause().await;
        }
        let next = ctx.get::<Stair>((steps - 1).to_string());
        next.hang(steps - 1).timeout(Duration::from_secs(600)).await
    }
}

// proves: B259
#[test]
fn a_chain_of_any_depth_neither_overflows_nor_ends_when_it_is_cancelled() {
    on_own_thread(|runtime| {
        runtime.block_on(async {
            let stage = Stage::default();
            let shared = stage.clone();
            let cluster = Cluster::builder()
                .entity_with::<Stair>(move |_| Stair { stage: shared.clone() })
                .start()
                .await
                .unwrap();
            let top = cluster.get::<Stair>("top");
            assert_eq!(soon(top.down(3_000).into_future()).await.unwrap(), 3_000);

            let mut call = top.hang(3_000).into_future();
            assert!(poll_once(&mut call).await.is_pending());
            stage.arrived(1).await;
            drop(call);
            let tasks = tokio::runtime::Handle::current().metrics();
            // Its loops, and tasks that rest until there is work: far fewer than were waiting.
            let of_cluster = 1_000;
            until(|| tasks.num_alive_tasks() < of_cluster).await;
            assert_eq!(soon(top.down(10).into_future()).await.unwrap(), 10);
            cluster.shutdown().await.unwrap();
        });
    });
}

backends!(
    a_chain_that_would_wait_for_itself_fails_at_once_and_is_named on threads,
    a_reader_called_again_by_its_own_chain_does_not_wait_for_itself on threads,
    a_rerun_that_waits_for_what_stands_behind_a_writer_does_not_wait_for_ever on threads,
);
