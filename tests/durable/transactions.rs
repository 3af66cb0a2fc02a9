//! The user's own rows commit with the handler's outcome, state and messages, or not at all.

use cluster::prelude::*;
use cluster::storage::{Fault, Storage, Write};
use futures_util::StreamExt;
use tokio::spawn;

use crate::entities::{Counter, Refusal};
use crate::support::{
    Bed, Own, Probe, Reading, Side, backends, is_waiting, refused, settle, unknown,
};

/// What happens in a sale once its rows are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Turn {
    Sold,
    Refused,
    Trouble,
    BadRow,
    BadRowAtCommit,
    CallAwaited,
    EndedByHand,
    KeptByATask,
}

/// Sells from the stock, which is the user's own table.
#[derive(Entity)]
struct Shop {
    #[state]
    sold: i64,
    probe: Probe,
}

#[entity]
impl Shop {
    /// Passes the point `selling`, then with its rows written the point `sold`. Each sale tells the
    /// counter `ledger`.
    #[message(persisted, transaction)]
    async fn sell(
        &mut self,
        ctx: &Context,
        pieces: i64,
        turn: Turn,
    ) -> Result<i64, CallError<Refusal>> {
        self.probe.pass("selling").await;
        self.sold += pieces;
        ctx.get::<Counter>("ledger").add(pieces).send().await?;
        let mut tx = Own::of(ctx).await?;
        tx.run(format!("UPDATE stock SET pieces = pieces - {pieces}")).await.or_retry()?;
        match turn {
            Turn::Sold => {}
            Turn::Refused => return Err(Refusal::No { at: self.sold }.into()),
            Turn::Trouble => self.probe.trouble("trouble").or_retry()?,
            Turn::BadRow => {
                tx.run("UPDATE stock SET pieces = -1").await.or_retry()?;
            }
            Turn::BadRowAtCommit => {
                tx.run("INSERT INTO item VALUES (99)").await.or_retry()?;
            }
            Turn::CallAwaited => {
                ctx.get::<Counter>("other").add(1).await?;
            }
            Turn::EndedByHand => {
                return Ok(tx.run("COMMIT").await.or_retry().map(|_| self.sold)?);
            }
            Turn::KeptByATask => {
                drop(tx);
                self.keep(ctx).await;
                return Ok(self.sold);
            }
        }
        self.probe.pass("sold").await;
        drop(tx);
        // The same transaction again.
        let mut tx = Own::of(ctx).await?;
        tx.run("UPDATE stock SET sales = sales + 1").await.or_retry()?;
        Ok(self.sold)
    }

    /// Sells with a key on the message that it sends.
    #[message(persisted, transaction)]
    async fn sell_once(&mut self, ctx: &Context, key: String) -> Result<i64, CallError<Refusal>> {
        ctx.get::<Counter>("ledger").add(1).key(key).send().await?;
        let mut tx = Own::of(ctx).await?;
        tx.run("UPDATE stock SET pieces = pieces - 1").await.or_retry()?;
        self.sold += 1;
        Ok(self.sold)
    }

    /// Whether it uses the transaction is a matter of its arguments.
    #[message(persisted, transaction = is_large)]
    async fn sell_some(&mut self, ctx: &Context, pieces: i64) -> Result<i64, CallError<Refusal>> {
        self.sold += pieces;
        if is_large(&pieces) {
            let mut tx = Own::of(ctx).await?;
            tx.run("UPDATE stock SET pieces = pieces - 10").await.or_retry()?;
        }
        Ok(self.sold)
    }

    /// Has not declared that it uses the transaction.
    #[message(persisted)]
    async fn undeclared(&mut self, ctx: &Context) -> Result<String, CallError<Refusal>> {
        let refused = Own::of(ctx).await.map(drop);
        Ok(refused.err().map(|error| source_of(&error)).unwrap_or_default())
    }

    /// Sells without the user's rows.
    #[message(persisted)]
    async fn plain(&mut self, pieces: i64) -> i64 {
        self.probe.pass("plain").await;
        self.sold += pieces;
        self.sold
    }

    #[message]
    fn sold(&self) -> i64 {
        self.sold
    }
}

