//! What a handler sends under a key of its own choice, when that key is known.

use cluster::prelude::*;
use tokio::spawn;

use crate::entities::{Counter, CounterAdd};
use crate::support::{Bed, Probe, backends};

/// Sends to counters.
#[derive(Entity)]
struct Sender {
    probe: Probe,
}

#[entity]
impl Sender {
    /// Sends each amount under the same key; gives the ids of the receipts.
    #[message(persisted)]
    async fn send(
        &mut self,
        ctx: &Context,
        key: String,
        amounts: Vec<i64>,
    ) -> Result<Vec<String>, CallError<String>> {
        let mut sent = Vec::new();
        for amount in amounts {
            let add = ctx.get::<Counter>("c").add(amount).key(key.as_str());
            match add.send().await {
                Ok(receipt) => sent.push(receipt.id().to_string()),
                Err(ClusterError::KeyConflict { key, .. }) => {
                    return Err(CallError::Entity(format!("{key:?} is taken")));
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.probe.pass("sent").await;
        Ok(sent)
    }

    /// Sends, and asks what became of it when the key is taken meanwhile.
    #[message(persisted)]
    async fn send_slowly(
        &mut self,
        ctx: &Context,
        key: String,
        amount: i64,
    ) -> Result<i64, CallError<String>> {
        let receipt = ctx.get::<Counter>("c").add(amount).key(key).send().await?;
        self.probe.pass("sent").await;
        // The request of this key has ended by now, whoever sent it.
        receipt.outcome().await.map_err(CallError::from)
    }
}

async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    let probe = probe.clone();
    let sender = move |_: &EntityId| Sender { probe: probe.clone() };
    bed.start_impatient(|builder| builder.entity::<Counter>().entity_with::<Sender>(sender)).await
}

// proves: B31, B51
async fn a_message_whose_key_is_known_is_the_request_of_that_key(bed: Bed) {
    let cluster = start(&bed, &Probe::default()).await;
    let (counter, sender) = (cluster.get::<Counter>("c"), cluster.get::<Sender>("s"));
    let first = counter.add(5).key("k").send().await.unwrap();
    assert_eq!(first.outcome().await.unwrap(), 5);
    let sent = sender.send("k".into(), vec![5, 5]).await.unwrap();
    assert_eq!(sent, [first.id().to_string(), first.id().to_string()]);
    // Also twice in one handler, and when it is not there yet.
    let sent = sender.send("new".into(), vec![2, 2]).await.unwrap();
    assert_eq!(sent[0], sent[1]);
    let receipt = cluster.receipt::<CounterAdd>(sent[0].parse().unwrap());
    assert_eq!(receipt.outcome().await.unwrap(), 7);
    assert_eq!(counter.value().await.unwrap(), 7);
}

// proves: B35
async fn a_message_whose_key_has_other_arguments_is_a_conflict_for_its_handler(bed: Bed) {
    let cluster = start(&bed, &Probe::default()).await;
    let (counter, sender) = (cluster.get::<Counter>("c"), cluster.get::<Sender>("s"));
    counter.add(5).key("k").await.unwrap();
    let taken = sender.send("k".into(), vec![6]).await;
    assert!(matches!(&taken, Err(CallError::Entity(text)) if text.contains("taken")), "{taken:?}");
    let taken = sender.send("new".into(), vec![1, 2]).await;
    assert!(matches!(&taken, Err(CallError::Entity(text)) if text.contains("taken")), "{taken:?}");
    cluster.caught_up().await.unwrap();
    assert_eq!(counter.value().await.unwrap(), 5, "what a refused handler has sent is not sent");
}

// proves: B31
async fn a_key_taken_before_the_commit_stands_for_what_was_sent(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let (counter, sender) = (cluster.get::<Counter>("c"), cluster.get::<Sender>("s"));
    probe.close("sent");
    let sending = spawn(sender.send("k".into(), vec![3]).into_future());
    probe.wait_for("sent", 1).await;
    // It has looked, and found nothing.
    assert_eq!(counter.add(3).key("k").await.unwrap(), 3);
    probe.open("sent");
    sending.await.unwrap().unwrap();
    cluster.caught_up().await.unwrap();
    assert_eq!(counter.value().await.unwrap(), 3, "added once");

    probe.close("sent");
    let sending = spawn(sender.send_slowly("other".into(), 4).into_future());
    probe.wait_for("sent", 2).await;
    assert_eq!(counter.add(4).key("other").await.unwrap(), 7);
    probe.open("sent");
    assert_eq!(sending.await.unwrap().unwrap(), 7, "the receipt finds it by its key");
}

backends!(
    a_message_whose_key_is_known_is_the_request_of_that_key,
    a_message_whose_key_has_other_arguments_is_a_conflict_for_its_handler,
    a_key_taken_before_the_commit_stands_for_what_was_sent,
);
