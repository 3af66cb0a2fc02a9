//! The same promises when a process dies for real: SIGKILL, then a new start on the same database.

use cluster::prelude::*;

use crate::entities::{Clock, End, Order, rung, start};
use crate::support::{Bed, Victim, backends, be_victim, say, soon, until};

/// Not a test by itself: what the process does that is to die.
#[test]
fn victim() {
    be_victim(async |scenario, bed| {
        let cluster = start(bed).await;
        let clock = cluster.get::<Clock>("c");
        let every = |what: &str, ms| Order::Every(what.to_owned(), ms);
        match scenario {
            "before" => {
                bed.probe.close("order");
                clock.order(every("tick", 1_000), End::Ok).send().await.unwrap();
                bed.probe.wait_for("order", 1).await;
            }
            "after" => {
                bed.door.hold_answers();
                let receipt = clock.order(every("tick", 1_000), End::Ok).send();
                let call = tokio::spawn(async move { receipt.await });
                // Its acceptance, then its end.
                bed.door.answers_held(1).await;
                bed.door.pass_one();
                bed.door.answers_held(1).await;
                drop(call);
            }
            "in the middle" => {
                bed.probe.close("tick");
                bed.probe.wait_for("tick", 1).await;
            }
            "at the end" => {
                bed.probe.close("tick");
                bed.probe.wait_for("tick", 1).await;
                bed.door.hold_answers();
                bed.probe.open("tick");
                bed.door.answers_held(1).await;
            }
            "cleared" => {
                clock.order(Order::Clear, End::Ok).await.unwrap();
            }
            other => panic!("no such scenario: {other}"),
        }
        say(scenario);
        std::future::pending::<()>().await;
    });
}

fn kill_in(scenario: &str, bed: &Bed) {
    let mut victim = Victim::start(scenario, bed);
    victim.wait_for(scenario);
    victim.kill();
}

// proves: B82
async fn a_reminder_is_there_once_however_often_its_process_is_killed(bed: Bed) {
    // Before the commit that sets it, and after; in its handler, twice, and at the end of that.
    for scenario in ["before", "after", "in the middle", "in the middle", "at the end"] {
        kill_in(scenario, &bed);
    }
    soon(async {
        let cluster = start(&bed).await;
        // It is set by two requests now, the second in the place of the first; one series.
        bed.probe.wait_for("tick", 2).await;
        let come = rung(&cluster).await.len();
        let rows = bed.door.commits();
        let ended: usize = rows.iter().map(|batch| batch.outcomes.len()).sum();
        let next: usize = rows
            .iter()
            .flat_map(|batch| &batch.accepts)
            .filter(|row| row.reminder.is_some())
            .count();
        assert!(ended >= 1 && next <= ended + 1, "{next} set by {ended} ends");
        assert!(come >= 2, "one has come before, and it goes on: {come}");
        drop(cluster);
        // Another process can have the file then.
        until(|| !bed.is_held()).await;
    })
    .await;
    kill_in("cleared", &bed);
    soon(async {
        let cluster = start(&bed).await;
        let come = rung(&cluster).await.len();
        bed.clock().sleep(Duration::from_millis(1_500)).await;
        assert_eq!(rung(&cluster).await.len(), come, "it was cleared");
        let stored = cluster.caught_up().await;
        stored.unwrap();
    })
    .await;
}

backends!(on disk:
    a_reminder_is_there_once_however_often_its_process_is_killed,
);