impl Shop {
    /// Lets a task hold the transaction beyond the handler's end; once.
    async fn keep(&self, ctx: &Context) {
        let (probe, ctx) = (self.probe.clone(), ctx.clone());
        if self.probe.count("kept") > 0 {
            return;
        }
        spawn(async move {
            let kept = Own::of(&ctx).await.unwrap();
            probe.pass("kept").await;
            drop(kept);
        });
        self.probe.wait_for("kept", 1).await;
    }
}

fn is_large(pieces: &i64) -> bool {
    assert!(*pieces != 13, "thirteen is never asked for");
    *pieces >= 10
}

fn source_of(error: &ClusterError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    let probe = probe.clone();
    bed.start_impatient(|builder| {
        let builder = builder.entity::<Counter>();
        builder.entity_with::<Shop>(move |_| Shop { sold: 0, probe: probe.clone() })
    })
    .await
}

/// A stock of 100 pieces, never below zero.
async fn make_stock(bed: &Bed) {
    drop(bed.open().await);
    let tables = "CREATE TABLE stock (
            pieces BIGINT NOT NULL CHECK (pieces >= 0), sales BIGINT NOT NULL
        );
        INSERT INTO stock VALUES (100, 0)";
    bed.user().await.run(tables).await;
}

/// Items that stand on shelves, at the latest when a transaction commits.
async fn make_shelves(bed: &Bed) {
    let tables = "CREATE TABLE shelf (id INTEGER PRIMARY KEY);
        CREATE TABLE item (shelf INTEGER REFERENCES shelf (id) DEFERRABLE INITIALLY DEFERRED);";
    bed.user().await.run(tables).await;
}

async fn stock(bed: &Bed) -> (i64, i64) {
    let both = bed.user().await.numbers("SELECT pieces * 1000 + sales FROM stock").await[0];
    (both / 1000, both % 1000)
}

/// Everything that a sale changes: pieces in stock, sales noted there, the shop's state, and the
/// ledger, once nothing is under way.
async fn totals(bed: &Bed, cluster: &Cluster) -> (i64, i64, i64, i64) {
    let ledger = cluster.get::<Counter>("ledger");
    // Its turn comes after everything that was sent before.
    ledger.add(0).await.unwrap();
    let (pieces, sales) = stock(bed).await;
    let sold = cluster.get::<Shop>("s").sold().await.unwrap();
    (pieces, sales, sold, ledger.value().await.unwrap())
}

const NOT_SOLD: (i64, i64, i64, i64) = (100, 0, 0, 0);

async fn dead_letters(cluster: &Cluster) -> Vec<cluster::DeadLetter> {
    cluster.dead_letters().list().map(Result::unwrap).collect().await
}

// proves: B49
async fn everything_of_a_sale_commits_together(bed: Bed) {
    make_stock(&bed).await;
    let cluster = start(&bed, &Probe::default()).await;
    assert_eq!(cluster.get::<Shop>("s").sell(3, Turn::Sold).await.unwrap(), 3);
    assert_eq!(cluster.get::<Shop>("s").sell(4, Turn::Sold).await.unwrap(), 7);
    assert_eq!(totals(&bed, &cluster).await, (93, 2, 7, 7));
    drop(cluster);
    let cluster = start(&bed, &Probe::default()).await;
    assert_eq!(totals(&bed, &cluster).await, (93, 2, 7, 7));
}

