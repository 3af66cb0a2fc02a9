//! Who starts when: first come first served, writers alone, readers together, nobody held up by a
//! caller that looks away.

use std::pin::Pin;

use cluster::prelude::*;
use cluster::testing::TestCluster;
use cluster::time::Clock;

use crate::helpers::Random;
use crate::stage::Stage;
use crate::support::{poll_once, soon};

type Waiting<T = ()> = Pin<Box<dyn Future<Output = Result<T, ClusterError>> + Send>>;

/// Writes down in which order it was called.
#[derive(Entity, Default)]
#[entity(mailbox = 20_000)]
struct Scroll {
    lines: Vec<u32>,
}

#[entity]
impl Scroll {
    #[message]
    fn write(&mut self, line: u32) {
        self.lines.push(line);
    }

    #[message]
    async fn write_slowly(&mut self, line: u32) {
        tokio::task::yield_now().await;
        self.lines.push(line);
    }

    #[message]
    async fn write_at_once(&mut self, line: u32) {
        self.lines.push(line);
    }

    #[message]
    fn lines(&self) -> Vec<u32> {
        self.lines.clone()
    }
}

// proves: B23
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_one_sender_run_in_the_order_in_which_they_were_sent() {
    let cluster = Cluster::builder().entity::<Scroll>().start().await.unwrap();
    let scroll = cluster.get::<Scroll>("s");
    let mut waiting: Vec<Waiting> = Vec::new();
    for line in 0..10_000 {
        let mut call: Waiting = match line % 4 {
            0 => Box::pin(scroll.write(line).into_future()),
            1 => Box::pin(scroll.write_slowly(line).into_future()),
            2 => Box::pin(scroll.write_at_once(line).into_future()),
            _ => scroll.write(line).send().into_future(),
        };
        match poll_once(&mut call).await {
            std::task::Poll::Ready(ended) => ended.unwrap(),
            std::task::Poll::Pending => waiting.push(call),
        }
    }
    for call in waiting {
        soon(call).await.unwrap();
    }
    let lines = scroll.lines().await.unwrap();
    assert!(lines.into_iter().eq(0..10_000));
    cluster.shutdown().await.unwrap();
}

/// Waits on the clock that the test moves.
#[derive(Entity)]
struct Waiter {
    clock: Clock,
}

#[entity]
impl Waiter {
    #[message]
    async fn wait(&self, ms: u64) {
        self.clock.sleep(Duration::from_millis(ms)).await;
    }
}

#[derive(Entity)]
#[entity(concurrency = 2)]
struct Pair {
    clock: Clock,
}

#[entity]
impl Pair {
    #[message]
    async fn wait(&self, ms: u64) {
        self.clock.sleep(Duration::from_millis(ms)).await;
    }
}

// proves: B10, B55
#[tokio::test]
async fn readers_run_together_up_to_their_concurrency() {
    let cluster = TestCluster::new();
    let clock = cluster::time::VirtualClock::starting_at(cluster::time::Timestamp::from_unix_ms(0));
    let (of_waiter, of_pair) = (clock.clone(), clock.clone());
    let cluster = cluster
        .entity_with::<Waiter>(move |_| Waiter { clock: Clock::from_virtual(of_waiter.clone()) })
        .entity_with::<Pair>(move |_| Pair { clock: Clock::from_virtual(of_pair.clone()) })
        .start()
        .await;
    let ended = |calls: &[tokio::task::JoinHandle<_>]| {
        calls.iter().filter(|call| call.is_finished()).count()
    };
    let waiter = cluster.get::<Waiter>("w");
    let calls: Vec<_> = (0..10).map(|_| tokio::spawn(waiter.wait(100).into_future())).collect();
    cluster.settle().await;
    clock.advance(Duration::from_millis(99));
    cluster.settle().await;
    assert_eq!(ended(&calls), 0);
    clock.advance(Duration::from_millis(1));
    cluster.settle().await;
    assert_eq!(ended(&calls), 10, "all in the time of one");

    let pair = cluster.get::<Pair>("p");
    let calls: Vec<_> = (0..10).map(|_| tokio::spawn(pair.wait(100).into_future())).collect();
    cluster.settle().await;
    for pairs in 1..=5 {
        assert_eq!(ended(&calls), 2 * (pairs - 1));
        clock.advance(Duration::from_millis(100));
        cluster.settle().await;
    }
    assert_eq!(ended(&calls), 10, "two at a time");
}

/// Notes who starts, and waits to be let on.
#[derive(Entity)]
#[entity(mailbox = 1_000)]
struct Door {
    stage: Stage,
}

#[entity]
impl Door {
    #[message]
    async fn write(&mut self, name: String) -> String {
        self.stage.note(name.clone());
        self.stage.pause().await;
        name
    }

