//! What a handler changes, sends and calls becomes durable when it ends with `Ok`, and only then.

use cluster::prelude::*;

use crate::entities::{Counter, Desk, DeskRefuse, Refusal, start_with};
use crate::support::{Bed, Probe, backends};

/// Tried at most so often here.
const ATTEMPTS: u32 = 3;

async fn start(bed: &Bed) -> Cluster {
    let configured = start_with(bed, |builder| {
        builder.config(|config| {
            config.attempts = ATTEMPTS;
            config.backoff_min = Duration::from_secs(1);
        })
    });
    configured.await
}

fn is_refusal<T: std::fmt::Debug>(result: Result<T, CallError<Refusal>>, lines: usize) -> bool {
    match result {
        Err(CallError::Entity(error)) => error == Refusal::No { lines },
        other => panic!("expected the handler's own error, got {other:?}"),
    }
}

// proves: B45
async fn an_error_leaves_the_state_as_it_was_and_is_the_stored_outcome(bed: Bed) {
    let cluster = start(&bed).await;
    let (counter, desk) = (cluster.get::<Counter>("c"), cluster.get::<Desk>("d"));
    counter.add(5).await.unwrap();
    desk.write("kept".into()).await.unwrap();
    // The error knows of the change that is undone.
    assert!(is_refusal(counter.add_checked(-1).key("k").await, 0));
    assert!(is_refusal(desk.refuse("undone".into()).key("k").await, 2));
    assert!(is_refusal(counter.bump_checked(-1).await, 0));
    assert!(is_refusal(desk.refuse_lightly("undone".into()).await, 2));
    assert_eq!(counter.value().await.unwrap(), 5);
    assert_eq!(desk.lines().await.unwrap(), ["kept"]);
    let receipt = desk.refuse("undone too".into()).send().await.unwrap();
    assert!(is_refusal(receipt.outcome().await, 2));
    let id = receipt.id();
    drop((counter, desk, receipt, cluster));

    let cluster = start(&bed).await;
    let (counter, desk) = (cluster.get::<Counter>("c"), cluster.get::<Desk>("d"));
    assert_eq!(counter.value().await.unwrap(), 5);
    assert_eq!(desk.lines().await.unwrap(), ["kept"]);
    assert!(is_refusal(counter.add_checked(-1).key("k").await, 0));
    assert!(is_refusal(desk.refuse("undone".into()).key("k").await, 2));
    assert!(is_refusal(cluster.receipt::<DeskRefuse>(id).outcome().await, 2));
    assert_eq!(bed.probe.count("undone"), 2);
    // The next changes begin where the last committed ones ended.
    assert_eq!(counter.add(1).await.unwrap(), 6);
    assert_eq!(desk.write("next".into()).await.unwrap(), 2);
}

// proves: B46
async fn after_a_panic_the_next_handler_sees_the_last_committed_state(bed: Bed) {
    let cluster = start(&bed).await;
    let (counter, desk) = (cluster.get::<Counter>("c"), cluster.get::<Desk>("d"));
    counter.add(5).await.unwrap();
    desk.write("kept".into()).await.unwrap();
    for _ in 0..3 {
        let panicked = counter.panic_half_way().await;
        assert!(matches!(panicked, Err(ClusterError::Defect { .. })), "{panicked:?}");
        assert_eq!(counter.value().await.unwrap(), 5);
        // This one panics after it has written.
        bed.probe.panic_at("bad!", 1);
        let panicked = desk.jot("bad".into()).await;
        assert!(matches!(panicked, Err(ClusterError::Defect { .. })), "{panicked:?}");
        assert_eq!(desk.lines().await.unwrap(), ["kept"]);
    }
    // A persisted one that is tried again begins with the same state.
    bed.probe.panic_at("late!", 1);
    let receipt = desk.write("late".into()).send().await.unwrap();
    bed.probe.wait_for("late!", 1).await;
    assert_eq!(desk.lines().await.unwrap(), ["kept"]);
    bed.advance(Duration::from_secs(1)).await;
    assert_eq!(receipt.outcome().await.unwrap(), 2);
    assert_eq!(counter.add(1).await.unwrap(), 6);
    drop((counter, desk, receipt, cluster));
    let cluster = start(&bed).await;
    assert_eq!(cluster.get::<Counter>("c").value().await.unwrap(), 6);
    assert_eq!(cluster.get::<Desk>("d").lines().await.unwrap(), ["kept", "late"]);
}

