//! What survives when a process dies for real: SIGKILL, then a new start on the same database.

use cluster::prelude::*;
use cluster::storage::Wish;

use crate::inbox::{self, Shop, ShopSell};
use crate::keep_alive::{self, Watch};
use crate::later_durable::{self, Office, OfficeDecide, World};
use crate::support::{Bed, Probe, Victim, backends, be_victim, say, soon, until};

/// Not a test by itself: what the process does that is to die.
#[test]
fn victim() {
    be_victim(async |scenario, bed| match scenario {
        "owing" => owe(bed).await,
        "watching" => watch(bed, false).await,
        "resting" => watch(bed, true).await,
        "dying" => die(bed).await,
        "redriving" => redrive(bed).await,
        other => panic!("no such scenario: {other}"),
    });
}

async fn owe(bed: &Bed) {
    let world = World::default();
    let cluster = later_durable::start(bed, &world).await;
    let office = cluster.get::<Office>("o");
    let receipt = office.decide("a".into()).key("k").send().await.unwrap();
    until(|| world.owed.has("a")).await;
    // It is served meanwhile, and what it is served with is stored.
    let files = office.file("meanwhile".into()).await.unwrap();
    say(format!("{} {files}", receipt.id()));
    std::future::pending().await
}

// proves: B29, B62
async fn a_request_whose_process_is_killed_before_its_reply_runs_again(bed: Bed) {
    let mut last = String::new();
    // However often it is killed, it is the same request.
    for files in 1..=3 {
        let mut victim = Victim::start("owing", &bed);
        last = victim.says().expect("it goes on");
        assert!(last.ends_with(&format!(" {files}")), "{last}");
        victim.kill();
    }
    let id = last.split_once(' ').unwrap().0.parse::<RequestId>().unwrap();
    let world = World::default();
    soon(async {
        let cluster = later_durable::start(&bed, &world).await;
        // By itself: nobody has asked for it in this process.
        until(|| world.owed.has("a")).await;
        world.owed.take("a").send("decided".into());
        assert_eq!(cluster.receipt::<OfficeDecide>(id).outcome().await.unwrap(), "decided");
        assert_eq!(world.probe.count("a"), 1);
        // Of all runs only the one that has an outcome has sent.
        assert_eq!(cluster.get::<Office>("archive").file("next".into()).await.unwrap(), 2);
    })
    .await;
}

async fn watch(bed: &Bed, rests: bool) {
    let cluster = keep_alive::start(bed, &Probe::default()).await;
    for n in 0..5 {
        let watch = cluster.get::<Watch>(format!("w{n}"));
        watch.watch(false).await.unwrap();
        if rests && n != 3 {
            watch.rest().await.unwrap();
        }
    }
    say("watching");
    std::future::pending().await
}

// proves: B68
async fn what_is_kept_alive_comes_back_after_its_process_was_killed(bed: Bed) {
    for (scenario, back) in [("watching", vec![0, 1, 2, 3, 4]), ("resting", vec![3])] {
        let mut victim = Victim::start(scenario, &bed);
        assert_eq!(victim.says().as_deref(), Some("watching"));
        victim.kill();
        let probe = Probe::default();
        soon(async {
            let cluster = keep_alive::start(&bed, &probe).await;
            for n in &back {
                probe.wait_for(&format!("begin w{n}"), 1).await;
            }
            until(|| cluster.stats().resident_entities == back.len()).await;
            assert_eq!(probe.log().len(), back.len());
        })
        .await;
        // The next process needs the file.
        until(|| !bed.is_held()).await;
    }
}

/// Leaves a dead letter.
async fn die(bed: &Bed) {
    let probe = Probe::default();
    probe.panic_at("paper", 3);
    // It does not live to see what the inbox says.
    let never = Duration::from_secs(3_600);
    let cluster = inbox::start_that_looks_every(never, bed, &probe).await;
    let receipt = cluster.get::<Shop>("s").sell("paper".into()).send().await.unwrap();
    let notice = receipt.outcome().await;
    assert!(matches!(notice, Err(ClusterError::Defect { .. })), "{notice:?}");
    say(receipt.id());
    std::future::pending().await
}

/// Redrives by itself what the inbox says, and never ends it.
async fn redrive(bed: &Bed) {
    let probe = Probe::default();
    probe.close("paper");
    let _cluster = inbox::start(bed, &probe).await;
    probe.wait_for("paper", 1).await;
    say("sells");
    std::future::pending().await
}

// proves: B93
async fn what_is_redriven_by_a_row_runs_once_however_often_its_process_is_killed(bed: Bed) {
    let mut victim = Victim::start("dying", &bed);
    let id: RequestId = victim.says().expect("it gives up").parse().unwrap();
    // While it has the database.
    bed.wish(Wish::Redrive, id).await;
    victim.kill();
    for _ in 0..2 {
        let mut victim = Victim::start("redriving", &bed);
        victim.wait_for("sells");
        victim.kill();
        assert_eq!(bed.user().await.numbers("SELECT count(*) FROM cluster_inbox").await, [0]);
    }
    let probe = Probe::default();
    soon(async {
        let cluster = inbox::start(&bed, &probe).await;
        assert_eq!(cluster.receipt::<ShopSell>(id).outcome().await.unwrap(), 1);
        assert_eq!(probe.count("paper"), 1);
        assert_eq!(cluster.get::<Shop>("s").sold().await.unwrap(), ["paper"]);
    })
    .await;
}

backends!(on disk:
    what_is_redriven_by_a_row_runs_once_however_often_its_process_is_killed,
    a_request_whose_process_is_killed_before_its_reply_runs_again,
    what_is_kept_alive_comes_back_after_its_process_was_killed,
);
