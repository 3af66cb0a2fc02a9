//! At the limit of entities in memory.

use cluster::prelude::*;
use cluster::{Cluster, ClusterBuilder};
use futures_util::future::join_all;

use crate::support::{Bed, Gate, Lives, backends, is_waiting, settle, watched};

/// An entity that can be kept busy.
#[derive(Entity)]
struct Guest {
    #[state]
    calls: u32,
    gate: Gate,
    _life: crate::support::Life,
}

#[entity]
impl Guest {
    #[message]
    fn call(&mut self) -> u32 {
        self.calls += 1;
        self.calls
    }

    #[message(persisted)]
    fn call_durably(&mut self) -> u32 {
        self.calls += 1;
        self.calls
    }

    /// Reads until the gate is open.
    #[message]
    async fn stay(&self) {
        self.gate.pass().await;
    }
}

const MAX: usize = 3;

async fn host(bed: &Bed, gate: &Gate, lives: &Lives) -> Cluster {
    let (gate, lives) = (gate.clone(), lives.clone());
    let factory = move |id: &EntityId| Guest {
        calls: 0,
        gate: gate.clone(),
        _life: lives.begin(id.as_str()),
    };
    let limited =
        |builder: ClusterBuilder| builder.config(|config| config.resident_entities_max = MAX);
    bed.start(|builder| limited(builder.entity_with::<Guest>(factory))).await
}

// proves: B59
async fn idle_entities_make_room_for_others(bed: Bed) {
    let (gate, lives) = (Gate::default(), Lives::default());
    let cluster = host(&bed, &gate, &lives).await;
    let mut busy = Box::pin(cluster.get::<Guest>("busy").stay().into_future());
    assert!(is_waiting(&mut busy).await);
    for round in 1..=3 {
        for number in 0..10 {
            let guest = cluster.get::<Guest>(format!("g{number}"));
            assert_eq!(watched(guest.call_durably()).await.unwrap(), round);
            assert!(cluster.stats().resident_entities <= MAX);
            assert!(lives.now() <= MAX);
        }
    }
    // Whoever was busy has never left.
    assert!(is_waiting(&mut busy).await);
    assert_eq!(lives.doubles(), 0);
    gate.open();
    watched(busy).await.unwrap();
}

// proves: B59
async fn where_nobody_is_idle_residents_are_served_and_others_wait(bed: Bed) {
    let (gate, lives) = (Gate::default(), Lives::default());
    let cluster = host(&bed, &gate, &lives).await;
    let residents: Vec<_> =
        (0..MAX).map(|number| cluster.get::<Guest>(format!("resident {number}"))).collect();
    let mut stays = Vec::new();
    for resident in &residents {
        let mut stay = Box::pin(resident.stay().into_future());
        assert!(is_waiting(&mut stay).await);
        stays.push(stay);
    }
    settle().await;
    while lives.now() < MAX {
        tokio::task::yield_now().await;
    }

    let refused = watched(cluster.get::<Guest>("new").call()).await;
    let limit = "resident_entities_max";
    assert!(
        matches!(refused, Err(ClusterError::LimitExceeded { limit: name, max: MAX, .. })
            if name == limit),
        "{refused:?}"
    );
    let mut waiting = Vec::new();
    for number in 0..20 {
        let guest = cluster.get::<Guest>(format!("w{}", number % 10));
        waiting.push(guest.call_durably().send().await.unwrap());
    }
    let mut outcomes = Box::pin(join_all(waiting.iter().map(|receipt| receipt.outcome())));
    assert!(is_waiting(&mut outcomes).await);
    for resident in &residents {
        // A second reader: residents keep being served.
        let mut second = Box::pin(resident.stay().into_future());
        assert!(is_waiting(&mut second).await);
        stays.push(second);
    }
    assert_eq!(lives.now(), MAX);

    gate.open();
    assert!(watched(join_all(stays)).await.iter().all(Result::is_ok));
    let outcomes = watched(outcomes).await;
    let expected = [[1; 10], [2; 10]].concat();
    assert_eq!(outcomes.into_iter().map(Result::unwrap).collect::<Vec<_>>(), expected);
    assert_eq!(watched(cluster.get::<Guest>("new").call()).await.unwrap(), 1);
    assert_eq!(lives.doubles(), 0);
}

backends!(
    idle_entities_make_room_for_others,
    where_nobody_is_idle_residents_are_served_and_others_wait,
);