// proves: B51
async fn what_a_refusing_or_panicking_handler_has_sent_is_never_delivered(bed: Bed) {
    let cluster = start(&bed).await;
    let desk = cluster.get::<Desk>("from");
    let refused = desk.write_and_send("refused".into(), "to".into()).await;
    assert!(is_refusal(refused, 1));
    bed.probe.panic_at("panics", ATTEMPTS);
    desk.write_and_send("panics".into(), "to".into()).send().await.unwrap();
    bed.advance(Duration::from_secs(60)).await;
    assert_eq!(bed.probe.count("panics"), ATTEMPTS as usize);
    // The outbox of an attempt that fails is not that of the one that succeeds.
    bed.probe.panic_at("later", 1);
    let receipt = desk.write_and_send("later".into(), "to".into()).send().await.unwrap();
    bed.advance(Duration::from_secs(1)).await;
    assert_eq!(receipt.outcome().await.unwrap(), 1);
    cluster.caught_up().await.unwrap();
    assert_eq!(cluster.get::<Desk>("to").lines().await.unwrap(), ["sent by later"]);
    drop((desk, receipt, cluster));

    let cluster = start(&bed).await;
    cluster.caught_up().await.unwrap();
    assert_eq!(cluster.get::<Desk>("to").lines().await.unwrap(), ["sent by later"]);
    assert_eq!(cluster.get::<Desk>("from").lines().await.unwrap(), ["later"]);
    assert_eq!(bed.probe.count("sent by later"), 1);
}

// proves: B41
async fn a_call_made_by_a_handler_that_is_run_again_happens_once(bed: Bed) {
    bed.probe.close("line");
    let mut cluster = Some(start(&bed).await);
    let desk = cluster.as_ref().unwrap().get::<Desk>("here");
    let call = desk.write_there_and_here("line".into(), "there".into()).key("k");
    drop((call.send().await.unwrap(), desk));
    // The handler has had the answer of its call and is not done, three crashes long.
    for run in 1..=3 {
        bed.probe.wait_for("line", run).await;
        drop(cluster.take());
        cluster = Some(start(&bed).await);
    }
    bed.probe.wait_for("line", 4).await;
    bed.probe.open("line");
    let cluster = cluster.expect("started again");
    let desk = cluster.get::<Desk>("here");
    let there = desk.write_there_and_here("line".into(), "there".into()).key("k").await;
    assert_eq!(there.unwrap(), 1);
    assert_eq!(desk.lines().await.unwrap(), ["line"]);
    assert_eq!(cluster.get::<Desk>("there").lines().await.unwrap(), ["there line"]);
    assert_eq!((bed.probe.count("line"), bed.probe.count("there line")), (4, 1));
}

// proves: B41
async fn a_call_made_by_a_handler_that_panics_after_it_happens_once(bed: Bed) {
    let cluster = start(&bed).await;
    bed.probe.panic_at("line", 2);
    let desk = cluster.get::<Desk>("here");
    let call = desk.write_there_and_here("line".into(), "there".into());
    let receipt = call.send().await.unwrap();
    bed.probe.wait_for("line", 1).await;
    bed.advance(Duration::from_secs(10)).await;
    assert_eq!(receipt.outcome().await.unwrap(), 1);
    // The same request of another handler is another call.
    let again = desk.write_there_and_here("line".into(), "there".into()).await;
    assert_eq!(again.unwrap(), 2);
    assert_eq!(bed.probe.count("line"), 4);
    assert_eq!(cluster.get::<Desk>("there").lines().await.unwrap(), ["there line", "there line"]);
}

/// Ends as its argument says.
#[derive(Entity)]
struct Moody {
    #[state]
    runs_kept: u32,
    probe: Probe,
}

/// How a run of [`Moody`] ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum End {
    Entity,
    /// With trouble of the cluster as often as the probe says, then well.
    Cluster,
    /// The same with an error that is none of the cluster's.
    OrRetry,
}

