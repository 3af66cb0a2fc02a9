//! What holds of a request however often it runs, and wherever: whether it has the storage's own
//! transaction; that a reset runs it once more.

use std::sync::Mutex;

use cluster::prelude::*;
use tokio::spawn;

use crate::support::{Bed, Own, Probe, backends, settle, unknown, until};

/// Sums; large ones are booked in a table of the program's own.
#[derive(Entity)]
struct Till {
    #[state]
    sum: i64,
    probe: Probe,
}

/// Every question that was asked, by any process of this test.
static ASKED: Mutex<Vec<i64>> = Mutex::new(Vec::new());

fn is_large(sum: &i64) -> bool {
    ASKED.lock().unwrap().push(*sum);
    *sum >= 10
}

#[entity]
impl Till {
    #[message(persisted, transaction = is_large)]
    async fn book(&mut self, ctx: &Context, sum: i64) -> Result<i64, CallError<String>> {
        let own = Own::of(ctx).await;
        self.probe.note(format!("{sum} {}", own.is_ok()));
        if let Ok(mut own) = own {
            own.run(format!("INSERT INTO booked VALUES ({sum})")).await.or_retry()?;
        }
        self.sum += sum;
        self.probe.pass(&format!("book {sum}")).await;
        Ok(self.sum)
    }

    #[message(persisted)]
    fn add(&mut self, sum: i64) -> i64 {
        self.probe.arrive("add");
        self.sum += sum;
        self.sum
    }

    #[message]
    fn sum(&self) -> i64 {
        self.sum
    }
}

async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    let probe = probe.clone();
    bed.start_impatient(move |builder| {
        builder.entity_with::<Till>(move |_| Till { sum: 0, probe: probe.clone() })
    })
    .await
}

async fn booked(bed: &Bed) -> Vec<i64> {
    let mut user = bed.user().await;
    user.run("CREATE TABLE IF NOT EXISTS booked (sum BIGINT NOT NULL)").await;
    user.numbers("SELECT sum FROM booked ORDER BY sum").await
}

// proves: B42
async fn the_choice_of_a_transaction_holds_on_retries_and_new_owners(bed: Bed) {
    let probe = Probe::default();
    assert!(booked(&bed).await.is_empty());
    let cluster = start(&bed, &probe).await;
    // Two attempts fail, in this process; the next one ends with it.
    for sum in [3, 30] {
        let till = cluster.get::<Till>(format!("t{sum}"));
        probe.panic_at(&format!("book {sum}"), 2);
        probe.close(&format!("book {sum}"));
        till.book(sum).key("k").send().await.unwrap();
        probe.wait_for(&format!("book {sum}"), 3).await;
        if sum == 30 {
            break;
        }
        probe.open(&format!("book {sum}"));
        assert_eq!(till.book(sum).key("k").await.unwrap(), 3);
    }
    drop(cluster);
    probe.open("book 30");
    let cluster = start(&bed, &probe).await;
    let till = cluster.get::<Till>("t30");
    assert_eq!(till.book(30).key("k").await.unwrap(), 30);
    let cluster_sum = cluster.get::<Till>("t3").sum().await.unwrap();
    assert_eq!((cluster_sum, till.sum().await.unwrap()), (3, 30));
    assert_eq!((probe.count("3 false"), probe.count("3 true")), (3, 0));
    assert_eq!((probe.count("30 false"), probe.count("30 true")), (0, 4));
    drop((till, cluster));
    until(|| !bed.is_held()).await;
    assert_eq!(booked(&bed).await, [30]);
    // It was asked with the arguments, and with nothing else.
    assert!(ASKED.lock().unwrap().iter().all(|sum| [3, 30].contains(sum)));
}

// proves: B43
async fn a_reset_survives_a_crash_and_runs_once(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let till = cluster.get::<Till>("t");
    assert_eq!(till.add(5).key("k").await.unwrap(), 5);
    let receipt = till.add(5).key("k").send().await.unwrap();
    let id = receipt.id();
    // The process ends when the reset is durable and nobody has heard of it.
    bed.door.hold_answers();
    let reset = spawn(async move { receipt.reset().await });
    bed.door.answers_held(1).await;
    reset.abort();
    drop((till, cluster, reset.await));
    bed.door.release();
    let cluster = start(&bed, &probe).await;
    let receipt = cluster.receipt::<TillAdd>(id);
    assert_eq!(receipt.outcome().await.unwrap(), 10);
    let till = cluster.get::<Till>("t");
    assert_eq!(till.add(5).key("k").await.unwrap(), 10, "the key's outcome is the new one");
    settle().await;
    assert_eq!((till.sum().await.unwrap(), probe.count("add")), (10, 2));
}

/// Whether it was written nobody knows at first: it is reset once all the same.
// proves: B43
async fn a_reset_of_unknown_outcome_is_one_reset(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let till = cluster.get::<Till>("t");
    let receipt = till.add(5).send().await.unwrap();
    assert_eq!(receipt.outcome().await.unwrap(), 5);
    bed.door.hold_answers();
    let other = receipt.clone();
    let reset = spawn(async move { other.reset().await });
    bed.door.answers_held(1).await;
    bed.door.answer_with(unknown());
    bed.door.release();
    assert!(reset.await.unwrap().unwrap());
    assert_eq!(receipt.outcome().await.unwrap(), 10);
    settle().await;
    assert_eq!((till.sum().await.unwrap(), probe.count("add")), (10, 2));
}

backends!(on disk: the_choice_of_a_transaction_holds_on_retries_and_new_owners);

mod everywhere {
    use super::{a_reset_of_unknown_outcome_is_one_reset, a_reset_survives_a_crash_and_runs_once};
    use crate::support::backends;

    backends!(a_reset_survives_a_crash_and_runs_once, a_reset_of_unknown_outcome_is_one_reset);
}
