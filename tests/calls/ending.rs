//! How a cluster ends: what still runs, what stays stored, what is left behind.

use std::sync::{Arc, Barrier};
use std::task::Poll;

use cluster::prelude::*;
use cluster::storage::Storage;
use cluster::time::Clock;
use tokio::task::unconstrained;

use crate::helpers::{memory, on_own_thread};
use crate::stage::Stage;
use crate::support::{Bed, Own, backends, poll_once, settle, soon, until};

#[derive(Entity)]
#[entity(idle = "1h")]
struct Clerk {
    #[state]
    filed: Vec<String>,
    stage: Stage,
}

#[entity]
impl Clerk {
    #[deactivate]
    async fn goes_home(&mut self) -> Result<(), std::io::Error> {
        self.stage.note("home");
        Ok(())
    }

    #[message(persisted)]
    async fn file(&mut self, paper: String) -> usize {
        self.stage.note(format!("files {paper}"));
        self.stage.pause().await;
        self.filed.push(paper);
        self.filed.len()
    }

    #[message(persisted)]
    fn stamp(&mut self, paper: String) -> usize {
        self.filed.push(paper);
        self.filed.len()
    }

    #[message]
    async fn look(&self) -> Vec<String> {
        self.stage.note("looks");
        let _looked = self.stage.note_on_drop("looked");
        self.stage.pause().await;
        self.filed.clone()
    }

    #[message]
    fn filed(&self) -> Vec<String> {
        self.filed.clone()
    }
}

async fn office(storage: &Arc<dyn Storage>, stage: &Stage) -> Cluster {
    let stage = stage.clone();
    Cluster::builder()
        .storage(storage.clone())
        .entity_with::<Clerk>(move |_| Clerk { filed: vec![], stage: stage.clone() })
        .start()
        .await
        .expect("it starts")
}

async fn a_drain_lets_running_handlers_end_and_leaves_stored_what_waits(bed: Bed) {
    let storage = bed.open().await;
    let stage = Stage::default();
    let cluster = office(&storage, &stage).await;
    let clerk = cluster.get::<Clerk>("a");
    let running = tokio::spawn(clerk.file("first".into()).into_future());
    stage.arrived(1).await;
    let queued = clerk.file("second".into()).send().await.unwrap();
    let mut looking = clerk.look().into_future();
    assert!(poll_once(&mut looking).await.is_pending());
    let looking = tokio::spawn(looking);

    let ending = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.shutdown().await }
    });
    until(|| cluster.is_shutting_down()).await;
    let refused = clerk.filed().await.unwrap_err();
    assert!(matches!(refused, ClusterError::ShuttingDown), "{refused:?}");
    stage.let_on(2);

    assert_eq!(soon(running).await.unwrap().unwrap(), 1);
    soon(ending).await.unwrap().unwrap();
    // What is stored nowhere is let end as well.
    assert_eq!(soon(looking).await.unwrap().unwrap(), ["first"]);
    let id = queued.id();
    assert_eq!(stage.notes().iter().filter(|note| note.starts_with("files")).count(), 1);
    drop((queued, clerk, cluster));

    let cluster = office(&storage, &stage).await;
    stage.let_on(10);
    let receipt = cluster.receipt::<ClerkFile>(id);
    assert_eq!(soon(receipt.outcome()).await.unwrap(), 2);
    assert_eq!(cluster.get::<Clerk>("a").filed().await.unwrap(), ["first", "second"]);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_drain_ends_within_its_limit_whatever_handlers_do() {
    let stage = Stage::default();
    let factory = stage.clone();
    let cluster = Cluster::builder()
        .entity_with::<Clerk>(move |_| Clerk { filed: vec![], stage: factory.clone() })
        .config(|config| config.drain_limit = Duration::from_millis(50))
        .start()
        .await
        .unwrap();
    let clerk = cluster.get::<Clerk>("a");
    let looking = tokio::spawn(clerk.look().into_future());
    let filing = tokio::spawn(cluster.get::<Clerk>("b").file("never".into()).into_future());
    stage.arrived(2).await;
    let queued = tokio::spawn(clerk.look().into_future());
    tokio::task::yield_now().await;

    soon(cluster.shutdown()).await.unwrap();

    let error = soon(looking).await.unwrap().unwrap_err();
    assert!(matches!(error, ClusterError::OutcomeUnknown { .. }), "{error:?}");
    let error = soon(filing).await.unwrap().unwrap_err();
    assert!(matches!(error, ClusterError::ShuttingDown), "{error:?}");
    soon(queued).await.unwrap().unwrap_err();
    assert_eq!(cluster.stats().resident_entities, 0);
}

