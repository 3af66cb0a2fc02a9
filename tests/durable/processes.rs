//! The same promises when a process dies for real: SIGKILL, then a new start on the same database.

use cluster::prelude::*;

use crate::entities::{Counter, Desk, DeskFile, Refusal, start};
use crate::killed;
use crate::support::{Bed, Own, Probe, Side, Victim, backends, be_victim, say, soon};

/// Not a test by itself: what the process does that is to die.
#[test]
fn victim() {
    be_victim(async |scenario, bed| match scenario {
        "first line" => die_on_the_first_line(bed).await,
        "committed" => die_after_the_commit(bed).await,
        "order" => number_requests(bed).await,
        "transfers" => transfer(bed).await,
        "before own" => die_in_a_transaction(bed, Side::BeforeOwn).await,
        "after own" => die_in_a_transaction(bed, Side::AfterOwn).await,
        "sales" => sell(bed).await,
        "scheduled" => schedule_and_cancel(bed).await,
        other => killed::die(other, bed).await,
    });
}

async fn for_ever() {
    std::future::pending().await
}

async fn die_on_the_first_line(bed: &Bed) {
    let probe = Probe::default();
    // What an earlier process has left may run at once.
    probe.close("paper");
    let cluster = start(bed, &probe).await;
    let receipt = cluster.get::<Desk>("d").file("paper".into()).key("k").send().await.unwrap();
    say(receipt.id());
    probe.wait_for("paper", 1).await;
    say("on the first line");
    for_ever().await;
}

// proves: B29, B39
async fn a_request_whose_process_is_killed_on_its_first_line_runs_again(bed: Bed) {
    let mut ids = Vec::new();
    // However often it is killed, it is the same request.
    for _ in 0..3 {
        let mut victim = Victim::start("first line", &bed);
        ids.push(victim.says().expect("the request's id").parse::<RequestId>().unwrap());
        victim.wait_for("on the first line");
        victim.kill();
    }
    let id = ids[0];
    assert_eq!(ids, [id; 3]);
    let probe = Probe::default();
    soon(async {
        let cluster = start(&bed, &probe).await;
        // By itself: nobody has asked for it in this process.
        probe.wait_for("paper!", 1).await;
        assert_eq!(cluster.receipt::<DeskFile>(id).outcome().await.unwrap(), 1);
        assert_eq!(probe.count("paper"), 1);
        assert_eq!(cluster.get::<Desk>("d").papers().await.unwrap(), ["paper"]);
    })
    .await;
}

async fn die_after_the_commit(bed: &Bed) {
    let probe = Probe::default();
    // What an earlier process has left may run at once.
    probe.close("paper");
    let cluster = start(bed, &probe).await;
    // The look at the start must not find it before its acceptance was told.
    cluster.caught_up().await.unwrap();
    let desk = cluster.get::<Desk>("d");
    let call = tokio::spawn(async move {
        let told = desk.file_and_send("paper".into(), "other".into()).key("k").await;
        say(format!("told {told:?}"));
    });
    probe.wait_for("paper", 1).await;
    bed.door.hold_answers();
    probe.open("paper");
    bed.door.answers_held(1).await;
    say("committed");
    call.await.unwrap();
}

// proves: B38, B50
async fn an_outcome_committed_before_its_process_is_killed_is_given_after(bed: Bed) {
    let mut victim = Victim::start("committed", &bed);
    assert_eq!(victim.says().as_deref(), Some("committed"));
    victim.kill();
    let probe = Probe::default();
    soon(async {
        let cluster = start(&bed, &probe).await;
        let desk = cluster.get::<Desk>("d");
        let told = desk.file_and_send("paper".into(), "other".into()).key("k").await;
        assert_eq!(told.unwrap(), 1);
        probe.wait_for("copy of paper!", 1).await;
        assert_eq!(cluster.get::<Desk>("other").file("next".into()).await.unwrap(), 2);
        // Here ran what was sent, and not what had ended.
        assert_eq!((probe.count("paper"), probe.count("copy of paper")), (0, 1));
    })
    .await;
}

const REQUESTS: usize = 600;