    #[message]
    async fn read(&self, name: String) -> String {
        self.stage.note(name.clone());
        self.stage.pause().await;
        name
    }

    #[message(persisted)]
    async fn write_stored(&mut self, name: String) -> String {
        self.stage.note(name.clone());
        self.stage.pause().await;
        name
    }

    #[message]
    fn knock(&mut self) {}
}

async fn door(stage: &Stage) -> Cluster {
    let stage = stage.clone();
    Cluster::builder()
        .entity_with::<Door>(move |_| Door { stage: stage.clone() })
        .start()
        .await
        .unwrap()
}

// proves: B56
#[tokio::test]
async fn a_waiting_writer_starts_before_the_readers_behind_it() {
    let stage = Stage::default();
    let cluster = door(&stage).await;
    let door = cluster.get::<Door>("d");
    let mut calls: Vec<Waiting<String>> = Vec::new();
    calls.push(Box::pin(door.read("first".into()).into_future()));
    calls.push(Box::pin(door.write("writer".into()).into_future()));
    for _ in 0..50 {
        calls.push(Box::pin(door.read("later".into()).into_future()));
    }
    for call in &mut calls {
        assert!(poll_once(call).await.is_pending());
    }
    stage.arrived(1).await;
    stage.let_on(1);
    stage.arrived(1).await;
    assert_eq!(stage.notes(), ["first", "writer"]);
    stage.let_on(51);
    for call in calls {
        soon(call).await.unwrap();
    }
    assert_eq!(stage.notes().len(), 52);
}

// Readers between two writers start together, and in order; nothing passes a writer.
#[tokio::test]
async fn mixed_calls_start_in_the_order_in_which_they_came() {
    for seed in 0..20 {
        let stage = Stage::default();
        let cluster = door(&stage).await;
        let door = cluster.get::<Door>("d");
        let mut random = Random::new(seed);
        let mut calls: Vec<Waiting<String>> = vec![Box::pin(door.write("w".into()).into_future())];
        let mut names = vec!["w".to_owned()];
        for number in 0..40 {
            let (name, call): (String, Waiting<String>) = match random.below(3) {
                0 => {
                    let name = format!("w{number}");
                    (name.clone(), Box::pin(door.write(name).into_future()))
                }
                _ => {
                    let name = format!("r{number}");
                    (name.clone(), Box::pin(door.read(name).into_future()))
                }
            };
            names.push(name);
            calls.push(call);
        }
        for call in &mut calls {
            assert!(poll_once(call).await.is_pending());
        }
        let mut at = 0;
        while at < names.len() {
            // The next writer alone, or all readers up to it.
            let together = match names[at].starts_with('w') {
                true => 1,
                false => names[at..].iter().take_while(|name| name.starts_with('r')).count(),
            };
            stage.arrived(u32::try_from(together).expect("a few")).await;
            assert_eq!(stage.notes(), names[..at + together], "seed {seed}");
            stage.let_on(together);
            at += together;
        }
        for (call, name) in calls.into_iter().zip(names) {
            assert_eq!(soon(call).await.unwrap(), name);
        }
    }
}

// The caller that polls a call and then waits for another one of the same entity: the first handler
// must come to its end without being polled by its caller.
#[tokio::test]
async fn a_caller_that_looks_away_from_one_call_holds_up_no_other() {
    let stage = Stage::default();
    let cluster = door(&stage).await;
    let door = cluster.get::<Door>("d");
    stage.let_on(4);
    let mut running = door.write("running".into()).into_future();
    let mut queued = door.write("queued".into()).into_future();
    let mut stored = door.write_stored("stored".into()).into_future();
    let mut reading = door.read("reading".into()).into_future();
    // The stage is open, so each handler suspends at most for a moment.
    let polls = [
        poll_once(&mut running).await.is_ready(),
        poll_once(&mut queued).await.is_ready(),
        poll_once(&mut stored).await.is_ready(),
        poll_once(&mut reading).await.is_ready(),
    ];
    soon(door.knock().into_future()).await.unwrap();
    assert!(!polls[2], "a persisted call always waits for its commit");
    for (call, ready) in [("running", polls[0]), ("queued", polls[1]), ("reading", polls[3])] {
        assert!(ready || stage.notes().iter().any(|note| note == call));
    }
    soon(stored).await.unwrap();

    // The same with handlers that suspend for sure.
    let mut running = door.write("a".into()).into_future();
    let mut queued = door.write("b".into()).into_future();
    assert!(poll_once(&mut running).await.is_pending());
    assert!(poll_once(&mut queued).await.is_pending());
    let on = tokio::spawn({
        let stage = stage.clone();
        async move { stage.let_on(2) }
    });
    soon(door.knock().into_future()).await.unwrap();
    on.await.unwrap();
    assert_eq!(soon(running).await.unwrap(), "a");
    assert_eq!(soon(queued).await.unwrap(), "b");
}
