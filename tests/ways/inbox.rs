//! What tools ask of a cluster by rows of its inbox, while it runs or while it does not.

use cluster::prelude::*;
use cluster::storage::Wish;
use futures_util::StreamExt as _;

use crate::support::{Bed, Probe, Side, backends, unknown};

/// The default of the setting.
const SAFETY_NET: Duration = Duration::from_secs(5);

/// Counts what it sells; sales wait or fail where the test wants them to.
#[derive(Entity)]
pub(crate) struct Shop {
    #[state]
    sold: Vec<String>,
    probe: Probe,
}

#[entity]
impl Shop {
    #[message(persisted)]
    pub(crate) async fn sell(&mut self, what: String) -> usize {
        self.sold.push(what.clone());
        self.probe.pass(&what).await;
        self.sold.len()
    }

    #[message(persisted, uninterruptible)]
    async fn insist(&mut self, what: String) -> usize {
        self.sell(what).await
    }

    #[message(persisted, attempts = 1)]
    fn sell_unless_trouble(&mut self, what: String) -> Result<usize, CallError<String>> {
        self.probe.note(&*what);
        self.probe.trouble(&what).or_retry()?;
        self.sold.push(what);
        Ok(self.sold.len())
    }

    #[message]
    pub(crate) fn sold(&self) -> Vec<String> {
        self.sold.clone()
    }
}

pub(crate) async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    start_that_looks_every(SAFETY_NET, bed, probe).await
}

pub(crate) async fn start_that_looks_every(
    safety_net: Duration,
    bed: &Bed,
    probe: &Probe,
) -> Cluster {
    let probe = probe.clone();
    bed.start_impatient(move |builder| {
        let builder = builder.config(|config| config.safety_net = safety_net);
        builder.entity_with::<Shop>(move |_| Shop { sold: Vec::new(), probe: probe.clone() })
    })
    .await
}

async fn letters(cluster: &Cluster) -> usize {
    cluster.dead_letters().list().count().await
}

/// Sells what panics at every attempt, until it is given up.
async fn sell_in_vain(bed: &Bed, cluster: &Cluster, what: &str) -> Receipt<ShopSell> {
    bed.probe.panic_at(what, 3);
    let receipt = cluster.get::<Shop>("s").sell(what.into()).send().await.unwrap();
    bed.advance(Duration::from_secs(1)).await;
    assert_eq!(bed.probe.count(what), 3);
    receipt
}

fn assert_interrupted(outcome: Result<usize, ClusterError>) {
    assert!(matches!(outcome, Err(ClusterError::Interrupted)), "{outcome:?}");
}

// proves: B93
async fn a_dead_letter_is_redriven_by_a_row_and_runs_once(bed: Bed) {
    let cluster = start(&bed, &bed.probe).await;
    let receipt = sell_in_vain(&bed, &cluster, "paper").await;
    assert_eq!(letters(&cluster).await, 1);
    // Whoever asks twice means the same.
    for _ in 0..2 {
        bed.wish(Wish::Redrive, receipt.id()).await;
    }
    let before = bed.door.commits().len();
    bed.advance(SAFETY_NET).await;
    assert_eq!(receipt.outcome().await.unwrap(), 1);
    assert_eq!((bed.probe.count("paper"), letters(&cluster).await), (4, 0));
    assert_eq!(bed.wishes_left().await, 0);
    // The row goes with what was done for it, so that a crash leaves both or neither.
    let commits = bed.door.commits();
    let redrives = commits[before..].iter().filter(|batch| !batch.redrives.is_empty());
    assert!(redrives.clone().count() > 0);
    assert!(redrives.clone().all(|batch| batch.taken.len() == batch.redrives.len()));
    bed.advance(SAFETY_NET * 3).await;
    assert_eq!(bed.probe.count("paper"), 4);
    assert_eq!(cluster.get::<Shop>("s").sold().await.unwrap(), ["paper"]);
}

