//! What is stored can be read for ever, and what cannot be read stops nothing else.

use cluster::{ClusterError, EntityOptions};
use cluster_core::codec::fingerprint_of;

use crate::entities::{Desk, DeskFile, start, start_with};
use crate::support::{Bed, Probe, backends};

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
    let mut user = bed.user().await;
    let first = user.numbers("SELECT MIN(seq) FROM cluster_request").await[0];
    let spoil = format!("UPDATE cluster_request SET headers = 'no headers' WHERE seq = {first}");
    user.run(&spoil).await;
    drop(user);

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

mod before {
    use cluster::prelude::*;

    #[derive(Entity, Default, Serialize, Deserialize)]
    #[entity(durable)]
    pub(super) struct Cart {
        pieces: u32,
    }

    #[entity]
    impl Cart {
        #[message(persisted)]
        pub(super) fn add(&mut self, pieces: u32) -> u32 {
            self.pieces += pieces;
            self.pieces
        }
    }
}

mod after {
    use cluster::prelude::*;

    #[derive(Entity, Default, Serialize, Deserialize)]
    #[entity(durable)]
    pub(super) struct Cart {
        pieces: u32,
        note: String,
    }

    #[entity]
    impl Cart {
        #[message(persisted)]
        pub(super) fn add(&mut self, pieces: u32) -> u32 {
            self.pieces += pieces;
            self.pieces
        }

        #[message]
        pub(super) fn note(&self) -> String {
            self.note.clone()
        }
    }
}

// A state that this binary cannot read is told at once, and nothing is lost by it.
async fn a_state_of_another_shape_is_told_and_kept(bed: Bed) {
    let cluster = bed.start_impatient(|builder| builder.entity::<before::Cart>()).await;
    assert_eq!(cluster.get::<before::Cart>("c").add(2).await.unwrap(), 2);
    cluster.shutdown().await.unwrap();
    drop(cluster);

    let cluster = bed.start_impatient(|builder| builder.entity::<after::Cart>()).await;
    let cart = cluster.get::<after::Cart>("c");
    for told in [cart.note().await.map(drop), cart.add(1).key("k").await.map(drop)] {
        assert!(matches!(told, Err(ClusterError::IncompatibleContract { .. })), "{told:?}");
    }
    drop(cart);
    cluster.shutdown().await.unwrap();
    drop(cluster);

    let cluster = bed.start_impatient(|builder| builder.entity::<before::Cart>()).await;
    let cart = cluster.get::<before::Cart>("c");
    assert_eq!(cart.add(1).key("k").await.unwrap(), 3, "accepted then, run now");
    assert_eq!(cart.add(4).await.unwrap(), 7);
}

backends!(the_shape_of_every_stored_payload_is_stored, a_state_of_another_shape_is_told_and_kept);

mod unreadable {
    use super::{a_request_that_cannot_be_read_keeps_none_behind_it_from_running, backends};
    backends!(on disk: a_request_that_cannot_be_read_keeps_none_behind_it_from_running);
}