// proves: B45, B49, B51
async fn an_error_rolls_everything_back_and_is_the_outcome(bed: Bed) {
    make_stock(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let shop = cluster.get::<Shop>("s");
    for _ in 0..2 {
        let refused = shop.sell(3, Turn::Refused).key("k").await;
        assert!(matches!(refused, Err(CallError::Entity(Refusal::No { at: 3 }))), "{refused:?}");
    }
    assert_eq!(probe.count("selling"), 1);
    assert_eq!(totals(&bed, &cluster).await, (100, 0, 0, 0));
}

// proves: B46, B49, B51
async fn a_panic_rolls_everything_back_and_the_sale_runs_again(bed: Bed) {
    make_stock(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.panic_at("sold", 2);
    assert_eq!(cluster.get::<Shop>("s").sell(3, Turn::Sold).await.unwrap(), 3);
    assert_eq!(probe.count("sold"), 3);
    assert_eq!(totals(&bed, &cluster).await, (97, 1, 3, 3));
}

// proves: B49, B260
async fn trouble_rolls_everything_back_and_the_sale_runs_again(bed: Bed) {
    make_stock(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.trouble_at("trouble", 2);
    assert_eq!(cluster.get::<Shop>("s").sell(3, Turn::Trouble).await.unwrap(), 3);
    assert_eq!(probe.count("selling"), 3);
    assert_eq!(totals(&bed, &cluster).await, (97, 1, 3, 3));
}

// proves: B49
async fn a_violated_constraint_rolls_everything_back(bed: Bed) {
    give_up(bed, Turn::BadRow, 3, "constraint", NOT_SOLD).await;
}

// proves: B49
async fn a_constraint_violated_at_the_commit_is_an_attempt_that_failed(bed: Bed) {
    give_up(bed, Turn::BadRowAtCommit, 3, "refuses to commit", NOT_SOLD).await;
}

// proves: B49
async fn a_transaction_ended_by_hand_is_not_tried_again(bed: Bed) {
    // SQLite does not let it. On a server what it has committed is the user's, once.
    match bed.is_on_server() {
        true => give_up(bed, Turn::EndedByHand, 1, "leave commit", (97, 0, 0, 0)).await,
        false => give_up(bed, Turn::EndedByHand, 3, "constraint", NOT_SOLD).await,
    }
}

async fn give_up(bed: Bed, turn: Turn, limit: u32, why: &str, left: (i64, i64, i64, i64)) {
    make_stock(&bed).await;
    if turn == Turn::BadRowAtCommit {
        make_shelves(&bed).await;
    }
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let shop = cluster.get::<Shop>("s");
    let defect = shop.sell(3, turn).await.unwrap_err();
    let CallError::Cluster(ClusterError::Defect { attempts, reason, .. }) = defect else {
        panic!("{defect}");
    };
    assert!(reason.to_lowercase().contains(why), "{reason}");
    assert_eq!((attempts, probe.count("selling")), (limit, limit as usize));
    assert_eq!(dead_letters(&cluster).await.len(), 1);
    assert_eq!(totals(&bed, &cluster).await, left);
    assert_eq!(shop.sell(1, Turn::Sold).await.unwrap(), 1);
}

// proves: B49
async fn a_call_awaited_while_the_transaction_is_open_is_refused_at_once(bed: Bed) {
    make_stock(&bed).await;
    let cluster = start(&bed, &Probe::default()).await;
    let shop = cluster.get::<Shop>("s");
    let refused = shop.sell(3, Turn::CallAwaited).await.unwrap_err();
    let CallError::Cluster(ClusterError::Defect { reason, .. }) = refused else {
        panic!("{refused}");
    };
    assert!(reason.contains("transaction is open"), "{reason}");
    assert_eq!(totals(&bed, &cluster).await, (100, 0, 0, 0));
    assert_eq!(cluster.get::<Counter>("other").value().await.unwrap(), 0);
}

// proves: B49
async fn an_undeclared_transaction_is_refused(bed: Bed) {
    let cluster = start(&bed, &Probe::default()).await;
    let said = cluster.get::<Shop>("s").undeclared().await.unwrap();
    assert!(said.contains("not declared"), "{said}");
}

// proves: B42, B49
async fn the_arguments_decide_whether_a_transaction_is_used(bed: Bed) {
    make_stock(&bed).await;
    let cluster = start(&bed, &Probe::default()).await;
    let shop = cluster.get::<Shop>("s");
    assert_eq!(shop.sell_some(1).await.unwrap(), 1);
    assert_eq!(bed.door.calls("begin"), 0);
    assert_eq!(shop.sell_some(10).await.unwrap(), 11);
    assert_eq!(bed.door.calls("begin"), 1);
    assert_eq!(stock(&bed).await.0, 90);
    // A decision that panics harms nobody: the request runs, with the transaction at hand.
    let thirteen = shop.sell_some(13).await.unwrap_err();
    assert!(matches!(thirteen, CallError::Cluster(ClusterError::Defect { .. })), "{thirteen}");
    assert_eq!(shop.sell_some(2).await.unwrap(), 13);
}

// proves: B49
async fn a_transaction_kept_beyond_the_handler_is_rolled_back(bed: Bed) {
    make_stock(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let shop = cluster.get::<Shop>("s");
    probe.close("kept");
    let mut call = Box::pin(shop.sell(3, Turn::KeptByATask).into_future());
    assert!(is_waiting(&mut call).await);
    probe.wait_for("kept", 1).await;
    // The handler has returned, but what it did is not for others to see.
    assert_eq!(stock(&bed).await, (100, 0));
    probe.open("kept");
    // The next attempt gives the transaction back before it ends.
    assert_eq!(call.await.unwrap(), 3);
    assert_eq!(probe.count("selling"), 2);
    assert_eq!(totals(&bed, &cluster).await, (97, 0, 3, 3));
}

// proves: B49
async fn a_transaction_has_a_time_limit_from_when_it_is_open(bed: Bed) {
    let bed = bed.with_virtual_time();
    make_stock(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    // A renewal would wait for the transaction too, and the test for the renewal.
    bed.door.stop("renew", Reading::Before);
    // The first sale holds the transaction for 9 s, and the second one waits for it as long.
    probe.close("sold");
    let [first, second] = ["s", "t"].map(|id| {
        let shop = cluster.get::<Shop>(id);
        spawn(async move { shop.sell(3, Turn::Sold).await })
    });
    probe.wait_for("sold", 1).await;
    bed.advance(Duration::from_secs(9)).await;
    probe.open("sold");
    assert_eq!(first.await.unwrap().unwrap(), 3);
    assert_eq!(second.await.unwrap().unwrap(), 3);
    assert_eq!(probe.count("selling"), 2);

    // The third one holds it for too long: that is no outcome.
    probe.close("sold");
    let shop = cluster.get::<Shop>("u");
    let third = spawn(async move { shop.sell(3, Turn::Sold).await });
    probe.wait_for("sold", 3).await;
    bed.advance(Duration::from_secs(10)).await;
    probe.open("sold");
    while !third.is_finished() {
        bed.advance(Duration::from_millis(10)).await;
    }
    assert_eq!(third.await.unwrap().unwrap(), 3);
    assert_eq!(probe.count("selling"), 4);
    assert_eq!(stock(&bed).await, (91, 3));
}

// proves: B49, B109
async fn a_commit_that_is_done_though_unknown_is_not_done_again(bed: Bed) {
    sell_with_unknown_commits(bed, Fault::DoneUnknown, 1).await;
}

// proves: B49, B109
async fn a_commit_that_is_lost_is_done_again(bed: Bed) {
    sell_with_unknown_commits(bed, Fault::LostUnknown, 2).await;
}

async fn sell_with_unknown_commits(bed: Bed, fault: Fault, runs: usize) {
    make_stock(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let shop = cluster.get::<Shop>("s");
    for n in 1..=20 {
        bed.faulty().fail_next(Write::Transaction, fault, 1);
        // Nor can the storage be asked at once what has become of it.
        bed.door.fail("find_requests", 2);
        assert_eq!(shop.sell(1, Turn::Sold).await.unwrap(), n);
        assert_eq!(bed.door.failures_left("find_requests"), 0);
    }
    assert_eq!(probe.count("selling"), 20 * runs);
    assert_eq!(totals(&bed, &cluster).await, (80, 20, 20, 20));
}

// proves: B50
async fn a_message_whose_key_is_known_is_not_sent_by_an_unknown_commit(bed: Bed) {
    make_stock(&bed).await;
    let cluster = start(&bed, &Probe::default()).await;
    let shop = cluster.get::<Shop>("s");
    assert_eq!(shop.sell_once("k".into()).await.unwrap(), 1);
    bed.faulty().fail_next(Write::Transaction, Fault::DoneUnknown, 1);
    assert_eq!(shop.sell_once("k".into()).await.unwrap(), 2);
    assert_eq!(totals(&bed, &cluster).await, (98, 0, 2, 1));
}

// proves: B244
async fn a_transaction_begins_only_on_what_is_committed(bed: Bed) {
    make_stock(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let shop = cluster.get::<Shop>("s");
    assert_eq!(shop.plain(1).await.unwrap(), 1);
    probe.close("plain");
    let plain = spawn({
        let shop = shop.clone();
        async move { shop.plain(2).await }
    });
    probe.wait_for("plain", 2).await;
    let sell = spawn({
        let shop = shop.clone();
        async move { shop.sell(4, Turn::Sold).await }
    });
    bed.door.called("commit", 4).await;
    settle().await;
    bed.door.hold_commits();
    probe.open("plain");
    bed.door.commits_held(1).await;
    settle().await;
    assert_eq!(probe.count("selling"), 0);
    // The predecessor's commit fails for good: it runs again, and the sale is built on that.
    for held in 1..=5 {
        bed.door.commits_held(held).await;
        bed.door.turn_away(refused());
    }
    bed.door.release();
    assert_eq!(plain.await.unwrap().unwrap(), 3);
    assert_eq!(sell.await.unwrap().unwrap(), 7);
    assert_eq!(probe.count("plain"), 3);
    assert_eq!(probe.count("selling"), 1);
    assert_eq!(totals(&bed, &cluster).await, (96, 1, 7, 4));
}

// proves: B244
async fn nothing_of_the_entity_runs_ahead_of_a_transaction(bed: Bed) {
    make_stock(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let shop = cluster.get::<Shop>("s");
    bed.door.hold(Side::BeforeOwn);
    let sell = spawn({
        let shop = shop.clone();
        async move { shop.sell(4, Turn::Sold).await }
    });
    bed.door.held(Side::BeforeOwn, 1).await;
    let mut read = Box::pin(shop.sold().into_future());
    assert!(is_waiting(&mut read).await);
    bed.door.fail_at(Side::BeforeOwn, refused());
    bed.door.held(Side::BeforeOwn, 2).await;
    bed.door.release();
    assert_eq!(sell.await.unwrap().unwrap(), 4);
    let seen = read.await.unwrap();
    assert!(seen == 0 || seen == 4, "{seen}");
    assert_eq!(totals(&bed, &cluster).await, (96, 1, 4, 4));
}

// proves: B37, B50
async fn requests_accepted_beside_a_transaction_are_not_lost(bed: Bed) {
    make_stock(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let (shop, ledger) = (cluster.get::<Shop>("s"), cluster.get::<Counter>("ledger"));
    ledger.add(1).await.unwrap();
    for round in 0..10 {
        probe.close("sold");
        let sell = spawn({
            let shop = shop.clone();
            async move { shop.sell(1, Turn::Sold).await }
        });
        probe.wait_for("sold", round + 1).await;
        let mut add = Box::pin(ledger.add(1).into_future());
        // Where there is one writer the transaction is that, and this one waits to be accepted.
        if !bed.faulty().writes_in_two() {
            assert!(is_waiting(&mut add).await);
        }
        probe.open("sold");
        sell.await.unwrap().unwrap();
        add.await.unwrap();
    }
    assert_eq!(totals(&bed, &cluster).await, (90, 10, 10, 21));
}

/// Where there is one writer, nothing is committed beside it, and it begins beside nothing.
// proves: B37, B49
async fn a_transaction_is_open_while_nothing_else_commits(bed: Bed) {
    make_stock(&bed).await;
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let [one, other] = ["1", "2"].map(|id| cluster.get::<Counter>(id));
    tokio::try_join!(one.add(1).into_future(), other.add(1).into_future()).unwrap();
    probe.close("selling");
    probe.close("sold");
    let shop = cluster.get::<Shop>("s");
    let sell = spawn(async move { shop.sell(1, Turn::Sold).await });
    probe.wait_for("selling", 1).await;
    bed.door.hold_commits();
    let mut calls = vec![spawn(one.bump(1).into_future()), spawn(other.add(1).into_future())];
    bed.door.commits_held(1).await;
    probe.open("selling");
    settle().await;
    assert_eq!((bed.door.calls("begin"), probe.count("sold")), (0, 0));
    bed.door.release();
    probe.wait_for("sold", 1).await;
    let commits = bed.door.calls("commit");
    calls.extend([spawn(one.bump(1).into_future()), spawn(other.add(1).into_future())]);
    settle().await;
    assert_eq!(bed.door.calls("commit"), commits);
    probe.open("sold");
    sell.await.unwrap().unwrap();
    for (at, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap(), 2 + at as i64 / 2);
    }
}

// proves: B44, B49
async fn a_crash_before_or_after_the_commit_leaves_all_or_nothing(bed: Bed) {
    make_stock(&bed).await;
    for (side, sold) in [(Side::BeforeOwn, 1), (Side::AfterOwn, 2)] {
        let probe = Probe::default();
        let cluster = start(&bed, &probe).await;
        bed.door.hold(side);
        let shop = cluster.get::<Shop>("s");
        let receipt = shop.sell(1, Turn::Sold).send().await.unwrap();
        bed.door.held(side, 1).await;
        let id = receipt.id();
        drop((cluster, shop, receipt));
        settle().await;
        bed.door.release();

        let cluster = start(&bed, &probe).await;
        assert_eq!(cluster.receipt::<ShopSell>(id).outcome().await.unwrap(), sold);
        let runs = if matches!(side, Side::BeforeOwn) { 2 } else { 1 };
        assert_eq!(probe.count("selling"), runs);
        assert_eq!(totals(&bed, &cluster).await, (100 - sold, sold, sold, sold));
    }
}

// proves: B245
async fn a_lost_transaction_is_fenced_off_before_it_is_looked_for(bed: Bed) {
    make_stock(&bed).await;
    let cluster = start(&bed, &Probe::default()).await;
    let shop = cluster.get::<Shop>("s");
    bed.door.hold(Side::AfterOwn);
    let sell = spawn(async move { shop.sell(1, Turn::Sold).await });
    bed.door.held(Side::AfterOwn, 1).await;
    let looks = bed.door.calls("find_requests");
    bed.door.fail("raise_fence", 2);
    bed.door.fail_at(Side::AfterOwn, unknown());
    bed.door.called("raise_fence", 2).await;
    assert_eq!(bed.door.calls("find_requests"), looks);
    bed.door.release();
    assert_eq!(sell.await.unwrap().unwrap(), 1);
    assert_eq!(bed.door.calls("find_requests"), looks + 1);
}

backends!(
    on disk:
    everything_of_a_sale_commits_together,
    an_error_rolls_everything_back_and_is_the_outcome,
    a_panic_rolls_everything_back_and_the_sale_runs_again,
    trouble_rolls_everything_back_and_the_sale_runs_again,
    a_violated_constraint_rolls_everything_back,
    a_call_awaited_while_the_transaction_is_open_is_refused_at_once,
    an_undeclared_transaction_is_refused,
    the_arguments_decide_whether_a_transaction_is_used,
    a_transaction_kept_beyond_the_handler_is_rolled_back,
    a_transaction_has_a_time_limit_from_when_it_is_open,
    a_commit_that_is_done_though_unknown_is_not_done_again,
    a_commit_that_is_lost_is_done_again,
    a_message_whose_key_is_known_is_not_sent_by_an_unknown_commit,
    a_transaction_begins_only_on_what_is_committed,
    nothing_of_the_entity_runs_ahead_of_a_transaction,
    requests_accepted_beside_a_transaction_are_not_lost,
    a_crash_before_or_after_the_commit_leaves_all_or_nothing,
    a_lost_transaction_is_fenced_off_before_it_is_looked_for,
    a_transaction_ended_by_hand_is_not_tried_again,
);

/// MariaDB looks at constraints at once; servers have many writers.
mod some {
    use super::a_constraint_violated_at_the_commit_is_an_attempt_that_failed as at_the_commit;
    use super::a_transaction_is_open_while_nothing_else_commits as alone;
    use crate::support::backends;

    backends!(only sqlite: at_the_commit, alone);
    backends!(only postgres: at_the_commit);
}
