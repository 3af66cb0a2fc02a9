//! On a server handlers have their own transactions open beside each other and beside what the
//! runner commits. Nobody can tell, whatever happens to any of them.

use cluster::prelude::*;
use tokio::spawn;
use tokio::task::JoinHandle;

use crate::entities::Counter;
use crate::support::{Bed, Own, Probe, Reading, Side, backends, is_waiting, settle, unknown};

/// Counts in a row of the user's own table.
#[derive(Entity)]
struct Till {
    #[state]
    rung: i64,
    probe: Probe,
}

#[entity]
impl Till {
    /// Passes the point `ringing`, with its row written the point `rung`.
    #[message(persisted, transaction)]
    async fn ring(&mut self, ctx: &Context) -> Result<i64, CallError> {
        self.probe.pass("ringing").await;
        let mut tx = Own::of(ctx).await?;
        let row = format!("UPDATE till SET rung = rung + 1 WHERE id = {}", ctx.entity_id());
        tx.run(row).await.or_retry()?;
        self.probe.pass("rung").await;
        self.rung += 1;
        Ok(self.rung)
    }

    /// The same, and tells the counter `book`.
    #[message(persisted, transaction)]
    async fn note(&mut self, ctx: &Context) -> Result<i64, CallError> {
        ctx.get::<Counter>("book").add(1).send().await?;
        self.ring(ctx).await
    }
}

async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    let probe = probe.clone();
    bed.start(|builder| {
        let builder = builder.entity::<Counter>();
        builder.entity_with::<Till>(move |_| Till { rung: 0, probe: probe.clone() })
    })
    .await
}

async fn make_tills(bed: &Bed) {
    drop(bed.open().await);
    let tables = "CREATE TABLE till (id INTEGER NOT NULL PRIMARY KEY, rung BIGINT NOT NULL);
        INSERT INTO till VALUES (1, 0), (2, 0)";
    bed.user().await.run(tables).await;
}

/// How often each was rung, as its own rows say and as its state says.
async fn rung(bed: &Bed, cluster: &Cluster) -> Vec<(i64, i64)> {
    let rows = bed.user().await.numbers("SELECT rung FROM till ORDER BY id").await;
    let mut both = Vec::new();
    for (id, row) in ["1", "2"].into_iter().zip(rows) {
        both.push((row, cluster.get::<Till>(id).ring().await.unwrap() - 1));
    }
    both
}

type Rings = JoinHandle<Result<i64, CallError>>;

fn ring(cluster: &Cluster, till: &str, key: &'static str) -> Rings {
    let till = cluster.get::<Till>(till);
    spawn(async move { till.ring().key(key).await })
}

/// Both wait with their rows written until the other one has got there; and a request is accepted
/// and ended meanwhile.
// proves: B49
async fn transactions_of_two_handlers_are_open_at_once(bed: Bed) {
    make_tills(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.close("rung");
    let rings = ["1", "2"].map(|till| ring(&cluster, till, "k"));
    probe.wait_for("rung", 2).await;
    assert_eq!(cluster.get::<Counter>("c").add(1).await.unwrap(), 1);
    probe.open("rung");
    for ring in rings {
        assert_eq!(ring.await.unwrap().unwrap(), 1);
    }
    assert_eq!(rung(&bed, &cluster).await, [(1, 1), (1, 1)]);
}

/// The fence that is raised to learn of the one ends the other as well: it is made again.
// proves: B49, B109, B245
async fn a_lost_commit_takes_others_along_and_all_are_made_again(bed: Bed) {
    make_tills(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    bed.door.hold(Side::BeforeOwn);
    let rings = ["1", "2"].map(|till| ring(&cluster, till, "k"));
    bed.door.held(Side::BeforeOwn, 2).await;
    let looks = bed.door.calls("find_requests");
    bed.door.fail_at(Side::BeforeOwn, unknown());
    // The fence is raised, and the storage asked what has become of it.
    bed.door.called("find_requests", looks + 1).await;
    bed.door.release();
    for ring in rings {
        assert_eq!(ring.await.unwrap().unwrap(), 1);
    }
    // The lost one, the one that it took along, and both again.
    assert_eq!(probe.count("ringing"), 4);
    assert!(!cluster.is_shutting_down());
    assert_eq!(rung(&bed, &cluster).await, [(1, 1), (1, 1)]);
}

/// Who asks with the key of a request whose end is being committed learns of that end.
// proves: B32, B36
async fn who_joins_while_a_transaction_commits_is_told_as_well(bed: Bed) {
    make_tills(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    cluster.caught_up().await.unwrap();
    probe.close("rung");
    let first = ring(&cluster, "1", "k");
    probe.wait_for("rung", 1).await;
    bed.door.stop("find_requests", Reading::After);
    let joiner = ring(&cluster, "1", "k");
    bed.door.stopped("find_requests", Reading::After, 1).await;
    probe.open("rung");
    settle().await;
    // The look has found it running; who joined must be known before it ends.
    assert_eq!(bed.door.calls("commit_own"), 0);
    bed.door.go_on("find_requests");
    assert_eq!(joiner.await.unwrap().unwrap(), 1);
    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(probe.count("ringing"), 1);
}

/// Requests become visible in their owner's order, so one is not accepted beside others.
// proves: B37, B50
async fn what_a_transaction_sends_is_accepted_beside_nothing(bed: Bed) {
    make_tills(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.close("rung");
    let till = cluster.get::<Till>("1");
    let note = spawn(async move { till.note().await });
    probe.wait_for("rung", 1).await;
    bed.door.hold_commits();
    let mut add = Box::pin(cluster.get::<Counter>("c").add(1).into_future());
    assert!(is_waiting(&mut add).await);
    bed.door.commits_held(1).await;
    probe.open("rung");
    settle().await;
    assert_eq!(bed.door.calls("commit_own"), 0);
    bed.door.release();
    assert_eq!(note.await.unwrap().unwrap(), 1);
    assert_eq!(add.await.unwrap(), 1);
    let book = cluster.get::<Counter>("book");
    assert_eq!(book.add(1).await.unwrap(), 2);
}

backends!(only postgres:
    transactions_of_two_handlers_are_open_at_once,
    a_lost_commit_takes_others_along_and_all_are_made_again,
    who_joins_while_a_transaction_commits_is_told_as_well,
    what_a_transaction_sends_is_accepted_beside_nothing,
);
backends!(only mysql:
    transactions_of_two_handlers_are_open_at_once,
    a_lost_commit_takes_others_along_and_all_are_made_again,
    who_joins_while_a_transaction_commits_is_told_as_well,
    what_a_transaction_sends_is_accepted_beside_nothing,
);
