//! Far more requests wait for their time than may be in memory: those in the near future are, the
//! others cost nothing, and nobody polls for them.

use std::sync::{Arc, Mutex};

use cluster::prelude::*;
use cluster::time::Timestamp;
use futures_util::future::join_all;

use crate::support::{Bed, backends};

/// How many may be in memory.
const ARMED_MAX: usize = 500;
const REQUESTS: u32 = 20_000;
/// How many are handed over at once.
const AT_ONCE: u32 = 1_000;
/// They are due at full hours.
const HOUR: Duration = Duration::from_secs(3_600);
const HOURS: u32 = 40;

/// The hours that were rung, in order.
type Rung = Arc<Mutex<Vec<u32>>>;

#[derive(Entity)]
struct Belfry(Rung);

#[entity]
impl Belfry {
    #[message(persisted)]
    fn ring(&self, hour: u32) {
        self.0.lock().unwrap().push(hour);
    }
}

async fn start(bed: &Bed, rung: &Rung) -> Cluster {
    let rung = rung.clone();
    bed.start(|builder| {
        builder
            .config(|config| config.schedule_max = ARMED_MAX)
            .entity_with::<Belfry>(move |_| Belfry(rung.clone()))
    })
    .await
}

// proves: B78, B79
async fn only_the_near_future_is_in_memory_and_nobody_polls(bed: Bed) {
    let bed = bed.with_virtual_time();
    let rung = Rung::default();
    let cluster = start(&bed, &rung).await;
    let begin = bed.clock().wall();
    // In no order.
    let hour_of = |number: u32| number.wrapping_mul(7_919) % HOURS + 1;
    for first in (0..REQUESTS).step_by(AT_ONCE as usize) {
        let sent = (first..first + AT_ONCE).map(|number| {
            let belfry = cluster.get::<Belfry>((number % 100).to_string());
            let hour = hour_of(number);
            let at: Timestamp = begin.after(hour * HOUR);
            async move { belfry.ring(hour).at(at).send().await.unwrap() }
        });
        drop(join_all(sent).await);
        assert!(cluster.stats().armed_requests <= ARMED_MAX);
    }
    bed.settle().await;
    assert!(cluster.stats().armed_requests > 0);
    drop(cluster);

    // Those that are due next are found again, and no others.
    let cluster = start(&bed, &rung).await;
    bed.settle().await;
    let per_hour = (REQUESTS / HOURS) as usize;
    for hour in 1..=HOURS {
        let armed = cluster.stats().armed_requests;
        assert!(armed > 0 && armed <= ARMED_MAX, "{armed} before {hour}");
        let asked = bed.door.calls("load_due");
        bed.advance(HOUR - Duration::from_millis(1)).await;
        assert_eq!(bed.door.calls("load_due"), asked, "nothing is asked while nothing is due");
        assert_eq!(rung.lock().unwrap().len(), (hour - 1) as usize * per_hour);
        bed.advance(Duration::from_millis(1)).await;
        cluster.caught_up().await.unwrap();
        bed.settle().await;
        assert_eq!(rung.lock().unwrap().len(), hour as usize * per_hour);
    }
    assert!(rung.lock().unwrap().is_sorted(), "they start in the order of their times");
    assert_eq!(cluster.stats().armed_requests, 0);
}

backends!(only_the_near_future_is_in_memory_and_nobody_polls);
