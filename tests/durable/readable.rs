//! What is stored can be read for ever, and what cannot be read stops nothing else.

use cluster::EntityOptions;
use cluster_core::codec::fingerprint_of;
use sqlx::{ConnectOptions, Executor, sqlite::SqliteConnectOptions};

use crate::support::{Bed, Desk, DeskFile, Probe, backends, on_sqlite, start, start_with};

async fn the_shape_of_every_stored_payload_is_stored(bed: Bed) {
    let probe = Probe::default();
    let defect =
        EntityOptions { on_panic: Some(cluster::OnPanic::Defect), ..EntityOptions::DEFAULT };
    let cluster = start_with(&bed, &probe, |builder| builder.options::<Desk>(defect)).await;
    let desk = cluster.get::<Desk>("d");
    desk.file("fine".into()).await.unwrap();
    probe.panic_at("bad", 1);
    assert!(desk.file("bad".into()).await.is_err());
    cluster.shutdown().await.unwrap();
    drop((desk, cluster));

    let commits = bed.door.commits();
    let outcomes = commits.iter().flat_map(|batch| &batch.outcomes);
    let outcomes = outcomes.map(|row| row.outcome.payload.clone());
    let states = commits.iter().flat_map(|batch| &batch.states).map(|state| state.payload.clone());
    let requests = commits.iter().flat_map(|batch| &batch.accepts);
    let requests = requests.map(|row| row.arguments.clone());
    let payloads: Vec<_> = outcomes.chain(states).chain(requests).collect();
    assert!(payloads.len() >= 5, "{payloads:?}");
    let storage = bed.open().await;
    for payload in payloads {
        let fingerprint = fingerprint_of(&payload).unwrap();
        let shape = storage.load_shape(fingerprint.as_u64()).await.unwrap();
        assert!(shape.is_some(), "{fingerprint:?} is told nowhere");
    }
}

async fn a_request_that_cannot_be_read_keeps_none_behind_it_from_running(bed: Bed) {
    let probe = Probe::default();
    let mut receipts = Vec::new();
    {
        let cluster = start(&bed, &probe).await;
        probe.close("0");
        for number in 0..4 {
            let desk = cluster.get::<Desk>("one");
            receipts.push(desk.file(number.to_string()).send().await.unwrap().id());
            probe.wait_for("0", 1).await;
        }
        // It ends with all of them to be run.
    }
    // As a later version might write it, or a broken disk.
    drop(bed.open().await);
    let mut file = SqliteConnectOptions::new().filename(bed.database()).connect().await.unwrap();
    let spoil = "UPDATE cluster_request SET headers = 'no headers' \
        WHERE seq = (SELECT MIN(seq) FROM cluster_pending)";
    assert_eq!(file.execute(spoil).await.unwrap().rows_affected(), 1);
    drop(file);

    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    for (at, id) in receipts.iter().enumerate().skip(1) {
        let outcome = cluster.receipt::<DeskFile>(*id).outcome().await;
        assert!(outcome.is_ok(), "{at}: {outcome:?}");
    }
    let late = cluster.get::<Desk>("one").file("late".into()).await.unwrap();
    assert_eq!(late, 4);
    assert_eq!(probe.count("0"), 0);
}

backends!(the_shape_of_every_stored_payload_is_stored);

mod unreadable {
    use super::{a_request_that_cannot_be_read_keeps_none_behind_it_from_running, on_sqlite};
    on_sqlite!(a_request_that_cannot_be_read_keeps_none_behind_it_from_running);
}
