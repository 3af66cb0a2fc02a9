//! `Cluster::caught_up` ends when nothing that was accepted is left to do: whoever sent it, from
//! whatever process, and whether anybody waits for it.

use cluster::ClusterError;

use crate::entities::{Counter, Desk, start};
use crate::support::{Bed, Probe, Reading, Side, backends, is_waiting, unknown};

async fn it_waits_for_what_handlers_have_sent(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.close("copy of paper");
    cluster.get::<Desk>("a").file_and_send("paper".into(), "b".into()).await.unwrap();

    let mut caught_up = Box::pin(cluster.caught_up());
    probe.wait_for("copy of paper", 1).await;
    assert!(is_waiting(&mut caught_up).await, "the copy is not filed yet");
    probe.open("copy of paper");
    caught_up.await.unwrap();
    assert_eq!(cluster.get::<Desk>("b").papers().await.unwrap(), ["copy of paper"]);
    cluster.caught_up().await.unwrap();
}

async fn it_waits_for_what_an_earlier_process_has_left_behind(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.close("paper");
    for number in 0..10 {
        cluster.get::<Desk>(number.to_string()).file("paper".into()).send().await.unwrap();
    }
    drop(cluster);

    let cluster = start(&bed, &probe).await;
    let mut caught_up = Box::pin(cluster.caught_up());
    assert!(is_waiting(&mut caught_up).await, "ten papers are not filed yet");
    probe.open("paper");
    caught_up.await.unwrap();
    for number in 0..10 {
        assert_eq!(cluster.get::<Desk>(number.to_string()).papers().await.unwrap(), ["paper"]);
    }
}

async fn it_waits_for_back_off_and_not_for_dead_letters(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    // Three attempts: the one request comes through with its last, the other is given up.
    probe.panic_at("late", 2);
    probe.panic_at("never", 3);
    let desk = cluster.get::<Desk>("d");
    desk.file("late".into()).send().await.unwrap();
    desk.file("never".into()).send().await.unwrap();

    cluster.caught_up().await.unwrap();
    assert_eq!(probe.count("never"), 3);
    assert_eq!(desk.papers().await.unwrap(), ["late"]);
}

/// The database knows of the raised fence, and the runner not yet.
async fn it_waits_while_the_fence_is_being_raised(bed: Bed) {
    let cluster = start(&bed, &Probe::default()).await;
    cluster.caught_up().await.unwrap();
    bed.door.hold(Side::After);
    bed.door.stop("raise_fence", Reading::After);
    let counter = cluster.get::<Counter>("c");
    let add = tokio::spawn(async move { counter.add(1).await });
    bed.door.held(Side::After, 1).await;
    bed.door.fail_at(Side::After, unknown());
    bed.door.stopped("raise_fence", Reading::After, 1).await;
    let mut caught_up = Box::pin(cluster.caught_up());
    assert!(is_waiting(&mut caught_up).await, "it is not known whether it owns anything");
    bed.door.go_on("raise_fence");
    bed.door.release();
    caught_up.await.unwrap();
    assert_eq!(add.await.unwrap().unwrap(), 1);
}

async fn it_is_at_once_where_nothing_is_left(bed: Bed) {
    let cluster = start(&bed, &Probe::default()).await;
    cluster.caught_up().await.unwrap();
    cluster.get::<Counter>("c").add(1).await.unwrap();
    cluster.caught_up().await.unwrap();
}

async fn it_ends_with_the_cluster(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.close("paper");
    cluster.get::<Desk>("d").file("paper".into()).send().await.unwrap();
    let mut caught_up = Box::pin(cluster.caught_up());
    probe.wait_for("paper", 1).await;
    assert!(is_waiting(&mut caught_up).await);

    let shutdown = cluster.shutdown();
    probe.open("paper");
    let (ended, shut_down) = tokio::join!(caught_up, shutdown);
    shut_down.unwrap();
    // The shutdown lets the handler finish, so either end is a true one.
    if let Err(error) = ended {
        assert!(matches!(error, cluster::Error::Cluster(ClusterError::ShuttingDown)), "{error:?}");
    }
    assert!(cluster.caught_up().await.is_err(), "nobody knows any more");
}

backends!(
    it_waits_for_what_handlers_have_sent,
    it_waits_for_what_an_earlier_process_has_left_behind,
    it_waits_for_back_off_and_not_for_dead_letters,
    it_waits_while_the_fence_is_being_raised,
    it_is_at_once_where_nothing_is_left,
    it_ends_with_the_cluster,
);
