//! What a handler sends leaves with its commit and arrives once, or never.

use cluster::storage::{Fault, Write};
use tokio::spawn;

use crate::entities::{Counter, Desk, start};
use crate::support::{Bed, Probe, backends, settle};

// proves: B50
async fn a_message_arrives_though_its_sender_dies_after_the_commit(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    // What a start still loads may run before its commit is told.
    bed.settle().await;
    let desk = cluster.get::<Desk>("d");
    probe.close("paper");
    let receipt = desk.file_and_send("paper".into(), "other".into()).send().await.unwrap();
    probe.wait_for("paper", 1).await;
    bed.door.hold_answers();
    probe.open("paper");
    bed.door.answers_held(1).await;
    assert_eq!(probe.count("copy of paper"), 0);
    drop((desk, cluster, receipt));
    settle().await;
    bed.door.release();

    let cluster = start(&bed, &probe).await;
    probe.wait_for("copy of paper!", 1).await;
    assert_eq!(cluster.get::<Desk>("other").file("next".into()).await.unwrap(), 2);
    assert_eq!((probe.count("paper"), probe.count("copy of paper")), (1, 1));
}

// proves: B50
async fn a_message_arrives_once_though_its_sender_dies_before_the_commit(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("paper");
    let receipt = desk.file_and_send("paper".into(), "other".into()).send().await.unwrap();
    probe.wait_for("paper", 1).await;
    drop((desk, cluster, receipt));
    let cluster = start(&bed, &probe).await;
    probe.open("paper");
    probe.wait_for("copy of paper!", 1).await;
    assert_eq!(cluster.get::<Desk>("other").file("next".into()).await.unwrap(), 2);
    assert_eq!((probe.count("paper"), probe.count("copy of paper")), (2, 1));
}

// proves: B50
async fn messages_arrive_once_whatever_becomes_known_of_their_commits(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let (one, other) = (cluster.get::<Counter>("one"), cluster.get::<Counter>("other"));
    for fault in [Fault::DoneUnknown, Fault::LostUnknown, Fault::LateUnknown, Fault::Refused] {
        for _ in 0..20 {
            let receipt = one.give("other".into(), 1).send().await.unwrap();
            bed.faulty().fail_next(Write::Commit, fault, 1);
            receipt.outcome().await.unwrap();
        }
    }
    other.add(0).await.unwrap();
    assert_eq!((one.value().await.unwrap(), other.value().await.unwrap()), (-80, 80));
}

// proves: B50
async fn a_thousand_transfers_between_entities_keep_the_sum(bed: Bed) {
    let probe = Probe::default();
    let mut cluster = start(&bed, &probe).await;
    for round in 0..4 {
        let givers = (0..25).map(|giver| {
            let counter = cluster.get::<Counter>(format!("c{giver}"));
            spawn(async move {
                for n in 0..10 {
                    let to = format!("c{}", (giver * 7 + n * 3 + 1) % 25);
                    let key = format!("{round}/{giver}/{n}");
                    // The cluster ends while some of them are under way.
                    let _ = counter.give(to, 1).key(key).send().await;
                }
            })
        });
        let givers: Vec<_> = givers.collect();
        let half = round % 2 == 0;
        for giver in givers {
            if half {
                tokio::task::yield_now().await;
                giver.abort();
            } else {
                giver.await.unwrap();
            }
        }
        drop(cluster);
        cluster = start(&bed, &probe).await;
    }
    cluster.shutdown().await.unwrap();
    drop(cluster);
    let cluster = start(&bed, &probe).await;
    // Requests first, then what they have sent.
    for _ in 0..2 {
        for n in 0..25 {
            cluster.get::<Counter>(format!("c{n}")).add(0).await.unwrap();
        }
    }
    let mut sum = 0;
    for n in 0..25 {
        sum += cluster.get::<Counter>(format!("c{n}")).value().await.unwrap();
    }
    assert_eq!(sum, 0);
}

backends!(
    a_message_arrives_though_its_sender_dies_after_the_commit,
    a_message_arrives_once_though_its_sender_dies_before_the_commit,
    messages_arrive_once_whatever_becomes_known_of_their_commits,
    a_thousand_transfers_between_entities_keep_the_sum,
);