#[entity]
impl Moody {
    #[message(persisted)]
    async fn run(&mut self, ctx: &Context, end: End) -> Result<u32, CallError<Refusal>> {
        self.runs_kept += 1;
        ctx.get::<Desk>("hears").write(format!("{end:?}")).send().await?;
        self.probe.note("run");
        let well = self.probe.count("run") > 2;
        match end {
            End::Entity => return Err(Refusal::No { lines: 1 }.into()),
            End::Cluster if well => {}
            End::Cluster => return Err(CallError::Cluster(ClusterError::Interrupted)),
            End::OrRetry if well => {}
            End::OrRetry => {
                // Nothing of the cluster and nothing of the entity.
                Err::<(), _>(std::fmt::Error).or_retry()?;
            }
        }
        Ok(self.runs_kept)
    }

    #[message]
    fn kept(&self) -> u32 {
        self.runs_kept
    }
}

async fn start_moody(bed: &Bed) -> Cluster {
    let probe = bed.probe.clone();
    let configured = start_with(bed, |builder| {
        let factory = move |_: &EntityId| Moody { runs_kept: 0, probe: probe.clone() };
        builder.entity_with::<Moody>(factory).config(|config| {
            config.attempts = ATTEMPTS;
            config.backoff_min = Duration::from_secs(1);
        })
    });
    configured.await
}

// proves: B260
async fn trouble_of_the_cluster_commits_nothing_and_runs_again_with_back_off(bed: Bed) {
    trouble(bed, End::Cluster).await;
}

// proves: B260
async fn or_retry_makes_trouble_of_any_error(bed: Bed) {
    trouble(bed, End::OrRetry).await;
}

async fn trouble(bed: Bed, end: End) {
    let cluster = start_moody(&bed).await;
    let receipt = cluster.get::<Moody>("m").run(end.clone()).key("k").send().await.unwrap();
    bed.probe.wait_for("run", 1).await;
    let started = bed.passed();
    bed.settle().await;
    assert_eq!(cluster.get::<Moody>("m").kept().await.unwrap(), 0);
    drop((receipt, cluster));
    let cluster = start_moody(&bed).await;
    bed.advance(Duration::from_millis(999)).await;
    assert_eq!(bed.probe.count("run"), 1);
    bed.advance(Duration::from_millis(1)).await;
    assert_eq!(bed.probe.count("run"), 2);
    bed.advance(Duration::from_millis(1_999)).await;
    assert_eq!(bed.probe.count("run"), 2);
    assert!(cluster.get::<Desk>("hears").lines().await.unwrap().is_empty());
    bed.advance(Duration::from_millis(1)).await;
    assert_eq!((bed.probe.count("run"), bed.passed() - started), (3, Duration::from_secs(3)));
    let moody = cluster.get::<Moody>("m");
    assert_eq!(moody.run(end.clone()).key("k").await.unwrap(), 1);
    assert_eq!(moody.kept().await.unwrap(), 1);
    cluster.caught_up().await.unwrap();
    assert_eq!(cluster.get::<Desk>("hears").lines().await.unwrap(), [format!("{end:?}")]);
}

// proves: B260, B51
async fn an_error_of_the_entity_in_a_call_error_is_the_stored_outcome(bed: Bed) {
    for _ in 0..2 {
        let cluster = start_moody(&bed).await;
        let moody = cluster.get::<Moody>("m");
        assert!(is_refusal(moody.run(End::Entity).key("k").await, 1));
        assert_eq!(moody.kept().await.unwrap(), 0);
        bed.advance(Duration::from_secs(60)).await;
        assert!(cluster.get::<Desk>("hears").lines().await.unwrap().is_empty());
    }
    assert_eq!(bed.probe.count("run"), 1);
}

backends!(in virtual time:
    an_error_leaves_the_state_as_it_was_and_is_the_stored_outcome,
    after_a_panic_the_next_handler_sees_the_last_committed_state,
    what_a_refusing_or_panicking_handler_has_sent_is_never_delivered,
    a_call_made_by_a_handler_that_is_run_again_happens_once,
    a_call_made_by_a_handler_that_panics_after_it_happens_once,
    trouble_of_the_cluster_commits_nothing_and_runs_again_with_back_off,
    or_retry_makes_trouble_of_any_error,
    an_error_of_the_entity_in_a_call_error_is_the_stored_outcome,
);
