//! A start: entities that are still to be made, of types that know each other.

use cluster::prelude::*;
use tokio::spawn;

use crate::support::{Bed, Probe, Reading, backends, is_waiting};

/// Registered first; runs what was stored by telling one that is registered last.
#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Relay {
    told: usize,
}

#[entity]
impl Relay {
    #[message(persisted)]
    async fn pass_on(&mut self, ctx: &Context, word: String) -> Result<usize, CallError<String>> {
        self.told = ctx.get::<Listener>("l").hear(word).await.or_retry()?;
        Ok(self.told)
    }
}

#[derive(Entity)]
struct Listener {
    #[state]
    heard: Vec<String>,
}

#[entity]
impl Listener {
    #[message(persisted)]
    fn hear(&mut self, word: String) -> usize {
        self.heard.push(word);
        self.heard.len()
    }

    #[message]
    fn heard(&self) -> Vec<String> {
        self.heard.clone()
    }
}

async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    let probe = probe.clone();
    bed.start_impatient(|builder| {
        builder.entity::<Relay>().try_entity_with::<Listener, _>(move |_| {
            probe.note("made");
            probe.trouble("make").map(|()| Listener { heard: Vec::new() })
        })
    })
    .await
}

// proves: B70, B99
async fn what_comes_while_entities_are_made_waits_and_runs(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    // Stored, and not run before the process ends.
    bed.door.hold_answers();
    for n in 0..3 {
        let relay = cluster.get::<Relay>(format!("r{n}"));
        drop(spawn(async move { relay.pass_on(format!("stored {n}")).send().await.map(drop) }));
    }
    bed.door.answers_held(1).await;
    drop(cluster);
    bed.settle().await;
    bed.door.release();
    let stored = bed.door.accepts();
    assert!(stored > 0);

    probe.trouble_at("make", 3);
    bed.door.stop("load_states", Reading::Before);
    let cluster = start(&bed, &probe).await;
    let listener = cluster.get::<Listener>("l");
    let called = listener.clone();
    let mut called = Box::pin(spawn(async move { called.hear("called".into()).await }));
    let asked = listener.clone();
    let mut asked = Box::pin(spawn(async move { asked.heard().await }));
    bed.settle().await;
    assert!(is_waiting(&mut called).await && is_waiting(&mut asked).await);
    assert_eq!(probe.count("made"), 0);
    bed.door.go_on("load_states");
    called.await.unwrap().unwrap();
    asked.await.unwrap().unwrap();
    cluster.caught_up().await.unwrap();
    assert_eq!(probe.count("made"), 4, "three of them in vain");
    let mut heard = listener.heard().await.unwrap();
    heard.sort();
    let mut expected: Vec<_> = (0..stored).map(|n| format!("stored {n}")).collect();
    expected.insert(0, "called".into());
    assert_eq!(heard, expected);
    assert_eq!(bed.door.attempts(), 0, "none of it was an error");
}

/// A factory may meet trouble of the cluster as any other: it is asked again.
// proves: B70
async fn trouble_of_the_cluster_in_a_factory_is_passing(bed: Bed) {
    let probe = Probe::default();
    let made = probe.clone();
    let cluster = bed
        .start_impatient(|builder| {
            builder.try_entity_with::<Listener, _>(move |_| {
                let trouble = made.trouble("make");
                trouble.map_err(|_| ClusterError::ShuttingDown)?;
                Ok::<_, ClusterError>(Listener { heard: Vec::new() })
            })
        })
        .await;
    probe.trouble_at("make", 2);
    let listener = cluster.get::<Listener>("l");
    assert_eq!(listener.hear("one".into()).await.unwrap(), 1);
    assert_eq!(listener.heard().await.unwrap(), ["one"]);
}

backends!(
    what_comes_while_entities_are_made_waits_and_runs,
    trouble_of_the_cluster_in_a_factory_is_passing,
);