async fn number_requests(bed: &Bed) {
    let cluster = start(bed, &Probe::default()).await;
    let desk = cluster.get::<Desk>("d");
    for number in 0..REQUESTS {
        let key = number.to_string();
        desk.file_at_once(format!("{number:04}")).key(key).send().await.unwrap();
        say(number);
    }
    for_ever().await;
}

// proves: B37
async fn requests_start_in_order_though_their_process_is_killed_again_and_again(bed: Bed) {
    for kill_at in [7, 120, 121, 333, 599] {
        let mut victim = Victim::start("order", &bed);
        victim.wait_for(&kill_at.to_string());
        victim.kill();
    }
    let probe = Probe::default();
    soon(async {
        let cluster = start(&bed, &probe).await;
        let desk = cluster.get::<Desk>("d");
        assert_eq!(desk.file_at_once("last".into()).await.unwrap(), REQUESTS + 1);
        let expected = (0..REQUESTS).map(|number| format!("{number:04}"));
        let expected: Vec<_> = expected.chain(["last".into()]).collect();
        assert_eq!(desk.papers().await.unwrap(), expected);
    })
    .await;
}

async fn transfer(bed: &Bed) {
    let cluster = start(bed, &Probe::default()).await;
    let transfers = (0..REQUESTS).map(|number| {
        let from = cluster.get::<Counter>(format!("c{}", number % 7));
        async move {
            let to = format!("c{}", (number + 1 + number / 7 % 6) % 7);
            from.give(to, 1).key(format!("t{number}")).await.unwrap();
            say(number);
        }
    });
    futures_util::future::join_all(transfers).await;
    say("all");
    for_ever().await;
}

// proves: B41, B44, B50
async fn transfers_happen_once_though_their_process_is_killed_again_and_again(bed: Bed) {
    for lines in [1, 40, 90, 200, 350] {
        let mut victim = Victim::start("transfers", &bed);
        for _ in 0..lines {
            victim.says().expect("it goes on");
        }
        victim.kill();
    }
    let mut victim = Victim::start("transfers", &bed);
    victim.wait_for("all");
    victim.kill();
    let probe = Probe::default();
    soon(async {
        let cluster = start(&bed, &probe).await;
        cluster.caught_up().await.unwrap();
        let mut expected = [0_i64; 7];
        for number in 0..REQUESTS {
            expected[number % 7] -= 1;
            expected[(number + 1 + number / 7 % 6) % 7] += 1;
        }
        for (n, expected) in expected.into_iter().enumerate() {
            let value = cluster.get::<Counter>(format!("c{n}")).value().await.unwrap();
            assert_eq!(value, expected, "c{n}");
        }
    })
    .await;
}

/// Sells from the user's own table.
#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Till {
    sold: i64,
}

#[entity]
impl Till {
    #[message(persisted, transaction)]
    async fn sell(&mut self, ctx: &Context) -> Result<i64, CallError<Refusal>> {
        let mut tx = Own::of(ctx).await?;
        tx.run("UPDATE stock SET pieces = pieces - 1").await.or_retry()?;
        ctx.get::<Counter>("ledger").add(1).send().await?;
        self.sold += 1;
        Ok(self.sold)
    }

    #[message]
    fn sold(&self) -> i64 {
        self.sold
    }
}

async fn start_till(bed: &Bed) -> Cluster {
    bed.start_impatient(|builder| builder.entity::<Till>().entity::<Counter>()).await
}

async fn die_in_a_transaction(bed: &Bed, side: Side) {
    let cluster = start_till(bed).await;
    bed.door.hold(side);
    let till = cluster.get::<Till>("t");
    let key = format!("{}", side as usize);
    let call = tokio::spawn(async move { till.sell().key(key).await });
    bed.door.held(side, 1).await;
    say("in the transaction");
    let _ = call.await;
}

async fn sell(bed: &Bed) {
    let cluster = start_till(bed).await;
    let till = cluster.get::<Till>("t");
    for number in 0..300 {
        till.sell().key(format!("s{number}")).await.unwrap();
        say(number);
    }
    say("all");
    for_ever().await;
}

async fn make_stock(bed: &Bed) {
    let table = "CREATE TABLE stock (pieces BIGINT NOT NULL); INSERT INTO stock VALUES (0)";
    bed.user().await.run(table).await;
}