#[tokio::test]
async fn calls_of_running_handlers_pass_while_a_drain_waits_for_them() {
    let stage = Stage::default();
    let shared = stage.clone();
    let cluster = Cluster::builder()
        .entity_with::<Asker>(move |_| Asker { stage: shared.clone() })
        .entity_with::<Clerk>(move |_| Clerk { filed: vec![], stage: Stage::default() })
        .start()
        .await
        .unwrap();
    let asking = tokio::spawn(cluster.get::<Asker>("a").ask_later().into_future());
    stage.arrived(1).await;
    stage.let_on(1);
    let ending = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.shutdown().await }
    });
    assert_eq!(soon(asking).await.unwrap().unwrap(), 1);
    soon(ending).await.unwrap().unwrap();
}

#[derive(Entity)]
struct Asker {
    stage: Stage,
}

#[entity]
impl Asker {
    /// Asks a clerk once the cluster shuts down.
    #[message]
    async fn ask_later(&mut self, ctx: &Context) -> Result<usize, CallError<String>> {
        let clerk = ctx.get::<Clerk>("a");
        self.stage.pause().await;
        loop {
            // What a caller outside of any handler would be told.
            let outside = tokio::spawn(clerk.filed().into_future()).await.expect("no panic");
            if matches!(outside, Err(ClusterError::ShuttingDown)) {
                break;
            }
        }
        Ok(clerk.stamp("late".into()).await?)
    }
}

// The last instance of an entity is taken down with its hook, even when the drain begins while its
// last commit is on the way.
#[tokio::test]
async fn entities_whose_commits_are_under_way_are_taken_down_properly() {
    let stage = Stage::default();
    let bed = Bed::memory();
    let storage: Arc<dyn Storage> = bed.open().await;
    let cluster = office(&storage, &stage).await;
    let clerk = cluster.get::<Clerk>("a");
    assert_eq!(clerk.stamp("first".into()).await.unwrap(), 1);
    let receipt = clerk.stamp("second".into()).send().await.unwrap();
    assert_eq!(receipt.outcome().await.unwrap(), 2);
    // The acceptance is committed, the outcome is not.
    let third = clerk.file("third".into()).send().await.unwrap();
    stage.arrived(1).await;
    bed.door.hold_commits();
    stage.let_on(1);
    soon(bed.door.commits_held(1)).await;
    let ending = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.shutdown().await }
    });
    until(|| cluster.is_shutting_down()).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    bed.door.release();
    soon(ending).await.unwrap().unwrap();
    drop(third);
    assert_eq!(stage.notes(), ["files third", "home"]);
}

