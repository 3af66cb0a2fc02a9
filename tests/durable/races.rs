//! What comes at the same moment: cancels, redrives, pages of the storage and attempts.

use cluster::prelude::*;
use cluster::{Cancelled, ClusterBuilder, DeadLetter};
use futures_util::StreamExt;
use tokio::spawn;

use crate::entities::{Counter, Desk, start, start_with};
use crate::support::{Bed, Probe, Reading, backends, settle};

const HOUR: Duration = Duration::from_secs(3_600);

async fn only_letter(cluster: &Cluster) -> DeadLetter {
    let letters: Vec<_> = cluster.dead_letters().list().map(Result::unwrap).collect().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    letters.into_iter().next().unwrap()
}

/// Who asks for a cancel has it: neither it nor the request is lost because the storage is away.
// proves: B81, B83, B85
async fn a_cancel_that_cannot_be_written_at_once_is_written_later(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|c| c.commit_attempts = 1)).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("first");
    let first = desk.file("first".into()).send().await.unwrap();
    probe.wait_for("first", 1).await;
    let queued = desk.file("queued".into()).send().await.unwrap();
    let scheduled = desk.file("scheduled".into()).after(HOUR).send().await.unwrap();
    for receipt in [queued, scheduled] {
        bed.door.fail("commit", 3);
        assert_eq!(receipt.cancel().await.unwrap(), Cancelled::Interrupted);
        assert_eq!(bed.door.failures_left("commit"), 0);
        let outcome = receipt.outcome().await;
        assert!(matches!(outcome, Err(ClusterError::Interrupted)), "{outcome:?}");
    }
    probe.open("first");
    assert_eq!(first.outcome().await.unwrap(), 1);
    assert_eq!(probe.count("queued"), 0);
}

/// A page of the entity's own requests, read before the cancel, comes after it.
// proves: B83, B86
async fn a_page_that_was_read_before_a_cancel_does_not_start_it(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|config| config.mailbox = 2)).await;
    let desk = cluster.get::<Desk>("d");
    cluster.caught_up().await.unwrap();
    probe.close("0");
    probe.close("1");
    let mut receipts = Vec::new();
    for n in 0..6 {
        receipts.push(desk.file(n.to_string()).send().await.unwrap());
    }
    probe.wait_for("0", 1).await;
    bed.door.stop("load_pending", Reading::After);
    probe.open("0");
    probe.wait_for("1", 1).await;
    bed.door.stopped("load_pending", Reading::After, 1).await;
    assert_eq!(receipts[3].cancel().await.unwrap(), Cancelled::Interrupted);
    bed.door.go_on("load_pending");
    probe.open("1");
    assert_eq!(receipts[5].outcome().await.unwrap(), 5);
    assert_eq!(desk.papers().await.unwrap(), ["0", "1", "2", "4", "5"]);
    assert_eq!(probe.count("3"), 0);
}

/// Many become due in one moment; the last of them is cancelled while the others start.
// proves: B81, B84
async fn one_that_is_cancelled_as_it_becomes_due_has_one_end(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let many = 3_000_i64;
    let mut sends = Vec::new();
    for n in 0..many {
        let counter = cluster.get::<Counter>(format!("c{n}"));
        sends.push(spawn(async move { counter.add(1).after(HOUR).send().await.unwrap() }));
    }
    let mut receipts = Vec::new();
    for sent in sends {
        receipts.push(sent.await.unwrap());
    }
    bed.settle().await;
    bed.time().advance(HOUR);
    let mut ends = Vec::new();
    for receipt in receipts.into_iter().rev().step_by(50) {
        ends.push(spawn(async move {
            let cancelled = receipt.cancel().await.unwrap();
            match (cancelled, receipt.outcome().await) {
                (Cancelled::Completed, Ok(_)) => 1,
                (Cancelled::Interrupted, Err(ClusterError::Interrupted)) => 0,
                other => panic!("{other:?}"),
            }
        }));
    }
    let cancels = i64::try_from(ends.len()).unwrap();
    let mut completed = many - cancels;
    for end in ends {
        completed += end.await.unwrap();
    }
    cluster.caught_up().await.unwrap();
    let mut sum = 0;
    for n in 0..many {
        sum += cluster.get::<Counter>(format!("c{n}")).value().await.unwrap();
    }
    assert_eq!(sum, completed);
}

/// As many are scheduled as the memory holds: what is to run now does.
// proves: B93, B78
async fn a_full_schedule_keeps_no_redriven_request_waiting(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|config| config.schedule_max = 4)).await;
    let desk = cluster.get::<Desk>("d");
    for n in 0..8_u32 {
        desk.file(format!("far {n}")).after(HOUR * (n + 1)).send().await.unwrap();
    }
    probe.panic_at("paper", 3);
    let receipt = desk.file("paper".into()).send().await.unwrap();
    receipt.outcome().await.unwrap_err();
    only_letter(&cluster).await.redrive().await.unwrap();
    assert_eq!(receipt.outcome().await.unwrap(), 1);
    let near = desk.file("near".into()).after(Duration::from_millis(1)).send().await.unwrap();
    assert_eq!(near.outcome().await.unwrap(), 2);
    assert!(receipt.reset().await.unwrap());
    assert_eq!(receipt.outcome().await.unwrap(), 3);
}