async fn a_row_is_written_while_nothing_runs_and_found_at_once(bed: Bed) {
    let cluster = start(&bed, &bed.probe).await;
    let id = sell_in_vain(&bed, &cluster, "paper").await.id();
    cluster.shutdown().await.unwrap();
    drop(cluster);
    bed.wish(Wish::Redrive, id).await;
    let cluster = start(&bed, &bed.probe).await;
    bed.settle().await;
    assert_eq!(cluster.receipt::<ShopSell>(id).outcome().await.unwrap(), 1);
    assert_eq!(bed.wishes_left().await, 0);
}

// proves: B83, B84
async fn requests_are_cancelled_by_rows_wherever_they_stand(bed: Bed) {
    let cluster = start(&bed, &bed.probe).await;
    let shop = cluster.get::<Shop>("s");
    let dead = sell_in_vain(&bed, &cluster, "dead").await;
    let mut held = Vec::new();
    for what in ["runs", "holds"] {
        bed.probe.close(what);
        held.push(cluster.get::<Shop>(what).sell(what.into()).send().await.unwrap());
        bed.probe.wait_for(what, 1).await;
    }
    let [runs, holds] = held.try_into().unwrap();
    let queued = cluster.get::<Shop>("holds").sell("queued".into()).send().await.unwrap();
    let later = shop.sell("later".into()).after(SAFETY_NET * 9).send().await.unwrap();
    let kept = shop.sell("kept".into()).send().await.unwrap();
    for receipt in [&dead, &runs, &queued, &later] {
        bed.wish(Wish::Cancel, receipt.id()).await;
    }
    bed.advance(SAFETY_NET).await;
    assert_eq!(bed.wishes_left().await, 0);
    for receipt in [dead, runs, queued, later] {
        assert_interrupted(receipt.outcome().await);
    }
    bed.probe.open("holds");
    assert_eq!((kept.outcome().await.unwrap(), holds.outcome().await.unwrap()), (1, 1));
    bed.advance(SAFETY_NET * 9).await;
    assert_eq!((bed.probe.count("queued"), bed.probe.count("later")), (0, 0));
    assert_eq!(shop.sold().await.unwrap(), ["kept"]);
    // What has ended stays as it is.
    bed.wish(Wish::Cancel, kept.id()).await;
    bed.advance(SAFETY_NET).await;
    assert_eq!((kept.outcome().await.unwrap(), bed.wishes_left().await), (1, 0));
}

// proves: B91
async fn a_dead_letter_is_discarded_by_a_row(bed: Bed) {
    let cluster = start(&bed, &bed.probe).await;
    let dead = sell_in_vain(&bed, &cluster, "dead").await;
    let later = cluster.get::<Shop>("s").sell("later".into());
    let later = later.after(SAFETY_NET * 9).send().await.unwrap();
    bed.wish(Wish::Discard, dead.id()).await;
    // Only letters are discarded, and redriven.
    bed.wish(Wish::Discard, later.id()).await;
    bed.wish(Wish::Redrive, later.id()).await;
    bed.advance(SAFETY_NET).await;
    assert_interrupted(dead.outcome().await);
    assert_eq!((letters(&cluster).await, bed.wishes_left().await), (0, 0));
    assert_eq!(bed.probe.count("later"), 0);
    bed.advance(SAFETY_NET * 9).await;
    assert_eq!(later.outcome().await.unwrap(), 1);
    assert_eq!(bed.probe.count("dead"), 3);
}

async fn a_row_that_comes_to_nothing_goes_and_the_others_are_done(bed: Bed) {
    let cluster = start(&bed, &bed.probe).await;
    let dead = sell_in_vain(&bed, &cluster, "dead").await;
    bed.wish(Wish::Redrive, RequestId::from_bytes([7; 16])).await;
    if !bed.is_in_memory() {
        let rows = "('nonsense', 'cancel'), ('', 'redrive'), ('größe', 'discard')";
        let insert = format!("INSERT INTO cluster_inbox (request, wish) VALUES {rows}");
        bed.user().await.run(&insert).await;
    }
    bed.wish(Wish::Redrive, dead.id()).await;
    bed.advance(SAFETY_NET).await;
    assert_eq!(dead.outcome().await.unwrap(), 1);
    assert_eq!(bed.wishes_left().await, 0);
}