#[test]
fn nothing_is_left_of_a_cluster_that_was_shut_down() {
    on_own_thread(|runtime| {
        let stage = Stage::default();
        let before = runtime.metrics().num_alive_tasks();
        runtime.block_on(async {
            let storage = memory();
            let weak = Arc::downgrade(&storage);
            let cluster = office(&storage, &stage).await;
            drop(storage);
            let clerks: Vec<_> = (0..100).map(|n| cluster.get::<Clerk>(n.to_string())).collect();
            for clerk in &clerks {
                clerk.stamp("x".into()).await.unwrap();
            }
            let mut abandoned = clerks[0].look().into_future();
            assert!(poll_once(&mut abandoned).await.is_pending());
            drop(abandoned);
            soon(cluster.shutdown()).await.unwrap();
            assert_eq!(cluster.stats().resident_entities, 0);
            // Handles may outlive the cluster; entities do not.
            assert_eq!(stage.holders(), 2, "the test and the factory");
            drop((cluster, clerks));
            until(|| weak.strong_count() == 0).await;
        });
        assert_eq!(stage.holders(), 1, "the factory is gone as well");
        // A task counts for a moment after what it held was dropped.
        let tasks = runtime.metrics();
        runtime.block_on(until(|| tasks.num_alive_tasks() <= before));
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_cluster_ends_at_once_and_leaves_nothing() {
    let stage = Stage::default();
    let storage = memory();
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    let cluster = office(&storage, &stage).await;
    let clerk = cluster.get::<Clerk>("a");
    let looking = tokio::spawn(clerk.look().into_future());
    let filing = tokio::spawn(cluster.get::<Clerk>("b").file("x".into()).into_future());
    stage.arrived(2).await;

    drop(cluster);

    let error = soon(looking).await.unwrap().unwrap_err();
    assert!(matches!(error, ClusterError::OutcomeUnknown { .. }), "{error:?}");
    let error = soon(filing).await.unwrap().unwrap_err();
    assert!(matches!(error, ClusterError::ShuttingDown), "{error:?}");
    let error = clerk.look().await.unwrap_err();
    assert!(matches!(error, ClusterError::ShuttingDown), "{error:?}");
    until(|| tasks.num_alive_tasks() <= before).await;
    drop(clerk);
    until(|| stage.holders() == 1).await;
    // What was accepted runs after the next start.
    let cluster = office(&storage, &stage).await;
    stage.arrived(1).await;
    stage.let_on(1);
    stage.noted(1).await;
    cluster.shutdown().await.unwrap();
}

/// Waits on threads, as handlers should not, so that a test can hold one in the middle of a poll.
#[derive(Entity)]
struct Blocker {
    #[state]
    count: u32,
    threads: Arc<Barrier>,
}

#[entity]
impl Blocker {
    #[message(persisted)]
    fn count(&mut self) -> u32 {
        self.threads.wait();
        self.threads.wait();
        self.count += 1;
        self.count
    }
}

// A handler that is being polled while the cluster ends comes to its end after the committer has.
#[test]
fn a_handler_that_ends_after_the_cluster_hurts_nobody() {
    on_own_thread(|runtime| {
        let threads = Arc::new(Barrier::new(2));
        let shared = threads.clone();
        let counting = runtime.block_on(async {
            let cluster = Cluster::builder()
                .entity_with::<Blocker>(move |_| Blocker { count: 0, threads: shared.clone() })
                .start()
                .await
                .unwrap();
            let counting = tokio::spawn(cluster.get::<Blocker>("a").count().into_future());
            let at = threads.clone();
            tokio::task::spawn_blocking(move || at.wait()).await.unwrap();
            drop(cluster);
            let last_task = tokio::runtime::Handle::current().metrics();
            // The committer and the loops have ended; the handler and its caller are left.
            until(|| last_task.num_alive_tasks() == 2).await;
            tokio::task::spawn_blocking(move || threads.wait()).await.unwrap();
            soon(counting).await
        });
        let error = counting.unwrap().unwrap_err();
        assert!(matches!(error, ClusterError::ShuttingDown), "{error:?}");
    });
}

/// Asks a clerk, and takes whatever becomes of that for an answer.
#[derive(Entity)]
struct Visitor {
    stage: Stage,
}

#[entity]
impl Visitor {
    #[message(persisted)]
    async fn visit(&self, ctx: &Context) -> bool {
        let mut looking = Box::pin(unconstrained(ctx.get::<Clerk>("a").look().into_future()));
        assert!(poll_once(&mut looking).await.is_pending());
        self.stage.arrived(1).await;
        // The clerk's task is then none that this thread alone could turn to.
        settle().await;
        self.stage.note("visits");
        loop {
            // It does not leave its thread, as no handler should, so it is not dropped meanwhile.
            if let Poll::Ready(looked) = poll_once(&mut looking).await {
                return looked.is_ok();
            }
            std::thread::yield_now();
        }
    }

    /// Has a transaction of its own, in which no call is awaited: it sees by other ways that the
    /// clerk is gone.
    #[message(persisted, transaction)]
    async fn book(&mut self, ctx: &Context) -> Result<bool, CallError> {
        let transaction = Own::of(ctx).await?;
        self.stage.note("books");
        loop {
            match self.stage.notes().last().map(String::as_str) {
                Some("looked") => return Ok(false),
                Some("books it") => break,
                _ => std::thread::yield_now(),
            }
        }
        drop(transaction);
        Ok(true)
    }
}

async fn visited(bed: &Bed, stage: &Stage) -> Cluster {
    let (clerks, visitors) = (stage.clone(), stage.clone());
    Cluster::builder()
        .storage(bed.open().await)
        .entity_with::<Visitor>(move |_| Visitor { stage: visitors.clone() })
        .entity_with::<Clerk>(move |_| Clerk { filed: vec![], stage: clerks.clone() })
        .config(|config| config.drain_limit = Duration::from_millis(1))
        .start()
        .await
        .expect("it starts")
}

/// Ends the cluster while a handler keeps its thread: a drain needs a clock that goes on meanwhile.
async fn end(cluster: Cluster, drains: bool) {
    if !drains {
        return drop(cluster);
    }
    let ends = async move { cluster.shutdown().await.unwrap() };
    let on_another = move || on_own_thread(move |runtime| runtime.block_on(ends));
    tokio::task::spawn_blocking(on_another).await.unwrap();
}

// A handler that is being polled while the cluster ends sees others dropped by that. What it makes
// of it is not kept: it runs again after the next start.
async fn no_answer_is_kept_that_an_end_has_brought_about(bed: Bed) {
    for drains in [false, true] {
        let stage = Stage::default();
        let cluster = visited(&bed, &stage).await;
        let visitor = cluster.get::<Visitor>(drains.to_string());
        let visit = visitor.visit().send().await.unwrap().id();
        drop(visitor);
        stage.noted(2).await;
        end(cluster, drains).await;
        bed.settle().await;

        let cluster = visited(&bed, &stage).await;
        stage.noted(5).await;
        assert_eq!(stage.notes(), ["looks", "visits", "looked", "looks", "visits"]);
        stage.let_on(1);
        assert!(soon(cluster.receipt::<VisitorVisit>(visit).outcome()).await.unwrap());
        cluster.shutdown().await.unwrap();
    }
}

// The same of a handler with its own transaction, which does not go by the committer.
async fn no_transaction_commits_after_an_end_has_begun(bed: Bed) {
    for drains in [false, true] {
        let stage = Stage::default();
        let cluster = visited(&bed, &stage).await;
        let looking = tokio::spawn(cluster.get::<Clerk>("a").look().into_future());
        stage.arrived(1).await;
        let visitor = cluster.get::<Visitor>(drains.to_string());
        let visit = visitor.book().send().await.unwrap().id();
        drop(visitor);
        stage.noted(2).await;
        end(cluster, drains).await;
        soon(looking).await.unwrap().unwrap_err();
        bed.settle().await;

        let cluster = visited(&bed, &stage).await;
        stage.noted(4).await;
        assert_eq!(stage.notes(), ["looks", "books", "looked", "books"]);
        stage.note("books it");
        assert!(soon(cluster.receipt::<VisitorBook>(visit).outcome()).await.unwrap());
        cluster.shutdown().await.unwrap();
    }
}

// Tasks of entities are dropped with the runtime, and what their drop frees must not wait for it.
#[test]
fn a_runtime_can_end_before_its_cluster() {
    on_own_thread(|runtime| {
        let stage = Stage::default();
        let cluster = runtime.block_on(async {
            let cluster = office(&memory(), &stage).await;
            let clerk = cluster.get::<Clerk>("a");
            for _ in 0..100 {
                drop(tokio::spawn(clerk.file("x".into()).into_future()));
            }
            stage.arrived(1).await;
            cluster
        });
        drop(runtime);
        drop(cluster);
    });
}

#[tokio::test]
async fn a_second_shutdown_changes_nothing() {
    let cluster = office(&memory(), &Stage::default()).await;
    cluster.shutdown().await.unwrap();
    soon(cluster.shutdown()).await.unwrap();
    assert!(cluster.is_shutting_down());
    let error = cluster.get::<Clerk>("a").filed().await.unwrap_err();
    assert!(matches!(error, ClusterError::ShuttingDown), "{error:?}");
    assert!(Clock::system().now() > cluster::time::Moment::default());
}

backends!(
    a_drain_lets_running_handlers_end_and_leaves_stored_what_waits on threads,
    no_answer_is_kept_that_an_end_has_brought_about on threads,
);

mod own {
    use super::*;

    backends!(on disk: no_transaction_commits_after_an_end_has_begun on threads);
}
