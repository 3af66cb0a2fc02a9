//! What is stored can be read for ever, and what cannot be read stops nothing else.

use std::time::Duration;

use cluster::storage::Missing;
use cluster::{Cluster, ClusterError, EntityOptions, Hold};
use cluster_core::codec::fingerprint_of;
use futures_util::StreamExt;

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
    let told = cart.note().await;
    assert!(matches!(told, Err(ClusterError::IncompatibleContract { .. })), "{told:?}");
    let told = cart.add(1).key("k").await;
    assert!(matches!(told, Err(ClusterError::Held { .. })), "{told:?}");
    drop(cart);
    cluster.shutdown().await.unwrap();
    drop(cluster);

    let cluster = bed.start_impatient(|builder| builder.entity::<before::Cart>()).await;
    let cart = cluster.get::<before::Cart>("c");
    assert_eq!(cart.add(1).key("k").await.unwrap(), 3, "accepted then, run now");
    assert_eq!(cart.add(4).await.unwrap(), 7);
}

async fn held(cluster: &Cluster) -> Vec<Hold> {
    cluster.holds().list().map(Result::unwrap).collect().await
}

/// Those too for which there was no room in the mailbox.
// proves: B97
async fn requests_of_a_state_that_cannot_be_read_are_held_for_a_program_that_can(bed: Bed) {
    let bed = bed.with_virtual_time();
    let hour = Duration::from_secs(3_600);
    let cluster = bed.start_impatient(|builder| builder.entity::<before::Cart>()).await;
    let cart = cluster.get::<before::Cart>("c");
    assert_eq!(cart.add(2).await.unwrap(), 2);
    for pieces in 1..=10 {
        cart.add(pieces).after(hour).send().await.unwrap();
    }
    drop((cart, cluster));

    let mut since = Vec::new();
    for _ in 0..2 {
        bed.time().advance(hour);
        let few = |config: &mut cluster::Config| config.mailbox = 2;
        let start = bed.start_impatient(|builder| builder.config(few).entity::<after::Cart>());
        let cluster = start.await;
        if since.is_empty() {
            for _ in 0..10 {
                cluster.get::<after::Cart>("c").add(100).send().await.unwrap();
            }
        }
        bed.settle().await;
        assert_eq!(cluster.get::<after::Cart>("other").add(1).key("k").await.unwrap(), 1);
        let holds = held(&cluster).await;
        assert_eq!(holds.len(), 20);
        for hold in &holds {
            let Missing::Contract(why) = hold.missing() else { panic!("{hold:?}") };
            assert!(why.contains("the state of Cart/c"), "{why}");
        }
        since.push(holds.iter().map(|hold| hold.held_at()).collect::<Vec<_>>());
    }
    assert_eq!(since[0], since[1], "a start that cannot read it either changes nothing");

    let cluster = bed.start_impatient(|builder| builder.entity::<before::Cart>()).await;
    cluster.caught_up().await.unwrap();
    assert_eq!(cluster.get::<before::Cart>("c").add(0).await.unwrap(), 2 + 55 + 1_000);
    assert!(held(&cluster).await.is_empty());
}

backends!(
    the_shape_of_every_stored_payload_is_stored,
    a_state_of_another_shape_is_told_and_kept,
    requests_of_a_state_that_cannot_be_read_are_held_for_a_program_that_can,
);

mod unreadable {
    use super::{a_request_that_cannot_be_read_keeps_none_behind_it_from_running, backends};
    backends!(on disk: a_request_that_cannot_be_read_keeps_none_behind_it_from_running);
}