async fn a_cancel_that_waits_for_its_handler_holds_up_no_other(bed: Bed) {
    let cluster = start(&bed, &bed.probe).await;
    let dead = sell_in_vain(&bed, &cluster, "dead").await;
    let other = cluster.get::<Shop>("other");
    bed.probe.close("insists");
    let insists = other.insist("insists".into()).send().await.unwrap();
    bed.probe.wait_for("insists", 1).await;
    bed.wish(Wish::Cancel, insists.id()).await;
    bed.wish(Wish::Redrive, dead.id()).await;
    bed.advance(SAFETY_NET).await;
    assert_eq!((dead.outcome().await.unwrap(), bed.wishes_left().await), (1, 1));
    // What comes later neither; and it is asked for once.
    let later = other.sell("later".into()).after(SAFETY_NET * 9).send().await.unwrap();
    bed.wish(Wish::Cancel, later.id()).await;
    bed.advance(SAFETY_NET).await;
    assert_interrupted(later.outcome().await);
    assert_eq!(bed.wishes_left().await, 1);
    bed.probe.open("insists");
    assert_eq!(insists.outcome().await.unwrap(), 1);
    bed.settle().await;
    assert_eq!(bed.wishes_left().await, 0);
}

async fn what_the_storage_refuses_is_done_when_it_does_not(bed: Bed) {
    let cluster = start(&bed, &bed.probe).await;
    let dead = sell_in_vain(&bed, &cluster, "dead").await;
    for call in ["inbox", "find_requests", "dead_letters"] {
        bed.door.fail(call, 1);
    }
    bed.wish(Wish::Redrive, dead.id()).await;
    for left in [1, 1, 1, 0] {
        bed.advance(SAFETY_NET).await;
        assert_eq!(bed.wishes_left().await, left);
    }
    assert_eq!(dead.outcome().await.unwrap(), 1);
    // An unknown outcome is made known, and what is done is done once.
    let again = sell_in_vain(&bed, &cluster, "again").await;
    bed.door.fail_at(Side::After, unknown());
    bed.wish(Wish::Redrive, again.id()).await;
    bed.advance(SAFETY_NET).await;
    assert_eq!((again.outcome().await.unwrap(), bed.wishes_left().await), (2, 0));
    assert_eq!(bed.probe.count("again"), 4);
}

// The table has room for more than are under way at once, and than one page has.
async fn a_thousand_letters_are_redriven_by_one_look(bed: Bed) {
    const MANY: usize = 1_200;
    let cluster = start(&bed, &bed.probe).await;
    let shops: Vec<_> = (0..MANY).map(|n| cluster.get::<Shop>(n.to_string())).collect();
    bed.probe.trouble_at("sold out", MANY as u32);
    let mut receipts = Vec::new();
    for shop in &shops {
        receipts.push(shop.sell_unless_trouble("sold out".into()).send().await.unwrap());
    }
    bed.advance(Duration::from_secs(1)).await;
    assert_eq!(letters(&cluster).await, MANY);
    let all = "SELECT id, 'redrive' FROM cluster_dead_letters";
    bed.user().await.run(&format!("INSERT INTO cluster_inbox (request, wish) {all}")).await;
    bed.advance(SAFETY_NET).await;
    for receipt in receipts {
        assert_eq!(receipt.outcome().await.unwrap(), 1);
    }
    assert_eq!(bed.probe.count("sold out"), 2 * MANY);
    assert_eq!(bed.wishes_left().await, 0);
}

backends!(in virtual time:
    a_dead_letter_is_redriven_by_a_row_and_runs_once,
    a_row_is_written_while_nothing_runs_and_found_at_once,
    requests_are_cancelled_by_rows_wherever_they_stand,
    a_dead_letter_is_discarded_by_a_row,
    a_row_that_comes_to_nothing_goes_and_the_others_are_done,
    a_cancel_that_waits_for_its_handler_holds_up_no_other,
    what_the_storage_refuses_is_done_when_it_does_not,
);

mod many {
    use super::a_thousand_letters_are_redriven_by_one_look;
    use crate::support::backends;

    backends!(only sqlite: a_thousand_letters_are_redriven_by_one_look in virtual time);
    backends!(only postgres: a_thousand_letters_are_redriven_by_one_look in virtual time);
    backends!(only mysql: a_thousand_letters_are_redriven_by_one_look in virtual time);
}