/// What the table, the till and the ledger say, once nothing is under way.
async fn sales(bed: &Bed) -> (i64, i64, i64) {
    soon(async {
        let cluster = start_till(bed).await;
        cluster.caught_up().await.unwrap();
        let pieces = bed.user().await.numbers("SELECT pieces FROM stock").await[0];
        let sold = cluster.get::<Till>("t").sold().await.unwrap();
        let ledger = cluster.get::<Counter>("ledger").value().await.unwrap();
        // The next process may open the file from here on.
        cluster.shutdown().await.unwrap();
        (-pieces, sold, ledger)
    })
    .await
}

// proves: B49
async fn a_process_killed_before_or_after_its_transaction_commits_leaves_all_or_nothing(bed: Bed) {
    make_stock(&bed).await;
    for (round, scenario) in ["before own", "after own", "before own"].into_iter().enumerate() {
        let mut victim = Victim::start(scenario, &bed);
        if round < 2 {
            victim.wait_for("in the transaction");
            victim.kill();
        } else {
            // Its key is known by now: the outcome is there, and no transaction is opened.
            drop(victim);
        }
        let sold = i64::try_from(round).unwrap().min(1) + 1;
        assert_eq!(sales(&bed).await, (sold, sold, sold), "{scenario}");
    }
}

// proves: B49
async fn sales_happen_once_though_their_process_is_killed_again_and_again(bed: Bed) {
    make_stock(&bed).await;
    for kill_at in [0, 1, 17, 50, 51, 120, 200, 201, 250, 299] {
        let mut victim = Victim::start("sales", &bed);
        victim.wait_for(&kill_at.to_string());
        victim.kill();
    }
    let mut victim = Victim::start("sales", &bed);
    victim.wait_for("all");
    victim.kill();
    assert_eq!(sales(&bed).await, (300, 300, 300));
}

async fn schedule_and_cancel(bed: &Bed) {
    let probe = Probe::default();
    let cluster = start(bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    for (ms, paper) in [(60_000, "never"), (300, "third"), (100, "first"), (200, "second")] {
        let call = desk.file(paper.into()).after(Duration::from_millis(ms));
        let receipt = call.send().await.unwrap();
        if paper == "never" {
            receipt.cancel().await.unwrap();
        }
        say(receipt.id());
    }
    // One that runs is cancelled while its process is killed.
    probe.close("stopped");
    let running = desk.file("stopped".into()).send().await.unwrap();
    probe.wait_for("stopped", 1).await;
    running.cancel().await.unwrap();
    say(running.id());
    for_ever().await;
}

// proves: B79, B81, B85
async fn what_a_killed_process_has_scheduled_and_cancelled_stays_so(bed: Bed) {
    let mut victim = Victim::start("scheduled", &bed);
    let ids: Vec<RequestId> =
        (0..5).map(|_| victim.says().expect("an id").parse().unwrap()).collect();
    victim.kill();
    let probe = Probe::default();
    soon(async {
        let cluster = start(&bed, &probe).await;
        assert_eq!(cluster.receipt::<DeskFile>(ids[1]).outcome().await.unwrap(), 3);
        let papers = cluster.get::<Desk>("d").papers().await.unwrap();
        assert_eq!(papers, ["first", "second", "third"]);
        for id in [ids[0], ids[4]] {
            let outcome = cluster.receipt::<DeskFile>(id).outcome().await;
            assert!(matches!(outcome, Err(ClusterError::Interrupted)), "{outcome:?}");
        }
        assert_eq!(probe.count("never") + probe.count("stopped"), 0);
    })
    .await;
}

backends!(on disk:
    a_request_whose_process_is_killed_on_its_first_line_runs_again,
    an_outcome_committed_before_its_process_is_killed_is_given_after,
    requests_start_in_order_though_their_process_is_killed_again_and_again,
    transfers_happen_once_though_their_process_is_killed_again_and_again,
    a_process_killed_before_or_after_its_transaction_commits_leaves_all_or_nothing,
    sales_happen_once_though_their_process_is_killed_again_and_again,
    what_a_killed_process_has_scheduled_and_cancelled_stays_so,
);