/// The page is read when the attempt is counted, and comes before that is told.
// proves: B90
async fn an_attempt_that_a_page_has_seen_first_is_not_run_twice(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    bed.door.stop("load_due", Reading::Before);
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("paper");
    probe.panic_at("paper!", 1);
    let receipt = desk.file("paper".into()).send().await.unwrap();
    probe.wait_for("paper", 1).await;
    bed.door.hold_answers();
    probe.open("paper");
    bed.door.answers_held(1).await;
    probe.close("paper!");
    bed.door.go_on("load_due");
    bed.settle().await;
    bed.advance(Duration::from_secs(1)).await;
    bed.door.release();
    bed.advance(Duration::from_secs(1)).await;
    probe.open("paper!");
    assert_eq!(receipt.outcome().await.unwrap(), 1);
    cluster.caught_up().await.unwrap();
    bed.settle().await;
    assert_eq!(desk.papers().await.unwrap(), ["paper"]);
    assert_eq!(probe.count("paper"), 2);
}

/// No time passes between the deaths, as where they follow each other quickly.
// proves: B93
async fn a_letter_of_an_earlier_death_redrives_nothing(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let once = |builder: ClusterBuilder| builder.config(|config| config.attempts = 1);
    let cluster = start_with(&bed, &probe, once).await;
    probe.panic_at("paper", 2);
    let receipt = cluster.get::<Desk>("d").file("paper".into()).send().await.unwrap();
    receipt.outcome().await.unwrap_err();
    let first = only_letter(&cluster).await;
    first.redrive().await.unwrap();
    receipt.outcome().await.unwrap_err();
    bed.settle().await;
    let second = only_letter(&cluster).await;
    first.redrive().await.unwrap();
    bed.settle().await;
    assert_eq!(probe.count("paper"), 2, "the first letter is gone");
    second.redrive().await.unwrap();
    assert_eq!(receipt.outcome().await.unwrap(), 1);
    assert_eq!(probe.count("paper"), 3);
}

/// Requests that are due at entities whose stored state cannot be read.
mod unreadable {
    use super::*;

    pub(super) mod old {
        use super::*;

        #[derive(Entity, Default, Serialize, Deserialize)]
        #[entity(durable)]
        pub(in crate::races) struct Shelf {
            books: String,
        }

        #[entity]
        impl Shelf {
            #[message(persisted)]
            pub(in crate::races) fn put(&mut self, book: u8) -> usize {
                self.books.push(char::from(book));
                self.books.len()
            }
        }
    }

    pub(super) mod new {
        use super::*;

        #[derive(Entity, Default, Serialize, Deserialize)]
        #[entity(durable)]
        pub(in crate::races) struct Shelf {
            books: Vec<u64>,
        }

        #[entity]
        impl Shelf {
            #[message(persisted)]
            pub(in crate::races) fn put(&mut self, book: u8) -> usize {
                self.books.push(book.into());
                self.books.len()
            }
        }
    }
}

// proves: B78
async fn what_cannot_be_brought_into_memory_keeps_no_place_of_the_schedule(bed: Bed) {
    use unreadable::{new, old};
    let bed = bed.with_virtual_time();
    let few = |builder: ClusterBuilder| builder.config(|config| config.schedule_max = 2);
    let cluster = bed.start(|builder| few(builder).entity::<old::Shelf>()).await;
    for n in 0..4 {
        assert_eq!(cluster.get::<old::Shelf>(format!("s{n}")).put(65).await.unwrap(), 1);
    }
    drop(cluster);
    let cluster = bed.start(|builder| few(builder).entity::<new::Shelf>()).await;
    for n in 0..4 {
        cluster.get::<new::Shelf>(format!("s{n}")).put(66).after(HOUR).send().await.unwrap();
    }
    let good = cluster.get::<new::Shelf>("good").put(66).after(2 * HOUR).send().await.unwrap();
    bed.advance(HOUR).await;
    settle().await;
    bed.advance(HOUR).await;
    assert_eq!(good.outcome().await.unwrap(), 1);
}

backends!(
    a_cancel_that_cannot_be_written_at_once_is_written_later,
    a_page_that_was_read_before_a_cancel_does_not_start_it,
    one_that_is_cancelled_as_it_becomes_due_has_one_end,
    a_full_schedule_keeps_no_redriven_request_waiting,
    an_attempt_that_a_page_has_seen_first_is_not_run_twice,
    a_letter_of_an_earlier_death_redrives_nothing,
    what_cannot_be_brought_into_memory_keeps_no_place_of_the_schedule,
);
